# SPDX-License-Identifier: BSD-2-Clause
# exfat-fuse: an exFAT image behind a loop device, which only root can make. On libfuse 2 or 3.
packages="exfat-fuse exfatprogs"
program=mount.exfat-fuse
can="rw"
because="fd * no mount: libfuse 2
* nocap no mount: fuseblk is for root
native user no mount: the loop device is root's"
prepare() {
	truncate -s 64M "$src/image"
	mkfs.exfat -q "$src/image" || mkfs.exfat "$src/image"
	loop=$(losetup -f --show "$src/image") || return 1
	echo "$loop" >"$work/loop"
	rm -r "$want/hello" "$want/dir"
}
start() {
	"$1" mount.exfat-fuse ${fg:+-d} "$loop" "$mnt"
}
after() { # in the runner, when the namespaces are gone
	losetup -d "$(cat loop)"
}

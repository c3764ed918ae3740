# SPDX-License-Identifier: BSD-2-Clause
# ntfs-3g: an NTFS image. It carries a libfuse of its own.
packages="ntfs-3g"
can="rw xattr"
because="fd * no mount: libfuse of its own
fusermount * no mount: never runs fusermount
preload user no mount: setuid
preload alone no mount: setuid"
prepare() {
	truncate -s 64M "$src/image"
	mkfs.ntfs -F -q -f "$src/image" &&
	    ntfscp -q "$src/image" "$want/hello" hello && rm -r "$want/dir"
}
start() {
	no_other= # it asks for allow_other by itself
	[ "$who" = root ] || no_other=no_def_opts,silent,
	! is_user || no_other=${no_other}uid=$(id -u "$user"),gid=$(id -g "$user"),
	"$1" ntfs-3g -o "${no_other}streams_interface=xattr${fg:+,no_detach}" "$src/image" "$mnt"
}

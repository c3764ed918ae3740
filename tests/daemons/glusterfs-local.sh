# SPDX-License-Identifier: BSD-2-Clause
# glusterfs-local: the GlusterFS client on a volume file without any server: storage/posix below features/locks. It speaks FUSE by
# code of its own.
packages="glusterfs-client"
program=glusterfs
can="rw xattr"
clean=15 # it ends by sending itself SIGTERM
because="fd * no mount: FUSE of its own
native user no mount: its fusermount is not setuid"
prepare() {
	cp -r "$want/." "$src"
	cat >"$work/local.vol" <<END
volume posix
  type storage/posix
  option directory $src
end-volume
volume locks
  type features/locks
  subvolumes posix
end-volume
END
}
start() {
	"$1" glusterfs -f "$work/local.vol" ${fg:+-N} -l "$work/home/gluster.log" "$mnt"
}

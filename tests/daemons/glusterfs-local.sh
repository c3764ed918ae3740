# SPDX-License-Identifier: BSD-2-Clause
# glusterfs-local: the GlusterFS client on a volume file without any server: storage/posix below features/locks. It speaks FUSE by
# code of its own.
packages="glusterfs-client"
program=glusterfs
can="rw xattr"
clean=15 # it ends by sending itself SIGTERM
because="* user no mount: trusted.* is for CAP_SYS_ADMIN
* nocap no mount: trusted.* is for CAP_SYS_ADMIN
fd * no mount: FUSE of its own
fusermount * no mount: fusermount of its own
preload * no mount: mounts in a child"
prepare() {
	allow_other # it always asks for it
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

# SPDX-License-Identifier: BSD-2-Clause
# rclone mount2: any cloud's storage; here a folder. In Go, with go-fuse.
packages="rclone"
program=rclone
can="rw"
because="preload * no mount: Go
fd * no exit: it waits for its mountpoint"
start() {
	daemon_word=--daemon
	[ -z "$fg" ] || daemon_word=
	"$1" rclone mount2 $daemon_word --config "$work/home/rclone.conf" --cache-dir "$work/home/cache" \
	    --vfs-cache-mode writes --vfs-write-back 0 "$src" "$mnt"
}

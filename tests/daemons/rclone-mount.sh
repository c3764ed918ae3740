# SPDX-License-Identifier: BSD-2-Clause
# rclone mount: any cloud's storage; here a folder. In Go, with bazil's library.
packages="rclone"
program=rclone
can="rw"
because="preload * no mount: Go
fd * no mount: bazil"
start() {
	daemon_word=--daemon
	[ -z "$fg" ] || daemon_word=
	"$1" rclone mount $daemon_word --config "$work/home/rclone.conf" --cache-dir "$work/home/cache" \
	    --vfs-cache-mode writes --vfs-write-back 0 "$src" "$mnt"
}

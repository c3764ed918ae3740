#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The engine as a library, by a program that knows the public headers only: over callbacks and over a socket, with sshfs as the
# unmodified daemon.
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native
DAEMON=sshfs
daemon_ready
mkdir -p "$src/dir"
head -c 3000000 /dev/urandom >"$src/file"
echo text >"$src/dir/text"
for way in callbacks socket; do
	rm -f said # the last round's
	"$tools/engine_api" $way "$mnt" sshfs -f -o "ssh_command=sh -c $sftp_server" "x:$src" @ >said 2>errors &
	engine=$!
	until_true 20 grep -q serving said || fail "$way: $(cat errors)"
	[ "$(findmnt -n -o FSTYPE,SOURCE --mountpoint "$mnt" | tr -s ' ')" = "fuse.enginetest the source" ] ||
		fail "$way: shown as $(findmnt -n --mountpoint "$mnt")"
	diff -r "$src" "$mnt" || fail "$way: reading"
	cp "$src/file" "$mnt/dir/copy"
	mv "$mnt/dir/copy" "$mnt/copy.$way"
	cmp "$src/file" "$src/copy.$way" || fail "$way: writing"
	umount "$mnt"
	wait $engine || fail "$way: status $?: $(cat errors)"
done
# What cannot be mounted is said, and the program goes on.
"$tools/engine_api" callbacks "$work/missing" sleep 2 >said 2>errors && fail "a missing mountpoint was mounted"
grep -q 'missing: No such file or directory' errors || fail "$(cat errors)"

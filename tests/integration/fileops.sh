#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each operation of fileops.c on a mount: unlinked open files, rename over an open file, names, sparse files, appending from
# two processes, maps, attributes and times, a folder that changes while it is read, I/O at odd offsets, open flags.
# daemons: bindfs passthrough_ll gocryptfs sshfs
# needs: fuse
# limit: 120
. "$(dirname "$0")/lib.sh"

ops="append attrs mmap names offsets opens readdir renameover sparse unlinked"
case $DAEMON in
# What these daemons cannot do, natively either: UTIME_OMIT; nanoseconds and some errors.
bindfs) export NO_OMIT=1 ;;
sshfs) export NO_OMIT=1 SFTP=1 ;;
esac

serve
failed=
for op in $ops; do
	mkdir "$mnt/$op"
	if "$tools/fileops" "$op" "$mnt/$op"; then
		say "ok $op"
	else
		say "not ok $op"
		failed="$failed $op"
	fi
done
unserve
[ -z "$failed" ] || fail "$failed"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The two ways in which perfuse mount gives a daemon its socket: as /dev/fd/N for its mountpoint, and by answering its system calls
# (the way for those that cannot take the first, as bindfs). Both serve the same; a daemon that can only be supervised says so.
# daemons: sshfs squashfuse gocryptfs passthrough_ll bindfs
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native

daemon_ready
[ "$DAEMON" = gocryptfs ] || echo hello >"$src/file"
if [ "$DAEMON" = squashfuse ]; then
	rm -f "$src.sqfs"
	daemon_ready
fi
for way in supervise fd; do
	if [ $way = fd ] && [ "$DAEMON" = bindfs ]; then
		mount_by_fd() {
			daemon_exec "$src" "$mnt" "" "$perfuse" mount --via fd --
		}
		refuses any . mount_by_fd
		! mounted || fail "something is mounted"
		continue
	fi
	daemon_exec "$src" "$mnt" "" "$perfuse" mount --via $way -- || fail "$way: status $?"
	mounted || fail "$way: not mounted when perfuse mount returned"
	case $(findmnt -n -o FSTYPE --mountpoint "$mnt") in
	fuse | "fuse.$DAEMON") ;;
	*) fail "$way: type $(findmnt -n -o FSTYPE --mountpoint "$mnt")" ;;
	esac
	if [ "$DAEMON" != gocryptfs ]; then
		[ "$(cat "$mnt/file")" = hello ] || fail "$way: reading"
	fi
	if [ "$DAEMON" != squashfuse ]; then
		head -c 3000000 /dev/urandom >blob
		cp blob "$mnt/blob"
		cmp blob "$mnt/blob" || fail "$way: writing"
		rm "$mnt/blob"
	fi
	unserve
done

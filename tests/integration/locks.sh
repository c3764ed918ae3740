#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each case of locks.c on a mount: flock, POSIX and open file description locks, kept by the kernel, or by the daemon (libfuse's
# example answers flock).
# daemons: bindfs passthrough_ll
# needs: fuse
. "$(dirname "$0")/lib.sh"

[ "$DAEMON" != passthrough_ll ] || export REMOTE_FLOCK=1
serve
failed=
for what in $("$tools/locks" list); do
	mkdir "$mnt/$what"
	"$tools/locks" "$what" "$mnt/$what" || failed="$failed $what"
done
unserve
[ -z "$failed" ] || fail "$failed"

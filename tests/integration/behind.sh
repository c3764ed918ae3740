#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each case of behind.c: the folder that the daemon shows changes behind its back, with timeouts of 0 and of 1 second.
# daemons: passthrough_ll:timeout=0 passthrough_ll:timeout=1 bindfs:attr_timeout=0,entry_timeout=0 bindfs:attr_timeout=1,entry_timeout=1
# needs: fuse
. "$(dirname "$0")/lib.sh"

export TIMEOUT="${flavour##*=}"
case $DAEMON in
passthrough_ll) export AUTO_INVAL=1 ;;
bindfs) export NODE_IS_NAME=1 ;;
esac
serve
failed=
for what in $("$tools/behind" list); do
	# In bindfs (libfuse2) cached pages stay until the next open.
	[ "$DAEMON:$what" != bindfs:samesize ] || continue
	"$tools/behind" "$what" "$work" || failed="$failed $what"
done
unserve
[ -z "$failed" ] || fail "$failed"

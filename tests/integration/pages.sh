#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each case of pages.c on a mount: shared maps, truncation under a map, files without a name, appending, O_DIRECT beside the page
# cache, folders that change while they are read, seekdir.
# daemons: bindfs passthrough_ll passthrough_ll:writeback fuse-overlayfs sshfs
# needs: fuse
. "$(dirname "$0")/lib.sh"

case $DAEMON in bindfs | fuse-overlayfs | sshfs) export HIDES=1 ;; esac
serve
failed=
for what in $("$tools/pages" list); do
	# libfuse's example hands O_DIRECT down and then writes from memory that is not aligned.
	[ "$DAEMON:$what" != passthrough_ll:direct ] || continue
	mkdir "$mnt/$what"
	"$tools/pages" "$what" "$mnt/$what" || failed="$failed $what"
done
unserve
[ -z "$failed" ] || fail "$failed"

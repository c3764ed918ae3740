#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# -o ro: reading works, everything that changes says "Read-only file system", and the table says ro.
# daemons: bindfs sshfs
# needs: fuse
. "$(dirname "$0")/lib.sh"

echo kept >"$src/file"
serve -o ro
findmnt -n -o OPTIONS --mountpoint "$mnt" | grep -q '^ro\(,\|$\)' || fail "the options do not begin with ro"
[ "$(cat "$mnt/file")" = kept ] || fail "reading"
for change in "touch $mnt/new" "rm -f $mnt/file" "mkdir $mnt/dir" "chmod 600 $mnt/file" "mv $mnt/file $mnt/x" "truncate -s 1 $mnt/file"; do
	! $change 2>said || fail "did not fail: $change"
	grep -q 'Read-only file system' said || fail "$change: $(cat said)"
done
unserve
[ "$(cat "$src/file")" = kept ] || fail "the source changed"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A run directory that cannot be trusted (writable by others): mounts work all the same, only without a control socket. The
# daemon's descriptor then has the number that the control socket would have had.
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native
[ "$(id -u)" = 0 ] || skip "needs root"
DAEMON=bindfs
echo text >"$src/file"
chmod 1777 /run/perfuse
serve
[ "$(cat "$mnt/file")" = text ] || fail "reading"
[ -z "$("$perfuse" list)" ] || fail "listed without a control socket"
umount "$mnt"
chmod 755 /run/perfuse
serve
[ -n "$("$perfuse" list)" ] || fail "not listed"
unserve

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Frames that are wrong in one thing each, and a peer that says nothing: badframe.c tells what is expected. Afterwards the service
# still serves, every refusal is in its log, and nothing is mounted.
# needs: fuse
# limit: 180
. "$(dirname "$0")/lib.sh"
not_native
[ -x "$tools/badframe" ] || skip "badframe was not built"
DAEMON=bindfs
no_engines() {
	[ -z "$(processes 'perfused: engine')" ]
}
start_service
"$tools/badframe" /run/perfuse/fuse >silent.txt &
silent=$!
"$tools/badframe" /run/perfuse/fuse "$mnt" </dev/null
! mounted || fail "something is mounted"
be_user
chown 0:0 "$mnt"
as_user "$user_tools/badframe" /run/perfuse/fuse "$mnt" </dev/null
! mounted || fail "something is mounted"
as=
serve
unserve
wait "$silent" || fail "the silent peer: $(cat silent.txt)"
cat silent.txt
[ "$(grep -c . "$service_log")" -ge 52 ] || fail "refusals are missing in the log: $(cat "$service_log")"
until_true 10 no_engines || fail "engines stay: $(processes 'perfused: engine')"
stop_service

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Ctrl-C while a mount is being made: SIGINT to the whole foreground job leaves nothing mounted and no process, whether the daemon
# has mounted and is silent or has not come so far.
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native

job() { # COMMAND...: as a job of its own, with the signals a shell in the background would ignore
	setsid env --default-signal=INT,QUIT "$@" >job.out 2>job.err &
	job=$!
}
ctrl_c() {
	kill -INT "-$job"
	gone() {
		not alive "$job"
	}
	until_true 10 gone || fail "perfuse mount still runs after Ctrl-C"
	status=0
	wait "$job" || status=$?
	say "ended with status $status: $(cat job.err)"
	[ "$status" != 0 ] || fail "status 0 after Ctrl-C"
	until_true 10 not mounted || fail "still mounted after Ctrl-C"
}

job "$perfuse" mount -- "$tools/rawdaemon" mute "$mnt"
until_true 10 mounted || fail "rawdaemon did not mount: $(cat job.err)"
ctrl_c
[ -z "$(processes "$tools/rawdaemon")" ] || until_true 10 test -z "$(processes "$tools/rawdaemon")" || fail "the daemon stays"

job "$perfuse" mount -- sleep 1000
running() {
	[ -n "$(processes 'sleep 1000')" ]
}
until_true 10 running || fail "the daemon was not started"
ctrl_c
until_true 10 not running || fail "the daemon stays"

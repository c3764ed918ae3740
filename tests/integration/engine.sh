#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# An engine process is killed: its waiters get an error at once, nothing of it stays mounted, its daemon ends, the service and other
# mounts go on, and the place can be mounted again.
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native
DAEMON=hangfs
start_service
mkdir other-src other-mnt
echo alive >other-src/file
"$perfuse" mount -- bindfs "$work/other-src" "$work/other-mnt"
serve
"$tools/fileops" read "$mnt/hang" >reader &
reader=$!
waiting() {
	case $(cat "/proc/$reader/syscall") in '0 '*) ;; *) return 1 ;; esac
}
until_true 10 waiting || fail "the reader does not wait"
daemon=$(processes "$tools/hangfs")
kill -9 "$(engine_pid "$mnt")"
gone() {
	not alive "$1"
}
until_true 10 gone "$reader" || fail "the reader still waits"
wait "$reader"
case $(cat reader) in
'errno 103' | 'errno 107') ;; # ECONNABORTED, ENOTCONN
*) fail "the reader got: $(cat reader)" ;;
esac
until_true 10 not mounted || fail "the dead engine's mount stays"
until_true 10 gone "$daemon" || fail "its daemon stays"
alive "$service" || fail "perfused died with the engine"
[ "$(cat other-mnt/file)" = alive ] || fail "another mount suffered"
serve
[ "$(cat "$mnt/file")" = hangfs ] || fail "reading after a new mount"
unserve
"$perfuse" umount "$work/other-mnt"
stop_service

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A daemon is killed while programs wait for it: they get ENOTCONN at once, so does who comes later; other mounts and the service
# go on; the mount goes away by umount. The same for a daemon that answers nonsense, which is told in the log.
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native
DAEMON=hangfs
start_service
mkdir other-src other-mnt
echo alive >other-src/file
"$perfuse" mount -- bindfs "$work/other-src" "$work/other-mnt"

serve
[ "$(cat "$mnt/file")" = hangfs ] || fail "reading"
readers=
for n in 1 2 3; do
	"$tools/fileops" read "$mnt/hang" >reader-$n &
	readers="$readers $!"
done
waiting() { # all three are in the read
	for pid in $readers; do
		case $(cat "/proc/$pid/syscall") in '0 '*) ;; *) return 1 ;; esac
	done
}
until_true 10 waiting || fail "the readers do not wait"
daemon=$(processes "$tools/hangfs")
kill -9 $daemon
for pid in $readers; do
	gone() {
		not alive "$pid"
	}
	until_true 10 gone || fail "a reader still waits after the daemon's death"
done
wait $readers
[ "$(cat reader-1 reader-2 reader-3 | sort -u)" = "errno 107" ] || fail "not ENOTCONN: $(cat reader-*)"
[ "$("$tools/fileops" read "$mnt/file")" = "errno 107" ] || fail "not ENOTCONN for who comes later"
mounted || fail "the mount went away by itself"
alive "$service" || fail "perfused died with the daemon"
[ "$(cat other-mnt/file)" = alive ] || fail "another mount suffered"
"$perfuse" list | grep -F "$mnt" | grep -q dead || fail "the list does not say dead: $("$perfuse" list)"
unserve

# It can be mounted again at the same place.
serve
[ "$(cat "$mnt/file")" = hangfs ] || fail "reading after a new mount"
unserve

# Nonsense after INIT.
"$perfuse" mount -- "$tools/rawdaemon" late "$mnt" >/dev/null || say "refused at once, as well"
if mounted; then
	[ "$("$tools/fileops" read "$mnt/file")" = "errno 107" ] || fail "nonsense was believed"
	"$perfuse" umount "$mnt"
fi
! mounted || fail "still mounted"
[ -s "$service_log" ] || fail "nothing in the log"
alive "$service" || fail "perfused died of nonsense"
[ "$(cat other-mnt/file)" = alive ] || fail "another mount suffered from nonsense"
"$perfuse" umount "$work/other-mnt"
stop_service

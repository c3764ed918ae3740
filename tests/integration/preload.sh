#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# libperfuse-preload.so by itself (LD_PRELOAD, no perfuse mount): root and a user, in the foreground and in the background; the daemon
# ends with status 0 and without a word when it is unmounted, as natively; its own end unmounts; several threads, each with a
# descriptor of its own; and what has come in the place of a mount of root's is not unmounted.
# daemons: bindfs sshfs squashfuse passthrough_ll passthrough_ll:clone_fd fuse-overlayfs
# needs: fuse
# limit: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ways.inc"
not_native
have fusermount3
daemon_ready
echo hello >"$src/file"
[ "$DAEMON" != squashfuse ] || { rm -f "$src.sqfs" && daemon_ready; }
case $DAEMON in
passthrough_ll) name=$tools/$DAEMON ;;
*) name=$DAEMON ;;
esac
daemon_gone() {
	[ -z "$(processes "$name")" ]
}
gone() {
	until_true 10 not mounted && until_true 20 daemon_gone || fail "$1: $(processes "$name")"
}
is_quiet() { # but for what these say natively, too
	! grep -v -e "invalid max threads" -e "unknown argument ignored" -e "/proc seems to be mounted" said
}
use() {
	$as "$perfuse" list | grep -q "^$mnt" || fail "it is not perfuse's"
	[ "$($as cat "$mnt/file")" = hello ] || fail "reading"
	[ "$DAEMON" = squashfuse ] ||
	    $as sh -c "head -c 3000000 /dev/urandom >'$1' && cp '$1' '$mnt/blob' && cmp '$1' '$mnt/blob' && rm '$mnt/blob'" ||
	    fail "writing"
}
in_foreground() { # the daemon, its status in $status, its words in said
	daemon_exec "$src" "$mnt" "" $as env LD_PRELOAD="$preload" sh -c 'program=$1; shift; exec "$program" -f "$@"' sh >said 2>&1 &
	job=$!
	until_true 10 mounted || fail "not mounted: $(cat said)"
}

round() { # BLOB
	daemon_exec "$src" "$mnt" "" $as env LD_PRELOAD="$preload" >said 2>&1 || fail "status $?: $(cat said)"
	until_true 10 mounted || fail "not mounted: $(cat said)"
	use "$1"
	$as "$perfuse" umount "$mnt" || fail "perfuse umount"
	gone "in the background"
	is_quiet || fail "it said: $(cat said)"

	in_foreground
	use "$1"
	$as "$perfuse" umount "$mnt" || fail "perfuse umount"
	status=0
	wait "$job" || status=$?
	[ "$status" = 0 ] || fail "status $status when it was unmounted: $(cat said)"
	is_quiet || fail "it said: $(cat said)"
	gone "in the foreground"
}
round "$work/blob"

# The same ended by a signal: libfuse unmounts.
in_foreground
use "$work/blob"
for pid in $(processes "$name"); do
	kill -TERM "$pid"
done
wait "$job" || :
gone "by a signal"

# Unmounted, and something else mounted there while the daemon has not seen it yet: it stays.
in_foreground
for pid in $(processes "$name"); do
	kill -STOP "$pid"
done
"$perfuse" umount -l "$mnt" || fail "perfuse umount -l"
until_true 10 not mounted || fail "it stays"
mount -t tmpfs none "$mnt"
for pid in $(processes "$name"); do
	kill -CONT "$pid"
done
wait "$job" || :
mounted || fail "it unmounted what was not its own"
[ "$(findmnt -n -o FSTYPE --mountpoint "$mnt")" = tmpfs ] || fail "what is there?"
umount "$mnt"

# A user, by himself and with the service.
[ "$DAEMON" != fuse-overlayfs ] || exit 0 # which is root's
be_user
chmod 755 "$src"
if as_user test -x "$name" || [ "$name" = "$DAEMON" ]; then
	round "$work/home/blob"
	start_service
	round "$work/home/blob"
	stop_service
fi

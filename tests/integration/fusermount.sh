#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Our fusermount3 as the only one there is, as in a container's image: daemons that know nothing of perfuse are served by root's
# perfused, as root and as a user; they unmount with it, and auto_unmount works. What it says and its exit status are the
# system's fusermount3's, and nobody unmounts what is not his.
# daemons: bindfs sshfs squashfuse gocryptfs
# needs: fuse
# limit: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ways.inc"
not_native
have fusermount3
daemon_ready
[ "$DAEMON" = gocryptfs ] || echo hello >"$src/file"
[ "$DAEMON" != squashfuse ] || { rm -f "$src.sqfs" && daemon_ready; }

# The same words and statuses as the other, for whatever is wrong.
theirs=$work/theirs
cp /usr/bin/fusermount3 "$theirs"
chmod 4755 "$theirs"
compare() { # ARGS...
	their_status=0 our_status=0
	"$theirs" "$@" >their.out 2>their.err || their_status=$?
	"$libexec/fusermount3" "$@" >our.out 2>our.err || our_status=$?
	sed -i "s|^$theirs|PROGRAM|" their.out their.err
	sed -i "s|^$libexec/fusermount3|PROGRAM|" our.out our.err
	[ "$our_status" = "$their_status" ] || fail "fusermount3 $*: status $our_status, not $their_status"
	cmp -s their.err our.err || fail "fusermount3 $*: \"$(cat our.err)\", not \"$(cat their.err)\""
	cmp -s their.out our.out || fail "fusermount3 $*: \"$(cat our.out)\", not \"$(cat their.out)\""
}
compare
compare -h
compare -z "$mnt"
compare -u
compare -u one two
compare -x "$mnt"
compare --no-such-option "$mnt"
compare "$mnt"
compare -u ''
compare -u "$work/no/such/directory"
compare -q -u "$work/no-such"
compare -u "$work/no-such"
[ "$("$libexec/fusermount3" --version | sed 's/[0-9.]*$//')" = "fusermount3 version: " ] || fail "--version"
[ "$("$libexec/fusermount" -V | sed 's/[0-9.]*$//')" = "fusermount version: " ] || fail "fusermount -V"
! _FUSE_COMMFD=7 "$libexec/fusermount3" -- "$mnt" 2>said || fail "a descriptor that is not open"
grep -q "_FUSE_COMMFD=7" said || fail "no word of it: $(cat said)"
! "$libexec/fusermount3" --sync-init -- "$mnt" 2>said || fail "--sync-init is taken"

# From here on it is the only one.
for place in /usr/bin/fusermount3 /bin/fusermount3 /usr/bin/fusermount /bin/fusermount; do
	cmp -s "$place" "$libexec/fusermount3" || mount --bind "$libexec/fusermount3" "$place"
done
start_service

plainly() { # [OPTS]: the daemon as if perfuse were not there
	daemon_exec "$src" "$mnt" "${1-}" $as || fail "$DAEMON: status $?"
	until_true 10 mounted || fail "not mounted"
}
daemon_gone() {
	[ -z "$(processes "$DAEMON")" ]
}
gone() {
	until_true 10 not mounted && until_true 20 daemon_gone || fail "$1: $(processes "$DAEMON")"
}
use() {
	case $(findmnt -n -o FSTYPE --mountpoint "$mnt") in
	fuse | "fuse.$DAEMON") ;;
	*) fail "type $(findmnt -n -o FSTYPE --mountpoint "$mnt")" ;;
	esac
	$as "$perfuse" list | grep -q "^$mnt" || fail "it is not perfuse's"
	[ "$DAEMON" = gocryptfs ] || [ "$($as cat "$mnt/file")" = hello ] || fail "reading"
	[ "$DAEMON" = squashfuse ] ||
	    $as sh -c "head -c 3000000 /dev/urandom >'$1' && cp '$1' '$mnt/blob' && cmp '$1' '$mnt/blob' && rm '$mnt/blob'" ||
	    fail "writing"
}

be_user
[ "$DAEMON" != gocryptfs ] || chown -R $user: "$src"
chmod 755 "$src"
plainly
use "$work/home/blob"
findmnt -n -o OPTIONS --mountpoint "$mnt" | grep nosuid | grep -q nodev || fail "no nosuid and nodev"

# Not another user's, nor what is no mount of ours.
mkdir -p "$work/home-$other"
as_other fusermount3 -u "$mnt" 2>said && fail "another user unmounted it"
grep -q "failed to unmount $mnt" said || fail "no word of it: $(cat said)"
as_other fusermount3 -q -u "$mnt" 2>said && fail "another user unmounted it quietly"
[ ! -s said ] || fail "not quiet: $(cat said)"
mkdir other
mount -t tmpfs none other
! fusermount3 -u "$work/other" 2>said || fail "it unmounted a tmpfs"
! fusermount3 -z -u "$work/other" 2>said || fail "it unmounted a tmpfs lazily"
mounted "$work/other" || fail "the tmpfs is gone"
umount other
mounted || fail "it is gone"

# Busy; then lazily.
$as sh -c "cd '$mnt' && exec sleep 6000" &
until_true 10 sh -c "ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -q '$mnt\$'" || fail "nobody is in it"
! as_user fusermount3 -u "$mnt" 2>said || fail "unmounted while busy"
grep -q "failed to unmount $mnt: Device or resource busy" said || fail "not busy: $(cat said)"
as_user fusermount3 -u -z "$mnt" || fail "not lazily"
until_true 10 not mounted || fail "still there"
kill "$(processes "sleep 6000")"
wait $! || :
gone "lazily"

plainly
as_user fusermount3 -u "$mnt" || fail "fusermount3 -u: $?"
gone "unmounted"

# The daemon is killed, and the mount goes with it.
case $DAEMON in
gocryptfs) ;; # it knows no such option
*)
	plainly auto_unmount
	use "$work/home/blob"
	for pid in $(processes "$DAEMON"); do
		kill -9 "$pid"
	done
	gone "auto_unmount"
	watcher_gone() {
		[ -z "$(processes fusermount)" ]
	}
	until_true 10 watcher_gone || fail "fusermount3 stays"
	;;
esac
! as_user fusermount3 -u "$mnt" 2>said || fail "unmounted what is not there"
stop_service

# Without a service there is nobody to ask, and it must not ask itself.
! daemon_exec "$src" "$mnt" "" $as >said 2>&1 || until_true 5 mounted || :
! mounted || fail "mounted by whom?"
until_true 10 daemon_gone || fail "the daemon stays"
grep -q "start one as root" said || [ "$DAEMON" = gocryptfs ] || fail "no word of it: $(cat said)"
for place in /usr/bin/fusermount3 /usr/bin/fusermount /bin/fusermount3 /bin/fusermount; do
	! mounted "$place" || umount "$place"
done

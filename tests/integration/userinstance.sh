#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# An ordinary user for whom no perfused runs: each mount has one of its own (perfused -i), started for it, which ends with it. They are
# listed and unmounted from other terminals; one that is killed takes no other with it.
# daemons: bindfs sshfs
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native
be_user
[ -e /etc/mtab ] || skip "there is no /etc/mtab, which fusermount3 needs to unmount"
as_user sh -c "echo from-the-source >'$src/file'"

instances() {
	processes "${PERFUSE_PERFUSED:-$perfused} -i" | wc -l
}
listed() { # another terminal: a session of its own
	setsid setpriv --reuid=$user --regid=$user --clear-groups env HOME="$work/home" XDG_RUNTIME_DIR="$work/run-user" \
	    "$perfuse" list | sed 1d
}
count_is() { # COMMAND NUMBER
	[ "$("$1" | sed '/^$/d' | wc -l)" = "$2" ]
}
instances_are() {
	[ "$(instances)" = "$1" ]
}

for n in 1 2 3; do
	mkdir "mnt$n"
	chown $user: "mnt$n"
	daemon_exec "$src" "$work/mnt$n" "" $as "$perfuse" mount -- || fail "mount $n: $?"
	[ "$(as_user cat "mnt$n/file")" = from-the-source ] || fail "reading mount $n"
	count_is listed "$n" || fail "after $n mounts: $(listed)"
	instances_are "$n" || fail "not $n instances: $(ps -ef)"
done
# Nobody else's.
chmod 755 "$work"
mkdir -p "$work/home-$other"
[ -z "$(as_other "$perfuse" list | sed 1d)" ] || fail "another user lists them: $(as_other "$perfuse" list)"
refuses any "$work/mnt1" as_other "$perfuse" umount "$work/mnt1"

# From another terminal, one by one: each ends alone.
setsid setpriv --reuid=$user --regid=$user --clear-groups env HOME="$work/home" XDG_RUNTIME_DIR="$work/run-user" "$perfuse" umount \
    "$work/mnt1" || fail "umount from another terminal: $?"
! mounted "$work/mnt1" || fail "mnt1 is still mounted"
until_true 10 instances_are 2 || fail "the first instance does not end: $(ps -ef)"
[ "$(as_user cat mnt2/file)" = from-the-source ] || fail "mnt2 is gone with mnt1"
# One is told to end, and unmounts.
kill "$(processes "${PERFUSE_PERFUSED:-$perfused} -i" | head -n 1)"
until_true 10 instances_are 1 || fail "SIGTERM does not end an instance"
until_true 10 count_is listed 1 || fail "listed: $(listed)"
for n in 2 3; do
	! mounted "$work/mnt$n" || as_user "$perfuse" umount "$work/mnt$n" || fail "umount of mnt$n: $?"
done
until_true 10 instances_are 0 || fail "instances left: $(ps -ef)"
[ -z "$(listed)" ] || fail "still listed: $(listed)"
# Nothing is left of them, and the next one starts afresh.
[ -z "$(ls "$work/run-user/perfuse/mounts")" ] || fail "sockets left: $(ls "$work/run-user/perfuse/mounts")"
serve
[ "$(as_user cat "$mnt/file")" = from-the-source ] || fail "after all that"
unserve

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Users of perfused's service that mean harm: none of them keeps another waiting, stays mounted without an engine, traces an engine
# or takes all places.
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native
[ "$(id -u)" = 0 ] || skip "needs root"
have unshare
start_service
be_user
mkdir "$work/tool" "$work/home-$other"
cp "$tools/hostile_peer" "$work/tool"
hostile=$work/tool/hostile_peer

end_hostile() {
	for pid in $(processes "$hostile" 2>/dev/null); do
		kill "$pid"
	done
}

# A descriptor whose last close waits.
as_user "$hostile" linger >lingers &
until_true 10 grep -q sent lingers || fail "the lingering peer did not start"
for i in 1 2 3; do
	as_other "$hostile" ask || fail "perfused waits for a user's descriptor"
done
end_hostile

# No engine can be traced by its user: it would have the socket to the parent. (Sanitizers trace themselves.)
sanitized || as_user "$hostile" trace || fail "an engine was traced"
as_other "$hostile" ask || fail "perfused does not answer any more"

# A dead engine's mount goes, even if its folder has got another name (which another mount namespace can give it).
mkdir "$work/home/m"
chown $user: "$work/home/m"
as_user unshare -Urm sh -c ": >'$work/home/there'; until [ -e '$work/home/now' ]; do sleep 0.05; done; mv '$work/home/m' '$work/home/gone'" &
mover=$!
until_true 10 test -e "$work/home/there" || skip "this user cannot have namespaces"
as_user "$hostile" mount "$work/home/m" >engine &
until_true 10 test -s engine || fail "the hostile peer's mount failed"
mounted "$work/home/m" || fail "not mounted"
: >"$work/home/now"
wait "$mover" || fail "the folder could not be renamed"
mounted "$work/home/gone" || fail "the folder was not renamed below the mount"
kill -9 "$(cat engine)"
until_true 10 not mounted "$work/home/gone" || fail "a dead mount was left behind: $(cat "$service_log")"
end_hostile

# What covers a dead engine's mount is not taken for it.
mkdir "$work/home/n"
chown $user: "$work/home/n"
as_user "$hostile" mount "$work/home/n" >engine2 &
until_true 10 test -s engine2 || fail "the second mount failed"
kill -STOP "$(cat engine2)"
mount -t tmpfs of-root "$work/home/n" 2>/dev/null || : # (not every kernel lets root look up what a user serves)
if [ "$(findmnt -n -o SOURCE --mountpoint "$work/home/n" | tail -n 1)" = of-root ]; then
	kill -9 "$(cat engine2)"
	until_true 10 grep -q 'to be tried again' "$service_log" || fail "did not say that it cannot unmount"
	[ "$(findmnt -n -o SOURCE --mountpoint "$work/home/n" | tail -n 1)" = of-root ] || fail "unmounted root's mount"
	umount "$work/home/n"
else
	kill -9 "$(cat engine2)"
fi
until_true 20 not mounted "$work/home/n" || fail "did not try again: $(cat "$service_log")"
end_hostile

# A user cannot take all places, and the others do not notice.
as_user "$hostile" crowd 60 >crowd &
until_true 20 test -s crowd || fail "the crowd did not get through"
say "$(cat crowd)"
grep -q '60 opened, 28 turned away' crowd || fail "not as many as there are places: $(cat crowd)"
as_other "$hostile" ask || fail "a crowd of one user's keeps another out"
end_hostile
stop_service

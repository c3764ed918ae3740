#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# perfuse list and umount: several mounts are listed with what they are, each is unmounted by itself, a busy one says so and stays, -l
# (lazy) takes it anyway; options given to perfuse itself reach the mount.
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native
DAEMON=bindfs
for n in 1 2 3; do
	mkdir "src$n" "mnt$n"
	echo "$n" >"src$n/file"
	"$perfuse" mount -- bindfs "$work/src$n" "$work/mnt$n"
done
"$perfuse" list
for n in 1 2 3; do
	"$perfuse" list | grep -F "$work/mnt$n" | grep -F "$work/src$n" | grep -q serving || fail "mount $n is not listed"
done
(
	cd mnt2
	exec sleep 1000
) &
busy=$!
in_it() {
	[ "$(readlink "/proc/$busy/cwd")" = "$work/mnt2" ]
}
until_true 10 in_it
refuses any "mnt2.*busy" "$perfuse" umount "$work/mnt2"
[ "$(cat mnt2/file)" = 2 ] || fail "a busy mount did not stay"
"$perfuse" umount -l "$work/mnt2" || fail "a lazy unmount"
! mounted "$work/mnt2" || fail "still mounted after a lazy unmount"
kill "$busy"
wait "$busy" || :
"$perfuse" umount mnt1 || fail "a relative path"
! mounted "$work/mnt1" && mounted "$work/mnt3" || fail "the wrong one was unmounted"
umount "$work/mnt3" || fail "umount(8)"
no_mounts() {
	! "$perfuse" list | grep -q -F "$work"
}
until_true 10 no_mounts || fail "still listed: $("$perfuse" list)"

"$perfuse" mount -o ro,noexec,fsname=my-name -- bindfs "$work/src1" "$work/mnt1"
findmnt -n -o SOURCE,OPTIONS --mountpoint "$work/mnt1" >shown
grep -q '^my-name ro,.*noexec' shown || fail "options of perfuse mount: $(cat shown)"
"$perfuse" umount "$work/mnt1"
"$perfuse" --version | grep -q '^perfuse [0-9]' || fail "--version"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Lines of /etc/fstab with the type perfuse: mount -a (and again), mount DIR and umount DIR by root and by a user, remount; and the
# unit that systemd makes of such a line.
# daemons: sshfs bindfs squashfuse
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native
. "$here/mountperfuse.lib"

echo hello >"$src/file"
daemon_ready
private_sbin
line "$src"
be_user
chmod 755 "$work"
# The build's perfused must be found by what mount(8) starts for a user; mount(8), which is setuid, keeps this variable.
export PERFUSE_PERFUSED
column() { # as fstab has it
	printf '%s' "$1" | sed 's/\\/\\134/g; s/ /\\040/g'
}
more=
[ "$DAEMON" != bindfs ] || more=,no-allow-other # as a user it would ask for allow_other by itself
[ -e /etc/fstab ] || skip "there is no /etc/fstab to cover"
tab() { # OPTIONS
	printf '%s %s perfuse %s 0 0\n' "$(column "$spec")" "$mnt" "$(column "$1${opts:+,$opts}$more")" >"$work/fstab"
}
tab noauto
mount --bind "$work/fstab" /etc/fstab

there() {
	mounted || fail "$1: not mounted"
	[ "$($as cat "$mnt/file")" = hello ] || fail "$1: reading"
}

once() {
	[ "$(grep -c " $mnt " /proc/self/mountinfo)" = 1 ] || fail "$1: $(grep " $mnt " /proc/self/mountinfo)"
}

as=
mount -a || fail "mount -a: status $?"
! mounted || fail "mount -a mounted a noauto line"
mount "$mnt" || fail "mount DIR: status $?"
there "mount DIR"
finish
tab _netdev,nofail,x-systemd.automount,rw
mount -a || fail "mount -a: status $?"
there "mount -a"
mount -a || fail "mount -a again: status $?"
once "mount -a again"
mount -o remount,ro "$mnt" || fail "remount: status $?"
case $(findmnt -n -o OPTIONS --mountpoint "$mnt") in ro,*) ;; *) fail "remount: $(findmnt -n "$mnt")" ;; esac
once remount
finish
mount -a -O _netdev || fail "mount -a -O _netdev: status $?"
there "mount -a -O _netdev"
finish
mount -a -O no_netdev
! mounted || fail "-O no_netdev"

# ---- a user ----

tab noauto,user,_netdev
as=as_user
as_user mount "$mnt" || fail "a user's mount: status $?"
there "a user's mount"
case $(findmnt -n -o OPTIONS --mountpoint "$mnt") in
*nosuid,nodev,noexec,*user_id="$(id -u $user)",*) ;;
*) fail "a user's mount: $(findmnt -n "$mnt")" ;;
esac
as_user mount "$mnt" 2>err || fail "again: status $?: $(cat err)"
once "a user's mount again"
if as_other umount "$mnt" 2>err; then fail "another user unmounted it"; fi
mounted || fail "another user unmounted it"
user_unmounts() {
	as_user umount "$mnt"
}
until_true 10 user_unmounts || fail "a user's umount"
! mounted || fail "still mounted"
until_true 10 nothing_runs || fail "left behind: $(ps -e -o pid,args)"
as_user mount "$mnt" || fail "a user's second mount: status $?"
as=
finish # root unmounts a user's
# Without a line, mount(8) gives up its root and goes on as the user (since 2.35).
as_user mount -t perfuse "$spec" "$mnt" -o "rw${opts:+,$opts}$more" || fail "a user's mount without a line: status $?"
as=as_user
there "a user's mount without a line"
as=
finish
# By a service, without fusermount3.
start_service
as=as_user
as_user mount "$mnt" || fail "a user's mount by the service: status $?"
there "a user's mount by the service"
until_true 10 user_unmounts || fail "a user's umount of the service's mount"
until_true 10 nothing_runs || fail "left behind: $(ps -e -o pid,args)"
as=
stop_service
umount /etc/fstab
undo_sbin

# ---- systemd ----

generator=/usr/lib/systemd/system-generators/systemd-fstab-generator
[ -x $generator ] || exit 0
tab _netdev,nofail,x-systemd.mount-timeout=30
mkdir units early late
SYSTEMD_FSTAB=$work/fstab SYSTEMD_LOG_TARGET=console $generator units early late || fail "systemd does not take the line: status $?"
unit=$(find units -name '*mnt.mount' -type f)
[ -n "$unit" ] || fail "systemd made no unit of the line: $(find units)"
say "$(cat "$unit")"
grep -q '^Type=perfuse$' "$unit" || fail "not of type perfuse"
grep -q "^Where=$mnt" "$unit" || fail "another place"
if command -v systemd-analyze >/dev/null; then
	# (Its own opinion of the machine's other units is on stderr, too.)
	systemd-analyze verify --man=no "$unit" >verify 2>&1 || fail "systemd-analyze: $(cat verify)"
	if grep -F "$(basename "$unit")" verify; then fail "systemd-analyze: $(cat verify)"; fi
fi

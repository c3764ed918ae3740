#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# perfuse mount --private COMMAND -- DAEMON: a user's mount without fusermount3, seen by the command alone. Its status is the command's; the
# daemon, the mount and all processes end with it. Where user namespaces are off, one line says so.
# daemons: sshfs bindfs gocryptfs squashfuse passthrough_ll
# needs: fuse
# asan: no, the leak check cannot run inside the namespace of its own
. "$(dirname "$0")/lib.sh"
not_native
be_user
as_user unshare -U true 2>/dev/null || skip "users may make no user namespaces here"
[ "$DAEMON" = gocryptfs ] || as_user sh -c "echo from-the-source >'$src/file'"
chmod 755 "$src"
daemon_ready
# A system without fusermount3: what there is of it fails. (gocryptfs runs it without having tried mount(2): it cannot do without.)
without=$(realpath "$(command -v fusermount3)")
[ "$DAEMON" = gocryptfs ] || mount --bind /bin/false "$without"
private_exit() {
	p_status=$?
	[ "$DAEMON" = gocryptfs ] || umount "$without"
	(exit "$p_status")
	lib_exit
}
trap private_exit EXIT

private() { # COMMAND... in front of the daemon
	daemon_exec "$src" "$mnt" "" $as "$perfuse" mount --private "$@" --
}

cat >"$work/command" <<EOF
id -u
findmnt -n -o FSTYPE,OPTIONS --mountpoint "$mnt"
[ "$DAEMON" = gocryptfs ] || cat "$mnt/file"
if [ "$DAEMON" != squashfuse ]; then
	echo written >"$mnt/new" && echo again >>"$mnt/new" && mkdir "$mnt/dir" && mv "$mnt/new" "$mnt/dir/moved" || exit 1
	[ "\$(cat "$mnt/dir/moved")" = "written
again" ] || exit 2
	[ "\$(stat -c %u "$mnt/dir/moved")" = "\$(id -u)" ] || exit 3
fi
"$perfuse" list | grep "^$mnt " || exit 4
exit 42
EOF
status=0
private sh "$work/command" >out || status=$?
[ "$status" = 42 ] || fail "status $status, not the command's: $(cat out)"
[ "$(head -n 1 out)" = "$(id -u $user)" ] || fail "the command is another user: $(cat out)"
grep -q nosuid out && grep -q nodev out || fail "no nosuid and nodev: $(cat out)"
[ -z "$(ls "$mnt")" ] || fail "the files are seen outside"
! mounted || fail "mounted outside"
left() {
	pgrep -x 'perfused?' || pgrep -x perfuse-superv || pgrep -x "$DAEMON"
}
until_true 10 not left >left.out || fail "processes left: $(ps -ef)"
[ -z "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'perfuse-private*')" ] || fail "a folder is left"

# The command may unmount, be killed, leave others behind.
private sh -c "\"$perfuse\" umount \"$mnt\" && [ -z \"\$(\"$perfuse\" list | sed 1d)\" ]" || fail "umount inside: $?"
status=0
private sh -c 'kill -9 $$' || status=$?
[ "$status" = 137 ] || fail "of a killed command: $status"
private sh -c 'sleep 1000 & :' || fail "a command that leaves another behind: $?"
until_true 10 not left >left.out || fail "processes left: $(ps -ef)"
! pgrep -x sleep || fail "what the command left behind lives on"
# So do they when perfuse itself is killed.
mkfifo -m 666 begun
private sh -c "echo >'$work/begun'; exec sleep 1000" &
client=$!
read -r _ <begun
kill -9 "$(pgrep -o -f "^$perfuse mount --private")"
wait "$client" || :
until_true 10 not left >left.out || fail "processes left after a kill: $(ps -ef)"

# ---- refusals ----
[ "$DAEMON" != gocryptfs ] || exit 0 # it has its own words after ours
refuses 127 "not found" private "$work/no-such-command"
refuses 64 "needs" as_user "$perfuse" mount --private true
refuses 64 "needs" as_user "$perfuse" mount --private
refuses 64 "needs" as_user "$perfuse" mount --private true --
refuses any "$work/nowhere" daemon_exec "$src" "$work/nowhere" "" $as "$perfuse" mount --private true --
[ "$DAEMON" = sshfs ] || exit 0
chmod 600 /dev/fuse
refuses 69 "/dev/fuse" private true
chmod 666 /dev/fuse
if [ -x "$tools/docker_like" ]; then
	refuses 77 "user namespace" daemon_exec "$src" "$mnt" "" "$tools/docker_like" setpriv --reuid=$user --regid=$user --clear-groups \
	    "$perfuse" mount --private true --
fi

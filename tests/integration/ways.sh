#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every way in, as root, as an ordinary user, and as root without CAP_SYS_ADMIN: what a daemon takes serves, what it cannot take is
# refused with the reason, nothing is left behind. And the choice: without seccomp another way is taken, and when there is
# none, one line names each and what to do.
# daemons: bindfs sshfs squashfuse gocryptfs
# needs: fuse
# limit: 180
# asan: no, the supervisor's leak check cannot run inside a namespace without capabilities
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ways.inc"
not_native
daemon_ready
[ "$DAEMON" = gocryptfs ] || echo hello >"$src/file"
[ "$DAEMON" != squashfuse ] || { rm -f "$src.sqfs" && daemon_ready; }

daemon_gone() {
	[ -z "$(processes "$DAEMON")" ]
}

try() { # WAY PREFIX...: mount, use, unmount; the prefix goes before perfuse mount
	t_way=$1
	shift
	if ! daemon_exec "$src" "$mnt" "" "$@" "$perfuse" mount -v --via "$t_way" -- 2>said; then
		return 1
	fi
	mounted || fail "$t_way: not mounted when perfuse mount returned: $(cat said)"
	case $DAEMON in
	gocryptfs) ;;
	*) [ "$($as cat "$mnt/file")" = hello ] || fail "$t_way: reading" ;;
	esac
	if [ "$DAEMON" != squashfuse ]; then
		$as sh -c "head -c 3000000 /dev/urandom >'$blob' && cp '$blob' '$mnt/blob' && cmp '$blob' '$mnt/blob' &&
		    mv '$mnt/blob' '$mnt/moved' && rm '$mnt/moved'" || fail "$t_way: writing"
	fi
	"$@" "$perfuse" umount "$mnt" || fail "$t_way: perfuse umount: status $?"
	! mounted || fail "$t_way: still mounted"
	until_true 20 daemon_gone || fail "$t_way: the daemon stays"
}

# A daemon that is told to end takes its mount along, as natively.
ends() { # WAY PREFIX...
	[ "$DAEMON" != gocryptfs ] || return 0 # it listens to signals some time after its mount answers
	e_way=$1
	shift
	daemon_exec "$src" "$mnt" "" "$@" "$perfuse" mount --via "$e_way" -- 2>said || fail "$e_way: $(cat said)"
	for e_pid in $(processes "$DAEMON"); do
		kill -TERM "$e_pid"
	done
	until_true 10 not mounted || fail "$e_way: the mount outlives its daemon: $*"
	until_true 20 daemon_gone || fail "$e_way: the daemon does not end"
}

works() {
	try "$@" || fail "$*: $(cat said)"
}

cannot() { # WORDS WAY PREFIX...
	c_words=$1
	shift
	! try "$@" || fail "$*: works"
	grep -q -e "$c_words" said || fail "$*: no word of \"$c_words\": $(cat said)"
	! mounted || fail "$*: something is mounted"
	until_true 20 daemon_gone || fail "$*: the daemon stays"
}

each_way() { # PREFIX...
	works supervise "$@"
	case $DAEMON in
	gocryptfs) cannot "Go program" preload "$@" ;;
	*) works preload "$@" ;;
	esac
}

# root
blob=$work/blob
each_way
works fusermount

ends supervise
ends fusermount
ends preload

# Without seccomp's listener: the choice goes on to the next.
for how in busy forbidden; do
	works auto "$tools/test_ways" $how
	grep -q "way in: fusermount.*not fd: .*supervise: " said || fail "$how: not fusermount: $(cat said)"
	case $DAEMON in
	gocryptfs)
		export PERFUSE_LIBEXEC=/nonexistent
		cannot "fd: .*; supervise: .*; fusermount: .*install.*; preload: .*Go program" auto "$tools/test_ways" $how
		;;
	*)
		export PERFUSE_LIBEXEC=/nonexistent
		works auto "$tools/test_ways" $how
		grep -q "way in: preload" said || fail "$how: not preload: $(cat said)"
		;;
	esac
	export PERFUSE_LIBEXEC="$work/libexec"
done
cannot "supervise cannot serve" supervise "$tools/test_ways" busy

# root that may not mount: perfused does it, outside
start_service
less() {
	setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$@"
}
less sh -c '! mount -t tmpfs none /mnt 2>/dev/null' || fail "it may still mount"
as=less # to perfused, and to bindfs, it is no more than a user
each_way less
case $DAEMON in
gocryptfs) works fusermount less ;;
*) cannot "CAP_SYS_ADMIN" fusermount less ;;
esac

# an ordinary user, served by root's perfused
be_user
blob=$work/home/blob
if [ "$DAEMON" = gocryptfs ]; then
	chown -R $user: "$src"
fi
chmod 755 "$src"
each_way as_user
ends supervise as_user
ends preload as_user
case $DAEMON in
gocryptfs) works fusermount as_user ;;
*) cannot "CAP_SYS_ADMIN" fusermount as_user ;;
esac
# ... who may not open /dev/fuse, which only libfuse does itself
chmod 600 /dev/fuse
each_way as_user
case $DAEMON in
gocryptfs) ;;
*) cannot "cannot open /dev/fuse" fusermount as_user ;;
esac
chmod 666 /dev/fuse
# ... where ours is the system's fusermount3, as in a container's image
mount --bind "$work/libexec/fusermount3" /usr/bin/fusermount3
works fusermount as_user
ends fusermount as_user
works auto as_user "$tools/test_ways" busy
grep -q "way in: fusermount" said || fail "not fusermount: $(cat said)"
umount /usr/bin/fusermount3
stop_service

# and by a perfused of his own, with the system's fusermount3
each_way as_user

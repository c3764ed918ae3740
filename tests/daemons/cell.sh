#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# One cell of the daemon matrix: cell.sh DAEMON WAY WHO, started by tests/daemons/run as process 1 of mount, network and process
# namespaces of its own. The current folder is its work folder. It puts into ./verdict "ok", or what failed, in words for a table:
#
#     ok              all of it, and the daemon ended with status 0
#     ok, exit N      all of it, but the daemon ended with status N (or several) after an unmount
#     no mount        it did not come to a mount (and perfuse left nothing behind)
#     STEP[, STEP]    these steps failed
#
# The daemon is mounted twice. First as people run it, in the background: list, read, write, read back, rename, unlink, xattr
# (exercise.sh). Then in the foreground: what was written must still be there. How it ended tells the kernel's process accounting. WAY is native or a word of perfuse mount --via. WHO: root, and
# alone (an ordinary user), without a service; user, and nocap (root without CAP_SYS_ADMIN), by a service perfused. What a daemon's file may say is in run.
set -u
daemon=$1 way=$2 who=$3
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$top/tests/setup.sh"
work=$(pwd)
src=$work/src mnt=$work/mnt want=$work/want bin=$work/bin blob=$work/blob
user=games
failed= # steps
unclean= # exit statuses
exits=$PERFUSE_BUILD/tests/daemons/exits
export LC_ALL=C.UTF-8 HOME="$work/home" XDG_RUNTIME_DIR="$work/run" TMPDIR="$work/tmp"
umask 022

say_verdict() {
	echo "$*" >"$work/verdict"
	exit 0
}

fails() { # STEP TEXT...: remember it, go on
	step=$1
	shift
	printf 'FAILED: %s: %s\n' "$step" "$*"
	add_failed "$step"
}

add_failed() { # STEP: once
	case ", $failed, " in *", $1, "*) ;; *) failed="${failed:+$failed, }$1" ;; esac
}

at() { # STEP: where we are when the time is over
	echo "$1" >"$work/step"
	echo "== $1"
}

# ---- who ----

as_who() {
	case $who in
	root) "$@" ;;
	user | alone) setpriv --reuid="$user" --regid="$user" --clear-groups "$@" ;;
	nocap) setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$@" ;;
	esac
}

is_user() {
	[ "$who" = user ] || [ "$who" = alone ]
}

served_by_service() {
	[ "$way" != native ] && { [ "$who" = user ] || [ "$who" = nocap ]; }
}

# ---- what is there ----

mounted() {
	while read -r _ _ _ _ m_point _; do
		[ "$m_point" != "$mnt" ] || return 0
	done </proc/self/mountinfo
	return 1
}

mounts() {
	while read -r _ _ _ _ m_point m_rest; do
		echo "$m_point ${m_rest##* - }"
	done </proc/self/mountinfo
}

processes() { # alive ones; shell builtins only: a child would find itself
	for p_dir in /proc/[0-9]*; do
		p_line=
		{ read -r p_line <"$p_dir/stat"; } 2>/dev/null
		p_state=${p_line##*) }
		case $p_state in '' | Z* | X*) ;; *) echo "${p_dir#/proc/}" ;; esac
	done
}

until_true() { # SECONDS COMMAND...
	u_tries=$(($1 * 20))
	shift
	while ! "$@"; do
		u_tries=$((u_tries - 1))
		[ "$u_tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

nothing_left() { # no mount and no process that was not there before the first mount
	mounts >"$work/mounts.now"
	cmp -s "$work/mounts" "$work/mounts.now" || return 1
	processes >"$work/processes.now"
	while read -r l_pid; do
		case $baseline in *" $l_pid "*) ;; *) return 1 ;; esac
	done <"$work/processes.now"
}

show_left() {
	diff "$work/mounts" "$work/mounts.now" | sed -n 's/^>/  mount/p'
	while read -r l_pid; do
		case $baseline in *" $l_pid "*) continue ;; esac
		echo "  process $l_pid: $(tr '\0' ' ' <"/proc/$l_pid/cmdline" 2>/dev/null)"
	done <"$work/processes.now"
}

# ---- mount and unmount ----

ended() { # is the job $job over?
	j_line=
	{ read -r j_line <"/proc/$job/stat"; } 2>/dev/null || return 0
	case ${j_line##*) } in Z* | X*) return 0 ;; esac
	return 1
}

up_or_over() {
	mounted || ended
}

prefix() { # COMMAND...: how this way starts a daemon
	if [ "$way" = native ]; then
		as_who "$@"
	else
		as_who "$perfuse" mount ${fg:+-f} -t 20 --via "$way" -- "$@"
	fi
}

serve() { # [fg]: 0 when it is mounted. $job is what was started.
	fg=${1-}
	account=$(($(stat -c %s "$work/exits") / 64)) # records so far
	if [ "$way" != native ] && [ -z "$fg" ]; then # it says itself when the mount is there
		job=
		s_status=0
		start prefix </dev/null 2>"$work/said" || s_status=$?
		cat "$work/said"
		echo "perfuse mount: $s_status"
		[ "$s_status" -eq 0 ] && mounted
		return
	fi
	(
		start prefix </dev/null
		echo $? >"$work/started"
	) &
	job=$!
	until_true 25 up_or_over || return 1
	# A daemon that has gone into the background may have done so before its mount.
	until_true 5 mounted
}

unserve() {
	if [ "$way" = native ] && is_user; then
		until_true 5 as_who fusermount3 -u "$mnt"
	elif [ "$way" = native ]; then
		until_true 5 umount "$mnt"
	else
		as_who "$perfuse" umount "$mnt"
	fi
}

clean_up() { # after a failure: only so that what follows is not disturbed
	! mounted || umount -l "$mnt"
	until_true 5 nothing_left && return
	show_left
	while read -r l_pid; do
		case $baseline in *" $l_pid "*) ;; *) kill -9 "$l_pid" 2>/dev/null ;; esac
	done <"$work/processes.now"
}

exercised() { # what exercise.sh says
	while read -r e_step; do
		add_failed "$e_step"
	done <"$work/failed"
}

end() { # unmount, and see how the daemon ends
	unserve || fails unmount "status $?"
	until_true 10 nothing_left || {
		fails "no exit" "left after the unmount:"
		show_left
		clean_up
	}
	e_all=$("$exits" "$work/exits" "$account" "$program" | sort -u | tr '\n' ' ')
	echo "ended with: ${e_all:-unknown}"
	for e_status in ${e_all:-unknown}; do
		case " 0 $clean $unclean " in *" $e_status "*) ;; *) unclean="${unclean:+$unclean }$e_status" ;; esac
	done
}

# ---- before ----

at prepare
mkdir -p "$src" "$mnt" "$want/dir" "$bin" "$work/home" "$work/run" "$work/tmp"
chmod 700 "$work/run"
mount -t tmpfs -o mode=755 perfuse-test /run && mkdir -m 755 /run/perfuse || say_verdict "no namespace"
mount --make-rshared / # as on any system that was booted; it ends at this namespace
ip link set lo up
mknod -m 666 "$work/dev-fuse" c 10 229 && mount --bind "$work/dev-fuse" /dev/fuse || say_verdict "no /dev/fuse"
"$exits" "$work/exits" || : >"$work/exits"
head -c 1300000 /dev/urandom >"$blob"
: >"$work/failed"
chmod 666 "$work/step" "$work/failed"
echo "hello, $daemon" >"$want/hello"
head -c 300000 /dev/urandom >"$want/dir/data"
: >"$want/dir/empty"

allow_other() { # for a daemon that asks for it where the one who mounts may not: as its administrator would
	echo user_allow_other >"$work/fuse.conf"
	mount --bind "$work/fuse.conf" /etc/fuse.conf
}

# Everything below may be replaced by the daemon's file.
can= # rw, xattr
program=$daemon
clean=0 # its exit status after an unmount, natively
prepare() { # make what is served; as it comes here, the folder
	cp -r "$want/." "$src"
}
beside() { # start what else has to run; it is ended with the cell
	:
}
exercise_more() { # while it is mounted
	:
}
. "$here/$daemon.sh"

PATH=$bin:$PATH
if [ -x "$PERFUSE_BUILD/tests/daemons/$program" ]; then
	cp "$PERFUSE_BUILD/tests/daemons/$program" "$bin"
fi
real=$(command -v "$program") || say_verdict "not installed"
prepare || say_verdict "not prepared"
! is_user || chown -R "$user:$user" "$src" "$mnt" "$want" "$work/home" "$work/run" "$work/tmp" "$blob"
chmod 777 "$work"
# As installed, and where everybody may go, which may not be true of the build.
mkdir "$work/perfuse"
for part in "$perfuse" "$perfused" "$PERFUSE_BUILD/src/client/fusermount3" "$PERFUSE_BUILD/src/client/libperfuse-preload.so"; do
	cp "$part" "$work/perfuse"
done
ln -s fusermount3 "$work/perfuse/fusermount"
perfuse=$work/perfuse/perfuse perfused=$work/perfuse/perfused
export PERFUSE_PERFUSED="$perfused" PERFUSE_LIBEXEC="$work/perfuse" PERFUSE_PRELOAD="$work/perfuse/libperfuse-preload.so"
beside || say_verdict "not prepared"
if [ "$way" = fusermount ] && served_by_service; then # who may not hide the system's: as in the image of a container
	mount --bind "$work/perfuse/fusermount3" /usr/bin/fusermount3
fi
if served_by_service; then
	"$perfused" -f ${PERFUSE_DEBUG:+-d} 2>"$work/service.log" &
	until_true 10 test -S /run/perfuse/fuse || say_verdict "no service"
fi
mounts >"$work/mounts"
baseline=" $(processes | tr '\n' ' ') "

# ---- once as people run it ----

at mount
if ! serve; then
	until_true 10 nothing_left || {
		show_left
		clean_up
		[ "$way" = native ] || say_verdict "no mount, left-overs"
	}
	if [ "$way" != native ]; then # a status of sysexits.h, and the last line is ours
		{ [ "$s_status" -ge 64 ] && [ "$s_status" -le 78 ]; } || say_verdict "no mount, status $s_status"
		tail -n 1 "$work/said" | grep -q '^perfuse: .' || say_verdict "no mount, no reason"
	fi
	say_verdict "no mount"
fi
as_who sh "$here/exercise.sh" "$work" "$can"
exercised
exercise_more
at unmount
end

# ---- and again in the foreground ----

at "mount again"
if serve fg && until_true 5 as_who test -e "$mnt/."; then
	as_who sh "$here/exercise.sh" "$work" again
	exercised
	at "unmount again"
	end
	wait "$job"
	started=$(cat "$work/started" 2>/dev/null)
	if [ "$way" != native ] && [ "${started:-?}" != 0 ]; then
		fails "perfuse exit ${started:-?}" "perfuse mount -f"
	fi
else
	fails "mount again" "it is not mounted"
	clean_up
fi
[ ! -s "$work/service.log" ] || sed 's/^/service: /' "$work/service.log"
[ -z "$failed" ] || say_verdict "$failed"
say_verdict "ok${unclean:+, exit $unclean}"

# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the scripts of this folder: a file system to test, served by the daemon $DAEMON through perfuse (or natively, under
# `./check --native`).
#
#     serve [-o OPTS]     daemon $DAEMON shows the folder src at mnt; both in the test's work folder. Returns when it is mounted.
#                         "# daemons: bindfs:OPTS" gives it options too (ntfs-3g shows an image instead of the folder)
#     unserve             unmount it and wait until it is gone
#     fail, skip TEXT     end the test
#     say TEXT            into the log
#     as_user COMMAND     run it as an ordinary user (be_user makes that user the owner of src and mnt, and serve use it)
#     start_service       perfused -f, listening on /run/perfuse/fuse; its log in $service_log
#     refuses STATUS WORDS COMMAND   perfuse must fail with one line that has the words, and this status ("any": of sysexits.h)
#
# Set: $src, $mnt (absolute), $tools (our helper programs), $perfuse. All in a work folder of the test's own (tests/run).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$top/tests/setup.sh"
perfuse=${PERFUSE_CLI:-$perfuse}
tools=$build/tests
work=$(pwd)
src=$work/src
mnt=$work/mnt
mkdir -p "$src" "$mnt"
export XDG_RUNTIME_DIR="$work/run"
mkdir -p -m 700 "$XDG_RUNTIME_DIR"
export LC_ALL=C.UTF-8 HOME="$work" GIT_CONFIG_NOSYSTEM=1
umask 022
DAEMON=${DAEMON:--}
case $DAEMON in # passthrough_ll:writeback is passthrough_ll with that option
*:*) flavour=${DAEMON#*:} DAEMON=${DAEMON%%:*} ;;
*) flavour= ;;
esac
sftp_server=/usr/lib/openssh/sftp-server

# Only a test that failed leaves something here; without this its work folder could not be removed.
lib_exit() {
	lib_status=$?
	trap - EXIT
	if [ "$lib_status" -ne 0 ]; then
		cd /
		while read -r _ _ _ _ m_point _; do
			case $m_point in "$work"/*) umount -l "$m_point" ;; esac
		done </proc/self/mountinfo
	fi
	exit "$lib_status"
}
trap lib_exit EXIT

fail() {
	printf 'FAILED: %s\n' "$*"
	exit 1
}

skip() {
	printf '%s\n' "$*"
	exit 77
}

native() {
	[ -n "${PERFUSE_NATIVE-}" ]
}

not_native() {
	! native || skip "nothing to compare on native mounts"
}

have() { # PROGRAM...
	for program in "$@"; do
		command -v "$program" >/dev/null 2>&1 || skip "$program is not installed"
	done
}

# The daemon's command line without mountpoint and options; what it needs is made on the way. Sets the positional words in $@
# of start_daemon's caller through "daemon_exec": daemon_exec PREFIX... -- SRC MNT OPTS
daemon_exec() { # SRC MNT OPTS COMMAND-PREFIX...
	d_src=$1 d_mnt=$2 d_opts=$3${flavour:+${3:+,}$flavour}
	shift 3
	d_comma=${d_opts:+,$d_opts}
	case $DAEMON in
	bindfs)
		# (As a user it would ask for allow_other by itself.)
		"$@" bindfs ${as:+--no-allow-other} ${d_opts:+-o "$d_opts"} "$d_src" "$d_mnt"
		;;
	sshfs)
		"$@" sshfs -o "ssh_command=sh -c $sftp_server$d_comma" "x:$d_src" "$d_mnt"
		;;
	gocryptfs)
		"$@" gocryptfs -q -nosyslog -extpass "echo secret" ${d_opts:+-o "$d_opts"} "$d_src" "$d_mnt"
		;;
	passthrough_ll)
		# cache=auto is its default: one second. Tests change the mount only through the mount.
		"$@" "$tools/passthrough_ll" -o "source=$d_src$d_comma" "$d_mnt"
		;;
	fuse-overlayfs)
		"$@" fuse-overlayfs -o "lowerdir=$d_src.lower,upperdir=$d_src,workdir=$d_src.work$d_comma" "$d_mnt"
		;;
	ntfs-3g)
		"$@" ntfs-3g ${d_opts:+-o "$d_opts"} "$d_src.ntfs" "$d_mnt"
		;;
	squashfuse | squashfuse_ll)
		"$@" "$DAEMON" ${d_opts:+-o "$d_opts"} "$d_src.sqfs" "$d_mnt"
		;;
	memfs_ll | hangfs | notifyfs)
		"$@" "$tools/$DAEMON" ${d_opts:+-o "$d_opts"} "$d_mnt"
		;;
	*) fail "no such daemon: $DAEMON" ;;
	esac
}

daemon_ready() { # what the daemon needs before its first start
	case $DAEMON in
	bindfs) have bindfs ;;
	sshfs)
		have sshfs
		[ -x $sftp_server ] || skip "sftp-server is not installed"
		;;
	gocryptfs)
		have gocryptfs
		[ -e "$src/gocryptfs.conf" ] || $as gocryptfs -q -init -scryptn 10 -extpass "echo secret" "$src" >/dev/null
		;;
	fuse-overlayfs)
		have fuse-overlayfs
		mkdir -p "$src.lower" "$src.work"
		;;
	ntfs-3g)
		have ntfs-3g mkfs.ntfs
		[ -e "$src.ntfs" ] || { truncate -s 1G "$src.ntfs" && mkfs.ntfs -F -q -f "$src.ntfs" >/dev/null 2>&1; }
		;;
	squashfuse | squashfuse_ll)
		have "$DAEMON" mksquashfs
		[ -e "$src.sqfs" ] || mksquashfs "$src" "$src.sqfs" -quiet -no-progress >/dev/null
		;;
	*) [ -x "$tools/$DAEMON" ] || skip "$DAEMON was not built" ;;
	esac
}

mounted() { # [MNT]: is it in this namespace's table?
	while read -r _ _ _ _ m_point _; do
		[ "$m_point" != "${1:-$mnt}" ] || return 0
	done </proc/self/mountinfo
	return 1
}

# until SECONDS COMMAND...: wait until the command succeeds.
until_true() {
	u_tries=$(($1 * 20))
	shift
	while ! "$@"; do
		u_tries=$((u_tries - 1))
		[ "$u_tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

not() {
	! "$@"
}

serve() { # [-o OPTS]
	s_opts=
	[ "${1-}" != -o ] || s_opts=$2
	daemon_ready
	if native; then
		daemon_exec "$src" "$mnt" "$s_opts" $as || fail "$DAEMON did not start"
		until_true 10 mounted "$mnt" || fail "$DAEMON did not mount"
	else
		daemon_exec "$src" "$mnt" "$s_opts" $as "$perfuse" mount -- || fail "perfuse mount -- $DAEMON: status $?"
		mounted "$mnt" || fail "perfuse mount returned before it was mounted"
	fi
}

unserve() { # [MNT]
	if native; then
		until_true 10 umount "${1:-$mnt}" || fail "cannot unmount"
	else
		$as "$perfuse" umount "${1:-$mnt}" || fail "perfuse umount: status $?"
	fi
	! mounted "${1:-$mnt}" || fail "still mounted after the unmount"
}

# ---- users ----

as= # what serve and unserve run under
user=games other=news # two that every Debian has
user_tools=$tools     # badframe and rawdaemon, where that user can run them

as_other() {
	setpriv --reuid="$other" --regid="$other" --clear-groups env HOME="$work/home-$other" "$@"
}

as_user() {
	setpriv --reuid="$user" --regid="$user" --clear-groups env HOME="$work/home" XDG_RUNTIME_DIR="$work/run-user" "$@"
}

be_user() {
	have setpriv fusermount3
	mkdir -p "$work/home" "$work/run-user"
	chmod 700 "$work/run-user"
	chown "$user:$user" "$src" "$mnt" "$work/home" "$work/run-user"
	as=as_user
	# The build may be where only root may go (a clone in /root).
	if ! as_user test -x "$perfuse"; then
		mkdir -p "$work/bin"
		cp "$perfuse" "$perfused" "$tools/badframe" "$tools/rawdaemon" "$work/bin"
		perfuse=$work/bin/perfuse
		PERFUSE_PERFUSED=$work/bin/perfused
		user_tools=$work/bin
	fi
}

# ---- processes ----

# processes TEXT: the numbers of those whose command line begins with the text.
processes() {
	for p_dir in /proc/[0-9]*; do
		case $(tr '\0' ' ' <"$p_dir/cmdline" 2>/dev/null) in
		"$1"*) echo "${p_dir#/proc/}" ;;
		esac
	done
}

alive() { # PID: and no zombie
	a_line=
	{ read -r a_line <"/proc/$1/stat"; } 2>/dev/null || return 1
	case ${a_line##*) } in Z* | X*) return 1 ;; esac
}

engine_pid() { # MNT
	e_pid=$($as "$perfuse" list | awk -v m="$1" '$1 == m { print $5 }')
	[ "$(echo "$e_pid" | wc -w)" = 1 ] || fail "not one engine of $1: $e_pid"
	echo "$e_pid"
}

start_service() {
	service_log=$work/service.log
	"$perfused" -f 2>"$service_log" &
	service=$!
	until_true 10 test -S /run/perfuse/fuse || fail "perfused -f does not listen: $(cat "$service_log")"
}

stop_service() {
	kill "$service"
	s_status=0
	wait "$service" || s_status=$?
	[ "$s_status" = 0 ] || fail "perfused -f ended with status $s_status: $(cat "$service_log")"
	[ ! -e /run/perfuse/fuse ] || fail "perfused left its socket"
}

# ---- refusals ----

refuses() { # STATUS WORDS COMMAND...
	r_want=$1 r_words=$2
	shift 2
	r_status=0
	"$@" >"$work/refused.out" 2>"$work/refused.err" || r_status=$?
	say "$* -> $r_status: $(cat "$work/refused.err")"
	[ "$r_status" != 0 ] || fail "did not fail: $*"
	case $r_want in
	any) [ "$r_status" -ge 64 ] && [ "$r_status" -le 78 ] || fail "status $r_status is not of sysexits.h: $*" ;;
	*) [ "$r_status" = "$r_want" ] || fail "status $r_status, not $r_want: $*" ;;
	esac
	# The daemon's own words pass through; ours come last.
	r_lines=$(grep -c '^perfuse: ' "$work/refused.err") || :
	tail -n 1 "$work/refused.err" >"$work/refused.last"
	[ "$r_lines" = 1 ] && grep -q '^perfuse: ' "$work/refused.last" || fail "not one line of ours at the end: $(cat "$work/refused.err")"
	grep -q -e "$r_words" "$work/refused.last" || fail "nothing of \"$r_words\" in: $(cat "$work/refused.err")"
}

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Parity runs: the same random calls on native mounts and through perfuse, compared call by call.
#
#     tests/parity/run.sh DAEMON CALLS [SEED] [parity's options...]
#     tests/parity/run.sh --list       the daemons that can be run here
#
# DAEMON is a name of the table below; "selftest" is one that differs (status 1, or this finds nothing). Status: 0 nothing differed, 1 something did, 2 it could not be tried, 77 the daemon is not
# installed. Options: --aa (a second native mount each time), --replay FILE, --findings N, --without CALL,... and so on: see the head
# of main.c. What was found is kept in $PARITY_SAVE (default: nowhere). Root: it runs in namespaces of its own.
#
# (With --up and --down it is what the program parity calls to mount and unmount one side.)
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 2
top=$(cd "$here/../.." && pwd)
. "$top/tests/setup.sh"
tools=$build/tests/parity
passthrough_ll=$build/tests/passthrough_ll
sftp_server=/usr/lib/openssh/sftp-server

# One thread per daemon where it can be had: a RELEASE is answered before what comes after it then, in each run alike.
all_daemons="passthrough_ll-never passthrough_ll-auto passthrough_ll-always passthrough_ll-writeback passthrough_ll-flock \
passthrough passthrough_fh pass_hp pass_hp-cache pass_hp-writeback pass_hp-direct pass_hp-noopen bindfs bindfs-cache fuse-overlayfs ntfs-3g sshfs sshfs-cache"

common=allow_other,default_permissions
long=entry_timeout=3600,attr_timeout=3600,negative_timeout=0
none=entry_timeout=0,attr_timeout=0,negative_timeout=0

describe() { # NAME: mask, without, unsteady, program
	mask='' without='' unsteady='' program=$1
	case $1 in
	passthrough_ll-writeback | pass_hp-writeback) mask=blocks,times program=${1%-*} ;;
	passthrough_ll-* | selftest) program=passthrough_ll ;;
	pass_hp*) program=pass_hp ;;
	bindfs*) program=bindfs ;;
	sshfs*) program=sshfs ;;
	esac
	case $program in
	passthrough_ll) program=$passthrough_ll ;;
	passthrough | passthrough_fh | pass_hp) program=$tools/$program ;;
	esac
	case $1 in
	# Each name of an NTFS file is a node of its own, whose attributes the kernel has from when it last looked it up: once a second.
	ntfs-3g) mask=ino,dirsize,blocks,cached ;;
	# What it says of links, and what it copies, follows from the nodes that it knows: a FORGET may come before or after the next call.
	fuse-overlayfs) mask=times unsteady=--unsteady ;;
	# An offset that it did not give just then (or gave before a rewind) kills it. What a read sees of a mapping's or another's writes, and
	# the size after it, depends on what is under way to the server: the same reads on two native mounts differ in one of six runs.
	sshfs*) mask=ino without=dirseek unsteady=--unsteady ;;
	esac
}

serve() { # NAME COMMAND-PREFIX...
	name=$1
	shift
	case $name in
	passthrough_ll-writeback) "$@" "$program" -s -o "source=$SRC,cache=auto,timeout=3600,writeback,xattr,$common" "$MNT" ;;
	passthrough_ll-flock) "$@" "$program" -s -o "source=$SRC,cache=auto,timeout=3600,flock,xattr,$common" "$MNT" ;;
	selftest)
		xattr=xattr
		[ "$VIA" = native ] || xattr=no_xattr
		"$@" "$program" -s -o "source=$SRC,cache=never,$xattr,$common" "$MNT"
		;;
	passthrough_ll-*) "$@" "$program" -s -o "source=$SRC,cache=${name#*-},xattr,$common" "$MNT" ;;
	passthrough | passthrough_fh)
		"$@" "$program" -s -o "modules=subdir,subdir=$SRC,$common" "$MNT"
		;;
	pass_hp) "$@" "$program" -s -o "source=$SRC,$common" "$MNT" ;;
	pass_hp-*) "$@" "$program" -s -o "source=$SRC,${name#*-},$common" "$MNT" ;;
	bindfs) "$@" bindfs -o "$none,$common" "$SRC" "$MNT" ;;
	bindfs-cache) "$@" bindfs -o "$long,$common" "$SRC" "$MNT" ;;
	fuse-overlayfs)
		"$@" fuse-overlayfs -o "lowerdir=$SRC/lower,upperdir=$SRC/upper,workdir=$SRC/work,threaded=0,$common" "$MNT"
		;;
	ntfs-3g) "$@" ntfs-3g -o "$common,streams_interface=none" "$DIR/image" "$MNT" ;;
	sshfs | sshfs-cache)
		cache=dir_cache=no,$none
		[ "$name" = sshfs ] || cache=dir_cache=yes,dcache_timeout=3600,$long
		"$@" sshfs -s -o "$cache,ssh_command=sh -c $sftp_server,$common" "x:$SRC" "$MNT"
		;;
	*) return 2 ;;
	esac
}

prepare() { # NAME: what must be there before it is mounted
	case $1 in
	fuse-overlayfs)
		mkdir "$SRC/lower" "$SRC/upper" "$SRC/work" "$SRC/lower/a" "$SRC/lower/a/b" "$SRC/lower/b"
		echo lower >"$SRC/lower/a/c"
		echo lower >"$SRC/lower/c"
		echo lower >"$SRC/lower/a/b/a"
		ln -s a/b "$SRC/lower/d"
		chmod -R 777 "$SRC/lower" "$SRC/upper"
		;;
	ntfs-3g)
		truncate -s 40M "$DIR/image" # (not in $SRC: it has times in it, so that no two are equal)
		mkntfs -q -F -Q "$DIR/image"
		;;
	esac
}

case ${1-} in
--list)
	for name in $all_daemons; do
		describe "$name"
		command -v "$program" >/dev/null 2>&1 && echo "$name"
	done
	exit 0
	;;
--up)
	describe "$2"
	{
		prepare "$2" &&
			if [ "$VIA" = native ]; then
				serve "$2"
			else
				serve "$2" "$perfuse" mount --
			fi
	} >"$DIR/log" 2>&1 || {
		cat "$DIR/log"
		exit 1
	}
	exit 0
	;;
--down)
	if [ "$VIA" = native ]; then
		tries=0
		until umount "$MNT" 2>/dev/null; do
			tries=$((tries + 1))
			[ "$tries" -lt 100 ] || exit 1
			sleep 0.05
		done
	else
		"$perfuse" umount "$MNT" || exit
	fi
	# What it had put aside there and not removed yet depends on when it ends.
	[ "$2" != fuse-overlayfs ] || rm -rf "$SRC/work"
	exit 0
	;;
esac

[ $# -ge 2 ] || die "usage: run.sh DAEMON CALLS [SEED] [OPTION...]"
daemon=$1 calls=$2 seed=1
shift 2
case ${1-} in
'' | -*) ;;
*)
	seed=$1
	shift
	;;
esac
describe "$daemon"
command -v "$program" >/dev/null 2>&1 || {
	say "$program is not there"
	exit 77
}
if [ -z "${PARITY_INSIDE-}" ]; then
	reason=$(fuse_usable) || {
		say "$reason"
		exit 77
	}
	PARITY_INSIDE=1 exec unshare -m -n -p -f --mount-proc --kill-child --propagation private "$0" "$daemon" "$calls" "$seed" "$@"
fi
[ -z "${PARITY_SAVE-}" ] || mkdir -p "$PARITY_SAVE" || exit 2
work=$(mktemp -d "${TMPDIR:-/tmp}/parity.XXXXXX") || exit 2
mount -t tmpfs -o mode=755 parity "$work" && mount -t tmpfs -o mode=755 parity /run && mkdir -m 700 "$work/run" || exit 2
ip link set lo up 2>/dev/null
export XDG_RUNTIME_DIR="$work/run" HOME="$work" LC_ALL=C.UTF-8
status=0
"${PARITY:-$tools/parity}" --up "exec sh '$here/run.sh' --up $daemon" --down "exec sh '$here/run.sh' --down $daemon" \
	--daemon "$daemon" --known "$here/known.txt" --work "$work" --calls "$calls" --seed "$seed" ${mask:+--mask "$mask"} \
	${without:+--without "$without"} $unsteady ${PARITY_SAVE:+--save "$PARITY_SAVE"} "$@" || status=$?
umount -l "$work"
rmdir "$work"
exit "$status"

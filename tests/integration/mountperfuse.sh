#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# "mount -t perfuse", by mount(8): each form of it, the words that are not the daemon's, what is shown (compared with mount.fuse), users,
# privileges, namespaces, exit statuses.
# daemons: sshfs bindfs squashfuse passthrough_ll
# needs: fuse
# limit: 120
. "$(dirname "$0")/lib.sh"
not_native
. "$here/mountperfuse.lib"

echo hello >"$src/file"
daemon_ready
private_sbin
line "$src"
daemon=${spec%%#*} source=${spec#*#}
[ "$source" != "$spec" ] || source=none

there() {
	mounted || fail "$*: not mounted when mount returned"
	[ "$(cat "$mnt/file")" = hello ] || fail "$*: reading"
}

fails() { # STATUS WORDS COMMAND...
	f_want=$1 f_words=$2
	shift 2
	f_status=0
	"$@" >out 2>err || f_status=$?
	say "$* -> $f_status: $(cat err)"
	[ "$f_status" = "$f_want" ] || fail "status $f_status, not $f_want: $*"
	tail -n 1 err | grep -q "^mount.perfuse: .*$f_words" || fail "nothing of \"$f_words\": $(cat err)"
	! mounted || fail "something is mounted after: $*"
	until_true 10 nothing_runs || fail "left behind: $(ps -e -o pid,args)"
}

# ---- the forms ----

mount -t perfuse "$spec" "$mnt" ${opts:+-o "$opts"} >out 2>err || fail "status $?: $(cat err)"
there "DAEMON#SOURCE"
[ ! -s out ] && [ ! -s err ] || fail "it said: $(cat out err)"
finish
if [ "$DAEMON" != passthrough_ll ]; then
	mount -t "perfuse.$daemon" "$source" mnt ${opts:+-o "$opts"}
	there "-t perfuse.DAEMON"
	finish
	mount -t "perfuse.$daemon" "$source" "$mnt" -n -s -v ${opts:+-o "$opts"} >out
	there "-n -s -v"
	grep -q "^mount.perfuse: $mnt: fuse" out || fail "-v says: $(cat out)"
	finish
	cp "$build/src/cli/mount.perfuse" "$work/sbin/mount.perfuse.$daemon"
	"$work/sbin/mount.perfuse.$daemon" "$source" "$mnt" ${opts:+-o "$opts"}
	there "called mount.perfuse.DAEMON"
	finish
fi
POSIXLY_CORRECT=1 "$work/sbin/mount.perfuse" ${opts:+-o "$opts"} -- "$spec" mnt
there "options first"
finish
mount -f -t perfuse "$spec" "$mnt"
! mounted || fail "-f mounted"
words=defaults,noauto,auto,user,nouser,users,owner,group,nofail,_netdev,x-a=b,comment=c,relatime,strictatime,nodiratime
"$work/sbin/mount.perfuse" "$spec" "$mnt" -o "$words${opts:+,$opts}" || fail "words of fstab"
there "words of fstab"
case $(findmnt -n -o OPTIONS --mountpoint "$mnt") in *nodiratime*) ;; *) fail "nodiratime is lost" ;; esac
finish

# ---- as mount.fuse shows it ----

shown() {
	until_true 10 mounted || fail "not mounted"
	findmnt -n -o FSTYPE,SOURCE,OPTIONS --mountpoint "$mnt"
	finish
}
if command -v mount.fuse >/dev/null; then
	for list in rw ro,noexec nosuid,nodev,noatime fsname=here,subtype=there; do
		mount.fuse "$spec" "$mnt" -o "$list${opts:+,$opts}"
		shown >native
		mount -t perfuse "$spec" "$mnt" -o "$list${opts:+,$opts}"
		shown >through
		diff native through || fail "not shown as natively with -o $list"
	done
fi

# ---- mounted already; remount ----

mount -t perfuse "$spec" "$mnt" ${opts:+-o "$opts"}
mount -t perfuse "$spec" "$mnt" ${opts:+-o "$opts"} 2>err || fail "twice: status $?"
grep -q "already mounted" err || fail "twice: $(cat err)"
[ "$(grep -c " $mnt " /proc/self/mountinfo)" = 1 ] || fail "mounted twice"
"$work/sbin/mount.perfuse" "$spec" "$mnt" -o remount,ro,nosuid,noatime || fail "remount: status $?"
case $(findmnt -n -o OPTIONS --mountpoint "$mnt") in ro,nosuid,noatime,* | ro,nosuid,nodev,noatime,*) ;; *) fail "remount: $(findmnt -n "$mnt")" ;; esac
if touch "$mnt/new" 2>err; then fail "it can be written after remount,ro"; fi
"$work/sbin/mount.perfuse" "$spec" "$mnt" -o remount,rw,strictatime || fail "remount: status $?"
case $(findmnt -n -o OPTIONS --mountpoint "$mnt") in rw,nosuid,*atime*) fail "strictatime: $(findmnt -n "$mnt")" ;; rw,nosuid,*) ;; *) fail "remount rw: $(findmnt -n "$mnt")" ;; esac
there "remounted"
finish
fails 32 "no FUSE file system" mount -t perfuse "$spec" "$mnt" -o remount,ro
# Another thing on the same place is no reason not to mount.
mount -t tmpfs other "$mnt"
mount -t perfuse "$spec" "$mnt" ${opts:+-o "$opts"}
there "above another"
until_true 10 umount "$mnt" || fail "umount above another"
until_true 10 nothing_runs || fail "left behind: $(ps -e -o pid,args)"
until_true 10 umount "$mnt" || fail "umount below" # (a process that closes a descriptor of it may still run)

# Nor is another daemon with the same source.
if [ "$DAEMON" = bindfs ]; then
	mount -t perfuse "$spec" "$mnt"
	mount -t perfuse "$tools/passthrough_ll#$src" "$mnt" 2>err && fail "passthrough_ll takes no source"
	if grep -q "already mounted" err; then fail "another daemon passed for the one that is mounted"; fi
	finish
fi

# ---- privileges, users, namespaces ----

mount -t perfuse "$spec" "$mnt" -o "drop_privileges${opts:+,$opts}"
there drop_privileges
name=${daemon##*/}
[ "$(findmnt -n -o FSTYPE,SOURCE --mountpoint "$mnt" | tr -s ' ')" = "fuse.$name $name" ] || fail "drop_privileges: $(findmnt -n "$mnt")"
pid=$(processes "$daemon $(test "$source" = none || echo "$source ")$mnt")
grep -E '^Cap(Prm|Eff|Bnd|Inh|Amb)' "/proc/${pid:?the daemon does not run}/status" | grep -v '0000000000000000$' && fail "drop_privileges: it has capabilities"
grep -q 'NoNewPrivs:.1' "/proc/$pid/status" || fail "drop_privileges: it may gain some"
finish
be_user
fails 32 . "$work/sbin/mount.perfuse" "$spec" "$work" -o "setuid=$user${opts:+,$opts}"
more=
[ "$DAEMON" != bindfs ] || more=no-allow-other
for drop in '' drop_privileges; do
	[ -r "$tools" ] || [ "$DAEMON" != passthrough_ll ] || break
	mount -t perfuse "$spec" "$mnt" -o "setuid=$user${drop:+,$drop}${more:+,$more}${opts:+,$opts}"
	[ "$(as_user cat "$mnt/file")" = hello ] || fail "setuid: reading"
	pid=$(processes "$daemon $(test "$source" = none || echo "$source ")$mnt" | head -n 1)
	[ "$(stat -c %U "/proc/${pid:?the daemon does not run}")" = "$user" ] || fail "setuid: it runs as $(stat -c %U "/proc/$pid")"
	grep -q 'Groups:.*\b0\b' "/proc/$pid/status" && fail "setuid: it has root's group"
	case $(findmnt -n -o OPTIONS --mountpoint "$mnt") in *nosuid,nodev*) ;; *) fail "setuid: $(findmnt -n "$mnt")" ;; esac
	finish
done
chown 0:0 "$mnt"
elsewhere() {
	[ "$(readlink "/proc/$other/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ] && grep -q sleep "/proc/$other/comm"
}
unshare -m --propagation private sleep 60 &
other=$!
until_true 10 elsewhere || fail "no namespace"
"$work/sbin/mount.perfuse" "$spec" "$mnt" -N "$other" ${opts:+-o "$opts"} || fail "-N: status $?"
! mounted || fail "-N: mounted here"
[ "$(nsenter -t "$other" -m cat "$mnt/file")" = hello ] || fail "-N: reading"
nsenter -t "$other" -m umount "$mnt"
kill "$other"
wait "$other" || :
until_true 10 nothing_runs || fail "left behind: $(ps -e -o pid,args)"

# ---- names that need care ----

if [ "$DAEMON" = bindfs ]; then
	odd="$work/a b'c\"\$(touch oops)#d"
	mkdir "$odd"
	echo hello >"$odd/file"
	# (mount(8) itself knows no escapes.)
	"$work/sbin/mount.perfuse" "bindfs#$odd" "$mnt" -o 'fsname=x\,user,force-user=games'
	there "an odd source"
	[ "$(findmnt -n -o SOURCE --mountpoint "$mnt")" = 'x,user' ] || fail "a comma in a value: $(findmnt -n "$mnt")"
	[ "$(stat -c %U "$mnt/file")" = games ] || fail "the word behind it is lost"
	[ ! -e oops ] || fail "a shell saw the source"
	finish
fi

# ---- failures ----

fails 127 "nosuch: command not found" mount -t perfuse.nosuch "$src" "$mnt"
fails 127 "nosuch: command not found" mount -t perfuse "nosuch#$src" "$mnt"
fails 126 "Permission denied" mount -t perfuse "$src/file#$src" "$mnt"
fails 32 "No such file" "$work/sbin/mount.perfuse" "$spec" "$work/missing"
fails 32 "exited without" mount -t perfuse true "$mnt"
fails 1 "setuid=nobody-here: no such user" mount -t perfuse "$spec" "$mnt" -o setuid=nobody-here
fails 1 "setuid= needs a value" mount -t perfuse "$spec" "$mnt" -o setuid=
fails 1 "names no daemon" mount -t perfuse. "$src" "$mnt"
fails 1 "no daemon" mount -t perfuse "#$src" "$mnt"
fails 1 "needs a value" "$work/sbin/mount.perfuse" "$spec" "$mnt" -o
fails 1 "unknown option" "$work/sbin/mount.perfuse" "$spec" "$mnt" --foo
fails 1 "are needed" "$work/sbin/mount.perfuse" "$spec"
fails 1 "are needed" "$work/sbin/mount.perfuse" "$spec" "$mnt" more
fails 1 "only root" as_user "$work/sbin/mount.perfuse" "$spec" "$mnt" -o drop_privileges
fails 32 "/nowhere" "$work/sbin/mount.perfuse" "$spec" "$mnt" -N /nowhere
PERFUSE_PERFUSED=/nowhere/perfused fails 32 "perfused" mount -t perfuse "$spec" "$mnt" ${opts:+-o "$opts"}
"$work/sbin/mount.perfuse" --help | grep -q '^Usage: mount.perfuse' || fail "--help"
"$work/sbin/mount.perfuse" --version | grep -q '^mount.perfuse [0-9]' || fail "--version"

# A signal ends it and all it has started.
cat >slow <<-END
	#!/bin/sh
	echo started >"$work/started"
	exec sleep 1000
END
chmod 755 slow
status=0
(
	until_true 10 test -s "$work/started"
	kill -INT "$(processes "$work/sbin/mount.perfuse $work/slow")"
) &
(trap - INT && exec "$work/sbin/mount.perfuse" "$work/slow" "$mnt") 2>err || status=$?
wait
[ "$status" = 8 ] || fail "interrupted: status $status: $(cat err)"
until_true 10 nothing_runs || fail "interrupted: left behind: $(ps -e -o pid,args)"
undo_sbin

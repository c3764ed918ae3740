#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A container that has perfused's socket and nothing else of the host's: no /dev/fuse, Docker's capabilities and seccomp profile. What it may
# mount and where is the policy's to say (refuse, own, host:DIR); what it mounts in its own namespace is seen there and nowhere else,
# goes with it, and can be ended from the host. The same for a rootless one (a user namespace of its own). And hostile ones.
# needs: fuse
# limit: 120
# asan: no, one of the containers has no /proc, which the leak check needs
. "$(dirname "$0")/lib.sh"
not_native
have bwrap setpriv sshfs
[ -x "$sftp_server" ] || skip "sftp-server is not installed"
[ -x "$tools/docker_like" ] || skip "docker_like was not built"
stranger="$tools/stranger /run/perfuse/fuse"

service_with() { # OPTION...
	service_log=$work/service.log
	"$perfused" -f "$@" 2>"$service_log" &
	service=$!
	until_true 10 test -S /run/perfuse/fuse || fail "perfused -f $* does not listen: $(cat "$service_log")"
}

# The whole file system is shared but /dev, /proc and /run: what is under test is namespaces and rights.
contain() { # [BWRAP-OPTION...] -- COMMAND...
	c_options=
	while [ "$1" != -- ]; do
		c_options="$c_options $1"
		shift
	done
	shift
	# shellcheck disable=SC2086
	bwrap --bind / / --dev /dev --proc /proc --tmpfs /run --dir /run/perfuse --bind /run/perfuse/fuse /run/perfuse/fuse --unshare-pid --unshare-ipc \
	    --die-with-parent --cap-add ALL $c_options "$tools/docker_like" "$@"
}
rootless() { # COMMAND...
	as_user bwrap --unshare-user --uid 0 --gid 0 --bind / / --dev /dev --proc /proc --tmpfs /run --bind /run/perfuse/fuse \
	    /run/perfuse/fuse --unshare-pid --die-with-parent --cap-add ALL "$tools/docker_like" "$@"
}

shown() { # the FUSE mounts in this namespace below the work folder
	grep " $work/.* - fuse\." /proc/self/mountinfo
}
nothing_left() {
	[ -z "$("$perfuse" list | sed 1d)" ]
}

cat >"$work/inside" <<EOF
#!/bin/sh
set -e
[ ! -e /dev/fuse ]
"$perfuse" mount --via fd -- sshfs -o "ssh_command=sh -c $sftp_server" "x:\$1" "\$2" || exit
EOF
cat >"$work/stay" <<EOF
#!/bin/sh
# ... and stay until told.
set -e
"$work/inside" "\$1" "\$2"
grep " \$2 .* - fuse.sshfs" /proc/self/mountinfo
cat "\$2/file"
echo more >"\$2/new"
[ "\$(cat "\$1/new")" = more ]
: >"$work/ready"
read -r _ <"$work/go" || :
! cat "\$2/file" 2>/dev/null || echo still there
EOF
chmod 755 "$work/inside" "$work/stay"
mkfifo -m 666 "$work/go"
echo hello >"$src/file"
chmod 1777 "$work"

# ---- refuse: the default ----
service_with
refuses 77 "another mount namespace" contain -- "$work/inside" "$src" "$mnt"
contain -- $stranger ask "$mnt" | grep -q '^EPERM .*--containers' || fail "not refused"
# On the host all is as ever, also for a root without power.
"$perfuse" mount --via fd -- sshfs -o "ssh_command=sh -c $sftp_server" "x:$src" "$mnt"
"$perfuse" umount "$mnt"
"$tools/docker_like" "$perfuse" mount --via fd -- sshfs -o "ssh_command=sh -c $sftp_server" "x:$src" "$mnt"
shown | grep -q 'nosuid,nodev' || fail "a root without CAP_SYS_ADMIN is believed to be root: $(shown)"
[ "$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$(engine_pid "$mnt")/status")" != 0 ] || fail "its engine is root's"
"$perfuse" umount "$mnt"
stop_service

# ---- own ----
service_with --containers=own
contain -- "$work/stay" "$src" "$mnt" >inside.out &
container=$!
until_true 20 test -e ready || fail "not mounted: $(cat inside.out "$service_log")"
grep -q 'nosuid,nodev.*user_id=0,group_id=0' inside.out || fail "options: $(cat inside.out)"
! shown || fail "the container's mount is seen on the host"
[ -z "$(ls "$mnt")" ] || fail "the container's files are seen on the host"
"$perfuse" list | grep "^/proc/[0-9]*/root$mnt " || fail "not listed: $("$perfuse" list)"
engine=$("$perfuse" list | awk 'NR == 2 { print $5 }')
[ "$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$engine/status")" != 0 ] || fail "the engine runs as root"
# The host ends it.
kill "$engine"
until_true 10 not alive "$engine" || fail "the engine does not end"
echo >go
wait "$container" || fail "the container: $?"
! grep 'still there' inside.out || fail "not unmounted from outside"
until_true 10 nothing_left || fail "left: $("$perfuse" list)"

# What the host mounts is not seen in the container (that was there before), and a container that ends takes its mount with it.
rm ready
contain -- "$work/stay" "$src" "$mnt" >inside.out &
container=$!
until_true 20 test -e ready || fail "not mounted: $(cat inside.out "$service_log")"
mkdir other
"$perfuse" mount --via fd -- sshfs -o "ssh_command=sh -c $sftp_server" "x:$src" "$work/other"
[ "$("$perfuse" list | sed 1d | wc -l)" = 2 ] || fail "not both are listed: $("$perfuse" list)"
kill -9 "$container"
wait "$container" 2>/dev/null || :
one_left() { [ "$("$perfuse" list | sed 1d | wc -l)" = 1 ]; }
until_true 20 one_left || fail "the dead container's mount stays: $("$perfuse" list)"
[ "$(cat other/file)" = hello ] || fail "the host's own mount"
"$perfuse" umount "$work/other"

# Rootless: the uid is the user's, and in the container root's.
be_user
chmod 777 "$work"
rm -f ready "$src/new"
rootless "$work/stay" "$src" "$mnt" >inside.out &
container=$!
until_true 20 test -e ready || fail "rootless: not mounted: $(cat inside.out "$service_log")"
grep -q 'nosuid,nodev.*user_id=0,group_id=0' inside.out || fail "rootless: options: $(cat inside.out)"
! shown || fail "rootless: seen on the host"
"$perfuse" list --json | grep -q "\"uid\": $(id -u $user)" || fail "rootless: whose? $("$perfuse" list --json)"
kill "$("$perfuse" list | awk 'NR == 2 { print $5 }')"
until_true 10 nothing_left || fail "rootless: left: $("$perfuse" list)"
echo >go
wait "$container" || fail "the rootless container: $?"
! grep 'still there' inside.out || fail "rootless: not unmounted from outside"

# ---- hostile ----
mkdir -p theirs home-root a/m b
chown $other theirs
chmod 755 theirs a b
ln -s /etc out
ln -s /proc/1/root/etc magic
ln -s "$work/theirs" b/m
refused() { # WORDS COMMAND...
	r_words=$1
	shift
	"$@" >answer || :
	say "$* -> $(cat answer)"
	grep -q -e "$r_words" answer || fail "not \"$r_words\": $(cat answer)"
}
refused '^EPERM .*belongs to\|^EACCES' contain -- $stranger ask "$work/theirs"
refused '^EACCES\|^EPERM' rootless $stranger ask "$work/a/m"
refused '^EPERM\|^EACCES' rootless $stranger ask "$work/out"
refused '^EACCES\|^ELOOP\|^ENOENT\|^EPERM\|^EXDEV' contain -- $stranger ask "$work/magic"
refused '^ENOTDIR' contain -- $stranger ask "$src/file"
refused '^ENOENT' contain -- $stranger ask /nowhere
refused '^EBUSY\|^EPERM\|^EACCES' contain -- $stranger ask /
refused '^EPERM\|^EACCES' contain -- $stranger ask /proc
refused '^ESRCH .*ended' contain -- $stranger gone "$work/a"
# No /proc, and no view of anything: still only its own.
refused '^mounted' bwrap --tmpfs / --bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --bind "$work" "$work" --bind "$tools" "$tools" \
    --bind /run/perfuse/fuse /run/perfuse/fuse --dir /m --setenv ASAN_OPTIONS detect_leaks=0 --unshare-pid --die-with-parent --cap-add ALL \
    "$tools/docker_like" $stranger ask /m
# A mount that would propagate to the host.
refused '^EINVAL .*shared' unshare -m --propagation unchanged sh -c "mount --bind '$work/a' '$work/a' && mount --make-shared '$work/a' && $stranger ask '$work/a/m'"
# Its mountpoint changes while it is looked at: what is mounted is in the container, or nothing is.
chown $user a a/m b
rm -f swap
rootless $stranger swap 100 "$work/swap" "$work/a" "$work/b" >answer
grep -q '^[0-9]* mounted' answer || fail "swap: $(cat answer)"
! shown || fail "swapped onto the host"
[ -z "$(ls "$work/theirs")" ] || fail "mounted on another's"
# A thousand requests, and the next one who asks is served.
contain -- $stranger many 1000 "$work/home-root" >answer || fail "of 1000: $(cat answer)"
until_true 20 nothing_left || fail "left: $("$perfuse" list)"
[ "$(find "/proc/$service/fd" -type l | wc -l)" -lt 40 ] || fail "perfused keeps descriptors: $(ls -l "/proc/$service/fd")"
contain -- "$work/inside" "$src" "$work/home-root" || fail "not served after all this"
until_true 20 nothing_left || fail "left: $("$perfuse" list)"
stop_service

# ---- host ----
mkdir -p volumes/pod outside data
service_with "--containers=host:$work/volumes"
cat >"$work/on-host" <<EOF
#!/bin/sh
set -e
"$perfuse" mount --via fd -- sshfs -o "ssh_command=sh -c $sftp_server" "x:$src" "\$1"
: >"$work/ready"
read -r _ <"$work/go" || :
EOF
chmod 755 on-host
rm -f ready
# The container knows it as data/mnt; on the host it is volumes/pod.
contain --bind "$work/volumes/pod" "$work/data" -- sh -c "mkdir '$work/data/mnt' && exec '$work/on-host' '$work/data/mnt'" >inside.out 2>&1 &
container=$!
until_true 20 test -e ready || fail "host: not mounted: $(cat inside.out "$service_log")"
shown | grep -q " $work/volumes/pod/mnt .*nosuid,nodev.* - fuse.sshfs" || fail "not where it should be on the host: $(shown)"
[ "$(cat volumes/pod/mnt/file)" = hello ] || fail "the container's files on the host"
"$perfuse" list | grep "^/proc/[0-9]*/root$work/data/mnt " || fail "host: not listed: $("$perfuse" list)"
kill "$("$perfuse" list | awk 'NR == 2 { print $5 }')"
until_true 10 nothing_left || fail "host: the host cannot unmount it"
echo >go
wait "$container" || fail "the container: $?"
# What is above its directory on the host may be shut to it.
mkdir volumes/pod2
chown $user volumes/pod2
chmod 700 volumes
refused '^mounted' contain --bind "$work/volumes/pod2" "$work/data" -- setpriv --reuid=$user --regid=$user --clear-groups $stranger ask "$work/data"
until_true 10 nothing_left || fail "host: left: $("$perfuse" list)"
refused '^EPERM .*not a directory of the host' contain -- $stranger ask "$work/outside"
refused '^EPERM .*not a directory of the host' contain -- $stranger ask "$work/volumes"
refused '^EPERM' contain --tmpfs "$work/volumes" -- $stranger ask "$work/volumes"
! shown || fail "left on the host: $(shown)"
stop_service

# ---- wrong words ----
for words in "" nonsense host: host:/ host:relative/nowhere host:/nonexistent; do
	status=0
	"$perfused" -f "--containers=$words" 2>answer || status=$?
	[ "$status" = 64 ] || fail "--containers=$words: status $status: $(cat answer)"
done

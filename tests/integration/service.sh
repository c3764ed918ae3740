#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# perfused as a service: root and ordinary users are served through /run/perfuse/fuse, each mount by an engine process of its own that
# is not root's; users mount only where it is theirs; nosuid and nodev are forced on them.
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native
DAEMON=bindfs
[ ! -d /run/perfuse ] || rmdir /run/perfuse # perfused makes it
start_service
[ "$(stat -c %a /run/perfuse/fuse)" = 666 ] || fail "not everybody may connect: $(stat -c %A /run/perfuse/fuse)"

mkdir root-src root-mnt
echo of-root >root-src/file
"$perfuse" mount -- bindfs "$work/root-src" "$work/root-mnt"
[ "$(cat root-mnt/file)" = of-root ] || fail "root's mount"
engine=$(engine_pid "$work/root-mnt")
[ "$(stat -c %u "/proc/$engine")" != 0 ] || [ "$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$engine/status")" != 0 ] ||
    fail "the engine runs as root"
[ "$(sed -n 's/^CapEff:\t//p' "/proc/$engine/status")" = 0000000000000000 ] || fail "the engine has capabilities"
sanitized || [ "$(sed -n 's/^Seccomp:\t//p' "/proc/$engine/status")" = 2 ] || fail "the engine has no seccomp filter"
[ "$(sed -n 's/^NoNewPrivs:\t//p' "/proc/$engine/status")" = 1 ] || fail "the engine may gain privileges"

be_user
chmod 4755 "$src"
serve
findmnt -n -o OPTIONS --mountpoint "$mnt" | grep nosuid | grep -q nodev || fail "no nosuid and nodev for a user"
as_user sh -c "echo of-a-user >'$mnt/file' && cat '$mnt/file'" | grep -q of-a-user || fail "the user's mount"
[ "$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$(engine_pid "$mnt")/status")" = "$(id -u $user)" ] || fail "not the user's engine"
[ "$(sed -n 's/^PPid:\t//p' "/proc/$(engine_pid "$mnt")/status")" = "$service" ] || fail "not an engine of the service"

# Another user: not on this one's folder, and not on root's; and cannot unmount what is not his.
mkdir "$work/home-$other" "$work/run-other" theirs
chown $other: theirs "$work/home-$other" "$work/run-other"
chmod 700 "$work/run-other"
other_perfuse() {
	as_other env XDG_RUNTIME_DIR="$work/run-other" "$perfuse" "$@"
}
mkdir mine
chown $user: mine
refuses any "$work/mine" other_perfuse mount -- bindfs --no-allow-other "$work/root-src" "$work/mine"
mkdir roots
refuses any "$work/roots" other_perfuse mount -- bindfs --no-allow-other "$work/root-src" "$work/roots"
! mounted "$work/mine" && ! mounted "$work/roots" || fail "something was mounted"
refuses any "$mnt" other_perfuse umount "$mnt"
mounted "$mnt" || fail "another user unmounted it"
refuses any allow_other as_user "$perfuse" mount -- bindfs -o allow_other "$src" "$work/mine"

# His own folder that he may not write to: read-only only.
chmod 555 mine
refuses any "$work/mine" as_user "$perfuse" mount -- bindfs --no-allow-other "$src" "$work/mine"
as_user "$perfuse" mount -- bindfs --no-allow-other -o ro "$src" "$work/mine" || fail "a read-only mount on his own read-only folder"
as_user "$perfuse" umount "$work/mine"

unserve
[ "$(cat root-mnt/file)" = of-root ] || fail "root's mount is gone"
"$perfuse" umount "$work/root-mnt"
stop_service

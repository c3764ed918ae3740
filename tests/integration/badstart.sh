#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What cannot be mounted: each gets one clear line and a status of sysexits.h; nothing stays mounted, no process stays, a mount that
# is there already is untouched. (That nothing is left is also seen by tests/run.)
# needs: fuse
# limit: 180
. "$(dirname "$0")/lib.sh"
not_native
DAEMON=bindfs
mkdir other-src other-mnt
echo alive >other-src/file
"$perfuse" mount -- bindfs "$work/other-src" "$work/other-mnt"
untouched() {
	! mounted || fail "something is mounted"
	[ "$(cat "$work/other-mnt/file")" = alive ] || fail "another mount suffered"
}
mount_refused() { # WORDS DAEMON...
	words=$1
	shift
	refuses any "$words" "$perfuse" mount -- "$@"
	untouched
}

# The mountpoint.
mount_refused 'No such file' bindfs "$src" "$work/absent"
: >a-file
mount_refused 'irectory' "$tools/hangfs" "$work/a-file"
mount_refused 'No such file' "$tools/rawdaemon" mute "$work/absent"
mount_refused 'not a directory\|Not a directory' "$tools/rawdaemon" mute "$work/a-file"
be_user
chown 0:0 "$mnt"
refuses any "$mnt" as_user "$perfuse" mount -- bindfs "$src" "$mnt"
untouched
refuses any "$mnt" as_user "$perfuse" mount -- "$user_tools/rawdaemon" mute "$mnt"
untouched

# The daemon.
# (126 and 127 as shells, env and timeout have it: what was to be run cannot be, is not there.)
refuses 127 no-such-program "$perfuse" mount -- "$work/no-such-program" "$mnt"
refuses 126 a-file "$perfuse" mount -- "$work/a-file" "$mnt"
untouched
mount_refused 'true' true "$mnt"
mount_refused 'false' false "$mnt"
mount_refused 'my last words' sh -c 'echo "my last words" >&2; exit 3' sh "$mnt"
mount_refused 'killed\|signal' sh -c 'kill -9 $$' sh "$mnt"
mount_refused . "$tools/rawdaemon" leave "$mnt"
mount_refused . "$tools/rawdaemon" close "$mnt"
for how in short lies garbage huge error; do
	mount_refused . "$tools/rawdaemon" $how "$mnt"
done
mount_refused 'status 1: fuse: unknown option' bindfs --no-such-option "$src" "$mnt"

# Never says INIT; is no FUSE daemon at all. (The default is patient; a test need not be.)
for how in mute deaf; do
	refuses any . "$perfuse" mount -t 2 -- "$tools/rawdaemon" $how "$mnt"
	untouched
done
refuses any sleep "$perfuse" mount -t 2 -- sleep 1000
untouched
[ -z "$(processes "sleep 1000")" ] || fail "sleep still runs"

# The command line.
refuses 64 . "$perfuse"
refuses 64 . "$perfuse" no-such-command
refuses 64 . "$perfuse" mount
refuses 64 . "$perfuse" mount --
refuses 64 . "$perfuse" umount
refuses any "$mnt" "$perfuse" umount "$mnt"
refuses any "$work/absent" "$perfuse" umount "$work/absent"
mount_refused 'no_such_option' bindfs -o no_such_option "$src" "$mnt"

"$perfuse" umount "$work/other-mnt"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# An ordinary user mounts without any service: perfused -i is his own, the mount is made by the system's fusermount3. What others
# see of it is what a native mount of his shows; root, without allow_other, is kept out.
# daemons: sshfs bindfs squashfuse gocryptfs
# needs: fuse
. "$(dirname "$0")/lib.sh"
be_user
[ -e /etc/mtab ] || skip "there is no /etc/mtab, which fusermount3 needs to unmount" # any Debian that was booted has it

shown() {
	findmnt -n -o FSTYPE,SOURCE,OPTIONS --mountpoint "$mnt"
	as_user stat -c 'root %A %U %G' "$mnt"
	root=0
	ls "$mnt" >/dev/null 2>&1 || root=denied
	echo "to root: $root"
}

[ "$DAEMON" = gocryptfs ] || as_user sh -c "echo from-the-source >'$src/file'"
PERFUSE_NATIVE=1 serve
shown >native.txt
PERFUSE_NATIVE=1 unserve
serve
shown >through.txt
if [ "$DAEMON" != gocryptfs ]; then
	[ "$(as_user cat "$mnt/file")" = from-the-source ] || fail "reading"
fi
if [ "$DAEMON" != squashfuse ]; then
	as_user sh -c "echo written >'$mnt/new' && mkdir '$mnt/dir' && mv '$mnt/new' '$mnt/dir/moved'"
	[ "$(as_user cat "$mnt/dir/moved")" = written ] || fail "writing"
fi
unserve
diff native.txt through.txt || fail "perfuse shows something else"
grep -q nosuid through.txt && grep -q nodev through.txt || fail "nosuid and nodev are not forced: $(cat through.txt)"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Symbolic links (relative, absolute, long, dangling), hard links and their counts, named pipes, devices' and owners' attributes.
# daemons: bindfs passthrough_ll gocryptfs
# needs: fuse
. "$(dirname "$0")/lib.sh"

# Daemons let the kernel remember attributes for a second, and so the link count of the other name: not here.
case $DAEMON in
bindfs) options=use_ino,attr_timeout=0 ;;
passthrough_ll) options=cache=never ;;
*) options= ;;
esac
serve -o "$options"
cd "$mnt"
echo data >file
ln -s file relative
ln -s "$mnt/file" absolute
ln -s nowhere dangling
long=$(head -c 1000 /dev/zero | tr '\0' y)
ln -s "$long" long
[ "$(cat relative)$(cat absolute)" = datadata ] || fail "reading through links"
[ "$(readlink long)" = "$long" ] || fail "a long target"
[ "$(stat -c %s relative)" = 4 ] || fail "a link's size"
! cat dangling 2>/dev/null || fail "a dangling link was opened"
[ ! -e dangling ] && [ -L dangling ] || fail "dangling"
rm relative
[ "$(cat file)" = data ] || fail "removing a link removed its target"

ln file hard
[ "$(stat -c %h file)" = 2 ] && [ "$(stat -c %h hard)" = 2 ] || fail "link counts"
[ "$(stat -c %i file)" = "$(stat -c %i hard)" ] || fail "hard links have different inode numbers"
echo more >>hard
[ "$(cat file)" = "$(printf 'data\nmore')" ] || fail "hard links have different contents"
rm file
[ "$(stat -c %h hard)" = 1 ] || fail "link count after the removal"
! ln hard absent/name 2>/dev/null || fail "linked into an absent folder"

mkfifo pipe
[ -p pipe ] || fail "no pipe"
echo through-the-pipe >pipe &
[ "$(cat pipe)" = through-the-pipe ] || fail "the pipe"
wait
if mknod null c 1 3 2>/dev/null; then
	[ "$(stat -c '%F %t %T' null)" = "character special file 1 3" ] || fail "a device's numbers"
fi

chown 1234:5678 hard 2>/dev/null || say "this daemon changes no owners"
if [ "$DAEMON" != gocryptfs ]; then
	[ "$(stat -c '%u %g' hard)" = "1234 5678" ] || fail "chown"
fi
cd "$work"
unserve

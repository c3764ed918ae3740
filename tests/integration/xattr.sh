#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Extended attributes: set, get (any bytes, empty, long), list, replace, remove; the errors for absent ones.
# daemons: bindfs passthrough_ll gocryptfs
# needs: fuse
. "$(dirname "$0")/lib.sh"
have setfattr getfattr

: >"$src/probe"
setfattr -n user.probe -v x "$src/probe" 2>/dev/null || skip "the file system of the work folder has no user xattrs"
rm "$src/probe"
options=
[ "$DAEMON" != passthrough_ll ] || options=xattr
serve -o "$options"
file=$mnt/file
echo text >"$file"
setfattr -n user.one -v value "$file"
setfattr -n user.two -v 0x00ff0a0020 "$file"
setfattr -n user.empty "$file"
long=$(head -c 1500 /dev/zero | tr '\0' L)
setfattr -n user.long -v "$long" "$file"
[ "$(getfattr --only-values -n user.one "$file")" = value ] || fail "user.one"
[ "$(getfattr -e hex -n user.two "$file" | sed -n 's/^user.two=//p')" = 0x00ff0a0020 ] || fail "user.two"
[ -z "$(getfattr --only-values -n user.empty "$file")" ] || fail "user.empty"
[ "$(getfattr --only-values -n user.long "$file")" = "$long" ] || fail "user.long"
names=$(getfattr -m '^user' "$file" 2>/dev/null | grep '^user' | sort | tr '\n' ' ')
[ "$names" = "user.empty user.long user.one user.two " ] || fail "listed: $names"
setfattr -n user.one -v replaced "$file"
[ "$(getfattr --only-values -n user.one "$file")" = replaced ] || fail "replacing"
setfattr -x user.two "$file"
! getfattr -n user.two "$file" 2>said || fail "a removed attribute is still there"
grep -q 'No such attribute' said || fail "wrong error: $(cat said)"
! setfattr -x user.absent "$file" 2>said || fail "removed an absent attribute"
grep -q 'No such attribute' said || fail "wrong error: $(cat said)"
setfattr -n user.dir -v d "$mnt"
[ "$(getfattr --only-values -n user.dir "$mnt" 2>/dev/null)" = d ] || fail "on the root folder"
unserve

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A read-only file system (an image): the same tree as its source by diff -r and by checksums; every way to change it says EROFS.
# daemons: squashfuse squashfuse_ll
# needs: fuse
. "$(dirname "$0")/lib.sh"

cp -a "$top/src" "$src/code"
seq 1 400000 >"$src/numbers"
ln -s numbers "$src/link"
mkdir "$src/empty"
serve
diff -r --no-dereference "$src" "$mnt"
(cd "$src" && find . -type f -exec sha256sum {} + | sort) >want
(cd "$mnt" && find . -type f -exec sha256sum {} + | sort) >got
cmp want got
read_only() {
	! "$@" 2>said || fail "did not fail: $*"
	grep -q -e 'Read-only file system' -e 'Function not implemented' -e 'Operation not permitted' -e 'Permission denied' said ||
	    fail "$*: $(cat said)"
}
read_only sh -c "echo x >'$mnt/new'"
read_only sh -c "echo x >>'$mnt/numbers'"
read_only mkdir "$mnt/dir"
read_only rm -f "$mnt/numbers"
read_only mv "$mnt/numbers" "$mnt/moved"
unserve

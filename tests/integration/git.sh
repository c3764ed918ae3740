#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# git on the mount: clone, commit, branch, gc, and git fsck is content; the clone of the clone is the same.
# daemons: bindfs passthrough_ll gocryptfs sshfs
# needs: fuse
# limit: 180
. "$(dirname "$0")/lib.sh"
have git

export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.org
git config --file "$HOME/.gitconfig" safe.directory '*'
git init -q -b main origin
(
	cd origin
	i=0
	while [ $i -lt 40 ]; do
		mkdir -p "dir-$((i % 7))"
		seq $i $((i * 50 + 100)) >"dir-$((i % 7))/file-$i"
		git add .
		git commit -q -m "commit $i"
		i=$((i + 1))
	done
)
serve
git clone -q origin "$mnt/clone"
cd "$mnt/clone"
git fsck --full --strict
diff -r --exclude=.git "$work/origin" .
git checkout -q -b other
rm -r dir-3
echo changed >dir-1/file-1
git commit -q -a -m "on the mount"
git checkout -q main
git merge -q other
git gc -q
[ -z "$(git status --porcelain)" ] || fail "the work tree is not clean"
git fsck --full --strict
cd "$work"
git clone -q "$mnt/clone" back
git -C back fsck --full --strict
[ "$(git -C back rev-parse HEAD)" = "$(git -C "$mnt/clone" rev-parse HEAD)" ] || fail "the clones differ"
unserve

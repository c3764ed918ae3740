#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# 10,000 files in one folder: created, listed, stated, read, removed.
# daemons: bindfs passthrough_ll gocryptfs sshfs
# needs: fuse
# limit: 180
. "$(dirname "$0")/lib.sh"

serve
mkdir "$mnt/many"
(
	cd "$mnt/many"
	i=0
	while [ $i -lt 10000 ]; do
		echo $i >file-$i
		i=$((i + 1))
	done
)
unserve
serve
cd "$mnt/many"
seq 0 9999 | sed 's/^/file-/' | sort >"$work/want"
ls | sort >"$work/listed"
cmp "$work/want" "$work/listed" || fail "the listing is not what was created"
[ "$(find . -type f -size 1 -printf x | wc -c)" = 10000 ] || fail "not 10,000 files when stated"
[ "$(find . -name 'file-*' -exec cat {} + | sort -n | uniq | wc -l)" = 10000 ] || fail "contents are wrong"
rm -r ./*
[ -z "$(ls -A)" ] || fail "something is left after the removal"
cd "$work"
rmdir "$mnt/many"
unserve

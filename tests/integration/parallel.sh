#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# 8 processes at once, each with files of its own and all with one folder in common; compared by checksum.
# daemons: bindfs passthrough_ll gocryptfs sshfs
# needs: fuse
# limit: 120
. "$(dirname "$0")/lib.sh"

head -c 4000000 /dev/urandom >blob
sum=$(sha256sum <blob)
serve
mkdir "$mnt/all"

worker() {
	mkdir "$mnt/own-$1"
	round=0
	while [ $round -lt 6 ]; do
		cp blob "$mnt/own-$1/a"
		mv "$mnt/own-$1/a" "$mnt/own-$1/b"
		[ "$(sha256sum <"$mnt/own-$1/b")" = "$sum" ] || return 1
		i=0
		while [ $i -lt 30 ]; do
			echo "$1 $round $i" >"$mnt/all/$1-$round-$i" || return 1
			i=$((i + 1))
		done
		ls -l "$mnt/all" >/dev/null || return 1
		rm "$mnt/own-$1/b"
		round=$((round + 1))
	done
}

pids=
for n in 1 2 3 4 5 6 7 8; do
	worker $n &
	pids="$pids $!"
done
bad=
for pid in $pids; do
	wait "$pid" || bad="$bad $pid"
done
[ -z "$bad" ] || fail "a worker failed"
[ "$(ls "$mnt/all" | wc -l)" = $((8 * 6 * 30)) ] || fail "files are missing"
[ "$(cat "$mnt"/all/* | sort -u | wc -l)" = $((8 * 6 * 30)) ] || fail "contents are wrong"
unserve

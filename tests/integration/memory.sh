#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What an engine holds in memory: idle at most 8 MiB; 100,000 looked-up files at most 256 bytes each beyond their names; after the
# kernel has forgotten them all, within 10 % of the start. Measured as the resident set of the engine process.
# needs: fuse
# limit: 120
. "$(dirname "$0")/lib.sh"
not_native
[ -w /proc/sys/vm/drop_caches ] || skip "/proc/sys/vm/drop_caches cannot be written"

files=100000
name_bytes=12 # of "file-0000000"
DAEMON=memfs_ll
! sanitized || skip "a sanitizer's memory is not ours"

serve -o files=$files
engine=$(engine_pid "$mnt")
rss() {
	sed -n 's/^Rss: *\([0-9]*\) kB/\1/p' "/proc/$engine/smaps_rollup"
}
stat "$mnt" >/dev/null
start=$(rss)
say "idle: $start KiB resident"
[ "$start" -le 8192 ] || fail "more than 8 MiB idle"

[ "$(find "$mnt" -type f -size 0 -printf x | wc -c)" = $files ] || fail "files are missing"
full=$(rss)
each=$(((full - start) * 1024 / files))
say "$files files looked up: $full KiB, $each bytes each with their names of $name_bytes bytes"
[ "$each" -le $((256 + name_bytes)) ] || fail "more than 256 bytes each beyond their names"

nodes() {
	"$perfuse" list --json | sed -n 's/^ *"nodes": \([0-9]*\).*/\1/p'
}
[ "$(nodes)" -ge $files ] || fail "the engine counts $(nodes) nodes only"
forgotten() {
	echo 2 >/proc/sys/vm/drop_caches
	[ "$(nodes)" -le 10 ]
}
until_true 20 forgotten || fail "the kernel was told to forget, and $(nodes) nodes stay"
most=$((start + start / 10))
back() {
	[ "$(rss)" -le $most ]
}
until_true 5 back || fail "all forgotten: $(rss) KiB, more than $most KiB"
say "all forgotten: $(rss) KiB"
unserve

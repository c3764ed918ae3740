#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The exerciser of fsx.sh itself, on a plain folder: it finds a byte, and a size, that was changed behind its back, in each of its
# ways to run, says where, and gives what is needed to do the same steps again.
. "$(dirname "$0")/lib.sh"

fsx=$tools/fsx/fsx
finds() { # WORDS OPTION...
	f_words=$1
	shift
	f_status=0
	"$fsx" --ops 3000 "$@" file >out 2>&1 || f_status=$?
	[ $f_status = 1 ] || fail "status $f_status with: $*: $(cat out)"
	grep -q -e "$f_words" out || fail "nothing of \"$f_words\" with: $*: $(cat out)"
}

"$fsx" --ops 3000 --log steps file || fail "finds something on a good file system"
"$fsx" --replay steps file >replayed || fail "finds something when it does the same again"
grep -q ': 3000 steps' replayed || fail "not all was replayed: $(cat replayed)"
"$fsx" --seconds 1 --shared file || fail "finds something in a shared file"
[ "$(ls)" = "$(printf 'mnt\nreplayed\nrun\nsrc\nsteps')" ] || fail "left files: $(ls)"

finds 'bytes\{0,1\} differ, from offset [0-9]* to [0-9]*$' --corrupt-after 500
finds '^fsx: again with --seed 7 --ops 5' --seed 7 --corrupt-after 500
finds 'size [0-9]* instead of [0-9]*$' --corrupt-after 500 --corrupt-size
finds 'differ' --jobs 2 --corrupt-after 500
# Two processes on one file, and a third that neither knows of.
"$fsx" --seconds 20 --shared file >out 2>&1 &
shared=$!
while alive $shared; do
	[ ! -e file ] || printf x | dd of=file conv=notrunc seek=77 bs=1 2>/dev/null
done
f_status=0
wait $shared || f_status=$?
[ $f_status = 1 ] && grep -q 'differ, from offset 77 to' out || fail "status $f_status, did not find it in a shared file: $(cat out)"
# Steps by hand: those that do not fit the file are left out.
printf '%s\n' 'append 0 0 100 0 1' 'truncate 0 50 0 0 0' 'mapread 0 0 51 0 0' 'read 0 0 100 0 0' 'nonsense' |
	"$fsx" --replay - file >replayed || fail "steps by hand"
grep -q ': 4 steps: read 1 append 1 truncate 1$' replayed || fail "steps by hand: $(cat replayed)"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fio writes files in random order, by several ways to do I/O, two jobs at once, each block with its place and checksum in it; reads
# all of it back; and again after a fresh mount, when nothing is cached. FIO_SIZE: of each file.
# daemons: bindfs fuse-overlayfs
# needs: fuse
# limit: 120
. "$(dirname "$0")/lib.sh"

have fio
size=${FIO_SIZE:-16m}

# run_fio ENGINE:DIRECT OPTION...
run_fio() {
	way=$1
	shift
	(cd "$work" && fio --name="${way%:*}-${way#*:}" --ioengine="${way%:*}" --direct="${way#*:}" --directory="$mnt" --size="$size" \
	    --numjobs=2 --iodepth=8 --rw=randrw --rwmixread=30 --bsrange=4k-128k --verify=crc32c --verify_fatal=1 --verify_dump=0 \
	    --verify_state_save=0 --randseed=17 --end_fsync=1 --minimal "$@" >fio.log 2>&1)
}

ways="psync:0 psync:1 mmap:0 libaio:1 splice:0"
serve
for way in $ways; do
	run_fio "$way" || fail "$way: $(cat fio.log)"
done
unserve
serve
for way in $ways; do
	run_fio "$way" --verify_only || fail "$way, after a fresh mount: $(cat fio.log)"
done
unserve

# Would it see one wrong bit?
[ "$DAEMON" = bindfs ] || exit 0
printf '\377\000' | dd of="$src/psync-0.0.0" bs=1 seek=100000 conv=notrunc 2>/dev/null
serve
! run_fio psync:0 --verify_only || fail "two wrong bytes were not seen"
grep -q 'verify failed at file' fio.log || fail "it failed otherwise: $(cat fio.log)"
unserve

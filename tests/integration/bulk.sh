#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# 1 GiB copied in and out, compared by checksum: as written, through the mount after a fresh mount (nothing cached), and copied
# out again.
# daemons: bindfs
# needs: fuse
# limit: 240
# asan: no, 1 GiB is slow there, and fsx, fio and tar go the same ways with less
. "$(dirname "$0")/lib.sh"

head -c 1073741824 /dev/urandom >in
sum=$(sha256sum <in)
serve
cp in "$mnt/big"
[ "$(stat -c %s "$mnt/big")" = 1073741824 ] || fail "wrong size"
unserve
rm in
[ "$(sha256sum <"$src/big")" = "$sum" ] || fail "copied in: the checksum differs"
serve
cp "$mnt/big" out
unserve
[ "$(sha256sum <out)" = "$sum" ] || fail "copied out: the checksum differs"

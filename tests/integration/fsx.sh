#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The contents of files under random reads, writes, truncations, maps, holes, copies, renames: five files at once on one mount, each
# with a process that knows what must be in it (tests/fsx), and one file that two processes share. FSX_SECONDS: how long.
# daemons: bindfs passthrough_ll passthrough_ll:writeback fuse-overlayfs
# needs: fuse
# limit: 90
. "$(dirname "$0")/lib.sh"

seconds=${FSX_SECONDS:-20}
seed=${FSX_SEED:-1}
fsx="$tools/fsx/fsx --seconds $seconds"
say "seeds from $seed on"

serve
$fsx --seed "$seed" --jobs 3 "$mnt/small" >small.log 2>&1 &
small=$!
$fsx --seed $((seed + 3)) --jobs 2 --max-size 5000000 "$mnt/large" >large.log 2>&1 &
large=$!
# (Without O_DIRECT: passthrough_ll hands the flag down, and then cannot write back the other process's pages.)
$fsx --seed $((seed + 5)) --shared --without dwrite "$mnt/shared" >shared.log 2>&1 &
shared=$!
bad=
wait $small || bad="$bad small"
wait $large || bad="$bad large"
wait $shared || bad="$bad shared"
cat shared.log large.log small.log
[ -z "$bad" ] || fail "the contents differ:$bad"
[ -z "$(ls -A "$mnt")" ] || fail "left: $(ls -A "$mnt")"
unserve

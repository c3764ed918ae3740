#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# integration/parity.sh with 1,000,000 calls, on all daemons that are installed.
# daemons: passthrough_ll-never passthrough_ll-auto passthrough_ll-always passthrough_ll-writeback passthrough_ll-flock passthrough passthrough_fh pass_hp pass_hp-cache pass_hp-writeback bindfs bindfs-cache fuse-overlayfs ntfs-3g sshfs sshfs-cache
# needs: fuse
# limit: 5400
export PARITY_CALLS="${PARITY_CALLS:-1000000}" PARITY_STRICT=1
exec "$(dirname "$0")/../integration/parity.sh"

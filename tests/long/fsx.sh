#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# integration/fsx.sh for 10 minutes, with other seeds each time. (It says which; FSX_SEED is the way to have them again.)
# daemons: bindfs passthrough_ll passthrough_ll:writeback fuse-overlayfs
# needs: fuse
# limit: 700
export FSX_SECONDS="${FSX_SECONDS:-600}" FSX_SEED="${FSX_SEED:-$(date +%s)}"
exec "$(dirname "$0")/../integration/fsx.sh"

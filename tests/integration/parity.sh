#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The same random calls of several processes on a native mount and through perfuse: each call's result, and what it saw, must be the same
# (tests/parity). PARITY_CALLS: how many.
# daemons: passthrough_ll-auto passthrough_ll-never bindfs fuse-overlayfs ntfs-3g sshfs
# needs: fuse
# limit: 120
# asan: no, it compares results, and is run without
. "$(dirname "$0")/lib.sh"

not_native
exec sh "$top/tests/parity/run.sh" "$DAEMON" "${PARITY_CALLS:-10000}" "${PARITY_SEED:-1}"

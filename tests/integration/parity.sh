#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The same random calls of several processes on a native mount and through perfuse: each call's result, and what it saw, must be the same
# (tests/parity). PARITY_CALLS: how many. Here only what differs each time counts, so that a busy machine fails nothing; tests/long/parity.sh
# counts all (PARITY_STRICT).
# daemons: passthrough_ll-auto passthrough_ll-never pass_hp-cache bindfs fuse-overlayfs ntfs-3g sshfs
# needs: fuse
# limit: 120
# asan: no, it compares results, and is run without
. "$(dirname "$0")/lib.sh"

not_native
[ -n "${PARITY_STRICT-}" ] || set -- --unsteady
exec sh "$top/tests/parity/run.sh" "$DAEMON" "${PARITY_CALLS:-8000}" "${PARITY_SEED:-1}" "$@"

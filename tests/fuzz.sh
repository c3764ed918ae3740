#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The fuzz target $DAEMON, as an ordinary program, on the inputs that are kept of it (fuzz/). Run by tests/run as fuzz/NAME.
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
exec "$PERFUSE_BUILD/fuzz/replay_$DAEMON" "$top/fuzz/corpus/$DAEMON"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# One fuzz target for 2 minutes, under AddressSanitizer and UBSan, from the inputs that are kept: no finding.
# daemons: frame notify reply request state wire words
# limit: 400
. "$(dirname "$0")/../integration/lib.sh"

have clang
sh "$top/fuzz/run.sh" -d "$work/fuzz" "${FUZZ_SECONDS:-120}" "$DAEMON"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each stressor of stress-ng's class "filesystem", one after the other, first on a native mount of the daemon and then through
# perfuse: none may fail that does not fail natively.
# daemons: bindfs passthrough_ll fuse-overlayfs
# needs: fuse
# limit: 900
. "$(dirname "$0")/../integration/lib.sh"

have stress-ng
# Those that have nothing to do with the mount, or look at the whole machine.
without=binderfs,ioprio,procfs,eventfd,dnotify,fanotify,inotify

stress() { # LOG: the names of those that failed, sorted, into LOG.failed
	mkdir -p "$mnt/stress"
	chmod 777 "$mnt/stress"
	(cd "$work" && stress-ng --class filesystem --seq 1 --timeout "${STRESS_SECONDS:-2}s" --verify --exclude "$without" \
	    --temp-path "$mnt/stress" --skip-silent --no-rand-seed) >"$1" 2>&1 </dev/null || :
	grep -q 'stress-ng: info: .*completed' "$1" || fail "stress-ng did not get to its end: $(tail -n 20 "$1")"
	sed -n 's/^stress-ng: \(fail\|error\): *\[[0-9]*\] *\([a-z-]*\):.*/\2/p' "$1" | sort -u >"$1.failed"
	rm -rf "$mnt/stress"
}

( # what fails of itself
	PERFUSE_NATIVE=1
	serve
	stress native.log
	unserve
)
if native; then
	cat native.log
	exit 0
fi
serve
stress perfuse.log
unserve
say "fails natively: $(tr '\n' ' ' <native.log.failed)"
comm -13 native.log.failed perfuse.log.failed >only
[ ! -s only ] || fail "fails through perfuse only: $(tr '\n' ' ' <only)
$(grep -F -f only perfuse.log)"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Notifications, seen from the application's side: what a daemon says is stale really is gone, from the moment on at which it may rely
# on it; bytes go into the page cache and come back; poll wakes up; what it wants once more comes once more.
# needs: fuse
# limit: 120
. "$(dirname "$0")/lib.sh"

DAEMON=notifyfs
check() { # CHECK
	serve
	"$tools/notifyfs" -c "$mnt" "$1" || fail "$1"
	unserve
}
linux() { # MAJOR MINOR: this kernel or a newer one
	major=$(uname -r | cut -d. -f1) minor=$(uname -r | cut -d. -f2)
	[ "$major" -gt "$1" ] || { [ "$major" -eq "$1" ] && [ "$minor" -ge "$2" ]; }
}

check data
check names
check poll
check stuck
if native && ! linux 6 9; then
	say "this kernel has no RESEND"
else
	check resend
fi
if linux 6 16; then check epoch; fi
if linux 6 18; then check prune; fi

# A daemon that dies while a notification of its waits for one of its replies.
if ! native; then
	serve
	"$tools/notifyfs" -c "$mnt" die || fail die
	unserve
fi

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What users see is what a native mount shows: the same daemon is mounted natively and through perfuse, and type, source, options,
# df and stat -f are compared.
# daemons: sshfs bindfs squashfuse gocryptfs passthrough_ll
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native

shown() { # the mount as users see it
	findmnt -n -o FSTYPE,SOURCE,OPTIONS --mountpoint "$mnt"
	# Used and free space change under us where the source is a real disk: only the sizes are compared.
	df --output=source,fstype,size,itotal,target "$mnt" | tail -n +2
	stat -f -c 'name-length %l type %t block %S' "$mnt"
	stat -c 'root %A %u %g %h' "$mnt"
	ls -lAn --time-style=full-iso "$mnt" | tail -n +2
}

daemon_ready
[ "$DAEMON" = gocryptfs ] || echo hello >"$src/file"
case $DAEMON in
gocryptfs) lists="- allow_other ro noexec" ;; # it knows few
*) lists="- allow_other,default_permissions fsname=my-source,subtype=my-type ro,noatime fsname=my-source,noexec" ;;
esac
for options in $lists; do
	[ "$options" != - ] || options=
	say "options: ${options:-none}"
	PERFUSE_NATIVE=1 serve -o "$options"
	shown >native
	PERFUSE_NATIVE=1 unserve
	serve -o "$options"
	shown >through
	unserve
	diff native through || fail "perfuse shows something else with options \"$options\""
done
case $DAEMON in
sshfs) grep -q '^fuse.sshfs ' through || fail "no fuse.sshfs: $(cat through)" ;;
esac

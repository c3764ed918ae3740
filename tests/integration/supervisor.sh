#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The processes that perfuse mount leaves behind are killed, or have to follow a path into the mount that they look after: a write
# arrives or fails, never gets lost; who waits gets an answer; nothing stays. (That nothing is left is also seen by tests/run.)
# needs: fuse
# limit: 120
. "$(dirname "$0")/lib.sh"
not_native
DAEMON=passthrough_ll
title="perfuse: "
daemon_ready

daemon_gone() {
	[ -z "$(processes "$tools/$DAEMON")" ]
}
one_of() { # TITLE: its process number
	o_pid=$(processes "$title$1")
	[ "$(echo "$o_pid" | wc -w)" = 1 ] || fail "not one \"$1\": $o_pid"
	echo "$o_pid"
}

# The supervisor. Nobody answers the daemon's open calls any more, so the daemon must go; a writer sees nothing but that.
echo x0 >"$src/file"
serve
[ "$(cat "$mnt/file")" = x0 ] || fail "reading"
(
	n=0
	while n=$((n + 1)) && echo "x$n" 1<>"$mnt/file"; do
		echo "$n" >written
	done 2>writer.err
) &
writer=$!
until_true 10 test -s written || fail "the writer does not write"
kill -9 "$(one_of "supervisor of $DAEMON")"
until_true 20 daemon_gone || fail "the daemon outlives its supervisor"
writer_gone() {
	not alive "$writer"
}
until_true 20 writer_gone || fail "the writer still writes: $(cat written) $(cat "$src/file")"
wait "$writer" || :
say "last written: $(cat written), in the file: $(cat "$src/file"), $(cat writer.err)"
last=$(cat written)
case $(head -n 1 "$src/file") in
"x$last" | "x$((last + 1))") ;;
*) fail "x$last was written, and the file has $(cat "$src/file")" ;;
esac
mounted || fail "the mount went away by itself"
[ "$("$tools/fileops" read "$mnt/file")" = "errno 107" ] || fail "not ENOTCONN: $("$tools/fileops" read "$mnt/file")"
unserve

# The root of the daemon's tree; the daemon is in the background and goes on as if nothing had happened.
serve
kill -9 "$(one_of "what was started")"
echo new 1<>"$mnt/file" || fail "opening a file without the tree's root"
[ "$(head -n 1 "$src/file")" = new ] || fail "what was written is not there"
unserve
until_true 20 daemon_gone || fail "the daemon stays"

# The same in the foreground ends it all.
"$perfuse" mount -f -- "$tools/$DAEMON" -f -o "source=$src" "$mnt" 2>said &
job=$!
until_true 10 mounted || fail "not mounted: $(cat said)"
until_true 10 test -e "$mnt/file" || fail "not served"
kill -9 "$(one_of "what was started")"
status=0
wait "$job" || status=$?
say "$status: $(cat said)"
[ "$status" != 0 ] && [ -s said ] || fail "status $status: $(cat said)"
until_true 10 not mounted || fail "still mounted"
until_true 20 daemon_gone || fail "the daemon stays"

# A path to unmount leads into the daemon's own mount, and the daemon needs the supervisor before it answers.
"$perfuse" mount -- "$tools/rawdaemon" inside "$mnt" >inside.out
until_true 20 grep -q 'unmount: 2' inside.out || fail "no answer: $(cat inside.out)"
unserve

# The supervisor is killed while the daemon has mounted and not answered yet: nothing half-mounted stays, and who waits is told.
"$perfuse" mount -- "$tools/rawdaemon" mute "$mnt" >mute.out 2>said &
job=$!
until_true 10 mounted || fail "not mounted: $(cat said)"
kill -9 "$(one_of "supervisor of rawdaemon")"
status=0
wait "$job" || status=$?
[ "$status" = 70 ] && grep -q "ended unexpectedly" said || fail "status $status: $(cat said)"
until_true 15 not mounted || fail "a half-mounted directory stays"
rawdaemon_gone() {
	[ -z "$(processes "$tools/rawdaemon")" ]
}
until_true 20 rawdaemon_gone || fail "the daemon outlives its supervisor"

# Without trapped system calls the daemon does not need its supervisor: it goes on, and so does its mount.
. "$(dirname "$0")/ways.inc"
for way in preload fusermount fd; do
	"$perfuse" mount --via $way -o fsname=x,subtype=y -- "$tools/$DAEMON" -o "source=$src" "$mnt" || fail "$way: status $?"
	kill -9 "$(one_of "supervisor of $DAEMON")"
	echo "by $way" >"$mnt/file" || fail "$way: writing without the supervisor"
	[ "$(cat "$src/file")" = "by $way" ] || fail "$way: what was written is not there"
	unserve
	until_true 20 daemon_gone || fail "$way: the daemon stays"
done

# A static daemon: it can be supervised, and nothing can be loaded into it.
example=/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c
# shellcheck disable=SC2046
if command -v gcc >/dev/null && [ -e "$example" ] && gcc -w -static -o static_ll "$example" $(pkg-config --cflags fuse3) \
    -l:libfuse3.a -lpthread -ldl 2>gcc.err; then
	for options in "source=$src" "clone_fd,source=$src"; do
		"$perfuse" mount -v -- ./static_ll -o "$options" "$mnt" 2>said || fail "static: $(cat said)"
		grep -q "way in: supervise" said || fail "static: not supervised: $(cat said)"
		echo static >"$mnt/file" && [ "$(cat "$mnt/file")" = static ] || fail "static: $options"
		unserve
	done
	refuses 69 "nothing can be loaded" "$perfuse" mount --via preload -- ./static_ll -o "source=$src" "$mnt"
else
	say "no static daemon: $(cat gcc.err 2>/dev/null)"
fi

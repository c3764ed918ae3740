#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# examples/raw_hello.c, which knows nothing but perfuse.h, does what it says: mount, list, read, statfs, unmount, clean exit; as root
# and as an ordinary user. The public headers and the pkg-config file of an installed perfuse are what a program outside the tree needs.
# needs: fuse
. "$(dirname "$0")/lib.sh"
not_native

try() { # PROGRAM
	$as "$1" "$mnt" 2>said &
	daemon=$!
	until_true 10 mounted || fail "raw_hello does not mount: $(cat said)"
	[ "$(findmnt -n -o FSTYPE,SOURCE --mountpoint "$mnt" | tr -s ' ')" = 'fuse.raw_hello raw_hello' ] ||
		fail "shown as $(findmnt -n --mountpoint "$mnt")"
	[ "$($as ls -a "$mnt" | tr '\n' ' ')" = '. .. hello ' ] || fail "listing: $($as ls -a "$mnt")"
	$as cat "$mnt/hello" >text
	[ "$(wc -l <text)" = 1 ] && grep -q '^Hello' text || fail "reading: $(cat text)"
	[ "$(wc -c <text)" = "$($as stat -c %s "$mnt/hello")" ] || fail "the size is not that of the text"
	[ "$($as tail -c 6 "$mnt/hello")" = "$(tail -c 6 text)" ] || fail "reading from the middle"
	[ "$($as dd "if=$mnt/hello" bs=7 iflag=direct 2>dd.err)" = "$(cat text)" ] || fail "reading by small pieces: $(cat dd.err)"
	[ "$($as stat -f -c '%s %b %c %l' "$mnt")" = '4096 1 2 255' ] || fail "statfs: $($as stat -f "$mnt")"
	[ "$($as stat -c '%A %h' "$mnt" "$mnt/hello" | tr '\n' ' ')" = 'dr-xr-xr-x 2 -r--r--r-- 1 ' ] || fail "stat"
	if $as cat "$mnt/nothing" 2>err; then fail "a name that is not there"; fi
	grep -q 'No such file' err || fail "a name that is not there: $(cat err)"
	if $as sh -c "echo text >\"$mnt/hello\"" 2>err; then fail "it can be written"; fi
	grep -q 'Read-only' err || fail "writing: $(cat err)"
	if [ -n "$as" ]; then $as fusermount3 -u "$mnt"; else umount "$mnt"; fi || fail "unmount"
	status=0
	wait $daemon || status=$?
	[ $status = 0 ] || fail "raw_hello ended with status $status: $(cat said)"
	[ ! -s said ] || fail "raw_hello said: $(cat said)"
}

"$build/examples/raw_hello" 2>said && fail "it needs a folder"
grep -q usage said || fail "no usage: $(cat said)"
"$build/examples/raw_hello" "$work/missing" 2>said && fail "a folder that is not there"
grep -q '^perfuse: .*missing' said || fail "a folder that is not there: $(cat said)"
[ "$(wc -l <"$top/examples/raw_hello.c")" -lt 200 ] || fail "the first look at the protocol has grown"

try "$build/examples/raw_hello"
be_user
chmod 700 "$mnt" # fusermount3 wants it the user's
mkdir -p bin
cp "$build/examples/raw_hello" "$build"/src/client/libperfuse.so* bin 2>/dev/null || :
LD_LIBRARY_PATH=$work/bin
export LD_LIBRARY_PATH
try "$work/bin/raw_hello"
unset LD_LIBRARY_PATH

# ---- from an installed perfuse ----

have meson gcc pkg-config
DESTDIR=$work/root meson install -C "$build" --no-rebuild >install.log 2>&1 || fail "meson install: $(cat install.log)"
pc=$(find "$work/root" -name perfuse.pc)
[ -n "$pc" ] || fail "no perfuse.pc is installed"
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$work/root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
flags=$(pkg-config --cflags --libs perfuse) || fail "pkg-config does not know perfuse"
if sanitized; then # the library is not complete without the sanitizer's program
	say "not linked: built with sanitizers"
	exit 0
fi
# shellcheck disable=SC2086
gcc -Wall -Wextra -Wno-unused-parameter -Werror -o by-hand "$top/examples/raw_hello.c" $flags || fail "raw_hello does not build by hand"
lib=$(find "$work/root" -name libperfuse.so)
LD_LIBRARY_PATH=$(dirname "$lib") ldd by-hand | grep -q "libperfuse.*$work/root" || fail "by-hand is not linked to the installed library"
as=
LD_LIBRARY_PATH=$(dirname "$lib")
export LD_LIBRARY_PATH
chown 0:0 "$mnt"
try "$work/by-hand"

# The headers are plain C and C++ and need nothing before them.
cat >both.c <<'END'
#include <perfuse.h>
#include <perfuse_if.h>
int (*p_open)(const char *, int, ...) = perfuse_open;
int (*p_mount)(const char *, const char *, const char *, long, const void *) = perfuse_mount;
int main(void) { return p_open == 0 || p_mount == 0 || perfuse_diagflags != 0; }
END
for std in c99 c11 c17; do
	# shellcheck disable=SC2086
	gcc -std=$std -pedantic -Wall -Wextra -Werror -o both both.c $flags || fail "the headers do not suit $std"
	./both || fail "$std: status $?"
done
if command -v g++ >/dev/null; then
	for std in c++98 c++11 c++20; do
		# shellcheck disable=SC2086
		g++ -std=$std -pedantic -Wall -Wextra -Werror -x c++ -o both both.c -x none $flags || fail "the headers do not suit $std"
		./both || fail "$std: status $?"
	done
fi

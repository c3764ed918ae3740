#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# libfuse 3 linked to libperfuse: its open(2) and mount(2) become perfuse_open() and perfuse_mount(), and its example daemons, otherwise
# unmodified, go through perfuse by themselves; as root and as an ordinary user. "relinked": Debian's libfuse3.a with the two names
# changed. "rebuilt": from source, by macros (linktime.fetch gets the source).
# daemons: relinked rebuilt
# needs: fuse
# limit: 180
# asan: no, libfuse is not built with them
. "$(dirname "$0")/lib.sh"
not_native
way=$DAEMON
have gcc pkg-config objcopy
pkg-config --exists fuse3 || skip "libfuse3-dev is not installed"
examples=/usr/share/doc/libfuse3-dev/examples
bin=$work/bin
mkdir -p "$bin"
cp "$build"/src/client/libperfuse.so* "$bin" 2>/dev/null || : # (one of them is a folder)
export LD_LIBRARY_PATH="$bin"

# ---- libfuse ----

case $way in
relinked)
	library=$(pkg-config --variable=libdir fuse3)/libfuse3.a
	[ -e "$library" ] || skip "there is no libfuse3.a"
	objcopy --redefine-sym open64=perfuse_open --redefine-sym mount=perfuse_mount \
	    "$library" libfuse3.a
	fuse="-I/usr/include/fuse3 $work/libfuse3.a -ldl"
	;;
rebuilt)
	source=${PERFUSE_LIBFUSE_SOURCE:-$build/libfuse3-source}
	[ -e "$source/meson.build" ] ||
		skip "the source of libfuse 3 is missing: sh tests/integration/linktime.fetch $source"
	have meson ninja
	examples=$source/example
	# The headers first: they have names of members and redirections of their own for these two.
	cat >through-perfuse.h <<-END
		#include <fcntl.h>
		#include <sys/mount.h>
		#include <perfuse.h>
		#define open perfuse_open
		#define mount perfuse_mount
	END
	meson setup -Dexamples=false -Dutils=false -Dtests=false -Dwarning_level=0 -Dwerror=false \
	    "-Dc_args=-D_GNU_SOURCE -include $work/through-perfuse.h -I$top/include" \
	    "-Dc_link_args=-L$bin -lperfuse" libfuse "$source" || fail "libfuse: meson setup"
	nice ninja -C libfuse || fail "libfuse does not build with the macros"
	cp -P libfuse/lib/libfuse3.so* "$bin" 2>/dev/null || :
	fuse="-I$source/include -I$work/libfuse -L$bin -lfuse3"
	;;
esac
for name in hello passthrough_ll; do
	# shellcheck disable=SC2086
	gcc -w -D_FILE_OFFSET_BITS=64 -o "$bin/$name" "$examples/$name.c" $fuse -L"$bin" -lperfuse -lpthread ||
		fail "$name does not link"
done
chmod -R a+rX "$bin"

# ---- its daemons ----

ours() { # is it perfuse that serves $mnt?
	[ "$($as "$perfuse" list | awk -v m="$mnt" '$1 == m' | wc -l)" = 1 ] || fail "perfuse does not list $mnt"
}

gone() { # the daemon NAME
	[ -z "$(processes "$bin/$1")" ]
}

finish() { # NAME
	if [ -n "$as" ]; then $as fusermount3 -u "$mnt"; else umount "$mnt"; fi || fail "$1: unmount"
	until_true 10 gone "$1" || fail "$1 does not end with its mount"
	! mounted || fail "$1: still mounted"
}

try() {
	$as "$bin/hello" "$mnt" || fail "hello: status $?"
	mounted || fail "hello returned before it was mounted"
	ours
	[ "$(findmnt -n -o FSTYPE --mountpoint "$mnt")" = fuse.hello ] || fail "hello: $(findmnt -n "$mnt")"
	[ "$($as cat "$mnt/hello")" = 'Hello World!' ] || fail "hello: reading"
	finish hello

	# In the foreground, and with a device that cannot be cloned: libfuse says so and goes on.
	$as "$bin/passthrough_ll" -f -o "clone_fd,source=$src" "$mnt" 2>said &
	until_true 10 mounted || fail "passthrough_ll: $(cat said)"
	ours
	head -c 3000000 /dev/urandom >blob
	chmod 644 blob
	$as mkdir "$mnt/dir"
	$as cp "$work/blob" "$mnt/dir/a"
	$as mv "$mnt/dir/a" "$mnt/dir/b"
	cmp blob "$src/dir/b" || fail "passthrough_ll: writing"
	$as cmp "$work/blob" "$mnt/dir/b" || fail "passthrough_ll: reading"
	[ "$($as ls "$mnt/dir")" = b ] || fail "passthrough_ll: listing"
	$as rm -r "$mnt/dir"
	[ -z "$(ls "$src")" ] || fail "passthrough_ll: removing"
	finish passthrough_ll
	wait
}

as=
try
be_user
try
# A mountpoint of somebody else's is refused, and nothing stays behind.
mkdir other
as_user "$bin/hello" "$work/other" 2>said && fail "a user mounted on root's folder"
! mounted "$work/other" || fail "something is mounted on root's folder"

# SPDX-License-Identifier: BSD-2-Clause
# passthrough_hp: libfuse's example in C++. Debian 12's libfuse3-dev ships no source of it, so this row says so.
packages="libfuse3-dev g++ pkg-config"
can="rw xattr"
because="* * not installed: no source in Debian 12"
build() { # FOLDER
	source=/usr/share/doc/libfuse3-dev/examples/passthrough_hp.cc
	[ -e "$source" ] || return 0
	g++ -O1 -w -o "$1/passthrough_hp" "$source" $(pkg-config --cflags --libs fuse3)
}
start() {
	"$1" passthrough_hp ${fg:+--foreground} "$src" "$mnt"
}

# SPDX-License-Identifier: BSD-2-Clause
# passthrough_ll: libfuse's example on its lowlevel interface, from the package's examples.
packages="libfuse3-dev gcc pkg-config"
can="rw xattr"
build() { # FOLDER
	gcc -O1 -w -o "$1/passthrough_ll" /usr/share/doc/libfuse3-dev/examples/passthrough_ll.c $(pkg-config --cflags --libs fuse3)
}
start() {
	"$1" passthrough_ll ${fg:+-f} -o "source=$src,xattr" "$mnt"
}

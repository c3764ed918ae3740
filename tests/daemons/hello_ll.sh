# SPDX-License-Identifier: BSD-2-Clause
# hello_ll: libfuse's smallest example on its lowlevel interface, from the package's examples. Read-only.
packages="libfuse3-dev gcc pkg-config"
can=
build() { # FOLDER
	gcc -O1 -w -o "$1/hello_ll" /usr/share/doc/libfuse3-dev/examples/hello_ll.c $(pkg-config --cflags --libs fuse3)
}
prepare() {
	rm -r "$want/hello" "$want/dir"
	echo 'Hello World!' >"$want/hello"
}
start() {
	"$1" hello_ll ${fg:+-f} "$mnt"
}

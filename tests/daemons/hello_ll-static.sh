# SPDX-License-Identifier: BSD-2-Clause
# hello_ll-static: the same, linked statically: nothing can be preloaded.
packages="libfuse3-dev gcc pkg-config"
can=
because="preload * no mount: static"
build() { # FOLDER
	gcc -O1 -w -static -o "$1/hello_ll-static" /usr/share/doc/libfuse3-dev/examples/hello_ll.c $(pkg-config --static --cflags --libs fuse3)
}
prepare() {
	rm -r "$want/hello" "$want/dir"
	echo 'Hello World!' >"$want/hello"
}
start() {
	"$1" hello_ll-static ${fg:+-f} "$mnt"
}

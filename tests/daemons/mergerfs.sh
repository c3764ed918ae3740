# SPDX-License-Identifier: BSD-2-Clause
# mergerfs: several folders as one. It carries a libfuse of its own.
packages="mergerfs"
can="rw xattr"
because="fd * no mount: libfuse of its own
fusermount * no mount: fusermount of its own
native user no mount: its fusermount is not setuid"
prepare() {
	mkdir "$src/a" "$src/b"
	cp "$want/hello" "$src/a"
	cp -r "$want/dir" "$src/b"
}
start() {
	"$1" mergerfs ${fg:+-f} "$src/a:$src/b" "$mnt"
}

# SPDX-License-Identifier: BSD-2-Clause
# unionfs-fuse: a writable folder above a read-only one. On libfuse 2.
packages="unionfs-fuse"
program=unionfs
can="rw" # Debian builds it without extended attributes
because="fd * no mount: libfuse 2"
prepare() {
	mkdir "$src/rw" "$src/ro"
	cp -r "$want/." "$src/ro"
}
start() {
	"$1" unionfs ${fg:+-f} -o cow "$src/rw=RW:$src/ro=RO" "$mnt"
}

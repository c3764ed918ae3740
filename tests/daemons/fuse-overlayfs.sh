# SPDX-License-Identifier: BSD-2-Clause
# fuse-overlayfs: the overlay of rootless containers. On libfuse 3.
packages="fuse-overlayfs"
can="rw xattr"
prepare() {
	[ "$who" != nocap ] || allow_other # it asks for it as uid 0
	mkdir "$src/lower" "$src/upper" "$src/work"
	cp -r "$want/." "$src/lower"
}
start() {
	"$1" fuse-overlayfs ${fg:+-f} -o "lowerdir=$src/lower,upperdir=$src/upper,workdir=$src/work" "$mnt"
}

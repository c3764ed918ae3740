# SPDX-License-Identifier: BSD-2-Clause
# squashfuse_ll: a squashfs image, read-only. On libfuse 3.
packages="squashfuse squashfs-tools"
can=
prepare() {
	mksquashfs "$want" "$src/image" -quiet -no-progress
}
start() {
	"$1" squashfuse_ll ${fg:+-f} "$src/image" "$mnt"
}

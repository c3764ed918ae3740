# SPDX-License-Identifier: BSD-2-Clause
# squashfuse: a squashfs image, read-only. On libfuse 3.
packages="squashfuse squashfs-tools"
can=
prepare() {
	mksquashfs "$want" "$src/image" -quiet -no-progress
}
start() {
	"$1" squashfuse ${fg:+-f} "$src/image" "$mnt"
}

# SPDX-License-Identifier: BSD-2-Clause
# fuse-zip: a zip archive, written back at the unmount. On libfuse 2.
packages="fuse-zip zip"
can="rw"
because="fd * no mount: libfuse 2"
prepare() {
	(cd "$want" && zip -q -r "$src/archive.zip" .)
}
start() {
	"$1" fuse-zip ${fg:+-f} "$src/archive.zip" "$mnt"
}

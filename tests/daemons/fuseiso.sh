# SPDX-License-Identifier: BSD-2-Clause
# fuseiso: an ISO 9660 image, read-only. On libfuse 2.
packages="fuseiso genisoimage"
can=
because="fd * no mount: libfuse 2"
prepare() {
	genisoimage -quiet -r -o "$src/image" "$want"
}
start() {
	"$1" fuseiso -n "$src/image" "$mnt" ${fg:+-f}
}

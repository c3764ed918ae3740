# SPDX-License-Identifier: BSD-2-Clause
# convmvfs: a folder with its names in another character set. On libfuse 2.
packages="fuse-convmvfs"
can="rw xattr"
because="fd * no mount: libfuse 2"
start() {
	"$1" convmvfs ${fg:+-f} -o "srcdir=$src,icharset=utf8,ocharset=utf8" "$mnt"
}

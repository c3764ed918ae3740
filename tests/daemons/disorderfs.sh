# SPDX-License-Identifier: BSD-2-Clause
# disorderfs: a folder whose entries come in another order each time. On libfuse 2.
packages="disorderfs"
can="rw xattr"
because="fd * no mount: libfuse 2"
start() {
	"$1" disorderfs ${fg:+-f} -q --shuffle-dirents=yes "$src" "$mnt"
}

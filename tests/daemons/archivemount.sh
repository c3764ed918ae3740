# SPDX-License-Identifier: BSD-2-Clause
# archivemount: a tar archive, written back at the unmount. On libfuse 2.
packages="archivemount"
can="rw"
prepare() {
	tar -C "$want" -cf "$src/archive.tar" hello dir
}
because="fd * no mount: libfuse 2
native * list again, read again: it loses renames of new files"
start() {
	"$1" archivemount ${fg:+-f} -o nobackup "$src/archive.tar" "$mnt"
}

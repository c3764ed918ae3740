# SPDX-License-Identifier: BSD-2-Clause
# bindfs: a folder shown again. On libfuse 2.
packages="bindfs"
can="rw xattr"
because="fd * no mount: libfuse 2"
start() {
	no_other=
	[ "$who" = root ] || no_other=--no-allow-other # it would ask for it by itself
	"$1" bindfs ${fg:+-f} $no_other "$src" "$mnt"
}

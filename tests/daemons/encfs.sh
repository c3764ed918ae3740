# SPDX-License-Identifier: BSD-2-Clause
# encfs: an encrypted folder. In C++, on libfuse 2.
packages="encfs"
can="rw xattr"
because="fd * no mount: libfuse 2"
prepare() {
	rm -r "$want/hello" "$want/dir"
}
start() {
	"$1" encfs ${fg:+-f} --standard --extpass="echo secret" "$src" "$mnt"
}

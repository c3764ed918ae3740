# SPDX-License-Identifier: BSD-2-Clause
# gocryptfs: an encrypted folder. In Go.
packages="gocryptfs"
can="rw xattr"
because="preload * no mount: Go"
prepare() {
	rm -r "$want/hello" "$want/dir"
	gocryptfs -q -init -scryptn 10 -extpass "echo secret" "$src"
}
start() {
	"$1" gocryptfs ${fg:+-fg} -q -nosyslog -extpass "echo secret" "$src" "$mnt"
}

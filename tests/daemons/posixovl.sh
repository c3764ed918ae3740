# SPDX-License-Identifier: BSD-2-Clause
# posixovl: POSIX modes and owners on file systems without them. On libfuse 2.
packages="fuse-posixovl"
program=mount.posixovl
can="rw xattr"
because="fd * no mount: libfuse 2
native * xattr: its setxattr is broken"
start() {
	"$1" mount.posixovl -S "$src" "$mnt" ${fg:+-- -f}
}

# SPDX-License-Identifier: BSD-2-Clause
# fuse2fs: an ext4 image. On libfuse 2 or 3, as e2fsprogs was built.
packages="fuse2fs e2fsprogs"
can="rw xattr"
because="fd * no mount: libfuse 2"
prepare() {
	truncate -s 64M "$src/image"
	owner=$(id -u):$(id -g)
	! is_user || owner=$(id -u "$user"):$(id -g "$user")
	mkfs.ext4 -q -F -E "root_owner=$owner" -d "$want" "$src/image"
}
start() {
	"$1" fuse2fs ${fg:+-f} "$src/image" "$mnt"
}

# SPDX-License-Identifier: BSD-2-Clause
# pyfuse3: a script of ours on Python's binding of libfuse 3.
packages="python3-pyfuse3"
program=pyfuse3_fs.py
can="rw xattr"
build() { # FOLDER
	cp "$here/pyfuse3_fs.py" "$1" && chmod 755 "$1/pyfuse3_fs.py"
}
start() {
	"$1" pyfuse3_fs.py "$src" "$mnt"
}

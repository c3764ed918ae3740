# SPDX-License-Identifier: BSD-2-Clause
# fusepy: a script of ours on Python's binding of libfuse 2.
packages="python3-fusepy"
program=fusepy_fs.py
can="rw xattr"
because="fd * no mount: libfuse 2"
build() { # FOLDER
	cp "$here/fusepy_fs.py" "$1" && chmod 755 "$1/fusepy_fs.py"
}
start() {
	"$1" fusepy_fs.py "$src" "$mnt" ${fg:+-f}
}

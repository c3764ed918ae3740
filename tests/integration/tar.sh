#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A tree of files of many sizes, folders and symbolic links: tar in, diff -r, tar out, the same listing (modes, sizes, times).
# daemons: bindfs passthrough_ll gocryptfs sshfs
# needs: fuse
# limit: 120
. "$(dirname "$0")/lib.sh"

mkdir tree
i=0
while [ $i -lt 400 ]; do
	mkdir -p tree/d$((i % 20))/e$((i % 3))
	head -c $((i * i % 70001)) /dev/urandom >tree/d$((i % 20))/e$((i % 3))/f$i
	i=$((i + 1))
done
: >tree/empty
mkdir tree/nothing-in-it
if [ "$DAEMON" != sshfs ]; then # natively too, it can set neither times nor owners of links
	ln -s d1/e1 tree/to-folder
	ln -s nowhere tree/dangling
fi
chmod 600 tree/d0/e0/f0
chmod 755 tree/d1/e1/f1
touch -d '2001-02-03 04:05:06' tree/empty tree/d2/e2/f2
tar -C tree -cf in.tar .
# Type, mode, size (not of folders), time (bindfs sets the current one instead of what tar asks for, natively too), target.
times='%Ts'
[ "$DAEMON" != bindfs ] || times=
listing() {
	(cd "$1" && find . -type d -printf "%P d %m\n" -o -printf "%P %y %m %s $times %l\n" | sort)
}

serve
mkdir "$mnt/tree"
tar -C "$mnt/tree" -xpf in.tar
diff -r --no-dereference tree "$mnt/tree"
listing tree >want
listing "$mnt/tree" >got
diff want got
unserve
serve
tar -C "$mnt/tree" -cf out.tar .
mkdir back
tar -C back -xpf out.tar
diff -r --no-dereference tree back
listing back >got
diff want got
unserve

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A small C project is built on the mount: make runs the compiler, a static library is archived, the program is executed from the
# mount; a second make has nothing to do; a touched file is built again.
# daemons: bindfs passthrough_ll gocryptfs sshfs
# needs: fuse
# limit: 120
. "$(dirname "$0")/lib.sh"
have make gcc

serve
mkdir "$mnt/project"
cd "$mnt/project"
i=0
while [ $i -lt 12 ]; do
	echo "int part$i(int x) { return x + $i; }" >part$i.c
	echo "int part$i(int x);" >>parts.h
	i=$((i + 1))
done
cat >main.c <<'MAIN'
#include <stdio.h>
#include "parts.h"
int main(void)
{
	int (*parts[])(int) = { part0, part1, part2, part3, part4, part5, part6, part7, part8, part9, part10, part11 };
	int x = 0;

	for (int i = 0; i < 12; i++)
		x = parts[i](x);
	printf("%d\n", x);
	return 0;
}
MAIN
cat >Makefile <<'MAKEFILE'
OBJS = part0.o part1.o part2.o part3.o part4.o part5.o part6.o part7.o part8.o part9.o part10.o part11.o
prog: main.o libparts.a
	cc -o $@ main.o libparts.a
libparts.a: $(OBJS)
	ar rcs $@ $(OBJS)
main.o: main.c parts.h
.c.o:
	cc -g -O1 -Wall -c -o $@ $<
MAKEFILE
make -j2
[ "$(./prog)" = 66 ] || fail "the program's answer is wrong"
make -q || fail "make sees something to do after a build"
sleep 1.1
echo "int part5(int x) { return x + 100; }" >part5.c
make -j2
[ "$(./prog)" = 161 ] || fail "the change was not built"
cd "$work"
unserve

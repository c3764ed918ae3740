/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's program as a file: which kind it is, and which ways in it can take. Read, never run: its ELF headers, the
 * libraries it names, and, of a script, the same of its interpreter.
 */
#ifndef CLIENT_PROGRAM_H
#define CLIENT_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

struct program {
	bool script;             /* what follows is its interpreter's, which may load anything later */
	bool elf;                /* an ELF file for this machine, of our word size */
	bool dynamic;            /* it has a program interpreter (ld.so) */
	bool same_loader;        /* and that is our own */
	bool libfuse3, libfuse2; /* the libraries it names */
	bool go;                 /* built by the Go toolchain */
	bool gains;              /* set-user-id or set-group-id for another than who asks, or with file capabilities */
};

/* Look at what execvp(3) would run. 0, ENOENT (there is none), or errno. */
int program_inspect(const char *name, struct program *out);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the data exerciser share. A `struct file` is a file on the mount and, in `model`, what it must contain.
 * A `struct step` is one operation on it, in numbers only, so that it can be written down as a line of text and done again.
 * ops.c knows how to choose a step and how to do it, shared.c the run of two processes on one file, fsx.c the rest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PAGE = 4096 };

struct step {
	unsigned int op;      /* a place in the table of ops.c */
	unsigned int mode;    /* variant of the operation */
	uint64_t at, len, to; /* offset, length; a second offset */
	uint64_t pattern;     /* which bytes it writes */
};

struct file {
	char name[2][4096];   /* it is renamed between these two */
	unsigned int named;   /* which of them it has now */
	int fd;               /* for all but O_DIRECT */
	int direct;           /* O_DIRECT, or -1 */
	unsigned char *model; /* what the file must contain: max bytes, those from size on are zero */
	unsigned char *buf;   /* max bytes and a page, aligned for O_DIRECT */
	unsigned char *map;   /* a map of all of the file that is held for many steps, or NULL */
	size_t size, max;     /* max is a multiple of PAGE */
};

/* The next random number; `*state` is the seed, and changes. */
uint64_t random_next(uint64_t *state);

/* Of a clock that is not set. */
double seconds_now(void);

/* The bytes of a pattern for the given place of a file. */
void pattern_fill(unsigned char *buf, size_t len, uint64_t at, uint64_t pattern);

/* Ends the process with status 1: says what is wrong, and the last steps. */
void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Does so when not all of the `len` bytes, which are those of the file from `at` on, are as wanted. */
void compare(const char *what, const unsigned char *got, const unsigned char *want, uint64_t at, size_t len);

/* ---- ops.c ---- */

unsigned int ops_count(void);
const char *op_name(unsigned int op);
unsigned int op_find(const char *name); /* ops_count(): there is none */

/* Chooses a step that the file can take now, among operations whose byte in `off` is 0. */
void step_choose(const struct file *f, const unsigned char *off, uint64_t *rng, struct step *s);

/* Does it, and compares what it sees with the model. Returns 0, the errno of an operation that failed and changed nothing,
 * or -1 when the numbers do not fit the file (they come from a file of steps), and nothing was done. */
int step_do(struct file *f, const struct step *s);

/* Opens the file; with `create` it is a new and empty one. */
void file_open(struct file *f, bool create);
void file_close(struct file *f);

/* The size, by descriptor and by name. */
void file_check_size(const struct file *f);

/* Reads all of it, through a new descriptor and with no page cached before, and compares. */
void file_check_all(struct file *f);

/* ---- shared.c ---- */

/* Two processes change their own ranges of the file `path` of `max` bytes, by pwrite (O_DIRECT too, when `direct`) and a shared
 * map. Returns the exit status. */
int shared_run(const char *path, size_t max, bool direct, uint64_t seed, double seconds, uint64_t steps);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trace ring: the last operations of a mount, kept in memory and written out when somebody asks (perfused -s, SIGUSR1).
 */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct trace;

struct trace_entry {
	const char *name; /* of the operation; static */
	uint64_t began;   /* clock_ns() */
	uint64_t took;    /* nanoseconds */
	uint64_t unique, nodeid;
	uint32_t pid;
	int error; /* 0 or errno */
};

/* A ring of the last size entries (at least 1). 0 or ENOMEM. */
int trace_new(size_t size, struct trace **out);
void trace_free(struct trace *t); /* t may be NULL */
void trace_add(struct trace *t, const struct trace_entry *e);
/*
 * Give each entry, oldest first, as one line without newline (valid during the call): "-1.234567 LOOKUP unique=4 nodeid=1 pid=77
 * 0.000031 No such file or directory", the first number being seconds before now, the last the seconds it took. Returns the number of lines.
 */
size_t trace_dump(const struct trace *t, void (*line)(void *arg, const char *text), void *arg);

#endif

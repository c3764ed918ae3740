/* SPDX-License-Identifier: BSD-2-Clause */
/* The trace ring: an array that is written round and round. Adding an entry is one copy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/trace.h"

struct trace {
	size_t size, next; /* entries there is room for; where the next one goes */
	uint64_t count;    /* entries ever added */
	struct trace_entry entry[];
};

int
trace_new(size_t size, struct trace **out)
{
	struct trace *t = calloc(1, sizeof(*t) + size * sizeof(t->entry[0]));

	if (t == NULL)
		return ENOMEM;
	t->size = size;
	*out = t;
	return 0;
}

void
trace_free(struct trace *t)
{
	free(t);
}

void
trace_add(struct trace *t, const struct trace_entry *e)
{
	t->entry[t->next] = *e;
	t->next = t->next + 1 == t->size ? 0 : t->next + 1;
	t->count++;
}

size_t
trace_dump(const struct trace *t, void (*line)(void *arg, const char *text), void *arg)
{
	size_t n = t->count < t->size ? (size_t)t->count : t->size;
	size_t at = t->count < t->size ? 0 : t->next;
	uint64_t now = clock_ns();

	for (size_t i = 0; i < n; i++, at = at + 1 == t->size ? 0 : at + 1) {
		const struct trace_entry *e = &t->entry[at];
		char text[200];

		(void)snprintf(text, sizeof(text), "-%.6f %s unique=%llu nodeid=%llu pid=%u %.6f %s",
		    (double)(now - e->began) / (double)CLOCK_SEC, e->name, (unsigned long long)e->unique,
		    (unsigned long long)e->nodeid, e->pid, (double)e->took / (double)CLOCK_SEC,
		    e->error == 0 ? "ok" : strerror(e->error));
		line(arg, text);
	}
	return n;
}

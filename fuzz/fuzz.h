/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all fuzz targets share: the entry point, the check that ends a run with a finding, and the input as a tape from which numbers and
 * bytes are taken. A tape that is at its end gives zeros, so that every input, however short, is a whole run.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A finding: ours is the fault, whatever the input was. Not assert(), which a build may leave out. */
#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			(void)fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #cond);                           \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

struct tape {
	const uint8_t *p, *end;
};

/* Up to n bytes. Returns how many there were. */
static inline size_t
tape_bytes(struct tape *t, void *out, size_t n)
{
	size_t left = (size_t)(t->end - t->p);

	if (n > left)
		n = left;
	if (n > 0)
		memcpy(out, t->p, n);
	t->p += n;
	return n;
}

/* The next n bytes, at most 8, as a number. */
static inline uint64_t
tape_take(struct tape *t, size_t n)
{
	uint64_t v = 0;

	(void)tape_bytes(t, &v, n);
	return v;
}

static inline uint8_t
tape_byte(struct tape *t)
{
	return t->p < t->end ? *t->p++ : 0;
}

/* Read each byte, so that a length that lies is seen. */
static inline void
touch(const void *p, size_t len)
{
	volatile uint8_t seen;

	for (size_t i = 0; i < len; i++)
		seen = ((const uint8_t *)p)[i];
	(void)seen;
}

#endif

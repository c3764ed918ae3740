/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reference-counted message memory. A pool's chunks are mmap'ed whole, so that a 1 MiB chunk that carried a 40-byte message
 * has cost a page or two; the small struct chunk is malloc'ed apart from them, so that none of its pages is touched to keep the books. The free list is a stack: the chunk used last is the one whose pages are warm.
 * A pool outlives chunk_pool_free() while chunks of it are referenced: `out` counts those, and the last one frees it.
 * AddressSanitizer and valgrind are told that unused chunks are out of bounds.
 */
#include "base/chunk.h"

#include "base/instrument.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { ALIGN = 4096 };

struct chunk_pool {
	size_t cap;         /* bytes in each chunk */
	size_t skip;        /* of its memory, before its data */
	unsigned keep;      /* how many unused chunks are kept */
	unsigned nfree;     /* how many there are now */
	struct chunk *free; /* they, last used first */
	size_t out;         /* chunks referenced by somebody */
	bool closed;        /* chunk_pool_free() was called */
};

static void
pool_chunk_destroy(struct chunk *c)
{
	size_t skip = c->pool->skip;

	ASAN_UNPOISON_MEMORY_REGION(c->data, c->cap); /* the address may be mapped again by anybody */
	(void)munmap(c->data - skip, c->cap + skip);
	free(c);
}

/* Destroy unused chunks until only n are left. */
static void
pool_shrink(struct chunk_pool *pool, unsigned n)
{
	while (pool->nfree > n) {
		struct chunk *c = pool->free;

		pool->free = c->next;
		pool->nfree--;
		pool_chunk_destroy(c);
	}
}

int
chunk_pool_new(size_t cap, size_t head, unsigned keep, struct chunk_pool **out)
{
	struct chunk_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return ENOMEM;
	assert(cap > 0 && head < ALIGN && head % 8 == 0);
	pool->cap = cap;
	pool->skip = head != 0 ? ALIGN - head : 0;
	pool->keep = keep;
	*out = pool;
	return 0;
}

void
chunk_pool_free(struct chunk_pool *pool)
{
	if (pool == NULL)
		return;
	assert(!pool->closed);
	pool_shrink(pool, 0);
	pool->closed = true;
	if (pool->out == 0)
		free(pool);
}

void
chunk_pool_trim(struct chunk_pool *pool)
{
	pool_shrink(pool, 1);
	if (pool->free != NULL)
		(void)madvise(pool->free->data - pool->skip, pool->free->cap + pool->skip,
		    MADV_DONTNEED); /* a hint: nothing depends on it */
}

struct chunk *
chunk_get(struct chunk_pool *pool)
{
	struct chunk *c = pool->free;

	if (c != NULL) {
		pool->free = c->next;
		pool->nfree--;
		ASAN_UNPOISON_MEMORY_REGION(c->data, c->cap);
		(void)VALGRIND_MAKE_MEM_UNDEFINED(c->data, c->cap);
	} else {
		uint8_t *memory;

		if ((c = malloc(sizeof(*c))) == NULL)
			return NULL;
		memory = mmap(NULL, pool->cap + pool->skip, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED) {
			free(c);
			return NULL;
		}
		c->data = memory + pool->skip;
		c->cap = pool->cap;
		c->pool = pool;
	}
	pool->out++;
	c->len = 0;
	c->refs = 1;
	c->next = NULL;
	return c;
}

struct chunk *
chunk_new(size_t cap)
{
	struct chunk *c;

	if (cap > SIZE_MAX - sizeof(*c) || (c = malloc(sizeof(*c) + cap)) == NULL)
		return NULL;
	c->data = (uint8_t *)(c + 1);
	c->cap = cap;
	c->len = 0;
	c->refs = 1;
	c->pool = NULL;
	c->next = NULL;
	return c;
}

struct chunk *
chunk_ref(struct chunk *c)
{
	assert(c->refs > 0 && c->refs < UINT_MAX);
	c->refs++;
	return c;
}

void
chunk_unref(struct chunk *c)
{
	struct chunk_pool *pool;

	if (c == NULL)
		return;
	assert(c->refs > 0);
	if (--c->refs > 0)
		return;
	if ((pool = c->pool) == NULL) {
		free(c);
		return;
	}
	pool->out--;
	if (!pool->closed && pool->nfree < pool->keep) {
		ASAN_POISON_MEMORY_REGION(c->data, c->cap);
		(void)VALGRIND_MAKE_MEM_NOACCESS(c->data, c->cap);
		c->next = pool->free;
		pool->free = c;
		pool->nfree++;
		return;
	}
	pool_chunk_destroy(c);
	if (pool->closed && pool->out == 0)
		free(pool);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunks: reference-counted message memory. A message from a daemon or from a host is received into a chunk and handed on
 * without a copy; who needs the bytes for longer takes a reference. Large chunks come from a pool, which keeps a few of
 * them for the next message and gives the rest back to the system. Not for several threads.
 */
#ifndef BASE_CHUNK_H
#define BASE_CHUNK_H

#include <stddef.h>
#include <stdint.h>

struct chunk_pool;

struct chunk {
	uint8_t *data;           /* 8-byte aligned */
	size_t cap;              /* bytes at data */
	size_t len;              /* bytes in use, set by who fills it */
	unsigned refs;           /* references; freed, or back to the pool, at 0 */
	struct chunk_pool *pool; /* NULL for a chunk of chunk_new() */
	struct chunk *next;      /* the pool's free list */
};

/*
 * A pool of chunks of cap bytes each, which keeps at most keep unused ones. 0 or ENOMEM. The chunks' memory is
 * mmap'ed, so that pages never touched cost nothing. head: how much stands before what is to be page aligned (a multiple of 8 below
 * 4096): with the length of a message's header, its data lies in whole pages, and the kernel copies it page by page, not in two parts
 * for each.
 */
int chunk_pool_new(size_t cap, size_t head, unsigned keep, struct chunk_pool **out);
/* Free the pool. Chunks still referenced stay valid and are freed with their last reference. */
void chunk_pool_free(struct chunk_pool *pool);
/* Give the memory of unused chunks back to the system (the address space of one is kept). */
void chunk_pool_trim(struct chunk_pool *pool);
/* A chunk with one reference and len 0 from the pool; NULL when there is no memory. */
struct chunk *chunk_get(struct chunk_pool *pool);
/* A chunk of its own, exactly cap bytes, with one reference and len 0; NULL when there is no memory. */
struct chunk *chunk_new(size_t cap);
/* Take one more reference; returns c. */
struct chunk *chunk_ref(struct chunk *c);
/* Drop a reference; c may be NULL. */
void chunk_unref(struct chunk *c);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers for things: a table that gives each object a 64-bit id which is never given again. The low half is the place in the
 * table, the high half counts how often that place was used, so that a stale id finds nothing. Ids start at 1, in order, in a
 * fresh table. Objects are borrowed.
 */
#ifndef VNODE_SLOTS_H
#define VNODE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

struct slot;
struct slots {
	struct slot *slot;   /* [0] is never used */
	uint32_t size, used; /* places there are, places ever used */
	uint32_t free;       /* first free place, 0: none */
	uint32_t cut_uses;   /* where the use counts of new places start */
	size_t count;        /* objects */
};

void slots_init(struct slots *s);
void slots_free(struct slots *s);
/* Give obj (not NULL) an id. 0 or ENOMEM. */
int slots_add(struct slots *s, void *obj, uint64_t *id);
/* The object with this id, or NULL. */
void *slots_get(const struct slots *s, uint64_t id);
void slots_del(struct slots *s, uint64_t id);
/* The object in the first used place at or after *pos, which is moved past it; NULL at the end. For walks from *pos = 0. */
void *slots_next(const struct slots *s, uint32_t *pos);
/* Bytes of memory held. */
size_t slots_bytes(const struct slots *s);
/* Give back the memory of unused places at the end, as far as ids stay unique. */
void slots_trim(struct slots *s);

#endif

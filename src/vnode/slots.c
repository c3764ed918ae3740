/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table behind nodeids and file ids. A place holds an object and the number of times it has been used; a free place holds the
 * next free one instead. Trimming cuts unused places off the end: the ids given from there on must not repeat, so the table
 * remembers the highest use count that it cut off and starts regrown places above it.
 */
#include <errno.h>
#include <stdlib.h>

#include "vnode/slots.h"

enum { SLOTS_MIN = 64 };
#define USED_UP UINT32_MAX /* uses of a place that is not used again: its ids would repeat */

struct slot {
	void *obj;     /* NULL: free */
	uint32_t uses; /* high half of the ids given from here */
	uint32_t next; /* free: the next free place */
};

void
slots_init(struct slots *s)
{
	*s = (struct slots){ 0 };
}

void
slots_free(struct slots *s)
{
	free(s->slot);
	slots_init(s);
}

static int
grow(struct slots *s, uint32_t size)
{
	struct slot *slot;

	if ((slot = reallocarray(s->slot, size, sizeof(*slot))) == NULL)
		return ENOMEM;
	s->slot = slot;
	s->size = size;
	return 0;
}

int
slots_add(struct slots *s, void *obj, uint64_t *id)
{
	struct slot *p;
	uint32_t i;

	if (s->free != 0) {
		i = s->free;
		s->free = s->slot[i].next;
	} else {
		if (s->used + 1 >= s->size) {
			if (s->size > UINT32_MAX / 2 || grow(s, s->size == 0 ? SLOTS_MIN : s->size + s->size / 2) != 0)
				return ENOMEM;
		}
		i = ++s->used;
		s->slot[i].uses = s->cut_uses;
	}
	p = &s->slot[i];
	p->obj = obj;
	s->count++;
	*id = (uint64_t)p->uses << 32 | i;
	return 0;
}

void *
slots_get(const struct slots *s, uint64_t id)
{
	uint32_t i = (uint32_t)id;

	if (i == 0 || i > s->used || s->slot[i].uses != id >> 32)
		return NULL;
	return s->slot[i].obj;
}

void
slots_del(struct slots *s, uint64_t id)
{
	uint32_t i = (uint32_t)id;

	if (slots_get(s, id) == NULL)
		return;
	s->slot[i].obj = NULL;
	s->slot[i].uses++;
	s->count--;
	if (s->slot[i].uses == USED_UP)
		return;
	s->slot[i].next = s->free;
	s->free = i;
}

void *
slots_next(const struct slots *s, uint32_t *pos)
{
	while (*pos < s->used) {
		struct slot *p = &s->slot[++*pos];

		if (p->obj != NULL)
			return p->obj;
	}
	return NULL;
}

size_t
slots_bytes(const struct slots *s)
{
	return s->size * sizeof(*s->slot);
}

void
slots_trim(struct slots *s)
{
	uint32_t last = s->used;

	while (last > 0 && s->slot[last].obj == NULL && s->slot[last].uses != USED_UP) {
		if (s->slot[last].uses > s->cut_uses)
			s->cut_uses = s->slot[last].uses;
		last--;
	}
	if (last == s->used)
		return;
	s->used = last;
	s->free = 0;
	for (uint32_t i = last; i > 0; i--) {
		if (s->slot[i].obj == NULL && s->slot[i].uses != USED_UP) {
			s->slot[i].next = s->free;
			s->free = i;
		}
	}
	(void)grow(s, last + 1 > SLOTS_MIN ? last + 1 : SLOTS_MIN);
}

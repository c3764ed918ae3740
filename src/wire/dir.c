/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of READDIR and READDIRPLUS: entries of variable length, each padded to 8 bytes. vnode/ walks what a daemon sent, and
 * changes the nodeids of READDIRPLUS in place; hosts and tests append. The walk believes nothing: every entry is checked
 * against what is left, and its name before it is handed out.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "wire/wire.h"

enum { NAME_MAX_KERNEL = 4095 }; /* the longest name that Linux lists, whatever it would look up */

void
wire_dir_init(struct wire_dir *d, void *data, size_t len, bool plus)
{
	assert(!plus || (uintptr_t)data % sizeof(uint64_t) == 0);
	d->p = data;
	d->end = d->p + len;
	d->plus = plus;
}

int
wire_dir_next(struct wire_dir *d, struct wire_direntry *out)
{
	size_t left = (size_t)(d->end - d->p);
	size_t head = d->plus ? WIRE_NAME_OFFSET_DIRENTPLUS : WIRE_NAME_OFFSET;
	struct wire_dirent e;
	size_t reclen;
	const char *name;

	if (left < head)
		return ENOENT;
	memcpy(&e, d->p + head - WIRE_NAME_OFFSET, WIRE_NAME_OFFSET);
	if (e.namelen == 0 || e.namelen > NAME_MAX_KERNEL)
		return EPROTO;
	reclen = WIRE_DIRENT_ALIGN(head + e.namelen);
	if (left < reclen)
		return ENOENT;
	name = (const char *)d->p + head;
	if (memchr(name, '/', e.namelen) != NULL || memchr(name, '\0', e.namelen) != NULL)
		return EPROTO;
	*out = (struct wire_direntry){
		.plus = d->plus ? (struct wire_entry_out *)(void *)d->p : NULL,
		.ino = e.ino,
		.off = e.off,
		.type = e.type,
		.name = name,
		.namelen = e.namelen,
	};
	d->p += reclen;
	return 0;
}

int
wire_dir_put(void *buf, size_t room, size_t *len, const struct wire_direntry *e)
{
	size_t head = e->plus != NULL ? WIRE_NAME_OFFSET_DIRENTPLUS : WIRE_NAME_OFFSET;
	size_t left = room - *len;
	uint8_t *p = (uint8_t *)buf + *len;
	struct wire_dirent d = { .ino = e->ino, .off = e->off, .namelen = e->namelen, .type = e->type };
	size_t reclen;

	if (e->namelen > left || left - e->namelen < head)
		return ENOSPC;
	reclen = WIRE_DIRENT_ALIGN(head + e->namelen);
	if (reclen > left)
		return ENOSPC;
	if (e->plus != NULL)
		memcpy(p, e->plus, sizeof(*e->plus));
	memcpy(p + head - WIRE_NAME_OFFSET, &d, WIRE_NAME_OFFSET);
	memcpy(p + head, e->name, e->namelen);
	memset(p + head + e->namelen, 0, reclen - head - e->namelen);
	*len += reclen;
	return 0;
}

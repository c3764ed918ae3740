/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the cases about files share: the file "f" of most of them (nodeid 2), and the messages that nearly each of them sees. A check
 * that fails names the line of the case, not of this header.
 */
#ifndef TESTS_MOCK_FILEIO_H
#define TESTS_MOCK_FILEIO_H

#include <stdlib.h>
#include <sys/mman.h>

#include "mock/mock.h"

#define F_ID 2                       /* nodeid of "f" */
#define FH UINT64_C(0x1122334455667) /* a handle that does not fit 32 bits */
#define REG (S_IFREG | 0644)

/* O_LARGEFILE as the kernel adds it to each open(2) of a 64-bit program, whatever the C library says. */
#if defined(__aarch64__) || defined(__arm__)
#define LARGE 0400000u
#elif defined(__powerpc__)
#define LARGE 0200000u
#else
#define LARGE 0100000u
#endif

/* In the actor: open "f" into a->fd, as a step whose result is 0 or -1. */
static inline int
open_f(struct actor *a, int flags)
{
	a->fd = open(in_mount(a, "f"), flags, 0644);
	(void)step(a, a->fd < 0 ? -1 : 0);
	return a->fd;
}

/* Bytes that differ with seed and place. */
static inline void
pattern(void *p, size_t len, unsigned seed)
{
	uint8_t *b = p;

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(i * 7 + (i >> 8) + seed);
}

/* In the actor: how many of len bytes are not pattern(seed) from its place at on. */
static inline long
wrong_bytes(const void *p, size_t at, size_t len, unsigned seed)
{
	const uint8_t *b = p;
	long wrong = 0;

	for (size_t i = 0; i < len; i++)
		wrong += b[i] != (uint8_t)((at + i) * 7 + ((at + i) >> 8) + seed);
	return wrong;
}

/* In the actor: memory that starts on a page; none ends the actor. */
static inline void *
pages(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(99);
	return p;
}

/* LOOKUP and OPEN of "f". */
static inline void
answer_file(struct mock *m, uint64_t size, uint64_t fh, uint32_t open_flags)
{
	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, size);
	answer_open(m, F_ID, fh, open_flags);
}

/* The next message, about this node. */
#define expect_of(m, opcode, nodeid) expect_of_at(__FILE__, __LINE__, m, opcode, nodeid)
static inline struct req *
expect_of_at(const char *file, int line, struct mock *m, uint32_t opcode, uint64_t nodeid)
{
	struct req *r = expect_at(file, line, m, opcode);

	check_u_at(file, line, "nodeid", r->hdr.nodeid, nodeid);
	check_u_at(file, line, "padding", r->hdr.padding, 0);
	check_u_at(file, line, "total_extlen", r->hdr.total_extlen, 0);
	return r;
}

/* READ of "f" with these fields. */
#define expect_read(m, fh, off, size) expect_read_at(__FILE__, __LINE__, m, fh, off, size)
static inline struct req *
expect_read_at(const char *file, int line, struct mock *m, uint64_t fh, uint64_t off, uint32_t size)
{
	struct req *r = expect_of_at(file, line, m, WIRE_READ, F_ID);

	check_u_at(file, line, "read.offset", r->in.read.offset, off);
	check_u_at(file, line, "read.size", r->in.read.size, size);
	check_u_at(file, line, "read.fh", r->in.read.fh, fh);
	check_u_at(file, line, "read.padding", r->in.read.padding, 0);
	return r;
}

/* The same, answered with pattern(seed) from offset on, cut at a file size of end. */
#define answer_read(m, fh, off, size, end, seed) answer_read_at(__FILE__, __LINE__, m, fh, off, size, end, seed)
static inline void
answer_read_at(
    const char *file, int line, struct mock *m, uint64_t fh, uint64_t off, uint32_t size, uint64_t end, unsigned seed)
{
	struct req *r = expect_read_at(file, line, m, fh, off, size);
	size_t whole = off < end ? (size_t)(end - off) : 0, n = whole < size ? whole : size;
	uint8_t *all = malloc((size_t)off + n + 1);

	if (!all)
		mock_fail(file, line, "out of memory");
	pattern(all, (size_t)off + n, seed);
	reply_data(m, r, all + off, n);
	free(all);
}

/* WRITE to "f" with these fields, and data as long as it says. */
#define expect_write(m, fh, off, size) expect_write_at(__FILE__, __LINE__, m, fh, off, size)
static inline struct req *
expect_write_at(const char *file, int line, struct mock *m, uint64_t fh, uint64_t off, uint32_t size)
{
	struct req *r = expect_of_at(file, line, m, WIRE_WRITE, F_ID);

	check_u_at(file, line, "write.offset", r->in.write.offset, off);
	check_u_at(file, line, "write.size", r->in.write.size, size);
	check_u_at(file, line, "datalen", r->datalen, size);
	check_u_at(file, line, "write.fh", r->in.write.fh, fh);
	check_u_at(file, line, "write.padding", r->in.write.padding, 0);
	return r;
}

/* What the kernel asks before a write that goes through its cache: are there capabilities to drop? Never (it remembers this). */
#define answer_no_caps(m, nodeid) answer_no_caps_at(__FILE__, __LINE__, m, nodeid)
static inline void
answer_no_caps_at(const char *file, int line, struct mock *m, uint64_t nodeid)
{
	struct req *r = expect_of_at(file, line, m, WIRE_GETXATTR, nodeid);

	check_str_at(file, line, "name", r->name[0], "security.capability");
	check_u_at(file, line, "size", r->in.getxattr.size, 0);
	reply_err(m, r, ENOSYS);
}

#endif

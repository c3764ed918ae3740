/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the cases about notifications share: a program that does what it is told, one system call at a time, so that between two of
 * them the daemon can notify, and what each costs in messages can be said.
 */
#ifndef TESTS_MOCK_NOTIFY_H
#define TESTS_MOCK_NOTIFY_H

#include "life.h"

/* What a notification is answered with: natively this, through perfuse 0. */
#define check_told(m, got, native) check_i(got, mock_is_native(m) ? (native) : 0)

/* ---- an actor that does what it is told ---- */

enum { STOP, READ_AT, STAT, FSTAT, STAT_OTHER, READLINK, LIST, OPEN_AGAIN };

struct order {
	int what;
	long arg;
};

/* Opens "file" and then does its orders one by one, stopping before each. Step 0 is the open; order n is step n + 1. */
static inline __attribute__((unused)) long
obey(struct actor *a)
{
	const struct order *o = a->arg;

	a->fd = open(in_mount(a, "file"), O_RDWR);
	step(a, a->fd == -1 ? -1 : 0);
	for (; o->what != STOP; o++) {
		hold(a);
		switch (o->what) {
		case READ_AT:
			step(a, pread(a->fd, a->buf, 100, o->arg));
			break;
		case STAT:
			step(a, stat(in_mount(a, "file"), &a->st));
			break;
		case FSTAT:
			step(a, fstat(a->fd, &a->st));
			break;
		default:
			step(a, stat(in_mount(a, "other"), &a->st));
			break;
		}
	}
	hold(a);
	return close(a->fd);
}

static inline __attribute__((unused)) struct actor *
obedient(struct mock *m, const struct order *orders, uint64_t size)
{
	struct actor *a = start_arg(m, obey, (void *)(uintptr_t)orders);

	answer_opened(m, size, WIRE_FOPEN_KEEP_CACHE | WIRE_FOPEN_NOFLUSH);
	reached(a);
	return a;
}

/* The next order; what it asks of the daemon follows, then done(). */
#define order(a) proceed(a)
#define done(a) reached(a)

static inline __attribute__((unused)) void
dismiss(struct mock *m, struct actor *a)
{
	proceed(a);
	answer_release(m, 2, 7);
	finish(a);
}

/* It reads two pages at offset 0 and 4096, each with a READ of its own (.max_readahead = 1). */
static inline __attribute__((unused)) void
read_two_pages(struct mock *m, struct actor *a, char c)
{
	order(a);
	answer_read(m, 2, 0, 4096, c);
	done(a);
	order(a);
	answer_read(m, 2, 4096, 4096, c);
	done(a);
}

#define TWO_READS                                                                                                      \
	{ READ_AT, 0 },                                                                                                \
	{                                                                                                              \
		READ_AT, 4096                                                                                          \
	}

/* Whatever it reads now is answered (with b), until it stops. How many READs there were. */
static inline __attribute__((unused)) int
serve_reads(struct mock *m, struct actor *a)
{
	struct req *r;
	int n = 0;

	while (!reached_yet(a))
		if ((r = next_request(m, 1)) != NULL) {
			check_u(r->hdr.opcode, WIRE_READ);
			memset(a->buf, 'b', r->in.read.size);
			reply_data(m, r, a->buf, r->in.read.size);
			n++;
		}
	return n;
}

/* A program looks "file" up anew: it is this node now. */
static inline __attribute__((unused)) struct actor *
stat_new(struct mock *m, uint64_t nodeid, uint64_t size)
{
	struct actor *a = start(m, do_stat);

	answer_lookup(m, WIRE_ROOT_ID, "file", nodeid, REG, size);
	finish(a);
	check_step(a, 0, 0, 0);
	return a;
}

static const struct order __attribute__((unused)) read_read[] = { TWO_READS, TWO_READS, { FSTAT, 0 }, { STOP, 0 } };

static inline __attribute__((unused)) void
without_messages(struct mock *m, struct actor *a)
{
	order(a);
	done(a);
	expect_none(m);
}

static inline __attribute__((unused)) void
reads_again(struct mock *m, struct actor *a, uint64_t offset, char c)
{
	order(a);
	answer_read(m, 2, offset, 4096, c);
	done(a);
	check_i(a->buf[0], c);
}

static inline __attribute__((unused)) void
fstat_asks(struct mock *m, struct actor *a)
{
	order(a);
	answer_getattr(m, 2, REG, 8192);
	done(a);
}

static const struct order __attribute__((unused)) stat_fstat[] = { { FSTAT, 0 }, { STAT, 0 }, { STOP, 0 } };

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn/ as its unit tests include it: sending, allocation and watching can be spied on and made to fail. With it the
 * scripted daemon, and callers: coroutines that make one call each.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/chunk.h"
#include "base/loop.h"

static int fail_malloc;        /* all allocations fail */
static int fail_chunk;         /* no chunk to receive into */
static int fail_send;          /* errno of the next sends */
static unsigned fail_count;    /* so many of them; 0: all */
static unsigned fail_skip;     /* after so many good ones */
static unsigned watched = 100; /* what conn watches for */

static void *
test_malloc(size_t size)
{
	return fail_malloc ? NULL : malloc(size);
}

static void *
test_calloc(size_t n, size_t size)
{
	return fail_malloc ? NULL : calloc(n, size);
}

static struct chunk *
test_chunk_get(struct chunk_pool *pool)
{
	return fail_chunk ? NULL : chunk_get(pool);
}

static ssize_t
test_sendmsg(int sock, const struct msghdr *mh, int flags)
{
	if (fail_send != 0 && fail_skip > 0) {
		fail_skip--;
	} else if (fail_send != 0) {
		errno = fail_send;
		if (fail_count > 0 && --fail_count == 0)
			fail_send = 0;
		return -1;
	}
	return sendmsg(sock, mh, flags);
}

static void
test_loop_io_set(struct loop_io *io, unsigned events)
{
	watched = events;
	loop_io_set(io, events);
}

#define malloc test_malloc
#define calloc test_calloc
#define chunk_get test_chunk_get
#define sendmsg test_sendmsg
#define loop_io_set test_loop_io_set
#include "../../src/conn/conn.c" /* NOLINT(bugprone-suspicious-include) */
#include "../../src/conn/recv.c" /* NOLINT(bugprone-suspicious-include) */
#include "../../src/conn/send.c" /* NOLINT(bugprone-suspicious-include) */
#undef malloc
#undef calloc
#undef chunk_get
#undef sendmsg
#undef loop_io_set

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */

static struct fake fake, *f = &fake;

static void
setup(void)
{
	fake_start(f, 0);
}

static void
teardown(void)
{
	fake_stop(f);
}

/* ---- callers: coroutines that make one call each ---- */

struct caller {
	struct conn_call c;
	struct co *co;
	bool done;
	int error;
};

static void
caller_main(void *arg)
{
	struct caller *k = arg;

	k->co = co_self();
	k->error = conn_call(f->conn, &k->c);
	k->done = true;
}

static void
start(struct caller *k, uint32_t opcode, uint64_t nodeid)
{
	k->c.opcode = opcode;
	k->c.nodeid = nodeid;
	k->done = false;
	k->error = -1;
	ck_assert_int_eq(co_start(caller_main, k), 0);
}

/* It has ended with this error; its reply, if any, is let go. */
static void
ended(struct caller *k, int error)
{
	ck_assert(k->done);
	ck_assert_int_eq(k->error, error);
	conn_done(&k->c);
}

static void
died(int error, const char *why)
{
	fake_turn(f);
	ck_assert(!conn_alive(f->conn));
	ck_assert_uint_eq(f->deaths, 1);
	ck_assert_int_eq(f->death_error, error);
	if (strstr(f->why, why) == NULL)
		ck_abort_msg("\"%s\" does not say \"%s\"", f->why, why);
	ck_assert_uint_eq(conn_queued(f->conn), 0);
	ck_assert_uint_eq(conn_waiting(f->conn), 0);
	ck_assert_uint_eq(watched, 0);
	if (f->sock != -1) { /* the daemon sees it at once */
		struct pollfd p = { .fd = f->sock, .events = POLLIN };

		ck_assert_int_eq(poll(&p, 1, 0), 1);
		ck_assert_int_ne(p.revents & POLLHUP, 0);
	}
}

static void
shrink(int sock, int bytes)
{
	ck_assert_int_eq(setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

/* Start calls, numbered by nodeid from base on, until n more are queued than fit. Returns how many were started. */
static unsigned
stuff(struct caller *k, unsigned room, unsigned n)
{
	unsigned i = 0;

	shrink(f->conn_sock, 8192);
	while (conn_queued(f->conn) < n) {
		ck_assert_uint_lt(i, room);
		start(&k[i], WIRE_STATFS, i);
		i++;
	}
	return i;
}

/* The end of these callers, and of any that come later. */
static void
all_gone(struct caller *k, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ended(&k[i], ENOTCONN);
	start(&k[0], WIRE_STATFS, 1);
	ended(&k[0], ENOTCONN);
	ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 1, "12345678", 8), ENOTCONN);
	conn_kill(f->conn, EPROTO, "again");
	conn_trim(f->conn);
	fake_turn(f);
	ck_assert_uint_eq(f->deaths, 1);
}

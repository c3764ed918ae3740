/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit test of conn/conn.c, which it includes so that sending, allocation and watching can be spied on and made to fail:
 * replies in any order, back-pressure, interrupts, what a hostile daemon can send, and every way to die.
 */
#include <check.h>
#include <errno.h>
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

/* ---- calls and replies ---- */

START_TEST(one_call)
{
	static char name[] = "a name";
	union wire_out out = { .entry = { .nodeid = 77, .generation = 3, .attr.size = 12345 } };
	struct caller k = { .c = { .uid = 10, .gid = 20, .pid = 30, .iov = { { name, sizeof(name) } }, .iovcnt = 1 } };
	struct wire_req req;

	start(&k, WIRE_LOOKUP, 5);
	ck_assert_uint_eq(conn_waiting(f->conn), 1);
	ck_assert_uint_eq(conn_queued(f->conn), 0);
	req = fake_expect(f, WIRE_LOOKUP);
	ck_assert_uint_eq(req.hdr.nodeid, 5);
	ck_assert_uint_eq(req.hdr.uid, 10);
	ck_assert_uint_eq(req.hdr.gid, 20);
	ck_assert_uint_eq(req.hdr.pid, 30);
	ck_assert_uint_ne(req.hdr.unique, 0);
	ck_assert_uint_eq(req.hdr.unique & 1, 0);
	ck_assert_str_eq(req.name[0], name);
	fake_quiet(f);
	ck_assert(!k.done);
	fake_reply(f, &req, &out, NULL, 0);
	ck_assert_uint_eq(conn_waiting(f->conn), 0);
	ck_assert_uint_eq(k.c.rep.unique, req.hdr.unique);
	ck_assert_int_eq(k.c.rep.error, 0);
	ck_assert_mem_eq(&k.c.rep.out.entry, &out.entry, sizeof(out.entry));
	ended(&k, 0);
}
END_TEST

enum { MANY = 1000 };

/* _i: 0 the last first, 1 anyhow, 2 in order */
START_TEST(many_calls)
{
	struct caller *k = calloc(MANY, sizeof(*k));
	struct wire_req *req = calloc(MANY, sizeof(*req)), swap;
	unsigned n = 0;

	for (unsigned i = 0; i < MANY; i++)
		start(&k[i], WIRE_GETATTR, i);
	ck_assert_uint_eq(conn_waiting(f->conn), MANY);
	while (n < MANY) { /* some may have been queued: in order, whatever happens */
		req[n] = fake_expect(f, WIRE_GETATTR);
		ck_assert_uint_eq(req[n].hdr.nodeid, n);
		n++;
	}
	fake_quiet(f);
	srandom(1);
	for (unsigned i = MANY - 1; i > 0 && _i < 2; i--) {
		unsigned j = _i == 0 ? MANY - 1 - i : (unsigned)random() % (i + 1);

		if (_i == 0 && j >= i)
			break;
		swap = req[i];
		req[i] = req[j];
		req[j] = swap;
	}
	for (unsigned i = 0; i < MANY; i++) {
		union wire_out out = { .attr.attr.ino = req[i].hdr.nodeid * 3 };

		fake_reply(f, &req[i], &out, NULL, 0);
	}
	for (unsigned i = 0; i < MANY; i++) {
		ck_assert_uint_eq(k[i].c.rep.out.attr.attr.ino, i * 3);
		ended(&k[i], 0);
	}
	free(k);
	free(req);
}
END_TEST

START_TEST(errors)
{
	for (int error = 1; error < 512; error++) {
		struct caller k = { 0 };
		struct wire_req req;

		start(&k, WIRE_GETATTR, 1);
		req = fake_expect(f, WIRE_GETATTR);
		fake_error(f, &req, error);
		ck_assert_int_eq(k.c.rep.error, error);
		ended(&k, 0);
	}
}
END_TEST

START_TEST(unknown_unique)
{
	struct caller k = { 0 };
	struct wire_req req, other;
	union wire_out out = { .attr.attr.ino = 9 };

	start(&k, WIRE_GETATTR, 1);
	req = other = fake_expect(f, WIRE_GETATTR);
	other.hdr.unique = 4711 * 2;
	fake_reply(f, &other, &out, NULL, 0);
	fake_error(f, &other, EIO);
	other.hdr.unique = req.hdr.unique | 1; /* an INTERRUPT's, and there was none */
	fake_error(f, &other, EAGAIN);
	fake_error(f, &other, ENOENT);
	fake_quiet(f);
	ck_assert(!k.done);
	fake_reply(f, &req, &out, NULL, 0);
	ended(&k, 0);
	fake_reply(f, &req, &out, NULL, 0); /* once more */
	fake_error(f, &req, EIO);
	ck_assert_uint_eq(f->deaths, 0);
	start(&k, WIRE_STATFS, 1);
	req = fake_expect(f, WIRE_STATFS);
	fake_error(f, &req, EACCES);
	ck_assert_int_eq(k.c.rep.error, EACCES);
	ended(&k, 0);
}
END_TEST

START_TEST(reply_kept)
{
	static char a[3000], b[3000];
	struct caller k = { .c = { .limit = sizeof(a) } }, other = { .c = { .limit = sizeof(b) } };
	struct wire_req req;
	struct chunk *kept;
	uint8_t *data;

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	start(&k, WIRE_READLINK, 1);
	req = fake_expect(f, WIRE_READLINK);
	fake_reply(f, &req, NULL, a, sizeof(a));
	kept = chunk_ref(k.c.chunk);
	data = k.c.rep.data;
	ck_assert_uint_eq(k.c.rep.datalen, sizeof(a));
	ended(&k, 0);
	for (int i = 0; i < 5; i++) {
		start(&other, WIRE_READLINK, 1);
		req = fake_expect(f, WIRE_READLINK);
		fake_reply(f, &req, NULL, b, sizeof(b));
		ck_assert_mem_eq(other.c.rep.data, b, sizeof(b));
		ended(&other, 0);
		conn_trim(f->conn);
		ck_assert_mem_eq(data, a, sizeof(a));
	}
	fake_close(f);
	fake_turn(f);
	ck_assert_mem_eq(data, a, sizeof(a));
	chunk_unref(kept);
}
END_TEST

START_TEST(notification)
{
	struct {
		struct wire_out_header hdr;
		struct wire_notify_inval_inode_out body;
	} note = { { sizeof(note), WIRE_NOTIFY_INVAL_INODE, 0 }, { .ino = 5 } };

	fake_send(f, &note, sizeof(note));
	fake_turn(f);
	ck_assert_uint_eq(f->notes, 1);
	ck_assert_int_eq(f->note_code, WIRE_NOTIFY_INVAL_INODE);
	ck_assert_uint_eq(f->note_len, sizeof(note));
	ck_assert_uint_eq(f->deaths, 0);
}
END_TEST

/* ---- sizes ---- */

START_TEST(sizes)
{
	static const size_t peer[] = { 0, 4608, 65536, 212992, CONN_MSG_MAX, CONN_MSG_MAX + 32, 8 << 20 };
	static const size_t in[] = { 212960, 4576, 65504, 212960, CONN_MSG_MAX - 32, CONN_MSG_MAX, CONN_MSG_MAX };
	struct conn *c;
	int sv[2], value = 0;
	socklen_t len = sizeof(value);

	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, sv), 0);
	ck_assert_int_eq(conn_new(f->loop, sv[0], peer[_i], &fake_conn_ops, f, &c), 0);
	ck_assert_uint_eq(conn_max_in(c), in[_i]);
	ck_assert_int_eq(getsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &value, &len), 0);
	ck_assert_uint_eq(conn_max_out(c), value - 32 < CONN_MSG_MAX ? value - 32 : CONN_MSG_MAX);
	conn_free(c);
	(void)close(sv[1]);
}
END_TEST

START_TEST(too_large)
{
	size_t room = conn_max_out(f->conn) - sizeof(struct wire_in_header) - sizeof(struct wire_write_in);
	char *data = calloc(1, conn_max_out(f->conn));
	struct caller k = { .c = { .in.write.size = (uint32_t)room + 1, .iov = { { data, room + 1 } }, .iovcnt = 1 } };
	struct wire_req req;

	start(&k, WIRE_WRITE, 1);
	ended(&k, EMSGSIZE);
	ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 1, data, room + sizeof(struct wire_write_in) + 1), EMSGSIZE);
	fake_quiet(f);
	k.c.in.write.size = (uint32_t)room; /* but this fits exactly */
	k.c.iov[0].iov_len = room;
	start(&k, WIRE_WRITE, 1);
	req = fake_expect(f, WIRE_WRITE);
	ck_assert_uint_eq(req.datalen, room);
	fake_error(f, &req, EIO);
	ended(&k, 0);
	free(data);
}
END_TEST

/* What the system takes turns out to be less than it said. */
START_TEST(too_large_after_all)
{
	static char data[65536];
	struct caller k[2] = { { .c = { .in.write.size = sizeof(data), .iov = { { data, sizeof(data) } }, .iovcnt = 1 } } };
	struct caller s[64] = { 0 };
	struct wire_req req;
	unsigned n;

	n = stuff(s, 64, 1);
	start(&k[0], WIRE_WRITE, 1); /* queued */
	ck_assert(!k[0].done);
	ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 1, data, sizeof(data)), 0);
	start(&k[1], WIRE_STATFS, 99);
	for (unsigned i = 0; i < n; i++) {
		req = fake_expect(f, WIRE_STATFS);
		fake_error(f, &req, EIO);
		ended(&s[i], 0);
	}
	req = fake_expect(f, WIRE_STATFS);
	ck_assert_uint_eq(req.hdr.nodeid, 99);
	ended(&k[0], EMSGSIZE);
	fake_error(f, &req, EIO);
	ended(&k[1], 0);
	ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 1, data, sizeof(data)), EMSGSIZE);
	ck_assert_uint_eq(f->deaths, 0);
}
END_TEST

/* ---- back-pressure ---- */

START_TEST(back_pressure)
{
	enum { N = 600 };
	struct caller *k = calloc(N, sizeof(*k));
	struct wire_forget_in in = { .nlookup = 1 };
	struct wire_req req;
	unsigned sent;

	shrink(f->conn_sock, 8192);
	for (unsigned i = 0; i < N; i++) {
		if (i % 3 == 2)
			ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, i, &in, sizeof(in)), 0);
		else
			start(&k[i], WIRE_STATFS, i);
	}
	ck_assert_uint_gt(conn_queued(f->conn), N / 2);
	ck_assert_uint_eq(conn_waiting(f->conn), N - N / 3);
	ck_assert_uint_eq(watched, LOOP_READ | LOOP_WRITE);
	sent = N - (unsigned)conn_queued(f->conn);
	fake_turn(f); /* the daemon does not read: nothing changes */
	ck_assert_uint_eq(conn_queued(f->conn), N - sent);
	for (unsigned i = 0; i < N; i++) {
		ck_assert(fake_receive(f, &req));
		ck_assert_uint_eq(req.hdr.nodeid, i);
		if (i % 3 == 2) {
			ck_assert_uint_eq(req.hdr.opcode, WIRE_FORGET);
			ck_assert_uint_eq(req.in.forget.nlookup, 1);
			continue;
		}
		fake_error(f, &req, EIO);
		ended(&k[i], 0);
	}
	fake_quiet(f);
	ck_assert_uint_eq(conn_queued(f->conn), 0);
	ck_assert_uint_eq(watched, LOOP_READ);
	free(k);
}
END_TEST

/* No memory to send: no event tells when it is back, so the conn tries again by itself, and keeps the order. */
START_TEST(no_buffers)
{
	struct caller k[3] = { 0 };
	struct wire_req req;

	fail_send = _i == 0 ? ENOBUFS : ENOMEM;
	fail_count = 3;
	for (unsigned i = 0; i < 3; i++)
		start(&k[i], WIRE_STATFS, i);
	ck_assert_uint_eq(conn_queued(f->conn), 3);
	ck_assert_uint_eq(watched, LOOP_READ); /* the socket is writable: waiting for that would spin */
	while (conn_queued(f->conn) > 0)
		loop_once(f->loop, 1);
	for (unsigned i = 0; i < 3; i++) {
		req = fake_expect(f, WIRE_STATFS);
		ck_assert_uint_eq(req.hdr.nodeid, i);
		fake_error(f, &req, EIO);
		ended(&k[i], 0);
	}
}
END_TEST

START_TEST(no_memory_to_receive)
{
	struct caller k = { 0 };
	struct wire_req req;

	start(&k, WIRE_STATFS, 1);
	req = fake_expect(f, WIRE_STATFS);
	conn_trim(f->conn); /* does nothing while somebody waits */
	fail_chunk = 1;
	chunk_unref(f->conn->rx);
	f->conn->rx = NULL;
	fake_error(f, &req, EIO);
	ck_assert(!k.done);
	ck_assert_uint_eq(watched, 0);
	fail_chunk = 0;
	while (!k.done)
		loop_once(f->loop, 1);
	ended(&k, 0);
	ck_assert_uint_eq(watched, LOOP_READ);
}
END_TEST

START_TEST(no_memory)
{
	struct caller k = { 0 };
	struct wire_req req;
	struct conn_transport t = { 0 };
	struct conn *c;
	int sv[2];

	fail_malloc = 1;
	start(&k, WIRE_STATFS, 1);
	ended(&k, ENOMEM);
	ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 1, "12345678", 8), ENOMEM);
	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, sv), 0);
	ck_assert_int_eq(conn_new(f->loop, sv[0], 0, &fake_conn_ops, f, &c), ENOMEM);
	ck_assert_int_eq(conn_new_transport(f->loop, &t, &fake_conn_ops, f, &c), ENOMEM);
	fail_malloc = 0;
	ck_assert_int_eq(conn_new(f->loop, -1, 0, &fake_conn_ops, f, &c), EBADF);
	ck_assert_int_eq(close(sv[0]), 0); /* still ours */
	ck_assert_int_eq(close(sv[1]), 0);
	start(&k, WIRE_STATFS, 1);
	req = fake_expect(f, WIRE_STATFS);
	fake_error(f, &req, EIO);
	ended(&k, 0);
}
END_TEST

/* ---- interrupts ---- */

START_TEST(interrupt_queued)
{
	struct caller k[256] = { 0 };
	unsigned n = stuff(k, 256, 3);
	struct wire_req req;

	conn_interrupt(f->conn, k[n - 2].co);
	ended(&k[n - 2], EINTR);
	ck_assert_uint_eq(conn_queued(f->conn), 2);
	for (unsigned i = 0; i < n; i++) {
		if (i == n - 2)
			continue;
		req = fake_expect(f, WIRE_STATFS);
		ck_assert_uint_eq(req.hdr.nodeid, i);
		fake_error(f, &req, EIO);
		ended(&k[i], 0);
	}
	fake_quiet(f);
}
END_TEST

static struct wire_req
interrupted(const struct wire_req *of)
{
	struct wire_req intr = fake_expect(f, WIRE_INTERRUPT);

	ck_assert_uint_eq(intr.hdr.unique, of->hdr.unique | 1);
	ck_assert_uint_eq(intr.in.interrupt.unique, of->hdr.unique);
	ck_assert_uint_eq(intr.hdr.nodeid, 0);
	return intr;
}

START_TEST(interrupt_sent)
{
	struct caller k[2] = { 0 };
	struct wire_req req[2], intr;

	start(&k[0], WIRE_STATFS, 1);
	start(&k[1], WIRE_STATFS, 2);
	req[0] = fake_expect(f, WIRE_STATFS);
	req[1] = fake_expect(f, WIRE_STATFS);
	conn_interrupt(f->conn, k[1].co);
	conn_interrupt(f->conn, k[1].co);
	intr = interrupted(&req[1]);
	fake_quiet(f); /* once */
	ck_assert(!k[1].done);
	for (int i = 0; i < 3; i++) { /* the daemon has not seen the request yet */
		fake_error(f, &intr, EAGAIN);
		intr = interrupted(&req[1]);
		fake_quiet(f);
	}
	fake_error(f, &req[1], EINTR);
	ck_assert_int_eq(k[1].c.rep.error, EINTR);
	ended(&k[1], 0);
	fake_error(f, &intr, EAGAIN); /* too late */
	fake_quiet(f);
	conn_interrupt(f->conn, k[0].co);
	intr = interrupted(&req[0]);
	fake_error(f, &req[0], EINTR);
	ended(&k[0], 0);
	conn_interrupt(f->conn, (struct co *)&k); /* nobody's */
	fake_quiet(f);
}
END_TEST

START_TEST(interrupt_unknown_to_daemon)
{
	struct caller k[2] = { 0 };
	struct wire_req req[2], intr;

	for (int i = 0; i < 2; i++) {
		start(&k[i], WIRE_STATFS, 1);
		req[i] = fake_expect(f, WIRE_STATFS);
	}
	conn_interrupt(f->conn, k[0].co);
	intr = interrupted(&req[0]);
	fake_error(f, &intr, ENOSYS);
	conn_interrupt(f->conn, k[1].co);
	fake_quiet(f);
	for (int i = 0; i < 2; i++) {
		fake_error(f, &req[i], EIO);
		ended(&k[i], 0);
	}
}
END_TEST

/* A daemon that asks for an INTERRUPT again and again without reading cannot fill our memory. */
START_TEST(interrupt_flood)
{
	struct caller k = { 0 }, s[256] = { 0 };
	struct wire_req req, intr;
	unsigned n;

	start(&k, WIRE_GETATTR, 1);
	req = fake_expect(f, WIRE_GETATTR);
	conn_interrupt(f->conn, k.co);
	intr = interrupted(&req);
	n = stuff(s, 256, 1);
	for (int i = 0; i < 100; i++)
		fake_error(f, &intr, EAGAIN);
	ck_assert_uint_eq(conn_queued(f->conn), 2);
	if (_i == 0) { /* the reply is there first: the INTERRUPT has become pointless */
		fake_error(f, &req, EINTR);
		ended(&k, 0);
		ck_assert_uint_eq(conn_queued(f->conn), 1);
	}
	for (unsigned i = 0; i < n; i++) {
		struct wire_req r = fake_expect(f, WIRE_STATFS);

		fake_error(f, &r, EIO);
		ended(&s[i], 0);
	}
	if (_i == 1) {
		intr = interrupted(&req);
		fake_error(f, &req, EINTR);
		ended(&k, 0);
	}
	fake_quiet(f);
}
END_TEST

/* ---- death ---- */

static void
start_some(struct caller *k)
{
	for (unsigned i = 0; i < 3; i++)
		start(&k[i], WIRE_STATFS, i);
}

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

/* _i: 0 nothing read, 1 all read, 2 with messages and posts queued, 3 the same and one interrupted */
START_TEST(daemon_closes)
{
	static struct caller k[256];
	unsigned n = 3;

	if (_i < 2) {
		start_some(k);
	} else {
		n = stuff(k, 256, 5);
		ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 1, "12345678", 8), 0);
		ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 2, "12345678", 8), 0);
		ck_assert_uint_eq(conn_queued(f->conn), 7);
	}
	for (unsigned i = 0; i < n && _i == 1; i++)
		(void)fake_expect(f, WIRE_STATFS);
	if (_i == 3) {
		conn_interrupt(f->conn, k[0].co);
		ck_assert_uint_eq(conn_queued(f->conn), 8);
	}
	fake_close(f);
	died(ENOTCONN, "the daemon has closed its connection");
	all_gone(k, n);
}
END_TEST

START_TEST(daemon_closes_idle)
{
	struct caller k;

	fake_close(f);
	died(ENOTCONN, "the daemon has closed its connection");
	all_gone(&k, 0);
}
END_TEST

/* The first to notice is who sends. */
START_TEST(daemon_closes_before_send)
{
	struct caller k[3] = { 0 };

	start_some(k);
	fake_close(f);
	if (_i == 0) {
		struct caller late = { 0 };

		start(&late, WIRE_STATFS, 9);
		ended(&late, ENOTCONN);
	} else if (_i == 1) {
		ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 1, "12345678", 8), ENOTCONN);
	} else {
		conn_interrupt(f->conn, k[1].co);
	}
	ck_assert(k[0].done && k[1].done && k[2].done); /* at once */
	ck_assert_uint_eq(f->deaths, 0);                /* but that is told from the loop */
	died(ENOTCONN, "the daemon has closed its connection");
	all_gone(k, 3);
}
END_TEST

START_TEST(freed_without_obituary)
{
	fake_close(f);
	ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 1, "12345678", 8), ENOTCONN);
	fake_stop(f);
	ck_assert_uint_eq(f->deaths, 0);
	fake_start(f, 0);
	shrink(f->conn_sock, 8192);
	while (conn_queued(f->conn) < 3) /* posts that nobody will send */
		ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 1, "12345678", 8), 0);
}
END_TEST

static void
kill_main(void *arg)
{
	struct caller *k = arg;

	k->error = conn_call(f->conn, &k->c);
	conn_done(&k->c);
	conn_kill(f->conn, EPROTO, "somebody has had enough");
	k->done = true;
}

START_TEST(killed_from_coroutine)
{
	static struct caller k[256];
	struct caller killer = { .c.opcode = WIRE_GETATTR };
	struct wire_req req;
	unsigned n;

	ck_assert_int_eq(co_start(kill_main, &killer), 0);
	req = fake_expect(f, WIRE_GETATTR);
	n = stuff(k, 256, 3);
	fake_error(f, &req, EIO);
	ck_assert(killer.done);
	ck_assert_int_eq(killer.error, 0);
	died(EPROTO, "somebody has had enough");
	all_gone(k, n);
}
END_TEST

/* A call whose sending fails late ends the connection from the middle of the queue's flushing: nothing is watched then. */
START_TEST(killed_while_flushing)
{
	static struct caller k[256];
	struct caller killer = { .c.opcode = WIRE_GETATTR };
	struct wire_req req;
	unsigned n = stuff(k, 256, 1);

	ck_assert_int_eq(co_start(kill_main, &killer), 0);
	fail_send = EMSGSIZE;
	fail_skip = 1;
	fail_count = 1;
	while (!killer.done)
		ck_assert(fake_receive(f, &req));
	ck_assert_int_eq(killer.error, EMSGSIZE);
	died(EPROTO, "somebody has had enough");
	all_gone(k, n);
}
END_TEST

/* ---- what a hostile daemon sends ---- */

START_TEST(malformed_reply)
{
	static const struct {
		const char *why;
		int32_t len, error; /* in the header; len: added to what is sent */
		size_t sent;        /* bytes beside the header */
		bool notify;
	} bad[] = {
		{ "the length in the header", 1, 0, 0, false },
		{ "the length in the header", -1, 0, 0, false },
		{ "the length in the header", 1 << 30, 0, 80, false },
		{ "the length in the header", -80, 0, 80, false },
		{ "the error is out of range", 0, 5, 0, false },
		{ "the error is out of range", 0, -512, 0, false },
		{ "the error is out of range", 0, INT32_MIN, 0, false },
		{ "the error is out of range", 0, -4095, 80, false },
		{ "an error with a payload", 0, -EIO, 8, false },
		{ "STATFS is malformed: the reply is too short", 0, 0, 0, false },
		{ "STATFS is malformed: the reply is too short", 0, 0, 79, false },
		{ "STATFS is malformed: the reply is too long", 0, 0, 81, false },
		{ "STATFS is malformed: the reply is too long", 0, 0, CONN_MSG_MAX - 16, false },
		{ "longer than any reply may be", 0, 0, CONN_MSG_MAX - 16 + 1, false },
		{ "a notification without a code", 0, 0, 8, true },
		{ "a notification without a code", 0, -2, 8, true },
	};
	static uint8_t packet[CONN_MSG_MAX + 1];
	struct wire_out_header *hdr = (void *)packet;
	size_t len = sizeof(*hdr) + bad[_i].sent;
	struct caller k[3] = { 0 };
	struct wire_req req;

	if (len > conn_max_in(f->conn)) /* this system does not let such a packet be sent */
		fdp_buffers(f->sock, 8 << 20, NULL);
	start_some(k);
	req = fake_expect(f, WIRE_STATFS);
	*hdr = (struct wire_out_header) { (uint32_t)len + (uint32_t)bad[_i].len, bad[_i].error, req.hdr.unique };
	if (bad[_i].notify)
		hdr->unique = 0;
	if (send(f->sock, packet, len, MSG_DONTWAIT) == -1) {
		ck_assert_int_eq(errno, EMSGSIZE);
		fake_close(f);
		fake_turn(f);
		return;
	}
	died(EPROTO, bad[_i].why);
	all_gone(k, 3);
}
END_TEST

START_TEST(short_packet)
{
	struct caller k[3] = { 0 };

	start_some(k);
	fake_send(f, "0123456789abcdef", (size_t)_i + 1);
	died(EPROTO, "shorter than a header");
	all_gone(k, 3);
}
END_TEST

START_TEST(over_limit)
{
	static char data[4096];
	struct caller k[3] = { { .c = { .limit = 100 } } };
	struct wire_req req;

	start(&k[0], WIRE_READ, 1);
	req = fake_expect(f, WIRE_READ);
	fake_reply(f, &req, NULL, data, 100);
	ck_assert_uint_eq(k[0].c.rep.datalen, 100);
	ended(&k[0], 0);
	start_some(k);
	start(&k[0], WIRE_READ, 1);
	for (int i = 0; i < 3; i++)
		(void)fake_expect(f, WIRE_STATFS);
	req = fake_expect(f, WIRE_READ);
	fake_reply(f, &req, NULL, data, 101);
	died(EPROTO, "READ is malformed: the reply is longer than what was asked for");
	all_gone(k, 3);
}
END_TEST

START_TEST(reply_before_request)
{
	static struct caller k[256];
	unsigned n = stuff(k, 256, 1);
	struct wire_out_header hdr = { .len = sizeof(hdr), .error = -EIO, .unique = f->conn->last_unique };

	fake_send(f, &hdr, sizeof(hdr));
	died(EPROTO, "a reply to a request it has not been sent");
	all_gone(k, n);
}
END_TEST

/* ---- a transport instead of a socket ---- */

static struct {
	struct co *co; /* waits for an answer */
	int error;
	struct chunk *reply;
	struct wire_in_header sent;
	bool wanted;
	unsigned count;
	uint64_t unique;
} tr;

static int
tr_xchg(void *arg, const struct iovec *iov, int n, struct chunk **reply)
{
	ck_assert_ptr_eq(arg, &tr);
	tr.count++;
	memcpy(&tr.sent, iov[0].iov_base, sizeof(tr.sent));
	tr.wanted = reply != NULL;
	if (reply != NULL && tr.error == 0) {
		tr.co = co_self();
		co_park();
		*reply = tr.reply;
	}
	return tr.error;
}

static uint64_t
tr_unique(void *arg)
{
	return tr.unique += 7;
}

static void
tr_answer(int32_t error, uint64_t unique)
{
	struct wire_out_header hdr = { .len = sizeof(hdr), .error = error, .unique = unique };

	tr.reply = chunk_new(sizeof(hdr));
	memcpy(tr.reply->data, &hdr, sizeof(hdr));
	tr.reply->len = sizeof(hdr);
	co_wake(tr.co);
}

/* _i: 0 all goes well, 1 a malformed reply, 2 another's reply, 3 ENOTCONN from it, 4 ended while one waits */
START_TEST(transport)
{
	static const struct conn_transport t = { tr_xchg, tr_unique, &tr };
	struct conn *sock_conn = f->conn;
	struct caller k = { 0 };

	ck_assert_int_eq(conn_new_transport(f->loop, &t, &fake_conn_ops, f, &f->conn), 0);
	conn_free(sock_conn);
	ck_assert_uint_eq(conn_max_out(f->conn), CONN_MSG_MAX);
	ck_assert_uint_eq(conn_max_in(f->conn), CONN_MSG_MAX);
	start(&k, WIRE_STATFS, 3);
	ck_assert_uint_eq(tr.sent.opcode, WIRE_STATFS);
	ck_assert_uint_eq(tr.sent.nodeid, 3);
	ck_assert_uint_eq(tr.sent.unique, 7);
	ck_assert(tr.wanted && !k.done);
	tr_answer(-EACCES, 7);
	ck_assert_int_eq(k.c.rep.error, EACCES);
	ended(&k, 0);
	ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 4, "12345678", 8), 0);
	ck_assert_uint_eq(tr.sent.unique, 14);
	ck_assert_uint_eq(tr.sent.len, sizeof(struct wire_in_header) + 8);
	ck_assert(!tr.wanted);
	tr.error = ENOBUFS; /* this message did not get through, the next may */
	start(&k, WIRE_STATFS, 3);
	ended(&k, ENOBUFS);
	ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 4, "12345678", 8), ENOBUFS);
	ck_assert(conn_alive(f->conn));
	tr.error = _i == 3 ? ENOTCONN : 0;
	if (_i == 0) {
		conn_trim(f->conn);
		return;
	}
	watched = 0;
	start(&k, WIRE_STATFS, 3);
	if (_i == 1)
		tr_answer(5, tr.unique);
	else if (_i == 2)
		tr_answer(-EIO, tr.unique - 7);
	else if (_i == 4)
		conn_kill(f->conn, ENOTCONN, "enough");
	if (_i == 4)
		tr_answer(-EIO, tr.unique);
	ended(&k, ENOTCONN);
	died(_i < 3 ? EPROTO : ENOTCONN,
	    _i == 1     ? "out of range" :
	        _i == 2 ? "another request" :
	        _i == 3 ? "closed" :
	                  "enough");
	tr.count = 0;
	all_gone(&k, 0);
	ck_assert_uint_eq(tr.count, 0);
}
END_TEST

/* ---- diagnostics ---- */

START_TEST(printed)
{
	static char name[] = "user.x", data[1000];
	struct caller k = { .c = { .iov = { { name, sizeof(name) }, { NULL, 0 } }, .iovcnt = 2 } };
	struct wire_req req;

	if (freopen("/dev/null", "w", stderr) == NULL)
		ck_abort();
	log_init("test", true);
	ck_assert_int_eq(log_diag_parse("all", NULL), 0);
	start(&k, WIRE_SETXATTR, 1); /* with an empty value */
	req = fake_expect(f, WIRE_SETXATTR);
	fake_error(f, &req, ENOSYS);
	ended(&k, 0);
	k.c.iov[1] = (struct iovec) { data, sizeof(data) };
	k.c.in.setxattr.size = sizeof(data);
	start(&k, WIRE_SETXATTR, 1); /* with one too long to print */
	req = fake_expect(f, WIRE_SETXATTR);
	req.hdr.unique += 2;
	fake_error(f, &req, EIO);
	req.hdr.unique -= 2;
	fake_error(f, &req, EIO);
	ended(&k, 0);
	log_diag = 0;
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conn");
	TCase *t = tcase_create("calls");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, one_call);
	tcase_add_loop_test(t, many_calls, 0, 3);
	tcase_add_test(t, errors);
	tcase_add_test(t, unknown_unique);
	tcase_add_test(t, reply_kept);
	tcase_add_test(t, notification);
	tcase_add_loop_test(t, sizes, 0, 7);
	tcase_add_test(t, too_large);
	tcase_add_test(t, too_large_after_all);
	tcase_add_test(t, back_pressure);
	tcase_add_loop_test(t, no_buffers, 0, 2);
	tcase_add_test(t, no_memory_to_receive);
	tcase_add_test(t, no_memory);
	tcase_add_loop_test(t, transport, 0, 5);
	tcase_add_test(t, printed);
	suite_add_tcase(s, t);
	t = tcase_create("interrupts");
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, interrupt_queued);
	tcase_add_test(t, interrupt_sent);
	tcase_add_test(t, interrupt_unknown_to_daemon);
	tcase_add_loop_test(t, interrupt_flood, 0, 2);
	suite_add_tcase(s, t);
	t = tcase_create("death");
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, daemon_closes, 0, 4);
	tcase_add_test(t, daemon_closes_idle);
	tcase_add_loop_test(t, daemon_closes_before_send, 0, 3);
	tcase_add_test(t, freed_without_obituary);
	tcase_add_test(t, killed_from_coroutine);
	tcase_add_test(t, killed_while_flushing);
	tcase_add_loop_test(t, malformed_reply, 0, 16);
	tcase_add_loop_test(t, short_packet, 0, 15);
	tcase_add_test(t, over_limit);
	tcase_add_test(t, reply_before_request);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

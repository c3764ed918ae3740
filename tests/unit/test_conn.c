/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit test of conn/: calls and replies in any order, sizes, back-pressure, lack of memory, a transport instead of a socket,
 * diagnostics. How a connection is interrupted and how it ends is in test_conn_end.c.
 */
#include "conn_spied.c" /* NOLINT(bugprone-suspicious-include) */

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
	struct caller k[2] = {
		{ .c = { .in.write.size = sizeof(data), .iov = { { data, sizeof(data) } }, .iovcnt = 1 } }
	};
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
	died(_i < 3 ? EPROTO : ENOTCONN, _i == 1   ? "out of range"
					 : _i == 2 ? "another request"
					 : _i == 3 ? "closed"
						   : "enough");
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
	k.c.iov[1] = (struct iovec){ data, sizeof(data) };
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

static unsigned trace_lines;

static void
trace_line(void *arg, const char *text)
{
	ck_assert_ptr_nonnull(strstr(text, trace_lines == 0 ? "STATFS" : "GETATTR"));
	trace_lines++;
}

START_TEST(traced)
{
	struct caller k = { 0 };
	struct wire_req req;

	ck_assert_uint_eq(conn_trace_dump(f->conn, trace_line, NULL), 0);
	fake_stop(f);
	log_diag = LOG_D_TRACE;
	fake_start(f, 0);
	start(&k, WIRE_STATFS, 1);
	req = fake_expect(f, WIRE_STATFS);
	fake_error(f, &req, EIO);
	ended(&k, 0);
	start(&k, WIRE_GETATTR, 1); /* a reply that never comes counts, too */
	fake_close(f);
	fake_turn(f);
	ended(&k, ENOTCONN);
	(void)conn_trace_dump(f->conn, trace_line, NULL);
	ck_assert_uint_eq(trace_lines, 2);
}
END_TEST

/* A daemon that could get no SEQPACKET socket: it is told of the end by an empty packet. */
START_TEST(datagrams)
{
	struct wire_out_header hdr = { .len = sizeof(hdr), .error = -EIO };
	struct caller k = { 0 };
	struct wire_in_header got;
	struct fake keep = *f;
	int sv[2];

	ck_assert_int_eq(fdp_pair(SOCK_DGRAM, sv), 0);
	ck_assert_int_eq(conn_new(f->loop, sv[0], 0, &fake_conn_ops, f, &f->conn), 0);
	f->sock = sv[1];
	start(&k, WIRE_STATFS, 1);
	ck_assert_int_eq(recv(sv[1], &got, sizeof(got), MSG_DONTWAIT), sizeof(got));
	hdr.unique = got.unique;
	fake_send(f, &hdr, sizeof(hdr));
	fake_turn(f);
	ck_assert_int_eq(k.c.rep.error, EIO);
	ended(&k, 0);
	conn_free(f->conn);
	ck_assert_int_eq(recv(sv[1], &got, sizeof(got), MSG_DONTWAIT), 0);
	(void)close(sv[1]);
	*f = keep;
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
	tcase_add_test(t, traced);
	tcase_add_test(t, datagrams);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

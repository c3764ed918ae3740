/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit test of conn/: interrupts, every way for a connection to die with calls waiting and messages queued, and what a
 * hostile daemon can send.
 */
#include "conn_spied.c" /* NOLINT(bugprone-suspicious-include) */

/* ---- interrupts ---- */

static struct wire_req
interrupted(const struct wire_req *of)
{
	struct wire_req intr = fake_expect(f, WIRE_INTERRUPT);

	ck_assert_uint_eq(intr.hdr.unique, of->hdr.unique | 1);
	ck_assert_uint_eq(intr.in.interrupt.unique, of->hdr.unique);
	ck_assert_uint_eq(intr.hdr.nodeid, 0);
	return intr;
}

/*
 * One that is still queued is not taken back (the kernel would do that for a fatal signal only): INTERRUPT goes behind it, but before
 * what has nothing to do with it.
 */
START_TEST(interrupt_queued)
{
	static struct caller k[256];
	static struct wire_req req[256];
	unsigned n = stuff(k, 256, 3);

	conn_interrupt(f->conn, k[n - 2].co);
	conn_interrupt(f->conn, k[n - 2].co);
	ck_assert(!k[n - 2].done);
	ck_assert_uint_eq(conn_queued(f->conn), 4);
	for (unsigned i = 0; i < n; i++) {
		req[i] = fake_expect(f, WIRE_STATFS);
		ck_assert_uint_eq(req[i].hdr.nodeid, i);
		if (i == n - 2)
			(void)interrupted(&req[n - 2]);
	}
	fake_quiet(f);
	for (unsigned i = 0; i < n; i++) {
		fake_error(f, &req[i], i == n - 2 ? EINTR : EIO);
		ck_assert_int_eq(k[i].c.rep.error, i == n - 2 ? EINTR : EIO);
		ended(&k[i], 0);
	}
	fake_quiet(f);
}
END_TEST

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
		struct wire_req r;

		if (_i == 1 && i == n - 1) { /* before all that is queued */
			intr = interrupted(&req);
			fake_error(f, &req, EINTR);
			ended(&k, 0);
		}
		r = fake_expect(f, WIRE_STATFS);
		fake_error(f, &r, EIO);
		ended(&s[i], 0);
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
	*hdr = (struct wire_out_header){ (uint32_t)len + (uint32_t)bad[_i].len, bad[_i].error, req.hdr.unique };
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

int
main(void)
{
	Suite *s = suite_create("conn_end");
	TCase *t = tcase_create("interrupts");
	SRunner *r;
	int failed;

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

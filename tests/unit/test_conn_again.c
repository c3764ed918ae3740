/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of conn/: requests sent once more (RESEND), a connection that pauses, messages under a unique of the caller's
 * (NOTIFY_REPLY), the order of INTERRUPTs, and a daemon that floods.
 */
#include "conn_spied.c" /* NOLINT(bugprone-suspicious-include) */

enum { MANY = 256 };

static struct caller k[MANY];
static struct wire_req req[MANY];

/* ---- RESEND ---- */

/* The next request is the one that came before as this, marked. */
static struct wire_req
again(const struct wire_req *before)
{
	struct wire_req r = fake_expect(f, before->hdr.opcode);

	ck_assert_uint_eq(r.hdr.unique, before->hdr.unique | WIRE_UNIQUE_RESEND);
	ck_assert_uint_eq(r.hdr.nodeid, before->hdr.nodeid);
	ck_assert_uint_eq(r.hdr.len, before->hdr.len);
	return r;
}

static void
begin(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		start(&k[i], WIRE_STATFS, i);
		req[i] = fake_expect(f, WIRE_STATFS);
	}
}

static void
answered(unsigned i, const struct wire_req *by)
{
	ck_assert(!k[i].done);
	fake_error(f, by, EACCES);
	ck_assert(k[i].done);
	ck_assert_int_eq(k[i].c.rep.error, EACCES);
	ended(&k[i], 0);
}

START_TEST(resend)
{
	struct wire_req twice[3];

	begin(4);
	answered(1, &req[1]);
	for (int round = 0; round < 3; round++) { /* the mark is set once */
		conn_resend(f->conn);
		twice[0] = again(&req[0]);
		twice[1] = again(&req[2]);
		twice[2] = again(&req[3]);
		fake_quiet(f);
	}
	fake_error(f, &req[0], EIO); /* without the mark it answers nothing any more */
	ck_assert(!k[0].done);
	answered(3, &twice[2]);
	answered(0, &twice[0]);
	answered(2, &twice[1]);
	fake_error(f, &twice[1], EIO);
	conn_resend(f->conn); /* nothing to be had */
	fake_quiet(f);
	ck_assert_uint_eq(f->deaths, 0);
	start(&k[0], WIRE_STATFS, 1); /* new ones have no mark */
	req[0] = fake_expect(f, WIRE_STATFS);
	ck_assert_uint_eq(req[0].hdr.unique & WIRE_UNIQUE_RESEND, 0);
	answered(0, &req[0]);
}
END_TEST

/* What has not been sent keeps its place and form, behind what is sent again. */
START_TEST(resend_queued)
{
	unsigned n = stuff(k, MANY, 3), sent = n - 3;
	struct wire_req first[MANY];

	conn_resend(f->conn);
	ck_assert_uint_eq(conn_queued(f->conn), n);
	conn_resend(f->conn); /* already waiting to be */
	ck_assert_uint_eq(conn_queued(f->conn), n);
	for (unsigned i = 0; i < sent; i++)
		first[i] = fake_expect(f, WIRE_STATFS);
	for (unsigned i = 0; i < sent; i++) {
		req[i] = again(&first[i]);
		ck_assert_uint_eq(req[i].hdr.nodeid, i);
	}
	for (unsigned i = sent; i < n; i++) {
		req[i] = fake_expect(f, WIRE_STATFS);
		ck_assert_uint_eq(req[i].hdr.nodeid, i);
		ck_assert_uint_eq(req[i].hdr.unique & WIRE_UNIQUE_RESEND, 0);
	}
	fake_quiet(f);
	for (unsigned i = 0; i < n; i++)
		answered(i, &req[i]);
}
END_TEST

/* A reply that crosses the sending again answers nothing, as in the kernel, and is no offence. */
START_TEST(resend_crossed)
{
	unsigned n = stuff(k, MANY, 1), left = n;
	struct wire_out_header hdr = { .len = sizeof(hdr), .error = -EIO };
	struct wire_req r;

	conn_resend(f->conn);
	ck_assert_uint_eq(conn_queued(f->conn), n);
	hdr.unique = f->conn->last_unique - 2 * (n - 1); /* the first one's */
	fake_send(f, &hdr, sizeof(hdr));
	hdr.unique |= WIRE_UNIQUE_RESEND;
	fake_send(f, &hdr, sizeof(hdr));
	fake_turn(f);
	ck_assert(!k[0].done);
	ck_assert_uint_eq(f->deaths, 0);
	while (left > 0) {
		r = fake_expect(f, WIRE_STATFS);
		if ((r.hdr.unique & WIRE_UNIQUE_RESEND) || r.hdr.nodeid == n - 1) {
			answered((unsigned)r.hdr.nodeid, &r);
			left--;
		}
	}
	fake_quiet(f);
}
END_TEST

START_TEST(resend_interrupted)
{
	struct wire_req r[2], intr;

	begin(2);
	conn_interrupt(f->conn, k[0].co);
	intr = fake_expect(f, WIRE_INTERRUPT);
	conn_resend(f->conn);
	r[0] = again(&req[0]);
	intr = fake_expect(f, WIRE_INTERRUPT);
	ck_assert_uint_eq(intr.in.interrupt.unique, r[0].hdr.unique);
	ck_assert_uint_eq(intr.hdr.unique, r[0].hdr.unique | 1);
	r[1] = again(&req[1]);
	fake_quiet(f);
	fake_error(f, &intr, EAGAIN);
	intr = fake_expect(f, WIRE_INTERRUPT);
	ck_assert_uint_eq(intr.in.interrupt.unique, r[0].hdr.unique);
	intr.hdr.unique &= ~WIRE_UNIQUE_RESEND; /* of the first one, which is no more */
	fake_error(f, &intr, EAGAIN);
	fake_quiet(f);
	answered(0, &r[0]);
	answered(1, &r[1]);
}
END_TEST

START_TEST(resend_to_the_dead)
{
	begin(2);
	fake_close(f);
	conn_resend(f->conn); /* finds it out */
	died(ENOTCONN, "closed its connection");
	conn_resend(f->conn);
	all_gone(k, 2);
}
END_TEST

/* ---- pauses ---- */

START_TEST(paused)
{
	begin(2);
	conn_pause(f->conn);
	conn_pause(f->conn);
	ck_assert_uint_eq(watched, 0);
	fake_error(f, &req[0], EACCES);
	fake_turn(f);
	ck_assert(!k[0].done);
	start(&k[2], WIRE_STATFS, 2); /* sending goes on */
	req[2] = fake_expect(f, WIRE_STATFS);
	conn_resume(f->conn);
	ck_assert_uint_eq(watched, LOOP_READ);
	fake_turn(f);
	ck_assert(k[0].done);
	ended(&k[0], 0);
	conn_resume(f->conn);
	answered(1, &req[1]);
	answered(2, &req[2]);
}
END_TEST

/* A pause from inside a notification takes effect at once: the reply behind it is not taken. */
static void
note_pauses(void *arg, int code, uint8_t *data, size_t len)
{
	conn_pause(f->conn);
}

START_TEST(paused_by_notification)
{
	static const struct conn_ops ops = { .dead = fake_dead, .notify = note_pauses };
	struct wire_out_header note = { .len = sizeof(note), .error = WIRE_NOTIFY_INC_EPOCH };

	f->conn->ops = &ops;
	begin(1);
	fake_send(f, &note, sizeof(note));
	fake_error(f, &req[0], EACCES);
	ck_assert(!k[0].done);
	conn_resume(f->conn);
	fake_turn(f);
	ck_assert(k[0].done);
	ended(&k[0], 0);
	f->conn->ops = &fake_conn_ops;
}
END_TEST

START_TEST(paused_dead)
{
	begin(1);
	conn_pause(f->conn);
	conn_kill(f->conn, EPROTO, "because");
	ended(&k[0], ENOTCONN);
	conn_resume(f->conn);
	died(EPROTO, "because");
}
END_TEST

/* ---- posts ---- */

START_TEST(posted_data)
{
	struct wire_notify_retrieve_in in = { .offset = 4096, .size = 5 };
	struct iovec body[2] = { { &in, sizeof(in) }, { (void *)(uintptr_t) "hello", 5 } };
	struct wire_req r;

	fail_malloc = 1; /* not needed */
	ck_assert_int_eq(conn_post_data(f->conn, WIRE_NOTIFY_REPLY, 7, UINT64_MAX, body, 2), 0);
	fail_malloc = 0;
	r = fake_expect(f, WIRE_NOTIFY_REPLY);
	ck_assert_uint_eq(r.hdr.unique, UINT64_MAX);
	ck_assert_uint_eq(r.hdr.nodeid, 7);
	ck_assert_uint_eq(r.in.notify_retrieve.offset, 4096);
	ck_assert_uint_eq(r.datalen, 5);
	ck_assert_mem_eq(r.data, "hello", 5);
	body[1].iov_len = 2 * CONN_MSG_MAX;
	ck_assert_int_eq(conn_post_data(f->conn, WIRE_NOTIFY_REPLY, 7, 2, body, 2), EMSGSIZE);
	body[1].iov_len = 0;
	in.size = 0;
	ck_assert_int_eq(conn_post_data(f->conn, WIRE_NOTIFY_REPLY, 7, 2, body, 2), 0);
	r = fake_expect(f, WIRE_NOTIFY_REPLY);
	ck_assert_uint_eq(r.datalen, 0);
	fake_close(f);
	ck_assert_int_eq(conn_post_data(f->conn, WIRE_NOTIFY_REPLY, 7, 2, body, 2), ENOTCONN);
	died(ENOTCONN, "closed its connection");
	ck_assert_int_eq(conn_post_data(f->conn, WIRE_NOTIFY_REPLY, 7, 2, body, 2), ENOTCONN);
}
END_TEST

/* What waits for a daemon that does not read is bounded; FORGETs and requests are not hindered. */
START_TEST(posted_bound)
{
	static uint8_t data[128 * 1024];
	struct wire_notify_retrieve_in in = { .size = sizeof(data) };
	const struct iovec body[2] = { { &in, sizeof(in) }, { data, sizeof(data) } };
	size_t sent = 0, got = 0;
	struct wire_req r;
	int error;

	if (conn_max_out(f->conn) < sizeof(data) + 4096)
		return; /* the system's socket buffers are small */
	while ((error = conn_post_data(f->conn, WIRE_NOTIFY_REPLY, 1, 2 * sent, body, 2)) == 0) {
		memset(data, (int)++sent, 1);
		ck_assert_uint_lt(sent, 2 * CONN_POSTED_MAX / sizeof(data));
	}
	ck_assert_int_eq(error, ENOBUFS);
	ck_assert_uint_le(conn_queued(f->conn), CONN_POSTED_MAX / sizeof(data));
	ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 1, "12345678", 8), 0);
	start(&k[0], WIRE_STATFS, 1);
	fail_malloc = 1;
	ck_assert_int_eq(conn_post(f->conn, WIRE_FORGET, 1, "12345678", 8), ENOMEM);
	fail_malloc = 0;
	while (got < sent) {
		r = fake_expect(f, WIRE_NOTIFY_REPLY);
		ck_assert_uint_eq(r.hdr.unique, 2 * got);
		ck_assert_uint_eq(r.data[0], (uint8_t)got);
		got++;
	}
	(void)fake_expect(f, WIRE_FORGET);
	req[0] = fake_expect(f, WIRE_STATFS);
	answered(0, &req[0]);
	ck_assert_uint_eq(f->conn->posted, 0);
	ck_assert_int_eq(conn_post_data(f->conn, WIRE_NOTIFY_REPLY, 1, 2, body, 2), 0);
}
END_TEST

/* ---- interrupts ---- */

/* ENOSYS counts only while the daemon has the request, as in the kernel; so does EAGAIN. */
START_TEST(interrupt_answered_late)
{
	struct wire_req intr;

	begin(2);
	conn_interrupt(f->conn, k[0].co);
	intr = fake_expect(f, WIRE_INTERRUPT);
	answered(0, &req[0]);
	fake_error(f, &intr, ENOSYS);
	conn_interrupt(f->conn, k[1].co);
	intr = fake_expect(f, WIRE_INTERRUPT);
	fake_reply(f, &intr, NULL, "payload", 7); /* the kernel: EINVAL, and nothing else */
	fake_error(f, &intr, EINTR);
	fake_quiet(f);
	answered(1, &req[1]);
}
END_TEST

/* EAGAIN for a request that nobody has interrupted. */
START_TEST(interrupt_uncalled_for)
{
	struct wire_req intr;

	begin(1);
	intr = req[0];
	intr.hdr.unique |= 1;
	fake_error(f, &intr, EAGAIN);
	fake_quiet(f);
	answered(0, &req[0]);
}
END_TEST

/* Several go out in the order in which they were asked for, before all requests that are queued. */
START_TEST(interrupts_in_order)
{
	struct wire_req r;
	unsigned n = stuff(k, MANY, 2), at = 0;

	for (unsigned i = 0; i < 3; i++)
		conn_interrupt(f->conn, k[i].co);
	ck_assert_uint_eq(conn_queued(f->conn), 5);
	for (unsigned i = 0; i < n - 2; i++)
		req[i] = fake_expect(f, WIRE_STATFS);
	for (unsigned i = 0; i < 3; i++) {
		r = fake_expect(f, WIRE_INTERRUPT);
		ck_assert_uint_eq(r.in.interrupt.unique, req[i].hdr.unique);
	}
	for (unsigned i = n - 2; i < n; i++)
		req[i] = fake_expect(f, WIRE_STATFS);
	for (at = 0; at < n; at++)
		answered(at, &req[at]);
}
END_TEST

/* ---- floods ---- */

/* Replies to nothing, by the thousand: ignored, one batch at a time, and the others get their turn. */
START_TEST(flood)
{
	struct wire_out_header hdr = { .len = sizeof(hdr), .error = -EIO };
	unsigned sent = 0;

	begin(1);
	while (sent < 20000) {
		hdr.unique = 1000000 + 2 * sent;
		if (send(f->sock, &hdr, sizeof(hdr), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			sent++;
		else
			loop_once(f->loop, 0);
	}
	hdr.unique = req[0].hdr.unique;
	for (int i = 0; i < 10000 && !k[0].done; i++) {
		(void)send(f->sock, &hdr, sizeof(hdr), MSG_DONTWAIT | MSG_NOSIGNAL);
		loop_once(f->loop, 0);
	}
	ended(&k[0], 0);
	ck_assert_uint_eq(f->deaths, 0);
	ck_assert_uint_eq(conn_queued(f->conn), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conn_again");
	TCase *t = tcase_create("again");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, resend);
	tcase_add_test(t, resend_queued);
	tcase_add_test(t, resend_crossed);
	tcase_add_test(t, resend_interrupted);
	tcase_add_test(t, resend_to_the_dead);
	tcase_add_test(t, paused);
	tcase_add_test(t, paused_by_notification);
	tcase_add_test(t, paused_dead);
	tcase_add_test(t, posted_data);
	tcase_add_test(t, posted_bound);
	tcase_add_test(t, interrupt_answered_late);
	tcase_add_test(t, interrupt_uncalled_for);
	tcase_add_test(t, interrupts_in_order);
	tcase_add_test(t, flood);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

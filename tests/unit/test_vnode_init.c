/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnode/mount.c's INIT: what is offered to a daemon, what is believed of its answer, and what a host is told, over all minors and
 * the lengths of answers, with small sockets, and with daemons that answer nonsense or nothing.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */

static struct fake fake, *f = &fake;

static void
setup(void)
{
	fake_start(f, 0);
	ck_assert_int_eq(vn_mount_new(f->loop, f->conn, &f->mp), 0);
}

static void
teardown(void)
{
	fake_stop(f);
}

struct mounting {
	struct host_init want, got;
	const char *why;
	bool done;
	int error;
};

static void
mounting_main(void *arg)
{
	struct mounting *m = arg;

	m->error = vn_mount_init(f->mp, &m->want, &m->got, &m->why);
	m->done = true;
}

/* A host that can do everything asks for a mount; the daemon's INIT. */
static struct wire_req
begin(struct mounting *m)
{
	if (m->want.minor == 0)
		m->want.minor = WIRE_MINOR_MAX;
	if (m->want.flags == 0)
		m->want.flags = UINT64_MAX;
	m->want.max_readahead = 131072;
	m->want.max_write = CONN_DATA_MAX;
	m->want.max_pages = 256;
	m->want.time_gran = 1;
	ck_assert_int_eq(co_start(mounting_main, m), 0);
	ck_assert(!m->done);
	return fake_expect(f, WIRE_INIT);
}

static void
answer(const struct wire_req *req, struct wire_init *i, uint32_t offered)
{
	uint8_t body[64];

	i->major = i->major != 0 ? i->major : WIRE_KERNEL_VERSION;
	fake_reply(f, req, NULL, body, wire_init_reply(i, offered, body, sizeof(body)));
}

static void
ended(const struct mounting *m, int error, const char *why)
{
	ck_assert(m->done);
	ck_assert_int_eq(m->error, error);
	if (error != 0 && strstr(m->why, why) == NULL)
		ck_abort_msg("\"%s\" does not say \"%s\"", m->why, why);
}

START_TEST(offer)
{
	struct mounting m = { .want.minor = (uint32_t)_i };
	struct wire_req req = begin(&m);
	uint64_t flags = vn_flags_carried();
	struct wire_init i = { .minor = 31 };

	ck_assert_uint_eq(req.hdr.nodeid, 0);
	ck_assert_uint_eq(req.in.init.major, 7);
	ck_assert_uint_eq(req.in.init.minor, _i < WIRE_MINOR_MAX ? _i : WIRE_MINOR_MAX);
	ck_assert_uint_eq(req.in.init.max_readahead, 131072);
	if (_i < 36) {
		flags &= UINT32_MAX & ~WIRE_INIT_EXT;
		ck_assert_uint_eq(req.hdr.len, sizeof(req.hdr) + 16);
	} else {
		ck_assert_uint_eq(req.hdr.len, sizeof(req.hdr) + 64);
		ck_assert_uint_ne(req.in.init.flags2, 0);
		ck_assert_uint_ne(req.in.init.flags & WIRE_INIT_EXT, 0);
	}
	ck_assert_uint_eq(req.in.init.flags | (uint64_t)req.in.init.flags2 << 32, flags);
	/* A daemon that claims more than it was offered does not get it. */
	i.flags = UINT64_MAX;
	answer(&req, &i, WIRE_MINOR_MAX);
	ended(&m, 0, NULL);
	ck_assert_uint_eq(m.got.flags, flags);
	ck_assert_uint_eq(m.got.minor, _i < 31 ? _i : 31);
	ck_assert_uint_eq(conn_proto(f->conn)->minor, m.got.minor);
	ck_assert(conn_proto(f->conn)->setxattr_ext);
}
END_TEST

/* What vnode/ cannot do is never offered; nor what the host does not want. */
START_TEST(offer_masked)
{
	static const uint64_t never[] = { WIRE_INIT_FILE_OPS, WIRE_INIT_SPLICE_READ, WIRE_INIT_SPLICE_WRITE,
		WIRE_INIT_SPLICE_MOVE, WIRE_INIT_MAP_ALIGNMENT, WIRE_INIT_SUBMOUNTS, WIRE_INIT_HAS_INODE_DAX,
		WIRE_INIT_PASSTHROUGH, WIRE_INIT_OVER_IO_URING, WIRE_INIT_RESERVED };
	struct mounting m = { .want.flags = WIRE_INIT_ASYNC_READ | WIRE_INIT_PASSTHROUGH | WIRE_INIT_DONT_MASK };
	struct wire_init i = { .minor = 40, .flags = UINT64_MAX };
	struct wire_req req = begin(&m);

	uint64_t all = vn_flags_carried();

	for (unsigned n = 0; n < sizeof(never) / sizeof(never[0]); n++) {
		ck_assert_uint_eq(vn_flags_carried() & never[n], 0);
		all |= never[n];
	}
	ck_assert_uint_eq(all, (UINT64_C(1) << 43) - 1); /* each is thought of */
	ck_assert_uint_eq(req.in.init.flags, WIRE_INIT_ASYNC_READ | WIRE_INIT_DONT_MASK);
	ck_assert_uint_eq(req.in.init.flags2, 0);
	answer(&req, &i, WIRE_MINOR_MAX);
	ended(&m, 0, NULL);
	ck_assert_uint_eq(m.got.flags, WIRE_INIT_ASYNC_READ | WIRE_INIT_DONT_MASK);
	ck_assert(!conn_proto(f->conn)->setxattr_ext);
}
END_TEST

/* The daemon's time limit for a request is the host's to keep, when it has one. _i: 0 agreed, 1 not offered, 2 not answered */
START_TEST(request_timeout)
{
	struct mounting m = { .want.flags = _i == 1 ? WIRE_INIT_ASYNC_READ : UINT64_MAX };
	struct wire_init i = {
		.minor = 45, .flags = WIRE_INIT_EXT | (_i == 2 ? 0 : WIRE_INIT_REQUEST_TIMEOUT), .request_timeout = 30
	};
	struct wire_req req = begin(&m);

	answer(&req, &i, WIRE_MINOR_MAX);
	ended(&m, 0, NULL);
	ck_assert_uint_eq(m.got.request_timeout, _i == 0 ? 30 : 0);
}
END_TEST

/* Daemons of every minor, who answer in the length of their time. */
START_TEST(minors)
{
	struct mounting m = { 0 };
	struct wire_req req = begin(&m);
	uint32_t minor = (uint32_t)_i;
	struct wire_init i = { .minor = minor,
		.max_readahead = 65536,
		.flags = WIRE_INIT_ASYNC_READ | WIRE_INIT_MAX_PAGES,
		.max_background = 12,
		.congestion_threshold = 9,
		.max_write = 100000,
		.max_pages = 20,
		.time_gran = 100 };

	answer(&req, &i, minor);
	ended(&m, 0, NULL);
	ck_assert_uint_eq(m.got.minor, minor < WIRE_MINOR_MAX ? minor : WIRE_MINOR_MAX);
	ck_assert_uint_eq(conn_proto(f->conn)->minor, m.got.minor);
	ck_assert_uint_eq(m.got.max_write, 100000);
	ck_assert_uint_eq(m.got.max_readahead, 65536);
	ck_assert_uint_eq(m.got.max_background, minor >= 13 ? 12 : 0);
	ck_assert_uint_eq(m.got.congestion_threshold, minor >= 13 ? 9 : 0);
	ck_assert_uint_eq(m.got.time_gran, minor >= 23 ? 100 : 1);
	ck_assert_uint_eq(m.got.max_pages, minor >= 23 ? 20 : 1); /* the flag without its number */
}
END_TEST

START_TEST(bounds)
{
	struct mounting m = { 0 };
	struct wire_req req = begin(&m);
	struct wire_init i = { .minor = 31, .max_readahead = UINT32_MAX };
	uint32_t room = (uint32_t)(conn_max_out(f->conn) - 4096) / 4096 * 4096;

	if (_i == 0) { /* no answer to what was not asked: the defaults */
		answer(&req, &i, WIRE_MINOR_MAX);
		ck_assert_uint_eq(m.got.max_write, 4096);
		ck_assert_uint_eq(m.got.max_pages, 32);
	} else { /* more than we carry */
		i.max_write = UINT32_MAX;
		i.max_pages = UINT16_MAX;
		i.flags = WIRE_INIT_MAX_PAGES;
		answer(&req, &i, WIRE_MINOR_MAX);
		ck_assert_uint_eq(m.got.max_write, room < CONN_DATA_MAX ? room : CONN_DATA_MAX);
		ck_assert_uint_eq(m.got.max_pages, m.got.max_write / 4096);
	}
	ended(&m, 0, NULL);
	ck_assert_uint_eq(m.got.max_readahead, 131072);
}
END_TEST

/* Nobody is promised a message that a socket does not take. */
START_TEST(small_sockets)
{
	static const int bytes[] = { 1, 10000, 16384, 50000, 106496 };
	struct mounting m = { 0 };
	struct wire_init i = { .minor = 31, .max_write = 1 << 20, .max_pages = 256, .flags = WIRE_INIT_MAX_PAGES };
	struct wire_req req;
	size_t room;

	fake_stop(f);
	fake_start(f, (size_t)bytes[_i]);
	ck_assert_int_eq(vn_mount_new(f->loop, f->conn, &f->mp), 0);
	room = conn_max_in(f->conn);
	req = begin(&m);
	answer(&req, &i, WIRE_MINOR_MAX);
	ended(&m, 0, NULL);
	ck_assert_uint_ge(m.got.max_pages, 1);
	ck_assert_uint_le(m.got.max_pages * 4096 + sizeof(struct wire_out_header), room);
	ck_assert(m.got.max_pages == 1 || (m.got.max_pages + 2) * 4096 > room); /* and not much less */
	ck_assert_uint_le(m.got.max_write, conn_max_out(f->conn));
}
END_TEST

START_TEST(too_old)
{
	struct mounting m = { 0 };
	struct wire_req req = begin(&m);
	struct wire_init i = { .major = _i == 0 ? 6 : _i == 1 ? 8 : 7, .minor = 7 };

	if (_i == 3)
		i.minor = 0;
	answer(&req, &i, WIRE_MINOR_MAX);
	ended(&m, EPROTO, _i < 2 ? "another major version" : "older than 7.8");
}
END_TEST

START_TEST(refused)
{
	struct mounting m = { 0 };
	struct wire_req req = begin(&m);

	fake_error(f, &req, EPERM);
	ended(&m, EPROTO, "refused INIT: Operation not permitted");
}
END_TEST

/* Answers of every length from 8 bytes on are taken; what is missing is 0. */
START_TEST(lengths)
{
	static uint8_t body[5000];
	struct wire_init_out *out = (void *)body;
	struct mounting m = { 0 };
	struct wire_req req = begin(&m);

	*out = (struct wire_init_out){ .major = 7, .minor = 31, .max_write = 65536 };
	fake_reply(f, &req, NULL, body, (size_t)_i);
	if (_i >= 8) {
		ended(&m, 0, NULL);
		ck_assert_uint_eq(m.got.minor, 31);
		ck_assert_uint_eq(m.got.max_write, _i >= 24 - 1 ? 65536 : 4096); /* its last byte is 0 anyway */
	} else {
		ended(&m, ENOTCONN, "did not answer INIT");
		ck_assert_uint_eq(f->deaths, 1);
		ck_assert_ptr_nonnull(strstr(f->why, "INIT"));
	}
}
END_TEST

START_TEST(garbage)
{
	uint8_t junk[200];
	struct mounting m = { 0 };
	struct wire_req req = begin(&m);

	srandom((unsigned)_i);
	for (unsigned i = 0; i < sizeof(junk); i++)
		junk[i] = (uint8_t)random();
	if (_i % 2 == 0) { /* not a FUSE daemon at all */
		fake_send(f, junk, sizeof(junk));
		fake_turn(f);
		ended(&m, ENOTCONN, "did not answer INIT");
		ck_assert_uint_eq(f->deaths, 1);
	} else { /* a header that is right before it */
		fake_reply(f, &req, NULL, junk, 64);
		ended(&m, EPROTO, "cannot be used");
	}
}
END_TEST

START_TEST(death)
{
	struct mounting m = { 0 };

	(void)begin(&m);
	fake_close(f);
	fake_turn(f);
	ended(&m, ENOTCONN, "did not answer INIT");
	ck_assert_uint_eq(f->deaths, 1);
	m.done = false;
	ck_assert_int_eq(co_start(mounting_main, &m), 0);
	ended(&m, ENOTCONN, "did not answer INIT");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("vnode_init");
	TCase *t = tcase_create("init");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, offer, 8, 50);
	tcase_add_test(t, offer_masked);
	tcase_add_loop_test(t, request_timeout, 0, 3);
	tcase_add_loop_test(t, minors, 8, 50);
	tcase_add_loop_test(t, bounds, 0, 2);
	tcase_add_loop_test(t, small_sockets, 0, 5);
	tcase_add_loop_test(t, too_old, 0, 4);
	tcase_add_test(t, refused);
	tcase_add_loop_test(t, lengths, 0, 70);
	tcase_add_loop_test(t, lengths, 4000, 4002);
	tcase_add_loop_test(t, garbage, 0, 10);
	tcase_add_test(t, death);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

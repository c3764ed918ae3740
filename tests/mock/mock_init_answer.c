/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INIT's answer: what becomes of its numbers, which of its lengths will do, and what is refused for good.
 */
#include "life.h"

/* ---- numbers ---- */

static long
write_100000(struct actor *a)
{
	memset(a->buf, 'x', 100000);
	a->fd = open(its_file(a), O_WRONLY);
	step(a, pwrite(a->fd, a->buf, 100000, 0));
	return step(a, close(a->fd));
}

static void
takes_writes_of(struct mock *m, uint32_t size)
{
	struct actor *a = start(m, write_100000);
	struct req *r;
	uint64_t at = 0;

	answer_opened(m, 0, WIRE_FOPEN_DIRECT_IO);
	while (at < 100000) {
		r = expect(m, WIRE_WRITE);
		check_u(r->in.write.offset, at);
		check_u(r->in.write.size, 100000 - at < size ? 100000 - at : size);
		reply_write(m, r, r->in.write.size);
		at += r->in.write.size;
	}
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 0, 100000, 0);
}

MOCK_CASE(init_max_write, .max_write = 16384)
{
	takes_writes_of(m, 16384);
}
MOCK_CASE(init_max_write_tiny, .max_write = 100)
{
	takes_writes_of(m, 4096);
} /* a page is the least */
MOCK_CASE(init_max_write_odd, .max_write = 10000)
{
	takes_writes_of(m, 10000);
}
MOCK_CASE(init_max_pages, .max_pages = 4)
{
	takes_writes_of(m, 16384);
}
MOCK_CASE(init_max_write_impossible, .max_write = UINT32_MAX - 65536,
    .native = "the kernel refuses the daemon's reads then: its buffer has to be as large")
{
	takes_writes_of(m, 100000);
}

static void
answer_init_with(struct mock *m, struct wire_init_out o, size_t len)
{
	struct req *r = expect_init(m);

	o.major = 7;
	o.minor = mock_offer(m)->minor;
	reply_init_raw(m, r, &o, len);
}

MOCK_CASE(init_max_write_zero, .no_init = true)
{
	answer_init_with(m, (struct wire_init_out){ .flags = (uint32_t)WIRE_INIT_BIG_WRITES }, 64);
	takes_writes_of(m, 4096);
}

MOCK_CASE(init_max_pages_zero, .no_init = true)
{
	answer_init_with(m,
	    (struct wire_init_out){ .flags = (uint32_t)WIRE_INIT_MAX_PAGES, .max_write = 1 << 20, .max_pages = 0 }, 64);
	takes_writes_of(m, 4096);
}

MOCK_CASE(init_max_pages_impossible, .no_init = true)
{
	answer_init_with(m,
	    (struct wire_init_out){ .flags = (uint32_t)WIRE_INIT_MAX_PAGES, .max_write = 1 << 20, .max_pages = 65535 },
	    64);
	takes_writes_of(m, 100000);
}

static long
write_mib(struct actor *a)
{
	a->fd = open(its_file(a), O_WRONLY);
	step(a, pwrite(a->fd, a->buf, 1 << 20, 0));
	return step(a, close(a->fd));
}

/* Without MAX_PAGES a message has 32 pages. */
MOCK_CASE(init_no_max_pages, .no_flags = WIRE_INIT_MAX_PAGES)
{
	struct actor *a = start(m, write_mib);

	answer_opened(m, 0, WIRE_FOPEN_DIRECT_IO);
	for (int i = 0; i < 8; i++) {
		struct req *r = expect(m, WIRE_WRITE);

		check_u(r->in.write.size, 131072);
		reply_write(m, r, 131072);
	}
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 0, 1 << 20, 0);
}

/* Without BIG_WRITES a cached write is cut at pages. */
static long
write_8192(struct actor *a)
{
	a->fd = open(its_file(a), O_WRONLY);
	step(a, pwrite(a->fd, a->buf, 8192, 0));
	return step(a, close(a->fd));
}

static void
takes_8192(struct mock *m, uint32_t size)
{
	struct actor *a = start(m, write_8192);

	answer_opened(m, 0, 0);
	answer_no_caps(m);
	for (uint32_t at = 0; at < 8192; at += size) {
		struct req *r = expect(m, WIRE_WRITE);

		check_u(r->in.write.offset, at);
		check_u(r->in.write.size, size);
		reply_write(m, r, size);
	}
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 0, 8192, 0);
}

MOCK_CASE(init_big_writes)
{
	takes_8192(m, 8192);
}
MOCK_CASE(init_no_big_writes, .no_flags = WIRE_INIT_BIG_WRITES)
{
	takes_8192(m, 4096);
}

static void
reads_ahead(struct mock *m, uint32_t least, uint32_t most)
{
	struct actor *a = start(m, do_read);
	struct req *r;

	answer_opened(m, 1 << 20, 0);
	r = expect(m, WIRE_READ);
	check_u(r->in.read.offset, 0);
	check_that(r->in.read.size >= least && r->in.read.size <= most);
	reply_data(m, r, a->buf, r->in.read.size);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, 100, 0);
}

MOCK_CASE(init_no_readahead, .max_readahead = 1)
{
	reads_ahead(m, 4096, 4096);
}
MOCK_CASE(init_readahead, .max_readahead = 16384)
{
	reads_ahead(m, 8192, 16384);
}
MOCK_CASE(init_readahead_offered)
{
	reads_ahead(m, 16384, 131072);
}

static long
set_times(struct actor *a)
{
	struct timespec t[2] = { { 5, 123456789 }, { 6, 987654321 } };

	return step(a, utimensat(AT_FDCWD, its_file(a), t, 0));
}

static void
sets_times(struct mock *m, uint32_t atime, uint32_t mtime)
{
	struct actor *a = start(m, set_times);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, 10);
	r = expect(m, WIRE_SETATTR);
	check_u(r->in.setattr.atime, 5);
	check_u(r->in.setattr.atimensec, atime);
	check_u(r->in.setattr.mtime, 6);
	check_u(r->in.setattr.mtimensec, mtime);
	reply_attr(m, r, LONG, an_attr(2, REG, 10));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(init_time_gran_1)
{
	sets_times(m, 123456789, 987654321);
}
MOCK_CASE(init_time_gran_1000, .time_gran = 1000)
{
	sets_times(m, 123456000, 987654000);
}
MOCK_CASE(init_time_gran_second, .time_gran = 1000000000)
{
	sets_times(m, 0, 0);
}
MOCK_CASE(init_time_gran_impossible, .time_gran = 2000000000)
{
	sets_times(m, 123456789, 987654321);
}

/* ---- answers of odd lengths ---- */

MOCK_CASE(init_answer_24, .no_init = true)
{
	answer_init_with(m, (struct wire_init_out){ .max_write = 65536, .flags = (uint32_t)WIRE_INIT_BIG_WRITES }, 24);
	takes_writes_of(m, 65536);
}

MOCK_CASE(init_answer_8, .no_init = true)
{
	answer_init_with(m, (struct wire_init_out){ 0 }, 8);
	works(m, "file");
}

/* What is not there counts as 0. */
MOCK_CASE(init_answer_40, .no_init = true)
{
	answer_init_with(m, (struct wire_init_out){ .max_write = 65536, .flags = (uint32_t)WIRE_INIT_BIG_WRITES }, 40);
	takes_writes_of(m, 65536);
}

/* Natively the mount is there and refuses; through perfuse its engine ends, and perfused unmounts it. */
static void
is_refused(struct mock *m, struct actor *a)
{
	struct actor *b;

	finish(a);
	check_i(a->step[0].ret, -1);
	if (mock_is_native(m) || a->step[0].err != ENOTCONN)
		check_step(a, 0, -1, ECONNREFUSED);
	b = start(m, do_stat); /* and it stays so */
	finish(b);
	check_i(b->step[0].ret, -1);
	if (mock_is_native(m) || b->step[0].err != ENOTCONN)
		check_step(b, 0, -1, ECONNREFUSED);
	if (!mock_is_native(m))
		expect_dead(m);
}

MOCK_CASE(init_minor_7_refused, .no_init = true, .native = "the kernel speaks 7.7, too")
{
	struct req *r = expect_init(m);
	struct wire_init i = { .major = 7, .minor = 7, .max_write = 4096 };
	struct actor *a = start(m, do_stat);

	reply_init(m, r, &i);
	is_refused(m, a);
	engine_logs(m, "failed: the daemon's answer to INIT cannot be used: it speaks a protocol older than 7.8");
}

static void
bad_init(struct mock *m, const void *answer, size_t len, int32_t error, int native, const char *why)
{
	struct actor *a = start(m, do_stat);
	struct req *r = expect_init(m);
	int e = send_reply(m, r, error, answer, len);

	check_i(e, mock_is_native(m) ? native : 0);
	is_refused(m, a);
	engine_logs(m, why);
}

MOCK_CASE(init_major_8, .no_init = true)
{
	bad_init(m, &(struct wire_init_out){ .major = 8, .minor = 1 }, 64, 0, 0, "another major version");
}

MOCK_CASE(init_major_8_short, .no_init = true)
{
	bad_init(m, &(struct wire_init_out){ .major = 8, .minor = 1 }, 8, 0, 0, "another major version");
}

/* A daemon that answers with its own major first, and then with ours: the kernel asks once only. */
MOCK_CASE(init_major_8_then_7, .no_init = true)
{
	struct wire_init_out o = { .major = 8, .minor = 1 };
	struct actor *a = start(m, do_stat);
	struct req *r = expect_init(m);

	check_i(send_reply(m, r, 0, &o, 64), 0);
	o.major = 7;
	o.minor = 31;
	(void)send_reply(m, r, 0, &o, 64);
	is_refused(m, a);
	engine_logs(m, "failed: ");
}

MOCK_CASE(init_major_6, .no_init = true)
{
	bad_init(m, &(struct wire_init_out){ .major = 6, .minor = 1 }, 24, 0, 0, "another major version");
}

MOCK_CASE(init_major_0, .no_init = true)
{
	bad_init(m, &(struct wire_init_out){ 0 }, 64, 0, 0, "another major version");
}

MOCK_CASE(init_error, .no_init = true)
{
	bad_init(m, NULL, 0, -EPERM, 0, "the daemon refused INIT");
}
MOCK_CASE(init_error_enosys, .no_init = true)
{
	bad_init(m, NULL, 0, -ENOSYS, 0, "the daemon refused INIT");
}
MOCK_CASE(init_empty, .no_init = true)
{
	bad_init(m, NULL, 0, 0, 0, "the reply is too short");
}

MOCK_CASE(init_short, .no_init = true)
{
	bad_init(m, &(struct wire_init_out){ 0 }, 4, 0, 0, "the reply is too short");
}

/* Longer than we know: perfuse takes the beginning, for the sake of daemons that are newer. */
MOCK_CASE(init_longer, .no_init = true, .native = "the kernel refuses it")
{
	struct req *r = expect_init(m);
	uint8_t o[80] = { 0 };

	memcpy(o, &(struct wire_init_out){ .major = 7, .minor = 31 }, 64);
	reply_init_raw(m, r, (void *)o, sizeof(o));
	works(m, "file");
}

MOCK_CASE(init_over_long, .no_init = true, .perfuse = "an answer to INIT may be longer: the beginning counts")
{
	uint8_t o[80] = { 0 };

	memcpy(o, &(struct wire_init_out){ .major = 7, .minor = 31 }, 64);
	bad_init(m, o, sizeof(o), 0, EINVAL, "");
}

MOCK_CASE(init_payload_on_error, .no_init = true)
{
	uint8_t o[64] = { 0 };

	bad_init(m, o, sizeof(o), -EPERM, EINVAL, "");
}

MOCK_CASE(init_twice, .no_init = true)
{
	struct req *r = expect_init(m);

	reply_init(m, r, NULL);
	works(m, "file");
	check_i(send_reply(m, r, 0, &(struct wire_init_out){ .major = 7, .minor = 12 }, 64),
	    mock_is_native(m) ? ENOENT : 0);
	works(m, "another");
}

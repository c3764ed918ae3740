/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks and ranges of files (lock.c, extent.c): the request that a daemon sees, field by field, the result that a host gets, and
 * answers that cannot be. Errors passed on and operations that a daemon does not have are in test_vnode_errors.c.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */
#include "fake_host.c"   /* NOLINT(bugprone-suspicious-include) */

static struct fake fake, *f = &fake;
static uint64_t file, other, file_open, other_open; /* the engine's; the daemon's are: */
enum { FILE_D = 1000, OTHER_D = 2000, FILE_FH = 77, OTHER_FH = 88 };

static void
setup_as(uint32_t minor)
{
	fake_start(f, 0);
	fake_mount(f, minor, 0);
	file = a_node(f, VN_ROOT_ID, "file", FILE_D, S_IFREG | 0644);
	other = a_node(f, VN_ROOT_ID, "other", OTHER_D, S_IFREG | 0644);
	file_open = a_file(f, file, FILE_FH, false);
	other_open = a_file(f, other, OTHER_FH, false);
}

static void
setup(void)
{
	setup_as(WIRE_MINOR_MAX);
}

static void
again(uint32_t minor)
{
	fake_stop(f);
	setup_as(minor);
}

static void
teardown(void)
{
	fake_stop(f);
}

static void
reply(const struct wire_req *req, const union wire_out *out)
{
	fake_reply(f, req, out, NULL, 0);
}

#define OUT(...) (&(union wire_out){ __VA_ARGS__ })

/* ---- locks ---- */

static struct op
lock_op(void)
{
	return (struct op){ .nodeid = file,
		.file = file_open,
		.lock = { .start = 10, .end = 19, .type = F_WRLCK, .pid = 4321, .owner = UINT64_MAX - 5 } };
}

static void
check_lock(const struct wire_req *req, const struct vop_lock *l)
{
	ck_assert_uint_eq(req->hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req->in.lk.fh, FILE_FH);
	ck_assert_uint_eq(req->in.lk.owner, l->owner);
	ck_assert_uint_eq(req->in.lk.lk.start, l->start);
	ck_assert_uint_eq(req->in.lk.lk.end, l->end);
	ck_assert_uint_eq(req->in.lk.lk.type, l->type);
	ck_assert_uint_eq(req->in.lk.lk.pid, l->pid);
	ck_assert_uint_eq(req->in.lk.lk_flags, l->flock ? WIRE_LK_FLOCK : 0);
}

/* _i & 1: wait; _i & 2: flock's */
START_TEST(setlk)
{
	static const uint32_t types[] = { F_RDLCK, F_WRLCK, F_UNLCK };
	struct op op = lock_op();
	struct wire_req req;

	op.run = op_setlk;
	op.wait = (_i & 1) != 0;
	op.lock.flock = (_i & 2) != 0;
	for (int i = 0; i < 3; i++) {
		op.lock.type = types[i];
		op.lock.end = i == 2 ? INT64_MAX : 19;
		req = op_ask(f, &op, op.wait ? WIRE_SETLKW : WIRE_SETLK);
		check_lock(&req, &op.lock);
		reply(&req, NULL);
		op_ended(&op, 0);
	}
	req = op_ask(f, &op, op.wait ? WIRE_SETLKW : WIRE_SETLK);
	fake_error(f, &req, EAGAIN);
	op_ended(&op, EAGAIN);
}
END_TEST

/* Somebody waits for a lock; others go on meanwhile; the caller gives up. */
START_TEST(setlkw_interrupted)
{
	struct op op = lock_op(), two = lock_op();
	struct wire_req req, req2, intr;

	op.run = two.run = op_setlk;
	op.wait = true;
	req = op_ask(f, &op, WIRE_SETLKW);
	two.lock.type = F_UNLCK;
	req2 = op_ask(f, &two, WIRE_SETLK);
	reply(&req2, NULL);
	op_ended(&two, 0);
	ck_assert(!op.done);
	vn_interrupt(f->mp, op.co);
	intr = fake_expect(f, WIRE_INTERRUPT);
	ck_assert_uint_eq(intr.in.interrupt.unique, req.hdr.unique);
	fake_error(f, &req, EINTR);
	op_ended(&op, EINTR);
}
END_TEST

START_TEST(getlk)
{
	struct op op = lock_op();
	struct wire_req req;

	op.run = op_getlk;
	req = op_ask(f, &op, WIRE_GETLK);
	check_lock(&req, &op.lock);
	reply(&req, OUT(.lk.lk = { 3, INT64_MAX, F_RDLCK, 99 }));
	op_ended(&op, 0);
	ck_assert_uint_eq(op.lock.start, 3);
	ck_assert_uint_eq(op.lock.end, INT64_MAX);
	ck_assert_uint_eq(op.lock.type, F_RDLCK);
	ck_assert_uint_eq(op.lock.pid, 99);
	op = lock_op();
	op.run = op_getlk;
	req = op_ask(f, &op, WIRE_GETLK);
	reply(&req, OUT(.lk.lk = { 7, 7, F_WRLCK, 1 }));
	op_ended(&op, 0);
	ck_assert_uint_eq(op.lock.type, F_WRLCK);
	req = op_ask(f, &op, WIRE_GETLK); /* free: the rest is not looked at */
	reply(&req, OUT(.lk.lk = { UINT64_MAX, 1, F_UNLCK, 0 }));
	op_ended(&op, 0);
	ck_assert_uint_eq(op.lock.type, F_UNLCK);
}
END_TEST

START_TEST(getlk_nonsense)
{
	static const struct wire_file_lock odd[] = { { 0, 1, 3, 1 }, { 0, 1, UINT32_MAX, 1 }, { 5, 4, F_RDLCK, 1 },
		{ 0, UINT64_C(1) << 63, F_WRLCK, 1 }, { UINT64_C(1) << 63, UINT64_MAX, F_RDLCK, 1 } };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct op op = lock_op();
		struct wire_req req;

		op.run = op_getlk;
		req = op_ask(f, &op, WIRE_GETLK);
		reply(&req, OUT(.lk.lk = odd[i]));
		op_ended(&op, EIO);
		ck_assert_uint_eq(op.lock.pid, 4321); /* as it was */
	}
	ck_assert(conn_alive(f->conn));
}
END_TEST

/* The owner that ends POSIX locks at flush, and the flag that ends flock's at release. */
START_TEST(owner_at_the_end)
{
	struct op op = { .run = op_flush, .nodeid = file, .file = file_open, .owner = UINT64_MAX - 5 };
	struct wire_req req = op_ask(f, &op, WIRE_FLUSH);

	ck_assert_uint_eq(req.in.flush.lock_owner, UINT64_MAX - 5);
	reply(&req, NULL);
	op.run = op_release;
	op.xflags = WIRE_RELEASE_FLOCK_UNLOCK;
	req = op_ask(f, &op, WIRE_RELEASE);
	ck_assert_uint_eq(req.in.release.lock_owner, UINT64_MAX - 5);
	ck_assert_uint_eq(req.in.release.release_flags, WIRE_RELEASE_FLOCK_UNLOCK);
	reply(&req, NULL);
	op_ended(&op, 0);
}
END_TEST

/* ---- ranges ---- */

START_TEST(fallocate_)
{
	static const uint32_t good[] = { 0, 1, 3, 0x10, 0x11 }, bad[] = { 4, 8, 0x20, 0x40, 0x13 | 0x80 };
	struct op op = { .run = op_fallocate, .nodeid = file, .file = file_open, .offset = 5, .size = INT64_MAX };
	struct wire_req req;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		op.mode = good[i];
		req = op_ask(f, &op, WIRE_FALLOCATE);
		ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
		ck_assert_uint_eq(req.in.fallocate.fh, FILE_FH);
		ck_assert_uint_eq(req.in.fallocate.offset, 5);
		ck_assert_uint_eq(req.in.fallocate.length, INT64_MAX);
		ck_assert_uint_eq(req.in.fallocate.mode, good[i]);
		reply(&req, NULL);
		op_ended(&op, 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		op.mode = bad[i];
		op_alone(f, &op, EOPNOTSUPP);
	}
}
END_TEST

START_TEST(lseek_)
{
	struct op op = { .run = op_lseek, .nodeid = file, .file = file_open, .offset = 123, .flags = SEEK_HOLE };
	struct wire_req req = op_ask(f, &op, WIRE_LSEEK);

	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.lseek.fh, FILE_FH);
	ck_assert_uint_eq(req.in.lseek.offset, 123);
	ck_assert_uint_eq(req.in.lseek.whence, SEEK_HOLE);
	reply(&req, OUT(.lseek.offset = INT64_MAX));
	op_ended(&op, 0);
	ck_assert_uint_eq(op.pos, INT64_MAX);
	op.flags = SEEK_DATA;
	req = op_ask(f, &op, WIRE_LSEEK);
	ck_assert_uint_eq(req.in.lseek.whence, SEEK_DATA);
	reply(&req, OUT(.lseek.offset = (uint64_t)INT64_MAX + 1)); /* negative, for the caller */
	op_ended(&op, EINVAL);
	req = op_ask(f, &op, WIRE_LSEEK);
	fake_error(f, &req, ENXIO);
	op_ended(&op, ENXIO);
}
END_TEST

static struct op
copy_op(uint64_t len)
{
	return (struct op){ .run = op_copy_file_range,
		.nodeid = file,
		.file = file_open,
		.newdir = other,
		.file_out = other_open,
		.copy = { 11, 12, len, 0 } };
}

static void
check_copy(const struct wire_req *req, uint64_t len)
{
	const struct wire_copy_file_range_in want = { FILE_FH, 11, OTHER_D, OTHER_FH, 12, len, 0 };

	ck_assert_uint_eq(req->hdr.nodeid, FILE_D);
	ck_assert_mem_eq(&req->in.copy_file_range, &want, sizeof(want));
}

START_TEST(copy_wide)
{
	struct op op = copy_op(INT64_MAX);
	struct wire_req req = op_ask(f, &op, WIRE_COPY_FILE_RANGE_64);

	check_copy(&req, INT64_MAX);
	reply(&req, OUT(.copy_file_range.bytes_copied = INT64_MAX));
	op_ended(&op, 0);
	ck_assert_uint_eq(op.pos, INT64_MAX);
	op = copy_op(100);
	req = op_ask(f, &op, WIRE_COPY_FILE_RANGE_64);
	reply(&req, OUT(.copy_file_range.bytes_copied = 99));
	op_ended(&op, 0);
	ck_assert_uint_eq(op.pos, 99);
	req = op_ask(f, &op, WIRE_COPY_FILE_RANGE_64);
	reply(&req, OUT(.copy_file_range.bytes_copied = 101));
	op_ended(&op, EIO);
	req = op_ask(f, &op, WIRE_COPY_FILE_RANGE_64);
	reply(&req, OUT(.copy_file_range.bytes_copied = UINT64_MAX));
	op_ended(&op, EIO);
	ck_assert(conn_alive(f->conn));
}
END_TEST

/* A daemon that does not have the new form. _i: it is older than it, too. */
START_TEST(copy_narrow)
{
	const uint64_t most = UINT32_MAX & ~((uint64_t)sysconf(_SC_PAGESIZE) - 1);
	struct op op = copy_op(most + 1);
	struct wire_req req;

	again(_i == 0 ? 45 : 28);
	op_start(f, &op);
	req = fake_expect(f, WIRE_COPY_FILE_RANGE_64);
	check_copy(&req, most + 1);
	fake_error(f, &req, ENOSYS);
	req = fake_expect(f, WIRE_COPY_FILE_RANGE);
	check_copy(&req, most);
	reply(&req, OUT(.write.size = (uint32_t)most));
	op_ended(&op, 0);
	ck_assert_uint_eq(op.pos, most);
	op = copy_op(100); /* the new form is not tried again */
	req = op_ask(f, &op, WIRE_COPY_FILE_RANGE);
	check_copy(&req, 100);
	reply(&req, OUT(.write.size = 101));
	op_ended(&op, EIO);
	op = copy_op(most + 1); /* more than was asked for, not more than was wanted */
	req = op_ask(f, &op, WIRE_COPY_FILE_RANGE);
	reply(&req, OUT(.write.size = (uint32_t)most + 1));
	op_ended(&op, EIO);
	req = op_ask(f, &op, WIRE_COPY_FILE_RANGE);
	fake_error(f, &req, ENOSYS);
	op_ended(&op, ENOSYS);
	op_alone(f, &op, ENOSYS);
}
END_TEST

/* Handle-less files, and a file copied into itself. */
START_TEST(copy_in_place)
{
	struct op op = copy_op(10);
	struct wire_req req;

	op.newdir = file;
	op.file = op.file_out = 0;
	req = op_ask(f, &op, WIRE_COPY_FILE_RANGE_64);
	ck_assert_uint_eq(req.in.copy_file_range.nodeid_out, FILE_D);
	ck_assert_uint_eq(req.in.copy_file_range.fh_in, 0);
	ck_assert_uint_eq(req.in.copy_file_range.fh_out, 0);
	reply(&req, OUT(.copy_file_range.bytes_copied = 0));
	op_ended(&op, 0);
	ck_assert_uint_eq(op.pos, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("vnode_range");
	TCase *t = tcase_create("ranges");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, setlk, 0, 4);
	tcase_add_test(t, setlkw_interrupted);
	tcase_add_test(t, getlk);
	tcase_add_test(t, getlk_nonsense);
	tcase_add_test(t, owner_at_the_end);
	tcase_add_test(t, fallocate_);
	tcase_add_test(t, lseek_);
	tcase_add_test(t, copy_wide);
	tcase_add_loop_test(t, copy_narrow, 0, 2);
	tcase_add_test(t, copy_in_place);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

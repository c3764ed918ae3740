/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every vnode operation when the daemon fails: errors passed on, operations that it does not have (ENOSYS) and what
 * stands in for them, and its death.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */
#include "fake_host.c"   /* NOLINT(bugprone-suspicious-include) */

static struct fake fake, *f = &fake;
static uint64_t file, dir, file_open, dir_open; /* the engine's; the daemon's are: */
enum { FILE_D = 1000, DIR_D = 2000, FILE_FH = 77, DIR_FH = 88 };

static void
setup(void)
{
	fake_start(f, 0);
	fake_mount(f, WIRE_MINOR_MAX, 0);
	file = a_node(f, VN_ROOT_ID, "file", FILE_D, S_IFREG | 0644);
	dir = a_node(f, VN_ROOT_ID, "dir", DIR_D, S_IFDIR | 0755);
	file_open = a_file(f, file, FILE_FH, false);
	dir_open = a_file(f, dir, DIR_FH, true);
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

static void
reply_bytes(const struct wire_req *req, const void *data, size_t len)
{
	fake_reply(f, req, NULL, data, len);
}

/* ---- errors, and operations that a daemon does not have ---- */

enum { ALWAYS = -1 }; /* of .nosys: the error is passed on and it is asked again */

static const struct {
	void (*run)(struct op *, struct vn_node *);
	uint32_t opcode;
	int nosys; /* what a daemon without it gives */
	bool dir;
} all[] = {
	{ op_lookup, WIRE_LOOKUP, ALWAYS, true }, { op_getattr, WIRE_GETATTR, ALWAYS, false },
	{ op_setattr, WIRE_SETATTR, ALWAYS, false }, { op_readlink, WIRE_READLINK, ALWAYS, false },
	{ op_symlink, WIRE_SYMLINK, ALWAYS, true }, { op_mknod, WIRE_MKNOD, ALWAYS, true },
	{ op_mkdir, WIRE_MKDIR, ALWAYS, true }, { op_unlink, WIRE_UNLINK, ALWAYS, true },
	{ op_rmdir, WIRE_RMDIR, ALWAYS, true }, { op_rename, WIRE_RENAME, ALWAYS, true },
	{ op_link, WIRE_LINK, ENOSYS, true }, { op_statfs, WIRE_STATFS, ALWAYS, false },
	{ op_read, WIRE_READ, ALWAYS, false }, { op_write, WIRE_WRITE, ALWAYS, false },
	{ op_readdir, WIRE_READDIR, ALWAYS, true }, { op_release, WIRE_RELEASE, ALWAYS, false },
	{ op_access, WIRE_ACCESS, ENOSYS, false }, { op_flush, WIRE_FLUSH, ENOSYS, false },
	{ op_fsync, WIRE_FSYNC, ENOSYS, false }, { op_fsync, WIRE_FSYNCDIR, ENOSYS, true },
	{ op_getxattr, WIRE_GETXATTR, ENOSYS, false }, { op_listxattr, WIRE_LISTXATTR, ENOSYS, false },
	{ op_setxattr, WIRE_SETXATTR, ENOSYS, false }, { op_removexattr, WIRE_REMOVEXATTR, ENOSYS, false },
	{ op_rename, WIRE_RENAME2, ENOSYS, true }, { op_open, WIRE_OPEN, 0, false },
	{ op_opendir, WIRE_OPENDIR, 0, true }, { op_create, WIRE_CREATE, ENOSYS, true },
	{ op_getlk, WIRE_GETLK, ALWAYS, false }, { op_setlk, WIRE_SETLK, ALWAYS, false },
	{ op_setlk, WIRE_SETLKW, ALWAYS, false }, { op_ioctl, WIRE_IOCTL, ALWAYS, false },
	{ op_poll, WIRE_POLL, ENOSYS, false }, { op_bmap, WIRE_BMAP, ENOSYS, false },
	{ op_fallocate, WIRE_FALLOCATE, ENOSYS, false }, { op_lseek, WIRE_LSEEK, ENOSYS, false },
	{ op_statx, WIRE_STATX, ENOSYS, false }, { op_syncfs, WIRE_SYNCFS, ENOSYS, false },
	{ op_tmpfile, WIRE_TMPFILE, ENOSYS, true },
	{ op_copy_file_range, WIRE_COPY_FILE_RANGE_64, ENOSYS, false }, /* and COPY_FILE_RANGE behind it */
};
enum { ALL = sizeof(all) / sizeof(all[0]) };

static struct op
any_op(int i)
{
	struct op op = { .run = all[i].run,
		.nodeid = all[i].dir ? dir : file,
		.file = all[i].dir ? dir_open : file_open,
		.dir = all[i].dir,
		.name = "n",
		.newname = "m",
		.newdir = all[i].opcode == WIRE_LINK || all[i].opcode == WIRE_COPY_FILE_RANGE_64 ? file : VN_ROOT_ID,
		.wait = all[i].opcode == WIRE_SETLKW,
		.flags = all[i].opcode == WIRE_RENAME2 ? 2 : 0,
		.data = "x",
		.len = 1,
		.io.size = 100 };

	return op;
}

START_TEST(errors)
{
	struct vn_counts before = counts(f), after;

	for (int error = 1; error < 512; error += error < 50 ? 1 : 23) {
		struct op op = any_op(_i);
		struct wire_req req;

		if (error == ENOSYS)
			continue;
		if (all[_i].opcode == WIRE_RELEASE)
			op.file = a_file(f, file, FILE_FH, false);
		req = op_ask(f, &op, all[_i].opcode);
		ck_assert_uint_eq(counts(f).waiting, 1);
		fake_error(f, &req, error);
		op_ended(&op, error);
	}
	fake_quiet(f);
	after = counts(f);
	ck_assert_mem_eq(&before, &after, sizeof(before));
}
END_TEST

START_TEST(nosys)
{
	for (int round = 0; round < 3; round++) {
		struct op op = any_op(_i);
		struct wire_req req;

		if (round > 0 && all[_i].nosys != ALWAYS) {
			op_alone(f, &op, all[_i].nosys); /* not asked again */
			continue;
		}
		if (all[_i].opcode == WIRE_RELEASE)
			op.file = a_file(f, file, FILE_FH, false);
		req = op_ask(f, &op, all[_i].opcode);
		fake_error(f, &req, ENOSYS);
		if (all[_i].opcode == WIRE_COPY_FILE_RANGE_64) {
			req = fake_expect(f, WIRE_COPY_FILE_RANGE);
			fake_error(f, &req, ENOSYS);
		}
		op_ended(&op, all[_i].nosys == ALWAYS ? ENOSYS : all[_i].nosys);
	}
	ck_assert(conn_alive(f->conn));
	for (int i = 0; i < ALL; i++) { /* the others are asked as before */
		struct op op = any_op(i);
		struct wire_req req;

		if (i == _i)
			continue;
		req = op_ask(f, &op, all[i].opcode);
		fake_error(f, &req, EPERM);
		op_ended(&op, EPERM);
		if (all[i].opcode == WIRE_RELEASE && !vn_handleless(f->mp, false))
			file_open = a_file(f, file, FILE_FH, false);
	}
}
END_TEST

/* A daemon of any minor is asked, and says what it does not have; RENAME2 alone is ruled out by the minor, as in the kernel. */
START_TEST(any_minor)
{
	static const uint32_t minors[] = { WIRE_MINOR_MIN, 22, 23, 31, WIRE_MINOR_MAX };
	struct op op = any_op(_i);
	struct wire_req req;

	if (wire_op(all[_i].opcode)->since <= WIRE_MINOR_MIN)
		return; /* all have it */
	for (size_t i = 0; i < sizeof(minors) / sizeof(minors[0]); i++) {
		fake_stop(f);
		fake_start(f, 0);
		fake_mount(f, minors[i], 0);
		op.nodeid = op.newdir = VN_ROOT_ID;
		op.file = 0;
		if (all[_i].opcode == WIRE_RENAME2 && minors[i] < 23) {
			op_alone(f, &op, ENOSYS);
			continue;
		}
		req = op_ask(f, &op, all[_i].opcode);
		if (all[_i].opcode == WIRE_COPY_FILE_RANGE_64) { /* the older form takes its place */
			fake_error(f, &req, ENOSYS);
			req = fake_expect(f, WIRE_COPY_FILE_RANGE);
			fake_error(f, &req, EPERM);
			op_ended(&op, EPERM);
			req = op_ask(f, &op, WIRE_COPY_FILE_RANGE);
		}
		fake_error(f, &req, EPERM);
		op_ended(&op, EPERM);
	}
}
END_TEST

START_TEST(all_when_dead)
{
	struct op op = any_op(_i);

	(void)op_ask(f, &op, all[_i].opcode);
	fake_close(f);
	fake_turn(f);
	op_ended(&op, ENOTCONN);
	if (all[_i].opcode != WIRE_RELEASE) { /* there is nothing left to release */
		op = any_op(_i);
		op_start(f, &op);
		op_ended(&op, ENOTCONN);
	}
	ck_assert_uint_eq(f->deaths, 1);
}
END_TEST

/* Switched off (PERFUSE_OPTIONS). */
START_TEST(no_create)
{
	struct op op = { .run = op_create, .nodeid = dir, .name = "new", .flags = O_RDWR | O_CREAT, .mode = 0666 };

	vn_mount_switch(f->mp, VN_NO_CREATE);
	op_alone(f, &op, ENOSYS);
}
END_TEST

START_TEST(no_access)
{
	struct op op = { .run = op_access, .nodeid = file, .mode = 7 };

	vn_mount_switch(f->mp, VN_NO_ACCESS);
	op_alone(f, &op, ENOSYS);
}
END_TEST

/* A daemon without OPEN: I/O carries no handle, and nothing is released. */
START_TEST(handleless)
{
	struct op op = { .run = _i == 0 ? op_open : op_opendir, .nodeid = _i == 0 ? file : dir };
	struct op io = { .nodeid = op.nodeid, .io.size = 10, .dir = _i == 1 };
	struct wire_req req;
	uint64_t first;

	ck_assert(!vn_handleless(f->mp, _i == 1));
	req = op_ask(f, &op, _i == 0 ? WIRE_OPEN : WIRE_OPENDIR);
	fake_error(f, &req, ENOSYS);
	op_ended(&op, 0);
	ck_assert(vn_handleless(f->mp, _i == 1));
	ck_assert(!vn_handleless(f->mp, _i == 0)); /* the other kind is another matter */
	ck_assert_uint_ne(op.open_flags & VOP_OPEN_KEEP_CACHE, 0);
	first = op.file;
	op_alone(f, &op, 0);
	ck_assert_uint_ne(op.file, first);
	ck_assert_uint_eq(counts(f).files, 4);
	io.file = first;
	io.run = _i == 0 ? op_read : op_readdir;
	req = op_ask(f, &io, _i == 0 ? WIRE_READ : WIRE_READDIR);
	ck_assert_uint_eq(req.in.read.fh, 0);
	reply_bytes(&req, NULL, 0);
	op_ended(&io, 0);
	vop_data_done(&io.out);
	io.run = op_getattr; /* a file's is named all the same, as the kernel does */
	req = op_ask(f, &io, WIRE_GETATTR);
	ck_assert_uint_eq(req.in.getattr.getattr_flags, _i == 0 ? WIRE_GETATTR_FH : 0);
	ck_assert_uint_eq(req.in.getattr.fh, 0);
	fake_error(f, &req, EIO);
	io.run = op_setattr;
	req = op_ask(f, &io, WIRE_SETATTR);
	ck_assert_uint_eq(req.in.setattr.valid, _i == 0 ? WIRE_FATTR_FH : 0);
	ck_assert_uint_eq(req.in.setattr.fh, 0);
	fake_error(f, &req, EIO);
	io.run = op_fsync;
	req = op_ask(f, &io, _i == 0 ? WIRE_FSYNC : WIRE_FSYNCDIR);
	ck_assert_uint_eq(req.in.fsync.fh, 0);
	reply(&req, NULL);
	io.run = op_release;
	op_alone(f, &io, 0);
	ck_assert_ptr_null(vn_file_get(f->mp, first, NULL));
	vop_release_unused(f->mp, vn_file_get(f->mp, op.file, NULL));
	fake_quiet(f);
	/* Files that were opened before are released as ever. */
	io.file = _i == 0 ? file_open : dir_open;
	req = op_ask(f, &io, _i == 0 ? WIRE_RELEASE : WIRE_RELEASEDIR);
	reply(&req, NULL);
	op_ended(&io, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("vnode_errors");
	TCase *t = tcase_create("errors");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, errors, 0, ALL);
	tcase_add_loop_test(t, nosys, 0, ALL);
	tcase_add_loop_test(t, any_minor, 0, ALL);
	tcase_add_loop_test(t, all_when_dead, 0, ALL);
	tcase_add_test(t, no_create);
	tcase_add_test(t, no_access);
	tcase_add_loop_test(t, handleless, 0, 2);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

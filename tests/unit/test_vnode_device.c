/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IOCTL, POLL, BMAP, SYNCFS, STATX: the request that a daemon sees, field by field, the result that a host gets, and answers
 * that cannot be. Errors passed on and operations that a daemon does not have are in test_vnode_errors.c.
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

#define OUT(...) (&(union wire_out){ __VA_ARGS__ })

/* ---- ioctl ---- */

static uint8_t bytes[20000]; /* more than any ioctl has */

static struct op
ioctl_op(const void *in, uint32_t in_size, uint32_t out_size)
{
	return (struct op){ .run = op_ioctl,
		.nodeid = file,
		.file = file_open,
		.ioctl = { .cmd = 0xc0de,
		    .arg = UINT64_MAX - 1,
		    .in = in,
		    .in_size = in_size,
		    .out_size = out_size,
		    .flags = VOP_IOCTL_32BIT | VOP_IOCTL_COMPAT } };
}

static struct wire_req
ioctl_ask(struct op *op)
{
	struct wire_req req = op_ask(f, op, WIRE_IOCTL);

	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.ioctl.fh, FILE_FH);
	ck_assert_uint_eq(req.in.ioctl.cmd, 0xc0de);
	ck_assert_uint_eq(req.in.ioctl.arg, UINT64_MAX - 1);
	ck_assert_uint_eq(req.in.ioctl.flags, WIRE_IOCTL_32BIT | WIRE_IOCTL_COMPAT);
	ck_assert_uint_eq(req.in.ioctl.in_size, op->ioctl.in_size);
	ck_assert_uint_eq(req.in.ioctl.out_size, op->ioctl.out_size);
	ck_assert_uint_eq(req.datalen, op->ioctl.in_size);
	ck_assert_mem_eq(req.data, op->ioctl.in, req.datalen);
	return req;
}

START_TEST(ioctl_)
{
	static const struct {
		uint32_t in, out, answered;
		int32_t result;
	} some[] = { { 0, 0, 0, 0 }, { 4, 0, 0, 7 }, { 0, 8, 8, INT32_MAX }, { 8, 8, 3, 0 }, { 0, 8, 0, -EBUSY },
		{ 16383, 16383, 16383, INT32_MIN } };

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		struct op op = ioctl_op(bytes, some[i].in, some[i].out);
		struct wire_req req = ioctl_ask(&op);

		fake_reply(f, &req, OUT(.ioctl.result = some[i].result), bytes, some[i].answered);
		op_ended(&op, 0);
		ck_assert_int_eq(op.result, some[i].result);
		ck_assert_uint_eq(op.out.len, some[i].answered);
		ck_assert_mem_eq(op.out.p, bytes, op.out.len);
		vop_data_done(&op.out);
	}
}
END_TEST

START_TEST(ioctl_flags)
{
	static const uint32_t given[] = { 0, VOP_IOCTL_DIR, VOP_IOCTL_COMPAT_X32 | VOP_IOCTL_32BIT | VOP_IOCTL_COMPAT,
		WIRE_IOCTL_UNRESTRICTED | VOP_IOCTL_32BIT };
	struct op op = ioctl_op(bytes, 0, 0);

	op.nodeid = dir;
	op.file = dir_open;
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		struct wire_req req;

		op.ioctl.flags = given[i];
		req = op_ask(f, &op, WIRE_IOCTL);
		ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
		ck_assert_uint_eq(req.in.ioctl.fh, DIR_FH);
		ck_assert_uint_eq(req.in.ioctl.flags, given[i] & ~WIRE_IOCTL_UNRESTRICTED);
		fake_reply(f, &req, OUT(.ioctl.result = 0), NULL, 0);
		op_ended(&op, 0);
		vop_data_done(&op.out);
	}
}
END_TEST

/* Those on directories the minor rules out, as in the kernel. */
START_TEST(ioctl_dir_minor)
{
	for (uint32_t minor = 17; minor <= 18; minor++) {
		struct op op = ioctl_op(bytes, 0, 0);
		struct wire_req req;

		fake_stop(f);
		fake_start(f, 0);
		fake_mount(f, minor, 0);
		op.nodeid = VN_ROOT_ID;
		op.file = 0;
		req = op_ask(f, &op, WIRE_IOCTL);
		fake_error(f, &req, EPERM);
		op_ended(&op, EPERM);
		op.ioctl.flags = VOP_IOCTL_DIR;
		if (minor < 18) {
			op_alone(f, &op, ENOSYS);
			continue;
		}
		req = op_ask(f, &op, WIRE_IOCTL);
		fake_error(f, &req, EPERM);
		op_ended(&op, EPERM);
	}
}
END_TEST

/* It may have one ioctl and not another. */
START_TEST(ioctl_nosys)
{
	for (int i = 0; i < 3; i++) {
		struct op op = ioctl_op(bytes, 0, 0);
		struct wire_req req = ioctl_ask(&op);

		fake_error(f, &req, ENOSYS);
		op_ended(&op, ENOSYS);
	}
}
END_TEST

/* What cannot be fails the request; _i: RETRY, also with its lists; too many bytes. */
START_TEST(ioctl_nonsense)
{
	static const struct {
		uint32_t flags, out, answered;
	} odd[] = { { WIRE_IOCTL_RETRY, 8, 0 }, { WIRE_IOCTL_RETRY, 0, 32 }, { WIRE_IOCTL_RETRY | 8, 8, 8 },
		{ 0, 0, 1 }, { 0, 8, 9 }, { 0, 8, 4096 }, { 0, 4095, 20000 } };
	struct op op = ioctl_op(bytes, 0, odd[_i].out);
	struct wire_req req = ioctl_ask(&op);

	fake_reply(f, &req, OUT(.ioctl = { 0, odd[_i].flags, 1, 1 }), bytes, odd[_i].answered);
	op_ended(&op, EIO);
	ck_assert(conn_alive(f->conn));
	req = ioctl_ask(&op);
	fake_reply(f, &req, OUT(.ioctl.result = 5), NULL, 0);
	op_ended(&op, 0);
	ck_assert_int_eq(op.result, 5);
	vop_data_done(&op.out);
}
END_TEST

/* ---- poll, bmap, syncfs ---- */

START_TEST(poll_)
{
	struct op op = { .run = op_poll,
		.nodeid = file,
		.file = file_open,
		.kh = UINT64_MAX - 7,
		.flags = VOP_POLL_SCHEDULE_NOTIFY,
		.mode = 0x80000041 };
	struct wire_req req = op_ask(f, &op, WIRE_POLL);

	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.poll.fh, FILE_FH);
	ck_assert_uint_eq(req.in.poll.kh, UINT64_MAX - 7);
	ck_assert_uint_eq(req.in.poll.flags, WIRE_POLL_SCHEDULE_NOTIFY);
	ck_assert_uint_eq(req.in.poll.events, 0x80000041);
	fake_reply(f, &req, OUT(.poll.revents = 0xffff0001), NULL, 0);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.revents, 0xffff0001);
}
END_TEST

START_TEST(bmap)
{
	struct op op = { .run = op_bmap, .nodeid = file, .offset = UINT64_MAX, .mode = 4096 };
	struct wire_req req = op_ask(f, &op, WIRE_BMAP);

	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.bmap.block, UINT64_MAX);
	ck_assert_uint_eq(req.in.bmap.blocksize, 4096);
	fake_reply(f, &req, OUT(.bmap.block = UINT64_MAX - 1), NULL, 0);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.pos, UINT64_MAX - 1);
}
END_TEST

START_TEST(syncfs_)
{
	struct op op = { .run = op_syncfs, .nodeid = VN_ROOT_ID };
	struct wire_req req = op_ask(f, &op, WIRE_SYNCFS);

	ck_assert_uint_eq(req.hdr.nodeid, WIRE_ROOT_ID);
	ck_assert_uint_eq(req.in.syncfs.padding, 0);
	fake_reply(f, &req, NULL, NULL, 0);
	op_ended(&op, 0);
}
END_TEST

/* ---- statx ---- */

static const struct wire_statx full = { .mask = 0xfff,
	.blksize = 2,
	.attributes = UINT64_MAX,
	.nlink = 4,
	.uid = 5,
	.gid = 6,
	.mode = S_IFREG | 0640,
	.ino = 8,
	.size = INT64_MAX,
	.blocks = 10,
	.attributes_mask = 11,
	.atime = { -1, 999999999, 0 },
	.btime = { 14, 15, 0 },
	.ctime = { INT64_MAX, 17, 0 },
	.mtime = { INT64_MIN, UINT32_MAX, 0 },
	.rdev_major = 20,
	.rdev_minor = 21,
	.dev_major = 22,
	.dev_minor = 23 };

START_TEST(statx_)
{
	struct op op = { .run = op_statx, .nodeid = file, .flags = 0x2000, .mode = 0xfff };
	struct wire_req req = op_ask(f, &op, WIRE_STATX);
	const struct vop_statx *sx = &op.sx;

	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.statx.getattr_flags, 0);
	ck_assert_uint_eq(req.in.statx.fh, 0);
	ck_assert_uint_eq(req.in.statx.sx_flags, 0x2000);
	ck_assert_uint_eq(req.in.statx.sx_mask, 0xfff);
	fake_reply(f, &req, OUT(.statx = { 5, UINT32_MAX, 0, { 0 }, full }), NULL, 0);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.valid.sec, 5);
	ck_assert_uint_eq(op.valid.nsec, 999999999);
	ck_assert_uint_eq(sx->mask, 0xfff);
	ck_assert_uint_eq(sx->blksize, 2);
	ck_assert_uint_eq(sx->attributes, UINT64_MAX);
	ck_assert_uint_eq(sx->nlink, 4);
	ck_assert_uint_eq(sx->uid, 5);
	ck_assert_uint_eq(sx->gid, 6);
	ck_assert_uint_eq(sx->mode, S_IFREG | 0640);
	ck_assert_uint_eq(sx->ino, 8);
	ck_assert_uint_eq(sx->size, INT64_MAX);
	ck_assert_uint_eq(sx->blocks, 10);
	ck_assert_uint_eq(sx->attributes_mask, 11);
	ck_assert_int_eq(sx->atime.sec, -1);
	ck_assert_uint_eq(sx->atime.nsec, 999999999);
	ck_assert_int_eq(sx->btime.sec, 14);
	ck_assert_uint_eq(sx->btime.nsec, 15);
	ck_assert_int_eq(sx->ctime.sec, INT64_MAX);
	ck_assert_uint_eq(sx->ctime.nsec, 17);
	ck_assert_int_eq(sx->mtime.sec, INT64_MIN);
	ck_assert_uint_eq(sx->mtime.nsec, 999999999);
	ck_assert_uint_eq(sx->rdev_major, 20);
	ck_assert_uint_eq(sx->rdev_minor, 21);
	ck_assert_uint_eq(sx->dev_major, 22);
	ck_assert_uint_eq(sx->dev_minor, 23);
	op.file = file_open;
	req = op_ask(f, &op, WIRE_STATX);
	ck_assert_uint_eq(req.in.statx.getattr_flags, WIRE_GETATTR_FH);
	ck_assert_uint_eq(req.in.statx.fh, FILE_FH);
	fake_error(f, &req, EIO);
}
END_TEST

/* Directories have handles of another kind, which neither GETATTR nor STATX names. */
START_TEST(no_handle_of_directories)
{
	struct op op = { .run = op_statx, .nodeid = dir, .file = dir_open };
	struct wire_req req = op_ask(f, &op, WIRE_STATX);

	ck_assert_uint_eq(req.in.statx.getattr_flags, 0);
	ck_assert_uint_eq(req.in.statx.fh, 0);
	fake_error(f, &req, EIO);
	op.run = op_getattr;
	req = op_ask(f, &op, WIRE_GETATTR);
	ck_assert_uint_eq(req.in.getattr.getattr_flags, 0);
	ck_assert_uint_eq(req.in.getattr.fh, 0);
	fake_error(f, &req, EIO);
}
END_TEST

/* What makes a node bad; _i & 1: the mask says that the field is there, else nobody looks at it. */
START_TEST(statx_nonsense)
{
	static const uint16_t modes[] = { S_IFDIR | 0644, 0644, 0170000, S_IFREG };
	int what = _i / 2;
	struct op op = { .run = op_statx, .nodeid = file, .mode = 0xfff },
		  later = { .run = op_getattr, .nodeid = file };
	struct wire_req req = op_ask(f, &op, WIRE_STATX);
	struct wire_statx sx = full;

	if (what < 4)
		sx.mode = modes[what];
	if (what == 3)
		sx.size = UINT64_C(1) << 63;
	if ((_i & 1) == 0)
		sx.mask = what < 3 ? 0xffe : 0xdff;
	fake_reply(f, &req, OUT(.statx.stat = sx), NULL, 0);
	if ((_i & 1) == 0) {
		op_ended(&op, 0);
		ck_assert_uint_eq(op.sx.mask, sx.mask);
	} else {
		op_ended(&op, EIO);
		op_alone(f, &later, EIO);
		ck_assert(conn_alive(f->conn));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("vnode_device");
	TCase *t = tcase_create("devices");
	SRunner *r;
	int failed;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, ioctl_);
	tcase_add_test(t, ioctl_flags);
	tcase_add_test(t, ioctl_dir_minor);
	tcase_add_test(t, ioctl_nosys);
	tcase_add_loop_test(t, ioctl_nonsense, 0, 7);
	tcase_add_test(t, poll_);
	tcase_add_test(t, bmap);
	tcase_add_test(t, syncfs_);
	tcase_add_test(t, statx_);
	tcase_add_test(t, no_handle_of_directories);
	tcase_add_loop_test(t, statx_nonsense, 0, 8);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

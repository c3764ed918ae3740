/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every vnode operation: the request that a daemon sees, field by field, and the result that a host gets. Errors, and what a
 * daemon does not have, are in test_vnode_errors.c.
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
setup_as(uint32_t minor, uint64_t flags)
{
	fake_start(f, 0);
	fake_mount(f, minor, flags);
	file = a_node(f, VN_ROOT_ID, "file", FILE_D, S_IFREG | 0644);
	dir = a_node(f, VN_ROOT_ID, "dir", DIR_D, S_IFDIR | 0755);
	file_open = a_file(f, file, FILE_FH, false);
	dir_open = a_file(f, dir, DIR_FH, true);
}

static void
setup(void)
{
	setup_as(WIRE_MINOR_MAX, 0);
}

/* As a daemon of another kind. */
static void
again(uint32_t minor, uint64_t flags)
{
	fake_stop(f);
	setup_as(minor, flags);
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

static void
check_attr(const struct vop_attr *a, const struct wire_attr *w)
{
	ck_assert_uint_eq(a->ino, w->ino);
	ck_assert_uint_eq(a->size, w->size);
	ck_assert_uint_eq(a->blocks, w->blocks);
	ck_assert_uint_eq(a->atime, w->atime);
	ck_assert_uint_eq(a->mtime, w->mtime);
	ck_assert_uint_eq(a->ctime, w->ctime);
	ck_assert_uint_eq(a->atimensec, w->atimensec);
	ck_assert_uint_eq(a->mtimensec, w->mtimensec);
	ck_assert_uint_eq(a->ctimensec, w->ctimensec);
	ck_assert_uint_eq(a->mode, w->mode);
	ck_assert_uint_eq(a->nlink, w->nlink);
	ck_assert_uint_eq(a->uid, w->uid);
	ck_assert_uint_eq(a->gid, w->gid);
	ck_assert_uint_eq(a->rdev, w->rdev);
	ck_assert_uint_eq(a->blksize, w->blksize);
	ck_assert_uint_eq(a->flags, w->flags);
}

static const struct wire_attr odd_attr = { 11, 12, 13, 14, 15, 16, 17, 18, 19, S_IFREG | 0640, 21, 22, 23, 24, 25, 26 };

/* ---- names ---- */

START_TEST(lookup)
{
	struct op op = { .run = op_lookup, .nodeid = dir, .name = "a \377\n name" };
	struct wire_req req = op_ask(f, &op, WIRE_LOOKUP);
	union wire_out out = an_entry(5000, 9, S_IFREG);

	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_str_eq(req.name[0], op.name);
	out.entry.attr = odd_attr;
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_ne(op.entry.nodeid, 5000);
	ck_assert_uint_eq(op.entry.generation, 9);
	ck_assert_uint_eq(op.entry.entry_valid.sec, 1);
	ck_assert_uint_eq(op.entry.attr_valid.sec, 2);
	ck_assert_uint_eq(op.entry.entry_valid.nsec, 3);
	ck_assert_uint_eq(op.entry.attr_valid.nsec, 4);
	check_attr(&op.entry.attr, &odd_attr);
}
END_TEST

START_TEST(lookup_negative)
{
	struct op op = { .run = op_lookup, .nodeid = VN_ROOT_ID, .name = "absent" };
	struct wire_req req = op_ask(f, &op, WIRE_LOOKUP);
	union wire_out out = { .entry = { .nodeid = 0, .entry_valid = 7, .entry_valid_nsec = UINT32_MAX } };
	struct vn_counts before = counts(f);

	ck_assert_uint_eq(req.hdr.nodeid, WIRE_ROOT_ID);
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.entry.nodeid, 0);
	ck_assert_uint_eq(op.entry.entry_valid.sec, 7);
	ck_assert_uint_lt(op.entry.entry_valid.nsec, 1000000000);
	ck_assert_uint_eq(counts(f).nodes, before.nodes);
	ck_assert_uint_eq(counts(f).lookups, before.lookups);
}
END_TEST

/* _i: does the daemon apply the umask? */
START_TEST(make)
{
	struct op op = { .nodeid = dir, .name = "new", .newname = "the/target", .umask = 027, .rdev = 0x123 };
	union wire_out out;
	struct wire_req req;

	again(_i < 2 ? WIRE_MINOR_MAX : 11, _i == 0 ? 0 : WIRE_INIT_DONT_MASK);
	op.run = op_mknod;
	op.mode = S_IFCHR | 04777;
	req = op_ask(f, &op, WIRE_MKNOD);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_uint_eq(req.in.mknod.mode, S_IFCHR | (_i == 0 ? 04750 : 04777));
	ck_assert_uint_eq(req.in.mknod.rdev, 0x123);
	ck_assert_uint_eq(req.in.mknod.umask, _i < 2 ? 027 : 0);
	ck_assert_str_eq(req.name[0], "new");
	out = an_entry(5001, 0, S_IFCHR | 0600);
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.entry.attr.size, 6001);

	op.run = op_mkdir;
	op.mode = 01777;
	req = op_ask(f, &op, WIRE_MKDIR);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_uint_eq(req.in.mkdir.mode, _i == 0 ? 01750 : 01777);
	ck_assert_uint_eq(req.in.mkdir.umask, 027);
	ck_assert_str_eq(req.name[0], "new");
	out = an_entry(5002, 0, S_IFDIR | 0700);
	reply(&req, &out);
	op_ended(&op, 0);

	op.run = op_symlink;
	req = op_ask(f, &op, WIRE_SYMLINK);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_str_eq(req.name[0], "new");
	ck_assert_str_eq(req.name[1], "the/target");
	out = an_entry(5003, 0, S_IFLNK | 0777);
	reply(&req, &out);
	op_ended(&op, 0);

	op.run = op_link;
	op.newdir = file;
	req = op_ask(f, &op, WIRE_LINK);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_uint_eq(req.in.link.oldnodeid, FILE_D);
	ck_assert_str_eq(req.name[0], "new");
	out = an_entry(FILE_D, 0, S_IFREG | 0600);
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.entry.nodeid, file);

	op.run = op_create;
	op.flags = O_RDWR | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC;
	op.mode = 0666;
	op.xflags = WIRE_OPEN_KILL_SUIDGID;
	req = op_ask(f, &op, WIRE_CREATE);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_uint_eq(req.in.create.flags, O_RDWR | O_CREAT | O_EXCL | O_TRUNC);
	ck_assert_uint_eq(req.in.create.mode, S_IFREG | (_i == 0 ? 0640 : 0666));
	ck_assert_uint_eq(req.in.create.umask, _i < 2 ? 027 : 0);
	ck_assert_uint_eq(req.in.create.open_flags, _i < 2 ? WIRE_OPEN_KILL_SUIDGID : 0);
	ck_assert_str_eq(req.name[0], "new");
	out = an_entry(5004, 0, S_IFREG | 0600);
	out.create.open = (struct wire_open_out){ .fh = 99, .open_flags = WIRE_FOPEN_DIRECT_IO };
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.open_flags, VOP_OPEN_DIRECT_IO);
	ck_assert_uint_eq(counts(f).files, 3);
	op.run = op_flush;
	op.nodeid = op.entry.nodeid;
	req = op_ask(f, &op, WIRE_FLUSH);
	ck_assert_uint_eq(req.hdr.nodeid, 5004);
	ck_assert_uint_eq(req.in.flush.fh, 99);
	reply(&req, NULL);
	op_ended(&op, 0);
	ck_assert_uint_eq(counts(f).nodes, 7);
}
END_TEST

START_TEST(unmake)
{
	struct op op = { .run = op_unlink, .nodeid = dir, .name = "old", .newname = "new", .newdir = VN_ROOT_ID };
	struct wire_req req = op_ask(f, &op, WIRE_UNLINK);

	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_str_eq(req.name[0], "old");
	reply(&req, NULL);
	op_ended(&op, 0);
	op.run = op_rmdir;
	req = op_ask(f, &op, WIRE_RMDIR);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_str_eq(req.name[0], "old");
	reply(&req, NULL);
	op_ended(&op, 0);
	op.run = op_rename;
	req = op_ask(f, &op, WIRE_RENAME);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_uint_eq(req.in.rename.newdir, WIRE_ROOT_ID);
	ck_assert_str_eq(req.name[0], "old");
	ck_assert_str_eq(req.name[1], "new");
	reply(&req, NULL);
	op_ended(&op, 0);
	op.nodeid = VN_ROOT_ID;
	op.newdir = dir;
	op.flags = 1;
	req = op_ask(f, &op, WIRE_RENAME2);
	ck_assert_uint_eq(req.hdr.nodeid, WIRE_ROOT_ID);
	ck_assert_uint_eq(req.in.rename2.newdir, DIR_D);
	ck_assert_uint_eq(req.in.rename2.flags, 1);
	ck_assert_str_eq(req.name[0], "old");
	ck_assert_str_eq(req.name[1], "new");
	reply(&req, NULL);
	op_ended(&op, 0);
	again(22, 0); /* a daemon older than RENAME2 */
	op.newdir = dir;
	op_alone(f, &op, ENOSYS);
}
END_TEST

START_TEST(readlink_)
{
	static char target[4096];
	struct op op = { .run = op_readlink, .nodeid = file };
	struct wire_req req = op_ask(f, &op, WIRE_READLINK);

	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	reply_bytes(&req, "../x", 4);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.out.len, 4);
	ck_assert_mem_eq(op.out.p, "../x", 4);
	vop_data_done(&op.out);
	memset(target, 't', sizeof(target));
	req = op_ask(f, &op, WIRE_READLINK);
	reply_bytes(&req, target, 4095);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.out.len, 4095);
	vop_data_done(&op.out);
	req = op_ask(f, &op, WIRE_READLINK);
	reply_bytes(&req, target, 4096);
	op_ended(&op, ENOTCONN);
}
END_TEST

/* ---- attributes ---- */

START_TEST(getattr)
{
	struct op op = { .run = op_getattr, .nodeid = file };
	struct wire_req req = op_ask(f, &op, WIRE_GETATTR);
	union wire_out out = { .attr = { .attr_valid = 5, .attr_valid_nsec = 6, .attr = odd_attr } };

	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.getattr.getattr_flags, 0);
	ck_assert_uint_eq(req.in.getattr.fh, 0);
	reply(&req, &out);
	op_ended(&op, 0);
	check_attr(&op.attr, &odd_attr);
	ck_assert_uint_eq(op.valid.sec, 5);
	ck_assert_uint_eq(op.valid.nsec, 6);
	op.file = file_open;
	req = op_ask(f, &op, WIRE_GETATTR);
	ck_assert_uint_eq(req.in.getattr.getattr_flags, WIRE_GETATTR_FH);
	ck_assert_uint_eq(req.in.getattr.fh, FILE_FH);
	out.attr.attr_valid_nsec = 1000000000;
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.valid.nsec, 999999999);
}
END_TEST

START_TEST(setattr)
{
	struct op op = { .run = op_setattr,
		.nodeid = file,
		.set = { 0xffffffff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 },
		.file = _i == 0 ? 0 : file_open };
	struct wire_req req = op_ask(f, &op, WIRE_SETATTR);
	union wire_out out = { .attr = { .attr_valid = 5, .attr_valid_nsec = 6, .attr = odd_attr } };
	const struct wire_setattr_in *in = &req.in.setattr;

	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(in->valid, _i == 0 ? ~WIRE_FATTR_FH : ~0u);
	ck_assert_uint_eq(in->fh, _i == 0 ? 0 : FILE_FH);
	ck_assert_uint_eq(in->mode, 1);
	ck_assert_uint_eq(in->uid, 2);
	ck_assert_uint_eq(in->gid, 3);
	ck_assert_uint_eq(in->size, 4);
	ck_assert_uint_eq(in->lock_owner, 5);
	ck_assert_uint_eq(in->atime, 6);
	ck_assert_uint_eq(in->mtime, 7);
	ck_assert_uint_eq(in->ctime, 8);
	ck_assert_uint_eq(in->atimensec, 9);
	ck_assert_uint_eq(in->mtimensec, 10);
	ck_assert_uint_eq(in->ctimensec, 11);
	reply(&req, &out);
	op_ended(&op, 0);
	check_attr(&op.attr, &odd_attr);
	ck_assert_uint_eq(op.valid.sec, 5);
	ck_assert_uint_eq(op.valid.nsec, 6);
}
END_TEST

START_TEST(access_and_statfs)
{
	struct op op = { .run = op_access, .nodeid = file, .mode = 5 };
	struct wire_req req = op_ask(f, &op, WIRE_ACCESS);
	union wire_out out = { .statfs.st = { 1, 2, 3, 4, 5, 6, 7, 8, 0, { 0 } } };

	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.access.mask, 5);
	reply(&req, NULL);
	op_ended(&op, 0);
	op.run = op_statfs;
	req = op_ask(f, &op, WIRE_STATFS);
	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.st.blocks, 1);
	ck_assert_uint_eq(op.st.bfree, 2);
	ck_assert_uint_eq(op.st.bavail, 3);
	ck_assert_uint_eq(op.st.files, 4);
	ck_assert_uint_eq(op.st.ffree, 5);
	ck_assert_uint_eq(op.st.bsize, 6);
	ck_assert_uint_eq(op.st.namelen, 7);
	ck_assert_uint_eq(op.st.frsize, 8);
}
END_TEST

/* ---- extended attributes; _i: list them, or get one ---- */

START_TEST(xattr_get)
{
	uint32_t opcode = _i == 0 ? WIRE_GETXATTR : WIRE_LISTXATTR;
	struct op op = { .run = _i == 0 ? op_getxattr : op_listxattr, .nodeid = file, .name = "user.a", .len = 10 };
	struct wire_req req = op_ask(f, &op, opcode);
	union wire_out out = { .getxattr.size = 1234 };

	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.getxattr.size, 10);
	if (_i == 0)
		ck_assert_str_eq(req.name[0], "user.a");
	reply_bytes(&req, "abc\0defgh\0", 10);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.need, 10);
	ck_assert_uint_eq(op.out.len, 10);
	ck_assert_mem_eq(op.out.p, "abc\0defgh", 10);
	vop_data_done(&op.out);
	req = op_ask(f, &op, opcode); /* nothing there */
	reply_bytes(&req, NULL, 0);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.out.len, 0);
	vop_data_done(&op.out);
	op.len = 0; /* how long is it? */
	req = op_ask(f, &op, opcode);
	ck_assert_uint_eq(req.in.getxattr.size, 0);
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.need, 1234);
	ck_assert_uint_eq(op.out.len, 0);
	vop_data_done(&op.out);
	out.getxattr.size = UINT32_MAX;
	req = op_ask(f, &op, opcode);
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.need, 65536);
	op.len = 200000; /* no value is longer than 64 KiB, whatever room there is */
	req = op_ask(f, &op, opcode);
	fake_error(f, &req, ERANGE);
	op_ended(&op, ERANGE);
	if (conn_max_in(f->conn) > 70000) {
		static char value[65537];

		req = op_ask(f, &op, opcode);
		reply_bytes(&req, value, sizeof(value));
		op_ended(&op, ENOTCONN);
	}
}
END_TEST

START_TEST(xattr_list_malformed)
{
	static const struct {
		const char *list;
		size_t len;
	} bad[] = { { "abc", 3 }, { "abc\0d", 5 }, { "\0", 1 }, { "abc\0\0", 5 } };
	struct op op = { .run = op_listxattr, .nodeid = file, .len = 100 };
	struct wire_req req = op_ask(f, &op, WIRE_LISTXATTR);

	reply_bytes(&req, bad[_i].list, bad[_i].len);
	op_ended(&op, EIO);
	ck_assert(conn_alive(f->conn));
}
END_TEST

START_TEST(xattr_set)
{
	static char value[65537] = "value";
	struct op op = { .run = op_setxattr, .name = "user.b", .data = value, .len = 5, .flags = 2, .xflags = 1 };
	struct wire_req req;

	again(WIRE_MINOR_MAX, _i == 0 ? 0 : WIRE_INIT_SETXATTR_EXT);
	op.nodeid = file;
	req = op_ask(f, &op, WIRE_SETXATTR);
	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.setxattr.flags, 2);
	ck_assert_uint_eq(req.in.setxattr.setxattr_flags, (unsigned)_i);
	ck_assert_str_eq(req.name[0], "user.b");
	ck_assert_uint_eq(req.datalen, 5);
	ck_assert_mem_eq(req.data, "value", 5);
	reply(&req, NULL);
	op_ended(&op, 0);
	op.data = NULL;
	op.len = 0;
	req = op_ask(f, &op, WIRE_SETXATTR);
	ck_assert_uint_eq(req.datalen, 0);
	reply(&req, NULL);
	op_ended(&op, 0);
	op.data = value;
	op.len = 65536;
	req = op_ask(f, &op, WIRE_SETXATTR);
	ck_assert_uint_eq(req.datalen, 65536);
	reply(&req, NULL);
	op_ended(&op, 0);
	op.len = 65537;
	op_alone(f, &op, E2BIG);
	op.run = op_removexattr;
	req = op_ask(f, &op, WIRE_REMOVEXATTR);
	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_str_eq(req.name[0], "user.b");
	reply(&req, NULL);
	op_ended(&op, 0);
}
END_TEST

/* ---- files ---- */

START_TEST(open_)
{
	struct op op = { .run = op_open,
		.flags = O_RDWR | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND,
		.xflags = WIRE_OPEN_KILL_SUIDGID };
	union wire_out out = { .open = { .fh = 5, .open_flags = 0x7f } };
	struct wire_req req;

	again(WIRE_MINOR_MAX, _i == 0 ? 0 : WIRE_INIT_ATOMIC_O_TRUNC);
	op.nodeid = file;
	req = op_ask(f, &op, WIRE_OPEN);
	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.open.flags, O_RDWR | O_APPEND | (_i == 0 ? 0 : O_TRUNC));
	ck_assert_uint_eq(req.in.open.open_flags, WIRE_OPEN_KILL_SUIDGID);
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.open_flags, 0x7f);
	op.run = op_opendir;
	op.nodeid = dir;
	req = op_ask(f, &op, WIRE_OPENDIR);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_uint_eq(req.in.open.flags, O_RDWR | O_APPEND);
	ck_assert_uint_eq(req.in.open.open_flags, 0);
	reply(&req, &out);
	op_ended(&op, 0);
}
END_TEST

START_TEST(read_)
{
	static char data[4096];
	struct op op = { .run = op_read, .nodeid = file, .file = file_open, .io = { 1ull << 40, 4096, 2, 3, 4 } };
	struct wire_req req = op_ask(f, &op, WIRE_READ);
	const struct wire_read_in *in = &req.in.read;

	memset(data, 'r', sizeof(data));
	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(in->fh, FILE_FH);
	ck_assert_uint_eq(in->offset, 1ull << 40);
	ck_assert_uint_eq(in->size, 4096);
	ck_assert_uint_eq(in->read_flags, 2);
	ck_assert_uint_eq(in->lock_owner, 3);
	ck_assert_uint_eq(in->flags, 4);
	reply_bytes(&req, data, 4096);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.out.len, 4096);
	ck_assert_mem_eq(op.out.p, data, 4096);
	vop_data_done(&op.out);
	op.io.size = 4095;
	req = op_ask(f, &op, WIRE_READ); /* the end of the file */
	reply_bytes(&req, data, 0);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.out.len, 0);
	vop_data_done(&op.out);
	req = op_ask(f, &op, WIRE_READ); /* more than asked */
	reply_bytes(&req, data, 4096);
	op_ended(&op, ENOTCONN);
	ck_assert_uint_eq(f->deaths, 1);
	ck_assert_int_eq(f->death_error, EPROTO);
}
END_TEST

START_TEST(write_)
{
	struct op op = {
		.run = op_write, .file = file_open, .io = { 1ull << 40, 0, 2, 3, 4 }, .data = "12345", .len = 5
	};
	union wire_out out = { .write.size = 5 };
	struct wire_req req;
	const struct wire_write_in *in = &req.in.write;

	if (_i == 8)
		again(8, 0);
	op.nodeid = file;
	req = op_ask(f, &op, WIRE_WRITE);
	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(in->fh, FILE_FH);
	ck_assert_uint_eq(in->offset, 1ull << 40);
	ck_assert_uint_eq(in->size, 5);
	ck_assert_uint_eq(in->write_flags, 2);
	ck_assert_uint_eq(in->lock_owner, _i == 8 ? 0 : 3);
	ck_assert_uint_eq(in->flags, _i == 8 ? 0 : 4);
	ck_assert_uint_eq(req.datalen, 5);
	ck_assert_mem_eq(req.data, "12345", 5);
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.written, 5);
	out.write.size = 3;
	req = op_ask(f, &op, WIRE_WRITE);
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.written, 3);
	out.write.size = 6; /* more than there was */
	req = op_ask(f, &op, WIRE_WRITE);
	reply(&req, &out);
	op_ended(&op, EIO);
	op.io.io_flags = WIRE_WRITE_CACHE; /* where nobody looks at the number */
	req = op_ask(f, &op, WIRE_WRITE);
	reply(&req, &out);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.written, 5);
	ck_assert(conn_alive(f->conn));
}
END_TEST

START_TEST(flush_fsync_release)
{
	struct op op = { .run = op_flush, .nodeid = file, .file = file_open, .owner = 7, .flags = 1, .xflags = 2 };
	struct wire_req req = op_ask(f, &op, WIRE_FLUSH);

	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.flush.fh, FILE_FH);
	ck_assert_uint_eq(req.in.flush.lock_owner, 7);
	reply(&req, NULL);
	op_ended(&op, 0);
	op.run = op_fsync;
	req = op_ask(f, &op, WIRE_FSYNC);
	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.fsync.fh, FILE_FH);
	ck_assert_uint_eq(req.in.fsync.fsync_flags, 1);
	reply(&req, NULL);
	op_ended(&op, 0);
	op.run = op_release;
	op.flags = O_WRONLY | O_APPEND;
	req = op_ask(f, &op, WIRE_RELEASE);
	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.release.fh, FILE_FH);
	ck_assert_uint_eq(req.in.release.flags, O_WRONLY | O_APPEND);
	ck_assert_uint_eq(req.in.release.release_flags, 2);
	ck_assert_uint_eq(req.in.release.lock_owner, 7);
	ck_assert_ptr_null(vn_file_get(f->mp, file_open, NULL)); /* at once */
	fake_error(f, &req, EIO);
	op_ended(&op, EIO);
	op = (struct op){ .run = op_fsync, .nodeid = dir, .file = dir_open, .dir = true };
	req = op_ask(f, &op, WIRE_FSYNCDIR);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_uint_eq(req.in.fsync.fh, DIR_FH);
	reply(&req, NULL);
	op_ended(&op, 0);
	op.run = op_release;
	req = op_ask(f, &op, WIRE_RELEASEDIR);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_uint_eq(req.in.release.fh, DIR_FH);
	reply(&req, NULL);
	op_ended(&op, 0);
	ck_assert_uint_eq(counts(f).files, 0);
}
END_TEST

/* A RELEASE that is interrupted before it could be sent reaches the daemon all the same. */
START_TEST(release_interrupted)
{
	struct op op = { .run = op_release, .nodeid = file, .file = file_open, .flags = O_WRONLY };
	struct wire_req req, intr;

	op_start(f, &op);
	req = fake_expect(f, WIRE_RELEASE);
	vn_interrupt(f->mp, op.co);
	intr = fake_expect(f, WIRE_INTERRUPT);
	ck_assert_uint_eq(intr.in.interrupt.unique, req.hdr.unique);
	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.release.fh, FILE_FH);
	ck_assert_uint_eq(req.in.release.flags, O_WRONLY);
	fake_error(f, &req, EINTR); /* is the daemon's answer: the handle is closed all the same */
	op_ended(&op, EINTR);
	fake_quiet(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("vnode_ops");
	TCase *t = tcase_create("operations");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, lookup);
	tcase_add_test(t, lookup_negative);
	tcase_add_loop_test(t, make, 0, 3);
	tcase_add_test(t, unmake);
	tcase_add_test(t, readlink_);
	tcase_add_test(t, getattr);
	tcase_add_loop_test(t, setattr, 0, 2);
	tcase_add_test(t, access_and_statfs);
	tcase_add_loop_test(t, xattr_get, 0, 2);
	tcase_add_loop_test(t, xattr_list_malformed, 0, 4);
	tcase_add_loop_test(t, xattr_set, 0, 2);
	tcase_add_loop_test(t, open_, 0, 2);
	tcase_add_test(t, read_);
	tcase_add_loop_test(t, write_, 8, 10);
	tcase_add_test(t, flush_fsync_release);
	tcase_add_test(t, release_interrupted);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

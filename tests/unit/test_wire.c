/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire/ as data: our structures and numbers against the kernel's header, the table of opcodes against the structures, INIT in
 * both directions, and the entries of directories. Messages are in test_wire_msg.c.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "wire/wire.h"

#if __has_include(<linux/fuse.h>)
#include <linux/fuse.h>
#endif

/* ---- the kernel's header ---- */

#if defined(FUSE_KERNEL_MINOR_VERSION) && FUSE_KERNEL_MINOR_VERSION >= 38
#define HAVE_KERNEL_HEADER

struct same { /* one thing that both headers have */
	const char *what;
	size_t ours, theirs;
};

#define S(s)                                                                                                           \
	{                                                                                                              \
#s, sizeof(struct wire_##s), sizeof(struct fuse_##s)                                                   \
	}
#define F(s, f)                                                                                                        \
	{ #s "." #f, offsetof(struct wire_##s, f), offsetof(struct fuse_##s, f) },                                     \
	{                                                                                                              \
		"sizeof " #s "." #f, sizeof(((struct wire_##s *)0)->f), sizeof(((struct fuse_##s *)0)->f)              \
	}
#define N(n)                                                                                                           \
	{                                                                                                              \
#n, (size_t)WIRE_##n, (size_t)FUSE_##n                                                                 \
	}
#define I(n)                                                                                                           \
	{                                                                                                              \
#n, (size_t)WIRE_INIT_##n, (size_t)FUSE_##n                                                            \
	}
#define A(n)                                                                                                           \
	{                                                                                                              \
#n, WIRE_##n, n                                                                                        \
	}

/* clang-format off */
static const struct same sizes[] = {
	S(attr), S(kstatfs), S(file_lock), S(entry_out), S(forget_in), S(forget_one), S(batch_forget_in), S(getattr_in),
	S(attr_out), S(mknod_in), S(mkdir_in), S(rename_in), S(rename2_in), S(link_in), S(setattr_in), S(open_in), S(create_in),
	S(open_out), S(release_in), S(flush_in), S(read_in), S(write_in), S(write_out), S(statfs_out), S(fsync_in),
	S(setxattr_in), S(getxattr_in), S(getxattr_out), S(lk_in), S(lk_out), S(access_in), S(init_in), S(init_out),
	S(interrupt_in), S(bmap_in), S(bmap_out), S(ioctl_in), S(ioctl_iovec), S(ioctl_out), S(poll_in), S(poll_out),
	S(notify_poll_wakeup_out), S(fallocate_in), S(in_header), S(out_header), S(dirent), S(direntplus),
	S(notify_inval_inode_out), S(notify_inval_entry_out), S(notify_delete_out), S(notify_store_out),
	S(notify_retrieve_out), S(notify_retrieve_in), S(lseek_in), S(lseek_out), S(copy_file_range_in), S(setupmapping_in),
	S(removemapping_in), S(removemapping_one), S(syncfs_in), S(secctx), S(secctx_header), S(ext_header),
};

/* Fields that a newer header than 7.38 names otherwise (open_out.padding, the end of init_out) are left out. */
static const struct same fields[] = {
	F(attr, ino), F(attr, size), F(attr, blocks), F(attr, atime), F(attr, mtime), F(attr, ctime), F(attr, atimensec),
	F(attr, mtimensec), F(attr, ctimensec), F(attr, mode), F(attr, nlink), F(attr, uid), F(attr, gid), F(attr, rdev),
	F(attr, blksize), F(attr, flags),
	F(kstatfs, blocks), F(kstatfs, bfree), F(kstatfs, bavail), F(kstatfs, files), F(kstatfs, ffree), F(kstatfs, bsize),
	F(kstatfs, namelen), F(kstatfs, frsize), F(kstatfs, padding), F(kstatfs, spare),
	F(file_lock, start), F(file_lock, end), F(file_lock, type), F(file_lock, pid),
	F(entry_out, nodeid), F(entry_out, generation), F(entry_out, entry_valid), F(entry_out, attr_valid),
	F(entry_out, entry_valid_nsec), F(entry_out, attr_valid_nsec), F(entry_out, attr),
	F(forget_in, nlookup), F(forget_one, nodeid), F(forget_one, nlookup), F(batch_forget_in, count),
	F(batch_forget_in, dummy), F(getattr_in, getattr_flags), F(getattr_in, dummy), F(getattr_in, fh),
	F(attr_out, attr_valid), F(attr_out, attr_valid_nsec), F(attr_out, dummy), F(attr_out, attr),
	F(mknod_in, mode), F(mknod_in, rdev), F(mknod_in, umask), F(mknod_in, padding), F(mkdir_in, mode), F(mkdir_in, umask),
	F(rename_in, newdir), F(rename2_in, newdir), F(rename2_in, flags), F(rename2_in, padding), F(link_in, oldnodeid),
	F(setattr_in, valid), F(setattr_in, padding), F(setattr_in, fh), F(setattr_in, size), F(setattr_in, lock_owner),
	F(setattr_in, atime), F(setattr_in, mtime), F(setattr_in, ctime), F(setattr_in, atimensec), F(setattr_in, mtimensec),
	F(setattr_in, ctimensec), F(setattr_in, mode), F(setattr_in, unused4), F(setattr_in, uid), F(setattr_in, gid),
	F(setattr_in, unused5),
	F(open_in, flags), F(open_in, open_flags), F(create_in, flags), F(create_in, mode), F(create_in, umask),
	F(create_in, open_flags), F(open_out, fh), F(open_out, open_flags),
	F(release_in, fh), F(release_in, flags), F(release_in, release_flags), F(release_in, lock_owner),
	F(flush_in, fh), F(flush_in, unused), F(flush_in, padding), F(flush_in, lock_owner),
	F(read_in, fh), F(read_in, offset), F(read_in, size), F(read_in, read_flags), F(read_in, lock_owner), F(read_in, flags),
	F(read_in, padding),
	F(write_in, fh), F(write_in, offset), F(write_in, size), F(write_in, write_flags), F(write_in, lock_owner),
	F(write_in, flags), F(write_in, padding), F(write_out, size), F(write_out, padding), F(statfs_out, st),
	F(fsync_in, fh), F(fsync_in, fsync_flags), F(fsync_in, padding),
	F(setxattr_in, size), F(setxattr_in, flags), F(setxattr_in, setxattr_flags), F(setxattr_in, padding),
	F(getxattr_in, size), F(getxattr_in, padding), F(getxattr_out, size), F(getxattr_out, padding),
	F(lk_in, fh), F(lk_in, owner), F(lk_in, lk), F(lk_in, lk_flags), F(lk_in, padding), F(lk_out, lk),
	F(access_in, mask), F(access_in, padding),
	F(init_in, major), F(init_in, minor), F(init_in, max_readahead), F(init_in, flags), F(init_in, flags2),
	F(init_out, major), F(init_out, minor), F(init_out, max_readahead), F(init_out, flags), F(init_out, max_background),
	F(init_out, congestion_threshold), F(init_out, max_write), F(init_out, time_gran), F(init_out, max_pages),
	F(init_out, map_alignment), F(init_out, flags2),
	F(interrupt_in, unique), F(bmap_in, block), F(bmap_in, blocksize), F(bmap_in, padding), F(bmap_out, block),
	F(ioctl_in, fh), F(ioctl_in, flags), F(ioctl_in, cmd), F(ioctl_in, arg), F(ioctl_in, in_size), F(ioctl_in, out_size),
	F(ioctl_iovec, base), F(ioctl_iovec, len), F(ioctl_out, result), F(ioctl_out, flags), F(ioctl_out, in_iovs),
	F(ioctl_out, out_iovs),
	F(poll_in, fh), F(poll_in, kh), F(poll_in, flags), F(poll_in, events), F(poll_out, revents), F(poll_out, padding),
	F(fallocate_in, fh), F(fallocate_in, offset), F(fallocate_in, length), F(fallocate_in, mode), F(fallocate_in, padding),
	F(in_header, len), F(in_header, opcode), F(in_header, unique), F(in_header, nodeid), F(in_header, uid),
	F(in_header, gid), F(in_header, pid), F(in_header, total_extlen), F(in_header, padding),
	F(out_header, len), F(out_header, error), F(out_header, unique),
	F(dirent, ino), F(dirent, off), F(dirent, namelen), F(dirent, type), F(direntplus, entry_out), F(direntplus, dirent),
	F(notify_poll_wakeup_out, kh), F(notify_inval_inode_out, ino), F(notify_inval_inode_out, off),
	F(notify_inval_inode_out, len), F(notify_inval_entry_out, parent), F(notify_inval_entry_out, namelen),
	F(notify_inval_entry_out, flags), F(notify_delete_out, parent), F(notify_delete_out, child),
	F(notify_delete_out, namelen), F(notify_store_out, nodeid), F(notify_store_out, offset), F(notify_store_out, size),
	F(notify_retrieve_out, notify_unique), F(notify_retrieve_out, nodeid), F(notify_retrieve_out, offset),
	F(notify_retrieve_out, size), F(notify_retrieve_in, offset), F(notify_retrieve_in, size),
	F(lseek_in, fh), F(lseek_in, offset), F(lseek_in, whence), F(lseek_out, offset),
	F(copy_file_range_in, fh_in), F(copy_file_range_in, off_in), F(copy_file_range_in, nodeid_out),
	F(copy_file_range_in, fh_out), F(copy_file_range_in, off_out), F(copy_file_range_in, len), F(copy_file_range_in, flags),
	F(setupmapping_in, fh), F(setupmapping_in, foffset), F(setupmapping_in, len), F(setupmapping_in, flags),
	F(setupmapping_in, moffset), F(removemapping_in, count), F(removemapping_one, moffset), F(removemapping_one, len),
	F(secctx, size), F(secctx_header, size), F(secctx_header, nr_secctx), F(ext_header, size), F(ext_header, type),
};

static const struct same numbers[] = {
	N(KERNEL_VERSION), N(ROOT_ID), N(MIN_READ_BUFFER), N(NAME_OFFSET), N(NAME_OFFSET_DIRENTPLUS),
	N(LOOKUP), N(FORGET), N(GETATTR), N(SETATTR), N(READLINK), N(SYMLINK), N(MKNOD), N(MKDIR), N(UNLINK), N(RMDIR),
	N(RENAME), N(LINK), N(OPEN), N(READ), N(WRITE), N(STATFS), N(RELEASE), N(FSYNC), N(SETXATTR), N(GETXATTR), N(LISTXATTR),
	N(REMOVEXATTR), N(FLUSH), N(INIT), N(OPENDIR), N(READDIR), N(RELEASEDIR), N(FSYNCDIR), N(GETLK), N(SETLK), N(SETLKW),
	N(ACCESS), N(CREATE), N(INTERRUPT), N(BMAP), N(DESTROY), N(IOCTL), N(POLL), N(NOTIFY_REPLY), N(BATCH_FORGET),
	N(FALLOCATE), N(READDIRPLUS), N(RENAME2), N(LSEEK), N(COPY_FILE_RANGE), N(SETUPMAPPING), N(REMOVEMAPPING), N(SYNCFS),
	N(TMPFILE),
	N(NOTIFY_POLL), N(NOTIFY_INVAL_INODE), N(NOTIFY_INVAL_ENTRY), N(NOTIFY_STORE), N(NOTIFY_RETRIEVE), N(NOTIFY_DELETE),
	I(ASYNC_READ), I(POSIX_LOCKS), I(FILE_OPS), I(ATOMIC_O_TRUNC), I(EXPORT_SUPPORT), I(BIG_WRITES), I(DONT_MASK),
	I(SPLICE_WRITE), I(SPLICE_MOVE), I(SPLICE_READ), I(FLOCK_LOCKS), I(HAS_IOCTL_DIR), I(AUTO_INVAL_DATA),
	I(DO_READDIRPLUS), I(READDIRPLUS_AUTO), I(ASYNC_DIO), I(WRITEBACK_CACHE), I(NO_OPEN_SUPPORT), I(PARALLEL_DIROPS),
	I(HANDLE_KILLPRIV), I(POSIX_ACL), I(ABORT_ERROR), I(MAX_PAGES), I(CACHE_SYMLINKS), I(NO_OPENDIR_SUPPORT),
	I(EXPLICIT_INVAL_DATA), I(MAP_ALIGNMENT), I(SUBMOUNTS), I(HANDLE_KILLPRIV_V2), I(SETXATTR_EXT), N(INIT_EXT),
	{ "INIT_RESERVED", (uint32_t)WIRE_INIT_RESERVED, (uint32_t)FUSE_INIT_RESERVED },
	I(SECURITY_CTX), I(HAS_INODE_DAX), I(HAS_EXPIRE_ONLY),
	A(FATTR_MODE), A(FATTR_UID), A(FATTR_GID), A(FATTR_SIZE), A(FATTR_ATIME), A(FATTR_MTIME), A(FATTR_FH),
	A(FATTR_ATIME_NOW), A(FATTR_MTIME_NOW), A(FATTR_LOCKOWNER), A(FATTR_CTIME), A(FATTR_KILL_SUIDGID),
	A(FOPEN_DIRECT_IO), A(FOPEN_KEEP_CACHE), A(FOPEN_NONSEEKABLE), A(FOPEN_CACHE_DIR), A(FOPEN_STREAM), A(FOPEN_NOFLUSH),
	A(FOPEN_PARALLEL_DIRECT_WRITES),
	N(RELEASE_FLUSH), N(RELEASE_FLOCK_UNLOCK), N(GETATTR_FH), N(LK_FLOCK), N(WRITE_CACHE), N(WRITE_LOCKOWNER),
	N(WRITE_KILL_SUIDGID), N(READ_LOCKOWNER), N(IOCTL_COMPAT), N(IOCTL_UNRESTRICTED), N(IOCTL_RETRY), N(IOCTL_32BIT),
	N(IOCTL_DIR), N(IOCTL_COMPAT_X32), N(IOCTL_MAX_IOV), N(POLL_SCHEDULE_NOTIFY), N(FSYNC_FDATASYNC), N(ATTR_SUBMOUNT),
	N(ATTR_DAX), N(OPEN_KILL_SUIDGID), N(SETXATTR_ACL_KILL_SGID), N(EXPIRE_ONLY), N(MAX_NR_SECCTX),
	N(SETUPMAPPING_FLAG_READ), N(SETUPMAPPING_FLAG_WRITE),
};
/* clang-format on */

static void
compare(const struct same *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(
		    s[i].ours == s[i].theirs, "%s: %zu, the kernel has %zu", s[i].what, s[i].ours, s[i].theirs);
}

START_TEST(kernel_header)
{
	compare(sizes, sizeof(sizes) / sizeof(sizes[0]));
	compare(fields, sizeof(fields) / sizeof(fields[0]));
	compare(numbers, sizeof(numbers) / sizeof(numbers[0]));
}
END_TEST
#undef F
#undef S
#endif

/* What is newer than the header of most systems. */
START_TEST(newer_than_header)
{
	ck_assert_uint_eq(sizeof(struct wire_init_in), 64);
	ck_assert_uint_eq(sizeof(struct wire_init_out), 64);
	ck_assert_uint_eq(offsetof(struct wire_init_out, max_stack_depth), 36);
	ck_assert_uint_eq(offsetof(struct wire_init_out, request_timeout), 40);
	ck_assert_uint_eq(offsetof(struct wire_open_out, backing_id), 12);
	ck_assert_uint_eq(sizeof(struct wire_statx_in), 24);
	ck_assert_uint_eq(sizeof(struct wire_statx_out), 288);
	ck_assert_uint_eq(offsetof(struct wire_statx_out, stat), 32);
	ck_assert_uint_eq(sizeof(struct wire_copy_file_range_out), 8);
	ck_assert_uint_eq(sizeof(struct wire_notify_prune_out), 16);
	ck_assert_uint_eq(WIRE_STATX, 52);
	ck_assert_uint_eq(WIRE_COPY_FILE_RANGE_64, 53);
	ck_assert_uint_eq(WIRE_NOTIFY_RESEND, 7);
	ck_assert_uint_eq(WIRE_NOTIFY_INC_EPOCH, 8);
	ck_assert_uint_eq(WIRE_NOTIFY_PRUNE, 9);
	ck_assert_uint_eq(WIRE_INIT_CREATE_SUPP_GROUP, UINT64_C(1) << 34);
	ck_assert_uint_eq(WIRE_INIT_REQUEST_TIMEOUT, UINT64_C(1) << 42);
#define T(f) ck_assert_uint_eq(offsetof(struct wire_statx, f), offsetof(struct statx, stx_##f))
	ck_assert_uint_eq(sizeof(struct wire_statx), sizeof(struct statx));
	T(mask);
	T(blksize);
	T(attributes);
	T(nlink);
	T(uid);
	T(gid);
	T(mode);
	T(ino);
	T(size);
	T(blocks);
	T(attributes_mask);
	T(atime);
	T(btime);
	T(ctime);
	T(mtime);
	T(rdev_major);
	T(rdev_minor);
	T(dev_major);
	T(dev_minor);
#undef T
}
END_TEST

/* ---- the table ---- */

/* Fields in order without a gap, up to the size. */
static void
check_fields(const char *name, const struct wire_field *f, size_t size)
{
	size_t end = 0;

	ck_assert_msg((f == NULL) == (size == 0), "%s: fields without size, or size without fields", name);
	for (; f != NULL && f->name != NULL; f++) {
		ck_assert_msg(f->offset == end, "%s.%s begins at %u, not at %zu", name, f->name, f->offset, end);
		ck_assert_msg(f->form != 0 && strchr("udox-", f->form) != NULL, "%s.%s: form", name, f->name);
		ck_assert_msg(
		    f->form == '-' || f->size == 2 || f->size == 4 || f->size == 8, "%s.%s: size", name, f->name);
		end += f->size;
	}
	ck_assert_msg(end == size, "%s: fields end at %zu, the structure at %zu", name, end, size);
}

START_TEST(table_row)
{
	const struct wire_op *op = wire_op((uint32_t)_i);

	if (_i == 0 || _i == 7 || _i == 19 || _i > 53) {
		ck_assert_ptr_null(op);
		ck_assert_str_eq(wire_opname((uint32_t)_i), "opcode?");
		return;
	}
	ck_assert_msg(op != NULL, "opcode %d has no row", _i);
	ck_assert_ptr_nonnull(op->name);
	ck_assert_str_eq(op->name, wire_opname((uint32_t)_i));
	ck_assert_uint_le(op->since, WIRE_MINOR_MAX);
	ck_assert_uint_ge(op->since, 1);
	ck_assert_uint_le(op->names, WIRE_NAMES_MAX);
	ck_assert_uint_le(op->in_size, sizeof(union wire_in));
	ck_assert_uint_le(op->out_size, sizeof(union wire_out));
	check_fields(op->name, op->in_fields, op->in_size);
	check_fields(op->name, op->out_fields, op->out_size);
}
END_TEST

/* What the kernel sends and takes, in numbers: fixed parts, names, tails ('-' none, 'x' exact, 'd' data), reply or none. */
START_TEST(table_shapes)
{
	static const struct {
		uint32_t opcode;
		size_t in, out;
		int names;
		char in_tail, out_tail;
		bool no_reply, ext;
	} want[] = {
		{ WIRE_LOOKUP, 0, 128, 1, '-', '-', false, false },
		{ WIRE_FORGET, 8, 0, 0, '-', '-', true, false },
		{ WIRE_GETATTR, 16, 104, 0, '-', '-', false, false },
		{ WIRE_SETATTR, 88, 104, 0, '-', '-', false, false },
		{ WIRE_READLINK, 0, 0, 0, '-', 'd', false, false },
		{ WIRE_SYMLINK, 0, 128, 2, '-', '-', false, true },
		{ WIRE_MKNOD, 16, 128, 1, '-', '-', false, true },
		{ WIRE_MKDIR, 8, 128, 1, '-', '-', false, true },
		{ WIRE_UNLINK, 0, 0, 1, '-', '-', false, false },
		{ WIRE_RMDIR, 0, 0, 1, '-', '-', false, false },
		{ WIRE_RENAME, 8, 0, 2, '-', '-', false, false },
		{ WIRE_LINK, 8, 128, 1, '-', '-', false, false },
		{ WIRE_OPEN, 8, 16, 0, '-', '-', false, false },
		{ WIRE_READ, 40, 0, 0, '-', 'd', false, false },
		{ WIRE_WRITE, 40, 8, 0, 'x', '-', false, false },
		{ WIRE_STATFS, 0, 80, 0, '-', '-', false, false },
		{ WIRE_RELEASE, 24, 0, 0, '-', '-', false, false },
		{ WIRE_FSYNC, 16, 0, 0, '-', '-', false, false },
		{ WIRE_SETXATTR, 16, 0, 1, 'x', '-', false, false },
		{ WIRE_GETXATTR, 8, 8, 1, '-', 'd', false, false },
		{ WIRE_LISTXATTR, 8, 8, 0, '-', 'd', false, false },
		{ WIRE_REMOVEXATTR, 0, 0, 1, '-', '-', false, false },
		{ WIRE_FLUSH, 24, 0, 0, '-', '-', false, false },
		{ WIRE_INIT, 64, 64, 0, '-', '-', false, false },
		{ WIRE_OPENDIR, 8, 16, 0, '-', '-', false, false },
		{ WIRE_READDIR, 40, 0, 0, '-', 'd', false, false },
		{ WIRE_RELEASEDIR, 24, 0, 0, '-', '-', false, false },
		{ WIRE_FSYNCDIR, 16, 0, 0, '-', '-', false, false },
		{ WIRE_GETLK, 48, 24, 0, '-', '-', false, false },
		{ WIRE_SETLK, 48, 0, 0, '-', '-', false, false },
		{ WIRE_SETLKW, 48, 0, 0, '-', '-', false, false },
		{ WIRE_ACCESS, 8, 0, 0, '-', '-', false, false },
		{ WIRE_CREATE, 16, 144, 1, '-', '-', false, true },
		{ WIRE_INTERRUPT, 8, 0, 0, '-', '-', false, false },
		{ WIRE_BMAP, 16, 8, 0, '-', '-', false, false },
		{ WIRE_DESTROY, 0, 0, 0, '-', '-', false, false },
		{ WIRE_IOCTL, 32, 16, 0, 'x', 'd', false, false },
		{ WIRE_POLL, 24, 8, 0, '-', '-', false, false },
		{ WIRE_NOTIFY_REPLY, 40, 0, 0, 'x', '-', true, false },
		{ WIRE_BATCH_FORGET, 8, 0, 0, 'x', '-', true, false },
		{ WIRE_FALLOCATE, 32, 0, 0, '-', '-', false, false },
		{ WIRE_READDIRPLUS, 40, 0, 0, '-', 'd', false, false },
		{ WIRE_RENAME2, 16, 0, 2, '-', '-', false, false },
		{ WIRE_LSEEK, 24, 8, 0, '-', '-', false, false },
		{ WIRE_COPY_FILE_RANGE, 56, 8, 0, '-', '-', false, false },
		{ WIRE_SETUPMAPPING, 40, 0, 0, '-', '-', false, false },
		{ WIRE_REMOVEMAPPING, 4, 0, 0, 'x', '-', false, false },
		{ WIRE_SYNCFS, 8, 0, 0, '-', '-', false, false },
		{ WIRE_TMPFILE, 16, 144, 1, '-', '-', false, true },
		{ WIRE_STATX, 24, 288, 0, '-', '-', false, false },
		{ WIRE_COPY_FILE_RANGE_64, 56, 8, 0, '-', '-', false, false },
	};
	static const char tails[] = { [WIRE_TAIL_NONE] = '-', [WIRE_TAIL_DATA] = 'd', [WIRE_TAIL_EXACT] = 'x' };

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const struct wire_op *op = wire_op(want[i].opcode);

		ck_assert_msg(op->in_size == want[i].in && op->out_size == want[i].out && op->names == want[i].names &&
				  tails[op->in_tail] == want[i].in_tail && tails[op->out_tail] == want[i].out_tail &&
				  op->no_reply == want[i].no_reply && op->ext == want[i].ext,
		    "%s is shaped otherwise", op->name);
	}
}
END_TEST

START_TEST(table_ends)
{
	ck_assert_ptr_null(wire_op(UINT32_MAX));
	ck_assert_ptr_null(wire_op(4096));
	ck_assert_str_eq(wire_opname(UINT32_MAX), "opcode?");
	ck_assert_str_eq(wire_opname(WIRE_LOOKUP), "LOOKUP");
	ck_assert_str_eq(wire_opname(WIRE_COPY_FILE_RANGE_64), "COPY_FILE_RANGE_64");
}
END_TEST

/* The sizes that depend on the minor, as numbers. */
START_TEST(sizes_per_minor)
{
	static const struct {
		uint32_t opcode, minor;
		bool ext;
		size_t in, out;
	} want[] = {
		{ WIRE_LOOKUP, 8, false, 0, 120 },
		{ WIRE_LOOKUP, 9, false, 0, 128 },
		{ WIRE_SYMLINK, 8, false, 0, 120 },
		{ WIRE_MKDIR, 8, false, 8, 120 },
		{ WIRE_LINK, 8, false, 8, 120 },
		{ WIRE_MKNOD, 8, false, 8, 120 },
		{ WIRE_MKNOD, 11, false, 8, 128 },
		{ WIRE_MKNOD, 12, false, 16, 128 },
		{ WIRE_GETATTR, 8, false, 16, 96 },
		{ WIRE_GETATTR, 9, false, 16, 104 },
		{ WIRE_SETATTR, 8, false, 88, 96 },
		{ WIRE_SETATTR, 45, false, 88, 104 },
		{ WIRE_WRITE, 8, false, 24, 8 },
		{ WIRE_WRITE, 9, false, 40, 8 },
		{ WIRE_READ, 8, false, 40, 0 },
		{ WIRE_CREATE, 8, false, 8, 136 },
		{ WIRE_CREATE, 11, false, 8, 144 },
		{ WIRE_CREATE, 12, false, 16, 144 },
		{ WIRE_TMPFILE, 37, false, 16, 144 },
		{ WIRE_SETXATTR, 8, false, 8, 0 },
		{ WIRE_SETXATTR, 45, false, 8, 0 },
		{ WIRE_SETXATTR, 45, true, 16, 0 },
		{ WIRE_STATFS, 8, false, 0, 80 },
		{ WIRE_GETLK, 8, false, 48, 24 },
		{ WIRE_INIT, 4, false, 16, 8 },
		{ WIRE_INIT, 22, false, 16, 24 },
		{ WIRE_INIT, 23, false, 16, 64 },
		{ WIRE_INIT, 36, false, 64, 64 },
		{ WIRE_STATX, 39, false, 24, 288 },
		{ 19, 45, false, 0, 0 },
		{ UINT32_MAX, 45, false, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct wire_proto p = { want[i].minor, want[i].ext };

		ck_assert_msg(wire_in_size(&p, want[i].opcode) == want[i].in, "%s 7.%u request: %zu",
		    wire_opname(want[i].opcode), p.minor, wire_in_size(&p, want[i].opcode));
		ck_assert_msg(wire_out_size(&p, want[i].opcode) == want[i].out, "%s 7.%u reply: %zu",
		    wire_opname(want[i].opcode), p.minor, wire_out_size(&p, want[i].opcode));
	}
}
END_TEST

/* ---- INIT ---- */

static const struct wire_init full = {
	.major = 7,
	.minor = 45,
	.max_readahead = 131072,
	.flags = WIRE_INIT_ASYNC_READ | WIRE_INIT_MAX_PAGES | WIRE_INIT_EXT | WIRE_INIT_MAP_ALIGNMENT |
		 WIRE_INIT_PASSTHROUGH | WIRE_INIT_REQUEST_TIMEOUT,
	.max_background = 12,
	.congestion_threshold = 9,
	.max_write = 1 << 20,
	.time_gran = 1000,
	.max_pages = 256,
	.map_alignment = 12,
	.max_stack_depth = 1,
	.request_timeout = 30,
};

START_TEST(init_request)
{
	static const uint32_t minors[] = { 6, 8, 35, 36, 45, 99 };
	uint8_t buf[64];
	struct wire_init i = full, got;

	for (size_t k = 0; k < sizeof(minors) / sizeof(minors[0]); k++) {
		bool ext = minors[k] >= 36;

		i.minor = minors[k];
		ck_assert_uint_eq(wire_init_request(&i, buf, sizeof(buf)), ext ? 64 : 16);
		ck_assert_int_eq(wire_parse_init_request(buf, ext ? 64 : 16, &got), 0);
		ck_assert_uint_eq(got.major, 7);
		ck_assert_uint_eq(got.minor, minors[k]);
		ck_assert_uint_eq(got.max_readahead, full.max_readahead);
		ck_assert_uint_eq(got.flags, ext ? full.flags : (full.flags & UINT32_MAX & ~WIRE_INIT_EXT));
		ck_assert_uint_eq(got.max_write, 0);
		for (size_t len = 0; len < 64; len++) {
			ck_assert_int_eq(wire_parse_init_request(buf, len, &got), !ext && len == 16 ? 0 : EPROTO);
			ck_assert_uint_eq(wire_init_request(&i, buf, len), !ext && len >= 16 ? 16 : 0);
		}
	}
	/* Flags in the upper half bring INIT_EXT with them; without it in a message flags2 does not count. */
	i.minor = 45;
	i.flags = WIRE_INIT_PASSTHROUGH;
	wire_init_request(&i, buf, sizeof(buf));
	ck_assert_int_eq(wire_parse_init_request(buf, 64, &got), 0);
	ck_assert_uint_eq(got.flags, WIRE_INIT_PASSTHROUGH | WIRE_INIT_EXT);
	memset(buf + offsetof(struct wire_init_in, flags), 0, 4);
	ck_assert_int_eq(wire_parse_init_request(buf, 64, &got), 0);
	ck_assert_uint_eq(got.flags, 0);
	/* Another major: what follows is not looked at, but is there. */
	buf[0] = 8;
	ck_assert_int_eq(wire_parse_init_request(buf, 16, &got), 0);
	ck_assert_uint_eq(got.major, 8);
	ck_assert_int_eq(wire_parse_init_request(buf, 15, &got), EPROTO);
}
END_TEST

START_TEST(init_request_longer)
{
	uint8_t buf[80] = { 0 };
	struct wire_init i = full, got;

	i.minor = 60; /* a kernel of the future */
	wire_init_request(&i, buf, sizeof(buf));
	ck_assert_int_eq(wire_parse_init_request(buf, sizeof(buf), &got), 0);
	ck_assert_uint_eq(got.minor, 60);
	ck_assert_uint_eq(got.flags, full.flags);
}
END_TEST

START_TEST(init_reply)
{
	uint8_t buf[80] = { 0 };
	struct wire_init got;
	const char *why = NULL;

	ck_assert_uint_eq(wire_init_reply(&full, 45, buf, 64), 64);
	for (size_t len = 64; len <= sizeof(buf); len += 8) { /* a longer one is cut */
		ck_assert_int_eq(wire_parse_init_reply(buf, len, &got, &why), 0);
		ck_assert_int_eq(memcmp(&got, &full, sizeof(got)), 0);
	}
	for (size_t len = 0; len < 64; len++) {
		why = NULL;
		ck_assert_int_eq(wire_parse_init_reply(buf, len, &got, &why), len >= 8 ? 0 : EPROTO);
		ck_assert_int_eq(why == NULL, len >= 8);
		if (len < 8)
			continue;
		ck_assert_uint_eq(
		    got.minor, full.minor); /* what is missing is 0, a field cut in two is short of its end */
		ck_assert_uint_eq(got.max_readahead, len >= 12 ? full.max_readahead : got.max_readahead);
		ck_assert_uint_eq(got.max_background, len >= 18 ? full.max_background : got.max_background);
		if (len <= 32 || len >= 36)
			ck_assert_int_eq(got.flags == full.flags, len >= 36);
		ck_assert_uint_eq(wire_init_reply(&full, 45, buf, len), 0);
	}
	ck_assert_int_eq(wire_parse_init_reply(buf, 1, &got, NULL), EPROTO);
	buf[0] = 8;
	ck_assert_int_eq(wire_parse_init_reply(buf, 64, &got, &why), EPROTO);
	buf[0] = 6;
	ck_assert_int_eq(wire_parse_init_reply(buf, 64, &got, NULL), EPROTO);
}
END_TEST

START_TEST(init_reply_old)
{
	uint8_t buf[64];
	struct wire_init i = full, got;

	/* 7.4: version only */
	i.minor = 4;
	ck_assert_uint_eq(wire_init_reply(&i, 4, buf, 64), 8);
	ck_assert_int_eq(wire_parse_init_reply(buf, 8, &got, NULL), 0);
	ck_assert_uint_eq(got.max_write, 4096);
	ck_assert_uint_eq(got.flags, 0);
	ck_assert_uint_eq(got.max_pages, 32);
	ck_assert_uint_eq(got.time_gran, 1);
	/* a 7.4 that sends more is not believed */
	ck_assert_uint_eq(wire_init_reply(&i, 22, buf, 64), 24);
	ck_assert_int_eq(wire_parse_init_reply(buf, 24, &got, NULL), 0);
	ck_assert_uint_eq(got.max_write, 4096);
	ck_assert_uint_eq(got.max_readahead, 0);
	/* 7.12: no background limits yet */
	i.minor = 12;
	i.max_write = 65536;
	ck_assert_uint_eq(wire_init_reply(&i, 12, buf, 64), 24);
	ck_assert_int_eq(wire_parse_init_reply(buf, 24, &got, NULL), 0);
	ck_assert_uint_eq(got.max_write, 65536);
	ck_assert_uint_eq(got.max_background, 0);
	ck_assert_uint_eq(got.congestion_threshold, 0);
	ck_assert_uint_eq(got.flags, full.flags & UINT32_MAX & ~WIRE_INIT_EXT);
	/* 7.19 in 24 bytes: the rest has its defaults, even max_pages whose flag is set */
	i.minor = 19;
	ck_assert_uint_eq(wire_init_reply(&i, 19, buf, 64), 24);
	ck_assert_int_eq(wire_parse_init_reply(buf, 24, &got, NULL), 0);
	ck_assert_uint_eq(got.max_background, 12);
	ck_assert_uint_eq(got.max_pages, 1);
	ck_assert_uint_eq(got.time_gran, 1);
	/* 7.31 in 64 bytes: no flags2 */
	i.minor = 31;
	ck_assert_uint_eq(wire_init_reply(&i, 31, buf, 64), 64);
	ck_assert_int_eq(wire_parse_init_reply(buf, 64, &got, NULL), 0);
	ck_assert_uint_eq(got.flags >> 32, 0);
	ck_assert_uint_eq(got.max_pages, 256);
	ck_assert_uint_eq(got.map_alignment, 12);
	ck_assert_uint_eq(got.max_stack_depth, 0);
	ck_assert_uint_eq(got.request_timeout, 0);
}
END_TEST

START_TEST(init_reply_bounds)
{
	uint8_t buf[64];
	struct wire_init i = full, got;

	i.flags = WIRE_INIT_ASYNC_READ;
	i.max_write = 100;
	i.time_gran = 1000000001;
	wire_init_reply(&i, 45, buf, 64);
	ck_assert_int_eq(wire_parse_init_reply(buf, 64, &got, NULL), 0);
	ck_assert_uint_eq(got.max_write, 4096);
	ck_assert_uint_eq(got.time_gran, 1);
	ck_assert_uint_eq(got.max_pages, 32);
	ck_assert_uint_eq(got.map_alignment, 0);
	ck_assert_uint_eq(got.max_stack_depth, 0);
	ck_assert_uint_eq(got.request_timeout, 0);
	i.flags = WIRE_INIT_MAX_PAGES;
	i.max_pages = 0;
	i.time_gran = 1000000000;
	wire_init_reply(&i, 45, buf, 64);
	ck_assert_int_eq(wire_parse_init_reply(buf, 64, &got, NULL), 0);
	ck_assert_uint_eq(got.max_pages, 1);
	ck_assert_uint_eq(got.time_gran, 1000000000);
	/* flags2 without INIT_EXT */
	memset(buf + offsetof(struct wire_init_out, flags2), 0xff, 4);
	ck_assert_int_eq(wire_parse_init_reply(buf, 64, &got, NULL), 0);
	ck_assert_uint_eq(got.flags, WIRE_INIT_MAX_PAGES);
}
END_TEST

/* ---- directories ---- */

static const char *const names[] = { ".", "..", "a", "seven77", "eight888", "nine99999", "\xc3\xa9 \n\"" };
enum { NAMES = sizeof(names) / sizeof(names[0]) };

/* _i: with READDIRPLUS. Every length of the data, in memory of exactly that size: whole entries come, a cut one ends the walk. */
START_TEST(dir_walk)
{
	struct wire_entry_out plus = { .nodeid = 77, .attr = { .mode = 0100644 } };
	struct wire_direntry e = { .plus = _i ? &plus : NULL, .type = 8 };
	size_t head = _i ? 152 : 24, len = 0, end[NAMES];
	uint8_t *buf = calloc(1, 4096), *data;
	struct wire_dir d;

	for (int i = 0; i < NAMES; i++) {
		e.ino = 1000 + (unsigned)i;
		e.off = 1 + (unsigned)i;
		e.name = names[i];
		e.namelen = (uint32_t)strlen(names[i]);
		ck_assert_int_eq(wire_dir_put(buf, len + (head + e.namelen + 7) / 8 * 8 - 1, &len, &e), ENOSPC);
		ck_assert_int_eq(wire_dir_put(buf, 4096, &len, &e), 0);
		end[i] = len;
		ck_assert_uint_eq(len % 8, 0);
		ck_assert_uint_eq(len, (i > 0 ? end[i - 1] : 0) + (head + e.namelen + 7) / 8 * 8);
	}
	for (size_t cut = 0; cut <= len; cut++) {
		int n = 0;

		data = malloc(cut > 0 ? cut : 1);
		memcpy(data, buf, cut);
		wire_dir_init(&d, data, cut, _i != 0);
		while (wire_dir_next(&d, &e) == 0) {
			ck_assert_int_lt(n, NAMES);
			ck_assert_uint_eq(e.ino, 1000 + (unsigned)n);
			ck_assert_uint_eq(e.off, 1 + (unsigned)n);
			ck_assert_uint_eq(e.type, 8);
			ck_assert_uint_eq(e.namelen, strlen(names[n]));
			ck_assert_mem_eq(e.name, names[n], e.namelen);
			ck_assert_int_eq(e.plus != NULL, _i);
			if (e.plus != NULL) {
				ck_assert_uint_eq(e.plus->nodeid, 77);
				ck_assert_uint_eq(e.plus->attr.mode, 0100644);
				e.plus->nodeid = 78; /* in place */
				ck_assert_uint_eq(
				    ((struct wire_entry_out *)(void *)(n > 0 ? data + end[n - 1] : data))->nodeid, 78);
			}
			n++;
		}
		ck_assert_int_eq(wire_dir_next(&d, &e), ENOENT);
		ck_assert_msg(n == NAMES || cut < end[n], "%zu bytes hold %d entries", cut, n);
		ck_assert_msg(n == 0 || cut >= end[n - 1], "%zu bytes hold %d entries", cut, n);
		free(data);
	}
	free(buf);
}
END_TEST

/* _i: with READDIRPLUS. */
START_TEST(dir_malformed)
{
	static const uint32_t bad[] = { 0, 4096, 4097, INT32_MAX, UINT32_MAX - 24, UINT32_MAX };
	static const char *const wrong[] = { "/", "a/", "/a", "a/b" };
	struct wire_entry_out plus = { 0 };
	struct wire_direntry e = { .plus = _i ? &plus : NULL, .name = "name", .namelen = 4 }, got;
	size_t head = _i ? 152 : 24, len = 0, room = 8192;
	uint8_t *buf = calloc(1, room);
	char *name = malloc(4095);
	struct wire_dir d;

	/* A good entry before it is still given. The error stays. */
	ck_assert_int_eq(wire_dir_put(buf, room, &len, &e), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(buf + len + head - 8, &bad[i], 4);
		wire_dir_init(&d, buf, room, _i != 0);
		ck_assert_int_eq(wire_dir_next(&d, &got), 0);
		ck_assert_int_eq(wire_dir_next(&d, &got), EPROTO);
		ck_assert_int_eq(wire_dir_next(&d, &got), EPROTO);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		e.name = wrong[i];
		e.namelen = (uint32_t)strlen(wrong[i]);
		len = 0;
		ck_assert_int_eq(wire_dir_put(buf, room, &len, &e), 0);
		wire_dir_init(&d, buf, len, _i != 0);
		ck_assert_int_eq(wire_dir_next(&d, &got), EPROTO);
	}
	for (uint32_t i = 0; i < 3; i++) { /* a NUL anywhere */
		e.name = i == 0 ? "\0bc" : i == 1 ? "a\0c" : "ab";
		e.namelen = 3;
		len = 0;
		ck_assert_int_eq(wire_dir_put(buf, room, &len, &e), 0);
		wire_dir_init(&d, buf, len, _i != 0);
		ck_assert_int_eq(wire_dir_next(&d, &got), EPROTO);
	}
	memset(name, 'x', 4095); /* the longest name */
	e.name = name;
	e.namelen = 4095;
	len = 0;
	ck_assert_int_eq(wire_dir_put(buf, room, &len, &e), 0);
	wire_dir_init(&d, buf, len, _i != 0);
	ck_assert_int_eq(wire_dir_next(&d, &got), 0);
	ck_assert_uint_eq(got.namelen, 4095);
	/* A name longer than any memory does not fit. */
	e.namelen = UINT32_MAX;
	ck_assert_int_eq(wire_dir_put(buf, room, &len, &e), ENOSPC);
	free(name);
	free(buf);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("wire");
	TCase *t = tcase_create("layout");
	SRunner *r;
	int failed;

#ifdef HAVE_KERNEL_HEADER
	tcase_add_test(t, kernel_header);
#endif
	tcase_add_test(t, newer_than_header);
	tcase_add_loop_test(t, table_row, 0, 64);
	tcase_add_test(t, table_shapes);
	tcase_add_test(t, table_ends);
	tcase_add_test(t, sizes_per_minor);
	suite_add_tcase(s, t);
	t = tcase_create("init");
	tcase_add_test(t, init_request);
	tcase_add_test(t, init_request_longer);
	tcase_add_test(t, init_reply);
	tcase_add_test(t, init_reply_old);
	tcase_add_test(t, init_reply_bounds);
	suite_add_tcase(s, t);
	t = tcase_create("dir");
	tcase_add_loop_test(t, dir_walk, 0, 2);
	tcase_add_loop_test(t, dir_malformed, 0, 2);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

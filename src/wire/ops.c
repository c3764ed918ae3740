/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of opcodes, and below it that of the notifications: for each its name, the parts of its messages and the fields of
 * their fixed parts. Everything else in wire/ is driven by it. Sizes are those of the newest layout; encode.c knows how
 * old minors differ. Called from everywhere; constant.
 */
#include "wire/priv.h"

/*
 * Fields. F() and the forms of it name one field of a structure that begins at base; a structure inside another is listed
 * once, as a macro over its base. tests/unit/test_wire.c checks that no table leaves a gap.
 */
/* clang-format off */
#define F(base, s, f, form) { #f, (base) + offsetof(struct wire_##s, f), sizeof(((struct wire_##s *)0)->f), form }
#define END { NULL, 0, 0, 0 }
/* clang-format on */
#define U(base, s, f) F(base, s, f, 'u')
#define D(base, s, f) F(base, s, f, 'd')
#define O(base, s, f) F(base, s, f, 'o')
#define X(base, s, f) F(base, s, f, 'x')
#define P(base, s, f) F(base, s, f, '-')

#define ATTR(b)                                                                                                        \
	U(b, attr, ino), U(b, attr, size), U(b, attr, blocks), D(b, attr, atime), D(b, attr, mtime),                   \
	    D(b, attr, ctime), U(b, attr, atimensec), U(b, attr, mtimensec), U(b, attr, ctimensec), O(b, attr, mode),  \
	    U(b, attr, nlink), U(b, attr, uid), U(b, attr, gid), X(b, attr, rdev), U(b, attr, blksize),                \
	    X(b, attr, flags)
#define ENTRY                                                                                                          \
	U(0, entry_out, nodeid), U(0, entry_out, generation), U(0, entry_out, entry_valid),                            \
	    U(0, entry_out, attr_valid), U(0, entry_out, entry_valid_nsec), U(0, entry_out, attr_valid_nsec),          \
	    ATTR(offsetof(struct wire_entry_out, attr))
#define OPEN(b) U(b, open_out, fh), X(b, open_out, open_flags), D(b, open_out, backing_id)
#define LOCK(b) U(b, file_lock, start), U(b, file_lock, end), U(b, file_lock, type), U(b, file_lock, pid)
#define KSTATFS(b)                                                                                                     \
	U(b, kstatfs, blocks), U(b, kstatfs, bfree), U(b, kstatfs, bavail), U(b, kstatfs, files),                      \
	    U(b, kstatfs, ffree), U(b, kstatfs, bsize), U(b, kstatfs, namelen), U(b, kstatfs, frsize),                 \
	    P(b, kstatfs, padding), P(b, kstatfs, spare)
/* NOLINTNEXTLINE(bugprone-macro-parentheses): t is a member's name */
#define SX_TIME(b, t) D(b, statx, t.tv_sec), U(b, statx, t.tv_nsec), P(b, statx, t.reserved)
#define STATX(b)                                                                                                       \
	X(b, statx, mask), U(b, statx, blksize), X(b, statx, attributes), U(b, statx, nlink), U(b, statx, uid),        \
	    U(b, statx, gid), O(b, statx, mode), P(b, statx, spare0), U(b, statx, ino), U(b, statx, size),             \
	    U(b, statx, blocks), X(b, statx, attributes_mask), SX_TIME(b, atime), SX_TIME(b, btime),                   \
	    SX_TIME(b, ctime), SX_TIME(b, mtime), U(b, statx, rdev_major), U(b, statx, rdev_minor),                    \
	    U(b, statx, dev_major), U(b, statx, dev_minor), P(b, statx, spare2)

#define FIELDS(s, ...) static const struct wire_field s##_fields[] = { __VA_ARGS__, END }

FIELDS(entry_out, ENTRY);
FIELDS(create_out, ENTRY, OPEN(sizeof(struct wire_entry_out)));
FIELDS(open_out, OPEN(0));
FIELDS(lk_out, LOCK(offsetof(struct wire_lk_out, lk)));
FIELDS(statfs_out, KSTATFS(offsetof(struct wire_statfs_out, st)));
FIELDS(forget_in, U(0, forget_in, nlookup));
FIELDS(batch_forget_in, U(0, batch_forget_in, count), P(0, batch_forget_in, dummy));
FIELDS(getattr_in, X(0, getattr_in, getattr_flags), P(0, getattr_in, dummy), U(0, getattr_in, fh));
FIELDS(attr_out, U(0, attr_out, attr_valid), U(0, attr_out, attr_valid_nsec), P(0, attr_out, dummy),
    ATTR(offsetof(struct wire_attr_out, attr)));
FIELDS(statx_in, X(0, statx_in, getattr_flags), P(0, statx_in, reserved), U(0, statx_in, fh), X(0, statx_in, sx_flags),
    X(0, statx_in, sx_mask));
FIELDS(statx_out, U(0, statx_out, attr_valid), U(0, statx_out, attr_valid_nsec), X(0, statx_out, flags),
    P(0, statx_out, spare), STATX(offsetof(struct wire_statx_out, stat)));
FIELDS(mknod_in, O(0, mknod_in, mode), X(0, mknod_in, rdev), O(0, mknod_in, umask), P(0, mknod_in, padding));
FIELDS(mkdir_in, O(0, mkdir_in, mode), O(0, mkdir_in, umask));
FIELDS(rename_in, U(0, rename_in, newdir));
FIELDS(rename2_in, U(0, rename2_in, newdir), X(0, rename2_in, flags), P(0, rename2_in, padding));
FIELDS(link_in, U(0, link_in, oldnodeid));
FIELDS(setattr_in, X(0, setattr_in, valid), P(0, setattr_in, padding), U(0, setattr_in, fh), U(0, setattr_in, size),
    X(0, setattr_in, lock_owner), D(0, setattr_in, atime), D(0, setattr_in, mtime), D(0, setattr_in, ctime),
    U(0, setattr_in, atimensec), U(0, setattr_in, mtimensec), U(0, setattr_in, ctimensec), O(0, setattr_in, mode),
    P(0, setattr_in, unused4), U(0, setattr_in, uid), U(0, setattr_in, gid), P(0, setattr_in, unused5));
FIELDS(open_in, X(0, open_in, flags), X(0, open_in, open_flags));
FIELDS(create_in, X(0, create_in, flags), O(0, create_in, mode), O(0, create_in, umask), X(0, create_in, open_flags));
FIELDS(release_in, U(0, release_in, fh), X(0, release_in, flags), X(0, release_in, release_flags),
    X(0, release_in, lock_owner));
FIELDS(flush_in, U(0, flush_in, fh), P(0, flush_in, unused), P(0, flush_in, padding), X(0, flush_in, lock_owner));
FIELDS(read_in, U(0, read_in, fh), U(0, read_in, offset), U(0, read_in, size), X(0, read_in, read_flags),
    X(0, read_in, lock_owner), X(0, read_in, flags), P(0, read_in, padding));
FIELDS(write_in, U(0, write_in, fh), U(0, write_in, offset), U(0, write_in, size), X(0, write_in, write_flags),
    X(0, write_in, lock_owner), X(0, write_in, flags), P(0, write_in, padding));
FIELDS(write_out, U(0, write_out, size), P(0, write_out, padding));
FIELDS(fsync_in, U(0, fsync_in, fh), X(0, fsync_in, fsync_flags), P(0, fsync_in, padding));
FIELDS(setxattr_in, U(0, setxattr_in, size), X(0, setxattr_in, flags), X(0, setxattr_in, setxattr_flags),
    P(0, setxattr_in, padding));
FIELDS(getxattr_in, U(0, getxattr_in, size), P(0, getxattr_in, padding));
FIELDS(getxattr_out, U(0, getxattr_out, size), P(0, getxattr_out, padding));
FIELDS(lk_in, U(0, lk_in, fh), X(0, lk_in, owner), LOCK(offsetof(struct wire_lk_in, lk)), X(0, lk_in, lk_flags),
    P(0, lk_in, padding));
FIELDS(access_in, O(0, access_in, mask), P(0, access_in, padding));
FIELDS(init_in, U(0, init_in, major), U(0, init_in, minor), U(0, init_in, max_readahead), X(0, init_in, flags),
    X(0, init_in, flags2), P(0, init_in, unused));
FIELDS(init_out, U(0, init_out, major), U(0, init_out, minor), U(0, init_out, max_readahead), X(0, init_out, flags),
    U(0, init_out, max_background), U(0, init_out, congestion_threshold), U(0, init_out, max_write),
    U(0, init_out, time_gran), U(0, init_out, max_pages), U(0, init_out, map_alignment), X(0, init_out, flags2),
    U(0, init_out, max_stack_depth), U(0, init_out, request_timeout), P(0, init_out, unused));
FIELDS(interrupt_in, U(0, interrupt_in, unique));
FIELDS(bmap_in, U(0, bmap_in, block), U(0, bmap_in, blocksize), P(0, bmap_in, padding));
FIELDS(bmap_out, U(0, bmap_out, block));
FIELDS(ioctl_in, U(0, ioctl_in, fh), X(0, ioctl_in, flags), X(0, ioctl_in, cmd), X(0, ioctl_in, arg),
    U(0, ioctl_in, in_size), U(0, ioctl_in, out_size));
FIELDS(ioctl_out, D(0, ioctl_out, result), X(0, ioctl_out, flags), U(0, ioctl_out, in_iovs), U(0, ioctl_out, out_iovs));
FIELDS(poll_in, U(0, poll_in, fh), U(0, poll_in, kh), X(0, poll_in, flags), X(0, poll_in, events));
FIELDS(poll_out, X(0, poll_out, revents), P(0, poll_out, padding));
FIELDS(fallocate_in, U(0, fallocate_in, fh), U(0, fallocate_in, offset), U(0, fallocate_in, length),
    X(0, fallocate_in, mode), P(0, fallocate_in, padding));
FIELDS(lseek_in, U(0, lseek_in, fh), D(0, lseek_in, offset), U(0, lseek_in, whence), P(0, lseek_in, padding));
FIELDS(lseek_out, D(0, lseek_out, offset));
FIELDS(copy_file_range_in, U(0, copy_file_range_in, fh_in), U(0, copy_file_range_in, off_in),
    U(0, copy_file_range_in, nodeid_out), U(0, copy_file_range_in, fh_out), U(0, copy_file_range_in, off_out),
    U(0, copy_file_range_in, len), X(0, copy_file_range_in, flags));
FIELDS(copy_file_range_out, U(0, copy_file_range_out, bytes_copied));
FIELDS(setupmapping_in, U(0, setupmapping_in, fh), U(0, setupmapping_in, foffset), U(0, setupmapping_in, len),
    X(0, setupmapping_in, flags), U(0, setupmapping_in, moffset));
FIELDS(removemapping_in, U(0, removemapping_in, count));
FIELDS(syncfs_in, P(0, syncfs_in, padding));
FIELDS(notify_retrieve_in, P(0, notify_retrieve_in, dummy1), U(0, notify_retrieve_in, offset),
    U(0, notify_retrieve_in, size), P(0, notify_retrieve_in, dummy2), P(0, notify_retrieve_in, dummy3),
    P(0, notify_retrieve_in, dummy4));

FIELDS(notify_poll_wakeup_out, U(0, notify_poll_wakeup_out, kh));
FIELDS(notify_inval_inode_out, U(0, notify_inval_inode_out, ino), D(0, notify_inval_inode_out, off),
    D(0, notify_inval_inode_out, len));
FIELDS(notify_inval_entry_out, U(0, notify_inval_entry_out, parent), U(0, notify_inval_entry_out, namelen),
    X(0, notify_inval_entry_out, flags));
FIELDS(notify_delete_out, U(0, notify_delete_out, parent), U(0, notify_delete_out, child),
    U(0, notify_delete_out, namelen), P(0, notify_delete_out, padding));
FIELDS(notify_store_out, U(0, notify_store_out, nodeid), U(0, notify_store_out, offset), U(0, notify_store_out, size),
    P(0, notify_store_out, padding));
FIELDS(notify_retrieve_out, U(0, notify_retrieve_out, notify_unique), U(0, notify_retrieve_out, nodeid),
    U(0, notify_retrieve_out, offset), U(0, notify_retrieve_out, size), P(0, notify_retrieve_out, padding));
FIELDS(notify_prune_out, U(0, notify_prune_out, count), P(0, notify_prune_out, padding), P(0, notify_prune_out, spare));

/* ---- opcodes ---- */

#define OP(op, minor) [WIRE_##op] = { .name = #op, .since = minor
#define IN(s) .in_size = sizeof(struct wire_##s), .in_fields = s##_fields
#define OUT(s) .out_size = sizeof(struct wire_##s), .out_fields = s##_fields
#define CREATE_OUT .out_size = sizeof(((union wire_out *)0)->create), .out_fields = create_out_fields
#define IN_EXACT .in_tail = WIRE_TAIL_EXACT
#define OUT_DATA .out_tail = WIRE_TAIL_DATA

/* clang-format off */
static const struct wire_op ops[] = {
	OP(LOOKUP, 1), .names = 1, OUT(entry_out) },
	OP(FORGET, 1), IN(forget_in), .no_reply = true },
	OP(GETATTR, 1), IN(getattr_in), OUT(attr_out) },
	OP(SETATTR, 1), IN(setattr_in), OUT(attr_out) },
	OP(READLINK, 1), OUT_DATA },
	OP(SYMLINK, 1), .names = 2, .ext = true, OUT(entry_out) },
	OP(MKNOD, 1), IN(mknod_in), .names = 1, .ext = true, OUT(entry_out) },
	OP(MKDIR, 1), IN(mkdir_in), .names = 1, .ext = true, OUT(entry_out) },
	OP(UNLINK, 1), .names = 1 },
	OP(RMDIR, 1), .names = 1 },
	OP(RENAME, 1), IN(rename_in), .names = 2 },
	OP(LINK, 1), IN(link_in), .names = 1, OUT(entry_out) },
	OP(OPEN, 1), IN(open_in), OUT(open_out) },
	OP(READ, 1), IN(read_in), OUT_DATA },
	OP(WRITE, 1), IN(write_in), IN_EXACT, OUT(write_out) },
	OP(STATFS, 1), OUT(statfs_out) },
	OP(RELEASE, 1), IN(release_in) },
	OP(FSYNC, 1), IN(fsync_in) },
	OP(SETXATTR, 1), IN(setxattr_in), .names = 1, IN_EXACT },
	OP(GETXATTR, 1), IN(getxattr_in), .names = 1, OUT(getxattr_out), OUT_DATA },
	OP(LISTXATTR, 1), IN(getxattr_in), OUT(getxattr_out), OUT_DATA },
	OP(REMOVEXATTR, 1), .names = 1 },
	OP(FLUSH, 1), IN(flush_in) },
	OP(INIT, 1), IN(init_in), OUT(init_out) },
	OP(OPENDIR, 1), IN(open_in), OUT(open_out) },
	OP(READDIR, 1), IN(read_in), OUT_DATA },
	OP(RELEASEDIR, 1), IN(release_in) },
	OP(FSYNCDIR, 2), IN(fsync_in) },
	OP(GETLK, 7), IN(lk_in), OUT(lk_out) },
	OP(SETLK, 7), IN(lk_in) },
	OP(SETLKW, 7), IN(lk_in) },
	OP(ACCESS, 3), IN(access_in) },
	OP(CREATE, 3), IN(create_in), .names = 1, .ext = true, CREATE_OUT },
	OP(INTERRUPT, 7), IN(interrupt_in) },
	OP(BMAP, 8), IN(bmap_in), OUT(bmap_out) },
	OP(DESTROY, 8) },
	OP(IOCTL, 11), IN(ioctl_in), IN_EXACT, OUT(ioctl_out), OUT_DATA },
	OP(POLL, 11), IN(poll_in), OUT(poll_out) },
	OP(NOTIFY_REPLY, 15), IN(notify_retrieve_in), IN_EXACT, .no_reply = true },
	OP(BATCH_FORGET, 16), IN(batch_forget_in), IN_EXACT, .no_reply = true },
	OP(FALLOCATE, 19), IN(fallocate_in) },
	OP(READDIRPLUS, 21), IN(read_in), OUT_DATA },
	OP(RENAME2, 23), IN(rename2_in), .names = 2 },
	OP(LSEEK, 24), IN(lseek_in), OUT(lseek_out) },
	OP(COPY_FILE_RANGE, 28), IN(copy_file_range_in), OUT(write_out) },
	OP(SETUPMAPPING, 31), IN(setupmapping_in) },
	OP(REMOVEMAPPING, 31), IN(removemapping_in), IN_EXACT },
	OP(SYNCFS, 34), IN(syncfs_in) },
	OP(TMPFILE, 37), IN(create_in), .names = 1, .ext = true, CREATE_OUT },
	OP(STATX, 39), IN(statx_in), OUT(statx_out) },
	OP(COPY_FILE_RANGE_64, 45), IN(copy_file_range_in), OUT(copy_file_range_out) },
};
/* clang-format on */

const struct wire_op *
wire_op(uint32_t opcode)
{
	if (opcode >= sizeof(ops) / sizeof(ops[0]) || ops[opcode].name == NULL)
		return NULL;
	return &ops[opcode];
}

const char *
wire_opname(uint32_t opcode)
{
	const struct wire_op *op = wire_op(opcode);

	return op != NULL ? op->name : "opcode?";
}

/* ---- notifications ---- */

#define NOTE(code, s) [WIRE_NOTIFY_##code] = { .name = "NOTIFY_" #code, sizeof(struct wire_##s), .fields = s##_fields

/* clang-format off */
static const struct wire_note_op notes[] = {
	NOTE(POLL, notify_poll_wakeup_out) },
	NOTE(INVAL_INODE, notify_inval_inode_out) },
	NOTE(INVAL_ENTRY, notify_inval_entry_out), .tail = WIRE_TAIL_EXACT, .named = true },
	NOTE(STORE, notify_store_out), .tail = WIRE_TAIL_EXACT },
	NOTE(RETRIEVE, notify_retrieve_out) },
	NOTE(DELETE, notify_delete_out), .tail = WIRE_TAIL_EXACT, .named = true },
	[WIRE_NOTIFY_RESEND] = { .name = "NOTIFY_RESEND" },
	[WIRE_NOTIFY_INC_EPOCH] = { .name = "NOTIFY_INC_EPOCH" },
	NOTE(PRUNE, notify_prune_out), .tail = WIRE_TAIL_EXACT },
};
/* clang-format on */

const struct wire_note_op *
wire_note_op(int code)
{
	if (code < 0 || (size_t)code >= sizeof(notes) / sizeof(notes[0]) || notes[code].name == NULL)
		return NULL;
	return &notes[code];
}

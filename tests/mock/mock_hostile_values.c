/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon whose answers can be parsed, but make no sense: nodes, types, sizes, names, directories, counts. The operation fails with
 * EIO, as the kernel has it, or is done with what is left; and the mount goes on.
 */
#include "life.h"

/* ---- entries and attributes that make no sense: EIO ---- */

/* LOOKUP is answered with this entry: the program gets EIO, and the mount goes on. */
static void
bad_entry(struct mock *m, struct wire_entry_out e)
{
	struct actor *a = start(m, do_stat);

	check_i(send_reply(m, expect(m, WIRE_LOOKUP), 0, &e, sizeof(e)), 0);
	finish(a);
	check_step(a, 0, -1, EIO);
	works(m, "another");
}

static struct wire_entry_out
entry_of_size(uint64_t size)
{
	return an_entry(2, REG, size);
}

MOCK_CASE(hostile_mode_0, .unbalanced = true)
{
	bad_entry(m, an_entry(2, 0, 0));
}
MOCK_CASE(hostile_mode_no_type, .unbalanced = true)
{
	bad_entry(m, an_entry(2, 0644, 0));
}
MOCK_CASE(hostile_mode_all_types, .unbalanced = true)
{
	bad_entry(m, an_entry(2, S_IFMT | 0644, 0));
}
MOCK_CASE(hostile_size_2_63, .unbalanced = true)
{
	bad_entry(m, entry_of_size(UINT64_C(1) << 63));
}
MOCK_CASE(hostile_size_max, .unbalanced = true)
{
	bad_entry(m, entry_of_size(UINT64_MAX));
}
MOCK_CASE(hostile_nodeid_root, .unbalanced = true)
{
	bad_entry(m, an_entry(WIRE_ROOT_ID, DIR_MODE, 0));
}

/* The largest size there is. */
MOCK_CASE(hostile_size_largest)
{
	struct actor *a = start(m, do_stat);

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, INT64_MAX);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_size, INT64_MAX);
}

/* Odd, but nothing to object to: for ever is for ever, nanoseconds are cut, a block size is a number. */
MOCK_CASE(hostile_odd_numbers)
{
	struct wire_entry_out e = an_entry(2, REG, 10);
	struct actor *a = start(m, do_stat);

	e.entry_valid = e.attr_valid = UINT64_MAX;
	e.entry_valid_nsec = e.attr_valid_nsec = UINT32_MAX;
	e.attr.ino = 0;
	e.attr.blksize = 3;
	e.attr.blocks = UINT64_MAX / 2;
	e.attr.nlink = 0;
	e.attr.atime = UINT64_MAX;
	e.attr.mtimensec = UINT32_MAX;
	e.attr.flags = ~(WIRE_ATTR_SUBMOUNT | WIRE_ATTR_DAX);
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_size, 10);
}

/* nodeid 0 is "no such file" to LOOKUP, and nonsense to what makes a file. */
MOCK_CASE(hostile_mkdir_nodeid_0, .unbalanced = true)
{
	struct actor *a = without_file(m, do_mkdir);
	struct wire_entry_out e = an_entry(0, DIR_MODE, 0);

	check_i(send_reply(m, expect(m, WIRE_MKDIR), 0, &e, sizeof(e)), 0);
	finish(a);
	check_step(a, 0, -1, EIO);
}

MOCK_CASE(hostile_mkdir_nodeid_root, .unbalanced = true)
{
	struct actor *a = without_file(m, do_mkdir);
	struct wire_entry_out e = an_entry(WIRE_ROOT_ID, DIR_MODE, 0);

	check_i(send_reply(m, expect(m, WIRE_MKDIR), 0, &e, sizeof(e)), 0);
	finish(a);
	check_step(a, 0, -1, EIO);
}

MOCK_CASE(hostile_mkdir_makes_file, .unbalanced = true)
{
	struct actor *a = without_file(m, do_mkdir);
	struct wire_entry_out e = an_entry(2, REG, 0);

	check_i(send_reply(m, expect(m, WIRE_MKDIR), 0, &e, sizeof(e)), 0);
	finish(a);
	check_step(a, 0, -1, EIO);
}

MOCK_CASE(hostile_mknod_makes_directory, .unbalanced = true)
{
	struct actor *a = without_file(m, do_mkfifo);
	struct wire_entry_out e = an_entry(2, DIR_MODE, 0);

	check_i(send_reply(m, expect(m, WIRE_MKNOD), 0, &e, sizeof(e)), 0);
	finish(a);
	check_step(a, 0, -1, EIO);
}

static void
bad_create(struct mock *m, uint64_t nodeid, uint32_t mode)
{
	struct actor *a = without_file(m, do_create);
	union wire_out o = { .create = { .entry = an_entry(nodeid, mode, 0), .open = { .fh = 7 } } };

	reply_out(m, expect(m, WIRE_CREATE), &o);
	serve(m, a);
	finish(a);
	check_step(a, 0, -1, EIO);
	works(m, "another");
}

MOCK_CASE(hostile_create_nodeid_0, .unbalanced = true)
{
	bad_create(m, 0, REG);
}
MOCK_CASE(hostile_create_nodeid_root, .unbalanced = true)
{
	bad_create(m, WIRE_ROOT_ID, DIR_MODE);
}
MOCK_CASE(hostile_create_makes_directory, .unbalanced = true)
{
	bad_create(m, 2, DIR_MODE);
}

/* A directory that is said to be in itself. */
MOCK_CASE(hostile_directory_loop, .unbalanced = true)
{
	struct actor *a = start_arg(m, do_stat, "dir/dir");
	struct wire_entry_out e = an_entry(2, DIR_MODE, 0);

	answer_lookup(m, WIRE_ROOT_ID, "dir", 2, DIR_MODE, 0);
	check_i(send_reply(m, expect(m, WIRE_LOOKUP), 0, &e, sizeof(e)), 0);
	finish(a);
	check_step(a, 0, -1, ELOOP);
	works(m, "another");
}

/* A known node changes its type. */
static long
stat_again(struct actor *a)
{
	step(a, stat(in_mount(a, "file"), &a->st));
	hold(a);
	return step(a, stat(in_mount(a, "file"), &a->st));
}

MOCK_CASE(hostile_type_changes_getattr)
{
	struct wire_entry_out e = an_entry(2, REG, 10);
	struct actor *a = start(m, stat_again);

	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	reply_attr(m, expect(m, WIRE_GETATTR), 0, e.attr);
	reached(a);
	proceed(a);
	answer_getattr(m, 2, DIR_MODE, 0);
	finish(a);
	check_step(a, 1, -1, EIO);
	works(m, "another");
}

/* In a LOOKUP it is another file, and the old one is no more. */
MOCK_CASE(hostile_type_changes_lookup)
{
	struct wire_entry_out e = an_entry(2, REG, 10);
	struct actor *a = start(m, stat_again);

	e.entry_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	reached(a);
	proceed(a);
	/* Once to see whether the name still holds, once more because it does not. */
	answer_lookup(m, WIRE_ROOT_ID, "file", 2, DIR_MODE, 0);
	answer_lookup(m, WIRE_ROOT_ID, "file", 2, DIR_MODE, 0);
	finish(a);
	check_step(a, 1, 0, 0);
	check_that(S_ISDIR(a->st.st_mode));
}

/* GETATTR with a size that cannot be. */
MOCK_CASE(hostile_getattr_size)
{
	struct wire_entry_out e = an_entry(2, REG, 10);
	struct actor *a = start(m, stat_again);

	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	reply_attr(m, expect(m, WIRE_GETATTR), 0, e.attr);
	reached(a);
	proceed(a);
	answer_getattr(m, 2, REG, UINT64_C(1) << 63);
	finish(a);
	check_step(a, 1, -1, EIO);
}

MOCK_CASE(hostile_root_becomes_file)
{
	struct actor *a = start(m, do_stat_root);

	answer_getattr(m, WIRE_ROOT_ID, REG, 0);
	finish(a);
	check_step(a, 0, -1, EIO);
}

/* ---- directories ---- */

/* The root is read once, with these bytes as the answer. */
static struct actor *
reads_entries(struct mock *m, const void *bytes, size_t len)
{
	struct actor *a = start(m, do_readdir);

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	check_i(send_reply(m, expect(m, WIRE_READDIR), 0, bytes, len), 0);
	serve(m, a);
	finish(a);
	return a;
}

/* One entry of this name; the checks of the parser that made it are ours to leave out. */
static void
reads_name(struct mock *m, const char *name, uint32_t namelen, int err)
{
	uint8_t buf[4096] = { 0 };
	struct wire_dirent d = { .ino = 5, .off = 1, .namelen = namelen, .type = DT_REG };
	struct actor *a;

	memcpy(buf, &d, WIRE_NAME_OFFSET);
	memcpy(buf + WIRE_NAME_OFFSET, name, namelen);
	a = reads_entries(m, buf, WIRE_DIRENT_ALIGN(WIRE_NAME_OFFSET + namelen));
	if (err != 0)
		check_step(a, 1, -1, err);
	else
		check_that(a->step[1].ret > 0);
}

MOCK_CASE(hostile_readdir_fine)
{
	reads_name(m, "name", 4, 0);
} /* what the next ones are compared with */
MOCK_CASE(hostile_readdir_slash)
{
	reads_name(m, "a/b", 3, EIO);
}
MOCK_CASE(hostile_readdir_only_slash)
{
	reads_name(m, "/", 1, EIO);
}
MOCK_CASE(hostile_readdir_empty_name)
{
	reads_name(m, "", 0, EIO);
}
MOCK_CASE(hostile_readdir_nul, .native = "the kernel passes a NUL in a name on")
{
	reads_name(m, "a\0b", 3, EIO);
}

/* Nothing of Linux' own is longer than 255 bytes, but a daemon's may be. */
MOCK_CASE(hostile_readdir_long_name)
{
	char name[1100];

	memset(name, 'x', sizeof(name));
	reads_name(m, name, 1025, 0);
}

/* An entry that says that it is longer than what is there: the end. */
MOCK_CASE(hostile_readdir_past_the_end)
{
	uint8_t buf[256];
	size_t len = 0;
	struct wire_dirent d = { .ino = 5, .off = 2, .namelen = 200, .type = DT_REG };
	struct actor *a;

	mock_dirent(buf, sizeof(buf), &len, 2, 1, DT_REG, "first");
	memcpy(buf + len, &d, WIRE_NAME_OFFSET);
	a = reads_entries(m, buf, len + WIRE_NAME_OFFSET + 8);
	check_that(a->step[1].ret > 0);
	check_that(memmem(a->buf, (size_t)a->step[1].ret, "first", 5) != NULL);
	check_i(a->step[1].ret, 32); /* one */
}

MOCK_CASE(hostile_readdir_half_header)
{
	uint8_t buf[256];
	size_t len = 0;
	struct actor *a;

	mock_dirent(buf, sizeof(buf), &len, 2, 1, DT_REG, "first");
	memset(buf + len, 0xff, 16);
	a = reads_entries(m, buf, len + 16);
	check_i(a->step[1].ret, 32);
}

/* A length of a name that would overflow. */
MOCK_CASE(hostile_readdir_namelen_max)
{
	struct wire_dirent d = { .ino = 5, .off = 2, .namelen = UINT32_MAX, .type = DT_REG };
	struct actor *a = reads_entries(m, &d, WIRE_NAME_OFFSET);

	check_that((a->step[1].ret == -1 && a->step[1].err == EIO) || a->step[1].ret == 0);
}

/* Offsets that go in a circle: the program goes round, too, and can be stopped. */
static long
read_rounds(struct actor *a)
{
	a->fd = open(in_mount(a, ""), O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 10; i++)
		step(a, getdents64(a->fd, a->buf, 4096));
	return close(a->fd);
}

MOCK_CASE(hostile_readdir_circle)
{
	struct actor *a = start(m, read_rounds);
	struct req *r;

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	while ((r = next_request(m, 5000)) != NULL && r->hdr.opcode == WIRE_READDIR) {
		char buf[64];
		size_t len = 0;

		mock_dirent(buf, sizeof(buf), &len, 2, r->in.read.offset == 1 ? 2 : 1, DT_REG, "name");
		reply_data(m, r, buf, len);
	}
	check_that(r != NULL && r->hdr.opcode == WIRE_RELEASEDIR);
	reply_empty(m, r);
	finish(a);
	for (int i = 0; i < 10; i++)
		check_that(a->step[i].ret > 0);
}

/* Offsets are the daemon's affair: any 63 bits. */
MOCK_CASE(hostile_readdir_large_offset)
{
	struct actor *a = start(m, read_rounds);
	char buf[64];
	size_t len = 0;
	struct req *r;

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	mock_dirent(buf, sizeof(buf), &len, 2, INT64_MAX, DT_REG, "name");
	reply_data(m, expect(m, WIRE_READDIR), buf, len);
	while ((r = next_request(m, 5000)) != NULL && r->hdr.opcode == WIRE_READDIR) {
		check_u(r->in.read.offset, INT64_MAX);
		reply_data(m, r, "", 0);
	}
	check_that(r != NULL && r->hdr.opcode == WIRE_RELEASEDIR);
	reply_empty(m, r);
	finish(a);
	check_that(a->step[0].ret > 0);
	check_step(a, 1, 0, 0);
}

/* READDIRPLUS: an entry that makes no sense does not make a node. */
static void
reads_plus(struct mock *m, struct wire_entry_out e, const char *name, int err)
{
	struct actor *a = start(m, do_readdir), *b;
	char buf[512];
	size_t len = 0;
	struct wire_direntry d = {
		.plus = &e, .ino = 2, .off = 1, .type = DT_REG, .name = name, .namelen = (uint32_t)strlen(name)
	};

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	check_i(wire_dir_put(buf, sizeof(buf), &len, &d), 0);
	check_i(send_reply(m, expect(m, WIRE_READDIRPLUS), 0, buf, len), 0);
	serve(m, a);
	finish(a);
	if (err != 0)
		check_step(a, 1, -1, err);
	else
		check_that(a->step[1].ret > 0);
	b = start_arg(m, do_stat, (void *)(uintptr_t) "name");
	answer_noent(m, WIRE_ROOT_ID, "name"); /* it was not taken from there */
	finish(b);
	check_step(b, 0, -1, ENOENT);
}

#define PLUS .flags = WIRE_INIT_DO_READDIRPLUS, .unbalanced = true
MOCK_CASE(hostile_plus_mode_0, PLUS)
{
	reads_plus(m, an_entry(2, 0, 0), "name", 0);
}
MOCK_CASE(hostile_plus_size, PLUS)
{
	reads_plus(m, an_entry(2, REG, UINT64_MAX), "name", 0);
}
MOCK_CASE(hostile_plus_nodeid_root, PLUS)
{
	reads_plus(m, an_entry(WIRE_ROOT_ID, DIR_MODE, 0), "name", 0);
}
MOCK_CASE(hostile_plus_slash, PLUS)
{
	reads_plus(m, an_entry(2, REG, 0), "na/me", EIO);
}

/* ---- numbers in answers ---- */

/* Written: more than was asked. */
MOCK_CASE(hostile_write_more)
{
	struct actor *a = with_open_file(m, do_write, WIRE_FOPEN_DIRECT_IO);

	reply_write(m, expect(m, WIRE_WRITE), 6);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, -1, EIO);
}

MOCK_CASE(hostile_write_max)
{
	struct actor *a = with_open_file(m, do_write, 0);

	answer_no_caps(m);
	reply_write(m, expect(m, WIRE_WRITE), UINT32_MAX);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, -1, EIO);
}

MOCK_CASE(hostile_write_nothing)
{
	struct actor *a = with_open_file(m, do_write, WIRE_FOPEN_DIRECT_IO);

	reply_write(m, expect(m, WIRE_WRITE), 0);
	answer_close(m, 2, 7);
	finish(a);
	check_that(a->step[1].ret == 0 || (a->step[1].ret == -1 && a->step[1].err == EIO));
}

/* A list of attributes without its NULs, or with an empty name. */
static void
lists(struct mock *m, const char *list, size_t len, long ret, int err)
{
	struct actor *a = with_file(m, do_listxattr, REG);

	reply_data(m, expect(m, WIRE_LISTXATTR), list, len);
	finish(a);
	check_step(a, 0, ret, err);
}

MOCK_CASE(hostile_listxattr_fine)
{
	lists(m, "user.a\0user.b", 14, 14, 0);
}
MOCK_CASE(hostile_listxattr_no_nul)
{
	lists(m, "user.a", 6, -1, EIO);
}
MOCK_CASE(hostile_listxattr_empty_name)
{
	lists(m, "user.a\0\0", 8, -1, EIO);
}

/* A target of a link: empty, or with a NUL in it. */
static void
links_to(struct mock *m, const void *target, size_t len, long ret, int err)
{
	struct actor *a = with_file(m, do_readlink, LNK);

	reply_data(m, expect(m, WIRE_READLINK), target, len);
	finish(a);
	check_step(a, 0, ret, err);
}

MOCK_CASE(hostile_readlink_nul)
{
	links_to(m, "ab\0cd", 5, 2, 0);
}
MOCK_CASE(hostile_readlink_empty)
{
	links_to(m, "", 0, 0, 0);
}

MOCK_CASE(hostile_readlink_4095)
{
	char target[4096];

	memset(target, 'x', sizeof(target));
	links_to(m, target, 4095, 4095, 0);
}

/* The answer to a question for a size: any number. */
static long
ask_size(struct actor *a)
{
	return step(a, getxattr(its_file(a), "user.a", NULL, 0));
}

MOCK_CASE(hostile_getxattr_size)
{
	struct actor *a = with_file(m, ask_size, REG);

	reply_out(m, expect(m, WIRE_GETXATTR), &(union wire_out){ .getxattr.size = UINT32_MAX });
	finish(a);
	check_step(a, 0, 65536, 0); /* the largest there can be */
}

/* lseek: an offset that is none. */
static long
seek_data(struct actor *a)
{
	a->fd = open(its_file(a), O_RDONLY);
	step(a, lseek(a->fd, 0, SEEK_DATA));
	return step(a, close(a->fd));
}

MOCK_CASE(hostile_lseek_negative)
{
	struct actor *a = with_open_file(m, seek_data, 0);

	reply_out(m, expect(m, WIRE_LSEEK), &(union wire_out){ .lseek.offset = UINT64_MAX });
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 0, -1, EINVAL);
}

/* A lock that nobody can hold. */
static long
ask_lock(struct actor *a)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };

	a->fd = open(its_file(a), O_RDWR);
	step(a, fcntl(a->fd, F_GETLK, &l));
	return step(a, close(a->fd));
}

static void
bad_lock(struct mock *m, struct wire_file_lock lk)
{
	struct actor *a = with_open_file(m, ask_lock, 0);

	reply_out(m, expect(m, WIRE_GETLK), &(union wire_out){ .lk.lk = lk });
	serve(m, a);
	finish(a);
	check_step(a, 0, -1, EIO);
}

#define LOCKS .flags = WIRE_INIT_POSIX_LOCKS
MOCK_CASE(hostile_getlk_backwards, LOCKS)
{
	bad_lock(m, (struct wire_file_lock){ 10, 5, F_WRLCK, 1 });
}
MOCK_CASE(hostile_getlk_negative, LOCKS)
{
	bad_lock(m, (struct wire_file_lock){ UINT64_MAX, UINT64_MAX, F_RDLCK, 1 });
}
MOCK_CASE(hostile_getlk_type, LOCKS)
{
	bad_lock(m, (struct wire_file_lock){ 0, 5, 4711, 1 });
}

/* Flags of an open file that nobody knows. */
MOCK_CASE(hostile_open_flags)
{
	struct actor *a = with_file(m, do_read, REG);

	reply_open(m, expect(m, WIRE_OPEN), 7, 0xffffff00);
	answer_read(m, 2, 0, 100, 'x');
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, 100, 0);
}

/* The largest file handle and the largest nodeid. */
MOCK_CASE(hostile_large_ids)
{
	struct actor *a = start(m, do_read);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", UINT64_MAX, REG, 100);
	answer_open(m, UINT64_MAX, UINT64_MAX, 0);
	r = expect(m, WIRE_READ);
	check_u(r->hdr.nodeid, UINT64_MAX);
	check_u(r->in.read.fh, UINT64_MAX);
	memset(a->buf, 'x', 100);
	reply_data(m, r, a->buf, 100);
	answer_close(m, UINT64_MAX, UINT64_MAX);
	finish(a);
	check_step(a, 1, 100, 0);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * READDIR: offsets are the daemon's cookies and nothing else, buffers may end anywhere, names are checked, and a cached listing
 * (FOPEN_CACHE_DIR) lasts until the directory changes.
 */
#include <sys/wait.h>

#include "mock/dirs.h"

MOCK_CASE(fields)
{
	struct actor *a = start(m, list_once);
	struct req *r;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	r = expect_of(m, WIRE_READDIR, WIRE_ROOT_ID);
	check_u(r->in.read.fh, FH);
	check_u(r->in.read.offset, 0);
	check_u(r->in.read.size, DIR_BUF);
	check_u(r->in.read.read_flags, 0);
	check_u(r->in.read.lock_owner, 0);
	check_u(r->in.read.flags, O_RDONLY | O_DIRECTORY | LARGE);
	check_u(r->hdr.uid, 0);
	check_u(r->hdr.pid, a->pid);
	reply_empty(m, r); /* an empty directory, not even "." */
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_str(a->buf, "");
}

static long
list_small(struct actor *a)
{
	open_root(a, 0);
	step(a, dents(a, a->fd, 100));
	step(a, dents(a, a->fd, 10000));
	step(a, dents(a, a->fd, 20)); /* too small for one entry */
	return step(a, close(a->fd));
}

/* How much is asked for depends on the program's buffer: a page at least. */
MOCK_CASE(size_of_the_buffer)
{
	struct actor *a = start(m, list_small);
	struct req *r;
	char buf[4096] __attribute__((aligned(8)));
	size_t len = 0;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	r = expect_of(m, WIRE_READDIR, WIRE_ROOT_ID);
	check_u(r->in.read.size, 4096);
	for (unsigned i = 1; i <= 9; i++)
		mock_dirent(buf, sizeof(buf), &len, i, i, DT_REG, "abcdefghi");
	reply_data(m, r, buf, len);
	r = expect_of(m, WIRE_READDIR, WIRE_ROOT_ID); /* 3 fitted; the rest of the answer is thrown away */
	check_u(r->in.read.offset, 3);
	check_u(r->in.read.size, 10000);
	reply_data(m, r, buf, 40);
	r = expect_of(m, WIRE_READDIR, WIRE_ROOT_ID);
	check_u(r->in.read.offset, 1);
	reply_data(m, r, buf, 40);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 1, 3, 0);
	check_step(a, 2, 1, 0);
	check_step(a, 3, -1, EINVAL);
}

static long
list_with_seeks(struct actor *a)
{
	DIR *d = opendir(in_mount(a, ""));
	struct dirent *e;
	long where;

	e = readdir(d);
	a->n[0] = (long)e->d_ino;
	a->n[1] = e->d_type;
	(void)snprintf(a->buf, 300, "%s", e->d_name);
	where = telldir(d);
	a->n[2] = where;
	e = readdir(d);
	a->n[3] = (long)e->d_ino;
	a->n[4] = e->d_type;
	a->n[5] = telldir(d);
	e = readdir(d);
	a->n[6] = e->d_type;
	a->n[7] = telldir(d);
	step(a, readdir(d) == NULL ? 0 : -1);
	seekdir(d, where);
	e = readdir(d);
	a->n[8] = (long)e->d_ino;
	rewinddir(d);
	e = readdir(d);
	a->n[9] = (long)e->d_ino;
	return step(a, closedir(d));
}

/* d_ino, d_type and telldir() are the daemon's; seekdir() and rewinddir() ask it again, with its own cookies. */
MOCK_CASE(cookies)
{
	static const struct {
		uint64_t ino, off;
		uint32_t type;
		const char *name;
	} e[] = { { 77, UINT64_C(0x123456789abc), DT_LNK, "x" }, { UINT64_C(1) << 40, 5, DT_DIR, "y" },
		{ 3, 1000, DT_UNKNOWN, "z" } };
	struct actor *a = start(m, list_with_seeks);
	char buf[4096] __attribute__((aligned(8)));
	size_t len = 0, first;
	struct req *r;

	mock_dirent(buf, sizeof(buf), &len, e[0].ino, e[0].off, e[0].type, e[0].name);
	first = len;
	for (int i = 1; i < 3; i++)
		mock_dirent(buf, sizeof(buf), &len, e[i].ino, e[i].off, e[i].type, e[i].name);
	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0); /* opendir(3) wants the block size */
	r = expect_dir(m, FH, 0);
	reply_data(m, r, buf, len);
	answer_dir_end(m, FH, 1000);
	r = expect_dir(m, FH, e[0].off);
	reply_data(m, r, buf + first, len - first);
	r = expect_dir(m, FH, 0);
	reply_data(m, r, buf, len);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_str(a->buf, "x");
	check_i(a->n[0], 77);
	check_i(a->n[1], DT_LNK);
	check_i(a->n[2], 0x123456789abc);
	check_i(a->n[3], INT64_C(1) << 40);
	check_i(a->n[4], DT_DIR);
	check_i(a->n[5], 5);
	check_i(a->n[6], DT_UNKNOWN);
	check_i(a->n[7], 1000);
	check_i(a->n[8], INT64_C(1) << 40);
	check_i(a->n[9], 77);
	expect_none(m);
}

MOCK_CASE(several_answers)
{
	struct actor *a = start(m, list_once);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	answer_dir(m, FH, 0, ". ..");
	answer_dir(m, FH, 2, "a b c");
	answer_dir(m, FH, 5, "d");
	answer_dir_end(m, FH, 6);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 1, 6, 0);
	check_str(a->buf, ". .. a b c d ");
}

/* The last entry is not there wholly: it is asked for again. */
MOCK_CASE(entry_cut_off)
{
	struct actor *a = start(m, list_once);
	char buf[4096] __attribute__((aligned(8)));
	size_t len = 0;

	mock_dirent(buf, sizeof(buf), &len, 1, 1, DT_REG, "one");
	mock_dirent(buf, sizeof(buf), &len, 2, 2, DT_REG, "two");
	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	reply_data(m, expect_dir(m, FH, 0), buf, len - 8);
	answer_dir(m, FH, 1, "two");
	answer_dir_end(m, FH, 2);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_str(a->buf, "one two ");
}

/* Less than the head of one entry is the end. */
MOCK_CASE(scrap)
{
	struct actor *a = start(m, list_once);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	reply_data(m, expect_dir(m, FH, 0), "0123456789abcdef01234567", 23);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EIO, EACCES, ENOENT, ENOTDIR };

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		struct actor *a = start(m, list_once);

		answer_opendir(m, WIRE_ROOT_ID, FH, 0);
		reply_err(m, expect_dir(m, FH, 0), errors[i]);
		answer_releasedir(m, WIRE_ROOT_ID, FH);
		finish(a);
		check_step(a, 1, -1, errors[i]);
	}
}

/* An error after some entries is that of the second call. */
MOCK_CASE(error_later)
{
	struct actor *a = start(m, list_once);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	answer_dir(m, FH, 0, "a");
	reply_err(m, expect_dir(m, FH, 1), EIO);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 1, -1, EIO);
	check_str(a->buf, "a ");
}

/* A listing whose entry has this name of this length: EIO, unless good. What comes before it is shown. */
static void
one_name(struct mock *m, const char *name, uint32_t namelen, bool good)
{
	struct actor *a = start(m, list_once);
	char buf[8192] __attribute__((aligned(8))) = { 0 };
	struct wire_dirent d = { .ino = 5, .off = 1, .namelen = namelen, .type = DT_REG };

	memcpy(buf, &d, WIRE_NAME_OFFSET);
	memcpy(buf + WIRE_NAME_OFFSET, name, namelen);
	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	reply_data(m, expect_dir(m, FH, 0), buf, WIRE_DIRENT_ALIGN(WIRE_NAME_OFFSET + namelen));
	if (good)
		answer_dir_end(m, FH, 1);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	if (good)
		check_step(a, 1, 1, 0);
	else
		check_step(a, 1, -1, EIO);
}

MOCK_CASE(name_with_slash)
{
	one_name(m, "a/b", 3, false);
}
MOCK_CASE(name_is_slash)
{
	one_name(m, "/", 1, false);
}
MOCK_CASE(name_empty)
{
	one_name(m, "", 0, false);
}

/* The kernel lets it pass, as the name before the NUL. */
MOCK_CASE(name_with_nul)
{
	one_name(m, "a\0b", 3, mock_is_native(m));
}

static char long_name[8192];

MOCK_CASE(name_of_1024)
{
	memset(long_name, 'n', sizeof(long_name));
	one_name(m, long_name, 1024, true);
}

MOCK_CASE(name_of_4096)
{
	memset(long_name, 'n', sizeof(long_name));
	one_name(m, long_name, 4096, false);
}

static long
list_some(struct actor *a)
{
	open_root(a, 0);
	for (int i = 0; i < 4; i++)
		step(a, dents(a, a->fd, DIR_BUF));
	return step(a, close(a->fd));
}

/* Offsets that go round: the program is led in a circle, and only the program. */
MOCK_CASE(offsets_loop)
{
	struct actor *a = start(m, list_some);
	char buf[4096] __attribute__((aligned(8)));
	size_t len = 0;

	mock_dirent(buf, sizeof(buf), &len, 1, 9, DT_REG, "a");
	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	reply_data(m, expect_dir(m, FH, 0), buf, len);
	for (int i = 0; i < 3; i++)
		reply_data(m, expect_dir(m, FH, 9), buf, len);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_str(a->buf, "a a a a ");
}

static long
list_in_two(struct actor *a)
{
	open_root(a, 0);
	step(a, dents(a, a->fd, DIR_BUF));
	step(a, unlink(in_mount(a, "a")));
	step(a, list(a, a->fd));
	return step(a, close(a->fd));
}

/* The directory changes under its reader, who goes on at its cookie. */
MOCK_CASE(changed_meanwhile)
{
	struct actor *a = start(m, list_in_two);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	answer_dir(m, FH, 0, "a b");
	answer_lookup(m, WIRE_ROOT_ID, "a", 2, REG, 0);
	reply_empty(m, expect_of(m, WIRE_UNLINK, WIRE_ROOT_ID));
	answer_dir(m, FH, 2, "c");
	answer_dir_end(m, FH, 3);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 3, 1, 0);
	check_str(a->buf, "a b c ");
}

MOCK_CASE(rewind)
{
	struct actor *a = start(m, list_rewind);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	answer_dir(m, FH, 0, "a b");
	answer_dir_end(m, FH, 2);
	answer_dir(m, FH, 0, "c"); /* not cached: read anew */
	answer_dir_end(m, FH, 1);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_str(a->buf, "a b c ");
}

MOCK_CASE(cached)
{
	struct actor *a = start(m, list_rewind);

	answer_opendir(m, WIRE_ROOT_ID, FH, WIRE_FOPEN_CACHE_DIR);
	answer_dir(m, FH, 0, "a b");
	answer_dir_end(m, FH, 2);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 3, 2, 0);
	check_str(a->buf, "a b a b ");
	expect_none(m);
}

static long
list_change_list(struct actor *a)
{
	open_root(a, 0);
	step(a, list(a, a->fd));
	if (a->arg)
		step(a, unlink(in_mount(a, "a")));
	else
		hold(a);
	step(a, lseek(a->fd, 0, SEEK_SET));
	step(a, list(a, a->fd));
	return step(a, close(a->fd));
}

/* A change of ours drops the listing. */
MOCK_CASE(cached_until_unlink)
{
	struct actor *a = start_arg(m, list_change_list, m);

	answer_opendir(m, WIRE_ROOT_ID, FH, WIRE_FOPEN_CACHE_DIR);
	answer_dir(m, FH, 0, "a b");
	answer_dir_end(m, FH, 2);
	answer_lookup(m, WIRE_ROOT_ID, "a", 2, REG, 0);
	reply_empty(m, expect_of(m, WIRE_UNLINK, WIRE_ROOT_ID));
	answer_dir(m, FH, 0, "b");
	answer_dir_end(m, FH, 1);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_str(a->buf, "a b b ");
}

MOCK_CASE(cached_until_notified)
{
	struct actor *a = start(m, list_change_list);

	answer_opendir(m, WIRE_ROOT_ID, FH, WIRE_FOPEN_CACHE_DIR);
	answer_dir(m, FH, 0, "a b");
	answer_dir_end(m, FH, 2);
	reached(a);
	check_i(notify_inval_inode(m, WIRE_ROOT_ID, 0, 0), 0);
	notify_settled(m);
	proceed(a);
	answer_dir(m, FH, 0, "c");
	answer_dir_end(m, FH, 1);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_str(a->buf, "a b c ");
}

/* With AUTO_INVAL_DATA each listing from the start asks for the attributes when they have expired; another mtime drops it. */
MOCK_CASE(cached_until_mtime, .flags = WIRE_INIT_AUTO_INVAL_DATA)
{
	struct wire_attr attr = an_attr(WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	struct actor *a = start(m, list_change_list);

	answer_opendir(m, WIRE_ROOT_ID, FH, WIRE_FOPEN_CACHE_DIR);
	reply_attr(m, expect_of(m, WIRE_GETATTR, WIRE_ROOT_ID), 0, attr);
	answer_dir(m, FH, 0, "a b");
	answer_dir_end(m, FH, 2);
	reached(a);
	proceed(a);
	attr.mtime++;
	reply_attr(m, expect_of(m, WIRE_GETATTR, WIRE_ROOT_ID), LONG, attr);
	answer_dir(m, FH, 0, "c");
	answer_dir_end(m, FH, 1);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_str(a->buf, "a b c ");
}

/* ... and the same mtime keeps it. */
MOCK_CASE(cached_same_mtime, .flags = WIRE_INIT_AUTO_INVAL_DATA)
{
	struct wire_attr attr = an_attr(WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	struct actor *a = start(m, list_change_list);

	answer_opendir(m, WIRE_ROOT_ID, FH, WIRE_FOPEN_CACHE_DIR);
	reply_attr(m, expect_of(m, WIRE_GETATTR, WIRE_ROOT_ID), 0, attr);
	answer_dir(m, FH, 0, "a b");
	answer_dir_end(m, FH, 2);
	reached(a);
	proceed(a);
	reply_attr(m, expect_of(m, WIRE_GETATTR, WIRE_ROOT_ID), LONG, attr);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_str(a->buf, "a b a b ");
	expect_none(m);
}

static long
list_from_cookie(struct actor *a)
{
	open_root(a, 0);
	step(a, list(a, a->fd));
	step(a, lseek(a->fd, 2, SEEK_SET));
	step(a, list(a, a->fd));
	step(a, lseek(a->fd, 3, SEEK_SET));
	step(a, list(a, a->fd));
	return step(a, close(a->fd));
}

/* Seeking in a cached listing is done in the cache. */
MOCK_CASE(cached_from_the_middle)
{
	struct actor *a = start(m, list_from_cookie);

	answer_opendir(m, WIRE_ROOT_ID, FH, WIRE_FOPEN_CACHE_DIR);
	answer_dir(m, FH, 0, "a b c");
	answer_dir_end(m, FH, 3);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 3, 1, 0);
	check_step(a, 5, 0, 0);
	check_str(a->buf, "a b c c ");
	expect_none(m);
}

static long
list_half_then_all(struct actor *a)
{
	open_root(a, 0);
	step(a, dents(a, a->fd, DIR_BUF));
	a->fd2 = open(in_mount(a, ""), O_RDONLY | O_DIRECTORY);
	step(a, list(a, a->fd2));
	step(a, list(a, a->fd));
	step(a, close(a->fd));
	return step(a, close(a->fd2));
}

/* A listing that is cached in part helps nobody else; but who completes it completes it for all. */
MOCK_CASE(cached_in_part)
{
	struct actor *a = start(m, list_half_then_all);
	const uint32_t both = WIRE_FOPEN_CACHE_DIR | WIRE_FOPEN_KEEP_CACHE;

	answer_opendir(m, WIRE_ROOT_ID, FH, both);
	answer_dir(m, FH, 0, "a b");
	answer_opendir(m, WIRE_ROOT_ID, FH + 1, both);
	answer_dir(m, FH + 1, 0, "a b c");
	answer_dir_end(m, FH + 1, 3);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	answer_releasedir(m, WIRE_ROOT_ID, FH + 1);
	finish(a);
	check_str(a->buf, "a b a b c c ");
	expect_none(m);
}

static long
list_with_child(struct actor *a)
{
	int status;
	pid_t child;

	open_root(a, 0);
	step(a, dents(a, a->fd, 24));
	child = fork();
	if (child == 0)
		_exit(dents(a, a->fd, 24) == 1 ? 0 : 1);
	step(a, waitpid(child, &status, 0) == child ? status : -1);
	step(a, dents(a, a->fd, DIR_BUF));
	return step(a, close(a->fd));
}

/* Parent and child share the position. */
MOCK_CASE(shared_position)
{
	struct actor *a = start(m, list_with_child);
	char buf[4096] __attribute__((aligned(8)));
	size_t len = 0, at[3];
	struct req *r;

	for (unsigned i = 0; i < 3; i++) {
		at[i] = len;
		mock_dirent(buf, sizeof(buf), &len, i + 1, i + 1, DT_REG, i == 0 ? "a" : i == 1 ? "b" : "c");
	}
	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	for (unsigned i = 0; i < 3; i++) {
		r = expect_of(m, WIRE_READDIR, WIRE_ROOT_ID);
		check_u(r->in.read.offset, i);
		reply_data(m, r, buf + at[i], len - at[i]);
	}
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 2, 0, 0);
	check_str(a->buf, "a b c ");
}

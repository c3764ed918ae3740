/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages that cross: what was answered late must not undo what has happened since. The daemon's side decides the order in which
 * things end, so each of these races runs the same way each time.
 */
#include "life.h"

/* Opens "file", reads or writes as its orders say, stops before each. Step n + 1 is order n's. */
enum { STOP, WRITE_5, TRUNCATE_3, FSTAT, STAT, READ_10, UNLINK };

static long
obey(struct actor *a)
{
	const int *o = a->arg;

	a->fd = open(in_mount(a, "file"), O_RDWR);
	step(a, a->fd == -1 ? -1 : 0);
	for (; *o != STOP; o++) {
		hold(a);
		switch (*o) {
		case WRITE_5:
			step(a, pwrite(a->fd, "hello", 5, 100));
			break;
		case TRUNCATE_3:
			step(a, ftruncate(a->fd, 3));
			break;
		case FSTAT:
			step(a, fstat(a->fd, &a->st));
			break;
		case STAT:
			step(a, stat(in_mount(a, "file"), &a->st));
			break;
		case UNLINK:
			step(a, unlink(in_mount(a, "file")));
			break;
		default:
			step(a, pread(a->fd, a->buf, 10, 0));
			break;
		}
	}
	hold(a);
	return close(a->fd);
}

static struct actor *
obedient(struct mock *m, const int *orders, struct wire_entry_out e)
{
	struct actor *a = start_arg(m, obey, (void *)(uintptr_t)orders);

	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	answer_open(m, 2, 7, WIRE_FOPEN_KEEP_CACHE | WIRE_FOPEN_NOFLUSH);
	reached(a);
	return a;
}

static void
dismiss(struct mock *m, struct actor *a)
{
	proceed(a);
	answer_release(m, 2, 7);
	finish(a);
}

static struct wire_entry_out
name_expires(uint64_t size)
{
	struct wire_entry_out e = an_entry(2, REG, size);

	e.entry_valid = 0;
	return e;
}

/* Its attributes are asked for again: this is its size. Until the actor stops or ends. */
static void
serve_size(struct mock *m, struct actor *a, uint64_t size, bool (*there)(struct actor *a))
{
	struct req *r;

	while (!there(a))
		if ((r = next_request(m, 1)) != NULL) {
			check_u(r->hdr.opcode, WIRE_GETATTR);
			check_u(r->hdr.nodeid, 2);
			reply_attr(m, r, LONG, an_attr(2, REG, size));
		}
}

static bool
ended(struct actor *a)
{
	return has_ended(a);
}

/* ---- sizes ---- */

/*
 * A LOOKUP that was answered before a write and arrives after it has the old size: it must not count. (The kernel counts the changes
 * of a node's attributes, and drops what is older.)
 */
MOCK_CASE(race_lookup_write)
{
	static const int orders[] = { WRITE_5, FSTAT, STOP };
	struct actor *a = obedient(m, orders, name_expires(10)), *b;
	struct req *old, *w;

	b = start(m, do_stat);
	old = expect(m, WIRE_LOOKUP); /* the daemon has looked: 10 bytes */
	proceed(a);
	answer_no_caps(m);
	w = expect(m, WIRE_WRITE);
	reply_write(m, w, 5); /* ... and now it has 105 */
	reached(a);
	check_step(a, 1, 5, 0);
	reply_entry(m, old, an_entry(2, REG, 10));
	serve_size(m, b, 105, ended);
	finish(b);
	check_u(b->st.st_size, 105);
	proceed(a);
	serve_size(m, a, 105, reached_yet);
	check_u(a->st.st_size, 105);
	dismiss(m, a);
}

/* The same of a GETATTR: who asked is told what was answered, but nobody else. */
MOCK_CASE(race_getattr_write)
{
	static const int orders[] = { WRITE_5, FSTAT, STOP };
	struct wire_entry_out e = an_entry(2, REG, 10);
	struct actor *a, *b;
	struct req *old;

	e.attr_valid = 0;
	a = obedient(m, orders, e);
	b = start(m, do_stat);
	old = expect(m, WIRE_GETATTR);
	proceed(a);
	answer_no_caps(m);
	reply_write(m, expect(m, WIRE_WRITE), 5);
	reached(a);
	reply_attr(m, old, LONG, an_attr(2, REG, 10));
	serve_size(m, b, 105, ended);
	finish(b);
	check_u(b->st.st_size, 10);
	proceed(a);
	serve_size(m, a, 105, reached_yet);
	check_u(a->st.st_size, 105);
	dismiss(m, a);
}

/* A GETATTR that is answered after a truncation with the size before it. */
MOCK_CASE(race_getattr_truncate)
{
	static const int orders[] = { TRUNCATE_3, FSTAT, STOP };
	struct wire_entry_out e = an_entry(2, REG, 10);
	struct actor *a, *b;
	struct req *old, *r;

	e.attr_valid = 0;
	a = obedient(m, orders, e);
	b = start(m, do_stat);
	old = expect(m, WIRE_GETATTR);
	proceed(a);
	answer_no_caps(m);
	r = expect(m, WIRE_SETATTR);
	check_u(r->in.setattr.valid & WIRE_FATTR_SIZE, WIRE_FATTR_SIZE);
	check_u(r->in.setattr.size, 3);
	reply_attr(m, r, LONG, an_attr(2, REG, 3));
	reached(a);
	reply_attr(m, old, LONG, an_attr(2, REG, 10));
	serve_size(m, b, 3, ended);
	finish(b);
	proceed(a);
	serve_size(m, a, 3, reached_yet);
	check_u(a->st.st_size, 3);
	dismiss(m, a);
}

/* A LOOKUP that crosses a truncation. */
MOCK_CASE(race_lookup_truncate)
{
	static const int orders[] = { TRUNCATE_3, FSTAT, STOP };
	struct actor *a = obedient(m, orders, name_expires(10)), *b;
	struct req *old;

	b = start(m, do_stat);
	old = expect(m, WIRE_LOOKUP);
	proceed(a);
	answer_no_caps(m);
	reply_attr(m, expect(m, WIRE_SETATTR), LONG, an_attr(2, REG, 3));
	reached(a);
	reply_entry(m, old, an_entry(2, REG, 10));
	serve_size(m, b, 3, ended);
	finish(b);
	check_u(b->st.st_size, 3);
	proceed(a);
	serve_size(m, a, 3, reached_yet);
	check_u(a->st.st_size, 3);
	dismiss(m, a);
}

/* Two GETATTR that overtake each other: the younger one counts. */
MOCK_CASE(race_getattr_getattr)
{
	struct wire_entry_out e = an_entry(2, REG, 10);
	struct actor *a = start(m, do_stat), *b, *c;
	struct req *first, *second;

	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	first = expect(m, WIRE_GETATTR);
	b = start(m, do_stat);
	second = expect(m, WIRE_GETATTR);
	reply_attr(m, second, 0, an_attr(2, REG, 20));
	finish(b);
	check_u(b->st.st_size, 20);
	reply_attr(m, first, 0, an_attr(2, REG, 10));
	finish(a);
	c = start(m, do_stat);
	reply_attr(m, expect(m, WIRE_GETATTR), LONG, an_attr(2, REG, 30));
	finish(c);
	check_u(c->st.st_size, 30);
}

/* ---- names ---- */

/* Two lookups of one name, one message. */
MOCK_CASE(race_lookup_lookup)
{
	struct actor *a = start(m, do_stat), *b;
	struct req *r = expect(m, WIRE_LOOKUP);

	b = start(m, do_stat);
	expect_none(m);
	reply_entry(m, r, an_entry(2, REG, 10));
	finish(a);
	finish(b);
	check_step(a, 0, 0, 0);
	check_step(b, 0, 0, 0);
	check_u(lookups_out(m, 2), 1);
}

/* Two names of one node are looked up at the same time: one node, two lookups. */
MOCK_CASE(race_lookup_same_node)
{
	struct actor *a = start_arg(m, do_stat, "a"), *b;
	struct req *ra = expect(m, WIRE_LOOKUP), *rb;

	b = start_arg(m, do_stat, "b");
	rb = expect(m, WIRE_LOOKUP);
	reply_entry(m, rb, an_entry(2, REG, 10));
	finish(b);
	reply_entry(m, ra, an_entry(2, REG, 10));
	finish(a);
	check_u(lookups_out(m, 2), 2);
	shrink(m);
	expect_forgotten(m, 2);
}

/* ... and one of them says that it is another generation. */
MOCK_CASE(race_lookup_generations)
{
	struct wire_entry_out e = an_entry(2, REG, 10), f = an_entry(2, REG, 20);
	struct actor *a = start_arg(m, do_stat, "a"), *b;
	struct req *ra = expect(m, WIRE_LOOKUP), *rb;

	f.generation = 1;
	b = start_arg(m, do_stat, "b");
	rb = expect(m, WIRE_LOOKUP);
	reply_entry(m, ra, e);
	finish(a);
	reply_entry(m, rb, f);
	finish(b);
	check_u(a->st.st_size, 10);
	check_u(b->st.st_size, 20);
}

/*
 * A node is being forgotten while another name of it is looked up: the daemon has sent the entry before it sees the FORGET. The counts
 * come out even.
 */
MOCK_CASE(race_lookup_forget)
{
	struct actor *a, *b;
	struct req *r;

	a = start_arg(m, do_stat, "a");
	answer_lookup(m, WIRE_ROOT_ID, "a", 2, REG, 10);
	finish(a);
	b = start_arg(m, do_stat, "b");
	r = expect(m, WIRE_LOOKUP);
	shrink(m);
	expect_forgotten(m, 2);
	reply_entry(m, r, an_entry(2, REG, 10));
	serve_size(m, b, 10, ended); /* the kernel may think what came with the entry too old */
	finish(b);
	check_step(b, 0, 0, 0);
	check_u(lookups_out(m, 2), 1);
}

/* The same, but the entry is given first. */
MOCK_CASE(race_forget_lookup)
{
	struct actor *a, *b;

	for (int i = 0; i < 20; i++) {
		a = start_arg(m, do_stat, "a");
		answer_lookup(m, WIRE_ROOT_ID, "a", 2, REG, 10);
		finish(a);
		check_i(notify_inval_entry(m, WIRE_ROOT_ID, "a", 0), 0); /* the FORGET is on its way */
		b = start_arg(m, do_stat, "b");
		reply_entry(m, expect(m, WIRE_LOOKUP), an_entry(2, REG, 10));
		finish(b);
		check_step(b, 0, 0, 0);
		check_i(notify_inval_entry(m, WIRE_ROOT_ID, "b", 0), 0);
		notify_settled(m);
	}
	expect_forgotten(m, 2);
}

/* An unlink has to wait for a lookup in the same directory; what was looked up is unlinked. */
MOCK_CASE(race_lookup_unlink)
{
	struct actor *a = start(m, do_stat), *b;
	struct req *r = expect(m, WIRE_LOOKUP);

	b = start(m, do_unlink);
	expect_none(m);
	reply_entry(m, r, an_entry(2, REG, 10));
	finish(a);
	check_step(a, 0, 0, 0);
	r = expect(m, WIRE_UNLINK);
	check_str(r->name[0], "file");
	reply_empty(m, r);
	finish(b);
	check_step(b, 0, 0, 0);
	expect_forgotten(m, 2);
}

/* And the other way round: a lookup waits for the unlink, then it asks. */
MOCK_CASE(race_unlink_lookup)
{
	struct actor *a = start(m, do_unlink), *b;
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, 10);
	r = expect(m, WIRE_UNLINK);
	b = start_arg(m, do_stat, "other");
	expect_none(m);
	reply_empty(m, r);
	finish(a);
	answer_noent(m, WIRE_ROOT_ID, "other");
	finish(b);
	b = start(m, do_stat);
	answer_noent(m, WIRE_ROOT_ID, "file");
	finish(b);
	check_step(b, 0, -1, ENOENT);
}

/* The name that is unlinked is in use: a stat of it meanwhile is answered from the cache. */
MOCK_CASE(race_unlink_open)
{
	static const int orders[] = { UNLINK, FSTAT, READ_10, STOP };
	struct actor *a = obedient(m, orders, an_entry(2, REG, 100)), *b;
	struct req *r;

	proceed(a);
	r = expect(m, WIRE_UNLINK);
	b = start(m, do_stat);
	finish(b);
	check_step(b, 0, 0, 0);
	reply_empty(m, r);
	reached(a);
	proceed(a);
	r = expect(m, WIRE_GETATTR); /* a link less: its attributes have changed */
	check_u(r->hdr.nodeid, 2);
	reply_attr(m, r, LONG, an_attr(2, REG, 100));
	reached(a);
	proceed(a);
	answer_read(m, 2, 0, 100, 'x');
	reached(a);
	check_step(a, 3, 10, 0);
	dismiss(m, a);
}

/* A rename while the new name is looked up. */
MOCK_CASE(race_rename_lookup)
{
	struct actor *a = start(m, do_rename), *b;
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, 10);
	answer_noent(m, WIRE_ROOT_ID, "new");
	r = expect(m, WIRE_RENAME);
	b = start_arg(m, do_stat, "third"); /* the directory is locked */
	expect_none(m);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	answer_lookup(m, WIRE_ROOT_ID, "third", 3, REG, 10);
	finish(b);
	b = start_arg(m, do_stat, "new");
	serve_size(m, b, 10, ended);
	finish(b);
	check_step(b, 0, 0, 0);
	check_u(b->st.st_ino, 2);
	b = start(m, do_stat);
	answer_noent(m, WIRE_ROOT_ID, "file");
	finish(b);
	check_step(b, 0, -1, ENOENT);
}

/* A rename that the daemon refuses leaves the names as they are. */
MOCK_CASE(race_rename_refused)
{
	struct actor *a = start(m, do_rename), *b;
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, 10);
	answer_noent(m, WIRE_ROOT_ID, "new");
	r = expect(m, WIRE_RENAME);
	b = start(m, do_stat); /* in the cache */
	finish(b);
	reply_err(m, r, EACCES);
	finish(a);
	check_step(a, 0, -1, EACCES);
	b = start(m, do_stat);
	finish(b);
	check_step(b, 0, 0, 0);
	expect_none(m);
}

/* A rename moves an open file from one directory to another while it is read. */
MOCK_CASE(race_rename_read)
{
	static const int orders[] = { READ_10, STOP };
	struct actor *a = obedient(m, orders, an_entry(2, REG, 100)), *b;
	struct req *r;

	proceed(a);
	r = expect(m, WIRE_READ);
	b = start(m, do_rename);
	answer_noent(m, WIRE_ROOT_ID, "new");
	reply_empty(m, expect(m, WIRE_RENAME));
	finish(b);
	memset(b->buf, 'x', 100);
	reply_data(m, r, b->buf, 100);
	reached(a);
	check_step(a, 1, 10, 0);
	dismiss(m, a);
}

/* mkdir of a name that somebody else makes at the same time. */
MOCK_CASE(race_mkdir_mkdir)
{
	struct actor *a = start(m, do_mkdir), *b;
	struct req *r;

	answer_noent(m, WIRE_ROOT_ID, "file");
	r = expect(m, WIRE_MKDIR);
	b = start(m, do_mkdir);
	expect_none(m);
	reply_entry(m, r, an_entry(2, DIR_MODE, 0));
	finish(a);
	check_step(a, 0, 0, 0);
	answer_lookup(m, WIRE_ROOT_ID, "file", 2, DIR_MODE, 0);
	finish(b);
	check_step(b, 0, -1, EEXIST);
}

/* ---- directories ---- */

/* READDIRPLUS brings a name that was unlinked while it was on its way: the next lookup of it says so. */
MOCK_CASE(race_readdirplus_unlink, .flags = WIRE_INIT_DO_READDIRPLUS)
{
	struct actor *a = start(m, do_readdir), *b;
	struct wire_entry_out e = an_entry(2, REG, 10);
	char buf[512];
	size_t len = 0;
	struct req *r;

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	r = expect(m, WIRE_READDIRPLUS);
	e.entry_valid = 0;
	mock_direntplus(m, buf, sizeof(buf), &len, e, 1, DT_REG, "file");
	reply_data(m, r, buf, len);
	answer_releasedir(m, WIRE_ROOT_ID, 5);
	finish(a);
	check_that(a->step[1].ret > 0);
	b = start(m, do_unlink);
	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, 10);
	reply_empty(m, expect(m, WIRE_UNLINK));
	finish(b);
	check_step(b, 0, 0, 0);
	expect_forgotten(m, 2);
}

/* While a directory is read, a name in it is made; both end. */
MOCK_CASE(race_readdir_create)
{
	struct actor *a = start(m, do_readdir), *b;
	char buf[512];
	size_t len = 0;
	struct req *r;

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	r = expect(m, WIRE_READDIR);
	b = start(m, do_mkdir); /* has to wait for the directory */
	expect_none(m);
	mock_dirent(buf, sizeof(buf), &len, 2, 1, DT_REG, "other");
	reply_data(m, r, buf, len);
	r = expect_any(m, WIRE_RELEASEDIR);
	reply_empty(m, r);
	finish(a);
	answer_noent(m, WIRE_ROOT_ID, "file");
	reply_entry(m, expect(m, WIRE_MKDIR), an_entry(3, DIR_MODE, 0));
	finish(b);
	check_step(b, 0, 0, 0);
}

/* ---- open files ---- */

/* Two opens of one file at once: two handles. */
MOCK_CASE(race_open_open)
{
	struct actor *a = start(m, do_read), *b;
	struct req *ra, *rb, *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, 100);
	ra = expect(m, WIRE_OPEN);
	b = start(m, do_read);
	rb = expect(m, WIRE_OPEN);
	reply_open(m, rb, 8, WIRE_FOPEN_DIRECT_IO | WIRE_FOPEN_NOFLUSH);
	r = expect(m, WIRE_READ);
	check_u(r->in.read.fh, 8);
	reply_open(m, ra, 7, WIRE_FOPEN_DIRECT_IO | WIRE_FOPEN_NOFLUSH);
	reply_data(m, r, "b", 1);
	r = expect_any(m, WIRE_READ);
	check_u(r->in.read.fh, 7);
	reply_data(m, r, "aa", 2);
	for (int i = 0; i < 2; i++)
		reply_empty(m, expect(m, WIRE_RELEASE));
	finish(a);
	finish(b);
	check_step(a, 1, 2, 0);
	check_step(b, 1, 1, 0);
}

/* A file is closed by one while another one opens it. */
MOCK_CASE(race_open_release)
{
	struct actor *a = start(m, do_open), *b;
	struct req *rel, *r;

	answer_opened(m, 100, WIRE_FOPEN_NOFLUSH);
	rel = expect(m, WIRE_RELEASE);
	finish(a);
	b = start(m, do_read);
	answer_open(m, 2, 8, WIRE_FOPEN_NOFLUSH);
	r = expect(m, WIRE_READ);
	check_u(r->in.read.fh, 8);
	reply_empty(m, rel);
	memset(b->buf, 'x', 100);
	reply_data(m, r, b->buf, 100);
	answer_release(m, 2, 8);
	finish(b);
	check_step(b, 1, 100, 0);
}

/* open(O_CREAT) of a name that is made meanwhile: the kernel asks CREATE once, and believes the answer. */
static long
create_not_excl(struct actor *a)
{
	a->fd = open(its_file(a), O_RDWR | O_CREAT, 0644);
	step(a, a->fd == -1 ? -1 : 0);
	return step(a, fstat(a->fd, &a->st));
}

MOCK_CASE(race_create_exists)
{
	struct actor *a = start(m, create_not_excl);

	answer_noent(m, WIRE_ROOT_ID, "file");
	reply_create(m, expect(m, WIRE_CREATE), an_entry(2, REG, 1234), 7, WIRE_FOPEN_NOFLUSH);
	answer_release(m, 2, 7);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_size, 1234);
}

/* A read and a write of one file at once, direct: both are at the daemon. */
MOCK_CASE(race_read_write_direct)
{
	struct actor *a = start(m, do_read), *b;
	struct req *r, *w;

	answer_opened(m, 100, WIRE_FOPEN_DIRECT_IO | WIRE_FOPEN_NOFLUSH);
	r = expect(m, WIRE_READ);
	b = start(m, do_write);
	answer_open(m, 2, 8, WIRE_FOPEN_DIRECT_IO | WIRE_FOPEN_NOFLUSH);
	w = expect(m, WIRE_WRITE);
	check_u(w->in.write.fh, 8);
	reply_write(m, w, 5);
	answer_release(m, 2, 8);
	finish(b);
	reply_data(m, r, "before", 6);
	answer_release(m, 2, 7);
	finish(a);
	check_step(a, 1, 6, 0);
	check_step(b, 1, 5, 0);
}

/* A read that was on its way when the file was cut brings no more than there is. */
MOCK_CASE(race_read_truncate_direct)
{
	struct actor *a = start(m, do_read), *b;
	struct req *r;

	answer_opened(m, 100, WIRE_FOPEN_DIRECT_IO | WIRE_FOPEN_NOFLUSH);
	r = expect(m, WIRE_READ);
	b = start(m, do_truncate);
	answer_no_caps(m);
	reply_attr(m, expect(m, WIRE_SETATTR), LONG, an_attr(2, REG, 5));
	finish(b);
	check_step(b, 0, 0, 0);
	reply_data(m, r, "12345", 5);
	answer_release(m, 2, 7);
	finish(a);
	check_step(a, 1, 5, 0);
}

/* Attributes that change behind our back drop what is cached (AUTO_INVAL_DATA); without it they do not. */
static const int read_stat_read[] = { READ_10, STAT, READ_10, STOP };

static void
changes_behind(struct mock *m, bool drops)
{
	struct wire_entry_out e = an_entry(2, REG, 100);
	struct wire_attr at = an_attr(2, REG, 100);
	struct actor *a;

	e.attr_valid = 0;
	a = obedient(m, read_stat_read, e);
	proceed(a);
	for (struct req *r; !reached_yet(a);)
		if ((r = next_request(m, 1)) != NULL) {
			if (r->hdr.opcode == WIRE_GETATTR) {
				reply_attr(m, r, 0, at);
			} else {
				check_u(r->hdr.opcode, WIRE_READ);
				reply_data(m, r, a->buf + 4096, 100);
			}
		}
	proceed(a);
	at.mtime++;
	reply_attr(m, expect(m, WIRE_GETATTR), LONG, at);
	reached(a);
	proceed(a);
	if (drops)
		answer_read(m, 2, 0, 100, 'y');
	reached(a);
	check_i(a->buf[0], drops ? 'y' : 0);
	dismiss(m, a);
}

MOCK_CASE(race_changed_behind_us, .flags = WIRE_INIT_AUTO_INVAL_DATA)
{
	changes_behind(m, true);
}
MOCK_CASE(race_changed_behind_us_kept)
{
	changes_behind(m, false);
}

/* Explicit invalidation only: not even a new size drops what is cached. */
MOCK_CASE(race_changed_behind_us_explicit, .flags = WIRE_INIT_EXPLICIT_INVAL_DATA,
    .needs_flags = WIRE_INIT_EXPLICIT_INVAL_DATA)
{
	changes_behind(m, false);
}

/* ---- a nodeid that becomes another file ---- */

static long
stat_held(struct actor *a)
{
	a->fd = open(in_mount(a, "old"), O_PATH);
	hold(a);
	return step(a, fstat(a->fd, &a->st));
}

static long
stat_twice(struct actor *a)
{
	step(a, stat(in_mount(a, "new"), &a->st));
	hold(a);
	return step(a, stat(in_mount(a, "new"), &a->st));
}

static void
answer_as_directory(struct mock *m, struct req *r)
{
	if (r == NULL)
		return;
	check_u(r->hdr.opcode, WIRE_GETATTR);
	reply_attr(m, r, 0, an_attr(2, S_IFDIR | 0755, 0));
}

/* GETATTR of the file is under way when a LOOKUP gives its nodeid to a directory: the late answer is about the file, and harms nobody else. */
MOCK_CASE(race_getattr_of_what_it_was)
{
	struct actor *file = start(m, stat_held), *dir;
	struct wire_entry_out e = an_entry(2, S_IFREG | 0644, 10);
	struct req *late;

	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	reached(file);
	proceed(file);
	late = expect(m, WIRE_GETATTR);
	dir = start(m, stat_twice);
	e = an_entry(2, S_IFDIR | 0755, 0);
	e.generation = 1;
	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	while (!reached_yet(dir)) /* the kernel may ask again */
		answer_as_directory(m, next_request(m, 10));
	reply_attr(m, late, 0, an_attr(2, S_IFREG | 0644, 10));
	finish(file);
	proceed(dir);
	while (!has_ended(dir))
		answer_as_directory(m, next_request(m, 10));
	finish(dir);
	check_step(dir, 1, 0, 0);
	check_u(dir->st.st_mode, S_IFDIR | 0755);
}

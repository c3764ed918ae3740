/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * READDIRPLUS: each entry that carries a nodeid is a lookup, which fills the caches of names and attributes and must be forgotten;
 * with READDIRPLUS_AUTO the kernel asks for it only where somebody looks names up.
 */
#include "mock/dirs.h"

enum { BUF = 8192 };

static long
list_stat(struct actor *a)
{
	open_root(a, 0);
	step(a, dents(a, a->fd, DIR_BUF));
	step(a, stat(in_mount(a, "x"), &a->st));
	a->n[0] = (long)a->st.st_size;
	a->n[1] = (long)a->st.st_ino;
	step(a, stat(in_mount(a, "y"), &a->st));
	a->n[2] = (long)a->st.st_size;
	step(a, dents(a, a->fd, DIR_BUF));
	return step(a, close(a->fd));
}

#define expect_plus(m, off) expect_plus_at(__FILE__, __LINE__, m, off)
static struct req *
expect_plus_at(const char *file, int line, struct mock *m, uint64_t off)
{
	struct req *r = expect_of_at(file, line, m, WIRE_READDIRPLUS, WIRE_ROOT_ID);

	check_u_at(file, line, "fh", r->in.read.fh, FH);
	check_u_at(file, line, "offset", r->in.read.offset, off);
	check_u_at(file, line, "size", r->in.read.size, DIR_BUF);
	check_u_at(file, line, "read_flags", r->in.read.read_flags, 0);
	check_u_at(file, line, "flags", r->in.read.flags, O_RDONLY | O_DIRECTORY | LARGE);
	return r;
}

/* What comes with it needs no LOOKUP and no GETATTR; an entry with nodeid 0 is a name alone. */
MOCK_CASE(entries_are_lookups, .flags = WIRE_INIT_DO_READDIRPLUS)
{
	struct actor *a = start(m, list_stat);
	char buf[BUF] __attribute__((aligned(8)));
	struct wire_entry_out none = { .nodeid = 0, .attr = { .ino = 33 } };
	size_t len = 0;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	mock_direntplus(m, buf, BUF, &len, an_entry(2, REG, 123), 1, DT_REG, "x");
	mock_direntplus(m, buf, BUF, &len, none, 2, DT_REG, "y");
	reply_data(m, expect_plus(m, 0), buf, len);
	answer_lookup(m, WIRE_ROOT_ID, "y", 3, REG, 55);
	reply_empty(m, expect_plus(m, 2));
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 1, 2, 0);
	check_step(a, 2, 0, 0);
	check_i(a->n[0], 123);
	check_i(a->n[1], 2);
	check_step(a, 3, 0, 0);
	check_i(a->n[2], 55);
	check_step(a, 4, 0, 0);
	check_u(lookups_out(m, 2), 1);
	expect_none(m);
}

/* The dots are shown, and nothing that comes with them is believed or looked up. */
MOCK_CASE(dots, .flags = WIRE_INIT_DO_READDIRPLUS)
{
	struct actor *a = start(m, list_once);
	char buf[BUF] __attribute__((aligned(8)));
	struct wire_entry_out none = { .nodeid = 0, .attr = { .ino = 1 } };
	size_t len = 0;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	mock_direntplus(m, buf, BUF, &len, an_entry(50, S_IFDIR | 0700, 5), 1, DT_DIR, ".");
	mock_direntplus(m, buf, BUF, &len, none, 2, DT_DIR, "..");
	reply_data(m, expect_plus(m, 0), buf, len);
	reply_empty(m, expect_plus(m, 2));
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_str(a->buf, ". .. ");
	check_u(lookups_out(m, 50), 0);
}

/* The same name listed twice is two lookups of one nodeid, all of which are forgotten. */
MOCK_CASE(listed_again, .flags = WIRE_INIT_DO_READDIRPLUS)
{
	struct actor *a = start(m, list_rewind);
	char buf[BUF] __attribute__((aligned(8)));
	size_t len = 0;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	for (int i = 0; i < 2; i++) {
		len = 0;
		mock_direntplus(m, buf, BUF, &len, an_entry(2, REG, 1), 1, DT_REG, "x");
		reply_data(m, expect_plus(m, 0), buf, len);
		reply_empty(m, expect_plus(m, 1));
	}
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_u(lookups_out(m, 2), 2);
	shrink(m);
	expect_forgotten(m, 2);
}

/* Another nodeid under a known name replaces it; the old one is forgotten. */
MOCK_CASE(listed_as_another, .flags = WIRE_INIT_DO_READDIRPLUS)
{
	struct actor *a = start(m, list_rewind);
	char buf[BUF] __attribute__((aligned(8)));
	size_t len = 0;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	for (uint64_t i = 0; i < 2; i++) {
		len = 0;
		mock_direntplus(m, buf, BUF, &len, an_entry(2 + i, REG, 1), 1, DT_REG, "x");
		reply_data(m, expect_plus(m, 0), buf, len);
		reply_empty(m, expect_plus(m, 1));
	}
	expect_forgotten(m, 2);
	check_u(lookups_out(m, 3), 1);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
}

static long
list_small(struct actor *a)
{
	open_root(a, 0);
	step(a, dents(a, a->fd, 24));
	step(a, dents(a, a->fd, 30));
	return step(a, close(a->fd));
}

/* Entries that the program's buffer has no room for count as looked up all the same. */
MOCK_CASE(no_room_for_all, .flags = WIRE_INIT_DO_READDIRPLUS)
{
	struct actor *a = start(m, list_small);
	char buf[BUF] __attribute__((aligned(8)));
	struct req *r;
	size_t len = 0;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	mock_direntplus(m, buf, BUF, &len, an_entry(2, REG, 1), 1, DT_REG, "x");
	mock_direntplus(m, buf, BUF, &len, an_entry(3, REG, 1), 2, DT_REG, "y");
	r = expect_of(m, WIRE_READDIRPLUS, WIRE_ROOT_ID);
	check_u(r->in.read.size, 4096);
	reply_data(m, r, buf, len);
	r = expect_of(m, WIRE_READDIRPLUS, WIRE_ROOT_ID);
	check_u(r->in.read.offset, 1);
	reply_empty(m, r);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_str(a->buf, "x ");
	shrink(m);
	expect_forgotten(m, 2);
	expect_forgotten(m, 3);
}

/* Without AUTO every READDIR is a READDIRPLUS. */
MOCK_CASE(always, .flags = WIRE_INIT_DO_READDIRPLUS)
{
	struct actor *a = start(m, list_once);
	char buf[BUF] __attribute__((aligned(8)));
	size_t len;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	for (uint64_t i = 0; i < 3; i++) {
		len = 0;
		mock_direntplus(m, buf, BUF, &len, an_entry(2 + i, REG, 1), i + 1, DT_REG,
		    i == 0   ? "x"
		    : i == 1 ? "y"
			     : "z");
		reply_data(m, expect_plus(m, i), buf, len);
	}
	reply_empty(m, expect_plus(m, 3));
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_str(a->buf, "x y z ");
}

MOCK_CASE(not_agreed)
{
	struct actor *a = start(m, list_once);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	answer_dir(m, FH, 0, "x");
	answer_dir_end(m, FH, 1);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
}

#define AUTO (WIRE_INIT_DO_READDIRPLUS | WIRE_INIT_READDIRPLUS_AUTO)

/* Nobody looks at the entries: only the start of the directory comes with attributes. */
MOCK_CASE(auto_without_lookups, .flags = AUTO)
{
	struct actor *a = start(m, list_once);
	char buf[BUF] __attribute__((aligned(8)));
	size_t len = 0;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	mock_direntplus(m, buf, BUF, &len, an_entry(2, REG, 1), 1, DT_REG, "x");
	reply_data(m, expect_plus(m, 0), buf, len);
	answer_dir(m, FH, 1, "y");
	answer_dir_end(m, FH, 2);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_str(a->buf, "x y ");
}

/* Somebody stats them: it goes on with attributes. */
MOCK_CASE(auto_with_lookups, .flags = AUTO)
{
	struct actor *a = start(m, list_stat);
	char buf[BUF] __attribute__((aligned(8)));
	size_t len = 0;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	mock_direntplus(m, buf, BUF, &len, an_entry(2, REG, 1), 1, DT_REG, "x");
	reply_data(m, expect_plus(m, 0), buf, len);
	answer_lookup(m, WIRE_ROOT_ID, "y", 3, REG, 55);
	reply_empty(m, expect_plus(m, 1));
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 2, 0, 0);
	check_step(a, 3, 0, 0);
}

MOCK_CASE(cut_off, .flags = WIRE_INIT_DO_READDIRPLUS)
{
	struct actor *a = start(m, list_once);
	char buf[BUF] __attribute__((aligned(8)));
	size_t len = 0, one;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	mock_direntplus(m, buf, BUF, &len, an_entry(2, REG, 1), 1, DT_REG, "x");
	one = len;
	mock_direntplus(m, buf, BUF, &len, (struct wire_entry_out){ 0 }, 2, DT_REG, "y");
	reply_data(m, expect_plus(m, 0), buf, len - 8); /* "y" is not whole */
	reply_data(m, expect_plus(m, 1), buf + one, len - one);
	reply_empty(m, expect_plus(m, 2));
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_str(a->buf, "x y ");
}

/* A listing that the kernel keeps does not hold the attributes: they expire on their own. */
MOCK_CASE(attributes_that_expire, .flags = WIRE_INIT_DO_READDIRPLUS)
{
	struct wire_entry_out e = an_entry(2, REG, 123);
	struct actor *a = start(m, list_stat);
	char buf[BUF] __attribute__((aligned(8)));
	size_t len = 0;

	e.attr_valid = 0;
	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	mock_direntplus(m, buf, BUF, &len, e, 1, DT_REG, "x");
	reply_data(m, expect_plus(m, 0), buf, len);
	answer_getattr(m, 2, REG, 124);
	answer_noent(m, WIRE_ROOT_ID, "y");
	reply_empty(m, expect_plus(m, 1));
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_i(a->n[0], 124);
	check_step(a, 3, -1, ENOENT);
}

static long
list_then_stat(struct actor *a)
{
	open_root(a, 0);
	step(a, dents(a, a->fd, DIR_BUF));
	step(a, stat(in_mount(a, "x"), &a->st));
	return step(a, close(a->fd));
}

/* An entry whose attributes make no sense is shown, and not kept: its lookup is given back at once. */
MOCK_CASE(nonsense_attributes, .flags = WIRE_INIT_DO_READDIRPLUS)
{
	struct wire_entry_out e = an_entry(2, 0170000, 123);
	struct actor *a = start(m, list_then_stat);
	char buf[BUF] __attribute__((aligned(8)));
	size_t len = 0;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	mock_direntplus(m, buf, BUF, &len, e, 1, DT_REG, "x");
	reply_data(m, expect_plus(m, 0), buf, len);
	answer_lookup(m, WIRE_ROOT_ID, "x", 3, REG, 55);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	expect_forgotten(m, 2);
	check_step(a, 1, 1, 0);
	check_step(a, 2, 0, 0);
	check_i(a->st.st_size, 55);
}

/* A file cannot be the root. */
MOCK_CASE(root_as_an_entry, .flags = WIRE_INIT_DO_READDIRPLUS, .unbalanced = true)
{
	struct actor *a = start(m, list_then_stat);
	char buf[BUF] __attribute__((aligned(8)));
	size_t len = 0;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	mock_direntplus(m, buf, BUF, &len, an_entry(WIRE_ROOT_ID, REG, 5), 1, DT_REG, "x");
	reply_data(m, expect_plus(m, 0), buf, len);
	answer_lookup(m, WIRE_ROOT_ID, "x", 3, REG, 55);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 1, 1, 0);
	check_step(a, 2, 0, 0);
	check_i(a->st.st_size, 55);
}

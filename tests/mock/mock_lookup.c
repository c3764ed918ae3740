/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LOOKUP: what it carries, how long its answer is believed, names of all kinds, and what happens when the daemon changes its
 * mind about a name.
 */
#include <poll.h>

#include "mock/names.h"

MOCK_CASE(found)
{
	struct actor *a = on(m, do_stat, "file");
	struct req *r = expect(m, WIRE_LOOKUP);

	check_u(r->hdr.nodeid, WIRE_ROOT_ID);
	check_caller(r, a, 0, 0);
	check_u(r->hdr.total_extlen, 0);
	check_str(r->name[0], "file");
	check_u(r->namelen[0], 4);
	check_u(r->rawlen, sizeof(struct wire_in_header) + 5);
	reply_entry(m, r, an_entry(42, S_IFREG | 0644, 10));
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_ino, 42);
	check_u(a->st.st_mode, S_IFREG | 0644);
	check_u(a->st.st_size, 10);
	check_cached(m, "file");
}

MOCK_CASE(found_by_another_user, .options = "allow_other")
{
	struct actor *a = on_as_other(m, do_stat, "file");
	struct req *r = expect(m, WIRE_LOOKUP);

	check_caller(r, a, OTHER_UID, OTHER_GID);
	reply_entry(m, r, an_entry(42, S_IFREG | 0644, 10));
	finish(a);
	check_step(a, 0, 0, 0);
	check_cached(m, "file");
}

MOCK_CASE(absent_is_asked_again)
{
	check_asked_again(m, "nothing");
	check_asked_again(m, "nothing");
}

MOCK_CASE(negative_is_cached)
{
	struct actor *a = on(m, do_stat, "nothing");

	reply_negative(m, expect_lookup(m, WIRE_ROOT_ID, "nothing"), LONG);
	finish(a);
	check_step(a, 0, -1, ENOENT);
	check_cached_negative(m, "nothing");
	check_asked_again(m, "nothing2");
}

MOCK_CASE(negative_of_no_time_is_not_cached)
{
	struct actor *a = on(m, do_stat, "nothing");

	reply_negative(m, expect_lookup(m, WIRE_ROOT_ID, "nothing"), 0);
	finish(a);
	check_step(a, 0, -1, ENOENT);
	check_asked_again(m, "nothing");
}

MOCK_CASE(negative_expires)
{
	struct actor *a = on(m, do_stat, "nothing");
	struct wire_entry_out e = { .entry_valid_nsec = 1000000 };

	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "nothing"), e);
	finish(a);
	check_step(a, 0, -1, ENOENT);
	let_expire();
	a = on(m, do_stat, "nothing");
	answer_lookup(m, WIRE_ROOT_ID, "nothing", 42, S_IFREG | 0644, 0);
	finish(a);
	check_step(a, 0, 0, 0);
	check_cached(m, "nothing");
}

MOCK_CASE(name_of_no_time_is_asked_again)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 1);

	e.entry_valid = 0;
	for (uint64_t size = 1; size < 4; size++) {
		struct actor *a = on(m, do_stat, "file");

		/* The attributes come with the name: no GETATTR. */
		e.attr.size = size;
		reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
		finish(a);
		check_step(a, 0, 0, 0);
		check_u(a->st.st_size, size);
		expect_none(m);
		check_u(lookups_out(m, 42), size);
	}
}

MOCK_CASE(name_expires)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 1);
	struct actor *a = on(m, do_stat, "file");

	e.entry_valid = 0;
	e.entry_valid_nsec = 1000000;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	finish(a);
	let_expire();
	a = on(m, do_stat, "file");
	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0644, 1);
	finish(a);
	check_step(a, 0, 0, 0);
	check_cached(m, "file");
}

MOCK_CASE(expired_name_is_gone)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 1);
	struct actor *a = on(m, do_stat, "file");

	e.entry_valid = 0;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	finish(a);
	/* The revalidation finds nothing; the name is dropped and looked up afresh. */
	a = on(m, do_stat, "file");
	answer_noent(m, WIRE_ROOT_ID, "file");
	answer_noent(m, WIRE_ROOT_ID, "file");
	finish(a);
	check_step(a, 0, -1, ENOENT);
	expect_forgotten(m, 42);
}

MOCK_CASE(valid_for_ever)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 1);
	struct actor *a = on(m, do_stat, "file");

	e.entry_valid = e.attr_valid = UINT64_MAX;
	e.entry_valid_nsec = e.attr_valid_nsec = UINT32_MAX;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	finish(a);
	check_step(a, 0, 0, 0);
	check_cached(m, "file");
}

MOCK_CASE(attributes_of_no_time)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 1);
	struct actor *a = on(m, do_stat, "file");

	e.attr_valid = 0;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), 0, an_attr(42, S_IFREG | 0644, 2));
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_size, 2);
	/* The name is still valid. */
	a = on(m, do_stat, "file");
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, an_attr(42, S_IFREG | 0644, 3));
	finish(a);
	check_u(a->st.st_size, 3);
	check_cached(m, "file");
}

static long
stat_hold_fstat(struct actor *a)
{
	if (do_open(a, O_RDONLY) < 0)
		return -1;
	hold(a);
	step(a, fstat(a->fd, &a->st));
	return step(a, close(a->fd));
}

/* Parts of a second count, too. (A second may go by when the machine is busy: then once more.) */
MOCK_CASE(valid_for_part_of_a_second)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 1);
	struct pollfd pfd = { .fd = mock_fd(m), .events = POLLIN };
	struct actor *a;

	e.entry_valid = e.attr_valid = 0;
	e.entry_valid_nsec = e.attr_valid_nsec = 999999999;
	for (int i = 0; i < 10; i++) {
		a = on(m, do_stat, "file");
		while (!has_ended(a) && poll(&pfd, 1, 10) == 0)
			continue;
		if (has_ended(a)) { /* from the cache */
			finish(a);
			check_step(a, 0, 0, 0);
			check_that(i > 0);
			return;
		}
		reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
		finish(a);
	}
	check_that(!"the name is never cached");
}

/* A directory cannot be in itself. */
MOCK_CASE(directory_in_itself)
{
	struct actor *a;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = on(m, do_stat, "dir/dir");
	answer_lookup(m, 42, "dir", 42, S_IFDIR | 0755, 0);
	finish(a);
	check_step(a, 0, -1, ELOOP);
	check_cached(m, "dir");
}

/* Another generation is another file: the old one, still open, is dead. */
MOCK_CASE(generation)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 1);
	struct actor *holder, *a;

	e.generation = 1;
	e.entry_valid = 0;
	holder = on(m, stat_hold_fstat, "file");
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	answer_open(m, 42, 70, 0);
	reached(holder);

	a = on(m, do_stat, "file");
	e.generation = 2;
	e.entry_valid = LONG;
	e.attr.size = 2;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_size, 2);
	check_cached(m, "file");

	proceed(holder);
	answer_release(m, 42, 70); /* (no FLUSH of a dead file) */
	finish(holder);
	check_step(holder, 1, -1, EIO);
	check_step(holder, 2, -1, EIO);
}

MOCK_CASE(one_node_of_two_names)
{
	struct actor *a;

	know(m, "one", 42, S_IFREG | 0644, 1);
	know(m, "two", 42, S_IFREG | 0600, 2);
	/* The newer attributes are those of the node, under both names. */
	a = on(m, do_stat, "one");
	finish(a);
	expect_none(m);
	check_u(a->st.st_size, 2);
	check_u(a->st.st_mode, S_IFREG | 0600);
	check_u(lookups_out(m, 42), 2);
}

MOCK_CASE(name_gets_another_node)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 1);
	struct actor *a = on(m, do_stat, "file");

	e.entry_valid = 0;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	finish(a);
	/* The answer to the revalidation is given back, and the name looked up afresh. */
	a = on(m, do_stat, "file");
	answer_lookup(m, WIRE_ROOT_ID, "file", 43, S_IFREG | 0644, 3);
	answer_lookup(m, WIRE_ROOT_ID, "file", 43, S_IFREG | 0644, 3);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_ino, 43);
	expect_forgotten(m, 42);
	check_cached(m, "file");
}

MOCK_CASE(node_gets_another_type)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 1);
	struct actor *a = on(m, do_stat, "file");

	e.entry_valid = 0;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	finish(a);
	a = on(m, do_stat, "file");
	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFDIR | 0755, 0);
	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFDIR | 0755, 0);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_mode, S_IFDIR | 0755);
}

MOCK_CASE(dots)
{
	struct actor *a;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	check_cached(m, "dir/.");
	check_cached(m, "./dir//./");
	a = on(m, do_stat, "dir/..");
	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0711, 0);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_mode, S_IFDIR | 0711);
	expect_none(m);
}

MOCK_CASE(below)
{
	struct actor *a = on(m, do_stat, "a/b/c");

	answer_lookup(m, WIRE_ROOT_ID, "a", 42, S_IFDIR | 0755, 0);
	answer_lookup(m, 42, "b", 43, S_IFDIR | 0755, 0);
	answer_lookup(m, 43, "c", 44, S_IFREG | 0644, 9);
	finish(a);
	check_step(a, 0, 0, 0);
	check_cached(m, "a/b/c");
	check_cached(m, "a/b/../b/c");
}

MOCK_CASE(below_a_file)
{
	know(m, "file", 42, S_IFREG | 0644, 0);
	check_silent(m, on(m, do_stat, "file/x"), -1, ENOTDIR);
	check_silent(m, on(m, do_stat, "file/"), -1, ENOTDIR);
}

static char name_buf[4096];

static const char *
long_name(size_t len)
{
	memset(name_buf, 'n', len);
	name_buf[0] = 'a';
	name_buf[len - 1] = 'z';
	name_buf[len] = '\0';
	return name_buf;
}

MOCK_CASE(name_of_255_bytes)
{
	know(m, long_name(255), 2, S_IFREG | 0644, 0);
	check_cached(m, name_buf);
}

MOCK_CASE(name_of_1024_bytes)
{
	know(m, long_name(1024), 2, S_IFREG | 0644, 0);
	check_cached(m, name_buf);
}

/* A daemon that has no more than the least buffer is not given longer ones. */
MOCK_CASE(name_too_long, .no_flags = WIRE_INIT_MAX_PAGES)
{
	check_silent(m, on(m, do_stat, long_name(1025)), -1, ENAMETOOLONG);
}

MOCK_CASE(name_of_2000_bytes, .needs_minor = 44)
{
	know(m, long_name(2000), 2, S_IFREG | 0644, 0);
	check_cached(m, name_buf);
}

MOCK_CASE(name_of_any_bytes)
{
	size_t len = 0;

	for (unsigned c = 1; c < 256; c++) {
		if (c != '/')
			name_buf[len++] = (char)c;
	}
	name_buf[len] = '\0';
	know(m, name_buf, 42, S_IFREG | 0644, 0);
	check_cached(m, name_buf);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EIO, EACCES, ENOTDIR, ELOOP, EPERM, ENOSYS, EINTR, 511 };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = on(m, do_stat, "file");

		reply_err(m, expect_lookup(m, WIRE_ROOT_ID, "file"), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
		expect_none(m);
	}
	know(m, "file", 42, S_IFREG | 0644, 0);
}

/* A walk that ends in ESTALE is walked once more, with everything revalidated. */
MOCK_CASE(stale_then_found)
{
	struct actor *a;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = on(m, do_stat, "dir/file");
	reply_err(m, expect_lookup(m, 42, "file"), ESTALE);
	answer_lookup(m, WIRE_ROOT_ID, "dir", 42, S_IFDIR | 0755, 0);
	answer_lookup(m, 42, "file", 43, S_IFREG | 0644, 0);
	finish(a);
	check_step(a, 0, 0, 0);
	check_cached(m, "dir/file");
}

MOCK_CASE(stale_for_good)
{
	struct actor *a = on(m, do_stat, "file");

	reply_err(m, expect_lookup(m, WIRE_ROOT_ID, "file"), ESTALE);
	reply_err(m, expect_lookup(m, WIRE_ROOT_ID, "file"), ESTALE);
	finish(a);
	check_step(a, 0, -1, ESTALE);
	expect_none(m);
}

MOCK_CASE(error_of_a_revalidation)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 1);
	struct actor *a = on(m, do_stat, "file");

	e.entry_valid = 0;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	finish(a);
	a = on(m, do_stat, "file");
	reply_err(m, expect_lookup(m, WIRE_ROOT_ID, "file"), EIO);
	reply_err(m, expect_lookup(m, WIRE_ROOT_ID, "file"), EIO);
	finish(a);
	check_step(a, 0, -1, EIO);
}

static long
truncate_when_told(struct actor *a)
{
	if (do_open(a, O_RDWR) < 0)
		return -1;
	hold(a);
	step(a, ftruncate(a->fd, 3));
	return step(a, close(a->fd));
}

/* An answer that is older than a change does not bring the old size back. */
MOCK_CASE(overtaken_by_a_truncation)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 10);
	struct actor *writer = on(m, truncate_when_told, "file"), *a;
	struct req *r;

	e.entry_valid = 0;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	answer_open(m, 42, 70, 0);
	reached(writer);
	a = on(m, do_stat, "file");
	r = expect_lookup(m, WIRE_ROOT_ID, "file");
	proceed(writer);
	reply_err(m, expect_named(m, WIRE_GETXATTR, 42, "security.capability"), ENOSYS);
	reply_attr(m, expect_on(m, WIRE_SETATTR, 42), LONG, an_attr(42, S_IFREG | 0644, 3));
	answer_close(m, 42, 70);
	finish(writer);
	check_step(writer, 1, 0, 0);
	e.entry_valid = LONG;
	reply_entry(m, r, e);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_size, 3);
	check_cached(m, "file");
}

MOCK_CASE(two_look_up_one_name)
{
	struct actor *a = on(m, do_stat, "file"), *b;
	struct req *r = expect_lookup(m, WIRE_ROOT_ID, "file");

	b = on(m, do_stat, "file");
	let_expire();
	expect_none(m);
	reply_entry(m, r, an_entry(42, S_IFREG | 0644, 7));
	finish(a);
	finish(b);
	check_step(a, 0, 0, 0);
	check_step(b, 0, 0, 0);
	check_u(b->st.st_size, 7);
	expect_none(m);
	check_u(lookups_out(m, 42), 1);
}

MOCK_CASE(two_names_at_a_time)
{
	struct actor *a = on(m, do_stat, "one"), *b;
	struct req *r = expect_lookup(m, WIRE_ROOT_ID, "one");

	b = on(m, do_stat, "two");
	answer_lookup(m, WIRE_ROOT_ID, "two", 43, S_IFREG | 0644, 0);
	finish(b);
	reply_entry(m, r, an_entry(42, S_IFREG | 0644, 0));
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(b, 0, 0, 0);
}

MOCK_CASE(one_name_at_a_time, .no_flags = WIRE_INIT_PARALLEL_DIROPS)
{
	struct actor *a = on(m, do_stat, "one"), *b;
	struct req *r = expect_lookup(m, WIRE_ROOT_ID, "one");

	b = on(m, do_stat, "two");
	let_expire();
	expect_none(m);
	reply_entry(m, r, an_entry(42, S_IFREG | 0644, 0));
	answer_lookup(m, WIRE_ROOT_ID, "two", 43, S_IFREG | 0644, 0);
	finish(a);
	finish(b);
	check_step(a, 0, 0, 0);
	check_step(b, 0, 0, 0);
}

MOCK_CASE(ino_is_not_the_nodeid)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 1);
	struct actor *a = on(m, do_stat, "file");

	e.attr.ino = UINT64_C(0xfedcba9876543210);
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	finish(a);
	check_u(a->st.st_ino, UINT64_C(0xfedcba9876543210));
	a = on(m, do_stat, "file");
	finish(a);
	check_u(a->st.st_ino, UINT64_C(0xfedcba9876543210));
	expect_none(m);
}

MOCK_CASE(nodeid_of_64_bits)
{
	struct actor *a;

	know(m, "dir", UINT64_MAX - 1, S_IFDIR | 0755, 0);
	a = on(m, do_stat, "dir/file");
	answer_lookup(m, UINT64_MAX - 1, "file", UINT64_C(1) << 63, S_IFREG | 0644, 0);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(root_as_a_child, .unbalanced = true)
{
	struct actor *a = on(m, do_stat, "self");

	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "self"), an_entry(WIRE_ROOT_ID, S_IFDIR | 0755, 0));
	finish(a);
	check_step(a, 0, -1, EIO);
	check_asked_again(m, "self");
}

MOCK_CASE(no_type, .unbalanced = true)
{
	struct actor *a = on(m, do_stat, "file");

	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), an_entry(42, 0644, 0));
	finish(a);
	check_step(a, 0, -1, EIO);
	check_asked_again(m, "file");
}

MOCK_CASE(size_beyond_all, .unbalanced = true)
{
	struct actor *a = on(m, do_stat, "file");

	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), an_entry(42, S_IFREG | 0644, UINT64_C(1) << 63));
	finish(a);
	check_step(a, 0, -1, EIO);
	check_asked_again(m, "file");
}

/* 7.8 has an entry without blksize. */
MOCK_CASE(minor_8, .minor = 8)
{
	struct actor *a = on(m, do_stat, "file");
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 10);

	e.attr.blksize = 65536; /* not sent */
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_size, 10);
	check_u(a->st.st_blksize, 4096);
	check_cached(m, "file");
}

MOCK_CASE(minor_9, .minor = 9)
{
	struct actor *a = on(m, do_stat, "file");
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 10);

	e.attr.blksize = 65536;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_blksize, 65536);
}

static long
do_stat_follow(struct actor *a)
{
	return step(a, stat(arg_path(a), &a->st));
}

MOCK_CASE(through_a_link)
{
	struct actor *a = on(m, do_stat_follow, "link");

	answer_lookup(m, WIRE_ROOT_ID, "link", 42, S_IFLNK | 0777, 8);
	reply_data(m, expect_on(m, WIRE_READLINK, 42), "dir/file", 8);
	answer_lookup(m, WIRE_ROOT_ID, "dir", 43, S_IFDIR | 0755, 0);
	answer_lookup(m, 43, "file", 44, S_IFREG | 0640, 0);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_ino, 44);
}

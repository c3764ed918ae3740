/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notifications about a file's data and attributes (INVAL_INODE, STORE, RETRIEVE), each proved from the side of a program: what was
 * cached really is gone, or really is still there.
 */
#include "notify.h"

/* ---- INVAL_INODE ---- */

MOCK_CASE(notify_inode_nothing, .max_readahead = 1) /* what the others are compared with */
{
	struct actor *a = obedient(m, read_read, 8192);

	read_two_pages(m, a, 'a');
	without_messages(m, a);
	without_messages(m, a);
	fstat_asks(m, a); /* the reads changed the access time */
	dismiss(m, a);
}

MOCK_CASE(notify_inode_all, .max_readahead = 1)
{
	struct actor *a = obedient(m, read_read, 8192);

	read_two_pages(m, a, 'a');
	check_i(notify_inval_inode(m, 2, 0, 0), 0);
	notify_settled(m);
	order(a);
	answer_read(m, 2, 0, 4096, 'b');
	done(a);
	check_i(a->buf[0], 'b');
	reads_again(m, a, 4096, 'b');
	fstat_asks(m, a);
	dismiss(m, a);
}

MOCK_CASE(notify_inode_first_page, .max_readahead = 1)
{
	struct actor *a = obedient(m, read_read, 8192);

	read_two_pages(m, a, 'a');
	check_i(notify_inval_inode(m, 2, 0, 4096), 0);
	notify_settled(m);
	reads_again(m, a, 0, 'b');
	without_messages(m, a);
	check_i(a->buf[0], 'a');
	fstat_asks(m, a);
	dismiss(m, a);
}

MOCK_CASE(notify_inode_second_page, .max_readahead = 1)
{
	struct actor *a = obedient(m, read_read, 8192);

	read_two_pages(m, a, 'a');
	check_i(notify_inval_inode(m, 2, 4096, 4096), 0);
	notify_settled(m);
	without_messages(m, a);
	check_i(a->buf[0], 'a');
	reads_again(m, a, 4096, 'b');
	fstat_asks(m, a);
	dismiss(m, a);
}

/* A part of a page is the page. */
MOCK_CASE(notify_inode_one_byte, .max_readahead = 1)
{
	struct actor *a = obedient(m, read_read, 8192);

	read_two_pages(m, a, 'a');
	check_i(notify_inval_inode(m, 2, 4095, 1), 0);
	notify_settled(m);
	reads_again(m, a, 0, 'b');
	without_messages(m, a);
	fstat_asks(m, a);
	dismiss(m, a);
}

/* From an offset to the end. */
MOCK_CASE(notify_inode_to_the_end, .max_readahead = 1)
{
	struct actor *a = obedient(m, read_read, 8192);

	read_two_pages(m, a, 'a');
	check_i(notify_inval_inode(m, 2, 4096, -1), 0);
	notify_settled(m);
	without_messages(m, a);
	reads_again(m, a, 4096, 'b');
	fstat_asks(m, a);
	dismiss(m, a);
}

MOCK_CASE(notify_inode_beyond, .max_readahead = 1)
{
	struct actor *a = obedient(m, read_read, 8192);

	read_two_pages(m, a, 'a');
	check_i(notify_inval_inode(m, 2, 1 << 20, 4096), 0);
	notify_settled(m);
	without_messages(m, a);
	without_messages(m, a);
	fstat_asks(m, a);
	dismiss(m, a);
}

/* The largest offset and length there are. */
MOCK_CASE(notify_inode_largest, .max_readahead = 1)
{
	struct actor *a = obedient(m, read_read, 8192);

	read_two_pages(m, a, 'a');
	check_i(notify_inval_inode(m, 2, INT64_MAX, INT64_MAX), 0);
	notify_settled(m);
	works(m, "another");
	order(a);
	serve_reads(m, a);
	order(a);
	serve_reads(m, a);
	fstat_asks(m, a);
	dismiss(m, a);
}

static const struct order stat_read_stat[] = { { FSTAT, 0 }, { FSTAT, 0 }, { STOP, 0 } };

/* A negative offset means the attributes alone; each invalidation means them, too. */
MOCK_CASE(notify_inode_attributes)
{
	struct actor *a = obedient(m, stat_read_stat, 8192);

	without_messages(m, a);
	check_i(notify_inval_inode(m, 2, -1, 0), 0);
	notify_settled(m);
	order(a);
	answer_getattr(m, 2, REG, 777);
	done(a);
	check_u(a->st.st_size, 777);
	dismiss(m, a);
}

MOCK_CASE(notify_inode_attributes_too)
{
	struct actor *a = obedient(m, stat_read_stat, 8192);

	without_messages(m, a);
	check_i(notify_inval_inode(m, 2, 0, 4096), 0);
	notify_settled(m);
	order(a);
	answer_getattr(m, 2, REG, 777);
	done(a);
	check_u(a->st.st_size, 777);
	dismiss(m, a);
}

static const struct order read_stat_read[] = { { READ_AT, 0 }, { FSTAT, 0 }, { READ_AT, 0 }, { STOP, 0 } };

/* ... and leaves the data alone. */
MOCK_CASE(notify_inode_keeps_data, .max_readahead = 1)
{
	struct actor *a = obedient(m, read_stat_read, 8192);

	order(a);
	answer_read(m, 2, 0, 4096, 'a');
	done(a);
	check_i(notify_inval_inode(m, 2, -4096, 4096), 0);
	notify_settled(m);
	fstat_asks(m, a);
	without_messages(m, a);
	check_i(a->buf[0], 'a');
	dismiss(m, a);
}

MOCK_CASE(notify_inode_root)
{
	struct actor *a = start(m, do_stat_root);

	answer_getattr(m, WIRE_ROOT_ID, DIR_MODE, 0);
	finish(a);
	a = start(m, do_stat_root);
	finish(a);
	expect_none(m);
	check_i(notify_inval_inode(m, WIRE_ROOT_ID, -1, 0), 0);
	notify_settled(m);
	a = start(m, do_stat_root);
	answer_getattr(m, WIRE_ROOT_ID, DIR_MODE, 0);
	finish(a);
}

MOCK_CASE(notify_inode_unknown)
{
	check_told(m, notify_inval_inode(m, 4711, 0, 0), ENOENT);
	check_told(m, notify_inval_inode(m, 0, 0, 0), ENOENT);
	check_told(m, notify_inval_inode(m, UINT64_MAX, 0, 0), ENOENT);
	notify_settled(m);
	works(m, "file");
}

/* A target of a symbolic link, where it is cached. */
MOCK_CASE(notify_inode_symlink, .flags = WIRE_INIT_CACHE_SYMLINKS)
{
	struct actor *a = start(m, do_readlink);

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, LNK, 6);
	reply_data(m, expect(m, WIRE_READLINK), "target", 6);
	finish(a);
	a = start(m, do_readlink);
	finish(a);
	check_step(a, 0, 6, 0);
	expect_none(m);
	check_i(notify_inval_inode(m, 2, 0, 0), 0);
	notify_settled(m);
	a = start(m, do_readlink);
	reply_data(m, expect(m, WIRE_READLINK), "another", 7);
	finish(a);
	check_step(a, 0, 7, 0);
}

/* Opens the root and reads all of it. Step 0: the first getdents. */
static long
read_whole_root(struct actor *a)
{
	a->fd = open(in_mount(a, ""), O_RDONLY | O_DIRECTORY);
	while (step(a, getdents64(a->fd, a->buf, 4096)) > 0)
		continue;
	return close(a->fd);
}

/* A directory's entries, where they are cached. */
static void
list_root(struct mock *m, bool asks)
{
	struct actor *a = start(m, read_whole_root);
	char buf[256];
	size_t len = 0;
	struct req *r;

	answer_opendir(m, WIRE_ROOT_ID, 5, WIRE_FOPEN_CACHE_DIR | WIRE_FOPEN_KEEP_CACHE);
	if (asks) {
		mock_dirent(buf, sizeof(buf), &len, 2, 1, DT_REG, "file");
		reply_data(m, expect(m, WIRE_READDIR), buf, len);
		r = expect(m, WIRE_READDIR);
		check_u(r->in.read.offset, 1);
		reply_data(m, r, "", 0);
	}
	answer_releasedir(m, WIRE_ROOT_ID, 5);
	finish(a);
	check_that(a->step[0].ret > 0);
}

MOCK_CASE(notify_inode_directory)
{
	list_root(m, true);
	list_root(m, false);
	check_i(notify_inval_inode(m, WIRE_ROOT_ID, 0, 0), 0);
	notify_settled(m);
	list_root(m, true);
}

/* ---- STORE ---- */

static const struct order read_one[] = { { READ_AT, 0 }, { READ_AT, 4096 }, { FSTAT, 0 }, { STOP, 0 } };

MOCK_CASE(notify_store, .max_readahead = 1)
{
	struct actor *a = obedient(m, read_one, 8192);
	char page[4096];

	memset(page, 's', sizeof(page));
	check_i(notify_store(m, 2, 0, page, sizeof(page)), 0);
	notify_settled(m);
	without_messages(m, a); /* read without a READ */
	check_i(a->buf[0], 's');
	check_i(a->buf[99], 's');
	order(a);
	answer_read(m, 2, 4096, 4096, 'r'); /* the other page was not stored */
	done(a);
	fstat_asks(m, a);
	dismiss(m, a);
}

MOCK_CASE(notify_store_two_pages, .max_readahead = 1)
{
	struct actor *a = obedient(m, read_one, 8192);
	char data[8192];

	memset(data, 's', 4096);
	memset(data + 4096, 't', 4096);
	check_i(notify_store(m, 2, 0, data, sizeof(data)), 0);
	notify_settled(m);
	without_messages(m, a);
	check_i(a->buf[0], 's');
	without_messages(m, a);
	check_i(a->buf[0], 't');
	without_messages(m, a);
	dismiss(m, a);
}

/* Beyond the end: the file is longer then. */
MOCK_CASE(notify_store_grows, .max_readahead = 1)
{
	struct actor *a = obedient(m, read_one, 4096);
	char page[4096];

	memset(page, 's', sizeof(page));
	check_i(notify_store(m, 2, 4096, page, sizeof(page)), 0);
	notify_settled(m);
	order(a);
	answer_read(m, 2, 0, 4096, 'r');
	done(a);
	without_messages(m, a);
	check_step(a, 2, 100, 0);
	check_i(a->buf[0], 's');
	fstat_asks(m, a);
	check_u(a->st.st_size, 8192);
	dismiss(m, a);
}

/* A part of a page that is not cached does not make it cached; the kernel reads it when it is wanted. */
MOCK_CASE(notify_store_partial, .max_readahead = 1)
{
	struct actor *a = obedient(m, read_one, 8192);

	check_i(notify_store(m, 2, 10, "stored", 6), 0);
	notify_settled(m);
	order(a);
	answer_read(m, 2, 0, 4096, 'r');
	done(a);
	check_i(a->buf[0], 'r');
	order(a);
	answer_read(m, 2, 4096, 4096, 'r');
	done(a);
	/* Now that the page is there, a part of it can be stored. */
	check_i(notify_store(m, 2, 10, "stored", 6), 0);
	notify_settled(m);
	fstat_asks(m, a);
	dismiss(m, a);
}

MOCK_CASE(notify_store_unknown)
{
	check_told(m, notify_store(m, 4711, 0, "x", 1), ENOENT);
	notify_settled(m);
	works(m, "file");
}

/* ---- RETRIEVE ---- */

static int
notify_retrieve(struct mock *m, uint64_t unique, uint64_t nodeid, uint64_t offset, uint32_t size)
{
	struct wire_notify_retrieve_out o = {
		.notify_unique = unique, .nodeid = nodeid, .offset = offset, .size = size
	};

	return notify(m, WIRE_NOTIFY_RETRIEVE, &o, sizeof(o), NULL, 0);
}

/* What comes back has the unique that was asked with, and as much as is cached without a gap. */
static void
retrieves(struct mock *m, uint64_t unique, uint64_t offset, uint32_t size, uint32_t got, char c)
{
	struct req *r;

	check_i(notify_retrieve(m, unique, 2, offset, size), 0);
	r = expect(m, WIRE_NOTIFY_REPLY);
	check_u(r->hdr.unique, unique);
	check_u(r->hdr.nodeid, 2);
	check_u(r->in.notify_retrieve.offset, offset);
	check_u(r->in.notify_retrieve.size, got);
	check_u(r->datalen, got);
	for (uint32_t i = 0; i < got; i++)
		check_i(r->data[i], c);
}

static const struct order one_read[] = { { READ_AT, 0 }, { STOP, 0 } };

MOCK_CASE(notify_retrieve_whole, .max_readahead = 1)
{
	struct actor *a = obedient(m, one_read, 8192);

	order(a);
	answer_read(m, 2, 0, 4096, 'a');
	done(a);
	retrieves(m, 0x1234567812345678, 0, 4096, 4096, 'a');
	dismiss(m, a);
}

MOCK_CASE(notify_retrieve_part, .max_readahead = 1)
{
	struct actor *a = obedient(m, one_read, 8192);

	order(a);
	answer_read(m, 2, 0, 4096, 'a');
	done(a);
	retrieves(m, 77, 100, 50, 50, 'a');
	retrieves(m, 78, 100, 0, 0, 'a');
	dismiss(m, a);
}

/* Up to the first page that is not cached. */
MOCK_CASE(notify_retrieve_gap, .max_readahead = 1)
{
	struct actor *a = obedient(m, one_read, 8192);

	order(a);
	answer_read(m, 2, 0, 4096, 'a');
	done(a);
	retrieves(m, 77, 10, 8000, 4086, 'a');
	dismiss(m, a);
}

MOCK_CASE(notify_retrieve_nothing, .max_readahead = 1)
{
	struct actor *a = obedient(m, one_read + 1, 8192);

	retrieves(m, 77, 0, 4096, 0, 0);
	dismiss(m, a);
}

/* Beyond the end of the file there is nothing. */
MOCK_CASE(notify_retrieve_end, .max_readahead = 1)
{
	struct actor *a = obedient(m, one_read, 100);

	order(a);
	answer_read(m, 2, 0, 100, 'a');
	done(a);
	retrieves(m, 77, 50, 4096, 50, 'a');
	retrieves(m, 77, 100, 4096, 0, 'a');
	retrieves(m, 77, 1 << 20, 4096, 0, 'a');
	dismiss(m, a);
}

/* Stored and retrieved. */
MOCK_CASE(notify_store_retrieve, .max_readahead = 1)
{
	struct actor *a = obedient(m, one_read + 1, 8192);
	char page[4096];

	memset(page, 's', sizeof(page));
	check_i(notify_store(m, 2, 4096, page, sizeof(page)), 0);
	retrieves(m, 77, 4096, 4096, 4096, 's');
	dismiss(m, a);
}

MOCK_CASE(notify_retrieve_unknown)
{
	check_told(m, notify_retrieve(m, 77, 4711, 0, 4096), ENOENT);
	notify_settled(m);
	works(m, "file");
}

/* A node that has gone bad is still one that can be asked for: the daemon gets its answer. */
MOCK_CASE(notify_retrieve_bad)
{
	static const struct order look[] = { { FSTAT, 0 }, { STOP, 0 } };
	struct actor *a = obedient(m, look, 8192);
	struct req *r;

	check_i(notify_inval_inode(m, 2, -1, 0), 0);
	notify_settled(m);
	order(a);
	reply_attr(m, expect(m, WIRE_GETATTR), 0, an_attr(2, S_IFDIR | 0755, 0));
	done(a);
	check_step(a, 1, -1, EIO);
	check_i(notify_retrieve(m, 78, 2, 0, 4096), 0);
	r = expect(m, WIRE_NOTIFY_REPLY);
	check_u(r->hdr.unique, 78);
	check_u(r->in.notify_retrieve.size, 0);
	dismiss(m, a);
}

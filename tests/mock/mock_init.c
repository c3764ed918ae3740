/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INIT: what is offered, what becomes of each answer, and the layouts of old minors. There is one case for each minor that
 * changed a structure, with the sizes on the wire.
 */
#include "life.h"

/* ---- the offer ---- */

MOCK_CASE(init_offer, .no_init = true)
{
	struct req *r = expect_init(m);
	const struct wire_init *o = mock_offer(m);

	check_u(r->hdr.nodeid, 0);
	check_u(r->hdr.uid, 0);
	check_u(r->hdr.gid, 0);
	check_u(r->hdr.pid, 0);
	check_u(o->major, 7);
	check_that(o->minor >= 23);
	check_u(r->rawlen, o->minor >= 36 ? 40 + 64 : 40 + 16);
	check_that(o->max_readahead >= 4096);
	check_that((o->flags & WIRE_INIT_ASYNC_READ) != 0);
	check_that((o->flags & WIRE_INIT_BIG_WRITES) != 0);
	check_u((o->flags & WIRE_INIT_EXT) != 0, o->minor >= 36);
	expect_none(m);
	reply_init(m, r, NULL);
}

MOCK_CASE(
    init_refused_flags, .no_init = true, .native = "perfuse leaves out what it cannot carry; the kernel offers it")
{
	struct req *r = expect_init(m);
	const uint64_t never = WIRE_INIT_SPLICE_WRITE | WIRE_INIT_SPLICE_MOVE | WIRE_INIT_SPLICE_READ |
			       WIRE_INIT_FILE_OPS | WIRE_INIT_MAP_ALIGNMENT | WIRE_INIT_SUBMOUNTS |
			       WIRE_INIT_HAS_INODE_DAX | WIRE_INIT_PASSTHROUGH | WIRE_INIT_OVER_IO_URING;

	check_u(mock_offer(m)->flags & never, 0);
	reply_init(m, r, NULL);
}

/* Flags that were not offered, bits that nobody knows: without effect. */
MOCK_CASE(init_unoffered_flags, .no_init = true)
{
	struct req *r = expect_init(m);
	struct wire_init i = { .major = 7, .minor = mock_offer(m)->minor, .max_write = 1 << 20, .max_pages = 256 };

	i.flags = ~mock_offer(m)->flags | WIRE_INIT_EXT | WIRE_INIT_MAX_PAGES;
	i.flags &= ~(WIRE_INIT_PASSTHROUGH | WIRE_INIT_OVER_IO_URING); /* with conditions of their own, natively */
	reply_init(m, r, &i);
	works(m, "file");
}

/* ---- minors ---- */

/* stat, write 5 bytes, fstat: the structures that 7.9 made longer. */
static long
grown_in_9(struct actor *a)
{
	do_write(a);
	return step(a, stat(its_file(a), &a->st));
}

static void
body_of_9(struct mock *m, size_t entry, size_t attr, size_t write_in)
{
	struct actor *a = start(m, grown_in_9);
	struct req *r = expect(m, WIRE_LOOKUP);
	struct wire_entry_out e = an_entry(2, REG, 10);
	struct wire_attr_out o = { .attr = an_attr(2, REG, 5) };

	gave_lookup(m, 2);
	check_i(send_reply(m, r, 0, &e, entry), 0);
	answer_open(m, 2, 7, 0);
	answer_no_caps(m);
	r = expect(m, WIRE_WRITE);
	check_u(r->rawlen, 40 + write_in + 5);
	check_u(r->in.write.fh, 7);
	check_u(r->in.write.offset, 0);
	check_u(r->in.write.size, 5);
	check_u(r->datalen, 5);
	check_mem(r->data, "hello", 5);
	reply_write(m, r, 5);
	answer_close(m, 2, 7);
	r = expect(m, WIRE_GETATTR);
	check_i(send_reply(m, r, 0, &o, attr), 0);
	finish(a);
	check_step(a, 1, 5, 0);
	check_step(a, 3, 0, 0);
	check_u(a->st.st_size, 5);
	check_u(a->st.st_mtime, 1000000000);
}

MOCK_CASE(init_minor_8, .minor = 8)
{
	body_of_9(m, 120, 96, 24);
}
MOCK_CASE(init_minor_9, .minor = 9)
{
	body_of_9(m, 128, 104, 40);
}
MOCK_CASE(init_minor_23, .minor = 23)
{
	body_of_9(m, 128, 104, 40);
}

/* An old daemon's answers are too short for a new minor, and the other way round: EIO. */
MOCK_CASE(init_minor_8_long_entry, .minor = 8, .perfuse = "an answer of the wrong length ends the connection")
{
	struct actor *a = start(m, do_stat);
	struct wire_entry_out e = an_entry(2, REG, 10);

	check_i(send_reply(m, expect(m, WIRE_LOOKUP), 0, &e, 128), EINVAL);
	finish(a);
	check_step(a, 0, -1, EIO);
}

MOCK_CASE(init_minor_8_creates, .minor = 8)
{
	struct actor *a = start(m, do_create);
	struct req *r;
	struct {
		uint8_t entry[120];
		struct wire_open_out open;
	} out = { .open.fh = 7 };
	struct wire_entry_out e = an_entry(2, REG, 0);

	answer_noent(m, WIRE_ROOT_ID, "file");
	r = expect(m, WIRE_CREATE);
	check_u(r->rawlen, 40 + 8 + sizeof("file"));
	check_u(r->in.create.flags & (O_ACCMODE | O_CREAT), O_RDWR | O_CREAT);
	check_u(r->in.create.mode, REG);
	check_str(r->name[0], "file");
	memcpy(out.entry, &e, sizeof(out.entry));
	gave_lookup(m, 2);
	check_i(send_reply(m, r, 0, &out, sizeof(out)), 0);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* 7.12 added umask to CREATE, MKNOD and MKDIR. */
static void
body_of_12(struct mock *m, uint32_t opcode, long (*fn)(struct actor *a), size_t fixed)
{
	struct actor *a = start(m, fn);
	struct req *r;

	answer_noent(m, WIRE_ROOT_ID, "file");
	r = expect(m, opcode);
	check_u(r->rawlen, 40 + fixed + sizeof("file"));
	check_str(r->name[0], "file");
	switch (opcode) {
	case WIRE_CREATE:
		check_u(r->in.create.mode, REG);
		check_u(r->in.create.umask, fixed == 16 ? 022 : 0);
		reply_create(m, r, an_entry(2, REG, 0), 7, 0);
		answer_close(m, 2, 7);
		break;
	case WIRE_MKNOD:
		check_u(r->in.mknod.mode, S_IFIFO | 0644);
		check_u(r->in.mknod.umask, fixed == 16 ? 022 : 0);
		reply_entry(m, r, an_entry(2, S_IFIFO | 0644, 0));
		break;
	default:
		check_u(r->in.mkdir.mode, 0755);
		reply_entry(m, r, an_entry(2, DIR_MODE, 0));
		break;
	}
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(init_minor_11_create, .minor = 11)
{
	body_of_12(m, WIRE_CREATE, do_create, 8);
}
MOCK_CASE(init_minor_12_create, .minor = 12)
{
	body_of_12(m, WIRE_CREATE, do_create, 16);
}
MOCK_CASE(init_minor_11_mknod, .minor = 11)
{
	body_of_12(m, WIRE_MKNOD, do_mkfifo, 8);
}
MOCK_CASE(init_minor_12_mknod, .minor = 12)
{
	body_of_12(m, WIRE_MKNOD, do_mkfifo, 16);
}
MOCK_CASE(init_minor_11_mkdir, .minor = 11)
{
	body_of_12(m, WIRE_MKDIR, do_mkdir, 8);
}
MOCK_CASE(init_minor_12_mkdir, .minor = 12)
{
	body_of_12(m, WIRE_MKDIR, do_mkdir, 8);
}

/* 7.13: max_background and congestion_threshold. What the kernel made of them is in its control file system. */
static long
read_control(struct mock *m, const char *name)
{
	char path[320], text[32] = "";
	int fd;

	(void)mkdir("ctl", 0755);
	if (mount("fusectl", "ctl", "fusectl", 0, NULL) == -1)
		mock_skip("no fusectl");
	(void)snprintf(path, sizeof(path), "ctl/%u/%s", mock_dev_minor(m), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		check_that(read(fd, text, sizeof(text) - 1) > 0);
		close(fd);
	}
	(void)umount2("ctl", MNT_DETACH);
	(void)rmdir("ctl");
	return fd != -1 ? atol(text) : -1;
}

static void
body_of_13(struct mock *m, uint32_t minor, long background, long threshold)
{
	struct req *r = expect_init(m);
	struct wire_init i = { .major = 7, .minor = minor, .max_background = 7, .congestion_threshold = 5 };

	reply_init(m, r, &i);
	works(m, "file"); /* so INIT's answer has been dealt with */
	check_i(read_control(m, "max_background"), background);
	check_i(read_control(m, "congestion_threshold"), threshold);
}

MOCK_CASE(init_minor_12_background, .no_init = true)
{
	body_of_13(m, 12, 12, 9);
} /* the kernel's defaults */
MOCK_CASE(init_minor_13_background, .no_init = true)
{
	body_of_13(m, 13, 7, 5);
}

/* 7.21: POLL says for which events. (Older daemons get it, too, and take it for padding.) */
static long
do_poll(struct actor *a)
{
	struct pollfd p = { .events = POLLIN };

	p.fd = a->fd = open(its_file(a), O_RDONLY);
	step(a, a->fd == -1 ? -1 : 0);
	step(a, poll(&p, 1, 0));
	a->n[0] = p.revents;
	return step(a, close(a->fd));
}

MOCK_CASE(init_minor_21_poll, .minor = 21)
{
	struct actor *a = start(m, do_poll);
	struct req *r;

	answer_opened(m, 10, 0);
	r = expect(m, WIRE_POLL);
	check_u(r->in.poll.fh, 7);
	check_that((r->in.poll.events & POLLIN) != 0);
	reply_out(m, r, &(union wire_out){ .poll.revents = POLLIN });
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, 1, 0);
	check_i(a->n[0], POLLIN);
}

/* 7.23: RENAME2, and the long INIT. */
static long
rename_noreplace(struct actor *a)
{
	return step(a, renameat2(AT_FDCWD, its_file(a), AT_FDCWD, in_mount(a, "new"), RENAME_NOREPLACE));
}

MOCK_CASE(init_minor_22_rename2, .minor = 22)
{
	struct actor *a = start(m, rename_noreplace);

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, 10);
	answer_noent(m, WIRE_ROOT_ID, "new");
	finish(a);
	check_step(a, 0, -1, EINVAL);
}

MOCK_CASE(init_minor_23_rename2, .minor = 23)
{
	struct actor *a = start(m, rename_noreplace);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, 10);
	answer_noent(m, WIRE_ROOT_ID, "new");
	r = expect(m, WIRE_RENAME2);
	check_u(r->in.rename2.newdir, WIRE_ROOT_ID);
	check_u(r->in.rename2.flags, RENAME_NOREPLACE);
	check_str(r->name[0], "file");
	check_str(r->name[1], "new");
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* 7.33: SETXATTR has a second half, but only where that was agreed. */
static void
body_of_33(struct mock *m, size_t fixed)
{
	struct actor *a = start(m, do_setxattr);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, 10);
	r = expect(m, WIRE_SETXATTR);
	check_u(r->rawlen, 40 + fixed + sizeof("user.a") + 5);
	check_u(r->in.setxattr.size, 5);
	check_str(r->name[0], "user.a");
	check_mem(r->data, "value", 5);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(init_minor_33_setxattr_plain, .minor = 33)
{
	body_of_33(m, 8);
}
MOCK_CASE(init_minor_33_setxattr_ext, .minor = 33, .flags = WIRE_INIT_SETXATTR_EXT)
{
	body_of_33(m, 16);
}

/* 7.36: flags2 counts with INIT_EXT alone. Seen by a shared mapping of a file with direct I/O. */
static long
map_shared(struct actor *a)
{
	void *p;

	a->fd = open(its_file(a), O_RDWR);
	step(a, a->fd == -1 ? -1 : 0);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, a->fd, 0);
	step(a, p == MAP_FAILED ? -1 : 0);
	if (p != MAP_FAILED)
		munmap(p, 4096);
	return step(a, close(a->fd));
}

static void
body_of_36(struct mock *m, uint32_t flags, uint32_t flags2, int err)
{
	struct req *r = expect_init(m);
	struct wire_init_out o = { .major = 7, .minor = mock_offer(m)->minor, .flags = flags, .flags2 = flags2 };
	struct actor *a;

	reply_init_raw(m, r, &o, sizeof(o));
	a = start(m, map_shared);
	answer_opened(m, 4096, WIRE_FOPEN_DIRECT_IO);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, err != 0 ? -1 : 0, err);
}

MOCK_CASE(init_flags2, .no_init = true, .needs_flags = WIRE_INIT_DIRECT_IO_ALLOW_MMAP)
{
	body_of_36(m, WIRE_INIT_EXT, WIRE_INIT_DIRECT_IO_ALLOW_MMAP >> 32, 0);
}

MOCK_CASE(init_flags2_without_ext, .no_init = true, .needs_flags = WIRE_INIT_DIRECT_IO_ALLOW_MMAP)
{
	body_of_36(m, 0, WIRE_INIT_DIRECT_IO_ALLOW_MMAP >> 32, ENODEV);
}

/* A daemon newer than we are: the older of both is spoken. */
MOCK_CASE(init_minor_999, .minor = 999)
{
	body_of_9(m, 128, 104, 40);
}

/* 7.7 and older: natively still spoken. */
MOCK_CASE(init_minor_7, .minor = 7, .perfuse = "the oldest minor spoken is 7.8")
{
	struct actor *a = start(m, do_stat);
	struct wire_entry_out e = an_entry(2, REG, 10);

	gave_lookup(m, 2);
	check_i(send_reply(m, expect(m, WIRE_LOOKUP), 0, &e, 120), 0);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(init_minor_7_refused, .no_init = true, .native = "the kernel speaks 7.7, too")
{
	struct req *r = expect_init(m);
	struct wire_init i = { .major = 7, .minor = 7, .max_write = 4096 };
	struct actor *a = start(m, do_stat);

	reply_init(m, r, &i);
	finish(a);
	check_step(a, 0, -1, ECONNREFUSED);
	engine_logs(m, "failed: the daemon's answer to INIT cannot be used: it speaks a protocol older than 7.8");
}

/* ---- numbers ---- */

static long
write_100000(struct actor *a)
{
	memset(a->buf, 'x', 100000);
	a->fd = open(its_file(a), O_WRONLY);
	step(a, pwrite(a->fd, a->buf, 100000, 0));
	return step(a, close(a->fd));
}

static void
takes_writes_of(struct mock *m, uint32_t size)
{
	struct actor *a = start(m, write_100000);
	struct req *r;
	uint64_t at = 0;

	answer_opened(m, 0, WIRE_FOPEN_DIRECT_IO);
	while (at < 100000) {
		r = expect(m, WIRE_WRITE);
		check_u(r->in.write.offset, at);
		check_u(r->in.write.size, 100000 - at < size ? 100000 - at : size);
		reply_write(m, r, r->in.write.size);
		at += r->in.write.size;
	}
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 0, 100000, 0);
}

MOCK_CASE(init_max_write, .max_write = 16384)
{
	takes_writes_of(m, 16384);
}
MOCK_CASE(init_max_write_tiny, .max_write = 100)
{
	takes_writes_of(m, 4096);
} /* a page is the least */
MOCK_CASE(init_max_write_odd, .max_write = 10000)
{
	takes_writes_of(m, 10000);
}
MOCK_CASE(init_max_pages, .max_pages = 4)
{
	takes_writes_of(m, 16384);
}
MOCK_CASE(init_max_write_impossible, .max_write = UINT32_MAX - 65536,
    .native = "the kernel refuses the daemon's reads then: its buffer has to be as large")
{
	takes_writes_of(m, 100000);
}

static void
answer_init_with(struct mock *m, struct wire_init_out o, size_t len)
{
	struct req *r = expect_init(m);

	o.major = 7;
	o.minor = mock_offer(m)->minor;
	reply_init_raw(m, r, &o, len);
}

MOCK_CASE(init_max_write_zero, .no_init = true)
{
	answer_init_with(m, (struct wire_init_out){ .flags = (uint32_t)WIRE_INIT_BIG_WRITES }, 64);
	takes_writes_of(m, 4096);
}

MOCK_CASE(init_max_pages_zero, .no_init = true)
{
	answer_init_with(m,
	    (struct wire_init_out){ .flags = (uint32_t)WIRE_INIT_MAX_PAGES, .max_write = 1 << 20, .max_pages = 0 }, 64);
	takes_writes_of(m, 4096);
}

MOCK_CASE(init_max_pages_impossible, .no_init = true)
{
	answer_init_with(m,
	    (struct wire_init_out){ .flags = (uint32_t)WIRE_INIT_MAX_PAGES, .max_write = 1 << 20, .max_pages = 65535 },
	    64);
	takes_writes_of(m, 100000);
}

static long
write_mib(struct actor *a)
{
	a->fd = open(its_file(a), O_WRONLY);
	step(a, pwrite(a->fd, a->buf, 1 << 20, 0));
	return step(a, close(a->fd));
}

/* Without MAX_PAGES a message has 32 pages. */
MOCK_CASE(init_no_max_pages, .no_flags = WIRE_INIT_MAX_PAGES)
{
	struct actor *a = start(m, write_mib);

	answer_opened(m, 0, WIRE_FOPEN_DIRECT_IO);
	for (int i = 0; i < 8; i++) {
		struct req *r = expect(m, WIRE_WRITE);

		check_u(r->in.write.size, 131072);
		reply_write(m, r, 131072);
	}
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 0, 1 << 20, 0);
}

/* Without BIG_WRITES a cached write is cut at pages. */
static long
write_8192(struct actor *a)
{
	a->fd = open(its_file(a), O_WRONLY);
	step(a, pwrite(a->fd, a->buf, 8192, 0));
	return step(a, close(a->fd));
}

static void
takes_8192(struct mock *m, uint32_t size)
{
	struct actor *a = start(m, write_8192);

	answer_opened(m, 0, 0);
	answer_no_caps(m);
	for (uint32_t at = 0; at < 8192; at += size) {
		struct req *r = expect(m, WIRE_WRITE);

		check_u(r->in.write.offset, at);
		check_u(r->in.write.size, size);
		reply_write(m, r, size);
	}
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 0, 8192, 0);
}

MOCK_CASE(init_big_writes)
{
	takes_8192(m, 8192);
}
MOCK_CASE(init_no_big_writes, .no_flags = WIRE_INIT_BIG_WRITES)
{
	takes_8192(m, 4096);
}

static void
reads_ahead(struct mock *m, uint32_t least, uint32_t most)
{
	struct actor *a = start(m, do_read);
	struct req *r;

	answer_opened(m, 1 << 20, 0);
	r = expect(m, WIRE_READ);
	check_u(r->in.read.offset, 0);
	check_that(r->in.read.size >= least && r->in.read.size <= most);
	reply_data(m, r, a->buf, r->in.read.size);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, 100, 0);
}

MOCK_CASE(init_no_readahead, .max_readahead = 1)
{
	reads_ahead(m, 4096, 4096);
}
MOCK_CASE(init_readahead, .max_readahead = 16384)
{
	reads_ahead(m, 8192, 16384);
}
MOCK_CASE(init_readahead_offered)
{
	reads_ahead(m, 16384, 131072);
}

static long
set_times(struct actor *a)
{
	struct timespec t[2] = { { 5, 123456789 }, { 6, 987654321 } };

	return step(a, utimensat(AT_FDCWD, its_file(a), t, 0));
}

static void
sets_times(struct mock *m, uint32_t atime, uint32_t mtime)
{
	struct actor *a = start(m, set_times);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, 10);
	r = expect(m, WIRE_SETATTR);
	check_u(r->in.setattr.atime, 5);
	check_u(r->in.setattr.atimensec, atime);
	check_u(r->in.setattr.mtime, 6);
	check_u(r->in.setattr.mtimensec, mtime);
	reply_attr(m, r, LONG, an_attr(2, REG, 10));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(init_time_gran_1)
{
	sets_times(m, 123456789, 987654321);
}
MOCK_CASE(init_time_gran_1000, .time_gran = 1000)
{
	sets_times(m, 123456000, 987654000);
}
MOCK_CASE(init_time_gran_second, .time_gran = 1000000000)
{
	sets_times(m, 0, 0);
}
MOCK_CASE(init_time_gran_impossible, .time_gran = 2000000000)
{
	sets_times(m, 123456789, 987654321);
}

/* ---- answers of odd lengths ---- */

MOCK_CASE(init_answer_24, .no_init = true)
{
	answer_init_with(m, (struct wire_init_out){ .max_write = 65536, .flags = (uint32_t)WIRE_INIT_BIG_WRITES }, 24);
	takes_writes_of(m, 65536);
}

MOCK_CASE(init_answer_8, .no_init = true)
{
	answer_init_with(m, (struct wire_init_out){ 0 }, 8);
	works(m, "file");
}

/* What is not there counts as 0. */
MOCK_CASE(init_answer_40, .no_init = true)
{
	answer_init_with(m, (struct wire_init_out){ .max_write = 65536, .flags = (uint32_t)WIRE_INIT_BIG_WRITES }, 40);
	takes_writes_of(m, 65536);
}

static void
is_refused(struct mock *m, struct actor *a)
{
	struct actor *b;

	finish(a);
	check_step(a, 0, -1, ECONNREFUSED);
	b = start(m, do_stat); /* and it stays so */
	finish(b);
	check_step(b, 0, -1, ECONNREFUSED);
}

static void
bad_init(struct mock *m, const void *answer, size_t len, int32_t error, int native, const char *why)
{
	struct actor *a = start(m, do_stat);
	struct req *r = expect_init(m);
	int e = send_reply(m, r, error, answer, len);

	check_i(e, mock_is_native(m) ? native : 0);
	is_refused(m, a);
	engine_logs(m, why);
}

MOCK_CASE(init_major_8, .no_init = true)
{
	bad_init(m, &(struct wire_init_out){ .major = 8, .minor = 1 }, 64, 0, 0, "another major version");
}

MOCK_CASE(init_major_8_short, .no_init = true)
{
	bad_init(m, &(struct wire_init_out){ .major = 8, .minor = 1 }, 8, 0, 0, "another major version");
}

/* A daemon that answers with its own major first, and then with ours: the kernel asks once only. */
MOCK_CASE(init_major_8_then_7, .no_init = true)
{
	struct wire_init_out o = { .major = 8, .minor = 1 };
	struct actor *a = start(m, do_stat);
	struct req *r = expect_init(m);

	check_i(send_reply(m, r, 0, &o, 64), 0);
	o.major = 7;
	o.minor = 31;
	(void)send_reply(m, r, 0, &o, 64);
	is_refused(m, a);
	engine_logs(m, "failed: ");
}

MOCK_CASE(init_major_6, .no_init = true)
{
	bad_init(m, &(struct wire_init_out){ .major = 6, .minor = 1 }, 24, 0, 0, "another major version");
}

MOCK_CASE(init_major_0, .no_init = true)
{
	bad_init(m, &(struct wire_init_out){ 0 }, 64, 0, 0, "another major version");
}

MOCK_CASE(init_error, .no_init = true)
{
	bad_init(m, NULL, 0, -EPERM, 0, "the daemon refused INIT");
}
MOCK_CASE(init_error_enosys, .no_init = true)
{
	bad_init(m, NULL, 0, -ENOSYS, 0, "the daemon refused INIT");
}
MOCK_CASE(init_empty, .no_init = true)
{
	bad_init(m, NULL, 0, 0, 0, "the reply is too short");
}

MOCK_CASE(init_short, .no_init = true)
{
	bad_init(m, &(struct wire_init_out){ 0 }, 4, 0, 0, "the reply is too short");
}

/* Longer than we know: perfuse takes the beginning, for the sake of daemons that are newer. */
MOCK_CASE(init_longer, .no_init = true, .native = "the kernel refuses it")
{
	struct req *r = expect_init(m);
	uint8_t o[80] = { 0 };

	memcpy(o, &(struct wire_init_out){ .major = 7, .minor = 31 }, 64);
	reply_init_raw(m, r, (void *)o, sizeof(o));
	works(m, "file");
}

MOCK_CASE(init_over_long, .no_init = true, .perfuse = "an answer to INIT may be longer: the beginning counts")
{
	uint8_t o[80] = { 0 };

	memcpy(o, &(struct wire_init_out){ .major = 7, .minor = 31 }, 64);
	bad_init(m, o, sizeof(o), 0, EINVAL, "");
}

MOCK_CASE(init_payload_on_error, .no_init = true)
{
	uint8_t o[64] = { 0 };

	bad_init(m, o, sizeof(o), -EPERM, EINVAL, "");
}

MOCK_CASE(init_twice, .no_init = true)
{
	struct req *r = expect_init(m);

	reply_init(m, r, NULL);
	works(m, "file");
	check_i(send_reply(m, r, 0, &(struct wire_init_out){ .major = 7, .minor = 12 }, 64),
	    mock_is_native(m) ? ENOENT : 0);
	works(m, "another");
}

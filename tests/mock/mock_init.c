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

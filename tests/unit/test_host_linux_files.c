/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Linux host's operations on open files beyond reading and writing: what of a request of the kernel's reaches the daemon, and
 * the answer's every byte. The daily ones are in test_host_linux.c, what is wrong, many or large in test_host_linux_edge.c.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */
#include "fake_kernel.c" /* NOLINT(bugprone-suspicious-include) */

static struct kernel kernel, *k = &kernel;
static struct fake fake, *f = &fake;

static void
setup(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	k_start(k, f);
	k_mount(k, WIRE_MINOR_MAX, k_flags(WIRE_MINOR_MAX) & ~WIRE_INIT_EXPORT_SUPPORT);
}

static void
teardown(void)
{
	k_stop(k);
}

static void
again(uint32_t minor)
{
	k_stop(k);
	k_start(k, f);
	k_mount(k, minor, 0);
}

/* The daemon answers; so does the host, with the same. */
static void
same(const struct wire_req *req, const union wire_out *out, size_t len)
{
	fake_reply(f, req, out, NULL, 0);
	ck_assert_mem_eq(k_expect(k, 0, len), out, len);
	k_quiet(k);
}

/* ---- locks ---- */

START_TEST(locks)
{
	static const uint32_t opcodes[] = { WIRE_GETLK, WIRE_SETLK, WIRE_SETLKW };
	struct wire_lk_in in = { .owner = UINT64_MAX - 3, .lk = { 5, INT64_MAX, F_WRLCK, 4321 } };
	union wire_out out = { .lk.lk = { 6, 7, F_RDLCK, 99 } };

	for (int i = 0; i < 3; i++) {
		for (uint32_t flag = 0; flag < 2; flag++) {
			struct wire_lk_in want = in;
			struct wire_req req;

			in.fh = k->file_fh;
			in.lk_flags = want.lk_flags = flag;
			req = k_ask(k, opcodes[i], k->file, FILE_D, IN(.lk = in), NULL, 0);
			want.fh = FILE_FH;
			ck_assert_mem_eq(&req.in.lk, &want, sizeof(want));
			if (i == 0)
				same(&req, &out, sizeof(out.lk));
			else
				k_done(k, &req);
		}
	}
}
END_TEST

/* The kernel's INTERRUPT for one that waits. */
START_TEST(lock_interrupted)
{
	struct wire_lk_in in = { .fh = k->file_fh, .lk = { 0, 1, F_WRLCK, 1 } };
	struct wire_req req = k_ask(k, WIRE_SETLKW, k->file, FILE_D, IN(.lk = in), NULL, 0), intr;
	uint64_t unique = k->unique;

	k_send(k, WIRE_INTERRUPT, 0, IN(.interrupt.unique = unique), NULL, 0);
	intr = fake_expect(f, WIRE_INTERRUPT);
	ck_assert_uint_eq(intr.in.interrupt.unique, req.hdr.unique);
	fake_error(f, &req, EINTR);
	k->unique = unique;
	(void)k_expect(k, EINTR, 0);
	k->unique += 2;
}
END_TEST

START_TEST(lock_nonsense)
{
	struct wire_req req =
	    k_ask(k, WIRE_GETLK, k->file, FILE_D, IN(.lk = { .fh = k->file_fh, .lk = { 0, 1, F_WRLCK, 1 } }), NULL, 0);

	fake_reply(f, &req, OUT(.lk.lk = { 2, 1, F_WRLCK, 1 }), NULL, 0);
	(void)k_expect(k, EIO, 0);
}
END_TEST

/* ---- ranges ---- */

START_TEST(fallocate_)
{
	struct wire_fallocate_in in = { k->file_fh, 5, 6, 3, 0 };
	struct wire_req req = k_ask(k, WIRE_FALLOCATE, k->file, FILE_D, IN(.fallocate = in), NULL, 0);

	in.fh = FILE_FH;
	ck_assert_mem_eq(&req.in.fallocate, &in, sizeof(in));
	k_done(k, &req);
}
END_TEST

START_TEST(lseek_)
{
	struct wire_lseek_in in = { k->file_fh, 12, SEEK_HOLE, 0 };
	struct wire_req req = k_ask(k, WIRE_LSEEK, k->file, FILE_D, IN(.lseek = in), NULL, 0);

	in.fh = FILE_FH;
	ck_assert_mem_eq(&req.in.lseek, &in, sizeof(in));
	same(&req, OUT(.lseek.offset = 1ull << 40), sizeof(struct wire_lseek_out));
	in.fh = k->file_fh;
	req = k_ask(k, WIRE_LSEEK, k->file, FILE_D, IN(.lseek = in), NULL, 0);
	fake_reply(f, &req, OUT(.lseek.offset = UINT64_MAX), NULL, 0);
	(void)k_expect(k, EINVAL, 0);
}
END_TEST

/*
 * Whichever form the kernel uses, and whichever the daemon has, each gets its own answer. _i & 1: the kernel's is the old one;
 * _i & 2: the daemon's is.
 */
START_TEST(copy)
{
	uint32_t opcode = _i & 1 ? WIRE_COPY_FILE_RANGE : WIRE_COPY_FILE_RANGE_64;
	struct wire_copy_file_range_in in = { k->file_fh, 1, k->file, k->file_fh, 2, 3ull << 30, 0 };
	struct wire_copy_file_range_in want = { FILE_FH, 1, FILE_D, FILE_FH, 2, 3ull << 30, 0 };
	struct wire_copy_file_range_out wide;
	struct wire_write_out narrow;
	struct wire_req req;

	for (int round = 0; round < 2; round++) {
		k_send(k, opcode, k->file, IN(.copy_file_range = in), NULL, 0);
		if (round == 0 || !(_i & 2)) {
			req = fake_expect(f, WIRE_COPY_FILE_RANGE_64);
			ck_assert_mem_eq(&req.in.copy_file_range, &want, sizeof(want));
			if (_i & 2)
				fake_error(f, &req, ENOSYS);
			else
				fake_reply(f, &req, OUT(.copy_file_range.bytes_copied = 2ull << 30), NULL, 0);
		}
		if (_i & 2) {
			req = fake_expect(f, WIRE_COPY_FILE_RANGE);
			ck_assert_mem_eq(&req.in.copy_file_range, &want, sizeof(want));
			fake_reply(f, &req, OUT(.write.size = 2u << 30), NULL, 0);
		}
		if (_i & 1) {
			memcpy(&narrow, k_expect(k, 0, sizeof(narrow)), sizeof(narrow));
			ck_assert_uint_eq(narrow.size, 2u << 30);
			ck_assert_uint_eq(narrow.padding, 0);
		} else {
			memcpy(&wide, k_expect(k, 0, sizeof(wide)), sizeof(wide));
			ck_assert_uint_eq(wide.bytes_copied, 2ull << 30);
		}
		k_quiet(k);
	}
	/* What the old answer cannot count is not asked for. */
	in.len = 1ull << 40;
	k_send(k, opcode, k->file, IN(.copy_file_range = in), NULL, 0);
	req = fake_expect(f, _i & 2 ? WIRE_COPY_FILE_RANGE : WIRE_COPY_FILE_RANGE_64);
	if (_i != 0)
		ck_assert_uint_le(req.in.copy_file_range.len, UINT32_MAX);
	else
		ck_assert_uint_eq(req.in.copy_file_range.len, 1ull << 40);
	fake_error(f, &req, EPERM);
	(void)k_expect(k, EPERM, 0);
}
END_TEST

/* ---- devices ---- */

START_TEST(ioctl_)
{
	struct wire_ioctl_in in = { k->file_fh, WIRE_IOCTL_32BIT, 0xabcd, UINT64_MAX, 5, 300 };
	uint8_t data[300], answer[sizeof(struct wire_ioctl_out) + sizeof(data)] = { 0 };
	const struct wire_ioctl_out minus = { .result = -7 };
	struct wire_req req;

	memset(data, 'd', sizeof(data));
	for (size_t n = 0; n <= sizeof(data); n += 100) {
		req = k_ask(k, WIRE_IOCTL, k->file, FILE_D, IN(.ioctl = in), "12345", 5);
		ck_assert_uint_eq(req.in.ioctl.fh, FILE_FH);
		ck_assert_uint_eq(req.in.ioctl.flags, WIRE_IOCTL_32BIT);
		ck_assert_uint_eq(req.in.ioctl.cmd, 0xabcd);
		ck_assert_uint_eq(req.in.ioctl.arg, UINT64_MAX);
		ck_assert_uint_eq(req.in.ioctl.out_size, 300);
		ck_assert_uint_eq(req.datalen, 5);
		ck_assert_mem_eq(req.data, "12345", 5);
		fake_reply(f, &req, OUT(.ioctl = { -7, 0, 3, 4 }), data, n);
		memcpy(answer, &minus, sizeof(minus));
		memcpy(answer + sizeof(minus), data, n);
		ck_assert_mem_eq(k_expect(k, 0, sizeof(minus) + n), answer, sizeof(minus) + n);
		k_quiet(k);
	}
	req = k_ask(k, WIRE_IOCTL, k->file, FILE_D, IN(.ioctl = in), "12345", 5);
	fake_reply(f, &req, OUT(.ioctl.flags = WIRE_IOCTL_RETRY), data, 16);
	(void)k_expect(k, EIO, 0);
	in.in_size = 0; /* a directory's */
	in.fh = k->dir_fh;
	in.flags = WIRE_IOCTL_DIR;
	req = k_ask(k, WIRE_IOCTL, k->dir, DIR_D, IN(.ioctl = in), NULL, 0);
	ck_assert_uint_eq(req.in.ioctl.fh, DIR_FH);
	ck_assert_uint_eq(req.in.ioctl.flags, WIRE_IOCTL_DIR);
	fake_error(f, &req, ENOSYS);
	(void)k_expect(k, ENOSYS, 0);
	again(10); /* older than IOCTL: it says so itself, but for directories */
	req = k_ask(k, WIRE_IOCTL, k->file, FILE_D, IN(.ioctl = { .fh = k->file_fh }), NULL, 0);
	fake_error(f, &req, ENOSYS);
	(void)k_expect(k, ENOSYS, 0);
	k_send(k, WIRE_IOCTL, k->dir, IN(.ioctl = { .fh = k->dir_fh, .flags = WIRE_IOCTL_DIR }), NULL, 0);
	(void)k_expect(k, ENOSYS, 0);
	fake_quiet(f);
}
END_TEST

START_TEST(poll_)
{
	struct wire_poll_in in = { k->file_fh, UINT64_MAX, 1, 0x41 };
	struct wire_req req = k_ask(k, WIRE_POLL, k->file, FILE_D, IN(.poll = in), NULL, 0);

	in.fh = FILE_FH;
	ck_assert_mem_eq(&req.in.poll, &in, sizeof(in));
	same(&req, OUT(.poll.revents = 0x40), sizeof(struct wire_poll_out));
}
END_TEST

START_TEST(bmap_and_syncfs)
{
	struct wire_bmap_in in = { 1ull << 50, 512, 0 };
	struct wire_req req = k_ask(k, WIRE_BMAP, k->file, FILE_D, IN(.bmap = in), NULL, 0);

	ck_assert_mem_eq(&req.in.bmap, &in, sizeof(in));
	same(&req, OUT(.bmap.block = 1ull << 60), sizeof(struct wire_bmap_out));
	req = k_ask(k, WIRE_SYNCFS, 1, WIRE_ROOT_ID, IN(.syncfs.padding = 0), NULL, 0);
	k_done(k, &req);
}
END_TEST

START_TEST(statx_)
{
	struct wire_statx_in in = { WIRE_GETATTR_FH, 0, k->file_fh, 7, 8 };
	struct wire_statx_out sx = { .attr_valid = 1,
		.attr_valid_nsec = 2,
		.stat = { .mask = 0xfff,
		    .blksize = 2,
		    .attributes = 3,
		    .nlink = 4,
		    .uid = 5,
		    .gid = 6,
		    .mode = S_IFREG | 0640,
		    .ino = 8,
		    .size = 9,
		    .blocks = 10,
		    .attributes_mask = 11,
		    .atime = { -12, 13, 0 },
		    .btime = { 14, 15, 0 },
		    .ctime = { 16, 17, 0 },
		    .mtime = { 18, 19, 0 },
		    .rdev_major = 20,
		    .rdev_minor = 21,
		    .dev_major = 22,
		    .dev_minor = 23 } };
	struct wire_req req = k_ask(k, WIRE_STATX, k->file, FILE_D, IN(.statx = in), NULL, 0);

	in.fh = FILE_FH;
	ck_assert_mem_eq(&req.in.statx, &in, sizeof(in));
	same(&req, OUT(.statx = sx), sizeof(sx));
}
END_TEST

/* ---- a file without a name; what requests say of their caller ---- */

START_TEST(tmpfile_)
{
	static const uint8_t ext[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct wire_create_in in = { O_RDWR, S_IFREG | 0600, 022, 0 };
	struct {
		struct wire_in_header hdr;
		struct wire_create_in in;
		char name[2];
		uint8_t ext[sizeof(ext)];
	} __attribute__((packed)) packet = { .hdr = { .len = sizeof(packet),
						 .opcode = WIRE_TMPFILE,
						 .nodeid = k->dir,
						 .uid = 7,
						 .gid = 8,
						 .pid = 9,
						 .total_extlen = sizeof(ext) / 8 },
		.in = in,
		.name = "/" };
	union wire_out out = k_entry(NEW_D, S_IFREG | 0600);
	struct wire_entry_out entry;
	struct wire_open_out open;
	struct wire_req req;
	const uint8_t *p;

	memcpy(packet.ext, ext, sizeof(ext));
	packet.hdr.unique = k->unique += 2;
	k_packet(k, &packet, sizeof(packet));
	req = fake_expect(f, WIRE_TMPFILE);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_uint_eq(req.hdr.uid, 7);
	ck_assert_mem_eq(&req.in.create, &in, sizeof(in));
	ck_assert_str_eq(req.name[0], "/");
	ck_assert_uint_eq(req.extlen, sizeof(ext));
	ck_assert_mem_eq(req.ext, ext, sizeof(ext));
	fake_reply(f, &req, &out, NULL, 0);
	p = k_expect(k, 0, sizeof(entry) + sizeof(open));
	memcpy(&entry, p, sizeof(entry));
	memcpy(&open, p + sizeof(entry), sizeof(open));
	req = k_ask(k, WIRE_FSYNC, entry.nodeid, NEW_D, IN(.fsync.fh = open.fh), NULL, 0);
	ck_assert_uint_eq(req.in.fsync.fh, FILE_FH);
	k_done(k, &req);
}
END_TEST

/* The kernel's caller is gone when the answer comes: what was made is given back. */
START_TEST(tmpfile_not_taken)
{
	union wire_out out = k_entry(NEW_D, S_IFREG | 0600);
	struct wire_req req =
	    k_ask(k, WIRE_TMPFILE, k->dir, DIR_D, IN(.create = { O_RDWR, S_IFREG | 0600, 0, 0 }), STR("/"));

	k_close(k);
	fake_reply(f, &req, &out, NULL, 0);
	req = fake_expect(f, WIRE_RELEASE);
	ck_assert_uint_eq(req.hdr.nodeid, NEW_D);
	req = fake_expect(f, WIRE_FORGET);
	ck_assert_uint_eq(req.hdr.nodeid, NEW_D);
	ck_assert_uint_eq(req.in.forget.nlookup, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("host_linux_files");
	TCase *t = tcase_create("files");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, locks);
	tcase_add_test(t, lock_interrupted);
	tcase_add_test(t, lock_nonsense);
	tcase_add_test(t, fallocate_);
	tcase_add_test(t, lseek_);
	tcase_add_loop_test(t, copy, 0, 4);
	tcase_add_test(t, ioctl_);
	tcase_add_test(t, poll_);
	tcase_add_test(t, bmap_and_syncfs);
	tcase_add_test(t, statx_);
	tcase_add_test(t, tmpfile_);
	tcase_add_test(t, tmpfile_not_taken);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

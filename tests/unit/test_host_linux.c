/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Linux host, operation by operation: what of a request of the kernel's reaches the daemon, and the answer's every byte.
 * Requests that are wrong, many or large, and the end, are in test_host_linux_edge.c.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */
#include "fake_kernel.c" /* NOLINT(bugprone-suspicious-include) */

static struct kernel kernel, *k = &kernel;
static struct fake fake, *f = &fake;

/* As many kernels and daemons; those that are tested in every operation. */
static const uint32_t minors[] = { 45, 31, 22, 8 };
#define MINORS (int)(sizeof(minors) / sizeof(minors[0]))

static void
start(uint32_t minor, uint64_t flags)
{
	k_start(k, f);
	k_mount(k, minor, flags);
}

/* ---- INIT ---- */

static uint32_t
least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Every kernel with every daemon: _i counts both. */
START_TEST(init)
{
	static const uint32_t kernels[] = { 45, 31, 22, 8 }, daemons[] = { 45, 31, 19, 8 };
	const uint64_t always = WIRE_INIT_MAX_PAGES | WIRE_INIT_EXT;
	uint32_t km = kernels[_i / 4 % 4], dm = daemons[_i % 4];
	bool eager = _i < 16; /* a daemon that wants everything */
	struct wire_init offer = { .major = 7, .minor = km, .flags = k_flags(km), .max_readahead = 131072 };
	struct wire_init answer = { .major = 7,
		.minor = dm,
		.flags = eager ? k_flags(dm) : 0,
		.max_readahead = eager ? 1 << 30 : 65536,
		.max_background = 12,
		.congestion_threshold = 9,
		.max_write = eager ? 1 << 30 : 100,
		.time_gran = 100,
		.max_pages = eager ? 1000 : 3,
		.map_alignment = 1,
		.max_stack_depth = 2,
		.request_timeout = 3 };
	size_t len = km < 23 ? 24 : 64, out, in;
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE), pages;
	struct wire_init_out got = { 0 };
	struct wire_init asked;
	uint64_t flags;

	k_start(k, f);
	asked = k_init(k, &offer, &answer);
	ck_assert_uint_eq(asked.minor, km);
	ck_assert_uint_eq(asked.max_readahead, 131072);
	ck_assert_uint_eq(asked.flags, offer.flags & vn_flags_carried());
	memcpy(&got, k_expect(k, 0, len), len);
	k_quiet(k);
	ck_assert_uint_eq(k->ready, 1);
	ck_assert_uint_eq(k->failed, 0);
	ck_assert_uint_eq(got.major, 7);
	ck_assert_uint_eq(got.minor, least(km, dm));
	flags = (offer.flags & answer.flags & vn_flags_carried()) | (offer.flags & always);
	ck_assert_uint_eq(got.flags, flags & UINT32_MAX);
	ck_assert_uint_eq(got.flags2, flags >> 32);
	ck_assert_uint_eq(got.max_readahead, eager ? 131072 : 65536);
	ck_assert_uint_eq(got.max_background, dm < 13 ? 0 : 12);
	ck_assert_uint_eq(got.congestion_threshold, dm < 13 ? 0 : 9);
	out = (conn_max_out(f->conn) - 4096) / page * page;
	in = (conn_max_in(f->conn) - 4096) / page * page;
	ck_assert_uint_eq(got.max_write, eager ? least(1024 * 1024, (uint32_t)out) : 4096);
	pages = offer.flags & answer.flags & WIRE_INIT_MAX_PAGES ? answer.max_pages : 32;
	pages = least(pages, least(1024 * 1024, (uint32_t)(in < out ? in : out)) / page);
	ck_assert_uint_eq(got.max_pages, len < 64 ? 0 : pages);
	ck_assert_uint_eq(got.time_gran, len < 64 ? 0 : dm < 23 ? 1 : 100);
	ck_assert_uint_eq(got.map_alignment, 0);
	ck_assert_uint_eq(got.max_stack_depth, 0);
	ck_assert_uint_eq(got.request_timeout, flags & WIRE_INIT_REQUEST_TIMEOUT ? 3 : 0);
	k_stop(k);
}
END_TEST

START_TEST(init_twice)
{
	union wire_in in;
	struct wire_init offer = { .major = 7, .minor = 45 };

	start(45, 0);
	(void)wire_init_request(&offer, &in.init, sizeof(in.init));
	k_send(k, WIRE_INIT, 0, &in, NULL, 0);
	(void)k_expect(k, EPROTO, 0);
	fake_quiet(f);
	ck_assert_uint_eq(k->ready, 1);
	ck_assert_uint_eq(k->failed, 0);
	k_stop(k);
}
END_TEST

/* _i: the daemon refuses, dies, speaks another protocol, speaks one that is too old. */
START_TEST(init_fails)
{
	struct wire_init offer = { .major = 7, .minor = 45 };
	struct wire_init answer = { .major = _i == 2 ? 8 : 7, .minor = _i == 3 ? 7 : 45 };
	uint8_t body[64];
	union wire_in in;
	struct wire_req req;

	k_start(k, f);
	(void)wire_init_request(&offer, &in.init, sizeof(in.init));
	k_send(k, WIRE_INIT, 0, &in, NULL, 0);
	req = fake_expect(f, WIRE_INIT);
	ck_assert_uint_eq(k->failed, 0);
	if (_i == 0)
		fake_error(f, &req, EPERM);
	else if (_i == 1)
		fake_close(f);
	else
		fake_reply(f, &req, NULL, body, wire_init_reply(&answer, 45, body, sizeof(body)));
	if (_i != 1) {
		(void)k_expect(k, EPROTO, 0);
		k_quiet(k);
	} else { /* a dead one: the kernel sees the end of the descriptor */
		k_turn(k);
		ck_assert_int_eq(recv(k->sock, k->rx, 1, MSG_DONTWAIT), 0);
	}
	ck_assert_uint_eq(k->ready, 0);
	ck_assert_uint_eq(k->failed, 1);
	ck_assert_int_eq(k->error, _i == 1 ? ENOTCONN : EPROTO);
	ck_assert_uint_gt(strlen(k->why), 10);
	ck_assert_ptr_null(strchr(k->why, '\n'));
	if (_i != 1)
		k_stop(k);
	else
		k_free(k);
	ck_assert_uint_eq(k->failed, 1);
}
END_TEST

/* ---- operations; _i: which minor ---- */

START_TEST(names)
{
	struct wire_req req;
	uint64_t made;

	start(minors[_i], 0);
	req = k_ask(k, WIRE_LOOKUP, k->dir, DIR_D, NULL, STR("a \377\n name"));
	ck_assert_str_eq(req.name[0], "a \377\n name");
	made = k_entered(k, &req, NEW_D, S_IFREG | 0600);
	req = k_ask(k, WIRE_MKNOD, k->dir, DIR_D, IN(.mknod = { S_IFREG | 0666, 0x123, 027, 0 }), STR("new"));
	ck_assert_uint_eq(req.in.mknod.mode, S_IFREG | (minors[_i] < 12 ? 0666 : 0640));
	ck_assert_uint_eq(req.in.mknod.rdev, 0x123);
	ck_assert_uint_eq(req.in.mknod.umask, minors[_i] < 12 ? 0 : 027);
	ck_assert_str_eq(req.name[0], "new");
	ck_assert_uint_eq(k_entered(k, &req, NEW_D, S_IFREG | 0640), made);
	req = k_ask(k, WIRE_MKDIR, k->dir, DIR_D, IN(.mkdir = { 01777, 022 }), STR("sub"));
	ck_assert_uint_eq(req.in.mkdir.mode, 01755);
	ck_assert_uint_eq(req.in.mkdir.umask, 022);
	ck_assert_str_eq(req.name[0], "sub");
	(void)k_entered(k, &req, NEW_D + 1, S_IFDIR | 01755);
	req = k_ask(k, WIRE_SYMLINK, k->dir, DIR_D, NULL, STR("sym\0the/target"));
	ck_assert_str_eq(req.name[0], "sym");
	ck_assert_str_eq(req.name[1], "the/target");
	made = k_entered(k, &req, NEW_D + 2, S_IFLNK | 0777);
	req = k_ask(k, WIRE_READLINK, made, NEW_D + 2, NULL, NULL, 0);
	fake_reply(f, &req, NULL, "the/target", 10);
	ck_assert_mem_eq(k_expect(k, 0, 10), "the/target", 10);
	req = k_ask(k, WIRE_LINK, k->dir, DIR_D, IN(.link.oldnodeid = k->file), STR("again"));
	ck_assert_uint_eq(req.in.link.oldnodeid, FILE_D);
	ck_assert_str_eq(req.name[0], "again");
	ck_assert_uint_eq(k_entered(k, &req, FILE_D, S_IFREG | 0644), k->file);
	req = k_ask(k, WIRE_UNLINK, k->dir, DIR_D, NULL, STR("old"));
	ck_assert_str_eq(req.name[0], "old");
	k_done(k, &req);
	req = k_ask(k, WIRE_RMDIR, 1, WIRE_ROOT_ID, NULL, STR("sub"));
	ck_assert_str_eq(req.name[0], "sub");
	k_done(k, &req);
	req = k_ask(k, WIRE_RENAME, 1, WIRE_ROOT_ID, IN(.rename.newdir = k->dir), STR("old\0new"));
	ck_assert_uint_eq(req.in.rename.newdir, DIR_D);
	ck_assert_str_eq(req.name[0], "old");
	ck_assert_str_eq(req.name[1], "new");
	k_done(k, &req);
	if (minors[_i] >= 23) {
		req = k_ask(k, WIRE_RENAME2, k->dir, DIR_D, IN(.rename2 = { 1, 1, 0 }), STR("old\0new"));
		ck_assert_uint_eq(req.in.rename2.newdir, WIRE_ROOT_ID);
		ck_assert_uint_eq(req.in.rename2.flags, 1);
		ck_assert_str_eq(req.name[0], "old");
		ck_assert_str_eq(req.name[1], "new");
		k_done(k, &req);
	}
	k_stop(k);
}
END_TEST

START_TEST(lookup_negative)
{
	struct wire_entry_out got = { 0 };
	struct wire_req req;

	start(minors[_i], 0);
	req = k_ask(k, WIRE_LOOKUP, 1, WIRE_ROOT_ID, NULL, STR("absent"));
	fake_reply(f, &req, OUT(.entry = { .entry_valid = 7, .entry_valid_nsec = 8 }), NULL, 0);
	memcpy(&got, k_expect(k, 0, k_entry_len(k)), k_entry_len(k));
	ck_assert_uint_eq(got.nodeid, 0);
	ck_assert_uint_eq(got.entry_valid, 7);
	ck_assert_uint_eq(got.entry_valid_nsec, 8);
	ck_assert_uint_eq(got.attr.mode, 0);
	k_stop(k);
}
END_TEST

/* The daemon answers with attributes; so does the host. */
static void
attributed(const struct wire_req *req)
{
	union wire_out out = { .attr = {
				   5, 6, 0, { 11, 12, 13, 14, 15, 16, 17, 18, 19, S_IFREG, 21, 22, 23, 24, 25, 26 } } };
	size_t len = k->proto.minor < 9 ? 96 : 104;

	fake_reply(f, req, &out, NULL, 0);
	ck_assert_mem_eq(k_expect(k, 0, len), &out.attr, len);
	k_quiet(k);
}

START_TEST(attributes)
{
	static const struct wire_setattr_in set = { ~0u, 0, 0, 4, 5, 6, 7, 8, 9, 10, 11, 1, 0, 2, 3, 0 };
	struct wire_setattr_in want = set;
	union wire_out out = { .statfs.st = { 1, 2, 3, 4, 5, 6, 7, 8, 0, { 0 } } };
	struct wire_req req;

	start(minors[_i], 0);
	req = k_ask(k, WIRE_GETATTR, k->file, FILE_D, IN(.getattr.fh = 12345), NULL, 0); /* not valid, so no matter */
	ck_assert_uint_eq(req.in.getattr.getattr_flags, 0);
	ck_assert_uint_eq(req.in.getattr.fh, 0);
	attributed(&req);
	req = k_ask(k, WIRE_GETATTR, k->file, FILE_D, IN(.getattr = { WIRE_GETATTR_FH, 0, k->file_fh }), NULL, 0);
	ck_assert_uint_eq(req.in.getattr.getattr_flags, WIRE_GETATTR_FH);
	ck_assert_uint_eq(req.in.getattr.fh, FILE_FH);
	attributed(&req);
	want.fh = k->file_fh;
	req = k_ask(k, WIRE_SETATTR, k->file, FILE_D, IN(.setattr = want), NULL, 0);
	want.fh = FILE_FH;
	ck_assert_mem_eq(&req.in.setattr, &want, sizeof(want));
	attributed(&req);
	want.valid = ~WIRE_FATTR_FH;
	req = k_ask(k, WIRE_SETATTR, k->file, FILE_D, IN(.setattr = want), NULL, 0);
	want.fh = 0;
	ck_assert_mem_eq(&req.in.setattr, &want, sizeof(want));
	attributed(&req);
	req = k_ask(k, WIRE_ACCESS, k->dir, DIR_D, IN(.access.mask = 5), NULL, 0);
	ck_assert_uint_eq(req.in.access.mask, 5);
	k_done(k, &req);
	req = k_ask(k, WIRE_STATFS, k->file, FILE_D, NULL, NULL, 0);
	fake_reply(f, &req, &out, NULL, 0);
	ck_assert_mem_eq(k_expect(k, 0, sizeof(out.statfs)), &out.statfs, sizeof(out.statfs));
	k_stop(k);
}
END_TEST

START_TEST(xattrs)
{
	static const uint32_t get[] = { WIRE_GETXATTR, WIRE_LISTXATTR };
	struct wire_getxattr_out size = { .size = 1234 };
	struct wire_req req;

	/* The new SETXATTR is agreed where both are new. */
	start(minors[_i], WIRE_INIT_SETXATTR_EXT);
	ck_assert_uint_eq(k->proto.setxattr_ext, minors[_i] == 45);
	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? "user.a" : "";
		size_t len = i == 0 ? 7 : 0;

		req = k_ask(k, get[i], k->file, FILE_D, IN(.getxattr.size = 10), name, len);
		ck_assert_uint_eq(req.in.getxattr.size, 10);
		if (i == 0)
			ck_assert_str_eq(req.name[0], "user.a");
		fake_reply(f, &req, NULL, "abc\0defgh", 10);
		ck_assert_mem_eq(k_expect(k, 0, 10), "abc\0defgh", 10);
		req = k_ask(k, get[i], k->file, FILE_D, IN(.getxattr.size = 10), name, len);
		fake_reply(f, &req, NULL, NULL, 0);
		(void)k_expect(k, 0, 0);
		req = k_ask(k, get[i], k->file, FILE_D, IN(.getxattr.size = 0), name, len);
		ck_assert_uint_eq(req.in.getxattr.size, 0);
		fake_reply(f, &req, OUT(.getxattr = size), NULL, 0);
		ck_assert_mem_eq(k_expect(k, 0, sizeof(size)), &size, sizeof(size));
	}
	req = k_ask(k, WIRE_SETXATTR, k->file, FILE_D, IN(.setxattr = { 5, 2, 1, 0 }), "user.b\0value", 12);
	ck_assert_uint_eq(req.in.setxattr.flags, 2);
	ck_assert_uint_eq(req.in.setxattr.setxattr_flags, minors[_i] == 45);
	ck_assert_str_eq(req.name[0], "user.b");
	ck_assert_uint_eq(req.datalen, 5);
	ck_assert_mem_eq(req.data, "value", 5);
	k_done(k, &req);
	req = k_ask(k, WIRE_REMOVEXATTR, k->file, FILE_D, NULL, STR("user.b"));
	ck_assert_str_eq(req.name[0], "user.b");
	k_done(k, &req);
	k_stop(k);
}
END_TEST

START_TEST(files)
{
	struct wire_write_out written = { .size = 3 };
	struct wire_read_in read = { 0, 1ull << 40, 100, 2, 3, 4, 0 };
	struct wire_write_in write = { 0, 1ull << 40, 5, 2, 3, 4, 0 };
	struct wire_release_in release = { 0, O_RDWR, 1, 7 };
	struct wire_req req;
	bool old = minors[_i] < 9;

	start(minors[_i], 0);
	read.fh = write.fh = release.fh = k->file_fh;
	req = k_ask(k, WIRE_READ, k->file, FILE_D, IN(.read = read), NULL, 0);
	read.fh = FILE_FH;
	ck_assert_mem_eq(&req.in.read, &read, sizeof(read));
	fake_reply(f, &req, NULL, "12345", 5);
	ck_assert_mem_eq(k_expect(k, 0, 5), "12345", 5);
	req = k_ask(k, WIRE_WRITE, k->file, FILE_D, IN(.write = write), "12345", 5);
	write.fh = FILE_FH;
	ck_assert_mem_eq(&req.in.write, &write, old ? 24 : sizeof(write));
	ck_assert_uint_eq(req.datalen, 5);
	ck_assert_mem_eq(req.data, "12345", 5);
	fake_reply(f, &req, OUT(.write = written), NULL, 0);
	ck_assert_mem_eq(k_expect(k, 0, sizeof(written)), &written, sizeof(written));
	req = k_ask(k, WIRE_FLUSH, k->file, FILE_D, IN(.flush = { k->file_fh, 0, 0, 7 }), NULL, 0);
	ck_assert_uint_eq(req.in.flush.fh, FILE_FH);
	ck_assert_uint_eq(req.in.flush.lock_owner, 7);
	k_done(k, &req);
	req = k_ask(k, WIRE_FSYNC, k->file, FILE_D, IN(.fsync = { k->file_fh, 1, 0 }), NULL, 0);
	ck_assert_uint_eq(req.in.fsync.fh, FILE_FH);
	ck_assert_uint_eq(req.in.fsync.fsync_flags, 1);
	k_done(k, &req);
	req = k_ask(k, WIRE_RELEASE, k->file, FILE_D, IN(.release = release), NULL, 0);
	release.fh = FILE_FH;
	ck_assert_mem_eq(&req.in.release, &release, sizeof(release));
	k_done(k, &req);
	ck_assert_uint_eq(k_counts(k).files, 1);
	k_stop(k);
}
END_TEST

START_TEST(open_flags)
{
	struct wire_req req;

	start(minors[_i], WIRE_INIT_ATOMIC_O_TRUNC);
	req = k_ask(k, WIRE_OPEN, k->file, FILE_D, IN(.open = { O_WRONLY | O_TRUNC, 1 }), NULL, 0);
	ck_assert_uint_eq(req.in.open.flags, O_WRONLY | (minors[_i] == 8 ? 0 : O_TRUNC));
	ck_assert_uint_eq(req.in.open.open_flags, 1);
	(void)k_opened(k, &req, 5);
	ck_assert_uint_eq(k_counts(k).files, 3);
	k_stop(k);
}
END_TEST

START_TEST(create)
{
	struct wire_create_in in = { O_RDWR | O_CREAT | O_EXCL, S_IFREG | 0666, 027, 1 };
	union wire_out out = k_entry(NEW_D, S_IFREG | 0640);
	struct wire_entry_out entry = { 0 };
	struct wire_open_out open;
	struct wire_req req;
	const uint8_t *p;

	start(minors[_i], 0);
	req = k_ask(k, WIRE_CREATE, k->dir, DIR_D, IN(.create = in), STR("new"));
	ck_assert_uint_eq(req.in.create.flags, in.flags);
	ck_assert_uint_eq(req.in.create.mode, S_IFREG | (minors[_i] < 12 ? 0666 : 0640));
	ck_assert_uint_eq(req.in.create.umask, minors[_i] < 12 ? 0 : 027);
	ck_assert_uint_eq(req.in.create.open_flags, minors[_i] < 12 ? 0 : 1);
	ck_assert_str_eq(req.name[0], "new");
	out.create.open = (struct wire_open_out){ 99, 0x1ff, 5 };
	fake_reply(f, &req, &out, NULL, 0);
	p = k_expect(k, 0, k_entry_len(k) + sizeof(open));
	memcpy(&entry, p, k_entry_len(k));
	memcpy(&open, p + k_entry_len(k), sizeof(open));
	out.entry.nodeid = entry.nodeid;
	ck_assert_uint_ne(entry.nodeid, NEW_D);
	ck_assert_mem_eq(&entry, &out.entry, k_entry_len(k));
	ck_assert_uint_eq(open.open_flags, 0xff);
	ck_assert_int_eq(open.backing_id, 0);
	req = k_ask(k, WIRE_FLUSH, entry.nodeid, NEW_D, IN(.flush.fh = open.fh), NULL, 0);
	ck_assert_uint_eq(req.in.flush.fh, 99);
	k_done(k, &req);
	k_stop(k);
}
END_TEST

/* Two names, and "." before them; in the form of the daemon's entries. */
static size_t
listing(uint8_t *buf, size_t room, bool plus)
{
	static const char *const listed[] = { ".", "one", "second" };
	size_t len = 0;

	for (uint64_t i = 0; i < 3; i++) {
		union wire_out e = k_entry(i == 0 ? DIR_D : NEW_D + i, i == 0 ? S_IFDIR : S_IFREG);
		struct wire_direntry d = { plus ? &e.entry : NULL, 50 + i, 60 + i, i == 0 ? 4 : 8, listed[i],
			(uint32_t)strlen(listed[i]) };

		ck_assert_int_eq(wire_dir_put(buf, room, &len, &d), 0);
	}
	return len;
}

START_TEST(directories)
{
	struct wire_read_in read = { 0, 1ull << 62, 4096, 2, 3, 4, 0 };
	uint64_t list[1024 / 8], got[1024 / 8];
	struct wire_direntry e;
	struct wire_dir walk;
	struct wire_req req;
	size_t len = listing((uint8_t *)list, sizeof(list), false);

	start(minors[_i], 0);
	read.fh = k->dir_fh;
	req = k_ask(k, WIRE_READDIR, k->dir, DIR_D, IN(.read = read), NULL, 0);
	read.fh = DIR_FH;
	ck_assert_mem_eq(&req.in.read, &read, sizeof(read));
	fake_reply(f, &req, NULL, list, len);
	ck_assert_mem_eq(k_expect(k, 0, len), list, len);
	if (minors[_i] >= 21) {
		uint64_t lookups = k_counts(k).lookups;

		read.fh = k->dir_fh;
		req = k_ask(k, WIRE_READDIRPLUS, k->dir, DIR_D, IN(.read = read), NULL, 0);
		read.fh = DIR_FH;
		ck_assert_mem_eq(&req.in.read, &read, sizeof(read));
		len = listing((uint8_t *)list, sizeof(list), true);
		fake_reply(f, &req, NULL, list, len);
		memcpy(got, k_expect(k, 0, len), len);
		ck_assert_uint_eq(k_counts(k).lookups, lookups + 2);
		wire_dir_init(&walk, got, len, true);
		for (uint64_t i = 0; i < 3; i++) { /* all is the daemon's but the nodeid, which works */
			ck_assert_int_eq(wire_dir_next(&walk, &e), 0);
			if (i == 0) {
				ck_assert_uint_eq(e.plus->nodeid, 0);
				e.plus->nodeid = DIR_D;
				continue;
			}
			ck_assert_uint_ne(e.plus->nodeid, NEW_D + i);
			req = k_ask(k, WIRE_ACCESS, e.plus->nodeid, NEW_D + i, IN(.access.mask = 4), NULL, 0);
			k_done(k, &req);
			e.plus->nodeid = NEW_D + i;
		}
		ck_assert_mem_eq(got, list, len);
	}
	req = k_ask(k, WIRE_FSYNCDIR, k->dir, DIR_D, IN(.fsync = { k->dir_fh, 1, 0 }), NULL, 0);
	ck_assert_uint_eq(req.in.fsync.fh, DIR_FH);
	ck_assert_uint_eq(req.in.fsync.fsync_flags, 1);
	k_done(k, &req);
	req = k_ask(k, WIRE_RELEASEDIR, k->dir, DIR_D, IN(.release = { k->dir_fh, 5, 0, 0 }), NULL, 0);
	ck_assert_uint_eq(req.in.release.fh, DIR_FH);
	ck_assert_uint_eq(req.in.release.flags, 5);
	k_done(k, &req);
	ck_assert_uint_eq(k_counts(k).files, 1);
	k_stop(k);
}
END_TEST

START_TEST(destroy)
{
	struct wire_req req;

	start(minors[_i], 0);
	k_send(k, WIRE_DESTROY, 0, NULL, NULL, 0);
	req = fake_expect(f, WIRE_DESTROY);
	if (_i % 2 == 0)
		fake_reply(f, &req, NULL, NULL, 0);
	else
		fake_error(f, &req, ENOSYS);
	(void)k_expect(k, 0, 0);
	k_stop(k);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("host_linux");
	TCase *t = tcase_create("operations");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, init, 0, 32);
	tcase_add_test(t, init_twice);
	tcase_add_loop_test(t, init_fails, 0, 4);
	tcase_add_loop_test(t, names, 0, MINORS);
	tcase_add_loop_test(t, lookup_negative, 0, MINORS);
	tcase_add_loop_test(t, attributes, 0, MINORS);
	tcase_add_loop_test(t, xattrs, 0, MINORS);
	tcase_add_loop_test(t, files, 0, MINORS);
	tcase_add_loop_test(t, open_flags, 0, MINORS);
	tcase_add_loop_test(t, create, 0, MINORS);
	tcase_add_loop_test(t, directories, 0, MINORS);
	tcase_add_loop_test(t, destroy, 0, MINORS);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

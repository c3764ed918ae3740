/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Linux host at its edges: what the daemon does not have, nodes gone bad, forgets, interrupts, large and many requests
 * at once, and the end. What goes wrong with each operation is in test_host_linux_errors.c.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */
#include "fake_kernel.c" /* NOLINT(bugprone-suspicious-include) */
#include "host/linux/priv.h"

static struct kernel kernel, *k = &kernel;
static struct fake fake, *f = &fake;

static void
setup(void)
{
	/* As in the programs: a write to a kernel that is gone is an error, not the end. */
	(void)signal(SIGPIPE, SIG_IGN);
	k_start(k, f);
	k_mount(k, WIRE_MINOR_MAX, k_flags(WIRE_MINOR_MAX) & ~WIRE_INIT_EXPORT_SUPPORT);
}

static void
teardown(void)
{
	k_stop(k);
}

/* ---- forgets ---- */

static uint64_t
look_up(const char *name, uint64_t d_nodeid)
{
	struct wire_req req = k_ask(k, WIRE_LOOKUP, k->dir, DIR_D, NULL, name, strlen(name) + 1);

	return k_entered(k, &req, d_nodeid, S_IFREG | 0644);
}

static void
forgotten(uint64_t d_nodeid, uint64_t nlookup)
{
	struct wire_req req = fake_expect(f, WIRE_FORGET);

	ck_assert_uint_eq(req.hdr.nodeid, d_nodeid);
	ck_assert_uint_eq(req.in.forget.nlookup, nlookup);
	fake_quiet(f);
}

START_TEST(forget)
{
	uint64_t id = look_up("a", NEW_D);

	ck_assert_uint_eq(look_up("a", NEW_D), id);
	ck_assert_uint_eq(look_up("b", NEW_D), id);
	k_send(k, WIRE_FORGET, id, IN(.forget.nlookup = 2), NULL, 0);
	k_quiet(k);
	fake_quiet(f);
	k_send(k, WIRE_FORGET, id, IN(.forget.nlookup = 1), NULL, 0);
	k_quiet(k);
	forgotten(NEW_D, 3);
	k_send(k, WIRE_ACCESS, id, IN(.access.mask = 1), NULL, 0);
	(void)k_expect(k, ESTALE, 0);
	k_send(k, WIRE_FORGET, id, IN(.forget.nlookup = 1), NULL, 0); /* unknown: nothing */
	k_send(k, WIRE_FORGET, 1, IN(.forget.nlookup = 1), NULL, 0);  /* the root stays */
	k_quiet(k);
	fake_quiet(f);
}
END_TEST

START_TEST(batch_forget)
{
	struct wire_forget_one ask[3], got[2];
	struct wire_req req;

	ask[0] = (struct wire_forget_one){ look_up("a", NEW_D), 2 };
	(void)look_up("a", NEW_D);
	ask[1] = (struct wire_forget_one){ 12345, 1 };
	ask[2] = (struct wire_forget_one){ look_up("b", NEW_D + 1), 1 };
	k_send(k, WIRE_BATCH_FORGET, 0, IN(.batch_forget.count = 3), ask, sizeof(ask));
	k_quiet(k);
	req = fake_expect(f, WIRE_BATCH_FORGET);
	ck_assert_uint_eq(req.in.batch_forget.count, 2);
	memcpy(got, req.data, sizeof(got));
	ck_assert_uint_eq(got[0].nodeid, NEW_D);
	ck_assert_uint_eq(got[0].nlookup, 2);
	ck_assert_uint_eq(got[1].nodeid, NEW_D + 1);
	ck_assert_uint_eq(got[1].nlookup, 1);
	fake_quiet(f);
}
END_TEST

/* ---- interrupts ---- */

START_TEST(interrupt)
{
	struct wire_req req = k_ask(k, WIRE_FLUSH, k->file, FILE_D, IN(.flush.fh = k->file_fh), NULL, 0), intr;
	uint64_t unique = k->unique;

	k_send(k, WIRE_INTERRUPT, 0, IN(.interrupt.unique = unique), NULL, 0);
	intr = fake_expect(f, WIRE_INTERRUPT);
	ck_assert_uint_eq(intr.in.interrupt.unique, req.hdr.unique);
	k_send(k, WIRE_INTERRUPT, 0, IN(.interrupt.unique = 12345), NULL, 0); /* unknown */
	fake_quiet(f);
	k_quiet(k); /* it still runs */
	fake_error(f, &req, EINTR);
	k->unique = unique;
	(void)k_expect(k, EINTR, 0);
	k->unique += 10;
	k_send(k, WIRE_INTERRUPT, 0, IN(.interrupt.unique = unique), NULL, 0); /* over */
	fake_quiet(f);
	k_quiet(k);
}
END_TEST

/* ---- what the daemon does not have ---- */

START_TEST(no_open)
{
	uint32_t opcode = _i == 0 ? WIRE_OPEN : WIRE_OPENDIR;
	uint64_t id = _i == 0 ? k->file : k->dir, d_id = _i == 0 ? FILE_D : DIR_D;
	size_t before = k_counts(k).files;
	struct wire_req req = k_ask(k, opcode, id, d_id, IN(.open.flags = O_RDONLY), NULL, 0);

	fake_error(f, &req, ENOSYS);
	(void)k_expect(k, ENOSYS, 0);
	k_send(k, opcode, id, IN(.open.flags = O_RDONLY), NULL, 0);
	(void)k_expect(k, ENOSYS, 0);
	ck_assert_uint_eq(k_counts(k).files, before);
	fake_quiet(f);
	opcode = _i == 0 ? WIRE_READ : WIRE_READDIR;
	req = k_ask(k, opcode, id, d_id, IN(.read = { .size = 100 }), NULL, 0);
	ck_assert_uint_eq(req.in.read.fh, 0);
	fake_reply(f, &req, NULL, NULL, 0);
	(void)k_expect(k, 0, 0);
	k_send(k, _i == 0 ? WIRE_RELEASE : WIRE_RELEASEDIR, id, IN(.release.flags = 0), NULL, 0);
	(void)k_expect(k, 0, 0);
	k_quiet(k);
	fake_quiet(f);
}
END_TEST

/* The kernel is told, and asks for MKNOD and OPEN from then on. */
START_TEST(no_create)
{
	uint32_t opcode = _i == 0 ? WIRE_CREATE : WIRE_TMPFILE;
	const union wire_in in = { .create = { O_RDWR | O_CREAT, S_IFREG | 0600, 0, 0 } };
	struct wire_req req = k_ask(k, opcode, k->dir, DIR_D, &in, STR("/"));

	fake_error(f, &req, ENOSYS);
	(void)k_expect(k, ENOSYS, 0);
	k_send(k, opcode, k->dir, &in, STR("/"));
	(void)k_expect(k, ENOSYS, 0);
	k_quiet(k);
	fake_quiet(f);
}
END_TEST

/* CREATE but no OPEN: an entry without a handle, whatever the daemon says, and no RELEASE for it. */
START_TEST(create_without_open)
{
	uint32_t opcode = _i == 0 ? WIRE_CREATE : WIRE_TMPFILE;
	union wire_out out = k_entry(NEW_D, S_IFREG | 0600);
	size_t before = k_counts(k).files;
	struct wire_entry_out entry;
	struct wire_open_out open;
	struct wire_req req;
	const uint8_t *p;

	req = k_ask(k, WIRE_OPEN, k->file, FILE_D, IN(.open.flags = O_RDONLY), NULL, 0);
	fake_error(f, &req, ENOSYS);
	(void)k_expect(k, ENOSYS, 0);
	req = k_ask(k, opcode, k->dir, DIR_D, IN(.create = { O_RDWR, S_IFREG | 0600, 0, 0 }), STR("/"));
	out.create.open.fh = 99;
	fake_reply(f, &req, &out, NULL, 0);
	p = k_expect(k, 0, sizeof(entry) + sizeof(open));
	memcpy(&entry, p, sizeof(entry));
	memcpy(&open, p + sizeof(entry), sizeof(open));
	ck_assert_uint_ne(entry.nodeid, 0);
	ck_assert_uint_eq(open.fh, 0);
	ck_assert_uint_eq(k_counts(k).files, before);
	/* It is meant where a handle is, and only there. */
	req = k_ask(k, WIRE_GETATTR, entry.nodeid, NEW_D, IN(.getattr.getattr_flags = WIRE_GETATTR_FH), NULL, 0);
	ck_assert_uint_eq(req.in.getattr.getattr_flags, WIRE_GETATTR_FH);
	ck_assert_uint_eq(req.in.getattr.fh, 0);
	fake_error(f, &req, EPERM);
	(void)k_expect(k, EPERM, 0);
	req = k_ask(k, WIRE_GETATTR, entry.nodeid, NEW_D, IN(.getattr.fh = 0), NULL, 0);
	ck_assert_uint_eq(req.in.getattr.getattr_flags, 0);
	fake_error(f, &req, EPERM);
	(void)k_expect(k, EPERM, 0);
	k_send(k, WIRE_RELEASE, entry.nodeid, IN(.release.flags = O_RDWR), NULL, 0);
	(void)k_expect(k, 0, 0);
	k_quiet(k);
	fake_quiet(f);
	k_send(k, WIRE_FORGET, entry.nodeid, IN(.forget.nlookup = 1), NULL, 0);
	forgotten(NEW_D, 1);
}
END_TEST

/* ---- a node that has gone bad: its handle is closed and its lookups are given back all the same ---- */

START_TEST(bad_node)
{
	struct wire_req req = k_ask(k, WIRE_GETATTR, k->file, FILE_D, IN(.getattr.fh = 0), NULL, 0);

	struct wire_attr_out said;

	fake_reply(f, &req, OUT(.attr.attr.mode = S_IFDIR | 0755), NULL, 0);
	memcpy(
	    &said, k_expect(k, 0, sizeof(said)), sizeof(said)); /* for the kernel to see that its inode is bad, too */
	ck_assert_uint_eq(said.attr.mode, S_IFDIR | 0755);
	k_send(k, WIRE_READ, k->file, IN(.read = { .fh = k->file_fh, .size = 10 }), NULL, 0);
	(void)k_expect(k, EIO, 0);
	fake_quiet(f);
	req = k_ask(k, WIRE_RELEASE, k->file, FILE_D, IN(.release = { k->file_fh, O_RDWR, 0, 0 }), NULL, 0);
	ck_assert_uint_eq(req.in.release.fh, FILE_FH);
	ck_assert_uint_eq(req.in.release.flags, O_RDWR);
	k_done(k, &req);
	ck_assert_uint_eq(k_counts(k).files, 1);
	k_send(k, WIRE_FORGET, k->file, IN(.forget.nlookup = 1), NULL, 0);
	forgotten(FILE_D, 1);
	k_quiet(k);
}
END_TEST

/* ---- answers that the kernel does not take: nothing is left of the operation ---- */

START_TEST(refused)
{
	union wire_out out = k_entry(NEW_D, S_IFREG | 0600);
	size_t files = k_counts(k).files, nodes = k_counts(k).nodes;
	struct wire_direntry e = { &out.entry, 1, 1, 8, "one", 3 };
	uint64_t list[64];
	size_t len = 0;
	struct wire_req req;

	ck_assert_int_eq(wire_dir_put(list, sizeof(list), &len, &e), 0);
	ck_assert_int_eq(shutdown(k->sock, SHUT_RD), 0);
	k_send(k, WIRE_LOOKUP, k->dir, NULL, STR("x"));
	req = fake_expect(f, WIRE_LOOKUP);
	fake_reply(f, &req, &out, NULL, 0);
	forgotten(NEW_D, 1);
	k_send(k, WIRE_OPEN, k->file, IN(.open.flags = O_RDWR), NULL, 0);
	req = fake_expect(f, WIRE_OPEN);
	fake_reply(f, &req, OUT(.open.fh = 55), NULL, 0);
	req = fake_expect(f, WIRE_RELEASE);
	ck_assert_uint_eq(req.hdr.nodeid, FILE_D);
	ck_assert_uint_eq(req.in.release.fh, 55);
	fake_reply(f, &req, NULL, NULL, 0);
	k_send(k, WIRE_CREATE, k->dir, IN(.create.mode = S_IFREG), STR("x"));
	req = fake_expect(f, WIRE_CREATE);
	fake_reply(f, &req, &out, NULL, 0);
	req = fake_expect(f, WIRE_RELEASE);
	ck_assert_uint_eq(req.hdr.nodeid, NEW_D);
	ck_assert_uint_eq(req.in.release.fh, FILE_FH);
	fake_reply(f, &req, NULL, NULL, 0);
	forgotten(NEW_D, 1);
	k_send(k, WIRE_READDIRPLUS, k->dir, IN(.read = { .fh = k->dir_fh, .size = 4096 }), NULL, 0);
	req = fake_expect(f, WIRE_READDIRPLUS);
	fake_reply(f, &req, NULL, list, len);
	forgotten(NEW_D, 1);
	ck_assert_uint_eq(k_counts(k).files, files);
	ck_assert_uint_eq(k_counts(k).nodes, nodes);
}
END_TEST

/* ---- large and many ---- */

static void
fill(uint8_t *p, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)(seed >> 24);
	}
}

START_TEST(large_writes)
{
	enum { N = 12 }; /* more than the sockets hold: some wait in the queue, on their chunks */
	size_t size = k_room(k);
	uint8_t *data = malloc(size);
	struct wire_req req[N];
	uint64_t unique[N];
	bool queued = false;

	ck_assert_ptr_nonnull(data);
	for (unsigned i = 0; i < N; i++) {
		fill(data, size, i);
		unique[i] = k_send(k, WIRE_WRITE, k->file,
		    IN(.write = { .fh = k->file_fh, .offset = i, .size = (uint32_t)size }), data, size);
		queued = queued || conn_queued(f->conn) > 0;
	}
	ck_assert(queued);
	ck_assert_uint_eq(host_linux_running(k->h), N);
	for (unsigned i = 0; i < N; i++) {
		req[i] = fake_expect(f, WIRE_WRITE);
		ck_assert_uint_eq(req[i].in.write.offset, i);
		ck_assert_uint_eq(req[i].in.write.fh, FILE_FH);
		ck_assert_uint_eq(req[i].datalen, size);
		fill(data, size, i);
		ck_assert_int_eq(memcmp(req[i].data, data, size), 0);
	}
	for (unsigned i = N; i-- > 0;) {
		struct wire_write_out w;

		fake_reply(f, &req[i], OUT(.write.size = (uint32_t)size - i), NULL, 0);
		k->unique = unique[i];
		memcpy(&w, k_expect(k, 0, sizeof(w)), sizeof(w));
		ck_assert_uint_eq(w.size, size - i);
	}
	k_quiet(k);
	free(data);
}
END_TEST

START_TEST(large_reads)
{
	enum { N = 4 };
	size_t size = k_room(k);
	uint8_t *data = malloc(size);
	struct wire_req req[N];
	uint64_t unique[N];

	ck_assert_ptr_nonnull(data);
	for (unsigned i = 0; i < N; i++) {
		req[i] = k_ask(k, WIRE_READ, k->file, FILE_D,
		    IN(.read = { .fh = k->file_fh, .offset = i, .size = (uint32_t)size }), NULL, 0);
		unique[i] = k->unique;
		ck_assert_uint_eq(req[i].in.read.size, size);
	}
	for (unsigned i = N; i-- > 0;) {
		fill(data, size, i);
		fake_reply(f, &req[i], NULL, data, size);
		k->unique = unique[i];
		ck_assert_int_eq(memcmp(k_expect(k, 0, size), data, size), 0);
	}
	k_quiet(k);
	free(data);
}
END_TEST

START_TEST(many)
{
	enum { N = 500 };
	static struct wire_req req[N];
	static bool answered[N];
	uint64_t first = k->unique + 2;
	struct wire_attr_out out;
	uint32_t seed = 1;

	for (unsigned i = 0; i < N; i++) {
		k_send(k, WIRE_GETATTR, i % 2 == 0 ? k->file : k->dir, IN(.getattr.fh = 0), NULL, 0);
		req[i] = fake_expect(f, WIRE_GETATTR);
		ck_assert_uint_eq(req[i].hdr.nodeid, i % 2 == 0 ? FILE_D : DIR_D);
	}
	ck_assert_uint_eq(host_linux_running(k->h), N);
	for (unsigned n = 0; n < N; n++) {
		struct wire_out_header hdr;
		unsigned i;

		do {
			seed = seed * 1664525 + 1013904223;
			i = (seed >> 8) % N;
		} while (answered[i]);
		answered[i] = true;
		fake_reply(
		    f, &req[i], OUT(.attr.attr = { .size = i, .mode = i % 2 == 0 ? S_IFREG : S_IFDIR }), NULL, 0);
		hdr = k_answer(k);
		ck_assert_uint_eq(hdr.unique, first + 2 * i);
		ck_assert_int_eq(hdr.error, 0);
		ck_assert_uint_eq(hdr.len, sizeof(hdr) + sizeof(out));
		memcpy(&out, k->rx + sizeof(hdr), sizeof(out));
		ck_assert_uint_eq(out.attr.size, i);
	}
	ck_assert_uint_eq(host_linux_running(k->h), 0);
	k_quiet(k);
}
END_TEST

/* ---- the end ---- */

START_TEST(gone_while_idle)
{
	k_close(k);
	k_turn(k);
	k_turn(k);
	ck_assert_uint_eq(k->leaving, 1);
	ck_assert_uint_eq(k->ended, 1);
	fake_quiet(f); /* the daemon is told nothing */
}
END_TEST

/* _i: the two operations at the daemon are answered, or it dies. */
START_TEST(gone_while_running)
{
	struct wire_req one = k_ask(k, WIRE_ACCESS, k->file, FILE_D, IN(.access.mask = 1), NULL, 0);
	struct wire_req two = k_ask(k, WIRE_ACCESS, k->file, FILE_D, IN(.access.mask = 1), NULL, 0);

	k_close(k);
	k_turn(k);
	ck_assert_uint_eq(k->leaving, 1);
	ck_assert_uint_eq(k->ended, 0);
	if (_i == 0) {
		fake_reply(f, &one, NULL, NULL, 0);
		ck_assert_uint_eq(k->ended, 0);
		ck_assert_uint_eq(host_linux_running(k->h), 1);
		fake_error(f, &two, EACCES);
	} else {
		fake_close(f);
	}
	k_turn(k);
	ck_assert_uint_eq(k->leaving, 1);
	ck_assert_uint_eq(k->ended, 1);
}
END_TEST

/* Before the daemon has answered INIT: it fails, and ends. */
START_TEST(gone_in_init)
{
	struct wire_init offer = { .major = 7, .minor = 45 }, answer = { .major = 7, .minor = 45 };
	uint8_t body[64];
	union wire_in in;
	struct wire_req req;

	k_stop(k);
	k_start(k, f);
	(void)wire_init_request(&offer, &in.init, sizeof(in.init));
	k_send(k, WIRE_INIT, 0, &in, NULL, 0);
	req = fake_expect(f, WIRE_INIT);
	k_close(k);
	k_turn(k);
	ck_assert_uint_eq(k->leaving, 1);
	ck_assert_uint_eq(k->ended, 0);
	fake_reply(f, &req, NULL, body, wire_init_reply(&answer, 45, body, sizeof(body)));
	ck_assert_uint_eq(k->ready, 0);
	ck_assert_uint_eq(k->failed, 1);
	ck_assert_uint_eq(k->ended, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("host_linux_edge");
	TCase *t = tcase_create("edge");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, forget);
	tcase_add_test(t, batch_forget);
	tcase_add_test(t, interrupt);
	tcase_add_loop_test(t, no_open, 0, 2);
	tcase_add_loop_test(t, no_create, 0, 2);
	tcase_add_loop_test(t, create_without_open, 0, 2);
	tcase_add_test(t, bad_node);
	tcase_add_test(t, refused);
	tcase_add_test(t, large_writes);
	tcase_add_test(t, large_reads);
	tcase_add_test(t, many);
	tcase_add_test(t, gone_while_idle);
	tcase_add_loop_test(t, gone_while_running, 0, 2);
	tcase_add_test(t, gone_in_init);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

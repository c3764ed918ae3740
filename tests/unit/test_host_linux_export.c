/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Linux host with EXPORT_SUPPORT agreed: the kernel has the daemon's own nodeids, and asks by LOOKUP "." and ".." for one that
 * a file handle holds and everybody has forgotten. What the daemon then says the kernel gets, and no node is left that nobody
 * counts on.
 */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */
#include "fake_kernel.c" /* NOLINT(bugprone-suspicious-include) */

enum { NODES = 3, LOOKUPS = 2 }; /* after k_mount(): the root, a file, a directory */

static struct kernel kernel, *k = &kernel;
static struct fake fake, *f = &fake;

static void
setup(void)
{
	k_start(k, f);
	k_mount(k, WIRE_MINOR_MAX, k_flags(WIRE_MINOR_MAX));
	ck_assert(k->exported);
}

static void
teardown(void)
{
	k_stop(k);
}

static void
forgotten(uint64_t d_nodeid, uint64_t nlookup)
{
	struct wire_req req = fake_expect(f, WIRE_FORGET);

	ck_assert_uint_eq(req.hdr.nodeid, d_nodeid);
	ck_assert_uint_eq(req.in.forget.nlookup, nlookup);
	fake_quiet(f);
}

static void
forget(uint64_t nodeid, uint64_t nlookup)
{
	k_send(k, WIRE_FORGET, nodeid, IN(.forget.nlookup = nlookup), NULL, 0);
	k_quiet(k);
}

/* Nobody has looked up anything but what k_mount() has. */
static void
nothing_left(void)
{
	fake_quiet(f);
	k_quiet(k);
	ck_assert_uint_eq(k_counts(k).nodes, NODES);
	ck_assert_uint_eq(k_counts(k).lookups, LOOKUPS);
}

static uint64_t
look_up(const char *name, uint64_t d_nodeid)
{
	struct wire_req req = k_ask(k, WIRE_LOOKUP, k->dir, DIR_D, NULL, name, strlen(name) + 1);

	return k_entered(k, &req, d_nodeid, S_IFREG | 0644);
}

/* The kernel asks for "." (or "..") of a nodeid, and the daemon is asked for the same. */
static struct wire_req
dot(const char *name, uint64_t nodeid)
{
	struct wire_req req = k_ask(k, WIRE_LOOKUP, nodeid, nodeid, NULL, name, strlen(name) + 1);

	ck_assert_str_eq(req.name[0], name);
	return req;
}

/* The daemon answers with this entry, and so does the host. */
static void
passed(const struct wire_req *req, const union wire_out *out)
{
	fake_reply(f, req, out, NULL, 0);
	ck_assert_mem_eq(k_expect(k, 0, sizeof(out->entry)), &out->entry, sizeof(out->entry));
	k_quiet(k);
}

/* ---- whose nodeids they are ---- */

START_TEST(same_ids)
{
	union wire_out made = k_entry(NEW_D, S_IFREG | 0600);
	struct wire_direntry e = { &made.entry, 1, 1, 8, "one", 3 };
	uint64_t list[64];
	struct wire_entry_out entry;
	struct wire_req req;
	size_t len = 0;

	ck_assert_uint_eq(k->file, FILE_D);
	ck_assert_uint_eq(k->dir, DIR_D);
	req = k_ask(k, WIRE_ACCESS, FILE_D, FILE_D, IN(.access.mask = 1), NULL, 0);
	k_done(k, &req);
	req = k_ask(k, WIRE_CREATE, DIR_D, DIR_D, IN(.create.mode = S_IFREG | 0600), STR("new"));
	fake_reply(f, &req, &made, NULL, 0);
	memcpy(&entry, k_expect(k, 0, sizeof(entry) + sizeof(struct wire_open_out)), sizeof(entry));
	ck_assert_uint_eq(entry.nodeid, NEW_D);
	ck_assert_uint_eq(entry.generation, made.entry.generation);
	req = k_ask(k, WIRE_LINK, DIR_D, DIR_D, IN(.link.oldnodeid = NEW_D), STR("again"));
	ck_assert_uint_eq(req.in.link.oldnodeid, NEW_D);
	(void)k_entered(k, &req, NEW_D, S_IFREG | 0600);
	ck_assert_int_eq(wire_dir_put(list, sizeof(list), &len, &e), 0);
	req = k_ask(k, WIRE_READDIRPLUS, DIR_D, DIR_D, IN(.read = { .fh = k->dir_fh, .size = 4096 }), NULL, 0);
	fake_reply(f, &req, NULL, list, len);
	ck_assert_mem_eq(k_expect(k, 0, len), list, len);
	forget(NEW_D, 3);
	fake_quiet(f); /* it is open */
	ck_assert_uint_eq(k_counts(k).lookups, LOOKUPS + 3);
}
END_TEST

/* By nothing but a dot an unknown one is asked for. */
START_TEST(unknown)
{
	static const uint64_t ids[] = { 0, 2, 3, NEW_D, UINT64_MAX };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		k_send(k, WIRE_ACCESS, ids[i], IN(.access.mask = 1), NULL, 0);
		(void)k_expect(k, ESTALE, 0);
		k_send(k, WIRE_LOOKUP, ids[i], NULL, STR("name"));
		(void)k_expect(k, ESTALE, 0);
		forget(ids[i], 1);
	}
	nothing_left();
}
END_TEST

/* Another generation (or type, _i) of a known one: the same nodeid, as the daemon has it; the counts go on. */
START_TEST(another_file)
{
	union wire_out out = k_entry(NEW_D, _i == 0 ? S_IFREG | 0644 : S_IFDIR | 0755);
	struct wire_req req;

	ck_assert_uint_eq(look_up("a", NEW_D), NEW_D);
	out.entry.generation += _i == 0;
	req = k_ask(k, WIRE_LOOKUP, k->dir, DIR_D, NULL, STR("b"));
	passed(&req, &out);
	ck_assert_uint_eq(k_counts(k).nodes, NODES + 1);
	forget(NEW_D, 1); /* the old one's */
	fake_quiet(f);
	forget(NEW_D, 1);
	forgotten(NEW_D, 2);
	nothing_left();
}
END_TEST

/* ---- what was forgotten ---- */

START_TEST(found_again)
{
	struct wire_req req;

	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(look_up("a", NEW_D), NEW_D);
		forget(NEW_D, 1);
		forgotten(NEW_D, 1);
		nothing_left();
		req = dot(".", NEW_D);
		(void)k_entered(k, &req, NEW_D, S_IFREG | 0644);
		ck_assert_uint_eq(k_counts(k).nodes, NODES + 1);
		req = k_ask(k, WIRE_ACCESS, NEW_D, NEW_D, IN(.access.mask = 1), NULL, 0);
		k_done(k, &req);
		req = dot(".", NEW_D); /* while it is known */
		(void)k_entered(k, &req, NEW_D, S_IFREG | 0644);
		forget(NEW_D, 2);
		forgotten(NEW_D, 2);
		nothing_left();
	}
}
END_TEST

/* The parent of a forgotten directory: one that is known; one that is not; the root. */
START_TEST(parent)
{
	struct wire_req req = dot("..", NEW_D);

	(void)k_entered(k, &req, DIR_D, S_IFDIR | 0755);
	ck_assert_uint_eq(k_counts(k).nodes, NODES);
	ck_assert_uint_eq(k_counts(k).lookups, LOOKUPS + 1);
	forget(DIR_D, 2);
	fake_quiet(f); /* it is open: with its last handle it goes, with both counts */
	req = k_ask(k, WIRE_RELEASEDIR, DIR_D, DIR_D, IN(.release.fh = k->dir_fh), NULL, 0);
	k_done(k, &req);
	forgotten(DIR_D, 2);
}
END_TEST

START_TEST(parent_unknown)
{
	struct wire_req req = dot("..", NEW_D);

	(void)k_entered(k, &req, NEW_D + 1, S_IFDIR | 0755);
	ck_assert_uint_eq(k_counts(k).nodes, NODES + 1);
	forget(NEW_D + 1, 1);
	forgotten(NEW_D + 1, 1);
	nothing_left();
}
END_TEST

START_TEST(parent_root)
{
	union wire_out root = k_entry(WIRE_ROOT_ID, S_IFDIR | 0755);
	struct wire_req req = dot("..", NEW_D);

	fake_reply(f, &req, &root, NULL, 0);
	root.entry.generation = 0;
	ck_assert_mem_eq(k_expect(k, 0, sizeof(root.entry)), &root.entry, sizeof(root.entry));
	nothing_left();
}
END_TEST

START_TEST(gone)
{
	static const int errors[] = { ESTALE, ENOENT, EIO, ENOSYS };
	union wire_out none = { .entry = { .entry_valid = 1 } };
	struct wire_req req;

	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		req = dot(i % 2 == 0 ? "." : "..", NEW_D + i);
		ck_assert_uint_eq(k_counts(k).nodes, NODES + 1);
		fake_error(f, &req, errors[i]);
		(void)k_expect(k, errors[i], 0);
		nothing_left(); /* without a FORGET: the daemon has counted nothing */
	}
	req = dot(".", NEW_D);
	passed(&req, &none);
	nothing_left();
}
END_TEST

/* It is the kernel that compares: another generation, another node. */
START_TEST(somebody_else)
{
	union wire_out out = k_entry(NEW_D + (unsigned)_i, S_IFREG | 0644);
	struct wire_req req = dot(".", NEW_D);

	out.entry.generation += 1 - (unsigned)_i;
	passed(&req, &out);
	ck_assert_uint_eq(k_counts(k).nodes, NODES + 1);
	forget(out.entry.nodeid, 1);
	forgotten(out.entry.nodeid, 1);
	nothing_left();
}
END_TEST

/* An entry that is not believed. */
START_TEST(nonsense)
{
	union wire_out out = k_entry(NEW_D, 0644);
	struct wire_req req = dot(".", NEW_D);

	fake_reply(f, &req, &out, NULL, 0);
	(void)k_expect(k, EIO, 0);
	forgotten(NEW_D, 1); /* it was counted */
	nothing_left();
}
END_TEST

/* ---- two at once ---- */

/* Two ask for the same one; _i: the first hears that it is gone, or the second. */
START_TEST(side_by_side)
{
	union wire_out out = k_entry(NEW_D, S_IFREG | 0644);
	struct wire_req req[2];
	uint64_t unique[2];

	for (int i = 0; i < 2; i++) {
		req[i] = dot(".", NEW_D);
		unique[i] = k->unique;
	}
	ck_assert_uint_eq(k_counts(k).nodes, NODES + 1);
	forget(NEW_D, 1); /* that the kernel does not have */
	for (int i = 0; i < 2; i++) {
		k->unique = unique[i];
		if (i == _i) {
			fake_error(f, &req[i], ESTALE);
			(void)k_expect(k, ESTALE, 0);
		} else {
			passed(&req[i], &out);
		}
		k->unique = unique[1];
		ck_assert_uint_eq(k_counts(k).nodes, NODES + 1);
	}
	forget(NEW_D, 1);
	forgotten(NEW_D, 1);
	nothing_left();
}
END_TEST

/* It is looked up by a name, and forgotten, while somebody waits for its dot. */
START_TEST(meanwhile)
{
	struct wire_req req = dot(".", NEW_D);
	uint64_t unique = k->unique;

	ck_assert_uint_eq(look_up("a", NEW_D), NEW_D);
	forget(NEW_D, 1);
	fake_quiet(f); /* it is in use */
	k->unique = unique;
	fake_error(f, &req, ENOENT);
	(void)k_expect(k, ENOENT, 0);
	k->unique += 100;
	forgotten(NEW_D, 1);
	nothing_left();
}
END_TEST

START_TEST(dies_meanwhile)
{
	(void)dot(".", NEW_D);
	fake_close(f);
	(void)k_expect(k, ENOTCONN, 0);
	ck_assert_uint_eq(k_counts(k).nodes, NODES);
	k_send(k, WIRE_LOOKUP, NEW_D, NULL, STR("."));
	(void)k_expect(k, ENOTCONN, 0);
	ck_assert_uint_eq(k_counts(k).nodes, NODES);
}
END_TEST

/* ---- ids that a file handle may hold ---- */

START_TEST(hostile_ids)
{
	static const uint64_t ids[] = { UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63, UINT32_MAX, 2 };
	union wire_out root = k_entry(WIRE_ROOT_ID, S_IFDIR | 0755);
	struct wire_req req;

	k_send(k, WIRE_LOOKUP, 0, NULL, STR("."));
	(void)k_expect(k, ESTALE, 0);
	nothing_left();
	req = dot(".", WIRE_ROOT_ID);
	fake_reply(f, &req, &root, NULL, 0);
	root.entry.generation = 0;
	ck_assert_mem_eq(k_expect(k, 0, sizeof(root.entry)), &root.entry, sizeof(root.entry));
	forget(WIRE_ROOT_ID, 1);
	nothing_left();
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		req = dot(".", ids[i]);
		(void)k_entered(k, &req, ids[i], S_IFREG | 0644);
		forget(ids[i], 1);
		forgotten(ids[i], 1);
		nothing_left();
	}
}
END_TEST

/* Without EXPORT_SUPPORT the nodeids are the engine's, and what is forgotten is gone. */
START_TEST(not_agreed)
{
	uint64_t id;

	k_stop(k);
	k_start(k, f);
	k_mount(k, WIRE_MINOR_MAX, k_flags(WIRE_MINOR_MAX) & ~WIRE_INIT_EXPORT_SUPPORT);
	id = look_up("a", NEW_D);
	forget(id, 1);
	forgotten(NEW_D, 1);
	k_send(k, WIRE_LOOKUP, id, NULL, STR("."));
	(void)k_expect(k, ESTALE, 0);
	k_send(k, WIRE_LOOKUP, NEW_D, NULL, STR("."));
	(void)k_expect(k, ESTALE, 0);
	nothing_left();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("host_linux_export");
	TCase *t = tcase_create("export");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, same_ids);
	tcase_add_test(t, unknown);
	tcase_add_loop_test(t, another_file, 0, 2);
	tcase_add_test(t, found_again);
	tcase_add_test(t, parent);
	tcase_add_test(t, parent_unknown);
	tcase_add_test(t, parent_root);
	tcase_add_test(t, gone);
	tcase_add_loop_test(t, somebody_else, 0, 2);
	tcase_add_test(t, nonsense);
	tcase_add_loop_test(t, side_by_side, 0, 2);
	tcase_add_test(t, meanwhile);
	tcase_add_test(t, dies_meanwhile);
	tcase_add_test(t, hostile_ids);
	tcase_add_test(t, not_agreed);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

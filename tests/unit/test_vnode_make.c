/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a daemon returns for a name, believed or refused: files without a name (TMPFILE), "." and ".." (NFS export), entries
 * that cannot be; and what requests that make something say of their caller (extensions). The fields of the other requests are in
 * test_vnode_ops.c, the counting of lookups in test_vnode.c.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */
#include "fake_host.c"   /* NOLINT(bugprone-suspicious-include) */

static struct fake fake, *f = &fake;
static uint64_t dir; /* the engine's; the daemon's is: */
enum { DIR_D = 2000, DIR_GEN = 6 };

static void
setup_as(uint32_t minor, uint64_t flags)
{
	struct op op = { .run = op_lookup, .nodeid = VN_ROOT_ID, .name = "dir" };
	union wire_out out = an_entry(DIR_D, DIR_GEN, S_IFDIR | 0755);
	struct wire_req req;

	fake_start(f, 0);
	fake_mount(f, minor, flags);
	req = op_ask(f, &op, WIRE_LOOKUP);
	fake_reply(f, &req, &out, NULL, 0);
	op_ended(&op, 0);
	dir = op.entry.nodeid;
}

static void
setup(void)
{
	setup_as(WIRE_MINOR_MAX, 0);
}

static void
again(uint32_t minor, uint64_t flags)
{
	fake_stop(f);
	setup_as(minor, flags);
}

static void
teardown(void)
{
	fake_stop(f);
}

/* The daemon counted a lookup that nobody keeps: it gets it back. */
static void
given_back(uint64_t d_nodeid)
{
	struct wire_req req = fake_expect(f, WIRE_FORGET);

	ck_assert_uint_eq(req.hdr.nodeid, d_nodeid);
	ck_assert_uint_eq(req.in.forget.nlookup, 1);
	fake_quiet(f);
}

/* ---- TMPFILE ---- */

/* _i: does the daemon apply the umask? */
START_TEST(tmpfile_)
{
	struct op op = { .run = op_tmpfile,
		.nodeid = dir,
		.flags = O_RDWR | O_TMPFILE | O_EXCL | O_NOCTTY,
		.mode = 0666,
		.umask = 027,
		.xflags = WIRE_OPEN_KILL_SUIDGID };
	union wire_out out = an_entry(5000, 3, S_IFREG | 0600);
	struct wire_req req;
	size_t names;

	again(WIRE_MINOR_MAX, _i == 0 ? 0 : WIRE_INIT_DONT_MASK);
	names = counts(f).bytes;
	req = op_ask(f, &op, WIRE_TMPFILE);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_uint_eq(req.in.create.flags, O_RDWR | O_TMPFILE | O_EXCL);
	ck_assert_uint_eq(req.in.create.mode, S_IFREG | (_i == 0 ? 0640 : 0666));
	ck_assert_uint_eq(req.in.create.umask, 027);
	ck_assert_uint_eq(req.in.create.open_flags, WIRE_OPEN_KILL_SUIDGID);
	ck_assert_str_eq(req.name[0], "/");
	out.create.open = (struct wire_open_out){ .fh = 99, .open_flags = WIRE_FOPEN_DIRECT_IO };
	fake_reply(f, &req, &out, NULL, 0);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.open_flags, VOP_OPEN_DIRECT_IO);
	ck_assert_uint_eq(op.entry.generation, 3);
	ck_assert_uint_eq(counts(f).files, 1);
	ck_assert_uint_lt(counts(f).bytes - names, 2 * (counts(f).bytes / counts(f).nodes)); /* a node, and no name */
	op.run = op_link;                                                                    /* it gets a name */
	op.newdir = op.entry.nodeid;
	op.name = "named";
	req = op_ask(f, &op, WIRE_LINK);
	ck_assert_uint_eq(req.in.link.oldnodeid, 5000);
	out = an_entry(5000, 3, S_IFREG | 0600);
	fake_reply(f, &req, &out, NULL, 0);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.entry.nodeid, op.newdir);
	vop_release_unused(f->mp, vn_file_get(f->mp, op.file, NULL));
	req = fake_expect(f, WIRE_RELEASE);
	ck_assert_uint_eq(req.in.release.fh, 99);
	vop_forget(f->mp, op.entry.nodeid, 2);
	req = fake_expect(f, WIRE_FORGET);
	ck_assert_uint_eq(req.in.forget.nlookup, 2);
}
END_TEST

/* ---- entries that cannot be ---- */

enum { AS_LOOKUP, AS_MKNOD, AS_MKDIR, AS_SYMLINK, AS_CREATE, AS_TMPFILE, MAKERS };
static const struct {
	void (*run)(struct op *, struct vn_node *);
	uint32_t opcode;
	uint32_t type;
} makers[] = {
	{ op_lookup, WIRE_LOOKUP, S_IFDIR },
	{ op_mknod, WIRE_MKNOD, S_IFREG },
	{ op_mkdir, WIRE_MKDIR, S_IFDIR },
	{ op_symlink, WIRE_SYMLINK, S_IFLNK },
	{ op_create, WIRE_CREATE, S_IFREG },
	{ op_tmpfile, WIRE_TMPFILE, S_IFREG },
};

static struct op
maker(int i)
{
	return (struct op){ .run = makers[i].run, .nodeid = dir, .name = "n", .newname = "m", .mode = makers[i].type };
}

/* One request fails; the daemon has its lookup back, and its handle; nothing else is bad. */
static void
refused(int i, const union wire_out *out, int error, bool counted)
{
	struct op op = maker(i);
	struct wire_req req = op_ask(f, &op, makers[i].opcode);
	struct vn_counts before = counts(f), after;

	before.waiting = 0;
	fake_reply(f, &req, out, NULL, 0);
	op_ended(&op, error);
	if (out->entry.nodeid != 0 && (i == AS_CREATE || i == AS_TMPFILE)) {
		req = fake_expect(f, WIRE_RELEASE);
		ck_assert_uint_eq(req.hdr.nodeid, out->entry.nodeid);
		ck_assert_uint_eq(req.in.release.fh, out->create.open.fh);
	}
	if (counted)
		given_back(out->entry.nodeid);
	fake_quiet(f);
	after = counts(f);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	op = (struct op){ .run = op_readlink, .nodeid = dir }; /* the directory is as good as before */
	req = op_ask(f, &op, WIRE_READLINK);
	fake_error(f, &req, EINVAL);
	op_ended(&op, EINVAL);
	ck_assert(conn_alive(f->conn));
}

START_TEST(entry_nonsense)
{
	union wire_out good = an_entry(5000, 0, makers[_i].type | 0600), out;

	good.create.open.fh = 44;
	out = good;
	out.entry.attr.mode = 0600; /* no type */
	refused(_i, &out, EIO, true);
	out.entry.attr.mode = 0170600;
	refused(_i, &out, EIO, true);
	out = good;
	out.entry.attr.size = UINT64_C(1) << 63;
	refused(_i, &out, EIO, true);
	out.entry.attr.size = UINT64_MAX;
	refused(_i, &out, EIO, true);
	out = good;
	out.entry.nodeid = WIRE_ROOT_ID; /* whose lookups nobody counts */
	refused(_i, &out, EIO, false);
	if (_i == AS_LOOKUP)
		return;
	out.entry.nodeid = 0;
	refused(_i, &out, EIO, false);
	out = good;
	out.entry.attr.mode = S_IFIFO | 0600; /* not what was asked for */
	refused(_i, &out, EIO, true);
}
END_TEST

/* A directory in itself, found or made. */
START_TEST(entry_loops)
{
	union wire_out out = an_entry(DIR_D, DIR_GEN, S_IFDIR | 0755);

	refused(AS_LOOKUP, &out, ELOOP, true);
	refused(AS_MKDIR, &out, ELOOP, true);
}
END_TEST

/* The directory's nodeid for something else: the host is told so, under the same nodeid. _i: other type, generation. */
START_TEST(entry_replaces_directory)
{
	struct op op = maker(_i == 0 ? AS_MKNOD : AS_MKDIR), later = { .run = op_readlink, .nodeid = dir };
	union wire_out out = an_entry(DIR_D, _i == 0 ? DIR_GEN : DIR_GEN + 1, (_i == 0 ? S_IFREG : S_IFDIR) | 0600);
	struct wire_req req = op_ask(f, &op, makers[_i == 0 ? AS_MKNOD : AS_MKDIR].opcode);

	fake_reply(f, &req, &out, NULL, 0);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.entry.nodeid, dir);
	ck_assert_uint_eq(op.entry.generation, out.entry.generation);
	ck_assert_uint_eq(op.entry.attr.mode, out.entry.attr.mode);
	req = op_ask(f, &later, WIRE_READLINK);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	fake_error(f, &req, EINVAL);
	vop_forget(f->mp, dir, 1);
	fake_quiet(f);
	vop_forget(f->mp, dir, 1);
	req = fake_expect(f, WIRE_FORGET);
	ck_assert_uint_eq(req.hdr.nodeid, DIR_D);
	ck_assert_uint_eq(req.in.forget.nlookup, 2);
}
END_TEST

/* ---- "." and ".." ---- */

START_TEST(dots)
{
	struct op op = { .run = op_lookup, .nodeid = dir, .name = "." };
	union wire_out out = an_entry(DIR_D, DIR_GEN, S_IFDIR | 0755);
	struct vn_counts before = counts(f), after;
	struct wire_req req;

	req = op_ask(f, &op, WIRE_LOOKUP);
	ck_assert_str_eq(req.name[0], ".");
	fake_reply(f, &req, &out, NULL, 0);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.entry.nodeid, dir);
	ck_assert_uint_eq(op.entry.generation, DIR_GEN);
	after = counts(f);
	ck_assert_uint_eq(after.bytes, before.bytes); /* no name is remembered */
	ck_assert_uint_eq(after.lookups, before.lookups + 1);
	op.name = "..";
	req = op_ask(f, &op, WIRE_LOOKUP);
	ck_assert_str_eq(req.name[0], "..");
	out = an_entry(WIRE_ROOT_ID, 77, S_IFDIR | 0755);
	fake_reply(f, &req, &out, NULL, 0);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.entry.nodeid, VN_ROOT_ID);
	ck_assert_uint_eq(op.entry.generation, 0); /* the root has none */
	ck_assert_uint_eq(counts(f).lookups, after.lookups);
	op.nodeid = 12345; /* what the host remembers of a node that was forgotten */
	op_alone(f, &op, ESTALE);
}
END_TEST

/* A file's "." keeps the name it has, in place of another. */
START_TEST(dot_is_no_name)
{
	uint64_t file = a_node(f, dir, "file", 5000, S_IFREG | 0644);
	struct op op = { .run = op_lookup, .nodeid = file, .name = "." };
	union wire_out out = an_entry(5000, 0, S_IFREG | 0644);
	size_t bytes = counts(f).bytes;
	struct wire_req req = op_ask(f, &op, WIRE_LOOKUP);

	fake_reply(f, &req, &out, NULL, 0);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.entry.nodeid, file);
	ck_assert_uint_eq(counts(f).bytes, bytes);
	ck_assert_uint_eq(a_node(f, dir, "..x", 5001, S_IFREG), op.entry.nodeid + 1); /* any other name counts */
	ck_assert_uint_gt(counts(f).bytes, bytes + sizeof("..x"));
}
END_TEST

/* ---- extensions ---- */

/* _i: nothing, a security context, groups, both agreed. */
START_TEST(extensions)
{
	static const uint64_t agreed[] = { 0, WIRE_INIT_SECURITY_CTX, WIRE_INIT_CREATE_SUPP_GROUP,
		WIRE_INIT_SECURITY_CTX | WIRE_INIT_CREATE_SUPP_GROUP };
	static const uint64_t ext[] = { UINT64_C(0x2000000018), 0x0000003e800000001, 7 };
	struct wire_req req;
	struct op op;

	again(WIRE_MINOR_MAX, agreed[_i] | WIRE_INIT_EXT);
	for (int i = 0; i < MAKERS; i++) {
		op = maker(i);
		op.ext = ext;
		op.extlen = sizeof(ext);
		req = op_ask(f, &op, makers[i].opcode);
		if (i == AS_LOOKUP || _i == 0) {
			ck_assert_uint_eq(req.hdr.total_extlen, 0);
			ck_assert_uint_eq(req.extlen, 0);
		} else {
			ck_assert_uint_eq(req.hdr.total_extlen, 3);
			ck_assert_uint_eq(req.extlen, sizeof(ext));
			ck_assert_mem_eq(req.ext, ext, sizeof(ext));
		}
		if (i != AS_TMPFILE)
			ck_assert_str_eq(req.name[0], "n");
		if (i == AS_SYMLINK)
			ck_assert_str_eq(req.name[1], "m");
		fake_error(f, &req, EPERM);
		op_ended(&op, EPERM);
		op.ext = NULL; /* nothing to say */
		op.extlen = 0;
		req = op_ask(f, &op, makers[i].opcode);
		ck_assert_uint_eq(req.hdr.total_extlen, 0);
		fake_error(f, &req, EPERM);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("vnode_make");
	TCase *t = tcase_create("entries");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, tmpfile_, 0, 2);
	tcase_add_loop_test(t, entry_nonsense, 0, MAKERS);
	tcase_add_test(t, entry_loops);
	tcase_add_loop_test(t, entry_replaces_directory, 0, 2);
	tcase_add_test(t, dots);
	tcase_add_test(t, dot_is_no_name);
	tcase_add_loop_test(t, extensions, 0, 4);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnode/'s tables: which node is which, how often it was looked up and what is forgotten, names, open files, directory entries,
 * and what is not believed of a daemon. The operations one by one are in test_vnode_ops.c.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vnode/priv.h"

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */
#include "fake_host.c"   /* NOLINT(bugprone-suspicious-include) */

#define REG (S_IFREG | 0644)
#define DIR_ (S_IFDIR | 0755)

static struct fake fake, *f = &fake;

static void
setup(void)
{
	fake_start(f, 0);
	fake_mount(f, WIRE_MINOR_MAX, 0);
}

static void
teardown(void)
{
	fake_stop(f);
}

static void
again(uint32_t minor)
{
	fake_stop(f);
	fake_start(f, 0);
	fake_mount(f, minor, 0);
}

/* The one FORGET that comes. */
static void
forgotten(uint64_t d_nodeid, uint64_t nlookup)
{
	struct wire_req req = fake_expect(f, WIRE_FORGET);

	ck_assert_uint_eq(req.hdr.nodeid, d_nodeid);
	ck_assert_uint_eq(req.in.forget.nlookup, nlookup);
	fake_quiet(f);
}

/* A LOOKUP that is answered so. */
static struct op
look(const char *name, const union wire_out *out)
{
	struct op op = { .run = op_lookup, .nodeid = VN_ROOT_ID, .name = name };
	struct wire_req req = op_ask(f, &op, WIRE_LOOKUP);

	fake_reply(f, &req, out, NULL, 0);
	ck_assert(op.done);
	return op;
}

static int
get_error(uint64_t nodeid)
{
	struct vn_node *vp;
	int error = vn_get(f->mp, nodeid, &vp);

	if (error == 0)
		vn_put(f->mp, vp);
	return error;
}

/* ---- which node is which ---- */

START_TEST(same_node_twice)
{
	uint64_t a = a_node(f, VN_ROOT_ID, "a", 500, REG), b = a_node(f, VN_ROOT_ID, "b", 501, REG);

	ck_assert_uint_ne(a, b);
	ck_assert_uint_ne(a, VN_ROOT_ID);
	ck_assert_uint_eq(a_node(f, VN_ROOT_ID, "a", 500, REG), a);
	ck_assert_uint_eq(counts(f).nodes, 3);
	ck_assert_uint_eq(counts(f).lookups, 3);
	vop_forget(f->mp, a, 1);
	fake_quiet(f);
	ck_assert_int_eq(get_error(a), 0);
	vop_forget(f->mp, a, 1);
	forgotten(500, 2);
	ck_assert_int_eq(get_error(a), ESTALE);
	ck_assert_uint_ne(a_node(f, VN_ROOT_ID, "a", 500, REG), a); /* never the same nodeid again */
	vop_forget(f->mp, a, 1);                                    /* unknown ones are ignored */
	vop_forget(f->mp, 0, 1);
	vop_forget(f->mp, UINT64_MAX, 1);
	vop_forget(f->mp, VN_ROOT_ID, 100);
	ck_assert_int_eq(get_error(VN_ROOT_ID), 0);
	vop_forget(f->mp, b, UINT64_MAX); /* more than there were */
	forgotten(501, 1);
}
END_TEST

/* The daemon gives a nodeid to another file: _i says how that shows. */
START_TEST(nodeid_reused)
{
	union wire_out out = an_entry(500, _i == 0, _i == 0 ? REG : DIR_);
	uint64_t old = a_node(f, VN_ROOT_ID, "a", 500, REG), id;
	struct wire_req req;
	struct op op, get;

	ck_assert_uint_eq(a_node(f, VN_ROOT_ID, "a", 500, REG), old);
	id = a_file(f, old, 9, false);
	op = look("a", &out);
	op_ended(&op, 0);
	/* The host is told by the generation and the type; the nodeid stays, and so do the counts and the open file. */
	ck_assert_uint_eq(op.entry.nodeid, old);
	ck_assert_uint_eq(op.entry.generation, _i == 0);
	ck_assert_uint_eq(op.entry.attr.mode, _i == 0 ? REG : DIR_);
	ck_assert_int_eq(get_error(old), 0);
	ck_assert_uint_eq(counts(f).nodes, 2);
	out = an_entry(500, _i == 0, _i == 0 ? REG : DIR_);
	ck_assert_uint_eq(look("a", &out).entry.nodeid, old);
	get = (struct op){ .run = op_getattr, .nodeid = old }; /* of the new type */
	req = op_ask(f, &get, WIRE_GETATTR);
	fake_reply(f, &req, &(union wire_out){ .attr.attr.mode = _i == 0 ? REG : DIR_ }, NULL, 0);
	op_ended(&get, 0);
	vop_forget(f->mp, old, 2); /* as the kernel: for each of its inodes */
	vop_forget(f->mp, old, 2);
	fake_quiet(f);
	vop_release_unused(f->mp, vn_file_get(f->mp, id, NULL));
	(void)fake_expect(f, WIRE_RELEASE);
	forgotten(500, 4);
	ck_assert_int_eq(get_error(old), ESTALE);
	ck_assert_uint_eq(counts(f).nodes, 1);
}
END_TEST

/* An operation holds its node while the host forgets it. */
START_TEST(forgotten_meanwhile)
{
	uint64_t a = a_node(f, VN_ROOT_ID, "a", 500, REG);
	struct op op = { .run = op_getattr, .nodeid = a };
	struct wire_req req = op_ask(f, &op, WIRE_GETATTR);
	union wire_out out = { .attr.attr.mode = REG };

	vop_forget(f->mp, a, 1);
	fake_quiet(f);
	fake_reply(f, &req, &out, NULL, 0);
	op_ended(&op, 0);
	forgotten(500, 1);
}
END_TEST

START_TEST(stale)
{
	struct op op = { .run = op_getattr, .nodeid = 4711 };

	op_alone(f, &op, ESTALE);
	op.nodeid = 0;
	op_alone(f, &op, ESTALE);
	op = (struct op){ .run = op_rename, .nodeid = VN_ROOT_ID, .name = "a", .newname = "b", .newdir = 77 };
	op_alone(f, &op, ESTALE);
}
END_TEST

/* ---- what is not believed ---- */

START_TEST(bad_entries)
{
	static const struct {
		void (*run)(struct op *, struct vn_node *);
		uint32_t opcode;
		uint32_t mode;
		uint64_t nodeid, size;
	} bad[] = {
		{ op_lookup, WIRE_LOOKUP, 0644, 500, 0 },
		{ op_lookup, WIRE_LOOKUP, 0, 500, 0 },
		{ op_lookup, WIRE_LOOKUP, 0170644, 500, 0 },
		{ op_lookup, WIRE_LOOKUP, REG, 500, UINT64_C(1) << 63 },
		{ op_lookup, WIRE_LOOKUP, DIR_, WIRE_ROOT_ID, 0 },
		{ op_mkdir, WIRE_MKDIR, DIR_, WIRE_ROOT_ID, 0 },
		{ op_mkdir, WIRE_MKDIR, DIR_, 0, 0 },
		{ op_mkdir, WIRE_MKDIR, REG, 500, 0 },
		{ op_mkdir, WIRE_MKDIR, DIR_, 500, UINT64_MAX },
		{ op_mknod, WIRE_MKNOD, S_IFIFO, 500, 0 },
		{ op_mknod, WIRE_MKNOD, REG, 0, 0 },
		{ op_symlink, WIRE_SYMLINK, REG, 500, 0 },
		{ op_symlink, WIRE_SYMLINK, S_IFLNK, 0, 0 },
		{ op_link, WIRE_LINK, DIR_, 600, 0 },
		{ op_link, WIRE_LINK, REG, 0, 0 },
		{ op_create, WIRE_CREATE, DIR_, 500, 0 },
		{ op_create, WIRE_CREATE, REG, 0, 0 },
		{ op_create, WIRE_CREATE, 0, 500, 0 },
	};
	struct op op = { .run = bad[_i].run,
		.nodeid = VN_ROOT_ID,
		.name = "x",
		.newname = "y",
		.newdir = a_node(f, VN_ROOT_ID, "old", 400, REG),
		.mode = bad[_i].run == op_mknod ? REG : 0644 };
	struct wire_req req = op_ask(f, &op, bad[_i].opcode);
	union wire_out out = an_entry(bad[_i].nodeid, 0, bad[_i].mode);
	struct vn_counts before = counts(f), after;

	out.create.entry.attr.size = bad[_i].size;
	out.create.open.fh = 33;
	fake_reply(f, &req, &out, NULL, 0);
	op_ended(&op, EIO);
	ck_assert(conn_alive(f->conn));
	after = counts(f);
	before.waiting = 0;
	ck_assert_mem_eq(&before, &after, sizeof(before));
	/* What the daemon counted and opened it gets back, if that can be told at all. */
	if (bad[_i].opcode == WIRE_CREATE && bad[_i].nodeid > 1) {
		req = fake_expect(f, WIRE_RELEASE);
		ck_assert_uint_eq(req.in.release.fh, 33);
		ck_assert_uint_eq(req.hdr.nodeid, bad[_i].nodeid);
	}
	if (bad[_i].nodeid > 1)
		forgotten(bad[_i].nodeid, 1);
	fake_quiet(f);
}
END_TEST

/* "." and ".." may be the root, which stays a directory and is never counted. */
START_TEST(root_looked_up)
{
	union wire_out out = an_entry(WIRE_ROOT_ID, 0, DIR_), reg = an_entry(WIRE_ROOT_ID, 0, REG);
	struct op op = look(_i == 0 ? "." : "..", &out), get = { .run = op_getattr, .nodeid = VN_ROOT_ID };
	struct wire_req req;

	op_ended(&op, 0);
	ck_assert_uint_eq(op.entry.nodeid, VN_ROOT_ID);
	ck_assert_uint_eq(counts(f).lookups, 0);
	vop_forget(f->mp, VN_ROOT_ID, 1);
	req = op_ask(f, &get, WIRE_GETATTR);
	out = (union wire_out){ .attr.attr.mode = DIR_ };
	fake_reply(f, &req, &out, NULL, 0);
	op_ended(&get, 0);
	op = look(".", &reg);
	op_ended(&op, EIO);
	ck_assert_int_eq(get_error(VN_ROOT_ID), 0);
	fake_quiet(f);
}
END_TEST

/* Attributes that cannot be the node's: it is bad from then on. _i: GETATTR, SETATTR */
START_TEST(bad_attr)
{
	static const struct wire_attr bad[] = { { .mode = DIR_ }, { .mode = 0 }, { .mode = REG, .size = UINT64_MAX } };

	for (unsigned i = 0; i < 3; i++) {
		uint64_t a = a_node(f, VN_ROOT_ID, "a", 500 + i, REG), id = a_file(f, a, 7, false);
		struct op op = { .run = _i == 0 ? op_getattr : op_setattr, .nodeid = a, .file = id };
		struct wire_req req = op_ask(f, &op, _i == 0 ? WIRE_GETATTR : WIRE_SETATTR);
		union wire_out out = { .attr.attr = bad[i] }, entry = an_entry(500 + i, 0, REG);

		fake_reply(f, &req, &out, NULL, 0);
		op_ended(&op, EIO);
		op_alone(f, &op, EIO);
		ck_assert_int_eq(get_error(a), EIO);
		op = look("a", &entry); /* a fresh look makes it good */
		op_ended(&op, 0);
		ck_assert_uint_eq(op.entry.nodeid, a);
		ck_assert_int_eq(get_error(a), 0);
		vop_forget(f->mp, a, 2);
		vop_release_unused(f->mp, vn_file_get(f->mp, id, NULL));
		(void)fake_expect(f, WIRE_RELEASE);
		forgotten(500 + i, 2);
	}
}
END_TEST

/* Of names the daemon is asked for as long as Linux would ask for them. _i: with one page in a message, with more. */
START_TEST(long_names)
{
	char name[4097];
	size_t most = _i == 0 ? 1024 : 4095;
	struct op op = { .run = op_lookup, .nodeid = VN_ROOT_ID, .name = name };
	struct wire_req req;

	fake_stop(f);
	fake_start(f, 0);
	fake_mount(f, WIRE_MINOR_MAX, _i == 0 ? 0 : WIRE_INIT_MAX_PAGES);
	memset(name, 'x', sizeof(name));
	name[most] = '\0';
	req = op_ask(f, &op, WIRE_LOOKUP);
	ck_assert_uint_eq(req.namelen[0], most);
	fake_error(f, &req, ENOENT);
	op_ended(&op, ENOENT);
	name[most] = 'x';
	name[most + 1] = '\0';
	op_alone(f, &op, ENAMETOOLONG);
}
END_TEST

/* ---- forgets ---- */

START_TEST(batches)
{
	uint32_t minor = _i == 0 ? 15 : _i == 1 ? 16 : 45;
	uint64_t id[600];
	struct wire_req req;
	unsigned n = 0;

	again(minor);
	for (unsigned i = 0; i < 600; i++) {
		id[i] = a_node(f, VN_ROOT_ID, "x", 1000 + i, REG);
		if (i % 2 == 0)
			(void)a_node(f, VN_ROOT_ID, "x", 1000 + i, REG);
	}
	for (unsigned i = 0; i < 600; i++)
		vop_forget(f->mp, id[i], 2);
	while (n < 600 && fake_receive(f, &req)) {
		const struct wire_forget_one *one = (const void *)req.data;

		if (minor < 16) {
			ck_assert_uint_eq(req.hdr.opcode, WIRE_FORGET);
			ck_assert_uint_eq(req.hdr.nodeid, 1000 + n);
			ck_assert_uint_eq(req.in.forget.nlookup, n % 2 == 0 ? 2 : 1);
			n++;
			continue;
		}
		ck_assert_uint_eq(req.hdr.opcode, WIRE_BATCH_FORGET);
		ck_assert_uint_le(req.in.batch_forget.count, VN_FORGETS);
		ck_assert_uint_gt(req.in.batch_forget.count, 1);
		for (unsigned i = 0; i < req.in.batch_forget.count; i++, n++) {
			ck_assert_uint_eq(one[i].nodeid, 1000 + n);
			ck_assert_uint_eq(one[i].nlookup, n % 2 == 0 ? 2 : 1);
		}
	}
	ck_assert_uint_eq(n, 600);
	fake_quiet(f);
	ck_assert_uint_eq(counts(f).nodes, 1);
}
END_TEST

/* The host's mount is gone: everything is forgotten but what is open, DESTROY follows the forgets, nothing is released. */
START_TEST(destroy)
{
	uint64_t a = a_node(f, VN_ROOT_ID, "a", 500, REG), b = a_node(f, VN_ROOT_ID, "b", 501, REG);
	struct op op = { .run = op_destroy, .nodeid = VN_ROOT_ID };
	struct wire_req req;

	(void)a_file(f, b, 5, false);
	vn_mount_forget_all(f->mp);
	ck_assert_int_eq(get_error(a), ESTALE);
	op_start(f, &op);
	req = fake_expect(f, WIRE_FORGET);
	ck_assert_uint_eq(req.hdr.nodeid, 500);
	ck_assert_uint_eq(req.in.forget.nlookup, 1);
	req = fake_expect(f, WIRE_DESTROY);
	ck_assert_uint_eq(req.hdr.nodeid, 0);
	ck_assert(!op.done);
	if (_i == 0)
		fake_reply(f, &req, NULL, NULL, 0);
	else if (_i == 1)
		fake_error(f, &req, ENOSYS);
	else
		fake_close(f), fake_turn(f);
	op_ended(&op, _i < 2 ? 0 : ENOTCONN);
}
END_TEST

/* ---- names ---- */

static const char *
name_of(uint64_t nodeid, uint64_t parent)
{
	const struct vn_node *vp = slots_get(&f->mp->nodes, nodeid);

	if (vp->name == NULL)
		return "";
	ck_assert_uint_eq(vp->name->parent, parent);
	return vp->name->name;
}

static void
rename_(uint64_t from, const char *name, uint64_t to, const char *newname, uint32_t flags)
{
	struct op op = {
		.run = op_rename, .nodeid = from, .name = name, .newdir = to, .newname = newname, .flags = flags
	};
	struct wire_req req = op_ask(f, &op, flags != 0 ? WIRE_RENAME2 : WIRE_RENAME);

	fake_reply(f, &req, NULL, NULL, 0);
	op_ended(&op, 0);
}

START_TEST(names)
{
	uint64_t d = a_node(f, VN_ROOT_ID, "d", 400, DIR_), a = a_node(f, VN_ROOT_ID, "a", 500, REG);
	uint64_t b = a_node(f, d, "b", 501, REG), root = VN_ROOT_ID;
	size_t bytes = counts(f).bytes;
	struct op op = { .run = op_unlink, .nodeid = d, .name = "long name" };
	struct wire_req req;

	ck_assert_str_eq(name_of(d, root), "d");
	ck_assert_str_eq(name_of(a, root), "a");
	ck_assert_str_eq(name_of(b, d), "b");
	rename_(root, "a", d, "long name", 0);
	ck_assert_str_eq(name_of(a, d), "long name");
	ck_assert_uint_eq(counts(f).bytes, bytes + 8);
	rename_(d, "long name", d, "b", 2); /* RENAME_EXCHANGE */
	ck_assert_str_eq(name_of(a, d), "b");
	ck_assert_str_eq(name_of(b, d), "long name");
	rename_(d, "b", d, "b", 0); /* to itself */
	rename_(d, "b", d, "b", 2);
	ck_assert_str_eq(name_of(a, d), "b");
	rename_(d, "b", d, "long name", 0); /* over another */
	ck_assert_str_eq(name_of(a, d), "long name");
	ck_assert_str_eq(name_of(b, d), "");
	rename_(d, "nobody knows", d, "long name", 0); /* by one never looked up */
	ck_assert_str_eq(name_of(a, d), "");
	ck_assert_uint_eq(a_node(f, d, "long name", 500, REG), a);
	rename_(d, "long name", d, "unknown", 2); /* exchanged with one never looked up */
	ck_assert_str_eq(name_of(a, d), "unknown");
	rename_(d, "unknown 2", d, "unknown", 2);
	ck_assert_str_eq(name_of(a, d), "unknown 2");
	op.name = "unknown";
	req = op_ask(f, &op, WIRE_UNLINK);
	fake_reply(f, &req, NULL, NULL, 0);
	ck_assert_str_eq(name_of(a, d), "unknown 2");
	op.name = "unknown 2";
	req = op_ask(f, &op, WIRE_UNLINK);
	fake_error(f, &req, EACCES);
	ck_assert_str_eq(name_of(a, d), "unknown 2");
	req = op_ask(f, &op, WIRE_UNLINK);
	fake_reply(f, &req, NULL, NULL, 0);
	ck_assert_str_eq(name_of(a, d), "");
	op.run = op_rmdir;
	op.nodeid = root;
	op.name = "d";
	req = op_ask(f, &op, WIRE_RMDIR);
	fake_reply(f, &req, NULL, NULL, 0);
	ck_assert_str_eq(name_of(d, root), "");
	/* A name that another node had before. */
	ck_assert_uint_eq(a_node(f, root, "x", 500, REG), a);
	ck_assert_uint_eq(a_node(f, root, "x", 501, REG), b);
	ck_assert_str_eq(name_of(a, root), "");
	ck_assert_str_eq(name_of(b, root), "x");
}
END_TEST

/* ---- open files ---- */

START_TEST(files)
{
	uint64_t a = a_node(f, VN_ROOT_ID, "a", 500, REG), b = a_node(f, VN_ROOT_ID, "b", 501, REG);
	uint64_t one = a_file(f, a, 7, false), two = a_file(f, a, 7, false), three;
	struct vn_node *ap = slots_get(&f->mp->nodes, a), *bp = slots_get(&f->mp->nodes, b);
	struct op op = { .run = op_release, .nodeid = a, .file = one };
	struct wire_req req;

	ck_assert_uint_ne(one, two); /* even with the same handle of the daemon's */
	ck_assert_uint_eq(counts(f).files, 2);
	ck_assert_ptr_nonnull(vn_file_get(f->mp, one, ap));
	ck_assert_ptr_ne(vn_file_get(f->mp, one, ap), vn_file_get(f->mp, two, ap));
	ck_assert_ptr_null(vn_file_get(f->mp, one, bp));
	ck_assert_ptr_null(vn_file_get(f->mp, 0, ap));
	ck_assert_ptr_null(vn_file_get(f->mp, 0, NULL));
	ck_assert_ptr_null(vn_file_get(f->mp, 4711, ap));
	/* An open file keeps its node. */
	vop_forget(f->mp, a, 1);
	fake_quiet(f);
	req = op_ask(f, &op, WIRE_RELEASE);
	ck_assert_ptr_null(vn_file_get(f->mp, one, NULL));
	three = a_file(f, b, 8, false);
	ck_assert_uint_ne(three, one); /* not used again */
	fake_reply(f, &req, NULL, NULL, 0);
	op_ended(&op, 0);
	vop_release_unused(f->mp, vn_file_get(f->mp, two, ap));
	req = fake_expect(f, WIRE_RELEASE);
	ck_assert_uint_eq(req.hdr.nodeid, 500);
	ck_assert_uint_eq(req.in.release.fh, 7);
	fake_reply(f, &req, NULL, NULL, 0); /* nobody waits for it */
	forgotten(500, 1);
	one = a_file(f, VN_ROOT_ID, 9, true);
	vop_release_unused(f->mp, vn_file_get(f->mp, one, NULL));
	req = fake_expect(f, WIRE_RELEASEDIR);
	ck_assert_uint_eq(req.hdr.nodeid, WIRE_ROOT_ID);
	ck_assert_uint_eq(req.in.release.fh, 9);
	ck_assert_uint_eq(counts(f).files, 1);
}
END_TEST

/* ---- directories ---- */

struct listing {
	uint8_t data[4096];
	size_t len;
};

static void
put(struct listing *l, const char *name, size_t namelen, uint64_t d_nodeid, uint32_t mode, bool plus)
{
	union wire_out e = an_entry(d_nodeid, 0, mode);
	struct wire_direntry d = { .plus = plus ? &e.entry : NULL,
		.ino = 42,
		.off = l->len + 1,
		.type = DT_REG,
		.name = name,
		.namelen = (uint32_t)namelen };

	ck_assert_int_eq(wire_dir_put(l->data, sizeof(l->data), &l->len, &d), 0);
}

static struct op
list(const struct listing *l, size_t len, bool plus)
{
	struct op op = { .run = op_readdir,
		.nodeid = VN_ROOT_ID,
		.plus = plus,
		.io = { 17, 4096, 1, 2, 3 },
		.file = a_file(f, VN_ROOT_ID, 66, true) };
	struct wire_req req = op_ask(f, &op, plus ? WIRE_READDIRPLUS : WIRE_READDIR);
	const struct wire_read_in *in = &req.in.read;

	ck_assert_uint_eq(req.hdr.nodeid, WIRE_ROOT_ID);
	ck_assert_uint_eq(in->fh, 66);
	ck_assert_uint_eq(in->offset, 17);
	ck_assert_uint_eq(in->size, 4096);
	ck_assert_uint_eq(in->read_flags, 1);
	ck_assert_uint_eq(in->lock_owner, 2);
	ck_assert_uint_eq(in->flags, 3);
	fake_reply(f, &req, NULL, l->data, len);
	ck_assert(op.done);
	return op;
}

START_TEST(readdir_)
{
	struct listing l = { .len = 0 };
	struct op op;

	put(&l, ".", 1, 0, 0, false);
	put(&l, "a", 1, 0, 0, false);
	put(&l, "\377\001 name", 7, 0, 0, false);
	op = list(&l, l.len, false);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.out.len, l.len);
	ck_assert_mem_eq(op.out.p, l.data, l.len);
	vop_data_done(&op.out);
	for (size_t cut = 1; cut < 32; cut++) { /* the last entry is 32 bytes long */
		op = list(&l, l.len - cut, false);
		op_ended(&op, 0);
		ck_assert_uint_eq(op.out.len, l.len - 32);
		vop_data_done(&op.out);
	}
	op = list(&l, 0, false);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.out.len, 0);
	vop_data_done(&op.out);
	ck_assert_uint_eq(counts(f).lookups, 0);
}
END_TEST

START_TEST(readdir_malformed)
{
	static const struct {
		const char *name;
		size_t len;
	} bad[] = { { "a/b", 3 }, { "/", 1 }, { "a\0b", 3 }, { "a\0", 2 }, { "", 0 } };
	struct listing l = { .len = 0 };
	bool plus = _i >= 5;
	struct op op;

	put(&l, "good", 4, 500, REG, plus);
	put(&l, "good too", 8, 500, REG, plus);
	put(&l, bad[_i % 5].name, bad[_i % 5].len, 501, REG, plus);
	op = list(&l, l.len, plus);
	op_ended(&op, EIO);
	ck_assert(conn_alive(f->conn));
	if (plus) /* what had been believed is given back */
		forgotten(500, 2);
	fake_quiet(f);
	ck_assert_uint_eq(counts(f).nodes, 1);
}
END_TEST

START_TEST(readdirplus)
{
	uint64_t known = a_node(f, VN_ROOT_ID, "known", 500, REG), id[8] = { 0 };
	static const char *const name[] = { ".", "..", "known", "new", "no inode", "bad type", "root", "..." };
	static const uint64_t d_nodeid[] = { 400, 401, 500, 501, 0, 502, 1, 503 };
	struct listing l = { .len = 0 };
	struct wire_direntry e;
	struct wire_dir dir;
	struct wire_req req;
	struct op op;
	unsigned n = 0;

	for (unsigned i = 0; i < 8; i++)
		put(&l, name[i], strlen(name[i]), d_nodeid[i], i == 5 ? 0644 : i == 6 ? DIR_ : REG, true);
	op = list(&l, l.len, true);
	op_ended(&op, 0);
	wire_dir_init(&dir, op.out.p, op.out.len, true);
	for (; wire_dir_next(&dir, &e) == 0; n++) {
		ck_assert_uint_eq(e.namelen, strlen(name[n]));
		ck_assert_mem_eq(e.name, name[n], e.namelen);
		ck_assert_uint_eq(e.ino, 42);
		id[n] = e.plus->nodeid;
		ck_assert_uint_eq(e.plus->attr.size, d_nodeid[n] + 1000);
	}
	ck_assert_uint_eq(n, 8);
	ck_assert_uint_eq(id[0], 0);
	ck_assert_uint_eq(id[1], 0);
	ck_assert_uint_eq(id[2], known);
	ck_assert_uint_ne(id[3], 0);
	ck_assert_uint_ne(id[3], 501);
	ck_assert_uint_eq(id[4], 0);
	ck_assert_uint_eq(id[5], 0);
	ck_assert_uint_eq(id[6], 0);
	ck_assert_uint_ne(id[7], 0); /* not a name of two dots */
	forgotten(502, 1);
	ck_assert_uint_eq(counts(f).lookups, 4);
	ck_assert_str_eq(name_of(id[3], VN_ROOT_ID), "new");
	vop_readdir_undo(f->mp, &op.out);
	vop_data_done(&op.out);
	ck_assert_uint_eq(counts(f).nodes, 2);
	req = fake_expect(f, WIRE_BATCH_FORGET);
	ck_assert_uint_eq(req.in.batch_forget.count, 2);
	vop_forget(f->mp, known, 1);
	forgotten(500, 2);
	/* An entry that is cut off is not counted. */
	op = list(&l, l.len - 1, true);
	op_ended(&op, 0);
	forgotten(502, 1);
	vop_readdir_undo(f->mp, &op.out);
	vop_data_done(&op.out);
	req = fake_expect(f, WIRE_BATCH_FORGET);
	ck_assert_uint_eq(req.in.batch_forget.count, 2);
	fake_quiet(f);
	ck_assert_uint_eq(counts(f).nodes, 1);
}
END_TEST

/* Longer than a name that is looked up. */
START_TEST(readdirplus_long_name)
{
	struct listing l = { .len = 0 };
	char name[3500];
	struct op op;

	memset(name, 'x', sizeof(name));
	put(&l, name, sizeof(name), 500, REG, true);
	op = list(&l, l.len, true);
	op_ended(&op, 0);
	ck_assert_uint_eq(op.out.len, l.len);
	ck_assert_uint_eq(counts(f).nodes, 2);
	vop_readdir_undo(f->mp, &op.out);
	vop_data_done(&op.out);
	forgotten(500, 1);
	ck_assert_uint_eq(counts(f).nodes, 1);
}
END_TEST

START_TEST(readdir_too_long)
{
	static uint8_t data[4104];
	struct op op = { .run = op_readdir, .nodeid = VN_ROOT_ID, .io.size = 4096, .plus = _i == 1 };
	struct wire_req req = op_ask(f, &op, _i == 1 ? WIRE_READDIRPLUS : WIRE_READDIR);

	fake_reply(f, &req, NULL, data, sizeof(data));
	op_ended(&op, ENOTCONN);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("vnode");
	TCase *t = tcase_create("tables");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, same_node_twice);
	tcase_add_loop_test(t, nodeid_reused, 0, 2);
	tcase_add_test(t, forgotten_meanwhile);
	tcase_add_test(t, stale);
	tcase_add_loop_test(t, bad_entries, 0, 18);
	tcase_add_loop_test(t, root_looked_up, 0, 2);
	tcase_add_loop_test(t, bad_attr, 0, 2);
	tcase_add_loop_test(t, long_names, 0, 2);
	tcase_add_loop_test(t, batches, 0, 3);
	tcase_add_loop_test(t, destroy, 0, 3);
	tcase_add_test(t, names);
	tcase_add_test(t, files);
	tcase_add_test(t, readdir_);
	tcase_add_loop_test(t, readdir_malformed, 0, 10);
	tcase_add_test(t, readdirplus);
	tcase_add_test(t, readdirplus_long_name);
	tcase_add_loop_test(t, readdir_too_long, 0, 2);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

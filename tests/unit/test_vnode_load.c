/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnode/ under load. First a property: whatever a host does at random over a daemon that answers in any order, fails at times and
 * uses nodeids again, in the end each lookup the daemon counted has been forgotten and each handle released. Then memory:
 * what 100,000 nodes cost, and that it comes back.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */
#include "fake_host.c"   /* NOLINT(bugprone-suspicious-include) */

static struct fake fake, *f = &fake;

/* As ck_assert(), which writes a record each time. */
#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			ck_abort_msg("line %d: %s", __LINE__, #cond);                                                  \
	} while (0)

static unsigned
rnd(unsigned n)
{
	return (unsigned)random() % n;
}

/* ---- the daemon: three directories with the same few names in each ---- */

enum { DIRS = 3, NAMES = 10, NODES = 60, HANDLES = 4096, ASKED = 2048, FIRST = 100, FIRST_DIR = 10 };

static struct {
	struct {
		uint64_t generation, nlookup; /* nlookup: of all generations */
		uint32_t mode;
		unsigned links, opens;
	} node[NODES];
	int at[DIRS][NAMES]; /* the node of a name, or -1 */
	uint64_t dir_nlookup[DIRS];
	int handle[HANDLES]; /* the node it is open on, or -1 */
	unsigned handles;
	struct asked { /* requests not answered yet */
		struct wire_req req;
		char name[2][8];
	} asked[ASKED];
	unsigned nasked;
} d;

/* The directory with this nodeid, or -1. The root is no place for files here: it holds the three. */
static int
d_dir(uint64_t nodeid)
{
	return nodeid >= FIRST_DIR && nodeid < FIRST_DIR + DIRS ? (int)(nodeid - FIRST_DIR) : -1;
}

static int *
d_at(uint64_t dir, const char *name)
{
	int i = d_dir(dir), n = atoi(name + 1);

	MUST(i >= 0 && name[0] == 'n' && n >= 0 && n < NAMES);
	return &d.at[i][n];
}

/* A node for a new file: one that is not used, or at times one that is unlinked but not forgotten. */
static int
d_new(uint32_t mode)
{
	for (int tries = 0; tries < 200; tries++) {
		unsigned i = rnd(NODES);

		if (d.node[i].links != 0 || d.node[i].opens != 0 || (d.node[i].nlookup != 0 && tries < 190))
			continue;
		d.node[i].generation++;
		d.node[i].mode = mode;
		d.node[i].links = 1;
		return (int)i;
	}
	return -1;
}

static union wire_out
d_entry(int i)
{
	union wire_out out = an_entry(FIRST + (uint64_t)i, d.node[i].generation, d.node[i].mode);

	d.node[i].nlookup++;
	if (rnd(40) == 0)
		out.entry.attr.mode = 0; /* which nobody can believe */
	return out;
}

/* Make a name. 0 or errno. */
static int
d_make(const struct asked *a, uint32_t mode, union wire_out *out)
{
	int *at = d_at(a->req.hdr.nodeid, a->name[0]);

	if (*at != -1)
		return EEXIST;
	if ((*at = d_new(mode)) == -1)
		return ENOSPC;
	*out = d_entry(*at);
	return 0;
}

static int
d_rename(const struct asked *a, uint64_t newdir, bool exchange)
{
	int *from = d_at(a->req.hdr.nodeid, a->name[0]), *to = d_at(newdir, a->name[1]), keep = *from;

	if (keep == -1 || (exchange && *to == -1))
		return ENOENT;
	if (exchange) {
		*from = *to;
		*to = keep;
		return 0;
	}
	if (from == to)
		return 0;
	if (*to != -1)
		d.node[*to].links--;
	*to = keep;
	*from = -1;
	return 0;
}

static int
d_lookup(const struct asked *a, union wire_out *out)
{
	int i, dir = a->name[0][0] == 'd' ? a->name[0][1] - '0' : -1;

	if (a->req.hdr.nodeid == WIRE_ROOT_ID) {
		*out = an_entry(FIRST_DIR + (uint64_t)dir, 0, S_IFDIR);
		d.dir_nlookup[dir]++;
		return 0;
	}
	if ((i = *d_at(a->req.hdr.nodeid, a->name[0])) != -1) {
		*out = d_entry(i);
		return 0;
	}
	*out = (union wire_out){ 0 };
	return rnd(2) == 0 ? 0 : ENOENT;
}

static int
d_open(uint64_t nodeid, struct wire_open_out *out)
{
	int i = (int)(nodeid - FIRST);

	MUST(d.handles < HANDLES && i >= 0 && i < NODES);
	d.handle[d.handles] = i;
	d.node[i].opens++;
	*out = (struct wire_open_out){ .fh = d.handles++ };
	return 0;
}

static int
d_list(const struct asked *a, uint8_t *data, size_t room, size_t *len, bool plus)
{
	int dir = d_dir(a->req.hdr.nodeid);

	for (int n = 0; n < NAMES && dir != -1; n++) {
		union wire_out out = { 0 };
		struct wire_direntry e = { .off = (uint64_t)n + 1, .plus = plus ? &out.entry : NULL, .namelen = 2 };
		char name[2] = { 'n', (char)('0' + n) };

		if (d.at[dir][n] == -1 || *len + 200 > room)
			continue;
		e.name = name;
		if (plus && rnd(10) != 0) /* it may be listed without its inode */
			out = d_entry(d.at[dir][n]);
		MUST(wire_dir_put(data, room, len, &e) == 0);
	}
	return 0;
}

static void
d_forget(uint64_t nodeid, uint64_t n)
{
	uint64_t *count = d_dir(nodeid) >= 0 ? &d.dir_nlookup[d_dir(nodeid)] : &d.node[nodeid - FIRST].nlookup;

	MUST(d_dir(nodeid) >= 0 || (nodeid >= FIRST && nodeid < FIRST + NODES));
	MUST(n > 0 && n <= *count);
	*count -= n;
}

static void
d_answer(const struct asked *a)
{
	const struct wire_req *r = &a->req;
	union wire_out out = { 0 };
	uint8_t data[2048];
	size_t len = 0;
	int error = 0, *at;
	bool fixed = true, fail = rnd(30) == 0;

	if (r->hdr.opcode == WIRE_RELEASE) {
		MUST(r->in.release.fh < d.handles && d.handle[r->in.release.fh] == (int)(r->hdr.nodeid - FIRST));
		d.node[d.handle[r->in.release.fh]].opens--;
		d.handle[r->in.release.fh] = -1;
		fixed = false;
	}
	if (fail) {
		fake_error(f, r, EIO);
		return;
	}
	switch (r->hdr.opcode) {
	case WIRE_RELEASE:
		break;
	case WIRE_LOOKUP:
		error = d_lookup(a, &out);
		break;
	case WIRE_MKNOD:
		error = d_make(a, S_IFREG, &out);
		break;
	case WIRE_SYMLINK:
		error = d_make(a, S_IFLNK, &out);
		break;
	case WIRE_CREATE:
		if ((error = d_make(a, S_IFREG, &out)) == 0)
			error = d_open(out.entry.nodeid, &out.create.open);
		break;
	case WIRE_LINK:
		at = d_at(r->hdr.nodeid, a->name[0]);
		if (*at != -1 || d.node[r->in.link.oldnodeid - FIRST].links == 0) {
			error = EEXIST;
			break;
		}
		*at = (int)(r->in.link.oldnodeid - FIRST);
		d.node[*at].links++;
		out = d_entry(*at);
		break;
	case WIRE_UNLINK:
		fixed = false;
		at = d_at(r->hdr.nodeid, a->name[0]);
		if (*at == -1)
			error = ENOENT;
		else
			d.node[*at].links--;
		*at = -1;
		break;
	case WIRE_RENAME:
		fixed = false;
		error = d_rename(a, r->in.rename.newdir, false);
		break;
	case WIRE_RENAME2:
		fixed = false;
		error = d_rename(a, r->in.rename2.newdir, true);
		break;
	case WIRE_OPEN:
		error = d_open(r->hdr.nodeid, &out.open);
		break;
	case WIRE_GETATTR:
		MUST(r->hdr.nodeid >= FIRST && r->hdr.nodeid < FIRST + NODES);
		out.attr.attr.mode = rnd(50) == 0 ? S_IFDIR : d.node[r->hdr.nodeid - FIRST].mode;
		break;
	case WIRE_READDIR:
	case WIRE_READDIRPLUS:
		fixed = false;
		error = d_list(a, data, r->in.read.size, &len, r->hdr.opcode == WIRE_READDIRPLUS);
		break;
	default:
		ck_abort_msg("%s was not expected", wire_opname(r->hdr.opcode));
	}
	if (error != 0)
		fake_error(f, r, error);
	else
		fake_reply(f, r, fixed ? &out : NULL, data, len);
}

/* Take all requests that are there. */
static void
d_read(void)
{
	struct wire_req r;

	while (fake_receive(f, &r)) {
		struct asked *a = &d.asked[d.nasked];
		const struct wire_forget_one *one = (const void *)r.data;

		switch (r.hdr.opcode) {
		case WIRE_FORGET:
			d_forget(r.hdr.nodeid, r.in.forget.nlookup);
			break;
		case WIRE_BATCH_FORGET:
			for (uint32_t i = 0; i < r.in.batch_forget.count; i++)
				d_forget(one[i].nodeid, one[i].nlookup);
			break;
		case WIRE_INTERRUPT:
			if (rnd(2) == 0)
				fake_error(f, &r, EAGAIN);
			break;
		default:
			MUST(d.nasked < ASKED);
			a->req = r;
			for (int i = 0; i < 2; i++)
				if (r.name[i] != NULL)
					(void)snprintf(a->name[i], sizeof(a->name[i]), "%s", r.name[i]);
			d.nasked++;
			break;
		}
	}
}

/* ---- the host ---- */

enum { OPS = 24, KNOWN = 4000, OPEN = 1000 };

static struct {
	struct op op[OPS];
	char name[OPS][2][8];
	bool busy[OPS];
	uint64_t dir[DIRS];
	uint64_t known[KNOWN]; /* one for each lookup to be given back */
	uint64_t open[OPEN];
	unsigned nknown, nopen;
} h;

static void
h_know(uint64_t nodeid)
{
	if (nodeid == 0 || nodeid == VN_ROOT_ID)
		return;
	MUST(h.nknown < KNOWN);
	h.known[h.nknown++] = nodeid;
}

static void
h_listed(struct op *op)
{
	struct wire_direntry e;
	struct wire_dir dir;

	if (op->plus && rnd(2) == 0) {
		vop_readdir_undo(f->mp, &op->out);
	} else if (op->plus) {
		wire_dir_init(&dir, op->out.p, op->out.len, true);
		while (wire_dir_next(&dir, &e) == 0)
			h_know(e.plus->nodeid);
	}
	vop_data_done(&op->out);
}

static void
h_collect(void)
{
	for (int i = 0; i < OPS; i++) {
		struct op *op = &h.op[i];

		if (!h.busy[i] || !op->done)
			continue;
		h.busy[i] = false;
		if (op->error != 0)
			continue;
		if (op->entry.nodeid != 0)
			h_know(op->entry.nodeid);
		if (op->run == op_open || op->run == op_create) {
			MUST(h.nopen < OPEN);
			h.open[h.nopen++] = op->file;
		} else if (op->run == op_readdir) {
			h_listed(op);
		}
	}
}

static void
h_begin(int i)
{
	static void (*const run[])(struct op *, struct vn_node *) = { op_lookup, op_lookup, op_lookup, op_mknod,
		op_symlink, op_create, op_create, op_link, op_unlink, op_unlink, op_rename, op_rename, op_open, op_open,
		op_getattr, op_readdir, op_readdir, op_release, op_release };
	struct op *op = &h.op[i];
	bool on_file;

	*op = (struct op){ .run = run[rnd(sizeof(run) / sizeof(run[0]))] };
	on_file = op->run == op_open || op->run == op_getattr || op->run == op_link;
	if ((on_file && h.nknown == 0) || (op->run == op_release && h.nopen == 0))
		return;
	for (int n = 0; n < 2; n++)
		(void)snprintf(h.name[i][n], sizeof(h.name[i][n]), "n%u", rnd(NAMES));
	op->name = h.name[i][0];
	op->newname = h.name[i][1];
	op->mode = S_IFREG | 0600;
	op->nodeid = h.dir[rnd(DIRS)];
	op->newdir = h.dir[rnd(DIRS)];
	if (on_file) {
		uint64_t id = h.known[rnd(h.nknown)];

		for (int n = 0; n < DIRS; n++)
			if (id == h.dir[n])
				return;
		*(op->run == op_link ? &op->newdir : &op->nodeid) = id;
	}
	if (op->run == op_rename && rnd(3) == 0)
		op->flags = 2;
	op->plus = conn_proto(f->conn)->minor >= 21 && rnd(2) == 0;
	op->io.size = 2048;
	if (op->run == op_lookup && rnd(10) == 0) {
		op->nodeid = VN_ROOT_ID;
		(void)snprintf(h.name[i][0], sizeof(h.name[i][0]), "d%u", rnd(DIRS));
	}
	if (op->run == op_release) {
		unsigned n = rnd(h.nopen);

		op->file = h.open[n];
		op->nodeid = VN_ROOT_ID; /* the file's own may have gone bad */
		h.open[n] = h.open[--h.nopen];
	}
	h.busy[i] = true;
	op_start(f, op);
}

static void
h_forget(void)
{
	unsigned n = rnd(h.nknown);

	vop_forget(f->mp, h.known[n], 1);
	h.known[n] = h.known[--h.nknown];
}

/* Let everything that runs come to its end. */
static void
settle(void)
{
	bool busy;

	do {
		d_read();
		while (d.nasked > 0)
			d_answer(&d.asked[--d.nasked]);
		h_collect();
		busy = false;
		for (int i = 0; i < OPS; i++)
			busy = busy || h.busy[i];
	} while (busy);
	d_read();
}

static uint64_t
d_lookups(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < NODES; i++)
		sum += d.node[i].nlookup;
	for (int i = 0; i < DIRS; i++)
		sum += d.dir_nlookup[i];
	return sum;
}

static void
at_random(unsigned rounds)
{
	for (unsigned round = 0; round < rounds; round++) {
		int i = (int)rnd(OPS);
		unsigned dice = rnd(100);

		if (dice < 45) {
			if (!h.busy[i])
				h_begin(i);
		} else if (dice < 85) {
			d_read();
			if (d.nasked > 0) {
				struct asked *a = &d.asked[rnd(d.nasked)], keep = *a;

				*a = d.asked[--d.nasked];
				d_answer(&keep);
			}
			h_collect();
		} else if (dice < 97) {
			if (h.nknown > 20 || dice < 87)
				h.nknown > 0 ? h_forget() : (void)0;
		} else if (dice < 99) {
			if (h.busy[i])
				vn_interrupt(f->mp, h.op[i].co);
		} else if (rnd(10) == 0) {
			settle();
			MUST(counts(f).lookups == d_lookups());
			MUST(counts(f).files == h.nopen);
			vn_mount_trim(f->mp);
		}
	}
}

static void
set_off(int seed)
{
	struct op op = { .run = op_lookup, .nodeid = VN_ROOT_ID };

	srandom((unsigned)seed);
	fake_start(f, 0);
	fake_mount(f, seed % 3 == 0 ? 15 : WIRE_MINOR_MAX, 0);
	memset(d.at, 0xff, sizeof(d.at));
	memset(d.handle, 0xff, sizeof(d.handle));
	for (int i = 0; i < DIRS; i++) {
		char name[3] = { 'd', (char)('0' + i), '\0' };

		op.name = name;
		do { /* it may fail */
			op_start(f, &op);
			while (!op.done) {
				d_read();
				while (d.nasked > 0)
					d_answer(&d.asked[--d.nasked]);
			}
		} while (op.error != 0);
		h.dir[i] = op.entry.nodeid;
	}
}

START_TEST(balance)
{
	struct op op = { .run = op_destroy, .nodeid = VN_ROOT_ID };
	struct wire_req req;

	set_off(_i);
	at_random(4000);
	settle();
	while (h.nopen > 0)
		vop_release_unused(f->mp, vn_file_get(f->mp, h.open[--h.nopen], NULL));
	settle();
	while (h.nknown > 0)
		h_forget();
	for (int i = 0; i < DIRS; i++)
		vop_forget(f->mp, h.dir[i], 1);
	ck_assert_uint_eq(counts(f).nodes, 1); /* even before all is forgotten: no operation kept anything */
	vn_mount_forget_all(f->mp);
	d_read();
	ck_assert_uint_eq(d_lookups(), 0);
	ck_assert_uint_eq(counts(f).nodes, 1);
	ck_assert_uint_eq(counts(f).files, 0);
	for (unsigned i = 0; i < d.handles; i++)
		MUST(d.handle[i] == -1);
	op_start(f, &op);
	req = fake_expect(f, WIRE_DESTROY);
	fake_reply(f, &req, NULL, NULL, 0);
	op_ended(&op, 0);
	ck_assert_uint_eq(f->deaths, 0);
	fake_stop(f);
}
END_TEST

/* The daemon dies in the middle of it all: everything ends, and nothing is lost (see the leak checkers). */
START_TEST(death)
{
	set_off(_i);
	at_random(500 + 100 * (unsigned)_i);
	fake_close(f);
	fake_turn(f);
	h_collect();
	for (int i = 0; i < OPS; i++)
		MUST(!h.busy[i]);
	ck_assert_uint_eq(f->deaths, 1);
	while (h.nknown > 0)
		h_forget();
	vn_mount_forget_all(f->mp);
	fake_stop(f);
}
END_TEST

/* ---- memory; the daemon is behind a transport, so that nothing but vnode/ needs any ---- */

enum { MANY = 100000, PER_NODE = 256, PAGE = 4096 };

static int
many_xchg(void *arg, const struct iovec *iov, int n, struct chunk **reply)
{
	const struct wire_in_header *hdr = iov[0].iov_base;
	struct wire_out_header out = { .unique = hdr->unique };
	uint64_t *forgets = arg;
	union wire_out body;
	const char *name;

	if (hdr->opcode == WIRE_FORGET) {
		++*forgets;
		return 0;
	}
	MUST(hdr->opcode == WIRE_LOOKUP && n == 2 && reply != NULL);
	name = iov[1].iov_base;
	body = an_entry(FIRST + (uint64_t)atoi(name + 1), 0, S_IFREG);
	out.len = sizeof(out) + sizeof(body.entry);
	MUST((*reply = chunk_new(out.len)) != NULL);
	memcpy((*reply)->data, &out, sizeof(out));
	memcpy((*reply)->data + sizeof(out), &body.entry, sizeof(body.entry));
	(*reply)->len = out.len;
	return 0;
}

struct many {
	struct vn_mount *mp;
	uint64_t *id;
	int n;
	bool done;
};

static void
many_main(void *arg)
{
	struct many *m = arg;
	struct vop_entry e;
	struct vn_node *root;
	char name[16];

	MUST(vn_get(m->mp, VN_ROOT_ID, &root) == 0);
	for (int i = 0; i < m->n; i++) {
		int len = snprintf(name, sizeof(name), "f%05d", i);

		MUST(vop_lookup(m->mp, &op_cred, root, name, (size_t)len, &e) == 0);
		m->id[i] = e.nodeid;
	}
	vn_put(m->mp, root);
	m->done = true;
}

static void
look_up_many(struct many *m, int n)
{
	struct vn_counts c;

	m->n = n;
	m->done = false;
	ck_assert_int_eq(co_start(many_main, m), 0);
	ck_assert(m->done);
	vn_mount_counts(m->mp, &c);
	ck_assert_uint_eq(c.nodes, n + 1);
	ck_assert_uint_eq(c.lookups, n);
}

/* order: as they came, backwards, or at random */
static void
forget_many(struct many *m, int order)
{
	struct vn_counts c;

	for (int i = m->n - 1; i > 0 && order == 2; i--) {
		unsigned j = rnd((unsigned)i + 1);
		uint64_t swap = m->id[i];

		m->id[i] = m->id[j];
		m->id[j] = swap;
	}
	for (int i = 0; i < m->n; i++)
		vop_forget(m->mp, m->id[order == 1 ? m->n - 1 - i : i], 1);
	vn_mount_counts(m->mp, &c);
	ck_assert_uint_eq(c.nodes, 1);
	ck_assert_uint_eq(c.lookups, 0);
}

static size_t
heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* Pages of memory. */
static unsigned long
resident(void)
{
	FILE *fp = fopen("/proc/self/statm", "r");
	unsigned long size, pages;

	ck_assert_ptr_nonnull(fp);
	ck_assert_int_eq(fscanf(fp, "%lu %lu", &size, &pages), 2);
	(void)fclose(fp);
	return pages;
}

START_TEST(memory)
{
	static uint64_t id[MANY];
	uint64_t forgets = 0;
	struct conn_transport t = { many_xchg, NULL, &forgets };
	struct many m = { .id = id };
	struct vn_counts c;
	struct conn *conn;
	struct loop *loop;
	size_t before, n, names;
	unsigned long pages;

	memset(id, 1, sizeof(id));
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(conn_new_transport(loop, &t, &fake_conn_ops, f, &conn), 0);
	ck_assert_int_eq(vn_mount_new(loop, conn, &m.mp), 0);
	look_up_many(&m, 1000); /* malloc counts as used what it keeps for the next call: let it have that */
	forget_many(&m, 0);
	loop_once(loop, 0);
	before = heap();
	pages = resident();
	n = before != 0 ? MANY : MANY / 10; /* the malloc of a sanitizer or of valgrind does not tell */
	names = n * sizeof("f00000");
	look_up_many(&m, (int)n);
	vn_mount_counts(m.mp, &c);
	ck_assert_uint_ge(c.bytes - names, n * sizeof(uint64_t));
	ck_assert_uint_le(c.bytes - names, n * PER_NODE);
	if (before != 0)
		ck_assert_uint_le(heap() - before - names, n * PER_NODE);
	forget_many(&m, _i);
	loop_once(loop, 0);
	if (before != 0) {
		ck_assert_uint_le(heap(), before + before / 10 + PAGE); /* the table may end up in a page of its own */
		ck_assert_uint_le(resident(), pages + pages / 10);
	}
	ck_assert_uint_eq(forgets, n + 1000);
	vn_mount_free(m.mp);
	conn_free(conn);
	loop_free(loop);
	co_trim(0);
}
END_TEST

/* malloc's cache of small pieces counts as used memory, and how full it is depends on everything before: do without. */
static void
without_cache(char **argv)
{
	if (getenv("GLIBC_TUNABLES") == NULL && setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1) == 0)
		(void)execv("/proc/self/exe", argv); /* (If that fails, the test may, too.) */
}

int
main(int argc, char **argv)
{
	Suite *s = suite_create("vnode_load");
	TCase *t = tcase_create("random");
	SRunner *r;
	int failed;

	(void)argc;
	without_cache(argv);
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, balance, 0, 12);
	tcase_add_loop_test(t, death, 0, 12);
	suite_add_tcase(s, t);
	t = tcase_create("memory");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, memory, 0, 3);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

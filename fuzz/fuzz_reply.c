/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target: a hostile daemon. The input says which vnode operations are started, interrupted and forgotten, and what the
 * daemon answers: mostly a proper header over any body, at times any packet at all. Whatever comes, nothing may crash, leak or
 * wait for ever; and as long as the connection lives, each lookup that the daemon counted is forgotten in the end, no more and
 * no less, and each handle it gave out released.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Isrc fuzz/fuzz_reply.c \
 *         src/base/[a-z]*.c src/wire/[a-z]*.c src/conn/[a-z]*.c src/vnode/[a-z]*.c -lev -lbsd -o fuzz_reply
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uthash.h>

#include "base/co.h"
#include "base/fdpass.h"
#include "base/loop.h"
#include "conn/conn.h"
#include "vnode/host.h"
#include "vnode/vop.h"
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A bug of ours, whatever the daemon did. */
#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			(void)fprintf(stderr, "line %d: not %s\n", __LINE__, #cond);                                   \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

enum { OPS = 8, ASKED = 64, KNOWN = 256, OPEN = 64, PACKET = 4096, TURNS = 3 };

struct op {
	unsigned what;
	uint64_t nodeid, other, file;
	char name[2][4];
	uint32_t size, flags;
	struct co *co;
	bool busy;
};

struct counted { /* what the daemon has counted for a nodeid of its own */
	uint64_t nodeid, nlookup;
	UT_hash_handle hh;
};

static struct {
	const uint8_t *p, *end; /* the input */
	struct loop *loop;
	struct conn *conn;
	struct vn_mount *mp;
	int sock;
	bool dead, mounted;
	struct op op[OPS];
	uint64_t known[KNOWN], open[OPEN]; /* the host's: lookups to give back, files to release */
	unsigned nknown, nopen;
	struct { /* requests not answered yet */
		struct wire_in_header hdr;
		union wire_in in;
	} asked[ASKED];
	unsigned nasked;
	struct counted *counted;
	long handles; /* given out and not released */
} z;

/* Up to n bytes of the input. Returns how many there were. */
static size_t
take_bytes(void *out, size_t n)
{
	if (n > (size_t)(z.end - z.p))
		n = (size_t)(z.end - z.p);
	memcpy(out, z.p, n);
	z.p += n;
	return n;
}

static uint64_t
take(size_t n)
{
	uint64_t v = 0;

	(void)take_bytes(&v, n);
	return v;
}

/* ---- the daemon ---- */

static void
count(uint64_t nodeid)
{
	struct counted *c;

	if (nodeid <= WIRE_ROOT_ID)
		return;
	HASH_FIND(hh, z.counted, &nodeid, sizeof(nodeid), c);
	if (c == NULL) {
		MUST((c = calloc(1, sizeof(*c))) != NULL);
		c->nodeid = nodeid;
		HASH_ADD(hh, z.counted, nodeid, sizeof(nodeid), c);
	}
	c->nlookup++;
}

static void
forgotten(uint64_t nodeid, uint64_t nlookup)
{
	struct counted *c;

	HASH_FIND(hh, z.counted, &nodeid, sizeof(nodeid), c);
	MUST(c != NULL && nlookup > 0 && nlookup <= c->nlookup);
	if ((c->nlookup -= nlookup) == 0) {
		HASH_DEL(z.counted, c);
		free(c);
	}
}

/* What the daemon, sending this, counts: nothing if it is not a reply that can be believed to be one. */
static void
account(unsigned i, const uint8_t *packet, size_t len)
{
	static uint64_t copy[(PACKET + 16) / 8];
	uint32_t opcode = z.asked[i].hdr.opcode;
	size_t limit = opcode == WIRE_READDIRPLUS ? z.asked[i].in.read.size : PACKET;
	struct wire_direntry e;
	struct wire_dir dir;
	struct wire_rep rep;

	memcpy(copy, packet, len);
	if (wire_parse_reply(conn_proto(z.conn), opcode, &z.asked[i].in, copy, len, limit, &rep, NULL) != 0)
		return;
	if (rep.error != 0)
		return;
	switch (opcode) {
	case WIRE_CREATE:
		z.handles += rep.out.create.entry.nodeid != 0;
		/* fall through */
	case WIRE_LOOKUP:
	case WIRE_MKNOD:
	case WIRE_MKDIR:
	case WIRE_SYMLINK:
	case WIRE_LINK:
		count(rep.out.entry.nodeid);
		break;
	case WIRE_OPEN:
	case WIRE_OPENDIR:
		z.handles++;
		break;
	case WIRE_READDIRPLUS:
		wire_dir_init(&dir, rep.data, rep.datalen, true);
		while (wire_dir_next(&dir, &e) == 0) {
			if (e.name[0] != '.' || (e.namelen > 1 && (e.namelen > 2 || e.name[1] != '.')))
				count(e.plus->nodeid);
		}
		break;
	default:
		break;
	}
}

/* Send it; if it answers a request, that is answered. */
static void
deliver(const uint8_t *packet, size_t len)
{
	uint64_t unique;
	int error;

	if (z.dead || len == 0)
		return;
	if (wire_parse_reply_header(packet, len, &unique, &error, NULL) == 0) {
		for (unsigned i = 0; i < z.nasked; i++) {
			if (z.asked[i].hdr.unique != unique)
				continue;
			account(i, packet, len);
			z.asked[i] = z.asked[--z.nasked];
			break;
		}
	}
	MUST(send(z.sock, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len);
	for (int i = 0; i < TURNS; i++)
		loop_once(z.loop, 0);
}

static void
read_requests(void)
{
	static uint8_t packet[65536];
	struct wire_proto proto = *conn_proto(z.conn);
	struct wire_req r;
	ssize_t n;

	for (int i = 0; i < TURNS; i++)
		loop_once(z.loop, 0);
	while (z.nasked < ASKED && (n = recv(z.sock, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		const struct wire_forget_one *one;

		MUST(wire_parse_request(&proto, packet, (size_t)n, &r) == 0);
		one = (const void *)r.data;
		switch (r.hdr.opcode) {
		case WIRE_FORGET:
			forgotten(r.hdr.nodeid, r.in.forget.nlookup);
			break;
		case WIRE_BATCH_FORGET:
			for (uint32_t i = 0; i < r.in.batch_forget.count; i++)
				forgotten(one[i].nodeid, one[i].nlookup);
			break;
		case WIRE_RELEASE:
		case WIRE_RELEASEDIR:
			MUST(--z.handles >= 0);
			/* fall through */
		default:
			z.asked[z.nasked].hdr = r.hdr;
			z.asked[z.nasked++].in = r.in;
			break;
		}
	}
}

static void
answer_error(unsigned i, int error)
{
	struct wire_out_header hdr = { .len = sizeof(hdr), .error = -error, .unique = z.asked[i].hdr.unique };

	deliver((uint8_t *)&hdr, sizeof(hdr));
}

/* Make an entry that has a chance to be believed. */
static void
plausible(struct wire_entry_out *e, uint8_t how)
{
	static const uint32_t type[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFREG };

	e->nodeid %= 8;
	e->generation %= 2;
	e->attr.mode = (e->attr.mode & 07777) | type[how % 4];
	e->attr.size &= INT64_MAX;
}

/* Answer request i: a body of the right size or of any, its entry plausible or not, with or without a tail. */
static void
answer(unsigned i)
{
	static uint64_t packet[PACKET / 8];
	struct wire_out_header *hdr = (void *)packet;
	uint8_t *body = (uint8_t *)(hdr + 1), how = (uint8_t)take(1);
	uint32_t opcode = z.asked[i].hdr.opcode;
	size_t room = sizeof(packet) - sizeof(*hdr), fixed = wire_out_size(conn_proto(z.conn), opcode), len;
	bool sizes = (opcode == WIRE_GETXATTR || opcode == WIRE_LISTXATTR) && z.asked[i].in.getxattr.size == 0;
	bool tail = wire_op(opcode)->out_tail != WIRE_TAIL_NONE && !sizes;

	if (how % 8 == 0) {
		answer_error(i, (uint8_t)take(1) == 0 ? ENOSYS : EIO);
		return;
	}
	memset(packet, 0, sizeof(packet));
	if (how % 8 == 1) {
		len = take_bytes(body, take(2) % room);
	} else {
		len = tail ? take(1) * 4 : fixed;
		(void)take_bytes(body, len);
	}
	if (opcode == WIRE_INIT && how % 8 > 2) {
		((struct wire_init_out *)(void *)body)->major = WIRE_KERNEL_VERSION;
		((struct wire_init_out *)(void *)body)->minor %= 50;
		len = 64;
	} else if (!tail && fixed >= 120 && how % 8 > 2) {
		plausible((struct wire_entry_out *)(void *)body, how >> 3);
	} else if (opcode == WIRE_READDIRPLUS && how % 8 > 2) {
		struct wire_direntplus *p = (void *)body;

		plausible(&p->entry_out, how >> 3);
		p->dirent.namelen %= 5;
	}
	*hdr = (struct wire_out_header){ .len = (uint32_t)(sizeof(*hdr) + len), .unique = z.asked[i].hdr.unique };
	deliver((uint8_t *)packet, sizeof(*hdr) + len);
}

/* ---- the host ---- */

static const struct vop_cred cred = { 1, 2, 3 };

static void
know(uint64_t nodeid)
{
	if (nodeid == 0)
		return;
	if (z.nknown == KNOWN)
		vop_forget(z.mp, nodeid, 1);
	else
		z.known[z.nknown++] = nodeid;
}

static void
opened(struct vn_file *fp)
{
	if (z.nopen == OPEN)
		vop_release_unused(z.mp, fp);
	else
		z.open[z.nopen++] = vn_file_id(fp);
}

static void
listed(struct vop_data *data, bool undo)
{
	struct wire_direntry e;
	struct wire_dir dir;

	if (undo) {
		vop_readdir_undo(z.mp, data);
		return;
	}
	wire_dir_init(&dir, data->p, data->len, true);
	while (wire_dir_next(&dir, &e) == 0)
		know(e.plus->nodeid);
}

enum what {
	LOOKUP,
	GETATTR,
	SETATTR,
	READLINK,
	SYMLINK,
	MKNOD,
	MKDIR,
	UNLINK,
	RENAME,
	LINK,
	OPEN_,
	OPENDIR,
	CREATE,
	READ,
	WRITE,
	STATFS,
	FSYNC,
	GETXATTR,
	LISTXATTR,
	SETXATTR,
	READDIR,
	READDIRPLUS,
	ACCESS,
	FLUSH,
	RELEASE,
	WHATS
};

static void
run(struct op *op, struct vn_node *vp)
{
	struct vop_setattr set = { .valid = op->flags };
	struct vop_io io = { .size = op->size };
	struct vn_node *vp2 = NULL;
	struct vop_timeout valid;
	struct vn_file *fp = vn_file_get(z.mp, op->file, vp);
	struct vop_data data = { 0 };
	struct vop_entry e = { 0 };
	struct vop_statfs st;
	struct vop_attr attr;
	uint32_t n;
	const char *name = op->name[0], *name2 = op->name[1];
	size_t len = strlen(name), len2 = strlen(name2);
	int error = ENOSYS;

#define WHO z.mp, &cred
	switch ((enum what)op->what) {
	case LOOKUP:
		error = vop_lookup(WHO, vp, name, len, &e);
		break;
	case GETATTR:
		(void)vop_getattr(WHO, vp, fp, &attr, &valid);
		break;
	case SETATTR:
		(void)vop_setattr(WHO, vp, fp, &set, &attr, &valid);
		break;
	case READLINK:
		(void)vop_readlink(WHO, vp, &data);
		break;
	case SYMLINK:
		error = vop_symlink(WHO, vp, name, len, name2, len2, &e);
		break;
	case MKNOD:
		error = vop_mknod(WHO, vp, name, len, S_IFREG | 0600, 0, 0, &e);
		break;
	case MKDIR:
		error = vop_mkdir(WHO, vp, name, len, 0700, 0, &e);
		break;
	case UNLINK:
		(void)vop_unlink(WHO, vp, name, len);
		break;
	case STATFS:
		(void)vop_statfs(WHO, vp, &st);
		break;
	case FSYNC:
		(void)vop_fsync(WHO, vp, fp, 0, (op->flags & 1) != 0);
		break;
	case ACCESS:
		(void)vop_access(WHO, vp, 4);
		break;
	case FLUSH:
		(void)vop_flush(WHO, vp, fp, 1);
		break;
	case READ:
		(void)vop_read(WHO, vp, fp, &io, &data);
		break;
	case WRITE:
		(void)vop_write(WHO, vp, fp, &io, name, len, &n);
		break;
	case READDIR:
		(void)vop_readdir(WHO, vp, fp, &io, false, &data);
		break;
	case GETXATTR:
		(void)vop_getxattr(WHO, vp, name, len, op->size, &n, &data);
		break;
	case LISTXATTR:
		(void)vop_listxattr(WHO, vp, op->size, &n, &data);
		break;
	case SETXATTR:
		(void)vop_setxattr(WHO, vp, name, len, name2, len2, 0, 0);
		break;
	case RENAME:
	case LINK:
		if (vn_get(z.mp, op->other, &vp2) != 0)
			break;
		if (op->what == RENAME)
			(void)vop_rename(WHO, vp, name, len, vp2, name2, len2, op->flags & 3);
		else
			error = vop_link(WHO, vp2, vp, name, len, &e);
		vn_put(z.mp, vp2);
		break;
	case OPEN_:
	case OPENDIR:
		if ((op->what == OPENDIR ? vop_opendir(WHO, vp, 0, &fp, &n) : vop_open(WHO, vp, 0, 0, &fp, &n)) == 0)
			opened(fp);
		break;
	case CREATE:
		error = vop_create(WHO, vp, name, len, O_RDWR, 0600, 0, 0, &e, &fp, &n);
		if (error == 0)
			opened(fp);
		break;
	case READDIRPLUS:
		if (vop_readdir(WHO, vp, fp, &io, true, &data) == 0)
			listed(&data, (op->flags & 1) != 0);
		break;
	case RELEASE:
		if ((fp = vn_file_get(z.mp, op->file, NULL)) != NULL)
			(void)vop_release(WHO, fp, 0, 0, 0);
		break;
	case WHATS:
		break;
	}
	vop_data_done(&data);
	if (error == 0)
		know(e.nodeid != VN_ROOT_ID ? e.nodeid : 0);
}

static void
op_main(void *arg)
{
	struct op *op = arg;
	struct vn_node *vp;

	op->co = co_self();
	if (op->what == RELEASE) { /* due even when the node has gone bad */
		run(op, NULL);
	} else if (vn_get(z.mp, op->nodeid, &vp) == 0) {
		run(op, vp);
		vn_put(z.mp, vp);
	}
	op->busy = false;
}

/* A node: the root, one that is known, or anything. */
static uint64_t
some_node(void)
{
	uint8_t n = (uint8_t)take(1);

	return n < 128 || z.nknown == 0 ? VN_ROOT_ID : n == 255 ? n : z.known[n % z.nknown];
}

static void
begin(struct op *op)
{
	static const char *const names[] = { "a", "b", "c", ".", "..", "abc", "x", "y" };
	uint8_t n;

	op->what = (unsigned)take(1) % WHATS;
	if (op->what == READDIRPLUS && conn_proto(z.conn)->minor < wire_op(WIRE_READDIRPLUS)->since)
		op->what = READDIR; /* no host asks for what was not agreed */
	op->nodeid = some_node();
	op->other = some_node();
	n = (uint8_t)take(1);
	(void)strcpy(op->name[0], names[n & 7]);
	(void)strcpy(op->name[1], names[n >> 3 & 7]);
	op->size = (uint32_t)take(2) % (PACKET + 1);
	op->flags = (uint32_t)take(1);
	op->file = z.nopen == 0 ? 0 : z.open[op->flags % z.nopen];
	if (op->what == RELEASE && z.nopen != 0) {
		z.open[op->flags % z.nopen] = z.open[z.nopen - 1];
		z.nopen--;
	}
	op->busy = true;
	MUST(co_start(op_main, op) == 0);
}

/* ---- one run ---- */

static void
dead(void *arg, int error, const char *why)
{
	MUST(!z.dead && (error == ENOTCONN || error == EPROTO) && why[0] != '\0');
	z.dead = true;
}

static void
notify(void *arg, int code, uint8_t *data, size_t len)
{
	struct wire_note note;

	(void)wire_parse_notify(data, len, &note, NULL);
}

static void
mount_main(void *arg)
{
	struct host_init want = { .minor = WIRE_MINOR_MAX,
		.flags = UINT64_MAX,
		.max_write = 1 << 20,
		.max_pages = 256 },
			 got;
	const char *why = NULL;

	if (vn_mount_init(z.mp, &want, &got, &why) == 0) {
		MUST(got.minor >= WIRE_MINOR_MIN && got.minor <= WIRE_MINOR_MAX && got.max_pages > 0);
		z.mounted = true;
	} else {
		MUST(why != NULL && why[0] != '\0');
	}
}

static void
end_main(void *arg)
{
	(void)vn_mount_destroy(z.mp);
}

static void
step(void)
{
	static uint8_t raw[PACKET];
	uint8_t n = (uint8_t)take(1);
	struct op *op = &z.op[n >> 4 & (OPS - 1)];

	read_requests();
	if (n % 16 < 7) {
		if (!op->busy)
			begin(op);
	} else if (n % 16 < 12) {
		if (z.nasked > 0)
			answer((n >> 4) % z.nasked);
	} else if (n % 16 < 14) {
		if (z.nknown > 0) {
			unsigned i = (n >> 4) % z.nknown;

			vop_forget(z.mp, z.known[i], 1);
			z.known[i] = z.known[--z.nknown];
		}
	} else if (n % 16 == 14) {
		if (op->busy)
			vn_interrupt(z.mp, op->co);
		vn_mount_trim(z.mp);
	} else {
		deliver(raw, take_bytes(raw, take(1)));
	}
}

static void
drain(void)
{
	bool more;

	do { /* an answer may be followed by another request */
		read_requests();
		more = z.nasked > 0;
		while (z.nasked > 0 && !z.dead)
			answer_error(0, EIO);
	} while (more && !z.dead);
}

/* Let all that runs end, give everything back, and see that the daemon got it. */
static void
finish(void)
{
	struct vn_counts counts;

	drain();
	for (int i = 0; i < OPS; i++)
		MUST(!z.op[i].busy);
	while (z.nopen > 0)
		vop_release_unused(z.mp, vn_file_get(z.mp, z.open[--z.nopen], NULL));
	while (z.nknown > 0)
		vop_forget(z.mp, z.known[--z.nknown], 1);
	vn_mount_counts(z.mp, &counts); /* even before all is forgotten: no operation kept anything */
	MUST(counts.nodes == 1 && counts.files == 0 && counts.lookups == 0 && counts.waiting == 0);
	vn_mount_forget_all(z.mp);
	MUST(co_start(end_main, NULL) == 0);
	drain();
	MUST(co_count() == 0);
	if (!z.dead)
		MUST(z.counted == NULL && z.handles == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conn_ops ops = { .dead = dead, .notify = notify };
	struct counted *c, *next;
	struct loop *loop = z.loop;
	int sv[2];

	if (loop == NULL)
		MUST(loop_new(&loop) == 0);
	memset(&z, 0, sizeof(z));
	z.loop = loop;
	z.p = data;
	z.end = data + size;
	MUST(fdp_pair(SOCK_SEQPACKET, sv) == 0);
	z.sock = sv[1];
	MUST(conn_new(z.loop, sv[0], 0, &ops, NULL, &z.conn) == 0);
	MUST(vn_mount_new(z.loop, z.conn, &z.mp) == 0);
	MUST(co_start(mount_main, NULL) == 0);
	read_requests();
	MUST(z.nasked == 1);
	answer(0);
	if (z.nasked > 0 && !z.dead)
		answer_error(0, EIO);
	while (z.mounted && !z.dead && z.p < z.end)
		step();
	finish();
	vn_mount_free(z.mp);
	conn_free(z.conn);
	(void)close(z.sock);
	HASH_ITER (hh, z.counted, c, next) {
		HASH_DEL(z.counted, c);
		free(c);
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel of the rig: /dev/fuse's other end. It sends requests as Linux does (nodes that it knows, files that it has open, opcodes
 * of the agreed minor) or, in kernel_raw(), any, and takes answers as Linux does: what Linux would refuse is a finding.
 * Answers are taken inside the engine's write(2), so nothing here may turn the loop from kernel_takes(); it may queue requests.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "rig.h"

struct node {
	uint64_t nodeid, nlookup;
};

struct file {
	uint64_t fh, nodeid;
	bool dir;
};

struct pending {
	uint64_t unique, nodeid, fh, fh_out; /* the handles it uses, which are not released meanwhile */
	uint32_t opcode;
	union wire_in in;
	bool abandoned, raw, dots;
};

static struct {
	struct wire_proto proto;
	uint64_t flags; /* agreed */
	uint64_t unique;
	struct node node[RIG_NODES];
	struct file file[RIG_FILES];
	struct pending pending[RIG_PENDING];
	unsigned nnodes, nfiles, npending;
} k;

void
kernel_begin(void)
{
	memset(&k, 0, sizeof(k));
	k.proto.minor = WIRE_MINOR_MAX;
}

size_t
kernel_waiting(void)
{
	size_t n = k.npending;

	for (unsigned i = 0; i < k.npending; i++)
		n -= k.pending[i].opcode == WIRE_INIT && rig.failed;
	return n;
}

/* ---- nodes and files ---- */

static struct node *
find_node(uint64_t nodeid)
{
	for (unsigned i = 0; i < k.nnodes; i++) {
		if (k.node[i].nodeid == nodeid)
			return &k.node[i];
	}
	return NULL;
}

static void
send_forget(uint64_t nodeid, uint64_t nlookup)
{
	struct {
		struct wire_in_header hdr;
		struct wire_forget_in in;
	} p = { { .len = sizeof(p), .opcode = WIRE_FORGET, .unique = k.unique += 2, .nodeid = nodeid }, { nlookup } };

	(void)world_send(rig.kernel, &p, sizeof(p));
}

/* An entry: one lookup, which the kernel owes from now on. */
static void
take_entry(const struct wire_entry_out *e, bool dots)
{
	struct node *n;

	MUST(dots || e->nodeid != WIRE_ROOT_ID);
	/* Which file the nodeid stands for may change with the generation and the type: Linux sees to that itself. */
	MUST(e->attr.size <= INT64_MAX && strchr("\1\2\4\6\10\12\14", (int)(e->attr.mode >> 12 & 15)) != NULL);
	if (e->nodeid == WIRE_ROOT_ID)
		return;
	if ((n = find_node(e->nodeid)) == NULL) {
		if (k.nnodes == RIG_NODES) {
			send_forget(e->nodeid, 1);
			return;
		}
		n = &k.node[k.nnodes++];
		*n = (struct node){ .nodeid = e->nodeid };
	}
	n->nlookup++;
}

static void
take_open(uint64_t nodeid, uint64_t fh, bool dir)
{
	struct wire_release_in in = { .fh = fh };
	struct {
		struct wire_in_header hdr;
		struct wire_release_in in;
	} p = { { .len = sizeof(p), .opcode = dir ? WIRE_RELEASEDIR : WIRE_RELEASE, .nodeid = nodeid }, in };

	for (unsigned i = 0; i < k.nfiles; i++)
		MUST(k.file[i].fh != fh);
	if (fh == 0)
		return;              /* handle-less */
	if (k.nfiles == RIG_FILES) { /* no room: closed at once */
		MUST(k.npending < RIG_PENDING);
		p.hdr.unique = k.unique += 2;
		k.pending[k.npending++] =
		    (struct pending){ .unique = p.hdr.unique, .nodeid = nodeid, .opcode = p.hdr.opcode };
		(void)world_send(rig.kernel, &p, sizeof(p));
		return;
	}
	k.file[k.nfiles++] = (struct file){ fh, nodeid, dir };
}

/* ---- answers ---- */

static void
take_init(const struct pending *p, const uint8_t *body, size_t len)
{
	struct wire_init i;

	MUST(wire_parse_init_reply(body, len, &i, NULL) == 0);
	MUST(i.minor <= WIRE_MINOR_MAX && i.max_write >= 4096);
	MUST(i.minor >= WIRE_MINOR_MIN || p->raw); /* no kernel that offered so little can be meant */
	k.proto.minor = i.minor;
	k.proto.setxattr_ext = (i.flags & WIRE_INIT_SETXATTR_EXT) != 0;
	k.flags = i.flags;
}

static void
take_directory(const struct wire_rep *rep, bool plus)
{
	struct wire_direntry e;
	struct wire_dir dir;
	int error;

	wire_dir_init(&dir, rep->data, rep->datalen, plus);
	while ((error = wire_dir_next(&dir, &e)) == 0) {
		bool dots = e.name[0] == '.' && (e.namelen == 1 || (e.namelen == 2 && e.name[1] == '.'));

		if (plus && !dots && e.plus->nodeid != 0)
			take_entry(e.plus, false);
		MUST(!plus || !dots || e.plus->nodeid == 0);
	}
	MUST(error == ENOENT && dir.p == dir.end);
}

static void
take_reply(const struct pending *p, const struct wire_rep *rep)
{
	switch (p->opcode) {
	case WIRE_LOOKUP:
		if (rep->out.entry.nodeid != 0)
			take_entry(&rep->out.entry, p->dots);
		break;
	case WIRE_MKNOD:
	case WIRE_MKDIR:
	case WIRE_SYMLINK:
	case WIRE_LINK:
		MUST(rep->out.entry.nodeid != 0);
		take_entry(&rep->out.entry, p->raw);
		break;
	case WIRE_CREATE:
	case WIRE_TMPFILE:
		MUST(rep->out.create.entry.nodeid != 0);
		MUST(S_ISREG(rep->out.create.entry.attr.mode));
		take_entry(&rep->out.create.entry, p->raw);
		take_open(rep->out.create.entry.nodeid, rep->out.create.open.fh, false);
		break;
	case WIRE_OPEN:
	case WIRE_OPENDIR:
		MUST(rep->out.open.fh != 0);
		take_open(p->nodeid, rep->out.open.fh, p->opcode == WIRE_OPENDIR);
		break;
	case WIRE_WRITE:
		MUST(rep->out.write.size <= p->in.write.size);
		break;
	case WIRE_READDIR:
	case WIRE_READDIRPLUS:
		take_directory(rep, p->opcode == WIRE_READDIRPLUS);
		break;
	default:
		touch(rep->data, rep->datalen);
		break;
	}
}

/* How long the tail of an answer may be. */
static size_t
limit(const struct pending *p)
{
	switch (p->opcode) {
	case WIRE_READ:
	case WIRE_READDIR:
	case WIRE_READDIRPLUS:
		return p->in.read.size;
	case WIRE_GETXATTR:
	case WIRE_LISTXATTR:
		return p->in.getxattr.size;
	case WIRE_READLINK:
		return 4095;
	case WIRE_IOCTL:
		return p->in.ioctl.out_size;
	default:
		return 0;
	}
}

static int
take_notification(const void *packet, size_t len)
{
	struct {
		struct wire_in_header hdr;
		struct wire_notify_retrieve_in in;
		uint8_t data[64];
	} p = { 0 };
	struct wire_note note;
	const char *why = NULL;

	MUST(wire_parse_notify(packet, len, &note, &why) == 0);
	touch(note.name, note.namelen);
	touch(note.data, note.datalen);
	if (tape_byte(&rig.tape) == 0xfe)
		return ENOENT;
	if (note.code != WIRE_NOTIFY_RETRIEVE)
		return 0;
	if (find_node(note.out.retrieve.nodeid) == NULL)
		return ENOENT;
	p.in.offset = note.out.retrieve.offset;
	p.in.size = note.out.retrieve.size < sizeof(p.data) ? note.out.retrieve.size : sizeof(p.data);
	p.hdr = (struct wire_in_header){ .len = (uint32_t)(sizeof(p.hdr) + sizeof(p.in) + p.in.size),
		.opcode = WIRE_NOTIFY_REPLY,
		.unique = note.out.retrieve.notify_unique,
		.nodeid = note.out.retrieve.nodeid };
	(void)world_send(rig.kernel, &p, p.hdr.len);
	return 0;
}

int
kernel_takes(const void *packet, size_t len)
{
	static uint64_t copy[RIG_PACKET / sizeof(uint64_t)];
	struct wire_out_header hdr;
	const char *why = "";
	struct wire_rep rep;
	struct pending p;
	unsigned i = 0;
	uint64_t unique;
	int error;

	MUST(len <= sizeof(copy));
	memcpy(copy, packet, len);
	MUST(wire_parse_reply_header(copy, len, &unique, &error, NULL) == 0);
	if (unique == 0)
		return take_notification(packet, len);
	while (i < k.npending && k.pending[i].unique != unique)
		i++;
	MUST(i < k.npending); /* answered twice, or never asked */
	p = k.pending[i];
	k.pending[i] = k.pending[--k.npending];
	if (p.abandoned)
		return ENOENT;
	memcpy(&hdr, copy, sizeof(hdr));
	if (hdr.error != 0)
		return 0;
	if (p.opcode == WIRE_INIT) {
		take_init(&p, (uint8_t *)copy + sizeof(hdr), len - sizeof(hdr));
		return 0;
	}
	error = wire_parse_reply(&k.proto, p.opcode, &p.in, copy, len, limit(&p), &rep, &why);
	if (error != 0)
		(void)fprintf(stderr, "the answer to %s: %s\n", wire_opname(p.opcode), why);
	MUST(error == 0);
	take_reply(&p, &rep);
	return 0;
}

/* ---- requests ---- */

struct request {
	struct wire_in_header hdr;
	uint8_t body[RIG_DATA + 1024];
};

static void
send_request(struct request *r, size_t len, const struct pending *p)
{
	r->hdr.len = (uint32_t)len;
	r->hdr.unique = k.unique += 2;
	r->hdr.uid = 1;
	r->hdr.gid = 2;
	r->hdr.pid = 3;
	if (p != NULL) {
		k.pending[k.npending] = *p;
		k.pending[k.npending].unique = r->hdr.unique;
		k.npending++;
	}
	MUST(world_send(rig.kernel, r, len));
	rig_settle();
}

void
kernel_init(void)
{
	struct request r = { .hdr.opcode = WIRE_INIT };
	struct pending p = { .opcode = WIRE_INIT };
	uint8_t how = tape_byte(&rig.tape);
	struct wire_init i = { .major = WIRE_KERNEL_VERSION, .minor = WIRE_MINOR_MAX, .max_readahead = 131072 };

	if (how & 1)
		i.minor = 12 + (how >> 1) % (WIRE_MINOR_MAX - 12 + 2);
	i.flags = how == 255 ? tape_take(&rig.tape, 8) : UINT64_MAX;
	send_request(&r, sizeof(r.hdr) + wire_init_request(&i, r.body, sizeof(r.body)), &p);
}

/* A node: the root, or one that is known. */
static uint64_t
some_node(void)
{
	uint8_t n = tape_byte(&rig.tape);

	return n < 80 || k.nnodes == 0 ? WIRE_ROOT_ID : k.node[n % k.nnodes].nodeid;
}

static const struct file *
some_file(bool dir)
{
	unsigned n = tape_byte(&rig.tape);

	for (unsigned i = 0; i < k.nfiles; i++) {
		const struct file *f = &k.file[(n + i) % k.nfiles];

		if (f->dir == dir)
			return f;
	}
	return NULL;
}

static uint32_t
some_size(void)
{
	return (uint32_t)tape_take(&rig.tape, 2) % (RIG_DATA + 1);
}

/* Is this asked of an open file? */
static bool
of_file(uint32_t opcode)
{
	switch (opcode) {
	case WIRE_READ:
	case WIRE_READDIR:
	case WIRE_READDIRPLUS:
	case WIRE_WRITE:
	case WIRE_FLUSH:
	case WIRE_FSYNC:
	case WIRE_FSYNCDIR:
	case WIRE_GETLK:
	case WIRE_SETLK:
	case WIRE_SETLKW:
	case WIRE_IOCTL:
	case WIRE_POLL:
	case WIRE_FALLOCATE:
	case WIRE_LSEEK:
	case WIRE_COPY_FILE_RANGE:
	case WIRE_COPY_FILE_RANGE_64:
		return true;
	default:
		return false;
	}
}

/* The fixed part of such a request; p->nodeid is set to the file's node. A handle of 0 is what Linux sends when the daemon has no OPEN. */
static void
fill_file(struct pending *p)
{
	bool dir = p->opcode == WIRE_READDIR || p->opcode == WIRE_READDIRPLUS || p->opcode == WIRE_FSYNCDIR;
	const struct file *f = some_file(dir), *to;
	uint64_t fh = f != NULL ? f->fh : 0;
	union wire_in *in = &p->in;

	p->nodeid = f != NULL ? f->nodeid : some_node();
	p->fh = fh;
	switch (p->opcode) {
	case WIRE_READ:
	case WIRE_READDIR:
	case WIRE_READDIRPLUS:
		in->read = (struct wire_read_in){ .fh = fh, .offset = tape_byte(&rig.tape), .size = some_size() };
		break;
	case WIRE_WRITE:
		in->write = (struct wire_write_in){ .fh = fh, .offset = tape_byte(&rig.tape), .size = some_size() };
		in->write.write_flags = (uint32_t)in->write.offset & 7;
		break;
	case WIRE_FLUSH:
		in->flush = (struct wire_flush_in){ .fh = fh, .lock_owner = tape_byte(&rig.tape) };
		break;
	case WIRE_FSYNC:
	case WIRE_FSYNCDIR:
		in->fsync = (struct wire_fsync_in){ .fh = fh, .fsync_flags = tape_byte(&rig.tape) & 1 };
		break;
	case WIRE_GETLK:
	case WIRE_SETLK:
	case WIRE_SETLKW:
		in->lk = (struct wire_lk_in){ .fh = fh, .owner = tape_byte(&rig.tape) & 3 };
		in->lk.lk = (struct wire_file_lock){ 0, 9, tape_byte(&rig.tape) % 3, 1 };
		in->lk.lk_flags = (uint32_t)in->lk.owner >> 1;
		break;
	case WIRE_IOCTL:
		in->ioctl = (struct wire_ioctl_in){ .fh = fh, .cmd = tape_byte(&rig.tape), .out_size = 64 };
		in->ioctl.flags = in->ioctl.cmd >> 3 & 31;
		in->ioctl.in_size = in->ioctl.cmd & 7;
		break;
	case WIRE_POLL:
		in->poll = (struct wire_poll_in){ .fh = fh, .kh = tape_byte(&rig.tape) & 7, .flags = 1, .events = 5 };
		break;
	case WIRE_FALLOCATE:
		in->fallocate = (struct wire_fallocate_in){ .fh = fh, .length = 10, .mode = tape_byte(&rig.tape) };
		break;
	case WIRE_LSEEK:
		in->lseek = (struct wire_lseek_in){ .fh = fh, .offset = 10, .whence = tape_byte(&rig.tape) & 7 };
		break;
	case WIRE_COPY_FILE_RANGE:
	case WIRE_COPY_FILE_RANGE_64:
		to = some_file(false);
		p->fh_out = to != NULL ? to->fh : 0;
		in->copy_file_range = (struct wire_copy_file_range_in){ .fh_in = fh,
			.nodeid_out = to != NULL ? to->nodeid : some_node(),
			.fh_out = to != NULL ? to->fh : 0,
			.len = some_size() };
		break;
	default:
		break;
	}
}

/* The same for those that are about a node. */
static void
fill_node(struct pending *p)
{
	union wire_in *in = &p->in;
	const struct file *f;

	p->nodeid = some_node();
	switch (p->opcode) {
	case WIRE_GETATTR:
		if ((f = some_file(false)) != NULL) {
			in->getattr = (struct wire_getattr_in){ .getattr_flags = WIRE_GETATTR_FH, .fh = f->fh };
			p->nodeid = f->nodeid;
			p->fh = f->fh;
		}
		break;
	case WIRE_SETATTR:
		in->setattr.valid = (uint32_t)tape_take(&rig.tape, 2) & ~WIRE_FATTR_FH;
		in->setattr.size = tape_byte(&rig.tape);
		in->setattr.mode = 0644;
		break;
	case WIRE_MKNOD:
		in->mknod.mode = (tape_byte(&rig.tape) & 1 ? S_IFIFO : S_IFREG) | 0600;
		break;
	case WIRE_RENAME:
		in->rename.newdir = some_node();
		break;
	case WIRE_RENAME2:
		in->rename2.newdir = some_node();
		in->rename2.flags = tape_byte(&rig.tape) & 7;
		break;
	case WIRE_LINK:
		in->link.oldnodeid = some_node();
		break;
	case WIRE_CREATE:
	case WIRE_TMPFILE:
		in->create = (struct wire_create_in){ .flags = O_RDWR | O_CREAT, .mode = S_IFREG | 0600 };
		break;
	case WIRE_OPEN:
		in->open.flags = tape_byte(&rig.tape) & 1 ? O_RDWR | O_TRUNC : O_RDONLY;
		break;
	case WIRE_GETXATTR:
	case WIRE_LISTXATTR:
		in->getxattr.size = some_size();
		break;
	case WIRE_SETXATTR:
		in->setxattr.size = tape_byte(&rig.tape);
		break;
	case WIRE_ACCESS:
		in->access.mask = tape_byte(&rig.tape) & 7;
		break;
	case WIRE_STATX:
		in->statx.sx_mask = 0x7ff;
		break;
	case WIRE_BMAP:
		in->bmap.blocksize = 512;
		break;
	default:
		break;
	}
}

static size_t
put_names(struct pending *p, uint8_t *buf, int n)
{
	static const char *const names[] = { "a", "b", "c", "x", "long name", ".", "..", "abc" };
	size_t len = 0;

	for (int i = 0; i < n; i++) {
		unsigned which = tape_byte(&rig.tape) & 7;

		if (p->opcode != WIRE_LOOKUP && (which == 5 || which == 6))
			which = 0;
		p->dots |= which == 5 || which == 6;
		strcpy((char *)buf + len, names[which]);
		len += strlen(names[which]) + 1;
	}
	return len;
}

/* The extensions that were agreed on. */
static size_t
put_extensions(struct request *r, uint8_t *buf)
{
	static const struct {
		struct wire_secctx_header hdr;
		struct wire_secctx ctx;
		char text[16];
	} secctx = { { sizeof(secctx), 1 }, { 8, 0 }, "selinux\0context" };
	static const struct {
		struct wire_ext_header hdr;
		uint32_t n, group;
	} groups = { { sizeof(groups), WIRE_EXT_GROUPS }, 1, 7 };
	size_t len = 0;

	if (k.flags & WIRE_INIT_SECURITY_CTX) {
		memcpy(buf, &secctx, sizeof(secctx));
		len += sizeof(secctx);
	}
	if (k.flags & WIRE_INIT_CREATE_SUPP_GROUP) {
		memcpy(buf + len, &groups, sizeof(groups));
		len += sizeof(groups);
	}
	r->hdr.total_extlen = (uint16_t)(len / 8);
	return len;
}

static bool
busy(uint64_t fh)
{
	for (unsigned i = 0; i < k.npending; i++) {
		if (k.pending[i].fh == fh || k.pending[i].fh_out == fh)
			return true;
	}
	return false;
}

static bool
release_one(uint32_t opcode)
{
	const struct file *f = some_file(opcode == WIRE_RELEASEDIR);
	struct request r = { .hdr.opcode = opcode };
	struct wire_release_in in = { 0 };
	struct pending p = { .opcode = opcode };

	if (f == NULL || busy(f->fh))
		return false;
	in.fh = f->fh;
	in.lock_owner = tape_byte(&rig.tape) & 3;
	in.release_flags = (uint32_t)in.lock_owner;
	p.nodeid = r.hdr.nodeid = f->nodeid;
	k.file[f - k.file] = k.file[--k.nfiles];
	memcpy(r.body, &in, sizeof(in));
	send_request(&r, sizeof(r.hdr) + sizeof(in), &p);
	return true;
}

bool
kernel_send(uint32_t opcode)
{
	const struct wire_op *op = wire_op(opcode);
	struct request r = { .hdr.opcode = opcode };
	struct pending p = { .opcode = opcode };
	size_t len, tail = 0;

	/* One place is kept for what take_open() closes at once. */
	if (op == NULL || op->since > k.proto.minor || op->no_reply || k.npending >= RIG_PENDING - 1)
		return false;
	switch (opcode) {
	case WIRE_INIT:
	case WIRE_DESTROY:
	case WIRE_INTERRUPT:
		return false;
	case WIRE_RELEASE:
	case WIRE_RELEASEDIR:
		return release_one(opcode);
	default:
		if (of_file(opcode))
			fill_file(&p);
		else
			fill_node(&p);
		break;
	}
	MUST(wire_encode_in(&k.proto, opcode, &p.in, r.body, sizeof(r.body), &len) == 0);
	len += put_names(&p, r.body + len, op->names);
	if (p.dots && tape_byte(&rig.tape) == 255)
		p.nodeid = 255; /* from a file handle of long ago, which only these two names are asked with */
	r.hdr.nodeid = p.nodeid;
	if (opcode == WIRE_WRITE)
		tail = p.in.write.size;
	else if (opcode == WIRE_SETXATTR)
		tail = p.in.setxattr.size;
	else if (opcode == WIRE_IOCTL)
		tail = p.in.ioctl.in_size;
	len += tail; /* of zeros */
	if (op->ext)
		len += put_extensions(&r, r.body + len);
	send_request(&r, sizeof(r.hdr) + len, &p);
	return true;
}

void
kernel_request(void)
{
	(void)kernel_send(tape_byte(&rig.tape) % 54);
}

/* A request of any bytes, as far as it is one, must not make the books wrong. */
static void
raw_books(const struct wire_req *req)
{
	switch (req->hdr.opcode) {
	case WIRE_RELEASE:
	case WIRE_RELEASEDIR:
		for (unsigned i = 0; i < k.nfiles; i++) {
			if (k.file[i].fh == req->in.release.fh)
				k.file[i] = k.file[--k.nfiles];
		}
		break;
	default:
		break;
	}
}

void
kernel_raw(void)
{
	struct request r;
	struct pending p = { .raw = true, .dots = true };
	uint8_t how = tape_byte(&rig.tape);
	struct wire_req req;
	size_t len;
	int error;

	memset(&r, 0, sizeof(r));
	if (k.npending >= RIG_PENDING - 1)
		return;
	r.hdr.opcode = p.opcode = tape_byte(&rig.tape);
	r.hdr.nodeid = p.nodeid = how & 8 ? tape_byte(&rig.tape) : some_node();
	rig.raw = true;
	len = sizeof(r.hdr) + tape_bytes(&rig.tape, r.body, tape_take(&rig.tape, how & 1 ? 2 : 1) % sizeof(r.body));
	if (how & 2 && k.nfiles > 0) /* where most requests have a handle */
		memcpy(r.body, &k.file[how % k.nfiles].fh, sizeof(uint64_t));
	r.hdr.total_extlen = how & 4 ? tape_byte(&rig.tape) & 3 : 0;
	r.hdr.len = (uint32_t)len;
	error = wire_parse_request(&k.proto, &r, len, &req);
	p.in = req.in;
	if (p.opcode == WIRE_FORGET || p.opcode == WIRE_BATCH_FORGET)
		return; /* kernel_forget() sends these: wrong ones are wrong books */
	if (error == 0)
		raw_books(&req);
	send_request(&r, len, p.opcode == WIRE_INTERRUPT || p.opcode == WIRE_NOTIFY_REPLY ? NULL : &p);
}

void
kernel_forget(void)
{
	unsigned i;
	uint8_t how = tape_byte(&rig.tape);
	uint64_t n;

	if (k.nnodes == 0)
		return;
	i = how % k.nnodes;
	n = how & 128 ? k.node[i].nlookup : 1;
	send_forget(k.node[i].nodeid, n);
	if ((k.node[i].nlookup -= n) == 0)
		k.node[i] = k.node[--k.nnodes];
	rig_settle();
}

void
kernel_interrupt(void)
{
	struct request r = { .hdr.opcode = WIRE_INTERRUPT };
	struct wire_interrupt_in in;

	if (k.npending == 0)
		return;
	in.unique = k.pending[tape_byte(&rig.tape) % k.npending].unique;
	memcpy(r.body, &in, sizeof(in));
	send_request(&r, sizeof(r.hdr) + sizeof(in), NULL);
}

void
kernel_abandon(void)
{
	struct pending *p;

	if (k.npending == 0)
		return;
	p = &k.pending[tape_byte(&rig.tape) % k.npending];
	if (p->opcode != WIRE_INIT)
		p->abandoned = true;
}

void
kernel_release_all(void)
{
	while (k.nfiles > 0) {
		if (!release_one(WIRE_RELEASE))
			(void)release_one(WIRE_RELEASEDIR);
		if (k.npending >= RIG_PENDING - 1)
			daemon_answer_all();
	}
}

void
kernel_forget_all(void)
{
	while (k.nnodes > 0) {
		k.nnodes--;
		send_forget(k.node[k.nnodes].nodeid, k.node[k.nnodes].nlookup);
		rig_settle();
	}
}

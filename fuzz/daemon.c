/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon of the rig. It reads requests, checks them against its books, and answers what the tape says: an error, something that
 * makes sense, or (daemon_answer_badly()) anything. Its nodeids are few, so that they meet again: with another type, another
 * generation, under other names. What it counts is what a real daemon counts when it sends such a reply.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include <uthash.h>

#include "rig.h"

struct asked {
	struct wire_in_header hdr;
	union wire_in in;
};

struct key { /* nodeid alone: lookups; with a handle: how often it was given out */
	uint64_t nodeid, fh;
	uint32_t what; /* LOOKUP, OPEN, OPENDIR */
	uint32_t zero;
};

struct booked {
	struct key key;
	uint64_t count;
	UT_hash_handle hh;
};

static struct {
	struct asked asked[RIG_ASKED];
	unsigned nasked;
	struct booked *books;
	bool no_open;            /* we have none: as with Linux, what CREATE has opened is not released either */
	struct wire_proto proto; /* as agreed with the engine */
} d;

/* ---- books ---- */

static struct booked *
booked(uint32_t what, uint64_t nodeid, uint64_t fh)
{
	struct key key = { .nodeid = nodeid, .fh = fh, .what = what };
	struct booked *b;

	HASH_FIND(hh, d.books, &key, sizeof(key), b);
	return b;
}

static void
book(uint32_t what, uint64_t nodeid, uint64_t fh)
{
	struct booked *b = booked(what, nodeid, fh);

	if (what == WIRE_LOOKUP && nodeid <= WIRE_ROOT_ID)
		return;
	if (b == NULL) {
		MUST((b = calloc(1, sizeof(*b))) != NULL);
		b->key = (struct key){ .nodeid = nodeid, .fh = fh, .what = what };
		HASH_ADD(hh, d.books, key, sizeof(b->key), b);
	}
	b->count++;
}

static void
unbook(uint32_t what, uint64_t nodeid, uint64_t fh, uint64_t n)
{
	struct booked *b = booked(what, nodeid, fh);

	MUST(b != NULL && n > 0 && n <= b->count); /* more than was counted or opened */
	if ((b->count -= n) == 0) {
		HASH_DEL(d.books, b);
		free(b);
	}
}

static void
known(uint64_t nodeid)
{
	MUST(nodeid == WIRE_ROOT_ID || rig.raw || booked(WIRE_LOOKUP, nodeid, 0) != NULL);
}

/* A handle in a request; 0 may stand for none. */
static void
opened(uint32_t what, uint64_t nodeid, uint64_t fh)
{
	MUST(fh == 0 || booked(what, nodeid, fh) != NULL);
}

void
daemon_begin(void)
{
	d.nasked = 0;
	d.no_open = false;
	d.proto = (struct wire_proto){ .minor = WIRE_MINOR_MAX };
}

void
daemon_end(void)
{
	struct booked *b, *next;

	HASH_ITER (hh, d.books, b, next) {
		if (!rig.dead && !rig.failed && !(b->key.what == WIRE_OPEN && d.no_open)) {
			(void)fprintf(stderr, "%s: nodeid %llu, handle %llu, %llu times too few\n",
			    wire_opname(b->key.what), (unsigned long long)b->key.nodeid, (unsigned long long)b->key.fh,
			    (unsigned long long)b->count);
			abort();
		}
		HASH_DEL(d.books, b);
		free(b);
	}
}

size_t
daemon_asked(void)
{
	return d.nasked;
}

/* ---- requests ---- */

static void
check_handles(const struct wire_req *r)
{
	const union wire_in *in = &r->in;
	uint64_t node = r->hdr.nodeid;

	switch (r->hdr.opcode) {
	case WIRE_GETATTR:
		if (in->getattr.getattr_flags & WIRE_GETATTR_FH)
			MUST(in->getattr.fh == 0 || /* handle-less, or so a kernel that knows no better says */
			     booked(WIRE_OPEN, node, in->getattr.fh) || booked(WIRE_OPENDIR, node, in->getattr.fh));
		break;
	case WIRE_SETATTR:
		if (in->setattr.valid & WIRE_FATTR_FH)
			opened(WIRE_OPEN, node, in->setattr.fh);
		break;
	case WIRE_READ:
		opened(WIRE_OPEN, node, in->read.fh);
		break;
	case WIRE_WRITE:
		opened(WIRE_OPEN, node, in->write.fh);
		break;
	case WIRE_FLUSH:
		opened(WIRE_OPEN, node, in->flush.fh);
		break;
	case WIRE_FSYNC:
		opened(WIRE_OPEN, node, in->fsync.fh);
		break;
	case WIRE_FALLOCATE:
		opened(WIRE_OPEN, node, in->fallocate.fh);
		break;
	case WIRE_LSEEK:
		opened(WIRE_OPEN, node, in->lseek.fh);
		break;
	case WIRE_COPY_FILE_RANGE:
	case WIRE_COPY_FILE_RANGE_64:
		opened(WIRE_OPEN, node, in->copy_file_range.fh_in);
		opened(WIRE_OPEN, in->copy_file_range.nodeid_out, in->copy_file_range.fh_out);
		known(in->copy_file_range.nodeid_out);
		break;
	case WIRE_READDIR:
	case WIRE_READDIRPLUS:
		opened(WIRE_OPENDIR, node, in->read.fh);
		break;
	case WIRE_FSYNCDIR:
		opened(WIRE_OPENDIR, node, in->fsync.fh);
		break;
	case WIRE_RENAME:
		known(in->rename.newdir);
		break;
	case WIRE_RENAME2:
		known(in->rename2.newdir);
		break;
	case WIRE_LINK:
		known(in->link.oldnodeid);
		break;
	default:
		break;
	}
}

/* A request that is sent again keeps its place, under its new unique. */
static bool
sent_again(const struct wire_in_header *hdr)
{
	for (unsigned i = 0; (hdr->unique & WIRE_UNIQUE_RESEND) != 0 && i < d.nasked; i++) {
		if ((d.asked[i].hdr.unique | WIRE_UNIQUE_RESEND) == hdr->unique) {
			d.asked[i].hdr.unique = hdr->unique;
			return true;
		}
	}
	return false;
}

static void
read_one(const uint8_t *packet, size_t len)
{
	const struct wire_forget_one *one;
	struct wire_req r;

	MUST(wire_parse_request(&d.proto, packet, len, &r) == 0);
	MUST(r.hdr.unique != 0 || r.hdr.opcode == WIRE_NOTIFY_REPLY); /* whose unique was ours */
	if (sent_again(&r.hdr))
		return;
	one = (const void *)r.data;
	switch (r.hdr.opcode) {
	case WIRE_FORGET:
		unbook(WIRE_LOOKUP, r.hdr.nodeid, 0, r.in.forget.nlookup);
		return;
	case WIRE_BATCH_FORGET:
		for (uint32_t i = 0; i < r.in.batch_forget.count; i++)
			unbook(WIRE_LOOKUP, one[i].nodeid, 0, one[i].nlookup);
		return;
	case WIRE_NOTIFY_REPLY: /* the node may be forgotten by now */
		return;
	case WIRE_RELEASE:
	case WIRE_RELEASEDIR:
		unbook(r.hdr.opcode == WIRE_RELEASE ? WIRE_OPEN : WIRE_OPENDIR, r.hdr.nodeid, r.in.release.fh, 1);
		break;
	case WIRE_INIT:
	case WIRE_DESTROY:
	case WIRE_INTERRUPT:
		break;
	case WIRE_STATFS:
	case WIRE_SYNCFS:
		break;
	case WIRE_LOOKUP: /* "." and ".." are how a file handle of long ago is opened: the node may be forgotten */
		if (strcmp(r.name[0], ".") != 0 && strcmp(r.name[0], "..") != 0)
			known(r.hdr.nodeid);
		break;
	default:
		known(r.hdr.nodeid);
		check_handles(&r);
		break;
	}
	d.asked[d.nasked++] = (struct asked){ .hdr = r.hdr, .in = r.in };
}

void
daemon_read(void)
{
	uint8_t *packet;
	size_t len;

	while (d.nasked < RIG_ASKED && (len = world_take(rig.daemon, &packet)) > 0) {
		read_one(packet, len);
		free(packet);
		world_settle(rig.loop); /* there is room for another */
	}
}

/* ---- answers ---- */

/* What is agreed by this answer to INIT: at most what the engine has offered. */
static void
agree(const struct wire_init_in *offer, const uint8_t *packet, size_t len)
{
	struct wire_init i;

	if (wire_parse_init_reply(
		packet + sizeof(struct wire_out_header), len - sizeof(struct wire_out_header), &i, NULL) != 0)
		return;
	d.proto.minor = i.minor < offer->minor ? i.minor : offer->minor;
	d.proto.setxattr_ext = (i.flags & offer->flags & WIRE_INIT_SETXATTR_EXT) != 0;
}

/* What the daemon, sending this, counts and gives out: nothing when the engine cannot take it for the reply. */
static void
account(const struct asked *a, const uint8_t *packet, size_t len)
{
	static uint64_t copy[RIG_PACKET / sizeof(uint64_t)];
	bool plus = a->hdr.opcode == WIRE_READDIRPLUS;
	size_t limit = plus ? a->in.read.size : RIG_PACKET;
	struct wire_direntry e;
	struct wire_dir dir;
	struct wire_rep rep;

	memcpy(copy, packet, len);
	if (wire_parse_reply(&d.proto, a->hdr.opcode, &a->in, copy, len, limit, &rep, NULL) != 0)
		return;
	if (rep.error != 0) {
		d.no_open |= rep.error == ENOSYS && a->hdr.opcode == WIRE_OPEN;
		return;
	}
	switch (a->hdr.opcode) {
	case WIRE_INIT:
		agree(&a->in.init, packet, len);
		break;
	case WIRE_CREATE:
	case WIRE_TMPFILE:
		if (rep.out.create.entry.nodeid != 0)
			book(WIRE_OPEN, rep.out.create.entry.nodeid, rep.out.create.open.fh);
		book(WIRE_LOOKUP, rep.out.create.entry.nodeid, 0);
		break;
	case WIRE_LOOKUP:
	case WIRE_MKNOD:
	case WIRE_MKDIR:
	case WIRE_SYMLINK:
	case WIRE_LINK:
		book(WIRE_LOOKUP, rep.out.entry.nodeid, 0);
		break;
	case WIRE_OPEN:
	case WIRE_OPENDIR:
		book(a->hdr.opcode, a->hdr.nodeid, rep.out.open.fh);
		break;
	case WIRE_READDIRPLUS:
		wire_dir_init(&dir, rep.data, rep.datalen, true);
		while (wire_dir_next(&dir, &e) == 0) {
			if (e.name[0] != '.' || (e.namelen > 1 && (e.namelen > 2 || e.name[1] != '.')))
				book(WIRE_LOOKUP, e.plus->nodeid, 0);
		}
		break;
	default:
		break;
	}
}

void
daemon_send(const void *packet, size_t len)
{
	uint64_t unique;
	int error;

	if (len == 0 || rig.dead || rig.failed)
		return;
	if (wire_parse_reply_header(packet, len, &unique, &error, NULL) != 0) {
		;
	} else if (unique == 0 && error == WIRE_NOTIFY_RESEND) {
		/* A daemon that has lost its requests answers none until it has them again. */
		world_stall(0);
		rig_settle();
		if (d.nasked > RIG_ASKED / 2 || rig.starved)
			return;
	} else if (unique != 0) {
		for (unsigned i = 0; i < d.nasked; i++) {
			if (d.asked[i].hdr.unique != unique)
				continue;
			if (len <= RIG_PACKET)
				account(&d.asked[i], packet, len);
			d.asked[i] = d.asked[--d.nasked];
			break;
		}
	}
	(void)world_send(rig.daemon, packet, len);
	rig_settle();
}

static void
answer_error(const struct asked *a, int error)
{
	struct wire_out_header hdr = { .len = sizeof(hdr), .error = -error, .unique = a->hdr.unique };

	daemon_send(&hdr, sizeof(hdr));
}

static void
drop(unsigned i)
{
	d.asked[i] = d.asked[--d.nasked];
}

void
daemon_answer_all(void)
{
	int waited = 0; /* what could not be sent is sent again after a while, which one of the first timers ends */

	for (;;) {
		rig_settle();
		if (d.nasked == 0) {
			if (waited++ == 4 || !rig.starved)
				return;
			(void)world_tick(rig.loop);
			continue;
		}
		waited = 0;
		if (d.asked[0].hdr.opcode == WIRE_INTERRUPT || rig.dead || rig.failed)
			drop(0); /* which need not be answered, or cannot */
		else
			answer_error(&d.asked[0], EIO);
	}
}

/* Types of the nodeids, while the daemon makes sense: what is asked about one can then be done. */
static uint32_t
type_of(uint64_t nodeid, uint8_t how)
{
	static const uint32_t type[] = { S_IFDIR, S_IFREG, S_IFLNK, S_IFREG, S_IFDIR, S_IFREG, S_IFCHR, S_IFIFO };

	return type[(how < 240 ? nodeid - 1 : how) & 7];
}

static void
make_attr(struct wire_attr *a, uint64_t nodeid)
{
	uint8_t how = tape_byte(&rig.tape);

	*a = (struct wire_attr){ .ino = nodeid, .mode = type_of(nodeid, how) | 0755, .nlink = 1, .blksize = 4096 };
	a->size = how % 32 == 31 ? UINT64_MAX >> (how >> 5) : how;
	a->mtime = how;
}

static void
make_entry(struct wire_entry_out *e)
{
	uint8_t how = tape_byte(&rig.tape);

	*e = (struct wire_entry_out){ .nodeid = how & 7 ? 1 + (how & 7) : 0, .generation = how >> 7 };
	if (how == 0xff)
		e->nodeid = WIRE_ROOT_ID;
	e->entry_valid = e->attr_valid = how >> 4;
	e->entry_valid_nsec = (uint32_t)how << 24;
	make_attr(&e->attr, e->nodeid);
}

static size_t
make_directory(uint8_t *buf, size_t room, bool plus)
{
	static const char *const names[] = { "a", "b", "c", "x", "long name", ".", "..", "abc" };
	struct wire_entry_out entry;
	struct wire_direntry e = { .plus = plus ? &entry : NULL };
	size_t len = 0;

	for (int n = tape_byte(&rig.tape) & 7; n > 0; n--) {
		uint8_t how = tape_byte(&rig.tape);

		if (plus)
			make_entry(&entry);
		e.name = names[how & 7];
		e.namelen = (uint32_t)strlen(e.name);
		e.ino = how;
		e.off = how & 64 ? how : UINT64_MAX >> 1;
		e.type = how >> 4;
		if (wire_dir_put(buf, room, &len, &e) != 0)
			break;
	}
	return len;
}

static size_t
make_xattr(uint8_t *buf, size_t room, bool list)
{
	static const char names[] = "user.a\0user.bb\0security.c\0";
	size_t n;

	if (!list)
		return tape_bytes(&rig.tape, buf, room < 64 ? room : 64);
	n = sizeof("user.a") * (tape_byte(&rig.tape) & 1);
	n = n <= room ? n : 0;
	memcpy(buf, names, n);
	return n;
}

/* INIT: the flags are any, the rest what daemons say. */
static size_t
make_init(uint8_t *body, const struct wire_init_in *in)
{
	uint8_t how = tape_byte(&rig.tape);
	struct wire_init i = { .major = WIRE_KERNEL_VERSION, .minor = WIRE_MINOR_MAX };

	if (how & 1)
		i.minor = WIRE_MINOR_MIN + (how >> 1) % (WIRE_MINOR_MAX - WIRE_MINOR_MIN + 2);
	i.flags = how & 2 ? tape_take(&rig.tape, 8) : UINT64_MAX >> 21;
	i.max_readahead = 65536;
	i.max_write = how & 4 ? (uint32_t)tape_take(&rig.tape, 4) : 131072;
	i.max_pages = how & 8 ? (uint16_t)tape_take(&rig.tape, 2) : 256;
	i.time_gran = 1;
	i.max_background = 12;
	return wire_init_reply(&i, in->minor, body, 64);
}

static void
make_fixed(const struct asked *a, union wire_out *out)
{
	uint8_t how;

	memset(out, 0, sizeof(*out));
	switch (a->hdr.opcode) {
	case WIRE_LOOKUP:
	case WIRE_SYMLINK:
	case WIRE_MKNOD:
	case WIRE_MKDIR:
	case WIRE_LINK:
		make_entry(&out->entry);
		return;
	case WIRE_GETATTR:
	case WIRE_SETATTR:
		make_attr(&out->attr.attr, a->hdr.nodeid);
		return;
	case WIRE_STATX:
		how = tape_byte(&rig.tape);
		out->statx.stat.mask = 0x7ff;
		out->statx.stat.mode = (uint16_t)(type_of(a->hdr.nodeid, how) | 0644);
		out->statx.stat.size = how;
		out->statx.stat.ino = a->hdr.nodeid;
		return;
	case WIRE_CREATE:
	case WIRE_TMPFILE:
		make_entry(&out->create.entry);
		out->create.open.fh = tape_byte(&rig.tape);
		out->create.open.open_flags = tape_byte(&rig.tape);
		return;
	case WIRE_OPEN:
	case WIRE_OPENDIR:
		out->open.fh = tape_byte(&rig.tape);
		out->open.open_flags = tape_byte(&rig.tape);
		return;
	case WIRE_WRITE:
		how = tape_byte(&rig.tape);
		out->write.size = how < 200 ? a->in.write.size : how < 230 ? a->in.write.size / 2 : how;
		return;
	case WIRE_COPY_FILE_RANGE:
		out->write.size = (uint32_t)a->in.copy_file_range.len + tape_byte(&rig.tape) / 250;
		return;
	case WIRE_COPY_FILE_RANGE_64:
		out->copy_file_range.bytes_copied = a->in.copy_file_range.len + tape_byte(&rig.tape) / 250;
		return;
	default: /* numbers: any will do */
		(void)tape_bytes(&rig.tape, out, wire_out_size(&d.proto, a->hdr.opcode) % 32);
		return;
	}
}

/* The tail of the reply, at most what was asked for. */
static size_t
make_tail(const struct asked *a, union wire_out *out, uint8_t *buf)
{
	const union wire_in *in = &a->in;
	size_t n;

	switch (a->hdr.opcode) {
	case WIRE_READDIR:
	case WIRE_READDIRPLUS:
		return make_directory(
		    buf, in->read.size < RIG_DATA ? in->read.size : RIG_DATA, a->hdr.opcode == WIRE_READDIRPLUS);
	case WIRE_READ:
		n = (size_t)tape_byte(&rig.tape) * 16;
		n = n < in->read.size ? n : in->read.size;
		memset(buf, 'r', n);
		return n;
	case WIRE_READLINK:
		return tape_bytes(&rig.tape, buf, tape_byte(&rig.tape) & 15);
	case WIRE_GETXATTR:
	case WIRE_LISTXATTR:
		return make_xattr(buf, in->getxattr.size, a->hdr.opcode == WIRE_LISTXATTR);
	case WIRE_IOCTL:
		out->ioctl.flags &= tape_byte(&rig.tape) & 1 ? WIRE_IOCTL_RETRY : 0;
		if (out->ioctl.flags & WIRE_IOCTL_RETRY) {
			out->ioctl.in_iovs %= 3;
			out->ioctl.out_iovs %= 3;
			n = (out->ioctl.in_iovs + out->ioctl.out_iovs) * sizeof(struct wire_ioctl_iovec);
			n = n <= in->ioctl.out_size ? n : 0;
			(void)tape_bytes(&rig.tape, buf, n);
			return n;
		}
		return tape_bytes(&rig.tape, buf, in->ioctl.out_size < 64 ? in->ioctl.out_size : 64);
	default:
		return 0;
	}
}

/* Build a well-formed reply. Returns its length. */
static size_t
make_reply(const struct asked *a, uint8_t *packet)
{
	struct wire_out_header *hdr = (void *)packet;
	uint8_t *body = packet + sizeof(*hdr), tail[RIG_DATA];
	const struct wire_op *op = wire_op(a->hdr.opcode);
	bool size_only =
	    (a->hdr.opcode == WIRE_GETXATTR || a->hdr.opcode == WIRE_LISTXATTR) && a->in.getxattr.size == 0;
	union wire_out out;
	size_t n = 0, tailed = 0;

	if (a->hdr.opcode == WIRE_INIT) {
		n = make_init(body, &a->in.init);
	} else {
		make_fixed(a, &out);
		if (op->out_tail != WIRE_TAIL_NONE && !size_only)
			tailed = make_tail(a, &out, tail);
		if (op->out_tail == WIRE_TAIL_NONE || size_only || a->hdr.opcode == WIRE_IOCTL)
			MUST(wire_encode_out(&d.proto, a->hdr.opcode, &out, body, sizeof(out), &n) == 0);
		memcpy(body + n, tail, tailed);
		n += tailed;
	}
	*hdr = (struct wire_out_header){ .len = (uint32_t)(sizeof(*hdr) + n), .unique = a->hdr.unique };
	return sizeof(*hdr) + n;
}

static int
some_error(void)
{
	static const int errors[] = { EIO, ENOSYS, ENOENT, EAGAIN, EINTR, EOPNOTSUPP, ERANGE, EEXIST };

	return errors[tape_byte(&rig.tape) & 7];
}

void
daemon_answer(unsigned place)
{
	static uint64_t packet[RIG_PACKET / sizeof(uint64_t)];
	struct asked a;

	if (d.nasked == 0)
		return;
	place %= d.nasked;
	a = d.asked[place];
	if (a.hdr.opcode == WIRE_INTERRUPT) {
		uint8_t how = tape_byte(&rig.tape) & 7;

		if (how > 1)
			drop(place);
		else
			answer_error(&a, how == 0 ? EAGAIN : ENOSYS);
	} else if (a.hdr.opcode != WIRE_INIT && tape_byte(&rig.tape) % 8 == 7) {
		answer_error(&a, some_error());
	} else {
		daemon_send(packet, make_reply(&a, (uint8_t *)packet));
	}
}

void
daemon_answer_badly(unsigned place)
{
	static uint64_t packet[RIG_PACKET / sizeof(uint64_t)];
	struct wire_out_header *hdr = (void *)packet;
	size_t len, at;

	if (d.nasked == 0)
		return;
	place %= d.nasked;
	memset(packet, 0, RIG_DATA);
	if (tape_byte(&rig.tape) & 1) { /* right, but for a few bytes */
		len = make_reply(&d.asked[place], (uint8_t *)packet);
		for (int n = 1 + (tape_byte(&rig.tape) & 3); n > 0; n--) {
			at = tape_take(&rig.tape, 2);
			((uint8_t *)packet)[at % len] = tape_byte(&rig.tape);
		}
	} else {
		hdr->unique = d.asked[place].hdr.unique;
		len = sizeof(*hdr) + tape_bytes(&rig.tape, hdr + 1, tape_take(&rig.tape, 2) % RIG_DATA);
		hdr->len = (uint32_t)len;
	}
	daemon_send(packet, len);
}

/* ---- notifications ---- */

void
daemon_notify(void)
{
	static const char *const names[] = { "a", "b", "c", "x", "long name", "", "..", "abc" };
	struct {
		struct wire_out_header hdr;
		uint8_t body[sizeof(union wire_note_out) + 64];
	} p;
	union wire_note_out out;
	uint8_t how = tape_byte(&rig.tape), more = tape_byte(&rig.tape);
	const char *name = names[how >> 5];
	uint64_t nodeid = 1 + (how >> 4 & 7);
	size_t n = 0, tailed = 0, room = sizeof(p.body) - sizeof(out);

	memset(&p, 0, sizeof(p));
	memset(&out, 0, sizeof(out));
	p.hdr.error = 1 + how % WIRE_NOTIFY_PRUNE;
	switch (p.hdr.error) {
	case WIRE_NOTIFY_POLL:
		out.poll.kh = more;
		n = sizeof(out.poll);
		break;
	case WIRE_NOTIFY_INVAL_INODE:
		out.inval_inode = (struct wire_notify_inval_inode_out){ nodeid, (int8_t)more, more & 3 };
		n = sizeof(out.inval_inode);
		break;
	case WIRE_NOTIFY_INVAL_ENTRY:
		out.inval_entry = (struct wire_notify_inval_entry_out){ nodeid, (uint32_t)strlen(name), more & 1 };
		n = sizeof(out.inval_entry);
		tailed = strlen(name) + 1;
		break;
	case WIRE_NOTIFY_DELETE:
		out.del = (struct wire_notify_delete_out){ nodeid, 1 + (more & 7), (uint32_t)strlen(name), 0 };
		n = sizeof(out.del);
		tailed = strlen(name) + 1;
		break;
	case WIRE_NOTIFY_STORE:
		tailed = more % room;
		out.store = (struct wire_notify_store_out){ nodeid, more & 128 ? UINT64_MAX - more : more,
			(uint32_t)tailed, 0 };
		n = sizeof(out.store);
		break;
	case WIRE_NOTIFY_RETRIEVE:
		out.retrieve = (struct wire_notify_retrieve_out){ more, nodeid, more & 128 ? UINT64_MAX - more : more,
			more == 255 ? UINT32_MAX : more, 0 };
		n = sizeof(out.retrieve);
		break;
	case WIRE_NOTIFY_PRUNE:
		out.prune.count = more & 3;
		n = sizeof(out.prune);
		tailed = out.prune.count * sizeof(uint64_t);
		break;
	default:
		break;
	}
	memcpy(p.body, &out, n);
	if (p.hdr.error == WIRE_NOTIFY_INVAL_ENTRY || p.hdr.error == WIRE_NOTIFY_DELETE)
		memcpy(p.body + n, name, tailed);
	else
		(void)tape_bytes(&rig.tape, p.body + n, tailed);
	p.hdr.len = (uint32_t)(sizeof(p.hdr) + n + tailed);
	daemon_send(&p, p.hdr.len);
}

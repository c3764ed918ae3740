/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What daemons say: INIT, answers, notifications, the common beginnings of cases; and the checks. All in terms of send_reply() and
 * expect(): nothing here knows sockets.
 */
#include <sys/statfs.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

enum {
	DEFAULT_PAGES = 256,
	DEFAULT_WRITE = 1 << 20,
};
#define DEFAULT_FLAGS                                                                                                  \
	(WIRE_INIT_ASYNC_READ | WIRE_INIT_BIG_WRITES | WIRE_INIT_PARALLEL_DIROPS | WIRE_INIT_EXT | WIRE_INIT_MAX_PAGES)

bool
mock_is_native(const struct mock *m)
{
	return m->native;
}

const char *
mock_path(const struct mock *m)
{
	return m->path;
}

const struct wire_init *
mock_offer(const struct mock *m)
{
	return &m->offer;
}

const struct wire_init *
mock_answer(const struct mock *m)
{
	return &m->answer;
}

unsigned
mock_dev_minor(const struct mock *m)
{
	struct statx stx;

	if (statx(AT_FDCWD, m->path, AT_STATX_DONT_SYNC, STATX_TYPE, &stx) == -1)
		mock_fail(__FILE__, __LINE__, "statx of the mount: %s", strerror(errno));
	return stx.stx_dev_minor;
}

int
mock_fd(const struct mock *m)
{
	return m->fd;
}

void
engine_logs(struct mock *m, const char *part)
{
	if (m->native)
		return;
	if (m->nparts == PARTS)
		mock_fail(__FILE__, __LINE__, "more than %d lines of log expected", PARTS);
	m->log_part[m->nparts++] = part;
}

/* ---- INIT ---- */

struct req *
expect_init(struct mock *m)
{
	struct req *r = expect(m, WIRE_INIT);

	if (wire_parse_init_request(r->raw + sizeof(r->hdr), r->rawlen - sizeof(r->hdr), &m->offer) != 0)
		mock_fail(__FILE__, __LINE__, "INIT makes no sense");
	check_u(r->hdr.nodeid, 0);
	return r;
}

/* Send the answer that m->answer describes; from now on messages have its layout. */
static void
send_init(struct mock *m, struct req *r, const void *body, size_t len)
{
	m->agreed = true;
	reply_data(m, r, body, len);
	m->proto.minor = m->answer.minor < m->offer.minor ? m->answer.minor : m->offer.minor;
	m->proto.setxattr_ext = (m->answer.flags & m->offer.flags & WIRE_INIT_SETXATTR_EXT) != 0;
	engine_idle(m); /* the kernel has its answer, too */
}

void
reply_init(struct mock *m, struct req *r, const struct wire_init *answer)
{
	const struct mock_case *c = m->c;
	uint8_t body[64];

	if (answer != NULL) {
		m->answer = *answer;
	} else {
		m->answer = (struct wire_init){
			.major = WIRE_KERNEL_VERSION,
			.minor = c->minor != 0 ? c->minor : m->offer.minor,
			.max_readahead = c->max_readahead != 0 ? c->max_readahead : m->offer.max_readahead,
			.flags = (DEFAULT_FLAGS | c->flags) & ~c->no_flags & m->offer.flags,
			.max_write = c->max_write != 0 ? c->max_write : DEFAULT_WRITE,
			.max_pages = c->max_pages != 0 ? c->max_pages : DEFAULT_PAGES,
			.time_gran = c->time_gran != 0 ? c->time_gran : 1,
		};
	}
	/* A daemon's answer is as long as its own minor has it. */
	send_init(m, r, body, wire_init_reply(&m->answer, m->answer.minor, body, sizeof(body)));
}

void
reply_init_raw(struct mock *m, struct req *r, const struct wire_init_out *answer, size_t len)
{
	m->answer = (struct wire_init){
		.major = answer->major, .minor = answer->minor, .flags = answer->flags | (uint64_t)answer->flags2 << 32
	};
	send_init(m, r, answer, len);
}

/* ---- answers ---- */

static void
must_send(struct mock *m, struct req *r, int32_t error, const void *body, size_t len)
{
	int e = send_reply(m, r, error, body, len);

	if (e != 0)
		mock_fail(m->c->file, m->c->line, "the answer to %s was refused: %s", wire_opname(r->hdr.opcode),
		    strerror(e));
}

void
reply_err(struct mock *m, struct req *r, int error)
{
	must_send(m, r, -error, NULL, 0);
}

void
reply_empty(struct mock *m, struct req *r)
{
	must_send(m, r, 0, NULL, 0);
}

void
reply_data(struct mock *m, struct req *r, const void *data, size_t len)
{
	must_send(m, r, 0, data, len);
}

void
reply_out(struct mock *m, struct req *r, const union wire_out *out)
{
	uint8_t body[sizeof(*out)];
	size_t len;

	if (wire_encode_out(&m->proto, r->hdr.opcode, out, body, sizeof(body), &len) != 0)
		mock_fail(__FILE__, __LINE__, "cannot encode the answer to %s", wire_opname(r->hdr.opcode));
	must_send(m, r, 0, body, len);
}

void
reply_entry(struct mock *m, struct req *r, struct wire_entry_out e)
{
	gave_lookup(m, e.nodeid);
	reply_out(m, r, &(union wire_out){ .entry = e });
}

void
reply_negative(struct mock *m, struct req *r, uint64_t valid_sec)
{
	reply_entry(m, r, (struct wire_entry_out){ .entry_valid = valid_sec });
}

void
reply_attr(struct mock *m, struct req *r, uint64_t valid_sec, struct wire_attr attr)
{
	reply_out(m, r, &(union wire_out){ .attr = { .attr_valid = valid_sec, .attr = attr } });
}

void
reply_open(struct mock *m, struct req *r, uint64_t fh, uint32_t open_flags)
{
	reply_out(m, r, &(union wire_out){ .open = { .fh = fh, .open_flags = open_flags } });
}

void
reply_create(struct mock *m, struct req *r, struct wire_entry_out e, uint64_t fh, uint32_t open_flags)
{
	gave_lookup(m, e.nodeid);
	reply_out(m, r, &(union wire_out){ .create = { .entry = e, .open = { .fh = fh, .open_flags = open_flags } } });
}

void
reply_write(struct mock *m, struct req *r, uint32_t size)
{
	/* A type of its own: COPY_FILE_RANGE has this answer, too. */
	struct wire_write_out out = { .size = size };

	must_send(m, r, 0, &out, sizeof(out));
}

void
mock_dirent(void *buf, size_t room, size_t *len, uint64_t ino, uint64_t off, uint32_t type, const char *name)
{
	struct wire_direntry e = {
		.ino = ino, .off = off, .type = type, .name = name, .namelen = (uint32_t)strlen(name)
	};

	if (wire_dir_put(buf, room, len, &e) != 0)
		mock_fail(__FILE__, __LINE__, "no room for the entry %s", name);
}

void
mock_direntplus(struct mock *m, void *buf, size_t room, size_t *len, struct wire_entry_out e, uint64_t off,
    uint32_t type, const char *name)
{
	struct wire_direntry d = {
		.plus = &e, .ino = e.attr.ino, .off = off, .type = type, .name = name, .namelen = (uint32_t)strlen(name)
	};

	if (wire_dir_put(buf, room, len, &d) != 0)
		mock_fail(__FILE__, __LINE__, "no room for the entry %s", name);
	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) /* these two are not looked up */
		gave_lookup(m, e.nodeid);
}

/* ---- notifications ---- */

int
notify_inval_inode(struct mock *m, uint64_t nodeid, int64_t off, int64_t len)
{
	struct wire_notify_inval_inode_out o = { .ino = nodeid, .off = off, .len = len };

	return notify(m, WIRE_NOTIFY_INVAL_INODE, &o, sizeof(o), NULL, 0);
}

int
notify_inval_entry(struct mock *m, uint64_t parent, const char *name, uint32_t flags)
{
	struct wire_notify_inval_entry_out o = { .parent = parent, .namelen = (uint32_t)strlen(name), .flags = flags };

	return notify(m, WIRE_NOTIFY_INVAL_ENTRY, &o, sizeof(o), name, strlen(name) + 1);
}

int
notify_delete(struct mock *m, uint64_t parent, uint64_t child, const char *name)
{
	struct wire_notify_delete_out o = { .parent = parent, .child = child, .namelen = (uint32_t)strlen(name) };

	return notify(m, WIRE_NOTIFY_DELETE, &o, sizeof(o), name, strlen(name) + 1);
}

int
notify_store(struct mock *m, uint64_t nodeid, uint64_t offset, const void *data, uint32_t len)
{
	struct wire_notify_store_out o = { .nodeid = nodeid, .offset = offset, .size = len };

	return notify(m, WIRE_NOTIFY_STORE, &o, sizeof(o), data, len);
}

static long
statfs_mount(struct actor *a)
{
	return step(a, statfs(in_mount(a, ""), &a->sfs));
}

void
notify_settled(struct mock *m)
{
	struct actor *a;

	if (m->native)
		return;
	engine_idle(m); /* it has taken all of them in before the question that follows is asked */
	a = start(m, statfs_mount);
	reply_out(m, expect_any(m, WIRE_STATFS), &(union wire_out){ .statfs.st = { .bsize = 4096, .namelen = 255 } });
	finish(a);
}

/* ---- common beginnings ---- */

struct wire_attr
an_attr(uint64_t nodeid, uint32_t mode, uint64_t size)
{
	return (struct wire_attr){
		.ino = nodeid,
		.size = size,
		.blocks = (size + 511) / 512,
		.atime = 1000000000,
		.mtime = 1000000000,
		.ctime = 1000000000,
		.mode = mode,
		.nlink = S_ISDIR(mode) ? 2 : 1,
		.blksize = 4096,
	};
}

struct wire_entry_out
an_entry(uint64_t nodeid, uint32_t mode, uint64_t size)
{
	return (struct wire_entry_out){
		.nodeid = nodeid, .entry_valid = LONG, .attr_valid = LONG, .attr = an_attr(nodeid, mode, size)
	};
}

static struct req *
expect_lookup(struct mock *m, uint64_t parent, const char *name)
{
	struct req *r = expect(m, WIRE_LOOKUP);

	check_u(r->hdr.nodeid, parent);
	check_str(r->name[0], name);
	return r;
}

void
answer_lookup(struct mock *m, uint64_t parent, const char *name, uint64_t nodeid, uint32_t mode, uint64_t size)
{
	reply_entry(m, expect_lookup(m, parent, name), an_entry(nodeid, mode, size));
}

void
answer_noent(struct mock *m, uint64_t parent, const char *name)
{
	reply_err(m, expect_lookup(m, parent, name), ENOENT);
}

static struct req *
expect_of(struct mock *m, uint32_t opcode, uint64_t nodeid)
{
	struct req *r = expect(m, opcode);

	check_u(r->hdr.nodeid, nodeid);
	return r;
}

void
answer_getattr(struct mock *m, uint64_t nodeid, uint32_t mode, uint64_t size)
{
	reply_attr(m, expect_of(m, WIRE_GETATTR, nodeid), LONG, an_attr(nodeid, mode, size));
}

void
answer_open(struct mock *m, uint64_t nodeid, uint64_t fh, uint32_t open_flags)
{
	reply_open(m, expect_of(m, WIRE_OPEN, nodeid), fh, open_flags);
}

void
answer_opendir(struct mock *m, uint64_t nodeid, uint64_t fh, uint32_t open_flags)
{
	reply_open(m, expect_of(m, WIRE_OPENDIR, nodeid), fh, open_flags);
}

void
answer_release(struct mock *m, uint64_t nodeid, uint64_t fh)
{
	struct req *r = expect_of(m, WIRE_RELEASE, nodeid);

	check_u(r->in.release.fh, fh);
	reply_empty(m, r);
}

void
answer_close(struct mock *m, uint64_t nodeid, uint64_t fh)
{
	struct req *r = expect_of(m, WIRE_FLUSH, nodeid);

	check_u(r->in.flush.fh, fh);
	reply_empty(m, r);
	answer_release(m, nodeid, fh);
}

void
answer_releasedir(struct mock *m, uint64_t nodeid, uint64_t fh)
{
	struct req *r = expect_of(m, WIRE_RELEASEDIR, nodeid);

	check_u(r->in.release.fh, fh);
	reply_empty(m, r);
}

/* ---- checks ---- */

void
check_u_at(const char *file, int line, const char *what, uint64_t got, uint64_t want)
{
	if (got != want)
		mock_fail(file, line, "%s is %llu (%#llx), not %llu (%#llx)", what, (unsigned long long)got,
		    (unsigned long long)got, (unsigned long long)want, (unsigned long long)want);
}

void
check_i_at(const char *file, int line, const char *what, int64_t got, int64_t want)
{
	if (got != want)
		mock_fail(file, line, "%s is %lld, not %lld", what, (long long)got, (long long)want);
}

void
check_str_at(const char *file, int line, const char *what, const char *got, const char *want)
{
	if (got == NULL || strcmp(got, want) != 0)
		mock_fail(file, line, "%s is \"%s\", not \"%s\"", what, got != NULL ? got : "(null)", want);
}

void
check_mem_at(const char *file, int line, const char *what, const void *got, const void *want, size_t len)
{
	const uint8_t *g = got, *w = want;

	for (size_t i = 0; i < len; i++)
		if (g[i] != w[i])
			mock_fail(file, line, "%s differs at byte %zu of %zu: %#x, not %#x", what, i, len, g[i], w[i]);
}

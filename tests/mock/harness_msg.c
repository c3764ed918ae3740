/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's end: requests are taken in, parsed in the agreed minor, remembered, and handed to the body in the order in which they
 * came; FORGETs go into the ledger of lookups. And the one place where bytes go out.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "harness.h"

/* ---- the ledger ---- */

static struct ledger *
ledger_find(const struct mock *m, uint64_t nodeid)
{
	struct ledger *l;

	HASH_FIND(hh, m->ledger, &nodeid, sizeof(nodeid), l);
	return l;
}

void
gave_lookup(struct mock *m, uint64_t nodeid)
{
	struct ledger *l;

	if (nodeid == 0)
		return;
	if ((l = ledger_find(m, nodeid)) == NULL) {
		if ((l = calloc(1, sizeof(*l))) == NULL)
			mock_fail(__FILE__, __LINE__, "no memory");
		l->nodeid = nodeid;
		HASH_ADD(hh, m->ledger, nodeid, sizeof(l->nodeid), l);
	}
	l->out++;
}

static void
take_back(struct mock *m, uint64_t nodeid, uint64_t n)
{
	struct ledger *l = ledger_find(m, nodeid);

	if (m->c->unbalanced && (l == NULL || l->out < n))
		return;
	if (l == NULL || l->out < n)
		mock_fail(__FILE__, __LINE__, "nodeid %llu: %llu lookups are forgotten, %llu were given out",
		    (unsigned long long)nodeid, (unsigned long long)n, (unsigned long long)(l != NULL ? l->out : 0));
	l->out -= n;
}

uint64_t
lookups_out(const struct mock *m, uint64_t nodeid)
{
	struct ledger *l = ledger_find(m, nodeid);

	return l != NULL ? l->out : 0;
}

void
expect_forgotten(struct mock *m, uint64_t nodeid)
{
	int64_t end = now_ms() + PATIENCE;

	while (lookups_out(m, nodeid) != 0) {
		int64_t left = end - now_ms();

		if (left <= 0 || m->dead)
			mock_fail(__FILE__, __LINE__, "nodeid %llu: %llu lookups are not forgotten",
			    (unsigned long long)nodeid, (unsigned long long)lookups_out(m, nodeid));
		(void)fetch(m, (int)left);
	}
}

void
check_balance(struct mock *m)
{
	struct ledger *l, *next;

	HASH_ITER (hh, m->ledger, l, next)
		if (l->nodeid != WIRE_ROOT_ID)
			expect_forgotten(m, l->nodeid);
}

/* ---- in ---- */

static void
log_request(struct mock *m, const void *msg, size_t len)
{
	char line[LOG_LINE];

	(void)wire_print_request(&m->proto, msg, len, line, sizeof(line));
	log_message(m, "<-", line);
}

/* Is this FORGET or BATCH_FORGET? Then it is accounted for. */
static bool
account(struct mock *m, const struct wire_req *q)
{
	const uint8_t *p = q->data;

	if (q->hdr.opcode == WIRE_FORGET) {
		take_back(m, q->hdr.nodeid, q->in.forget.nlookup);
		return true;
	}
	if (q->hdr.opcode != WIRE_BATCH_FORGET)
		return false;
	for (uint32_t i = 0; i < q->in.batch_forget.count; i++, p += sizeof(struct wire_forget_one)) {
		struct wire_forget_one one;

		memcpy(&one, p, sizeof(one));
		take_back(m, one.nodeid, one.nlookup);
	}
	return true;
}

static void
keep(struct mock *m, const void *bytes, size_t len)
{
	struct msg *g = malloc(sizeof(*g) + len);
	const struct wire_op *op;
	struct wire_proto newest = m->proto;
	struct wire_req q;
	int error;

	if (g == NULL)
		mock_fail(__FILE__, __LINE__, "no memory");
	memset(g, 0, sizeof(*g));
	memcpy(g->bytes, bytes, len);
	error = wire_parse_request(&m->proto, g->bytes, len, &q);
	if (error == ENOSYS) { /* the kernel asks a daemon of an old minor, too, whether it knows a newer operation */
		newest.minor = WIRE_MINOR_MAX;
		error = wire_parse_request(&newest, g->bytes, len, &q);
	}
	log_request(m, bytes, len);
	if (error != 0)
		mock_fail(
		    __FILE__, __LINE__, "a request that cannot be parsed: opcode %u, %zu bytes", q.hdr.opcode, len);
	if (account(m, &q)) {
		free(g);
		return;
	}
	op = wire_op(q.hdr.opcode);
	g->r = (struct req){
		.hdr = q.hdr,
		.in = q.in,
		.name = { q.name[0], q.name[1] },
		.namelen = { q.namelen[0], q.namelen[1] },
		.data = q.data,
		.datalen = q.datalen,
		.ext = q.ext,
		.extlen = q.extlen,
		.raw = g->bytes,
		.rawlen = len,
		.answered = op->no_reply || q.hdr.opcode == WIRE_INTERRUPT,
	};
	TAILQ_INSERT_TAIL(&m->all, g, link);
	TAILQ_INSERT_TAIL(&m->queue, g, queued);
}

bool
fetch(struct mock *m, int ms)
{
	struct pollfd p = { .fd = m->fd, .events = POLLIN };
	ssize_t n;

	if (m->dead || m->fd == -1)
		return false;
	for (;;) {
		n = read(m->fd, m->rx, m->rx_room);
		if (n > 0) {
			keep(m, m->rx, (size_t)n);
			return true;
		}
		if (n == 0 || errno == ENODEV || errno == ECONNRESET || errno == ECONNABORTED) {
			log_message(m, "<-", "(the connection has ended)");
			m->dead = true;
			return false;
		}
		if (errno == EINTR || errno == ENOENT) /* ENOENT: that request was aborted meanwhile */
			continue;
		if (errno != EAGAIN)
			mock_fail(__FILE__, __LINE__, "reading requests: %s", strerror(errno));
		if (ms == 0 || poll(&p, 1, ms) == 0)
			return false;
		ms = 0;
	}
}

static const char *
describe(struct mock *m, const struct req *r)
{
	static char line[LOG_LINE];

	(void)wire_print_request(&m->proto, r->raw, r->rawlen, line, sizeof(line));
	return line;
}

static struct req *
take(struct mock *m, struct msg *g)
{
	TAILQ_REMOVE(&m->queue, g, queued);
	return &g->r;
}

struct req *
expect_at(const char *file, int line, struct mock *m, uint32_t opcode)
{
	int64_t end = now_ms() + PATIENCE, left;
	struct msg *g;

	while ((g = TAILQ_FIRST(&m->queue)) == NULL) {
		if ((left = end - now_ms()) <= 0 || m->dead)
			mock_fail(file, line, "%s did not come%s", wire_opname(opcode),
			    m->dead ? ": the connection has ended" : "");
		(void)fetch(m, (int)left);
	}
	if (g->r.hdr.opcode != opcode)
		mock_fail(file, line, "%s was expected, but this came: %s", wire_opname(opcode), describe(m, &g->r));
	return take(m, g);
}

struct req *
expect_any_at(const char *file, int line, struct mock *m, uint32_t opcode)
{
	int64_t end = now_ms() + PATIENCE, left;
	struct msg *g;

	for (;;) {
		TAILQ_FOREACH (g, &m->queue, queued)
			if (g->r.hdr.opcode == opcode)
				return take(m, g);
		if ((left = end - now_ms()) <= 0 || m->dead)
			mock_fail(file, line, "%s did not come%s", wire_opname(opcode),
			    m->dead ? ": the connection has ended" : "");
		(void)fetch(m, (int)left);
	}
}

struct req *
next_request(struct mock *m, int ms)
{
	int64_t end = now_ms() + ms, left;
	struct msg *g;

	if (ms == 0)
		engine_idle(m);
	while ((g = TAILQ_FIRST(&m->queue)) == NULL) {
		left = end - now_ms();
		if (!fetch(m, left > 0 ? (int)left : 0) && left <= 0)
			return NULL;
		if (m->dead)
			return NULL;
	}
	return take(m, g);
}

void
expect_none_at(const char *file, int line, struct mock *m)
{
	struct msg *g;

	engine_idle(m);
	while (fetch(m, 0))
		continue;
	if ((g = TAILQ_FIRST(&m->queue)) != NULL)
		mock_fail(file, line, "nothing was expected, but this came: %s", describe(m, &g->r));
}

void
check_nothing_left(struct mock *m)
{
	struct msg *g = TAILQ_FIRST(&m->queue);

	if (g != NULL)
		mock_fail(m->c->file, m->c->line, "was not expected: %s", describe(m, &g->r));
	if (m->dead)
		return;
	TAILQ_FOREACH (g, &m->all, link)
		if (!g->r.answered)
			mock_fail(m->c->file, m->c->line, "was not answered: %s", describe(m, &g->r));
}

void
expect_dead(struct mock *m)
{
	int64_t end = now_ms() + PATIENCE, left;

	m->may_end = true;
	while (!m->dead) {
		if ((left = end - now_ms()) <= 0)
			mock_fail(m->c->file, m->c->line, "the connection does not end");
		(void)fetch(m, (int)left);
	}
}

void
die_now(struct mock *m)
{
	log_message(m, "->", "(the daemon dies)");
	close(m->fd);
	m->fd = -1;
	m->dead = m->may_end = true;
}

/* ---- out ---- */

static uint32_t
opcode_of(const struct mock *m, uint64_t unique)
{
	const struct msg *g;

	TAILQ_FOREACH_REVERSE(g, &m->all, msgs, link)
	if (g->r.hdr.unique == unique && g->r.hdr.opcode != WIRE_INTERRUPT)
		return g->r.hdr.opcode;
	return 0;
}

int
send_raw(struct mock *m, const void *bytes, size_t len)
{
	struct pollfd p = { .fd = m->fd, .events = POLLOUT };
	struct wire_out_header h = { 0 };
	char line[LOG_LINE];
	int error = 0;
	ssize_t n;

	memcpy(&h, bytes, len < sizeof(h) ? len : sizeof(h));
	(void)wire_print_reply(&m->proto, opcode_of(m, h.unique), bytes, len, line, sizeof(line));
	log_message(m, "->", line);
	do {
		n = m->native ? write(m->fd, bytes, len) : send(m->fd, bytes, len, MSG_NOSIGNAL);
		error = n == -1 ? errno : 0;
		if (error == EAGAIN && poll(&p, 1, PATIENCE) == 0)
			mock_fail(__FILE__, __LINE__, "nobody takes our messages");
	} while (error == EAGAIN || error == EINTR);
	if (error != 0)
		log_message(m, "->", strerror(error));
	return error;
}

static int
send_parts(struct mock *m, const struct wire_out_header *h, const void *a, size_t alen, const void *b, size_t blen)
{
	uint8_t *buf = malloc(sizeof(*h) + alen + blen);
	int error;

	if (buf == NULL)
		mock_fail(__FILE__, __LINE__, "no memory");
	memcpy(buf, h, sizeof(*h));
	if (alen != 0)
		memcpy(buf + sizeof(*h), a, alen);
	if (blen != 0)
		memcpy(buf + sizeof(*h) + alen, b, blen);
	error = send_raw(m, buf, sizeof(*h) + alen + blen);
	free(buf);
	return error;
}

int
send_reply(struct mock *m, const struct req *r, int32_t error, const void *body, size_t len)
{
	struct wire_out_header h = { (uint32_t)(sizeof(h) + len), error, r->hdr.unique };

	((struct req *)(uintptr_t)r)->answered = true;
	return send_parts(m, &h, body, len, NULL, 0);
}

int
notify(struct mock *m, int code, const void *fixed, size_t fixedlen, const void *tail, size_t taillen)
{
	struct wire_out_header h = { (uint32_t)(sizeof(h) + fixedlen + taillen), code, 0 };

	return send_parts(m, &h, fixed, fixedlen, tail, taillen);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Towards the daemon: requests with a waiter and without, INTERRUPTs, what is sent a second time (RESEND), and the queue in which they
 * stand while the socket is full. A request's bytes stay with its waiter; only a message that nobody waits for is copied, and
 * only when it has to queue.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/co.h"
#include "base/log.h"
#include "conn/priv.h"

static void
print_out(const struct conn *c, const struct msg *m)
{
	uint8_t flat[512];
	char line[512];
	struct wire_in_header hdr;
	size_t len = 0, total = 0;

	for (int i = 0; i < m->iovcnt; i++) {
		size_t n = m->iov[i].iov_len, room = sizeof(flat) - len;

		if (n == 0)
			continue; /* its address may be NULL */
		memcpy(flat + len, m->iov[i].iov_base, n < room ? n : room);
		len += n < room ? n : room;
		total += n;
	}
	if (len < total) { /* the header must agree with what is printed */
		memcpy(&hdr, flat, sizeof(hdr));
		log_debug(LOG_D_FUSE, "-> %s, %zu bytes", wire_opname(hdr.opcode), total);
	} else {
		(void)wire_print_request(&c->proto, flat, len, line, sizeof(line));
		log_debug(LOG_D_FUSE, "-> %s", line);
	}
	log_dump("->", flat, len);
}

/* Hand one message to the socket. 0, EAGAIN (not now), EMSGSIZE (never), or another error (the daemon is gone). */
static int
transmit(struct conn *c, const struct msg *m)
{
	struct msghdr mh = { .msg_iov = m->iov, .msg_iovlen = (size_t)m->iovcnt };

	if (sendmsg(c->sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
		if (__builtin_expect((log_diag & (LOG_D_FUSE | LOG_D_DUMP)) != 0, 0))
			print_out(c, m);
		return 0;
	}
	switch (errno) {
	case EAGAIN:
	case EINTR:
		return EAGAIN;
	case ENOBUFS:
	case ENOMEM:
		conn_starved(c, &c->tx_starved);
		return EAGAIN;
	default:
		return errno;
	}
}

/* Queue before another message, or (NULL) at the end. */
static void
enqueue(struct conn *c, struct msg *m, struct msg *before)
{
	if (before != NULL)
		TAILQ_INSERT_BEFORE(before, m, link);
	else
		TAILQ_INSERT_TAIL(&c->queue, m, link);
	m->queued = true;
	c->queued++;
	conn_watch(c);
}

/* Send, or queue behind what is queued. 0, or as transmit() but EAGAIN. */
static int
send_or_queue(struct conn *c, struct msg *m)
{
	int error = TAILQ_EMPTY(&c->queue) ? transmit(c, m) : EAGAIN;

	if (error != EAGAIN)
		return error;
	enqueue(c, m, NULL);
	return 0;
}

void
conn_flush(struct conn *c)
{
	struct msg *m;
	int error;

	while ((m = TAILQ_FIRST(&c->queue)) != NULL) {
		error = transmit(c, m); /* NOLINT(clang-analyzer-unix.Malloc): as in conn_kill() */
		if (error == EAGAIN)
			break;
		if (error != 0 && error != EMSGSIZE) {
			conn_lost(c, error);
			return;
		}
		if (error != 0 && m->kind == MSG_CALL) {
			conn_wake(c, (struct pending *)m, NULL, error);
			continue;
		}
		conn_dequeue(c, m);
		if (m->kind == MSG_POST)
			free(m);
	}
	conn_watch(c);
}

static uint64_t
next_unique(struct conn *c)
{
	if (c->transport.next_unique != NULL)
		return c->transport.next_unique(c->transport.arg);
	return c->last_unique += 2; /* even, as the kernel's: the odd one above it names its INTERRUPT */
}

/* Fill in p's message from the call. 0 or EMSGSIZE. */
static int
prepare(struct conn *c, struct pending *p, const struct conn_call *call)
{
	size_t fixed, total;
	int error, n = 0;

	error = wire_encode_in(&c->proto, call->opcode, &call->in, p->head.fixed, sizeof(p->head.fixed), &fixed);
	if (error != 0)
		return error;
	total = sizeof(p->head.hdr) + fixed;
	p->iov[n++] = (struct iovec){ &p->head, total };
	for (int i = 0; i < call->iovcnt; i++) {
		p->iov[n++] = call->iov[i];
		total += call->iov[i].iov_len;
	}
	if (total > c->max_out)
		return EMSGSIZE;
	p->opcode = call->opcode;
	p->unique = next_unique(c);
	p->head.hdr.len = (uint32_t)total;
	p->head.hdr.opcode = call->opcode;
	p->head.hdr.unique = p->unique;
	p->head.hdr.nodeid = call->nodeid;
	p->head.hdr.uid = call->uid;
	p->head.hdr.gid = call->gid;
	p->head.hdr.pid = call->pid;
	p->head.hdr.total_extlen = (uint16_t)(call->extlen / 8);
	p->msg.iov = p->iov;
	p->msg.iovcnt = n;
	return 0;
}

/* Send p over the socket and park until its reply. 0 with p->reply, or errno. */
static int
exchange(struct conn *c, struct pending *p)
{
	int error;

	p->co = co_self();
	HASH_ADD(hh, c->table, unique, sizeof(p->unique), p);
	if (p->hh.tbl == NULL)
		return ENOMEM;
	if ((error = send_or_queue(c, &p->msg)) != 0) {
		HASH_DELETE(hh, c->table, p);
		if (error == EMSGSIZE)
			return error;
		conn_lost(c, error);
		return ENOTCONN;
	}
	co_park();
	return p->error;
}

/* The same over the transport, which has its own way of waiting. */
static int
exchange_by_transport(struct conn *c, struct pending *p)
{
	int error = c->transport.xchg(c->transport.arg, p->iov, p->msg.iovcnt, &p->reply);

	if (error == ENOTCONN) {
		conn_lost(c, error);
	} else if (error == 0 && c->dead) { /* ended meanwhile: nothing is believed any more */
		chunk_unref(p->reply);
		return ENOTCONN;
	}
	return error;
}

/* Believe p's reply, and hand it to the call, or end the connection. 0 or ENOTCONN. */
static int
take_reply(struct conn *c, struct conn_call *call, const struct pending *p)
{
	const char *why = NULL;
	char line[160];
	int error;

	error = wire_parse_reply(
	    &c->proto, call->opcode, &call->in, p->reply->data, p->reply->len, call->limit, &call->rep, &why);
	/* Over a transport; the table has seen to it otherwise. */
	if (error == 0 && call->rep.unique != p->head.hdr.unique) {
		why = "it answers another request";
		error = EPROTO;
	}
	if (error != 0) {
		chunk_unref(p->reply);
		(void)snprintf(
		    line, sizeof(line), "the daemon's reply to %s is malformed: %s", wire_opname(call->opcode), why);
		conn_kill(c, EPROTO, line);
		return ENOTCONN;
	}
	call->chunk = p->reply;
	return 0;
}

static void
remember(struct conn *c, const struct conn_call *call, uint64_t unique, uint64_t began, int error)
{
	const struct trace_entry e = {
		.name = wire_opname(call->opcode),
		.began = began,
		.took = clock_ns() - began,
		.unique = unique,
		.nodeid = call->nodeid,
		.pid = call->pid,
		.error = error != 0 ? error : call->rep.error,
	};

	trace_add(c->trace, &e);
}

int
conn_call(struct conn *c, struct conn_call *call)
{
	struct pending p;
	uint64_t began = 0;
	int error;

	call->chunk = NULL;
	if (c->dead)
		return ENOTCONN;
	memset(&p.msg, 0, sizeof(p.msg));
	memset(&p.intr, 0, sizeof(p.intr));
	memset(&p.head.hdr, 0, sizeof(p.head.hdr));
	p.reply = NULL;
	p.error = 0;
	p.interrupted = p.resent = false;
	if ((error = prepare(c, &p, call)) != 0)
		return error;
	if (c->trace != NULL)
		began = clock_ns();
	error = c->transport.xchg != NULL ? exchange_by_transport(c, &p) : exchange(c, &p);
	if (error == 0)
		error = take_reply(c, call, &p);
	if (c->trace != NULL)
		remember(c, call, p.unique, began, error);
	return error;
}

void
conn_done(struct conn_call *call)
{
	chunk_unref(call->chunk);
	call->chunk = NULL;
}

/* ---- messages that nobody waits for ---- */

/* Keep a copy of what the socket would not take. 0, ENOMEM, or ENOBUFS. */
static int
post_later(struct conn *c, const struct iovec *iov, int n, size_t total)
{
	struct post *m;
	size_t at = 0;

	if ((m = malloc(sizeof(*m) + total)) == NULL)
		return ENOMEM;
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len != 0)
			memcpy(m->data + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	m->len = total;
	m->iov = (struct iovec){ m->data, total };
	m->msg = (struct msg){ .iov = &m->iov, .iovcnt = 1, .kind = MSG_POST };
	enqueue(c, &m->msg, NULL);
	c->posted += total;
	return 0;
}

/* Send or keep a message with this header and body. As conn_post_data(). */
static int
post(struct conn *c, struct wire_in_header *hdr, const struct iovec *body, int n, size_t limit)
{
	struct iovec iov[1 + CONN_IOV_MAX] = { { hdr, sizeof(*hdr) } };
	struct msg now = { .iov = iov, .iovcnt = 1 + n, .kind = MSG_POST };
	size_t total = sizeof(*hdr);
	int error;

	if (c->dead)
		return ENOTCONN;
	for (int i = 0; i < n; i++) {
		iov[1 + i] = body[i];
		total += body[i].iov_len;
	}
	if (total > c->max_out)
		return EMSGSIZE;
	hdr->len = (uint32_t)total;
	if (c->transport.xchg != NULL) {
		if ((error = c->transport.xchg(c->transport.arg, iov, 1 + n, NULL)) == ENOTCONN)
			conn_lost(c, error);
		return error;
	}
	error = TAILQ_EMPTY(&c->queue) ? transmit(c, &now) : EAGAIN;
	if (error == EAGAIN)
		return c->posted + total > limit ? ENOBUFS : post_later(c, iov, 1 + n, total);
	if (error == 0 || error == EMSGSIZE)
		return error;
	conn_lost(c, error);
	return ENOTCONN;
}

int
conn_post(struct conn *c, uint32_t opcode, uint64_t nodeid, const void *body, size_t len)
{
	struct wire_in_header hdr = { .opcode = opcode, .nodeid = nodeid };
	const struct iovec iov = { (void *)(uintptr_t)body, len };

	if (c->dead)
		return ENOTCONN;
	hdr.unique = next_unique(c);
	return post(c, &hdr, &iov, 1, SIZE_MAX); /* FORGETs: as many as there are nodes */
}

int
conn_post_data(struct conn *c, uint32_t opcode, uint64_t nodeid, uint64_t unique, const struct iovec *body, int n)
{
	struct wire_in_header hdr = { .opcode = opcode, .nodeid = nodeid, .unique = unique };

	return post(c, &hdr, body, n, CONN_POSTED_MAX);
}

/* ---- interrupts ---- */

/*
 * The INTERRUPT lives in the call that it is about: a daemon that asks for it again and again cannot fill the queue. It goes
 * before all that is queued, as the kernel's do, but never before its own request.
 */
static void
set_interrupt(struct pending *p)
{
	memset(&p->intr_body, 0, sizeof(p->intr_body));
	p->intr_body.hdr.len = sizeof(p->intr_body);
	p->intr_body.hdr.opcode = WIRE_INTERRUPT;
	p->intr_body.hdr.unique = p->head.hdr.unique | 1;
	p->intr_body.in.unique = p->head.hdr.unique;
	p->intr_iov = (struct iovec){ &p->intr_body, sizeof(p->intr_body) };
	p->intr = (struct msg){ .iov = &p->intr_iov, .iovcnt = 1, .kind = MSG_INTERRUPT };
}

static void
send_interrupt(struct conn *c, struct pending *p)
{
	struct msg *first, *before;
	int error;

	if (p->intr.queued)
		return;
	set_interrupt(p);
	if (TAILQ_EMPTY(&c->queue)) {
		if ((error = transmit(c, &p->intr)) == EAGAIN)
			enqueue(c, &p->intr, NULL);
		else if (error != 0 && error != EMSGSIZE)
			conn_lost(c, error);
		return;
	}
	first = p->msg.queued ? TAILQ_NEXT(&p->msg, link) : TAILQ_FIRST(&c->queue);
	for (before = first; before != NULL && before->kind == MSG_INTERRUPT; before = TAILQ_NEXT(before, link))
		;
	enqueue(c, &p->intr, before);
}

void
conn_interrupt(struct conn *c, struct co *co)
{
	struct pending *p;

	for (p = c->table; p != NULL && p->co != co; p = p->hh.next)
		;
	if (p == NULL || p->interrupted)
		return;
	p->interrupted = true;
	if (!c->no_interrupt) /* behind the request itself, if that is still queued */
		send_interrupt(c, p);
}

/* ENOSYS: the daemon knows none; EAGAIN: send it again. Both count only while it has the request, as in the kernel. */
void
conn_interrupt_answered(struct conn *c, uint64_t unique, int error)
{
	struct pending *p = conn_find(c, unique & ~UINT64_C(1));

	if (p == NULL || p->msg.queued)
		return;
	if (error == ENOSYS)
		c->no_interrupt = true;
	else if (error == EAGAIN && p->interrupted)
		send_interrupt(c, p);
}

/* ---- once more ---- */

/*
 * As fuse_resend() in the kernel: what the daemon has goes back to the head of the queue, oldest first, with the mark in its
 * unique, under which alone it can be answered from now on. What was interrupted is interrupted again, behind it.
 */
void
conn_resend(struct conn *c)
{
	struct msgs again = TAILQ_HEAD_INITIALIZER(again);
	struct pending *p;

	if (c->dead)
		return;
	for (p = c->table; p != NULL; p = p->hh.next) {
		if (p->msg.queued)
			continue;
		conn_dequeue(c, &p->intr);
		p->head.hdr.unique |= WIRE_UNIQUE_RESEND;
		p->resent = true;
		TAILQ_INSERT_TAIL(&again, &p->msg, link);
		p->msg.queued = true;
		c->queued++;
		if (!p->interrupted || c->no_interrupt)
			continue;
		set_interrupt(p);
		TAILQ_INSERT_TAIL(&again, &p->intr, link);
		p->intr.queued = true;
		c->queued++;
	}
	TAILQ_CONCAT(&again, &c->queue, link);
	TAILQ_CONCAT(&c->queue, &again, link);
	conn_flush(c);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One daemon's connection. Owns the socket, the table of requests that wait for a reply (unique -> waiter) and the queue of
 * messages that the socket would not take.
 *
 * What always holds: a waiter is a struct pending on the stack of its coroutine, in the table from before it is sent until it is
 * woken; what it sends stays in its own memory, so that queueing copies nothing. Messages leave in the order in which they were
 * given. After death nothing is sent or taken, the table and the queue are empty, and dead() has been or will be called once.
 * A reply is received into a chunk that the woken waiter reads in place.
 */
#include <assert.h>
#include <bsd/sys/queue.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <fcntl.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/clock.h"
#include "base/co.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "base/trace.h"
#include "conn/conn.h"

enum {
	RX_BATCH = 64,           /* packets taken per wake-up, so that the host's side gets its turn */
	TRACED = 1024,           /* operations that the trace remembers */
	RX_KEEP = 2,             /* chunks kept for the next message */
	PACKET_OVERHEAD = 32,    /* what AF_UNIX takes of SO_SNDBUF beside the packet (measured, Linux 4.4 to 6.18) */
	SNDBUF_DEFAULT = 212992, /* net.core.wmem_default, which a socket nobody sized has */
	SNDBUF_WANT = 4 * 1024 * 1024,
};
#define RETRY_NS (5 * CLOCK_MSEC) /* after ENOBUFS, when no event will tell that memory is back */

enum msg_kind {
	MSG_CALL,      /* in a struct pending */
	MSG_INTERRUPT, /* in the struct pending that it interrupts, and gone with it */
	MSG_POST,      /* in a struct post: freed once sent */
};

struct msg { /* something to send */
	TAILQ_ENTRY(msg) link;
	struct iovec *iov; /* in its owner's memory */
	int iovcnt;
	enum msg_kind kind;
	bool queued;
};
TAILQ_HEAD(msgs, msg);

struct post { /* a message without a waiter */
	struct msg msg;
	struct iovec iov;
	uint8_t data[];
};

struct pending { /* a request with a waiter, on the waiter's stack */
	struct msg msg;
	uint64_t unique;
	uint32_t opcode;
	struct co *co;
	struct chunk *reply; /* set by who wakes it, or NULL and error */
	int error;
	bool interrupted;
	struct { /* what is sent first, in one piece */
		struct wire_in_header hdr;
		uint8_t fixed[sizeof(union wire_in)];
	} head;
	struct iovec iov[1 + CONN_IOV_MAX];
	struct msg intr; /* its INTERRUPT: one at a time, however often the daemon wants it again */
	struct {
		struct wire_in_header hdr;
		struct wire_interrupt_in in;
	} intr_body;
	struct iovec intr_iov;
	UT_hash_handle hh;
};

struct conn {
	struct loop *loop;
	int sock; /* -1 with a transport */
	struct conn_transport transport;
	const struct conn_ops *ops;
	void *arg;
	struct loop_io *io;
	struct loop_timer *retry;
	struct loop_soon *obituary;
	struct chunk_pool *pool;
	struct chunk *rx;      /* the next reply goes here */
	struct pending *table; /* by unique */
	struct msgs queue;
	size_t queued;
	size_t max_out, max_in;
	uint64_t last_unique;
	struct wire_proto proto;
	struct trace *trace; /* with LOG_D_TRACE, else NULL */
	bool datagrams;      /* SOCK_DGRAM, whose other end is not told when we close */
	bool no_interrupt;
	bool tx_starved, rx_starved; /* no memory to send or to receive: the retry timer runs */
	bool dead;
	int why_error;
	char why[160];
};

static void on_io(void *arg, unsigned events);
static void on_retry(void *arg);
static void on_obituary(void *arg);

static size_t
packet_max(size_t sndbuf)
{
	size_t max = sndbuf > PACKET_OVERHEAD ? sndbuf - PACKET_OVERHEAD : 0;

	return max < CONN_MSG_MAX ? max : CONN_MSG_MAX;
}

/* Size our end. Only ever upwards: an end that was sized with privilege would shrink to the system's limit. */
static int
size_socket(int sock, size_t *sndbuf)
{
	int value = 0;
	socklen_t len = sizeof(value);

	if (getsockopt(sock, SOL_SOCKET, SO_SNDBUF, &value, &len) == -1)
		return errno;
	*sndbuf = value > 0 ? (size_t)value : 0;
	if (*sndbuf < CONN_MSG_MAX + PACKET_OVERHEAD)
		return fdp_buffers(sock, SNDBUF_WANT, sndbuf);
	return 0;
}

static int
is_datagram(int sock, bool *yes)
{
	int type = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(sock, SOL_SOCKET, SO_TYPE, &type, &len) == -1)
		return errno;
	*yes = type == SOCK_DGRAM;
	return 0;
}

static int
conn_init(struct conn *c, struct loop *loop, const struct conn_ops *ops, void *arg)
{
	int error;

	c->loop = loop;
	c->ops = ops;
	c->arg = arg;
	c->sock = -1;
	c->proto.minor = WIRE_MINOR_MAX;
	TAILQ_INIT(&c->queue);
	if ((error = loop_timer_add(loop, on_retry, c, &c->retry)) != 0)
		return error;
	if ((error = loop_soon_add(loop, on_obituary, c, &c->obituary)) != 0)
		return error;
	if ((log_diag & LOG_D_TRACE) && (error = trace_new(TRACED, &c->trace)) != 0)
		return error;
	return chunk_pool_new(CONN_MSG_MAX, RX_KEEP, &c->pool);
}

int
conn_new(struct loop *loop, int sock, size_t peer_sndbuf, const struct conn_ops *ops, void *arg, struct conn **out)
{
	struct conn *c;
	size_t sndbuf = 0;
	int error, flags;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return ENOMEM;
	if ((error = conn_init(c, loop, ops, arg)) != 0)
		goto fail;
	if ((error = size_socket(sock, &sndbuf)) != 0)
		goto fail;
	if ((error = is_datagram(sock, &c->datagrams)) != 0)
		goto fail;
	if ((flags = fcntl(sock, F_GETFL)) == -1 || fcntl(sock, F_SETFL, flags | O_NONBLOCK) == -1) {
		error = errno;
		goto fail;
	}
	c->max_out = packet_max(sndbuf);
	c->max_in = packet_max(peer_sndbuf != 0 ? peer_sndbuf : SNDBUF_DEFAULT);
	if ((error = loop_io_add(loop, sock, LOOP_READ, on_io, c, &c->io)) != 0)
		goto fail;
	c->sock = sock;
	*out = c;
	return 0;
fail:
	conn_free(c);
	return error;
}

int
conn_new_transport(
    struct loop *loop, const struct conn_transport *t, const struct conn_ops *ops, void *arg, struct conn **out)
{
	struct conn *c;
	int error;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return ENOMEM;
	if ((error = conn_init(c, loop, ops, arg)) != 0) {
		conn_free(c);
		return error;
	}
	c->transport = *t;
	c->max_out = c->max_in = CONN_MSG_MAX;
	*out = c;
	return 0;
}

void
conn_free(struct conn *c)
{
	struct msg *m;

	if (c == NULL)
		return;
	assert(c->table == NULL);
	while ((m = TAILQ_FIRST(&c->queue)) != NULL) {
		TAILQ_REMOVE(&c->queue, m, link);
		free(m); /* a post: a waiter's message would be in the table */
	}
	loop_io_del(c->io);
	loop_timer_del(c->retry);
	loop_soon_del(c->obituary);
	trace_free(c->trace);
	chunk_unref(c->rx);
	if (c->pool != NULL)
		chunk_pool_free(c->pool);
	if (c->sock != -1) {
		/* An empty packet reads as end of file; on SEQPACKET closing does that. */
		if (c->datagrams)
			(void)send(c->sock, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(c->sock);
	}
	free(c);
}

void
conn_set_proto(struct conn *c, const struct wire_proto *proto)
{
	c->proto = *proto;
}

const struct wire_proto *
conn_proto(const struct conn *c)
{
	return &c->proto;
}

size_t
conn_max_out(const struct conn *c)
{
	return c->max_out;
}

size_t
conn_max_in(const struct conn *c)
{
	return c->max_in;
}

bool
conn_alive(const struct conn *c)
{
	return !c->dead;
}

size_t
conn_waiting(const struct conn *c)
{
	return HASH_COUNT(c->table);
}

size_t
conn_queued(const struct conn *c)
{
	return c->queued;
}

void
conn_trim(struct conn *c)
{
	if (c->table != NULL)
		return;
	chunk_unref(c->rx);
	c->rx = NULL;
	chunk_pool_trim(c->pool);
}

/* ---- waiters ---- */

static void
dequeue(struct conn *c, struct msg *m)
{
	if (!m->queued)
		return;
	TAILQ_REMOVE(&c->queue, m, link);
	m->queued = false;
	c->queued--;
}

/* Let a waiter go on, with a reply (given over) or an error. It is out of the table and the queue before it runs. */
static void
wake(struct conn *c, struct pending *p, struct chunk *reply, int error)
{
	HASH_DELETE(hh, c->table, p);
	dequeue(c, &p->msg);
	dequeue(c, &p->intr);
	p->reply = reply;
	p->error = error;
	co_wake(p->co);
}

void
conn_kill(struct conn *c, int error, const char *why)
{
	struct msg *m;

	if (c->dead)
		return;
	c->dead = true;
	c->why_error = error;
	(void)strncpy(c->why, why, sizeof(c->why) - 1);
	if (c->io != NULL)
		loop_io_set(c->io, 0);
	loop_timer_stop(c->retry);
	while (c->table != NULL)
		wake(c, c->table, NULL, ENOTCONN);
	while ((m = TAILQ_FIRST(&c->queue)) != NULL) { /* what is left are posts */
		dequeue(c, m); /* NOLINT(clang-analyzer-unix.Malloc): does not see it leave the queue */
		free(m);
	}
	loop_soon_arm(c->obituary);
}

static void
on_obituary(void *arg)
{
	struct conn *c = arg;

	c->ops->dead(c->arg, c->why_error, c->why);
}

/* Watch for what we wait for. */
static void
watch(struct conn *c)
{
	unsigned events = 0;

	if (c->dead)
		return;
	if (!c->rx_starved)
		events |= LOOP_READ;
	if (!TAILQ_EMPTY(&c->queue) && !c->tx_starved)
		events |= LOOP_WRITE;
	loop_io_set(c->io, events);
}

/* Memory is short or fragmented, and no event will tell when it is back: try again in a while. */
static void
starved(struct conn *c, bool *flag)
{
	*flag = true;
	loop_timer_start(c->retry, RETRY_NS);
}

/* ---- sending ---- */

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
		starved(c, &c->tx_starved);
		return EAGAIN;
	default:
		return errno;
	}
}

/* Send, or queue behind what is queued. 0, or as transmit() but EAGAIN. */
static int
send_or_queue(struct conn *c, struct msg *m)
{
	int error = TAILQ_EMPTY(&c->queue) ? transmit(c, m) : EAGAIN;

	if (error != EAGAIN)
		return error;
	TAILQ_INSERT_TAIL(&c->queue, m, link);
	m->queued = true;
	c->queued++;
	watch(c);
	return 0;
}

static void
lost(struct conn *c, int error)
{
	char why[160];

	(void)snprintf(why, sizeof(why), "the daemon has closed its connection (%s)", strerror(error));
	conn_kill(c, ENOTCONN, why);
}

static void
flush_queue(struct conn *c)
{
	struct msg *m;
	int error;

	while ((m = TAILQ_FIRST(&c->queue)) != NULL) {
		error = transmit(c, m); /* NOLINT(clang-analyzer-unix.Malloc): as in conn_kill() */
		if (error == EAGAIN)
			break;
		if (error != 0 && error != EMSGSIZE) {
			lost(c, error);
			return;
		}
		if (error != 0 && m->kind == MSG_CALL) {
			wake(c, (struct pending *)m, NULL, error);
			continue;
		}
		dequeue(c, m);
		if (m->kind == MSG_POST)
			free(m);
	}
	watch(c);
}

static void
on_retry(void *arg)
{
	struct conn *c = arg;

	c->tx_starved = c->rx_starved = false;
	if (!c->dead)
		flush_queue(c);
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
		lost(c, error);
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
		lost(c, error);
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
	if (error == 0 && call->rep.unique != p->unique) { /* over a transport: the table has seen to it otherwise */
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
	p.interrupted = false;
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

size_t
conn_trace_dump(const struct conn *c, void (*line)(void *arg, const char *text), void *arg)
{
	return c->trace != NULL ? trace_dump(c->trace, line, arg) : 0;
}

void
conn_done(struct conn_call *call)
{
	chunk_unref(call->chunk);
	call->chunk = NULL;
}

int
conn_post(struct conn *c, uint32_t opcode, uint64_t nodeid, const void *body, size_t len)
{
	struct wire_in_header hdr = { 0 };
	struct post *m;
	int error;

	if (c->dead)
		return ENOTCONN;
	if (sizeof(hdr) + len > c->max_out)
		return EMSGSIZE;
	if ((m = malloc(sizeof(*m) + sizeof(hdr) + len)) == NULL)
		return ENOMEM;
	hdr.len = (uint32_t)(sizeof(hdr) + len);
	hdr.opcode = opcode;
	hdr.unique = next_unique(c);
	hdr.nodeid = nodeid;
	memcpy(m->data, &hdr, sizeof(hdr));
	if (len != 0)
		memcpy(m->data + sizeof(hdr), body, len);
	m->iov = (struct iovec){ m->data, sizeof(hdr) + len };
	m->msg = (struct msg){ .iov = &m->iov, .iovcnt = 1, .kind = MSG_POST };
	if (c->transport.xchg != NULL)
		error = c->transport.xchg(c->transport.arg, &m->iov, 1, NULL);
	else
		error = send_or_queue(c, &m->msg);
	if (!m->msg.queued)
		free(m);
	if (error == 0 || error == EMSGSIZE || (c->transport.xchg != NULL && error != ENOTCONN))
		return error;
	lost(c, error);
	return ENOTCONN;
}

/* ---- interrupts ---- */

/* The INTERRUPT lives in the call that it is about: a daemon that asks for it again and again cannot fill the queue. */
static void
send_interrupt(struct conn *c, struct pending *p)
{
	int error;

	if (p->intr.queued)
		return;
	memset(&p->intr_body, 0, sizeof(p->intr_body));
	p->intr_body.hdr.len = sizeof(p->intr_body);
	p->intr_body.hdr.opcode = WIRE_INTERRUPT;
	p->intr_body.hdr.unique = p->unique | 1;
	p->intr_body.in.unique = p->unique;
	p->intr_iov = (struct iovec){ &p->intr_body, sizeof(p->intr_body) };
	p->intr = (struct msg){ .iov = &p->intr_iov, .iovcnt = 1, .kind = MSG_INTERRUPT };
	if ((error = send_or_queue(c, &p->intr)) != 0 && error != EMSGSIZE)
		lost(c, error);
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

/* A daemon may answer an INTERRUPT: ENOSYS, it knows none; EAGAIN, send it again (the kernel's rules). */
static void
interrupt_answered(struct conn *c, uint64_t unique, int error)
{
	struct pending *p;

	if (error == ENOSYS) {
		c->no_interrupt = true;
	} else if (error == EAGAIN) {
		unique &= ~UINT64_C(1);
		HASH_FIND(hh, c->table, &unique, sizeof(unique), p);
		if (p != NULL && p->interrupted)
			send_interrupt(c, p);
	}
}

/* ---- receiving ---- */

static void
malformed(struct conn *c, const char *what)
{
	char why[160];

	(void)snprintf(why, sizeof(why), "the daemon sent a malformed message: %s", what);
	conn_kill(c, EPROTO, why);
}

static void
print_in(const struct conn *c, const struct pending *p, const struct chunk *reply)
{
	char line[512];

	(void)wire_print_reply(&c->proto, p != NULL ? p->opcode : 0, reply->data, reply->len, line, sizeof(line));
	log_debug(LOG_D_FUSE, "<- %s", line);
	log_dump("<-", reply->data, reply->len);
}

/* Deal with the whole packet in c->rx. */
static void
dispatch(struct conn *c)
{
	struct pending *p;
	const char *what;
	uint64_t unique;
	int error;

	if (wire_parse_reply_header(c->rx->data, c->rx->len, &unique, &error, &what) != 0) {
		malformed(c, what);
		return;
	}
	HASH_FIND(hh, c->table, &unique, sizeof(unique), p);
	if (__builtin_expect((log_diag & (LOG_D_FUSE | LOG_D_DUMP)) != 0, 0))
		print_in(c, p, c->rx);
	if (unique == 0) {
		if (c->ops->notify != NULL)
			c->ops->notify(c->arg, error, c->rx->data, c->rx->len);
	} else if (p != NULL && p->msg.queued) {
		malformed(c, "a reply to a request it has not been sent");
	} else if (p != NULL) {
		wake(c, p, chunk_ref(c->rx), 0);
	} else if (unique & 1) {
		interrupt_answered(c, unique, error);
	} else {
		/* The kernel answers ENOENT to such a write and goes on. */
		log_debug(LOG_D_MISC, "a reply to no request, unique %llu, is ignored", (unsigned long long)unique);
	}
}

/* Take one packet. false when there is none, or the connection has ended. */
static bool
receive(struct conn *c)
{
	ssize_t n;

	if (c->rx != NULL && c->rx->refs > 1) { /* somebody keeps the last one */
		chunk_unref(c->rx);
		c->rx = NULL;
	}
	if (c->rx == NULL && (c->rx = chunk_get(c->pool)) == NULL) {
		starved(c, &c->rx_starved);
		watch(c);
		return false;
	}
	/* MSG_TRUNC: the packet's real length is returned. Descriptors that came with it are dropped by the kernel. */
	n = recv(c->sock, c->rx->data, c->rx->cap, MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			lost(c, errno);
		return false;
	}
	if (n == 0) {
		conn_kill(c, ENOTCONN, "the daemon has closed its connection");
		return false;
	}
	if ((size_t)n > c->rx->cap) {
		malformed(c, "longer than any reply may be");
		return false;
	}
	c->rx->len = (size_t)n;
	dispatch(c);
	return !c->dead;
}

static void
on_io(void *arg, unsigned events)
{
	struct conn *c = arg;

	if ((events & LOOP_WRITE) && !TAILQ_EMPTY(&c->queue))
		flush_queue(c);
	if (!(events & LOOP_READ))
		return;
	for (int i = 0; i < RX_BATCH && !c->dead; i++) {
		if (!receive(c))
			break;
		if (c->table == NULL)
			break; /* no reply is due: the EAGAIN that would end the loop is not worth its system call */
	}
}

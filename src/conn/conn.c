/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One daemon's connection: how it begins, what it watches for, and how it ends. Owns the socket, the table of requests that wait for
 * a reply (unique -> waiter) and the queue of messages that the socket would not take. What always holds is said in priv.h.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/co.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "conn/priv.h"

enum {
	TRACED = 1024,           /* operations that the trace remembers */
	RX_KEEP = 2,             /* chunks kept for the next message */
	PACKET_OVERHEAD = 32,    /* what AF_UNIX takes of SO_SNDBUF beside the packet (measured, Linux 4.4 to 6.18) */
	SNDBUF_DEFAULT = 212992, /* net.core.wmem_default, which a socket nobody sized has */
	SNDBUF_WANT = 4 * 1024 * 1024,
};
#define RETRY_NS (5 * CLOCK_MSEC) /* after ENOBUFS, when no event will tell that memory is back */

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
	return chunk_pool_new(CONN_MSG_MAX, sizeof(struct wire_out_header), RX_KEEP, &c->pool);
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

size_t
conn_trace_dump(const struct conn *c, void (*line)(void *arg, const char *text), void *arg)
{
	return c->trace != NULL ? trace_dump(c->trace, line, arg) : 0;
}

/* ---- waiters ---- */

void
conn_dequeue(struct conn *c, struct msg *m)
{
	if (!m->queued)
		return;
	TAILQ_REMOVE(&c->queue, m, link);
	m->queued = false;
	c->queued--;
	if (m->kind == MSG_POST)
		c->posted -= ((struct post *)m)->len;
}

void
conn_wake(struct conn *c, struct pending *p, struct chunk *reply, int error)
{
	HASH_DELETE(hh, c->table, p);
	conn_dequeue(c, &p->msg);
	conn_dequeue(c, &p->intr);
	p->reply = reply;
	p->error = error;
	co_wake(p->co);
}

struct pending *
conn_find(const struct conn *c, uint64_t unique)
{
	uint64_t key = unique & ~WIRE_UNIQUE_RESEND;
	struct pending *p;

	HASH_FIND(hh, c->table, &key, sizeof(key), p);
	return p != NULL && p->head.hdr.unique == unique ? p : NULL;
}

/* ---- the end ---- */

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
	if (c->sock != -1 && !c->datagrams)
		(void)shutdown(
		    c->sock, SHUT_RDWR); /* whoever is at the other end is to see it now, not when we are freed */
	while (c->table != NULL)
		conn_wake(c, c->table, NULL, ENOTCONN);
	while ((m = TAILQ_FIRST(&c->queue)) != NULL) { /* what is left are posts */
		conn_dequeue(c, m); /* NOLINT(clang-analyzer-unix.Malloc): does not see it leave the queue */
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

void
conn_lost(struct conn *c, int error)
{
	char why[160];

	(void)snprintf(why, sizeof(why), "the daemon has closed its connection (%s)", strerror(error));
	conn_kill(c, ENOTCONN, why);
}

/* ---- events ---- */

void
conn_watch(struct conn *c)
{
	unsigned events = 0;

	if (c->dead || c->io == NULL)
		return;
	if (!c->rx_starved && !c->paused)
		events |= LOOP_READ;
	if (!TAILQ_EMPTY(&c->queue) && !c->tx_starved)
		events |= LOOP_WRITE;
	loop_io_set(c->io, events);
}

void
conn_starved(struct conn *c, bool *flag)
{
	*flag = true;
	loop_timer_start(c->retry, RETRY_NS);
}

void
conn_pause(struct conn *c)
{
	c->paused = true;
	conn_watch(c);
}

void
conn_resume(struct conn *c)
{
	c->paused = false;
	conn_watch(c);
}

static void
on_retry(void *arg)
{
	struct conn *c = arg;

	c->tx_starved = c->rx_starved = false;
	if (!c->dead)
		conn_flush(c);
}

static void
on_io(void *arg, unsigned events)
{
	struct conn *c = arg;

	if ((events & LOOP_WRITE) && !TAILQ_EMPTY(&c->queue))
		conn_flush(c);
	if (events & LOOP_READ)
		conn_receive(c);
}

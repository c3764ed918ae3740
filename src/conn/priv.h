/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of conn/ share: the connection itself (conn.c: its life and its end), sending (send.c) and receiving (recv.c).
 *
 * What always holds: a waiter is a struct pending on the stack of its coroutine, in the table from before it is sent until it is
 * woken; what it sends stays in its own memory, so that queueing copies nothing. Messages leave in the order in which they were
 * given, but for INTERRUPTs and what is sent again, which go first. After death nothing is sent or taken, the table and the
 * queue are empty, and dead() has been or will be called once. A reply is received into a chunk that the woken waiter reads in place.
 */
#ifndef CONN_PRIV_H
#define CONN_PRIV_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/chunk.h"
#include "base/trace.h"
#include "conn/conn.h"

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
	size_t len;
	uint8_t data[];
};

struct pending { /* a request with a waiter, on the waiter's stack */
	struct msg msg;
	uint64_t unique; /* without WIRE_UNIQUE_RESEND, which head.hdr.unique may have */
	uint32_t opcode;
	struct co *co;
	struct chunk *reply; /* set by who wakes it, or NULL and error */
	int error;
	bool interrupted;
	bool resent; /* it has been sent before */
	struct {     /* what is sent first, in one piece */
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
	size_t posted; /* bytes of the posts in the queue */
	size_t max_out, max_in;
	uint64_t last_unique;
	struct wire_proto proto;
	struct trace *trace; /* with LOG_D_TRACE, else NULL */
	bool datagrams;      /* SOCK_DGRAM, whose other end is not told when we close */
	bool no_interrupt;
	bool tx_starved, rx_starved; /* no memory to send or to receive: the retry timer runs */
	bool paused;                 /* conn_pause() */
	bool dead;
	int why_error;
	char why[160];
};

/* ---- conn.c ---- */

/* Watch for what we wait for. */
void conn_watch(struct conn *c);
/* Memory is short or fragmented, and no event will tell when it is back: try again in a while. flag: tx_starved or rx_starved. */
void conn_starved(struct conn *c, bool *flag);
/* Out of the queue, if it is there. */
void conn_dequeue(struct conn *c, struct msg *m);
/* Let a waiter go on, with a reply (given over) or an error. It is out of the table and the queue before it runs. */
void conn_wake(struct conn *c, struct pending *p, struct chunk *reply, int error);
/* The daemon is gone: error is how the socket said it. */
void conn_lost(struct conn *c, int error);
/* The waiter whose request went out under exactly this unique, or NULL. */
struct pending *conn_find(const struct conn *c, uint64_t unique);

/* ---- send.c ---- */

/* Send what is queued, as far as the socket takes it. */
void conn_flush(struct conn *c);
/* The daemon answered the INTERRUPT with this (odd) unique with an error. */
void conn_interrupt_answered(struct conn *c, uint64_t unique, int error);

/* ---- recv.c ---- */

/* Take what is there, up to a batch. */
void conn_receive(struct conn *c);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One daemon's connection: requests out, replies in, matched by unique. Everything between the kernel's half and the daemon
 * passes through conn_call() and conn_post(): the one place where messages are counted, queued, printed and checked.
 * Calls are made from coroutines of the loop's thread; a call borrows its iovecs until it returns.
 */
#ifndef CONN_CONN_H
#define CONN_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/chunk.h"
#include "base/loop.h"
#include "wire/wire.h"

struct co;
struct conn;

enum {
	CONN_IOV_MAX = 5,
	CONN_DATA_MAX = 1024 * 1024,         /* data in one message, bytes */
	CONN_MSG_MAX = CONN_DATA_MAX + 4096, /* longest message ever sent or taken, bytes */
	CONN_POSTED_MAX = 32 * 1024 * 1024,  /* bytes of conn_post_data() that may wait for the socket */
};

/* A transport instead of a socket (perfuse_if.h's callbacks): carry one message there and, if wanted, its reply back. */
struct conn_transport {
	/*
	 * Send the message in iov[0..n); when reply is not NULL wait for the answer and give it as a new chunk (header
	 * included), which may park the coroutine; else do not wait. 0; ENOTCONN, which ends the connection; or any
	 * other errno: this message did not get through.
	 */
	int (*xchg)(void *arg, const struct iovec *iov, int n, struct chunk **reply);
	/* A unique that was not given before. */
	uint64_t (*next_unique)(void *arg);
	void *arg;
};

struct conn_ops {
	/* The connection has ended (once): error is ENOTCONN or EPROTO, why one line for the log (borrowed). From the loop. */
	void (*dead)(void *arg, int error, const char *why);
	/* A notification, whole (borrowed). From the loop. May be NULL. */
	void (*notify)(void *arg, int code, uint8_t *data, size_t len);
};

struct conn_call { /* one request; lives on the caller's stack */
	/* in, set by the caller */
	uint32_t opcode;
	uint64_t nodeid; /* the daemon's */
	uint32_t uid, gid, pid;
	union wire_in in;               /* fixed part */
	struct iovec iov[CONN_IOV_MAX]; /* what follows it: names with their NUL, data (borrowed) */
	int iovcnt;
	size_t
	    extlen; /* the last iovec holds extensions of so many bytes, a multiple of 8 (0: it is part of the body) */
	size_t limit; /* longest tail the reply may have */
	/* out, valid after conn_call() returned 0, until conn_done() */
	struct wire_rep rep;
	struct chunk *chunk; /* holds rep.data; take a reference to keep it longer */
};

/*
 * Speak to the daemon behind sock (taken: closed by conn_free(), made non-blocking). peer_sndbuf: SO_SNDBUF of the daemon's end, 0 if
 * unknown (then the system's default is assumed). 0 or errno (sock then stays the caller's).
 */
int conn_new(struct loop *loop, int sock, size_t peer_sndbuf, const struct conn_ops *ops, void *arg, struct conn **out);
/* The same over a transport (copied). 0 or errno. */
int conn_new_transport(
    struct loop *loop, const struct conn_transport *t, const struct conn_ops *ops, void *arg, struct conn **out);
/* End it without a call of dead(); nobody may be waiting. Not from inside conn's callbacks. conn may be NULL. */
void conn_free(struct conn *conn);

/* The layout that INIT settled; before: {7, ...}. Set by vnode/ after INIT. */
void conn_set_proto(struct conn *conn, const struct wire_proto *proto);
const struct wire_proto *conn_proto(const struct conn *conn);

/* Longest message that can be sent to the daemon, and longest that it can send, in bytes with header. */
size_t conn_max_out(const struct conn *conn);
size_t conn_max_in(const struct conn *conn);

/*
 * Send a request and park until its reply is here. 0: a reply came, which may carry an error of the daemon (call->rep.error),
 * conn_done() is due. Else nothing is due: ENOTCONN (the daemon is gone, or its reply was malformed and the connection has been
 * ended), EMSGSIZE (larger than conn_max_out()), ENOMEM, or a transport's own.
 */
int conn_call(struct conn *conn, struct conn_call *call);
/* Let go of a call's reply. May be called for a call that failed. */
void conn_done(struct conn_call *call);
/*
 * Send a request that has no reply (FORGET, BATCH_FORGET), or whose reply nobody waits for (its errors are dropped). The body
 * is copied. Never parks. 0 or ENOTCONN, ENOMEM, EMSGSIZE, or a transport's own.
 */
int conn_post(struct conn *conn, uint32_t opcode, uint64_t nodeid, const void *body, size_t len);
/*
 * The same under a unique of the caller's and with a body in n parts, copied only when it has to wait: NOTIFY_REPLY, whose unique
 * the daemon has chosen. ENOBUFS: CONN_POSTED_MAX bytes wait already.
 */
int conn_post_data(
    struct conn *conn, uint32_t opcode, uint64_t nodeid, uint64_t unique, const struct iovec *body, int n);
/*
 * Interrupt the call in which this coroutine waits, if it does: INTERRUPT is sent behind it, before all else that is queued
 * (once; not to a daemon that answered one with ENOSYS). What comes of it is the daemon's affair: the call ends with its reply. Called from outside that coroutine.
 */
void conn_interrupt(struct conn *conn, struct co *co);

/*
 * The daemon wants what it has to answer once more (NOTIFY_RESEND): every request that it has been sent goes out again, oldest first,
 * before what is queued, with WIRE_UNIQUE_RESEND in its unique, under which alone it can be answered then.
 */
void conn_resend(struct conn *conn);
/* Take nothing from the daemon until conn_resume(). Neither counts; nothing is lost. For a notification that is under way. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* End the connection now: waiters get ENOTCONN; dead() is called from the loop with why (copied). */
void conn_kill(struct conn *conn, int error, const char *why);
bool conn_alive(const struct conn *conn);
/* Give back memory that is not needed while nothing happens. */
void conn_trim(struct conn *conn);
/* The last operations as lines of text, oldest first (trace_dump()); none unless LOG_D_TRACE was on at conn_new(). */
size_t conn_trace_dump(const struct conn *conn, void (*line)(void *arg, const char *text), void *arg);
/* Requests waiting for a reply, and of these queued because the socket is full. */
size_t conn_waiting(const struct conn *conn);
size_t conn_queued(const struct conn *conn);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the daemon: packets, each a reply to a waiter, to an INTERRUPT, or a notification. What does not hold together ends the
 * connection; what is well-formed but answers nothing is ignored, as the kernel does it.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/log.h"
#include "conn/priv.h"

enum { RX_BATCH = 64 }; /* packets taken per wake-up, so that the host's side gets its turn */

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
	p = conn_find(c, unique);
	if (__builtin_expect((log_diag & (LOG_D_FUSE | LOG_D_DUMP)) != 0, 0))
		print_in(c, p, c->rx);
	if (unique == 0) {
		if (c->ops->notify != NULL)
			c->ops->notify(c->arg, error, c->rx->data, c->rx->len);
	} else if (p != NULL && p->msg.queued && !p->resent) {
		malformed(c, "a reply to a request it has not been sent");
	} else if (p != NULL && !p->msg.queued) {
		conn_wake(c, p, chunk_ref(c->rx), 0);
	} else if (unique & 1) {
		conn_interrupt_answered(c, unique, error);
	} else {
		/* The kernel answers ENOENT to such a write and goes on; so it does while a request waits to be sent again. */
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
		conn_starved(c, &c->rx_starved);
		conn_watch(c);
		return false;
	}
	/* MSG_TRUNC: the packet's real length is returned. Descriptors that came with it are dropped by the kernel. */
	n = recv(c->sock, c->rx->data, c->rx->cap, MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn_lost(c, errno);
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

void
conn_receive(struct conn *c)
{
	for (int i = 0; i < RX_BATCH && !c->dead && !c->paused; i++) {
		if (!receive(c))
			break;
		if (c->table == NULL)
			break; /* no reply is due: the EAGAIN that would end the loop is not worth its system call */
	}
}

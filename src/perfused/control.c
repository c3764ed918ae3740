/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket of an engine: who is uid or root may connect and ask for its status or for the unmount, one packet a
 * request, one packet an answer. No client can hold the engine up: nothing here waits, an answer that a client does not
 * take costs it its connection, and when there are too many, the one that has been silent longest gives way.
 * A request for the unmount has an id until its result is known; by then its client may be gone.
 */
#include "perfused/priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

enum { CLIENTS_MAX = 16 };

struct client {
	TAILQ_ENTRY(client) link;
	struct control *control;
	int fd;
	struct loop_io *io;
	uint32_t waiting; /* id of its unmount, 0: none */
};

struct control {
	struct loop *loop;
	int fd;
	uid_t uid;
	struct loop_io *io;
	const struct control_ops *ops;
	void *arg;
	TAILQ_HEAD(clients, client) clients; /* the longest silent first */
	unsigned nclients;
	uint32_t last_id;
};

static void
client_free(struct client *c)
{
	TAILQ_REMOVE(&c->control->clients, c, link);
	c->control->nclients--;
	loop_io_del(c->io);
	(void)close(c->fd);
	free(c);
}

/* Send a text (freed; NULL: there was no memory for it) or lose the client. Returns whether it is still there. */
static bool
client_send(struct client *c, char *text)
{
	bool sent = text != NULL && send(c->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;

	free(text);
	if (!sent)
		client_free(c);
	return sent;
}

static void
send_result(struct client *c, int error, const char *why)
{
	char *text = NULL;

	if (status_build_result(error, why, &text) != 0)
		text = NULL;
	(void)client_send(c, text);
}

static void
send_status(struct client *c)
{
	struct status st = { 0 };
	char *text = NULL;
	int error = c->control->ops->status(c->control->arg, &st);

	if (error == 0)
		error = status_build_answer(&st, &text);
	status_free(&st);
	if (error == 0)
		(void)client_send(c, text);
	else
		send_result(c, error, strerrordesc_np(error));
}

static void
client_ready(void *arg, unsigned events)
{
	static char packet[STATUS_MAX];
	struct client *c = arg;
	struct control *s = c->control;
	struct status_request req;
	const char *why = "not a request";
	ssize_t n = recv(c->fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {
		client_free(c);
		return;
	}
	TAILQ_REMOVE(&s->clients, c, link);
	TAILQ_INSERT_TAIL(&s->clients, c, link);
	if ((size_t)n > sizeof(packet)) {
		send_result(c, EMSGSIZE, "the request is too long");
	} else if (status_parse_request(packet, (size_t)n, &req, &why) != 0) {
		send_result(c, EPROTO, why);
	} else if (req.op == STATUS_OP_STATUS) {
		send_status(c);
	} else if (c->waiting != 0) {
		send_result(c, EALREADY, "an unmount is under way");
	} else {
		if (++s->last_id < CONTROL_ID_FIRST)
			s->last_id = CONTROL_ID_FIRST;
		c->waiting = s->last_id;
		s->ops->unmount(s->arg, c->waiting, req.lazy);
	}
}

void
control_result(struct control *s, uint32_t id, int error, const char *why)
{
	struct client *c, *next;

	if (s == NULL)
		return;
	for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->waiting == 0 || (id != 0 && c->waiting != id))
			continue;
		c->waiting = 0;
		send_result(c, error, why);
	}
}

/* Take a client in if it may ask. */
static void
admit(struct control *s, int fd)
{
	struct fdp_cred peer;
	struct client *c;

	if (fdp_peer(fd, &peer) != 0 || (peer.uid != s->uid && peer.uid != 0) || (c = calloc(1, sizeof(*c))) == NULL) {
		(void)close(fd);
		return;
	}
	if (s->nclients >= CLIENTS_MAX)
		client_free(TAILQ_FIRST(&s->clients));
	c->control = s;
	c->fd = fd;
	TAILQ_INSERT_TAIL(&s->clients, c, link);
	s->nclients++;
	if (loop_io_add(s->loop, fd, LOOP_READ, client_ready, c, &c->io) != 0)
		client_free(c);
}

static void
accept_ready(void *arg, unsigned events)
{
	struct control *s = arg;
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		admit(s, fd);
	} else if ((errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) && s->nclients > 0) {
		client_free(TAILQ_FIRST(&s->clients));
	}
}

int
control_new(struct loop *loop, int fd, uid_t uid, const struct control_ops *ops, void *arg, struct control **out)
{
	const struct status_request first = { .op = STATUS_OP_STATUS };
	struct control *s = calloc(1, sizeof(*s));
	char *text;
	int error;

	if (s == NULL)
		return ENOMEM;
	/* The first JSON object of a process makes the library read /dev/urandom, which a running engine can no longer open. */
	if ((error = status_build_request(&first, &text)) != 0) {
		free(s);
		return error;
	}
	free(text);
	*s = (struct control){ .loop = loop, .fd = fd, .uid = uid, .ops = ops, .arg = arg };
	TAILQ_INIT(&s->clients);
	if ((error = loop_io_add(loop, fd, LOOP_READ, accept_ready, s, &s->io)) != 0) {
		free(s);
		return error;
	}
	*out = s;
	return 0;
}

void
control_free(struct control *s)
{
	if (s == NULL)
		return;
	for (struct client *c = TAILQ_FIRST(&s->clients), *next; c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		client_free(c);
	}
	loop_io_del(s->io);
	(void)close(s->fd);
	free(s);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor as a broker (broker.h): what the daemon's own processes ask for over a socket, where their system calls are not
 * trapped. Each connection is a guest until it has made its one request; then it belongs to the mount that it waits for
 * (struct asker) and is closed with the answer.
 *
 * A guest must be of our own user and see our root directory: the mount is made with our rights, in our namespace.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "client/broker.h"
#include "client/peek.h"
#include "client/sup.h"
#include "ctl/frame.h"

enum { GUESTS_MAX = 64 };

void
guest_answer(int conn, int error, bool mounting, const char *why)
{
	char buf[FRAME_ANSWER_MAX];
	size_t n;

	n = frame_answer_build(buf, sizeof(buf),
	    error != 0 ? FRAME_FAILED
	    : mounting ? FRAME_MOUNTED
		       : FRAME_ENDED,
	    error, 0,
	    why && why[0] ? why
	    : error != 0  ? strerror(error)
			  : "");
	/* It waits for this and nothing else was sent: there is room. */
	(void)send(conn, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(conn);
}

void
guest_accept(struct sup *s)
{
	struct fdp_cred peer;
	struct guest *g;
	int conn;

	conn = accept4(s->cfg->broker, NULL, NULL, SOCK_CLOEXEC);
	if (conn < 0)
		return;
	if (fdp_peer(conn, &peer) != 0 || peer.uid != geteuid()) {
		guest_answer(
		    conn, EPERM, false, "the daemon has become another user, for whom perfuse mount does not mount");
		return;
	}
	g = s->nguests < GUESTS_MAX ? calloc(1, sizeof(*g)) : NULL;
	if (!g) {
		guest_answer(conn, EAGAIN, false, NULL);
		return;
	}
	g->conn = conn;
	g->pid = peer.pid;
	s->nguests++;
	TAILQ_INSERT_TAIL(&s->guests, g, link);
}

static void
guest_free(struct sup *s, struct guest *g)
{
	TAILQ_REMOVE(&s->guests, g, link);
	s->nguests--;
	if (g->conn >= 0)
		(void)close(g->conn);
	free(g);
}

/* A mount frame. 0 when it has been started, or errno. */
static int
guest_mount(struct sup *s, struct guest *g, const void *packet, size_t len, int fd)
{
	struct frame_strings strings;
	struct frame_mount hdr;
	struct served *v;
	const char *why;
	int r;

	if (frame_parse(packet, len, &hdr, &strings, &why) != 0 || fd < 0)
		return EPROTO;
	if (s->ending)
		return ECANCELED;
	if (strings.target[0] != '/')
		return EINVAL;
	r = serve_new(s, &v);
	if (r != 0)
		return r;
	v->engine_fd = dup(fd); /* the caller closes its own in any case */
	if (v->engine_fd < 0)
		r = errno;
	v->sndbuf = hdr.sndbuf;
	if (r == 0)
		r = serve_mount(s, v,
		    &(struct client_mount){ .source = strings.source,
			.target = strings.target,
			.filesystemtype = strings.filesystemtype,
			.data = strings.data,
			.flags = hdr.mountflags,
			.sndbuf = hdr.sndbuf,
			.fuse_sock = v->engine_fd },
		    (struct asker){ .conn = g->conn });
	if (r != 0)
		serve_free(s, v);
	return r;
}

/* A request to unmount: header, path, NUL. 0 when it has been started, or errno. */
static int
guest_unmount(struct sup *s, struct guest *g, const char *packet, size_t len)
{
	struct frame_request rq;

	memcpy(&rq, packet, sizeof(rq));
	if (rq.len != len || rq.reserved != 0 || (rq.flags & ~(uint32_t)MNT_DETACH) != 0 || packet[sizeof(rq)] != '/' ||
	    memchr(packet + sizeof(rq), '\0', len - sizeof(rq)) != packet + len - 1)
		return EPROTO;
	return serve_resolve(s, packet + sizeof(rq), rq.flags != 0, (struct asker){ .conn = g->conn });
}

void
guest_handle(struct sup *s, struct guest *g)
{
	char *packet = malloc(BROKER_PACKET);
	struct frame_request rq;
	bool mounting = true;
	int fd = -1, r;
	unsigned nfds = 0;
	size_t len = 0;

	r = packet ? fdp_recv(g->conn, packet, BROKER_PACKET, &len, &fd, 1, &nfds, NULL, 0) : ENOMEM;
	if (nfds == 0)
		fd = -1;
	if (r == 0 && len > 0) {
		if (len > sizeof(rq)) {
			memcpy(&rq, packet, sizeof(rq));
			mounting = rq.code != FRAME_UNMOUNT; /* a frame has 0 there */
		}
		if (!peek_same_root(g->pid))
			r = EPERM;
		else if (mounting)
			r = guest_mount(s, g, packet, len, fd);
		else
			r = guest_unmount(s, g, packet, len);
		if (r != 0)
			guest_answer(g->conn, r, mounting,
			    r == EPERM ? "the daemon has another root directory than perfuse mount" : NULL);
		g->conn = -1; /* answered, or the asker's */
	}
	if (fd >= 0)
		(void)close(fd);
	free(packet);
	if (r != ETIMEDOUT)
		guest_free(s, g);
}

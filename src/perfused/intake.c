/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mount frame comes in. This runs in the engine's process as the peer, before it is mounted: it reads one packet, believes nothing in
 * it, and opens the mountpoint, so that the kernel itself checks what the peer may reach. Who the peer is was asked of
 * the kernel before; the frame does not say.
 *
 * On a DGRAM socket there is no connection yet: the frame names a socket to answer to, the kernel vouches for the sender
 * with the packet, and connecting to that socket makes ours the peer's alone. Frames of others that arrived on it before are
 * sent back to try again (the next socket is bound by then).
 */
#include "perfused/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	FRAME_TIME = 10 * 1000, /* milliseconds until a silent peer is given up */
	START_TIME = 26,        /* seconds for all between frame and mount; a client waits for 30 */
};

/* ---- SOCK_DGRAM ---- */

static int
to_address(const char *path, struct sockaddr_un *sun)
{
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return strlcpy(sun->sun_path, path, sizeof(sun->sun_path)) < sizeof(sun->sun_path) ? 0 : ENAMETOOLONG;
}

/* Tell whoever else's frame is on our socket to send it again. buf: FRAME_MAX bytes. */
static void
send_back_others(int conn, const struct peer *peer, void *buf)
{
	char packet[FRAME_ANSWER_MAX];
	size_t n = frame_answer_build(packet, sizeof(packet), FRAME_FAILED, EAGAIN, 0, "perfused was busy: try again"),
	       len;
	struct frame_strings s;
	struct frame_mount hdr;
	struct sockaddr_un sun;
	struct fdp_cred cred;
	const char *fault;
	unsigned nfds;

	while (fdp_recv(conn, buf, FRAME_MAX, &len, NULL, 0, &nfds, &cred, 0) == 0) {
		/* Only the same user's: we have this user's right to write to sockets, and lend it to nobody. */
		if (cred.pid != peer->pid && cred.uid == peer->uid && frame_parse(buf, len, &hdr, &s, &fault) == 0 &&
		    s.sock != NULL && to_address(s.sock, &sun) == 0)
			(void)sendto(
			    conn, packet, n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&sun, sizeof(sun));
	}
}

/* Make a DGRAM socket the peer's. 0 or errno. */
static int
connect_back(
    int conn, const struct peer *peer, const struct fdp_cred *sender, const char *sock, char *why, size_t whylen)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	struct sockaddr_un sun;
	const int off = 0;
	void *buf;

	if (getpeername(conn, (struct sockaddr *)&name, &len) == 0)
		return 0; /* a socketpair */
	if (sender->pid != peer->pid || sender->uid != peer->uid)
		return check_refuse(
		    EPERM, why, whylen, "the mount frame is not from uid %u (pid %d)", peer->uid, peer->pid);
	if (sock == NULL)
		return check_refuse(EPROTO, why, whylen, "the mount frame names no reply socket");
	if (to_address(sock, &sun) != 0)
		return check_refuse(ENAMETOOLONG, why, whylen, "the reply socket's path is too long");
	if (connect(conn, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		int error = errno;

		return check_refuse(error, why, whylen, "cannot reach the reply socket %s: %s", sock, strerror(error));
	}
	if ((buf = malloc(FRAME_MAX)) == NULL)
		return check_refuse(ENOMEM, why, whylen, "out of memory");
	send_back_others(conn, peer, buf);
	free(buf);
	(void)setsockopt(conn, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off));
	return 0;
}

/* ---- the descriptor ---- */

/* What came beside the frame must be a packet socket, or nothing must have come. */
static int
check_daemon(const struct frame_mount *hdr, int fd, char *why, size_t whylen)
{
	int domain, type;
	socklen_t len = sizeof(int);

	if ((hdr->flags & FRAME_F_CONTROL) == 0)
		return fd < 0 ? 0
			      : check_refuse(EPROTO, why, whylen,
				    "a descriptor came with a mount frame that does not announce it");
	if (fd < 0)
		return check_refuse(EPROTO, why, whylen, "no descriptor came with a mount frame that announces one");
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_UNIX ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || (type != SOCK_SEQPACKET && type != SOCK_DGRAM))
		return check_refuse(EINVAL, why, whylen, "the daemon's descriptor is not a Unix packet socket");
	return 0;
}

/* ---- the mountpoint ---- */

/* Open it as the peer, following links as mount(2) does, and check what may be mounted on it. 0 or errno. */
static int
open_mountpoint(const char *target, const struct peer *peer, struct intake *in, char *why, size_t whylen)
{
	char link[64];
	struct stat st;
	ssize_t n;
	int error;

	if ((in->at = open(target, O_PATH | O_CLOEXEC)) < 0) {
		error = errno;
		return check_refuse(error, why, whylen, "mountpoint " CHECK_PATH ": %s (asked for by uid %u)", target,
		    strerror(error), peer->uid);
	}
	if ((error = check_mountpoint(in->at, target, peer, why, whylen)) != 0)
		return error;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", in->at);
	if ((in->wish.mount.flags & MS_RDONLY) == 0 && !peer->root && access(link, W_OK) < 0) {
		error = errno;
		(void)fstat(in->at, &st);
		return check_refuse(error, why, whylen,
		    "mountpoint " CHECK_PATH " of uid %u is not writable for uid %u, who asks: %s", target, st.st_uid,
		    peer->uid, strerror(error));
	}
	if ((n = readlink(link, in->path, sizeof(in->path) - 1)) < 0 || (size_t)n == sizeof(in->path) - 1)
		return check_refuse(ENAMETOOLONG, why, whylen, "mountpoint " CHECK_PATH " has too long a path", target);
	in->path[n] = '\0';
	return 0;
}

/* ---- the whole ---- */

/* A packet that was read: take it apart and check it. */
static int
take_frame(int conn, const struct peer *peer, const struct fdp_cred *sender, const void *data, size_t len,
    struct intake *in, char *why, size_t whylen)
{
	struct frame_strings s;
	struct frame_mount hdr;
	const char *fault;
	int error, type = SOCK_SEQPACKET;
	socklen_t optlen = sizeof(type);

	if ((error = frame_parse(data, len, &hdr, &s, &fault)) != 0)
		return check_refuse(error, why, whylen, "bad mount frame: %s", fault);
	if (getsockopt(conn, SOL_SOCKET, SO_TYPE, &type, &optlen) == 0 && type == SOCK_DGRAM &&
	    (error = connect_back(conn, peer, sender, s.sock, why, whylen)) != 0)
		return error;
	if ((error = check_daemon(&hdr, in->daemon, why, whylen)) != 0)
		return error;
	if ((error = check_frame(&hdr, &s, peer, in->daemon >= 0, &in->wish, why, whylen)) != 0)
		return error;
	in->sndbuf = hdr.sndbuf;
	if (peer_is_apart(peer)) /* a worker opens it, as only that can */
		return strlcpy(in->path, s.target, sizeof(in->path)) < sizeof(in->path)
			   ? 0
			   : check_refuse(ENAMETOOLONG, why, whylen, "the mountpoint has too long a path");
	return open_mountpoint(s.target, peer, in, why, whylen);
}

int
intake(int conn, const struct peer *peer, struct intake *out, char *why, size_t whylen)
{
	void *buf = malloc(FRAME_MAX);
	struct fdp_cred sender;
	unsigned nfds;
	size_t len;
	int error;

	*out = (struct intake){ .daemon = -1, .at = -1 };
	if (buf == NULL)
		return check_refuse(ENOMEM, why, whylen, "out of memory");
	error = fdp_recv(conn, buf, FRAME_MAX, &len, &out->daemon, 1, &nfds, &sender, FRAME_TIME);
	if (error == 0 && len == 0) {
		error = check_refuse(ECONNRESET, why, whylen, "closed the connection without a mount frame");
	} else if (error == ETIMEDOUT) {
		error = check_refuse(error, why, whylen, "sent no mount frame within %d seconds", FRAME_TIME / 1000);
	} else if (error == EMSGSIZE) {
		error = check_refuse(error, why, whylen, "bad mount frame: larger than %d bytes", FRAME_MAX);
	} else if (error != 0) {
		error = check_refuse(error, why, whylen, "cannot read the mount frame: %s", strerror(error));
	} else {
		/* From here on a file system may be asked that never answers: then only a signal gets us out. */
		(void)alarm(START_TIME);
		error = take_frame(conn, peer, &sender, buf, len, out, why, whylen);
	}
	free(buf);
	if (error != 0) {
		if (out->daemon >= 0)
			(void)close(out->daemon);
		if (out->at >= 0)
			(void)close(out->at);
		out->daemon = out->at = -1;
	}
	return error;
}

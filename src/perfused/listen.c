/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket that peers connect to. It is bound under a temporary name, given its mode, and renamed into place, so that nobody
 * meets it half made; before that, a connection attempt tells a running perfused from the remains of one.
 * Where the system has no SOCK_SEQPACKET, a SOCK_DGRAM socket does: nothing can be accepted there, so the very socket on
 * which the first packet lies becomes that peer's, and a new one takes its name. Who sent the packet is read from the
 * kernel's credentials by looking at it without taking it; its contents are the engine's to read.
 */
#include "perfused/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

struct listener {
	struct sockaddr_un sun;
	mode_t mode;
	int type;  /* SOCK_SEQPACKET, or SOCK_DGRAM */
	int fd;    /* -1: to be made anew */
	dev_t dev; /* of what we bound, to remove no other */
	ino_t ino;
};

/* A socket of the best type there is. Only a system without SOCK_SEQPACKET gets the other. 0 or errno. */
static int
best_socket(int *type, int *out)
{
	*type = SOCK_SEQPACKET;
	*out = socket(AF_UNIX, *type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*out < 0 && errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS) {
		*type = SOCK_DGRAM;
		*out = socket(AF_UNIX, *type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	return *out < 0 ? errno : 0;
}

/* Whether somebody listens at the path. 0: nobody; EADDRINUSE; EEXIST: it is no socket; or errno. */
static int
probe(const struct sockaddr_un *sun)
{
	struct stat st;
	int fd, type, error;

	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : errno;
	if (!S_ISSOCK(st.st_mode))
		return EEXIST;
	if ((error = best_socket(&type, &fd)) != 0)
		return error;
	error = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? errno : 0;
	(void)close(fd);
	/* Refused: its owner is gone. Not the same type, full, or forbidden: somebody is there. */
	return error == ECONNREFUSED || error == ENOENT ? 0 : EADDRINUSE;
}

/* Bind a socket under the listener's name, in place of what is there. 0 or errno. */
static int
make_socket(struct listener *l)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const int on = 1;
	const char *slash = strrchr(l->sun.sun_path, '/');
	struct stat st;
	int fd, error;

	if ((size_t)snprintf(sun.sun_path, sizeof(sun.sun_path), "%.*s/.%d", (int)(slash - l->sun.sun_path),
		l->sun.sun_path, getpid()) >= sizeof(sun.sun_path))
		return ENAMETOOLONG;
	if ((error = best_socket(&l->type, &fd)) != 0)
		return error;
	(void)unlink(sun.sun_path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		error = errno;
		(void)close(fd);
		return error;
	}
	if (chmod(sun.sun_path, l->mode) < 0 || stat(sun.sun_path, &st) < 0 ||
	    (l->type == SOCK_SEQPACKET ? listen(fd, 128) : setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on))) <
		0 ||
	    rename(sun.sun_path, l->sun.sun_path) < 0) {
		error = errno;
		(void)unlink(sun.sun_path);
		(void)close(fd);
		return error;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	l->fd = fd;
	return 0;
}

int
listener_new(const char *path, uid_t uid, struct listener **out, char *why, size_t whylen)
{
	struct listener *l = calloc(1, sizeof(*l));
	int error;

	if (l == NULL) {
		(void)snprintf(why, whylen, "out of memory");
		return ENOMEM;
	}
	*l = (struct listener){ .sun.sun_family = AF_UNIX, .mode = uid == 0 ? 0666 : 0600, .fd = -1 };
	if (path[0] != '/') /* the working directory is about to change */
		error = EINVAL;
	else if (strlcpy(l->sun.sun_path, path, sizeof(l->sun.sun_path)) >= sizeof(l->sun.sun_path))
		error = ENAMETOOLONG;
	else if ((error = probe(&l->sun)) == 0)
		error = make_socket(l);
	if (error != 0) {
		if (error == EADDRINUSE)
			(void)snprintf(why, whylen, "another perfused listens on %s", path);
		else if (error == EINVAL)
			(void)snprintf(why, whylen, "cannot listen on %s: the path is not absolute", path);
		else if (error == EEXIST)
			(void)snprintf(why, whylen, "%s exists and is not a socket", path);
		else
			(void)snprintf(why, whylen, "cannot listen on %s: %s", path, strerror(error));
		free(l);
		return error;
	}
	if (l->type == SOCK_DGRAM)
		log_warn("this system has no SOCK_SEQPACKET: using SOCK_DGRAM, on which a peer's end is not noticed");
	*out = l;
	return 0;
}

int
listener_fd(const struct listener *l)
{
	return l->fd;
}

/* Who sent the packet that lies on the DGRAM socket: looked at, not taken. 0 or errno. */
static int
peek_sender(int fd, struct fdp_cred *peer)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct ucred))]; /* no room for descriptors: none is installed */
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};

	if (recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT) < 0)
		return errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		struct ucred uc;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
		    c->cmsg_len < CMSG_LEN(sizeof(uc)))
			continue;
		memcpy(&uc, CMSG_DATA(c), sizeof(uc));
		*peer = (struct fdp_cred){ .pid = uc.pid, .uid = uc.uid, .gid = uc.gid };
		return 0;
	}
	return ECONNABORTED;
}

int
listener_take(struct listener *l, int *conn, struct fdp_cred *peer)
{
	static const struct fdp_cred nobody = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	int error;

	if (l->fd < 0 && (error = make_socket(l)) != 0)
		return error;
	if (l->type == SOCK_SEQPACKET) {
		if ((*conn = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC)) < 0)
			return errno == EWOULDBLOCK ? EAGAIN : errno;
		if (fdp_peer(*conn, peer) != 0)
			*peer = nobody;
		return 0;
	}
	if ((error = peek_sender(l->fd, peer)) == ECONNABORTED)
		*peer = nobody;
	else if (error != 0)
		return error;
	*conn = l->fd;
	l->fd = -1;
	if ((error = make_socket(l)) != 0)
		log_err("cannot listen on %s: %s", l->sun.sun_path, strerror(error));
	return 0;
}

int
listener_free(struct listener *l)
{
	struct stat st;
	int fd;

	if (l == NULL)
		return -1;
	if (lstat(l->sun.sun_path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		(void)unlink(l->sun.sun_path);
	fd = l->fd;
	free(l);
	return fd;
}

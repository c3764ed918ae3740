/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The broker's clients, and its socket (broker.h). What runs here runs inside a daemon's process or a child of it: nothing is
 * kept between calls but descriptors. An abstract name belongs to whoever binds it; so each side asks the kernel who the
 * other is, and a name that a stranger took over gets no FUSE socket.
 */
#include "client/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "client/open.h"
#include "ctl/frame.h"

enum { BACKLOG = 64 };

int
broker_listen(int *out, char name[BROKER_NAME])
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sun);
	int fd, error = 0;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	/* Only the family: the kernel chooses a name of five letters. */
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sa_family_t)) != 0 || listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sun, &len) != 0)
		error = errno;
	size_t n = len - offsetof(struct sockaddr_un, sun_path);
	if (error == 0 && (n < 2 || n > BROKER_NAME || memchr(sun.sun_path + 1, '\0', n - 1) != NULL))
		error = EPROTO;
	if (error != 0) {
		(void)close(fd);
		return error;
	}
	memcpy(name, sun.sun_path + 1, n - 1);
	name[n - 1] = '\0';
	*out = fd;
	return 0;
}

bool
broker_named(void)
{
	const char *name = secure_getenv(BROKER_ENV);

	return name != NULL && *name != '\0';
}

/* A connection to the broker. 0, or errno with a line in why[]. */
static int
broker_connect(int *out, char *why, size_t whylen)
{
	const char *name = secure_getenv(BROKER_ENV);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct fdp_cred peer;
	int fd, error;

	if (name == NULL || *name == '\0')
		return client_fail(why, whylen, ENOENT, "%s is not set", BROKER_ENV);
	size_t n = strlen(name);
	if (n >= BROKER_NAME)
		return client_fail(why, whylen, EINVAL, "%s names no broker", BROKER_ENV);
	memcpy(sun.sun_path + 1, name, n);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return client_fail(why, whylen, errno, "cannot make a local socket: %s", strerror(errno));
	error = 0;
	if (connect(fd, (struct sockaddr *)&sun, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)) != 0)
		error = client_fail(why, whylen, errno, "the supervisor of perfuse mount cannot be reached: %s",
		    errno == ECONNREFUSED ? "it has ended, or is in another network namespace" : strerror(errno));
	else if (fdp_peer(fd, &peer) != 0 || (peer.uid != geteuid() && peer.uid != 0))
		error = client_fail(why, whylen, EPERM, "the supervisor of perfuse mount is another user's");
	if (error != 0)
		(void)close(fd);
	else
		*out = fd;
	return error;
}

int
broker_open(bool start, int *fd, char *why, size_t whylen)
{
	return broker_named() ? broker_connect(fd, why, whylen) : client_session(start, fd, why, whylen);
}

/* Ask the broker on fd, which then becomes the daemon's end of a socketpair, whatever it was. 0, or errno with a line in why[]. */
static int
become_pair(int fd, struct client_mount *m, char *why, size_t whylen)
{
	int sv[2] = { -1, -1 }, error, flags = fcntl(fd, F_GETFD), status = fcntl(fd, F_GETFL);
	size_t sndbuf = 0;

	error = flags < 0 || status < 0 ? errno : fdp_pair(SOCK_SEQPACKET, sv);
	if (error != 0)
		return client_fail(why, whylen, error, "cannot make a socket pair: %s", strerror(error));
	error = fdp_buffers(sv[0], client_bufsize(), &sndbuf);
	if (error == 0)
		error = fdp_buffers(sv[1], client_bufsize(), NULL);
	if (error != 0) {
		client_fail(why, whylen, error, "cannot set a socket's buffers: %s", strerror(error));
	} else {
		m->fuse_sock = sv[1];
		m->sndbuf = (uint32_t)sndbuf;
		/* fd stays blocking until the answer has come. */
		(void)fcntl(fd, F_SETFL, status & ~O_NONBLOCK);
		error = client_ask(fd, m, BROKER_ASK_MS, why, whylen);
	}
	if (error == 0) {
		(void)fcntl(sv[0], F_SETFL, status);
		if (dup3(sv[0], fd, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0) < 0)
			error = client_fail(why, whylen, errno, "cannot place a descriptor: %s", strerror(errno));
	}
	(void)close(sv[0]);
	(void)close(sv[1]);
	return error;
}

int
broker_mount(int fd, const struct client_mount *m, char *why, size_t whylen)
{
	struct client_mount mine = *m;
	char *path = NULL;
	int error, size;
	socklen_t len = sizeof(size);

	error = client_absolute(m->target, &path, why, whylen);
	if (error != 0)
		return error;
	mine.target = path;
	if (broker_named()) {
		error = become_pair(fd, &mine, why, whylen);
	} else {
		mine.fuse_sock = -1;
		mine.sndbuf = getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) == 0 && size > 0 ? (uint32_t)size : 0;
		error = client_ask(fd, &mine, BROKER_ASK_MS, why, whylen);
	}
	free(path);
	return error;
}

int
broker_unmount(const char *path, bool lazy, char *why, size_t whylen)
{
	struct frame_request rq = { .code = FRAME_UNMOUNT, .flags = lazy ? MNT_DETACH : 0 };
	char text[FRAME_ANSWER_MAX] = "", *full = NULL, *packet = NULL;
	int fd = -1, error, failure = 0;
	uint32_t code = 0;

	if (!broker_named())
		return ENOENT;
	error = client_absolute(path, &full, why, whylen);
	if (error == 0) {
		rq.len = (uint32_t)(sizeof(rq) + strlen(full) + 1);
		packet = malloc(rq.len);
		if (packet == NULL)
			error = client_fail(why, whylen, ENOMEM, "out of memory");
	}
	if (error == 0)
		error = broker_connect(&fd, why, whylen);
	if (error == 0 && packet != NULL) {
		memcpy(packet, &rq, sizeof(rq));
		memcpy(packet + sizeof(rq), full, rq.len - sizeof(rq));
		error = fdp_send(fd, packet, rq.len, NULL, 0);
		if (error == 0)
			error = client_answer(fd, BROKER_ASK_MS, &code, &failure, text, sizeof(text));
		(void)close(fd);
		if (error != 0)
			client_fail(why, whylen, error, "the supervisor of perfuse mount: %s", strerror(error));
		else if (code != FRAME_ENDED)
			error = client_fail(why, whylen, failure != 0 ? failure : EPROTO, "%s",
			    text[0] != '\0' ? text : strerror(failure));
	}
	free(packet);
	free(full);
	return error;
}

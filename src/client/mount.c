/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asking perfused for a mount, and what is said about it afterwards. perfuse_mount() asks on the FUSE socket itself, which is
 * the daemon's again once the first answer has been read from it, and not a packet more: the next one is the daemon's INIT.
 * perfuse(1) asks on a control connection, sends the engine's end of a socket pair along, and keeps the connection.
 *
 * Datagram sockets know no connection back, so perfused needs a name to send the answer to. It is one in the user's
 * own run directory and is removed when the answer has come: by then the engine is connected.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "client/client.h"
#include "client/open.h"
#include "ctl/frame.h"
#include "ctl/mountopts.h"
#include "ctl/rundir.h"
#include "perfuse.h"

enum {
	MOUNT_MS = 30 * 1000,
	REPLY_TRIES = 1000, /* names left behind by a process that had our pid */
};

/* The value of an integer socket option, or -1. */
static int
option_of(int sock, int option)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(sock, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

/* Milliseconds left until the deadline (UINT64_MAX: for ever), as poll() takes them. */
static int
left_ms(uint64_t deadline)
{
	if (deadline == UINT64_MAX)
		return -1;
	uint64_t now = clock_ns();
	return now < deadline ? (int)((deadline - now + CLOCK_MSEC - 1) / CLOCK_MSEC) : 0;
}

static uint64_t
deadline_after(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : clock_ns() + (uint64_t)timeout_ms * CLOCK_MSEC;
}

/* Put what went wrong on the way into words. */
static int
no_answer(char *why, size_t whylen, int error)
{
	switch (error) {
	case ETIMEDOUT:
		return client_fail(why, whylen, error, "perfused did not answer in time; see its log");
	case ECONNRESET:
	case EPIPE:
		return client_fail(
		    why, whylen, ECONNRESET, "perfused closed the connection without an answer; see its log");
	case EPROTO:
		return client_fail(
		    why, whylen, error, "perfused's answer makes no sense; is it of the same version as this program?");
	default:
		return client_fail(why, whylen, error, "cannot talk to perfused: %s", strerror(error));
	}
}

/*
 * Give a datagram socket that is connected to a service (its peer has a name) a name of its own, in path[]; else leave path[]
 * empty. 0, or errno with a line in why[].
 */
static int
name_reply(int sock, char path[sizeof(((struct sockaddr_un *)0)->sun_path)], char *why, size_t whylen)
{
	static atomic_uint counter;
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	char *dir;

	path[0] = '\0';
	if (option_of(sock, SO_TYPE) != SOCK_DGRAM || getpeername(sock, (struct sockaddr *)&sun, &len) != 0 ||
	    len <= offsetof(struct sockaddr_un, sun_path))
		return 0;
	int error = rundir_make(geteuid(), &dir);
	if (error != 0)
		return client_fail(
		    why, whylen, error, "cannot make a run directory for the reply socket: %s", strerror(error));
	error = EADDRINUSE;
	sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	for (int i = 0; i < REPLY_TRIES && error == EADDRINUSE; i++) {
		int n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/reply-%ld-%u", dir, (long)getpid(),
		    atomic_fetch_add(&counter, 1));
		if ((size_t)n >= sizeof(sun.sun_path))
			error = ENAMETOOLONG;
		else
			error = bind(sock, (const struct sockaddr *)&sun, sizeof(sun)) == 0 ? 0 : errno;
	}
	if (error == EINVAL)
		client_fail(why, whylen, error, "this descriptor was mounted with before; open /dev/fuse again");
	else if (error != 0)
		client_fail(why, whylen, error, "cannot make a reply socket in %s: %s", dir, strerror(error));
	else
		memcpy(path, sun.sun_path, sizeof(sun.sun_path));
	free(dir);
	return error;
}

/* Send one packet, with pass (-1: none) along. 0, ETIMEDOUT or errno. */
static int
send_packet(int sock, const void *data, size_t len, int pass, uint64_t deadline)
{
	struct pollfd pfd = { .fd = sock, .events = POLLOUT };
	int n;

	/* A service that reads nothing would hold fdp_send() for ever. */
	while ((n = poll(&pfd, 1, left_ms(deadline))) < 0)
		if (errno != EINTR)
			return errno;
	if (n == 0)
		return ETIMEDOUT;
	return fdp_send(sock, data, len, &pass, pass >= 0 ? 1 : 0);
}

/*
 * Ask for a mount on sock and wait for the first answer. 0: mounted. Else errno with a line in why[], and, unless
 * perfused itself said that it failed, the connection is shut down so that nothing is mounted later.
 */
static int
ask(int sock, const struct frame_strings *strings, uint32_t mountflags, uint32_t sndbuf, int pass, int timeout_ms,
    char *why, size_t whylen)
{
	char reply[sizeof(((struct sockaddr_un *)0)->sun_path)], text[FRAME_ANSWER_MAX];
	struct frame_strings s = *strings;
	uint64_t deadline = deadline_after(timeout_ms);
	uint32_t code = 0;
	int failure = 0;
	void *frame;
	size_t len;

	int error = name_reply(sock, reply, why, whylen);
	if (error != 0)
		return error;
	if (reply[0] != '\0')
		s.sock = reply;
	error = frame_build(&s, mountflags, sndbuf, pass >= 0 ? FRAME_F_CONTROL : 0, &frame, &len);
	if (error != 0) {
		client_fail(why, whylen, error,
		    error == EMSGSIZE ? "the mount options or names are too long" : "out of memory");
		goto out;
	}
	error = send_packet(sock, frame, len, pass, deadline);
	free(frame);
	/* When sending met a closed connection, the reason may already be waiting to be read. */
	if (error == 0 || error == EPIPE || error == ECONNRESET)
		error = client_answer(sock, left_ms(deadline), &code, &failure, text, sizeof(text));
	if (error == 0 && code == FRAME_FAILED) {
		error = client_fail(why, whylen, failure, "%s", text[0] != '\0' ? text : strerror(failure));
	} else if (error != 0 || code != FRAME_MOUNTED) {
		error = no_answer(why, whylen, error != 0 ? error : EPROTO);
		shutdown(sock, SHUT_RDWR);
	}
out:
	if (reply[0] != '\0')
		unlink(reply);
	return error;
}

int
client_ask(int sock, const struct client_mount *m, int timeout_ms, char *why, size_t whylen)
{
	const struct frame_strings strings = { m->source, m->target, m->filesystemtype, m->data, NULL };

	return ask(sock, &strings, m->flags, m->sndbuf, m->fuse_sock, timeout_ms, why, whylen);
}

int
client_mount(const struct client_mount *m, int timeout_ms, int *control, char *why, size_t whylen)
{
	int fd;

	if (m->target == NULL || m->target[0] != '/')
		return client_fail(why, whylen, EINVAL, "the mountpoint must be an absolute path");
	int error = client_connect(&fd, NULL, why, whylen);
	if (error != 0)
		return error;
	error = client_ask(fd, m, timeout_ms, why, whylen);
	if (error != 0)
		close(fd);
	else
		*control = fd;
	return error;
}

int
client_answer(int control, int timeout_ms, uint32_t *code, int *error, char *text, size_t textlen)
{
	union {
		struct frame_answer hdr; /* for the alignment */
		char bytes[FRAME_ANSWER_MAX];
	} packet;
	struct frame_answer answer;
	const char *line;
	unsigned nfds;
	size_t len;

	int result = fdp_recv(control, &packet, sizeof(packet), &len, NULL, 0, &nfds, NULL, timeout_ms);
	/* Said once, when the peer closed with something unread: what it sent before is still to be had. */
	if (result == ECONNRESET)
		result = fdp_recv(control, &packet, sizeof(packet), &len, NULL, 0, &nfds, NULL, timeout_ms);
	if (result == EMSGSIZE)
		return EPROTO;
	if (result != 0)
		return result;
	if (len == 0)
		return ECONNRESET;
	if (frame_answer_parse(&packet, len, &answer, &line) != 0)
		return EPROTO;
	*code = answer.code;
	*error = answer.error;
	client_fail(text, textlen, 0, "%s", line);
	return 0;
}

int
client_unmount(int control, bool lazy, int timeout_ms, char *why, size_t whylen)
{
	struct frame_request request = {
		.len = sizeof(request),
		.code = FRAME_UNMOUNT,
		.flags = lazy ? MNT_DETACH : 0,
	};
	uint64_t deadline = deadline_after(timeout_ms);
	char text[FRAME_ANSWER_MAX];
	uint32_t code;
	int failure;

	int error = send_packet(control, &request, sizeof(request), -1, deadline);
	if (error != 0 && error != EPIPE && error != ECONNRESET)
		return no_answer(why, whylen, error);
	/* If it is gone, FRAME_ENDED may wait to be read; if it is not, so may FRAME_READY. */
	for (;;) {
		error = client_answer(control, left_ms(deadline), &code, &failure, text, sizeof(text));
		if (error != 0)
			return no_answer(why, whylen, error);
		if (code == FRAME_ENDED)
			return 0;
		if (code == FRAME_FAILED)
			return client_fail(why, whylen, failure, "%s", text[0] != '\0' ? text : strerror(failure));
	}
}

int
client_absolute(const char *target, char **out, char *why, size_t whylen)
{
	char cwd[PATH_MAX] = "";

	*out = NULL;
	if (target[0] == '\0')
		return client_fail(why, whylen, ENOENT, "the mountpoint is an empty string");
	if (target[0] == '/') {
		*out = strdup(target);
	} else if (getcwd(cwd, sizeof(cwd)) == NULL || cwd[0] != '/') {
		int error = cwd[0] != '\0' ? ENOENT : errno; /* "(unreachable)/..." */
		return client_fail(
		    why, whylen, error, "%s: the current directory has no path: %s", target, strerror(error));
	} else if (asprintf(out, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, target) < 0) {
		*out = NULL;
	}
	if (*out == NULL)
		return client_fail(why, whylen, ENOMEM, "out of memory");
	if (strlen(*out) >= PATH_MAX) {
		free(*out);
		*out = NULL;
		return client_fail(why, whylen, ENAMETOOLONG, "the mountpoint's path is too long");
	}
	return 0;
}

/* The descriptor that the mount data names, checked to be one of perfuse_open()'s kind. 0, or errno with a line in why[]. */
static int
fuse_socket(const char *data, int *fd, char *why, size_t whylen)
{
	struct mountopts o;
	char *bad;

	int error = mountopts_parse(data, &o, &bad);
	if (error == EINVAL)
		client_fail(why, whylen, error, "mount option \"%s\" is wrong", bad);
	else if (error != 0)
		client_fail(why, whylen, error, "out of memory");
	if (error != 0) {
		free(bad);
		return error;
	}
	*fd = o.fd;
	mountopts_free(&o);
	if (*fd < 0)
		return client_fail(why, whylen, EINVAL, "the mount data has no fd=");
	int type = option_of(*fd, SO_TYPE);
	if (option_of(*fd, SO_DOMAIN) != AF_UNIX || (type != SOCK_SEQPACKET && type != SOCK_DGRAM))
		return client_fail(
		    why, whylen, EINVAL, "fd=%d is not a socket; it must come from perfuse_open(\"/dev/fuse\")", *fd);
	return 0;
}

CLIENT_EXPORT int
perfuse_mount(const char *source, const char *target, const char *filesystemtype, long mountflags, const void *data)
{
	struct frame_strings strings = { source, NULL, filesystemtype, data, NULL };
	char why[CLIENT_WHY_MAX], *path = NULL;
	int fd;

	if (target == NULL)
		return client_refuse(EINVAL, "the mountpoint is NULL");
	if ((mountflags & MS_MGC_MSK) == MS_MGC_VAL)
		mountflags &= ~(long)MS_MGC_MSK; /* as mount(2) */
	if (mountflags < 0 || mountflags > UINT32_MAX)
		return client_refuse(EINVAL, "unknown mount flags");
	int error = fuse_socket(data, &fd, why, sizeof(why));
	if (error == 0)
		error = client_absolute(target, &path, why, sizeof(why));
	if (error != 0)
		return client_refuse(error, why);
	strings.target = path;
	int sndbuf = option_of(fd, SO_SNDBUF);
	error =
	    ask(fd, &strings, (uint32_t)mountflags, sndbuf > 0 ? (uint32_t)sndbuf : 0, -1, MOUNT_MS, why, sizeof(why));
	free(path);
	return error == 0 ? 0 : client_refuse(error, why);
}

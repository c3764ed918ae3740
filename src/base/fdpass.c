/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets, descriptors and credentials over Unix sockets. These are the control paths (a mount frame, a record to the
 * parent), not the FUSE messages themselves. Sending and receiving work on blocking and non-blocking sockets alike.
 * Descriptors are the delicate part: the kernel installs whatever the peer sent before we see it, so each path out of
 * fdp_recv() either hands a descriptor to the caller or closes it. Room for control data is small on purpose: what does not
 * fit is never installed. A packet of no bytes cannot be told from end of file, so none is ever sent.
 */
#include "base/fdpass.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for the control messages there can be: descriptors, and credentials when the socket has SO_PASSCRED. */
union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(FDP_MAX_FDS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

int
fdp_pair(int type, int sv[2])
{
	return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv) < 0 ? errno : 0;
}

/* One direction of fdp_buffers(): past the limit if we may, else up to it; never make a buffer that is enough smaller. */
static int
set_buffer(int sock, int force, int plain, int want)
{
	int now;
	socklen_t len = sizeof(now);

	if (setsockopt(sock, SOL_SOCKET, force, &want, sizeof(want)) == 0)
		return 0;
	if (errno != EPERM)
		return errno;
	if (getsockopt(sock, SOL_SOCKET, plain, &now, &len) < 0)
		return errno;
	if (now >= want)
		return 0;
	return setsockopt(sock, SOL_SOCKET, plain, &want, sizeof(want)) < 0 ? errno : 0;
}

int
fdp_buffers(int sock, size_t want, size_t *sndbuf)
{
	/* The kernel doubles what it is given, to have room for its books: more than half would overflow. */
	int value = want > INT_MAX / 2 ? INT_MAX / 2 : (int)want, error;
	socklen_t len = sizeof(value);

	if ((error = set_buffer(sock, SO_SNDBUFFORCE, SO_SNDBUF, value)) != 0)
		return error;
	if ((error = set_buffer(sock, SO_RCVBUFFORCE, SO_RCVBUF, value)) != 0)
		return error;
	if (getsockopt(sock, SOL_SOCKET, SO_SNDBUF, &value, &len) < 0)
		return errno;
	if (sndbuf != NULL)
		*sndbuf = (size_t)value;
	return 0;
}

/* Wait until sock is ready for events, or until deadline (UINT64_MAX: none). 0, ETIMEDOUT or errno. */
static int
wait_for(int sock, short events, uint64_t deadline)
{
	struct pollfd pfd = { .fd = sock, .events = events };

	for (;;) {
		int ms = -1, n;

		if (deadline != UINT64_MAX) {
			uint64_t now = clock_ns();

			/* Rounded up, or the last millisecond would be spent polling without waiting. */
			ms = now >= deadline ? 0 : (int)((deadline - now + CLOCK_MSEC - 1) / CLOCK_MSEC);
		}
		n = poll(&pfd, 1, ms);
		if (n > 0)
			return 0;
		if (n == 0)
			return ETIMEDOUT;
		if (errno != EINTR)
			return errno;
	}
}

int
fdp_send(int sock, const void *data, size_t len, const int *fds, unsigned nfds)
{
	const uint8_t *p = data;
	union control control = { 0 };
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (len == 0 || nfds > FDP_MAX_FDS)
		return EINVAL;
	if (nfds > 0) {
		struct cmsghdr *cmsg = &control.align;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	}
	while (len > 0) {
		ssize_t n;
		int error;

		iov.iov_base = (void *)(uintptr_t)p;
		iov.iov_len = len;
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
		if (n >= 0) {
			/* All of a packet; a stream may have taken less, and has the descriptors then. */
			p += n;
			len -= (size_t)n;
			msg.msg_control = NULL;
			msg.msg_controllen = 0;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if ((error = wait_for(sock, POLLOUT, UINT64_MAX)) != 0)
				return error;
		} else if (errno != EINTR) {
			return errno;
		}
	}
	return 0;
}

static void
close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		(void)close(fds[i]);
}

/*
 * Take the descriptors (at most max, the rest is closed) and the credentials out of a received message. A control message
 * that was cut short is fine when it is the surplus that is missing; else the system could not give us all.
 */
static int
take_control(struct msghdr *msg, int *fds, unsigned max, unsigned *nfds, struct fdp_cred *cred)
{
	unsigned seen = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_len < CMSG_LEN(0))
			continue;
		if (c->cmsg_type == SCM_RIGHTS) {
			size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

			for (size_t i = 0; i < n; i++) {
				int fd;

				memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
				if (seen < max)
					fds[seen++] = fd;
				else
					(void)close(fd);
			}
		} else if (c->cmsg_type == SCM_CREDENTIALS && cred != NULL &&
			   c->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
			struct ucred uc;

			memcpy(&uc, CMSG_DATA(c), sizeof(uc));
			*cred = (struct fdp_cred){ .pid = uc.pid, .uid = uc.uid, .gid = uc.gid };
		}
	}
	if ((msg->msg_flags & MSG_CTRUNC) != 0 && seen < max) {
		close_all(fds, seen);
		return EMFILE;
	}
	*nfds = seen;
	return 0;
}

int
fdp_recv(int sock, void *data, size_t room, size_t *len, int *fds, unsigned max, unsigned *nfds, struct fdp_cred *cred,
    int timeout_ms)
{
	uint64_t deadline = timeout_ms < 0 ? UINT64_MAX : clock_ns() + (uint64_t)timeout_ms * CLOCK_MSEC;
	union control control;
	struct iovec iov = { .iov_base = data, .iov_len = room };
	struct msghdr msg;
	ssize_t n;
	int error;

	assert(max <= FDP_MAX_FDS);
	*len = 0;
	*nfds = 0;
	if (cred != NULL)
		*cred = (struct fdp_cred){ .pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	for (;;) {
		msg = (struct msghdr){
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
		};
		n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n >= 0)
			break;
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if ((error = wait_for(sock, POLLIN, deadline)) != 0)
				return error;
		} else if (errno != EINTR) {
			return errno;
		}
	}
	if ((error = take_control(&msg, fds, max, nfds, cred)) == 0 && (msg.msg_flags & MSG_TRUNC) != 0)
		error = EMSGSIZE;
	if (error != 0 || n == 0) {
		close_all(fds, *nfds);
		*nfds = 0;
	}
	if (error == 0)
		*len = (size_t)n;
	return error;
}

int
fdp_peer(int sock, struct fdp_cred *cred)
{
	struct ucred uc;
	socklen_t len = sizeof(uc);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &uc, &len) < 0)
		return errno;
	*cred = (struct fdp_cred){ .pid = uc.pid, .uid = uc.uid, .gid = uc.gid };
	return 0;
}

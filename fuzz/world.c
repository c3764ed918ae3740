/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world of world.h. Loop and sockets are one file because a descriptor is ready exactly when its queue says so.
 * The order of a round is that of the real loop: the soon callbacks armed before it, then descriptors. Watchers deleted during a round
 * are freed after it.
 */
#include "world.h"

#include <bsd/sys/queue.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "fuzz.h"

enum {
	FD_BASE = 1 << 20, /* descriptors from here on are ours */
	ENDS = 16,
	LIMIT = 256,      /* packets that a socket holds, unless world_limit() says otherwise */
	SNDBUF = 4 << 20, /* what SO_SNDBUF says */
	ROUNDS = 100000,  /* more than any run needs to come to rest */
};

/* ---- sockets ---- */

struct packet {
	TAILQ_ENTRY(packet) link;
	size_t len;
	uint8_t data[];
};
TAILQ_HEAD(packets, packet);

static struct end {
	unsigned refs; /* 0: not open */
	struct end *peer;
	struct packets in; /* for us */
	unsigned n, limit; /* packets in it, and how many we may have at the peer's */
	int type, fail;
	bool event; /* an eventfd(2), which has count instead of packets */
	uint64_t count;
	int (*sink)(const void *packet, size_t len);
} ends[ENDS];

static int fd_end[2 * ENDS]; /* place in ends + 1 of each descriptor; 0: closed */

static struct end *
end_of(int fd)
{
	if (fd < FD_BASE)
		return NULL;
	MUST(fd - FD_BASE < 2 * ENDS && fd_end[fd - FD_BASE] != 0); /* closed, or never open */
	return &ends[fd_end[fd - FD_BASE] - 1];
}

static int
fd_new(struct end *e)
{
	int i = 0;

	while (fd_end[i] != 0)
		MUST(++i < 2 * ENDS);
	fd_end[i] = (int)(e - ends) + 1;
	e->refs++;
	return FD_BASE + i;
}

static void
packet_free(struct end *e, struct packet *p)
{
	TAILQ_REMOVE(&e->in, p, link);
	e->n--;
	free(p);
}

static void
fd_close(int fd)
{
	struct end *e = end_of(fd);

	fd_end[fd - FD_BASE] = 0;
	if (--e->refs > 0)
		return;
	while (!TAILQ_EMPTY(&e->in))
		packet_free(e, TAILQ_FIRST(&e->in));
	if (e->peer != NULL)
		e->peer->peer = NULL;
	e->peer = NULL;
}

static bool
full(const struct end *e)
{
	return e->peer != NULL && e->sink == NULL && e->peer->n >= e->limit;
}

/* 0 or errno. */
static int
put(struct end *e, const struct iovec *iov, size_t n)
{
	struct packet *p;
	size_t len = 0;
	int error = e->fail;

	e->fail = 0;
	if (error != 0)
		return error;
	if (e->peer == NULL)
		return EPIPE;
	if (full(e))
		return EAGAIN;
	for (size_t i = 0; i < n; i++)
		len += iov[i].iov_len;
	MUST((p = malloc(sizeof(*p) + len)) != NULL);
	p->len = 0;
	for (size_t i = 0; i < n; i++) {
		if (iov[i].iov_len > 0)
			memcpy(p->data + p->len, iov[i].iov_base, iov[i].iov_len);
		p->len += iov[i].iov_len;
	}
	if (e->sink != NULL) {
		world_give_way();
		error = e->peer == NULL ? ENODEV : e->sink(p->data, p->len);
		free(p);
		return error;
	}
	TAILQ_INSERT_TAIL(&e->peer->in, p, link);
	e->peer->n++;
	return 0;
}

/* As recv(2): the packet's bytes up to room; its whole length with MSG_TRUNC. */
static ssize_t
get(struct end *e, void *out, size_t room, bool whole)
{
	struct packet *p = TAILQ_FIRST(&e->in);
	ssize_t n;

	if (p == NULL) {
		if (e->peer == NULL)
			return 0;
		errno = EAGAIN;
		return -1;
	}
	n = (ssize_t)(p->len < room ? p->len : room);
	memcpy(out, p->data, (size_t)n);
	if (whole)
		n = (ssize_t)p->len;
	packet_free(e, p);
	return n;
}

static ssize_t
put_result(struct end *e, const struct iovec *iov, size_t n)
{
	ssize_t len = 0;
	int error = put(e, iov, n);

	if (error != 0) {
		errno = error;
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		len += (ssize_t)iov[i].iov_len;
	return len;
}

void
world_limit(int fd, unsigned packets)
{
	end_of(fd)->limit = packets;
}

void
world_sink(int fd, int (*fn)(const void *packet, size_t len))
{
	end_of(fd)->sink = fn;
}

void
world_fail(int fd, int error)
{
	struct end *from = end_of(fd)->peer;

	if (from != NULL)
		from->fail = error;
}

size_t
world_take(int fd, uint8_t **packet)
{
	struct end *e = end_of(fd);
	struct packet *p = TAILQ_FIRST(&e->in);
	size_t len;

	if (p == NULL || p->len == 0)
		return 0;
	len = p->len;
	MUST((*packet = malloc(len)) != NULL);
	memcpy(*packet, p->data, len);
	packet_free(e, p);
	return len;
}

bool
world_send(int fd, const void *packet, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)packet, len };

	return put(end_of(fd), &iov, 1) == 0;
}

unsigned
world_open(void)
{
	unsigned n = 0;

	for (int i = 0; i < ENDS; i++)
		n += ends[i].refs;
	return n;
}

/* ---- system calls ---- */

WORLD_WRAP(int, socketpair, int domain, int type, int protocol, int sv[2])
{
	struct end *e[2];
	int i = 0;

	if (domain != AF_UNIX)
		return __real_socketpair(domain, type, protocol, sv);
	for (int side = 0; side < 2; side++, i++) {
		while (ends[i].refs != 0)
			MUST(++i < ENDS);
		e[side] = &ends[i];
		*e[side] = (struct end){ .limit = LIMIT, .type = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK) };
		TAILQ_INIT(&e[side]->in);
		sv[side] = fd_new(e[side]);
	}
	e[0]->peer = e[1];
	e[1]->peer = e[0];
	return 0;
}

WORLD_WRAP(ssize_t, sendmsg, int fd, const struct msghdr *mh, int flags)
{
	struct end *e = end_of(fd);

	return e == NULL ? __real_sendmsg(fd, mh, flags) : put_result(e, mh->msg_iov, mh->msg_iovlen);
}

WORLD_WRAP(ssize_t, send, int fd, const void *data, size_t len, int flags)
{
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct end *e = end_of(fd);

	return e == NULL ? __real_send(fd, data, len, flags) : put_result(e, &iov, 1);
}

WORLD_WRAP(ssize_t, write, int fd, const void *data, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct end *e = end_of(fd);

	if (fd == STDERR_FILENO && getenv("FUZZ_LOG") == NULL)
		return (ssize_t)len; /* the engine's log */
	return e == NULL ? __real_write(fd, data, len) : put_result(e, &iov, 1);
}

WORLD_WRAP(ssize_t, writev, int fd, const struct iovec *iov, int n)
{
	struct end *e = end_of(fd);

	return e == NULL ? __real_writev(fd, iov, n) : put_result(e, iov, (size_t)n);
}

WORLD_WRAP(ssize_t, recv, int fd, void *out, size_t room, int flags)
{
	struct end *e = end_of(fd);

	return e == NULL ? __real_recv(fd, out, room, flags) : get(e, out, room, (flags & MSG_TRUNC) != 0);
}

WORLD_WRAP(ssize_t, read, int fd, void *out, size_t room)
{
	struct end *e = end_of(fd);

	return e == NULL ? __real_read(fd, out, room) : get(e, out, room, false);
}

WORLD_WRAP(int, close, int fd)
{
	if (end_of(fd) == NULL)
		return __real_close(fd);
	fd_close(fd);
	return 0;
}

static int
control(const struct end *e, int cmd)
{
	switch (cmd) {
	case F_GETFL:
		return O_RDWR | O_NONBLOCK;
	case F_SETFL:
	case F_SETFD:
		return 0;
	case F_GETFD:
		return FD_CLOEXEC;
	case F_DUPFD_CLOEXEC:
		return fd_new(&ends[e - ends]);
	default:
		errno = EINVAL;
		return -1;
	}
}

/* Two names, of which a program uses the one that its off_t has. The argument is passed on whatever it is, and where there is none. */
#define FCNTL(name)                                                                                                    \
	int __real_##name(int fd, int cmd, ...);                                                                       \
	int __wrap_##name(int fd, int cmd, ...);                                                                       \
	int __wrap_##name(int fd, int cmd, ...)                                                                        \
	{                                                                                                              \
		const struct end *e = end_of(fd);                                                                      \
		va_list ap;                                                                                            \
		long arg;                                                                                              \
                                                                                                                       \
		va_start(ap, cmd);                                                                                     \
		arg = va_arg(ap, long);                                                                                \
		va_end(ap);                                                                                            \
		return e == NULL ? __real_##name(fd, cmd, arg) : control(e, cmd);                                      \
	}

FCNTL(fcntl)
FCNTL(fcntl64)

WORLD_WRAP(int, getsockopt, int fd, int level, int name, void *value, socklen_t *len)
{
	struct end *e = end_of(fd);

	if (e == NULL)
		return __real_getsockopt(fd, level, name, value, len);
	MUST(level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_TYPE) && *len == sizeof(int));
	*(int *)value = name == SO_TYPE ? e->type : SNDBUF;
	return 0;
}

WORLD_WRAP(int, setsockopt, int fd, int level, int name, const void *value, socklen_t len)
{
	return end_of(fd) == NULL ? __real_setsockopt(fd, level, name, value, len) : 0;
}

WORLD_WRAP(int, eventfd, unsigned count, int flags)
{
	int i = 0;

	while (ends[i].refs != 0)
		MUST(++i < ENDS);
	ends[i] = (struct end){ .event = true, .count = count };
	TAILQ_INIT(&ends[i].in);
	return fd_new(&ends[i]);
}

WORLD_WRAP(int, eventfd_write, int fd, eventfd_t value)
{
	end_of(fd)->count += value;
	return 0;
}

WORLD_WRAP(int, eventfd_read, int fd, eventfd_t *value)
{
	struct end *e = end_of(fd);

	errno = EAGAIN;
	*value = e->count;
	e->count = 0;
	return *value != 0 ? 0 : -1;
}

static bool
readable(const struct end *e)
{
	return e->event ? e->count > 0 : e->peer == NULL || !TAILQ_EMPTY(&e->in);
}

static uint64_t now; /* nanoseconds; only world_tick() and poll(2) move it */

/* Only what the engine uses it for: waiting a moment for something to read. */
WORLD_WRAP(int, poll, struct pollfd *p, nfds_t n, int ms)
{
	bool ours = false;
	int found = 0;

	for (nfds_t i = 0; i < n; i++)
		ours |= p[i].fd >= 0 && end_of(p[i].fd) != NULL;
	if (!ours)
		return __real_poll(p, n, ms);
	for (int round = 0; round < 2 && found == 0; round++) {
		if (round == 1) {
			now += (uint64_t)ms * CLOCK_MSEC;
			(void)world_run_threads();
		}
		for (nfds_t i = 0; i < n; i++) {
			p[i].revents = p[i].fd >= 0 && readable(end_of(p[i].fd)) ? POLLIN : 0;
			found += p[i].revents != 0;
		}
	}
	return found;
}

/* ---- the loop ---- */

struct loop_io {
	TAILQ_ENTRY(loop_io) link;
	struct loop *loop;
	int fd;
	unsigned events;
	loop_io_fn *fn; /* NULL: deleted */
	void *arg;
};

struct loop_timer {
	TAILQ_ENTRY(loop_timer) link;
	struct loop *loop;
	loop_fn *fn;
	void *arg;
	uint64_t due; /* UINT64_MAX: does not run */
};

struct loop_soon {
	TAILQ_ENTRY(loop_soon) link;
	struct loop *loop;
	loop_fn *fn;
	void *arg;
	bool armed;
};

struct loop {
	TAILQ_HEAD(, loop_io) ios;
	TAILQ_HEAD(, loop_timer) timers;
	TAILQ_HEAD(, loop_soon) soon;
	unsigned in_round, watchers;
};

uint64_t
clock_ns(void)
{
	return now;
}

static void *
fresh(struct loop *loop, size_t size)
{
	void *p = calloc(1, size);

	MUST(p != NULL);
	if (loop != NULL)
		loop->watchers++;
	return p;
}

int
loop_new(struct loop **out)
{
	struct loop *loop = fresh(NULL, sizeof(*loop));

	TAILQ_INIT(&loop->ios);
	TAILQ_INIT(&loop->timers);
	TAILQ_INIT(&loop->soon);
	*out = loop;
	return 0;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	MUST(loop->watchers == 0 && loop->in_round == 0);
	free(loop);
}

static bool
run_soon(struct loop *loop)
{
	struct loop_soon mark = { .fn = NULL }, *s;
	bool any = false;

	TAILQ_INSERT_TAIL(&loop->soon, &mark, link);
	while ((s = TAILQ_FIRST(&loop->soon)) != &mark) {
		TAILQ_REMOVE(&loop->soon, s, link);
		s->armed = false;
		s->fn(s->arg);
		any = true;
	}
	TAILQ_REMOVE(&loop->soon, &mark, link);
	return any;
}

static unsigned
ready(const struct loop_io *io)
{
	struct end *e = end_of(io->fd);
	unsigned events = 0;

	MUST(e != NULL);
	if (readable(e))
		events |= LOOP_READ;
	if (!e->event && (e->peer == NULL || !full(e)))
		events |= LOOP_WRITE;
	return events & io->events;
}

bool
world_turn(struct loop *loop)
{
	struct loop_io *io, *next;
	bool any;

	MUST(loop->in_round++ == 0);
	any = run_soon(loop);
	any |= world_run_threads();
	for (io = TAILQ_FIRST(&loop->ios); io != NULL; io = next) {
		unsigned events = io->fn != NULL && io->events != 0 ? ready(io) : 0;

		if (events != 0) {
			io->fn(io->arg, events);
			any = true;
		}
		next = TAILQ_NEXT(io, link);
	}
	for (io = TAILQ_FIRST(&loop->ios); io != NULL; io = next) {
		next = TAILQ_NEXT(io, link);
		if (io->fn == NULL) {
			TAILQ_REMOVE(&loop->ios, io, link);
			free(io);
		}
	}
	loop->in_round--;
	return any;
}

void
world_settle(struct loop *loop)
{
	for (int i = 0; world_turn(loop); i++)
		MUST(i < ROUNDS);
}

bool
world_tick(struct loop *loop)
{
	struct loop_timer *t, *first = NULL;

	TAILQ_FOREACH (t, &loop->timers, link) {
		if (t->due != UINT64_MAX && (first == NULL || t->due < first->due))
			first = t;
	}
	if (first == NULL)
		return false;
	now = first->due;
	first->due = UINT64_MAX;
	first->fn(first->arg);
	return true;
}

void
loop_once(struct loop *loop, int wait)
{
	(void)world_turn(loop);
}

int
loop_io_add(struct loop *loop, int fd, unsigned events, loop_io_fn *fn, void *arg, struct loop_io **out)
{
	struct loop_io *io = fresh(loop, sizeof(*io));

	*io = (struct loop_io){ .loop = loop, .fd = fd, .events = events, .fn = fn, .arg = arg };
	TAILQ_INSERT_TAIL(&loop->ios, io, link);
	*out = io;
	return 0;
}

void
loop_io_set(struct loop_io *io, unsigned events)
{
	io->events = events;
}

void
loop_io_del(struct loop_io *io)
{
	struct loop *loop;

	if (io == NULL)
		return;
	loop = io->loop;
	loop->watchers--;
	io->fn = NULL;
	if (loop->in_round != 0) /* the round frees it */
		return;
	TAILQ_REMOVE(&loop->ios, io, link);
	free(io);
}

int
loop_timer_add(struct loop *loop, loop_fn *fn, void *arg, struct loop_timer **out)
{
	struct loop_timer *t = fresh(loop, sizeof(*t));

	*t = (struct loop_timer){ .loop = loop, .fn = fn, .arg = arg, .due = UINT64_MAX };
	TAILQ_INSERT_TAIL(&loop->timers, t, link);
	*out = t;
	return 0;
}

void
loop_timer_start(struct loop_timer *t, uint64_t ns)
{
	t->due = now + ns;
}

void
loop_timer_stop(struct loop_timer *t)
{
	t->due = UINT64_MAX;
}

void
loop_timer_del(struct loop_timer *t)
{
	if (t == NULL)
		return;
	t->loop->watchers--;
	TAILQ_REMOVE(&t->loop->timers, t, link);
	free(t);
}

int
loop_soon_add(struct loop *loop, loop_fn *fn, void *arg, struct loop_soon **out)
{
	struct loop_soon *s = fresh(loop, sizeof(*s));

	*s = (struct loop_soon){ .loop = loop, .fn = fn, .arg = arg };
	*out = s;
	return 0;
}

void
loop_soon_arm(struct loop_soon *s)
{
	if (s->armed)
		return;
	s->armed = true;
	TAILQ_INSERT_TAIL(&s->loop->soon, s, link);
}

void
loop_soon_del(struct loop_soon *s)
{
	if (s == NULL)
		return;
	s->loop->watchers--;
	if (s->armed)
		TAILQ_REMOVE(&s->loop->soon, s, link);
	free(s);
}

/* Not used by an engine; here, so that no other definition of the loop is drawn in. */

void
loop_run(struct loop *loop)
{
	abort();
}

void
loop_stop(struct loop *loop)
{
	abort();
}

int
loop_signal_add(struct loop *loop, int signo, loop_fn *fn, void *arg, struct loop_signal **out)
{
	return ENOSYS;
}

void
loop_signal_del(struct loop_signal *s)
{
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop over libev; no other file knows libev. One system call per wake-up (epoll_wait), and an epoll_ctl only where
 * what is watched for has changed since the last one: libev collects the changes of a round, so that watching for
 * LOOP_WRITE and thinking better of it costs nothing. Timers need no descriptor, signals share one.
 * libev drops a watcher's pending event when it is stopped and does not look at a watcher after calling it; that is why
 * watchers may be freed inside any callback. Each callback here is therefore the last thing its wrapper does.
 * "Soon" callbacks are a list of ours, run by an ev_prepare watcher, which is also what keeps the loop going when nothing
 * else is watched. libev has no way to report that memory ran out while a watcher is started: it prints a line and
 * aborts. It allocates a few bytes per descriptor number, once, so this can only happen while a process is starting up.
 */
#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/queue.h>

#include "base/clock.h"

/* libev's macros convert between its watcher structs, which start alike; that is its business and gcc's to warn of. */
#pragma GCC diagnostic ignored "-Wstrict-aliasing"
#pragma GCC diagnostic ignored "-Wparentheses"
#include <ev.h>

struct loop_soon {
	TAILQ_ENTRY(loop_soon) link;
	struct loop *loop;
	loop_fn *fn; /* NULL: the mark of run_soon() */
	void *arg;
	bool armed; /* on the loop's list */
};

struct loop {
	struct ev_loop *ev;
	ev_prepare prepare; /* runs the soon callbacks; always active */
	ev_idle idle;       /* active while the next poll must not wait */
	TAILQ_HEAD(, loop_soon) soon;
	bool in_soon;
};

struct loop_io {
	ev_io io;
	struct loop *loop;
	unsigned events;
	loop_io_fn *fn;
	void *arg;
};

struct loop_timer {
	ev_timer timer;
	struct loop *loop;
	loop_fn *fn;
	void *arg;
};

struct loop_signal {
	ev_signal signal;
	struct loop *loop;
	loop_fn *fn;
	void *arg;
};

/* Run the callbacks that are armed now; those they arm come in the next round, so that descriptors get their turn. */
static void
run_soon(struct ev_loop *ev, ev_prepare *w, int revents)
{
	struct loop *loop = w->data;
	struct loop_soon mark = { .fn = NULL }, *s;

	assert(!loop->in_soon);
	ev_idle_stop(ev, &loop->idle);
	if (TAILQ_EMPTY(&loop->soon))
		return;
	loop->in_soon = true;
	TAILQ_INSERT_TAIL(&loop->soon, &mark, link);
	while ((s = TAILQ_FIRST(&loop->soon)) != &mark) {
		TAILQ_REMOVE(&loop->soon, s, link);
		s->armed = false;
		s->fn(s->arg);
	}
	TAILQ_REMOVE(&loop->soon, &mark, link);
	loop->in_soon = false;
	if (!TAILQ_EMPTY(&loop->soon))
		ev_idle_start(ev, &loop->idle);
}

static void
idle_nothing(struct ev_loop *ev, ev_idle *w, int revents)
{
}

int
loop_new(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return ENOMEM;
	/* Not from the environment: it may be a stranger's. The signal mask is the program's own affair. */
	errno = 0;
	loop->ev = ev_loop_new(EVFLAG_NOENV | EVFLAG_NOSIGMASK | EVBACKEND_EPOLL | EVBACKEND_KQUEUE);
	if (loop->ev == NULL) {
		int error = errno != 0 ? errno : ENOMEM;

		free(loop);
		return error;
	}
	TAILQ_INIT(&loop->soon);
	ev_idle_init(&loop->idle, idle_nothing);
	ev_prepare_init(&loop->prepare, run_soon);
	loop->prepare.data = loop;
	ev_prepare_start(loop->ev, &loop->prepare);
	*out = loop;
	return 0;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	assert(TAILQ_EMPTY(&loop->soon));
	ev_idle_stop(loop->ev, &loop->idle);
	ev_prepare_stop(loop->ev, &loop->prepare);
	ev_loop_destroy(loop->ev);
	free(loop);
}

void
loop_run(struct loop *loop)
{
	ev_run(loop->ev, 0);
}

void
loop_once(struct loop *loop, int wait)
{
	/* A soon callback is an event, too: having run it, there is nothing more to wait for. */
	ev_run(loop->ev, wait && TAILQ_EMPTY(&loop->soon) ? EVRUN_ONCE : EVRUN_NOWAIT);
}

void
loop_stop(struct loop *loop)
{
	ev_break(loop->ev, EVBREAK_ONE);
}

static void
io_ready(struct ev_loop *ev, ev_io *w, int revents)
{
	struct loop_io *io = w->data;
	unsigned events = 0;

	if (revents & (EV_READ | EV_ERROR))
		events |= LOOP_READ;
	if (revents & (EV_WRITE | EV_ERROR))
		events |= LOOP_WRITE;
	io->fn(io->arg, events);
}

static int
io_mask(unsigned events)
{
	return (events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0);
}

int
loop_io_add(struct loop *loop, int fd, unsigned events, loop_io_fn *fn, void *arg, struct loop_io **out)
{
	struct loop_io *io = calloc(1, sizeof(*io));

	assert(fd >= 0);
	if (io == NULL)
		return ENOMEM;
	io->loop = loop;
	io->events = events;
	io->fn = fn;
	io->arg = arg;
	ev_io_init(&io->io, io_ready, fd, io_mask(events));
	io->io.data = io;
	if (events != 0)
		ev_io_start(loop->ev, &io->io);
	*out = io;
	return 0;
}

void
loop_io_set(struct loop_io *io, unsigned events)
{
	if (io->events == events)
		return;
	io->events = events;
	ev_io_stop(io->loop->ev, &io->io);
	ev_io_modify(&io->io, io_mask(events));
	if (events != 0)
		ev_io_start(io->loop->ev, &io->io);
}

void
loop_io_del(struct loop_io *io)
{
	if (io == NULL)
		return;
	ev_io_stop(io->loop->ev, &io->io);
	free(io);
}

static void
timer_fired(struct ev_loop *ev, ev_timer *w, int revents)
{
	struct loop_timer *t = w->data;

	t->fn(t->arg);
}

int
loop_timer_add(struct loop *loop, loop_fn *fn, void *arg, struct loop_timer **out)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return ENOMEM;
	t->loop = loop;
	t->fn = fn;
	t->arg = arg;
	ev_timer_init(&t->timer, timer_fired, 0., 0.);
	t->timer.data = t;
	*out = t;
	return 0;
}

void
loop_timer_start(struct loop_timer *t, uint64_t ns)
{
	ev_timer_stop(t->loop->ev, &t->timer);
	/* libev counts from the moment its round began, which a long callback has left behind. */
	ev_now_update(t->loop->ev);
	ev_timer_set(&t->timer, (double)ns / (double)CLOCK_SEC, 0.);
	ev_timer_start(t->loop->ev, &t->timer);
}

void
loop_timer_stop(struct loop_timer *t)
{
	ev_timer_stop(t->loop->ev, &t->timer);
}

void
loop_timer_del(struct loop_timer *t)
{
	if (t == NULL)
		return;
	ev_timer_stop(t->loop->ev, &t->timer);
	free(t);
}

static void
signal_came(struct ev_loop *ev, ev_signal *w, int revents)
{
	struct loop_signal *s = w->data;

	s->fn(s->arg);
}

int
loop_signal_add(struct loop *loop, int signo, loop_fn *fn, void *arg, struct loop_signal **out)
{
	struct loop_signal *s = calloc(1, sizeof(*s));

	assert(signo > 0 && signo < NSIG);
	if (s == NULL)
		return ENOMEM;
	s->loop = loop;
	s->fn = fn;
	s->arg = arg;
	ev_signal_init(&s->signal, signal_came, signo);
	s->signal.data = s;
	ev_signal_start(loop->ev, &s->signal);
	*out = s;
	return 0;
}

void
loop_signal_del(struct loop_signal *s)
{
	if (s == NULL)
		return;
	ev_signal_stop(s->loop->ev, &s->signal);
	free(s);
}

int
loop_soon_add(struct loop *loop, loop_fn *fn, void *arg, struct loop_soon **out)
{
	struct loop_soon *s = calloc(1, sizeof(*s));

	assert(fn != NULL);
	if (s == NULL)
		return ENOMEM;
	s->loop = loop;
	s->fn = fn;
	s->arg = arg;
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
	if (s->armed)
		TAILQ_REMOVE(&s->loop->soon, s, link);
	free(s);
}

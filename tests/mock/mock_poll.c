/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * POLL: asked of the daemon for each poll(2), with the promise to be told later, and woken by NOTIFY_POLL with the kernel's handle.
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "mock/fileio.h"

static long
poll_once(struct actor *a)
{
	struct pollfd p = { .events = POLLIN | POLLPRI };

	p.fd = open_f(a, O_RDWR);
	step(a, poll(&p, 1, (int)(intptr_t)a->arg));
	a->n[0] = p.revents;
	return step(a, close(a->fd));
}

static void
reply_poll(struct mock *m, struct req *r, uint32_t revents)
{
	reply_out(m, r, &(union wire_out){ .poll = { .revents = revents } });
}

static int
wake(struct mock *m, uint64_t kh)
{
	struct wire_notify_poll_wakeup_out o = { .kh = kh };

	return notify(m, WIRE_NOTIFY_POLL, &o, sizeof(o), NULL, 0);
}

MOCK_CASE(ready_at_once)
{
	struct actor *a = start_arg(m, poll_once, (void *)(intptr_t)-1);
	struct req *r;

	answer_file(m, 0, FH, 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	check_u(r->in.poll.fh, FH);
	check_that(r->in.poll.kh != 0);
	check_u(r->in.poll.flags, WIRE_POLL_SCHEDULE_NOTIFY);
	check_u(r->in.poll.events, POLLIN | POLLPRI | POLLERR | POLLHUP);
	check_u(r->hdr.pid, a->pid);
	reply_poll(m, r, POLLIN);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 1, 0);
	check_i(a->n[0], POLLIN);
	expect_none(m);
}

/* poll(2) without waiting does not ask to be told. */
MOCK_CASE(without_waiting)
{
	struct actor *a = start_arg(m, poll_once, (void *)(intptr_t)0);
	struct req *r;

	answer_file(m, 0, FH, 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	check_u(r->in.poll.flags, 0);
	reply_poll(m, r, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
}

MOCK_CASE(woken)
{
	struct actor *a = start_arg(m, poll_once, (void *)(intptr_t)-1);
	struct req *r, *s;

	answer_file(m, 0, FH, 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	reply_poll(m, r, 0);
	notify_settled(m);
	check_that(!has_ended(a));
	check_i(wake(m, r->in.poll.kh), 0);
	s = expect_of(m, WIRE_POLL, F_ID); /* what is it now? */
	check_u(s->in.poll.kh, r->in.poll.kh);
	check_u(s->in.poll.fh, FH);
	check_u(s->in.poll.flags, WIRE_POLL_SCHEDULE_NOTIFY);
	reply_poll(m, s, POLLPRI);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 1, 0);
	check_i(a->n[0], POLLPRI);
}

/* Woken for nothing: it waits on. A kh that nobody has wakes nobody. */
MOCK_CASE(woken_for_nothing)
{
	struct actor *a = start_arg(m, poll_once, (void *)(intptr_t)-1);
	struct req *r;

	answer_file(m, 0, FH, 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	reply_poll(m, r, 0);
	(void)wake(m, r->in.poll.kh + 1000);
	check_i(wake(m, r->in.poll.kh), 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	reply_poll(m, r, 0);
	check_i(wake(m, r->in.poll.kh), 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	reply_poll(m, r, POLLIN);
	answer_close(m, F_ID, FH);
	finish(a);
	check_i(a->n[0], POLLIN);
}

MOCK_CASE(timeout)
{
	struct actor *a = start_arg(m, poll_once, (void *)(intptr_t)20);

	answer_file(m, 0, FH, 0);
	reply_poll(m, expect_of(m, WIRE_POLL, F_ID), 0);
	reply_poll(m, expect_of(m, WIRE_POLL, F_ID), 0); /* once more when the time is over */
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
}

static long
poll_twice(struct actor *a)
{
	struct pollfd p = { .events = POLLIN | POLLOUT };

	p.fd = open_f(a, O_RDWR);
	for (int i = 0; i < 2; i++) {
		step(a, poll(&p, 1, -1));
		a->n[i] = p.revents;
	}
	return step(a, close(a->fd));
}

/* ENOSYS: files are always ready. */
MOCK_CASE(enosys)
{
	struct actor *a = start(m, poll_twice);

	answer_file(m, 0, FH, 0);
	reply_err(m, expect_of(m, WIRE_POLL, F_ID), ENOSYS);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 1, 0);
	check_i(a->n[0], POLLIN | POLLOUT);
	check_i(a->n[1], POLLIN | POLLOUT);
	expect_none(m);
}

MOCK_CASE(errors)
{
	struct actor *a = start(m, poll_twice);

	answer_file(m, 0, FH, 0);
	reply_err(m, expect_of(m, WIRE_POLL, F_ID), EIO);
	reply_err(m, expect_of(m, WIRE_POLL, F_ID), EPERM);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 1, 0);
	check_i(a->n[0], POLLERR);
	check_i(a->n[1], POLLERR);
}

static long
select_once(struct actor *a)
{
	struct timeval none = { 0, 0 };
	fd_set rd, wr;

	FD_ZERO(&rd);
	FD_ZERO(&wr);
	open_f(a, O_RDWR);
	FD_SET(a->fd, &rd);
	FD_SET(a->fd, &wr);
	step(a, select(a->fd + 1, &rd, &wr, NULL, &none));
	a->n[0] = FD_ISSET(a->fd, &rd);
	a->n[1] = FD_ISSET(a->fd, &wr);
	return step(a, close(a->fd));
}

MOCK_CASE(by_select)
{
	struct actor *a = start(m, select_once);
	struct req *r;

	answer_file(m, 0, FH, 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	check_u(r->in.poll.events & (POLLIN | POLLOUT), POLLIN | POLLOUT);
	reply_poll(m, r, POLLOUT);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 1, 0);
	check_i(!!a->n[0], 0);
	check_i(!!a->n[1], 1);
}

static long
epoll_it(struct actor *a)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = 5 }, got = { 0 };
	int ep = epoll_create1(0);

	open_f(a, O_RDWR);
	step(a, epoll_ctl(ep, EPOLL_CTL_ADD, a->fd, &e));
	step(a, epoll_wait(ep, &got, 1, -1));
	a->n[0] = got.events;
	a->n[1] = got.data.u32;
	step(a, close(ep));
	return step(a, close(a->fd));
}

/* epoll asks once when the file is added, and then when it is woken. */
MOCK_CASE(by_epoll)
{
	struct actor *a = start(m, epoll_it);
	struct req *r;
	uint64_t kh;

	answer_file(m, 0, FH, 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	check_u(r->in.poll.flags, WIRE_POLL_SCHEDULE_NOTIFY);
	check_u(r->in.poll.events & (POLLIN | POLLOUT), POLLIN);
	kh = r->in.poll.kh;
	reply_poll(m, r, 0);
	notify_settled(m);
	check_that(!has_ended(a));
	check_i(wake(m, kh), 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	check_u(r->in.poll.kh, kh);
	reply_poll(m, r, POLLIN);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 1, 0);
	check_i(a->n[0], EPOLLIN);
	check_i(a->n[1], 5);
}

static long
poll_two(struct actor *a)
{
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };

	p[0].fd = open(in_mount(a, "f"), O_RDWR);
	p[1].fd = open(in_mount(a, "f"), O_RDWR);
	step(a, poll(p, 2, -1));
	a->n[0] = p[0].revents;
	a->n[1] = p[1].revents;
	step(a, close(p[0].fd));
	return step(a, close(p[1].fd));
}

/* Two opens of one file are two kernel handles. */
MOCK_CASE(two_opens)
{
	struct actor *a = start(m, poll_two);
	struct req *r, *s;

	answer_file(m, 0, FH, 0);
	answer_open(m, F_ID, FH + 1, 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	check_u(r->in.poll.fh, FH);
	reply_poll(m, r, 0);
	s = expect_of(m, WIRE_POLL, F_ID);
	check_u(s->in.poll.fh, FH + 1);
	check_that(s->in.poll.kh != r->in.poll.kh);
	reply_poll(m, s, 0);
	check_i(wake(m, s->in.poll.kh), 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	check_u(r->in.poll.fh, FH);
	reply_poll(m, r, 0);
	s = expect_of(m, WIRE_POLL, F_ID);
	check_u(s->in.poll.fh, FH + 1);
	reply_poll(m, s, POLLIN);
	answer_close(m, F_ID, FH);
	answer_close(m, F_ID, FH + 1);
	finish(a);
	check_step(a, 0, 1, 0);
	check_i(a->n[0], 0);
	check_i(a->n[1], POLLIN);
}

static long
poll_and_wait(struct actor *a)
{
	poll_once(a);
	hold(a);
	return step(a, stat(in_mount(a, ""), &a->st));
}

/* A notification for a file that is closed wakes nobody and harms nobody. */
MOCK_CASE(woken_after_close)
{
	struct actor *a = start_arg(m, poll_and_wait, (void *)(intptr_t)-1);
	struct req *r;

	answer_file(m, 0, FH, 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	reply_poll(m, r, POLLIN);
	answer_close(m, F_ID, FH);
	reached(a);
	check_i(wake(m, r->in.poll.kh), 0);
	notify_settled(m);
	proceed(a);
	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	finish(a);
	check_step(a, 3, 0, 0);
}

static long
poll_interrupted(struct actor *a)
{
	struct pollfd p = { .events = POLLIN };

	catch_signal(SIGUSR1, false);
	p.fd = open_f(a, O_RDWR);
	step(a, poll(&p, 1, -1));
	return step(a, close(a->fd));
}

/* A signal while the daemon is asked: INTERRUPT, and poll(2) ends when the POLL is answered. */
MOCK_CASE(interrupted)
{
	struct actor *a = start(m, poll_interrupted);
	struct req *r, *s;

	answer_file(m, 0, FH, 0);
	r = expect_of(m, WIRE_POLL, F_ID);
	signal_actor(a, SIGUSR1);
	s = expect(m, WIRE_INTERRUPT);
	check_u(s->in.interrupt.unique, r->hdr.unique);
	reply_poll(m, r, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EINTR);
	expect_none(m);
}

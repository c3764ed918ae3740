/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INTERRUPT: a signal to somebody who waits makes the kernel tell the daemon, which may end the operation with EINTR, or finish it, or
 * know nothing of it. Nobody is let go before the daemon has answered.
 */
#include <sched.h>

#include "life.h"

static long
read_caught(struct actor *a)
{
	catch_signal(SIGUSR1, false);
	return do_read(a);
}

static long
read_restarted(struct actor *a)
{
	catch_signal(SIGUSR1, true);
	return do_read(a);
}

/* An actor in a READ of its own (direct I/O), which was sent. */
static struct req *
in_read(struct mock *m, struct actor **a, long (*fn)(struct actor *a))
{
	*a = start(m, fn);
	answer_opened(m, 100, WIRE_FOPEN_DIRECT_IO);
	return expect(m, WIRE_READ);
}

/* Interrupt the actor in its request r: INTERRUPT arrives. */
static struct req *
interrupt(struct mock *m, struct actor *a, const struct req *r)
{
	struct req *i;

	wait_asleep(a);
	signal_actor(a, SIGUSR1);
	i = expect(m, WIRE_INTERRUPT);
	check_u(i->in.interrupt.unique, r->hdr.unique);
	check_that(i->hdr.unique != r->hdr.unique);
	check_u(i->rawlen, 40 + 8);
	return i;
}

MOCK_CASE(interrupt_read_eintr)
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_caught);

	(void)interrupt(m, a, r);
	check_that(!has_ended(a));
	reply_err(m, r, EINTR);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, -1, EINTR);
}

/* The unique of an INTERRUPT is the request's with the lowest bit set. */
MOCK_CASE(interrupt_unique)
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_caught), *i = interrupt(m, a, r);

	check_u(r->hdr.unique & 1, 0);
	check_u(i->hdr.unique, r->hdr.unique | 1);
	check_u(i->hdr.nodeid, 0);
	reply_err(m, r, EINTR);
	answer_close(m, 2, 7);
}

/* The daemon finishes all the same: then it has succeeded. */
MOCK_CASE(interrupt_read_done)
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_caught);

	(void)interrupt(m, a, r);
	reply_data(m, r, "some bytes", 10);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, 10, 0);
	check_mem(a->buf, "some bytes", 10);
}

MOCK_CASE(interrupt_read_other_error)
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_caught);

	(void)interrupt(m, a, r);
	reply_err(m, r, EACCES);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, -1, EACCES);
}

/* EINTR of a daemon is an EINTR for a program also with SA_RESTART. */
MOCK_CASE(interrupt_sa_restart)
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_restarted);

	(void)interrupt(m, a, r);
	reply_err(m, r, EINTR);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, -1, EINTR);
}

/* Two signals, one INTERRUPT. */
MOCK_CASE(interrupt_twice)
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_caught);

	(void)interrupt(m, a, r);
	signal_actor(a, SIGUSR1);
	signal_actor(a, SIGURG); /* one that is ignored, too */
	wait_asleep(a);
	expect_none(m);
	reply_err(m, r, EINTR);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, -1, EINTR);
}

/* A signal that is ignored interrupts nobody. */
MOCK_CASE(interrupt_ignored_signal)
{
	struct actor *a;
	struct req *r = in_read(m, &a, do_read);

	wait_asleep(a);
	signal_actor(a, SIGCHLD);
	wait_asleep(a);
	expect_none(m);
	reply_data(m, r, "x", 1);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, 1, 0);
}

/* ---- what the daemon answers to INTERRUPT ---- */

/* A daemon that does not know INTERRUPT is not told again. */
MOCK_CASE(interrupt_enosys)
{
	struct actor *a, *b;
	struct req *r = in_read(m, &a, read_caught), *i = interrupt(m, a, r);

	reply_err(m, i, ENOSYS);
	reply_data(m, r, "x", 1);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, 1, 0);
	b = start(m, read_caught);
	answer_open(m, 2, 8, WIRE_FOPEN_DIRECT_IO);
	r = expect(m, WIRE_READ);
	wait_asleep(b);
	signal_actor(b, SIGUSR1);
	wait_asleep(b);
	expect_none(m);
	reply_data(m, r, "xy", 2);
	answer_close(m, 2, 8);
	finish(b);
	check_step(b, 1, 2, 0);
}

/* EAGAIN: it has not come to the request yet; tell it again. */
MOCK_CASE(interrupt_eagain)
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_caught), *i = interrupt(m, a, r);

	for (int n = 0; n < 3; n++) {
		reply_err(m, i, EAGAIN);
		i = expect(m, WIRE_INTERRUPT);
		check_u(i->in.interrupt.unique, r->hdr.unique);
	}
	reply_err(m, r, EINTR);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, -1, EINTR);
}

/* EAGAIN after the request was answered: there is nothing to tell. */
MOCK_CASE(interrupt_eagain_late)
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_caught), *i = interrupt(m, a, r);

	reply_err(m, r, EINTR);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, -1, EINTR);
	check_that((send_reply(m, i, -EAGAIN, NULL, 0) != 0) == mock_is_native(m));
	expect_none(m);
	works(m, "another");
}

/* Success or another error as the answer to INTERRUPT: of no consequence. */
static void
odd_answer(struct mock *m, int32_t error, int native)
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_caught), *i = interrupt(m, a, r);

	check_i(send_reply(m, i, error, NULL, 0), mock_is_native(m) ? native : 0);
	expect_none(m);
	reply_err(m, r, EINTR);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, -1, EINTR);
}

MOCK_CASE(interrupt_answer_ok)
{
	odd_answer(m, 0, 0);
}
MOCK_CASE(interrupt_answer_error)
{
	odd_answer(m, -EPERM, 0);
}

/* With data: no answer to INTERRUPT has any. */
MOCK_CASE(interrupt_answer_data, .perfuse = "what comes for an INTERRUPT is not looked at but for its error")
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_caught), *i = interrupt(m, a, r);

	check_i(send_reply(m, i, 0, "12345678", 8), EINVAL);
	reply_err(m, r, EINTR);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, -1, EINTR);
}

/* ---- other operations ---- */

static long
caught(struct actor *a, long (*fn)(struct actor *a))
{
	catch_signal(SIGUSR1, false);
	return fn(a);
}

static long
stat_caught(struct actor *a)
{
	return caught(a, do_stat);
}
static long
statfs_caught(struct actor *a)
{
	return caught(a, do_statfs);
}
static long
mkdir_caught(struct actor *a)
{
	return caught(a, do_mkdir);
}
static long
readdir_caught(struct actor *a)
{
	return caught(a, do_readdir);
}
static long
write_caught(struct actor *a)
{
	return caught(a, do_write);
}
static long
open_caught(struct actor *a)
{
	return caught(a, do_open);
}
static long
getxattr_caught(struct actor *a)
{
	return caught(a, do_getxattr);
}

MOCK_CASE(interrupt_lookup)
{
	struct actor *a = start(m, stat_caught);
	struct req *r = expect(m, WIRE_LOOKUP);

	(void)interrupt(m, a, r);
	reply_err(m, r, EINTR);
	finish(a);
	check_step(a, 0, -1, EINTR);
}

MOCK_CASE(interrupt_lookup_done)
{
	struct actor *a = start(m, stat_caught);
	struct req *r = expect(m, WIRE_LOOKUP);

	(void)interrupt(m, a, r);
	reply_entry(m, r, an_entry(2, REG, 10));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(interrupt_statfs)
{
	struct actor *a = start(m, statfs_caught);
	struct req *r = expect(m, WIRE_STATFS);

	(void)interrupt(m, a, r);
	reply_err(m, r, EINTR);
	finish(a);
	check_step(a, 0, -1, EINTR);
}

MOCK_CASE(interrupt_mkdir)
{
	struct actor *a = start(m, mkdir_caught);
	struct req *r;

	answer_noent(m, WIRE_ROOT_ID, "file");
	r = expect(m, WIRE_MKDIR);
	(void)interrupt(m, a, r);
	reply_entry(m, r, an_entry(2, DIR_MODE, 0)); /* it is done: no name is lost */
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(lookups_out(m, 2), 1);
}

MOCK_CASE(interrupt_open)
{
	struct actor *a = start(m, open_caught);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, 10);
	r = expect(m, WIRE_OPEN);
	(void)interrupt(m, a, r);
	reply_open(m, r, 7, 0);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(interrupt_getxattr)
{
	struct actor *a = start(m, getxattr_caught);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, 10);
	r = expect(m, WIRE_GETXATTR);
	(void)interrupt(m, a, r);
	reply_err(m, r, EINTR);
	finish(a);
	check_step(a, 0, -1, EINTR);
}

MOCK_CASE(interrupt_readdir)
{
	struct actor *a = start(m, readdir_caught);
	struct req *r;

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	r = expect(m, WIRE_READDIR);
	(void)interrupt(m, a, r);
	reply_err(m, r, EINTR);
	answer_releasedir(m, WIRE_ROOT_ID, 5);
	finish(a);
	check_step(a, 1, -1, EINTR);
}

/* A short write is what was written. */
MOCK_CASE(interrupt_write)
{
	struct actor *a = start(m, write_caught);
	struct req *r;

	answer_opened(m, 0, WIRE_FOPEN_DIRECT_IO);
	r = expect(m, WIRE_WRITE);
	(void)interrupt(m, a, r);
	reply_write(m, r, 3);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, 3, 0);
}

static long
lock_caught(struct actor *a)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };

	catch_signal(SIGUSR1, false);
	a->fd = open(its_file(a), O_RDWR);
	step(a, a->fd == -1 ? -1 : 0);
	step(a, fcntl(a->fd, F_SETLKW, &l));
	return step(a, close(a->fd));
}

MOCK_CASE(interrupt_setlkw, .flags = WIRE_INIT_POSIX_LOCKS)
{
	struct actor *a = start(m, lock_caught);
	struct req *r;

	answer_opened(m, 10, 0);
	r = expect(m, WIRE_SETLKW);
	(void)interrupt(m, a, r);
	reply_err(m, r, EINTR);
	serve(m, a);
	finish(a);
	check_step(a, 1, -1, EINTR);
}

static long
flock_caught(struct actor *a)
{
	catch_signal(SIGUSR1, false);
	a->fd = open(its_file(a), O_RDWR);
	step(a, a->fd == -1 ? -1 : 0);
	step(a, flock(a->fd, LOCK_EX));
	return step(a, close(a->fd));
}

MOCK_CASE(interrupt_flock, .flags = WIRE_INIT_FLOCK_LOCKS)
{
	struct actor *a = start(m, flock_caught);
	struct req *r;

	answer_opened(m, 10, 0);
	r = expect(m, WIRE_SETLKW);
	check_u(r->in.lk.lk_flags & WIRE_LK_FLOCK, WIRE_LK_FLOCK);
	(void)interrupt(m, a, r);
	reply_err(m, r, EINTR);
	serve(m, a);
	finish(a);
	check_step(a, 1, -1, EINTR);
}

/* FLUSH is an operation as any other: close() has to wait. */
static long
close_caught(struct actor *a)
{
	catch_signal(SIGUSR1, false);
	a->fd = open(its_file(a), O_RDONLY);
	return step(a, close(a->fd));
}

MOCK_CASE(interrupt_flush)
{
	struct actor *a = start(m, close_caught);
	struct req *r;

	answer_opened(m, 10, 0);
	r = expect(m, WIRE_FLUSH);
	(void)interrupt(m, a, r);
	check_that(!has_ended(a));
	reply_empty(m, r);
	answer_release(m, 2, 7);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* ---- several ---- */

MOCK_CASE(interrupt_the_right_one)
{
	struct actor *a, *b;
	struct req *ra = in_read(m, &a, read_caught), *rb;

	b = start(m, read_caught);
	answer_open(m, 2, 8, WIRE_FOPEN_DIRECT_IO);
	rb = expect(m, WIRE_READ);
	check_u(rb->in.read.fh, 8);
	(void)interrupt(m, b, rb);
	reply_err(m, rb, EINTR);
	answer_close(m, 2, 8);
	finish(b);
	check_step(b, 1, -1, EINTR);
	check_that(!has_ended(a));
	(void)interrupt(m, a, ra);
	reply_data(m, ra, "x", 1);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, 1, 0);
}

/* ---- killed ---- */

/* Who was killed closes his file with the signal still pending: FLUSH may be interrupted in its turn. */
static void
answer_killed_close(struct mock *m)
{
	struct req *r;

	do {
		r = next_request(m, 5000);
		check_that(r != NULL);
		if (r->hdr.opcode != WIRE_INTERRUPT) {
			check_that(r->hdr.opcode == WIRE_FLUSH || r->hdr.opcode == WIRE_RELEASE);
			reply_empty(m, r);
		}
	} while (r->hdr.opcode != WIRE_RELEASE);
}

/* Who is killed is told of, and goes only when the daemon has answered. */
MOCK_CASE(interrupt_kill)
{
	struct actor *a;
	struct req *r = in_read(m, &a, do_read), *i;

	wait_asleep(a);
	signal_actor(a, SIGKILL);
	i = expect(m, WIRE_INTERRUPT);
	check_u(i->in.interrupt.unique, r->hdr.unique);
	check_that(!has_ended(a));
	reply_err(m, r, EINTR);
	answer_killed_close(m);
	finish_killed(a, SIGKILL);
}

/* First interrupted, then killed: told once. */
MOCK_CASE(interrupt_then_kill)
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_caught);

	(void)interrupt(m, a, r);
	wait_asleep(a);
	signal_actor(a, SIGKILL);
	wait_asleep(a);
	expect_none(m);
	check_that(!has_ended(a));
	reply_err(m, r, EINTR);
	answer_killed_close(m);
	finish_killed(a, SIGKILL);
}

/* The daemon never answers, and dies. */
MOCK_CASE(interrupt_kill_then_death)
{
	struct actor *a;
	struct req *r = in_read(m, &a, do_read), *i;

	wait_asleep(a);
	signal_actor(a, SIGKILL);
	i = expect(m, WIRE_INTERRUPT);
	check_u(i->in.interrupt.unique, r->hdr.unique);
	die_now(m);
	finish_killed(a, SIGKILL);
}

MOCK_CASE(interrupt_then_death)
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_caught);

	(void)interrupt(m, a, r);
	die_now(m);
	finish(a);
	check_step(a, 1, -1, waiters_error(m));
}

/* A lookup whose caller was killed: what the daemon gave is given back. */
MOCK_CASE(interrupt_killed_lookup)
{
	struct actor *a = start(m, do_stat);
	struct req *r = expect(m, WIRE_LOOKUP);

	wait_asleep(a);
	signal_actor(a, SIGKILL);
	(void)expect(m, WIRE_INTERRUPT);
	reply_entry(m, r, an_entry(2, REG, 10));
	finish_killed(a, SIGKILL);
	shrink(m);
	expect_forgotten(m, 2);
}

/* ---- the daemon has not read the request ---- */

MOCK_CASE(interrupt_unread_kill, .perfuse = "the engine reads each request at once")
{
	struct actor *a = start(m, do_stat);

	wait_asleep(a);
	signal_actor(a, SIGKILL);
	while (!has_ended(a)) /* finish() would take the request in */
		sched_yield();
	finish_killed(a, SIGKILL);
	expect_none(m);
}

MOCK_CASE(interrupt_unread_signal)
{
	struct actor *a = start(m, stat_caught);
	struct req *r;

	wait_asleep(a);
	signal_actor(a, SIGUSR1);
	check_that(!has_ended(a));
	r = expect(m, WIRE_LOOKUP);
	check_u(expect(m, WIRE_INTERRUPT)->in.interrupt.unique, r->hdr.unique);
	reply_err(m, r, EINTR);
	finish(a);
	check_step(a, 0, -1, EINTR);
}

/* Answered before INTERRUPT was read: then it need not come any more, and may be answered at most in vain. */
MOCK_CASE(interrupt_too_late)
{
	struct actor *a;
	struct req *r = in_read(m, &a, read_caught), *i;

	wait_asleep(a);
	signal_actor(a, SIGUSR1);
	reply_data(m, r, "x", 1);
	while ((i = next_request(m, 5000)) != NULL && i->hdr.opcode == WIRE_INTERRUPT)
		(void)send_reply(m, i, -EAGAIN, NULL, 0);
	check_that(i != NULL && i->hdr.opcode == WIRE_FLUSH);
	reply_empty(m, i);
	answer_release(m, 2, 7);
	finish(a);
	check_step(a, 1, 1, 0);
}

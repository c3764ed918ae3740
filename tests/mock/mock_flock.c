/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flock(2): SETLK and SETLKW with WIRE_LK_FLOCK when the daemon said FLOCK_LOCKS. The owner is the open file, and RELEASE is what unlocks.
 */
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "mock/fileio.h"

#define FLOCKS .flags = WIRE_INIT_FLOCK_LOCKS

#define expect_flock(m, opcode, fh, type) expect_flock_at(__FILE__, __LINE__, m, opcode, fh, type)
static struct req *
expect_flock_at(const char *file, int line, struct mock *m, uint32_t opcode, uint64_t fh, uint32_t type)
{
	struct req *r = expect_of_at(file, line, m, opcode, F_ID);

	check_u_at(file, line, "lk.fh", r->in.lk.fh, fh);
	check_u_at(file, line, "lk.type", r->in.lk.lk.type, type);
	check_u_at(file, line, "lk.start", r->in.lk.lk.start, 0);
	check_u_at(file, line, "lk.end", r->in.lk.lk.end, INT64_MAX);
	check_u_at(file, line, "lk_flags", r->in.lk.lk_flags, WIRE_LK_FLOCK);
	if (r->in.lk.owner == 0)
		mock_fail(file, line, "a lock of nobody");
	return r;
}

/* FLUSH, whose owner is not this one, and RELEASE, which unlocks for this one. */
static void
answer_unlocking_close(struct mock *m, uint64_t fh, uint64_t owner)
{
	struct req *r = expect_of(m, WIRE_FLUSH, F_ID);

	check_u(r->in.flush.fh, fh);
	check_that(r->in.flush.lock_owner != owner);
	reply_empty(m, r);
	r = expect_of(m, WIRE_RELEASE, F_ID);
	check_u(r->in.release.fh, fh);
	check_u(r->in.release.release_flags, WIRE_RELEASE_FLOCK_UNLOCK);
	check_u(r->in.release.lock_owner, owner);
	reply_empty(m, r);
}

static long
lock_all(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, flock(a->fd, LOCK_SH | LOCK_NB));
	step(a, flock(a->fd, LOCK_EX));
	step(a, flock(a->fd, LOCK_UN));
	return step(a, close(a->fd));
}

MOCK_CASE(fields, FLOCKS)
{
	struct actor *a = start(m, lock_all);
	uint64_t owner;
	struct req *r;

	answer_file(m, 100, FH, 0);
	r = expect_flock(m, WIRE_SETLK, FH, F_RDLCK);
	check_u(r->in.lk.lk.pid, a->pid);
	check_u(r->hdr.pid, a->pid);
	owner = r->in.lk.owner;
	reply_empty(m, r);
	r = expect_flock(m, WIRE_SETLKW, FH, F_WRLCK);
	check_u(r->in.lk.owner, owner);
	reply_empty(m, r);
	r = expect_flock(m, WIRE_SETLKW, FH, F_UNLCK);
	check_u(r->in.lk.owner, owner);
	check_u(r->in.lk.lk.pid, 0);
	reply_empty(m, r);
	answer_unlocking_close(m, FH, owner);
	finish(a);
	for (int i = 1; i < 4; i++)
		check_step(a, i, 0, 0);
	expect_none(m);
}

static long
lock_and_fork(struct actor *a)
{
	pid_t child;
	int status;

	open_f(a, O_RDONLY);
	step(a, flock(a->fd, LOCK_EX));
	child = fork();
	if (child == 0)
		_exit(flock(a->fd, LOCK_SH) == 0 ? 0 : 1); /* the same open file: the same owner */
	step(a, waitpid(child, &status, 0) == child ? status : -1);
	return step(a, close(a->fd));
}

/* A child shares the lock, and its end does not end it. */
MOCK_CASE(shared_by_fork, FLOCKS)
{
	struct actor *a = start(m, lock_and_fork);
	struct req *r, *s;

	answer_file(m, 100, FH, 0);
	r = expect_flock(m, WIRE_SETLKW, FH, F_WRLCK);
	reply_empty(m, r);
	s = expect_flock(m, WIRE_SETLKW, FH, F_RDLCK);
	check_u(s->in.lk.owner, r->in.lk.owner);
	check_that(s->in.lk.lk.pid != r->in.lk.lk.pid);
	reply_empty(m, s);
	s = expect_of(m, WIRE_FLUSH, F_ID);
	reply_empty(m, s);
	answer_unlocking_close(m, FH, r->in.lk.owner);
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 0, 0);
}

static long
lock_two(struct actor *a)
{
	a->fd = open(in_mount(a, "f"), O_RDONLY);
	a->fd2 = open(in_mount(a, "f"), O_RDONLY);
	step(a, flock(a->fd, LOCK_EX | LOCK_NB));
	step(a, flock(a->fd2, LOCK_EX | LOCK_NB));
	step(a, close(a->fd2));
	return step(a, close(a->fd));
}

/* Two opens are two owners, in one process even. A lock that was asked for and not had is unlocked all the same. */
MOCK_CASE(owner_per_open, FLOCKS)
{
	struct actor *a = start(m, lock_two);
	struct req *r, *s;

	answer_file(m, 100, FH, 0);
	answer_open(m, F_ID, FH + 1, 0);
	r = expect_flock(m, WIRE_SETLK, FH, F_WRLCK);
	reply_empty(m, r);
	s = expect_flock(m, WIRE_SETLK, FH + 1, F_WRLCK);
	check_that(s->in.lk.owner != r->in.lk.owner);
	reply_err(m, s, EAGAIN);
	answer_unlocking_close(m, FH + 1, s->in.lk.owner);
	answer_unlocking_close(m, FH, r->in.lk.owner);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, -1, EAGAIN);
}

static long
wait_for_it(struct actor *a)
{
	catch_signal(SIGUSR1, false);
	open_f(a, O_RDONLY);
	hold(a);
	step(a, flock(a->fd, LOCK_EX));
	hold(a);
	return step(a, close(a->fd));
}

MOCK_CASE(blocked_then_granted, FLOCKS)
{
	struct actor *a, *b;
	struct req *r, *s;

	a = start(m, wait_for_it);
	answer_file(m, 100, FH, 0);
	reached(a);
	b = start(m, wait_for_it);
	answer_open(m, F_ID, FH + 1, 0);
	reached(b);
	proceed(a);
	r = expect_flock(m, WIRE_SETLKW, FH, F_WRLCK);
	reply_empty(m, r);
	reached(a);
	proceed(b);
	s = expect_flock(m, WIRE_SETLKW, FH + 1, F_WRLCK);
	proceed(a);
	answer_unlocking_close(m, FH, r->in.lk.owner);
	finish(a);
	check_that(!has_ended(b));
	reply_empty(m, s);
	reached(b);
	proceed(b);
	answer_unlocking_close(m, FH + 1, s->in.lk.owner);
	finish(b);
	check_step(b, 1, 0, 0);
}

MOCK_CASE(interrupted, FLOCKS)
{
	struct actor *a = start(m, wait_for_it);
	struct req *r, *s;

	answer_file(m, 100, FH, 0);
	reached(a);
	proceed(a);
	r = expect_flock(m, WIRE_SETLKW, FH, F_WRLCK);
	signal_actor(a, SIGUSR1);
	s = expect(m, WIRE_INTERRUPT);
	check_u(s->in.interrupt.unique, r->hdr.unique);
	reply_err(m, r, EINTR);
	reached(a);
	proceed(a);
	answer_unlocking_close(m, FH, r->in.lk.owner);
	finish(a);
	check_step(a, 1, -1, EINTR);
}

/* POSIX_LOCKS says nothing of flock(2): the kernel does it alone. */
MOCK_CASE(not_agreed, .flags = WIRE_INIT_POSIX_LOCKS)
{
	struct actor *a = start(m, lock_two);

	answer_file(m, 100, FH, 0);
	answer_open(m, F_ID, FH + 1, 0);
	answer_close(m, F_ID, FH + 1);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, -1, EAGAIN); /* a real lock, though */
	expect_none(m);
}

static long
both_kinds(struct actor *a)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	open_f(a, O_RDWR);
	step(a, flock(a->fd, LOCK_EX | LOCK_NB));
	step(a, fcntl(a->fd, F_SETLK, &l));
	return step(a, close(a->fd));
}

/* Both kinds at once have owners of their own: FLUSH ends the one, RELEASE the other. */
MOCK_CASE(beside_posix_locks, .flags = WIRE_INIT_FLOCK_LOCKS | WIRE_INIT_POSIX_LOCKS)
{
	struct actor *a = start(m, both_kinds);
	struct req *r, *s, *f;

	answer_file(m, 100, FH, 0);
	r = expect_flock(m, WIRE_SETLK, FH, F_WRLCK);
	reply_empty(m, r);
	s = expect_of(m, WIRE_SETLK, F_ID);
	check_u(s->in.lk.lk_flags, 0);
	check_that(s->in.lk.owner != r->in.lk.owner);
	reply_empty(m, s);
	f = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(f->in.flush.lock_owner, s->in.lk.owner);
	reply_empty(m, f);
	f = expect_of(m, WIRE_RELEASE, F_ID);
	check_u(f->in.release.release_flags, WIRE_RELEASE_FLOCK_UNLOCK);
	check_u(f->in.release.lock_owner, r->in.lk.owner);
	reply_empty(m, f);
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 0, 0);
}

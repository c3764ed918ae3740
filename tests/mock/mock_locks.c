/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GETLK, SETLK and SETLKW of fcntl(2): the daemon does it all when it said POSIX_LOCKS, and hears nothing of it otherwise. Owners are
 * tables of descriptors, or (OFD locks) open files. flock(2) is in mock_flock.c.
 */
#include <signal.h>
#include <sys/wait.h>

#include "mock/fileio.h"

#define LOCKS .flags = WIRE_INIT_POSIX_LOCKS
#define TO_THE_END INT64_MAX

static long
lock(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock l = { .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &l);
}

#define expect_lock(m, opcode, fh, type, start, end) expect_lock_at(__FILE__, __LINE__, m, opcode, fh, type, start, end)
static struct req *
expect_lock_at(const char *file, int line, struct mock *m, uint32_t opcode, uint64_t fh, uint32_t type, uint64_t start,
    uint64_t end)
{
	struct req *r = expect_of_at(file, line, m, opcode, F_ID);

	check_u_at(file, line, "lk.fh", r->in.lk.fh, fh);
	check_u_at(file, line, "lk.type", r->in.lk.lk.type, type);
	check_u_at(file, line, "lk.start", r->in.lk.lk.start, start);
	check_u_at(file, line, "lk.end", r->in.lk.lk.end, end);
	check_u_at(file, line, "lk_flags", r->in.lk.lk_flags, 0);
	check_u_at(file, line, "lk.padding", r->in.lk.padding, 0);
	if (r->in.lk.owner == 0)
		mock_fail(file, line, "a lock of nobody");
	return r;
}

static long
set_locks(struct actor *a)
{
	open_f(a, O_RDWR);
	step(a, lock(a->fd, F_SETLK, F_RDLCK, 10, 5));
	step(a, lock(a->fd, F_SETLKW, F_WRLCK, 0, 0));
	step(a, lock(a->fd, F_SETLK, F_UNLCK, 12, 1));
	return step(a, close(a->fd));
}

MOCK_CASE(set_fields, LOCKS)
{
	struct actor *a = start(m, set_locks);
	uint64_t owner;
	struct req *r;

	answer_file(m, 100, FH, 0);
	r = expect_lock(m, WIRE_SETLK, FH, F_RDLCK, 10, 14);
	owner = r->in.lk.owner;
	check_u(r->in.lk.lk.pid, a->pid);
	check_u(r->hdr.pid, a->pid);
	check_u(r->hdr.uid, 0);
	reply_empty(m, r);
	r = expect_lock(m, WIRE_SETLKW, FH, F_WRLCK, 0, TO_THE_END);
	check_u(r->in.lk.owner, owner);
	check_u(r->in.lk.lk.pid, a->pid);
	reply_empty(m, r);
	r = expect_lock(m, WIRE_SETLK, FH, F_UNLCK, 12, 12);
	check_u(r->in.lk.owner, owner);
	check_u(r->in.lk.lk.pid, 0);
	reply_empty(m, r);
	/* close(2) unlocks by the owner in FLUSH, and by no message of its own */
	r = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(r->in.flush.lock_owner, owner);
	reply_empty(m, r);
	answer_release(m, F_ID, FH);
	finish(a);
	for (int i = 1; i < 4; i++)
		check_step(a, i, 0, 0);
	expect_none(m);
}

static long
get_locks(struct actor *a)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 7, .l_len = 3 };

	open_f(a, O_RDWR);
	for (int i = 0; i < 3; i++) {
		l.l_type = F_WRLCK;
		l.l_whence = SEEK_SET;
		l.l_start = 7;
		l.l_len = 3;
		step(a, fcntl(a->fd, F_GETLK, &l));
		a->n[4 * i] = l.l_type;
		a->n[4 * i + 1] = l.l_start;
		a->n[4 * i + 2] = l.l_len;
		a->n[4 * i + 3] = l.l_pid;
	}
	return step(a, close(a->fd));
}

MOCK_CASE(get, LOCKS)
{
	struct actor *a = start(m, get_locks);
	union wire_out out = { .lk.lk = { .type = F_UNLCK } };
	struct req *r;

	answer_file(m, 100, FH, 0);
	r = expect_lock(m, WIRE_GETLK, FH, F_WRLCK, 7, 9);
	check_u(r->in.lk.lk.pid, 0);
	reply_out(m, r, &out);
	out.lk.lk = (struct wire_file_lock){ .type = F_RDLCK, .start = 5, .end = 20, .pid = (uint32_t)a->pid };
	reply_out(m, expect_lock(m, WIRE_GETLK, FH, F_WRLCK, 7, 9), &out);
	out.lk.lk = (struct wire_file_lock){ .type = F_WRLCK, .start = 5, .end = TO_THE_END, .pid = (uint32_t)a->pid };
	reply_out(m, expect_lock(m, WIRE_GETLK, FH, F_WRLCK, 7, 9), &out);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_i(a->n[0], F_UNLCK);
	check_i(a->n[4], F_RDLCK);
	check_i(a->n[5], 5);
	check_i(a->n[6], 16);
	check_i(a->n[7], a->pid);
	check_i(a->n[8], F_WRLCK);
	check_i(a->n[10], 0); /* to the end */
}

/* What no lock can be is an error of the call. */
MOCK_CASE(get_nonsense, LOCKS)
{
	struct actor *a = start(m, get_locks);
	union wire_out out = { .lk.lk = { .type = 77 } };

	answer_file(m, 100, FH, 0);
	reply_out(m, expect_lock(m, WIRE_GETLK, FH, F_WRLCK, 7, 9), &out);
	out.lk.lk = (struct wire_file_lock){ .type = F_RDLCK, .start = 20, .end = 5 };
	reply_out(m, expect_lock(m, WIRE_GETLK, FH, F_WRLCK, 7, 9), &out);
	out.lk.lk = (struct wire_file_lock){ .type = F_RDLCK, .start = UINT64_C(1) << 63, .end = UINT64_MAX };
	reply_out(m, expect_lock(m, WIRE_GETLK, FH, F_WRLCK, 7, 9), &out);
	answer_close(m, F_ID, FH);
	finish(a);
	for (int i = 1; i < 4; i++)
		check_step(a, i, -1, EIO);
}

MOCK_CASE(errors, LOCKS)
{
	static const int errors[] = { EAGAIN, EDEADLK, ENOLCK };
	struct actor *a = start(m, set_locks);

	answer_file(m, 100, FH, 0);
	reply_err(m, expect_of(m, WIRE_SETLK, F_ID), errors[0]);
	reply_err(m, expect_of(m, WIRE_SETLKW, F_ID), errors[1]);
	reply_err(m, expect_of(m, WIRE_SETLK, F_ID), errors[2]);
	answer_close(m, F_ID, FH);
	finish(a);
	for (int i = 0; i < 3; i++)
		check_step(a, i + 1, -1, errors[i]);
}

/* ENOSYS is not remembered: POSIX_LOCKS was a promise. */
MOCK_CASE(enosys, LOCKS)
{
	struct actor *a = start(m, set_locks);

	answer_file(m, 100, FH, 0);
	reply_err(m, expect_of(m, WIRE_SETLK, F_ID), ENOSYS);
	reply_err(m, expect_of(m, WIRE_SETLKW, F_ID), ENOSYS);
	reply_err(m, expect_of(m, WIRE_SETLK, F_ID), ENOSYS);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, ENOSYS);
	check_step(a, 2, -1, ENOSYS);
	check_step(a, 3, -1, ENOSYS);
}

static long
lock_in_both(struct actor *a)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
	pid_t child;
	int status;

	open_f(a, O_RDWR);
	step(a, lock(a->fd, F_SETLK, F_WRLCK, 0, 10));
	child = fork();
	if (child == 0)
		_exit(fcntl(a->fd, F_SETLK, &l) == -1 && errno == EAGAIN ? 0 : 1);
	step(a, waitpid(child, &status, 0) == child ? status : -1);
	return step(a, close(a->fd));
}

/* A child has no lock of its parent, and its exit takes none away from it. */
MOCK_CASE(owner_per_process, LOCKS)
{
	struct actor *a = start(m, lock_in_both);
	struct req *r, *s;

	answer_file(m, 100, FH, 0);
	r = expect_lock(m, WIRE_SETLK, FH, F_WRLCK, 0, 9);
	reply_empty(m, r);
	s = expect_lock(m, WIRE_SETLK, FH, F_WRLCK, 0, 9);
	check_that(s->in.lk.owner != r->in.lk.owner);
	check_that(s->in.lk.lk.pid != (uint32_t)a->pid);
	check_u(s->hdr.pid, s->in.lk.lk.pid);
	reply_err(m, s, EAGAIN);
	{
		struct req *f = expect_of(m, WIRE_FLUSH, F_ID);

		check_u(f->in.flush.lock_owner, s->in.lk.owner);
		reply_empty(m, f);
		f = expect_of(m, WIRE_FLUSH, F_ID);
		check_u(f->in.flush.lock_owner, r->in.lk.owner);
		reply_empty(m, f);
	}
	answer_release(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 0, 0);
}

static long
lock_by_two(struct actor *a)
{
	int cmd = (int)(intptr_t)a->arg;

	a->fd = open(in_mount(a, "f"), O_RDWR);
	a->fd2 = open(in_mount(a, "f"), O_RDWR);
	step(a, lock(a->fd, cmd, F_RDLCK, 0, 10));
	step(a, lock(a->fd2, cmd, F_RDLCK, 0, 10));
	step(a, close(a->fd2));
	return step(a, close(a->fd));
}

/* Two opens in one process: one owner, for whom closing either of them unlocks. */
MOCK_CASE(one_owner_for_two_opens, LOCKS)
{
	struct actor *a = start_arg(m, lock_by_two, (void *)(intptr_t)F_SETLK);
	struct req *r, *s;

	answer_file(m, 100, FH, 0);
	answer_open(m, F_ID, FH + 1, 0);
	r = expect_lock(m, WIRE_SETLK, FH, F_RDLCK, 0, 9);
	reply_empty(m, r);
	s = expect_lock(m, WIRE_SETLK, FH + 1, F_RDLCK, 0, 9);
	check_u(s->in.lk.owner, r->in.lk.owner);
	reply_empty(m, s);
	s = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(s->in.flush.fh, FH + 1);
	check_u(s->in.flush.lock_owner, r->in.lk.owner);
	reply_empty(m, s);
	answer_release(m, F_ID, FH + 1);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
}

/* OFD locks: the owner is the open file. */
MOCK_CASE(ofd_owners, LOCKS)
{
	struct actor *a = start_arg(m, lock_by_two, (void *)(intptr_t)F_OFD_SETLK);
	struct req *r, *s, *f;

	answer_file(m, 100, FH, 0);
	answer_open(m, F_ID, FH + 1, 0);
	r = expect_lock(m, WIRE_SETLK, FH, F_RDLCK, 0, 9);
	reply_empty(m, r);
	s = expect_lock(m, WIRE_SETLK, FH + 1, F_RDLCK, 0, 9);
	check_that(s->in.lk.owner != r->in.lk.owner);
	reply_empty(m, s);
	f = expect_of(m, WIRE_FLUSH, F_ID);
	check_that(f->in.flush.lock_owner != r->in.lk.owner && f->in.flush.lock_owner != s->in.lk.owner);
	reply_empty(m, f);
	answer_release(m, F_ID, FH + 1);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
}

static long
wait_for_lock(struct actor *a)
{
	if (a->arg)
		catch_signal(SIGUSR1, false);
	open_f(a, O_RDWR);
	hold(a);
	step(a, lock(a->fd, F_SETLKW, F_WRLCK, 0, 10));
	hold(a);
	return step(a, close(a->fd));
}

/* Two wait; one gets the lock, then the other. Nobody else is held up by them. */
MOCK_CASE(blocked_then_granted, LOCKS)
{
	struct actor *a, *b;
	struct req *r, *s;

	a = start(m, wait_for_lock);
	answer_file(m, 100, FH, 0);
	reached(a);
	b = start(m, wait_for_lock);
	answer_open(m, F_ID, FH + 1, 0);
	reached(b);
	proceed(a);
	r = expect_lock(m, WIRE_SETLKW, FH, F_WRLCK, 0, 9);
	proceed(b);
	s = expect_lock(m, WIRE_SETLKW, FH + 1, F_WRLCK, 0, 9);
	check_that(r->in.lk.owner != s->in.lk.owner);
	notify_settled(m);
	check_that(!has_ended(a) && !has_ended(b));
	reply_empty(m, s);
	reached(b);
	proceed(b);
	answer_close(m, F_ID, FH + 1);
	finish(b);
	reply_empty(m, r);
	reached(a);
	proceed(a);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(b, 1, 0, 0);
}

/* A signal: INTERRUPT names the waiting SETLKW; the daemon gives it up with EINTR. */
MOCK_CASE(interrupted, LOCKS)
{
	struct actor *a = start_arg(m, wait_for_lock, m);
	struct req *r, *s;

	answer_file(m, 100, FH, 0);
	reached(a);
	proceed(a);
	r = expect_lock(m, WIRE_SETLKW, FH, F_WRLCK, 0, 9);
	signal_actor(a, SIGUSR1);
	s = expect(m, WIRE_INTERRUPT);
	check_u(s->in.interrupt.unique, r->hdr.unique);
	reply_err(m, r, EINTR);
	reached(a);
	proceed(a);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EINTR);
	expect_none(m);
}

/* Without POSIX_LOCKS the kernel does it alone. */
MOCK_CASE(not_agreed)
{
	struct actor *a, *b;

	a = start(m, wait_for_lock);
	answer_file(m, 100, FH, 0);
	reached(a);
	proceed(a);
	reached(a);
	b = start(m, set_locks);
	answer_open(m, F_ID, FH + 1, 0);
	/* its read lock does not overlap, but the one of the whole file has to wait for the first process */
	proceed(a);
	answer_close(m, F_ID, FH);
	finish(a);
	answer_close(m, F_ID, FH + 1);
	finish(b);
	check_step(a, 1, 0, 0);
	check_step(b, 1, 0, 0);
	check_step(b, 2, 0, 0);
	check_step(b, 3, 0, 0);
	expect_none(m);
}

static long
lock_badly(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, lock(a->fd, F_SETLK, F_WRLCK, 0, 10));
	step(a, lock(a->fd, F_SETLK, F_RDLCK, -5, 10));
	step(a, lock(a->fd, F_SETLK, 77, 0, 10));
	return step(a, close(a->fd));
}

MOCK_CASE(never_sent, LOCKS)
{
	struct actor *a = start(m, lock_badly);

	answer_file(m, 100, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EBADF);
	check_step(a, 2, -1, EINVAL);
	check_step(a, 3, -1, EINVAL);
	expect_none(m);
}

static long
truncate_it(struct actor *a)
{
	open_f(a, O_RDWR);
	step(a, lock(a->fd, F_SETLK, F_WRLCK, 0, 10));
	step(a, ftruncate(a->fd, 5));
	return step(a, close(a->fd));
}

/* The owner of a lock is the owner of a truncation: a daemon with mandatory locks can let it through. */
MOCK_CASE(owner_of_truncate, LOCKS)
{
	struct actor *a = start(m, truncate_it);
	struct req *r, *s;

	answer_file(m, 100, FH, 0);
	r = expect_lock(m, WIRE_SETLK, FH, F_WRLCK, 0, 9);
	reply_empty(m, r);
	answer_no_caps(m, F_ID);
	s = expect_of(m, WIRE_SETATTR, F_ID);
	check_u(s->in.setattr.valid, WIRE_FATTR_SIZE | WIRE_FATTR_FH | WIRE_FATTR_LOCKOWNER);
	check_u(s->in.setattr.lock_owner, r->in.lk.owner);
	check_u(s->in.setattr.fh, FH);
	reply_attr(m, s, LONG, an_attr(F_ID, REG, 5));
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 2, 0, 0);
}

static long
get_ofd(struct actor *a)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 7, .l_len = 3 };

	open_f(a, O_RDWR);
	step(a, fcntl(a->fd, F_OFD_GETLK, &l));
	a->n[0] = l.l_type;
	a->n[1] = l.l_pid;
	l = (struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_END, .l_start = -10, .l_len = 5 };
	step(a, fcntl(a->fd, F_GETLK, &l));
	a->n[2] = l.l_type;
	a->n[3] = l.l_pid;
	return step(a, close(a->fd));
}

/* A holder that is no process here has pid 0. Places from the end are counted by the size that is known. */
MOCK_CASE(get_of_a_stranger, LOCKS)
{
	struct actor *a = start(m, get_ofd);
	union wire_out out = { .lk.lk = { .type = F_RDLCK, .start = 0, .end = 99, .pid = 3999999 } };

	answer_file(m, 100, FH, 0);
	reply_out(m, expect_lock(m, WIRE_GETLK, FH, F_WRLCK, 7, 9), &out);
	reply_out(m, expect_lock(m, WIRE_GETLK, FH, F_RDLCK, 90, 94), &out);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_i(a->n[0], F_RDLCK);
	check_i(a->n[1], -1); /* as F_OFD_GETLK has it */
	check_i(a->n[2], F_RDLCK);
	check_i(a->n[3], 0);
}

static long
wait_restarted(struct actor *a)
{
	catch_signal(SIGUSR1, true);
	open_f(a, O_RDWR);
	hold(a);
	step(a, lock(a->fd, F_SETLKW, F_WRLCK, 0, 10));
	return step(a, close(a->fd));
}

/* With SA_RESTART the program does not see the signal, and the daemon is asked once more. */
MOCK_CASE(interrupted_and_restarted, LOCKS)
{
	struct actor *a = start(m, wait_restarted);
	struct req *r, *s;

	answer_file(m, 100, FH, 0);
	reached(a);
	proceed(a);
	r = expect_lock(m, WIRE_SETLKW, FH, F_WRLCK, 0, 9);
	signal_actor(a, SIGUSR1);
	(void)expect(m, WIRE_INTERRUPT);
	reply_err(m, r, EINTR);
	s = expect_lock(m, WIRE_SETLKW, FH, F_WRLCK, 0, 9);
	check_u(s->in.lk.owner, r->in.lk.owner);
	reply_empty(m, s);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
}

/* The one who waits is killed: INTERRUPT, and the daemon's answer, whatever it is, closes the case. */
MOCK_CASE(killed_while_waiting, LOCKS)
{
	struct actor *a = start(m, wait_restarted);
	struct req *r, *s;

	answer_file(m, 100, FH, 0);
	reached(a);
	proceed(a);
	r = expect_lock(m, WIRE_SETLKW, FH, F_WRLCK, 0, 9);
	signal_actor(a, SIGKILL);
	s = expect(m, WIRE_INTERRUPT);
	check_u(s->in.interrupt.unique, r->hdr.unique);
	reply_err(m, r, EINTR);
	s = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(s->in.flush.lock_owner, r->in.lk.owner);
	(void)expect(m, WIRE_INTERRUPT); /* the signal is still there */
	reply_empty(m, s);
	answer_release(m, F_ID, FH);
	finish_killed(a, SIGKILL);
}

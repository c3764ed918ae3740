/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FLUSH: one for each close(2) of a descriptor, with the lock owner of the process that closes; its error is that of close(2).
 */
#include <sys/wait.h>

#include "mock/fileio.h"

static long
open_close(struct actor *a)
{
	open_f(a, O_RDWR);
	return step(a, close(a->fd));
}

MOCK_CASE(fields, .options = "allow_other")
{
	struct actor *a = start_as(m, 1000, 1001, NULL, 0, open_close, NULL);
	struct req *r;

	answer_file(m, 0, FH, 0);
	r = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(r->in.flush.fh, FH);
	check_u(r->in.flush.unused, 0);
	check_u(r->in.flush.padding, 0);
	check_that(r->in.flush.lock_owner != 0);
	check_u(r->hdr.uid, 1000);
	check_u(r->hdr.gid, 1001);
	check_u(r->hdr.pid, a->pid);
	check_u(r->rawlen, sizeof(r->hdr) + sizeof(r->in.flush));
	reply_empty(m, r);
	answer_release(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
}

/* close(2) waits for the answer. */
MOCK_CASE(close_waits)
{
	struct actor *a = start(m, open_close);
	struct req *r;

	answer_file(m, 0, FH, 0);
	r = expect_of(m, WIRE_FLUSH, F_ID);
	for (int i = 0; i < 10; i++) {
		check_i(a->nsteps, 1);
		expect_none(m); /* no RELEASE before the FLUSH is done */
		usleep(1000);
	}
	reply_empty(m, r);
	answer_release(m, F_ID, FH);
	finish(a);
}

static long
dup_close(struct actor *a)
{
	open_f(a, O_RDONLY);
	a->fd2 = dup(a->fd);
	a->n[0] = dup(a->fd);
	step(a, close(a->fd));
	step(a, close(a->fd2));
	return step(a, close((int)a->n[0]));
}

MOCK_CASE(each_duplicate)
{
	struct actor *a = start(m, dup_close);
	uint64_t owner = 0;

	answer_file(m, 0, FH, 0);
	for (int i = 0; i < 3; i++) {
		struct req *r = expect_of(m, WIRE_FLUSH, F_ID);

		check_u(r->in.flush.fh, FH);
		check_that(i == 0 || r->in.flush.lock_owner == owner);
		owner = r->in.flush.lock_owner;
		reply_empty(m, r);
	}
	answer_release(m, F_ID, FH);
	finish(a);
	expect_none(m);
}

static long
dup_over(struct actor *a)
{
	open_f(a, O_RDONLY);
	a->fd2 = open("/dev/null", O_RDONLY);
	step(a, dup2(a->fd2, a->fd) == a->fd ? 0 : -1); /* closes "f" by the way */
	return 0;
}

MOCK_CASE(dup2_closes)
{
	struct actor *a = start(m, dup_over);

	answer_file(m, 0, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
}

static long
fork_close(struct actor *a)
{
	pid_t child;
	int status;

	open_f(a, O_RDONLY);
	child = fork();
	if (child == 0) {
		close(a->fd);
		_exit(0);
	}
	step(a, waitpid(child, &status, 0) == child ? status : -1);
	return step(a, close(a->fd));
}

/* The child is a lock owner of its own. */
MOCK_CASE(after_fork)
{
	struct actor *a = start(m, fork_close);
	struct req *r, *s;

	answer_file(m, 0, FH, 0);
	r = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(r->in.flush.fh, FH);
	check_that(r->hdr.pid != (uint32_t)a->pid);
	reply_empty(m, r);
	s = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(s->hdr.pid, a->pid);
	check_that(s->in.flush.lock_owner != r->in.flush.lock_owner);
	reply_empty(m, s);
	answer_release(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
}

static long
just_exit(struct actor *a)
{
	open_f(a, O_RDONLY);
	return 0;
}

MOCK_CASE(exit_closes)
{
	struct actor *a = start(m, just_exit);
	struct req *r;

	answer_file(m, 0, FH, 0);
	r = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(r->hdr.pid, a->pid);
	reply_empty(m, r);
	answer_release(m, F_ID, FH);
	finish(a);
}

static long
exec_true(struct actor *a)
{
	char *argv[] = { "true", NULL };

	open_f(a, O_RDONLY | O_CLOEXEC);
	return step(a, execv("/bin/true", argv));
}

MOCK_CASE(exec_closes)
{
	struct actor *a = start(m, exec_true);

	answer_file(m, 0, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
}

static long
twice(struct actor *a)
{
	open_close(a);
	return open_close(a);
}

MOCK_CASE(enosys)
{
	struct actor *a = start(m, twice);

	answer_file(m, 0, FH, 0);
	reply_err(m, expect_of(m, WIRE_FLUSH, F_ID), ENOSYS);
	answer_release(m, F_ID, FH);
	answer_open(m, F_ID, FH + 1, 0);
	answer_release(m, F_ID, FH + 1); /* it is not asked again */
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 3, 0, 0);
	expect_none(m);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT, EACCES };

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		struct actor *a = start(m, open_close);

		if (i == 0)
			answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
		answer_open(m, F_ID, FH, 0);
		reply_err(m, expect_of(m, WIRE_FLUSH, F_ID), errors[i]);
		answer_release(m, F_ID, FH); /* closed all the same */
		finish(a);
		check_step(a, 1, -1, errors[i]);
	}
}

static long
write_close(struct actor *a)
{
	open_f(a, O_WRONLY);
	step(a, write(a->fd, "hello", 5));
	return step(a, close(a->fd));
}

MOCK_CASE(after_the_data)
{
	struct actor *a = start(m, write_close);

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	reply_write(m, expect_write(m, FH, 0, 5), 5);
	answer_close(m, F_ID, FH);
	finish(a);
	expect_none(m);
}

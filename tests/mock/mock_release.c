/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RELEASE: exactly one for each OPEN, when the last user is gone, sent by nobody and waited for by nobody.
 */
#include <signal.h>
#include <sys/wait.h>

#include "mock/fileio.h"

/* RELEASE of fh with these flags, answered. */
#define answer_release_of(m, fh, want) answer_release_of_at(__FILE__, __LINE__, m, fh, want)
static void
answer_release_of_at(const char *file, int line, struct mock *m, uint64_t fh, uint32_t want)
{
	struct req *r = expect_of_at(file, line, m, WIRE_RELEASE, F_ID);

	check_u_at(file, line, "fh", r->in.release.fh, fh);
	check_u_at(file, line, "flags", r->in.release.flags, want | LARGE);
	check_u_at(file, line, "release_flags", r->in.release.release_flags, 0);
	check_u_at(file, line, "lock_owner", r->in.release.lock_owner, 0);
	reply_empty(m, r);
}

static void
answer_flush(struct mock *m, uint64_t fh)
{
	struct req *r = expect_of(m, WIRE_FLUSH, F_ID);

	check_u(r->in.flush.fh, fh);
	reply_empty(m, r);
}

static long
open_close(struct actor *a)
{
	open_f(a, (int)(intptr_t)a->arg);
	if ((intptr_t)a->arg == O_RDWR)
		fcntl(a->fd, F_SETFL, O_APPEND);
	return step(a, close(a->fd));
}

MOCK_CASE(fields)
{
	static const int flags[] = { O_RDONLY, O_WRONLY | O_SYNC, O_RDWR };

	for (int i = 0; i < 3; i++) {
		struct actor *a = start_arg(m, open_close, (void *)(intptr_t)flags[i]);
		struct req *r;

		if (i == 0)
			answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
		answer_open(m, F_ID, FH, 0);
		answer_flush(m, FH);
		r = expect_of(m, WIRE_RELEASE, F_ID);
		check_u(r->in.release.fh, FH);
		check_u(
		    r->in.release.flags, (unsigned)flags[i] | LARGE | (i == 2 ? O_APPEND : 0)); /* as they are now */
		check_u(r->in.release.release_flags, 0);
		check_u(r->in.release.lock_owner, 0);
		check_u(r->hdr.uid, 0);
		check_u(r->hdr.gid, 0);
		check_u(r->hdr.pid, 0);
		finish(a); /* which does not wait for the answer */
		check_step(a, 1, 0, 0);
		reply_empty(m, r);
	}
}

/* A user's RELEASE does not carry the user. */
MOCK_CASE(nobodys, .options = "allow_other")
{
	struct actor *a = start_as(m, 1000, 1001, NULL, 0, open_close, (void *)(intptr_t)O_RDONLY);
	struct req *r;

	answer_file(m, 0, FH, 0);
	answer_flush(m, FH);
	r = expect_of(m, WIRE_RELEASE, F_ID);
	check_u(r->hdr.uid, 0);
	check_u(r->hdr.gid, 0);
	check_u(r->hdr.pid, 0);
	reply_empty(m, r);
	finish(a);
}

MOCK_CASE(error_ignored)
{
	struct actor *a = start_arg(m, open_close, (void *)(intptr_t)O_RDONLY);

	answer_file(m, 0, FH, 0);
	answer_flush(m, FH);
	reply_err(m, expect_of(m, WIRE_RELEASE, F_ID), EIO);
	finish(a);
	check_step(a, 1, 0, 0);
	a = start_arg(m, open_close, (void *)(intptr_t)O_RDONLY);
	answer_open(m, F_ID, FH, 0);
	answer_flush(m, FH);
	reply_err(m, expect_of(m, WIRE_RELEASE, F_ID), ENOSYS); /* and not remembered */
	finish(a);
	a = start_arg(m, open_close, (void *)(intptr_t)O_RDONLY);
	answer_open(m, F_ID, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
}

static long
fork_and_close(struct actor *a)
{
	int status;
	pid_t child;

	open_f(a, O_WRONLY);
	child = fork();
	if (child == 0) {
		hold(a);
		_exit(write(a->fd, "child", 5) == 5 ? 0 : 1);
	}
	step(a, close(a->fd));
	step(a, waitpid(child, &status, 0) == child ? status : -1);
	return 0;
}

/* The file stays open in the child: it can still write with the handle, and its end is what releases it. */
MOCK_CASE(last_close_after_fork)
{
	struct actor *a = start(m, fork_and_close);
	struct req *r;

	answer_file(m, 0, FH, WIRE_FOPEN_DIRECT_IO);
	answer_flush(m, FH); /* the parent's close */
	reached(a);
	expect_none(m);
	proceed(a);
	r = expect_write(m, FH, 0, 5);
	check_mem(r->data, "child", 5);
	reply_write(m, r, 5);
	answer_flush(m, FH);
	answer_release_of(m, FH, O_WRONLY);
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 0, 0);
}

static long
open_and_wait(struct actor *a)
{
	open_f(a, O_RDWR);
	hold(a);
	return 0;
}

MOCK_CASE(killed_process)
{
	struct actor *a = start(m, open_and_wait);
	struct req *r, *s;

	answer_file(m, 0, FH, 0);
	reached(a);
	signal_actor(a, SIGKILL);
	r = expect_of(m, WIRE_FLUSH, F_ID);
	s = expect(m, WIRE_INTERRUPT); /* it has a signal, after all */
	check_u(s->in.interrupt.unique, r->hdr.unique);
	reply_empty(m, r);
	answer_release_of(m, FH, O_RDWR);
	finish_killed(a, SIGKILL);
	expect_none(m);
}

static long
map_and_close(struct actor *a)
{
	char *p;

	open_f(a, O_RDONLY);
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, a->fd, 0);
	step(a, close(a->fd));
	hold(a);
	a->n[0] = p[0];
	return step(a, munmap(p, 4096));
}

/* A mapping keeps the file: FLUSH comes with close(2), the page is read with the same handle, RELEASE with munmap(2). */
MOCK_CASE(mapping_keeps_it)
{
	struct actor *a = start(m, map_and_close);

	answer_file(m, 10, FH, 0);
	answer_flush(m, FH);
	reached(a);
	expect_none(m);
	proceed(a);
	answer_read(m, FH, 0, 4096, 10, 5);
	answer_release_of(m, FH, O_RDONLY);
	finish(a);
	check_step(a, 2, 0, 0);
	check_i((uint8_t)a->n[0], 5);
}

static long
unlink_open(struct actor *a)
{
	open_f(a, O_RDWR);
	step(a, unlink(in_mount(a, "f")));
	step(a, pwrite(a->fd, "x", 1, 0));
	step(a, close(a->fd));
	return step(a, access(in_mount(a, "f"), F_OK));
}

MOCK_CASE(unlinked_file)
{
	struct actor *a = start(m, unlink_open);
	struct req *r;

	answer_file(m, 0, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_of(m, WIRE_UNLINK, WIRE_ROOT_ID);
	check_str(r->name[0], "f");
	reply_empty(m, r);
	reply_write(m, expect_write(m, FH, 0, 1), 1);
	answer_close(m, F_ID, FH);
	expect_forgotten(m, F_ID); /* nothing holds it any more */
	answer_noent(m, WIRE_ROOT_ID, "f");
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 1, 0);
	check_step(a, 4, -1, ENOENT);
}

static long
in_another_order(struct actor *a)
{
	int fd[3];

	for (int i = 0; i < 3; i++)
		fd[i] = open(in_mount(a, "f"), O_RDONLY);
	close(fd[1]);
	close(fd[0]);
	return step(a, close(fd[2]));
}

MOCK_CASE(each_its_own)
{
	struct actor *a = start(m, in_another_order);

	answer_file(m, 0, FH, 0);
	answer_open(m, F_ID, FH + 1, 0);
	answer_open(m, F_ID, FH + 2, 0);
	answer_close(m, F_ID, FH + 1);
	answer_close(m, F_ID, FH);
	answer_close(m, F_ID, FH + 2);
	finish(a);
	expect_none(m);
}

static long
read_and_exit(struct actor *a)
{
	open_f(a, O_RDONLY);
	if (fork() == 0) {
		(void)!pread(a->fd, a->buf, 10, 0);
		_exit(0);
	}
	return step(a, close(a->fd));
}

/* RELEASE comes after what is still under way with the handle. */
MOCK_CASE(after_a_read_under_way)
{
	struct actor *a = start(m, read_and_exit);
	struct req *r;

	answer_file(m, 100, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_any(m, WIRE_READ);
	reply_empty(m, expect_any(m, WIRE_FLUSH));
	finish(a); /* the parent has closed it and is gone */
	expect_none(m);
	reply_data(m, r, "0123456789", 10);
	answer_flush(m, FH);
	answer_release_of(m, FH, O_RDONLY);
}

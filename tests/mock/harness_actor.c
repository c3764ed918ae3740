/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Actors: forks of the case that make system calls on the mount and note the results in memory that both share. Two pipes are the
 * case's hold on each. An actor has no descriptor of the daemon's end, or the daemon's death would not be seen.
 */
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness.h"

static struct box *
box_of(const struct actor *a)
{
	return (struct box *)(uintptr_t)a;
}

static void
actor_main(struct box *b, long (*fn)(struct actor *a), const gid_t *groups, int ngroups, uid_t uid, gid_t gid)
{
	char go = 0;

	if (b->a.m->fd != -1)
		close(b->a.m->fd);
	if (uid != 0 || gid != 0 || ngroups != 0) {
		if (setgroups((size_t)ngroups, groups) == -1 || setresgid(gid, gid, gid) == -1 ||
		    setresuid(uid, uid, uid) == -1)
			mock_fail(__FILE__, __LINE__, "an actor's credentials: %s", strerror(errno));
	}
	if (write(b->up[1], &go, 1) != 1) /* the descriptor is closed, the rest may begin */
		_exit(1);
	b->a.ret = fn(&b->a);
	_exit(0);
}

/* Wait for a byte of the actor's; false: it has ended without. */
static bool
wait_byte(struct box *b, const char *what)
{
	struct pollfd p[2] = { { .fd = b->up[0], .events = POLLIN }, { .fd = b->pidfd, .events = POLLIN } };
	char c;

	if (poll(p, 2, PATIENCE) == 0)
		mock_fail(__FILE__, __LINE__, "an actor does not %s (after %d steps)", what, b->a.nsteps);
	return (p[0].revents & POLLIN) != 0 && read(b->up[0], &c, 1) == 1;
}

struct actor *
start_as(struct mock *m, uid_t uid, gid_t gid, const gid_t *groups, int ngroups, long (*fn)(struct actor *a), void *arg)
{
	struct box *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED || pipe2(b->up, O_CLOEXEC) == -1 || pipe2(b->down, O_CLOEXEC) == -1)
		mock_fail(__FILE__, __LINE__, "an actor: %s", strerror(errno));
	b->a.m = m;
	b->a.arg = arg;
	b->a.fd = b->a.fd2 = -1;
	if ((b->a.pid = fork()) == -1)
		mock_fail(__FILE__, __LINE__, "fork: %s", strerror(errno));
	if (b->a.pid == 0) {
		b->a.pid = getpid();
		actor_main(b, fn, groups, ngroups, uid, gid);
	}
	b->pidfd = pidfd_of(b->a.pid);
	b->next = m->actors;
	m->actors = b;
	(void)wait_byte(b, "start");
	return &b->a;
}

struct actor *
start_arg(struct mock *m, long (*fn)(struct actor *a), void *arg)
{
	return start_as(m, 0, 0, NULL, 0, fn, arg);
}

struct actor *
start(struct mock *m, long (*fn)(struct actor *a))
{
	return start_as(m, 0, 0, NULL, 0, fn, NULL);
}

/* ---- in the actor ---- */

long
step(struct actor *a, long ret)
{
	int err = ret == -1 ? errno : 0;

	if (a->nsteps == MOCK_STEPS)
		mock_fail(__FILE__, __LINE__, "more than %d steps", MOCK_STEPS);
	a->step[a->nsteps].ret = ret;
	a->step[a->nsteps].err = err;
	__atomic_store_n(&a->nsteps, a->nsteps + 1, __ATOMIC_RELEASE);
	errno = err;
	return ret;
}

const char *
in_mount(const struct actor *a, const char *name)
{
	static char buf[8][4096];
	static unsigned turn;
	char *p = buf[turn++ % 8];

	(void)snprintf(p, sizeof(buf[0]), "%s%s%s", a->m->path, name[0] != '\0' ? "/" : "", name);
	return p;
}

void
hold(struct actor *a)
{
	struct box *b = box_of(a);
	char c = 1;
	ssize_t n;

	do
		n = write(b->up[1], &c, 1);
	while (n == -1 && errno == EINTR);
	do
		n = read(b->down[0], &c, 1);
	while (n == -1 && errno == EINTR);
}

static void
on_signal(int sig)
{
	(void)sig;
}

void
catch_signal(int sig, bool restart)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = restart ? SA_RESTART : 0 };

	(void)sigaction(sig, &sa, NULL);
}

/* ---- in the case ---- */

void
reached(struct actor *a)
{
	if (!wait_byte(box_of(a), "come to its hold()"))
		mock_fail(__FILE__, __LINE__, "an actor ended before its hold() (after %d steps)", a->nsteps);
}

bool
reached_yet(struct actor *a)
{
	struct box *b = box_of(a);

	if (poll(&(struct pollfd){ .fd = b->up[0], .events = POLLIN }, 1, 0) == 0) {
		if (has_ended(a))
			mock_fail(__FILE__, __LINE__, "an actor ended before its hold() (after %d steps)", a->nsteps);
		return false;
	}
	reached(a);
	return true;
}

void
proceed(struct actor *a)
{
	char c = 1;

	if (write(box_of(a)->down[1], &c, 1) != 1)
		mock_fail(__FILE__, __LINE__, "proceed: %s", strerror(errno));
}

/* Wait for the end, taking in messages meanwhile, so that what an actor hangs in can be told. Its status. */
static int
wait_end(struct box *b)
{
	struct mock *m = b->a.m;
	struct pollfd p[2] = { { .fd = b->pidfd, .events = POLLIN }, { .events = POLLIN } };
	int64_t end = now_ms() + PATIENCE, left;
	int status;

	if (b->ended)
		mock_fail(__FILE__, __LINE__, "an actor is awaited twice");
	for (;;) {
		p[1].fd = m->dead ? -1 : m->fd;
		left = end - now_ms();
		if (left <= 0) {
			check_nothing_left(m);
			mock_fail(__FILE__, __LINE__, "an actor does not end (after %d steps)", b->a.nsteps);
		}
		(void)poll(p, 2, (int)left);
		if (p[0].revents != 0)
			break;
		if (p[1].revents != 0)
			(void)fetch(m, 0);
	}
	(void)waitpid(b->a.pid, &status, 0);
	b->ended = true;
	return status;
}

void
finish(struct actor *a)
{
	int status = wait_end(box_of(a));

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		mock_fail(__FILE__, __LINE__, "an actor ended with status %#x (after %d steps)", status, a->nsteps);
}

bool
has_ended(const struct actor *a)
{
	const struct box *b = box_of(a);

	return b->ended || poll(&(struct pollfd){ .fd = b->pidfd, .events = POLLIN }, 1, 0) == 1;
}

void
wait_asleep(struct actor *a)
{
	int64_t end = now_ms() + PATIENCE;
	char path[64], where[128];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/wchan", (int)a->pid);
	for (;;) {
		if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1 || (n = read(fd, where, sizeof(where) - 1)) < 0)
			mock_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
		close(fd);
		where[n] = '\0';
		if (strstr(where, "fuse") != NULL || strcmp(where, "request_wait_answer") == 0)
			return;
		if (has_ended(a) || now_ms() > end)
			mock_fail(__FILE__, __LINE__,
			    "an actor does not sleep in the mount (after %d steps, but in %s)", a->nsteps, where);
		(void)poll(NULL, 0, 1);
	}
}

void
signal_actor(struct actor *a, int sig)
{
	if (kill(a->pid, sig) == -1)
		mock_fail(__FILE__, __LINE__, "kill: %s", strerror(errno));
}

void
finish_killed(struct actor *a, int sig)
{
	int status = wait_end(box_of(a));

	if (!WIFSIGNALED(status) || WTERMSIG(status) != sig)
		mock_fail(__FILE__, __LINE__, "an actor ended with status %#x, not of signal %d", status, sig);
}

void
check_step_at(const char *file, int line, const struct actor *a, int i, long ret, int err)
{
	if (i >= a->nsteps)
		mock_fail(file, line, "step %d was not reached (%d were)", i, a->nsteps);
	if (a->step[i].ret != ret || (ret == -1 && a->step[i].err != err))
		mock_fail(file, line, "step %d returned %ld (%s), not %ld (%s)", i, a->step[i].ret,
		    a->step[i].ret == -1 ? strerror(a->step[i].err) : "-", ret, ret == -1 ? strerror(err) : "-");
}

void
actors_all_ended(struct mock *m)
{
	for (struct box *b = m->actors; b != NULL; b = b->next)
		if (!b->ended)
			finish(&b->a);
}

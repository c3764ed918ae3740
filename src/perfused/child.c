/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watching a child of the parent until it has ended and is collected, without ever waiting for it. That it has ended shows on its
 * pidfd; that it can be collected does not follow: one that its user traces with ptrace(2) is collected by the tracer first,
 * whenever that likes. Then a timer tries again.
 */
#include "perfused/priv.h"

#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define AGAIN CLOCK_SEC

static void
collect(void *arg)
{
	struct child *c = arg;
	int status = 0;

	loop_io_del(c->io);
	c->io = NULL;
	if (waitpid(c->pid, &status, WNOHANG) == 0) {
		loop_timer_start(c->again, AGAIN);
		return;
	}
	child_forget(c);
	c->ended(c->arg, status);
}

static void
child_ready(void *arg, unsigned events)
{
	collect(arg);
}

int
child_watch(struct loop *loop, struct child *c, pid_t pid, void (*ended)(void *, int), void *arg)
{
	int error = 0;

	*c = (struct child){ .pid = pid, .ended = ended, .arg = arg };
	if ((c->pidfd = pidfd_open(pid, 0)) < 0)
		error = errno;
	else if ((error = loop_timer_add(loop, collect, c, &c->again)) == 0 &&
		 (error = loop_io_add(loop, c->pidfd, LOOP_READ, child_ready, c, &c->io)) == 0)
		return 0;
	child_forget(c);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return error;
}

void
child_forget(struct child *c)
{
	loop_io_del(c->io);
	c->io = NULL;
	loop_timer_del(c->again);
	c->again = NULL;
	if (c->pidfd >= 0)
		(void)close(c->pidfd);
	c->pidfd = -1;
}

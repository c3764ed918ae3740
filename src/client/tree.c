/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon and all that it starts (tree.h). Two processes are made here: the tree's root (root_run()), which stays as
 * long as something is below it, and the daemon (daemon_run()), which tells over a socket how far it came and closes it
 * by executing its program. Signals go to processes held by a pidfd whose parent was looked up again after it was
 * opened: never to a number that has meanwhile become somebody else's.
 */
#include "client/tree.h"

#include <bsd/unistd.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "client/filter.h"

const char tree_exec[] = "cannot run the program";
static const char stage_fork[] = "cannot start a process";
const char tree_filter[] = "cannot install a seccomp filter";
static const char stage_enter[] = "cannot prepare the daemon's process";

enum birth_step { BIRTH_LISTENER = 1, BIRTH_FORK, BIRTH_ENTER, BIRTH_FILTER, BIRTH_EXEC };
struct birth {
	enum birth_step step; /* BIRTH_LISTENER: comes with it; else what failed */
	int error;
};

enum {
	BIRTH_MS = 60 * 1000,
	KILL_AGAIN_MS = 100,
	TERM_MS = 2 * 1000, /* the supervisor is gone: after SIGTERM, before SIGKILL */
};

static int
cmp_int(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void
tree_keep_only(int *keep, size_t n)
{
	unsigned from = 3;

	qsort(keep, n, sizeof(*keep), cmp_int);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)from)
			continue;
		if (keep[i] > (int)from)
			(void)close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	(void)close_range(from, ~0U, 0);
}

/* In the daemon-to-be: never returns. */
static void
daemon_run(const struct tree_start *t, pid_t root, int birth)
{
	struct birth b = { 0 };
	int listener = -1;

	(void)sigaction(SIGCHLD, t->chld, NULL);
	(void)sigaction(SIGPIPE, t->pipe, NULL);
	(void)sigprocmask(SIG_SETMASK, t->mask, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != root) /* it was killed before that */
		_exit(127);
	(void)dup2(t->stderr_fd, STDERR_FILENO);
	if (t->keep_fd >= 0)
		(void)fcntl(t->keep_fd, F_SETFD, 0);
	b.step = BIRTH_ENTER;
	if (t->enter)
		b.error = t->enter(t->arg);
	if (b.error == 0) {
		b.step = BIRTH_FILTER;
		b.error = filter_install(t->filter, t->notify, &listener);
		if (t->filter_optional)
			b.error = 0;
	}
	if (b.error == 0 && t->notify) {
		b.step = BIRTH_LISTENER;
		if (fdp_send(birth, &b, sizeof(b), &listener, 1) != 0)
			_exit(127);
		(void)close(listener);
	}
	if (b.error == 0) {
		(void)execvp(t->argv[0], t->argv);
		b = (struct birth){ BIRTH_EXEC, errno };
	}
	(void)fdp_send(birth, &b, sizeof(b), NULL, 0);
	_exit(127);
}

struct proc {
	pid_t pid, parent;
	bool ours;
};

static pid_t
parent_of(pid_t pid)
{
	char path[64], line[512], *p;
	int parent = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	/* "pid (name) state parent ...", and the name may hold anything. */
	if (fgets(line, sizeof(line), f) && (p = strrchr(line, ')')) && strlen(p) > 4)
		parent = (int)strtol(p + 4, NULL, 10);
	(void)fclose(f);
	return parent;
}

/* All processes there are; NULL when that cannot be had. */
static struct proc *
all_processes(size_t *count)
{
	struct proc *all = NULL, *more;
	size_t n = 0, cap = 0;
	struct dirent *e;
	DIR *d;

	d = opendir("/proc");
	if (!d)
		return NULL;
	while ((e = readdir(d)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		if (n == cap) {
			cap = cap ? 2 * cap : 256;
			more = realloc(all, cap * sizeof(*all));
			if (!more)
				break; /* those found so far are better than none */
			all = more;
		}
		all[n].pid = (pid_t)strtol(e->d_name, NULL, 10);
		all[n].parent = parent_of(all[n].pid);
		all[n].ours = false;
		n++;
	}
	(void)closedir(d);
	*count = n;
	return all;
}

static void
signal_one(const struct proc *p, int signo)
{
	int fd;

	fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (fd < 0)
		return;
	if (parent_of(p->pid) == p->parent) {
		(void)syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
		if (signo != SIGKILL) /* a stopped one would not hear it */
			(void)syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0);
	}
	(void)close(fd);
}

static void
signal_below(int signo)
{
	pid_t self = getpid();
	struct proc *all;
	size_t n = 0;
	bool more = true;

	all = all_processes(&n);
	while (all && more) {
		more = false;
		for (size_t i = 0; i < n; i++) {
			bool below = all[i].parent == self;

			for (size_t j = 0; j < n && !all[i].ours && !below; j++)
				below = all[j].ours && all[j].pid == all[i].parent;
			if (below && !all[i].ours)
				all[i].ours = more = true;
		}
	}
	for (size_t i = 0; all && i < n; i++) {
		if (all[i].ours)
			signal_one(&all[i], signo);
	}
	free(all);
}

/* Wait for whatever ended. Returns false when nothing is left to wait for. */
static bool
reap(pid_t daemon, int chan)
{
	struct tree_event ev = { 0 };
	pid_t pid;

	while ((pid = waitpid(-1, &ev.status, WNOHANG)) > 0) {
		if (pid == daemon)
			(void)fdp_send(chan, &ev, sizeof(ev), NULL, 0);
	}
	return pid == 0;
}

/* The root's surroundings. Returns a signalfd for SIGCHLD, or -1. */
static int
root_settle(int chan)
{
	int null, sigfd, keep[2];
	sigset_t set;

	(void)setsid();
	(void)chdir("/");
	(void)prctl(PR_SET_NAME, "perfuse-tree", 0, 0, 0);
	setproctitle("what was started by pid %d", (int)getppid());
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		(void)dup2(null, fd);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL); /* one that came before is found by the first reap() */
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	keep[0] = chan;
	keep[1] = sigfd;
	tree_keep_only(keep, 2);
	return sigfd;
}

/* What the supervisor says: a signal, or 0 with the listener, which stays open with us. Returns false when it is gone. */
static bool
root_obey(int chan, uint64_t *kill_at)
{
	int signo, listener;
	unsigned nfds;
	size_t len;

	if (fdp_recv(chan, &signo, sizeof(signo), &len, &listener, 1, &nfds, NULL, 0) != 0 || len != sizeof(signo))
		return false;
	if (signo == SIGKILL)
		*kill_at = clock_ns();
	else if (signo != 0)
		signal_below(signo);
	return true;
}

/* In the tree's root, once the daemon has been forked: never returns. */
static void
root_run(bool notify, pid_t daemon, int chan)
{
	const struct tree_event empty = { .empty = true };
	int sigfd = root_settle(chan);
	struct signalfd_siginfo si;
	uint64_t kill_at = 0; /* 0: not decided; then SIGKILL */

	while (reap(daemon, chan)) {
		struct pollfd pfd[2] = { { sigfd, POLLIN, 0 }, { chan, POLLIN, 0 } };
		uint64_t now = clock_ns();
		int wait_ms = -1;

		if (kill_at != 0 && now >= kill_at)
			signal_below(SIGKILL); /* and again: one may have forked meanwhile */
		/* Without a signalfd (no descriptors left) looking now and then has to do. */
		if (kill_at != 0 || sigfd < 0)
			wait_ms = KILL_AGAIN_MS;
		if (poll(pfd, 2, wait_ms) <= 0)
			continue;
		while (sigfd >= 0 && read(sigfd, &si, sizeof(si)) > 0)
			;
		if (pfd[1].revents == 0 || root_obey(chan, &kill_at))
			continue;
		(void)close(chan); /* the supervisor is gone */
		chan = -1;
		if (notify && kill_at == 0) {
			signal_below(SIGTERM);
			kill_at = clock_ns() + TERM_MS * CLOCK_MSEC;
		}
	}
	(void)fdp_send(chan, &empty, sizeof(empty), NULL, 0);
	_exit(0);
}

/* The tree's root, from its first breath: never returns. */
static void
root_start(const struct tree_start *t, int birth, int chan)
{
	struct birth b = { BIRTH_FORK, 0 };
	pid_t self = getpid(), daemon;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	daemon = fork();
	if (daemon < 0) {
		b.error = errno;
		(void)fdp_send(birth, &b, sizeof(b), NULL, 0);
		_exit(0);
	}
	if (daemon == 0)
		daemon_run(t, self, birth);
	root_run(t->notify, daemon, chan);
}

/* Follow the daemon up to the start of its program. */
static int
follow_birth(int birth, bool notify, int *listener, const char **stage)
{
	struct birth b;
	unsigned nfds;
	size_t len;
	int r;

	*stage = stage_fork;
	for (;;) {
		r = fdp_recv(birth, &b, sizeof(b), &len, listener, *listener < 0 ? 1 : 0, &nfds, NULL, BIRTH_MS);
		if (r != 0)
			return r;
		if (len == 0) /* the descriptor is gone: it executes, or died on the way */
			return notify && *listener < 0 ? ECHILD : 0;
		if (len != sizeof(b))
			return EPROTO;
		if (b.step == BIRTH_LISTENER && nfds == 1)
			continue;
		if (b.step == BIRTH_ENTER)
			*stage = stage_enter;
		else if (b.step == BIRTH_FILTER)
			*stage = tree_filter;
		else if (b.step == BIRTH_EXEC)
			*stage = tree_exec;
		return b.error ? b.error : EPROTO;
	}
}

int
tree_start(const struct tree_start *t, int *chan, int *listener, const char **stage)
{
	int birth[2], ch[2], r;
	pid_t root;

	*chan = *listener = -1;
	*stage = stage_fork;
	r = fdp_pair(SOCK_SEQPACKET, birth);
	if (r != 0)
		return r;
	r = fdp_pair(SOCK_SEQPACKET, ch);
	if (r != 0) {
		(void)close(birth[0]);
		(void)close(birth[1]);
		return r;
	}
	root = fork();
	if (root == 0)
		root_start(t, birth[1], ch[1]);
	if (root < 0)
		r = errno;
	(void)close(birth[1]);
	(void)close(ch[1]);
	if (r == 0)
		r = follow_birth(birth[0], t->notify, listener, stage);
	(void)close(birth[0]);
	if (r == 0) {
		if (t->notify) /* root_obey(); the tree may have ended already */
			(void)fdp_send(ch[0], &(int){ 0 }, sizeof(int), listener, 1);
		*chan = ch[0];
		return 0;
	}
	if (*listener >= 0)
		(void)close(*listener);
	*listener = -1;
	if (root > 0) {
		tree_signal(ch[0], SIGKILL);
		(void)waitpid(root, NULL, 0);
	}
	(void)close(ch[0]);
	return r;
}

void
tree_signal(int chan, int signo)
{
	(void)fdp_send(chan, &signo, sizeof(signo), NULL, 0);
}

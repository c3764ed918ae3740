/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The runner of the mock-daemon suite: has the list of cases, runs each in a process (and process group) of its own with a limit of
 * time, and says what came of it. What a case leaves behind, it ends: the mount is aborted, its processes are killed. So
 * a case that hangs or crashes is one failure, and the next runs.
 *
 *     mock_X [--list] [part of a case's name...]
 */
#include <poll.h>
#include <stdarg.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "harness.h"

enum { MAX_CASES = 1000, LIMIT = 20, SKIP = 77 };

static const struct mock_case *cases[MAX_CASES];
static int ncases;
struct mock *the_mock;

void
mock_register(const struct mock_case *c)
{
	if (ncases < MAX_CASES)
		cases[ncases++] = c;
}

int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * (int64_t)1000 + t.tv_nsec / 1000000;
}

int
pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* The first to say why has the word. */
__attribute__((format(printf, 3, 0))) static void
say_why(const char *file, int line, const char *fmt, va_list ap)
{
	struct shared *sh = the_mock->sh;
	const char *base = strrchr(file, '/');
	int n;

	if (__atomic_exchange_n(&sh->said, 1, __ATOMIC_SEQ_CST) != 0)
		return;
	n = snprintf(sh->text, sizeof(sh->text), "%s:%d: ", base != NULL ? base + 1 : file, line);
	(void)vsnprintf(sh->text + n, sizeof(sh->text) - (size_t)n, fmt, ap);
}

void
mock_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_why(file, line, fmt, ap);
	va_end(ap);
	_exit(1);
}

void
mock_skip(const char *why)
{
	struct shared *sh = the_mock->sh;

	(void)snprintf(sh->text, sizeof(sh->text), "%s", why);
	_exit(SKIP);
}

void
log_message(struct mock *m, const char *arrow, const char *text)
{
	unsigned i = __atomic_fetch_add(&m->sh->nlines, 1, __ATOMIC_SEQ_CST);

	(void)snprintf(m->sh->line[i % LOG_LINES], LOG_LINE, "%s %s", arrow, text);
}

void
print_messages(const struct shared *sh, unsigned last)
{
	unsigned n = sh->nlines, i = n > last ? n - last : 0;

	if (n - i > LOG_LINES)
		i = n - LOG_LINES;
	if (i > 0)
		printf("    ... %u messages before\n", i);
	for (; i < n; i++)
		printf("    %s\n", sh->line[i % LOG_LINES]);
}

/* ---- one case ---- */

static void
case_main(struct mock *m)
{
	the_mock = m;
	m->pid = getpid();
	mount_up(m);
	m->c->body(m);
	mount_down(m);
	_exit(0);
}

/* End whatever the case has left: its mount's connection, its processes, its folder. */
static void
sweep(struct mock *m, pid_t group)
{
	int64_t end = now_ms() + 2 * PATIENCE;

	(void)umount2(m->path, MNT_FORCE | MNT_DETACH);
	(void)kill(-group, SIGKILL);
	while (waitpid(-group, NULL, WNOHANG) != -1) { /* 0: some are still ending */
		if (now_ms() > end) {
			printf("    processes of this case do not end\n");
			break;
		}
		(void)poll(NULL, 0, 1);
	}
	while (umount2(m->path, MNT_DETACH) == 0)
		continue;
}

static void
print_engine_log(int fd)
{
	char buf[4096];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
		if (at == 0)
			printf("    the engine's log:\n");
		fwrite(buf, 1, (size_t)n, stdout);
		at += n;
	}
}

/* 0: passed or skipped, 1: failed. */
static int
run_case(const struct mock_case *c, bool native)
{
	const char *reason = native ? c->native : c->perfuse;
	struct mock *m;
	bool hung = false;
	char dir[128];
	int status = 0, pidfd, failed;
	pid_t pid;

	if (reason != NULL) {
		printf("ok %s # skip %s: %s\n", c->name, native ? "native" : "perfuse", reason);
		return 0;
	}
	if ((m = calloc(1, sizeof(*m))) == NULL)
		return 1;
	m->c = c;
	m->native = native;
	m->fd = -1;
	m->sh = mmap(NULL, sizeof(*m->sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	m->engine_log = memfd_create("engine's log", MFD_CLOEXEC);
	(void)snprintf(dir, sizeof(dir), "%s.%d", c->name, (int)getpid());
	if (m->sh == MAP_FAILED || m->engine_log == -1 || mkdir(dir, 0755) == -1 || chdir(dir) == -1) {
		printf("not ok %s: its folder: %s\n", c->name, strerror(errno));
		free(m);
		return 1;
	}
	if (mkdir("mnt", 0755) == -1 || getcwd(m->path, sizeof(m->path) - 5) == NULL)
		printf("%s: %s\n", dir, strerror(errno));
	strcat(m->path, "/mnt");
	fflush(stdout);
	if ((pid = fork()) == 0) {
		setpgid(0, 0);
		case_main(m);
	}
	setpgid(pid, pid);
	pidfd = pidfd_of(pid);
	if (poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1,
		(int)(c->limit != 0 ? c->limit : LIMIT) * 1000) == 0) {
		hung = true;
		(void)kill(pid, SIGKILL);
	}
	(void)umount2(m->path, MNT_FORCE | (hung ? MNT_DETACH : 0)); /* aborts; an unmounted one is none */
	(void)waitpid(pid, &status, 0);
	failed = !(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == SKIP));
	if (hung)
		printf("not ok %s: %s:%d: took more than %u s%s%s\n", c->name, c->file, c->line,
		    c->limit != 0 ? c->limit : LIMIT, m->sh->text[0] != '\0' ? ": " : "", m->sh->text);
	else if (WIFSIGNALED(status))
		printf("not ok %s: %s:%d: died of signal %d\n", c->name, c->file, c->line, WTERMSIG(status));
	else if (failed)
		printf("not ok %s: %s\n", c->name,
		    m->sh->text[0] != '\0' ? m->sh->text : "the case's process ended badly");
	else if (WEXITSTATUS(status) == SKIP)
		printf("ok %s # skip %s\n", c->name, m->sh->text);
	else
		printf("ok %s\n", c->name);
	if (failed) {
		print_messages(m->sh, hung ? LOG_LINES : 20);
		print_engine_log(m->engine_log);
	}
	sweep(m, pid);
	(void)rmdir("mnt");
	(void)(chdir("..") + rmdir(dir));
	close(pidfd);
	close(m->engine_log);
	munmap(m->sh, sizeof(*m->sh));
	free(m);
	return failed;
}

/* ---- all of them ---- */

static bool
is_wanted(const char *name, char *const *filter)
{
	if (*filter == NULL)
		return true;
	for (; *filter != NULL; filter++)
		if (strstr(name, *filter) != NULL)
			return true;
	return false;
}

/* A mount namespace of our own, where nothing spreads, and a short way to our folder that everybody may walk. */
static int
settle_in(void)
{
	if (unshare(CLONE_NEWNS) == -1 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		return errno;
	if (mount(".", "/mnt", NULL, MS_BIND, NULL) == 0 && chdir("/mnt") == -1)
		return errno;
	return 0;
}

int
main(int argc, char **argv)
{
	const char *env = getenv("PERFUSE_NATIVE");
	bool native = env != NULL && strcmp(env, "1") == 0;
	int fd, error, failed = 0, run = 0;

	(void)argc;
	if (argv[1] != NULL && strcmp(argv[1], "--list") == 0) {
		for (int i = 0; i < ncases; i++)
			printf("%s\n", cases[i]->name);
		return 0;
	}
	if ((fd = open("/dev/fuse", O_RDWR | O_CLOEXEC)) == -1 || geteuid() != 0) {
		printf("needs root and /dev/fuse\n");
		return SKIP;
	}
	close(fd);
	umask(0022);
	if ((error = settle_in()) != 0) {
		printf("a mount namespace: %s\n", strerror(error));
		return SKIP;
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int i = 0; i < ncases; i++) {
		if (!is_wanted(cases[i]->name, argv + 1))
			continue;
		run++;
		failed += run_case(cases[i], native);
	}
	if (failed != 0)
		printf("%d of %d cases failed\n", failed, run);
	return failed != 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reaching perfused: connect to the socket of one that listens, or start one for this caller alone. perfuse_open() and the
 * control connections of perfuse(1) come through here.
 *
 * The program this runs in is not ours: it may have threads, signal handlers, a SIGCHLD handler, a wait() for any child, and its
 * standard descriptors closed. So perfused is started by two forks that send no SIGCHLD (and which wait() does not see), with
 * signals blocked until they are reset, with no descriptor but its own, and between fork and exec only system calls are made.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "client/client.h"
#include "client/open.h"
#include "ctl/rundir.h"
#include "perfuse.h"

enum {
	BUFSIZE_DEFAULT = 8 * 1024 * 1024,
	BUFSIZE_LEAST = 64 * 1024,
	BUFSIZE_MOST = 64 * 1024 * 1024,
	CONNECT_SECONDS = 10, /* for a service with a full backlog */
	FD_MAX = 1 << 20,     /* descriptors to look at where close_range() is missing */
	EXEC_MS = 10 * 1000,  /* for the word that exec failed */
};

int
client_fail(char *why, size_t whylen, int error, const char *fmt, ...)
{
	va_list ap;

	if (whylen == 0)
		return error;
	va_start(ap, fmt);
	vsnprintf(why, whylen, fmt, ap);
	va_end(ap);
	for (char *c = why; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return error;
}

int
client_refuse(int error, const char *why)
{
	fprintf(stderr, "perfuse: %s\n", why);
	errno = error;
	return -1;
}

size_t
client_bufsize(void)
{
	const char *env = secure_getenv("PERFUSE_BUFSIZE");
	unsigned long n;
	char *end;

	if (env == NULL || *env < '0' || *env > '9')
		return BUFSIZE_DEFAULT;
	errno = 0;
	n = strtoul(env, &end, 10);
	if (errno != 0 || *end != '\0' || n < BUFSIZE_LEAST || n > BUFSIZE_MOST)
		return BUFSIZE_DEFAULT;
	return n;
}

const char *
client_perfused(void)
{
	const char *env = secure_getenv("PERFUSE_PERFUSED");

	return env != NULL && *env != '\0' ? env : PERFUSED_PATH;
}

/* Whether socket() said that this kind of socket does not exist here. */
static bool
kind_missing(int error)
{
	return error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT || error == EPROTOTYPE || error == EOPNOTSUPP ||
	       error == EAFNOSUPPORT;
}

/* A socket of the best type there is. 0 or errno. */
static int
best_socket(int *fd, int *type)
{
	*type = SOCK_SEQPACKET;
	*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (*fd < 0 && kind_missing(errno)) {
		fprintf(stderr, "perfuse: SEQPACKET local sockets unavailable, using less reliable DGRAM sockets. "
				"Expect file operation hangs.\n");
		*type = SOCK_DGRAM;
		*fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	}
	return *fd >= 0 ? 0 : errno;
}

/* Connect fd to path. 0 or errno. */
static int
connect_to(int fd, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = CONNECT_SECONDS };
	struct timeval none = { 0 };
	int error = 0;

	size_t len = strlen(path);
	if (len >= sizeof(sun.sun_path))
		return ENAMETOOLONG;
	memcpy(sun.sun_path, path, len + 1);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* bounds connect(); cannot fail on a socket */
	while (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) != 0) {
		if (errno != EINTR) {
			error = errno;
			break;
		}
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	return error;
}

/*
 * Try the places where a perfused may listen, the user's own first. Its run directory must be this user's: in /tmp anybody may
 * lay a trap, and what listens sees all that the daemon serves. 0, or errno with what was tried in tried[].
 */
static int
connect_service(int fd, char *tried, size_t room)
{
	const char *env = secure_getenv("PERFUSE_SOCKET");
	uid_t uid = geteuid(), uids[] = { uid, 0 };
	size_t used = 0;

	tried[0] = '\0';
	for (size_t i = uid == 0 || (env != NULL && *env != '\0') ? 1 : 0; i < 2; i++) {
		char *dir, *path;
		int error = rundir_path(uids[i], &dir);
		if (error != 0)
			return error;
		bool skip = i == 0 && !rundir_trusted(dir, uid);
		free(dir);
		if (skip)
			continue;
		error = rundir_socket(uids[i], &path);
		if (error == ENAMETOOLONG && i == 0)
			continue; /* nobody can listen there */
		if (error != 0)
			return error;
		error = connect_to(fd, path);
		if (error == 0) {
			free(path);
			return 0;
		}
		bool plain = error == ENOENT || error == ENOTDIR || error == ECONNREFUSED;
		int n = snprintf(tried + used, room - used, "%s%s%s%s%s", used > 0 ? " or " : "", path,
		    plain ? "" : " (", plain ? "" : strerror(error), plain ? "" : ")");
		free(path);
		used += (size_t)n < room - used ? (size_t)n : room - used - 1;
	}
	return ENOENT;
}

/*
 * Fork without telling: no signal to the parent when the child ends, and no wait() sees it that does not ask for such children.
 * A copy of the calling thread, as fork() makes it, but without libc's atfork handlers.
 */
static pid_t
quiet_fork(void)
{
	return (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
}

/* What the child needs, all of it made before the fork. */
struct start {
	char *const *argv;
	char **envp;
	int sock;         /* perfused's end */
	int report;       /* where errno goes when exec fails; closed by exec */
	int fd_max;       /* descriptors to look at one by one where close_range() is missing */
	bool keep_stderr; /* it was open before we made descriptors of our own */
};

static _Noreturn void
child_failed(const struct start *s)
{
	int error = errno;

	_exit(write(s->report, &error, sizeof(error)) == sizeof(error) ? 0 : 1);
}

/* In the child: nothing of the daemon's is left but stderr, the environment and the socket. */
static void
shed(const struct start *s)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL); /* ignored signals would stay ignored; some cannot be set and need not be */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	int null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		child_failed(s);
	if (!s->keep_stderr && dup2(null, STDERR_FILENO) < 0)
		child_failed(s);
	if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
		for (int fd = STDERR_FILENO + 1; fd < s->fd_max; fd++)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (fcntl(s->sock, F_SETFD, 0) != 0)
		child_failed(s);
}

static _Noreturn void
child(const struct start *s)
{
	setsid();
	pid_t pid = quiet_fork();
	if (pid < 0)
		child_failed(s);
	if (pid > 0)
		_exit(0);
	shed(s);
	execve(s->argv[0], s->argv, s->envp);
	child_failed(s);
}

/* Fork twice and exec. 0, or errno with *exec_error set when it was the exec that failed. */
static int
launch(const struct start *s, int report, bool *exec_failed)
{
	sigset_t all, old;
	int error = 0;

	*exec_failed = false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* no handler of the daemon's runs in the child */
	pid_t pid = quiet_fork();
	if (pid == 0)
		child(s);
	if (pid < 0)
		error = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	close(s->report);
	if (error != 0)
		return error;
	while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
		;

	/* End of file says that exec closed the pipe. A thread that forks now could hold it open: then there is no bad news. */
	struct pollfd pfd = { .fd = report, .events = POLLIN };
	int n;
	while ((n = poll(&pfd, 1, EXEC_MS)) < 0 && errno == EINTR)
		;
	if (n > 0 && read(report, &error, sizeof(error)) == (ssize_t)sizeof(error))
		*exec_failed = true;
	return error;
}

/* Move a descriptor above stderr, so that the child's standard descriptors do not land on it. 0 or errno; closes fd on failure. */
static int
above_stderr(int *fd)
{
	if (*fd > STDERR_FILENO)
		return 0;
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int error = high < 0 ? errno : 0;
	close(*fd);
	*fd = high;
	return error;
}

/*
 * The environment for perfused: ours without LD_PRELOAD, for what is loaded into a daemon may be libperfuse-preload.so, and
 * perfused wants the real /dev/fuse. Its strings are borrowed. NULL: no memory.
 */
static char **
perfused_environ(void)
{
	size_t n = 0, k = 0;

	while (environ != NULL && environ[n] != NULL)
		n++;
	char **envp = calloc(n + 1, sizeof(*envp));
	for (size_t i = 0; envp != NULL && i < n; i++)
		if (strncmp(environ[i], "LD_PRELOAD=", strlen("LD_PRELOAD=")) != 0)
			envp[k++] = environ[i];
	return envp;
}

/* Start "perfused -i FD" on a socket pair and give the other end. 0, or errno with *exec_failed as in launch(). */
static int
start_perfused(int type, size_t bufsize, int *out, bool *exec_failed)
{
	int sv[2], report[2];
	char number[16], minus_i[] = "-i", *program = strdup(client_perfused());
	char *argv[] = { program, minus_i, number, NULL };

	struct start s = {
		.argv = argv, .envp = perfused_environ(), .keep_stderr = fcntl(STDERR_FILENO, F_GETFD) >= 0
	};

	*exec_failed = false;
	int error = program == NULL || s.envp == NULL ? ENOMEM : 0;
	if (error == 0)
		error = fdp_pair(type, sv);
	if (error != 0)
		goto out;
	if (bufsize != 0) {
		fdp_buffers(sv[0], bufsize, NULL); /* the system may grant less: the frame says how much it was */
		fdp_buffers(sv[1], bufsize, NULL);
	}
	error = above_stderr(&sv[1]);
	if (error != 0)
		goto out_pair;
	if (pipe2(report, O_CLOEXEC) != 0) {
		error = errno;
		goto out_pair;
	}
	error = above_stderr(&report[1]);
	if (error == 0) {
		long fd_max = sysconf(_SC_OPEN_MAX);
		s.fd_max = fd_max > 0 && fd_max < FD_MAX ? (int)fd_max : FD_MAX;
		s.sock = sv[1];
		s.report = report[1];
		snprintf(number, sizeof(number), "%d", sv[1]);
		error = launch(&s, report[0], exec_failed);
	}
	close(report[0]);
out_pair:
	if (sv[1] >= 0)
		close(sv[1]);
	if (error == 0)
		*out = sv[0];
	else
		close(sv[0]);
out:
	free(s.envp);
	free(program);
	return error;
}

/*
 * A socket to perfused, one way or the other; bufsize 0: buffers as they are. start: one is started when none listens. 0, or
 * errno with a line in why[].
 */
static int
reach(size_t bufsize, bool start, int *fd, int *type, char *why, size_t whylen)
{
	char tried[2 * sizeof(struct sockaddr_un) + 128];
	bool exec_failed;

	int error = best_socket(fd, type);
	if (error != 0)
		return client_fail(why, whylen, error, "cannot make a local socket: %s", strerror(error));
	error = connect_service(*fd, tried, sizeof(tried));
	if (error == 0) {
		if (bufsize != 0)
			fdp_buffers(*fd, bufsize, NULL);
		return 0;
	}
	close(*fd);
	if (error == ENAMETOOLONG)
		return client_fail(why, whylen, error,
		    "PERFUSE_SOCKET is longer than the %zu bytes a socket's path may have",
		    sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	if (error == ENOMEM)
		return client_fail(why, whylen, error, "out of memory");
	if (!start)
		return client_fail(why, whylen, ENODEV, "no perfused listens on %s; start one as root", tried);
	error = start_perfused(*type, bufsize, fd, &exec_failed);
	if (error != 0)
		return client_fail(why, whylen, exec_failed ? ENODEV : error,
		    "no perfused listens on %s and %s cannot be started: %s; start perfused or set PERFUSE_PERFUSED",
		    tried, client_perfused(), strerror(error));
	return 0;
}

int
client_connect(int *fd, int *type, char *why, size_t whylen)
{
	int ignored;

	return reach(0, true, fd, type != NULL ? type : &ignored, why, whylen);
}

int
client_session(bool start, int *fd, char *why, size_t whylen)
{
	int type;

	return reach(client_bufsize(), start, fd, &type, why, whylen);
}

/* perfuse_open() of /dev/fuse. */
static int
open_fuse(int flags)
{
	char why[CLIENT_WHY_MAX];
	int fd;

	int error = client_session(true, &fd, why, sizeof(why));
	if (error != 0)
		return client_refuse(error, why);
	if (((flags & O_CLOEXEC) == 0 && fcntl(fd, F_SETFD, 0) != 0) ||
	    ((flags & O_NONBLOCK) != 0 && fcntl(fd, F_SETFL, O_NONBLOCK) != 0)) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

CLIENT_EXPORT int
perfuse_open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	if (strcmp(path, "/dev/fuse") == 0)
		return open_fuse(flags);
	if ((flags & O_CREAT) == 0 && (flags & O_TMPFILE) != O_TMPFILE)
		return open(path, flags);
	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return open(path, flags, mode);
}

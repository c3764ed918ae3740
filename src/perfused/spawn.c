/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting an engine: fork and run this program again with the connection, the socketpair and the pipe to the parent and the control
 * socket as descriptors 3 to 6 and nothing else open. It is run again, not only forked, so that an engine holds nothing of the
 * parent's memory (other mounts' paths, peers, descriptors) and has its own address layout. It becomes the peer only then: a
 * process that has become somebody else by itself is not his to trace, one that is run as him would be.
 * Whatever can take time (the user database, the file system) is done in the child; the parent only forks.
 */
#include "perfused/priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"

enum { CONN_BUFFERS = 8 * 1024 * 1024 /* a FUSE socket's: a few messages of 1 MiB */ };

int
place_fds(const int *fds, int n)
{
	int up[8];

	if (n > (int)(sizeof(up) / sizeof(up[0])))
		return EINVAL;
	closelog(); /* it would go on writing to its number, whatever is there by then; the next line opens it anew */
	/* First out of the way, or the first to be placed could land on the second. */
	for (int i = 0; i < n; i++)
		if ((up[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD, 3 + n)) < 0 && fds[i] >= 0)
			return errno;
	for (int i = 0; i < n; i++) {
		if (up[i] >= 0 && dup2(up[i], 3 + i) < 0)
			return errno;
		if (up[i] < 0)
			(void)close(3 + i);
	}
	return close_range((unsigned)(3 + n), ~0U, 0) < 0 ? errno : 0;
}

void
answer_send(int conn, enum frame_code code, int error, const char *text)
{
	char packet[FRAME_ANSWER_MAX];
	size_t len = frame_answer_build(packet, sizeof(packet), code, error, (uint32_t)getpid(), text);

	/* A line stays a line, whatever name is in it. */
	for (char *p = packet + sizeof(struct frame_answer); p < packet + len - 1; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	while (send(conn, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void
hang_up(int conn)
{
	char byte;

	(void)shutdown(conn, SHUT_RD);
	/* 0 is a packet of no bytes as well as the end: a bounded number. Who has sent more loses that answer. */
	for (int i = 0; i < 1024 && recv(conn, &byte, 1, MSG_DONTWAIT) >= 0; i++)
		;
	(void)close(conn);
}

/*
 * The control socket for the process that calls, open to the peer alone. Its descriptor, or -1 with errno. It gets its name when it
 * listens already, so that one that refuses connections is always one whose process has ended.
 */
static int
control_socket(const char *rundir, const struct peer *peer)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char path[sizeof(sun.sun_path)];
	int fd, error;

	if ((size_t)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/mounts/.%d", rundir, getpid()) >=
		sizeof(sun.sun_path) ||
	    (size_t)snprintf(path, sizeof(path), "%s/mounts/%d", rundir, getpid()) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if ((fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return -1;
	(void)unlink(sun.sun_path);
	(void)umask(0177);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0) {
		if ((geteuid() != 0 || lchown(sun.sun_path, peer->uid, peer->gid) == 0) && listen(fd, 16) == 0 &&
		    rename(sun.sun_path, path) == 0)
			return fd;
		error = errno;
		(void)unlink(sun.sun_path);
	} else {
		error = errno;
	}
	(void)close(fd);
	errno = error;
	return -1;
}

/* Whether a control socket's process has ended. */
static bool
is_stale(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;
	bool stale;

	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >= sizeof(sun.sun_path) ||
	    (fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return false;
	stale = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 && errno == ECONNREFUSED;
	(void)close(fd);
	return stale;
}

void
spawn_sweep(const char *rundir)
{
	char path[PATH_MAX];
	struct dirent *d;
	DIR *dir;

	if ((size_t)snprintf(path, sizeof(path), "%s/mounts", rundir) >= sizeof(path) || (dir = opendir(path)) == NULL)
		return;
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' &&
		    (size_t)snprintf(path, sizeof(path), "%s/mounts/%s", rundir, d->d_name) < sizeof(path) &&
		    is_stale(path))
			(void)unlink(path);
	(void)closedir(dir);
}

/* The variables that an engine looks at; the parent's others are none of its business. */
static void
keep_environment(char **envp, size_t room)
{
	static const char *const names[] = {
		"PERFUSE_OPTIONS=", "TZ=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS="
	};
	/* setproctitle(3) has the room of these strings for its title, and a title here holds a path. */
	static char title[] = "PERFUSE_TITLE=                                                                "
			      "                                                                              ";
	size_t n = 0;

	envp[n++] = title;
	for (char **e = environ; *e != NULL; e++)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strncmp(*e, names[i], strlen(names[i])) == 0 && n + 1 < room)
				envp[n++] = *e;
	envp[n] = NULL;
}

static void
reset_signals(void)
{
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		(void)signal(signo, SIG_DFL);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* An engine reads no terminal (it may write its log to one), and who waits for the end of the parent's output does not wait for it. */
static void
leave_input(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), tty;

	if (null < 0)
		return;
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)close(null);
	if (isatty(STDERR_FILENO) && (tty = open("/proc/self/fd/2", O_WRONLY | O_NOCTTY | O_CLOEXEC)) >= 0) {
		(void)dup2(tty, STDERR_FILENO);
		(void)close(tty);
	}
}

/* The child's part. */
static _Noreturn void
child(const struct options *opt, const char *rundir, int conn, int chan, int ask, const struct peer *peer, bool widen)
{
	char name[] = "perfused", dash_e[] = "-E", dash_f[] = "-f", dash_s[] = "-s", dash_d[] = "-d";
	char who[64], *argv[9], *envp[16], *diag = opt->diag != NULL ? strdup(opt->diag) : NULL;
	int n = 0, error, fds[4] = { conn, chan, ask, -1 };
	char byte;

	if (recv(chan, &byte, 1, 0) != 1)
		_exit(EX_OSERR);
	reset_signals();
	(void)setsid(); /* a Ctrl-C at the parent's terminal is the parent's to act on */
	(void)chdir("/");
	leave_input();
	if (rundir != NULL && (fds[3] = control_socket(rundir, peer)) < 0)
		log_warn("no control socket in %s/mounts: %s", rundir, strerror(errno));
	if (widen)
		(void)fdp_buffers(conn, CONN_BUFFERS, NULL);
	(void)snprintf(who, sizeof(who), "%u,%u,%d,%d", peer->uid, peer->gid, peer->pid,
	    (peer->root ? ENGINE_ROOT : 0) | (peer->foreign ? ENGINE_FOREIGN : 0) |
		(peer->other_user ? ENGINE_OTHER_USER : 0) | (opt->bare ? ENGINE_BARE : 0));
	argv[n++] = name;
	argv[n++] = dash_e;
	argv[n++] = who;
	if (opt->foreground)
		argv[n++] = dash_f;
	if (opt->trace)
		argv[n++] = dash_s;
	if (diag != NULL) {
		argv[n++] = dash_d;
		argv[n++] = diag;
	}
	argv[n] = NULL;
	keep_environment(envp, sizeof(envp) / sizeof(envp[0]));
	if ((error = place_fds(fds, 4)) != 0) {
		log_err("cannot start an engine: %s", strerror(error));
		answer_send(conn, FRAME_FAILED, error, "perfused cannot start an engine");
		_exit(EX_OSERR);
	}
	(void)execve("/proc/self/exe", argv, envp);
	error = errno;
	log_err("cannot run itself again as an engine: %s", strerror(error));
	answer_send(ENGINE_CONN, FRAME_FAILED, error, "perfused cannot start an engine");
	_exit(EX_OSERR);
}

int
spawn_engine(
    const struct options *opt, const char *rundir, int conn, const struct peer *peer, bool widen, struct spawned *out)
{
	int sv[2], ask[2], error = 0;

	if (fdp_pair(SOCK_SEQPACKET, sv) != 0 && (error = fdp_pair(SOCK_DGRAM, sv)) != 0)
		return error;
	out->pid = -1;
	if (pipe2(ask, O_CLOEXEC | O_NONBLOCK) < 0) {
		error = errno;
		ask[0] = ask[1] = -1;
	} else if ((out->pid = fork()) == 0) {
		child(opt, rundir, conn, sv[1], ask[1], peer, widen);
	} else if (out->pid < 0) {
		error = errno;
	}
	(void)close(sv[1]);
	if (ask[1] >= 0)
		(void)close(ask[1]);
	if (error != 0) {
		(void)close(sv[0]);
		if (ask[0] >= 0)
			(void)close(ask[0]);
		return error;
	}
	out->chan = sv[0];
	out->ask = ask[0];
	out->control[0] = '\0';
	if (rundir != NULL && (size_t)snprintf(out->control, sizeof(out->control), "%s/mounts/%d", rundir, out->pid) >=
				  sizeof(out->control))
		out->control[0] = '\0';
	return 0;
}

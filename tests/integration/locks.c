/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * File locks as programs know them: flock(2) and open file description locks belong to an open file, POSIX record locks to a
 * process; across fork, dup and close, waiting, a signal during the wait, and a holder that is killed. locks WHAT DIR, see must.h.
 * The files of DIR may be locked by the kernel alone or by the daemon. $REMOTE_FLOCK: flock(2) by a daemon that cannot be
 * interrupted.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "must.h"

static volatile int *released; /* shared with the children: set before a lock is given up */

static int
open_file(void)
{
	int fd = open("file", O_RDWR | O_CREAT, 0644);

	MUST(fd >= 0);
	return fd;
}

static void
child_ok(pid_t pid)
{
	int status;

	MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
	MUST(status == 0);
}

static bool
busy(int result)
{
	MUST(result == 0 || errno == EAGAIN || errno == EACCES);
	return result != 0;
}

static int
lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &l);
}

static bool
shows(int fd, int cmd, off_t start, short type, off_t l_start, off_t l_len, pid_t pid)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start };

	MUST(fcntl(fd, cmd, &l) == 0);
	return l.l_type == type && (type == F_UNLCK || (l.l_start == l_start && l.l_len == l_len && l.l_pid == pid));
}

static void
on_alarm(int sig)
{
	(void)sig;
}

/* SIGALRM now and again: the first may come before the wait. */
static void
alarm_soon(bool on)
{
	struct sigaction action = { .sa_handler = on_alarm }; /* no SA_RESTART */
	struct itimerval often = { { 0, on ? 50000 : 0 }, { 0, on ? 50000 : 0 } };

	MUST(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
}

static void
flock_owner(void)
{
	int a = open_file(), b = open_file(), copy = dup(a);
	pid_t pid;

	MUST(copy >= 0 && flock(a, LOCK_SH) == 0 && flock(b, LOCK_SH) == 0);
	MUST(busy(flock(a, LOCK_EX | LOCK_NB))); /* it may have lost its shared lock by that */
	MUST(flock(b, LOCK_UN) == 0);
	MUST(flock(a, LOCK_EX | LOCK_NB) == 0);
	MUST(busy(flock(b, LOCK_SH | LOCK_NB)));
	MUST(flock(copy, LOCK_EX | LOCK_NB) == 0); /* the same open file */
	MUST(close(copy) == 0 && busy(flock(b, LOCK_EX | LOCK_NB)));
	/* A child has the same open file: it can give up the lock; its close does not. */
	if ((pid = fork()) == 0) {
		MUST(close(a) == 0 && busy(flock(b, LOCK_EX | LOCK_NB)));
		_exit(0);
	}
	child_ok(pid);
	MUST(busy(flock(b, LOCK_EX | LOCK_NB)));
	if ((pid = fork()) == 0) {
		MUST(flock(a, LOCK_UN) == 0);
		_exit(0);
	}
	child_ok(pid);
	MUST(flock(b, LOCK_EX | LOCK_NB) == 0);
	MUST(close(b) == 0); /* the last close */
	MUST(flock(a, LOCK_EX | LOCK_NB) == 0);
	MUST(close(a) == 0 && unlink("file") == 0);
}

/* Takes the lock in a child, which waits for it; gives the parent's up; the child must not have had it before. */
static void
waits(int fd, int (*take)(int), int (*give)(int))
{
	int ready[2];
	char byte;
	pid_t pid;

	*released = 0;
	MUST(pipe(ready) == 0 && take(fd) == 0);
	if ((pid = fork()) == 0) {
		int own = open_file();

		MUST(write(ready[1], "r", 1) == 1);
		MUST(take(own) == 0);
		MUST(*released);
		_exit(0);
	}
	MUST(read(ready[0], &byte, 1) == 1);
	MUST(waitpid(pid, NULL, WNOHANG) == 0);
	*released = 1;
	MUST(give(fd) == 0);
	child_ok(pid);
	MUST(take(fd) == 0 && give(fd) == 0); /* the dead child holds nothing */
	MUST(close(ready[0]) == 0 && close(ready[1]) == 0);
}

static int
flock_take(int fd)
{
	return flock(fd, LOCK_EX);
}

static int
flock_give(int fd)
{
	return flock(fd, LOCK_UN);
}

static int
posix_take(int fd)
{
	return lock(fd, F_SETLKW, F_WRLCK, 10, 10);
}

static int
posix_give(int fd)
{
	return lock(fd, F_SETLK, F_UNLCK, 0, 0);
}

static int
ofd_take(int fd)
{
	return lock(fd, F_OFD_SETLKW, F_WRLCK, 10, 10);
}

static int
ofd_give(int fd)
{
	return lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0);
}

/* A signal ends the wait, and nothing is locked by it later. */
static void
interrupted(int (*take)(int), int (*give)(int))
{
	int fd = open_file();
	pid_t pid;

	if (take == flock_take && getenv("REMOTE_FLOCK"))
		return;
	MUST(take(fd) == 0);
	if ((pid = fork()) == 0) {
		int own = open_file();

		alarm_soon(true);
		MUST(take(own) == -1 && errno == EINTR);
		alarm_soon(false);
		_exit(0);
	}
	child_ok(pid);
	MUST(give(fd) == 0 && take(fd) == 0 && close(fd) == 0);
}

/* Killed with the lock in hand: who waits gets it. */
static void
killed(int (*take)(int))
{
	int ready[2], fd = open_file();
	char byte;
	pid_t pid;

	MUST(pipe(ready) == 0);
	if ((pid = fork()) == 0) {
		int own = open_file();

		close(fd);
		MUST(take(own) == 0 && write(ready[1], "r", 1) == 1);
		for (;;)
			pause();
	}
	MUST(read(ready[0], &byte, 1) == 1);
	MUST(kill(pid, SIGKILL) == 0);
	MUST(take(fd) == 0);
	MUST(waitpid(pid, NULL, 0) == pid);
	MUST(close(fd) == 0 && close(ready[0]) == 0 && close(ready[1]) == 0);
}

static void
flock_waits(void)
{
	int fd = open_file();

	waits(fd, flock_take, flock_give);
	interrupted(flock_take, flock_give);
	killed(flock_take);
	MUST(close(fd) == 0 && unlink("file") == 0);
}

static void
posix_waits(void)
{
	int fd = open_file();

	waits(fd, posix_take, posix_give);
	interrupted(posix_take, posix_give);
	killed(posix_take);
	MUST(close(fd) == 0 && unlink("file") == 0);
}

static void
ofd_waits(void)
{
	int fd = open_file();

	waits(fd, ofd_take, ofd_give);
	interrupted(ofd_take, ofd_give);
	killed(ofd_take);
	MUST(close(fd) == 0 && unlink("file") == 0);
}

/* Ranges: split, joined, shared, to the end; F_GETLK tells whose. */
static void
posix_ranges(void)
{
	int fd = open_file();
	pid_t me = getpid(), pid;

	MUST(lock(fd, F_SETLK, F_WRLCK, 0, 100) == 0);
	MUST(lock(fd, F_SETLK, F_UNLCK, 40, 20) == 0);
	MUST(lock(fd, F_SETLK, F_RDLCK, 200, 0) == 0); /* to the end */
	MUST(shows(fd, F_GETLK, 0, F_UNLCK, 0, 0, 0)); /* one's own are none */
	if ((pid = fork()) == 0) {
		MUST(shows(fd, F_GETLK, 0, F_WRLCK, 0, 40, me)); /* not inherited */
		MUST(shows(fd, F_GETLK, 50, F_WRLCK, 60, 40, me));
		MUST(shows(fd, F_GETLK, 100, F_RDLCK, 200, 0, me));
		MUST(busy(lock(fd, F_SETLK, F_RDLCK, 39, 1)));
		MUST(!busy(lock(fd, F_SETLK, F_WRLCK, 40, 20)));
		MUST(busy(lock(fd, F_SETLK, F_WRLCK, 40, 21)));
		MUST(!busy(lock(fd, F_SETLK, F_RDLCK, 1000, 1)) && busy(lock(fd, F_SETLK, F_WRLCK, 1000, 1)));
		MUST(lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0); /* the child's own only */
		_exit(0);
	}
	child_ok(pid);
	MUST(lock(fd, F_SETLK, F_WRLCK, 0, 0) == 0); /* all in one again */
	if ((pid = fork()) == 0) {
		MUST(shows(fd, F_GETLK, 7, F_WRLCK, 0, 0, me));
		_exit(0);
	}
	child_ok(pid);
	MUST(close(fd) == 0 && unlink("file") == 0);
}

/* Closing any descriptor of the file ends all locks of the process on it; a child's close does not. */
static void
posix_close(void)
{
	int a = open_file(), b = open_file(), go[2];
	char byte;
	pid_t pid;

	MUST(lock(a, F_SETLK, F_WRLCK, 5, 5) == 0);
	if ((pid = fork()) == 0) {
		MUST(close(a) == 0 && busy(lock(b, F_SETLK, F_WRLCK, 5, 5)));
		_exit(0);
	}
	child_ok(pid);
	MUST(pipe(go) == 0);
	if ((pid = fork()) == 0) {
		MUST(busy(lock(a, F_SETLK, F_WRLCK, 5, 5)));
		MUST(write(go[1], "g", 1) == 1);
		MUST(lock(a, F_SETLKW, F_WRLCK, 5, 5) == 0); /* until the parent closes b */
		_exit(0);
	}
	MUST(read(go[0], &byte, 1) == 1);
	MUST(close(b) == 0);
	child_ok(pid);
	MUST(close(a) == 0 && close(go[0]) == 0 && close(go[1]) == 0 && unlink("file") == 0);
}

/* Two processes, two locks, crosswise: one of them is told. */
static void
posix_deadlock(void)
{
	int fd = open_file(), ready[2], failed;
	char byte;
	pid_t pid;

	MUST(pipe(ready) == 0 && lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
	if ((pid = fork()) == 0) {
		MUST(lock(fd, F_SETLK, F_WRLCK, 1, 1) == 0 && write(ready[1], "r", 1) == 1);
		MUST(lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0 || errno == EDEADLK);
		_exit(errno == EDEADLK ? 1 : 0);
	}
	MUST(read(ready[0], &byte, 1) == 1);
	errno = 0;
	MUST(lock(fd, F_SETLKW, F_WRLCK, 1, 1) == 0 || errno == EDEADLK);
	failed = errno == EDEADLK;
	MUST(lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0);
	{
		int status;

		MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
		MUST(failed + WEXITSTATUS(status) == 1);
	}
	MUST(close(fd) == 0 && close(ready[0]) == 0 && close(ready[1]) == 0 && unlink("file") == 0);
}

static void
ofd_owner(void)
{
	int a = open_file(), b = open_file();
	pid_t pid;

	MUST(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10) == 0);
	MUST(busy(lock(b, F_OFD_SETLK, F_WRLCK, 9, 1))); /* the same process */
	MUST(!busy(lock(b, F_OFD_SETLK, F_WRLCK, 10, 1)));
	MUST(shows(b, F_OFD_GETLK, 3, F_WRLCK, 0, 10, -1));
	MUST(busy(lock(b, F_SETLK, F_WRLCK, 0, 1))); /* against POSIX locks too */
	if ((pid = fork()) == 0) {
		MUST(!busy(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10))); /* it has the same open file */
		MUST(close(a) == 0);
		_exit(0);
	}
	child_ok(pid);
	{
		int other = open_file(); /* its close ends nothing */

		MUST(close(other) == 0);
	}
	MUST(busy(lock(b, F_OFD_SETLK, F_WRLCK, 0, 1)));
	MUST(close(a) == 0);
	MUST(!busy(lock(b, F_OFD_SETLK, F_WRLCK, 0, 0)));
	MUST(close(b) == 0 && unlink("file") == 0);
}

static const struct test_case cases[] = {
	{ "flock", flock_owner },
	{ "flockwaits", flock_waits },
	{ "posixclose", posix_close },
	{ "posixdeadlock", posix_deadlock },
	{ "posixranges", posix_ranges },
	{ "posixwaits", posix_waits },
	{ "ofd", ofd_owner },
	{ "ofdwaits", ofd_waits },
	{ NULL, NULL },
};

int
main(int argc, char **argv)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	MUST(page != MAP_FAILED);
	released = page;
	return run_case(cases, argc, argv);
}

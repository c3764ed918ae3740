/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client/open.c and client/mount.c against a perfused of our own: a forked process that listens where PERFUSE_SOCKET says, or this
 * very program, started by the library as "perfused -i FD" (see helper_main()). What the library prints is caught in a
 * memory file. Each test is a process of its own (Check forks), so environment, filters and descriptors are its own too.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "client/client.h"
#include "client/open.h"
#include "ctl/frame.h"
#include "perfuse.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

enum { USER = 12345, LONG_MS = 20 * 1000 };
static char temp[64], service[100];
static int caught = -1;     /* what stands in for stderr */
static char self[PATH_MAX]; /* this program */

/* ---- surroundings ---- */

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static void
make_temp(void)
{
	strcpy(temp, "/tmp/test_client.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(temp));
	snprintf(service, sizeof(service), "%s/service", temp);
	unsetenv("PERFUSE_BUFSIZE");
	setenv("XDG_RUNTIME_DIR", temp, 1);
	setenv("PERFUSE_SOCKET", service, 1);
	setenv("PERFUSE_PERFUSED", "/nonexistent/perfused", 1);
}

static void
drop_temp(void)
{
	nftw(temp, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static uid_t
as_user(void)
{
	if (getuid() == 0) {
		ck_assert_int_eq(chown(temp, USER, USER), 0);
		ck_assert_int_eq(setgid(USER), 0);
		ck_assert_int_eq(setuid(USER), 0);
	}
	return getuid();
}

static void
catch_stderr(void)
{
	caught = memfd_create("stderr", MFD_CLOEXEC);
	ck_assert_int_ge(caught, 0);
	ck_assert_int_eq(dup2(caught, STDERR_FILENO), STDERR_FILENO);
}

/* What was printed since the last call. */
static const char *
printed(void)
{
	static char text[4096];
	ssize_t n = pread(caught, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_int_eq(ftruncate(caught, 0), 0);
	ck_assert_int_eq(lseek(caught, 0, SEEK_SET), 0);
	return text;
}

static int
open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* ---- a perfused of our own ---- */

static int
listen_on(const char *path, int type)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	strcpy(sun.sun_path, path);
	unlink(path); /* the rounds of a loop share the directory */
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	if (type == SOCK_SEQPACKET)
		ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

typedef void serve_fn(int conn);

/* A process that serves one connection (or, with DGRAM, the listening socket itself). */
static pid_t
serve(const char *path, int type, serve_fn *fn)
{
	int sock = listen_on(path, type);
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		alarm(60);
		fn(type == SOCK_SEQPACKET ? accept4(sock, NULL, NULL, SOCK_CLOEXEC) : sock);
		_exit(0);
	}
	close(sock);
	return pid;
}

static void
served(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

/*
 * What both kinds of perfused use is checked by this, because ck_assert() works only in the process of a test (or a fork of it), and
 * not in this program started as a helper. There, dying is what the test sees.
 */
static bool in_helper;

static void
require(bool ok, const char *what)
{
	if (!in_helper)
		ck_assert_msg(ok, "%s", what);
	else if (!ok)
		_exit(99);
}

#define REQUIRE(expression) require(expression, #expression)

static struct frame_mount hdr;
static struct frame_strings strings;

/* Receive a frame into hdr and strings; returns the descriptor that came along, or -1. */
static int
take_frame(int conn)
{
	static char frame[FRAME_MAX];
	const char *why = NULL;
	unsigned nfds;
	size_t len;
	int fd = -1;

	REQUIRE(fdp_recv(conn, frame, sizeof(frame), &len, &fd, 1, &nfds, NULL, LONG_MS) == 0);
	require(frame_parse(frame, len, &hdr, &strings, &why) == 0, why);
	return fd;
}

static void
answer(int conn, enum frame_code code, int error, const char *text)
{
	char buf[FRAME_ANSWER_MAX];
	size_t len = frame_answer_build(buf, sizeof(buf), code, error, (uint32_t)getpid(), text);

	REQUIRE(fdp_send(conn, buf, len, NULL, 0) == 0);
}

/* The FUSE traffic that follows a mount: one packet each way. */
static void
talk_as_engine(int conn)
{
	char buf[16];
	unsigned nfds;
	size_t len;

	REQUIRE(fdp_send(conn, "INIT", 4, NULL, 0) == 0);
	REQUIRE(fdp_recv(conn, buf, sizeof(buf), &len, NULL, 0, &nfds, NULL, LONG_MS) == 0);
	REQUIRE(len == 5 && memcmp(buf, "REPLY", 5) == 0);
}

static void
talk_as_daemon(int fd)
{
	char buf[16];

	ck_assert_int_eq(recv(fd, buf, sizeof(buf), 0), 4);
	ck_assert_mem_eq(buf, "INIT", 4);
	ck_assert_int_eq(send(fd, "REPLY", 5, 0), 5);
}

static void
expect_eof(int conn)
{
	char buf[16];
	unsigned nfds;
	size_t len;

	REQUIRE(fdp_recv(conn, buf, sizeof(buf), &len, NULL, 0, &nfds, NULL, LONG_MS) == 0);
	REQUIRE(len == 0);
}

/* ---- this program as "perfused -i FD" ---- */

struct facts {
	int sock, extra_fds, blocked, ignored, session_leader, own_session, parent;
	int null[3]; /* descriptor n is /dev/null */
};

static bool
is_null(int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat("/dev/null", &b) == 0 && S_ISCHR(a.st_mode) && a.st_rdev == b.st_rdev;
}

static struct facts
gather(int sock)
{
	struct facts f = {
		.sock = sock, .session_leader = getsid(0) == getpid(), .own_session = getsid(0), .parent = getppid()
	};
	struct sigaction sa;
	sigset_t set;
	struct dirent *e;
	DIR *dir = opendir("/proc/self/fd");

	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.' && atoi(e->d_name) > 2 && atoi(e->d_name) != sock &&
		    atoi(e->d_name) != dirfd(dir))
			f.extra_fds++;
	closedir(dir);
	sigprocmask(SIG_BLOCK, NULL, &set);
	for (int sig = 1; sig < NSIG; sig++) {
		f.blocked += sigismember(&set, sig) == 1;
		f.ignored += sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
	}
	for (int fd = 0; fd < 3; fd++)
		f.null[fd] = is_null(fd);
	return f;
}

static int
helper_main(int sock)
{
	const char *what = getenv("TEST_HELPER");
	struct facts f = gather(sock);

	in_helper = true;
	alarm(60);
	if (strcmp(what, "facts") == 0)
		return fdp_send(sock, &f, sizeof(f), NULL, 0);
	if (strcmp(what, "exit") == 0)
		return 0;
	take_frame(sock);
	if (strcmp(what, "control") == 0) {
		REQUIRE(hdr.flags == FRAME_F_CONTROL);
		answer(sock, FRAME_MOUNTED, 0, "");
		answer(sock, FRAME_READY, 0, "");
		return 0;
	}
	REQUIRE(strcmp(strings.target, "/mnt/target") == 0);
	REQUIRE(strings.sock == NULL); /* a pair needs none, of whichever type */
	answer(sock, FRAME_MOUNTED, 0, "");
	talk_as_engine(sock);
	expect_eof(sock);
	return 0;
}

static void
use_helper(const char *what)
{
	setenv("PERFUSE_PERFUSED", self, 1);
	setenv("TEST_HELPER", what, 1);
}

/* ---- perfuse_open() ---- */

START_TEST(open_files)
{
	char path[120], missing[] = "/nonexistent";
	struct stat st;

	umask(0);
	snprintf(path, sizeof(path), "%s/file", temp);
	int fd = perfuse_open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0641);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0641);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	fd = perfuse_open(path, O_RDONLY, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), 0);
	close(fd);
	fd = perfuse_open(temp, O_TMPFILE | O_RDWR, 0604);
	if (fd >= 0) { /* not every file system has it */
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_int_eq(st.st_mode & 07777, 0604);
		close(fd);
	}
	ck_assert_int_eq(perfuse_open(missing, O_RDWR, 0), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(perfuse_open("/dev/fuse/", O_RDWR, 0), -1);
	fd = perfuse_open("/dev/null", O_RDWR, 0);
	ck_assert(is_null(fd));
	close(fd);
}
END_TEST

START_TEST(bufsize)
{
	static const struct {
		const char *env;
		size_t want;
	} table[] = { { NULL, 8388608 }, { "", 8388608 }, { "65536", 65536 }, { "65535", 8388608 },
		{ "67108864", 67108864 }, { "67108865", 8388608 }, { "100000x", 8388608 }, { " 100000", 8388608 },
		{ "-100000", 8388608 }, { "+100000", 8388608 }, { "99999999999999999999999999", 8388608 },
		{ "0x100000", 8388608 }, { "1000000", 1000000 } };

	for (size_t i = 0; i < N(table); i++) {
		if (table[i].env != NULL)
			setenv("PERFUSE_BUFSIZE", table[i].env, 1);
		ck_assert_msg(client_bufsize() == table[i].want, "%s", table[i].env);
	}
	ck_assert_str_eq(client_perfused(), "/nonexistent/perfused");
	setenv("PERFUSE_PERFUSED", "", 1);
	ck_assert_ptr_nonnull(strstr(client_perfused(), "/perfused"));
}
END_TEST

static void
serve_nothing(int conn)
{
	expect_eof(conn);
}

static int
sndbuf_of(int fd)
{
	int value;
	socklen_t len = sizeof(value);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, &len), 0);
	return value;
}

START_TEST(open_bufsize)
{
	int sv[2];
	size_t granted;

	setenv("PERFUSE_BUFSIZE", "400000", 1);
	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, sv), 0);
	int before = sndbuf_of(sv[0]);
	ck_assert_int_eq(fdp_buffers(sv[0], 400000, &granted), 0);
	ck_assert_int_gt(granted, before);

	pid_t pid = serve(service, SOCK_SEQPACKET, serve_nothing);
	int fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_eq(sndbuf_of(fd), granted);
	close(fd);
	served(pid);
	unlink(service);
	use_helper("exit");
	fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_eq(sndbuf_of(fd), granted);
	close(fd);
}
END_TEST

START_TEST(open_flags)
{
	static const int flags[] = { 0, O_CLOEXEC, O_NONBLOCK, O_CLOEXEC | O_NONBLOCK };

	for (size_t i = 0; i < N(flags); i++) {
		pid_t pid = serve(service, SOCK_SEQPACKET, serve_nothing);
		int fds = open_fds(), fd = perfuse_open("/dev/fuse", O_RDWR | flags[i], 0);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(open_fds(), fds + 1);
		ck_assert_int_eq(fcntl(fd, F_GETFD), flags[i] & O_CLOEXEC ? FD_CLOEXEC : 0);
		ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, flags[i] & O_NONBLOCK);
		close(fd);
		served(pid);
		unlink(service);
	}
}
END_TEST

START_TEST(open_no_perfused)
{
	catch_stderr();
	int fds = open_fds();

	ck_assert_int_eq(perfuse_open("/dev/fuse", O_RDWR, 0), -1);
	ck_assert_int_eq(errno, ENODEV);
	char want[400];
	snprintf(want, sizeof(want),
	    "perfuse: no perfused listens on %s and /nonexistent/perfused cannot be started: No such file or "
	    "directory; "
	    "start perfused or set PERFUSE_PERFUSED\n",
	    service);
	ck_assert_str_eq(printed(), want);

	int plain = creat(service, 0600); /* neither a socket nor a program */
	close(plain);
	setenv("PERFUSE_PERFUSED", service, 1);
	ck_assert_int_eq(perfuse_open("/dev/fuse", O_RDWR, 0), -1);
	ck_assert_int_eq(errno, ENODEV);
	ck_assert_ptr_nonnull(strstr(printed(), "cannot be started: Permission denied;"));
	ck_assert_int_eq(open_fds(), fds);
	ck_assert_int_eq(waitpid(-1, NULL, __WALL), -1); /* nothing left to wait for */
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(open_socket_too_long)
{
	char path[200];

	catch_stderr();
	memset(path, 'x', sizeof(path));
	path[199] = '\0';
	setenv("PERFUSE_SOCKET", path, 1);
	ck_assert_int_eq(perfuse_open("/dev/fuse", O_RDWR, 0), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	ck_assert_str_eq(printed(), "perfuse: PERFUSE_SOCKET is longer than the 107 bytes a socket's path may have\n");
}
END_TEST

static volatile sig_atomic_t children;

static void
on_child(int sig)
{
	children++;
}

static struct facts
facts_of(int fd)
{
	struct facts f;

	ck_assert_int_eq(recv(fd, &f, sizeof(f), 0), sizeof(f));
	return f;
}

START_TEST(start_detached)
{
	struct sigaction sa = { .sa_handler = on_child };
	sigset_t set, now;

	use_helper("facts");
	ck_assert_int_ge(open("/", O_RDONLY), 0); /* to be inherited, if it were not for us */
	ck_assert_int_ge(dup2(0, 77), 0);
	sigaction(SIGCHLD, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
	int fds = open_fds(), fd = perfuse_open("/dev/fuse", O_RDWR | O_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	struct facts f = facts_of(fd);
	ck_assert_int_eq(f.extra_fds, 0);
	ck_assert_int_eq(f.blocked, 0);
	ck_assert_int_eq(f.ignored, 0);
	ck_assert_int_ne(f.own_session, getsid(0));
	ck_assert_int_eq(f.session_leader, 0);
	ck_assert_int_ne(f.parent, getpid());
	ck_assert(f.null[0] && f.null[1]);
	ck_assert_int_eq(f.null[2], is_null(2));

	ck_assert_int_eq(open_fds(), fds + 1);
	ck_assert_int_eq(children, 0);
	ck_assert_int_eq(waitpid(-1, NULL, __WALL | WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	sigprocmask(SIG_SETMASK, NULL, &now);
	ck_assert(sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGUSR2) == 0);
	close(fd);
}
END_TEST

/* A daemon that has closed its standard descriptors, each combination of them. */
START_TEST(start_without_stdio)
{
	use_helper("facts");
	signal(SIGCHLD, SIG_IGN);
	int saved[3];
	for (int i = 0; i < 3; i++)
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 20);
	for (int mask = 1; mask < 8; mask++) {
		for (int i = 0; i < 3; i++)
			mask & 1 << i ? close(i) : dup2(saved[i], i);
		int fd = perfuse_open("/dev/fuse", O_RDWR | O_CLOEXEC, 0);
		struct facts f = facts_of(fd);
		for (int i = 0; i < 3; i++)
			dup2(saved[i], i);
		if (fd > 2)
			close(fd);
		ck_assert(f.null[0] && f.null[1]);
		ck_assert(f.null[2] || !(mask & 4));
		ck_assert_int_gt(f.sock, 2);
		ck_assert_int_eq(f.extra_fds, 0);
	}
}
END_TEST

/* ---- perfuse_mount() ---- */

static char data[64];

static const char *
fd_data(int fd)
{
	snprintf(data, sizeof(data), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	return data;
}

static void
serve_mount(int conn)
{
	char cwd[200];

	ck_assert_int_eq(take_frame(conn), -1);
	ck_assert_uint_eq(hdr.flags, 0);
	ck_assert_uint_eq(hdr.mountflags, MS_NOSUID | MS_NODEV);
	ck_assert_uint_gt(hdr.sndbuf, 4096);
	ck_assert_str_eq(strings.source, "the source");
	snprintf(cwd, sizeof(cwd), "%s/sub/../target", temp);
	ck_assert_str_eq(strings.target, cwd);
	ck_assert_str_eq(strings.filesystemtype, "fuse.test");
	ck_assert_int_eq(strncmp(strings.data, "fd=", 3), 0);
	ck_assert_ptr_nonnull(strstr(strings.data, ",allow_other"));
	ck_assert_ptr_null(strings.sock);
	answer(conn, FRAME_MOUNTED, 0, "");
	talk_as_engine(conn);
	expect_eof(conn);
}

START_TEST(mount_service)
{
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		pid_t pid = serve(service, SOCK_SEQPACKET, serve_mount);
		catch_stderr();
		ck_assert_int_eq(chdir(temp), 0);
		int fds = open_fds(), fd = perfuse_open("/dev/fuse", O_RDWR | flags, 0);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(perfuse_mount("the source", "sub/../target", "fuse.test",
				     MS_MGC_VAL | MS_NOSUID | MS_NODEV, fd_data(fd)),
		    0);
		fcntl(fd, F_SETFL, 0);
		talk_as_daemon(fd);
		ck_assert_int_eq(open_fds(), fds + 1);
		close(fd);
		served(pid);
		ck_assert_str_eq(printed(), "");
		unlink(service);
	}
}
END_TEST

START_TEST(mount_started)
{
	use_helper("mount");
	int fds = open_fds(), fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_eq(perfuse_mount(NULL, "/mnt/target", NULL, 0, fd_data(fd)), 0);
	talk_as_daemon(fd);
	ck_assert_int_eq(open_fds(), fds + 1);
}
END_TEST

START_TEST(mount_started_exits)
{
	catch_stderr();
	use_helper("exit");
	int fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(perfuse_mount(NULL, "/mnt/target", NULL, 0, fd_data(fd)), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	ck_assert_str_eq(printed(), "perfuse: perfused closed the connection without an answer; see its log\n");
}
END_TEST

/* Each way in which perfused's answer can be bad news. */
static int scenario;

static const struct {
	int error;
	const char *line;
} outcomes[] = {
	{ EPERM, "perfuse: /mnt is not yours?\n" },
	{ EBUSY, "perfuse: Device or resource busy\n" },
	{ ECONNRESET, "perfuse: perfused closed the connection without an answer; see its log\n" },
	{ ECONNRESET, "perfuse: perfused closed the connection without an answer; see its log\n" },
	{ EPROTO, "perfuse: perfused's answer makes no sense; is it of the same version as this program?\n" },
	{ EPROTO, "perfuse: perfused's answer makes no sense; is it of the same version as this program?\n" },
	{ EPROTO, "perfuse: perfused's answer makes no sense; is it of the same version as this program?\n" },
	{ EACCES, "perfuse: go away\n" },
};

static void
serve_bad_news(int conn)
{
	static char big[FRAME_ANSWER_MAX + 1];

	if (scenario == 2)
		_exit(0);    /* with the frame unread */
	if (scenario == 7) { /* says no without reading what is asked */
		answer(conn, FRAME_FAILED, EACCES, "go away");
		_exit(0);
	}
	take_frame(conn);
	if (scenario == 0)
		answer(conn, FRAME_FAILED, EPERM, "/mnt is not yours\n");
	else if (scenario == 1)
		answer(conn, FRAME_FAILED, EBUSY, "");
	else if (scenario == 4)
		ck_assert_int_eq(fdp_send(conn, "garbage", 7, NULL, 0), 0);
	else if (scenario == 5)
		answer(conn, FRAME_READY, 0, ""); /* too early */
	else if (scenario == 6)
		ck_assert_int_eq(fdp_send(conn, big, sizeof(big), NULL, 0), 0);
	if (scenario >= 4)
		expect_eof(conn); /* called off, though the client still has it open */
}

START_TEST(mount_bad_news)
{
	scenario = _i;
	pid_t pid = serve(service, SOCK_SEQPACKET, serve_bad_news);
	catch_stderr();
	int fds = open_fds(), fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse.x", 0, fd_data(fd)), -1);
	ck_assert_int_eq(errno, outcomes[_i].error);
	served(pid);
	ck_assert_str_eq(printed(), outcomes[_i].line);
	ck_assert_int_eq(open_fds(), fds + 1);
	close(fd);
}
END_TEST

START_TEST(mount_bad_arguments)
{
	int sv[2], stream[2], pipes[2], inet = socket(AF_INET, SOCK_STREAM, 0);
	char text[64], big[20000];
	static const char *const wrong[] = { NULL, "", "allow_other", "fd=", "fd=x", "fd=-1", "fd=3x", "fd=99999999999",
		"fd", "fd=1023" };

	catch_stderr();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
	ck_assert_int_eq(pipe(pipes), 0);
	int fds = open_fds();
	for (size_t i = 0; i < N(wrong); i++) {
		errno = 0;
		ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse", 0, wrong[i]), -1);
		ck_assert_int_eq(errno, EINVAL);
		const char *line = printed();
		ck_assert(strncmp(line, "perfuse: ", 9) == 0 && strchr(line, '\n') == line + strlen(line) - 1);
	}
	const int not_ours[] = { stream[0], pipes[0], inet };
	for (size_t i = 0; i < N(not_ours); i++) {
		snprintf(text, sizeof(text), "fd=%d", not_ours[i]);
		ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse", 0, text), -1);
		ck_assert_int_eq(errno, EINVAL);
		ck_assert_ptr_nonnull(strstr(printed(), "must come from perfuse_open"));
	}
	snprintf(text, sizeof(text), "fd=%d", sv[0]);
	ck_assert_int_eq(perfuse_mount("s", NULL, "fuse", 0, text), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(perfuse_mount("s", "", "fuse", 0, text), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse", -1, text), -1);
	ck_assert_int_eq(errno, EINVAL);
	memset(big, 'b', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	ck_assert_int_eq(perfuse_mount("s", big, "fuse", 0, text), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	memcpy(big, text, strlen(text));
	big[strlen(text)] = ',';
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse", 0, big), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(open_fds(), fds);
	ck_assert_int_eq(recv(sv[1], text, sizeof(text), 0), -1); /* nothing was sent for any of these */
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(mount_cwd_gone)
{
	char dir[120], text[32];
	int sv[2];

	catch_stderr();
	snprintf(dir, sizeof(dir), "%s/gone", temp);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	snprintf(text, sizeof(text), "fd=%d", sv[0]);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(perfuse_mount("s", "mnt", "fuse", 0, text), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_nonnull(strstr(printed(), "the current directory has no path"));
}
END_TEST

/* ---- which service a user is connected to ---- */

static void
serve_target_mine(int conn)
{
	take_frame(conn);
	answer(conn, FRAME_FAILED, EXDEV, "mine");
}

START_TEST(user_own_service)
{
	char dir[100], path[120];

	as_user();
	unsetenv("PERFUSE_SOCKET");
	catch_stderr();
	snprintf(dir, sizeof(dir), "%s/perfuse", temp);
	snprintf(path, sizeof(path), "%s/fuse", dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	pid_t pid = serve(path, SOCK_SEQPACKET, serve_target_mine);
	int fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse", 0, fd_data(fd)), -1);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_str_eq(printed(), "perfuse: mine\n");
	served(pid);
	close(fd);
}
END_TEST

/* A directory that others may write to is one where others may listen. */
START_TEST(user_trap)
{
	char dir[100], path[120];

	as_user();
	unsetenv("PERFUSE_SOCKET");
	catch_stderr();
	snprintf(dir, sizeof(dir), "%s/perfuse", temp);
	snprintf(path, sizeof(path), "%s/fuse", dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(chmod(dir, 0777), 0);
	int trap = listen_on(path, SOCK_SEQPACKET | SOCK_NONBLOCK);
	ck_assert_int_eq(listen(trap, 1), 0);
	int fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	if (fd < 0) /* else a real perfused runs here as root */
		ck_assert_ptr_null(strstr(printed(), path));
	ck_assert_int_eq(accept(trap, NULL, NULL), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

/* ---- no SEQPACKET ---- */

static void
refuse_seqpacket(int error)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	const int calls[] = { SCMP_SYS(socket), SCMP_SYS(socketpair) };

	ck_assert_ptr_nonnull(ctx);
	for (size_t i = 0; i < N(calls); i++)
		ck_assert_int_eq(
		    seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)error), calls[i], 2,
			SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_SEQPACKET)),
		    0);
	ck_assert_int_eq(seccomp_load(ctx), 0);
	seccomp_release(ctx);
	ck_assert_int_eq(socket(AF_UNIX, SOCK_SEQPACKET, 0), -1);
	ck_assert_int_eq(errno, error);
}

static const char warning[] = "perfuse: SEQPACKET local sockets unavailable, using less reliable DGRAM sockets. "
			      "Expect file operation hangs.\n";

static void
connect_back(int sock)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	ck_assert_ptr_nonnull(strings.sock);
	ck_assert_uint_lt(strlen(strings.sock), sizeof(sun.sun_path));
	strcpy(sun.sun_path, strings.sock);
	ck_assert_int_eq(connect(sock, (struct sockaddr *)&sun, sizeof(sun)), 0);
}

static void
serve_dgram(int sock)
{
	char want[200];

	take_frame(sock);
	snprintf(want, sizeof(want), "%s/perfuse/reply-%d-", temp, getppid());
	ck_assert_int_eq(strncmp(strings.sock, want, strlen(want)), 0);
	connect_back(sock);
	answer(sock, FRAME_MOUNTED, 0, "");
	talk_as_engine(sock);
}

static const int refusals[] = { EPROTONOSUPPORT, ESOCKTNOSUPPORT, EAFNOSUPPORT, EPROTOTYPE, EOPNOTSUPP };

static int
entries(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

START_TEST(dgram_service)
{
	char dir[100];

	as_user();
	refuse_seqpacket(refusals[_i]);
	pid_t pid = serve(service, SOCK_DGRAM, serve_dgram);
	catch_stderr();
	int fds = open_fds(), fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse.x", 0, fd_data(fd)), 0);
	snprintf(dir, sizeof(dir), "%s/perfuse", temp);
	ck_assert_int_eq(entries(dir), 1); /* mounts/; the reply socket's name is gone and the socket works on: */
	talk_as_daemon(fd);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse.x", 0, fd_data(fd)), -1);
	ck_assert_int_eq(errno, EINVAL);
	char want[400];
	snprintf(
	    want, sizeof(want), "%sperfuse: this descriptor was mounted with before; open /dev/fuse again\n", warning);
	ck_assert_str_eq(printed(), want);
	ck_assert_int_eq(open_fds(), fds + 1);
	served(pid);
}
END_TEST

static void
serve_dgram_failed(int sock)
{
	take_frame(sock);
	connect_back(sock);
	answer(sock, FRAME_FAILED, ENOTDIR, "/mnt is a file");
}

START_TEST(dgram_service_failed)
{
	char dir[100], path[120];

	as_user();
	refuse_seqpacket(EPROTONOSUPPORT);
	snprintf(dir, sizeof(dir), "%s/perfuse", temp); /* a name left behind by a process that had our pid */
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	snprintf(path, sizeof(path), "%s/reply-%d-0", dir, getpid());
	close(listen_on(path, SOCK_DGRAM));
	pid_t pid = serve(service, SOCK_DGRAM, serve_dgram_failed);
	catch_stderr();
	int fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_str_eq(printed(), warning);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse.x", 0, fd_data(fd)), -1);
	ck_assert_int_eq(errno, ENOTDIR);
	ck_assert_str_eq(printed(), "perfuse: /mnt is a file\n");
	ck_assert_int_eq(entries(dir), 2);
	served(pid);
}
END_TEST

START_TEST(dgram_no_run_directory)
{
	as_user();
	refuse_seqpacket(EPROTONOSUPPORT);
	char path[120];
	snprintf(path, sizeof(path), "%s/perfuse", temp);
	close(creat(path, 0600));
	int sock = listen_on(service, SOCK_DGRAM);
	catch_stderr();
	int fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_str_eq(printed(), warning);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse.x", 0, fd_data(fd)), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_ptr_nonnull(strstr(printed(), "cannot make a run directory"));
	close(sock);
}
END_TEST

START_TEST(dgram_started)
{
	refuse_seqpacket(EPROTONOSUPPORT);
	use_helper("mount");
	catch_stderr();
	int type, fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	socklen_t len = sizeof(type);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len), 0);
	ck_assert_int_eq(type, SOCK_DGRAM);
	ck_assert_int_eq(perfuse_mount(NULL, "/mnt/target", NULL, 0, fd_data(fd)), 0);
	talk_as_daemon(fd);
	ck_assert_str_eq(printed(), warning);
	ck_assert_int_eq(
	    send(fd, "", 0, 0), 0); /* a datagram pair has no end of file: this stands for it in expect_eof() */
}
END_TEST

/* Another error than "there is no such socket" is an error. */
START_TEST(seqpacket_fails)
{
	refuse_seqpacket(EMFILE);
	catch_stderr();
	ck_assert_int_eq(perfuse_open("/dev/fuse", O_RDWR, 0), -1);
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_str_eq(printed(), "perfuse: cannot make a local socket: Too many open files\n");
}
END_TEST

/* ---- control connections ---- */

static char why[CLIENT_WHY_MAX];

static int
control_mount(int timeout_ms, int *control)
{
	int sv[2];

	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, sv), 0);
	const struct client_mount m = { "s", "/mnt", "fuse.x", "ro", MS_RDONLY, (uint32_t)sndbuf_of(sv[1]), sv[0] };
	why[0] = '\0';
	int error = client_mount(&m, timeout_ms, control, why, sizeof(why));
	close(sv[0]);
	if (error == 0) { /* the engine's end has travelled */
		char buf[8];
		ck_assert_int_eq(recv(sv[1], buf, sizeof(buf), 0), 5);
		ck_assert_mem_eq(buf, "hello", 5);
	}
	close(sv[1]);
	return error;
}

static void
serve_control(int conn)
{
	char buf[64];
	struct frame_request r;
	unsigned nfds;
	size_t len;

	int fd = take_frame(conn);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(hdr.flags, FRAME_F_CONTROL);
	ck_assert_uint_eq(hdr.mountflags, MS_RDONLY);
	ck_assert_uint_eq(hdr.sndbuf, sndbuf_of(fd));
	ck_assert_int_eq(fdp_send(fd, "hello", 5, NULL, 0), 0);
	close(fd);
	answer(conn, FRAME_MOUNTED, 0, "");
	answer(conn, FRAME_READY, 0, "");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(fdp_recv(conn, buf, sizeof(buf), &len, NULL, 0, &nfds, NULL, LONG_MS), 0);
		ck_assert_int_eq(frame_request_parse(buf, len, &r), 0);
		ck_assert_uint_eq(r.flags, i == 0 ? 0 : MNT_DETACH);
		if (i == 0)
			answer(conn, FRAME_FAILED, EBUSY, "/mnt is in use");
		else
			answer(conn, FRAME_ENDED, 0, "");
	}
}

START_TEST(control)
{
	char text[8];
	uint32_t code;
	int conn, error, fds = open_fds();

	pid_t pid = serve(service, SOCK_SEQPACKET, serve_control);
	ck_assert_int_eq(control_mount(LONG_MS, &conn), 0);
	ck_assert_int_eq(client_unmount(conn, false, LONG_MS, why, sizeof(why)), EBUSY); /* passes over FRAME_READY */
	ck_assert_str_eq(why, "/mnt is in use");
	ck_assert_int_eq(client_unmount(conn, true, -1, why, sizeof(why)), 0);
	ck_assert_int_eq(client_answer(conn, LONG_MS, &code, &error, text, sizeof(text)), ECONNRESET);
	close(conn);
	served(pid);
	ck_assert_int_eq(open_fds(), fds);
}
END_TEST

static void
serve_ended(int conn)
{
	int fd = take_frame(conn);

	fdp_send(fd, "hello", 5, NULL, 0);
	answer(conn, FRAME_MOUNTED, 0, "");
	answer(conn, FRAME_READY, 0, "");
	answer(conn, FRAME_ENDED, ENOTCONN, "the daemon died of something long");
}

/* The mount ends by itself just before the unmount is asked for, or just after, when nobody reads the request any more. */
START_TEST(control_ended)
{
	char text[8];
	uint32_t code;
	int conn, error;

	pid_t pid = serve(service, SOCK_SEQPACKET, serve_ended);
	ck_assert_int_eq(control_mount(LONG_MS, &conn), 0);
	served(pid);
	ck_assert_int_eq(client_answer(conn, LONG_MS, &code, &error, text, sizeof(text)), 0);
	ck_assert_int_eq(code, FRAME_READY);
	ck_assert_int_eq(client_unmount(conn, false, LONG_MS, why, sizeof(why)), 0);
	ck_assert_int_eq(client_unmount(conn, false, LONG_MS, why, sizeof(why)), ECONNRESET);
	close(conn);
	unlink(service);

	pid = serve(service, SOCK_SEQPACKET, serve_ended);
	ck_assert_int_eq(control_mount(LONG_MS, &conn), 0);
	served(pid);
	ck_assert_int_eq(client_answer(conn, LONG_MS, &code, &error, text, sizeof(text)), 0);
	ck_assert_int_eq(client_answer(conn, LONG_MS, &code, &error, text, sizeof(text)), 0);
	ck_assert_int_eq(code, FRAME_ENDED);
	ck_assert_int_eq(error, ENOTCONN);
	ck_assert_str_eq(text, "the dae"); /* cut to fit */
	close(conn);
}
END_TEST

static void
serve_unread(int conn)
{
	char buf[8];
	int fd = take_frame(conn);

	fdp_send(fd, "hello", 5, NULL, 0);
	answer(conn, FRAME_MOUNTED, 0, "");
	(void)recv(
	    conn, buf, sizeof(buf), MSG_PEEK); /* wait for the request, and leave it there: close() is a reset then */
	answer(conn, FRAME_ENDED, 0, "");
}

START_TEST(control_ended_unread)
{
	int conn;

	pid_t pid = serve(service, SOCK_SEQPACKET, serve_unread);
	ck_assert_int_eq(control_mount(LONG_MS, &conn), 0);
	ck_assert_int_eq(client_unmount(conn, false, LONG_MS, why, sizeof(why)), 0);
	served(pid);
}
END_TEST

static void
serve_silence(int conn)
{
	close(take_frame(conn));
	expect_eof(conn); /* the client gave up */
}

START_TEST(control_silence)
{
	int conn, fds = open_fds();

	pid_t pid = serve(service, SOCK_SEQPACKET, serve_silence);
	ck_assert_int_eq(control_mount(100, &conn), ETIMEDOUT);
	ck_assert_str_eq(why, "perfused did not answer in time; see its log");
	served(pid);
	ck_assert_int_eq(open_fds(), fds);
}
END_TEST

static void
serve_refusal(int conn)
{
	close(take_frame(conn));
	answer(conn, FRAME_FAILED, EPERM, "/mnt is not yours");
	expect_eof(conn);
}

START_TEST(control_refused)
{
	int conn, fds = open_fds();

	pid_t pid = serve(service, SOCK_SEQPACKET, serve_refusal);
	ck_assert_int_eq(control_mount(LONG_MS, &conn), EPERM);
	ck_assert_str_eq(why, "/mnt is not yours");
	served(pid);
	ck_assert_int_eq(open_fds(), fds);

	const struct client_mount m = { .target = "relative" };
	ck_assert_int_eq(client_mount(&m, 1, &conn, why, sizeof(why)), EINVAL);
	ck_assert_int_eq(client_mount(&m, 1, &conn, NULL, 0), EINVAL);
}
END_TEST

START_TEST(control_started)
{
	char text[64];
	uint32_t code;
	int conn, type, error, fds = open_fds();
	int sv[2];

	use_helper("control");
	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, sv), 0);
	const struct client_mount m = { "s", "/mnt", "fuse.x", NULL, 0, 0, sv[0] };
	ck_assert_int_eq(client_mount(&m, LONG_MS, &conn, why, sizeof(why)), 0);
	ck_assert_int_eq(fcntl(conn, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(client_answer(conn, LONG_MS, &code, &error, text, sizeof(text)), 0);
	ck_assert_int_eq(code, FRAME_READY);
	close(conn);
	close(sv[0]);
	close(sv[1]);
	ck_assert_int_eq(client_connect(&conn, &type, why, sizeof(why)), 0);
	ck_assert_int_eq(type, SOCK_SEQPACKET);
	close(conn);
	setenv("PERFUSE_PERFUSED", "/nonexistent\nx", 1);
	ck_assert_int_eq(client_connect(&conn, NULL, why, sizeof(why)), ENODEV);
	ck_assert_ptr_nonnull(strstr(why, "/nonexistent?x cannot be started")); /* one line */
	ck_assert_int_eq(open_fds(), fds);
}
END_TEST

/* A case of its own for each, so that each has a fresh directory, made and removed outside the forked test. */
static void
add(Suite *s, const TTest *test, int times)
{
	TCase *c = tcase_create(test->name);

	tcase_set_timeout(c, 60);
	tcase_add_unchecked_fixture(c, make_temp, drop_temp);
	tcase_add_loop_test(c, test, 0, times);
	suite_add_tcase(s, c);
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "-i") == 0)
		return helper_main(atoi(argv[2]));

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return EXIT_FAILURE;
	Suite *s = suite_create("client");
	add(s, open_files, 1);
	add(s, bufsize, 1);
	add(s, open_bufsize, 1);
	add(s, open_flags, 1);
	add(s, open_no_perfused, 1);
	add(s, open_socket_too_long, 1);
	add(s, start_detached, 1);
	add(s, start_without_stdio, 1);
	add(s, mount_service, 1);
	add(s, mount_started, 1);
	add(s, mount_started_exits, 1);
	add(s, mount_bad_arguments, 1);
	add(s, mount_cwd_gone, 1);
	add(s, user_own_service, 1);
	add(s, user_trap, 1);
	add(s, dgram_service_failed, 1);
	add(s, dgram_no_run_directory, 1);
	add(s, dgram_started, 1);
	add(s, seqpacket_fails, 1);
	add(s, control, 1);
	add(s, control_ended, 1);
	add(s, control_ended_unread, 1);
	add(s, control_silence, 1);
	add(s, control_refused, 1);
	add(s, control_started, 1);
	add(s, mount_bad_news, N(outcomes));
	add(s, dgram_service, N(refusals));

	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

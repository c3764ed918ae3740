/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The perfused of the client's tests: see fake_perfused.h. Included by each test program that uses it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "fake_perfused.h"

enum { USER = 12345 };
char temp[64], service[100];
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

void
as_user(void)
{
	if (getuid() == 0) {
		ck_assert_int_eq(chown(temp, USER, USER), 0);
		ck_assert_int_eq(setgid(USER), 0);
		ck_assert_int_eq(setuid(USER), 0);
	}
}

void
catch_stderr(void)
{
	caught = memfd_create("stderr", MFD_CLOEXEC);
	ck_assert_int_ge(caught, 0);
	ck_assert_int_eq(dup2(caught, STDERR_FILENO), STDERR_FILENO);
}

const char *
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

int
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

int
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

pid_t
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

void
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

struct frame_mount hdr;
struct frame_strings strings;

int
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

void
answer(int conn, enum frame_code code, int error, const char *text)
{
	char buf[FRAME_ANSWER_MAX];
	size_t len = frame_answer_build(buf, sizeof(buf), code, error, (uint32_t)getpid(), text);

	REQUIRE(fdp_send(conn, buf, len, NULL, 0) == 0);
}

void
talk_as_engine(int conn)
{
	char buf[16];
	unsigned nfds;
	size_t len;

	REQUIRE(fdp_send(conn, "INIT", 4, NULL, 0) == 0);
	REQUIRE(fdp_recv(conn, buf, sizeof(buf), &len, NULL, 0, &nfds, NULL, LONG_MS) == 0);
	REQUIRE(len == 5 && memcmp(buf, "REPLY", 5) == 0);
}

void
talk_as_daemon(int fd)
{
	char buf[16];

	ck_assert_int_eq(recv(fd, buf, sizeof(buf), 0), 4);
	ck_assert_mem_eq(buf, "INIT", 4);
	ck_assert_int_eq(send(fd, "REPLY", 5, 0), 5);
}

void
expect_eof(int conn)
{
	char buf[16];
	unsigned nfds;
	size_t len;

	REQUIRE(fdp_recv(conn, buf, sizeof(buf), &len, NULL, 0, &nfds, NULL, LONG_MS) == 0);
	REQUIRE(len == 0);
}

/* ---- this program as "perfused -i FD" ---- */

bool
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

void
use_helper(const char *what)
{
	setenv("PERFUSE_PERFUSED", self, 1);
	setenv("TEST_HELPER", what, 1);
}

int
sndbuf_of(int fd)
{
	int value;
	socklen_t len = sizeof(value);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, &len), 0);
	return value;
}

static char data[64];

const char *
fd_data(int fd)
{
	snprintf(data, sizeof(data), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	return data;
}

/* A case of its own for each, so that each has a fresh directory, made and removed outside the forked test. */
static void
add(Suite *s, const struct client_test *t)
{
	TCase *c = tcase_create(t->test->name);

	tcase_set_timeout(c, 60);
	tcase_add_unchecked_fixture(c, make_temp, drop_temp);
	tcase_add_loop_test(c, t->test, 0, (int)t->rounds);
	suite_add_tcase(s, c);
}

int
client_tests(int argc, char **argv, const char *name, const struct client_test *tests, size_t ntests)
{
	if (argc == 3 && strcmp(argv[1], "-i") == 0)
		return helper_main(atoi(argv[2]));
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return EXIT_FAILURE;
	Suite *s = suite_create(name);
	for (size_t i = 0; i < ntests; i++)
		add(s, &tests[i]);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

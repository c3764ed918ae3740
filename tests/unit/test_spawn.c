/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting a daemon (client/spawn.h) with a perfused of our own: what a daemon does until its mount answers, each way in which that can
 * go wrong, and that nothing of it is left. The daemon is this program again: "test_spawn daemon WHAT".
 */
#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "client/client.h"
#include "client/spawn.h"
#include "ctl/frame.h"

#include "fake_perfused.c"

#define CLONE 0x8004e500 /* FUSE_DEV_IOC_CLONE */

static char text[2048], program[PATH_MAX], mnt[128];

/* ---- the daemon ---- */

static const char *
mount_options(int fd)
{
	static char options[64];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	return options;
}

static int
open_and_mount_at(const char *target, int expect)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0 || (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
		exit(101);
	if (mount("src", target, "fuse.test", MS_NOSUID, mount_options(fd)) != 0) {
		if (errno != expect)
			exit(102);
		fprintf(stderr, "first line\nlast \tline\n\n");
		exit(7);
	}
	return fd;
}

static int
open_and_mount(int expect)
{
	return open_and_mount_at(getenv("TEST_MNT"), expect);
}

/* Wait for the end of the session: end of file, or, where our library stands between, what /dev/fuse says. */
static bool
wait_end(int fd)
{
	char c;
	ssize_t n = read(fd, &c, 1);

	return getenv("LD_PRELOAD") != NULL ? n == -1 && errno == ENODEV && write(fd, &c, 1) == -1 && errno == ENODEV
					    : n == 0;
}

/* The daemon's part of talk_as_engine(); Check is not there to assert anything. */
static void
take_init(int fd)
{
	char buf[16];

	if (recv(fd, buf, sizeof(buf), 0) != 4 || memcmp(buf, "INIT", 4) != 0 || send(fd, "REPLY", 5, 0) != 5)
		exit(108);
}

/* Serve one mount to its end. */
static int
serve_one(int fd)
{
	take_init(fd);
	return wait_end(fd) ? 0 : 107;
}

/* Requests to the broker that make no sense, each on a connection of its own: they are refused, and it goes on. */
static int
bad_guest(void)
{
	static const struct {
		struct frame_request rq;
		const char *path;
		size_t len; /* of the path, as sent */
		int error;
	} cases[] = {
		{ { 17, 1, 0, 0 }, "x", 1, EPROTO },
		{ { 18, 1, 0, 0 }, "/", 1, EPROTO },    /* a wrong length */
		{ { 17, 1, 0, 0 }, "/", 1, EPROTO },    /* no NUL */
		{ { 20, 1, 0, 0 }, "/\0a", 4, EPROTO }, /* one too many */
		{ { 18, 1, 1, 0 }, "/", 2, EPROTO },    /* a flag that is none */
		{ { 18, 1, 0, 1 }, "/", 2, EPROTO },
		{ { 18, 1, 0, 0 }, "/", 2, ENOENT }, /* well formed, and not ours */
		{ { 18, 0, 0, 0 }, "/", 2, EPROTO }, /* a mount frame it is not */
		{ { 16, 1, 0, 0 }, "", 0, EPROTO },
	};
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *name = getenv("PERFUSE_BROKER"), *line;
	char packet[64], reply[FRAME_ANSWER_MAX];
	struct frame_answer a;
	int fd;

	memcpy(sun.sun_path + 1, name, strlen(name));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		if (connect(fd, (struct sockaddr *)&sun, (socklen_t)(sizeof(sa_family_t) + 1 + strlen(name))) != 0)
			return 130;
		memcpy(packet, &cases[i].rq, sizeof(cases[i].rq));
		memcpy(packet + sizeof(cases[i].rq), cases[i].path, cases[i].len);
		send(fd, packet, sizeof(cases[i].rq) + cases[i].len, 0);
		ssize_t n = recv(fd, reply, sizeof(reply), 0);
		if (n <= 0 || frame_answer_parse(reply, (size_t)n, &a, &line) != 0 || a.code != FRAME_FAILED ||
		    a.error != cases[i].error) {
			fprintf(stderr, "case %zu: %zd, error %d\n", i, n, n > 0 ? a.error : 0);
			return 131;
		}
		close(fd);
	}
	return serve_one(open_and_mount(0));
}

/* What daemons do with themselves before and after they mount. -1: it is none of these. */
static int
daemon_moves(const char *what)
{
	char second[256], *argv[] = { (char *)"x", (char *)"daemon", (char *)"serve", NULL };
	int fd, spare, pipefd[2];

	if (strcmp(what, "several") ==
	    0) { /* two mounts, a third descriptor that is never used, and a child for each */
		snprintf(second, sizeof(second), "%s2", getenv("TEST_MNT"));
		spare = open("/dev/fuse", O_RDWR);
		fd = open_and_mount(0);
		if (fork() == 0)
			_exit(serve_one(fd));
		close(fd);
		fd = open_and_mount_at(second, 0);
		return spare >= 0 && spare != fd ? serve_one(fd) : 120;
	}
	if (strcmp(what, "background") == 0) { /* before it opens anything */
		if (fork() != 0)
			_exit(0);
		setsid();
		if (fork() != 0)
			_exit(0);
		return serve_one(open_and_mount(0));
	}
	if (strcmp(what, "chdir") == 0) /* a name relative to where it has gone */
		return chdir(getenv("TEST_MNT")) == 0 && chdir("..") == 0 ? serve_one(open_and_mount_at("mnt", 0))
									  : 121;
	if (strcmp(what, "reexec") == 0) {
		execv("/proc/self/exe", argv);
		return 122;
	}
	if (strcmp(what, "drop") == 0) /* another user, who cannot be traced by his like */
		return setgid(USER) == 0 && setuid(USER) == 0 ? serve_one(open_and_mount(0)) : 123;
	if (strcmp(what, "chroot") == 0) { /* what it unmounts then is not where it seems to be */
		fd = open_and_mount(0);
		take_init(fd);
		if (chroot(getenv("TEST_MNT")) != 0 || chdir("/") != 0)
			return 124;
		if (umount2(getenv("TEST_MNT"), MNT_DETACH) == 0 || errno != ENOENT)
			return 125;
		_exit(wait_end(fd) ? 0 : 107); /* (a sanitizer's last look needs /proc) */
	}
	if (strcmp(what, "guest") == 0)
		return bad_guest();
	if (strcmp(what, "inside") == 0) { /* a mount from another root directory */
		fd = open("/dev/fuse", O_RDWR);
		if (fd < 0 || chroot(getenv("TEST_MNT")) != 0)
			return 126;
		_exit(mount("src", "/", "fuse.test", 0, mount_options(fd)) == -1 && errno == EPERM ? 5 : 127);
	}
	if (strcmp(what, "blind") == 0) {
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		(void)open("/dev/fuse", O_RDWR);
		return 9;
	}
	if (strcmp(what, "pipes") == 0) {
		if (pipe(pipefd) != 0 || fcntl(pipefd[0], F_SETPIPE_SZ, 1 << 20) != -1 || errno != EPERM)
			return 128;
		return serve_one(open_and_mount(0));
	}
	return -1;
}

static int
daemon_main(const char *what)
{
	int fd, clone, spare;
	char c;

	alarm(60);
	spare = daemon_moves(what);
	if (spare >= 0)
		return spare;
	if (strcmp(what, "exit") == 0) {
		fprintf(stderr, "bye\n");
		return 3;
	}
	if (strcmp(what, "nothing") == 0)
		return 0;
	if (strcmp(what, "hang") == 0) {
		signal(SIGTERM, SIG_IGN);
		if (fork() == 0)
			setsid();
		for (;;)
			pause();
	}
	fd = open_and_mount(strcmp(what, "refused") == 0 ? EACCES : 0);
	if (strcmp(what, "early") == 0) { /* as libfuse 2, which mounts first and looks at its options then */
		close(fd);
		fprintf(stderr, "unknown option\n");
		return umount2(getenv("TEST_MNT"), MNT_DETACH) == 0 ? 1 : 109;
	}
	if (strcmp(what, "clone") == 0) {
		spare = open("/dev/fuse", O_RDWR);
		if (ioctl(spare, CLONE, &fd) != 0)
			return 103;
		take_init(spare); /* what is sent to the one can be read from the other */
		clone = fcntl(fd, F_GETFD) >= 0 && fcntl(spare, F_GETFD) >= 0;
		return wait_end(fd) && clone ? 0 : 104;
	}
	if (strcmp(what, "silent") != 0)
		take_init(fd);
	if (strcmp(what, "again") == 0) { /* refused, with a line to stderr */
		if (mount("src", getenv("TEST_MNT"), "fuse.test", 0, mount_options(fd)) == 0 || errno != EBUSY)
			return 110;
		return umount2(getenv("TEST_MNT"), MNT_DETACH) == 0 ? 0 : 111;
	}
	if (strcmp(what, "both") == 0) { /* two ask; the first one hears that it was interrupted, and tells perfused */
		if (fork() == 0)
			_exit(umount2(getenv("TEST_MNT"), 0) == -1 && errno == EINTR && send(fd, "!", 1, 0) == 1 ? 0
														 : 113);
		if (recv(fd, &c, 1, 0) != 1)
			return 114;
		return umount2(getenv("TEST_MNT"), 0) == 0 ? 0 : 115;
	}
	if (strcmp(what, "die") == 0) { /* while it asks for its unmount */
		if (fork() == 0) {
			if (recv(fd, &c, 1, 0) == 1)
				kill(getppid(), SIGKILL);
			_exit(0);
		}
		umount2(getenv("TEST_MNT"), 0);
		return 112;
	}
	if (strcmp(what, "unmount") == 0) {
		if (umount2(getenv("TEST_MNT"), MNT_DETACH) != 0)
			return 105;
		/* A second time must reach nothing. */
		return umount2(getenv("TEST_MNT"), MNT_DETACH) == -1 && errno == EINVAL ? 0 : 106;
	}
	return wait_end(fd) ? 0 : 107;
}

/* ---- perfused ---- */

static int
take(int conn)
{
	int fd = take_frame(conn);

	ck_assert_int_ge(fd, 0);
	ck_assert_str_eq(strings.target, mnt);
	ck_assert_str_eq(strings.filesystemtype, "fuse.test");
	return fd;
}

static void
perfused_ready(int conn)
{
	int fd = take(conn);

	ck_assert_str_eq(strings.source, "mine"); /* ours goes before the daemon's */
	ck_assert_uint_eq(hdr.mountflags, MS_NOSUID | MS_RDONLY);
	ck_assert_uint_eq(hdr.flags, FRAME_F_CONTROL);
	ck_assert_uint_gt(hdr.sndbuf, 0);
	answer(conn, FRAME_MOUNTED, 0, "");
	talk_as_engine(fd);
	answer(conn, FRAME_READY, 0, "");
	close(fd);
	answer(conn, FRAME_ENDED, 0, "");
	expect_eof(conn);
}

static void
perfused_refuses(int conn)
{
	close(take(conn));
	answer(conn, FRAME_FAILED, EACCES, "not yours");
}

/* perfuse takes the mount away again. */
static void
leave(int conn, int fd)
{
	struct frame_request r;
	unsigned nfds;
	size_t len;

	ck_assert_int_eq(fdp_recv(conn, &r, sizeof(r), &len, NULL, 0, &nfds, NULL, LONG_MS), 0);
	ck_assert_uint_eq(len, sizeof(r));
	ck_assert_uint_eq(r.code, FRAME_UNMOUNT);
	ck_assert_uint_eq(r.flags, MNT_DETACH);
	answer(conn, FRAME_ENDED, 0, "");
	expect_eof(conn);
	close(fd);
}

/* The daemon never answers. */
static void
perfused_waits(int conn)
{
	int fd = take(conn);

	answer(conn, FRAME_MOUNTED, 0, "");
	leave(conn, fd);
}

/* The daemon closed its socket and unmounted: what is left of the mount fails. */
static void
perfused_fails(int conn)
{
	struct frame_request r;
	unsigned nfds;
	size_t len;
	int fd = take(conn);

	answer(conn, FRAME_MOUNTED, 0, "");
	ck_assert_int_eq(fdp_recv(conn, &r, sizeof(r), &len, NULL, 0, &nfds, NULL, LONG_MS), 0);
	ck_assert_uint_eq(r.code, FRAME_UNMOUNT);
	answer(conn, FRAME_FAILED, ENOTCONN, "the daemon has closed its connection");
	expect_eof(conn);
	close(fd);
}

static void
perfused_unmounts(int conn)
{
	int fd = take(conn);

	answer(conn, FRAME_MOUNTED, 0, "");
	talk_as_engine(fd);
	answer(conn, FRAME_READY, 0, "");
	leave(conn, fd);
}

static void
perfused_serves(int conn)
{
	int fd = take(conn);

	answer(conn, FRAME_MOUNTED, 0, "");
	talk_as_engine(fd);
	answer(conn, FRAME_READY, 0, "");
	close(fd);
	answer(conn, FRAME_ENDED, 0, "");
	expect_eof(conn);
}

/* Two mounts, one after the other, both there at the same time. */
static int second_mount;

static void
perfused_serves_two(int conn)
{
	int fd = take(conn), other, other_fd;

	answer(conn, FRAME_MOUNTED, 0, "");
	talk_as_engine(fd);
	answer(conn, FRAME_READY, 0, "");
	other = accept4(second_mount, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(other, 0);
	other_fd = take_frame(other);
	ck_assert_int_ge(other_fd, 0);
	ck_assert_int_eq(strncmp(strings.target, mnt, strlen(mnt)), 0);
	ck_assert_str_eq(strings.target + strlen(mnt), "2");
	answer(other, FRAME_MOUNTED, 0, "");
	talk_as_engine(other_fd);
	answer(other, FRAME_READY, 0, "");
	close(other_fd);
	answer(other, FRAME_ENDED, 0, "");
	expect_eof(other);
	close(fd);
	answer(conn, FRAME_ENDED, 0, "");
	expect_eof(conn);
}

/* ---- the tests ---- */

static void
prepare(void)
{
	/* What is left behind becomes our child, so that it can be waited for. */
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	snprintf(mnt, sizeof(mnt), "%s/mnt", temp);
	ck_assert(mkdir(mnt, 0700) == 0 || errno == EEXIST); /* rounds share it */
	setenv("TEST_MNT", mnt, 1);
	setenv("PATH", "/usr/bin:/bin", 1); /* a folder that may not be read would make another error of "not found" */
	ck_assert_int_gt(readlink("/proc/self/exe", program, sizeof(program) - 1), 0);
	catch_stderr();
}

static enum spawn_via via = SPAWN_SUPERVISE;

static int
spawn(const char *what, struct spawn sp)
{
	sp.argv = (char *[]){ program, "daemon", (char *)(uintptr_t)what, NULL };
	sp.via = via;
	if (sp.seconds == 0)
		sp.seconds = 30;
	text[0] = '\0';
	return spawn_mount(&sp, text, sizeof(text));
}

/* Everything that was started has ended by itself. */
static void
nothing_left(void)
{
	alarm(30);
	while (waitpid(-1, NULL, 0) > 0)
		;
	ck_assert_int_eq(errno, ECHILD);
	alarm(0);
}

START_TEST(ready)
{
	int fds = open_fds();

	prepare();
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_ready);
	ck_assert_int_eq(spawn("serve", (struct spawn){ .options = "ro,fsname=mine" }), 0);
	ck_assert_ptr_nonnull(strstr(text, mnt));
	ck_assert_ptr_nonnull(strstr(text, "fuse.test of mine"));
	served(pid);
	nothing_left();
	ck_assert_int_eq(open_fds(), fds + 1); /* catch_stderr()'s */
}
END_TEST

START_TEST(cloned)
{
	prepare();
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_ready);
	ck_assert_int_eq(spawn("clone", (struct spawn){ .options = "ro,fsname=mine", .foreground = true }), 0);
	served(pid);
	nothing_left();
	ck_assert_str_eq(printed(), "");
}
END_TEST

START_TEST(unmounts_itself)
{
	prepare();
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_unmounts);
	ck_assert_int_eq(spawn("unmount", (struct spawn){ .foreground = true }), 0);
	served(pid);
	nothing_left();
}
END_TEST

START_TEST(unmounts_early)
{
	prepare();
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_fails);
	ck_assert_int_eq(spawn("early", (struct spawn){ 0 }), EX_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(text, "unmounted it before it answered and exited with status 1: unknown option"));
	served(pid);
	nothing_left();
}
END_TEST

START_TEST(refused)
{
	prepare();
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_refuses);
	ck_assert_int_eq(spawn("refused", (struct spawn){ 0 }), EX_NOPERM);
	ck_assert_ptr_nonnull(strstr(text, "not yours"));
	ck_assert_ptr_nonnull(strstr(text, "exited with status 7: last ?line"));
	ck_assert_str_eq(printed(), "first line\nlast \tline\n\n"); /* and it was passed on as it came */
	served(pid);
	nothing_left();
}
END_TEST

START_TEST(never_answers)
{
	prepare();
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_waits);
	ck_assert_int_eq(spawn("silent", (struct spawn){ .seconds = 1 }), EX_PROTOCOL);
	ck_assert_ptr_nonnull(strstr(text, "not answered within 1 s"));
	served(pid);
	nothing_left();
}
END_TEST

START_TEST(not_a_fuse_daemon)
{
	static const struct {
		const char *what, *text;
		unsigned seconds;
	} cases[] = {
		{ "exit", "exited with status 3: bye", 0 },
		{ "nothing", "exited without mounting anything", 0 },
		{ "hang", "has not tried to mount anything within 1 s", 1 },
	};

	prepare();
	ck_assert_int_eq(spawn(cases[_i].what, (struct spawn){ .seconds = cases[_i].seconds }), EX_UNAVAILABLE);
	ck_assert_msg(strstr(text, cases[_i].text) != NULL, "%s", text);
	nothing_left();
}
END_TEST

START_TEST(cannot_run)
{
	char *none[] = { "no-such-program-anywhere", NULL }, *dir[] = { "/etc", NULL };
	struct spawn sp = { .argv = none, .seconds = 10 };

	prepare();
	ck_assert_int_eq(spawn_mount(&sp, text, sizeof(text)), 127);
	ck_assert_str_eq(text, "no-such-program-anywhere: command not found");
	sp.argv = dir;
	ck_assert_int_eq(spawn_mount(&sp, text, sizeof(text)), 126);
	nothing_left();
}
END_TEST

START_TEST(bad_options)
{
	prepare();
	ck_assert_int_eq(spawn("serve", (struct spawn){ .options = "what=ever" }), EX_USAGE);
	ck_assert_ptr_nonnull(strstr(text, "what=ever"));
	ck_assert_int_eq(spawn("serve", (struct spawn){ .options = "fd=3" }), EX_USAGE);
	ck_assert_int_eq(spawn("serve", (struct spawn){ .options = "max_read=x" }), EX_USAGE);
	nothing_left();
}
END_TEST

/* A signal while nothing answers yet, sent once the daemon has mounted. */
static int signal_to_send;

static void
perfused_signals(int conn)
{
	int fd = take(conn);

	answer(conn, FRAME_MOUNTED, 0, "");
	kill(getppid(), signal_to_send);
	leave(conn, fd);
}

START_TEST(signalled)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

	prepare();
	signal_to_send = signals[_i];
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_signals);
	ck_assert_int_eq(spawn("silent", (struct spawn){ .foreground = _i == 1 }), 128 + signals[_i]);
	served(pid);
	nothing_left();
}
END_TEST

/* A second signal does not wait for what the first one began. */
static int returned[2];

static void
perfused_signals_twice(int conn)
{
	struct frame_request r;
	unsigned nfds;
	size_t len;
	char c;
	int fd = take(conn);

	close(returned[1]);
	answer(conn, FRAME_MOUNTED, 0, "");
	kill(getppid(), SIGINT);
	ck_assert_int_eq(fdp_recv(conn, &r, sizeof(r), &len, NULL, 0, &nfds, NULL, LONG_MS), 0);
	ck_assert_uint_eq(r.code, FRAME_UNMOUNT);
	kill(getppid(), SIGTERM);
	ck_assert_int_eq(read(returned[0], &c, 1), 0);
	answer(conn, FRAME_ENDED, 0, "");
	expect_eof(conn);
	close(fd);
}

START_TEST(signalled_twice)
{
	prepare();
	ck_assert_int_eq(pipe2(returned, O_CLOEXEC), 0);
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_signals_twice);
	ck_assert_int_eq(spawn("silent", (struct spawn){ 0 }), 128 + SIGINT);
	ck_assert_ptr_nonnull(strstr(text, "has not ended yet"));
	close(returned[1]);
	served(pid);
	nothing_left();
}
END_TEST

/* READY is there before the daemon can go on: what it does then is done by a mount that answers. */
static void
perfused_ready_first(int conn)
{
	int fd = take(conn);

	answer(conn, FRAME_MOUNTED, 0, "");
	answer(conn, FRAME_READY, 0, "");
	talk_as_engine(fd);
	leave(conn, fd);
}

/* Nobody reads the user's stderr, and it is full. */
START_TEST(stderr_blocks)
{
	char page[4096] = { 0 };
	int full[2];

	prepare();
	ck_assert_int_eq(pipe2(full, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(full[1], page, sizeof(page)) > 0)
		;
	ck_assert_int_eq(fcntl(full[1], F_SETFL, 0), 0);
	ck_assert_int_eq(dup2(full[1], STDERR_FILENO), STDERR_FILENO);
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_ready_first);
	ck_assert_int_eq(spawn("again", (struct spawn){ .foreground = true }), 0);
	served(pid);
	nothing_left();
}
END_TEST

/* The daemon dies while it is being unmounted, and that is refused: perfuse has to ask once more. */
static void
perfused_is_busy(int conn)
{
	struct frame_request r;
	unsigned nfds;
	size_t len;
	char c;
	int fd = take(conn);

	answer(conn, FRAME_MOUNTED, 0, "");
	answer(conn, FRAME_READY, 0, "");
	talk_as_engine(fd);
	ck_assert_int_eq(fdp_recv(conn, &r, sizeof(r), &len, NULL, 0, &nfds, NULL, LONG_MS), 0);
	ck_assert_uint_eq(r.code, FRAME_UNMOUNT);
	ck_assert_uint_eq(r.flags, 0);
	ck_assert_int_eq(send(fd, "!", 1, 0), 1);
	ck_assert_int_eq(recv(fd, &c, 1, 0), 0);
	usleep(500 * 1000); /* so that it has looked at the mount meanwhile, which nobody can see */
	answer(conn, FRAME_FAILED, EBUSY, "busy");
	leave(conn, fd);
}

static void
perfused_waits_for_both(int conn)
{
	struct frame_request r;
	unsigned nfds;
	size_t len;
	char c;
	int fd = take(conn);

	answer(conn, FRAME_MOUNTED, 0, "");
	answer(conn, FRAME_READY, 0, "");
	talk_as_engine(fd);
	ck_assert_int_eq(fdp_recv(conn, &r, sizeof(r), &len, NULL, 0, &nfds, NULL, LONG_MS), 0);
	ck_assert_uint_eq(r.code, FRAME_UNMOUNT);
	ck_assert_int_eq(send(fd, "!", 1, 0), 1);
	ck_assert_int_eq(recv(fd, &c, 1, 0), 1);
	answer(conn, FRAME_ENDED, 0, "");
	expect_eof(conn);
	close(fd);
}

START_TEST(unmounted_by_two)
{
	prepare();
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_waits_for_both);
	ck_assert_int_eq(spawn("both", (struct spawn){ .foreground = true }), 0);
	served(pid);
	nothing_left();
}
END_TEST

START_TEST(moves)
{
	static const char *const what[] = { "background", "chdir", "reexec", "pipes", "drop", "chroot" };

	prepare();
	if (_i >= 4 && geteuid() != 0)
		return;
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_serves);
	int r = spawn(what[_i], (struct spawn){ .foreground = true });
	ck_assert_msg(r == 0, "%s: %d: %s", what[_i], r, text);
	served(pid);
	nothing_left();
	ck_assert_str_eq(printed(), "");
}
END_TEST

/* One that does not let its like look into it: why it could not be served is said. */
START_TEST(blind)
{
	prepare();
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(mnt, USER, USER), 0);
		chmod(temp, 0755);
		as_user();
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	}
	ck_assert_int_eq(spawn("blind", (struct spawn){ 0 }), EX_UNAVAILABLE);
	ck_assert_msg(strstr(text, "status 9") != NULL && strstr(text, "CAP_SYS_PTRACE") != NULL, "%s", text);
	nothing_left();
}
END_TEST

START_TEST(several)
{
	char second[256];
	pid_t pid;

	prepare();
	snprintf(second, sizeof(second), "%s2", mnt);
	ck_assert_int_eq(mkdir(second, 0700), 0);
	second_mount = listen_on(service, SOCK_SEQPACKET);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		perfused_serves_two(accept4(second_mount, NULL, NULL, SOCK_CLOEXEC));
		_exit(0);
	}
	close(second_mount);
	ck_assert_int_eq(spawn("several", (struct spawn){ .foreground = true }), 0);
	served(pid);
	nothing_left();
}
END_TEST

/* The same with our library loaded into the daemon, which asks the broker. (A sanitizer's must be loaded first.) */
static bool
load_library(void)
{
	char path[PATH_MAX + 64];

#if defined(__SANITIZE_ADDRESS__)
	return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
	return false;
#endif
#endif
	snprintf(path, sizeof(path), "%.*s/../src/client/libperfuse-preload.so", (int)(strrchr(program, '/') - program),
	    program);
	ck_assert_msg(access(path, R_OK) == 0, "%s", path);
	setenv("PERFUSE_PRELOAD", path, 1);
	via = SPAWN_PRELOAD;
	return true;
}

START_TEST(preloaded)
{
	static const char *const what[] = { "serve", "background", "chdir", "reexec", "clone", "guest" };

	prepare();
	if (!load_library())
		return;
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_serves);
	int r = spawn(what[_i], (struct spawn){ .foreground = true });
	ck_assert_msg(r == 0, "%s: %d: %s", what[_i], r, text);
	served(pid);
	nothing_left();
	ck_assert_str_eq(printed(), "");
}
END_TEST

START_TEST(preloaded_unmounts)
{
	prepare();
	if (!load_library())
		return;
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_unmounts);
	int r = spawn("unmount", (struct spawn){ .foreground = true });
	ck_assert_msg(r == 0, "%d: %s", r, text);
	served(pid);
	nothing_left();
}
END_TEST

START_TEST(preloaded_refused)
{
	prepare();
	if (!load_library())
		return;
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_refuses);
	ck_assert_int_eq(spawn("refused", (struct spawn){ 0 }), EX_NOPERM);
	ck_assert_msg(strstr(text, "not yours") != NULL, "%s", text);
	served(pid);
	nothing_left();
}
END_TEST

/* A way that cannot be gone is refused before anything is started. */
START_TEST(no_way)
{
	prepare();
	setenv("PERFUSE_PRELOAD", "/nonexistent/preload.so", 1);
	setenv("PERFUSE_LIBEXEC", "/nonexistent/libexec", 1);
	via = SPAWN_PRELOAD;
	ck_assert_int_eq(spawn("serve", (struct spawn){ 0 }), EX_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(text, "--via preload cannot serve"));
	ck_assert_ptr_nonnull(strstr(text, "/nonexistent/preload.so"));
	via = SPAWN_FUSERMOUNT;
	ck_assert_int_eq(spawn("serve", (struct spawn){ 0 }), EX_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(text, "/nonexistent/libexec/fusermount3"));
	nothing_left();
}
END_TEST

START_TEST(another_root)
{
	prepare();
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(spawn("inside", (struct spawn){ 0 }), EX_NOPERM);
	ck_assert_msg(strstr(text, "another mount namespace or root directory") != NULL, "%s", text);
	nothing_left();
}
END_TEST

START_TEST(dies_while_leaving)
{
	prepare();
	pid_t pid = serve(service, SOCK_SEQPACKET, perfused_is_busy);
	ck_assert_int_eq(spawn("die", (struct spawn){ .foreground = true }), EX_UNAVAILABLE);
	ck_assert_msg(strstr(text, "was killed by signal 9") != NULL, "%s", text);
	served(pid);
	nothing_left();
}
END_TEST

int
main(int argc, char **argv)
{
	const struct client_test tests[] = {
		{ ready, 1 },
		{ cloned, 1 },
		{ unmounts_itself, 1 },
		{ unmounts_early, 1 },
		{ refused, 1 },
		{ never_answers, 1 },
		{ not_a_fuse_daemon, 3 },
		{ cannot_run, 1 },
		{ bad_options, 1 },
		{ signalled, 3 },
		{ signalled_twice, 1 },
		{ stderr_blocks, 1 },
		{ dies_while_leaving, 1 },
		{ unmounted_by_two, 1 },
		{ moves, 6 },
		{ several, 1 },
		{ blind, 1 },
		{ another_root, 1 },
		{ preloaded, 6 },
		{ preloaded_unmounts, 1 },
		{ preloaded_refused, 1 },
		{ no_way, 1 },
	};

	setproctitle_init(argc, argv, environ);
	if (argc == 3 && strcmp(argv[1], "daemon") == 0)
		return daemon_main(argv[2]);
	return client_tests(argc, argv, "spawn", tests, N(tests));
}

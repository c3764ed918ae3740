/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A peer of perfused's service that means harm, for hostile_peer.sh:
 *
 *   hostile_peer ask            ask for nonsense and wait (5 s) for the answer: is somebody still there?
 *   hostile_peer linger         leave a descriptor in perfused's queue whose last close(2) takes 40 seconds; stays 20 s
 *   hostile_peer crowd N        N connections that say nothing; "N opened, M turned away"; stays until killed
 *   hostile_peer mount DIR      mount on DIR, print the engine's process id, stay until killed
 *   hostile_peer trace          connect and try to trace whatever process of ours appears; 0: none could be
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "ctl/frame.h"

static _Noreturn void
die(const char *what)
{
	perror(what);
	exit(1);
}

static int
dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "/run/perfuse/fuse" };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		die("connect");
	return fd;
}

/* The next answer within so many milliseconds; false: none. */
static bool
listen_to(int fd, int ms, struct frame_answer *out)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char packet[FRAME_ANSWER_MAX];
	const char *text;
	ssize_t n;

	if (poll(&pfd, 1, ms) != 1 || (n = recv(fd, packet, sizeof(packet), 0)) <= 0)
		return false;
	return frame_answer_parse(packet, (size_t)n, out, &text) == 0;
}

/* A connected TCP socket with a full queue that nobody reads, and 40 seconds to linger. Its other end stays open. */
static int
lingering(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct linger linger = { .l_onoff = 1, .l_linger = 40 };
	static char junk[65536];
	socklen_t len = sizeof(sin);
	const int small = 2048;
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);

	if (setsockopt(l, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) < 0 ||
	    bind(l, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(l, 1) < 0 ||
	    getsockname(l, (struct sockaddr *)&sin, &len) < 0 || connect(c, (struct sockaddr *)&sin, len) < 0 ||
	    accept(l, NULL, NULL) < 0)
		die("a TCP connection");
	while (send(c, junk, sizeof(junk), MSG_DONTWAIT) >= 0)
		;
	if (setsockopt(c, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		die("SO_LINGER");
	return c;
}

static int
ask(void)
{
	struct frame_answer answer;
	int fd = dial();

	if (send(fd, "nonsense", 8, 0) < 0)
		die("send");
	return listen_to(fd, 5000, &answer) && answer.code == FRAME_FAILED ? 0 : 1;
}

static int
linger(void)
{
	int c = lingering(), fd = dial();

	/* The engine ends over the first; the others are left to whoever closes last. */
	if (fdp_send(fd, "nonsense", 8, NULL, 0) != 0 || send(fd, "", 0, 0) < 0 || fdp_send(fd, "x", 1, &c, 1) != 0)
		die("send");
	(void)close(c);
	(void)puts("sent");
	(void)fflush(stdout);
	(void)sleep(20);
	return 0;
}

static int
crowd(int n)
{
	int away = 0;
	static struct pollfd fds[256];
	struct frame_answer answer;

	if (n < 1 || n > 256)
		return 64;
	for (int i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = dial(), .events = POLLIN };
	/* Told so, or just cut off. Those that are let in hear nothing for ten seconds. */
	while (poll(fds, (nfds_t)n, 4000) > 0)
		for (int i = 0; i < n; i++) {
			if (fds[i].revents == 0)
				continue;
			away += !listen_to(fds[i].fd, 0, &answer) || answer.error == EAGAIN;
			fds[i].fd = -1; /* poll(2) leaves it out; it stays open */
		}
	(void)printf("%d opened, %d turned away\n", n, away);
	(void)fflush(stdout);
	(void)pause();
	return 0;
}

static int
mount_on(const char *dir)
{
	const struct frame_strings s = { .target = dir, .data = "fd=3" };
	struct frame_answer answer;
	int fd = dial();
	size_t len;
	void *frame;

	if (frame_build(&s, 0, 0, 0, &frame, &len) != 0 || fdp_send(fd, frame, len, NULL, 0) != 0)
		die("the frame");
	if (!listen_to(fd, 10000, &answer) || answer.code != FRAME_MOUNTED) {
		(void)fputs("not mounted\n", stderr);
		return 1;
	}
	(void)printf("%u\n", answer.pid);
	(void)fflush(stdout);
	(void)pause();
	return 0;
}

static int
trace(void)
{
	struct timespec start, now;
	pid_t highest = getpid();

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	for (int round = 0; round < 300; round++) {
		int fd = dial();

		for (int i = 0; i < 200; i++) {
			/* Process ids come one after the other. */
			for (pid_t pid = highest + 1; pid < highest + 20; pid++) {
				if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) {
					(void)printf("traced %d\n", pid);
					return 1;
				}
				if (errno == EPERM && i == 199)
					highest = pid - 10;
			}
		}
		(void)close(fd);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > 4)
			break;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && strcmp(argv[1], "ask") == 0)
		return ask();
	if (argc == 2 && strcmp(argv[1], "linger") == 0)
		return linger();
	if (argc == 3 && strcmp(argv[1], "crowd") == 0)
		return crowd((int)strtol(argv[2], NULL, 10));
	if (argc == 3 && strcmp(argv[1], "mount") == 0)
		return mount_on(argv[2]);
	if (argc == 2 && strcmp(argv[1], "trace") == 0)
		return trace();
	(void)fputs("usage: see hostile_peer.c\n", stderr);
	return 64;
}

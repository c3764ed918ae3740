/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A peer in a container that means no good. It asks perfused for mounts with frames of its own and prints for each answer its errno and line:
 *
 *   stranger SOCKET ask TARGET          one request
 *   stranger SOCKET many N TARGET       that many, one after the other; each that succeeds is given up at once. Prints the
 *                                       number of those that were answered
 *   stranger SOCKET gone TARGET         the process that connected ends before the request is sent
 *   stranger SOCKET swap N LINK A B     N requests for LINK/m, while another process makes LINK point to A and B in turn
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "ctl/frame.h"

enum { WAIT_MS = 60000 };

static int
dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* Ask for a mount on target and take the first answer. Its errno; 0: it is mounted. text: what was said. */
static int
ask(int sock, const char *target, char *text, size_t room)
{
	const struct frame_strings s = {
		.source = "stranger", .target = target, .filesystemtype = "fuse.stranger", .data = ""
	};
	char packet[FRAME_ANSWER_MAX];
	struct frame_answer answer;
	const char *line;
	unsigned nfds;
	size_t len;
	int sv[2], r;
	void *frame;

	if (fdp_pair(SOCK_SEQPACKET, sv) != 0 || frame_build(&s, 0, 0, FRAME_F_CONTROL, &frame, &len) != 0)
		abort();
	r = fdp_send(sock, frame, len, &sv[1], 1);
	free(frame);
	close(sv[1]);
	if (r == 0 || r == EPIPE)
		r = fdp_recv(sock, packet, sizeof(packet), &len, NULL, 0, &nfds, NULL, WAIT_MS);
	close(sv[0]);
	if (r != 0 || len == 0 || frame_answer_parse(packet, len, &answer, &line) != 0) {
		snprintf(text, room, "no answer: %s", strerror(r));
		return -1;
	}
	snprintf(text, room, "%s", line);
	return answer.code == FRAME_MOUNTED ? 0 : answer.error;
}

static int
ask_and_tell(int sock, const char *target)
{
	char text[FRAME_ANSWER_MAX];
	int error = ask(sock, target, text, sizeof(text));

	printf("%s %s\n", error < 0 ? "none" : error == 0 ? "mounted" : strerrorname_np(error), text);
	return error == 0 ? 0 : 1;
}

static int
ask_many(const char *path, int n, const char *target)
{
	char text[FRAME_ANSWER_MAX];
	int answered = 0;

	for (int i = 0; i < n; i++) {
		int sock = dial(path);

		answered += ask(sock, target, text, sizeof(text)) >= 0;
		close(sock);
	}
	printf("%d answered\n", answered);
	return answered == n ? 0 : 1;
}

/* The process that connected ends and is collected; who inherited its socket asks. */
static int
ask_after_end(const char *path, const char *target)
{
	int p[2], sock;
	char byte;
	pid_t pid;

	if (fdp_pair(SOCK_SEQPACKET, p) != 0)
		return 1;
	if ((pid = fork()) == 0) {
		sock = dial(path);
		_exit(fdp_send(p[1], "", 1, &sock, 1));
	}
	if (waitpid(pid, NULL, 0) != pid)
		return 1;
	unsigned nfds;
	size_t len;

	if (fdp_recv(p[0], &byte, 1, &len, &sock, 1, &nfds, NULL, WAIT_MS) != 0 || nfds != 1)
		return 1;
	return ask_and_tell(sock, target);
}

static int
ask_swapped(const char *path, int n, const char *link, const char *a, const char *b)
{
	char next[4096], target[4096], text[FRAME_ANSWER_MAX];
	int mounted = 0;
	pid_t pid;

	snprintf(next, sizeof(next), "%s.next", link);
	snprintf(target, sizeof(target), "%s/m", link);
	if ((pid = fork()) == 0)
		for (int i = 0;; i++)
			if (symlink(i % 2 ? a : b, next) != 0 || rename(next, link) != 0)
				_exit(1);
	for (int i = 0; i < n; i++) {
		int sock = dial(path);

		mounted += ask(sock, target, text, sizeof(text)) == 0;
		close(sock);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("%d mounted\n", mounted);
	return 0;
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 4 && strcmp(argv[2], "ask") == 0)
		return ask_and_tell(dial(argv[1]), argv[3]);
	if (argc == 5 && strcmp(argv[2], "many") == 0)
		return ask_many(argv[1], atoi(argv[3]), argv[4]);
	if (argc == 4 && strcmp(argv[2], "gone") == 0)
		return ask_after_end(argv[1], argv[3]);
	if (argc == 7 && strcmp(argv[2], "swap") == 0)
		return ask_swapped(argv[1], atoi(argv[3]), argv[4], argv[5], argv[6]);
	fprintf(stderr, "usage: stranger SOCKET ask|many|gone|swap ...\n");
	return 64;
}

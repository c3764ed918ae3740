/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of client/ share: surroundings (a fresh directory, another user, what is printed), and a perfused of our own,
 * which is either a forked process that listens where PERFUSE_SOCKET says, or the test program itself, started by the library
 * as "perfused -i FD" (TEST_HELPER says what it does then). Each test is a process of its own (Check forks), so environment, filters and
 * descriptors are its own too.
 */
#ifndef FAKE_PERFUSED_H
#define FAKE_PERFUSED_H

#include <check.h>
#include <stdbool.h>
#include <sys/types.h>

#include "ctl/frame.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

enum { LONG_MS = 20 * 1000 };

extern char temp[64];     /* the fresh directory */
extern char service[100]; /* PERFUSE_SOCKET, below it; nobody listens yet */

/* ---- surroundings ---- */

/* Be an ordinary user (if we are root), whose directory temp is. */
void as_user(void);
/* From now on what goes to stderr is for printed(). */
void catch_stderr(void);
/* What was printed since the last call. */
const char *printed(void);
/* Descriptors open now. */
int open_fds(void);
int sndbuf_of(int fd);
bool is_null(int fd);
/* Mount data that names fd. */
const char *fd_data(int fd);

/* ---- a perfused of our own ---- */

typedef void serve_fn(int conn);

int listen_on(const char *path, int type);
/* A process that serves one connection (or, with DGRAM, the listening socket itself). */
pid_t serve(const char *path, int type, serve_fn *fn);
/* Wait for it; what it checked must have been right. */
void served(pid_t pid);

extern struct frame_mount hdr; /* what take_frame() received */
extern struct frame_strings strings;
/* Receive a frame into hdr and strings; returns the descriptor that came along, or -1. */
int take_frame(int conn);
void answer(int conn, enum frame_code code, int error, const char *text);
/* The FUSE traffic that follows a mount: one packet each way. */
void talk_as_engine(int conn);
void talk_as_daemon(int fd);
void expect_eof(int conn);

/* ---- this program as "perfused -i FD" ---- */

struct facts { /* what "facts" finds and sends */
	int sock, extra_fds, blocked, ignored, session_leader, own_session, parent;
	int null[3]; /* descriptor n is /dev/null */
};

/* What it does when the library next starts it: "facts", "exit", "control" or "mount". */
void use_helper(const char *what);

/* ---- main ---- */

struct client_test {
	const TTest *test;
	size_t rounds;
};
/* The main() of each test program. */
int client_tests(int argc, char **argv, const char *name, const struct client_test *tests, size_t ntests);

#endif

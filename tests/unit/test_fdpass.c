/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit test of base/fdpass.c. The tests count the process's open descriptors: nothing that a peer sends may stay open.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/instrument.h"

static int
open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	ck_assert_int_eq(closedir(d), 0);
	return n;
}

static int sv[2];
static const int types[] = { SOCK_SEQPACKET, SOCK_DGRAM, SOCK_STREAM };

static void
setup(void)
{
	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, sv), 0);
}

static void
teardown(void)
{
	(void)close(sv[0]);
	(void)close(sv[1]);
}

START_TEST(test_pair)
{
	int pair[2], type;
	socklen_t len = sizeof(type);

	ck_assert_int_eq(fdp_pair(types[_i], pair), 0);
	ck_assert_int_ne(fcntl(pair[0], F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(pair[1], F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &type, &len), 0);
	ck_assert_int_eq(type, types[_i]);
	(void)close(pair[0]);
	(void)close(pair[1]);
	ck_assert_int_eq(fdp_pair(99, pair), EINVAL);
}
END_TEST

/* A message with descriptors: they arrive, in order, close-on-exec, and are the same files. */
START_TEST(test_send_and_recv)
{
	int pair[2], pipes[2], fds[FDP_MAX_FDS], before;
	unsigned nfds;
	char data[16];
	size_t len;
	struct fdp_cred cred;

	ck_assert_int_eq(fdp_pair(types[_i], pair), 0);
	ck_assert_int_eq(pipe(pipes), 0);
	before = open_fds();
	ck_assert_int_eq(fdp_send(pair[0], "hello", 5, (int[]){ pipes[0], pipes[1], pipes[0], pipes[1] }, 4), 0);
	ck_assert_int_eq(fdp_recv(pair[1], data, sizeof(data), &len, fds, 4, &nfds, &cred, 1000), 0);
	ck_assert_uint_eq(len, 5);
	ck_assert_mem_eq(data, "hello", 5);
	ck_assert_uint_eq(nfds, 4);
	ck_assert_int_eq(cred.pid, 0); /* nobody asked for it */
	ck_assert_int_eq(write(fds[3], "p", 1), 1);
	ck_assert_int_eq(read(fds[0], data, sizeof(data)), 1);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_ne(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, 0);
		ck_assert_int_eq(close(fds[i]), 0);
	}
	ck_assert_int_eq(fdp_send(pair[1], "x", 1, NULL, 0), 0);
	ck_assert_int_eq(fdp_recv(pair[0], data, sizeof(data), &len, NULL, 0, &nfds, NULL, -1), 0);
	ck_assert_uint_eq(len, 1);
	ck_assert_uint_eq(nfds, 0);
	ck_assert_int_eq(open_fds(), before);
	ck_assert_int_eq(fdp_send(pair[0], "x", 0, NULL, 0), EINVAL);
	ck_assert_int_eq(fdp_send(pair[0], "x", 1, (int[]){ 0, 0, 0, 0, 0 }, 5), EINVAL);
	ck_assert_int_eq(fdp_send(pair[0], "x", 1, (int[]){ 9999 }, 1), EBADF);
	for (int i = 0; i < 2; i++) {
		(void)close(pair[i]);
		(void)close(pipes[i]);
	}
}
END_TEST

/* Send n descriptors in one packet with the bare system call: more than fdp_send() would. */
static void
send_many(int sock, const char *data, unsigned n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(253 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = strlen(data) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n * sizeof(int))
	};

	memset(&control, 0, sizeof(control));
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
	for (unsigned i = 0; i < n; i++)
		memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &sock, sizeof(sock));
	ck_assert_int_eq(sendmsg(sock, &msg, 0), (ssize_t)strlen(data));
}

START_TEST(test_surplus_is_closed)
{
	static const unsigned sent[] = { 1, 2, 3, 4, 5, 8, 9, 12, 13, 20, 253 };
	int before = open_fds();

	for (int passcred = 0; passcred < 2; passcred++) {
		ck_assert_int_eq(setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &passcred, sizeof(passcred)), 0);
		for (unsigned i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
			for (unsigned max = 0; max <= FDP_MAX_FDS; max++) {
				int fds[FDP_MAX_FDS + 1] = { -7, -7, -7, -7, -7 };
				unsigned nfds;
				char data[16];
				size_t len;
				struct fdp_cred cred;

				send_many(sv[0], "surplus", sent[i]);
				ck_assert_int_eq(
				    fdp_recv(sv[1], data, sizeof(data), &len, fds, max, &nfds, &cred, 0), 0);
				ck_assert_uint_eq(len, 7);
				ck_assert_uint_eq(nfds, sent[i] < max ? sent[i] : max);
				ck_assert_int_eq(fds[nfds], -7);
				ck_assert_int_eq(cred.pid, passcred ? getpid() : 0);
				if (passcred)
					ck_assert_uint_eq(cred.uid, getuid());
				while (nfds > 0)
					ck_assert_int_eq(close(fds[--nfds]), 0);
				ck_assert_int_eq(open_fds(), before);
			}
	}
}
END_TEST

START_TEST(test_truncated_packet)
{
	int fds[2], before = open_fds();
	unsigned nfds = 77;
	char data[8] = "........";
	size_t len = 77;

	ck_assert_int_eq(fdp_send(sv[0], "12345678", 8, &sv[0], 1), 0);
	ck_assert_int_eq(fdp_recv(sv[1], data, 7, &len, fds, 2, &nfds, NULL, 0), EMSGSIZE);
	ck_assert_uint_eq(nfds, 0);
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(open_fds(), before);
	send_many(sv[0], "12345678", 20);
	ck_assert_int_eq(fdp_recv(sv[1], data, 7, &len, fds, 2, &nfds, NULL, 0), EMSGSIZE);
	ck_assert_int_eq(open_fds(), before);
	/* It is lost, and the next is whole. */
	ck_assert_int_eq(fdp_send(sv[0], "abcdefg", 7, NULL, 0), 0);
	ck_assert_int_eq(fdp_recv(sv[1], data, 7, &len, fds, 2, &nfds, NULL, 0), 0);
	ck_assert_mem_eq(data, "abcdefg.", 8);
}
END_TEST

START_TEST(test_too_many_open)
{
	struct rlimit old, lim;
	int fds[4], free_fd = dup(0), error, before = open_fds() - 1;
	unsigned nfds;
	char data[8];
	size_t len;

#ifdef RUNNING_ON_VALGRIND
	if (RUNNING_ON_VALGRIND) /* it keeps the limit to itself: the kernel installs all of them */
		return;
#endif
	ck_assert_int_eq(fdp_send(sv[0], "x", 1, (int[]){ sv[0], sv[0], sv[0] }, 3), 0);
	ck_assert_int_eq(fdp_send(sv[0], "y", 1, (int[]){ sv[0], sv[0] }, 2), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	(void)close(free_fd);
	lim = old;
	lim.rlim_cur = (rlim_t)free_fd + 1; /* room for one */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
	error = fdp_recv(sv[1], data, sizeof(data), &len, fds, 3, &nfds, NULL, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(error, EMFILE);
	ck_assert_uint_eq(nfds, 0);
	ck_assert_int_eq(open_fds(), before);
	/* One that asks for no more than there is room for is not troubled. */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
	error = fdp_recv(sv[1], data, sizeof(data), &len, fds, 1, &nfds, NULL, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(error, 0);
	ck_assert_uint_eq(nfds, 1);
	(void)close(fds[0]);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(test_eof_and_gone)
{
	unsigned nfds;
	char data[8];
	size_t len = 77;
	int e;

	ck_assert_int_eq(fdp_recv(sv[1], data, sizeof(data), &len, NULL, 0, &nfds, NULL, 0), ETIMEDOUT);
	ck_assert_int_eq(fdp_recv(sv[1], data, sizeof(data), &len, NULL, 0, &nfds, NULL, 20), ETIMEDOUT);
	ck_assert_uint_eq(len, 0);
	(void)close(sv[0]);
	ck_assert_int_eq(fdp_recv(sv[1], data, sizeof(data), &len, NULL, 0, &nfds, NULL, -1), 0);
	ck_assert_uint_eq(len, 0);
	e = fdp_send(sv[1], "x", 1, NULL, 0);
	ck_assert(e == EPIPE || e == ECONNRESET);
	(void)close(sv[1]);
	ck_assert_int_eq(fdp_recv(sv[1], data, sizeof(data), &len, NULL, 0, &nfds, NULL, -1), EBADF);
	ck_assert_int_eq(fdp_send(sv[1], "x", 1, NULL, 0), EBADF);
	ck_assert_int_eq(fdp_buffers(sv[1], 1, NULL), EBADF);
}
END_TEST

/* A stream's system call would raise SIGPIPE. */
START_TEST(test_no_sigpipe)
{
	teardown();
	ck_assert_int_eq(fdp_pair(SOCK_STREAM, sv), 0);
	(void)close(sv[1]);
	ck_assert_int_eq(fdp_send(sv[0], "x", 1, NULL, 0), EPIPE);
}
END_TEST

/* A packet of nothing that carries a descriptor counts as end of file; the descriptor does not stay open. */
START_TEST(test_empty_packet)
{
	unsigned nfds = 77;
	int fds[1], before = open_fds();
	char data[8];
	size_t len = 77;

	send_many(sv[0], "", 1);
	ck_assert_int_eq(fdp_recv(sv[1], data, sizeof(data), &len, fds, 1, &nfds, NULL, 0), 0);
	ck_assert_uint_eq(len, 0);
	ck_assert_uint_eq(nfds, 0);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

static volatile sig_atomic_t alarms;

static void
on_alarm(int signo)
{
	if (++alarms == 3)
		(void)!write(sv[0], "late", 4);
}

static void
on_alarm_drain(int signo)
{
	static char data[4096];

	if (++alarms == 3)
		while (recv(sv[1], data, sizeof(data), MSG_DONTWAIT) > 0)
			continue;
}

static void
alarm_with(void (*handler)(int), int on)
{
	struct sigaction sa = { .sa_handler = handler };
	struct itimerval it = { { 0, on * 2000 }, { 0, on * 2000 } };

	ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &it, NULL), 0);
}

START_TEST(test_recv_interrupted)
{
	unsigned nfds;
	char data[8];
	size_t len;

	alarm_with(on_alarm, 1);
	ck_assert_int_eq(fdp_recv(sv[1], data, sizeof(data), &len, NULL, 0, &nfds, NULL, _i ? 60000 : -1), 0);
	alarm_with(SIG_IGN, 0);
	ck_assert_uint_eq(len, 4);
	ck_assert_int_ge(alarms, 3);
}
END_TEST

/* Into a full socket, blocking and not: waits until there is room, whatever signals come. */
START_TEST(test_send_waits)
{
	static const char data[4096];
	char got[8];
	unsigned nfds;
	size_t len;

	ck_assert_int_eq(fcntl(sv[0], F_SETFL, _i ? O_NONBLOCK : 0), 0);
	while (send(sv[0], data, sizeof(data), MSG_DONTWAIT) > 0)
		continue;
	ck_assert_int_eq(errno, EAGAIN);
	alarm_with(on_alarm_drain, 1);
	ck_assert_int_eq(fdp_send(sv[0], "last", 4, NULL, 0), 0);
	alarm_with(SIG_IGN, 0);
	ck_assert_int_ge(alarms, 3);
	ck_assert_int_eq(fdp_recv(sv[1], got, sizeof(got), &len, NULL, 0, &nfds, NULL, 0), 0);
	ck_assert_uint_eq(len, 4);
}
END_TEST

static void *
read_all(void *arg)
{
	static unsigned char data[65536];
	uint64_t *sum = arg;
	ssize_t n;

	while ((n = read(sv[1], data, sizeof(data))) > 0)
		for (ssize_t i = 0; i < n; i++)
			*sum = *sum * 31 + data[i];
	return NULL;
}

/* A stream takes what it can get, and gets the rest. */
START_TEST(test_send_stream_whole)
{
	enum { LEN = 3000001 };
	unsigned char *data = malloc(LEN);
	uint64_t want = 0, got = 0;
	pthread_t reader;

	teardown();
	ck_assert_int_eq(fdp_pair(SOCK_STREAM, sv), 0);
	ck_assert_int_eq(fcntl(sv[0], F_SETFL, O_NONBLOCK), 0);
	ck_assert_ptr_nonnull(data);
	for (unsigned i = 0; i < LEN; i++) {
		data[i] = (unsigned char)(i * 7 / 3);
		want = want * 31 + data[i];
	}
	ck_assert_int_eq(pthread_create(&reader, NULL, read_all, &got), 0);
	ck_assert_int_eq(fdp_send(sv[0], data, LEN, NULL, 0), 0);
	(void)close(sv[0]);
	ck_assert_int_eq(pthread_join(reader, NULL), 0);
	ck_assert_uint_eq(got, want);
	free(data);
}
END_TEST

START_TEST(test_too_large_to_send)
{
	size_t sndbuf;
	char *data;

	ck_assert_int_eq(fdp_buffers(sv[0], 65536, &sndbuf), 0);
	data = calloc(1, sndbuf);
	ck_assert_ptr_nonnull(data);
	ck_assert_int_eq(fdp_send(sv[0], data, sndbuf, NULL, 0), EMSGSIZE);
	ck_assert_int_eq(fdp_send(sv[0], data, sndbuf - 32, NULL, 0), 0);
	free(data);
}
END_TEST

static int
get_int(int sock, int option)
{
	int value;
	socklen_t len = sizeof(value);

	ck_assert_int_eq(getsockopt(sock, SOL_SOCKET, option, &value, &len), 0);
	return value;
}

START_TEST(test_buffers)
{
	size_t sndbuf = 0, again = 0;

	ck_assert_int_eq(fdp_buffers(sv[0], 100000, &sndbuf), 0);
	ck_assert_int_eq((int)sndbuf, get_int(sv[0], SO_SNDBUF));
	ck_assert_uint_ge(sndbuf, 100000);
	ck_assert_int_ge(get_int(sv[0], SO_RCVBUF), 100000);
	if (geteuid() == 0) {
		/* Past the limit; and somebody without the right does not spoil it. */
		ck_assert_int_eq(fdp_buffers(sv[0], 8 << 20, &sndbuf), 0);
		ck_assert_uint_ge(sndbuf, 8 << 20);
		ck_assert_int_ge(get_int(sv[0], SO_RCVBUF), 8 << 20);
		ck_assert_int_eq(seteuid(65534), 0);
		ck_assert_int_eq(fdp_buffers(sv[0], 8 << 20, &again), 0);
		ck_assert_uint_eq(again, sndbuf);
		/* Without it, what the limit gives; that is no error. */
		ck_assert_int_eq(fdp_buffers(sv[1], 8 << 20, &again), 0);
		ck_assert_uint_gt(again, 0);
		ck_assert_int_eq(seteuid(0), 0);
	}
	ck_assert_int_eq(fdp_buffers(sv[0], SIZE_MAX, NULL), 0);
	ck_assert_int_eq(fdp_buffers(0, 1, NULL), ENOTSOCK);
}
END_TEST

START_TEST(test_peer)
{
	struct fdp_cred cred;

	ck_assert_int_eq(fdp_peer(sv[0], &cred), 0);
	ck_assert_int_eq(cred.pid, getpid());
	ck_assert_uint_eq(cred.uid, geteuid());
	ck_assert_uint_eq(cred.gid, getegid());
	ck_assert_int_eq(fdp_peer(0, &cred), ENOTSOCK);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fdpass");
	TCase *fdp = tcase_create("fdpass");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(fdp, setup, teardown);
	tcase_add_loop_test(fdp, test_pair, 0, 3);
	tcase_add_loop_test(fdp, test_send_and_recv, 0, 3);
	tcase_add_test(fdp, test_surplus_is_closed);
	tcase_add_test(fdp, test_truncated_packet);
	tcase_add_test(fdp, test_too_many_open);
	tcase_add_test(fdp, test_eof_and_gone);
	tcase_add_test(fdp, test_no_sigpipe);
	tcase_add_test(fdp, test_empty_packet);
	tcase_add_loop_test(fdp, test_recv_interrupted, 0, 2);
	tcase_add_loop_test(fdp, test_send_waits, 0, 2);
	tcase_add_test(fdp, test_send_stream_whole);
	tcase_add_test(fdp, test_too_large_to_send);
	tcase_add_test(fdp, test_buffers);
	tcase_add_test(fdp, test_peer);
	suite_add_tcase(s, fdp);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}

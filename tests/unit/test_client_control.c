/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control connections: client_connect(), client_mount(), client_answer(), client_unmount(), with a perfused that says yes, no, too
 * little, or nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "client/client.h"
#include "client/open.h"
#include "ctl/frame.h"
#include "perfuse.h"

#include "fake_perfused.c"

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
	struct frame_request request = { sizeof(request), FRAME_UNMOUNT, 0, 0 };
	char text[8];
	uint32_t code;
	int conn, error;

	pid_t pid = serve(service, SOCK_SEQPACKET, serve_unread);
	ck_assert_int_eq(control_mount(LONG_MS, &conn), 0);
	ck_assert_int_eq(fdp_send(conn, &request, sizeof(request), NULL, 0), 0);
	served(pid);
	ck_assert_int_eq(client_answer(conn, LONG_MS, &code, &error, text, sizeof(text)), 0);
	ck_assert_int_eq(code, FRAME_ENDED);
	ck_assert_int_eq(client_answer(conn, LONG_MS, &code, &error, text, sizeof(text)), ECONNRESET);
	close(conn);
	unlink(service);

	pid = serve(service, SOCK_SEQPACKET, serve_unread);
	ck_assert_int_eq(control_mount(LONG_MS, &conn), 0);
	ck_assert_int_eq(client_unmount(conn, false, LONG_MS, why, sizeof(why)), 0);
	served(pid);
	close(conn);
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

int
main(int argc, char **argv)
{
	const struct client_test tests[] = {
		{ control, 1 },
		{ control_ended, 1 },
		{ control_ended_unread, 1 },
		{ control_silence, 1 },
		{ control_refused, 1 },
		{ control_started, 1 },
	};

	return client_tests(argc, argv, "client_control", tests, N(tests));
}

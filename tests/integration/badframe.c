/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A peer that talks nonsense to perfused: badframe SOCKET MOUNTPOINT connects once for each case below, sends a mount frame with one
 * fault and expects FRAME_FAILED, an errno and one line of text, then the end of the connection. "badframe SOCKET" alone: connects
 * and says nothing, and expects the same. Prints each case with what was answered; exits 1 when an answer is missing or wrong.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/frame.h"

enum { ROOM = 2 * FRAME_MAX, WAIT_MS = 90000 };

struct frame { /* what is sent; a case changes it after it was built well */
	struct frame_mount *hdr;
	char *bytes;
	size_t len;
	int fd; /* sent along when not -1 */
};

static const char *mountpoint;

static int
dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), size = 4 * FRAME_MAX;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
		perror(path);
		exit(1);
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return fd;
}

/* Source "src", the mountpoint, "fuse.bad", and these options. */
static void
build(struct frame *f, const char *target, const char *type, const char *data, bool control)
{
	struct frame_strings s = { .source = "src", .target = target, .filesystemtype = type, .data = data };
	void *built;

	if (frame_build(&s, 0, 0, control ? FRAME_F_CONTROL : 0, &built, &f->len))
		abort();
	memcpy(f->bytes, built, f->len);
	free(built);
}

static void
send_frame(int conn, const struct frame *f)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { f->bytes, f->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (f->fd >= 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &f->fd, sizeof(int));
	}
	if (sendmsg(conn, &msg, MSG_NOSIGNAL) < 0)
		printf("  (send: %s)\n", strerror(errno));
}

/* What perfused answers, until it closes. True when it refused as it should. */
static bool
refused(const char *name, int conn)
{
	struct pollfd p = { conn, POLLIN, 0 };
	static char buf[FRAME_ANSWER_MAX * 2];
	bool seen = false;

	for (;;) {
		struct frame_answer a;
		const char *text;
		ssize_t n;

		if (poll(&p, 1, WAIT_MS) != 1) {
			printf("not ok %s: no end after %d ms\n", name, WAIT_MS);
			return false;
		}
		n = recv(conn, buf, sizeof(buf), 0);
		if (n <= 0) {
			if (!seen)
				printf("not ok %s: closed without an answer\n", name);
			return seen;
		}
		if (seen || frame_answer_parse(buf, (size_t)n, &a, &text) || a.code != FRAME_FAILED || a.error <= 0 ||
		    !*text || strchr(text, '\n')) {
			printf("not ok %s: an answer that is not one line of refusal (%zd bytes)\n", name, n);
			return false;
		}
		printf("ok %s: %s (%s)\n", name, text, strerror(a.error));
		seen = true;
	}
}

/* ---- the faults ---- */

static void
bad_magic(struct frame *f)
{
	f->hdr->magic[0] ^= 1;
}

static void
bad_padding(struct frame *f)
{
	f->hdr->magic[sizeof(f->hdr->magic) - 1] = 1;
}

static void
bad_len_more(struct frame *f)
{
	f->hdr->len += 1;
}

static void
bad_len_less(struct frame *f)
{
	f->hdr->len -= 1;
}

static void
bad_sum_more(struct frame *f)
{
	f->hdr->source_len += 1;
}

static void
bad_sum_wraps(struct frame *f)
{
	f->hdr->source_len = UINT32_MAX - 3;
	f->hdr->data_len += 8;
}

static void
bad_string_end(struct frame *f)
{
	/* The last string, the options, without its NUL. */
	f->bytes[f->len - 1] = 'x';
}

static void
bad_string_inside(struct frame *f)
{
	f->bytes[sizeof(*f->hdr) + 1] = 0;
}

static void
bad_no_target(struct frame *f)
{
	f->hdr->source_len += f->hdr->target_len;
	f->hdr->target_len = 0;
	f->bytes[sizeof(*f->hdr) + 3] = 'x';
}

static void
bad_short(struct frame *f)
{
	f->len = sizeof(*f->hdr) - 1;
	f->hdr->len = (uint32_t)f->len;
}

static void
bad_tiny(struct frame *f)
{
	f->len = 1;
}

static void
bad_limit(struct frame *f)
{
	memset(f->bytes + f->len - 1, 'x', FRAME_MAX);
	f->len += FRAME_MAX;
	f->bytes[f->len - 1] = 0;
	f->hdr->data_len += FRAME_MAX;
	f->hdr->len = (uint32_t)f->len;
}

static void
bad_flags(struct frame *f)
{
	f->hdr->flags |= 0x40000000;
}

static void
bad_unique(struct frame *f)
{
	f->hdr->unique = 7;
}

static void
bad_noise(struct frame *f)
{
	for (size_t i = 0; i < f->len; i++)
		f->bytes[i] = (char)(i * 151 + 7);
}

static void
bad_no_fd(struct frame *f)
{
	build(f, mountpoint, "fuse.bad", "rootmode=40000", false);
}

static void
bad_fd_word(struct frame *f)
{
	build(f, mountpoint, "fuse.bad", "fd=seven", false);
}

static void
bad_fd_empty(struct frame *f)
{
	build(f, mountpoint, "fuse.bad", "fd=", false);
}

static void
bad_fd_large(struct frame *f)
{
	build(f, mountpoint, "fuse.bad", "fd=99999999999999999999", false);
}

static void
bad_option(struct frame *f)
{
	build(f, mountpoint, "fuse.bad", "fd=3,no_such_option", false);
}

static void
bad_type(struct frame *f)
{
	build(f, mountpoint, "ext4", "fd=3", false);
}

static void
bad_relative(struct frame *f)
{
	build(f, "relative", "fuse.bad", "fd=3", false);
}

static void
bad_absent(struct frame *f)
{
	build(f, "/no/such/folder", "fuse.bad", "fd=3", false);
}

static void
bad_file(struct frame *f)
{
	build(f, "/proc/self/status", "fuse.bad", "fd=3", false);
}

static void
bad_control_no_fd(struct frame *f)
{
	build(f, mountpoint, "fuse.bad", "fd=3", true);
}

static void
bad_control_stdin(struct frame *f)
{
	build(f, mountpoint, "fuse.bad", "fd=3", true);
	f->fd = 0; /* /dev/null is no socket */
}

static const struct {
	const char *name;
	void (*spoil)(struct frame *f);
} cases[] = {
	{ "wrong magic", bad_magic },
	{ "wrong padding of the magic", bad_padding },
	{ "length too large", bad_len_more },
	{ "length too small", bad_len_less },
	{ "lengths that do not add up", bad_sum_more },
	{ "lengths that wrap around", bad_sum_wraps },
	{ "a string without NUL", bad_string_end },
	{ "a NUL inside a string", bad_string_inside },
	{ "no mountpoint", bad_no_target },
	{ "shorter than its header", bad_short },
	{ "one byte", bad_tiny },
	{ "over the limit", bad_limit },
	{ "unknown flags", bad_flags },
	{ "a request's unique", bad_unique },
	{ "noise", bad_noise },
	{ "fd= absent", bad_no_fd },
	{ "fd= a word", bad_fd_word },
	{ "fd= empty", bad_fd_empty },
	{ "fd= too large", bad_fd_large },
	{ "an unknown option", bad_option },
	{ "no FUSE type", bad_type },
	{ "a relative mountpoint", bad_relative },
	{ "a missing mountpoint", bad_absent },
	{ "a file as the mountpoint", bad_file },
	{ "control without a descriptor", bad_control_no_fd },
	{ "a descriptor that is no socket", bad_control_stdin },
};

int
main(int argc, char **argv)
{
	static char bytes[ROOM] __attribute__((aligned(8)));
	struct frame f = { .hdr = (struct frame_mount *)(void *)bytes, .bytes = bytes };
	int bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2) {
		int conn = dial(argv[1]);

		return refused("silence", conn) ? 0 : 1;
	}
	if (argc != 3) {
		fprintf(stderr, "usage: badframe SOCKET [MOUNTPOINT]\n");
		return 64;
	}
	mountpoint = argv[2];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int conn = dial(argv[1]);

		memset(bytes, 0, sizeof(bytes));
		f.fd = -1;
		build(&f, mountpoint, "fuse.bad", "fd=3,rootmode=40000", false);
		cases[i].spoil(&f);
		send_frame(conn, &f);
		bad += !refused(cases[i].name, conn);
		close(conn);
	}
	return bad ? 1 : 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scripted daemon: see fake_daemon.h. Included by each test program that uses it.
 */
#include "fake_daemon.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/co.h"
#include "base/fdpass.h"

enum { RX_ROOM = CONN_MSG_MAX + 1, TURNS = 4 };

static void
fake_dead(void *arg, int error, const char *why)
{
	struct fake *f = arg;

	f->deaths++;
	f->death_error = error;
	(void)snprintf(f->why, sizeof(f->why), "%s", why);
}

static void
fake_note(void *arg, int code, uint8_t *data, size_t len)
{
	struct fake *f = arg;

	f->notes++;
	f->note_code = code;
	f->note_len = len;
	if (f->pass_notes)
		vn_notify(f->mp, data, len);
}

static const struct conn_ops fake_conn_ops = { .dead = fake_dead, .notify = fake_note };

void
fake_start(struct fake *f, size_t buffers)
{
	int value = (int)buffers, sv[2];
	socklen_t len = sizeof(value);

	memset(f, 0, sizeof(*f));
	ck_assert_int_eq(loop_new(&f->loop), 0);
	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, sv), 0);
	if (buffers == 0)
		ck_assert_int_eq(fdp_buffers(sv[1], 4 * 1024 * 1024, NULL), 0);
	else
		ck_assert_int_eq(setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &value, sizeof(value)), 0);
	ck_assert_int_eq(getsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &value, &len), 0);
	ck_assert_int_eq(conn_new(f->loop, sv[0], (size_t)value, &fake_conn_ops, f, &f->conn), 0);
	f->conn_sock = sv[0];
	f->sock = sv[1];
	ck_assert_ptr_nonnull(f->rx = malloc(RX_ROOM));
}

void
fake_stop(struct fake *f)
{
	ck_assert_uint_eq(conn_waiting(f->conn), 0);
	ck_assert_uint_eq(co_count(), 0);
	vn_mount_free(f->mp);
	conn_free(f->conn);
	fake_close(f);
	loop_free(f->loop);
	free(f->rx);
	co_trim(0);
}

void
fake_turn(struct fake *f)
{
	for (int i = 0; i < TURNS; i++)
		loop_once(f->loop, 0);
}

bool
fake_receive(struct fake *f, struct wire_req *req)
{
	struct wire_proto proto = *conn_proto(f->conn);
	ssize_t n;

	fake_turn(f);
	n = recv(f->sock, f->rx, RX_ROOM, MSG_DONTWAIT);
	if (n < 0) {
		ck_assert_int_eq(errno, EAGAIN);
		return false;
	}
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(wire_parse_request(&proto, f->rx, (size_t)n, req), 0);
	return true;
}

struct wire_req
fake_expect(struct fake *f, uint32_t opcode)
{
	struct wire_req req;

	if (!fake_receive(f, &req))
		ck_abort_msg("no request came, %s was expected", wire_opname(opcode));
	if (req.hdr.opcode != opcode)
		ck_abort_msg("%s came, %s was expected", wire_opname(req.hdr.opcode), wire_opname(opcode));
	return req;
}

void
fake_quiet(struct fake *f)
{
	struct wire_req req;

	if (fake_receive(f, &req))
		ck_abort_msg("%s came, nothing was expected", wire_opname(req.hdr.opcode));
}

void
fake_send(struct fake *f, const void *packet, size_t len)
{
	ck_assert_int_eq(send(f->sock, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL), (ssize_t)len);
}

void
fake_reply(struct fake *f, const struct wire_req *req, const union wire_out *out, const void *data, size_t len)
{
	union wire_out body;
	size_t fixed = 0;
	struct wire_out_header hdr = { .unique = req->hdr.unique };
	struct iovec iov[3] = { { &hdr, sizeof(hdr) }, { &body, 0 }, { (void *)(uintptr_t)data, len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 3 };

	if (out != NULL) {
		int error = wire_encode_out(conn_proto(f->conn), req->hdr.opcode, out, &body, sizeof(body), &fixed);

		ck_assert_int_eq(error, 0);
	}
	iov[1].iov_len = fixed;
	hdr.len = (uint32_t)(sizeof(hdr) + fixed + len);
	ck_assert_int_eq(sendmsg(f->sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL), hdr.len);
	fake_turn(f);
}

void
fake_error(struct fake *f, const struct wire_req *req, int error)
{
	struct wire_out_header hdr = { .len = sizeof(hdr), .error = -error, .unique = req->hdr.unique };

	fake_send(f, &hdr, sizeof(hdr));
	fake_turn(f);
}

void
fake_close(struct fake *f)
{
	if (f->sock != -1)
		(void)close(f->sock);
	f->sock = -1;
}

/* ---- a mount ---- */

struct fake_mounting {
	struct fake *f;
	struct host_init want;
	int error;
};

static void
fake_mounting_main(void *arg)
{
	struct fake_mounting *m = arg;
	struct host_init got;
	const char *why;

	m->error = vn_mount_init(m->f->mp, &m->want, &got, &why);
}

void
fake_mount(struct fake *f, uint32_t minor, uint64_t flags)
{
	struct fake_mounting m = { .f = f,
		.want = { .minor = WIRE_MINOR_MAX,
		    .flags = UINT64_MAX,
		    .max_readahead = 131072,
		    .max_write = CONN_DATA_MAX,
		    .max_pages = 256 },
		.error = -1 };
	struct wire_init answer = {
		.major = WIRE_KERNEL_VERSION, .minor = minor, .flags = flags, .max_write = 131072, .max_pages = 32
	};
	uint8_t body[64];
	struct wire_req req;

	ck_assert_int_eq(vn_mount_new(f->loop, f->conn, &f->mp), 0);
	ck_assert_int_eq(co_start(fake_mounting_main, &m), 0);
	req = fake_expect(f, WIRE_INIT);
	fake_reply(f, &req, NULL, body, wire_init_reply(&answer, WIRE_MINOR_MAX, body, sizeof(body)));
	ck_assert_int_eq(m.error, 0);
}

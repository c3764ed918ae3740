/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's end of /dev/fuse: see fake_kernel.h. Included by each test program that uses it.
 */
#include "fake_kernel.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdpass.h"

enum { K_ROOM = CONN_MSG_MAX + 4096, K_BUFFERS = 4 * 1024 * 1024 };

const struct vop_cred kernel_cred = { .uid = 1001, .gid = 1002, .pid = 1003 };

static void
k_on_ready(void *arg)
{
	((struct kernel *)arg)->ready++;
}

static void
k_on_failed(void *arg, int error, const char *why)
{
	struct kernel *k = arg;

	k->failed++;
	k->error = error;
	(void)snprintf(k->why, sizeof(k->why), "%s", why);
}

static void
k_on_leaving(void *arg)
{
	((struct kernel *)arg)->leaving++;
}

static void
k_on_ended(void *arg)
{
	struct kernel *k = arg;

	ck_assert_uint_eq(k->leaving, 1);
	ck_assert_uint_eq(host_linux_running(k->h), 0);
	k->ended++;
}

static const struct host_linux_ops k_ops = {
	.ready = k_on_ready,
	.failed = k_on_failed,
	.leaving = k_on_leaving,
	.ended = k_on_ended,
};

void
k_start(struct kernel *k, struct fake *f)
{
	int sv[2];

	memset(k, 0, sizeof(*k));
	k->f = f;
	k->proto.minor = WIRE_MINOR_MAX;
	fake_start(f, 0);
	ck_assert_int_eq(vn_mount_new(f->loop, f->conn, &f->mp), 0);
	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, sv), 0);
	ck_assert_int_eq(fdp_buffers(sv[0], K_BUFFERS, NULL), 0);
	ck_assert_int_eq(fdp_buffers(sv[1], K_BUFFERS, NULL), 0);
	ck_assert_int_eq(host_linux_new(f->loop, sv[0], f->mp, &k_ops, k, &k->h), 0);
	k->sock = sv[1];
	ck_assert_ptr_nonnull(k->rx = malloc(K_ROOM));
}

void
k_close(struct kernel *k)
{
	if (k->sock != -1)
		(void)close(k->sock);
	k->sock = -1;
}

void
k_stop(struct kernel *k)
{
	k_close(k);
	k_turn(k);
	ck_assert_uint_eq(k->leaving, 1);
	ck_assert_uint_eq(k->ended, 1);
	k_free(k);
}

void
k_free(struct kernel *k)
{
	k_close(k);
	host_linux_free(k->h);
	fake_stop(k->f);
	free(k->rx);
}

void
k_turn(struct kernel *k)
{
	fake_turn(k->f);
}

void
k_packet(struct kernel *k, const void *packet, size_t len)
{
	ck_assert_int_eq(send(k->sock, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL), (ssize_t)len);
	k_turn(k);
}

uint64_t
k_send(struct kernel *k, uint32_t opcode, uint64_t nodeid, const union wire_in *in, const void *tail, size_t len)
{
	struct wire_in_header hdr = { .opcode = opcode,
		.unique = k->unique += 2,
		.nodeid = nodeid,
		.uid = kernel_cred.uid,
		.gid = kernel_cred.gid,
		.pid = (uint32_t)kernel_cred.pid };
	union wire_in body;
	struct iovec iov[3] = { { &hdr, sizeof(hdr) }, { &body, 0 }, { (void *)(uintptr_t)tail, len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 3 };

	if (in != NULL)
		ck_assert_int_eq(wire_encode_in(&k->proto, opcode, in, &body, sizeof(body), &iov[1].iov_len), 0);
	hdr.len = (uint32_t)(sizeof(hdr) + iov[1].iov_len + len);
	ck_assert_int_eq(sendmsg(k->sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL), hdr.len);
	k_turn(k);
	return hdr.unique;
}

struct wire_out_header
k_answer(struct kernel *k)
{
	struct wire_out_header hdr;
	ssize_t n;

	k_turn(k);
	n = recv(k->sock, k->rx, K_ROOM, MSG_DONTWAIT);
	ck_assert_int_ge(n, (ssize_t)sizeof(hdr));
	memcpy(&hdr, k->rx, sizeof(hdr));
	ck_assert_uint_eq(hdr.len, (size_t)n);
	return hdr;
}

const void *
k_expect(struct kernel *k, int error, size_t len)
{
	struct wire_out_header hdr = k_answer(k);

	ck_assert_int_eq(hdr.error, -error);
	ck_assert_uint_eq(hdr.unique, k->unique);
	ck_assert_uint_eq(hdr.len, sizeof(hdr) + len);
	return k->rx + sizeof(hdr);
}

void
k_quiet(struct kernel *k)
{
	k_turn(k);
	ck_assert_int_eq(recv(k->sock, k->rx, K_ROOM, MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EAGAIN);
}

/* ---- INIT ---- */

struct wire_init
k_init(struct kernel *k, const struct wire_init *offer, const struct wire_init *answer)
{
	uint8_t body[sizeof(struct wire_init_out)];
	struct wire_init asked = { .major = WIRE_KERNEL_VERSION };
	union wire_in in;
	struct wire_req req;

	(void)wire_init_request(offer, &in.init, sizeof(in.init));
	k_send(k, WIRE_INIT, 0, &in, NULL, 0);
	req = fake_expect(k->f, WIRE_INIT);
	asked.minor = req.in.init.minor;
	asked.max_readahead = req.in.init.max_readahead;
	asked.flags = req.in.init.flags | (uint64_t)req.in.init.flags2 << 32;
	fake_reply(k->f, &req, NULL, body, wire_init_reply(answer, answer->minor, body, sizeof(body)));
	k->proto.minor = offer->minor < answer->minor ? offer->minor : answer->minor;
	k->proto.setxattr_ext = (offer->flags & answer->flags & WIRE_INIT_SETXATTR_EXT) != 0;
	k->exported = (offer->flags & answer->flags & WIRE_INIT_EXPORT_SUPPORT) != 0;
	return asked;
}

uint64_t
k_flags(uint32_t minor)
{
	unsigned bits = minor >= 45 ? 43 : minor >= 31 ? 28 : minor >= 22 ? 16 : minor >= 19 ? 12 : 2;

	return (UINT64_C(1) << bits) - 1;
}

size_t
k_room(const struct kernel *k)
{
	size_t in = conn_max_in(k->f->conn), out = conn_max_out(k->f->conn), room = in < out ? in : out;
	int buffer;
	socklen_t len = sizeof(buffer);

	ck_assert_int_eq(getsockopt(k->sock, SOL_SOCKET, SO_SNDBUF, &buffer, &len), 0);
	if ((size_t)buffer < room)
		room = (size_t)buffer;
	room -= 4096;
	return room < CONN_DATA_MAX ? room : CONN_DATA_MAX;
}

/* ---- operations ---- */

struct wire_req
k_ask(struct kernel *k, uint32_t opcode, uint64_t nodeid, uint64_t d_nodeid, const union wire_in *in, const void *tail,
    size_t len)
{
	struct wire_req req;

	k_send(k, opcode, nodeid, in, tail, len);
	req = fake_expect(k->f, opcode);
	ck_assert_uint_eq(req.hdr.nodeid, d_nodeid);
	ck_assert_uint_eq(req.hdr.uid, kernel_cred.uid);
	ck_assert_uint_eq(req.hdr.gid, kernel_cred.gid);
	ck_assert_uint_eq(req.hdr.pid, (uint32_t)kernel_cred.pid);
	k_quiet(k);
	return req;
}

void
k_done(struct kernel *k, const struct wire_req *req)
{
	fake_reply(k->f, req, NULL, NULL, 0);
	(void)k_expect(k, 0, 0);
	k_quiet(k);
}

union wire_out
k_entry(uint64_t d_nodeid, uint32_t mode)
{
	return (union wire_out){
		.create = { .entry = { d_nodeid, 9, 1, 2, 3, 4,
				{ 11, 12, 13, 14, 15, 16, 17, 18, 19, mode, 21, 22, 23, 24, 25, 26 } },
		    .open = { .fh = FILE_FH } },
	};
}

size_t
k_entry_len(const struct kernel *k)
{
	return k->proto.minor < 9 ? 120 : 128;
}

uint64_t
k_entered(struct kernel *k, const struct wire_req *req, uint64_t d_nodeid, uint32_t mode)
{
	union wire_out e = k_entry(d_nodeid, mode);
	struct wire_entry_out got = { 0 };

	fake_reply(k->f, req, &e, NULL, 0);
	memcpy(&got, k_expect(k, 0, k_entry_len(k)), k_entry_len(k));
	ck_assert_uint_ne(got.nodeid, 0);
	ck_assert_int_eq(got.nodeid == d_nodeid, k->exported);
	e.entry.nodeid = got.nodeid;
	ck_assert_mem_eq(&got, &e.entry, k_entry_len(k));
	k_quiet(k);
	return got.nodeid;
}

uint64_t
k_opened(struct kernel *k, const struct wire_req *req, uint64_t d_fh)
{
	struct wire_open_out got;

	fake_reply(k->f, req, OUT(.open = { .fh = d_fh, .open_flags = 0x1ff, .backing_id = 5 }), NULL, 0);
	memcpy(&got, k_expect(k, 0, sizeof(got)), sizeof(got));
	ck_assert_uint_ne(got.fh, 0);
	ck_assert_uint_ne(got.fh, d_fh);
	ck_assert_uint_eq(got.open_flags, 0xff);
	ck_assert_int_eq(got.backing_id, 0);
	return got.fh;
}

void
k_mount(struct kernel *k, uint32_t minor, uint64_t flags)
{
	struct wire_init offer = { .major = 7, .minor = minor, .flags = k_flags(minor), .max_readahead = 131072 };
	struct wire_init answer = { .major = 7, .minor = minor, .flags = flags, .max_write = 1024 * 1024 };
	struct wire_req req;

	(void)k_init(k, &offer, &answer);
	(void)k_expect(k, 0, minor < 23 ? 24 : 64);
	ck_assert_uint_eq(k->ready, 1);
	req = k_ask(k, WIRE_LOOKUP, 1, WIRE_ROOT_ID, NULL, STR("file"));
	k->file = k_entered(k, &req, FILE_D, S_IFREG | 0644);
	req = k_ask(k, WIRE_LOOKUP, 1, WIRE_ROOT_ID, NULL, STR("dir"));
	k->dir = k_entered(k, &req, DIR_D, S_IFDIR | 0755);
	req = k_ask(k, WIRE_OPEN, k->file, FILE_D, IN(.open.flags = O_RDWR), NULL, 0);
	k->file_fh = k_opened(k, &req, FILE_FH);
	req = k_ask(k, WIRE_OPENDIR, k->dir, DIR_D, IN(.open.flags = O_RDONLY), NULL, 0);
	k->dir_fh = k_opened(k, &req, DIR_FH);
}

struct vn_counts
k_counts(const struct kernel *k)
{
	struct vn_counts c;

	vn_mount_counts(k->f->mp, &c);
	return c;
}

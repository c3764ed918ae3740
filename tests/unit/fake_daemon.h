/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scripted FUSE daemon for unit tests: the other end of a conn's socket, in the same process and thread. A test starts an
 * operation in a coroutine, takes the request that comes out of it, looks at it, and answers what it likes. Nothing waits:
 * what has not arrived after the loop has had its turns does not come.
 * The implementation is included (fake_daemon.c) by the one file of each test program.
 */
#ifndef TESTS_FAKE_DAEMON_H
#define TESTS_FAKE_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "conn/conn.h"
#include "vnode/host.h"
#include "vnode/vop.h"
#include "wire/wire.h"

struct fake {
	struct loop *loop;
	struct conn *conn;
	struct vn_mount *mp; /* after fake_mount() */
	int sock;            /* the daemon's end; -1 when closed */
	int conn_sock;       /* the conn's end (borrowed) */
	uint8_t *rx;         /* the last request */
	unsigned deaths;     /* calls of dead(), and what it was told */
	int death_error;
	char why[200];
	unsigned notes; /* notifications, and what the last one was */
	int note_code;
	size_t note_len;
	bool pass_notes; /* to the mount, as the engine does */
};

/* A conn, and the daemon's end with a send buffer of that size (0: large enough for everything, where the system allows). */
void fake_start(struct fake *f, size_t buffers);
/* Take everything down; checks that nobody waits and no coroutine is left. */
void fake_stop(struct fake *f);
/* A mount on it that agreed on this minor and these flags. */
void fake_mount(struct fake *f, uint32_t minor, uint64_t flags);
/* Let the loop handle all that is ready. */
void fake_turn(struct fake *f);

/* The next request, if there is one; its pointers are valid until the next call. */
bool fake_receive(struct fake *f, struct wire_req *req);
/* The next request, which must be there and have this opcode. */
struct wire_req fake_expect(struct fake *f, uint32_t opcode);
/* No request is there. */
void fake_quiet(struct fake *f);

/* Answer; the loop then has its turns. out, data: may be NULL. */
void fake_reply(struct fake *f, const struct wire_req *req, const union wire_out *out, const void *data, size_t len);
void fake_error(struct fake *f, const struct wire_req *req, int error);
/* Any packet; without a turn of the loop. */
void fake_send(struct fake *f, const void *packet, size_t len);
/* The daemon dies. */
void fake_close(struct fake *f);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways in, below the public perfuse_open() and perfuse_mount(): reaching perfused, sending the frame, starting a daemon.
 * Used by libperfuse (open.c, mount.c) and by perfuse(1) (all of it). Nothing here exits.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The socket buffers that a FUSE socket should have, in bytes: $PERFUSE_BUFSIZE when it is a number within
 * 65536..67108864, else 8 MiB (1 MiB messages and a queue of a few; the system may grant less).
 */
size_t client_bufsize(void);
/*
 * A control connection to perfused: to its socket ($PERFUSE_SOCKET, root's /run/perfuse/fuse as root; as a user the user's own,
 * then root's), or, when none listens, to a "perfused -i FD" started on a socketpair in a session of its own. 0 with *fd
 * (close-on-exec, SEQPACKET or DGRAM, type in *type when not NULL), or errno with one line in why[whylen].
 */
int client_connect(int *fd, int *type, char *why, size_t whylen);

/*
 * A FUSE socket, as perfuse_open("/dev/fuse") gives it (close-on-exec): a connection to perfused that becomes the daemon's when
 * a mount has been asked for on it. start: a perfused is started when none listens. 0, or errno with one line in why[].
 */
int client_session(bool start, int *fd, char *why, size_t whylen);

struct client_mount { /* a mount asked for with a descriptor of the daemon's socket */
	const char *source, *target, *filesystemtype, *data; /* NULL: absent; target absolute */
	uint32_t flags;                                      /* MS_* */
	uint32_t sndbuf;                                     /* SO_SNDBUF of the daemon's end */
	int fuse_sock; /* the engine's end of the socketpair (borrowed; sent along); -1: it is the connection itself */
};
/*
 * Send the frame over sock and wait for FRAME_MOUNTED, at most timeout_ms. 0, or the answer's errno with its line in why[]; unless
 * perfused itself said that it failed, sock is shut down then.
 */
int client_ask(int sock, const struct client_mount *m, int timeout_ms, char *why, size_t whylen);
/*
 * The same over a fresh control connection; m->target must be absolute. 0 with *control (the caller's: FRAME_READY and so on
 * come there; closing it before FRAME_READY calls the mount off), or the answer's errno with its line in why[].
 */
int client_mount(const struct client_mount *m, int timeout_ms, int *control, char *why, size_t whylen);
/* The absolute form of a mountpoint (not canonical), newly allocated. 0, or errno with one line in why[]. */
int client_absolute(const char *target, char **out, char *why, size_t whylen);
/* Wait for the next answer on a control connection. code is enum frame_code; text cut to fit. 0, ETIMEDOUT, ECONNRESET (closed). */
int client_answer(int control, int timeout_ms, uint32_t *code, int *error, char *text, size_t textlen);
/* Ask for the unmount and wait for its result. 0, or errno with a line in why[]. */
int client_unmount(int control, bool lazy, int timeout_ms, char *why, size_t whylen);

/*
 * Path of the perfused program: $PERFUSE_PERFUSED, else the one compiled in. Borrowed.
 */
const char *client_perfused(void);

#endif

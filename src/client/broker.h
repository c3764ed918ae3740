/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a program that a daemon runs, or that is loaded into it (fusermount.c, preload.c), has a mount made. Under "perfuse mount" the
 * supervisor listens on an abstract socket whose name is in $PERFUSE_BROKER, and does it: so it knows of the mount, follows
 * it to its end, and asks perfused with its own environment, its own namespaces and its own rights. Without it they turn to
 * perfused, as perfuse_open() does.
 *
 * A connection to the broker carries one request: a mount frame with the engine's end of a socketpair, answered by
 * FRAME_MOUNTED or FRAME_FAILED; or struct frame_request (FRAME_UNMOUNT) and a path with its NUL, answered by
 * FRAME_ENDED or FRAME_FAILED (ENOENT: the broker has no such mount).
 */
#ifndef CLIENT_BROKER_H
#define CLIENT_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/client.h"

#define BROKER_ENV "PERFUSE_BROKER"

enum {
	BROKER_NAME = 16,          /* bytes for a name, with its NUL */
	BROKER_PACKET = 64 * 1024, /* the longest request: a whole frame */
	BROKER_ASK_MS = 40 * 1000, /* more than the supervisor gives perfused */
};

/* Listen under a name that the kernel chooses. 0 with *fd (close-on-exec, non-blocking) and its name, or errno. */
int broker_listen(int *fd, char name[BROKER_NAME]);
/* Is there one, by the environment? */
bool broker_named(void);
/*
 * What open("/dev/fuse") gives: a descriptor (close-on-exec) that broker_mount() makes a daemon's FUSE socket. start: as in
 * client_session(), where there is no broker. 0, or errno with one line in why[].
 */
int broker_open(bool start, int *fd, char *why, size_t whylen);
/* Mount on it; m->target may be relative, m->fuse_sock and m->sndbuf are not looked at. 0, or errno with one line in why[]. */
int broker_mount(int fd, const struct client_mount *m, char *why, size_t whylen);
/* Unmount. 0; ENOENT: it is none of the broker's (or there is no broker); or errno with one line in why[]. */
int broker_unmount(const char *path, bool lazy, char *why, size_t whylen);

#endif

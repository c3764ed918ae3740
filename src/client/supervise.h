/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor of one daemon: a process that answers the daemon's trapped system calls (a seccomp filter stops them), or what
 * its processes ask for over a socket (broker.h), asks perfused for the mounts, tells who started it how it went, and stays until the daemon and its mounts are gone.
 */
#ifndef CLIENT_SUPERVISE_H
#define CLIENT_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/client.h"
#include "ctl/mountopts.h"

enum { SUPERVISE_TEXT = 1024 };

struct supervise_news { /* supervisor to starter, on the link: one of these, then (foreground only) a second */
	int status;     /* 0: it answers (foreground, second: has ended as it should); else sysexits.h */
	char text[SUPERVISE_TEXT]; /* the line that says why (or, with 0, what is mounted); escaped */
};
/* Starter to supervisor: a packet, or end of file before the first news (foreground: at any time): call it off. */

struct supervise {
	const char *name;                 /* the daemon's, for messages */
	const struct mountopts *opts;     /* what the user asked of perfuse itself; wins over what the daemon says */
	bool foreground;                  /* stay with the starter to the end; its leaving unmounts */
	unsigned seconds;                 /* for the first mount to answer */
	int link;                         /* to the starter */
	int tree;                         /* to the daemon's tree (tree.h) */
	int listener;                     /* seccomp's, or -1 */
	int broker;                       /* the broker's socket (broker.h), or -1 */
	int words;                        /* the daemon's stderr, to copy to ours */
	const struct client_mount *mount; /* what is to be mounted at once (its fuse_sock is taken), or NULL */
};

/* Run to the end; the process has nothing else to do and exits then. Returns what the last news had as status. */
int supervise_run(const struct supervise *s);
/* The exit status (sysexits.h) that fits an errno of mounting. */
int supervise_status(int error);

#endif

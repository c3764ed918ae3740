/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways in which an unmodified daemon can be given its socket, which of them this machine, this user and this daemon can take,
 * and what a daemon's process needs for the last two. The order of enum spawn_via is that of preference.
 */
#ifndef CLIENT_WAYS_H
#define CLIENT_WAYS_H

#include <stdbool.h>
#include <stddef.h>

#include "client/broker.h"
#include "client/spawn.h"

enum { WAYS = 4, WAY_TEXT = 320 };

struct way {
	const char *name; /* as --via takes it (static) */
	enum spawn_via via;
	bool usable;
	char why[WAY_TEXT]; /* one line: why it cannot be used and what to install or change, or what it is good for */
};

/* All of them, in the order in which they are tried, for this machine and user; nothing is left started. */
void ways_here(struct way out[WAYS]);
/* One of them, for the daemon argv, too (found on PATH as execvp(3) does). */
void ways_for(enum spawn_via via, char *const argv[], struct way *out);
/* "fd", "supervise", "fusermount", "preload"; "auto". */
const char *ways_name(enum spawn_via via);

struct ways_entry {
	enum spawn_via via;  /* SPAWN_FUSERMOUNT or SPAWN_PRELOAD */
	bool private_mounts; /* ways_entry_init() */
	const char *broker;  /* its name */
};
/* What the daemon needs of the way. */
void ways_entry_init(struct ways_entry *e, enum spawn_via via, char *const argv[], const char *broker);
/* In the daemon's process, before its program: environment, namespace and rights. arg: a struct ways_entry. 0 or errno. */
int ways_enter(const void *arg);

#endif

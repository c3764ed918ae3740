/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting an unmodified daemon so that perfused serves its mounts: what "perfuse mount" does.
 */
#ifndef CLIENT_SPAWN_H
#define CLIENT_SPAWN_H

#include <stdbool.h>
#include <stddef.h>

enum spawn_via {
	SPAWN_AUTO, /* SPAWN_FD where the daemon takes it and nothing is lost by it, else the first of the others that works */
	SPAWN_FD,         /* /dev/fd/N in the place of the mountpoint */
	SPAWN_SUPERVISE,  /* its system calls are trapped */
	SPAWN_FUSERMOUNT, /* it runs our fusermount3 */
	SPAWN_PRELOAD,    /* a library of ours is loaded into it */
};

struct spawn {
	char *const *argv;   /* the daemon and its arguments; argv[0] is found on PATH */
	const char *options; /* mount options that go before the daemon's own, or NULL */
	enum spawn_via via;
	unsigned seconds;                /* for the first mount to answer */
	bool foreground;                 /* stay until everything has ended; a signal unmounts */
	void (*ready)(const char *what); /* foreground: the mount answers. May be NULL */
	void (*way)(const char *line);   /* which way was taken, and why. May be NULL */
};

/*
 * Start it and wait until its first mount answers (or, foreground, until the end). SIGINT, SIGTERM and SIGHUP meanwhile
 * end everything, and leave nothing mounted and no process. Returns 0 with what is mounted in text (foreground: ""), or
 * the exit status to use (sysexits.h; 126 and 127 as a shell; 128 + signal) with one line that says why in text.
 */
int spawn_mount(const struct spawn *sp, char *text, size_t room);

#endif

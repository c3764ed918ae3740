/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the files of the harness: harness.c runs cases, harness_mount.c makes and ends a case's mount, harness_actor.c has the
 * actors, harness_msg.c the daemon's end (messages in, bytes out, the ledger of lookups), harness_say.c the answers and
 * checks that are written in terms of these.
 */
#ifndef TESTS_MOCK_HARNESS_H
#define TESTS_MOCK_HARNESS_H

#include <sys/queue.h>

#include <uthash.h>

#include "mock.h"

enum {
	PATIENCE = 5000, /* milliseconds that anything may take */
	LOG_LINES = 512, /* messages remembered */
	LOG_LINE = 320,
	TEXT = 1024,
	PARTS = 8,
};

/* What the runner and a case's processes share. */
struct shared {
	char text[TEXT]; /* why it failed or was skipped: "file:line: text" */
	int said;
	unsigned nlines; /* messages so far; the last LOG_LINES are in line[] */
	char line[LOG_LINES][LOG_LINE];
};

struct msg { /* a request with its place in the lists */
	struct req r;
	TAILQ_ENTRY(msg) link;   /* all, in order of arrival */
	TAILQ_ENTRY(msg) queued; /* not taken by the body yet */
	uint8_t bytes[];
};
TAILQ_HEAD(msgs, msg);

struct ledger { /* one nodeid's lookups given out and not forgotten */
	uint64_t nodeid, out;
	UT_hash_handle hh;
};

struct box {                /* an actor and what only the harness uses */
	struct actor a;     /* first */
	int up[2], down[2]; /* pipes: "I hold here", "go on" */
	int pidfd;
	bool ended; /* reaped */
	struct box *next;
};

struct mock {
	const struct mock_case *c;
	struct shared *sh;
	bool native;
	pid_t pid;    /* of the case */
	pid_t engine; /* 0: none */
	int engine_pidfd;
	int engine_log; /* a file: what it wrote to stderr */
	int fd;         /* the daemon's end, -1 once closed */
	char path[256];
	char loop_dev[32]; /* fuseblk */
	struct wire_proto proto;
	struct wire_init offer, answer;
	bool agreed;                 /* INIT was answered */
	bool dead;                   /* the connection has ended */
	bool may_end;                /* ... and the case knows */
	const char *log_part[PARTS]; /* what the engine's log has to have */
	int nparts;
	struct msgs all, queue;
	struct ledger *ledger;
	struct box *actors;
	uint8_t *rx; /* one message's room */
	size_t rx_room;
};

extern struct mock *the_mock; /* of this process */

/* harness_mount.c: all in the case's process; failures are mock_fail()'s. */
void mount_up(struct mock *m);
void mount_down(struct mock *m);
/* Run fn in a child while messages are taken in. Its result (0 or errno). On fuseblk DESTROY and SYNCFS are answered meanwhile. */
int in_child(struct mock *m, const char *what, int (*fn)(struct mock *m));
/* Through perfuse: wait until the engine has dealt with all that was there for it. */
void engine_idle(struct mock *m);

/* harness_actor.c */
void actors_all_ended(struct mock *m);

/* harness_msg.c */
/* Take in one message, waiting up to ms milliseconds. false: none came (or the connection has ended: m->dead). */
bool fetch(struct mock *m, int ms);
void check_nothing_left(struct mock *m);
/* Is the ledger empty? Waits up to PATIENCE. Fails the case when not. */
void check_balance(struct mock *m);
void log_message(struct mock *m, const char *arrow, const char *text);
void print_messages(const struct shared *sh, unsigned last);

int64_t now_ms(void);
int pidfd_of(pid_t pid);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the supervisor: what supervise.c (the loop, beginning to end), serve.c (the mounts, and the threads that wait
 * for perfused), trap.c (system calls of the daemon), guest.c (what its processes ask for instead) and words.c (its stderr) share. One thread owns all of it; the
 * others get copies.
 */
#ifndef CLIENT_SUP_H
#define CLIENT_SUP_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "client/supervise.h"

enum served_state {
	SERVED_OPEN,     /* the daemon opened /dev/fuse: it has one end of a socketpair, we the other */
	SERVED_MOUNTING, /* a thread asks perfused */
	SERVED_MOUNTED,  /* in place; INIT not answered yet */
	SERVED_READY,    /* served */
	SERVED_LEAVING,  /* a thread asks for the unmount */
	SERVED_ENDED,    /* gone; kept so that unmounting it once more reaches nothing else */
};

struct asker {       /* who waits for the result of a mount or unmount; all zero: nobody */
	uint64_t id; /* a notification of seccomp's; or */
	int conn;    /* a guest's connection (taken) */
};

struct served {
	TAILQ_ENTRY(served) link;
	enum served_state state, before; /* before: LEAVING */
	uint64_t ino;                    /* of the daemon's end */
	int engine_fd;                   /* the other end, until it has been handed over; -1 */
	uint32_t sndbuf;                 /* of the daemon's end */
	char *target;                    /* canonical; NULL while OPEN */
	char *what;                      /* "TYPE of SOURCE", for -v; NULL while OPEN */
	int control;                     /* to the engine; -1 */
	bool excused;                    /* ENDED: the daemon has heard of it */
	struct asker waiting;            /* for the thread's result */
};

struct words; /* words.c */

struct guest { /* guest.c: connected, and has not asked yet */
	TAILQ_ENTRY(guest) link;
	int conn;
	pid_t pid;
};

struct sup {
	const struct supervise *cfg;
	int listener, link, tree; /* -1 once closed */
	int jobs[2];              /* threads write finished jobs to [1] */
	int signals;
	unsigned running; /* threads that mount or unmount */
	TAILQ_HEAD(, served) served;
	TAILQ_HEAD(, guest) guests;
	unsigned nguests;
	struct words *words;
	struct seccomp_notif *req; /* as large as this kernel's */
	struct seccomp_notif_resp *resp;
	size_t req_size, resp_size;

	bool was_ready;               /* the first mount answered, or once did */
	bool was_tried;               /* the daemon tried to mount something */
	bool blind;                   /* a process of it would not let us read what it asks the kernel for */
	bool was_unmounted;           /* a mount went away, at the daemon's wish, before it answered */
	bool tree_empty;              /* nothing of the tree is left */
	bool ending;                  /* everything is being ended */
	bool daemon_ended;            /* by itself */
	int daemon_status;            /* of wait(2) */
	uint64_t deadline;            /* of the current phase; 0: none */
	uint64_t give_up;             /* while ending: when to stop waiting for the rest */
	int kill_step;                /* while ending: 0 none yet, SIGTERM or SIGKILL sent */
	int status;                   /* the final news: 0 or sysexits */
	char why[SUPERVISE_TEXT];     /* and its line; "" while there is none */
	char refused[SUPERVISE_TEXT]; /* the last reason why a mount was refused */
	int refused_error;
};

/* supervise.c */
/* Begin to end everything, for this reason (only the first counts). status 0 and why NULL: as asked. */
void sup_end(struct sup *s, int status, const char *why, ...) __attribute__((format(printf, 3, 4)));
/* v, the first mount or a later one, answers. */
void sup_ready(struct sup *s, struct served *v);
/* A line to the user's stderr (when it is still open and takes one at once), prefixed "perfuse: ". */
void sup_say(struct sup *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* serve.c */
int serve_new(struct sup *s, struct served **out);
void serve_free(struct sup *s, struct served *v);
struct served *serve_by_ino(struct sup *s, uint64_t ino);
/* The one at this canonical path: a living one before one that ended. NULL. */
struct served *serve_by_target(struct sup *s, const char *target);
bool serve_is_live(const struct served *v); /* between MOUNTING and LEAVING */
/*
 * Ask perfused for the mount m on behalf of v (state OPEN), whose engine_fd goes along; strings are copied, m->target
 * need not be canonical. The result answers who (which is taken unless this fails). 0 or errno, and then nothing has been
 * started.
 */
int serve_mount(struct sup *s, struct served *v, const struct client_mount *m, struct asker who);
/*
 * Find out what a path to unmount leads to, which may lead through a mount that does not answer, and unmount it if it is ours;
 * who (taken unless this fails) is answered. 0 or errno.
 */
int serve_resolve(struct sup *s, const char *path, bool lazy, struct asker who);
/* v's mount has to go, if it is there; serve_control() or serve_job_done() will find that it has. */
void serve_leave(struct sup *s, struct served *v);
/* A job has finished (s->jobs[0] is readable). */
void serve_job_done(struct sup *s);
/* v's control connection is readable. */
void serve_control(struct sup *s, struct served *v);
/* The mount is gone: only its name is remembered. */
void serve_ended(struct sup *s, struct served *v);

/* trap.c */
/* Buffers of the size that the kernel wants. 0 or errno. */
int trap_init(struct sup *s);
/* The listener is readable: handle one notification. */
void trap_handle(struct sup *s);
/* Does anybody still wait for the notification's answer? */
bool trap_waits(struct sup *s, uint64_t id);
/* Let the kernel do what the notification asks for. */
void trap_go_on(struct sup *s, uint64_t id);
/* Answer a notification: error 0 or a positive errno. Returns false when nobody waits for it any more. */
bool trap_answer(struct sup *s, uint64_t id, int error);

/* guest.c */
/* The broker's socket is readable. */
void guest_accept(struct sup *s);
/* A guest asks, or is gone. */
void guest_handle(struct sup *s, struct guest *g);
/* Answer on a connection and close it. why may be NULL. */
void guest_answer(int conn, int error, bool mounting, const char *why);

/* words.c */
/*
 * Copy fd (taken) to our stderr in a thread, until nobody writes to it any more; then our stderr becomes /dev/null.
 * NULL: errno.
 */
struct words *words_start(int fd);
/* Wait for its end, at most timeout_ms. */
void words_wait(struct words *w, int timeout_ms);
/* The last line that was not empty, printable, cut; "" when there was none. */
void words_last(struct words *w, char *buf, size_t room);

#endif

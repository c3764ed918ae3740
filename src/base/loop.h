/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop: descriptors, timers, signals and "soon" callbacks, on one thread. A thin face over libev, so that nothing
 * else depends on which loop it is. Callbacks run from loop_run() only, never from the calls that register them. A watcher may
 * be removed from inside any callback, its own included.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdint.h>

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop;
struct loop_io;
struct loop_timer;
struct loop_signal;
struct loop_soon;

/* events: LOOP_READ, LOOP_WRITE or both; an error or hang-up on the descriptor is reported as all that is watched for. */
typedef void loop_io_fn(void *arg, unsigned events);
typedef void loop_fn(void *arg);

/* 0, ENOMEM, or what the system says. */
int loop_new(struct loop **out);
/* All watchers must have been removed. loop may be NULL. */
void loop_free(struct loop *loop);
/* Run until loop_stop(). */
void loop_run(struct loop *loop);
/*
 * Handle what is ready now, without waiting (wait == 0), or wait for one round of events (wait != 0; an armed soon callback
 * is one). For tests.
 */
void loop_once(struct loop *loop, int wait);
/* Make loop_run() return once the running callback does, and those that were ready with it. */
void loop_stop(struct loop *loop);

/* Watch fd (borrowed) for events (may be 0: nothing yet). 0 or ENOMEM. */
int loop_io_add(struct loop *loop, int fd, unsigned events, loop_io_fn *fn, void *arg, struct loop_io **out);
/* Change what is watched for; free when nothing changes. */
void loop_io_set(struct loop_io *io, unsigned events);
/* io may be NULL. */
void loop_io_del(struct loop_io *io);

/* A timer, not started. 0 or ENOMEM. */
int loop_timer_add(struct loop *loop, loop_fn *fn, void *arg, struct loop_timer **out);
/* Fire once after ns nanoseconds from now; a running timer is set anew. */
void loop_timer_start(struct loop_timer *t, uint64_t ns);
void loop_timer_stop(struct loop_timer *t);
void loop_timer_del(struct loop_timer *t); /* t may be NULL */

/* Call fn from the loop after signal signo has come. 0 or ENOMEM. */
int loop_signal_add(struct loop *loop, int signo, loop_fn *fn, void *arg, struct loop_signal **out);
void loop_signal_del(struct loop_signal *s); /* s may be NULL */

/* A callback that runs once, before the loop next waits, each time it has been armed. 0 or ENOMEM. */
int loop_soon_add(struct loop *loop, loop_fn *fn, void *arg, struct loop_soon **out);
void loop_soon_arm(struct loop_soon *s);
void loop_soon_del(struct loop_soon *s); /* s may be NULL */

#endif

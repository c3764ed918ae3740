/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads in the world of world.h: the engine's own (its notifier) are coroutines here, which run when the loop turns, so that each run of an
 * input is the same. They give way where real ones may be held up: when they wait for a condition, and inside write(2). Mutexes need
 * no more than a check that nobody holds them then. Other threads of the process (a fuzzer's) are real ones.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include "base/co.h"
#include "fuzz.h"
#include "world.h"

enum { THREADS = 4 };

static struct thread {
	enum { FREE, RUNS, WAITS, ENDED } state;
	bool detached;
	struct co *co;
	void *(*fn)(void *arg);
	void *arg;
	const pthread_cond_t *cond;
} threads[THREADS];

static _Thread_local bool inside; /* between world_begin() and world_end() */
static unsigned pace, stalled;    /* turns that each step takes; that are left of this one's */

void
world_begin(void)
{
	inside = true;
	world_stall(0);
}

void
world_end(void)
{
	for (int i = 0; i < THREADS; i++)
		MUST(threads[i].state == FREE);
	inside = false;
}

void
world_stall(unsigned turns)
{
	pace = stalled = turns;
}

static void
thread_main(void *arg)
{
	struct thread *t = arg;

	t->co = co_self();
	co_park();
	(void)t->fn(t->arg);
	t->state = t->detached ? FREE : ENDED;
}

static struct thread *
self(void)
{
	struct co *co = inside ? co_self() : NULL;

	for (int i = 0; co != NULL && i < THREADS; i++) {
		if (threads[i].state != FREE && threads[i].co == co)
			return &threads[i];
	}
	return NULL;
}

void
world_give_way(void)
{
	if (self() != NULL)
		co_park();
}

bool
world_run_threads(void)
{
	bool any = false;

	if (stalled > 0) {
		stalled--;
		return false;
	}
	for (int i = 0; i < THREADS; i++) {
		if (threads[i].state != RUNS)
			continue;
		co_wake(threads[i].co);
		any = true;
	}
	if (any)
		stalled = pace;
	return any;
}

unsigned
world_threads(void)
{
	unsigned n = 0;

	for (int i = 0; i < THREADS; i++)
		n += threads[i].state == RUNS || threads[i].state == WAITS;
	return n;
}

/* ---- pthreads(7) ---- */

WORLD_WRAP(int, pthread_create, pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	int i = 0;

	if (!inside)
		return __real_pthread_create(out, attr, fn, arg);
	while (threads[i].state != FREE)
		MUST(++i < THREADS);
	threads[i] = (struct thread){ .state = RUNS, .fn = fn, .arg = arg };
	MUST(co_self() == NULL && co_start(thread_main, &threads[i]) == 0);
	*out = (pthread_t)i;
	return 0;
}

WORLD_WRAP(int, pthread_join, pthread_t thread, void **result)
{
	if (!inside)
		return __real_pthread_join(thread, result);
	world_stall(0);
	while (threads[thread].state != ENDED)
		MUST(world_run_threads()); /* else it waits for ever, and so would we */
	threads[thread].state = FREE;
	return 0;
}

WORLD_WRAP(int, pthread_detach, pthread_t thread)
{
	if (!inside)
		return __real_pthread_detach(thread);
	threads[thread].detached = true;
	if (threads[thread].state == ENDED)
		threads[thread].state = FREE;
	return 0;
}

/* Locked, or not: kept in the mutex itself. */
static int *
locked(pthread_mutex_t *m)
{
	return (int *)(void *)m;
}

WORLD_WRAP(int, pthread_mutex_lock, pthread_mutex_t *m)
{
	if (!inside)
		return __real_pthread_mutex_lock(m);
	MUST((*locked(m))++ == 0);
	return 0;
}

WORLD_WRAP(int, pthread_mutex_unlock, pthread_mutex_t *m)
{
	if (!inside)
		return __real_pthread_mutex_unlock(m);
	MUST(--*locked(m) == 0);
	return 0;
}

WORLD_WRAP(int, pthread_cond_wait, pthread_cond_t *cond, pthread_mutex_t *m)
{
	struct thread *t = self();

	if (!inside)
		return __real_pthread_cond_wait(cond, m);
	MUST(t != NULL && --*locked(m) == 0);
	t->state = WAITS;
	t->cond = cond;
	co_park();
	MUST((*locked(m))++ == 0);
	return 0;
}

WORLD_WRAP(int, pthread_cond_signal, pthread_cond_t *cond)
{
	if (!inside)
		return __real_pthread_cond_signal(cond);
	for (int i = 0; i < THREADS; i++) {
		if (threads[i].state == WAITS && threads[i].cond == cond) {
			threads[i].state = RUNS;
			break;
		}
	}
	return 0;
}

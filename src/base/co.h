/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coroutines: each file operation is straight-line code on a small stack of its own that parks while the daemon works.
 * All state is per thread. The "main" side is whatever calls co_start() and co_wake() from outside any coroutine (the event
 * loop). Stacks have a guard page, are pooled, and are known to AddressSanitizer and valgrind.
 */
#ifndef BASE_CO_H
#define BASE_CO_H

#include <stddef.h>

struct co;
typedef void co_fn(void *arg);

enum { CO_STACK_SIZE = 64 * 1024 };

/*
 * Run fn(arg) in a new coroutine. From the main side it runs at once, until it parks or ends; from inside a coroutine it
 * starts when the main side next has the processor (before co_wake() or co_start() return to the loop). 0 or ENOMEM.
 */
int co_start(co_fn *fn, void *arg);
/* The running coroutine, or NULL on the main side. */
struct co *co_self(void);
/* Suspend the running coroutine until co_wake(). */
void co_park(void);
/*
 * Let a parked coroutine go on: at once from the main side; from inside a coroutine, when the main side next has the
 * processor. Each co_park() takes exactly one co_wake(); waking one that is not parked is a programming error (asserted).
 */
void co_wake(struct co *co);
/* Coroutines started and not ended, on this thread. */
size_t co_count(void);
/* Free unused stacks beyond keep. */
void co_trim(size_t keep);

#endif

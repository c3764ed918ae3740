/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monotonic clock. One call, so that all of perfuse measures time on the same clock: it never jumps when somebody
 * sets the date, and it costs no system call where the kernel maps its clock into the process. It counts from an
 * arbitrary moment; only differences mean anything.
 */
#include "base/clock.h"

#include <time.h>

uint64_t
clock_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail: the clock exists and ts is ours */
	return (uint64_t)ts.tv_sec * CLOCK_SEC + (uint64_t)ts.tv_nsec;
}

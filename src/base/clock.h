/* SPDX-License-Identifier: BSD-2-Clause */
/* The monotonic clock in nanoseconds. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_SEC UINT64_C(1000000000)
#define CLOCK_MSEC UINT64_C(1000000)

uint64_t clock_ns(void);

#endif

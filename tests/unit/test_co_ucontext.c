/* SPDX-License-Identifier: BSD-2-Clause */
/* The tests of test_co.c again, around the coroutines' fallback for processors that there is no assembly for. */
#define CO_UCONTEXT 1
#include "test_co.c" /* NOLINT(bugprone-suspicious-include) */

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What open.c and mount.c share: how a failure is put into words. A function that can fail for many reasons returns an errno and
 * leaves one line in why[]; only the two public calls print it, since they stand for system calls and have no other way.
 */
#ifndef CLIENT_OPEN_H
#define CLIENT_OPEN_H

#include <stddef.h>

#define CLIENT_EXPORT __attribute__((visibility("default")))

enum { CLIENT_WHY_MAX = 1024 };

/* Put a line into why[whylen] (cut to fit; control characters become '?') and return error. */
int client_fail(char *why, size_t whylen, int error, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Print "perfuse: WHY" on stderr, set errno and return -1. */
int client_refuse(int error, const char *why);

#endif

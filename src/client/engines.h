/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding the engines that run, by their control sockets in the run directories, and asking them: for perfuse(1) and
 * fusermount3.
 */
#ifndef CLIENT_ENGINES_H
#define CLIENT_ENGINES_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/status.h"

/*
 * Call fn for each engine whose control socket can be reached, with a connection (borrowed) on which its status has
 * just been asked. Stops when fn returns false. Sockets that nobody serves any more are removed where they are ours.
 */
typedef bool engine_fn(int sock, const struct status *st, void *arg);
void engines_each(engine_fn *fn, void *arg);
/* Send a request (text of ctl/status.h) and wait for the answer: 0 with it in buf, or errno. */
int engines_ask(int sock, const char *request, char *buf, size_t room, size_t *len, int timeout_ms);
/*
 * Unmount what the newest engine serves at this canonical mountpoint. 0; ENOENT: there is none that may be reached; or errno with
 * the engine's line in *message (newly allocated; NULL: none).
 */
int engines_unmount(const char *mountpoint, bool lazy, char **message);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One mount put together: the daemon's connection (conn/), the kernel's half (vnode/) and the Linux host, on one event loop.
 * Used by perfused's engine process and by the library face (perfuse_if.h). It opens nothing and mounts nothing: both
 * descriptors are given to it.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

struct engine;
struct conn_transport;

struct engine_ops { /* all called from the loop, none after engine_free() */
	/* The daemon answered INIT and the kernel has its answer: operations are served. Once. */
	void (*ready)(void *arg);
	/* The daemon's INIT failed (it died, or its answer made no sense): error, and one line (borrowed). Once, instead of ready. */
	void (*failed)(void *arg, int error, const char *why);
	/* The daemon is gone after ready: all operations get ENOTCONN until the mount is unmounted. Once. */
	void (*dead)(void *arg, int error, const char *why);
	/* The mount is gone (unmounted) and nothing runs any more: engine_free() is due. Once. */
	void (*ended)(void *arg);
};

struct engine_config {
	int daemon_fd;                          /* the daemon's socket, taken on success; -1 with a transport */
	size_t peer_sndbuf;                     /* SO_SNDBUF of the daemon's end in bytes, 0: unknown */
	const struct conn_transport *transport; /* instead of daemon_fd, or NULL */
	int fuse_fd;                            /* /dev/fuse, mounted; taken on success */
	uint64_t init_timeout;                  /* nanoseconds the daemon has for INIT; 0: 60 seconds */
	unsigned switches;                      /* VN_NO_ACCESS, VN_NO_CREATE (vnode/host.h) */
};

struct engine_counts {
	size_t nodes, files; /* in the table; open */
	size_t waiting;      /* requests at the daemon */
};

/* 0 or errno (both descriptors then stay the caller's). */
int engine_new(
    struct loop *loop, const struct engine_config *cfg, const struct engine_ops *ops, void *arg, struct engine **out);
/* Closes both descriptors, which ends the daemon's connection and (if still mounted) aborts the kernel's. e may be NULL. */
void engine_free(struct engine *e);
/* Call the daemon dead now (ops->dead or ops->failed follows from the loop). why is copied. */
void engine_kill(struct engine *e, const char *why);
void engine_counts(const struct engine *e, struct engine_counts *out);
/* Write the last operations to the log (perfused -s), a line each. */
void engine_trace(const struct engine *e);
/* PERFUSE_OPTIONS (may be NULL) as bits for engine_config.switches; unknown words are warned of in the log. */
unsigned engine_switches(const char *options);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the Linux host share: the device (dev.c), the operations on it (ops.c, ops_file.c), and
 * notifications (notify.c).
 */
#ifndef HOST_LINUX_PRIV_H
#define HOST_LINUX_PRIV_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chunk.h"
#include "base/co.h"
#include "host/linux/linux.h"
#include "vnode/host.h"
#include "vnode/vop.h"
#include "wire/wire.h"

struct op { /* one request of the kernel's, on the stack of its coroutine */
	TAILQ_ENTRY(op) link;
	struct host_linux *h;
	struct vn_mount *mp;
	struct co *co;
	struct wire_req req; /* names and data point into what op_main() holds */
	struct vop_cred cred;
};
TAILQ_HEAD(ops, op);

/* ---- answers: 0, or the errno with which the kernel refused it (the request is gone): then nothing came of the operation ---- */

int reply_empty(struct op *op);
int reply_out(struct op *op, const union wire_out *out);
int reply_data(struct op *op, const void *data, size_t len);
void reply_error(struct op *op, int error);

/* ---- operations ---- */

/* Answers the request itself and returns 0, or returns the errno to answer with. vp is held by the caller. */
typedef int op_fn(struct op *op, struct vn_node *vp);
/* The operation for an opcode, or NULL: ENOSYS. */
op_fn *op_lookup_fn(uint32_t opcode);

/* ---- notifications (notify.c) ---- */

struct notifier;

/* Take mp's notifications and write them to fuse_fd (borrowed). There is no thread before the first. 0 or errno. */
int notifier_new(struct loop *loop, int fuse_fd, struct vn_mount *mp, struct notifier **out);
/* Ask the thread to end. Whether it has (or there is none); the descriptor becomes readable when it does. n may be NULL. */
bool notifier_stop(struct notifier *n);
int notifier_wake_fd(const struct notifier *n);
void notifier_counts(const struct notifier *n, struct host_linux_notes *out);
/* What has not been written is dropped. Never waits: a thread that has not ended frees the rest when it does. n may be NULL. */
void notifier_free(struct notifier *n);

#endif

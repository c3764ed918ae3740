/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who a peer is: what the kernel says of the process that connected. Beside its numbers, as our user namespace has them, two things
 * decide what it may: whether it is root in earnest, and whether it lives in another mount namespace than we (a container).
 */
#ifndef PERFUSED_PEER_H
#define PERFUSED_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fdpass.h"

struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	bool root;               /* uid 0 with CAP_SYS_ADMIN in our own user namespace: may do as it likes */
	bool foreign;            /* its mount namespace is not ours: paths mean something else there */
	bool other_user;         /* nor its user namespace */
	bool sure;               /* the kernel told which process it is (SO_PEERPIDFD), not only its number */
	uint64_t ns_dev, ns_ino; /* of its mount namespace */
};

/* A worker opens its mountpoint, not its engine: that has no view of the peer's files, or (uid 0 without power) must not be uid 0. */
static inline bool
peer_is_apart(const struct peer *p)
{
	return p->foreign || (p->uid == 0 && !p->root);
}

/*
 * Ask the kernel about who connected conn with these credentials. 0 with *pidfd (the caller's) of its process; or errno with one
 * line in why: ESRCH (it has ended), EACCES (what we may not see). *out has the numbers in any case.
 */
int peer_identify(int conn, const struct fdp_cred *cred, struct peer *out, int *pidfd, char *why, size_t whylen);

#endif

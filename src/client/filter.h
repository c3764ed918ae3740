/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seccomp filter around a daemon: which system calls stop and ask the supervisor, and which are answered at once.
 *
 * Built in the parent, where a failure is easily told, and installed in the child between fork and exec. It is
 * inherited by all that the daemon starts, and sets no_new_privs.
 */
#ifndef CLIENT_FILTER_H
#define CLIENT_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>

enum filter_call { /* what a notification is about, whatever the ABI that it came through */
	FILTER_OTHER,
	FILTER_OPEN,
	FILTER_OPENAT,
	FILTER_MOUNT,
	FILTER_UMOUNT, /* umount(2), without flags */
	FILTER_UMOUNT2,
	FILTER_IOCTL,
};

/*
 * Build the filter. notify: with the calls that a supervisor answers; without, only with what a daemon on a socket must
 * not do. 0 with *out (filter_free()), or errno.
 */
int filter_build(bool notify, struct sock_fprog *out);
void filter_free(struct sock_fprog *prog);
/*
 * Install it in the calling process, for good. notify as it was built: then *listener is the descriptor (close-on-exec)
 * on which notifications come. Allocates nothing. 0 or errno (ENOSYS, EINVAL: the kernel has no such thing; EBUSY: a
 * filter with a listener is there already).
 */
int filter_install(const struct sock_fprog *prog, bool notify, int *listener);
/* Which call a notification names: arch and nr as in struct seccomp_data. */
enum filter_call filter_call(unsigned arch, int nr);

#endif

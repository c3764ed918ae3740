/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's command line, as far as "/dev/fd/N instead of the mountpoint" needs it understood: where the mountpoint
 * stands, what its -o lists say (libfuse mounts nothing then, so we do what it would have done), and whether its
 * program is one that takes a descriptor at all.
 */
#ifndef CLIENT_ARGS_H
#define CLIENT_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "client/client.h"
#include "ctl/mountopts.h"

/*
 * The mountpoint: index of the last argument that is neither an option nor the value of -o, and is a directory. -1:
 * none.
 */
int args_mountpoint(char *const *argv);
/* All -o lists as one, newly allocated ("" when there is none); NULL: no memory. */
char *args_options(char *const *argv);
/* Is the program (found on PATH as execvp(3) does) linked to libfuse 3, which knows /dev/fd/N since 3.3? */
bool args_takes_fd(const char *program);

struct args_fd {     /* the daemon's command line with a descriptor instead of its mountpoint */
	char **argv; /* strings: ours is argv[at], the others are borrowed */
	int at;
	struct client_mount mount; /* what to ask perfused for; its strings are owned, fuse_sock is left alone */
};
/*
 * own: what the user asked of perfuse itself. fd: the daemon's end of the socket. 0, or errno with one line in why[].
 * args_fd_free() in any case.
 */
int args_fd_make(char *const *argv, const struct mountopts *own, int fd, struct args_fd *out, char *why, size_t whylen);
void args_fd_free(struct args_fd *a);

#endif

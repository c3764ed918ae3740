/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where perfused listens and where running mounts are found.
 *
 *   root: /run/perfuse; a user: $XDG_RUNTIME_DIR/perfuse, else /run/user/UID/perfuse, else /tmp/perfuse-UID
 *   ($PERFUSE_RUNDIR, absolute, is everybody's instead: a session of "perfuse mount --private" has its own)
 *   <dir>/fuse          perfused's socket ($PERFUSE_SOCKET overrides)
 *   <dir>/mounts/PID    control socket of the engine process PID
 */
#ifndef CTL_RUNDIR_H
#define CTL_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The directory of this uid, newly allocated. 0 or ENOMEM. */
int rundir_path(uid_t uid, char **out);
/* Path of perfused's socket for uid, $PERFUSE_SOCKET respected, newly allocated. 0 or ENOMEM, ENAMETOOLONG (does not fit sun_path). */
int rundir_socket(uid_t uid, char **out);
/*
 * Make the directory and its mounts/ when missing (root: 0755 and 0711; a user: 0700 both). Refuses (EPERM) one that belongs to
 * somebody else, is a symbolic link or is writable by others. 0 or errno.
 */
int rundir_make(uid_t uid, char **out);
/* Whether dir is there and would not be refused: what listens in it was put there by uid. */
bool rundir_trusted(const char *dir, uid_t uid);

#endif

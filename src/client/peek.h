/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking into another process: strings of its memory, what its descriptors are, where its paths lead. Used by the
 * supervisor on a process that waits in a system call; the caller checks afterwards that it still waits, or what was
 * read may be another's. Nothing here touches a file system that a daemon serves: /proc links are read, never followed.
 */
#ifndef CLIENT_PEEK_H
#define CLIENT_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The string at addr, with its NUL, at most room bytes. cut: one that is longer is cut to room (as mount(2) does with
 * its data), otherwise ENAMETOOLONG. 0, EFAULT (not all readable), or EPERM, ESRCH.
 */
int peek_string(pid_t pid, uint64_t addr, char *buf, size_t room, bool cut);
/* len bytes at addr. 0, or as above. */
int peek_bytes(pid_t pid, uint64_t addr, void *buf, size_t len);
/* The inode number of the socket that is descriptor fd. 0, ENOTSOCK, or errno (ENOENT: no such descriptor). */
int peek_socket(pid_t pid, int fd, uint64_t *ino);
/* Is the process's root directory ours? */
bool peek_same_root(pid_t pid);
/* Does the process see the same files under the same names as we do (mount namespace and root directory)? */
bool peek_same_view(pid_t pid);
/* path as the process means it, absolute (not yet canonical). 0, ENAMETOOLONG, or errno. */
int peek_absolute(pid_t pid, const char *path, char *buf, size_t room);
/* A duplicate (close-on-exec, the caller's) of the process's descriptor fd. 0 or errno. */
int peek_dup(pid_t pid, int fd, int *out);

/*
 * The canonical name of an absolute path without touching its last component, which may be a mount that hangs: the
 * directory above it is resolved, the last name kept. Newly allocated. 0 or errno.
 */
int peek_canonical(const char *path, char **out);

#endif

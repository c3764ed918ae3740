/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perfuse.h - the two calls a FUSE daemon needs to be served by perfused instead of the kernel.
 *
 * They stand where open(2) of /dev/fuse and mount(2) stood; libfuse and others can be built with
 *
 *     #include <fcntl.h>
 *     #include <sys/mount.h>
 *     #include <perfuse.h>
 *     #define open  perfuse_open
 *     #define mount perfuse_mount
 *
 * before all else (cc -include) and need no other change; examples/README.md has the commands for libfuse. Thread-safe.
 * Environment: PERFUSE_SOCKET (perfused's socket), PERFUSE_BUFSIZE (socket buffers in bytes, 65536 to 67108864), PERFUSE_PERFUSED
 * (path of the perfused program to start).
 */
#ifndef PERFUSE_H
#define PERFUSE_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Any path but "/dev/fuse": open(path, flags, mode), where mode (a mode_t) counts as it does there: with O_CREAT or O_TMPFILE. "/dev/fuse": a socket connected to perfused, one FUSE message a packet;
 * when no perfused listens, one is started for this caller (perfused -i). O_CLOEXEC and O_NONBLOCK in flags are honoured.
 * Returns a descriptor (the caller's), or -1 with errno: ENODEV (no perfused to connect to or to start), EMFILE, ENOMEM, ... .
 */
int perfuse_open(const char *path, int flags, ...);

/*
 * Mount what the daemon serves through a descriptor of perfuse_open(). source, target, filesystemtype and flags as in
 * mount(2); filesystemtype "fuse.NAME" shows as such. data: the mount options, with fd=N naming the descriptor. NULL strings
 * are left out (target must not be). Waits for perfused's answer (at most 30 seconds). Returns 0, or -1 with errno, and then one
 * line on stderr saying why: EINVAL (no fd= in data, not a number, not a perfuse socket, an unknown option), ENOENT, ENOTDIR,
 * EPERM or EACCES (not the caller's mountpoint), ETIMEDOUT.
 */
int perfuse_mount(
    const char *source, const char *target, const char *filesystemtype, long mountflags, const void *data);

#ifdef __cplusplus
}
#endif
#endif

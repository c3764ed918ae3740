/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Linux host: shows a mount through the kernel's own FUSE. It stands where a FUSE daemon stands for the kernel: it opens
 * /dev/fuse, mounts, negotiates an INIT of its own, and turns each request into a vnode operation in a coroutine.
 */
#ifndef HOST_LINUX_LINUX_H
#define HOST_LINUX_LINUX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"
#include "vnode/host.h"

struct host_linux;

struct host_linux_ops {
	void (*ready)(void *arg);                              /* INIT done on both sides: operations are served */
	void (*failed)(void *arg, int error, const char *why); /* INIT failed, one line (borrowed) */
	void (*leaving)(void *arg); /* the kernel says the mount is gone: operations still at the daemon are awaited */
	void (*ended)(void *arg);   /* after that: all operations have ended */
};

/* Serve the kernel's requests from fuse_fd (taken on success). 0 or errno. */
int host_linux_new(struct loop *loop, int fuse_fd, struct vn_mount *mp, const struct host_linux_ops *ops, void *arg,
    struct host_linux **out);
void host_linux_free(struct host_linux *h);
/* Operations running. */
size_t host_linux_running(const struct host_linux *h);

/* The daemon's notifications, as the kernel took them. */
struct host_linux_notes {
	uint64_t taken, refused;
	size_t waiting; /* not written yet */
};
void host_linux_notes(const struct host_linux *h, struct host_linux_notes *out);

/* ---- mounting: also used by the privileged parent, which includes nothing else ---- */

struct host_mount {        /* fixed size: it crosses the privilege boundary as it is */
	char source[4096]; /* NUL-terminated; may be empty: "perfuse" */
	char subtype[128]; /* NUL-terminated, may have dots, may be empty: type "fuse" */
	uint32_t flags;    /* MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_SYNCHRONOUS, MS_DIRSYNC, MS_NOATIME,
	                        MS_NODIRATIME, MS_RELATIME, MS_STRICTATIME, MS_LAZYTIME; anything else is refused */
	uint32_t max_read; /* bytes, 0: none */
	uint32_t user_id, group_id;
	uint8_t allow_other, default_permissions;
	uint8_t blkdev; /* type "fuseblk", source is a block device (root only) */
	uint8_t pad;
	uint32_t blksize; /* fuseblk only, 0: none */
};

/*
 * Open /dev/fuse and mount it on the directory (or file) behind the O_PATH descriptor at, by mount(2). Needs
 * CAP_SYS_ADMIN. 0 with *fuse_fd (close-on-exec, the caller's), or errno: ENODEV/ENOENT (no /dev/fuse), EPERM, EINVAL ... .
 */
int host_linux_mount(const struct host_mount *m, int at, int *fuse_fd);
/*
 * The same as an ordinary user through the system's fusermount3, at path (which it checks itself). 0, or errno with one line in
 * why[whylen]: what fusermount3 said, or ENOENT when there is none.
 */
int host_linux_mount_user(const struct host_mount *m, const char *path, int *fuse_fd, char *why, size_t whylen);
/* fusermount3 -u [-z] path. 0 or errno, why as above. */
int host_linux_unmount_user(const char *path, bool lazy, char *why, size_t whylen);

#endif

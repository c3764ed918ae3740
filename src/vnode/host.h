/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other face of vnode/: how a mount's kernel half is started, what a host may offer its daemon, and what it can ask about it.
 */
#ifndef VNODE_HOST_H
#define VNODE_HOST_H

#include <stddef.h>
#include <stdint.h>

struct co;
struct conn;
struct loop;
struct vn_mount;

/* INIT in host-neutral terms. Going down: what the host can carry. Coming back: what the daemon settled on. */
struct host_init {
	uint32_t minor;         /* newest minor the host speaks; back: the agreed one */
	uint64_t flags;         /* WIRE_INIT_* bits */
	uint32_t max_readahead; /* bytes */
	uint32_t max_write;     /* bytes in one WRITE; back: never more than the connection carries */
	uint32_t max_pages;     /* of the machine: bounds READ and READDIR */
	uint16_t max_background, congestion_threshold;
	uint32_t time_gran;       /* nanoseconds */
	uint16_t request_timeout; /* seconds the host gives one request, 0: no limit; only back, with REQUEST_TIMEOUT */
};

/* A mount on conn (borrowed; freed after the mount), on conn's loop. 0 or ENOMEM. */
int vn_mount_new(struct loop *loop, struct conn *conn, struct vn_mount **out);
/* Frees all nodes and files; no operation may be running. mp may be NULL. */
void vn_mount_free(struct vn_mount *mp);
/*
 * Exchange INIT with the daemon (in a coroutine). want: what the host carries; got: what was agreed (flags are a subset of
 * want's). 0; EPROTO (its answer cannot be used), ENOTCONN, or ENOMEM, with one line in *why (static or valid as long as mp).
 */
int vn_mount_init(struct vn_mount *mp, const struct host_init *want, struct host_init *got, const char **why);
/* Send DESTROY and wait for its reply (in a coroutine). 0 or ENOTCONN. A daemon without DESTROY is fine. */
int vn_mount_destroy(struct vn_mount *mp);
/* Everything the host had looked up is gone (its mount is): forget all nodes, release nothing. */
void vn_mount_forget_all(struct vn_mount *mp);
/* The bits of host_init.flags that vnode/ can carry; anything else is never offered to a daemon. */
uint64_t vn_flags_carried(void);

/* The operation that this coroutine runs is to be interrupted: see conn_interrupt(). */
void vn_interrupt(struct vn_mount *mp, struct co *co);

/* ---- notifications ---- */

/*
 * What a daemon says without being asked, for the host to do: its caches are to change. Called from the loop, must not park. nodeids
 * are as vn_nodeid(); names are checked, not NUL-terminated; all is borrowed. 0, or an errno with which the daemon's
 * connection ends, because the notification is lost: ENOBUFS, more are under way than the host holds; ENOMEM ... .
 */
struct vn_host_ops {
	int (*poll_wakeup)(void *arg, uint64_t kh); /* kh: as in the POLL that the host sent */
	/* Attributes; off not negative: also the data from there on, len bytes (0 or less: to the end). */
	int (*inval_inode)(void *arg, uint64_t nodeid, int64_t off, int64_t len);
	/* flags: WIRE_EXPIRE_ONLY, look it up again instead of dropping it. */
	int (*inval_entry)(void *arg, uint64_t parent, const char *name, size_t len, uint32_t flags);
	int (*deleted)(void *arg, uint64_t parent, uint64_t child, const char *name, size_t len);
	/* These bytes are the file's; its size is at least their end. */
	int (*store)(void *arg, uint64_t nodeid, uint64_t offset, const void *data, size_t len);
	/* Give back, by vn_retrieved() or vn_retrieve_failed(), what is cached of these bytes. */
	int (*retrieve)(void *arg, uint64_t nodeid, uint64_t unique, uint64_t offset, uint32_t size);
	int (*inc_epoch)(void *arg);                                    /* all names are to be looked up again */
	int (*prune)(void *arg, const uint64_t *nodeids, size_t count); /* let go of these where nobody uses them */
};
/* Who is told (ops borrowed; NULL: nobody, which is how it begins). */
void vn_mount_set_host(struct vn_mount *mp, const struct vn_host_ops *ops, void *arg);
/* The notification of len bytes at msg, its header included, that the daemon has sent (conn's ops.notify). May end the connection. */
void vn_notify(struct vn_mount *mp, const void *msg, size_t len);
/* The bytes that were cached (borrowed; fewer than asked for, or none). Unknown ones are ignored. */
void vn_retrieved(
    struct vn_mount *mp, uint64_t nodeid, uint64_t unique, uint64_t offset, const void *data, uint32_t size);
/* There will be none. */
void vn_retrieve_failed(struct vn_mount *mp, uint64_t nodeid, uint64_t unique);
/* See conn_pause(). For a notification whose end is to be seen before what the daemon says after it. */
void vn_mount_pause(struct vn_mount *mp);
void vn_mount_resume(struct vn_mount *mp);

/* Numbers for status and tests. */
struct vn_counts {
	size_t nodes, files; /* the root counts as a node */
	size_t waiting;      /* requests at the daemon */
	uint64_t lookups;    /* the daemon's lookup counts of all nodes but the root, added up */
	size_t bytes;        /* memory of nodes and names */
};
void vn_mount_counts(const struct vn_mount *mp, struct vn_counts *out);

/* Give back memory that is not needed while nothing happens. */
void vn_mount_trim(struct vn_mount *mp);

/* The seed's access and create switches (PERFUSE_OPTIONS). */
enum { VN_NO_ACCESS = 1, VN_NO_CREATE = 2 };
void vn_mount_switch(struct vn_mount *mp, unsigned flags);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of vnode/ share: the structs, and the steps that most operations are made of.
 *
 * A node lives as long as somebody counts on it: refs (operations running on it, open files) or nlookup (the host knows its
 * nodeid). When neither is left the daemon gets its FORGET with the daemon's own count, and the node is freed.
 * The root is never forgotten and in neither hash.
 * One that vn_get_again() made has no lookups on either side until the daemon says that there is such a node: when it does not, it goes
 * without a FORGET.
 */
#ifndef VNODE_PRIV_H
#define VNODE_PRIV_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/loop.h"
#include "conn/conn.h"
#include "vnode/host.h"
#include "vnode/slots.h"
#include "vnode/vop.h"

enum {
	VN_FORGETS = 256,     /* forgets collected before they are sent */
	VN_XATTR_MAX = 65536, /* longest extended attribute and list of names, as in Linux */
	VN_PATH_MAX = 4096,
};

struct vn_name {         /* where a node was last seen; the key of mp->by_name */
	uint64_t parent; /* nodeid */
	char name[];     /* with a NUL */
};

struct vn_node {
	uint64_t nodeid;   /* the engine's; vn_nodeid() is what hosts call it */
	uint64_t d_nodeid; /* the daemon's, with its generation and how many lookups it has counted */
	uint64_t d_generation;
	uint64_t d_nlookup;
	uint64_t nlookup;     /* lookups the host has not given back */
	struct vn_name *name; /* NULL: the root, or unlinked */
	uint32_t refs;
	uint16_t type;          /* S_IFMT bits; 0: not known yet (the root) */
	uint8_t life;           /* how many files the daemon has called so before, modulo 256: see node_find() */
	bool bad : 1;           /* the daemon said something about it that cannot be: EIO from now on */
	bool hashed : 1;        /* in by_daemon */
	bool exported : 1;      /* hosts call it by d_nodeid (WIRE_INIT_EXPORT_SUPPORT) */
	UT_hash_handle hh;      /* by_daemon */
	UT_hash_handle hh_name; /* by_name, when name is not NULL */
};

struct vn_file {
	uint64_t id;
	struct vn_node *node; /* held */
	uint64_t fh;          /* the daemon's */
	bool dir;
	bool handleless; /* no OPEN was answered: no RELEASE is due */
};

struct vn_mount {
	struct conn *conn;
	struct slots nodes, files;
	struct vn_node root;
	struct vn_node *by_daemon; /* by d_nodeid */
	struct vn_node *by_name;
	size_t peak;       /* most nodes since memory was last given back */
	size_t name_bytes; /* memory of names */
	uint64_t nosys;    /* bit per opcode: the daemon answered ENOSYS, it is not asked again */
	uint64_t flags;    /* WIRE_INIT_* agreed */
	uint32_t minor;
	uint32_t max_write;
	struct vn_file no_file;         /* stands for those that are handle-less and of no number: all 0 */
	uint32_t name_max;              /* longest name the kernel would take from this daemon */
	const struct vn_host_ops *host; /* who is told of notifications, or NULL */
	void *host_arg;
	TAILQ_HEAD(, vn_retrieve) retrieves; /* of notify.c */
	unsigned nretrieves;
	uint64_t note_warned; /* when it was last said that a notification makes no sense */
	struct loop_soon *soon;
	struct wire_forget_one forget[VN_FORGETS];
	unsigned nforget;
	char why[160];
};

/* ---- calls (call.c) ---- */

/* Begin a request about vp (NULL: about no node). */
void vn_call_init(struct conn_call *c, uint32_t opcode, const struct vn_node *vp, const struct vop_cred *cred);
/* Append a name of len bytes with its NUL (borrowed). */
void vn_call_name(struct conn_call *c, const char *name, size_t len);
/* Append what the caller's extensions are, behind all else: for requests that make something. */
void vn_call_ext(const struct vn_mount *mp, struct conn_call *c, const struct vop_cred *cred);
/*
 * Exchange it. 0: c->rep is there, conn_done() is due. Else errno, the daemon's or ours, and nothing is due.
 */
int vn_call(struct vn_mount *mp, struct conn_call *c);
/* The same for an operation that a daemon may not have: ENOSYS is remembered, and then given without asking. */
int vn_call_opt(struct vn_mount *mp, struct conn_call *c);
/* The daemon is known not to have it: it said so to vn_call_opt(). (Its minor tells nothing: like the kernel we ask any daemon.) */
bool vn_nosys(const struct vn_mount *mp, uint32_t opcode);
/* The end of an operation that returns nothing. */
int vn_call_done(struct conn_call *c, int error);
/* Move the call's tail over to out; vop_data_done() is due instead of conn_done(). */
void vn_call_data(struct conn_call *c, struct vop_data *out);

/* ---- nodes (node.c) ---- */

void vn_ref(struct vn_node *vp);
/*
 * Believe an entry that the daemon returned for a name in dvp, or refuse it: a node is found or made, its lookups are
 * counted for both sides, its name is set, and out is filled. The daemon's lookup of what is refused is given back.
 * type: S_IFMT bits that something just made must have, 0: it is looked up. name NULL: it has none that counts (".", "..",
 * TMPFILE).
 * As in the kernel, the request fails and nothing else, with EIO: a type that is none or not the one wanted, a size above
 * 2^63-1, nodeid 0, the root's nodeid (which only the look-up of a dot may give, and with the root's type); ELOOP: a directory in
 * itself. Another generation or type under a known nodeid is another file, see vop.h.
 * ENOMEM.
 */
int vn_entry(struct vn_mount *mp, const struct vn_node *dvp, const char *name, size_t len,
    const struct wire_entry_out *e, uint16_t type, struct vop_entry *out);
/*
 * Believe attributes of a known node, or mark it bad, as the kernel does: a type that is none or not the node's, a size above
 * 2^63-1. 0 or EIO. vn_statx(): where the mask says that type and size are there.
 * life: vp's when they were asked for. If it is another now, they are of the file that vp was then: only the host can judge them.
 */
int vn_attr(struct vn_node *vp, uint8_t life, const struct wire_attr *a, struct vop_attr *out);
int vn_statx(struct vn_node *vp, uint8_t life, const struct wire_statx *sx, struct vop_statx *out);
struct vop_timeout vn_timeout(uint64_t sec, uint32_t nsec);
/* Send the collected forgets now. */
void vn_flush_forgets(struct vn_mount *mp);
/* The daemon counted a lookup that we do not keep. */
void vn_forget_daemon(struct vn_mount *mp, uint64_t d_nodeid, uint64_t nlookup);
/* name in dvp is gone. */
void vn_name_removed(struct vn_mount *mp, const struct vn_node *dvp, const char *name, size_t len);
void vn_name_moved(struct vn_mount *mp, const struct vn_node *dvp, const char *name, size_t len,
    const struct vn_node *newdvp, const char *newname, size_t newlen, bool exchange);
void vn_nodes_free(struct vn_mount *mp);

/* ---- files (file.c) ---- */

/* A file for the daemon's handle fh. 0 or ENOMEM (then the daemon's handle is released). */
int vn_file_new(struct vn_mount *mp, struct vn_node *vp, uint64_t fh, bool dir, bool handleless, struct vn_file **out);
void vn_file_free(struct vn_mount *mp, struct vn_file *fp);
uint64_t vn_fh(const struct vn_file *fp);

/* ---- notifications (notify.c) ---- */

void vn_notify_free(struct vn_mount *mp);

#endif

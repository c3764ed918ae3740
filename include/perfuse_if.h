/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perfuse_if.h - perfuse's engine as a library: the kernel's half of FUSE for one mount, inside your own process.
 *
 * The names, argument orders and meanings are those of NetBSD's libperfuse. The life of a mount:
 *
 *     pu = perfuse_init(&callbacks, &info);      state, nothing visible yet
 *     perfuse_fs_init(pu);                       mounts, and exchanges INIT with the daemon
 *     error = perfuse_mainloop(pu);              serves until the file system is unmounted, and frees pu
 *
 * The daemon is reached through callbacks (any transport: each exchange is waited for before the next begins), or, with
 * callbacks NULL, through the socket info.pmi_fd (many exchanges at once). One mount belongs to one thread; several mounts may
 * run in several threads. On Linux the mount is made with mount(2) as root and through the system's fusermount3 otherwise.
 */
#ifndef PERFUSE_IF_H
#define PERFUSE_IF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct puffs_usermount; /* one mount; opaque */
struct puffs_cred;      /* who asks; opaque */
struct fuse_in_header;  /* 40 bytes, as in <linux/fuse.h> */
struct fuse_out_header; /* 16 bytes, as in <linux/fuse.h> */

#define PERFUSE_IN_HEADER_SIZE 40  /* bytes */
#define PERFUSE_OUT_HEADER_SIZE 16 /* bytes */

/* What perfuse_init() copies into its diagnostics (see perfused(8), -d), or'ed together. Set before perfuse_init(). */
extern int perfuse_diagflags;
#define PDF_FUSE 0x0001     /* FUSE requests and replies */
#define PDF_DUMP 0x0002     /* hex dump of FUSE messages */
#define PDF_PUFFS 0x0004    /* vnode operations */
#define PDF_FH 0x0008       /* open files */
#define PDF_RECLAIM 0x0010  /* nodes forgotten */
#define PDF_READDIR 0x0020  /* directories */
#define PDF_REQUEUE 0x0040  /* queued messages */
#define PDF_SYNC 0x0080     /* flush, fsync */
#define PDF_MISC 0x0100     /* anything else */
#define PDF_SYSLOG 0x0200   /* to syslog */
#define PDF_FILENAME 0x0400 /* names */
#define PDF_RESIZE 0x0800   /* sizes */

/* ---- the transport ---- */

#ifndef PERFUSE_MSG_T
#define PERFUSE_MSG_T struct perfuse_framebuf
#endif
typedef PERFUSE_MSG_T perfuse_msg_t; /* a message of yours */

#define PERFUSE_UNSPEC_REPLY_LEN ((size_t)-1)

enum perfuse_xchg_pb_reply { wait_reply, no_reply };

/*
 * A message with room for a struct fuse_in_header and len bytes of payload, or NULL (the operation then fails with ENOMEM).
 * opc: a cookie for perfuse_get_nodeid(), valid until pc_destroy_msg. The last argument is NULL: the header that is
 * written through pc_get_inhdr says who asks.
 */
typedef perfuse_msg_t *(*perfuse_new_msg_fn)(
    struct puffs_usermount *, void *opc, int opcode, size_t len, const struct puffs_cred *);
/*
 * Send it. wait_reply: and wait until the reply is here, which pc_get_outhdr and pc_get_outpayload then give. len: bytes of
 * payload expected, PERFUSE_UNSPEC_REPLY_LEN: any number. 0, or an errno: the daemon is given up (ENOTCONN for all that
 * follows), but for ENOMEM and EMSGSIZE, which fail this message only.
 */
typedef int (*perfuse_xchg_msg_fn)(struct puffs_usermount *, perfuse_msg_t *, size_t len, enum perfuse_xchg_pb_reply);
typedef void (*perfuse_destroy_msg_fn)(perfuse_msg_t *);
typedef struct fuse_in_header *(*perfuse_get_inhdr_fn)(perfuse_msg_t *);
typedef char *(*perfuse_get_inpayload_fn)(perfuse_msg_t *);
/* The reply's header; its len field counts header and payload, and that many bytes must be there. NULL: no reply (EIO). */
typedef struct fuse_out_header *(*perfuse_get_outhdr_fn)(perfuse_msg_t *);
typedef char *(*perfuse_get_outpayload_fn)(perfuse_msg_t *);
/* The file system is unmounted: called once, before perfuse_mainloop() returns. May be NULL. */
typedef void (*perfuse_umount_fn)(struct puffs_usermount *);

struct perfuse_callbacks {
	perfuse_new_msg_fn pc_new_msg;
	perfuse_xchg_msg_fn pc_xchg_msg;
	perfuse_destroy_msg_fn pc_destroy_msg;
	perfuse_get_inhdr_fn pc_get_inhdr;
	perfuse_get_inpayload_fn pc_get_inpayload;
	perfuse_get_outhdr_fn pc_get_outhdr;
	perfuse_get_outpayload_fn pc_get_outpayload;
	perfuse_umount_fn pc_umount;
};

/* ---- the mount ---- */

struct perfuse_mount_info {
	const char *pmi_source;         /* shown as the source; NULL: the type's name */
	const char *pmi_target;         /* the mountpoint, a directory */
	const char *pmi_filesystemtype; /* "sshfs" and "fuse.sshfs" show as fuse.sshfs; NULL: "fuse" */
	int pmi_mountflags;             /* MS_* of mount(2) */
	uid_t pmi_uid;                  /* the mount's owner; not 0: nosuid and nodev */
	const char *pmi_data;           /* allow_other, default_permissions, max_read=N; NULL: none */
	int pmi_fd;                     /* without callbacks: the daemon's socket (taken) */
};

/*
 * Set up a mount. Both arguments are copied; pc may be NULL (see above). Environment: PERFUSE_OPTIONS, a comma-separated list of
 * enable_access, disable_access, enable_creat, disable_creat. NULL with errno: EINVAL, ENOMEM, ... .
 */
struct puffs_usermount *perfuse_init(struct perfuse_callbacks *pc, struct perfuse_mount_info *pmi);
/*
 * Mount, and wait until the daemon has answered INIT. A failure is logged to stderr and returned by perfuse_mainloop().
 */
void perfuse_fs_init(struct puffs_usermount *pu);
/* Serve until unmounted, then free pu. 0, or -1 with errno (perfuse_fs_init() failed: nothing is mounted). */
int perfuse_mainloop(struct puffs_usermount *pu);
/* Non-zero once perfuse_mainloop() has been entered. */
int perfuse_inloop(struct puffs_usermount *pu);
/* Unmount by force: operations fail, perfuse_mainloop() returns. 0, or -1 with errno. */
int perfuse_unmount(struct puffs_usermount *pu);

/* A number for a message's header that no message of this mount had before. */
uint64_t perfuse_next_unique(struct puffs_usermount *pu);
/* The daemon's nodeid behind a cookie that a callback was given; 0: none. */
uint64_t perfuse_get_nodeid(struct puffs_usermount *pu, void *opc);
/* A pointer of yours, kept with the mount. */
void perfuse_setspecific(struct puffs_usermount *pu, void *priv);
void *perfuse_getspecific(struct puffs_usermount *pu);

#ifdef __cplusplus
}
#endif
#endif

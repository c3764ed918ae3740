/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vnode operations: what a host calls. One mount's kernel half, whatever shows its files.
 *
 * Every vop_*() runs in a coroutine (base/co.h) and may park in it. Errors are 0 or a positive errno, the one the daemon gave
 * or the one the kernel would give. ENOTCONN: the daemon is gone. EIO: its reply made no sense. ENOSYS: the daemon does
 * not have the operation; the comment says what Linux shows then. As Linux, vnode/ learns that by asking, whatever minor the
 * daemon speaks; the minor alone rules out only what Linux rules out by it (vop_rename(), vop_ioctl()).
 *
 * Nodes: a host names nodes by the engine's nodeid (vn_nodeid(), VN_ROOT_ID for the root). When WIRE_INIT_EXPORT_SUPPORT was agreed
 * that is the daemon's own: by a file handle it is asked for after everybody has forgotten it, see vn_get_again(). An entry
 * that gives a known nodeid with another generation or type stands for another file: what the host has of the old one is void,
 * and its lookups go on counting. Each entry an operation returns with a nodeid other than 0 counts one lookup for the host, to
 * be given back with vop_forget(). Within an operation a node is held by vn_get() .. vn_put().
 * Open files: vop_open() and friends return a vn_file, which the host keeps and gives back with vop_release(). Hosts that must
 * name files by a number use vn_file_id() and vn_file_get().
 */
#ifndef VNODE_VOP_H
#define VNODE_VOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vn_mount;
struct vn_node;
struct vn_file;
struct chunk;

#define VN_ROOT_ID UINT64_C(1)

struct vop_cred {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	/*
	 * What requests that make something say about their caller (borrowed; NULL, 0: nothing): FUSE's extensions, a security context
	 * and groups, as laid out in wire/proto.h. Sent when the daemon agreed to them. extlen is a multiple of 8 below 512 KiB.
	 */
	const void *ext;
	size_t extlen;
};

struct vop_attr {                   /* times are seconds since the epoch, as a signed number kept in 64 bits */
	uint64_t ino, size, blocks; /* bytes; blocks of 512 bytes */
	uint64_t atime, mtime, ctime;
	uint32_t atimensec, mtimensec, ctimensec;
	uint32_t mode; /* type and permissions */
	uint32_t nlink, uid, gid, rdev, blksize, flags;
};

struct vop_timeout { /* how long something may be cached */
	uint64_t sec;
	uint32_t nsec; /* below 1,000,000,000 */
};

struct vop_entry {
	uint64_t nodeid; /* as vn_nodeid(); 0: the name does not exist, and that may be cached for entry_valid */
	uint64_t generation;
	struct vop_timeout entry_valid, attr_valid;
	struct vop_attr attr;
};

enum { /* vop_setattr.valid: which fields count; values as in FUSE (FATTR_*) */
	VOP_SET_MODE = 1 << 0,
	VOP_SET_UID = 1 << 1,
	VOP_SET_GID = 1 << 2,
	VOP_SET_SIZE = 1 << 3,
	VOP_SET_ATIME = 1 << 4,
	VOP_SET_MTIME = 1 << 5,
	VOP_SET_FH = 1 << 6, /* not given by hosts: follows from file */
	VOP_SET_ATIME_NOW = 1 << 7,
	VOP_SET_MTIME_NOW = 1 << 8,
	VOP_SET_LOCKOWNER = 1 << 9,
	VOP_SET_CTIME = 1 << 10,
	VOP_SET_KILL_SUIDGID = 1 << 11,
};

struct vop_setattr {
	uint32_t valid;
	uint32_t mode, uid, gid;
	uint64_t size, lock_owner;
	uint64_t atime, mtime, ctime;
	uint32_t atimensec, mtimensec, ctimensec;
};

struct vop_statfs {
	uint64_t blocks, bfree, bavail, files, ffree;
	uint32_t bsize, namelen, frsize;
};

struct vop_time {
	int64_t sec;
	uint32_t nsec;
};

struct vop_statx { /* as in statx(2): mask says which of the fields count */
	uint32_t mask, blksize, nlink, uid, gid;
	uint32_t mode; /* type and permissions */
	uint64_t ino, size, blocks, attributes, attributes_mask;
	struct vop_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
};

enum { /* vop_open flags back to the host; values as in FUSE (FOPEN_*) */
	VOP_OPEN_DIRECT_IO = 1 << 0,
	VOP_OPEN_KEEP_CACHE = 1 << 1,
	VOP_OPEN_NONSEEKABLE = 1 << 2,
	VOP_OPEN_CACHE_DIR = 1 << 3,
	VOP_OPEN_STREAM = 1 << 4,
	VOP_OPEN_NOFLUSH = 1 << 5,
	VOP_OPEN_PARALLEL_DIRECT_WRITES = 1 << 6,
};

struct vop_data { /* bytes a daemon returned; vop_data_done() is due after a call that returned 0 */
	struct chunk *chunk;
	uint8_t *p;
	size_t len;
};
void vop_data_done(struct vop_data *d);

struct vop_io {              /* the arguments that READ and WRITE share */
	uint64_t offset;     /* bytes */
	uint32_t size;       /* READ: bytes wanted */
	uint32_t io_flags;   /* read_flags or write_flags, values as in FUSE */
	uint64_t lock_owner; /* with the flag that says so */
	uint32_t flags;      /* open(2) flags of the file now */
};

struct vop_lock {
	uint64_t start, end; /* the first and the last byte; end INT64_MAX: to the end of the file */
	uint32_t type;       /* F_RDLCK, F_WRLCK or F_UNLCK of fcntl(2) */
	uint32_t pid;        /* of the process that wants it or holds it */
	uint64_t owner; /* two owners' locks conflict; 0 .. 2^64-1 as the host likes, the same at flush and release */
	bool flock;     /* flock(2)'s, of the whole file and of an open file, else POSIX's */
};

enum {                             /* vop_ioctl.flags; values as in FUSE (FUSE_IOCTL_*) */
	VOP_IOCTL_COMPAT = 1 << 0, /* a 32-bit caller of a 64-bit system */
	VOP_IOCTL_32BIT = 1 << 3,
	VOP_IOCTL_DIR = 1 << 4,
	VOP_IOCTL_COMPAT_X32 = 1 << 5,
};

struct vop_ioctl {
	uint32_t flags, cmd;
	uint64_t arg;   /* the caller's, as a number: the daemon cannot follow it */
	const void *in; /* what cmd says that is read at arg (borrowed) */
	uint32_t in_size;
	uint32_t out_size; /* most bytes that are written at arg */
};

enum {                                     /* flags of vop_poll(); values as in FUSE (FUSE_POLL_*) */
	VOP_POLL_SCHEDULE_NOTIFY = 1 << 0, /* somebody waits: tell when that may have changed */
};

struct vop_copy {
	uint64_t off_in, off_out, len; /* bytes */
	uint64_t flags;                /* of copy_file_range(2) */
};

/* ---- nodes and files ---- */

/* The node with this nodeid, held. 0; ESTALE: there is none; EIO: it has gone bad. */
int vn_get(struct vn_mount *mp, uint64_t nodeid, struct vn_node **out);
/*
 * The same for a nodeid that the host may have given back: for looking up "." and ".." by a file handle. With
 * WIRE_INIT_EXPORT_SUPPORT the daemon is to say whether there still is such a node. Also ENOMEM.
 */
int vn_get_again(struct vn_mount *mp, uint64_t nodeid, struct vn_node **out);
/* Let go of a held node; may be NULL. */
void vn_put(struct vn_mount *mp, struct vn_node *vp);
uint64_t vn_nodeid(const struct vn_node *vp);
/* The daemon said something about it that cannot be: EIO from now on, until an entry of the daemon's names it again. */
bool vn_bad(const struct vn_node *vp);
/*
 * A file's number, never 0, and back: the file, borrowed, or NULL when no such file is open (or it is not vp's; vp NULL: of
 * any node, for RELEASE, which is due for a node that has gone bad, too).
 */
uint64_t vn_file_id(const struct vn_file *fp);
struct vn_file *vn_file_get(struct vn_mount *mp, uint64_t id, const struct vn_node *vp);
/* Any handle-less file (see vop_open()), for hosts that keep none; not to be released. */
struct vn_file *vn_file_handleless(struct vn_mount *mp);

/* ---- the name space ---- */

/*
 * names: no '/', no NUL, 1..255 bytes unless the daemon's file system allows more; NUL-terminated at name[len]. One longer than
 * Linux would look up (1024 bytes, or 4095 when the daemon takes messages of more than a page) is ENAMETOOLONG.
 * "." and "..", asked of a daemon that agreed to EXPORT_SUPPORT, give dvp itself and its parent (which may be the root).
 */
int vop_lookup(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    struct vop_entry *out);
/* The host gives back nlookup lookups of nodeid. Never parks; unknown ids are ignored. May be called from anywhere. */
void vop_forget(struct vn_mount *mp, uint64_t nodeid, uint64_t nlookup);
/* mode: type and permissions, before the umask (umask: as the caller's, applied by the daemon when it asked for DONT_MASK). */
int vop_mknod(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    uint32_t mode, uint32_t rdev, uint32_t umask, struct vop_entry *out);
int vop_mkdir(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    uint32_t mode, uint32_t umask, struct vop_entry *out);
int vop_symlink(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    const char *target, size_t targetlen, struct vop_entry *out);
/* ENOSYS: EPERM. */
int vop_link(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_node *dvp,
    const char *name, size_t len, struct vop_entry *out);
int vop_unlink(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len);
int vop_rmdir(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len);
/* flags: 0 or RENAME_* of renameat2(2). ENOSYS: the daemon has no flags (below 7.23 it is not asked), EINVAL. */
int vop_rename(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    struct vn_node *newdvp, const char *newname, size_t newlen, uint32_t flags);
/* The target, not NUL-terminated. */
int vop_readlink(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vop_data *out);

/* ---- attributes: when they made the node bad (EIO), *out is what the daemon said nevertheless ---- */

/* file: an open file of vp, or NULL. (Not of directories: their handles are of another kind, and not told.) */
int vop_getattr(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    struct vop_attr *out, struct vop_timeout *valid);
int vop_setattr(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    const struct vop_setattr *set, struct vop_attr *out, struct vop_timeout *valid);
/* mask: as in access(2). ENOSYS: everything is allowed. */
int vop_access(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, uint32_t mask);
int vop_statfs(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vop_statfs *out);
/* mask, flags: as in statx(2). ENOSYS: use vop_getattr(). */
int vop_statx(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    uint32_t flags, uint32_t mask, struct vop_statx *out, struct vop_timeout *valid);

/* Values of up to 64 KiB. size 0: only *need is set; else *out (ERANGE: does not fit). ENOSYS, of all four: EOPNOTSUPP. */
int vop_getxattr(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, const char *name, size_t len,
    uint32_t size, uint32_t *need, struct vop_data *out);
int vop_listxattr(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, uint32_t size, uint32_t *need,
    struct vop_data *out);
int vop_setxattr(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, const char *name, size_t len,
    const void *value, size_t size, uint32_t flags, uint32_t ext_flags);
int vop_removexattr(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, const char *name, size_t len);

/* ---- files ---- */

/*
 * flags: of open(2), without O_CREAT, O_EXCL and O_NOCTTY. *open_flags: VOP_OPEN_*. When the daemon has no OPEN the file is
 * handle-less: vn_handleless() is true from then on, for directories and others apart.
 */
int vop_open(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, uint32_t flags,
    uint32_t open_in_flags, struct vn_file **out, uint32_t *open_flags);
int vop_opendir(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, uint32_t flags,
    struct vn_file **out, uint32_t *open_flags);
bool vn_handleless(const struct vn_mount *mp, bool dir);
/* Create and open. ENOSYS: vop_mknod(), then vop_open(), with the same flags. */
int vop_create(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    uint32_t flags, uint32_t mode, uint32_t umask, uint32_t open_in_flags, struct vop_entry *out, struct vn_file **file,
    uint32_t *open_flags);
/* A file without a name in dvp (O_TMPFILE): open, and out is its node. ENOSYS: EOPNOTSUPP. */
int vop_tmpfile(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, uint32_t flags, uint32_t mode,
    uint32_t umask, uint32_t open_in_flags, struct vop_entry *out, struct vn_file **file, uint32_t *open_flags);
int vop_read(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    const struct vop_io *io, struct vop_data *out);
/* data (borrowed until it returns). *written: bytes, at most len (a daemon that says more: EIO). */
int vop_write(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    const struct vop_io *io, const void *data, size_t len, uint32_t *written);
/* Due at each close(2). ENOSYS: nothing to write back, no error. */
int vop_flush(
    struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file, uint64_t lock_owner);
/* fsync_flags: 1 = data only. For directories FSYNCDIR is sent. ENOSYS: nothing to write back, no error. */
int vop_fsync(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    uint32_t fsync_flags, bool dir);
/* The file is closed for good, whatever the result: it is invalid at once. flags: of open(2), at last. */
int vop_release(struct vn_mount *mp, const struct vop_cred *cred, struct vn_file *file, uint32_t flags,
    uint32_t release_flags, uint64_t lock_owner);
/* The host could not take a file that was just opened: release it. Never parks. */
void vop_release_unused(struct vn_mount *mp, struct vn_file *file);
/*
 * Directory entries from offset on (a cookie of the daemon's; 0: the start), at most size bytes in FUSE's own layout (struct
 * fuse_dirent), checked. plus: fuse_direntplus, whose nodeids are as vn_nodeid(), each one lookup for the host.
 */
int vop_readdir(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    const struct vop_io *io, bool plus, struct vop_data *out);
/* The host could not take the result of a READDIRPLUS: give its lookups back. Never parks. */
void vop_readdir_undo(struct vn_mount *mp, const struct vop_data *data);
/* Write back everything (syncfs(2)); vp: the root. ENOSYS: there is nothing to write back, no error. */
int vop_syncfs(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp);

/* ---- ranges of files: file is open, or NULL when files are handle-less ---- */

/* mode: of fallocate(2). EOPNOTSUPP: a mode that Linux does not ask daemons for. ENOSYS: EOPNOTSUPP. */
int vop_fallocate(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    uint32_t mode, uint64_t offset, uint64_t length);
/* whence: SEEK_DATA or SEEK_HOLE, the only ones that a daemon is asked. ENOSYS: all is data, with one hole at the end. */
int vop_lseek(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    uint64_t offset, uint32_t whence, uint64_t *out);
/*
 * From vp to vp_out (may be the same). *copied: bytes, at most len, often less. ENOSYS: EOPNOTSUPP, after which Linux has
 * the caller read and write.
 */
int vop_copy_file_range(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    struct vn_node *vp_out, struct vn_file *file_out, const struct vop_copy *copy, uint64_t *copied);

/* ---- locks: for daemons that agreed to POSIX_LOCKS or FLOCK_LOCKS, else they are the host's own affair ---- */

/* lock: what is wanted; back, a lock that would be in its way, or type F_UNLCK. */
int vop_getlk(
    struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file, struct vop_lock *lock);
/*
 * Take a lock, or with F_UNLCK give it back. wait: until it is free, or vn_interrupt(). POSIX locks end with vop_flush() of their
 * owner, flock's with vop_release() and the flag that says so: neither is asked for by F_UNLCK then.
 */
int vop_setlk(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    const struct vop_lock *lock, bool wait);

/* ---- device-like operations ---- */

/*
 * A restricted ioctl(2): how much is read and written is told by cmd alone. *result: what it returns to its caller, a negative errno
 * included; *out: at most out_size bytes. ENOSYS (of directories below 7.18 without asking): ENOTTY. The unrestricted form, in
 * which a daemon asks for memory of the caller's by RETRY, is not here: Linux offers it to character devices (CUSE) only.
 */
int vop_ioctl(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    const struct vop_ioctl *ioctl, int32_t *result, struct vop_data *out);
/*
 * events, *revents: of poll(2). kh: the host's own number for this open file, which comes back in the daemon's notification.
 * ENOSYS: always readable and writable; another error: POLLERR.
 */
int vop_poll(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file, uint64_t kh,
    uint32_t flags, uint32_t events, uint32_t *revents);
/* The device's block behind a file's block of this size, for a file system on a block device. ENOSYS or error: 0, no such block. */
int vop_bmap(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, uint64_t block, uint32_t blocksize,
    uint64_t *out);

#endif

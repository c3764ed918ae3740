/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FUSE protocol's structures and constants, 7.8 to 7.45, in their newest layout: what <linux/fuse.h> calls
 * fuse_X is wire_X here, with the same fields, and FUSE_X is WIRE_X (the flags of INIT are WIRE_INIT_X). Our own copy,
 * because the engine is built where that header is old or missing. Every structure is padded to 64 bits, so that its layout is
 * the same for 32-bit and 64-bit programs; numbers are in the byte order of the machine. What depends on
 * the minor is said here beside the field, and known in encode.c alone.
 *
 * Not here: CUSE, the ioctls of /dev/fuse and io_uring, which are ways to the kernel and not messages.
 */
#ifndef WIRE_PROTO_H
#define WIRE_PROTO_H

#include <stddef.h>
#include <stdint.h>

#define WIRE_KERNEL_VERSION 7 /* the major number */
#define WIRE_ROOT_ID 1        /* nodeid of the root */

/* A daemon's read buffer holds at least this; FUSE implementations refuse less. */
#define WIRE_MIN_READ_BUFFER 8192

/* Set by the kernel in the unique of a request that it sends again (WIRE_INIT_HAS_RESEND). */
#define WIRE_UNIQUE_RESEND (UINT64_C(1) << 63)

/* uid or gid of the caller when it has no mapping (WIRE_INIT_ALLOW_IDMAP). */
#define WIRE_INVALID_UIDGID UINT32_MAX

/* ---- numbers of messages ---- */

enum wire_opcode {
	WIRE_LOOKUP = 1,
	WIRE_FORGET = 2, /* no reply */
	WIRE_GETATTR = 3,
	WIRE_SETATTR = 4,
	WIRE_READLINK = 5,
	WIRE_SYMLINK = 6,
	WIRE_MKNOD = 8,
	WIRE_MKDIR = 9,
	WIRE_UNLINK = 10,
	WIRE_RMDIR = 11,
	WIRE_RENAME = 12,
	WIRE_LINK = 13,
	WIRE_OPEN = 14,
	WIRE_READ = 15,
	WIRE_WRITE = 16,
	WIRE_STATFS = 17,
	WIRE_RELEASE = 18,
	WIRE_FSYNC = 20,
	WIRE_SETXATTR = 21,
	WIRE_GETXATTR = 22,
	WIRE_LISTXATTR = 23,
	WIRE_REMOVEXATTR = 24,
	WIRE_FLUSH = 25,
	WIRE_INIT = 26,
	WIRE_OPENDIR = 27,
	WIRE_READDIR = 28,
	WIRE_RELEASEDIR = 29,
	WIRE_FSYNCDIR = 30,
	WIRE_GETLK = 31,
	WIRE_SETLK = 32,
	WIRE_SETLKW = 33,
	WIRE_ACCESS = 34,
	WIRE_CREATE = 35,
	WIRE_INTERRUPT = 36,
	WIRE_BMAP = 37,
	WIRE_DESTROY = 38,
	WIRE_IOCTL = 39,
	WIRE_POLL = 40,
	WIRE_NOTIFY_REPLY = 41, /* no reply: it answers WIRE_NOTIFY_RETRIEVE */
	WIRE_BATCH_FORGET = 42, /* no reply */
	WIRE_FALLOCATE = 43,
	WIRE_READDIRPLUS = 44,
	WIRE_RENAME2 = 45,
	WIRE_LSEEK = 46,
	WIRE_COPY_FILE_RANGE = 47,
	WIRE_SETUPMAPPING = 48,
	WIRE_REMOVEMAPPING = 49,
	WIRE_SYNCFS = 50,
	WIRE_TMPFILE = 51,
	WIRE_STATX = 52,
	WIRE_COPY_FILE_RANGE_64 = 53,
};

/* The code of a notification, in the error field of a reply header whose unique is 0. */
enum wire_notify_code {
	WIRE_NOTIFY_POLL = 1,
	WIRE_NOTIFY_INVAL_INODE = 2,
	WIRE_NOTIFY_INVAL_ENTRY = 3,
	WIRE_NOTIFY_STORE = 4,
	WIRE_NOTIFY_RETRIEVE = 5,
	WIRE_NOTIFY_DELETE = 6,
	WIRE_NOTIFY_RESEND = 7,    /* 7.40, no body */
	WIRE_NOTIFY_INC_EPOCH = 8, /* 7.44, no body */
	WIRE_NOTIFY_PRUNE = 9,     /* 7.45 */
};

/* ---- flags ---- */

/* INIT, both directions. Bits 32 and up travel in flags2, which is valid only with WIRE_INIT_EXT. */
#define WIRE_INIT_ASYNC_READ (UINT64_C(1) << 0)           /* several reads of one file at a time */
#define WIRE_INIT_POSIX_LOCKS (UINT64_C(1) << 1)          /* GETLK, SETLK, SETLKW */
#define WIRE_INIT_FILE_OPS (UINT64_C(1) << 2)             /* a file handle in GETATTR and SETATTR */
#define WIRE_INIT_ATOMIC_O_TRUNC (UINT64_C(1) << 3)       /* OPEN does O_TRUNC */
#define WIRE_INIT_EXPORT_SUPPORT (UINT64_C(1) << 4)       /* LOOKUP knows "." and ".." */
#define WIRE_INIT_BIG_WRITES (UINT64_C(1) << 5)           /* writes of more than 4096 bytes */
#define WIRE_INIT_DONT_MASK (UINT64_C(1) << 6)            /* the daemon applies the umask */
#define WIRE_INIT_SPLICE_WRITE (UINT64_C(1) << 7)         /* splice to the device */
#define WIRE_INIT_SPLICE_MOVE (UINT64_C(1) << 8)          /* and move pages */
#define WIRE_INIT_SPLICE_READ (UINT64_C(1) << 9)          /* splice from the device */
#define WIRE_INIT_FLOCK_LOCKS (UINT64_C(1) << 10)         /* BSD locks through SETLK */
#define WIRE_INIT_HAS_IOCTL_DIR (UINT64_C(1) << 11)       /* IOCTL on directories */
#define WIRE_INIT_AUTO_INVAL_DATA (UINT64_C(1) << 12)     /* drop cached data when size or mtime changed */
#define WIRE_INIT_DO_READDIRPLUS (UINT64_C(1) << 13)      /* READDIRPLUS */
#define WIRE_INIT_READDIRPLUS_AUTO (UINT64_C(1) << 14)    /* READDIRPLUS where it pays */
#define WIRE_INIT_ASYNC_DIO (UINT64_C(1) << 15)           /* direct I/O without waiting */
#define WIRE_INIT_WRITEBACK_CACHE (UINT64_C(1) << 16)     /* writes are cached */
#define WIRE_INIT_NO_OPEN_SUPPORT (UINT64_C(1) << 17)     /* ENOSYS for OPEN means: no OPEN needed */
#define WIRE_INIT_PARALLEL_DIROPS (UINT64_C(1) << 18)     /* several LOOKUP and READDIR in one directory */
#define WIRE_INIT_HANDLE_KILLPRIV (UINT64_C(1) << 19)     /* the daemon clears set-id bits */
#define WIRE_INIT_POSIX_ACL (UINT64_C(1) << 20)           /* POSIX ACLs */
#define WIRE_INIT_ABORT_ERROR (UINT64_C(1) << 21)         /* ECONNABORTED after an abort */
#define WIRE_INIT_MAX_PAGES (UINT64_C(1) << 22)           /* max_pages is valid */
#define WIRE_INIT_CACHE_SYMLINKS (UINT64_C(1) << 23)      /* READLINK may be cached */
#define WIRE_INIT_NO_OPENDIR_SUPPORT (UINT64_C(1) << 24)  /* as NO_OPEN_SUPPORT, for OPENDIR */
#define WIRE_INIT_EXPLICIT_INVAL_DATA (UINT64_C(1) << 25) /* drop cached data only when told */
#define WIRE_INIT_MAP_ALIGNMENT (UINT64_C(1) << 26)       /* map_alignment is valid */
#define WIRE_INIT_SUBMOUNTS (UINT64_C(1) << 27)           /* WIRE_ATTR_SUBMOUNT is honoured */
#define WIRE_INIT_HANDLE_KILLPRIV_V2 (UINT64_C(1) << 28)  /* the daemon clears set-id bits as the kernel would */
#define WIRE_INIT_SETXATTR_EXT (UINT64_C(1) << 29)        /* SETXATTR has setxattr_flags */
#define WIRE_INIT_EXT (UINT64_C(1) << 30)                 /* flags2 is valid */
#define WIRE_INIT_RESERVED (UINT64_C(1) << 31)
#define WIRE_INIT_SECURITY_CTX (UINT64_C(1) << 32)         /* creating requests carry a security context */
#define WIRE_INIT_HAS_INODE_DAX (UINT64_C(1) << 33)        /* DAX for single files */
#define WIRE_INIT_CREATE_SUPP_GROUP (UINT64_C(1) << 34)    /* creating requests carry the matching group */
#define WIRE_INIT_HAS_EXPIRE_ONLY (UINT64_C(1) << 35)      /* WIRE_EXPIRE_ONLY is honoured */
#define WIRE_INIT_DIRECT_IO_ALLOW_MMAP (UINT64_C(1) << 36) /* shared mmap of files opened with DIRECT_IO */
#define WIRE_INIT_PASSTHROUGH (UINT64_C(1) << 37)          /* I/O of a file may bypass the daemon */
#define WIRE_INIT_NO_EXPORT_SUPPORT (UINT64_C(1) << 38)    /* never export */
#define WIRE_INIT_HAS_RESEND (UINT64_C(1) << 39)           /* WIRE_NOTIFY_RESEND is honoured */
#define WIRE_INIT_ALLOW_IDMAP (UINT64_C(1) << 40)          /* idmapped mounts */
#define WIRE_INIT_OVER_IO_URING (UINT64_C(1) << 41)        /* messages over io_uring */
#define WIRE_INIT_REQUEST_TIMEOUT (UINT64_C(1) << 42)      /* request_timeout is valid */

/* wire_setattr_in.valid */
#define WIRE_FATTR_MODE (1u << 0)
#define WIRE_FATTR_UID (1u << 1)
#define WIRE_FATTR_GID (1u << 2)
#define WIRE_FATTR_SIZE (1u << 3)
#define WIRE_FATTR_ATIME (1u << 4)
#define WIRE_FATTR_MTIME (1u << 5)
#define WIRE_FATTR_FH (1u << 6)
#define WIRE_FATTR_ATIME_NOW (1u << 7) /* 7.9 */
#define WIRE_FATTR_MTIME_NOW (1u << 8) /* 7.9 */
#define WIRE_FATTR_LOCKOWNER (1u << 9) /* 7.9 */
#define WIRE_FATTR_CTIME (1u << 10)    /* 7.23 */
#define WIRE_FATTR_KILL_SUIDGID (1u << 11)

/* wire_open_out.open_flags */
#define WIRE_FOPEN_DIRECT_IO (1u << 0)
#define WIRE_FOPEN_KEEP_CACHE (1u << 1)
#define WIRE_FOPEN_NONSEEKABLE (1u << 2)
#define WIRE_FOPEN_CACHE_DIR (1u << 3)
#define WIRE_FOPEN_STREAM (1u << 4)
#define WIRE_FOPEN_NOFLUSH (1u << 5)
#define WIRE_FOPEN_PARALLEL_DIRECT_WRITES (1u << 6)
#define WIRE_FOPEN_PASSTHROUGH (1u << 7)

/* wire_attr.flags */
#define WIRE_ATTR_SUBMOUNT (1u << 0)
#define WIRE_ATTR_DAX (1u << 1)

/* wire_getattr_in.getattr_flags */
#define WIRE_GETATTR_FH (1u << 0)

/* wire_open_in.open_flags, wire_create_in.open_flags */
#define WIRE_OPEN_KILL_SUIDGID (1u << 0)

/* wire_release_in.release_flags */
#define WIRE_RELEASE_FLUSH (1u << 0)
#define WIRE_RELEASE_FLOCK_UNLOCK (1u << 1)

/* wire_read_in.read_flags */
#define WIRE_READ_LOCKOWNER (1u << 1)

/* wire_write_in.write_flags */
#define WIRE_WRITE_CACHE (1u << 0) /* from the page cache: the file handle is a guess */
#define WIRE_WRITE_LOCKOWNER (1u << 1)
#define WIRE_WRITE_KILL_SUIDGID (1u << 2)

/* wire_fsync_in.fsync_flags */
#define WIRE_FSYNC_FDATASYNC (1u << 0)

/* wire_setxattr_in.setxattr_flags */
#define WIRE_SETXATTR_ACL_KILL_SGID (1u << 0)

/* wire_lk_in.lk_flags */
#define WIRE_LK_FLOCK (1u << 0)

/* wire_ioctl_in.flags, wire_ioctl_out.flags */
#define WIRE_IOCTL_COMPAT (1u << 0)
#define WIRE_IOCTL_UNRESTRICTED (1u << 1)
#define WIRE_IOCTL_RETRY (1u << 2)
#define WIRE_IOCTL_32BIT (1u << 3)
#define WIRE_IOCTL_DIR (1u << 4)
#define WIRE_IOCTL_COMPAT_X32 (1u << 5)
#define WIRE_IOCTL_MAX_IOV 256

/* wire_poll_in.flags */
#define WIRE_POLL_SCHEDULE_NOTIFY (1u << 0)

/* wire_setupmapping_in.flags */
#define WIRE_SETUPMAPPING_FLAG_WRITE (UINT64_C(1) << 0)
#define WIRE_SETUPMAPPING_FLAG_READ (UINT64_C(1) << 1)

/* wire_notify_inval_entry_out.flags */
#define WIRE_EXPIRE_ONLY (1u << 0)

/* wire_ext_header.type; up to MAX_NR_SECCTX it is a wire_secctx_header */
#define WIRE_MAX_NR_SECCTX 31
#define WIRE_EXT_GROUPS 32

/* ---- headers ---- */

struct wire_in_header {
	uint32_t len; /* of the whole message */
	uint32_t opcode;
	uint64_t unique;
	uint64_t nodeid;
	uint32_t uid;
	uint32_t gid;
	uint32_t pid;
	uint16_t total_extlen; /* extensions at the end, in units of 8 bytes; 7.38 */
	uint16_t padding;
};

struct wire_out_header {
	uint32_t len;  /* of the whole message */
	int32_t error; /* 0 or a negative errno; with unique 0 an enum wire_notify_code */
	uint64_t unique;
};

/* ---- parts of several messages ---- */

struct wire_attr {
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t atime;
	uint64_t mtime;
	uint64_t ctime;
	uint32_t atimensec;
	uint32_t mtimensec;
	uint32_t ctimensec;
	uint32_t mode;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev;
	uint32_t blksize; /* from here on 7.9 */
	uint32_t flags;
};

struct wire_kstatfs {
	uint64_t blocks;
	uint64_t bfree;
	uint64_t bavail;
	uint64_t files;
	uint64_t ffree;
	uint32_t bsize;
	uint32_t namelen;
	uint32_t frsize;
	uint32_t padding;
	uint32_t spare[6];
};

struct wire_file_lock {
	uint64_t start;
	uint64_t end;
	uint32_t type;
	uint32_t pid;
};

/* The next two are laid out as in statx(2). */
struct wire_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};

struct wire_statx {
	uint32_t mask;
	uint32_t blksize;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t spare0;
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct wire_sx_time atime;
	struct wire_sx_time btime;
	struct wire_sx_time ctime;
	struct wire_sx_time mtime;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t spare2[14];
};

/* ---- fixed parts of requests (_in) and replies (_out) ---- */

struct wire_entry_out {
	uint64_t nodeid;      /* 0: there is no such name, and that may be cached */
	uint64_t generation;  /* (nodeid, generation) is never reused */
	uint64_t entry_valid; /* seconds for which the name may be cached */
	uint64_t attr_valid;  /* seconds for which the attributes may be cached */
	uint32_t entry_valid_nsec;
	uint32_t attr_valid_nsec;
	struct wire_attr attr;
};

struct wire_forget_in {
	uint64_t nlookup;
};

struct wire_forget_one {
	uint64_t nodeid;
	uint64_t nlookup;
};

struct wire_batch_forget_in { /* count wire_forget_one follow */
	uint32_t count;
	uint32_t dummy;
};

struct wire_getattr_in {
	uint32_t getattr_flags;
	uint32_t dummy;
	uint64_t fh;
};

struct wire_attr_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t dummy;
	struct wire_attr attr;
};

struct wire_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags;
	uint32_t sx_mask;
};

struct wire_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct wire_statx stat;
};

struct wire_mknod_in {
	uint32_t mode;
	uint32_t rdev;
	uint32_t umask; /* from here on 7.12 */
	uint32_t padding;
};

struct wire_mkdir_in {
	uint32_t mode;
	uint32_t umask; /* 7.12, padding before */
};

struct wire_rename_in {
	uint64_t newdir;
};

struct wire_rename2_in {
	uint64_t newdir;
	uint32_t flags;
	uint32_t padding;
};

struct wire_link_in {
	uint64_t oldnodeid;
};

struct wire_setattr_in {
	uint32_t valid; /* WIRE_FATTR_* */
	uint32_t padding;
	uint64_t fh;
	uint64_t size;
	uint64_t lock_owner;
	uint64_t atime;
	uint64_t mtime;
	uint64_t ctime;
	uint32_t atimensec;
	uint32_t mtimensec;
	uint32_t ctimensec;
	uint32_t mode;
	uint32_t unused4;
	uint32_t uid;
	uint32_t gid;
	uint32_t unused5;
};

struct wire_open_in {
	uint32_t flags;      /* of open(2) */
	uint32_t open_flags; /* WIRE_OPEN_* */
};

struct wire_create_in {
	uint32_t flags; /* of open(2) */
	uint32_t mode;
	uint32_t umask;      /* from here on 7.12 */
	uint32_t open_flags; /* WIRE_OPEN_* */
};

struct wire_open_out {
	uint64_t fh;
	uint32_t open_flags; /* WIRE_FOPEN_* */
	int32_t backing_id;  /* 7.40, padding before */
};

struct wire_release_in {
	uint64_t fh;
	uint32_t flags;
	uint32_t release_flags;
	uint64_t lock_owner;
};

struct wire_flush_in {
	uint64_t fh;
	uint32_t unused;
	uint32_t padding;
	uint64_t lock_owner;
};

struct wire_read_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t size;
	uint32_t read_flags;
	uint64_t lock_owner;
	uint32_t flags;
	uint32_t padding;
};

struct wire_write_in { /* size bytes follow */
	uint64_t fh;
	uint64_t offset;
	uint32_t size;
	uint32_t write_flags;
	uint64_t lock_owner; /* from here on 7.9 */
	uint32_t flags;
	uint32_t padding;
};

struct wire_write_out {
	uint32_t size;
	uint32_t padding;
};

struct wire_statfs_out {
	struct wire_kstatfs st;
};

struct wire_fsync_in {
	uint64_t fh;
	uint32_t fsync_flags;
	uint32_t padding;
};

struct wire_setxattr_in { /* the name and size bytes follow */
	uint32_t size;
	uint32_t flags;
	uint32_t setxattr_flags; /* from here on only with WIRE_INIT_SETXATTR_EXT */
	uint32_t padding;
};

struct wire_getxattr_in {
	uint32_t size; /* 0 asks for the size alone */
	uint32_t padding;
};

struct wire_getxattr_out {
	uint32_t size;
	uint32_t padding;
};

struct wire_lk_in {
	uint64_t fh;
	uint64_t owner;
	struct wire_file_lock lk;
	uint32_t lk_flags;
	uint32_t padding;
};

struct wire_lk_out {
	struct wire_file_lock lk;
};

struct wire_access_in {
	uint32_t mask;
	uint32_t padding;
};

struct wire_init_in {
	uint32_t major;
	uint32_t minor;
	uint32_t max_readahead;
	uint32_t flags;
	uint32_t flags2; /* from here on 7.36 */
	uint32_t unused[11];
};

struct wire_init_out {
	uint32_t major;
	uint32_t minor;
	uint32_t max_readahead; /* from here on 7.5 */
	uint32_t flags;
	uint16_t max_background; /* 7.13, unused before */
	uint16_t congestion_threshold;
	uint32_t max_write;
	uint32_t time_gran; /* from here on 7.23 */
	uint16_t max_pages;
	uint16_t map_alignment;
	uint32_t flags2;
	uint32_t max_stack_depth;
	uint16_t request_timeout; /* seconds */
	uint16_t unused[11];
};

struct wire_interrupt_in {
	uint64_t unique;
};

struct wire_bmap_in {
	uint64_t block;
	uint32_t blocksize;
	uint32_t padding;
};

struct wire_bmap_out {
	uint64_t block;
};

struct wire_ioctl_in { /* in_size bytes follow */
	uint64_t fh;
	uint32_t flags;
	uint32_t cmd;
	uint64_t arg;
	uint32_t in_size;
	uint32_t out_size;
};

struct wire_ioctl_iovec {
	uint64_t base;
	uint64_t len;
};

struct wire_ioctl_out { /* data, or in_iovs + out_iovs wire_ioctl_iovec, follow */
	int32_t result;
	uint32_t flags;
	uint32_t in_iovs;
	uint32_t out_iovs;
};

struct wire_poll_in {
	uint64_t fh;
	uint64_t kh;
	uint32_t flags;
	uint32_t events; /* 7.21, padding before */
};

struct wire_poll_out {
	uint32_t revents;
	uint32_t padding;
};

struct wire_fallocate_in {
	uint64_t fh;
	uint64_t offset;
	uint64_t length;
	uint32_t mode;
	uint32_t padding;
};

struct wire_lseek_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t whence;
	uint32_t padding;
};

struct wire_lseek_out {
	uint64_t offset;
};

struct wire_copy_file_range_in {
	uint64_t fh_in;
	uint64_t off_in;
	uint64_t nodeid_out;
	uint64_t fh_out;
	uint64_t off_out;
	uint64_t len;
	uint64_t flags;
};

struct wire_copy_file_range_out { /* of COPY_FILE_RANGE_64; COPY_FILE_RANGE has wire_write_out */
	uint64_t bytes_copied;
};

struct wire_setupmapping_in {
	uint64_t fh;
	uint64_t foffset;
	uint64_t len;
	uint64_t flags;
	uint64_t moffset;
};

struct wire_removemapping_in { /* count wire_removemapping_one follow */
	uint32_t count;
};

struct wire_removemapping_one {
	uint64_t moffset;
	uint64_t len;
};

struct wire_syncfs_in {
	uint64_t padding;
};

/* ---- notifications ---- */

struct wire_notify_poll_wakeup_out {
	uint64_t kh;
};

struct wire_notify_inval_inode_out {
	uint64_t ino;
	int64_t off; /* negative: attributes only */
	int64_t len; /* 0 or less: to the end */
};

struct wire_notify_inval_entry_out { /* the name and a NUL follow */
	uint64_t parent;
	uint32_t namelen;
	uint32_t flags; /* WIRE_EXPIRE_ONLY; 7.38, padding before */
};

struct wire_notify_delete_out { /* the name and a NUL follow */
	uint64_t parent;
	uint64_t child;
	uint32_t namelen;
	uint32_t padding;
};

struct wire_notify_store_out { /* size bytes follow */
	uint64_t nodeid;
	uint64_t offset;
	uint32_t size;
	uint32_t padding;
};

struct wire_notify_retrieve_out {
	uint64_t notify_unique;
	uint64_t nodeid;
	uint64_t offset;
	uint32_t size;
	uint32_t padding;
};

struct wire_notify_retrieve_in { /* fixed part of NOTIFY_REPLY; size bytes follow */
	uint64_t dummy1;
	uint64_t offset;
	uint32_t size;
	uint32_t dummy2;
	uint64_t dummy3;
	uint64_t dummy4;
};

struct wire_notify_prune_out { /* count nodeids (uint64_t) follow */
	uint32_t count;
	uint32_t padding;
	uint64_t spare;
};

/* ---- directory entries, in the data of READDIR and READDIRPLUS ---- */

struct wire_dirent {
	uint64_t ino;
	uint64_t off; /* what READDIR is given to go on behind this entry */
	uint32_t namelen;
	uint32_t type; /* DT_* */
	char name[];   /* no NUL; padded to 8 bytes */
};

struct wire_direntplus {
	struct wire_entry_out entry_out;
	struct wire_dirent dirent;
};

#define WIRE_REC_ALIGN(x) (((x) + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1))
#define WIRE_NAME_OFFSET offsetof(struct wire_dirent, name)
#define WIRE_NAME_OFFSET_DIRENTPLUS offsetof(struct wire_direntplus, dirent.name)
#define WIRE_DIRENT_ALIGN(x) WIRE_REC_ALIGN(x)
#define WIRE_DIRENT_SIZE(d) WIRE_DIRENT_ALIGN(WIRE_NAME_OFFSET + (d)->namelen)
#define WIRE_DIRENTPLUS_SIZE(d) WIRE_DIRENT_ALIGN(WIRE_NAME_OFFSET_DIRENTPLUS + (d)->dirent.namelen)

/* ---- extensions, behind the body of creating requests ---- */

struct wire_ext_header {
	uint32_t size; /* of this extension with its header */
	uint32_t type;
};

struct wire_secctx_header {
	uint32_t size; /* of all contexts with this header */
	uint32_t nr_secctx;
};

struct wire_secctx { /* the name, a NUL and size bytes follow */
	uint32_t size;
	uint32_t padding;
};

struct wire_supp_groups {
	uint32_t nr_groups;
	uint32_t groups[];
};

#endif

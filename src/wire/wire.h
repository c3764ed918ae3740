/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FUSE protocol as data: what messages look like in every minor from 7.8 on, how one is checked before it is believed,
 * and how one is written. No I/O, no allocation, no state. Structures and constants are in wire/proto.h.
 *
 * A message is decoded into the newest layout whatever its minor, and encoded from it; fields that an old minor lacks read
 * as 0 and are dropped. "Request": header struct wire_in_header, towards the daemon. "Reply": header struct wire_out_header,
 * from the daemon; a reply with unique 0 is a notification.
 */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/proto.h"

enum {
	WIRE_MINOR_MIN = 8,  /* the oldest minor spoken */
	WIRE_MINOR_MAX = 45, /* the newest minor known */
	WIRE_NAMES_MAX = 2,  /* strings in one request */
};

/* What may follow the fixed part of a message. */
enum wire_tail {
	WIRE_TAIL_NONE,  /* nothing */
	WIRE_TAIL_DATA,  /* bytes to the end of the message */
	WIRE_TAIL_EXACT, /* data, whose length a field of the fixed part gives (WRITE, SETXATTR, IOCTL, BATCH_FORGET) */
};

/* One field of a fixed part. The fields of a part are in order and leave no gap, so a table that missed one would show. */
struct wire_field {
	const char *name;
	uint16_t offset;
	uint8_t size; /* 1, 2, 4 or 8; padding may have any other */
	char form;    /* how it is printed: 'u'nsigned, 'd' signed, 'o'ctal, he'x'; '-' is padding, not printed */
};

/* One row per opcode: drives encoding, checking and printing. */
struct wire_op {
	const char *name;          /* "LOOKUP"; NULL: no such opcode */
	uint16_t in_size;          /* fixed part of the request, newest layout */
	uint16_t out_size;         /* fixed part of the reply, newest layout (GETXATTR, LISTXATTR: this or the tail) */
	uint8_t names;             /* NUL-terminated strings after the fixed part of the request */
	uint8_t in_tail, out_tail; /* enum wire_tail */
	uint8_t since;             /* first minor that has it; it is sent to daemons of any, which say ENOSYS */
	bool no_reply;             /* FORGET, BATCH_FORGET, NOTIFY_REPLY (INTERRUPT may be answered) */
	bool ext;                  /* the request may end in extensions (security context, groups) */
	const struct wire_field *in_fields, *out_fields; /* ended by a NULL name; NULL: no fixed part */
};

/* The row of an opcode, or NULL when there is none. */
const struct wire_op *wire_op(uint32_t opcode);
/* Its name, or "opcode?" for an unknown one. Never NULL. */
const char *wire_opname(uint32_t opcode);

/* What the two sides agreed on, as far as the layout of messages depends on it. */
struct wire_proto {
	uint32_t minor;    /* the agreed minor */
	bool setxattr_ext; /* WIRE_INIT_SETXATTR_EXT was agreed */
};

/* The fixed part of any request, newest layout. */
union wire_in {
	struct wire_forget_in forget;
	struct wire_batch_forget_in batch_forget;
	struct wire_getattr_in getattr;
	struct wire_setattr_in setattr;
	struct wire_mknod_in mknod;
	struct wire_mkdir_in mkdir;
	struct wire_rename_in rename;
	struct wire_rename2_in rename2;
	struct wire_link_in link;
	struct wire_open_in open;
	struct wire_create_in create;
	struct wire_release_in release;
	struct wire_flush_in flush;
	struct wire_read_in read;
	struct wire_write_in write;
	struct wire_fsync_in fsync;
	struct wire_setxattr_in setxattr;
	struct wire_getxattr_in getxattr;
	struct wire_lk_in lk;
	struct wire_access_in access;
	struct wire_init_in init;
	struct wire_interrupt_in interrupt;
	struct wire_bmap_in bmap;
	struct wire_ioctl_in ioctl;
	struct wire_poll_in poll;
	struct wire_fallocate_in fallocate;
	struct wire_lseek_in lseek;
	struct wire_copy_file_range_in copy_file_range;
	struct wire_setupmapping_in setupmapping;
	struct wire_removemapping_in removemapping;
	struct wire_syncfs_in syncfs;
	struct wire_statx_in statx;
	struct wire_notify_retrieve_in notify_retrieve;
};

/* The fixed part of any reply, newest layout. */
union wire_out {
	struct wire_entry_out entry;
	struct wire_attr_out attr;
	struct wire_open_out open;
	struct { /* CREATE and TMPFILE */
		struct wire_entry_out entry;
		struct wire_open_out open;
	} create;
	struct wire_write_out write;
	struct wire_statfs_out statfs;
	struct wire_getxattr_out getxattr; /* only of GETXATTR and LISTXATTR with size 0 */
	struct wire_lk_out lk;
	struct wire_init_out init;
	struct wire_bmap_out bmap;
	struct wire_ioctl_out ioctl;
	struct wire_poll_out poll;
	struct wire_lseek_out lseek;
	struct wire_copy_file_range_out copy_file_range;
	struct wire_statx_out statx;
};

struct wire_req { /* a request taken apart */
	struct wire_in_header hdr;
	union wire_in in;
	const char *name[WIRE_NAMES_MAX]; /* borrowed from the message */
	size_t namelen[WIRE_NAMES_MAX];   /* without the NUL */
	const uint8_t *data;              /* the tail (borrowed) */
	size_t datalen;
	const uint8_t *ext; /* extensions after the body (borrowed) */
	size_t extlen;
};

struct wire_rep { /* a reply taken apart */
	uint64_t unique;
	int error; /* 0 or a positive errno (1..511, the kernel's range) */
	union wire_out out;
	uint8_t *data; /* the tail (borrowed, may be changed in place) */
	size_t datalen;
};

/*
 * Take apart the request of len bytes at msg. Checked: the header's length equals len, the opcode is known (in whatever minor),
 * the body is as long as its parts, names end in NUL (they may be anything else: whose names are valid, vnode/ decides).
 * 0, EPROTO (malformed) or ENOSYS (well-formed header, unknown opcode: hdr is filled).
 */
int wire_parse_request(const struct wire_proto *p, const void *msg, size_t len, struct wire_req *out);

/*
 * Read only the header of a reply: *unique and *error (0 or positive). Checked: length, range of the error, no payload beside an
 * error. For a notification (*unique 0), *error is its code. 0 or EPROTO; *why (may be NULL) then says in a few words what was wrong.
 */
int wire_parse_reply_header(const void *msg, size_t len, uint64_t *unique, int *error, const char **why);

/*
 * Take apart the reply of len bytes to a request with this opcode, of at most limit bytes of tail (what was asked for).
 * in: the request's fixed part, where the form of the reply depends on it (GETXATTR, LISTXATTR: size 0 asks for the size); NULL
 * there means a size other than 0. A reply to INIT has any length from 8 bytes on.
 * 0 or EPROTO; *why (may be NULL) as above. A reply that carries an error is well-formed: out->error.
 */
int wire_parse_reply(const struct wire_proto *p, uint32_t opcode, const union wire_in *in, void *msg, size_t len,
    size_t limit, struct wire_rep *out, const char **why);

union wire_note_out { /* the fixed part of any notification */
	struct wire_notify_poll_wakeup_out poll;
	struct wire_notify_inval_inode_out inval_inode;
	struct wire_notify_inval_entry_out inval_entry;
	struct wire_notify_store_out store;
	struct wire_notify_retrieve_out retrieve;
	struct wire_notify_delete_out del;
	struct wire_notify_prune_out prune;
};

struct wire_note { /* a notification taken apart */
	int code;  /* enum wire_notify_code */
	union wire_note_out out;
	const char *name; /* INVAL_ENTRY, DELETE: borrowed; of any content, not NUL-terminated */
	size_t namelen;
	const uint8_t *data; /* STORE, PRUNE: the tail (borrowed, of any alignment) */
	size_t datalen;
};

/* Take apart the notification of len bytes (header included) at msg. 0, EPROTO (malformed) or ENOSYS (unknown code: code is filled). */
int wire_parse_notify(const void *msg, size_t len, struct wire_note *out, const char **why);

/* How long the fixed part of this request or reply is in this minor; 0 for an unknown opcode. */
size_t wire_in_size(const struct wire_proto *p, uint32_t opcode);
size_t wire_out_size(const struct wire_proto *p, uint32_t opcode);

/*
 * Write the fixed part of a request or reply in this minor's layout. *len: its length (0 for an unknown opcode). room must be at
 * least sizeof(union wire_in) or sizeof(union wire_out). 0 or EMSGSIZE. A request INIT is as long as its own minor says.
 */
int wire_encode_in(
    const struct wire_proto *p, uint32_t opcode, const union wire_in *in, void *buf, size_t room, size_t *len);
int wire_encode_out(
    const struct wire_proto *p, uint32_t opcode, const union wire_out *out, void *buf, size_t room, size_t *len);

/* ---- INIT ---- */

struct wire_init { /* either direction, all minors; what a message does not carry is 0 */
	uint32_t major, minor;
	uint32_t max_readahead; /* bytes */
	uint64_t flags;         /* WIRE_INIT_*, flags2 in the upper half */
	uint16_t max_background, congestion_threshold;
	uint32_t max_write; /* bytes */
	uint32_t time_gran; /* nanoseconds, 1 to 1,000,000,000 */
	uint16_t max_pages; /* pages of 4096 bytes, with WIRE_INIT_MAX_PAGES */
	uint16_t map_alignment;
	uint32_t max_stack_depth;
	uint16_t request_timeout;
};

/*
 * The body of an INIT request offering i (16 bytes below 7.36, else 64). room at least 64. Returns its length. INIT_EXT is
 * added when flags2 is used, and dropped with it where the minor does not have it. The same holds for the reply.
 */
size_t wire_init_request(const struct wire_init *i, void *buf, size_t room);
/* Take apart the body of an INIT request; one longer than 64 bytes is cut there. 0 or EPROTO (too short for the minor it names). */
int wire_parse_init_request(const void *body, size_t len, struct wire_init *out);
/*
 * The body of an INIT reply i to a side that offered minor offered: 8 bytes below 7.5, 24 below 7.23, else 64. room at
 * least 64. Returns its length.
 */
size_t wire_init_reply(const struct wire_init *i, uint32_t offered, void *buf, size_t room);
/*
 * Take apart the body of an INIT reply (8 bytes or more; what is missing is 0, one longer than 64 is cut there), with the defaults and
 * bounds that the kernel applies: below 7.5 max_write 4096; max_write at least 4096; without MAX_PAGES 32 pages; flags2 only with
 * INIT_EXT; time_gran 1 if 0 or above a second; a number whose flag is missing 0. EPROTO, with *why, when major is not 7 or it is
 * too short.
 */
int wire_parse_init_reply(const void *body, size_t len, struct wire_init *out, const char **why);

/* ---- directories ---- */

struct wire_direntry {
	struct wire_entry_out *plus; /* in place, READDIRPLUS only, else NULL */
	uint64_t ino, off;
	uint32_t type;    /* DT_* */
	const char *name; /* borrowed; not NUL-terminated */
	uint32_t namelen;
};

struct wire_dir { /* a walk over the payload of READDIR or READDIRPLUS */
	uint8_t *p, *end;
	bool plus;
};

/* plus: data is aligned to 8 bytes, as it is behind the header of an aligned reply. */
void wire_dir_init(struct wire_dir *d, void *data, size_t len, bool plus);
/*
 * The next entry. 0; ENOENT at the end (also when less than a header is left, as the kernel ends there, or when the rest does not
 * hold the whole entry with its padding); EPROTO for a name that is empty, longer than 1024 bytes (the kernel's bound) or holds '/' or NUL.
 */
int wire_dir_next(struct wire_dir *d, struct wire_direntry *out);
/* Append an entry to room bytes at buf + *len (for hosts and tests). 0, or ENOSPC when it does not fit. */
int wire_dir_put(void *buf, size_t room, size_t *len, const struct wire_direntry *e);

/* ---- printing ---- */

/*
 * A message as one line of text, e.g. "LOOKUP unique=4 nodeid=1 uid=0 gid=0 pid=77 name=\"etc\"", without newline, always
 * NUL-terminated, cut at room. Takes any bytes: what cannot be parsed is said so. opcode: of the request that is answered.
 * Returns the length written.
 */
size_t wire_print_request(const struct wire_proto *p, const void *msg, size_t len, char *buf, size_t room);
size_t wire_print_reply(
    const struct wire_proto *p, uint32_t opcode, const void *msg, size_t len, char *buf, size_t room);

#endif

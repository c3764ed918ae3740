/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mount frame: what perfuse_mount() sends to perfused, and perfused's answers. Both ends of it, encoding and checking.
 *
 * A client connects to perfused's socket (SOCK_SEQPACKET) and sends one frame, one packet:
 *
 *     struct frame_mount, then source, target, filesystem type, data, reply socket path; each with its NUL, or of length 0
 *
 * The header begins as a FUSE reply header does (length, error, unique), so that neither can be taken for the other. With the frame
 * one descriptor may travel (SCM_RIGHTS): the daemon's FUSE socket. Without one, the connection itself becomes the FUSE
 * socket after the first answer. Who asks is never read from the frame: perfused asks the kernel.
 *
 * Answers (struct frame_answer and a line of text with its NUL) come on the connection: FRAME_MOUNTED or FRAME_FAILED first. When a
 * descriptor travelled, FRAME_READY (the daemon answered INIT, operations are served) or FRAME_FAILED follows, then
 * FRAME_ENDED when the mount is gone; and the client may send struct frame_request on it, and by closing it before
 * FRAME_READY calls the mount off.
 */
#ifndef CTL_FRAME_H
#define CTL_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_MAGIC "noFuseRq" /* the seed's, 8 bytes and a NUL */

enum {
	FRAME_MAX = 64 * 1024,     /* bytes in a whole frame */
	FRAME_ANSWER_MAX = 1024,   /* bytes in a whole answer */
	FRAME_DATA_MAX = 4096 * 4, /* bytes of mount data */
};

struct frame_mount {                         /* all integers in the machine's byte order */
	uint32_t len;                        /* of the whole frame, this struct included */
	int32_t error;                       /* 0 */
	uint64_t unique;                     /* UINT64_MAX */
	char magic[sizeof(FRAME_MAGIC) + 7]; /* FRAME_MAGIC, padded with NULs to 16 */
	uint32_t source_len;                 /* with the NUL; 0: absent */
	uint32_t target_len;
	uint32_t filesystemtype_len;
	uint32_t mountflags; /* MS_* of mount(2) */
	uint32_t data_len;
	uint32_t sock_len; /* DGRAM only: path of the socket that answers and requests go to */
	uint32_t sndbuf;   /* SO_SNDBUF of the daemon's end in bytes; 0: unknown */
	uint32_t flags;    /* FRAME_F_* */
};

enum {
	FRAME_F_CONTROL = 1, /* a descriptor travels with the frame; the connection stays for control */
};

enum frame_code {
	FRAME_MOUNTED = 1, /* the mount is in place */
	FRAME_READY = 2,   /* and the daemon serves it */
	FRAME_FAILED = 3,  /* error and text say why; nothing is left mounted */
	FRAME_ENDED = 4,   /* it was served and is unmounted now */
};

struct frame_answer {    /* text with its NUL follows */
	uint32_t len;    /* of the whole answer */
	int32_t error;   /* 0 or a positive errno */
	uint64_t unique; /* UINT64_MAX */
	uint32_t code;   /* enum frame_code */
	uint32_t pid;    /* of the engine process */
};

struct frame_request {     /* client to engine, on a control connection */
	uint32_t len;      /* sizeof(struct frame_request) */
	uint32_t code;     /* enum frame_request_code */
	uint32_t flags;    /* FRAME_UNMOUNT: MNT_* of umount2(2) that are honoured (MNT_DETACH) */
	uint32_t reserved; /* 0 */
};

enum frame_request_code {
	FRAME_UNMOUNT = 1, /* answered by FRAME_ENDED, or by FRAME_FAILED with EBUSY ... (the mount goes on) */
};

struct frame_strings { /* the strings of a frame, borrowed from it; NULL where absent */
	const char *source, *target, *filesystemtype, *data, *sock;
};

/* Build a frame into newly allocated memory (the caller's to free). 0, ENOMEM, or EMSGSIZE when it would exceed FRAME_MAX. */
int frame_build(
    const struct frame_strings *s, uint32_t mountflags, uint32_t sndbuf, uint32_t flags, void **out, size_t *len);
/*
 * Take a frame apart. 0, or EPROTO with *why: what was wrong with it, one short phrase (static). Checked: size, magic, lengths
 * that add up exactly, a NUL at each string's end and nowhere before, target present.
 */
int frame_parse(const void *data, size_t len, struct frame_mount *hdr, struct frame_strings *s, const char **why);
/* Build an answer; returns its length (text is cut to fit room, at least sizeof(struct frame_answer) + 1). */
size_t frame_answer_build(void *buf, size_t room, enum frame_code code, int error, uint32_t pid, const char *text);
/* Take an answer apart; *text borrowed. 0 or EPROTO. */
int frame_answer_parse(const void *data, size_t len, struct frame_answer *out, const char **text);
/* Check a request. 0 or EPROTO. */
int frame_request_parse(const void *data, size_t len, struct frame_request *out);

#endif

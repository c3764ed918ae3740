/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's end of /dev/fuse for unit tests: a packet socket whose other end a host_linux serves, on the loop of a scripted
 * daemon (fake_daemon.h). A test sends a request as the kernel would, plays the daemon, and takes the answer. The
 * implementation is included (fake_kernel.c) by the one file of each test program.
 */
#ifndef TESTS_FAKE_KERNEL_H
#define TESTS_FAKE_KERNEL_H

#include "fake_daemon.h"
#include "host/linux/linux.h"

struct kernel {
	struct fake *f;
	struct host_linux *h;
	int sock;                /* the kernel's end; -1 when closed */
	struct wire_proto proto; /* how its requests are laid out */
	uint64_t unique;         /* of the last request */
	uint8_t *rx;             /* the last answer */
	unsigned ready, failed, leaving, ended;
	bool exported;                       /* EXPORT_SUPPORT was agreed: nodeids are the daemon's */
	int error;                           /* what failed was told */
	uint64_t file, dir, file_fh, dir_fh; /* after k_mount(): the engine's; the daemon's are in the enum */
	char why[200];
};

enum { FILE_D = 1000, DIR_D = 2000, NEW_D = 3000, FILE_FH = 77, DIR_FH = 88 };

#define IN(...) (&(union wire_in){ __VA_ARGS__ })
#define OUT(...) (&(union wire_out){ __VA_ARGS__ })
#define STR(s) s, sizeof(s) /* with its NUL */

/* Whose requests they all are. */
extern const struct vop_cred kernel_cred;

/* A daemon, a mount on it that has not seen INIT, and a host. */
void k_start(struct kernel *k, struct fake *f);
/* The kernel goes away, which the host must see; then everything is taken down, with fake_stop()'s checks. */
void k_stop(struct kernel *k);
/* Everything is taken down, with fake_stop()'s checks: of a host that has ended the kernel's connection itself. */
void k_free(struct kernel *k);
/* The kernel goes away. */
void k_close(struct kernel *k);
/* Let the loop handle all that is ready. */
void k_turn(struct kernel *k);

/* Any packet; the loop then has its turns. */
void k_packet(struct kernel *k, const void *packet, size_t len);
/* A request: its fixed part (may be NULL), then len bytes (names with their NULs, data). Returns its unique. */
uint64_t k_send(
    struct kernel *k, uint32_t opcode, uint64_t nodeid, const union wire_in *in, const void *tail, size_t len);
/* The next answer's header, which must be there; its body is behind it in k->rx. */
struct wire_out_header k_answer(struct kernel *k);
/* The next answer is to the last request and has this error, and this many bytes behind its header: these. */
const void *k_expect(struct kernel *k, int error, size_t len);
/* There is no answer. */
void k_quiet(struct kernel *k);

/* INIT, up to the answer: the kernel offers, the daemon answers. Returns what the daemon was offered. */
struct wire_init k_init(struct kernel *k, const struct wire_init *offer, const struct wire_init *answer);
/* All flags of this minor. */
uint64_t k_flags(uint32_t minor);
/* Data that one message can carry here, up to a megabyte; less where the system's socket buffers are small. */
size_t k_room(const struct kernel *k);

/* ---- operations ---- */

/* A request that comes to the daemon under the same opcode, for this node of the daemon's, with its caller. */
struct wire_req k_ask(struct kernel *k, uint32_t opcode, uint64_t nodeid, uint64_t d_nodeid, const union wire_in *in,
    const void *tail, size_t len);
/* The daemon has nothing to say but that it is done; so has the answer. */
void k_done(struct kernel *k, const struct wire_req *req);
/* An entry of the daemon's, every field of another value; as CREATE's, whose beginning is any other's. */
union wire_out k_entry(uint64_t d_nodeid, uint32_t mode);
size_t k_entry_len(const struct kernel *k);
/* The daemon answers with this entry; so does the host, with a nodeid of its own (or k->exported), which is returned. */
uint64_t k_entered(struct kernel *k, const struct wire_req *req, uint64_t d_nodeid, uint32_t mode);
/* The daemon opens; so does the host, with a handle of its own, which is returned. */
uint64_t k_opened(struct kernel *k, const struct wire_req *req, uint64_t d_fh);
/* INIT of this minor with a daemon that wants these flags; a file and a directory are looked up and open. */
void k_mount(struct kernel *k, uint32_t minor, uint64_t flags);
struct vn_counts k_counts(const struct kernel *k);

#endif

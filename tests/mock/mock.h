/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mock-daemon suite: each case scripts the daemon's side of a real mount, lets programs ("actors", processes of their own) make
 * system calls on it, and says exactly which messages have to arrive, with which fields. A message that is not expected
 * fails the case, as does one that does not come.
 *
 *     static long stat_it(struct actor *a) { return step(a, stat(in_mount(a, "file"), &a->st)); }
 *
 *     MOCK_CASE(found)
 *     {
 *             struct actor *a = start(m, stat_it);
 *             struct req *r = expect(m, WIRE_LOOKUP);
 *
 *             check_u(r->hdr.nodeid, WIRE_ROOT_ID);
 *             check_str(r->name[0], "file");
 *             reply_entry(m, r, an_entry(2, S_IFREG | 0644, 10));
 *             finish(a);
 *             check_step(a, 0, 0, 0);
 *             check_u(a->st.st_size, 10);
 *     }
 *
 * Each mock_X.c is a program, each of its cases runs in a process of its own with a fresh mount. The cases run through perfuse (the
 * engine of this build, between the kernel and a socketpair), or, with PERFUSE_NATIVE=1, against the kernel alone: the kernel is the
 * specification, and a case that does not hold there says so and why (.native). After the body the mount is made to
 * forget everything, and for each nodeid the FORGETs must add up to the lookups that the case gave out.
 */
#ifndef TESTS_MOCK_MOCK_H
#define TESTS_MOCK_MOCK_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>
#include <unistd.h>

#include "wire/wire.h"

/* ---- cases ---- */

struct mock; /* one case's mount and its daemon's end */

struct mock_case {
	const char *name;
	void (*body)(struct mock *m);
	const char *file;
	int line;
	/* what a case may choose; 0: the default */
	uint32_t minor; /* the minor the daemon answers with; 0: the offered one */
	uint64_t flags; /* WIRE_INIT_* it answers with (only those that were offered) beside the defaults... */
	uint64_t
	    no_flags; /* ... minus these. Defaults: ASYNC_READ, BIG_WRITES, PARALLEL_DIROPS, EXT, MAX_PAGES with 256 pages */
	uint32_t max_write;     /* default 1 MiB */
	uint32_t max_readahead; /* default: the offered one. 0 cannot be had: use 1 */
	uint16_t max_pages;
	uint32_t time_gran;
	const char
	    *options; /* mount options beside fd, rootmode, user_id, group_id: "allow_other,default_permissions" */
	unsigned long ms_flags; /* MS_RDONLY ... of mount(2); MS_NOSUID | MS_NODEV are not added */
	bool no_init;           /* the body answers INIT itself */
	bool unbalanced;        /* lookups are not expected to balance (the daemon dies, or lies about them) */
	bool blkdev;            /* type fuseblk on a loop device (skipped where there is none) */
	uint32_t needs_minor;   /* skipped when the kernel offers less */
	uint64_t needs_flags;   /* skipped when not all of these are offered */
	const char *native;     /* why the case does not hold of the kernel alone: it is skipped there */
	const char *
	    perfuse; /* why it does not hold through perfuse: skipped there; each of these is listed in doc/protocol.md */
	unsigned limit; /* seconds, default 20 */
};

void mock_register(const struct mock_case *c);

/* MOCK_CASE(name) { body, with struct mock *m }; MOCK_CASE(name, .minor = 12, .flags = WIRE_INIT_DONT_MASK) { ... } */
#define MOCK_CASE(ident, ...)                                                                                          \
	static void case_##ident(struct mock *m);                                                                      \
	__attribute__((constructor)) static void register_##ident(void)                                                \
	{                                                                                                              \
		static const struct mock_case c = {                                                                    \
			.name = #ident, .body = case_##ident, .file = __FILE__, .line = __LINE__, __VA_ARGS__          \
		};                                                                                                     \
		mock_register(&c);                                                                                     \
	}                                                                                                              \
	static void case_##ident(struct mock *m)

bool mock_is_native(const struct mock *m);
const char *mock_path(const struct mock *m);               /* the mountpoint */
const struct wire_init *mock_offer(const struct mock *m);  /* what was offered in INIT */
const struct wire_init *mock_answer(const struct mock *m); /* what the daemon answered */
unsigned mock_dev_minor(
    const struct mock *m);         /* of the mount's st_dev: its number in the kernel's control file system */
int mock_fd(const struct mock *m); /* the daemon's descriptor: a socket, natively /dev/fuse */
/* Skip the rest of the case, with the reason. Does not return. */
void mock_skip(const char *why) __attribute__((noreturn));

/* ---- actors: processes that make system calls ---- */

enum { MOCK_STEPS = 64, MOCK_BUF = 2 << 20 };

struct actor { /* shared between the actor and the case; results are valid after finish() or reached() */
	struct mock *m;
	void *arg; /* the case's */
	pid_t pid;
	int nsteps; /* steps done */
	struct {
		long ret;
		int err; /* errno when ret is -1, else 0 */
	} step[MOCK_STEPS];
	long ret; /* what the function returned */
	/* for the function's use */
	struct stat st;
	struct statfs sfs;
	struct statx stx;
	int fd, fd2;
	long n[16];
	_Alignas(4096) char buf[MOCK_BUF];
};

/* Start fn(a) in a process of its own (a fork of the case). */
struct actor *start(struct mock *m, long (*fn)(struct actor *a));
struct actor *start_arg(struct mock *m, long (*fn)(struct actor *a), void *arg);
/* The same with other credentials (and no capabilities when uid is not 0); groups: ngroups supplementary ones. */
struct actor *start_as(
    struct mock *m, uid_t uid, gid_t gid, const gid_t *groups, int ngroups, long (*fn)(struct actor *a), void *arg);

/* In the actor: note a system call's result as the next step (errno is taken when it is -1), and give it back. */
long step(struct actor *a, long ret);
/* In the actor: "<mountpoint>/name" (a few static buffers taking turns); name "" is the mountpoint itself. */
const char *in_mount(const struct actor *a, const char *name);
/* In the actor: stop here until the case says proceed(). In the case: wait until it stops there (the case fails when it ends instead). */
void hold(struct actor *a);
void reached(struct actor *a);
bool reached_yet(struct actor *a); /* has it? (true once for each hold()) Does not wait. */
void proceed(struct actor *a);
/* In the case: wait for its end (status 0 of the process, else the case fails). */
void finish(struct actor *a);
/* In the case: has it ended? Does not wait. */
bool has_ended(const struct actor *a);
/* In the case: send it a signal; wait for its end by this signal. */
/* In the case: wait until it sleeps in a system call that has to do with the mount. */
void wait_asleep(struct actor *a);
void signal_actor(struct actor *a, int sig);
void finish_killed(struct actor *a, int sig);
/* In the actor: install a handler for sig that does nothing; restart: SA_RESTART. */
void catch_signal(int sig, bool restart);

/* Check step i: it returned ret; err is errno when ret is -1. */
#define check_step(a, i, ret, err) check_step_at(__FILE__, __LINE__, a, i, ret, err)
void check_step_at(const char *file, int line, const struct actor *a, int i, long ret, int err);

/* ---- messages ---- */

struct req { /* a request that arrived; valid until the case ends */
	struct wire_in_header hdr;
	union wire_in in;    /* fixed part, newest layout */
	const char *name[2]; /* NUL-terminated */
	size_t namelen[2];
	const uint8_t *data; /* the tail */
	size_t datalen;
	const uint8_t *ext;
	size_t extlen;
	const uint8_t *raw; /* the whole message */
	size_t rawlen;
	bool answered;
};

/*
 * The next request (5 seconds; FORGET and BATCH_FORGET are accounted for and not shown). It must have this opcode. A message that the
 * case wants to answer later can be taken by another expect() meanwhile: requests are answered in any order.
 */
#define expect(m, opcode) expect_at(__FILE__, __LINE__, m, opcode)
struct req *expect_at(const char *file, int line, struct mock *m, uint32_t opcode);
/* The next request with this opcode among those that come, where the kernel's order is not fixed; the others stay for expect(). */
#define expect_any(m, opcode) expect_any_at(__FILE__, __LINE__, m, opcode)
struct req *expect_any_at(const char *file, int line, struct mock *m, uint32_t opcode);
/* The next request, whatever it is, if one comes within ms milliseconds (0: of those that were sent by now); else NULL. */
struct req *next_request(struct mock *m, int ms);
/* No request is waiting now. (After finish(): none was sent.) */
#define expect_none(m) expect_none_at(__FILE__, __LINE__, m)
void expect_none_at(const char *file, int line, struct mock *m);
/* FORGETs: wait until nodeid has been forgotten wholly (5 seconds). */
void expect_forgotten(struct mock *m, uint64_t nodeid);
/* How many lookups of nodeid are out. */
uint64_t lookups_out(const struct mock *m, uint64_t nodeid);
/* Make the kernel forget what no actor uses (a remount does it). */
void shrink(struct mock *m);

/* The host has functions of these names, too; both are in one program. */
#define reply_empty mock_reply_empty
#define reply_out mock_reply_out
#define reply_data mock_reply_data

/* Answers. Entries are accounted for (each one lookup of its nodeid, when not 0). All fail the case when the write fails. */
void reply_err(struct mock *m, struct req *r, int error);
void reply_empty(struct mock *m, struct req *r);
void reply_out(struct mock *m, struct req *r, const union wire_out *out); /* in the agreed minor's layout */
void reply_data(struct mock *m, struct req *r, const void *data, size_t len);
void reply_entry(struct mock *m, struct req *r, struct wire_entry_out e);
void reply_negative(struct mock *m, struct req *r, uint64_t valid_sec); /* an entry with nodeid 0 */
void reply_attr(struct mock *m, struct req *r, uint64_t valid_sec, struct wire_attr attr);
void reply_open(struct mock *m, struct req *r, uint64_t fh, uint32_t open_flags);
void reply_create(struct mock *m, struct req *r, struct wire_entry_out e, uint64_t fh, uint32_t open_flags);
void reply_write(struct mock *m, struct req *r, uint32_t size);
/* Account for a lookup that was given out by other means: send_reply(), send_raw(). */
void gave_lookup(struct mock *m, uint64_t nodeid);
/* Directory entries: put some into buf with mock_dirent(), then reply_data(). */
void mock_dirent(void *buf, size_t room, size_t *len, uint64_t ino, uint64_t off, uint32_t type, const char *name);
void mock_direntplus(struct mock *m, void *buf, size_t room, size_t *len, struct wire_entry_out e, uint64_t off,
    uint32_t type, const char *name); /* accounts for the lookup */
/* Any bytes. Returns 0 or the errno with which write(2) or send(2) refused them (natively the kernel checks there). */
int send_raw(struct mock *m, const void *bytes, size_t len);
/* An answer to r with any error (as it is sent: 0 or negative) and any body. Returns as send_raw(). */
int send_reply(struct mock *m, const struct req *r, int32_t error, const void *body, size_t len);
/* A notification: code, fixed part, tail (may be NULL). Returns as send_raw(). */
int notify(struct mock *m, int code, const void *fixed, size_t fixedlen, const void *tail, size_t taillen);
int notify_inval_inode(struct mock *m, uint64_t nodeid, int64_t off, int64_t len);
int notify_inval_entry(struct mock *m, uint64_t parent, const char *name, uint32_t flags);
int notify_delete(struct mock *m, uint64_t parent, uint64_t child, const char *name);
int notify_store(struct mock *m, uint64_t nodeid, uint64_t offset, const void *data, uint32_t len);
/*
 * Natively a notification is done when its write returns; through perfuse it is done before any later reply is seen. Wait until all that
 * were sent are done, whatever the way: an actor's statfs() of the mount that is answered.
 */
void notify_settled(struct mock *m);

/* Wait until our connection has been ended by the other side (through perfuse: end of file; natively: ENODEV). */
void expect_dead(struct mock *m);
/* Close the daemon's end: the daemon dies. */
void die_now(struct mock *m);
/*
 * Through perfuse: the engine's log must have a line with this part (borrowed) by the end of the case. Any other line fails it; after
 * expect_dead() and die_now() one that says so ("dead: why", "failed: why") is allowed.
 */
void engine_logs(struct mock *m, const char *part);

/* ---- what daemons say ---- */

enum { LONG = 1000000 }; /* seconds: cached for ever */

/* An entry: generation 0, attributes and name valid for LONG, an_attr(). Change what the case is about. */
struct wire_entry_out an_entry(uint64_t nodeid, uint32_t mode, uint64_t size);
/* Attributes: ino = nodeid, nlink 1 (directories 2), uid and gid 0, times 1,000,000,000 s, blksize 4096, blocks to match. */
struct wire_attr an_attr(uint64_t nodeid, uint32_t mode, uint64_t size);

/* The common beginnings. Each expects the message, checks nodeid and name, and answers with an_entry(), or an open file. */
void answer_lookup(struct mock *m, uint64_t parent, const char *name, uint64_t nodeid, uint32_t mode, uint64_t size);
void answer_noent(struct mock *m, uint64_t parent, const char *name);
void answer_getattr(struct mock *m, uint64_t nodeid, uint32_t mode, uint64_t size);
void answer_open(struct mock *m, uint64_t nodeid, uint64_t fh, uint32_t open_flags);
void answer_opendir(struct mock *m, uint64_t nodeid, uint64_t fh, uint32_t open_flags);
/* FLUSH and RELEASE (in this order) of fh; RELEASE alone; RELEASEDIR. */
void answer_close(struct mock *m, uint64_t nodeid, uint64_t fh);
void answer_release(struct mock *m, uint64_t nodeid, uint64_t fh);
void answer_releasedir(struct mock *m, uint64_t nodeid, uint64_t fh);
/* INIT of a case with .no_init: answer as the case's row says, or take and give the messages yourself. */
struct req *expect_init(struct mock *m);
void reply_init(struct mock *m, struct req *r, const struct wire_init *answer);
void reply_init_raw(struct mock *m, struct req *r, const struct wire_init_out *answer, size_t len);

/* ---- checks: the case fails with file, line and both values, and ends ---- */

void mock_fail(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4), noreturn));
#define check_u(got, want) check_u_at(__FILE__, __LINE__, #got, (uint64_t)(got), (uint64_t)(want))
#define check_i(got, want) check_i_at(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(want))
#define check_str(got, want) check_str_at(__FILE__, __LINE__, #got, got, want)
#define check_mem(got, want, len) check_mem_at(__FILE__, __LINE__, #got, got, want, len)
#define check_that(cond)                                                                                               \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			mock_fail(__FILE__, __LINE__, "not so: %s", #cond);                                            \
	} while (0)
void check_u_at(const char *file, int line, const char *what, uint64_t got, uint64_t want);
void check_i_at(const char *file, int line, const char *what, int64_t got, int64_t want);
void check_str_at(const char *file, int line, const char *what, const char *got, const char *want);
void check_mem_at(const char *file, int line, const char *what, const void *got, const void *want, size_t len);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the parity runner share. A *call* is one file-system call of one process, as data; a *sequence* is an array
 * of them, in the one order in which they run. A *side* is one mount with its backing tree and its processes; each side runs
 * the same sequence and leaves a *result* per call, whose text is all that is compared. Everything that may differ between two
 * equal mounts (inode numbers, times, process ids, mountpoints) is turned into what must not while the result is written.
 *
 * table.c: the calls' names and arguments, printed and parsed. files.c, names.c: doing one. result.c: what they saw.
 * gen.c: inventing them. side.c: mounts and processes. tree.c: a whole tree as text. shrink.c: the shortest sequence.
 */
#ifndef PARITY_H
#define PARITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

enum {
	PROCS = 4,        /* processes of a side, at most */
	FDS = 6,          /* open files a process can name */
	MAPS = 2,         /* and mappings */
	COOKIES = 4,      /* remembered places in a directory, per open file */
	ARGS = 7,         /* arguments of a call, at most */
	TEXT = 600,       /* of a result that is kept to be shown; all of it is in the hash */
	ROOM = 1 << 18,   /* longest read or write */
	INODES = 1 << 14, /* inodes seen by one side in one sequence (a power of two) */
	SIDES = 3,
};

/* What is not compared, for daemons that are not deterministic there. */
enum {
	MASK_BLOCKS = 1,
	MASK_INO = 2,
	MASK_TIMES = 4,  /* times of now: an exact time set by utimensat is always compared */
	MASK_ATIME = 8,  /* and access times not even then */
	MASK_ORDER = 16, /* the order of names in a directory */
	MASK_DIRSIZE = 32,
	MASK_CACHED = 64, /* attributes that the kernel was not asked to look at again */
};

struct arg {
	int64_t n;
	const char *s; /* only for the kinds that are text */
};

struct call {
	unsigned proc, op;
	struct arg arg[ARGS];
};

struct sequence {
	struct call *call;
	size_t n;
};

struct result {
	int64_t ret;
	int err; /* when ret is negative */
	bool done;
	unsigned used;
	uint64_t hash;
	uint64_t moved; /* hash of which times of now are "new" and which the "same"; not in the other one */
	char text[TEXT];
};

/* One inode as a side sees it. */
struct inode_row {
	uint64_t ino;
	unsigned id;
	struct timespec when[3]; /* last seen: access, change of data, change of attributes */
};

/* What a side's processes have in common with the controller. */
struct shared {
	_Atomic uint32_t go[PROCS]; /* number of the call that this process may do, + 1 */
	_Atomic uint32_t ready;     /* processes that have made themselves at home on the mount */
	_Atomic uint32_t finished;  /* number of the call that is done now: those before it have returned, or wait */
	pid_t pid[PROCS];
	bool fifo; /* one was made: from now on open() must not block */
	unsigned inodes;
	struct inode_row inode[INODES];
	struct result result[];
};

/* One process of a side. */
struct ctx {
	struct shared *side;
	unsigned proc, mask;
	uint32_t number; /* of the call that it does */
	int fd[FDS], root, pipe[2];
	struct {
		char *at;
		size_t size;
	} map[MAPS];
	int64_t cookie[FDS][COOKIES];
	char *room; /* page-aligned, ROOM bytes */
};

/* ---- table.c ---- */

typedef int64_t call_fn(struct ctx *, const struct arg *, struct result *);

struct op {
	const char *name;
	const char *kinds; /* one letter per argument: see arg_kinds in table.c */
	unsigned weight;   /* how often, against the others */
	call_fn *run;      /* returns as a system call does */
	bool waits;        /* the next process goes on while it does */
};

struct flag {
	const char *name;
	int64_t value;
};

extern const struct op ops[];
extern const unsigned n_ops;

/* op_find: the number of the op of that name, or n_ops. */
unsigned op_find(const char *name, size_t length);

/* flags_of: the names of the flags of a kind of argument (ended by a NULL name), or NULL when it has none. */
const struct flag *flags_of(char kind);

/* call_print: one line without its end. call_parse: the same back; its strings are allocated. Returns NULL or what is wrong. */
void call_print(FILE *to, const struct call *call);
const char *call_parse(const char *line, struct call *call);

/* quote: as it is written in a line, escaped, between quotes. */
void quote(FILE *to, const char *bytes);

/* arg_is_text: is an argument of this kind a string? */
bool arg_is_text(char kind);

/* ---- files.c, names.c: the calls themselves ---- */

#define CALL(name) int64_t call_##name(struct ctx *c, const struct arg *a, struct result *r)
CALL(open);
CALL(openat);
CALL(creat);
CALL(close);
CALL(dup);
CALL(read);
CALL(write);
CALL(pread);
CALL(pwrite);
CALL(readv);
CALL(writev);
CALL(preadv2);
CALL(pwritev2);
CALL(lseek);
CALL(ftruncate);
CALL(fallocate);
CALL(copy_file_range);
CALL(sendfile);
CALL(splice);
CALL(mmap);
CALL(mread);
CALL(mwrite);
CALL(msync);
CALL(munmap);
CALL(fsync);
CALL(fdatasync);
CALL(syncfs);
CALL(sync_file_range);
CALL(readahead);
CALL(fadvise);
CALL(setlk);
CALL(setlkw);
CALL(getlk);
CALL(flock);
CALL(setfl);
CALL(getfl);
CALL(ioctl);
CALL(byhandle);
CALL(stat);
CALL(lstat);
CALL(fstat);
CALL(fstatat);
CALL(statx);
CALL(access);
CALL(faccessat);
CALL(chmod);
CALL(fchmod);
CALL(chown);
CALL(lchown);
CALL(fchown);
CALL(utimensat);
CALL(futimens);
CALL(truncate);
CALL(link);
CALL(linkat);
CALL(linkempty);
CALL(symlink);
CALL(readlink);
CALL(rename);
CALL(renameat2);
CALL(unlink);
CALL(unlinkat);
CALL(rmdir);
CALL(mkdir);
CALL(mkdirat);
CALL(mknod);
CALL(getdents);
CALL(dirseek);
CALL(list);
CALL(setxattr);
CALL(lsetxattr);
CALL(fsetxattr);
CALL(getxattr);
CALL(lgetxattr);
CALL(fgetxattr);
CALL(listxattr);
CALL(flistxattr);
CALL(removexattr);
CALL(lremovexattr);
CALL(fremovexattr);
CALL(statfs);
CALL(fstatfs);
CALL(umask);
CALL(chdir);
CALL(fchdir);
CALL(getcwd);
CALL(handle);

/* ---- result.c ---- */

/* out: add to what is compared. */
void out(struct result *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* out_moved: say whether a time moved, which is compared by moved_alike(), not by same(). */
void out_moved(struct result *r, bool moved);

/* out_name: a name out of a directory, a target, a value: escaped. */
void out_bytes(struct result *r, const char *bytes, size_t n);

/* out_stat: all of a stat that can be equal. */
void out_stat(struct ctx *c, struct result *r, const struct stat *st);

/* out_statx: the fields of a statx that its mask names. */
struct statx;
void out_statx(struct ctx *c, struct result *r, const struct statx *stx);

/* inode_id: the number of this inode in the order in which this side saw them. */
unsigned inode_id(struct ctx *c, uint64_t ino);

/* recent: is it a time that a clock gave, rather than a program? Those are not compared by value. */
bool recent(struct timespec when);

/* same: nothing differs, but for what moved_alike compares. result_print: one line without its end. */
bool same(const struct result *a, const struct result *b);
bool moved_alike(const struct result *a, const struct result *b);
void result_print(FILE *to, const struct result *r);

uint64_t hash_bytes(uint64_t hash, const void *data, size_t n);
void pattern(char *to, size_t n, uint64_t seed);
char type_letter(unsigned char d_type);

/* ---- gen.c ---- */

/* generate: N calls of this seed, none of an op with a true entry in WITHOUT; ROOT is an empty folder to try them in. No calls: it
 * could not. */
struct sequence generate(const char *root, uint64_t seed, size_t n, const bool *without);
void sequence_free(struct sequence *sequence);

/* ---- side.c ---- */

struct config {
	const char *work, *up, *down; /* a folder; commands that mount and unmount */
	unsigned mask;
	unsigned patience; /* seconds without progress: hung */
};

struct side {
	const struct config *config;
	const char *via; /* native or perfuse: what the commands get as $VIA */
	char name[8], dir[256];
	struct shared *shared; /* results of the last run */
	size_t room;           /* results there is room for */
	bool hung;
	char *tree[2]; /* seen from the mount and in the backing folder, after a run */
};

/* side_init: SIDE is number NUMBER. Its folder is made. */
int side_init(struct side *side, const struct config *config, unsigned number, const char *via);

/* sides_run: fresh trees, mounts, the sequence on all of them at a time, trees as text, unmounts. 0, or an errno when the
 * experiment itself failed (said on stderr). */
int sides_run(struct side *sides, unsigned n, const struct sequence *sequence);
void side_free(struct side *side);

/* ---- tree.c ---- */

/* tree_print: everything below PATH in one fixed order, one object a line. 0 or errno. */
int tree_print(FILE *to, const char *path, unsigned mask);

/* ---- shrink.c ---- */

/* Where two sides differ first. */
struct difference {
	enum difference_kind { DIFF_NONE, DIFF_CALL, DIFF_MOUNT, DIFF_BACKING, DIFF_HUNG, DIFF_MOVED } kind;
	size_t at;  /* the call; in a DIFF_MOVED, where a time moved on one side only, the first one */
	char *text; /* of the two trees, the line that differs; or who hung */
};

struct known; /* differences that are allowed */

/* known_read: those of FILE that are for DAEMON. Returns NULL and says why on stderr. */
struct known *known_read(const char *file, const char *daemon);
void known_free(struct known *known);
unsigned long known_hits(const struct known *known);

/* compare: the first difference that is not KNOWN. The caller frees its text. */
struct difference compare(
    const struct side *a, const struct side *b, const struct sequence *sequence, struct known *known);
void difference_print(
    FILE *to, const struct difference *d, const struct side *a, const struct side *b, const struct sequence *sequence);

/* shrink: the fewest calls of WHOLE, which the first two sides have just run, with which they still differ in the same way; it
 * takes about SECONDS at most. BEST is the caller's to free (its array; its texts are those of WHOLE). The sides have run it. */
int shrink(
    struct side *sides, const struct sequence *whole, struct known *known, unsigned seconds, struct sequence *best);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host for unit tests of vnode/: each struct op is one operation in a coroutine of its own, with its arguments and, once it
 * is done, its results. Used with fake_daemon.h; the implementation is included (fake_host.c) by each test program.
 */
#ifndef TESTS_FAKE_HOST_H
#define TESTS_FAKE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fake_daemon.h"

struct op {
	/* what to do, on the node with this nodeid of the engine's; op_*() below */
	void (*run)(struct op *op, struct vn_node *vp);
	uint64_t nodeid;
	/* arguments, as far as it has them */
	const char *name, *newname;
	uint64_t newdir; /* RENAME; LINK: the node linked */
	uint32_t mode, rdev, umask, flags, xflags;
	uint64_t file; /* vn_file_id(), 0: none; set by OPEN and CREATE */
	bool dir, plus;
	const void *data;
	size_t len;
	struct vop_io io;
	struct vop_setattr set;
	uint64_t owner;
	struct vop_lock lock; /* GETLK: result, too */
	bool wait;
	struct vop_ioctl ioctl;
	struct vop_copy copy; /* to newdir, file_out */
	uint64_t file_out;
	uint64_t offset, size, kh; /* FALLOCATE, LSEEK; POLL; BMAP: offset is the block, mode its size */
	const void *ext;           /* credentials' extensions */
	size_t extlen;
	/* results */
	bool done;
	int error;
	struct vop_entry entry;
	struct vop_attr attr;
	struct vop_timeout valid;
	struct vop_statfs st;
	struct vop_data out;
	uint32_t need, written, open_flags, revents;
	struct vop_statx sx;
	int32_t result;
	uint64_t pos; /* LSEEK, COPY_FILE_RANGE, BMAP */
	/* its own */
	struct vn_mount *mp;
	struct co *co;
};

/* Whose operations they all are. */
extern const struct vop_cred op_cred;

void op_lookup(struct op *op, struct vn_node *vp);
void op_mknod(struct op *op, struct vn_node *vp);
void op_mkdir(struct op *op, struct vn_node *vp);
void op_symlink(struct op *op, struct vn_node *vp); /* newname: the target */
void op_link(struct op *op, struct vn_node *vp);
void op_unlink(struct op *op, struct vn_node *vp);
void op_rmdir(struct op *op, struct vn_node *vp);
void op_rename(struct op *op, struct vn_node *vp);
void op_readlink(struct op *op, struct vn_node *vp);
void op_getattr(struct op *op, struct vn_node *vp);
void op_setattr(struct op *op, struct vn_node *vp);
void op_access(struct op *op, struct vn_node *vp); /* mode: the mask */
void op_statfs(struct op *op, struct vn_node *vp);
void op_getxattr(struct op *op, struct vn_node *vp); /* len: room for the value */
void op_listxattr(struct op *op, struct vn_node *vp);
void op_setxattr(struct op *op, struct vn_node *vp);
void op_removexattr(struct op *op, struct vn_node *vp);
void op_open(struct op *op, struct vn_node *vp);
void op_opendir(struct op *op, struct vn_node *vp);
void op_create(struct op *op, struct vn_node *vp);
void op_read(struct op *op, struct vn_node *vp);
void op_write(struct op *op, struct vn_node *vp);
void op_flush(struct op *op, struct vn_node *vp);
void op_fsync(struct op *op, struct vn_node *vp);
void op_release(struct op *op, struct vn_node *vp);
void op_readdir(struct op *op, struct vn_node *vp);
void op_destroy(struct op *op, struct vn_node *vp);
void op_tmpfile(struct op *op, struct vn_node *vp);
void op_statx(struct op *op, struct vn_node *vp); /* flags, mode: the mask */
void op_syncfs(struct op *op, struct vn_node *vp);
void op_fallocate(struct op *op, struct vn_node *vp);
void op_lseek(struct op *op, struct vn_node *vp); /* flags: whence */
void op_copy_file_range(struct op *op, struct vn_node *vp);
void op_getlk(struct op *op, struct vn_node *vp);
void op_setlk(struct op *op, struct vn_node *vp);
void op_ioctl(struct op *op, struct vn_node *vp);
void op_poll(struct op *op, struct vn_node *vp); /* flags, mode: the events */
void op_bmap(struct op *op, struct vn_node *vp);

/* Start it on this mount. The op must stay where it is until it is done. */
void op_start(struct fake *f, struct op *op);
/* Start it; its request, which must come and have this opcode, with its credentials checked. */
struct wire_req op_ask(struct fake *f, struct op *op, uint32_t opcode);
/* Start it; it ends with this error, without asking the daemon. */
void op_alone(struct fake *f, struct op *op, int error);
/* It has ended with this error. */
void op_ended(const struct op *op, int error);

/* An entry for a file of this type and mode. */
union wire_out an_entry(uint64_t d_nodeid, uint64_t generation, uint32_t mode);
/* A whole LOOKUP: nodeid of the engine's for the daemon's. */
uint64_t a_node(struct fake *f, uint64_t parent, const char *name, uint64_t d_nodeid, uint32_t mode);
/* A whole OPEN (or OPENDIR): a file for the daemon's handle. */
uint64_t a_file(struct fake *f, uint64_t nodeid, uint64_t fh, bool dir);
struct vn_counts counts(const struct fake *f);

#endif

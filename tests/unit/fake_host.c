/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host for tests: see fake_host.h. Included by each test program that uses it.
 */
#include "fake_host.h"

#include <check.h>
#include <string.h>
#include <sys/stat.h>

#include "base/co.h"

const struct vop_cred op_cred = { .uid = 1001, .gid = 1002, .pid = 1003 };

/* The arguments that nearly all have. */
#define WHO                                                                                                            \
	op->mp, &(struct vop_cred)                                                                                     \
	{                                                                                                              \
		op_cred.uid, op_cred.gid, op_cred.pid, op->ext, op->extlen                                             \
	}
#define NAME op->name, strlen(op->name)

static struct vn_file *
op_file(const struct op *op, const struct vn_node *vp)
{
	return op->file != 0 ? vn_file_get(op->mp, op->file, vp) : NULL;
}

void
op_lookup(struct op *op, struct vn_node *vp)
{
	op->error = vop_lookup(WHO, vp, NAME, &op->entry);
}

void
op_mknod(struct op *op, struct vn_node *vp)
{
	op->error = vop_mknod(WHO, vp, NAME, op->mode, op->rdev, op->umask, &op->entry);
}

void
op_mkdir(struct op *op, struct vn_node *vp)
{
	op->error = vop_mkdir(WHO, vp, NAME, op->mode, op->umask, &op->entry);
}

void
op_symlink(struct op *op, struct vn_node *vp)
{
	op->error = vop_symlink(WHO, vp, NAME, op->newname, strlen(op->newname), &op->entry);
}

void
op_link(struct op *op, struct vn_node *dvp)
{
	struct vn_node *vp;

	if ((op->error = vn_get(op->mp, op->newdir, &vp)) != 0)
		return;
	op->error = vop_link(WHO, vp, dvp, NAME, &op->entry);
	vn_put(op->mp, vp);
}

void
op_unlink(struct op *op, struct vn_node *vp)
{
	op->error = vop_unlink(WHO, vp, NAME);
}

void
op_rmdir(struct op *op, struct vn_node *vp)
{
	op->error = vop_rmdir(WHO, vp, NAME);
}

void
op_rename(struct op *op, struct vn_node *vp)
{
	struct vn_node *newdvp;

	if ((op->error = vn_get(op->mp, op->newdir, &newdvp)) != 0)
		return;
	op->error = vop_rename(WHO, vp, NAME, newdvp, op->newname, strlen(op->newname), op->flags);
	vn_put(op->mp, newdvp);
}

void
op_readlink(struct op *op, struct vn_node *vp)
{
	op->error = vop_readlink(WHO, vp, &op->out);
}

void
op_getattr(struct op *op, struct vn_node *vp)
{
	op->error = vop_getattr(WHO, vp, op_file(op, vp), &op->attr, &op->valid);
}

void
op_setattr(struct op *op, struct vn_node *vp)
{
	op->error = vop_setattr(WHO, vp, op_file(op, vp), &op->set, &op->attr, &op->valid);
}

void
op_access(struct op *op, struct vn_node *vp)
{
	op->error = vop_access(WHO, vp, op->mode);
}

void
op_statfs(struct op *op, struct vn_node *vp)
{
	op->error = vop_statfs(WHO, vp, &op->st);
}

void
op_getxattr(struct op *op, struct vn_node *vp)
{
	op->error = vop_getxattr(WHO, vp, NAME, (uint32_t)op->len, &op->need, &op->out);
}

void
op_listxattr(struct op *op, struct vn_node *vp)
{
	op->error = vop_listxattr(WHO, vp, (uint32_t)op->len, &op->need, &op->out);
}

void
op_setxattr(struct op *op, struct vn_node *vp)
{
	op->error = vop_setxattr(WHO, vp, NAME, op->data, op->len, op->flags, op->xflags);
}

void
op_removexattr(struct op *op, struct vn_node *vp)
{
	op->error = vop_removexattr(WHO, vp, NAME);
}

void
op_open(struct op *op, struct vn_node *vp)
{
	struct vn_file *fp;

	if ((op->error = vop_open(WHO, vp, op->flags, op->xflags, &fp, &op->open_flags)) == 0)
		op->file = vn_file_id(fp);
}

void
op_opendir(struct op *op, struct vn_node *vp)
{
	struct vn_file *fp;

	if ((op->error = vop_opendir(WHO, vp, op->flags, &fp, &op->open_flags)) == 0)
		op->file = vn_file_id(fp);
}

void
op_create(struct op *op, struct vn_node *vp)
{
	struct vn_file *fp;

	op->error =
	    vop_create(WHO, vp, NAME, op->flags, op->mode, op->umask, op->xflags, &op->entry, &fp, &op->open_flags);
	if (op->error == 0)
		op->file = vn_file_id(fp);
}

void
op_read(struct op *op, struct vn_node *vp)
{
	op->error = vop_read(WHO, vp, op_file(op, vp), &op->io, &op->out);
}

void
op_write(struct op *op, struct vn_node *vp)
{
	op->error = vop_write(WHO, vp, op_file(op, vp), &op->io, op->data, op->len, &op->written);
}

void
op_flush(struct op *op, struct vn_node *vp)
{
	op->error = vop_flush(WHO, vp, op_file(op, vp), op->owner);
}

void
op_fsync(struct op *op, struct vn_node *vp)
{
	op->error = vop_fsync(WHO, vp, op_file(op, vp), op->flags, op->dir);
}

void
op_release(struct op *op, struct vn_node *vp)
{
	op->error = vop_release(WHO, op_file(op, NULL), op->flags, op->xflags, op->owner);
}

void
op_readdir(struct op *op, struct vn_node *vp)
{
	op->error = vop_readdir(WHO, vp, op_file(op, vp), &op->io, op->plus, &op->out);
}

void
op_tmpfile(struct op *op, struct vn_node *vp)
{
	struct vn_file *fp;

	op->error = vop_tmpfile(WHO, vp, op->flags, op->mode, op->umask, op->xflags, &op->entry, &fp, &op->open_flags);
	if (op->error == 0)
		op->file = vn_file_id(fp);
}

void
op_statx(struct op *op, struct vn_node *vp)
{
	op->error = vop_statx(WHO, vp, op_file(op, vp), op->flags, op->mode, &op->sx, &op->valid);
}

void
op_syncfs(struct op *op, struct vn_node *vp)
{
	op->error = vop_syncfs(WHO, vp);
}

void
op_fallocate(struct op *op, struct vn_node *vp)
{
	op->error = vop_fallocate(WHO, vp, op_file(op, vp), op->mode, op->offset, op->size);
}

void
op_lseek(struct op *op, struct vn_node *vp)
{
	op->error = vop_lseek(WHO, vp, op_file(op, vp), op->offset, op->flags, &op->pos);
}

void
op_copy_file_range(struct op *op, struct vn_node *vp)
{
	struct vn_node *vp_out;

	if ((op->error = vn_get(op->mp, op->newdir, &vp_out)) != 0)
		return;
	op->error = vop_copy_file_range(WHO, vp, op_file(op, vp), vp_out,
	    op->file_out != 0 ? vn_file_get(op->mp, op->file_out, vp_out) : NULL, &op->copy, &op->pos);
	vn_put(op->mp, vp_out);
}

void
op_getlk(struct op *op, struct vn_node *vp)
{
	op->error = vop_getlk(WHO, vp, op_file(op, vp), &op->lock);
}

void
op_setlk(struct op *op, struct vn_node *vp)
{
	op->error = vop_setlk(WHO, vp, op_file(op, vp), &op->lock, op->wait);
}

void
op_ioctl(struct op *op, struct vn_node *vp)
{
	op->error = vop_ioctl(WHO, vp, op_file(op, vp), &op->ioctl, &op->result, &op->out);
}

void
op_poll(struct op *op, struct vn_node *vp)
{
	op->error = vop_poll(WHO, vp, op_file(op, vp), op->kh, op->flags, op->mode, &op->revents);
}

void
op_bmap(struct op *op, struct vn_node *vp)
{
	op->error = vop_bmap(WHO, vp, op->offset, op->mode, &op->pos);
}

void
op_destroy(struct op *op, struct vn_node *vp)
{
	op->error = vn_mount_destroy(op->mp);
}

static void
op_main(void *arg)
{
	struct op *op = arg;
	struct vn_node *vp;

	op->co = co_self();
	if ((op->error = vn_get(op->mp, op->nodeid, &vp)) == 0) {
		op->run(op, vp);
		vn_put(op->mp, vp);
	}
	op->done = true;
}

void
op_start(struct fake *f, struct op *op)
{
	op->mp = f->mp;
	op->done = false;
	op->error = -1;
	op->out = (struct vop_data){ 0 };
	ck_assert_int_eq(co_start(op_main, op), 0);
}

struct wire_req
op_ask(struct fake *f, struct op *op, uint32_t opcode)
{
	struct wire_req req;

	op_start(f, op);
	req = fake_expect(f, opcode);
	ck_assert(!op->done);
	ck_assert_uint_eq(req.hdr.uid, op_cred.uid);
	ck_assert_uint_eq(req.hdr.gid, op_cred.gid);
	ck_assert_uint_eq(req.hdr.pid, (uint32_t)op_cred.pid);
	return req;
}

void
op_alone(struct fake *f, struct op *op, int error)
{
	op_start(f, op);
	fake_quiet(f);
	op_ended(op, error);
}

void
op_ended(const struct op *op, int error)
{
	ck_assert(op->done);
	ck_assert_int_eq(op->error, error);
}

union wire_out
an_entry(uint64_t d_nodeid, uint64_t generation, uint32_t mode)
{
	/* CREATE's, whose beginning is any other's */
	return (union wire_out){ .create.entry = {
				     .nodeid = d_nodeid,
				     .generation = generation,
				     .entry_valid = 1,
				     .attr_valid = 2,
				     .entry_valid_nsec = 3,
				     .attr_valid_nsec = 4,
				     .attr = { .ino = d_nodeid, .mode = mode, .nlink = 1, .size = 1000 + d_nodeid },
				 } };
}

uint64_t
a_node(struct fake *f, uint64_t parent, const char *name, uint64_t d_nodeid, uint32_t mode)
{
	struct op op = { .run = op_lookup, .nodeid = parent, .name = name };
	union wire_out out = an_entry(d_nodeid, 0, mode);
	struct wire_req req = op_ask(f, &op, WIRE_LOOKUP);

	fake_reply(f, &req, &out, NULL, 0);
	op_ended(&op, 0);
	return op.entry.nodeid;
}

uint64_t
a_file(struct fake *f, uint64_t nodeid, uint64_t fh, bool dir)
{
	struct op op = { .run = dir ? op_opendir : op_open, .nodeid = nodeid };
	union wire_out out = { .open.fh = fh };
	struct wire_req req = op_ask(f, &op, dir ? WIRE_OPENDIR : WIRE_OPEN);

	fake_reply(f, &req, &out, NULL, 0);
	op_ended(&op, 0);
	ck_assert_uint_ne(op.file, 0);
	return op.file;
}

struct vn_counts
counts(const struct fake *f)
{
	struct vn_counts c;

	vn_mount_counts(f->mp, &c);
	return c;
}

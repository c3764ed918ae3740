/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's requests as vnode operations: one small function per opcode takes the request's fields, calls the vop, and puts
 * the result into the kernel's answer. What the kernel refuses to take (its caller is gone) is undone: lookups are
 * given back, opened files released.
 */
#include <errno.h>
#include <string.h>

#include "host/linux/priv.h"

/* ---- conversions ---- */

static void
put_attr(struct wire_attr *to, const struct vop_attr *a)
{
	*to = (struct wire_attr){
		.ino = a->ino,
		.size = a->size,
		.blocks = a->blocks,
		.atime = a->atime,
		.mtime = a->mtime,
		.ctime = a->ctime,
		.atimensec = a->atimensec,
		.mtimensec = a->mtimensec,
		.ctimensec = a->ctimensec,
		.mode = a->mode,
		.nlink = a->nlink,
		.uid = a->uid,
		.gid = a->gid,
		.rdev = a->rdev,
		.blksize = a->blksize,
		.flags = a->flags,
	};
}

static void
put_entry(struct wire_entry_out *to, const struct vop_entry *e)
{
	to->nodeid = e->nodeid;
	to->generation = e->generation;
	to->entry_valid = e->entry_valid.sec;
	to->entry_valid_nsec = e->entry_valid.nsec;
	to->attr_valid = e->attr_valid.sec;
	to->attr_valid_nsec = e->attr_valid.nsec;
	put_attr(&to->attr, &e->attr);
}

/* Answer with an entry; its lookup is given back when the kernel does not take it. */
static int
reply_entry(struct op *op, const struct vop_entry *e)
{
	union wire_out out;

	memset(&out.entry, 0, sizeof(out.entry));
	put_entry(&out.entry, e);
	if (reply_out(op, &out) != 0 && e->nodeid != 0)
		vop_forget(op->mp, e->nodeid, 1);
	return 0;
}

static int
reply_attr(struct op *op, const struct vop_attr *a, struct vop_timeout valid)
{
	union wire_out out;

	memset(&out.attr, 0, sizeof(out.attr));
	out.attr.attr_valid = valid.sec;
	out.attr.attr_valid_nsec = valid.nsec;
	put_attr(&out.attr.attr, a);
	(void)reply_out(op, &out);
	return 0;
}

/* Answer an operation that returns nothing. */
static int
reply_done(struct op *op, int error)
{
	if (error != 0)
		return error;
	(void)reply_empty(op);
	return 0;
}

/* The open file that the kernel means by fh; 0 stands for none (a handle-less file, or the kernel does not say). 0 or EBADF. */
static int
get_file(struct op *op, const struct vn_node *vp, uint64_t fh, struct vn_file **out)
{
	*out = fh != 0 ? vn_file_get(op->mp, fh, vp) : NULL;
	return fh != 0 && *out == NULL ? EBADF : 0;
}

/* ---- names ---- */

static int
op_lookup(struct op *op, struct vn_node *vp)
{
	struct vop_entry e;
	int error = vop_lookup(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0], &e);

	return error != 0 ? error : reply_entry(op, &e);
}

static int
op_mknod(struct op *op, struct vn_node *vp)
{
	const struct wire_mknod_in *in = &op->req.in.mknod;
	struct vop_entry e;
	int error =
	    vop_mknod(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0], in->mode, in->rdev, in->umask, &e);

	return error != 0 ? error : reply_entry(op, &e);
}

static int
op_mkdir(struct op *op, struct vn_node *vp)
{
	const struct wire_mkdir_in *in = &op->req.in.mkdir;
	struct vop_entry e;
	int error = vop_mkdir(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0], in->mode, in->umask, &e);

	return error != 0 ? error : reply_entry(op, &e);
}

static int
op_symlink(struct op *op, struct vn_node *vp)
{
	struct vop_entry e;
	int error = vop_symlink(
	    op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0], op->req.name[1], op->req.namelen[1], &e);

	return error != 0 ? error : reply_entry(op, &e);
}

static int
op_link(struct op *op, struct vn_node *dvp)
{
	struct vop_entry e;
	struct vn_node *vp;
	int error;

	if ((error = vn_get(op->mp, op->req.in.link.oldnodeid, &vp)) != 0)
		return error;
	error = vop_link(op->mp, &op->cred, vp, dvp, op->req.name[0], op->req.namelen[0], &e);
	vn_put(op->mp, vp);
	return error != 0 ? error : reply_entry(op, &e);
}

static int
op_unlink(struct op *op, struct vn_node *vp)
{
	return reply_done(op, vop_unlink(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0]));
}

static int
op_rmdir(struct op *op, struct vn_node *vp)
{
	return reply_done(op, vop_rmdir(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0]));
}

static int
rename_to(struct op *op, struct vn_node *dvp, uint64_t newdir, uint32_t flags)
{
	struct vn_node *newdvp;
	int error;

	if ((error = vn_get(op->mp, newdir, &newdvp)) != 0)
		return error;
	error = vop_rename(op->mp, &op->cred, dvp, op->req.name[0], op->req.namelen[0], newdvp, op->req.name[1],
	    op->req.namelen[1], flags);
	vn_put(op->mp, newdvp);
	return reply_done(op, error);
}

static int
op_rename(struct op *op, struct vn_node *vp)
{
	return rename_to(op, vp, op->req.in.rename.newdir, 0);
}

static int
op_rename2(struct op *op, struct vn_node *vp)
{
	return rename_to(op, vp, op->req.in.rename2.newdir, op->req.in.rename2.flags);
}

static int
op_readlink(struct op *op, struct vn_node *vp)
{
	struct vop_data data;
	int error = vop_readlink(op->mp, &op->cred, vp, &data);

	if (error != 0)
		return error;
	(void)reply_data(op, data.p, data.len);
	vop_data_done(&data);
	return 0;
}

/* ---- attributes ---- */

static int
op_getattr(struct op *op, struct vn_node *vp)
{
	const struct wire_getattr_in *in = &op->req.in.getattr;
	struct vop_timeout valid;
	struct vop_attr attr;
	struct vn_file *file;
	int error;

	if ((error = get_file(op, vp, in->getattr_flags & WIRE_GETATTR_FH ? in->fh : 0, &file)) != 0)
		return error;
	error = vop_getattr(op->mp, &op->cred, vp, file, &attr, &valid);
	return error != 0 ? error : reply_attr(op, &attr, valid);
}

static int
op_setattr(struct op *op, struct vn_node *vp)
{
	const struct wire_setattr_in *in = &op->req.in.setattr;
	struct vop_setattr set = {
		.valid = in->valid,
		.mode = in->mode,
		.uid = in->uid,
		.gid = in->gid,
		.size = in->size,
		.lock_owner = in->lock_owner,
		.atime = in->atime,
		.mtime = in->mtime,
		.ctime = in->ctime,
		.atimensec = in->atimensec,
		.mtimensec = in->mtimensec,
		.ctimensec = in->ctimensec,
	};
	struct vop_timeout valid;
	struct vop_attr attr;
	struct vn_file *file;
	int error;

	if ((error = get_file(op, vp, in->valid & WIRE_FATTR_FH ? in->fh : 0, &file)) != 0)
		return error;
	error = vop_setattr(op->mp, &op->cred, vp, file, &set, &attr, &valid);
	return error != 0 ? error : reply_attr(op, &attr, valid);
}

static int
op_access(struct op *op, struct vn_node *vp)
{
	return reply_done(op, vop_access(op->mp, &op->cred, vp, op->req.in.access.mask));
}

static int
op_statfs(struct op *op, struct vn_node *vp)
{
	struct vop_statfs st;
	union wire_out out;
	int error;

	if ((error = vop_statfs(op->mp, &op->cred, vp, &st)) != 0)
		return error;
	memset(&out.statfs, 0, sizeof(out.statfs));
	out.statfs.st = (struct wire_kstatfs){
		.blocks = st.blocks,
		.bfree = st.bfree,
		.bavail = st.bavail,
		.files = st.files,
		.ffree = st.ffree,
		.bsize = st.bsize,
		.namelen = st.namelen,
		.frsize = st.frsize,
	};
	(void)reply_out(op, &out);
	return 0;
}

/* ---- extended attributes ---- */

static int
reply_xattr(struct op *op, uint32_t size, uint32_t need, struct vop_data *data)
{
	union wire_out out;

	if (size == 0) {
		out.getxattr = (struct wire_getxattr_out){ .size = need };
		(void)reply_out(op, &out);
	} else {
		(void)reply_data(op, data->p, data->len);
		vop_data_done(data);
	}
	return 0;
}

static int
op_getxattr(struct op *op, struct vn_node *vp)
{
	uint32_t size = op->req.in.getxattr.size, need;
	struct vop_data data;
	int error = vop_getxattr(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0], size, &need, &data);

	return error != 0 ? error : reply_xattr(op, size, need, &data);
}

static int
op_listxattr(struct op *op, struct vn_node *vp)
{
	uint32_t size = op->req.in.getxattr.size, need;
	struct vop_data data;
	int error = vop_listxattr(op->mp, &op->cred, vp, size, &need, &data);

	return error != 0 ? error : reply_xattr(op, size, need, &data);
}

static int
op_setxattr(struct op *op, struct vn_node *vp)
{
	const struct wire_setxattr_in *in = &op->req.in.setxattr;

	return reply_done(op, vop_setxattr(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0], op->req.data,
				  op->req.datalen, in->flags, in->setxattr_flags));
}

static int
op_removexattr(struct op *op, struct vn_node *vp)
{
	return reply_done(op, vop_removexattr(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0]));
}

/* ---- files ---- */

static void
put_open(struct wire_open_out *to, const struct vn_file *file, uint32_t open_flags)
{
	/* What the kernel knows of; the upper ones (passthrough) need descriptors that no socket carries. */
	enum {
		KNOWN = VOP_OPEN_DIRECT_IO | VOP_OPEN_KEEP_CACHE | VOP_OPEN_NONSEEKABLE | VOP_OPEN_CACHE_DIR |
			VOP_OPEN_STREAM | VOP_OPEN_NOFLUSH | VOP_OPEN_PARALLEL_DIRECT_WRITES
	};

	*to = (struct wire_open_out){ .fh = vn_file_id(file), .open_flags = open_flags & KNOWN };
}

static int
reply_open(struct op *op, struct vn_file *file, uint32_t open_flags, bool dir)
{
	union wire_out out;

	if (vn_handleless(op->mp, dir)) {
		/* The kernel asks no more, sends no RELEASE, and its I/O carries no handle. */
		vop_release_unused(op->mp, file);
		return ENOSYS;
	}
	put_open(&out.open, file, open_flags);
	if (reply_out(op, &out) != 0)
		vop_release_unused(op->mp, file);
	return 0;
}

static int
op_open(struct op *op, struct vn_node *vp)
{
	const struct wire_open_in *in = &op->req.in.open;
	struct vn_file *file;
	uint32_t open_flags;
	int error = vop_open(op->mp, &op->cred, vp, in->flags, in->open_flags, &file, &open_flags);

	return error != 0 ? error : reply_open(op, file, open_flags, false);
}

static int
op_opendir(struct op *op, struct vn_node *vp)
{
	struct vn_file *file;
	uint32_t open_flags;
	int error = vop_opendir(op->mp, &op->cred, vp, op->req.in.open.flags, &file, &open_flags);

	return error != 0 ? error : reply_open(op, file, open_flags, true);
}

static int
op_create(struct op *op, struct vn_node *vp)
{
	const struct wire_create_in *in = &op->req.in.create;
	struct vn_file *file;
	struct vop_entry e;
	union wire_out out;
	uint32_t open_flags;
	int error;

	error = vop_create(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0], in->flags, in->mode, in->umask,
	    in->open_flags, &e, &file, &open_flags);
	if (error != 0)
		return error;
	memset(&out.create, 0, sizeof(out.create));
	put_entry(&out.create.entry, &e);
	put_open(&out.create.open, file, open_flags);
	if (vn_handleless(op->mp, false)) {
		/* As after ENOSYS of OPEN: I/O carries no handle, and some kernels send no RELEASE. */
		vop_release_unused(op->mp, file);
		file = NULL;
		out.create.open.fh = 0;
	}
	if (reply_out(op, &out) != 0) {
		if (file != NULL)
			vop_release_unused(op->mp, file);
		vop_forget(op->mp, e.nodeid, 1);
	}
	return 0;
}

static int
op_read(struct op *op, struct vn_node *vp)
{
	const struct wire_read_in *in = &op->req.in.read;
	struct vop_io io = { in->offset, in->size, in->read_flags, in->lock_owner, in->flags };
	struct vop_data data;
	struct vn_file *file;
	int error;

	if ((error = get_file(op, vp, in->fh, &file)) != 0)
		return error;
	if ((error = vop_read(op->mp, &op->cred, vp, file, &io, &data)) != 0)
		return error;
	(void)reply_data(op, data.p, data.len);
	vop_data_done(&data);
	return 0;
}

static int
op_write(struct op *op, struct vn_node *vp)
{
	const struct wire_write_in *in = &op->req.in.write;
	struct vop_io io = { in->offset, in->size, in->write_flags, in->lock_owner, in->flags };
	struct vn_file *file;
	union wire_out out;
	uint32_t written;
	int error;

	if ((error = get_file(op, vp, in->fh, &file)) != 0)
		return error;
	error = vop_write(op->mp, &op->cred, vp, file, &io, op->req.data, op->req.datalen, &written);
	if (error != 0)
		return error;
	out.write = (struct wire_write_out){ .size = written };
	(void)reply_out(op, &out);
	return 0;
}

static int
op_flush(struct op *op, struct vn_node *vp)
{
	const struct wire_flush_in *in = &op->req.in.flush;
	struct vn_file *file;
	int error;

	if ((error = get_file(op, vp, in->fh, &file)) != 0)
		return error;
	return reply_done(op, vop_flush(op->mp, &op->cred, vp, file, in->lock_owner));
}

static int
fsync_file(struct op *op, struct vn_node *vp, bool dir)
{
	const struct wire_fsync_in *in = &op->req.in.fsync;
	struct vn_file *file;
	int error;

	if ((error = get_file(op, vp, in->fh, &file)) != 0)
		return error;
	return reply_done(op, vop_fsync(op->mp, &op->cred, vp, file, in->fsync_flags, dir));
}

static int
op_fsync(struct op *op, struct vn_node *vp)
{
	return fsync_file(op, vp, false);
}

static int
op_fsyncdir(struct op *op, struct vn_node *vp)
{
	return fsync_file(op, vp, true);
}

/* (vp is NULL: the file is known by its id alone.) */
static int
op_release(struct op *op, struct vn_node *vp)
{
	const struct wire_release_in *in = &op->req.in.release;
	struct vn_file *file;
	int error;

	if ((error = get_file(op, vp, in->fh, &file)) != 0)
		return error;
	if (file == NULL)
		return reply_done(op, 0);
	return reply_done(op, vop_release(op->mp, &op->cred, file, in->flags, in->release_flags, in->lock_owner));
}

static int
read_directory(struct op *op, struct vn_node *vp, bool plus)
{
	const struct wire_read_in *in = &op->req.in.read;
	struct vop_io io = { in->offset, in->size, in->read_flags, in->lock_owner, in->flags };
	struct vop_data data;
	struct vn_file *file;
	int error;

	if ((error = get_file(op, vp, in->fh, &file)) != 0)
		return error;
	if ((error = vop_readdir(op->mp, &op->cred, vp, file, &io, plus, &data)) != 0)
		return error;
	if (reply_data(op, data.p, data.len) != 0 && plus)
		vop_readdir_undo(op->mp, &data);
	vop_data_done(&data);
	return 0;
}

static int
op_readdir(struct op *op, struct vn_node *vp)
{
	return read_directory(op, vp, false);
}

static int
op_readdirplus(struct op *op, struct vn_node *vp)
{
	return read_directory(op, vp, true);
}

/* ---- the table: no row, ENOSYS; FORGET, BATCH_FORGET, INTERRUPT, INIT and DESTROY are the device's own ---- */

static op_fn *const table[] = {
	[WIRE_LOOKUP] = op_lookup,
	[WIRE_GETATTR] = op_getattr,
	[WIRE_SETATTR] = op_setattr,
	[WIRE_READLINK] = op_readlink,
	[WIRE_SYMLINK] = op_symlink,
	[WIRE_MKNOD] = op_mknod,
	[WIRE_MKDIR] = op_mkdir,
	[WIRE_UNLINK] = op_unlink,
	[WIRE_RMDIR] = op_rmdir,
	[WIRE_RENAME] = op_rename,
	[WIRE_LINK] = op_link,
	[WIRE_OPEN] = op_open,
	[WIRE_READ] = op_read,
	[WIRE_WRITE] = op_write,
	[WIRE_STATFS] = op_statfs,
	[WIRE_RELEASE] = op_release,
	[WIRE_FSYNC] = op_fsync,
	[WIRE_SETXATTR] = op_setxattr,
	[WIRE_GETXATTR] = op_getxattr,
	[WIRE_LISTXATTR] = op_listxattr,
	[WIRE_REMOVEXATTR] = op_removexattr,
	[WIRE_FLUSH] = op_flush,
	[WIRE_OPENDIR] = op_opendir,
	[WIRE_READDIR] = op_readdir,
	[WIRE_RELEASEDIR] = op_release,
	[WIRE_FSYNCDIR] = op_fsyncdir,
	[WIRE_ACCESS] = op_access,
	[WIRE_CREATE] = op_create,
	[WIRE_READDIRPLUS] = op_readdirplus,
	[WIRE_RENAME2] = op_rename2,
};

op_fn *
op_lookup_fn(uint32_t opcode)
{
	return opcode < sizeof(table) / sizeof(table[0]) ? table[opcode] : NULL;
}

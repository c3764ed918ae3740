/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's requests as vnode operations: one small function per opcode takes the request's fields, calls the vop, and puts
 * the result into the kernel's answer. What the kernel refuses to take (its caller is gone) is undone: lookups are
 * given back, opened files released. Here: names and attributes, and the table of all; what is done to open files is in
 * ops_file.c.
 */
#include <errno.h>
#include <string.h>

#include "host/linux/ops.h"

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

void
op_put_entry(struct wire_entry_out *to, const struct vop_entry *e)
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
	op_put_entry(&out.entry, e);
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

int
op_done(struct op *op, int error)
{
	if (error != 0)
		return error;
	(void)reply_empty(op);
	return 0;
}

int
op_file(struct op *op, const struct vn_node *vp, uint64_t fh, struct vn_file **out)
{
	*out = fh != 0 ? vn_file_get(op->mp, fh, vp) : NULL;
	return fh != 0 && *out == NULL ? EBADF : 0;
}

/* The same where a flag says whether one is meant; then 0 is a handle-less one, and the daemon is told so. */
static int
flagged_file(struct op *op, const struct vn_node *vp, bool meant, uint64_t fh, struct vn_file **out)
{
	if (meant && fh == 0) {
		*out = vn_file_handleless(op->mp);
		return 0;
	}
	return op_file(op, vp, meant ? fh : 0, out);
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
	return op_done(op, vop_unlink(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0]));
}

static int
op_rmdir(struct op *op, struct vn_node *vp)
{
	return op_done(op, vop_rmdir(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0]));
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
	return op_done(op, error);
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

/*
 * ---- attributes ----
 *
 * Those that made a node bad are passed on: the kernel then finds its own inode bad and looks the name up again, as it does
 * natively. With a plain EIO it would go on believing the name for as long as it is valid.
 */

static int
unless_bad(const struct vn_node *vp, int error)
{
	return error == EIO && vn_bad(vp) ? 0 : error;
}

static int
op_getattr(struct op *op, struct vn_node *vp)
{
	const struct wire_getattr_in *in = &op->req.in.getattr;
	struct vop_timeout valid = { 0 };
	struct vop_attr attr = { 0 }; /* of no type, which is bad */
	struct vn_file *file;
	int error;

	if ((error = flagged_file(op, vp, (in->getattr_flags & WIRE_GETATTR_FH) != 0, in->fh, &file)) != 0)
		return error;
	error = unless_bad(vp, vop_getattr(op->mp, &op->cred, vp, file, &attr, &valid));
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
	struct vop_timeout valid = { 0 };
	struct vop_attr attr = { 0 }; /* of no type, which is bad */
	struct vn_file *file;
	int error;

	if ((error = flagged_file(op, vp, (in->valid & WIRE_FATTR_FH) != 0, in->fh, &file)) != 0)
		return error;
	error = unless_bad(vp, vop_setattr(op->mp, &op->cred, vp, file, &set, &attr, &valid));
	return error != 0 ? error : reply_attr(op, &attr, valid);
}

static int
op_access(struct op *op, struct vn_node *vp)
{
	return op_done(op, vop_access(op->mp, &op->cred, vp, op->req.in.access.mask));
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

static struct wire_sx_time
sx_time(struct vop_time t)
{
	return (struct wire_sx_time){ .tv_sec = t.sec, .tv_nsec = t.nsec };
}

static int
op_statx(struct op *op, struct vn_node *vp)
{
	const struct wire_statx_in *in = &op->req.in.statx;
	struct vop_timeout valid = { 0 };
	struct vop_statx sx = { .mask = 1 }; /* a type, and none: bad */
	struct vn_file *file;
	union wire_out out;
	int error;

	if ((error = flagged_file(op, vp, (in->getattr_flags & WIRE_GETATTR_FH) != 0, in->fh, &file)) != 0)
		return error;
	error = vop_statx(op->mp, &op->cred, vp, file, in->sx_flags, in->sx_mask, &sx, &valid);
	if ((error = unless_bad(vp, error)) != 0)
		return error;
	memset(&out.statx, 0, sizeof(out.statx));
	out.statx.attr_valid = valid.sec;
	out.statx.attr_valid_nsec = valid.nsec;
	out.statx.stat = (struct wire_statx){
		.mask = sx.mask,
		.blksize = sx.blksize,
		.attributes = sx.attributes,
		.nlink = sx.nlink,
		.uid = sx.uid,
		.gid = sx.gid,
		.mode = (uint16_t)sx.mode,
		.ino = sx.ino,
		.size = sx.size,
		.blocks = sx.blocks,
		.attributes_mask = sx.attributes_mask,
		.atime = sx_time(sx.atime),
		.btime = sx_time(sx.btime),
		.ctime = sx_time(sx.ctime),
		.mtime = sx_time(sx.mtime),
		.rdev_major = sx.rdev_major,
		.rdev_minor = sx.rdev_minor,
		.dev_major = sx.dev_major,
		.dev_minor = sx.dev_minor,
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

	return op_done(op, vop_setxattr(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0], op->req.data,
			       op->req.datalen, in->flags, in->setxattr_flags));
}

static int
op_removexattr(struct op *op, struct vn_node *vp)
{
	return op_done(op, vop_removexattr(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0]));
}

/*
 * ---- the table: no row, ENOSYS ----
 *
 * FORGET, BATCH_FORGET, INTERRUPT, NOTIFY_REPLY, INIT and DESTROY are the device's own. SETUPMAPPING and REMOVEMAPPING (DAX) are not
 * served: they map a file into a window of memory that virtiofs shares and a socket has not. Nor is CUSE_INIT: no mount has it.
 */

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
	[WIRE_GETLK] = op_getlk,
	[WIRE_SETLK] = op_setlk,
	[WIRE_SETLKW] = op_setlk,
	[WIRE_BMAP] = op_bmap,
	[WIRE_IOCTL] = op_ioctl,
	[WIRE_POLL] = op_poll,
	[WIRE_FALLOCATE] = op_fallocate,
	[WIRE_LSEEK] = op_lseek,
	[WIRE_COPY_FILE_RANGE] = op_copy_file_range,
	[WIRE_COPY_FILE_RANGE_64] = op_copy_file_range,
	[WIRE_SYNCFS] = op_syncfs,
	[WIRE_TMPFILE] = op_tmpfile,
	[WIRE_STATX] = op_statx,
};

op_fn *
op_lookup_fn(uint32_t opcode)
{
	return opcode < sizeof(table) / sizeof(table[0]) ? table[opcode] : NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations on what a node is: its attributes, access to it, the target of a symbolic link, its file system's numbers,
 * its extended attributes.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "vnode/priv.h"

int
vop_getattr(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    struct vop_attr *out, struct vop_timeout *valid)
{
	struct conn_call c;
	uint8_t life = vp->life;
	int error;

	vn_call_init(&c, WIRE_GETATTR, vp, cred);
	if (file != NULL && !file->dir) { /* directories have handles of their own kind */
		c.in.getattr.getattr_flags = WIRE_GETATTR_FH;
		c.in.getattr.fh = file->fh;
	}
	if ((error = vn_call(mp, &c)) != 0)
		return error;
	error = vn_attr(vp, life, &c.rep.out.attr.attr, out);
	*valid = vn_timeout(c.rep.out.attr.attr_valid, c.rep.out.attr.attr_valid_nsec);
	conn_done(&c);
	return error;
}

int
vop_statx(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file, uint32_t flags,
    uint32_t mask, struct vop_statx *out, struct vop_timeout *valid)
{
	struct conn_call c;
	uint8_t life = vp->life;
	int error;

	vn_call_init(&c, WIRE_STATX, vp, cred);
	c.in.statx.sx_flags = flags;
	c.in.statx.sx_mask = mask;
	if (file != NULL && !file->dir) {
		c.in.statx.getattr_flags = WIRE_GETATTR_FH;
		c.in.statx.fh = file->fh;
	}
	if ((error = vn_call_opt(mp, &c)) != 0)
		return error;
	error = vn_statx(vp, life, &c.rep.out.statx.stat, out);
	*valid = vn_timeout(c.rep.out.statx.attr_valid, c.rep.out.statx.attr_valid_nsec);
	conn_done(&c);
	return error;
}

int
vop_setattr(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    const struct vop_setattr *set, struct vop_attr *out, struct vop_timeout *valid)
{
	struct conn_call c;
	uint8_t life = vp->life;
	int error;

	vn_call_init(&c, WIRE_SETATTR, vp, cred);
	c.in.setattr = (struct wire_setattr_in){
		.valid = set->valid & ~(uint32_t)VOP_SET_FH,
		.size = set->size,
		.lock_owner = set->lock_owner,
		.atime = set->atime,
		.mtime = set->mtime,
		.ctime = set->ctime,
		.atimensec = set->atimensec,
		.mtimensec = set->mtimensec,
		.ctimensec = set->ctimensec,
		.mode = set->mode,
		.uid = set->uid,
		.gid = set->gid,
	};
	if (file != NULL && !file->dir) {
		c.in.setattr.valid |= VOP_SET_FH;
		c.in.setattr.fh = file->fh;
	}
	if ((error = vn_call(mp, &c)) != 0)
		return error;
	error = vn_attr(vp, life, &c.rep.out.attr.attr, out);
	*valid = vn_timeout(c.rep.out.attr.attr_valid, c.rep.out.attr.attr_valid_nsec);
	conn_done(&c);
	return error;
}

int
vop_access(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, uint32_t mask)
{
	struct conn_call c;

	vn_call_init(&c, WIRE_ACCESS, vp, cred);
	c.in.access.mask = mask;
	return vn_call_done(&c, vn_call_opt(mp, &c));
}

int
vop_statfs(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vop_statfs *out)
{
	const struct wire_kstatfs *st;
	struct conn_call c;
	int error;

	vn_call_init(&c, WIRE_STATFS, vp, cred);
	if ((error = vn_call(mp, &c)) != 0)
		return error;
	st = &c.rep.out.statfs.st;
	*out = (struct vop_statfs){ st->blocks, st->bfree, st->bavail, st->files, st->ffree, st->bsize, st->namelen,
		st->frsize };
	conn_done(&c);
	return 0;
}

int
vop_readlink(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vop_data *out)
{
	struct conn_call c;
	int error;

	vn_call_init(&c, WIRE_READLINK, vp, cred);
	c.limit = VN_PATH_MAX - 1;
	if ((error = vn_call(mp, &c)) != 0)
		return error;
	vn_call_data(&c, out);
	return 0;
}

/* ---- extended attributes ---- */

/* The two that return something: a size, or at most size bytes. */
static int
xattr_get(struct vn_mount *mp, struct conn_call *c, uint32_t size, uint32_t *need, struct vop_data *out)
{
	int error;

	c->in.getxattr.size = size;
	c->limit = size < VN_XATTR_MAX ? size : VN_XATTR_MAX;
	if ((error = vn_call_opt(mp, c)) != 0)
		return error;
	if (size == 0) {
		*need = c->rep.out.getxattr.size < VN_XATTR_MAX ? c->rep.out.getxattr.size : VN_XATTR_MAX;
		*out = (struct vop_data){ 0 };
		conn_done(c);
	} else {
		*need = (uint32_t)c->rep.datalen;
		vn_call_data(c, out);
	}
	return 0;
}

int
vop_getxattr(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, const char *name, size_t len,
    uint32_t size, uint32_t *need, struct vop_data *out)
{
	struct conn_call c;

	vn_call_init(&c, WIRE_GETXATTR, vp, cred);
	vn_call_name(&c, name, len);
	return xattr_get(mp, &c, size, need, out);
}

/* Names that are not empty, each with its NUL. */
static bool
valid_xattr_list(const char *list, size_t len)
{
	while (len > 0) {
		size_t n = strnlen(list, len);

		if (n == 0 || n == len)
			return false;
		list += n + 1;
		len -= n + 1;
	}
	return true;
}

int
vop_listxattr(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, uint32_t size, uint32_t *need,
    struct vop_data *out)
{
	struct conn_call c;
	int error;

	vn_call_init(&c, WIRE_LISTXATTR, vp, cred);
	if ((error = xattr_get(mp, &c, size, need, out)) != 0)
		return error;
	if (valid_xattr_list((const char *)out->p, out->len))
		return 0;
	vop_data_done(out);
	return EIO;
}

int
vop_setxattr(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, const char *name, size_t len,
    const void *value, size_t size, uint32_t flags, uint32_t ext_flags)
{
	struct conn_call c;

	if (size > VN_XATTR_MAX)
		return E2BIG;
	vn_call_init(&c, WIRE_SETXATTR, vp, cred);
	c.in.setxattr.size = (uint32_t)size;
	c.in.setxattr.flags = flags;
	c.in.setxattr.setxattr_flags = ext_flags;
	vn_call_name(&c, name, len);
	c.iov[c.iovcnt++] = (struct iovec){ (void *)(uintptr_t)value, size };
	return vn_call_done(&c, vn_call_opt(mp, &c));
}

int
vop_removexattr(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, const char *name, size_t len)
{
	struct conn_call c;

	vn_call_init(&c, WIRE_REMOVEXATTR, vp, cred);
	vn_call_name(&c, name, len);
	return vn_call_done(&c, vn_call_opt(mp, &c));
}

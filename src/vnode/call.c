/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steps around conn_call() that all operations share: who asks, about which node, what was answered, and which
 * operations this daemon does not have.
 */
#include <errno.h>
#include <string.h>

#include "vnode/priv.h"

void
vn_call_init(struct conn_call *c, uint32_t opcode, const struct vn_node *vp, const struct vop_cred *cred)
{
	c->opcode = opcode;
	c->nodeid = vp != NULL ? vp->d_nodeid : 0;
	c->uid = cred->uid;
	c->gid = cred->gid;
	c->pid = (uint32_t)cred->pid;
	memset(&c->in, 0, sizeof(c->in));
	c->iovcnt = 0;
	c->extlen = 0;
	c->limit = 0;
	c->chunk = NULL;
}

void
vn_call_name(struct conn_call *c, const char *name, size_t len)
{
	c->iov[c->iovcnt++] = (struct iovec){ (void *)(uintptr_t)name, len + 1 };
}

void
vn_call_ext(const struct vn_mount *mp, struct conn_call *c, const struct vop_cred *cred)
{
	if (cred->extlen == 0 || (mp->flags & (WIRE_INIT_SECURITY_CTX | WIRE_INIT_CREATE_SUPP_GROUP)) == 0)
		return;
	c->iov[c->iovcnt++] = (struct iovec){ (void *)(uintptr_t)cred->ext, cred->extlen };
	c->extlen = cred->extlen;
}

int
vn_call(struct vn_mount *mp, struct conn_call *c)
{
	int error = conn_call(mp->conn, c);

	if (error == EMSGSIZE)
		return EIO; /* more than this connection carries, which INIT should have kept from happening */
	if (error != 0)
		return error;
	if ((error = c->rep.error) != 0)
		conn_done(c);
	return error;
}

bool
vn_nosys(const struct vn_mount *mp, uint32_t opcode)
{
	return (mp->nosys >> opcode & 1) != 0;
}

int
vn_call_opt(struct vn_mount *mp, struct conn_call *c)
{
	int error;

	if (vn_nosys(mp, c->opcode))
		return ENOSYS;
	if ((error = vn_call(mp, c)) == ENOSYS)
		mp->nosys |= UINT64_C(1) << c->opcode;
	return error;
}

int
vn_call_done(struct conn_call *c, int error)
{
	if (error == 0)
		conn_done(c);
	return error;
}

void
vn_call_data(struct conn_call *c, struct vop_data *out)
{
	out->chunk = c->chunk;
	out->p = c->rep.data;
	out->len = c->rep.datalen;
	c->chunk = NULL;
}

void
vop_data_done(struct vop_data *d)
{
	chunk_unref(d->chunk);
	d->chunk = NULL;
	d->p = NULL;
	d->len = 0;
}

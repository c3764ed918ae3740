/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operations that make a file look like a device, or the file system like one on a device: IOCTL, POLL, BMAP, SYNCFS.
 *
 * What a daemon says that cannot be fails the one IOCTL with EIO: more bytes than were asked for, or RETRY, which only an
 * unrestricted ioctl may ask for.
 * ENOSYS is remembered of all but IOCTL, as in the kernel: a daemon may have some ioctls and not others.
 */
#include <errno.h>

#include "vnode/priv.h"

enum { IOCTL_DIR_SINCE = 18 }; /* minor that has ioctls on directories */

int
vop_ioctl(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    const struct vop_ioctl *ioctl, int32_t *result, struct vop_data *out)
{
	struct conn_call c;
	int error;

	if ((ioctl->flags & VOP_IOCTL_DIR) != 0 && mp->minor < IOCTL_DIR_SINCE)
		return ENOSYS;
	vn_call_init(&c, WIRE_IOCTL, vp, cred);
	c.in.ioctl = (struct wire_ioctl_in){
		.fh = vn_fh(file),
		.flags = ioctl->flags & ~(uint32_t)WIRE_IOCTL_UNRESTRICTED,
		.cmd = ioctl->cmd,
		.arg = ioctl->arg,
		.in_size = ioctl->in_size,
		.out_size = ioctl->out_size,
	};
	if (ioctl->in_size != 0)
		c.iov[c.iovcnt++] = (struct iovec){ (void *)(uintptr_t)ioctl->in, ioctl->in_size };
	c.limit = CONN_DATA_MAX; /* too much is an error of this request alone, see above */
	if ((error = vn_call(mp, &c)) != 0)
		return error;
	if ((c.rep.out.ioctl.flags & WIRE_IOCTL_RETRY) != 0 || c.rep.datalen > ioctl->out_size) {
		conn_done(&c);
		return EIO;
	}
	*result = c.rep.out.ioctl.result;
	vn_call_data(&c, out);
	return 0;
}

int
vop_poll(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file, uint64_t kh,
    uint32_t flags, uint32_t events, uint32_t *revents)
{
	struct conn_call c;
	int error;

	vn_call_init(&c, WIRE_POLL, vp, cred);
	c.in.poll = (struct wire_poll_in){ .fh = vn_fh(file), .kh = kh, .flags = flags, .events = events };
	if ((error = vn_call_opt(mp, &c)) != 0)
		return error;
	*revents = c.rep.out.poll.revents;
	conn_done(&c);
	return 0;
}

int
vop_bmap(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, uint64_t block, uint32_t blocksize,
    uint64_t *out)
{
	struct conn_call c;
	int error;

	vn_call_init(&c, WIRE_BMAP, vp, cred);
	c.in.bmap = (struct wire_bmap_in){ .block = block, .blocksize = blocksize };
	if ((error = vn_call_opt(mp, &c)) != 0)
		return error;
	*out = c.rep.out.bmap.block;
	conn_done(&c);
	return 0;
}

int
vop_syncfs(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp)
{
	struct conn_call c;

	vn_call_init(&c, WIRE_SYNCFS, vp, cred);
	return vn_call_done(&c, vn_call_opt(mp, &c));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * File locks that the daemon keeps: POSIX's, of byte ranges and of an owner, and flock's. Nothing of them is remembered here; the
 * owner's number in FLUSH and RELEASE ends them. Whether a daemon keeps any is agreed in INIT; one that answers ENOSYS all the
 * same is asked again, as in the kernel.
 *
 * What a daemon says that cannot be fails the one GETLK with EIO: a type that is none, a range that ends before it begins or
 * above 2^63-1. An answer "free" (F_UNLCK) is not looked at any further.
 */
#include <errno.h>
#include <fcntl.h>

#include "vnode/priv.h"

static void
lock_call(struct conn_call *c, uint32_t opcode, const struct vop_cred *cred, const struct vn_node *vp,
    const struct vn_file *file, const struct vop_lock *lock)
{
	vn_call_init(c, opcode, vp, cred);
	c->in.lk = (struct wire_lk_in){
		.fh = vn_fh(file),
		.owner = lock->owner,
		.lk = { .start = lock->start, .end = lock->end, .type = lock->type, .pid = lock->pid },
		.lk_flags = lock->flock ? WIRE_LK_FLOCK : 0,
	};
}

static bool
valid_lock(const struct wire_file_lock *lk)
{
	switch (lk->type) {
	case F_UNLCK:
		return true;
	case F_RDLCK:
	case F_WRLCK:
		return lk->start <= lk->end && lk->end <= INT64_MAX;
	default:
		return false;
	}
}

int
vop_getlk(
    struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file, struct vop_lock *lock)
{
	const struct wire_file_lock *lk;
	struct conn_call c;
	int error;

	lock_call(&c, WIRE_GETLK, cred, vp, file, lock);
	if ((error = vn_call(mp, &c)) != 0)
		return error;
	lk = &c.rep.out.lk.lk;
	if (valid_lock(lk)) {
		lock->start = lk->start;
		lock->end = lk->end;
		lock->type = lk->type;
		lock->pid = lk->pid;
	} else {
		error = EIO;
	}
	conn_done(&c);
	return error;
}

int
vop_setlk(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    const struct vop_lock *lock, bool wait)
{
	struct conn_call c;

	lock_call(&c, wait ? WIRE_SETLKW : WIRE_SETLK, cred, vp, file, lock);
	return vn_call_done(&c, vn_call(mp, &c));
}

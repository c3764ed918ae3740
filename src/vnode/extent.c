/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations on ranges of files: reserving and freeing them (FALLOCATE), finding data and holes (LSEEK), copying them inside the
 * daemon (COPY_FILE_RANGE and its 64-bit form). A daemon that does not have one says so once and is not asked again.
 *
 * What a daemon says that cannot be fails the one request, as in the kernel: an offset above 2^63-1 with EINVAL, more bytes copied
 * than were asked for with EIO.
 */
#include <errno.h>
#include <unistd.h>

#include "vnode/priv.h"

int
vop_fallocate(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file, uint32_t mode,
    uint64_t offset, uint64_t length)
{
	enum { KEEP_SIZE = 1, PUNCH_HOLE = 2, ZERO_RANGE = 0x10 }; /* FALLOC_FL_* of fallocate(2) */
	struct conn_call c;

	/* The kernel asks daemons for nothing else: one that does not look at unknown bits would do something else. */
	if ((mode & ~(uint32_t)(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE)) != 0)
		return EOPNOTSUPP;
	vn_call_init(&c, WIRE_FALLOCATE, vp, cred);
	c.in.fallocate = (struct wire_fallocate_in){
		.fh = vn_fh(file),
		.offset = offset,
		.length = length,
		.mode = mode,
	};
	return vn_call_done(&c, vn_call_opt(mp, &c));
}

int
vop_lseek(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file, uint64_t offset,
    uint32_t whence, uint64_t *out)
{
	struct conn_call c;
	int error;

	vn_call_init(&c, WIRE_LSEEK, vp, cred);
	c.in.lseek = (struct wire_lseek_in){ .fh = vn_fh(file), .offset = offset, .whence = whence };
	if ((error = vn_call_opt(mp, &c)) != 0)
		return error;
	*out = c.rep.out.lseek.offset;
	conn_done(&c);
	return *out <= INT64_MAX ? 0 : EINVAL;
}

int
vop_copy_file_range(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    struct vn_node *vp_out, struct vn_file *file_out, const struct vop_copy *copy, uint64_t *copied)
{
	/* The most that the old form's answer can count, in whole pages. */
	const uint64_t most = UINT32_MAX & ~((uint64_t)sysconf(_SC_PAGESIZE) - 1);
	struct conn_call c;
	uint64_t asked;
	int error;

	vn_call_init(&c, WIRE_COPY_FILE_RANGE_64, vp, cred);
	c.in.copy_file_range = (struct wire_copy_file_range_in){
		.fh_in = vn_fh(file),
		.off_in = copy->off_in,
		.nodeid_out = vp_out->d_nodeid,
		.fh_out = vn_fh(file_out),
		.off_out = copy->off_out,
		.len = copy->len,
		.flags = copy->flags,
	};
	if ((error = vn_call_opt(mp, &c)) == ENOSYS) {
		c.opcode = WIRE_COPY_FILE_RANGE;
		if (c.in.copy_file_range.len > most)
			c.in.copy_file_range.len = most;
		error = vn_call_opt(mp, &c);
	}
	if (error != 0)
		return error;
	asked = c.in.copy_file_range.len;
	*copied = c.opcode == WIRE_COPY_FILE_RANGE ? c.rep.out.write.size : c.rep.out.copy_file_range.bytes_copied;
	conn_done(&c);
	return *copied <= asked ? 0 : EIO;
}

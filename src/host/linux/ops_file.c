/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's requests as vnode operations (see ops.c): opening, reading and writing, closing, directories, and all else that is
 * done to open files: ranges of them, locks on them, those that make them look like devices.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/linux/ops.h"

/* ---- opening ---- */

static void
put_open(struct wire_open_out *to, const struct vn_file *file, uint32_t open_flags)
{
	/* What the kernel knows of. PASSTHROUGH is never agreed, and the kernel fails such an open, as it does natively. */
	enum {
		KNOWN = VOP_OPEN_DIRECT_IO | VOP_OPEN_KEEP_CACHE | VOP_OPEN_NONSEEKABLE | VOP_OPEN_CACHE_DIR |
			VOP_OPEN_STREAM | VOP_OPEN_NOFLUSH | VOP_OPEN_PARALLEL_DIRECT_WRITES | WIRE_FOPEN_PASSTHROUGH
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

int
op_open(struct op *op, struct vn_node *vp)
{
	const struct wire_open_in *in = &op->req.in.open;
	struct vn_file *file;
	uint32_t open_flags;
	int error = vop_open(op->mp, &op->cred, vp, in->flags, in->open_flags, &file, &open_flags);

	return error != 0 ? error : reply_open(op, file, open_flags, false);
}

int
op_opendir(struct op *op, struct vn_node *vp)
{
	struct vn_file *file;
	uint32_t open_flags;
	int error = vop_opendir(op->mp, &op->cred, vp, op->req.in.open.flags, &file, &open_flags);

	return error != 0 ? error : reply_open(op, file, open_flags, true);
}

/* Answer CREATE or TMPFILE. */
static int
reply_create(struct op *op, const struct vop_entry *e, struct vn_file *file, uint32_t open_flags)
{
	union wire_out out;

	memset(&out.create, 0, sizeof(out.create));
	op_put_entry(&out.create.entry, e);
	put_open(&out.create.open, file, open_flags);
	if (vn_handleless(op->mp, false)) {
		/* As after ENOSYS of OPEN: I/O carries no handle, and there is no RELEASE. */
		vop_release_unused(op->mp, file);
		file = NULL;
		out.create.open.fh = 0;
	}
	if (reply_out(op, &out) != 0) {
		if (file != NULL)
			vop_release_unused(op->mp, file);
		vop_forget(op->mp, e->nodeid, 1);
	}
	return 0;
}

int
op_create(struct op *op, struct vn_node *vp)
{
	const struct wire_create_in *in = &op->req.in.create;
	struct vn_file *file;
	struct vop_entry e;
	uint32_t open_flags;
	int error;

	error = vop_create(op->mp, &op->cred, vp, op->req.name[0], op->req.namelen[0], in->flags, in->mode, in->umask,
	    in->open_flags, &e, &file, &open_flags);
	return error != 0 ? error : reply_create(op, &e, file, open_flags);
}

/* (The name in the request is "/": there is none.) */
int
op_tmpfile(struct op *op, struct vn_node *vp)
{
	const struct wire_create_in *in = &op->req.in.create;
	struct vn_file *file;
	struct vop_entry e;
	uint32_t open_flags;
	int error;

	error =
	    vop_tmpfile(op->mp, &op->cred, vp, in->flags, in->mode, in->umask, in->open_flags, &e, &file, &open_flags);
	return error != 0 ? error : reply_create(op, &e, file, open_flags);
}

int
op_read(struct op *op, struct vn_node *vp)
{
	const struct wire_read_in *in = &op->req.in.read;
	struct vop_io io = { in->offset, in->size, in->read_flags, in->lock_owner, in->flags };
	struct vop_data data;
	struct vn_file *file;
	int error;

	if ((error = op_file(op, vp, in->fh, &file)) != 0)
		return error;
	if ((error = vop_read(op->mp, &op->cred, vp, file, &io, &data)) != 0)
		return error;
	(void)reply_data(op, data.p, data.len);
	vop_data_done(&data);
	return 0;
}

int
op_write(struct op *op, struct vn_node *vp)
{
	const struct wire_write_in *in = &op->req.in.write;
	struct vop_io io = { in->offset, in->size, in->write_flags, in->lock_owner, in->flags };
	struct vn_file *file;
	union wire_out out;
	uint32_t written;
	int error;

	if ((error = op_file(op, vp, in->fh, &file)) != 0)
		return error;
	error = vop_write(op->mp, &op->cred, vp, file, &io, op->req.data, op->req.datalen, &written);
	if (error != 0)
		return error;
	out.write = (struct wire_write_out){ .size = written };
	(void)reply_out(op, &out);
	return 0;
}

int
op_flush(struct op *op, struct vn_node *vp)
{
	const struct wire_flush_in *in = &op->req.in.flush;
	struct vn_file *file;
	int error;

	if ((error = op_file(op, vp, in->fh, &file)) != 0)
		return error;
	return op_done(op, vop_flush(op->mp, &op->cred, vp, file, in->lock_owner));
}

static int
fsync_file(struct op *op, struct vn_node *vp, bool dir)
{
	const struct wire_fsync_in *in = &op->req.in.fsync;
	struct vn_file *file;
	int error;

	if ((error = op_file(op, vp, in->fh, &file)) != 0)
		return error;
	return op_done(op, vop_fsync(op->mp, &op->cred, vp, file, in->fsync_flags, dir));
}

int
op_fsync(struct op *op, struct vn_node *vp)
{
	return fsync_file(op, vp, false);
}

int
op_fsyncdir(struct op *op, struct vn_node *vp)
{
	return fsync_file(op, vp, true);
}

/* (vp is NULL: the file is known by its id alone.) */
int
op_release(struct op *op, struct vn_node *vp)
{
	const struct wire_release_in *in = &op->req.in.release;
	struct vn_file *file;
	int error;

	if ((error = op_file(op, vp, in->fh, &file)) != 0)
		return error;
	if (file == NULL)
		return op_done(op, 0);
	return op_done(op, vop_release(op->mp, &op->cred, file, in->flags, in->release_flags, in->lock_owner));
}

static int
read_directory(struct op *op, struct vn_node *vp, bool plus)
{
	const struct wire_read_in *in = &op->req.in.read;
	struct vop_io io = { in->offset, in->size, in->read_flags, in->lock_owner, in->flags };
	struct vop_data data;
	struct vn_file *file;
	int error;

	if ((error = op_file(op, vp, in->fh, &file)) != 0)
		return error;
	if ((error = vop_readdir(op->mp, &op->cred, vp, file, &io, plus, &data)) != 0)
		return error;
	if (reply_data(op, data.p, data.len) != 0 && plus)
		vop_readdir_undo(op->mp, &data);
	vop_data_done(&data);
	return 0;
}

int
op_readdir(struct op *op, struct vn_node *vp)
{
	return read_directory(op, vp, false);
}

int
op_readdirplus(struct op *op, struct vn_node *vp)
{
	return read_directory(op, vp, true);
}

int
op_syncfs(struct op *op, struct vn_node *vp)
{
	return op_done(op, vop_syncfs(op->mp, &op->cred, vp));
}

/* ---- ranges ---- */

int
op_fallocate(struct op *op, struct vn_node *vp)
{
	const struct wire_fallocate_in *in = &op->req.in.fallocate;
	struct vn_file *file;
	int error;

	if ((error = op_file(op, vp, in->fh, &file)) != 0)
		return error;
	return op_done(op, vop_fallocate(op->mp, &op->cred, vp, file, in->mode, in->offset, in->length));
}

int
op_lseek(struct op *op, struct vn_node *vp)
{
	const struct wire_lseek_in *in = &op->req.in.lseek;
	struct vn_file *file;
	union wire_out out;
	int error;

	if ((error = op_file(op, vp, in->fh, &file)) != 0)
		return error;
	error = vop_lseek(op->mp, &op->cred, vp, file, in->offset, in->whence, &out.lseek.offset);
	if (error != 0)
		return error;
	(void)reply_out(op, &out);
	return 0;
}

/* Both forms; the answer to the old one cannot count more than 32 bits. */
int
op_copy_file_range(struct op *op, struct vn_node *vp)
{
	const struct wire_copy_file_range_in *in = &op->req.in.copy_file_range;
	bool wide = op->req.hdr.opcode == WIRE_COPY_FILE_RANGE_64;
	struct vop_copy copy = { in->off_in, in->off_out, in->len, in->flags };
	struct vn_file *file, *file_out;
	struct vn_node *vp_out;
	union wire_out out;
	uint64_t copied;
	int error;

	if (!wide && copy.len > UINT32_MAX)
		copy.len = UINT32_MAX;
	if ((error = vn_get(op->mp, in->nodeid_out, &vp_out)) != 0)
		return error;
	if ((error = op_file(op, vp, in->fh_in, &file)) == 0 &&
	    (error = op_file(op, vp_out, in->fh_out, &file_out)) == 0)
		error = vop_copy_file_range(op->mp, &op->cred, vp, file, vp_out, file_out, &copy, &copied);
	vn_put(op->mp, vp_out);
	if (error != 0)
		return error;
	if (wide)
		out.copy_file_range = (struct wire_copy_file_range_out){ .bytes_copied = copied };
	else
		out.write = (struct wire_write_out){ .size = (uint32_t)copied };
	(void)reply_out(op, &out);
	return 0;
}

/* ---- locks ---- */

static struct vop_lock
get_lock(const struct wire_lk_in *in)
{
	return (struct vop_lock){
		.start = in->lk.start,
		.end = in->lk.end,
		.type = in->lk.type,
		.pid = in->lk.pid,
		.owner = in->owner,
		.flock = (in->lk_flags & WIRE_LK_FLOCK) != 0,
	};
}

int
op_getlk(struct op *op, struct vn_node *vp)
{
	struct vop_lock lock = get_lock(&op->req.in.lk);
	struct vn_file *file;
	union wire_out out;
	int error;

	if ((error = op_file(op, vp, op->req.in.lk.fh, &file)) != 0)
		return error;
	if ((error = vop_getlk(op->mp, &op->cred, vp, file, &lock)) != 0)
		return error;
	out.lk.lk = (struct wire_file_lock){ lock.start, lock.end, lock.type, lock.pid };
	(void)reply_out(op, &out);
	return 0;
}

/* SETLK and SETLKW. */
int
op_setlk(struct op *op, struct vn_node *vp)
{
	struct vop_lock lock = get_lock(&op->req.in.lk);
	struct vn_file *file;
	int error;

	if ((error = op_file(op, vp, op->req.in.lk.fh, &file)) != 0)
		return error;
	return op_done(op, vop_setlk(op->mp, &op->cred, vp, file, &lock, op->req.hdr.opcode == WIRE_SETLKW));
}

/* ---- devices ---- */

int
op_ioctl(struct op *op, struct vn_node *vp)
{
	const struct wire_ioctl_in *in = &op->req.in.ioctl;
	struct vop_ioctl arg = { in->flags, in->cmd, in->arg, op->req.data, in->in_size, in->out_size };
	struct wire_ioctl_out *answer;
	struct vop_data data;
	struct vn_file *file;
	int32_t result;
	int error;

	if ((error = op_file(op, vp, in->fh, &file)) != 0)
		return error;
	if ((error = vop_ioctl(op->mp, &op->cred, vp, file, &arg, &result, &data)) != 0)
		return error;
	if ((answer = malloc(sizeof(*answer) + data.len)) != NULL) {
		*answer = (struct wire_ioctl_out){ .result = result };
		memcpy(answer + 1, data.p, data.len);
		(void)reply_data(op, answer, sizeof(*answer) + data.len);
		free(answer);
	}
	vop_data_done(&data);
	return answer != NULL ? 0 : ENOMEM;
}

int
op_poll(struct op *op, struct vn_node *vp)
{
	const struct wire_poll_in *in = &op->req.in.poll;
	struct vn_file *file;
	union wire_out out;
	uint32_t revents;
	int error;

	if ((error = op_file(op, vp, in->fh, &file)) != 0)
		return error;
	if ((error = vop_poll(op->mp, &op->cred, vp, file, in->kh, in->flags, in->events, &revents)) != 0)
		return error;
	out.poll = (struct wire_poll_out){ .revents = revents };
	(void)reply_out(op, &out);
	return 0;
}

int
op_bmap(struct op *op, struct vn_node *vp)
{
	const struct wire_bmap_in *in = &op->req.in.bmap;
	union wire_out out;
	int error;

	if ((error = vop_bmap(op->mp, &op->cred, vp, in->block, in->blocksize, &out.bmap.block)) != 0)
		return error;
	(void)reply_out(op, &out);
	return 0;
}

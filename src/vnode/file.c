/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Open files: the table of them, opening and creating, reading and writing, flush, fsync and release. Each open is a handle of its own
 * at the daemon. A daemon without OPEN has handle-less files, whose I/O carries fh 0 and which are never released.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "vnode/priv.h"

/* ---- the table ---- */

/* Tell the daemon, from where nobody can wait, that a handle which it gave out is not used. */
static void
release_unused(struct vn_mount *mp, uint64_t d_nodeid, uint64_t fh, bool dir)
{
	struct wire_release_in in = { .fh = fh };

	(void)conn_post(mp->conn, dir ? WIRE_RELEASEDIR : WIRE_RELEASE, d_nodeid, &in, sizeof(in));
}

int
vn_file_new(struct vn_mount *mp, struct vn_node *vp, uint64_t fh, bool dir, bool handleless, struct vn_file **out)
{
	struct vn_file *fp;

	if ((fp = calloc(1, sizeof(*fp))) == NULL || slots_add(&mp->files, fp, &fp->id) != 0) {
		free(fp);
		if (!handleless)
			release_unused(mp, vp->d_nodeid, fh, dir);
		return ENOMEM;
	}
	vn_ref(vp);
	fp->node = vp;
	fp->fh = fh;
	fp->dir = dir;
	fp->handleless = handleless;
	log_debug(LOG_D_FH, "open nodeid %llu: file %llu, fh %llu", (unsigned long long)vn_nodeid(vp),
	    (unsigned long long)fp->id, (unsigned long long)fh);
	*out = fp;
	return 0;
}

void
vn_file_free(struct vn_mount *mp, struct vn_file *fp)
{
	log_debug(LOG_D_FH, "close file %llu, fh %llu", (unsigned long long)fp->id, (unsigned long long)fp->fh);
	slots_del(&mp->files, fp->id);
	vn_put(mp, fp->node);
	free(fp);
}

uint64_t
vn_file_id(const struct vn_file *fp)
{
	return fp->id;
}

struct vn_file *
vn_file_get(struct vn_mount *mp, uint64_t id, const struct vn_node *vp)
{
	struct vn_file *fp = slots_get(&mp->files, id);

	return fp != NULL && (vp == NULL || fp->node == vp) ? fp : NULL;
}

struct vn_file *
vn_file_handleless(struct vn_mount *mp)
{
	return &mp->no_file;
}

uint64_t
vn_fh(const struct vn_file *fp)
{
	return fp != NULL ? fp->fh : 0;
}

bool
vn_handleless(const struct vn_mount *mp, bool dir)
{
	return vn_nosys(mp, dir ? WIRE_OPENDIR : WIRE_OPEN);
}

/* ---- open and create ---- */

static int
open_node(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, uint32_t flags, uint32_t open_in_flags,
    bool dir, struct vn_file **out, uint32_t *open_flags)
{
	struct conn_call c;
	int error;

	vn_call_init(&c, dir ? WIRE_OPENDIR : WIRE_OPEN, vp, cred);
	c.in.open.flags = flags;
	c.in.open.open_flags = open_in_flags;
	error = vn_call_opt(mp, &c);
	if (error == ENOSYS) {
		/* What the kernel assumes of a daemon without OPEN: nothing changes behind its back. */
		*open_flags = dir ? VOP_OPEN_KEEP_CACHE | VOP_OPEN_CACHE_DIR : VOP_OPEN_KEEP_CACHE;
		return vn_file_new(mp, vp, 0, dir, true, out);
	}
	if (error != 0)
		return error;
	*open_flags = c.rep.out.open.open_flags;
	error = vn_file_new(mp, vp, c.rep.out.open.fh, dir, false, out);
	conn_done(&c);
	return error;
}

int
vop_open(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, uint32_t flags, uint32_t open_in_flags,
    struct vn_file **out, uint32_t *open_flags)
{
	flags &= ~(uint32_t)(O_CREAT | O_EXCL | O_NOCTTY);
	if (!(mp->flags & WIRE_INIT_ATOMIC_O_TRUNC))
		flags &= ~(uint32_t)O_TRUNC; /* the host truncates by SETATTR */
	return open_node(mp, cred, vp, flags, open_in_flags, false, out, open_flags);
}

int
vop_opendir(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, uint32_t flags, struct vn_file **out,
    uint32_t *open_flags)
{
	return open_node(
	    mp, cred, vp, flags & ~(uint32_t)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC), 0, true, out, open_flags);
}

/*
 * Send CREATE or TMPFILE (name NULL). The handle of a daemon without OPEN is not kept: as in the kernel, there is no RELEASE for
 * it any more.
 */
static int
create(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    uint32_t flags, uint32_t mode, uint32_t umask, uint32_t open_in_flags, struct vop_entry *out, struct vn_file **file,
    uint32_t *open_flags)
{
	const struct wire_open_out *open;
	const struct wire_entry_out *e;
	struct conn_call c;
	struct vn_node *vp;
	bool handleless;
	int error;

	vn_call_init(&c, name != NULL ? WIRE_CREATE : WIRE_TMPFILE, dvp, cred);
	c.in.create.flags = flags & ~(uint32_t)O_NOCTTY;
	c.in.create.mode = (mp->flags & WIRE_INIT_DONT_MASK ? mode : mode & ~(umask & 0777)) | S_IFREG;
	c.in.create.umask = umask;
	c.in.create.open_flags = open_in_flags;
	if (name != NULL)
		vn_call_name(&c, name, len);
	else
		vn_call_name(&c, "/", 1); /* what Linux calls a file without a name */
	vn_call_ext(mp, &c, cred);
	if ((error = vn_call_opt(mp, &c)) != 0)
		return error;
	e = &c.rep.out.create.entry;
	open = &c.rep.out.create.open;
	handleless = vn_handleless(mp, false);
	if ((error = vn_entry(mp, dvp, name, len, e, S_IFREG, out)) != 0) {
		if (e->nodeid != 0 && !handleless)
			release_unused(mp, e->nodeid, open->fh, false);
	} else if ((error = vn_get(mp, out->nodeid, &vp)) == 0) {
		*open_flags = open->open_flags;
		error = vn_file_new(mp, vp, handleless ? 0 : open->fh, false, handleless, file);
		if (error != 0)
			vop_forget(mp, out->nodeid, 1);
		vn_put(mp, vp);
	}
	conn_done(&c);
	return error;
}

int
vop_create(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    uint32_t flags, uint32_t mode, uint32_t umask, uint32_t open_in_flags, struct vop_entry *out, struct vn_file **file,
    uint32_t *open_flags)
{
	return create(mp, cred, dvp, name, len, flags, mode, umask, open_in_flags, out, file, open_flags);
}

int
vop_tmpfile(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, uint32_t flags, uint32_t mode,
    uint32_t umask, uint32_t open_in_flags, struct vop_entry *out, struct vn_file **file, uint32_t *open_flags)
{
	return create(mp, cred, dvp, NULL, 0, flags, mode, umask, open_in_flags, out, file, open_flags);
}

/* ---- I/O ---- */

int
vop_read(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    const struct vop_io *io, struct vop_data *out)
{
	struct conn_call c;
	int error;

	vn_call_init(&c, WIRE_READ, vp, cred);
	c.in.read.fh = vn_fh(file);
	c.in.read.offset = io->offset;
	c.in.read.size = io->size;
	c.in.read.read_flags = io->io_flags;
	c.in.read.lock_owner = io->lock_owner;
	c.in.read.flags = io->flags;
	c.limit = io->size;
	if ((error = vn_call(mp, &c)) != 0)
		return error;
	vn_call_data(&c, out);
	return 0;
}

int
vop_write(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    const struct vop_io *io, const void *data, size_t len, uint32_t *written)
{
	struct conn_call c;
	int error;

	vn_call_init(&c, WIRE_WRITE, vp, cred);
	c.in.write.fh = vn_fh(file);
	c.in.write.offset = io->offset;
	c.in.write.size = (uint32_t)len;
	c.in.write.write_flags = io->io_flags;
	c.in.write.lock_owner = io->lock_owner;
	c.in.write.flags = io->flags;
	c.iov[c.iovcnt++] = (struct iovec){ (void *)(uintptr_t)data, len };
	if ((error = vn_call(mp, &c)) != 0)
		return error;
	*written = c.rep.out.write.size;
	conn_done(&c);
	if (*written <= len)
		return 0;
	/* More than there was: an error, but where the kernel writes back its cache, it does not look at the number. */
	*written = (uint32_t)len;
	return io->io_flags & WIRE_WRITE_CACHE ? 0 : EIO;
}

/* ---- flush, fsync, release ---- */

int
vop_flush(
    struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file, uint64_t lock_owner)
{
	struct conn_call c;

	log_debug(LOG_D_SYNC, "flush nodeid %llu", (unsigned long long)vn_nodeid(vp));
	vn_call_init(&c, WIRE_FLUSH, vp, cred);
	c.in.flush.fh = vn_fh(file);
	c.in.flush.lock_owner = lock_owner;
	return vn_call_done(&c, vn_call_opt(mp, &c));
}

int
vop_fsync(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    uint32_t fsync_flags, bool dir)
{
	struct conn_call c;

	log_debug(LOG_D_SYNC, "fsync nodeid %llu", (unsigned long long)vn_nodeid(vp));
	vn_call_init(&c, dir ? WIRE_FSYNCDIR : WIRE_FSYNC, vp, cred);
	c.in.fsync.fh = vn_fh(file);
	c.in.fsync.fsync_flags = fsync_flags;
	return vn_call_done(&c, vn_call_opt(mp, &c));
}

int
vop_release(struct vn_mount *mp, const struct vop_cred *cred, struct vn_file *file, uint32_t flags,
    uint32_t release_flags, uint64_t lock_owner)
{
	struct conn_call c;
	int error = 0;

	if (!file->handleless) {
		struct vn_node *vp = file->node;

		vn_call_init(&c, file->dir ? WIRE_RELEASEDIR : WIRE_RELEASE, vp, cred);
		c.in.release.fh = file->fh;
		c.in.release.flags = flags;
		c.in.release.release_flags = release_flags;
		c.in.release.lock_owner = lock_owner;
		vn_ref(vp);
		vn_file_free(mp, file);
		if ((error = vn_call(mp, &c)) == 0)
			conn_done(&c);
		vn_put(mp, vp);
	} else {
		vn_file_free(mp, file);
	}
	return error;
}

void
vop_release_unused(struct vn_mount *mp, struct vn_file *file)
{
	if (!file->handleless)
		release_unused(mp, file->node->d_nodeid, file->fh, file->dir);
	vn_file_free(mp, file);
}

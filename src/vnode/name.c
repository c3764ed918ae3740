/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations on names: lookup, the five ways to make one, the two to remove one, and rename.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "vnode/priv.h"

/* These two are asked for by hosts that export files, and are no name of what is found. */
static bool
is_dots(const char *name, size_t len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

int
vop_lookup(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    struct vop_entry *out)
{
	struct conn_call c;
	int error;

	if (len > mp->name_max)
		return ENAMETOOLONG;
	vn_call_init(&c, WIRE_LOOKUP, dvp, cred);
	vn_call_name(&c, name, len);
	if ((error = vn_call(mp, &c)) != 0)
		return error;
	if (c.rep.out.entry.nodeid == 0) { /* absent, and may be remembered so */
		memset(out, 0, sizeof(*out));
		out->entry_valid = vn_timeout(c.rep.out.entry.entry_valid, c.rep.out.entry.entry_valid_nsec);
	} else {
		error = vn_entry(mp, dvp, is_dots(name, len) ? NULL : name, len, &c.rep.out.entry, 0, out);
	}
	log_debug(LOG_D_FILENAME, "lookup \"%s\" in %llu: nodeid %llu, error %d", name,
	    (unsigned long long)vn_nodeid(dvp), (unsigned long long)(error == 0 ? out->nodeid : 0), error);
	conn_done(&c);
	return error;
}

/* Send a request that makes a name, and believe its entry. Of these, LINK alone is what a daemon may not have. */
static int
make(struct vn_mount *mp, struct conn_call *c, const struct vn_node *dvp, const char *name, size_t len, uint16_t type,
    struct vop_entry *out)
{
	int error;

	if ((error = c->opcode == WIRE_LINK ? vn_call_opt(mp, c) : vn_call(mp, c)) != 0)
		return error;
	error = vn_entry(mp, dvp, name, len, &c->rep.out.entry, type, out);
	conn_done(c);
	return error;
}

/* The mode a daemon is to see: without the umask's bits, unless it asked for them. */
static uint32_t
masked(const struct vn_mount *mp, uint32_t mode, uint32_t umask)
{
	return mp->flags & WIRE_INIT_DONT_MASK ? mode : mode & ~(umask & 0777);
}

int
vop_mknod(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    uint32_t mode, uint32_t rdev, uint32_t umask, struct vop_entry *out)
{
	struct conn_call c;

	vn_call_init(&c, WIRE_MKNOD, dvp, cred);
	c.in.mknod.mode = masked(mp, mode, umask);
	c.in.mknod.rdev = rdev;
	c.in.mknod.umask = umask;
	vn_call_name(&c, name, len);
	vn_call_ext(mp, &c, cred);
	return make(mp, &c, dvp, name, len, mode & S_IFMT, out);
}

int
vop_mkdir(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    uint32_t mode, uint32_t umask, struct vop_entry *out)
{
	struct conn_call c;

	vn_call_init(&c, WIRE_MKDIR, dvp, cred);
	c.in.mkdir.mode = masked(mp, mode, umask);
	c.in.mkdir.umask = umask;
	vn_call_name(&c, name, len);
	vn_call_ext(mp, &c, cred);
	return make(mp, &c, dvp, name, len, S_IFDIR, out);
}

int
vop_symlink(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    const char *target, size_t targetlen, struct vop_entry *out)
{
	struct conn_call c;

	vn_call_init(&c, WIRE_SYMLINK, dvp, cred);
	vn_call_name(&c, name, len);
	vn_call_name(&c, target, targetlen);
	vn_call_ext(mp, &c, cred);
	return make(mp, &c, dvp, name, len, S_IFLNK, out);
}

int
vop_link(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_node *dvp, const char *name,
    size_t len, struct vop_entry *out)
{
	struct conn_call c;

	vn_call_init(&c, WIRE_LINK, dvp, cred);
	c.in.link.oldnodeid = vp->d_nodeid;
	vn_call_name(&c, name, len);
	return make(mp, &c, dvp, name, len, vp->type, out);
}

static int
remove_name(struct vn_mount *mp, const struct vop_cred *cred, uint32_t opcode, struct vn_node *dvp, const char *name,
    size_t len)
{
	struct conn_call c;
	int error;

	vn_call_init(&c, opcode, dvp, cred);
	vn_call_name(&c, name, len);
	if ((error = vn_call(mp, &c)) != 0)
		return error;
	conn_done(&c);
	vn_name_removed(mp, dvp, name, len);
	return 0;
}

int
vop_unlink(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len)
{
	return remove_name(mp, cred, WIRE_UNLINK, dvp, name, len);
}

int
vop_rmdir(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len)
{
	return remove_name(mp, cred, WIRE_RMDIR, dvp, name, len);
}

int
vop_rename(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *dvp, const char *name, size_t len,
    struct vn_node *newdvp, const char *newname, size_t newlen, uint32_t flags)
{
	enum { EXCHANGE = 2, RENAME2_SINCE = 23 }; /* RENAME_EXCHANGE of renameat2(2); minor that has flags */
	struct conn_call c;
	int error;

	if (flags != 0 && mp->minor < RENAME2_SINCE)
		return ENOSYS;
	vn_call_init(&c, flags != 0 ? WIRE_RENAME2 : WIRE_RENAME, dvp, cred);
	if (flags != 0) {
		c.in.rename2.newdir = newdvp->d_nodeid;
		c.in.rename2.flags = flags;
	} else {
		c.in.rename.newdir = newdvp->d_nodeid;
	}
	vn_call_name(&c, name, len);
	vn_call_name(&c, newname, newlen);
	error = flags != 0 ? vn_call_opt(mp, &c) : vn_call(mp, &c);
	if (error != 0)
		return error;
	conn_done(&c);
	vn_name_moved(mp, dvp, name, len, newdvp, newname, newlen, (flags & EXCHANGE) != 0);
	return 0;
}

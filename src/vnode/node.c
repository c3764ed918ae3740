/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The node table: which nodeid of ours stands for which (nodeid, generation) of the daemon's, how often each side has looked it
 * up, and under which name it was last seen. What a daemon says about a node is checked here before it is believed.
 */
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "vnode/priv.h"

enum {
	TRIM_MIN = 256, /* fewer nodes are not worth giving memory back for */
	TRIM_PART = 4,  /* give back when this part of the peak is left */
	SX_TYPE = 1,    /* STATX_TYPE and STATX_SIZE of statx(2) */
	SX_SIZE = 0x200,
};

/* ---- forgets ---- */

void
vn_forget_daemon(struct vn_mount *mp, uint64_t d_nodeid, uint64_t nlookup)
{
	if (mp->nforget == VN_FORGETS)
		vn_flush_forgets(mp);
	if (mp->nforget == 0)
		loop_soon_arm(mp->soon);
	mp->forget[mp->nforget++] = (struct wire_forget_one){ .nodeid = d_nodeid, .nlookup = nlookup };
}

/* ---- names ---- */

static size_t
name_size(const struct vn_name *key)
{
	return sizeof(*key) + strlen(key->name) + 1;
}

static void
name_clear(struct vn_mount *mp, struct vn_node *vp)
{
	if (vp->name == NULL)
		return;
	mp->name_bytes -= name_size(vp->name);
	HASH_DELETE(hh_name, mp->by_name, vp);
	free(vp->name);
	vp->name = NULL;
}

static struct vn_node *
name_find(const struct vn_mount *mp, const struct vn_name *key, size_t len)
{
	struct vn_node *vp;

	/* NOLINTNEXTLINE(clang-analyzer-core*): takes the bytes behind the struct for unset */
	HASH_FIND(hh_name, mp->by_name, key, (unsigned)(sizeof(*key) + len), vp);
	return vp;
}

static struct vn_name *
name_new(uint64_t parent, const char *name, size_t len)
{
	struct vn_name *key;

	if ((key = malloc(sizeof(*key) + len + 1)) == NULL)
		return NULL;
	key->parent = parent;
	memcpy(key->name, name, len);
	key->name[len] = '\0';
	return key;
}

/* Give vp this name (taken); whoever had it before has none now. Names serve what people see: lack of memory loses one. */
static void
name_set(struct vn_mount *mp, struct vn_node *vp, struct vn_name *key)
{
	size_t len = strlen(key->name);
	struct vn_node *old;

	if ((old = name_find(mp, key, len)) != NULL)
		name_clear(mp, old);
	name_clear(mp, vp);
	HASH_ADD_KEYPTR(hh_name, mp->by_name, key, sizeof(*key) + len, vp);
	if (vp->hh_name.tbl == NULL) {
		free(key);
		return;
	}
	vp->name = key;
	mp->name_bytes += name_size(key);
}

static void
name_seen(struct vn_mount *mp, struct vn_node *vp, const struct vn_node *dvp, const char *name, size_t len)
{
	struct vn_name *key;

	if (vp->name != NULL && vp->name->parent == dvp->nodeid && strlen(vp->name->name) == len &&
	    memcmp(vp->name->name, name, len) == 0)
		return;
	if ((key = name_new(dvp->nodeid, name, len)) != NULL)
		name_set(mp, vp, key);
}

void
vn_name_removed(struct vn_mount *mp, const struct vn_node *dvp, const char *name, size_t len)
{
	struct vn_name *key;
	struct vn_node *vp;

	if ((key = name_new(dvp->nodeid, name, len)) == NULL)
		return;
	if ((vp = name_find(mp, key, len)) != NULL)
		name_clear(mp, vp);
	free(key);
}

void
vn_name_moved(struct vn_mount *mp, const struct vn_node *dvp, const char *name, size_t len,
    const struct vn_node *newdvp, const char *newname, size_t newlen, bool exchange)
{
	struct vn_name *from = name_new(dvp->nodeid, name, len);
	struct vn_name *to = name_new(newdvp->nodeid, newname, newlen);
	struct vn_node *vp, *other;

	if (from == NULL || to == NULL) {
		free(from);
		free(to);
		return;
	}
	vp = name_find(mp, from, len);
	other = name_find(mp, to, newlen);
	if (other != NULL)
		name_clear(mp, other);
	if (vp != NULL)
		name_set(mp, vp, to);
	else
		free(to);
	if (exchange && other != NULL)
		name_set(mp, other, from);
	else
		free(from);
}

/* ---- nodes ---- */

uint64_t
vn_nodeid(const struct vn_node *vp)
{
	return vp->exported ? vp->d_nodeid : vp->nodeid;
}

bool
vn_bad(const struct vn_node *vp)
{
	return vp->bad;
}

void
vn_ref(struct vn_node *vp)
{
	vp->refs++;
}

/* Give memory back to the system when most nodes of a large table are gone. */
static void
trim(struct vn_mount *mp)
{
	struct vn_node *vp, *all = NULL, *named = NULL;
	uint32_t pos = 0;

	if (mp->nodes.count > mp->peak)
		mp->peak = mp->nodes.count;
	if (mp->nodes.count > 1 && (mp->peak < TRIM_MIN || mp->nodes.count > mp->peak / TRIM_PART))
		return;
	/* With the root alone the table can be cut down however high the last nodes had their places. */
	if (mp->nodes.count == 1 && mp->nodes.used < TRIM_MIN)
		return;
	mp->peak = mp->nodes.count;
	HASH_CLEAR(hh, mp->by_daemon); /* uthash's buckets only grow: add the nodes that are left to new tables */
	HASH_CLEAR(hh_name, mp->by_name);
	while ((vp = slots_next(&mp->nodes, &pos)) != NULL) {
		if (vp->hashed) {
			HASH_ADD(hh, all, d_nodeid, sizeof(vp->d_nodeid), vp);
			vp->hashed = vp->hh.tbl != NULL;
		}
		if (vp->name != NULL) {
			HASH_ADD_KEYPTR(hh_name, named, vp->name, sizeof(*vp->name) + strlen(vp->name->name), vp);
			if (vp->hh_name.tbl == NULL) {
				mp->name_bytes -= name_size(vp->name);
				free(vp->name);
				vp->name = NULL;
			}
		}
	}
	mp->by_daemon = all;
	mp->by_name = named;
	slots_trim(&mp->nodes);
	(void)malloc_trim(0);
}

static void
node_free(struct vn_mount *mp, struct vn_node *vp)
{
	name_clear(mp, vp);
	if (vp->hashed)
		HASH_DELETE(hh, mp->by_daemon, vp);
	slots_del(&mp->nodes, vp->nodeid);
	free(vp);
}

/* Free vp and let the daemon forget it: in this order, because sending may end the connection, and its waiters then run. */
static void
node_forget(struct vn_mount *mp, struct vn_node *vp)
{
	uint64_t d_nodeid = vp->d_nodeid, d_nlookup = vp->d_nlookup;

	node_free(mp, vp);
	if (d_nlookup != 0)
		vn_forget_daemon(mp, d_nodeid, d_nlookup);
}

/* Forget and free vp when nobody counts on it any more. */
static void
node_drop(struct vn_mount *mp, struct vn_node *vp)
{
	if (vp == &mp->root || vp->refs != 0 || vp->nlookup != 0)
		return;
	log_debug(LOG_D_RECLAIM, "reclaim nodeid %llu (the daemon's %llu, nlookup %llu)",
	    (unsigned long long)vp->nodeid, (unsigned long long)vp->d_nodeid, (unsigned long long)vp->d_nlookup);
	node_forget(mp, vp);
	trim(mp);
}

/* The node that a host calls so, or NULL. */
static struct vn_node *
by_host(struct vn_mount *mp, uint64_t nodeid)
{
	struct vn_node *vp;

	if (!(mp->flags & WIRE_INIT_EXPORT_SUPPORT))
		return slots_get(&mp->nodes, nodeid);
	if (nodeid == VN_ROOT_ID)
		return &mp->root;
	HASH_FIND(hh, mp->by_daemon, &nodeid, sizeof(nodeid), vp);
	return vp;
}

int
vn_get(struct vn_mount *mp, uint64_t nodeid, struct vn_node **out)
{
	struct vn_node *vp = by_host(mp, nodeid);

	if (vp == NULL)
		return ESTALE;
	if (vp->bad)
		return EIO;
	vp->refs++;
	*out = vp;
	return 0;
}

void
vn_put(struct vn_mount *mp, struct vn_node *vp)
{
	if (vp == NULL)
		return;
	assert(vp->refs > 0);
	vp->refs--;
	node_drop(mp, vp);
}

void
vop_forget(struct vn_mount *mp, uint64_t nodeid, uint64_t nlookup)
{
	struct vn_node *vp = by_host(mp, nodeid);

	if (vp == NULL || vp == &mp->root)
		return;
	vp->nlookup -= nlookup < vp->nlookup ? nlookup : vp->nlookup;
	node_drop(mp, vp);
}

void
vn_mount_forget_all(struct vn_mount *mp)
{
	struct vn_node *vp;
	uint32_t pos = 0;

	while ((vp = slots_next(&mp->nodes, &pos)) != NULL) {
		vp->nlookup = 0;
		if (vp != &mp->root && vp->refs == 0)
			node_forget(mp, vp);
	}
	trim(mp);
	vn_flush_forgets(mp);
}

void
vn_nodes_free(struct vn_mount *mp)
{
	struct vn_node *vp;
	uint32_t pos = 0;

	while ((vp = slots_next(&mp->nodes, &pos)) != NULL) {
		if (vp != &mp->root)
			node_free(mp, vp);
	}
	slots_free(&mp->nodes);
}

/* ---- what a daemon says of a node ---- */

static bool
valid_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return true;
	default:
		return false;
	}
}

static bool
valid_attr(const struct wire_attr *a)
{
	return valid_type(a->mode) && a->size <= INT64_MAX;
}

struct vop_timeout
vn_timeout(uint64_t sec, uint32_t nsec)
{
	return (struct vop_timeout){ sec, nsec < 1000000000 ? nsec : 999999999 };
}

static void
attr_copy(const struct wire_attr *a, struct vop_attr *out)
{
	*out = (struct vop_attr){
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

int
vn_attr(struct vn_node *vp, uint8_t life, const struct wire_attr *a, struct vop_attr *out)
{
	uint16_t type = (uint16_t)(a->mode & S_IFMT);

	attr_copy(a, out);
	if (vp->life != life)
		return 0;
	if (!valid_attr(a) || (vp->type != 0 && vp->type != type)) {
		vp->bad = true;
		return EIO;
	}
	vp->type = type;
	return 0;
}

static struct vop_time
sx_time(const struct wire_sx_time *t)
{
	return (struct vop_time){ t->tv_sec, t->tv_nsec < 1000000000 ? t->tv_nsec : 999999999 };
}

int
vn_statx(struct vn_node *vp, uint8_t life, const struct wire_statx *sx, struct vop_statx *out)
{
	bool typed = (sx->mask & SX_TYPE) != 0, sized = (sx->mask & SX_SIZE) != 0;
	uint16_t type = sx->mode & S_IFMT;

	*out = (struct vop_statx){
		.mask = sx->mask,
		.blksize = sx->blksize,
		.nlink = sx->nlink,
		.uid = sx->uid,
		.gid = sx->gid,
		.mode = sx->mode,
		.ino = sx->ino,
		.size = sx->size,
		.blocks = sx->blocks,
		.attributes = sx->attributes,
		.attributes_mask = sx->attributes_mask,
		.atime = sx_time(&sx->atime),
		.btime = sx_time(&sx->btime),
		.ctime = sx_time(&sx->ctime),
		.mtime = sx_time(&sx->mtime),
		.rdev_major = sx->rdev_major,
		.rdev_minor = sx->rdev_minor,
		.dev_major = sx->dev_major,
		.dev_minor = sx->dev_minor,
	};
	if (vp->life != life)
		return 0;
	if ((sized && sx->size > INT64_MAX) ||
	    (typed && (!valid_type(sx->mode) || (vp->type != 0 && vp->type != type)))) {
		vp->bad = true;
		return EIO;
	}
	if (typed)
		vp->type = type;
	return 0;
}

static struct vn_node *
node_new(struct vn_mount *mp, uint64_t d_nodeid)
{
	struct vn_node *vp;

	if ((vp = calloc(1, sizeof(*vp))) == NULL)
		return NULL;
	if (slots_add(&mp->nodes, vp, &vp->nodeid) != 0) {
		free(vp);
		return NULL;
	}
	vp->d_nodeid = d_nodeid;
	HASH_ADD(hh, mp->by_daemon, d_nodeid, sizeof(vp->d_nodeid), vp);
	if (vp->hh.tbl == NULL) {
		slots_del(&mp->nodes, vp->nodeid);
		free(vp);
		return NULL;
	}
	vp->hashed = true;
	vp->exported = (mp->flags & WIRE_INIT_EXPORT_SUPPORT) != 0;
	return vp;
}

int
vn_get_again(struct vn_mount *mp, uint64_t nodeid, struct vn_node **out)
{
	struct vn_node *vp;
	int error = vn_get(mp, nodeid, out);

	if (error != ESTALE || nodeid == 0 || !(mp->flags & WIRE_INIT_EXPORT_SUPPORT))
		return error;
	if ((vp = node_new(mp, nodeid)) == NULL)
		return ENOMEM;
	vp->refs++;
	*out = vp;
	return 0;
}

/*
 * The node of that nodeid, found or made. Under another generation or type than before it is another file: the host is given the
 * new generation under the same nodeid, and what it holds of the old one goes bad there, as in the kernel.
 */
static struct vn_node *
node_find(struct vn_mount *mp, const struct wire_entry_out *e)
{
	uint16_t type = (uint16_t)(e->attr.mode & S_IFMT);
	struct vn_node *vp;

	HASH_FIND(hh, mp->by_daemon, &e->nodeid, sizeof(e->nodeid), vp);
	if (vp == NULL && (vp = node_new(mp, e->nodeid)) == NULL)
		return NULL;
	if (vp->type != 0 && (vp->type != type || vp->d_generation != e->generation))
		vp->life++; /* what is still said of the old one is not said of this */
	vp->d_generation = e->generation;
	vp->type = type;
	vp->bad = false;
	return vp;
}

/* An entry that names the root, whose lookups nobody counts: only "." and ".." can, when a host asks for them (NFS export). */
static int
root_entry(struct vn_mount *mp, bool named, uint16_t wanted, const struct wire_entry_out *e, struct vn_node **out)
{
	uint16_t type = (uint16_t)(e->attr.mode & S_IFMT);

	if (named || wanted != 0)
		return EIO;
	if (mp->root.type != 0 && mp->root.type != type)
		return EIO;
	*out = &mp->root;
	return 0;
}

int
vn_entry(struct vn_mount *mp, const struct vn_node *dvp, const char *name, size_t len, const struct wire_entry_out *e,
    uint16_t type, struct vop_entry *out)
{
	struct vn_node *vp = NULL;
	int error = 0;

	if (e->nodeid == 0 || !valid_attr(&e->attr) || (type != 0 && (e->attr.mode & S_IFMT) != type))
		error = EIO;
	else if (e->nodeid == WIRE_ROOT_ID)
		error = root_entry(mp, name != NULL, type, e, &vp);
	else if (name != NULL && dvp->hashed && e->nodeid == dvp->d_nodeid && e->generation == dvp->d_generation &&
		 S_ISDIR(e->attr.mode))
		error = ELOOP;
	else if ((vp = node_find(mp, e)) == NULL)
		error = ENOMEM;
	if (error != 0) {
		if (e->nodeid != 0 && e->nodeid != WIRE_ROOT_ID)
			vn_forget_daemon(mp, e->nodeid, 1);
		return error;
	}
	if (vp != &mp->root) {
		vp->d_nlookup++;
		vp->nlookup++;
		if (name != NULL)
			name_seen(mp, vp, dvp, name, len);
	}
	out->nodeid = vn_nodeid(vp);
	out->generation = vp != &mp->root ? e->generation : 0;
	out->entry_valid = vn_timeout(e->entry_valid, e->entry_valid_nsec);
	out->attr_valid = vn_timeout(e->attr_valid, e->attr_valid_nsec);
	attr_copy(&e->attr, &out->attr);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notifications: what a daemon says without being asked. Its nodeids become the engine's, and the host is told. Called from the
 * loop, as packets arrive; nothing here parks.
 *
 * The kernel answers a notification by the result of the daemon's write, which a socket cannot carry back. So:
 *   - one that does not hold together (its length is not what its parts add up to) ends the connection, as any such message does;
 *   - an unknown code (the kernel: EINVAL), an unknown node (ENOENT), a name or a range that cannot be (EINVAL, ENAMETOOLONG) changes
 *     nothing; the last is said in the log, at most once a minute;
 *   - one that the host cannot take in ends the connection: what it should have made stale would be believed for ever.
 * What is being retrieved is remembered here until it has come, because the kernel may forget the node before it sends the answer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "vnode/priv.h"

enum { RETRIEVES_MAX = 4096 }; /* RETRIEVEs that wait for their bytes */
#define WARN_NS (60 * CLOCK_SEC)

struct vn_retrieve { /* a RETRIEVE whose bytes have not come */
	TAILQ_ENTRY(vn_retrieve) link;
	uint64_t nodeid, d_nodeid, unique;
};

void
vn_mount_set_host(struct vn_mount *mp, const struct vn_host_ops *ops, void *arg)
{
	mp->host = ops;
	mp->host_arg = arg;
}

void
vn_mount_pause(struct vn_mount *mp)
{
	conn_pause(mp->conn);
}

void
vn_mount_resume(struct vn_mount *mp)
{
	conn_resume(mp->conn);
}

/* The node that the daemon calls so, or NULL. (One that has gone bad is one, as in the kernel.) */
static struct vn_node *
by_daemon(struct vn_mount *mp, uint64_t d_nodeid)
{
	struct vn_node *vp;

	if (d_nodeid == WIRE_ROOT_ID)
		return &mp->root;
	HASH_FIND(hh, mp->by_daemon, &d_nodeid, sizeof(d_nodeid), vp);
	return vp;
}

/* 0, EINVAL or ENAMETOOLONG. */
static int
check_name(const struct vn_mount *mp, const char *name, size_t len)
{
	if (len > mp->name_max)
		return ENAMETOOLONG;
	return len == 0 || memchr(name, '/', len) != NULL || memchr(name, '\0', len) != NULL ? EINVAL : 0;
}

static int
check_range(uint64_t offset, uint64_t size)
{
	return offset > (uint64_t)INT64_MAX - size ? EINVAL : 0;
}

static int
note_inval_inode(struct vn_mount *mp, const struct wire_notify_inval_inode_out *o)
{
	const struct vn_node *vp = by_daemon(mp, o->ino);

	return vp == NULL ? ENOENT : mp->host->inval_inode(mp->host_arg, vn_nodeid(vp), o->off, o->len);
}

static int
note_inval_entry(struct vn_mount *mp, const struct wire_note *n)
{
	const struct vn_node *dvp = by_daemon(mp, n->out.inval_entry.parent);
	int error = check_name(mp, n->name, n->namelen);

	if (error != 0)
		return error;
	if (dvp == NULL)
		return ENOENT;
	return mp->host->inval_entry(mp->host_arg, vn_nodeid(dvp), n->name, n->namelen, n->out.inval_entry.flags);
}

static int
note_delete(struct vn_mount *mp, const struct wire_note *n)
{
	const struct vn_node *dvp = by_daemon(mp, n->out.del.parent), *vp = by_daemon(mp, n->out.del.child);
	int error = check_name(mp, n->name, n->namelen);

	if (error != 0)
		return error;
	if (dvp == NULL)
		return ENOENT;
	/* The kernel drops the name before it looks at whose it is. */
	if (vp == NULL)
		return mp->host->inval_entry(mp->host_arg, vn_nodeid(dvp), n->name, n->namelen, 0);
	if (vp->name != NULL && vp->name->parent == dvp->nodeid && strlen(vp->name->name) == n->namelen &&
	    memcmp(vp->name->name, n->name, n->namelen) == 0)
		vn_name_removed(mp, dvp, n->name, n->namelen);
	return mp->host->deleted(mp->host_arg, vn_nodeid(dvp), vn_nodeid(vp), n->name, n->namelen);
}

static int
note_store(struct vn_mount *mp, const struct wire_note *n)
{
	const struct vn_node *vp = by_daemon(mp, n->out.store.nodeid);
	int error = check_range(n->out.store.offset, n->datalen);

	if (error != 0)
		return error;
	if (vp == NULL)
		return ENOENT;
	return mp->host->store(mp->host_arg, vn_nodeid(vp), n->out.store.offset, n->data, n->datalen);
}

static int
note_prune(struct vn_mount *mp, const struct wire_note *n)
{
	size_t known = 0, count = n->datalen / sizeof(uint64_t);
	uint64_t *nodeid, d_nodeid;
	int error = 0;

	if (count == 0)
		return 0;
	if ((nodeid = malloc(count * sizeof(*nodeid))) == NULL)
		return ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct vn_node *vp;

		memcpy(&d_nodeid, n->data + i * sizeof(d_nodeid), sizeof(d_nodeid));
		if ((vp = by_daemon(mp, d_nodeid)) != NULL)
			nodeid[known++] = vn_nodeid(vp);
	}
	if (known != 0)
		error = mp->host->prune(mp->host_arg, nodeid, known);
	free(nodeid);
	return error;
}

/* ---- retrieve ---- */

static int
note_retrieve(struct vn_mount *mp, const struct wire_notify_retrieve_out *o)
{
	const struct vn_node *vp = by_daemon(mp, o->nodeid);
	struct vn_retrieve *r;
	int error = check_range(o->offset, o->size);

	if (error != 0)
		return error;
	if (vp == NULL)
		return ENOENT;
	if (mp->nretrieves == RETRIEVES_MAX)
		return ENOBUFS;
	if ((r = malloc(sizeof(*r))) == NULL)
		return ENOMEM;
	r->nodeid = vn_nodeid(vp);
	r->d_nodeid = o->nodeid;
	r->unique = o->notify_unique;
	TAILQ_INSERT_TAIL(&mp->retrieves, r, link);
	mp->nretrieves++;
	if ((error = mp->host->retrieve(mp->host_arg, vn_nodeid(vp), o->notify_unique, o->offset, o->size)) != 0)
		vn_retrieve_failed(mp, vn_nodeid(vp), o->notify_unique);
	return error;
}

static struct vn_retrieve *
retrieve_find(const struct vn_mount *mp, uint64_t nodeid, uint64_t unique)
{
	struct vn_retrieve *r;

	TAILQ_FOREACH (r, &mp->retrieves, link) {
		if (r->unique == unique && r->nodeid == nodeid)
			return r;
	}
	return NULL;
}

static void
retrieve_free(struct vn_mount *mp, struct vn_retrieve *r)
{
	TAILQ_REMOVE(&mp->retrieves, r, link);
	mp->nretrieves--;
	free(r);
}

void
vn_retrieve_failed(struct vn_mount *mp, uint64_t nodeid, uint64_t unique)
{
	struct vn_retrieve *r = retrieve_find(mp, nodeid, unique);

	if (r != NULL)
		retrieve_free(mp, r);
}

void
vn_retrieved(struct vn_mount *mp, uint64_t nodeid, uint64_t unique, uint64_t offset, const void *data, uint32_t size)
{
	struct vn_retrieve *r = retrieve_find(mp, nodeid, unique);
	struct wire_notify_retrieve_in in = { .offset = offset, .size = size };
	const struct iovec body[2] = { { &in, sizeof(in) }, { (void *)(uintptr_t)data, size } };
	uint64_t d_nodeid;
	int error;

	if (r == NULL)
		return; /* nobody has asked */
	d_nodeid = r->d_nodeid;
	retrieve_free(mp, r);
	error = conn_post_data(mp->conn, WIRE_NOTIFY_REPLY, d_nodeid, unique, body, 2);
	if (error == ENOBUFS)
		conn_kill(mp->conn, ENOTCONN, "the daemon retrieves more than it reads");
	else if (error != 0 && error != ENOTCONN)
		log_warn("what the daemon has retrieved is lost: %s", strerror(error));
}

void
vn_notify_free(struct vn_mount *mp)
{
	struct vn_retrieve *r;

	while ((r = TAILQ_FIRST(&mp->retrieves)) != NULL)
		retrieve_free(mp, r); /* NOLINT(clang-analyzer-unix.Malloc): does not see it leave the queue */
}

/* ---- all of them ---- */

/* 0; ENOENT: it is about nothing we know; EINVAL, ENAMETOOLONG: it makes no sense; else the host could not take it. */
static int
tell_host(struct vn_mount *mp, const struct wire_note *n)
{
	switch (n->code) {
	case WIRE_NOTIFY_POLL:
		return mp->host->poll_wakeup(mp->host_arg, n->out.poll.kh);
	case WIRE_NOTIFY_INVAL_INODE:
		return note_inval_inode(mp, &n->out.inval_inode);
	case WIRE_NOTIFY_INVAL_ENTRY:
		return note_inval_entry(mp, n);
	case WIRE_NOTIFY_STORE:
		return note_store(mp, n);
	case WIRE_NOTIFY_RETRIEVE:
		return note_retrieve(mp, &n->out.retrieve);
	case WIRE_NOTIFY_DELETE:
		return note_delete(mp, n);
	case WIRE_NOTIFY_INC_EPOCH:
		return mp->host->inc_epoch(mp->host_arg);
	case WIRE_NOTIFY_PRUNE:
		return note_prune(mp, n);
	default:
		return ENOENT;
	}
}

static void
senseless(struct vn_mount *mp, int code, int error)
{
	uint64_t now = clock_ns();

	if (mp->note_warned != 0 && now - mp->note_warned < WARN_NS)
		return;
	mp->note_warned = now;
	log_warn("a notification of the daemon's (code %d) is ignored: %s", code, strerror(error));
}

void
vn_notify(struct vn_mount *mp, const void *msg, size_t len)
{
	struct wire_note n;
	const char *what = "";
	char why[160];
	int error = wire_parse_notify(msg, len, &n, &what);

	if (error == EPROTO) {
		(void)snprintf(why, sizeof(why), "the daemon sent a malformed notification: %s", what);
		conn_kill(mp->conn, EPROTO, why);
		return;
	}
	if (error == 0 && n.code == WIRE_NOTIFY_RESEND)
		conn_resend(mp->conn);
	else if (error == 0 && mp->host != NULL)
		error = tell_host(mp, &n);
	switch (error) {
	case 0:
		break;
	case ENOENT:
	case ENOSYS:
		log_debug(LOG_D_MISC, "a notification (code %d) about nothing known is ignored", n.code);
		break;
	case EINVAL:
	case ENAMETOOLONG:
		senseless(mp, n.code, error);
		break;
	case ENOBUFS:
		conn_kill(mp->conn, ENOTCONN, "the daemon sends more notifications than can be dealt with");
		break;
	default:
		(void)snprintf(
		    why, sizeof(why), "a notification of the daemon's cannot be dealt with: %s", strerror(error));
		conn_kill(mp->conn, ENOTCONN, why);
		break;
	}
}

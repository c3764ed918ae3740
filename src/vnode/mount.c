/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One mount of the kernel's half: its beginning (INIT: what is offered to the daemon, what is believed of its answer), its
 * end (DESTROY), and the forgets that are collected in between.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "vnode/priv.h"

enum {
	HEADROOM = 4096, /* in a message beside its data: header and fixed part */
	MAX_WRITE_MIN = 4096,
	PAGES_DEFAULT = 32,    /* of a daemon without MAX_PAGES */
	BATCH_SINCE = 16,      /* minor that has BATCH_FORGET */
	EXT_SINCE = 36,        /* minor that has flags2 in INIT */
	NAME_MAX_LOW = 1024,   /* the kernel's bound on a name */
	NAME_MAX_PAGES = 4095, /* and what it is when a message may have more than one page */
};

/*
 * The INIT flags that vnode/ carries; doc/protocol.md has the table. Left out, so that no daemon relies on them: SPLICE_* (a socket
 * has no pages to move), MAP_ALIGNMENT and HAS_INODE_DAX (a window of shared memory, virtiofs only), SUBMOUNTS (virtiofs only),
 * PASSTHROUGH (an ioctl on /dev/fuse with a descriptor of the daemon's), OVER_IO_URING (another transport), FILE_OPS (no kernel
 * has looked at it since 2.6.24).
 */
#define CARRIED                                                                                                        \
	(WIRE_INIT_ASYNC_READ | WIRE_INIT_ATOMIC_O_TRUNC | WIRE_INIT_EXPORT_SUPPORT | WIRE_INIT_BIG_WRITES |           \
	    WIRE_INIT_DONT_MASK | WIRE_INIT_AUTO_INVAL_DATA | WIRE_INIT_DO_READDIRPLUS | WIRE_INIT_READDIRPLUS_AUTO |  \
	    WIRE_INIT_ASYNC_DIO | WIRE_INIT_WRITEBACK_CACHE | WIRE_INIT_NO_OPEN_SUPPORT | WIRE_INIT_PARALLEL_DIROPS |  \
	    WIRE_INIT_HANDLE_KILLPRIV | WIRE_INIT_POSIX_ACL | WIRE_INIT_ABORT_ERROR | WIRE_INIT_MAX_PAGES |            \
	    WIRE_INIT_CACHE_SYMLINKS | WIRE_INIT_NO_OPENDIR_SUPPORT | WIRE_INIT_HANDLE_KILLPRIV_V2 |                   \
	    WIRE_INIT_SETXATTR_EXT | WIRE_INIT_EXT | WIRE_INIT_DIRECT_IO_ALLOW_MMAP | WIRE_INIT_POSIX_LOCKS |          \
	    WIRE_INIT_FLOCK_LOCKS | WIRE_INIT_HAS_IOCTL_DIR | WIRE_INIT_EXPLICIT_INVAL_DATA | WIRE_INIT_SECURITY_CTX | \
	    WIRE_INIT_CREATE_SUPP_GROUP | WIRE_INIT_HAS_EXPIRE_ONLY | WIRE_INIT_NO_EXPORT_SUPPORT |                    \
	    WIRE_INIT_HAS_RESEND | WIRE_INIT_ALLOW_IDMAP | WIRE_INIT_REQUEST_TIMEOUT)

uint64_t
vn_flags_carried(void)
{
	return CARRIED;
}

static void
on_soon(void *arg)
{
	vn_flush_forgets(arg);
}

int
vn_mount_new(struct loop *loop, struct conn *conn, struct vn_mount **out)
{
	struct vn_mount *mp;
	int error;

	if ((mp = calloc(1, sizeof(*mp))) == NULL)
		return ENOMEM;
	mp->conn = conn;
	mp->name_max = NAME_MAX_LOW;
	TAILQ_INIT(&mp->retrieves);
	slots_init(&mp->nodes);
	slots_init(&mp->files);
	if ((error = loop_soon_add(loop, on_soon, mp, &mp->soon)) != 0)
		goto fail;
	if ((error = slots_add(&mp->nodes, &mp->root, &mp->root.nodeid)) != 0)
		goto fail;
	mp->root.d_nodeid = WIRE_ROOT_ID;
	*out = mp;
	return 0;
fail:
	vn_mount_free(mp);
	return error;
}

void
vn_mount_free(struct vn_mount *mp)
{
	struct vn_file *fp;
	uint32_t pos = 0;

	if (mp == NULL)
		return;
	while ((fp = slots_next(&mp->files, &pos)) != NULL)
		vn_file_free(mp, fp);
	slots_free(&mp->files);
	vn_nodes_free(mp);
	vn_notify_free(mp);
	loop_soon_del(mp->soon);
	free(mp);
}

void
vn_mount_switch(struct vn_mount *mp, unsigned flags)
{
	if (flags & VN_NO_ACCESS)
		mp->nosys |= UINT64_C(1) << WIRE_ACCESS;
	if (flags & VN_NO_CREATE)
		mp->nosys |= UINT64_C(1) << WIRE_CREATE;
}

void
vn_interrupt(struct vn_mount *mp, struct co *co)
{
	conn_interrupt(mp->conn, co);
}

void
vn_mount_trim(struct vn_mount *mp)
{
	conn_trim(mp->conn);
}

void
vn_mount_counts(const struct vn_mount *mp, struct vn_counts *out)
{
	const struct vn_node *vp;
	uint32_t pos = 0;

	*out =
	    (struct vn_counts){ .nodes = mp->nodes.count, .files = mp->files.count, .waiting = conn_waiting(mp->conn) };
	while ((vp = slots_next(&mp->nodes, &pos)) != NULL)
		out->lookups += vp->d_nlookup;
	out->bytes = slots_bytes(&mp->nodes) + mp->nodes.count * sizeof(struct vn_node) + mp->name_bytes;
}

/* ---- forgets ---- */

void
vn_flush_forgets(struct vn_mount *mp)
{
	struct {
		struct wire_batch_forget_in in;
		struct wire_forget_one item[VN_FORGETS];
	} batch;
	unsigned n = mp->nforget;

	mp->nforget = 0;
	if (n > 1 && mp->minor >= BATCH_SINCE) {
		batch.in = (struct wire_batch_forget_in){ .count = n };
		memcpy(batch.item, mp->forget, n * sizeof(batch.item[0]));
		/* One that is lost (no memory, a dead daemon) costs the daemon memory, nobody anything else. */
		(void)conn_post(mp->conn, WIRE_BATCH_FORGET, 0, &batch, sizeof(batch.in) + n * sizeof(batch.item[0]));
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		struct wire_forget_in in = { .nlookup = mp->forget[i].nlookup };

		(void)conn_post(mp->conn, WIRE_FORGET, mp->forget[i].nodeid, &in, sizeof(in));
	}
}

/* ---- INIT ---- */

/* INIT counts in pages of the machine. */
static uint32_t
page_size(void)
{
	long size = sysconf(_SC_PAGESIZE);

	return size > 0 ? (uint32_t)size : 4096;
}

/* Bytes of data that one message can carry in this direction, in whole pages, at least one. */
static uint32_t
data_max(size_t message_max)
{
	size_t page = page_size(), data = message_max > HEADROOM ? message_max - HEADROOM : 0;

	data -= data % page;
	if (data > CONN_DATA_MAX)
		data = CONN_DATA_MAX;
	return data < page ? (uint32_t)page : (uint32_t)data;
}

static uint32_t
min32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* What of the daemon's answer is agreed, within what was offered and what the connection carries. */
static void
settle(struct vn_mount *mp, const struct host_init *want, const struct wire_init *offer, const struct wire_init *answer,
    struct host_init *got)
{
	struct wire_proto proto;
	uint32_t write_max = data_max(conn_max_out(mp->conn)), read_max = data_max(conn_max_in(mp->conn)), pages;

	mp->minor = min32(offer->minor, answer->minor);
	mp->flags = answer->flags & offer->flags;
	*got = *want;
	got->minor = mp->minor;
	got->flags = mp->flags;
	got->max_readahead = min32(answer->max_readahead, want->max_readahead);
	got->max_write = min32(min32(answer->max_write, want->max_write), write_max);
	if (got->max_write < MAX_WRITE_MIN)
		got->max_write = MAX_WRITE_MIN;
	pages = mp->flags & WIRE_INIT_MAX_PAGES ? answer->max_pages : PAGES_DEFAULT;
	pages = min32(min32(pages, want->max_pages), min32(write_max, read_max) / page_size());
	got->max_pages = pages == 0 ? 1 : pages;
	got->max_background = answer->max_background;
	got->congestion_threshold = answer->congestion_threshold;
	got->time_gran = answer->time_gran;
	got->request_timeout = mp->flags & WIRE_INIT_REQUEST_TIMEOUT ? answer->request_timeout : 0;
	mp->max_write = got->max_write;
	if ((mp->flags & WIRE_INIT_MAX_PAGES) && answer->max_pages > 1)
		mp->name_max = NAME_MAX_PAGES;
	proto.minor = mp->minor;
	proto.setxattr_ext = (mp->flags & WIRE_INIT_SETXATTR_EXT) != 0;
	conn_set_proto(mp->conn, &proto);
}

int
vn_mount_init(struct vn_mount *mp, const struct host_init *want, struct host_init *got, const char **why)
{
	static const struct vop_cred nobody_in_particular = { 0 };
	struct wire_init offer = { .major = WIRE_KERNEL_VERSION }, answer;
	struct wire_proto proto = { 0 };
	struct conn_call c;
	const char *what = NULL;
	int error;

	offer.minor = min32(want->minor, WIRE_MINOR_MAX);
	offer.flags = want->flags & CARRIED;
	if (offer.minor < EXT_SINCE)
		offer.flags &= UINT32_MAX & ~WIRE_INIT_EXT;
	offer.max_readahead = want->max_readahead;
	proto.minor = offer.minor;
	conn_set_proto(mp->conn, &proto);
	vn_call_init(&c, WIRE_INIT, NULL, &nobody_in_particular);
	(void)wire_init_request(&offer, &c.in.init, sizeof(c.in.init));
	if ((error = conn_call(mp->conn, &c)) != 0) {
		(void)snprintf(mp->why, sizeof(mp->why), "the daemon did not answer INIT: %s", strerror(error));
		*why = mp->why;
		return error;
	}
	if (c.rep.error != 0) {
		(void)snprintf(mp->why, sizeof(mp->why), "the daemon refused INIT: %s", strerror(c.rep.error));
		*why = mp->why;
		conn_done(&c);
		return EPROTO;
	}
	error = wire_parse_init_reply(c.chunk->data + sizeof(struct wire_out_header),
	    c.chunk->len - sizeof(struct wire_out_header), &answer, &what);
	conn_done(&c);
	if (error == 0 && answer.minor < WIRE_MINOR_MIN) {
		what = "it speaks a protocol older than 7.8";
		error = EPROTO;
	}
	if (error != 0) {
		(void)snprintf(mp->why, sizeof(mp->why), "the daemon's answer to INIT cannot be used: %s", what);
		*why = mp->why;
		return error;
	}
	settle(mp, want, &offer, &answer, got);
	return 0;
}

int
vn_mount_destroy(struct vn_mount *mp)
{
	static const struct vop_cred nobody_in_particular = { 0 };
	struct conn_call c;
	int error;

	vn_flush_forgets(mp);
	vn_call_init(&c, WIRE_DESTROY, NULL, &nobody_in_particular);
	error = vn_call(mp, &c);
	if (error == 0)
		conn_done(&c);
	return error == ENOTCONN ? ENOTCONN : 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's side of a mount: /dev/fuse. Owns the descriptor, reads requests until there are none, starts a coroutine for each,
 * writes the answers, and negotiates the kernel's INIT after the daemon's.
 *
 * What always holds: each request that wants an answer is answered exactly once, by its coroutine; the request's bytes live
 * as long as the coroutine. A small request is copied to its stack, a large one keeps the chunk into which it was read.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "host/linux/priv.h"

enum {
	MAX_WRITE = 1024 * 1024, /* bytes in one WRITE */
	READ_ROOM = MAX_WRITE + 4096,
	WRITE_HEAD = sizeof(struct wire_in_header) + sizeof(struct wire_write_in), /* before the data of a WRITE */
	RX_BATCH = 64,      /* requests taken per wake-up, so that the daemon's side gets its turn */
	RX_KEEP = 2,        /* chunks kept for the next request */
	SMALL = 1024,       /* requests up to this size are copied */
	SMALL_ANSWER = 256, /* answers up to this size go out in one piece */
	STUCK_TICK = 10,    /* milliseconds */
};
#define RETRY_NS (5 * CLOCK_MSEC) /* when there was no memory to receive a request */
#define STUCK_NS (2 * CLOCK_SEC)  /* for a notification that is being written when the host is freed */
#define IDLE_NS (1 * CLOCK_SEC)   /* without any request for that long: give memory back */

struct host_linux {
	struct loop *loop;
	int fd;
	struct vn_mount *mp;
	const struct host_linux_ops *ops;
	void *arg;
	struct loop_io *io; /* NULL after hang_up(), as fd is -1 */
	struct loop_timer *idle, *retry;
	struct loop_soon *over;
	struct chunk_pool *pool;
	struct chunk *rx;
	struct notifier *notifier;
	struct ops running;
	size_t nrunning;
	struct wire_proto proto; /* the kernel's */
	uint64_t requests, requests_at_idle;
	bool idle_armed;
	bool initialised;
	bool gone; /* the kernel's end is gone: ENODEV */
};

static void on_io(void *arg, unsigned events);
static void on_idle(void *arg);
static void on_retry(void *arg);
static void on_over(void *arg);

int
host_linux_new(struct loop *loop, int fuse_fd, struct vn_mount *mp, const struct host_linux_ops *ops, void *arg,
    struct host_linux **out)
{
	struct host_linux *h;
	int error, flags;

	if ((h = calloc(1, sizeof(*h))) == NULL)
		return ENOMEM;
	h->loop = loop;
	h->fd = -1;
	h->mp = mp;
	h->ops = ops;
	h->arg = arg;
	h->proto.minor = WIRE_MINOR_MAX;
	TAILQ_INIT(&h->running);
	if ((flags = fcntl(fuse_fd, F_GETFL)) == -1 || fcntl(fuse_fd, F_SETFL, flags | O_NONBLOCK) == -1) {
		error = errno;
		goto fail;
	}
	if ((error = chunk_pool_new(READ_ROOM, WRITE_HEAD, RX_KEEP, &h->pool)) != 0)
		goto fail;
	if ((error = loop_timer_add(loop, on_idle, h, &h->idle)) != 0)
		goto fail;
	if ((error = loop_timer_add(loop, on_retry, h, &h->retry)) != 0)
		goto fail;
	if ((error = loop_soon_add(loop, on_over, h, &h->over)) != 0)
		goto fail;
	if ((error = loop_io_add(loop, fuse_fd, LOOP_READ, on_io, h, &h->io)) != 0)
		goto fail;
	if ((error = notifier_new(loop, fuse_fd, mp, &h->notifier)) != 0)
		goto fail;
	h->fd = fuse_fd;
	*out = h;
	return 0;
fail:
	host_linux_free(h);
	return error;
}

/* Refuse one request that nobody will serve. false: there is none, or there will be none. */
static bool
refuse_pending(struct host_linux *h)
{
	const struct wire_in_header *hdr = (const void *)h->rx->data;
	struct wire_out_header out = { .len = sizeof(out), .error = -ENOTCONN };
	const struct wire_op *op;
	ssize_t n = read(h->fd, h->rx->data, h->rx->cap);

	if (n < (ssize_t)sizeof(*hdr))
		return n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOENT);
	op = wire_op(hdr->opcode);
	out.unique = hdr->unique;
	if (hdr->opcode != WIRE_INTERRUPT && (op == NULL || !op->no_reply))
		(void)!write(h->fd, &out, sizeof(out));
	return true;
}

/*
 * The notifier may be in a write(2) that waits for a lock, of a request that is still in the kernel's queue. Nothing else ends that
 * write, not even our exit, which would wait for the thread. So such requests are refused until it is free. What it could wait
 * for beyond that is no affair of this mount's, and is not waited for.
 */
static void
free_notifier(struct host_linux *h)
{
	struct pollfd p[2] = { { .fd = h->fd, .events = POLLIN }, { .events = POLLIN } };
	uint64_t until = clock_ns() + STUCK_NS;

	if (!notifier_stop(h->notifier) && h->rx == NULL)
		h->rx = chunk_get(h->pool);
	while (!notifier_stop(h->notifier) && clock_ns() < until) {
		p[1].fd = notifier_wake_fd(h->notifier);
		(void)poll(p, 2, STUCK_TICK);
		if (p[0].revents != 0 && (h->rx == NULL || !refuse_pending(h)))
			p[0].fd = -1; /* the mount is gone, which ends that write */
	}
	notifier_free(h->notifier);
}

void
host_linux_free(struct host_linux *h)
{
	if (h == NULL)
		return;
	assert(h->nrunning == 0);
	free_notifier(h);
	loop_io_del(h->io);
	loop_timer_del(h->idle);
	loop_timer_del(h->retry);
	loop_soon_del(h->over);
	chunk_unref(h->rx);
	if (h->pool != NULL)
		chunk_pool_free(h->pool);
	if (h->fd != -1)
		close(h->fd);
	free(h);
}

void
host_linux_notes(const struct host_linux *h, struct host_linux_notes *out)
{
	notifier_counts(h->notifier, out);
}

size_t
host_linux_running(const struct host_linux *h)
{
	return h->nrunning;
}

/* ---- answers ---- */

/* Write one answer of an error, or of len bytes at data. 0 or errno. */
static int
answer(struct op *op, int error, const void *data, size_t len)
{
	struct {
		struct wire_out_header hdr;
		uint8_t small[SMALL_ANSWER];
	} a;
	struct iovec iov[2] = { { &a.hdr, sizeof(a.hdr) }, { (void *)(uintptr_t)data, len } };
	size_t total = sizeof(a.hdr) + len;
	ssize_t n;

	a.hdr.len = (uint32_t)total;
	a.hdr.error = -error;
	a.hdr.unique = op->req.hdr.unique;
	if (len <= sizeof(a.small)) {
		if (len != 0)
			memcpy(a.small, data, len);
		n = write(op->h->fd, &a, total);
	} else {
		n = writev(op->h->fd, iov, 2);
	}
	if (n >= 0)
		return 0;
	error = errno;
	/* ENOENT: the request was aborted meanwhile; ENODEV, EPERM: the mount is gone. Anything else is a mistake of ours. */
	if (error != ENOENT && error != ENODEV && error != EPERM)
		log_warn("the kernel refused the answer to %s (%zu bytes): %s", wire_opname(op->req.hdr.opcode), total,
		    strerror(error));
	return error;
}

int
reply_empty(struct op *op)
{
	return answer(op, 0, NULL, 0);
}

int
reply_out(struct op *op, const union wire_out *out)
{
	uint8_t body[sizeof(union wire_out)];
	size_t len;
	int error;

	error = wire_encode_out(&op->h->proto, op->req.hdr.opcode, out, body, sizeof(body), &len);
	return error != 0 ? error : answer(op, 0, body, len);
}

int
reply_data(struct op *op, const void *data, size_t len)
{
	return answer(op, 0, data, len);
}

void
reply_error(struct op *op, int error)
{
	(void)answer(op, error, NULL, 0);
}

/* ---- INIT ---- */

/* Tell the kernel what its mount's daemon can do. 0 or errno. */
static int
reply_init(struct op *op, const struct wire_init *kernel, const struct host_init *got)
{
	struct host_linux *h = op->h;
	uint8_t body[sizeof(struct wire_init_out)];
	struct wire_init i = { .major = WIRE_KERNEL_VERSION };

	i.minor = got->minor;
	i.max_readahead = got->max_readahead;
	i.flags = got->flags;
	/* Ours, whatever the daemon says: they bound what it is asked, and let upper flags through. */
	i.flags |= kernel->flags & (WIRE_INIT_MAX_PAGES | WIRE_INIT_EXT);
	i.max_background = got->max_background;
	i.congestion_threshold = got->congestion_threshold;
	i.max_write = got->max_write;
	i.time_gran = got->time_gran;
	i.max_pages = (uint16_t)got->max_pages;
	i.request_timeout = got->request_timeout;
	h->proto.minor = got->minor;
	h->proto.setxattr_ext = (i.flags & WIRE_INIT_SETXATTR_EXT) != 0;
	return reply_data(op, body, wire_init_reply(&i, kernel->minor, body, sizeof(body)));
}

/* End the kernel's connection from our side. */
static void
hang_up(struct host_linux *h)
{
	loop_io_del(h->io);
	h->io = NULL;
	(void)notifier_stop(h->notifier); /* which writes to it */
	close(h->fd);
	h->fd = -1;
}

static void
op_init(struct op *op)
{
	struct host_linux *h = op->h;
	struct wire_init kernel;
	struct host_init want = { 0 }, got;
	const char *why = "";
	int error;

	error = wire_parse_init_request(&op->req.in.init,
	    op->req.in.init.minor < 36 ? offsetof(struct wire_init_in, flags2) : sizeof(op->req.in.init), &kernel);
	if (h->initialised || error != 0) {
		reply_error(op, EPROTO);
		return;
	}
	h->initialised = true;
	want.minor = kernel.minor;
	want.flags = kernel.flags;
	want.max_readahead = kernel.max_readahead;
	want.max_write = MAX_WRITE;
	want.max_pages = (uint32_t)(MAX_WRITE / sysconf(_SC_PAGESIZE));
	error = vn_mount_init(h->mp, &want, &got, &why);
	if (error != 0) {
		/* Of a dead daemon the kernel hears by the end of this descriptor, as natively: ENOTCONN for who waits. */
		if (error == ENOTCONN)
			hang_up(h);
		else
			reply_error(op, error);
		h->ops->failed(h->arg, error, why);
		return;
	}
	if ((error = reply_init(op, &kernel, &got)) != 0) {
		h->ops->failed(h->arg, error, "the mount went away while the daemon was answering INIT");
		return;
	}
	h->ops->ready(h->arg);
}

/* ---- requests ---- */

static void
finish_if_over(struct host_linux *h)
{
	if (h->gone && h->nrunning == 0)
		loop_soon_arm(h->over);
}

static void
on_over(void *arg)
{
	struct host_linux *h = arg;

	h->ops->ended(h->arg);
}

static void
op_run(struct op *op)
{
	struct vn_node *vp;
	op_fn *fn;
	int error;

	switch (op->req.hdr.opcode) {
	case WIRE_INIT:
		op_init(op);
		return;
	case WIRE_DESTROY: /* fuseblk: the unmount waits for it */
		(void)vn_mount_destroy(op->mp);
		(void)reply_empty(op);
		return;
	default:
		break;
	}
	if ((fn = op_lookup_fn(op->req.hdr.opcode)) == NULL) {
		reply_error(op, ENOSYS);
		return;
	}
	if (op->req.hdr.opcode == WIRE_RELEASE || op->req.hdr.opcode == WIRE_RELEASEDIR) {
		/* Whatever has become of the node: the handle is to be closed. */
		if ((error = fn(op, NULL)) != 0)
			reply_error(op, error);
		return;
	}
	if (op->req.hdr.opcode == WIRE_LOOKUP &&
	    (strcmp(op->req.name[0], ".") == 0 || strcmp(op->req.name[0], "..") == 0))
		error = vn_get_again(op->mp, op->req.hdr.nodeid, &vp);
	else
		error = vn_get(op->mp, op->req.hdr.nodeid, &vp);
	if (error == 0) {
		error = fn(op, vp);
		vn_put(op->mp, vp);
	}
	log_debug(LOG_D_PUFFS, "%s nodeid %llu pid %u: %s", wire_opname(op->req.hdr.opcode),
	    (unsigned long long)op->req.hdr.nodeid, op->req.hdr.pid, error == 0 ? "ok" : strerror(error));
	if (error != 0)
		reply_error(op, error);
}

struct start { /* what a new coroutine is told */
	struct host_linux *h;
	size_t len;
};

static void
op_main(void *arg)
{
	struct start start = *(struct start *)arg;
	struct host_linux *h = start.h;
	struct op op;
	struct chunk *held = NULL;
	uint64_t small[SMALL / sizeof(uint64_t)];
	const void *msg = small;
	int error;

	if (start.len <= sizeof(small))
		memcpy(small, h->rx->data, start.len);
	else
		msg = (held = chunk_ref(h->rx))->data;
	op.h = h;
	op.mp = h->mp;
	op.co = co_self();
	TAILQ_INSERT_TAIL(&h->running, &op, link);
	h->nrunning++;
	error = wire_parse_request(&h->proto, msg, start.len, &op.req);
	op.cred = (struct vop_cred){ op.req.hdr.uid, op.req.hdr.gid, (pid_t)op.req.hdr.pid, op.req.ext, op.req.extlen };
	if (error == 0) {
		op_run(&op);
	} else {
		if (error == EPROTO)
			log_warn("a request of the kernel's (%s, %zu bytes) makes no sense",
			    wire_opname(op.req.hdr.opcode), start.len);
		reply_error(&op, error == ENOSYS ? ENOSYS : EIO);
	}
	TAILQ_REMOVE(&h->running, &op, link);
	h->nrunning--;
	chunk_unref(held);
	finish_if_over(h);
}

static void
interrupt(struct host_linux *h, uint64_t unique)
{
	struct op *op;

	TAILQ_FOREACH (op, &h->running, link) {
		if (op->req.hdr.unique == unique) {
			vn_interrupt(h->mp, op->co);
			return;
		}
	}
}

/* Requests that have no answer need no coroutine. false: this one has. */
static bool
run_inline(struct host_linux *h, const struct wire_in_header *hdr, size_t len)
{
	const struct wire_forget_one *one;
	struct wire_req req;

	if (hdr->opcode != WIRE_FORGET && hdr->opcode != WIRE_BATCH_FORGET && hdr->opcode != WIRE_INTERRUPT &&
	    hdr->opcode != WIRE_NOTIFY_REPLY)
		return false;
	if (wire_parse_request(&h->proto, h->rx->data, len, &req) != 0) {
		log_warn("a request of the kernel's (%s, %zu bytes) makes no sense", wire_opname(hdr->opcode), len);
		return true;
	}
	switch (hdr->opcode) {
	case WIRE_FORGET:
		vop_forget(h->mp, hdr->nodeid, req.in.forget.nlookup);
		break;
	case WIRE_BATCH_FORGET:
		one = (const struct wire_forget_one *)(const void *)req.data;
		for (uint32_t i = 0; i < req.in.batch_forget.count; i++)
			vop_forget(h->mp, one[i].nodeid, one[i].nlookup);
		break;
	case WIRE_NOTIFY_REPLY: /* under the daemon's unique, with the bytes it has asked for */
		vn_retrieved(
		    h->mp, hdr->nodeid, hdr->unique, req.in.notify_retrieve.offset, req.data, (uint32_t)req.datalen);
		break;
	default:
		interrupt(h, req.in.interrupt.unique);
		break;
	}
	return true;
}

/*
 * The kernel's end is gone (unmounted or aborted). It has given back nothing, and the daemon is told nothing: as with the
 * kernel, its connection ends, with what it still had to answer awaited. (Only fuseblk has a DESTROY, before this.)
 */
static void
kernel_gone(struct host_linux *h)
{
	h->gone = true;
	loop_io_set(h->io, 0);
	h->ops->leaving(h->arg);
	finish_if_over(h);
}

/* There is no memory for a coroutine. What is closed is closed all the same. */
static void
refuse(struct host_linux *h, const struct wire_in_header *hdr, size_t len)
{
	struct op op = { .h = h, .mp = h->mp, .req.hdr = *hdr };
	struct vn_file *file = NULL;

	if ((hdr->opcode == WIRE_RELEASE || hdr->opcode == WIRE_RELEASEDIR) &&
	    wire_parse_request(&h->proto, h->rx->data, len, &op.req) == 0)
		file = vn_file_get(h->mp, op.req.in.release.fh, NULL);
	if (file != NULL)
		vop_release_unused(h->mp, file);
	reply_error(&op, file != NULL ? 0 : ENOMEM);
}

/* Read and start one request. false when there is none. */
static bool
receive(struct host_linux *h)
{
	const struct wire_in_header *hdr;
	struct start start = { .h = h };
	ssize_t n;

	if (h->rx != NULL && h->rx->refs > 1) { /* the last one is still running on it */
		chunk_unref(h->rx);
		h->rx = NULL;
	}
	if (h->rx == NULL && (h->rx = chunk_get(h->pool)) == NULL) {
		loop_io_set(h->io, 0);
		loop_timer_start(h->retry, RETRY_NS);
		return false;
	}
	n = read(h->fd, h->rx->data, h->rx->cap);
	if (n < 0) {
		if (errno == ENODEV || errno == ECONNABORTED || errno == ENOTCONN)
			kernel_gone(h);
		else if (errno != EAGAIN && errno != EINTR && errno != ENOENT)
			log_warn("reading /dev/fuse: %s", strerror(errno));
		return errno == ENOENT; /* that request was aborted, the next may be there */
	}
	if (n == 0) { /* not of /dev/fuse, but of a socket in its place */
		kernel_gone(h);
		return false;
	}
	hdr = (const struct wire_in_header *)(const void *)h->rx->data;
	if ((size_t)n < sizeof(*hdr)) {
		log_warn("the kernel sent %zd bytes, less than a header", n);
		return true;
	}
	h->requests++;
	if (run_inline(h, hdr, (size_t)n))
		return true;
	start.len = (size_t)n;
	if (co_start(op_main, &start) != 0)
		refuse(h, hdr, start.len);
	return true;
}

static void
on_io(void *arg, unsigned events)
{
	struct host_linux *h = arg;

	(void)events;
	for (int i = 0; i < RX_BATCH && !h->gone; i++) {
		if (!receive(h))
			break;
		if (h->nrunning <= 1)
			break; /* one caller at a time: the EAGAIN that would end the loop is not worth its system call */
	}
	if (!h->idle_armed) {
		h->idle_armed = true;
		loop_timer_start(h->idle, IDLE_NS);
	}
}

static void
on_retry(void *arg)
{
	struct host_linux *h = arg;

	if (!h->gone && h->io != NULL)
		loop_io_set(h->io, LOOP_READ);
}

static void
on_idle(void *arg)
{
	struct host_linux *h = arg;

	h->idle_armed = false;
	if (h->requests != h->requests_at_idle || h->nrunning != 0) {
		h->requests_at_idle = h->requests;
		h->idle_armed = true;
		loop_timer_start(h->idle, IDLE_NS);
		return;
	}
	chunk_unref(h->rx);
	h->rx = NULL;
	chunk_pool_trim(h->pool);
	vn_mount_trim(h->mp);
	co_trim(1);
	(void)malloc_trim(0);
}

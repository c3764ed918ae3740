/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's notifications, passed to the kernel. The write of one may wait for locks of pages and directories that only replies
 * of this very engine release, so a thread of its own does it: started at the first notification that needs it, fed by a bounded
 * queue, answering through an eventfd. It writes, and nothing else: memory is allocated and freed by the loop's thread.
 *
 * Order: a daemon that notifies the kernel itself is done when its write returns, and what it answers afterwards is seen afterwards.
 * Here the daemon's connection pauses until the thread is done, but for HOLD_NS at most: a daemon with several threads may have sent
 * the very reply on which the write waits. Then the connection goes on until that write is done. What is notified meanwhile queues up; a
 * queue that is half full pauses again at each notification, so that a thread which a busy machine does not run is no flood.
 * POLL and INC_EPOCH take no such locks; they are written at once when nothing is before them.
 *
 * The kernel's answer (ENOENT: it has nothing of it; EINVAL: it does not know the code) is counted, and has no effect.
 */
#include <bsd/sys/queue.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "host/linux/priv.h"

enum {
	NOTES_MAX = 4096,             /* notifications under way */
	BYTES_MAX = 16 * 1024 * 1024, /* and their bytes */
	CROWDED = 2,                  /* this part of either is taken slowly */
	STACK = 128 * 1024,           /* the thread's; what it does not touch costs nothing */
};
#define HOLD_NS (10 * CLOCK_MSEC)

struct note {
	STAILQ_ENTRY(note) link;
	size_t len;
	int error; /* the kernel's, once it is done */
	int code;
	uint64_t nodeid, unique; /* RETRIEVE */
	uint8_t data[];          /* as it is written */
};
STAILQ_HEAD(notes, note);

struct notifier {
	struct vn_mount *mp;
	int fd;   /* /dev/fuse, borrowed */
	int wake; /* eventfd: something is done */
	struct loop_io *io;
	struct loop_timer *hold;
	size_t count, bytes; /* under way, as the loop's thread knows it */
	bool stuck;          /* HOLD_NS are over: the connection goes on until one is done */
	bool started;
	struct host_linux_notes counts;
	pthread_t thread;
	/* Between the two threads. */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct notes queue, done;
	bool writing; /* the thread has come as far as its write */
	bool stop, ended;
	bool orphan; /* the thread is to free this */
};

/* ---- the thread ---- */

static void
notifier_destroy(struct notifier *n)
{
	(void)pthread_cond_destroy(&n->more);
	(void)pthread_mutex_destroy(&n->lock);
	(void)close(n->wake);
	free(n);
}

static void
free_notes(struct notes *list)
{
	struct note *note;

	while ((note = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		free(note);
	}
}

static void *
notifier_main(void *arg)
{
	struct notifier *n = arg;
	struct note *note;
	bool orphan;

	(void)pthread_mutex_lock(&n->lock);
	for (;;) {
		while ((note = STAILQ_FIRST(&n->queue)) == NULL && !n->stop)
			(void)pthread_cond_wait(&n->more, &n->lock);
		if (n->stop)
			break;
		STAILQ_REMOVE_HEAD(&n->queue, link);
		n->writing = true;
		(void)pthread_mutex_unlock(&n->lock);
		note->error = write(n->fd, note->data, note->len) < 0 ? errno : 0;
		(void)pthread_mutex_lock(&n->lock);
		n->writing = false;
		STAILQ_INSERT_TAIL(&n->done, note, link);
		(void)eventfd_write(n->wake, 1);
	}
	n->ended = true;
	orphan = n->orphan;
	(void)eventfd_write(n->wake, 1);
	(void)pthread_mutex_unlock(&n->lock);
	if (orphan) {
		free_notes(&n->done);
		notifier_destroy(n);
	}
	return NULL;
}

/* 0 or errno. */
static int
start_thread(struct notifier *n)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int error;

	if (n->started)
		return 0;
	if ((error = pthread_attr_init(&attr)) != 0)
		return error;
	(void)pthread_attr_setstacksize(&attr, STACK);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old); /* it inherits this: signals are the loop's */
	error = pthread_create(&n->thread, &attr, notifier_main, n);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	n->started = error == 0;
	return error;
}

/* ---- the loop's side ---- */

static void
finished(struct notifier *n, int code, uint64_t nodeid, uint64_t unique, int error)
{
	if (error == 0) {
		n->counts.taken++;
		return;
	}
	n->counts.refused++;
	if (code == WIRE_NOTIFY_RETRIEVE)
		vn_retrieve_failed(n->mp, nodeid, unique);
	log_debug(LOG_D_MISC, "the kernel refused a notification (code %d): %s", code, strerror(error));
}

/* The connection pauses until what is under way is done, or for HOLD_NS. */
static void
hold(struct notifier *n)
{
	n->stuck = false;
	vn_mount_pause(n->mp);
	loop_timer_start(n->hold, HOLD_NS);
}

static void
on_hold(void *arg)
{
	struct notifier *n = arg;
	bool idle;

	(void)pthread_mutex_lock(&n->lock);
	idle = !n->writing && !STAILQ_EMPTY(&n->queue);
	(void)pthread_mutex_unlock(&n->lock);
	if (idle) { /* a busy machine has not let the thread run yet: that is not the waiting of which we must not be part */
		loop_timer_start(n->hold, HOLD_NS);
		return;
	}
	n->stuck = true;
	vn_mount_resume(n->mp);
}

static void
on_wake(void *arg, unsigned events)
{
	struct notifier *n = arg;
	struct notes done = STAILQ_HEAD_INITIALIZER(done);
	struct note *note;
	eventfd_t ignored;

	(void)events;
	(void)eventfd_read(n->wake, &ignored);
	(void)pthread_mutex_lock(&n->lock);
	STAILQ_CONCAT(&done, &n->done);
	(void)pthread_mutex_unlock(&n->lock);
	while ((note = STAILQ_FIRST(&done)) != NULL) {
		STAILQ_REMOVE_HEAD(&done, link);
		n->count--;
		n->bytes -= note->len;
		finished(n, note->code, note->nodeid, note->unique, note->error);
		free(note);
	}
	if (n->count == 0) {
		n->stuck = false;
		loop_timer_stop(n->hold);
		vn_mount_resume(n->mp);
	} else if (n->stuck) {
		hold(n); /* for those behind the one that was */
	}
}

static bool
crowded(const struct notifier *n)
{
	return n->count > NOTES_MAX / CROWDED || n->bytes > BYTES_MAX / CROWDED;
}

/* One notification of n parts, the first of which is its fixed part. 0; ENOBUFS, ENOMEM, or that there is no thread to be had. */
static int
put(struct notifier *n, int code, const struct iovec *part, int parts, uint64_t nodeid, uint64_t unique)
{
	struct wire_out_header hdr = { .error = code };
	size_t len = sizeof(hdr), at = sizeof(hdr);
	struct note *note;
	int error;

	for (int i = 0; i < parts; i++)
		len += part[i].iov_len;
	if (n->count >= NOTES_MAX || n->bytes + len > BYTES_MAX)
		return ENOBUFS;
	if ((error = start_thread(n)) != 0)
		return error;
	if ((note = malloc(sizeof(*note) + len)) == NULL)
		return ENOMEM;
	hdr.len = (uint32_t)len;
	*note = (struct note){ .len = len, .code = code, .nodeid = nodeid, .unique = unique };
	memcpy(note->data, &hdr, sizeof(hdr));
	for (int i = 0; i < parts; i++) {
		if (part[i].iov_len != 0)
			memcpy(note->data + at, part[i].iov_base, part[i].iov_len);
		at += part[i].iov_len;
	}
	n->count++;
	n->bytes += len;
	if (!n->stuck || crowded(n))
		hold(n);
	(void)pthread_mutex_lock(&n->lock);
	STAILQ_INSERT_TAIL(&n->queue, note, link);
	(void)pthread_cond_signal(&n->more);
	(void)pthread_mutex_unlock(&n->lock);
	return 0;
}

/* One that takes no locks: at once, unless others are before it. */
static int
put_quick(struct notifier *n, int code, const void *body, size_t len)
{
	struct wire_out_header hdr = { .len = (uint32_t)(sizeof(hdr) + len), .error = code };
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { (void *)(uintptr_t)body, len } };

	if (n->count != 0)
		return put(n, code, &iov[1], 1, 0, 0);
	finished(n, code, 0, 0, writev(n->fd, iov, 2) < 0 ? errno : 0);
	return 0;
}

/* ---- what vnode/ tells ---- */

static int
poll_wakeup(void *arg, uint64_t kh)
{
	const struct wire_notify_poll_wakeup_out o = { .kh = kh };

	return put_quick(arg, WIRE_NOTIFY_POLL, &o, sizeof(o));
}

static int
inc_epoch(void *arg)
{
	return put_quick(arg, WIRE_NOTIFY_INC_EPOCH, NULL, 0);
}

static int
inval_inode(void *arg, uint64_t nodeid, int64_t off, int64_t len)
{
	struct wire_notify_inval_inode_out o = { .ino = nodeid, .off = off, .len = len };
	const struct iovec part = { &o, sizeof(o) };

	return put(arg, WIRE_NOTIFY_INVAL_INODE, &part, 1, 0, 0);
}

static int
inval_entry(void *arg, uint64_t parent, const char *name, size_t len, uint32_t flags)
{
	struct wire_notify_inval_entry_out o = { .parent = parent, .namelen = (uint32_t)len, .flags = flags };
	const struct iovec part[] = { { &o, sizeof(o) }, { (void *)(uintptr_t)name, len },
		{ (void *)(uintptr_t) "", 1 } };

	return put(arg, WIRE_NOTIFY_INVAL_ENTRY, part, 3, 0, 0);
}

static int
deleted(void *arg, uint64_t parent, uint64_t child, const char *name, size_t len)
{
	struct wire_notify_delete_out o = { .parent = parent, .child = child, .namelen = (uint32_t)len };
	const struct iovec part[] = { { &o, sizeof(o) }, { (void *)(uintptr_t)name, len },
		{ (void *)(uintptr_t) "", 1 } };

	return put(arg, WIRE_NOTIFY_DELETE, part, 3, 0, 0);
}

static int
store(void *arg, uint64_t nodeid, uint64_t offset, const void *data, size_t len)
{
	struct wire_notify_store_out o = { .nodeid = nodeid, .offset = offset, .size = (uint32_t)len };
	const struct iovec part[] = { { &o, sizeof(o) }, { (void *)(uintptr_t)data, len } };

	return put(arg, WIRE_NOTIFY_STORE, part, 2, 0, 0);
}

static int
retrieve(void *arg, uint64_t nodeid, uint64_t unique, uint64_t offset, uint32_t size)
{
	struct wire_notify_retrieve_out o = {
		.notify_unique = unique, .nodeid = nodeid, .offset = offset, .size = size
	};
	const struct iovec part = { &o, sizeof(o) };

	return put(arg, WIRE_NOTIFY_RETRIEVE, &part, 1, nodeid, unique);
}

static int
prune(void *arg, const uint64_t *nodeids, size_t count)
{
	struct wire_notify_prune_out o = { .count = (uint32_t)count };
	const struct iovec part[] = { { &o, sizeof(o) }, { (void *)(uintptr_t)nodeids, count * sizeof(*nodeids) } };

	return put(arg, WIRE_NOTIFY_PRUNE, part, 2, 0, 0);
}

static const struct vn_host_ops host_ops = {
	.poll_wakeup = poll_wakeup,
	.inval_inode = inval_inode,
	.inval_entry = inval_entry,
	.deleted = deleted,
	.store = store,
	.retrieve = retrieve,
	.inc_epoch = inc_epoch,
	.prune = prune,
};

/* ---- its life ---- */

int
notifier_new(struct loop *loop, int fuse_fd, struct vn_mount *mp, struct notifier **out)
{
	struct notifier *n;
	int error;

	if ((n = calloc(1, sizeof(*n))) == NULL)
		return ENOMEM;
	n->mp = mp;
	n->fd = fuse_fd;
	STAILQ_INIT(&n->queue);
	STAILQ_INIT(&n->done);
	if ((n->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1) {
		error = errno;
		free(n);
		return error;
	}
	(void)pthread_mutex_init(&n->lock, NULL);
	(void)pthread_cond_init(&n->more, NULL);
	if ((error = loop_timer_add(loop, on_hold, n, &n->hold)) != 0 ||
	    (error = loop_io_add(loop, n->wake, LOOP_READ, on_wake, n, &n->io)) != 0) {
		loop_timer_del(n->hold);
		notifier_destroy(n);
		return error;
	}
	vn_mount_set_host(mp, &host_ops, n);
	*out = n;
	return 0;
}

bool
notifier_stop(struct notifier *n)
{
	bool ended;

	if (n == NULL || !n->started)
		return true;
	(void)pthread_mutex_lock(&n->lock);
	n->stop = true;
	(void)pthread_cond_signal(&n->more);
	ended = n->ended;
	(void)pthread_mutex_unlock(&n->lock);
	return ended;
}

int
notifier_wake_fd(const struct notifier *n)
{
	return n->wake;
}

void
notifier_counts(const struct notifier *n, struct host_linux_notes *out)
{
	*out = n->counts;
	out->waiting = n->count;
}

void
notifier_free(struct notifier *n)
{
	bool ended;

	if (n == NULL)
		return;
	vn_mount_set_host(n->mp, NULL, NULL);
	vn_mount_resume(n->mp);
	loop_io_del(n->io);
	loop_timer_del(n->hold);
	(void)notifier_stop(n);
	(void)pthread_mutex_lock(&n->lock);
	ended = n->ended || !n->started;
	n->orphan = !ended;
	free_notes(&n->queue);
	if (!ended) /* it frees what is left, as soon as it has the lock */
		(void)pthread_detach(n->thread);
	(void)pthread_mutex_unlock(&n->lock);
	if (!ended)
		return;
	if (n->started)
		(void)pthread_join(n->thread, NULL);
	free_notes(&n->done);
	notifier_destroy(n);
}

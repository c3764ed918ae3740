/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A case's mount: made before the body (through perfuse with an engine in a child between the kernel and our socket, natively with
 * /dev/fuse in our hand, INIT answered), and ended after it, where everything has to come out even: actors, messages, lookups, the
 * unmount, the engine's end and its log.
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/loop.h>

#include "base/log.h"
#include "base/loop.h"
#include "engine/engine.h"
#include "harness.h"

enum { SNDBUF = 4 << 20, BLKDEV_SIZE = 1 << 20 };

/* ---- the engine's process ---- */

static void
on_ready(void *arg)
{
	(void)arg;
}

/* As perfused does: without a daemon that has agreed there is nothing to serve, and the kernel's connection ends. */
static void
on_failed(void *arg, int error, const char *why)
{
	log_info("failed: %s (%s)", why, strerror(error));
	loop_stop(arg);
}

static void
on_dead(void *arg, int error, const char *why)
{
	(void)arg;
	log_info("dead: %s (%s)", why, strerror(error));
}

static void
on_ended(void *arg)
{
	loop_stop(arg);
}

/* Never returns; a normal end, so that a leak checker has its say. */
static void
engine_main(int fuse_fd, int sock, size_t sndbuf, int log_fd)
{
	static const struct engine_ops ops = {
		.ready = on_ready, .failed = on_failed, .dead = on_dead, .ended = on_ended
	};
	struct engine_config cfg = { .daemon_fd = sock, .peer_sndbuf = sndbuf, .fuse_fd = fuse_fd };
	struct engine *e;
	struct loop *loop;

	dup2(log_fd, STDERR_FILENO);
	log_init("engine", true);
	if (loop_new(&loop) != 0 || engine_new(loop, &cfg, &ops, loop, &e) != 0)
		_exit(1);
	loop_run(loop);
	engine_free(e);
	loop_free(loop);
	exit(0);
}

static void
start_engine(struct mock *m, int fuse_fd)
{
	int pair[2], size = SNDBUF;
	socklen_t len = sizeof(size);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		mock_fail(__FILE__, __LINE__, "socketpair: %s", strerror(errno));
	for (int i = 0; i < 2; i++)
		(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	(void)getsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, &len);
	if ((m->engine = fork()) == -1)
		mock_fail(__FILE__, __LINE__, "fork: %s", strerror(errno));
	if (m->engine == 0) {
		close(pair[0]);
		engine_main(fuse_fd, pair[1], (size_t)size, m->engine_log);
	}
	m->engine_pidfd = pidfd_of(m->engine);
	close(pair[1]);
	close(fuse_fd);
	m->fd = pair[0];
}

/* Has no thread of the engine anything to do? ran: how often they have been given a processor, added up. */
static bool
all_asleep(const struct mock *m, unsigned long *ran)
{
	unsigned long run, wait, slices;
	char path[320], state;
	bool asleep = true;
	struct dirent *d;
	FILE *f;
	DIR *dir;

	*ran = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)m->engine);
	if ((dir = opendir(path)) == NULL)
		return true; /* it has ended */
	while (asleep && (d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)m->engine, d->d_name);
		if ((f = fopen(path, "re")) != NULL) {
			asleep = fscanf(f, "%*d (%*[^)]) %c", &state) != 1 || state == 'S' || state == 'Z';
			fclose(f);
		}
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)m->engine, d->d_name);
		if ((f = fopen(path, "re")) != NULL) {
			if (fscanf(f, "%lu %lu %lu", &run, &wait, &slices) == 3)
				*ran += slices;
			fclose(f);
		}
	}
	closedir(dir);
	return asleep;
}

void
engine_idle(struct mock *m)
{
	int64_t end = now_ms() + PATIENCE;
	unsigned long ran, before;

	if (m->engine == 0 || m->dead)
		return;
	/*
	 * Whatever comes for it makes its thread runnable at once. So when all its threads sleep, and none has run between two
	 * looks at them, there is nothing left to do. (One that waits for a lock in the kernel is not asleep in this sense.)
	 */
	while (!(all_asleep(m, &before) && all_asleep(m, &ran) && ran == before)) {
		if (now_ms() > end)
			mock_fail(__FILE__, __LINE__, "the engine does not come to rest");
		(void)poll(NULL, 0, 1);
	}
}

/* ---- up ---- */

/* A loop device on a small file for fuseblk; the case is skipped where there is none. */
static void
make_blkdev(struct mock *m)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), n, dev = -1, file;
	struct loop_config cfg = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };

	if (control == -1)
		mock_skip("no loop devices");
	file = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (file == -1 || ftruncate(file, BLKDEV_SIZE) == -1)
		mock_skip("no file for a loop device");
	cfg.fd = (uint32_t)file;
	for (int i = 0; i < 10; i++) { /* another may take the free one before us */
		if ((n = ioctl(control, LOOP_CTL_GET_FREE)) < 0)
			mock_skip("no free loop device");
		(void)snprintf(m->loop_dev, sizeof(m->loop_dev), "/dev/loop%d", n);
		if ((dev = open(m->loop_dev, O_RDWR | O_CLOEXEC)) == -1)
			mock_skip("loop devices cannot be opened");
		if (ioctl(dev, LOOP_CONFIGURE, &cfg) == 0)
			break;
		close(dev);
		dev = -1;
	}
	if (dev == -1)
		mock_skip("loop devices cannot be set up");
	close(control);
	close(file);
	/* dev stays open in this process: it keeps the device until the mount has it, and for good when the mount fails. */
}

void
mount_up(struct mock *m)
{
	const struct mock_case *c = m->c;
	char data[512];
	struct req *r;
	int fd;

	TAILQ_INIT(&m->all);
	TAILQ_INIT(&m->queue);
	m->proto.minor = WIRE_MINOR_MAX;
	m->rx_room = (c->max_write > MOCK_BUF ? c->max_write : MOCK_BUF) + 8192;
	if ((m->rx = malloc(m->rx_room)) == NULL)
		mock_fail(__FILE__, __LINE__, "no memory");
	if (c->blkdev)
		make_blkdev(m);
	if ((fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK)) == -1)
		mock_fail(__FILE__, __LINE__, "/dev/fuse: %s", strerror(errno));
	(void)snprintf(data, sizeof(data), "fd=%d,rootmode=40000,user_id=0,group_id=0%s%s", fd,
	    c->options != NULL ? "," : "", c->options != NULL ? c->options : "");
	if (mount(c->blkdev ? m->loop_dev : "mock", m->path, c->blkdev ? "fuseblk" : "fuse", c->ms_flags, data) == -1)
		mock_fail(__FILE__, __LINE__, "mount with \"%s\": %s", data, strerror(errno));
	if (m->native)
		m->fd = fd;
	else
		start_engine(m, fd);
	(void)fcntl(m->fd, F_SETFL, fcntl(m->fd, F_GETFL) | O_NONBLOCK);
	if (c->no_init && c->needs_minor == 0 && c->needs_flags == 0)
		return;
	if (c->no_init) {
		/* Let the body find it again. */
		r = expect_init(m);
		TAILQ_INSERT_HEAD(&m->queue, (struct msg *)r, queued);
	} else {
		r = expect_init(m);
		reply_init(m, r, NULL);
	}
	if (m->offer.minor < c->needs_minor)
		mock_skip("an older kernel");
	if ((m->offer.flags & c->needs_flags) != c->needs_flags)
		mock_skip("not offered");
}

/* ---- down ---- */

int
in_child(struct mock *m, const char *what, int (*fn)(struct mock *m))
{
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int64_t end = now_ms() + PATIENCE;
	pid_t pid = fork();
	struct msg *g;
	int status;

	if (pid == 0) {
		if (m->fd != -1)
			close(m->fd);
		_exit(fn(m));
	}
	p[0].fd = pidfd_of(pid);
	for (;;) {
		p[1].fd = m->dead ? -1 : m->fd;
		(void)poll(p, 2, 50);
		if (p[0].revents != 0)
			break;
		/* A fuseblk mount's daemon hears of both; what else comes is the case's. */
		if (p[1].revents != 0 && fetch(m, 0) && m->c->blkdev && (g = TAILQ_LAST(&m->queue, msgs)) != NULL &&
		    (g->r.hdr.opcode == WIRE_DESTROY || g->r.hdr.opcode == WIRE_SYNCFS)) {
			TAILQ_REMOVE(&m->queue, g, queued);
			reply_empty(m, &g->r);
		}
		if (now_ms() > end) {
			check_nothing_left(m);
			mock_fail(__FILE__, __LINE__, "%s does not return", what);
		}
	}
	close(p[0].fd);
	(void)waitpid(pid, &status, 0);
	if (!WIFEXITED(status))
		mock_fail(__FILE__, __LINE__, "%s: ended with status %#x", what, status);
	return WEXITSTATUS(status);
}

static int
do_remount(struct mock *m)
{
	return mount(NULL, m->path, NULL, MS_REMOUNT | m->c->ms_flags, NULL) == -1 ? errno : 0;
}

void
shrink(struct mock *m)
{
	/* A remount makes the kernel drop all names of the mount that nobody uses, and nothing else. */
	int error = in_child(m, "the remount", do_remount);

	if (error != 0)
		mock_fail(__FILE__, __LINE__, "remount: %s", strerror(error));
}

static int
do_unmount(struct mock *m)
{
	int64_t end = now_ms() + PATIENCE;

	while (umount2(m->path, 0) == -1) {
		if (errno == EINVAL) /* not mounted: the body did it */
			return 0;
		if (errno != EBUSY || now_ms() > end) /* a file's last close may come a moment late */
			return errno;
		(void)poll(NULL, 0, 1);
	}
	return 0;
}

/* Each line of the engine's log has one of the parts that the case named, and each part is there. */
static void
check_engine_log(struct mock *m)
{
	static char text[64 << 10];
	ssize_t n = pread(m->engine_log, text, sizeof(text) - 1, 0);
	bool seen[PARTS] = { false };
	char *line, *save = NULL;
	int i;

	text[n > 0 ? n : 0] = '\0';
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		bool allowed = m->may_end && (strstr(line, "dead: ") != NULL || strstr(line, "failed: ") != NULL);

		for (i = 0; i < m->nparts; i++)
			if (strstr(line, m->log_part[i]) != NULL)
				allowed = seen[i] = true;
		if (!allowed)
			mock_fail(m->c->file, m->c->line, "the engine said: %s", line);
	}
	for (i = 0; i < m->nparts; i++)
		if (!seen[i])
			mock_fail(m->c->file, m->c->line, "the engine did not say: %s", m->log_part[i]);
}

static void
check_engine_end(struct mock *m)
{
	int64_t end = now_ms() + PATIENCE;
	struct pollfd p = { .fd = m->engine_pidfd, .events = POLLIN };
	int status;

	while (!m->dead && now_ms() < end)
		(void)fetch(m, 100);
	if (poll(&p, 1, PATIENCE) == 0)
		mock_fail(m->c->file, m->c->line, "the engine does not end after the unmount");
	(void)waitpid(m->engine, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		mock_fail(m->c->file, m->c->line, "the engine ended with status %#x", status);
	check_engine_log(m);
}

void
mount_down(struct mock *m)
{
	int error;

	actors_all_ended(m);
	engine_idle(m);
	while (!m->dead && fetch(m, 0))
		continue;
	check_nothing_left(m);
	if (m->dead && !m->may_end && !(m->native && !m->agreed))
		mock_fail(m->c->file, m->c->line, "the connection has ended");
	if (!m->dead && m->agreed && !m->c->unbalanced) {
		shrink(m);
		check_balance(m);
	}
	if ((error = in_child(m, "the unmount", do_unmount)) != 0)
		mock_fail(m->c->file, m->c->line, "unmount: %s", strerror(error));
	m->may_end = m->may_end || m->dead;
	if (m->engine != 0)
		check_engine_end(m);
	else
		while (!m->dead && fetch(m, 0))
			continue;
	check_nothing_left(m);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One mount put together. Its life: new -> the kernel's INIT arrives, the daemon is asked -> ready or failed -> (the daemon may
 * die: dead) -> the kernel says the mount is gone -> ended. Each of these is told to the owner once, from the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "conn/conn.h"
#include "engine/engine.h"
#include "host/linux/linux.h"
#include "vnode/host.h"

#define INIT_NS (60 * CLOCK_SEC)     /* a daemon has this long for INIT, unless the owner says otherwise */
#define FAREWELL_NS (10 * CLOCK_SEC) /* after the unmount: for what is still at the daemon */

struct engine {
	struct conn *conn;
	struct vn_mount *mp;
	struct host_linux *host;
	struct loop_timer *timer; /* INIT's, then the farewell's */
	struct loop_soon *news;   /* tells the outcome of INIT, which a coroutine brings, from the loop */
	const struct engine_ops *ops;
	void *arg;
	bool ready, failed;
	int error; /* of a failed INIT */
	char why[160];
};

static void
on_dead(void *arg, int error, const char *why)
{
	struct engine *e = arg;

	if (e->ready) {
		e->ops->dead(e->arg, error, why);
	} else if (!e->failed) {
		e->failed = true;
		e->ops->failed(e->arg, error, why);
	}
}

static void
on_news(void *arg)
{
	struct engine *e = arg;

	if (e->ready) {
		e->ops->ready(e->arg);
	} else if (!e->failed) {
		e->failed = true;
		e->ops->failed(e->arg, e->error, e->why);
	}
}

static void
on_ready(void *arg)
{
	struct engine *e = arg;

	loop_timer_stop(e->timer);
	e->ready = true;
	loop_soon_arm(e->news);
}

static void
on_failed(void *arg, int error, const char *why)
{
	struct engine *e = arg;

	/* When the daemon died over INIT, its obituary says more than that INIT was not answered. */
	if (!conn_alive(e->conn))
		return;
	loop_timer_stop(e->timer);
	e->error = error;
	(void)strncpy(e->why, why, sizeof(e->why) - 1);
	loop_soon_arm(e->news);
}

static void
on_ended(void *arg)
{
	struct engine *e = arg;

	loop_timer_stop(e->timer);
	e->ops->ended(e->arg);
}

static void
on_leaving(void *arg)
{
	struct engine *e = arg;

	/* Unmounted: what the daemon still has to say is wanted, but not for ever. */
	loop_timer_start(e->timer, FAREWELL_NS);
}

static void
on_timer(void *arg)
{
	struct engine *e = arg;

	conn_kill(e->conn, ENOTCONN,
	    e->ready ? "the daemon did not let go of the unmounted file system in time"
		     : "the daemon did not answer INIT in time");
}

static void
on_notify(void *arg, int code, uint8_t *data, size_t len)
{
	struct engine *e = arg;

	(void)code;
	vn_notify(e->mp, data, len);
}

static const struct conn_ops conn_ops = { .dead = on_dead, .notify = on_notify };
static const struct host_linux_ops host_ops = {
	.ready = on_ready,
	.failed = on_failed,
	.leaving = on_leaving,
	.ended = on_ended,
};

int
engine_new(
    struct loop *loop, const struct engine_config *cfg, const struct engine_ops *ops, void *arg, struct engine **out)
{
	int fuse_fd, daemon_fd = -1, error = 0;
	struct engine *e;

	/* Duplicates, so that on failure both descriptors are still the caller's, whatever had taken them. */
	if ((fuse_fd = fcntl(cfg->fuse_fd, F_DUPFD_CLOEXEC, 0)) == -1)
		return errno;
	if (cfg->transport == NULL && (daemon_fd = fcntl(cfg->daemon_fd, F_DUPFD_CLOEXEC, 0)) == -1) {
		error = errno;
		close(fuse_fd);
		return error;
	}
	if ((e = calloc(1, sizeof(*e))) == NULL) {
		error = ENOMEM;
		goto fail;
	}
	e->ops = ops;
	e->arg = arg;
	if ((error = loop_timer_add(loop, on_timer, e, &e->timer)) != 0)
		goto fail;
	if ((error = loop_soon_add(loop, on_news, e, &e->news)) != 0)
		goto fail;
	if (cfg->transport != NULL)
		error = conn_new_transport(loop, cfg->transport, &conn_ops, e, &e->conn);
	else
		error = conn_new(loop, daemon_fd, cfg->peer_sndbuf, &conn_ops, e, &e->conn);
	if (error != 0)
		goto fail;
	daemon_fd = -1;
	if ((error = vn_mount_new(loop, e->conn, &e->mp)) != 0)
		goto fail;
	vn_mount_switch(e->mp, cfg->switches);
	if ((error = host_linux_new(loop, fuse_fd, e->mp, &host_ops, e, &e->host)) != 0)
		goto fail;
	close(cfg->fuse_fd);
	if (cfg->transport == NULL)
		close(cfg->daemon_fd);
	loop_timer_start(e->timer, cfg->init_timeout != 0 ? cfg->init_timeout : INIT_NS);
	*out = e;
	return 0;
fail:
	if (e == NULL || e->host == NULL)
		close(fuse_fd);
	if (daemon_fd != -1)
		close(daemon_fd);
	engine_free(e);
	return error;
}

void
engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	if (e->conn != NULL)
		conn_kill(e->conn, ENOTCONN, "the mount was closed"); /* whoever still waits ends now */
	host_linux_free(e->host);
	vn_mount_free(e->mp);
	conn_free(e->conn);
	loop_timer_del(e->timer);
	loop_soon_del(e->news);
	free(e);
}

void
engine_kill(struct engine *e, const char *why)
{
	conn_kill(e->conn, ENOTCONN, why);
}

void
engine_counts(const struct engine *e, struct engine_counts *out)
{
	struct vn_counts c;

	vn_mount_counts(e->mp, &c);
	*out = (struct engine_counts){ .nodes = c.nodes, .files = c.files, .waiting = c.waiting };
}

static void
log_line(void *arg, const char *text)
{
	(void)arg;
	log_info("%s", text);
}

void
engine_trace(const struct engine *e)
{
	size_t n = conn_trace_dump(e->conn, log_line, NULL);

	log_info("these were the last %zu operations%s", n, n == 0 ? "; perfused -s records them" : "");
}

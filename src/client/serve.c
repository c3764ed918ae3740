/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mounts of a supervised daemon, from the open of /dev/fuse to their end. Asking perfused can take seconds, and a
 * path can lead through a mount whose daemon has to answer first and may be waiting for us; so a thread of its own does
 * each mount and unmount, and follows each path, and hands the finished job back through a pipe. Meanwhile the daemon's
 * other system calls are answered. A thread works on copies, on the descriptors in its job, and on nothing else.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/peek.h"
#include "client/sup.h"
#include "ctl/frame.h"

enum {
	MOUNT_MS = 30 * 1000,
	UNMOUNT_MS = 30 * 1000,
	LAZY_MS = 2 * 1000, /* a lazy unmount cannot fail: its end need not be waited for for long */
	JOB_TEXT = 512,
};

enum job_kind { JOB_MOUNT, JOB_UNMOUNT, JOB_RESOLVE };

struct job {
	struct sup *s;
	struct served *v; /* RESOLVE: NULL */
	enum job_kind kind;
	bool lazy;
	struct asker who;                              /* RESOLVE */
	char *source, *target, *filesystemtype, *data; /* MOUNT; target (RESOLVE, too) becomes canonical */
	uint32_t flags, sndbuf;
	int engine_fd; /* borrowed from v, which is not touched meanwhile */
	int control;   /* UNMOUNT: borrowed from v; MOUNT: the result */
	int error;
	char why[JOB_TEXT];
};

static void
job_free(struct job *j)
{
	free(j->source);
	free(j->target);
	free(j->filesystemtype);
	free(j->data);
	free(j);
}

/* Answer who waits: error 0 or a positive errno. */
static void
answer_asker(struct sup *s, struct asker *who, int error, bool mounting, const char *why)
{
	if (who->id != 0)
		(void)trap_answer(s, who->id, error);
	if (who->conn > 0)
		guest_answer(who->conn, error, mounting, why);
	*who = (struct asker){ 0 };
}

static bool
is_asked(const struct asker *who)
{
	return who->id != 0 || who->conn > 0;
}

static void
do_mount(struct job *j)
{
	struct client_mount m = { .source = j->source,
		.filesystemtype = j->filesystemtype,
		.data = j->data,
		.flags = j->flags,
		.sndbuf = j->sndbuf,
		.fuse_sock = j->engine_fd };
	char *canonical;

	canonical = realpath(j->target, NULL);
	if (!canonical) {
		j->error = errno;
		(void)snprintf(j->why, sizeof(j->why), "%s: %s", j->target, strerror(j->error));
		return;
	}
	free(j->target);
	m.target = j->target = canonical;
	j->error = client_mount(&m, MOUNT_MS, &j->control, j->why, sizeof(j->why));
}

static void
do_resolve(struct job *j)
{
	char *canonical;

	j->error = peek_canonical(j->target, &canonical);
	if (j->error == 0) {
		free(j->target);
		j->target = canonical;
	}
}

static void *
job_run(void *arg)
{
	struct job *j = arg;
	void *done = j;

	switch (j->kind) {
	case JOB_MOUNT:
		do_mount(j);
		break;
	case JOB_UNMOUNT:
		j->error = client_unmount(j->control, j->lazy, j->lazy ? LAZY_MS : UNMOUNT_MS, j->why, sizeof(j->why));
		break;
	case JOB_RESOLVE:
		do_resolve(j);
		break;
	}
	while (write(j->s->jobs[1], &done, sizeof(done)) < 0 && errno == EINTR) /* a pipe takes a pointer whole */
		;
	return NULL;
}

static int
job_start(struct job *j)
{
	pthread_t t;
	int r;

	r = pthread_create(&t, NULL, job_run, j);
	if (r != 0)
		return r;
	(void)pthread_detach(t);
	if (j->kind != JOB_RESOLVE) /* one of these can wait for ever, and matters only to a daemon that lives */
		j->s->running++;
	return 0;
}

int
serve_new(struct sup *s, struct served **out)
{
	struct served *v;

	v = calloc(1, sizeof(*v));
	if (!v)
		return ENOMEM;
	v->engine_fd = v->control = -1;
	v->state = SERVED_OPEN;
	TAILQ_INSERT_HEAD(&s->served, v, link);
	*out = v;
	return 0;
}

void
serve_free(struct sup *s, struct served *v)
{
	TAILQ_REMOVE(&s->served, v, link);
	if (v->engine_fd >= 0)
		(void)close(v->engine_fd);
	if (v->control >= 0)
		(void)close(v->control);
	if (v->waiting.conn > 0)
		(void)close(v->waiting.conn);
	free(v->target);
	free(v->what);
	free(v);
}

struct served *
serve_by_ino(struct sup *s, uint64_t ino)
{
	struct served *v;

	TAILQ_FOREACH (v, &s->served, link) {
		if (v->ino == ino && v->state != SERVED_ENDED)
			return v;
	}
	return NULL;
}

bool
serve_is_live(const struct served *v)
{
	return v->state != SERVED_OPEN && v->state != SERVED_ENDED;
}

struct served *
serve_by_target(struct sup *s, const char *target)
{
	struct served *v, *ended = NULL;

	TAILQ_FOREACH (v, &s->served, link) {
		if (!v->target || strcmp(v->target, target) != 0)
			continue;
		if (serve_is_live(v))
			return v;
		ended = v;
	}
	return ended;
}

/* A copy that may be absent. *bad is set when there is no memory for one. */
static char *
copy(const char *text, bool *bad)
{
	char *c;

	if (!text)
		return NULL;
	c = strdup(text);
	if (!c)
		*bad = true;
	return c;
}

/* What the user told perfuse goes before what the daemon says. 0 or ENOMEM. */
static int
merge(struct job *j, const struct mountopts *o, const struct client_mount *m)
{
	const char *type = m->filesystemtype ? m->filesystemtype : "fuse";
	char max_read[32] = "", blksize[32] = "";
	bool bad = false;
	int n;

	j->flags = (m->flags & ~o->flags_cleared) | o->flags;
	j->sndbuf = m->sndbuf;
	j->target = copy(m->target, &bad);
	j->source = copy(o->fsname ? o->fsname : m->source, &bad);
	if (o->subtype) {
		n = asprintf(&j->filesystemtype, "%.*s.%s", (int)strcspn(type, "."), type, o->subtype);
		if (n < 0) {
			j->filesystemtype = NULL;
			bad = true;
		}
	} else
		j->filesystemtype = copy(type, &bad);
	if (o->max_read)
		(void)snprintf(max_read, sizeof(max_read), ",max_read=%u", o->max_read);
	if (o->blksize)
		(void)snprintf(blksize, sizeof(blksize), ",blksize=%u", o->blksize);
	n = asprintf(&j->data, "%s%s%s%s%s%s", m->data ? m->data : "", o->allow_other ? ",allow_other" : "",
	    o->default_permissions ? ",default_permissions" : "", o->auto_unmount ? ",auto_unmount" : "", max_read,
	    blksize);
	if (n < 0) {
		j->data = NULL;
		bad = true;
	}
	return bad ? ENOMEM : 0;
}

int
serve_mount(struct sup *s, struct served *v, const struct client_mount *m, struct asker who)
{
	struct job *j;
	int r;

	j = calloc(1, sizeof(*j));
	if (!j)
		return ENOMEM;
	j->s = s;
	j->v = v;
	j->control = -1;
	j->engine_fd = v->engine_fd;
	r = merge(j, s->cfg->opts, m);
	if (r == 0) {
		free(v->target);
		v->target = strdup(m->target); /* a first name, until the thread knows the canonical one */
		r = v->target ? job_start(j) : ENOMEM;
	}
	if (r != 0) {
		job_free(j);
		return r;
	}
	v->state = SERVED_MOUNTING;
	v->waiting = who;
	s->was_tried = true;
	return 0;
}

/* Ask v's engine for the unmount; who (taken unless this fails) hears of the result. 0 or errno. */
static int
serve_unmount(struct sup *s, struct served *v, bool lazy, struct asker who)
{
	struct job *j;
	int r;

	j = calloc(1, sizeof(*j));
	if (!j)
		return ENOMEM;
	j->s = s;
	j->v = v;
	j->kind = JOB_UNMOUNT;
	j->lazy = lazy;
	j->control = v->control;
	r = job_start(j);
	if (r != 0) {
		job_free(j);
		return r;
	}
	v->before = v->state;
	v->state = SERVED_LEAVING;
	v->waiting = who;
	return 0;
}

int
serve_resolve(struct sup *s, const char *path, bool lazy, struct asker who)
{
	struct job *j;
	int r;

	j = calloc(1, sizeof(*j));
	if (!j)
		return ENOMEM;
	j->s = s;
	j->kind = JOB_RESOLVE;
	j->lazy = lazy;
	j->who = who;
	j->target = strdup(path);
	r = j->target ? job_start(j) : ENOMEM;
	if (r != 0)
		job_free(j);
	return r;
}

void
serve_leave(struct sup *s, struct served *v)
{
	if (v->state != SERVED_MOUNTED && v->state != SERVED_READY)
		return;
	/* Asked, rather than called off by closing the connection, for then its end says that nothing is mounted any more. */
	if (serve_unmount(s, v, true, (struct asker){ 0 }) != 0)
		(void)shutdown(v->control, SHUT_WR);
}

void
serve_ended(struct sup *s, struct served *v)
{
	struct served *old;

	/* One memory of a path is enough. */
	TAILQ_FOREACH (old, &s->served, link) {
		if (old->state == SERVED_ENDED && strcmp(old->target, v->target) == 0)
			break;
	}
	if (old)
		serve_free(s, old);
	v->state = SERVED_ENDED;
	if (v->control >= 0)
		(void)close(v->control);
	if (v->engine_fd >= 0)
		(void)close(v->engine_fd);
	v->control = v->engine_fd = -1;
}

static void
mount_failed(struct sup *s, struct served *v, struct job *j)
{
	v->state = SERVED_OPEN; /* the daemon may try again, or another way */
	free(v->target);
	v->target = NULL;
	s->refused_error = j->error;
	(void)snprintf(s->refused, sizeof(s->refused), "%s", j->why[0] ? j->why : strerror(j->error));
	if (s->was_ready)
		sup_say(s, "%s", s->refused);
	else if (s->cfg->mount) /* there is nothing that could tell the daemon */
		sup_end(s, supervise_status(j->error), "%s", s->refused);
}

static void
mount_done(struct sup *s, struct served *v, struct job *j)
{
	v->state = SERVED_MOUNTED;
	v->control = j->control;
	(void)close(v->engine_fd); /* the engine has its own now; ours would keep the daemon from seeing its end */
	v->engine_fd = -1;
	free(v->target);
	v->target = j->target;
	j->target = NULL;
	if (asprintf(&v->what, "%s of %s", j->filesystemtype, j->source ? j->source : "none") < 0)
		v->what = NULL;
}

/* Is the mount gone, after this answer to a request to unmount it? */
static bool
has_ended(const struct served *v, int error)
{
	/* A mount that was not served yet ends in failure (the daemon may have closed its socket before it asked). */
	return error == 0 || error == ECONNRESET ||
	       (v->before == SERVED_MOUNTED && error != EBUSY && error != ETIMEDOUT);
}

/* Returns what the daemon hears. */
static int
unmount_done(struct sup *s, struct served *v, const struct job *j)
{
	if (!has_ended(v, j->error)) {
		v->state = v->before; /* busy; or lazily on its way, which the control connection will tell */
		return j->error == ETIMEDOUT && j->lazy ? 0 : j->error;
	}
	if (v->before == SERVED_MOUNTED && j->error == 0)
		sup_ready(s, v); /* it has ended, so it was served: the thread got to read that before us */
	else if (v->before == SERVED_MOUNTED && is_asked(&v->waiting))
		s->was_unmounted = true;
	serve_ended(s, v);
	v->excused = is_asked(&v->waiting);
	return 0;
}

/* Somebody asks to unmount this canonical path; NULL: one that leads nowhere. */
static void
unmount_at(struct sup *s, struct asker *who, const char *canonical, bool lazy)
{
	struct served *v;
	int r;

	if (who->id != 0 && !trap_waits(s, who->id)) /* killed, or a signal made it ask once more */
		return;
	v = canonical ? serve_by_target(s, canonical) : NULL;
	if (!v) {
		if (who->id != 0)
			trap_go_on(s, who->id);
		else
			answer_asker(s, who, ENOENT, false, "not a mount of this daemon");
		return;
	}
	/*
	 * libfuse unmounts lazily when it ends and, not having heard that its mount is gone already, as root takes down
	 * whatever has come in its place. So that is the end of it here; the first time as if it had worked, or libfuse
	 * complains.
	 */
	if (!serve_is_live(v)) {
		int error = v->excused ? EINVAL : 0;

		v->excused = true;
		answer_asker(s, who, error, false, NULL);
	} else if (v->state == SERVED_LEAVING) {
		/* It is being unmounted, and the last one to ask hears how that goes. */
		answer_asker(s, &v->waiting, EINTR, false, NULL);
		v->waiting = *who;
	} else {
		r = v->state == SERVED_MOUNTING ? EBUSY : serve_unmount(s, v, lazy, *who);
		if (r != 0)
			answer_asker(s, who, r, false, NULL);
	}
}

void
serve_job_done(struct sup *s)
{
	struct served *v;
	struct job *j;
	void *done;
	int error;

	if (read(s->jobs[0], &done, sizeof(done)) != (ssize_t)sizeof(done))
		return;
	j = done;
	if (j->kind != JOB_RESOLVE)
		s->running--;
	v = j->v;
	error = j->error;
	if (j->kind == JOB_RESOLVE)
		unmount_at(s, &j->who, error == 0 ? j->target : NULL, j->lazy);
	else if (j->kind == JOB_UNMOUNT)
		error = unmount_done(s, v, j);
	else if (error != 0)
		mount_failed(s, v, j);
	else
		mount_done(s, v, j);
	if (v)
		answer_asker(s, &v->waiting, error, j->kind == JOB_MOUNT, error != 0 ? j->why : NULL);
	if (s->ending && j->kind == JOB_MOUNT)
		serve_leave(s, v);
	job_free(j);
}

void
serve_control(struct sup *s, struct served *v)
{
	char text[FRAME_ANSWER_MAX];
	uint32_t code;
	int error, r;

	while ((r = client_answer(v->control, 0, &code, &error, text, sizeof(text))) == 0) {
		if (code == FRAME_READY && v->state == SERVED_MOUNTED) {
			v->state = SERVED_READY;
			sup_ready(s, v);
		} else if (code == FRAME_FAILED && v->state == SERVED_MOUNTED) {
			serve_ended(s, v);
			if (!s->was_ready)
				sup_end(s, supervise_status(error), "%s", text[0] ? text : strerror(error));
			else
				sup_say(s, "%s", text);
			return;
		} else if (code == FRAME_ENDED) {
			serve_ended(s, v);
			return;
		}
	}
	if (r == ETIMEDOUT)
		return;
	if (v->state == SERVED_MOUNTED && !s->was_ready)
		sup_end(s, EX_UNAVAILABLE, "%s: perfused ended unexpectedly", v->target);
	serve_ended(s, v);
}

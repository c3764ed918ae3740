/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parent keeps of an engine, from the peer's arrival until nothing is left of it: its process, its workers, its mount. The
 * record goes only when the engine has ended, its mount is no longer in the kernel's table and what the peer could have put a
 * descriptor into is closed; whatever of this fails is tried again, ever more slowly.
 *
 * close(2) of the last descriptor of a socket closes what lies in its queue, which may be descriptors that a peer sent (a TCP
 * socket that lingers, a file of a file system that does not answer), and waits for that. So does receiving them.
 * Therefore the parent reads nothing from a socket that an engine or a peer writes to (requests to unmount come through a pipe,
 * which carries no descriptors), and each last close is done by a worker, which has a copy before the parent closes its own.
 */
#include "perfused/priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { WORKERS_MAX = 4 /* of one engine: a lazy unmount must be possible while another one waits */ };
#define START_TIME (30 * CLOCK_SEC)   /* until an engine has to be mounted; it gives up before */
#define MOUNT_TIME (20 * CLOCK_SEC)   /* for a worker that mounts */
#define UNMOUNT_TIME (10 * CLOCK_SEC) /* for one that unmounts what a dead engine left */
#define CLOSE_TIME (3 * CLOCK_SEC)    /* for one that closes */
#define RETRY_FIRST CLOCK_SEC
#define RETRY_LAST (60 * CLOCK_SEC)

struct job { /* a worker, and what it was asked */
	struct child child;
	LIST_ENTRY(job) link;
	struct kept *kept;
	enum worker_task task;
	uint32_t id; /* of the engine's request; 0: nobody asked */
	int sock;
	struct loop_timer *timer;
};

static void settle(struct kept *k);

/* ---- workers ---- */

static void
drop(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Answer an engine. Never waits: an engine has few requests under way, and one that does not read its answers needs none. */
static void
answer(struct kept *k, uint32_t id, int error, const char *why)
{
	struct priv_answer a = { .id = id, .error = error };

	if (k->over || id == 0)
		return;
	(void)snprintf(a.why, sizeof(a.why), "%s", why);
	while (send(k->chan, &a, sizeof(a), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void
job_late(void *arg)
{
	struct job *j = arg;

	(void)kill(j->child.pid, SIGKILL);
}

static void
job_free(struct job *j)
{
	(void)close(j->sock);
	loop_timer_del(j->timer);
	free(j);
}

static void
retry_later(struct kept *k)
{
	k->delay = k->delay == 0 ? RETRY_FIRST : k->delay < RETRY_LAST / 2 ? 2 * k->delay : RETRY_LAST;
	loop_timer_start(k->timer, k->delay);
}

static void unmount_asked(void *arg, unsigned events);

/* A worker that was to mount has ended. */
static void
mount_ended(struct kept *k, const struct worker_result *res)
{
	int error = res->error;

	if (error == 0 && !k->over)
		error = loop_io_add(k->parent->loop, k->ask, LOOP_READ, unmount_asked, k, &k->ask_io);
	if (error == 0) { /* the worker has told the engine */
		k->mount.id = res->id;
		loop_timer_stop(k->timer);
	} else if (res->error == 0) {
		(void)kill(k->child.pid, SIGKILL);
	} else {
		answer(k, PRIV_ID_MOUNT, error, res->why);
	}
}

static void
unmount_ended(struct kept *k, uint32_t id, const struct worker_result *res)
{
	if (res->gone)
		k->mounted = false;
	if (id == 0 && !res->gone)
		log_err("uid %u: %s; to be tried again", k->peer.uid, res->why);
	answer(k, id, res->error, res->why);
}

/* A worker has ended: its words lie in the socket, unless it was killed before it had any. */
static void
job_ended(void *arg, int status)
{
	static struct worker_result res, last; /* large, and used by one callback at a time */
	struct job *j = arg;
	struct kept *k = j->kept;
	enum worker_task task = j->task;
	uint32_t id = j->id;
	bool said = false;
	unsigned nfds;
	size_t len;
	int at;

	/* (There is room for the descriptor: the worker's pidfd was closed just now.) */
	while (fdp_recv(j->sock, &res, sizeof(res), &len, &at, 1, &nfds, NULL, 0) == 0 && len == sizeof(res)) {
		if (nfds == 1) { /* it is about to mount, on this */
			k->mounted = true;
			k->mount.at = at;
			k->mount.owner = res.owner;
			k->mount.inside = res.inside;
		} else {
			said = true;
			last = res;
		}
	}
	if (!said) {
		last = (struct worker_result){ .error = WIFSIGNALED(status) ? ETIMEDOUT : EIO };
		(void)snprintf(last.why, sizeof(last.why), "cannot %s: the mountpoint's file system does not answer",
		    task == WORKER_MOUNT ? "mount" : "unmount");
	}
	last.why[sizeof(last.why) - 1] = '\0';
	LIST_REMOVE(j, link);
	k->njobs--;
	job_free(j);
	if (task == WORKER_MOUNT)
		mount_ended(k, &last);
	else if (task != WORKER_CLOSE)
		unmount_ended(k, id, &last);
	if (k->over && task == WORKER_CLEAN && k->mounted)
		retry_later(k);
	else
		settle(k);
}

/* The body of a worker that was forked just now. */
static _Noreturn void
work(const struct kept *k, enum worker_task task, int sock)
{
	int fds[] = { k->chan, k->conn, k->ask, k->mount.at, k->pidfd };

	if (task == WORKER_MOUNT)
		worker_mount(k->parent->opt, k->chan, k->conn, k->pidfd, &k->peer, sock);
	if (task == WORKER_CLOSE)
		worker_close(fds, sizeof(fds) / sizeof(fds[0]), k->error, k->words, sock);
	worker_unmount(&k->mount, k->pidfd, task, &k->peer, sock);
}

/* Start a worker. 0 or errno. */
static int
job_start(struct kept *k, enum worker_task task, uint32_t id)
{
	struct job *j;
	int sv[2], error;
	pid_t pid;

	if (k->njobs >= WORKERS_MAX)
		return EAGAIN;
	if ((j = calloc(1, sizeof(*j))) == NULL)
		return ENOMEM;
	if (fdp_pair(SOCK_SEQPACKET, sv) != 0 && (error = fdp_pair(SOCK_DGRAM, sv)) != 0) {
		free(j);
		return error;
	}
	*j = (struct job){ .kept = k, .task = task, .id = id, .sock = sv[0] };
	if ((error = loop_timer_add(k->parent->loop, job_late, j, &j->timer)) == 0) {
		if ((pid = fork()) == 0)
			work(k, task, sv[1]);
		error = pid < 0 ? errno : child_watch(k->parent->loop, &j->child, pid, job_ended, j);
	}
	(void)close(sv[1]);
	if (error != 0) {
		job_free(j);
		return error;
	}
	LIST_INSERT_HEAD(&k->jobs, j, link);
	k->njobs++;
	if (task == WORKER_MOUNT) {
		loop_timer_start(j->timer, MOUNT_TIME);
		drop(&k->conn);
	} else if (task == WORKER_CLEAN) {
		loop_timer_start(j->timer, UNMOUNT_TIME);
	} else if (task == WORKER_CLOSE) {
		loop_timer_start(j->timer, CLOSE_TIME);
		drop(&k->chan);
		drop(&k->conn);
		drop(&k->ask);
		drop(&k->mount.at);
		drop(&k->pidfd);
		k->closed = true;
	}
	/* Only now may it go on: until it does, nobody but root can end it, and none of these was the last copy. */
	(void)send(j->sock, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	return 0;
}

/* ---- engines ---- */

/* Do the next thing that is left to do for an engine that has ended; with the last, let go of it. */
static void
settle(struct kept *k)
{
	struct parent *p = k->parent;

	if (!k->over || !LIST_EMPTY(&k->jobs))
		return;
	if (k->mounted || !k->closed) {
		if (job_start(k, k->mounted ? WORKER_CLEAN : WORKER_CLOSE, 0) != 0)
			retry_later(k);
		return;
	}
	loop_timer_del(k->timer);
	LIST_REMOVE(k, link);
	p->nengines--;
	free(k);
	if (p->nengines == 0 && (p->single || p->stopping))
		loop_stop(p->loop);
}

/* For an engine: it had its time to be mounted. Afterwards: what failed may be tried again. */
static void
time_over(void *arg)
{
	struct kept *k = arg;

	if (k->over)
		settle(k);
	else
		(void)kill(k->child.pid, SIGKILL);
}

/* A request to unmount. The pipe has them whole, and nothing in them is believed. */
static void
unmount_asked(void *arg, unsigned events)
{
	struct kept *k = arg;
	struct priv_unmount req;
	ssize_t n = read(k->ask, &req, sizeof(req));
	int error;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(req) || req.id <= PRIV_ID_MOUNT || req.lazy > 1) {
		/* The engine's end follows on its pidfd, or has to. */
		loop_io_del(k->ask_io);
		k->ask_io = NULL;
		if (n != 0) {
			log_err("engine %d of uid %u: its record is not valid", k->child.pid, k->peer.uid);
			(void)kill(k->child.pid, SIGKILL);
		}
		return;
	}
	if (!k->mounted) {
		answer(k, req.id, EINVAL, "it is not mounted any more");
	} else if ((error = job_start(k, req.lazy ? WORKER_UNMOUNT_LAZY : WORKER_UNMOUNT, req.id)) != 0) {
		char why[PRIV_WHY];

		(void)snprintf(why, sizeof(why), "perfused cannot start a worker: %s", strerror(error));
		answer(k, req.id, error, why);
	}
}

/* The engine wants its mount: a worker reads what. Or it has ended, which the pidfd tells, too. */
static void
mount_asked(void *arg, unsigned events)
{
	struct kept *k = arg;
	char byte, why[PRIV_WHY];
	int error;

	loop_io_del(k->chan_io); /* it may ask once */
	k->chan_io = NULL;
	if (recv(k->chan, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
		return;
	if ((error = job_start(k, WORKER_MOUNT, PRIV_ID_MOUNT)) != 0) {
		(void)snprintf(why, sizeof(why), "perfused cannot start a worker: %s", strerror(error));
		answer(k, PRIV_ID_MOUNT, error, why);
	}
}

/* An engine could not say itself why it ended. */
static void
report_death(struct kept *k, int signo)
{
	if (k->parent->stopping && signo == SIGTERM)
		(void)snprintf(k->words, sizeof(k->words), "perfused was told to end");
	else if (signo == SIGALRM)
		(void)snprintf(k->words, sizeof(k->words), "the mountpoint's file system does not answer");
	else
		(void)snprintf(
		    k->words, sizeof(k->words), "its engine was killed by signal %d (%s)", signo, strsignal(signo));
	k->error = signo == SIGALRM ? ETIMEDOUT : EIO;
	log_err("uid %u (pid %d): %s", k->peer.uid, k->peer.pid, k->words);
}

static void
kept_ended(void *arg, int status)
{
	struct kept *k = arg;
	struct parent *p = k->parent;
	struct job *j;

	if (WIFSIGNALED(status))
		report_death(k, WTERMSIG(status));
	if (p->single)
		p->status = WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
	loop_io_del(k->chan_io);
	loop_io_del(k->ask_io);
	k->chan_io = k->ask_io = NULL;
	loop_timer_stop(k->timer);
	if (k->control[0] != '\0')
		(void)unlink(k->control);
	k->over = true;
	/* Its user can stop a worker: nothing that is left to do may wait for that. */
	LIST_FOREACH (j, &k->jobs, link)
		if (j->task != WORKER_MOUNT)
			loop_timer_start(j->timer, UNMOUNT_TIME);
	settle(k);
}

static int
kept_alloc(struct parent *p, int conn, const struct peer *peer, struct kept **out)
{
	struct kept *k = calloc(1, sizeof(*k));
	int error;

	if (k == NULL)
		return ENOMEM;
	*k = (struct kept){
		.parent = p, .peer = *peer, .conn = conn, .chan = -1, .ask = -1, .pidfd = -1, .mount.at = -1
	};
	LIST_INIT(&k->jobs);
	if ((error = loop_timer_add(p->loop, time_over, k, &k->timer)) != 0) {
		free(k);
		return error;
	}
	*out = k;
	return 0;
}

int
kept_new(struct parent *p, int conn, int pidfd, const struct peer *peer)
{
	struct spawned s = { .chan = -1, .ask = -1 };
	struct kept *k;
	int error;

	if ((error = kept_alloc(p, conn, peer, &k)) != 0)
		return error;
	if ((error = spawn_engine(p->opt, p->rundir, conn, peer, !p->single, &s)) == 0)
		error = child_watch(p->loop, &k->child, s.pid, kept_ended, k);
	if (error == 0 && (error = loop_io_add(p->loop, s.chan, LOOP_READ, mount_asked, k, &k->chan_io)) != 0) {
		child_forget(&k->child);
		(void)kill(s.pid, SIGKILL); /* it is still root's, and waits for us */
		(void)waitpid(s.pid, NULL, 0);
	}
	if (error != 0) {
		drop(&s.chan);
		drop(&s.ask);
		loop_timer_del(k->timer);
		free(k);
		return error;
	}
	k->chan = s.chan;
	k->ask = s.ask;
	k->pidfd = pidfd;
	if (!peer_is_apart(peer))
		drop(&k->pidfd);
	memcpy(k->control, s.control, sizeof(k->control));
	LIST_INSERT_HEAD(&p->engines, k, link);
	p->nengines++;
	loop_timer_start(k->timer, START_TIME);
	(void)send(k->chan, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	return 0;
}

int
kept_away(struct parent *p, int conn, const struct peer *peer, int error, const char *why)
{
	struct kept *k;
	int failed = kept_alloc(p, conn, peer, &k);

	if (failed != 0)
		return failed;
	k->over = k->away = true;
	k->error = error;
	(void)snprintf(k->words, sizeof(k->words), "%s", why);
	LIST_INSERT_HEAD(&p->engines, k, link);
	p->nengines++;
	settle(k);
	return 0;
}

void
kept_forget(struct kept *k)
{
	struct job *j;

	while ((j = LIST_FIRST(&k->jobs)) != NULL) {
		LIST_REMOVE(j, link);
		child_forget(&j->child);
		job_free(j);
	}
	if (!k->over)
		child_forget(&k->child);
	loop_io_del(k->chan_io);
	loop_io_del(k->ask_io);
	loop_timer_del(k->timer);
	LIST_REMOVE(k, link);
	free(k);
}

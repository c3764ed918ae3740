/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parent: the process with the privilege, and the only one that lives on. It accepts, asks the kernel who is there, starts an
 * engine, and has workers mount and unmount for it. It reads nothing from outside but its engines' fixed-size records, each of
 * which it checks as if a stranger had sent it, and it never waits: not for a peer, an engine, a worker or a file system.
 *
 * What it keeps of a mount (where it is, its id) is enough to end that mount and no other. When an engine dies without having
 * ended its mount, that is unmounted lazily: nobody could serve it again.
 *
 * SIGTERM and SIGINT. A service stops listening; engines go on, because unmounting busy file systems is not for a service manager
 * to order, and the parent stays as long as there are any, because they need it to unmount. At a second signal it
 * leaves them behind (then umount(8) ends their mounts). With -i the signal goes to the one engine: it unmounts and ends.
 */
#include "perfused/priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "perfused/check.h"

enum {
	ENGINES_MAX = 1024,
	UNMOUNTED_MAX = 32, /* of one uid, without a mount yet */
	WORKERS_MAX = 4,    /* of one engine: a lazy unmount must be possible while another one waits */
};
#define MOUNT_TIME (20 * CLOCK_SEC) /* for a worker that mounts */
#define PAUSE CLOCK_SEC             /* in accepting, when the system is out of descriptors, memory or processes */

struct child { /* a process of ours, watched */
	pid_t pid;
	int pidfd;
	struct loop_io *io;
	void (*ended)(void *arg, int status); /* of waitpid(2) */
	void *arg;
};

struct job { /* a worker, and what it was asked */
	struct child child;
	LIST_ENTRY(job) link;
	struct kept *kept;
	uint32_t op, id;
	int sock;
	struct loop_timer *timer;
};

struct kept { /* an engine, and what is kept of it */
	struct child child;
	LIST_ENTRY(kept) link;
	struct parent *parent;
	struct fdp_cred peer;
	int conn; /* the peer's connection until it is mounted: should the engine be killed, we say so; else -1 */
	int chan; /* -1: ended */
	struct loop_io *chan_io;
	char control[108];
	bool asked; /* to mount: only once */
	bool mounted;
	bool over; /* the process has ended */
	struct worker_mounted mount;
	LIST_HEAD(, job) jobs;
	unsigned njobs;
};

struct parent {
	const struct options *opt;
	const char *rundir;
	struct loop *loop;
	struct listener *listener; /* NULL: -i, or no longer listening */
	struct loop_io *listen_io;
	struct loop_timer *pause;
	struct loop_signal *term, *intr, *usr1;
	LIST_HEAD(, kept) engines;
	unsigned nengines;
	bool single; /* -i */
	bool stopping;
	int status; /* exit status; with -i the engine's */
};

/* ---- processes ---- */

static void
child_ready(void *arg, unsigned events)
{
	struct child *c = arg;
	int status = 0;

	/* The descriptor is readable, so it has ended, and this does not wait. */
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	loop_io_del(c->io);
	(void)close(c->pidfd);
	c->ended(c->arg, status);
}

/* Watch a child. On failure it is killed and collected: nobody would know when it ends. 0 or errno. */
static int
child_watch(struct loop *loop, struct child *c, pid_t pid, void (*ended)(void *, int), void *arg)
{
	int error;

	*c = (struct child){ .pid = pid, .ended = ended, .arg = arg };
	if ((c->pidfd = pidfd_open(pid, 0)) >= 0) {
		if ((error = loop_io_add(loop, c->pidfd, LOOP_READ, child_ready, c, &c->io)) == 0)
			return 0;
		(void)close(c->pidfd);
	} else {
		error = errno;
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return error;
}

/* ---- workers ---- */

static void
conn_close(struct kept *k)
{
	if (k->conn >= 0)
		(void)close(k->conn);
	k->conn = -1;
}

/* Let go of an engine of which nothing is left; the last one may have been what we stayed for. */
static void
kept_release(struct kept *k)
{
	struct parent *p = k->parent;

	if (!k->over || !LIST_EMPTY(&k->jobs))
		return;
	if (k->mounted)
		(void)close(k->mount.dir);
	LIST_REMOVE(k, link);
	p->nengines--;
	free(k);
	if (p->nengines == 0 && (p->single || p->stopping))
		loop_stop(p->loop);
}

/* Answer an engine. Never waits: an engine has few requests under way, and one that does not read its answers needs none. */
static void
answer(struct kept *k, uint32_t id, int error, const char *why, int fd)
{
	struct priv_answer a = { .id = id, .error = error };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { .buf = { 0 } };
	struct iovec iov = { .iov_base = &a, .iov_len = sizeof(a) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (k->chan < 0)
		return;
	(void)snprintf(a.why, sizeof(a.why), "%s", why);
	if (fd >= 0) {
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	while (sendmsg(k->chan, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/* A worker that has mounted: keep what it says of the mount, and give the engine its /dev/fuse. */
static void
mounted(struct kept *k, const struct job *j, const struct worker_result *res, int fuse_fd, int dir)
{
	k->mount.dir = dir;
	k->mount.mnt_id = res->mnt_id;
	memcpy(k->mount.path, res->path, sizeof(k->mount.path));
	k->mount.path[sizeof(k->mount.path) - 1] = '\0';
	k->mounted = true;
	conn_close(k);
	answer(k, j->id, 0, "", fuse_fd);
	/* Not one moment longer here than needed: the kernel ends a mount when the last of its descriptors is closed. */
	(void)close(fuse_fd);
}

static int start_unmount(struct kept *k, uint32_t id, bool lazy);

/* A worker has ended: its result lies in the socket, or else it was killed. */
static void
job_ended(void *arg, int status)
{
	static struct worker_result res; /* large, and used by one callback at a time */
	struct job *j = arg;
	struct kept *k = j->kept;
	int fds[2] = { -1, -1 };
	unsigned nfds = 0;
	size_t len = 0;
	int error = fdp_recv(j->sock, &res, sizeof(res), &len, fds, 2, &nfds, NULL, 0);

	if (error != 0 || len != sizeof(res) || (j->op == PRIV_MOUNT && res.error == 0 && nfds != 2)) {
		res.error = WIFSIGNALED(status) ? ETIMEDOUT : EIO;
		(void)snprintf(res.why, sizeof(res.why), "%s: the mountpoint's file system does not answer",
		    j->op == PRIV_MOUNT ? "cannot mount" : "cannot unmount");
	}
	res.why[sizeof(res.why) - 1] = '\0';
	LIST_REMOVE(j, link);
	k->njobs--;
	if (j->op == PRIV_MOUNT && res.error == 0) {
		mounted(k, j, &res, fds[0], fds[1]);
	} else {
		for (unsigned i = 0; i < nfds; i++)
			(void)close(fds[i]);
		answer(k, j->id, res.error, res.why, -1);
	}
	/* The engine may have died while its mount was being made. */
	if (j->op == PRIV_MOUNT && k->over && k->mounted)
		(void)start_unmount(k, 0, true);
	(void)close(j->sock);
	loop_timer_del(j->timer);
	free(j);
	kept_release(k);
}

static void
job_late(void *arg)
{
	struct job *j = arg;

	(void)kill(j->child.pid, SIGKILL);
}

/* A new worker's books and its socketpair; the caller forks. 0 or errno. */
static int
job_new(struct kept *k, uint32_t op, uint32_t id, struct job **out, int *theirs)
{
	struct job *j;
	int sv[2], error;

	if (k->njobs >= WORKERS_MAX)
		return EAGAIN;
	if ((j = calloc(1, sizeof(*j))) == NULL)
		return ENOMEM;
	if (fdp_pair(SOCK_SEQPACKET, sv) != 0 && (error = fdp_pair(SOCK_DGRAM, sv)) != 0) {
		free(j);
		return error;
	}
	if ((error = loop_timer_add(k->parent->loop, job_late, j, &j->timer)) != 0) {
		(void)close(sv[0]);
		(void)close(sv[1]);
		free(j);
		return error;
	}
	j->kept = k;
	j->op = op;
	j->id = id;
	j->sock = sv[0];
	*theirs = sv[1];
	*out = j;
	return 0;
}

/* The parent's half after fork(): watch the worker. 0 or errno (j is gone then). */
static int
job_started(struct job *j, pid_t pid, int theirs)
{
	struct kept *k = j->kept;
	int error = pid < 0 ? errno : child_watch(k->parent->loop, &j->child, pid, job_ended, j);

	(void)close(theirs);
	if (error != 0) {
		(void)close(j->sock);
		loop_timer_del(j->timer);
		free(j);
		return error;
	}
	LIST_INSERT_HEAD(&k->jobs, j, link);
	k->njobs++;
	if (j->op == PRIV_MOUNT)
		loop_timer_start(j->timer, MOUNT_TIME);
	return 0;
}

static int
start_mount(struct kept *k, const struct priv_request *req, int at)
{
	struct job *j;
	int theirs, error;
	pid_t pid;

	if ((error = job_new(k, PRIV_MOUNT, req->id, &j, &theirs)) != 0)
		return error;
	if ((pid = fork()) == 0)
		worker_mount(&req->mount, at, &k->peer, theirs);
	return job_started(j, pid, theirs);
}

static int
start_unmount(struct kept *k, uint32_t id, bool lazy)
{
	struct job *j;
	int theirs, error;
	pid_t pid;

	if ((error = job_new(k, PRIV_UNMOUNT, id, &j, &theirs)) != 0)
		return error;
	if ((pid = fork()) == 0)
		worker_unmount(&k->mount, lazy, &k->peer, theirs);
	return job_started(j, pid, theirs);
}

/* ---- engines ---- */

/* One record of an engine. Nothing in it is believed. */
static void
handle(struct kept *k, const struct priv_request *req, size_t len, const int *fds, unsigned nfds)
{
	char why[PRIV_WHY] = "";
	int error = EPROTO;

	if (len != sizeof(*req) || req->pad != 0 || req->lazy > 1) {
		(void)snprintf(why, sizeof(why), "the engine's record is not valid");
	} else if (req->op == PRIV_MOUNT && nfds == 1 && !k->asked) {
		k->asked = true;
		if ((error = check_record(&req->mount, k->peer.uid, k->peer.gid, why, sizeof(why))) == 0)
			error = start_mount(k, req, fds[0]);
	} else if (req->op == PRIV_UNMOUNT && nfds == 0) {
		error = k->mounted ? start_unmount(k, req->id, req->lazy != 0) : EINVAL;
	} else {
		(void)snprintf(why, sizeof(why), "the engine may not ask for that now");
	}
	if (error != 0) {
		if (why[0] == '\0')
			(void)snprintf(why, sizeof(why), "perfused cannot start a worker: %s", strerror(error));
		if (error == EPROTO)
			log_err("engine %d of uid %u: %s", k->child.pid, k->peer.uid, why);
		answer(k, len == sizeof(*req) ? req->id : 0, error, why, -1);
	}
}

static void
chan_ready(void *arg, unsigned events)
{
	static struct priv_request req;
	struct kept *k = arg;
	int fds[1];
	unsigned nfds;
	size_t len;
	int error = fdp_recv(k->chan, &req, sizeof(req), &len, fds, 1, &nfds, NULL, 0);

	if (error == ETIMEDOUT)
		return;
	if ((error != 0 && error != EMSGSIZE) || (error == 0 && len == 0)) {
		/* Its end follows on the pidfd. */
		loop_io_del(k->chan_io);
		k->chan_io = NULL;
		return;
	}
	handle(k, &req, len, fds, nfds);
	for (unsigned i = 0; i < nfds; i++)
		(void)close(fds[i]);
}

/* An engine could not say itself why it ended. */
static void
report_death(const struct kept *k, int signo)
{
	char why[PRIV_WHY];

	if (k->parent->stopping && signo == SIGTERM)
		(void)snprintf(why, sizeof(why), "perfused was told to end");
	else if (signo == SIGALRM)
		(void)snprintf(why, sizeof(why), "the mountpoint's file system does not answer");
	else
		(void)snprintf(why, sizeof(why), "its engine was killed by signal %d (%s)", signo, strsignal(signo));
	log_err("uid %u (pid %d): %s", k->peer.uid, k->peer.pid, why);
	if (k->conn >= 0)
		answer_send(k->conn, FRAME_FAILED, signo == SIGALRM ? ETIMEDOUT : EIO, why);
}

static void
kept_ended(void *arg, int status)
{
	struct kept *k = arg;
	struct parent *p = k->parent;
	bool clean = WIFEXITED(status) && WEXITSTATUS(status) == EX_OK;

	if (WIFSIGNALED(status))
		report_death(k, WTERMSIG(status));
	if (p->single)
		p->status = WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
	conn_close(k);
	loop_io_del(k->chan_io);
	(void)close(k->chan);
	k->chan = -1;
	if (k->control[0] != '\0')
		(void)unlink(k->control);
	k->over = true;
	if (k->mounted && !clean)
		(void)start_unmount(k, 0, true);
	kept_release(k);
}

/* Start an engine for a peer. conn is taken unless it fails. 0 or errno. */
static int
kept_new(struct parent *p, int conn, const struct fdp_cred *peer)
{
	struct kept *k = calloc(1, sizeof(*k));
	struct spawned s;
	int error = k == NULL ? ENOMEM : spawn_engine(p->opt, p->rundir, conn, peer, !p->single, &s);

	if (error != 0) {
		free(k);
		return error;
	}
	*k = (struct kept){ .parent = p, .peer = *peer, .conn = conn, .chan = s.chan };
	memcpy(k->control, s.control, sizeof(k->control));
	LIST_INIT(&k->jobs);
	if ((error = loop_io_add(p->loop, k->chan, LOOP_READ, chan_ready, k, &k->chan_io)) != 0) {
		(void)kill(s.pid, SIGKILL);
		(void)waitpid(s.pid, NULL, 0);
	} else {
		error = child_watch(p->loop, &k->child, s.pid, kept_ended, k);
	}
	if (error != 0) {
		loop_io_del(k->chan_io);
		(void)close(k->chan);
		if (k->control[0] != '\0')
			(void)unlink(k->control);
		free(k);
		return error;
	}
	LIST_INSERT_HEAD(&p->engines, k, link);
	p->nengines++;
	return 0;
}

/* ---- peers ---- */

static void
turn_away(int conn, const struct fdp_cred *peer, int error, const char *why)
{
	log_warn("uid %u (pid %d) is turned away: %s", peer->uid, peer->pid, why);
	answer_send(conn, FRAME_FAILED, error, why);
	hang_up(conn);
}

/* Who is allowed here, and how many. 0, or errno with a line in why. */
static int
admit(const struct parent *p, struct fdp_cred *peer, char *why, size_t whylen)
{
	const struct kept *k;
	unsigned n = 0;

	if (geteuid() != 0) {
		/* A user's perfused serves that user; root may ask it for a mount, which is the user's like any other. */
		if (peer->uid != geteuid() && peer->uid != 0) {
			(void)snprintf(why, whylen, "this perfused serves uid %u, not uid %u", geteuid(), peer->uid);
			return EPERM;
		}
		peer->uid = geteuid();
		peer->gid = getegid();
	}
	LIST_FOREACH (k, &p->engines, link)
		n += k->peer.uid == peer->uid && !k->mounted;
	if (p->nengines >= ENGINES_MAX) {
		(void)snprintf(why, whylen, "perfused serves %d mounts already", ENGINES_MAX);
		return EAGAIN;
	}
	if (n >= UNMOUNTED_MAX) {
		(void)snprintf(why, whylen, "%d mounts of uid %u are being made already", UNMOUNTED_MAX, peer->uid);
		return EAGAIN;
	}
	return 0;
}

static void listen_ready(void *arg, unsigned events);

/* Watch the listening socket there is now. Without one, or on failure, try again in a while. */
static void
listen_watch(struct parent *p)
{
	int fd = listener_fd(p->listener);

	loop_io_del(p->listen_io);
	p->listen_io = NULL;
	if (fd < 0 || loop_io_add(p->loop, fd, LOOP_READ, listen_ready, p, &p->listen_io) != 0)
		loop_timer_start(p->pause, PAUSE);
}

static void
pause_over(void *arg)
{
	struct parent *p = arg;

	if (p->listener != NULL)
		listen_ready(p, LOOP_READ);
}

static void
listen_ready(void *arg, unsigned events)
{
	struct parent *p = arg;
	int watched = p->listen_io != NULL ? listener_fd(p->listener) : -1;

	/* A bounded number at a time, so that a crowd at the door does not keep the engines waiting. */
	for (int i = 0; i < 16; i++) {
		char why[PRIV_WHY];
		struct fdp_cred peer;
		int conn, error = listener_take(p->listener, &conn, &peer);

		if (error == ECONNABORTED || error == EINTR || error == EPROTO)
			continue;
		if (error == EAGAIN)
			break;
		if (error != 0) {
			log_err("cannot accept: %s", strerror(error));
			loop_io_del(p->listen_io);
			p->listen_io = NULL;
			loop_timer_start(p->pause, PAUSE);
			return;
		}
		if ((error = admit(p, &peer, why, sizeof(why))) != 0) {
			turn_away(conn, &peer, error, why);
		} else if ((error = kept_new(p, conn, &peer)) != 0) {
			(void)snprintf(why, sizeof(why), "perfused cannot start an engine: %s", strerror(error));
			turn_away(conn, &peer, error, why);
		}
	}
	if (watched < 0 || listener_fd(p->listener) != watched)
		listen_watch(p);
}

/* ---- the whole ---- */

static void
stop(void *arg)
{
	struct parent *p = arg;
	struct kept *k;

	if (p->stopping && !p->single) {
		loop_stop(p->loop);
		return;
	}
	p->stopping = true;
	loop_io_del(p->listen_io);
	p->listen_io = NULL;
	listener_free(p->listener);
	p->listener = NULL;
	if (p->single) {
		LIST_FOREACH (k, &p->engines, link)
			if (!k->over)
				(void)kill(k->child.pid, SIGTERM);
	}
	if (p->nengines == 0)
		loop_stop(p->loop);
	else if (!p->single)
		log_info("stopped listening; staying for %u mounts", p->nengines);
}

/* SIGUSR1 is for the engines: each tells its last operations (-s). */
static void
tell_engines(void *arg)
{
	struct parent *p = arg;
	struct kept *k;

	LIST_FOREACH (k, &p->engines, link)
		if (!k->over && k->mounted)
			(void)kill(k->child.pid, SIGUSR1);
}

/* Who started perfused -i: as root whom the socket names, as a user only oneself. 0 or errno. */
static int
single_peer(int conn, struct fdp_cred *peer)
{
	int error = fdp_peer(conn, peer);

	if (error == 0 && geteuid() != 0) {
		peer->uid = geteuid();
		peer->gid = getegid();
	}
	return error;
}

/* Forget what is left: engines that go on by themselves. */
static void
leave(struct parent *p)
{
	struct kept *k;
	struct job *j;

	while ((k = LIST_FIRST(&p->engines)) != NULL) {
		while ((j = LIST_FIRST(&k->jobs)) != NULL) {
			LIST_REMOVE(j, link);
			loop_io_del(j->child.io);
			(void)close(j->child.pidfd);
			(void)close(j->sock);
			loop_timer_del(j->timer);
			free(j);
		}
		if (!k->over) {
			loop_io_del(k->child.io);
			(void)close(k->child.pidfd);
			loop_io_del(k->chan_io);
			(void)close(k->chan);
			conn_close(k);
		}
		if (k->mounted)
			(void)close(k->mount.dir);
		LIST_REMOVE(k, link);
		free(k);
	}
}

int
parent_run(const struct options *opt, const char *rundir, struct listener *listener, int conn)
{
	struct parent p = { .opt = opt, .rundir = rundir, .listener = listener, .single = listener == NULL };
	struct fdp_cred peer;
	int error;

	LIST_INIT(&p.engines);
	if (rundir != NULL)
		spawn_sweep(rundir);
	if ((error = loop_new(&p.loop)) == 0 && (error = loop_timer_add(p.loop, pause_over, &p, &p.pause)) == 0 &&
	    (error = loop_signal_add(p.loop, SIGTERM, stop, &p, &p.term)) == 0 &&
	    (error = loop_signal_add(p.loop, SIGINT, stop, &p, &p.intr)) == 0)
		error = loop_signal_add(p.loop, SIGUSR1, tell_engines, &p, &p.usr1);
	if (error == 0 && !p.single)
		listen_watch(&p);
	else if (error == 0 && (error = single_peer(conn, &peer)) == 0)
		error = kept_new(&p, conn, &peer);
	if (error == 0) {
		loop_run(p.loop);
	} else {
		log_err("cannot start: %s", strerror(error));
		p.status = EX_OSERR;
		if (p.single) {
			answer_send(conn, FRAME_FAILED, error, "perfused cannot start");
			(void)close(conn);
		}
	}
	loop_io_del(p.listen_io);
	listener_free(p.listener);
	leave(&p);
	loop_signal_del(p.term);
	loop_signal_del(p.intr);
	loop_signal_del(p.usr1);
	loop_timer_del(p.pause);
	loop_free(p.loop);
	return p.status;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parent: the process with the privilege, and the only one that lives on. It accepts, asks the kernel who is there, decides whether
 * there is room, and starts an engine (kept.c). It reads nothing from outside but its engines' requests to unmount, of fixed
 * size, and it never waits: not for a peer, an engine, a worker or a file system.
 *
 * SIGTERM and SIGINT. A service stops listening; engines go on, because unmounting busy file systems is not for a service manager
 * to order, and the parent stays as long as there are any, because they need it to unmount. At a second signal it
 * leaves them behind (then umount(8) ends their mounts). With -i the signal goes to the one engine: it unmounts and ends.
 */
#include "perfused/priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	ENGINES_MAX = 1024,
	ROOT_PLACES = 32,   /* of them, for root only */
	UID_MAX = 128,      /* of one uid that is not root's */
	UNMOUNTED_MAX = 32, /* of one uid, without a mount yet */
	AWAY_MAX = 16,      /* of one uid, being told that they are turned away; more are just cut off */
	CROWD_MAX = 256,    /* turned away in all, until which more are let in */
};
#define PAUSE CLOCK_SEC /* in accepting, when the system is out of descriptors, memory or processes */

/* ---- peers ---- */

/* Whether two peers share what one may have: a user's, but each container's uid 0 (which is many people's) for itself. */
static bool
is_same(const struct peer *a, const struct peer *b)
{
	return a->uid == b->uid && a->root == b->root &&
	       (a->uid != 0 || a->root || (a->ns_dev == b->ns_dev && a->ns_ino == b->ns_ino));
}

/* Who is allowed here, and how many. 0, or errno with a line in why. */
static int
admit(const struct parent *p, struct peer *peer, char *why, size_t whylen)
{
	const struct kept *k;
	unsigned all = 0, its = 0, unmounted = 0;

	if (peer->foreign && p->opt->containers == CONTAINERS_REFUSE) {
		(void)snprintf(why, whylen,
		    "it is in another mount namespace, and this perfused was not started with --containers");
		return EPERM;
	}
	if (peer->foreign && !peer->sure) {
		(void)snprintf(why, whylen, "to serve containers safely takes Linux 6.5 or newer");
		return EPERM;
	}
	if (geteuid() != 0) {
		/* A user's perfused serves that user; root may ask it for a mount, which is the user's like any other. */
		if (peer->uid != geteuid() && peer->uid != 0) {
			(void)snprintf(why, whylen, "this perfused serves uid %u, not uid %u", geteuid(), peer->uid);
			return EPERM;
		}
		peer->uid = geteuid();
		peer->gid = getegid();
	}
	LIST_FOREACH (k, &p->engines, link) {
		if (k->away)
			continue;
		all++;
		if (!is_same(&k->peer, peer))
			continue;
		its++;
		unmounted += !k->mounted;
	}
	if (all >= (peer->root || geteuid() != 0 ? ENGINES_MAX : ENGINES_MAX - ROOT_PLACES)) {
		(void)snprintf(why, whylen, "perfused serves %u mounts already", all);
		return EAGAIN;
	}
	if (its >= UID_MAX && !peer->root && geteuid() == 0) {
		(void)snprintf(why, whylen, "perfused serves %u mounts of uid %u already", its, peer->uid);
		return EAGAIN;
	}
	if (unmounted >= UNMOUNTED_MAX) {
		(void)snprintf(why, whylen, "%u mounts of uid %u are being made already", unmounted, peer->uid);
		return EAGAIN;
	}
	return 0;
}

/* Politely, unless many of this uid's are at the door. 0 or errno. */
static int
turn_away(struct parent *p, int conn, const struct peer *peer, int error, const char *why)
{
	const struct kept *k;
	unsigned n = 0;

	log_warn("uid %u (pid %d) is turned away: %s", peer->uid, peer->pid, why);
	LIST_FOREACH (k, &p->engines, link)
		n += k->away && is_same(&k->peer, peer);
	return kept_away(p, conn, peer, error, n < AWAY_MAX ? why : "");
}

/* The next peer, or the one that had to wait. 0 or errno: EAGAIN when there is none, others when there are no means. */
static int
serve_next(struct parent *p)
{
	char why[PRIV_WHY];
	struct fdp_cred cred;
	struct peer who;
	int error;

	if (p->nengines >= ENGINES_MAX + CROWD_MAX)
		return EUSERS;
	if (p->waiting < 0) {
		if ((error = listener_take(p->listener, &p->waiting, &cred)) != 0)
			return error;
		p->waiting_error = peer_identify(
		    p->waiting, &cred, &p->waiting_peer, &p->waiting_pidfd, p->waiting_why, sizeof(p->waiting_why));
	}
	who = p->waiting_peer;
	(void)snprintf(why, sizeof(why), "%s", p->waiting_why);
	if ((error = p->waiting_error) != 0 || (error = admit(p, &who, why, sizeof(why))) != 0)
		error = turn_away(p, p->waiting, &who, error, why);
	else if ((error = kept_new(p, p->waiting, p->waiting_pidfd, &who)) == 0)
		p->waiting_pidfd = -1;
	if (error == 0) {
		p->waiting = -1;
		if (p->waiting_pidfd >= 0)
			(void)close(p->waiting_pidfd);
		p->waiting_pidfd = -1;
	}
	return error == EAGAIN ? ENOMEM : error; /* EAGAIN of fork(2) */
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
		int error = serve_next(p);

		if (error == ECONNABORTED || error == EINTR || error == EPROTO)
			continue;
		if (error == EAGAIN)
			break;
		if (error != 0) {
			log_err("cannot serve who connects, and will try again: %s", strerror(error));
			loop_io_del(p->listen_io);
			p->listen_io = NULL;
			loop_timer_start(p->pause, PAUSE);
			return;
		}
	}
	if (watched < 0 || listener_fd(p->listener) != watched)
		listen_watch(p);
}

/* ---- the whole ---- */

static void
stop(void *arg)
{
	const struct peer self = { .pid = getpid(), .uid = geteuid(), .gid = getegid() };
	struct parent *p = arg;
	struct kept *k;
	unsigned n = 0;
	int listening;

	if (p->stopping && !p->single) {
		loop_stop(p->loop);
		return;
	}
	p->stopping = true;
	loop_io_del(p->listen_io);
	p->listen_io = NULL;
	loop_timer_stop(p->pause);
	LIST_FOREACH (k, &p->engines, link) {
		n += !k->away;
		if (p->single && !k->over)
			(void)kill(k->child.pid, SIGTERM);
	}
	if (n > 0 && !p->single)
		log_info("stopped listening; staying for %u mounts", n);
	listening = listener_free(p->listener);
	p->listener = NULL;
	/* Should this fail, the end of this process closes them. */
	if (listening >= 0 && kept_away(p, listening, &self, 0, "") != 0)
		(void)shutdown(listening, SHUT_RDWR);
	if (p->waiting >= 0 && kept_away(p, p->waiting, &p->waiting_peer, EAGAIN, "perfused was told to end") == 0)
		p->waiting = -1;
	if (p->nengines == 0)
		loop_stop(p->loop);
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

/* Who started perfused -i, and lives where we do: as root whom the socket names, as a user only oneself. 0 or errno. */
static int
single_peer(int conn, struct peer *peer)
{
	struct fdp_cred cred;
	int error = fdp_peer(conn, &cred);

	if (error == 0 && geteuid() != 0) {
		cred.uid = geteuid();
		cred.gid = getegid();
	}
	*peer = (struct peer){ .pid = cred.pid, .uid = cred.uid, .gid = cred.gid, .root = cred.uid == 0 };
	return error;
}

int
parent_run(const struct options *opt, const char *rundir, struct listener *listener, int conn)
{
	struct parent p = { .opt = opt,
		.rundir = rundir,
		.listener = listener,
		.single = listener == NULL,
		.waiting = -1,
		.waiting_pidfd = -1 };
	struct peer peer;
	struct kept *k;
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
		error = kept_new(&p, conn, -1, &peer);
	if (error == 0) {
		loop_run(p.loop);
	} else {
		log_err("cannot start: %s", strerror(error));
		p.status = EX_OSERR;
		if (p.single)
			answer_send(conn, FRAME_FAILED, error, "perfused cannot start");
	}
	loop_io_del(p.listen_io);
	/* What of these is a socket is closed by our end, which waits for nothing. */
	(void)listener_free(p.listener);
	while ((k = LIST_FIRST(&p.engines)) != NULL)
		kept_forget(k);
	loop_signal_del(p.term);
	loop_signal_del(p.intr);
	loop_signal_del(p.usr1);
	loop_timer_del(p.pause);
	loop_free(p.loop);
	return p.status;
}

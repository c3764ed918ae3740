/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine process: one peer, one mount frame, one mount, from the first byte to the last. It runs as the peer, asks the
 * parent to mount, gives up every right that serving does not need, and then serves until the mount is gone.
 *
 * What goes wrong before the daemon answers ends the process with nothing mounted; each such end is one line, in the log and to
 * who asked. Afterwards a mount ends in one way only: the kernel says that it is gone. Requests to unmount (of the peer,
 * of a control client, of a signal) only ask the parent for it; each has an id, by which the parent's answer finds its way.
 */
#include "perfused/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/unistd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/engine.h"

enum {
	MOUNT_TIME = 23 * 1000, /* milliseconds for the parent's answer; its worker has less */
};

enum {                                /* ids of our own requests to the parent; control.c's begin at CONTROL_ID_FIRST */
	ID_LEAVE = PRIV_ID_MOUNT + 1, /* unmount and be done, whatever comes of it */
	ID_PEER,                      /* the peer asked */
	ID_AUTO,                      /* nobody waits for it */
	ID_UNDO,                      /* what was mounted cannot be served */
};

enum state { STARTING, SERVING, DEAD };

struct ep {
	struct peer peer;
	int conn;   /* the peer's connection; -1: closed, or it is the FUSE socket and the engine's */
	int parent; /* -1: the parent has ended */
	struct intake in;
	enum state state;
	char why[PRIV_WHY]; /* of state DEAD */
	time_t since;
	struct loop *loop;
	struct engine *engine;
	struct control *control;
	struct loop_io *conn_io, *parent_io;
	struct loop_signal *term, *intr, *usr1;
	bool has_control; /* ENGINE_CONTROL was given */
	bool leaving;     /* ID_LEAVE is under way */
	bool peer_waits;  /* ID_PEER is under way */
	bool bare;        /* a container's names are shown as they are */
	bool over;        /* the loop is about to return */
	int error;        /* of the mount that failed, for the peer; 0: it did not */
	char fault[PRIV_WHY];
	int status; /* exit status */
};

/* ---- saying no ---- */

static int
exit_status(int error)
{
	switch (error) {
	case EPERM:
	case EACCES:
	case EROFS:
		return EX_NOPERM;
	case ENOENT:
	case ENOTDIR:
		return EX_NOINPUT;
	case EINVAL:
		return EX_DATAERR;
	case EPROTO:
	case EMSGSIZE:
	case ETIMEDOUT:
	case ECONNRESET:
		return EX_PROTOCOL;
	case ENODEV:
	case ENOTCONN:
		return EX_UNAVAILABLE;
	case EAGAIN:
	case EBUSY:
	case ESTALE:
		return EX_TEMPFAIL;
	default:
		return EX_OSERR;
	}
}

/* The end of a mount that did not come to be. Returns the exit status. */
static int
give_up(struct ep *ep, int error, const char *why)
{
	log_err("uid %u (pid %d): %s", ep->peer.uid, ep->peer.pid, why);
	if (ep->conn >= 0 && error != ECONNRESET)
		answer_send(ep->conn, FRAME_FAILED, error, why);
	return exit_status(error);
}

static int __attribute__((format(printf, 3, 4))) give_up_f(struct ep *ep, int error, const char *fmt, ...)
{
	char why[PRIV_WHY];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return give_up(ep, error, why);
}

/* ---- the parent ---- */

/* Ask the parent to unmount. Never waits: it reads at once, or never again. 0 or errno. */
static int
ask_unmount(struct ep *ep, uint32_t id, bool lazy)
{
	const struct priv_unmount req = { .id = id, .lazy = lazy };

	return ep->parent < 0 ? EPIPE : write(ENGINE_ASK, &req, sizeof(req)) < 0 ? errno : 0;
}

/* Before the loop runs: the answer, with /dev/fuse if fuse_fd is there for it. 0, or errno with a line in why. */
static int
await_answer(struct ep *ep, int *fuse_fd, char *why, size_t whylen)
{
	struct priv_answer a;
	unsigned nfds = 0;
	size_t len;
	int error =
	    fdp_recv(ep->parent, &a, sizeof(a), &len, fuse_fd, fuse_fd != NULL ? 1 : 0, &nfds, NULL, MOUNT_TIME);

	if (error == 0 && (len != sizeof(a) || (a.error == 0 && fuse_fd != NULL && nfds != 1)))
		error = EPIPE;
	if (error != 0) {
		(void)snprintf(why, whylen, "perfused does not answer: %s", strerror(error));
		return error;
	}
	a.why[sizeof(a.why) - 1] = '\0';
	(void)snprintf(why, whylen, "%s", a.why);
	return a.error;
}

/* The last word to the peer, and the end of this process. */
static void
finish(struct ep *ep, int status)
{
	if (ep->over)
		return;
	ep->over = true;
	if (ep->state == STARTING && ep->error == 0) {
		ep->error = ECANCELED;
		(void)snprintf(ep->fault, sizeof(ep->fault),
		    "mountpoint " CHECK_PATH ": unmounted before the daemon answered", ep->in.path);
	}
	if (ep->conn >= 0 && ep->error != 0)
		answer_send(ep->conn, FRAME_FAILED, ep->error, ep->fault);
	else if (ep->conn >= 0)
		answer_send(ep->conn, FRAME_ENDED, 0, ep->in.path);
	/* The mount is gone, whether or not the parent's answer to who asked for that has come. */
	control_result(ep->control, 0, 0, "");
	ep->status = status;
	loop_stop(ep->loop);
}

/* The parent's answer to one of our requests, or that there will be none. */
static void
unmount_result(struct ep *ep, uint32_t id, int error, const char *why)
{
	if (id == ID_LEAVE && error != 0 && error != EINVAL) { /* EINVAL: somebody else has unmounted it */
		log_err("%s", why);
		if (ep->error == 0) {
			ep->error = error;
			(void)snprintf(ep->fault, sizeof(ep->fault), "%s", why);
			ep->status = exit_status(error);
		}
	}
	/* Unmounted before the daemon spoke: there is nothing to see to its end. */
	if (id == ID_LEAVE || (error == 0 && ep->state == STARTING)) {
		finish(ep, ep->status);
		return;
	}
	switch (id) {
	case ID_PEER:
		ep->peer_waits = false;
		if (error != 0 && ep->conn >= 0)
			answer_send(ep->conn, FRAME_FAILED, error, why);
		break;
	case ID_AUTO:
		if (error != 0)
			log_err("%s", why);
		break;
	default:
		control_result(ep->control, id, error, why);
		break;
	}
}

static void
unmount(struct ep *ep, uint32_t id, bool lazy)
{
	int error = ask_unmount(ep, id, lazy);

	if (error != 0)
		unmount_result(ep, id, error, "perfused has ended: umount(8) can still unmount this");
}

/* The mount is to go and this process with it. */
static void
leave(struct ep *ep, int status)
{
	if (ep->leaving)
		return;
	ep->leaving = true;
	ep->status = status;
	unmount(ep, ID_LEAVE, true);
}

static void
parent_ready(void *arg, unsigned events)
{
	static const char gone[] = "perfused has ended: umount(8) can still unmount this";
	struct ep *ep = arg;
	struct priv_answer a;
	unsigned nfds;
	size_t len;
	int error = fdp_recv(ep->parent, &a, sizeof(a), &len, NULL, 0, &nfds, NULL, 0);

	if (error == ETIMEDOUT)
		return;
	if (error == 0 && len == sizeof(a)) {
		a.why[sizeof(a.why) - 1] = '\0';
		unmount_result(ep, a.id, a.error, a.why);
		return;
	}
	log_warn("perfused has ended; the mount goes on");
	loop_io_del(ep->parent_io);
	ep->parent_io = NULL;
	(void)close(ep->parent);
	ep->parent = -1;
	control_result(ep->control, 0, EPIPE, gone);
	if (ep->peer_waits)
		unmount_result(ep, ID_PEER, EPIPE, gone);
	if (ep->leaving)
		unmount_result(ep, ID_LEAVE, EPIPE, gone);
}

/* ---- the peer's connection ---- */

static void
peer_gone(struct ep *ep, const char *how)
{
	bool off = ep->state == STARTING && !ep->leaving;

	loop_io_del(ep->conn_io);
	ep->conn_io = NULL;
	(void)close(ep->conn);
	ep->conn = -1;
	if (off) {
		log_info("uid %u (pid %d) %s before the daemon answered: the mount is called off", ep->peer.uid,
		    ep->peer.pid, how);
		leave(ep, EX_OK);
	}
}

static void
conn_ready(void *arg, unsigned events)
{
	struct ep *ep = arg;
	struct frame_request req;
	char packet[sizeof(req) + 1];
	ssize_t n = recv(ep->conn, packet, sizeof(packet), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
		return;
	} else if (n <= 0) {
		peer_gone(ep, "closed its connection");
	} else if (frame_request_parse(packet, (size_t)n, &req) != 0) {
		peer_gone(ep, "sent what is no request");
	} else if (!ep->peer_waits) {
		ep->peer_waits = true;
		unmount(ep, ID_PEER, (req.flags & MNT_DETACH) != 0);
	}
}

/* ---- the engine's news ---- */

static void
on_ready(void *arg)
{
	struct ep *ep = arg;

	ep->state = SERVING;
	if (ep->conn >= 0)
		answer_send(ep->conn, FRAME_READY, 0, ep->in.path);
}

static void
on_failed(void *arg, int error, const char *why)
{
	struct ep *ep = arg;

	(void)snprintf(ep->fault, sizeof(ep->fault), "mountpoint " CHECK_PATH ": %.400s", ep->in.path, why);
	ep->error = error != 0 ? error : EIO;
	if (ep->leaving) /* called off: that was said, and is why */
		return;
	log_err("uid %u (pid %d): %s", ep->peer.uid, ep->peer.pid, ep->fault);
	leave(ep, exit_status(ep->error));
}

static void
on_dead(void *arg, int error, const char *why)
{
	struct ep *ep = arg;

	ep->state = DEAD;
	(void)snprintf(ep->why, sizeof(ep->why), "%s", why);
	log_err("the daemon (started by pid %d) is gone: %s; operations get \"%s\" until the mount is unmounted",
	    ep->peer.pid, why, strerrordesc_np(ENOTCONN));
	if (ep->in.wish.auto_unmount)
		unmount(ep, ID_AUTO, true);
}

static void
on_ended(void *arg)
{
	struct ep *ep = arg;

	finish(ep, ep->status);
}

static const struct engine_ops engine_events = {
	.ready = on_ready,
	.failed = on_failed,
	.dead = on_dead,
	.ended = on_ended,
};

/* ---- control clients and signals ---- */

static int
fill_status(void *arg, struct status *out)
{
	static const char *const states[] = { [STARTING] = "starting", [SERVING] = "serving", [DEAD] = "dead" };
	const struct ep *ep = arg;
	const struct host_mount *m = &ep->in.wish.mount;
	struct engine_counts counts;

	engine_counts(ep->engine, &counts);
	*out = (struct status){
		.source = strdup(m->source[0] != '\0' ? m->source : "perfuse"),
		.state = strdup(states[ep->state]),
		.why = strdup(ep->why),
		.engine_pid = getpid(),
		.daemon_pid = ep->peer.pid,
		.uid = ep->peer.uid,
		.since = ep->since,
		.nodes = counts.nodes,
		.files = counts.files,
		.waiting = counts.waiting,
	};
	/* A container's names are not ours: as its process has them. */
	if (!ep->peer.foreign || ep->bare)
		out->mountpoint = strdup(ep->in.path);
	else if (asprintf(&out->mountpoint, "/proc/%d/root%s", ep->peer.pid, ep->in.path) < 0)
		out->mountpoint = NULL;
	if (asprintf(&out->fstype, "%s%s%s", m->blkdev ? "fuseblk" : "fuse", m->subtype[0] != '\0' ? "." : "",
		m->subtype) < 0)
		out->fstype = NULL;
	return out->mountpoint == NULL || out->source == NULL || out->state == NULL || out->why == NULL ||
		       out->fstype == NULL
		   ? ENOMEM
		   : 0;
}

static void
control_unmount(void *arg, uint32_t id, bool lazy)
{
	unmount(arg, id, lazy);
}

static const struct control_ops control_events = { .status = fill_status, .unmount = control_unmount };

/* SIGTERM and SIGINT: unmount lazily; what is open may be finished. A second one does not wait for that. */
static void
on_signal(void *arg)
{
	static bool asked;
	struct ep *ep = arg;

	if (asked || ep->state == STARTING || ep->parent < 0) {
		leave(ep, EX_OK);
		return;
	}
	asked = true;
	unmount(ep, ID_AUTO, true);
}

/* SIGUSR1: the last operations into the log, when perfused was started with -s. */
static void
on_usr1(void *arg)
{
	const struct ep *ep = arg;

	engine_trace(ep->engine);
}

/* ---- the whole ---- */

/* Everything that the loop needs. 0 or errno. */
static int
prepare(struct ep *ep)
{
	int error;

	if ((error = loop_new(&ep->loop)) != 0 ||
	    (error = loop_io_add(ep->loop, ep->parent, LOOP_READ, parent_ready, ep, &ep->parent_io)) != 0 ||
	    (error = loop_signal_add(ep->loop, SIGTERM, on_signal, ep, &ep->term)) != 0 ||
	    (error = loop_signal_add(ep->loop, SIGINT, on_signal, ep, &ep->intr)) != 0 ||
	    (error = loop_signal_add(ep->loop, SIGUSR1, on_usr1, ep, &ep->usr1)) != 0)
		return error;
	if (ep->in.daemon >= 0 &&
	    (error = loop_io_add(ep->loop, ep->conn, LOOP_READ, conn_ready, ep, &ep->conn_io)) != 0)
		return error;
	if (ep->has_control)
		error = control_new(ep->loop, ENGINE_CONTROL, ep->peer.uid, &control_events, ep, &ep->control);
	return error;
}

/* From mounted to served: hand both descriptors to the engine and let go of the last rights. 0 or errno. */
static int
start(struct ep *ep, int fuse_fd)
{
	bool separate = ep->in.daemon >= 0;
	const struct engine_config cfg = {
		.daemon_fd = separate ? ep->in.daemon : ep->conn,
		.peer_sndbuf = ep->in.sndbuf,
		.fuse_fd = fuse_fd,
		.switches = engine_switches(getenv("PERFUSE_OPTIONS")),
	};
	int error = engine_new(ep->loop, &cfg, &engine_events, ep, &ep->engine);

	if (error != 0) {
		(void)close(fuse_fd);
		return error;
	}
	if (separate)
		ep->in.daemon = -1;
	else
		ep->conn = -1;
	(void)alarm(0);
	tzset(); /* syslog(3) reads the time zone at first use, and files can be opened no more */
	return sandbox_late();
}

static void
tear_down(struct ep *ep)
{
	engine_free(ep->engine);
	control_free(ep->control);
	loop_io_del(ep->conn_io);
	loop_io_del(ep->parent_io);
	loop_signal_del(ep->term);
	loop_signal_del(ep->intr);
	loop_signal_del(ep->usr1);
	loop_free(ep->loop);
	if (ep->in.daemon >= 0)
		(void)close(ep->in.daemon);
	if (ep->conn >= 0)
		hang_up(ep->conn);
	if (ep->parent >= 0)
		(void)close(ep->parent);
}

/* A frame was taken: mount, serve, and return the exit status. */
static int
serve(struct ep *ep)
{
	static struct priv_mount ask;
	char why[PRIV_WHY], role[300];
	int fuse_fd = -1, error;
	bool apart = peer_is_apart(&ep->peer);

	(void)snprintf(role, sizeof(role), "engine %.255s", ep->in.path);
	log_role(role);
	setproctitle("%s", role);
	if ((error = prepare(ep)) != 0)
		return give_up_f(
		    ep, error, "mountpoint " CHECK_PATH ": cannot start an engine: %s", ep->in.path, strerror(error));
	ask.mount = ep->in.wish.mount;
	if (apart)
		memcpy(ask.target, ep->in.path, sizeof(ask.target));
	if ((error = fdp_send(ep->parent, &ask, sizeof(ask), &ep->in.at, !apart)) != 0)
		(void)snprintf(why, sizeof(why), "cannot ask perfused to mount: %s", strerror(error));
	else
		error = await_answer(ep, &fuse_fd, why, sizeof(why));
	if (ep->in.at >= 0)
		(void)close(ep->in.at); /* it would keep the file system below busy */
	if (error != 0)
		return give_up(ep, error, why);
	ep->since = time(NULL);
	answer_send(ep->conn, FRAME_MOUNTED, 0, ep->in.path);
	if ((error = start(ep, fuse_fd)) != 0) {
		if (ask_unmount(ep, ID_UNDO, true) == 0)
			(void)await_answer(ep, NULL, why, sizeof(why));
		return give_up_f(
		    ep, error, "mountpoint " CHECK_PATH ": cannot start an engine: %s", ep->in.path, strerror(error));
	}
	loop_run(ep->loop);
	return ep->status;
}

/* A decimal number and the byte that ends it; *text goes on behind that. */
static bool
take_number(const char **text, char until, uint32_t max, uint32_t *out)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(*text, &end, 10);
	if (**text < '0' || **text > '9' || errno != 0 || n > max || *end != until)
		return false;
	*out = (uint32_t)n;
	*text = end + 1;
	return true;
}

static bool
is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* "-E uid,gid,pid,how": whose engine this is, with descriptors 3 to 5 as spawn.c leaves them. */
static bool
parse_peer(const char *text, struct peer *peer, bool *bare)
{
	uint32_t uid, gid, pid, how;

	if (!take_number(&text, ',', UINT32_MAX, &uid) || !take_number(&text, ',', UINT32_MAX, &gid) ||
	    !take_number(&text, ',', INT32_MAX, &pid) ||
	    !take_number(&text, '\0', ENGINE_ROOT | ENGINE_FOREIGN | ENGINE_OTHER_USER | ENGINE_BARE, &how))
		return false;
	*peer = (struct peer){ .pid = (pid_t)pid,
		.uid = uid,
		.gid = gid,
		.root = (how & ENGINE_ROOT) != 0,
		.foreign = (how & ENGINE_FOREIGN) != 0,
		.other_user = (how & ENGINE_OTHER_USER) != 0 };
	*bare = (how & ENGINE_BARE) != 0;
	return is_socket(ENGINE_CONN) && is_socket(ENGINE_PARENT) && fcntl(ENGINE_ASK, F_GETFD) >= 0;
}

int
engine_main(const struct options *opt)
{
	static struct ep ep = { .conn = ENGINE_CONN, .parent = ENGINE_PARENT, .in = { .daemon = -1 } };
	char why[PRIV_WHY];
	int error, status;

	if (!parse_peer(opt->engine, &ep.peer, &ep.bare)) {
		log_err("-E is for perfused's own use");
		return EX_USAGE;
	}
	for (int fd = ENGINE_CONN; fd < ENGINE_CONTROL; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	/* Asked now: the number may be another descriptor's later. */
	ep.has_control = fcntl(ENGINE_CONTROL, F_SETFD, FD_CLOEXEC) == 0;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN); /* there is nothing to tell yet */
	log_role("engine");             /* each line names the peer until there is a path to name */
	setproctitle("engine of uid %u", ep.peer.uid);
	/* Now, and not before it was run: it has become untraceable by that. While the socket still tells the peer's groups. */
	if ((error = sandbox_become(&ep.peer, ENGINE_CONN)) != 0) {
		status = give_up_f(&ep, error, "cannot become uid %u: %s", ep.peer.uid, strerror(error));
	} else if ((error = sandbox_early()) != 0) {
		status = give_up_f(&ep, error, "cannot give up privilege: %s", strerror(error));
	} else {
		error = intake(ep.conn, &ep.peer, &ep.in, why, sizeof(why));
		status = error != 0 ? give_up(&ep, error, why) : serve(&ep);
	}
	tear_down(&ep);
	return status;
}

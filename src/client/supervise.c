/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor of one daemon, from the daemon's start to the end of its last mount: one loop over the seccomp
 * listener, the starter's link, the daemon's tree, finished jobs and the engines' control connections.
 *
 * Until the first mount answers, anything that goes wrong ends everything: mounts are called off, the tree is
 * signalled, and the starter hears why when nothing is left. From then on the daemon goes its own way, and the
 * supervisor leaves when both the tree and the mounts are gone. In the foreground the starter's leaving ends everything
 * at any time.
 */
#include "client/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "client/sup.h"
#include "client/tree.h"

enum {
	OWN_END_MS = 100,     /* a daemon that lost its mount may end by itself, and its exit status tells more */
	LEAVE_MS = 10 * 1000, /* to finish after an unmount in good order, before it is told to */
	TERM_MS = 2 * 1000,   /* after SIGTERM, before SIGKILL */
	GIVE_UP_MS =
	    15 * 1000, /* ending as a whole: after that our descriptors are closed as we exit, which ends the rest */
	WORDS_MS = 300,
};

enum { W_LISTENER, W_LINK, W_TREE, W_JOBS, W_SIGNALS, W_BROKER, W_FIXED };

struct watch { /* what the loop polls: W_FIXED, then one for each served that has a descriptor, and each guest */
	struct pollfd *pfd;
	struct who {
		struct served *served;
		struct guest *guest;
	} * who;
	size_t cap;
};

int
supervise_status(int error)
{
	switch (error) {
	case 0:
		return 0;
	case EINVAL:
	case ENAMETOOLONG:
		return EX_USAGE;
	case ENOENT:
	case ENOTDIR:
		return EX_NOINPUT;
	case EPERM:
	case EACCES:
		return EX_NOPERM;
	case EPROTO:
		return EX_PROTOCOL;
	case EIO:
		return EX_IOERR;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EAGAIN:
	case ENOSYS:
		return EX_OSERR;
	default:
		return EX_UNAVAILABLE;
	}
}

void
sup_say(struct sup *s, const char *fmt, ...)
{
	struct pollfd pfd = { STDERR_FILENO, POLLOUT, 0 };
	char line[SUPERVISE_TEXT];
	va_list ap;

	/* A terminal or pipe that does not take more must not hold up the daemon; a pipe that does takes a whole line. */
	if (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	(void)dprintf(STDERR_FILENO, "perfuse: %s: %s\n", s->cfg->name, line);
}

static void
set_deadline(struct sup *s, unsigned ms)
{
	s->deadline = clock_ns() + ms * CLOCK_MSEC;
}

/* The final news (or, in the foreground, the first). */
static void
tell(struct sup *s, int status, const char *text)
{
	struct supervise_news news = { .status = status };

	(void)snprintf(news.text, sizeof(news.text), "%s", text);
	if (s->link >= 0)
		(void)fdp_send(s->link, &news, sizeof(news), NULL, 0);
}

void
sup_ready(struct sup *s, struct served *v)
{
	char text[SUPERVISE_TEXT];

	if (s->was_ready || s->ending)
		return;
	s->was_ready = true;
	s->deadline = 0;
	(void)snprintf(text, sizeof(text), "%s: %s", v->target, v->what ? v->what : "mounted");
	tell(s, 0, text);
}

void
sup_end(struct sup *s, int status, const char *why, ...)
{
	struct served *v;
	va_list ap;

	if (s->ending)
		return;
	s->ending = true;
	s->give_up = clock_ns() + GIVE_UP_MS * CLOCK_MSEC;
	s->status = status;
	if (why) {
		va_start(ap, why);
		(void)vsnprintf(s->why, sizeof(s->why), why, ap);
		va_end(ap);
	}
	set_deadline(s, s->was_ready ? LEAVE_MS : OWN_END_MS);
	TAILQ_FOREACH (v, &s->served, link)
		serve_leave(s, v);
}

/* "exited with status 1" and the like. */
static void
describe(int status, char *buf, size_t room)
{
	if (WIFSIGNALED(status))
		(void)snprintf(
		    buf, room, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		(void)snprintf(buf, room, "exited with status %d", WEXITSTATUS(status));
}

/* The tree (or the daemon itself, with a failure) has ended and nothing answers: say why. */
static void
daemon_failed(struct sup *s)
{
	const char *name = s->cfg->name;
	char how[128];

	if (s->refused[0] != '\0')
		sup_end(s, supervise_status(s->refused_error), "%s", s->refused);
	else if (s->daemon_status != 0) {
		describe(s->daemon_status, how, sizeof(how));
		sup_end(s, EX_UNAVAILABLE, "%s %s%s", name,
		    s->was_unmounted ? "unmounted it before it answered and " : "", how);
	} else if (s->was_unmounted)
		sup_end(s, EX_UNAVAILABLE, "%s unmounted it before it answered", name);
	else if (!s->was_tried)
		sup_end(s, EX_UNAVAILABLE, "%s exited without mounting anything", name);
	else
		sup_end(s, EX_UNAVAILABLE, "%s ended before its mount answered", name);
}

static void
handle_tree(struct sup *s)
{
	struct tree_event ev;
	unsigned nfds;
	size_t len;
	int r;

	r = fdp_recv(s->tree, &ev, sizeof(ev), &len, NULL, 0, &nfds, NULL, 0);
	if (r == ECONNRESET) /* said once, when the root left with our packet unread; what it said is still there */
		r = fdp_recv(s->tree, &ev, sizeof(ev), &len, NULL, 0, &nfds, NULL, 0);
	if (r == 0 && len == sizeof(ev)) {
		s->tree_empty = ev.empty;
		if (ev.empty)
			return;
		s->daemon_ended = s->kill_step == 0;
		s->daemon_status = ev.status;
		if (!s->was_ready && ev.status != 0)
			daemon_failed(s);
		return;
	}
	(void)close(s->tree);
	s->tree = -1;
	if (!s->tree_empty) {
		/* Its root was killed, and what is left can no longer be told from other processes. */
		if (!s->was_ready || s->cfg->foreground)
			sup_end(s, EX_SOFTWARE, "the process that looked after %s was killed", s->cfg->name);
	} else if (!s->was_ready)
		daemon_failed(s);
	else if (s->cfg->foreground && !s->ending)
		set_deadline(s, OWN_END_MS); /* or its end was that of the mount, which we are about to hear of */
}

/* In the foreground: the whole tree is gone and a mount is left. */
static void
daemon_died(struct sup *s)
{
	struct served *v;
	char how[128];

	TAILQ_FOREACH (v, &s->served, link) {
		if (v->state == SERVED_LEAVING) /* unless that fails */
			set_deadline(s, OWN_END_MS);
		if (v->state != SERVED_READY)
			continue;
		describe(s->daemon_status, how, sizeof(how));
		sup_end(s, EX_UNAVAILABLE, "%s: %s %s while it was mounted", v->target, s->cfg->name, how);
		return;
	}
}

static void
handle_link(struct sup *s)
{
	unsigned nfds;
	size_t len = 0;
	int signo;

	/* (Left unread, a packet would make our last news fail to arrive.) */
	if ((fdp_recv(s->link, &signo, sizeof(signo), &len, NULL, 0, &nfds, NULL, 0) != 0 || len == 0) &&
	    s->was_ready && !s->cfg->foreground) {
		(void)close(s->link); /* it has heard that the mount answers, and has not called it off meanwhile */
		s->link = -1;
		return;
	}
	sup_end(s, EX_UNAVAILABLE, s->was_ready ? NULL : "called off");
	if (s->was_ready)
		s->status = 0;
}

static void
handle_signals(struct sup *s)
{
	struct signalfd_siginfo si;

	if (read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		sup_end(s, EX_UNAVAILABLE, "the supervisor was told to end (%s)", strsignal((int)si.ssi_signo));
}

static void
handle_deadline(struct sup *s)
{
	const char *name = s->cfg->name;

	s->deadline = 0;
	if (!s->ending && s->was_ready) {
		daemon_died(s);
	} else if (!s->ending) {
		if (s->refused[0] != '\0')
			sup_end(s, supervise_status(s->refused_error), "%s", s->refused);
		else if (s->was_tried)
			sup_end(s, EX_PROTOCOL, "%s has mounted but not answered within %u s; ended it", name,
			    s->cfg->seconds);
		else
			sup_end(s, EX_UNAVAILABLE, "%s has not tried to mount anything within %u s; ended it", name,
			    s->cfg->seconds);
	} else if (s->tree >= 0) {
		s->kill_step = s->kill_step == 0 ? SIGTERM : SIGKILL;
		if (s->kill_step == SIGTERM)
			set_deadline(s, TERM_MS);
		tree_signal(s->tree, s->kill_step);
	}
}

/* Is there anything left to stay for? */
static bool
finished(struct sup *s)
{
	struct served *v;

	if (s->ending && clock_ns() >= s->give_up)
		return true;
	if (s->tree >= 0 || s->running > 0)
		return false;
	if (!s->tree_empty && s->listener >= 0) /* a daemon without its root still needs us */
		return false;
	TAILQ_FOREACH (v, &s->served, link) {
		if (serve_is_live(v))
			return false;
	}
	return s->was_ready || s->ending;
}

/* Why it failed, the daemon's last words included. */
static void
compose(struct sup *s, char *text, size_t room)
{
	char how[128] = "", last[256] = "";
	size_t n;

	if (s->blind && !s->was_tried) {
		n = strlen(s->why);
		(void)snprintf(s->why + n, sizeof(s->why) - n,
		    "; perfuse cannot see what it asks the kernel for: it is not dumpable or has become another user, "
		    "and "
		    "CAP_SYS_PTRACE is missing (--via fd, fusermount and preload do without)");
	}
	if (s->words) {
		words_wait(s->words, WORDS_MS);
		words_last(s->words, last, sizeof(last));
	}
	if (s->daemon_ended && s->daemon_status != 0)
		describe(s->daemon_status, how, sizeof(how));
	if (how[0] != '\0' && !strstr(s->why, how))
		(void)snprintf(text, room, "%s; %s %s%s%s", s->why, s->cfg->name, how, last[0] ? ": " : "", last);
	else
		(void)snprintf(text, room, "%s%s%s", s->why, last[0] ? ": " : "", last);
}

static int
wait_ms(const struct sup *s)
{
	uint64_t now = clock_ns(), until = s->deadline;

	if (s->ending && (until == 0 || s->give_up < until))
		until = s->give_up;
	if (until == 0)
		return -1;
	return until <= now ? 0 : (int)((until - now) / CLOCK_MSEC + 1);
}

/* One more thing to poll. False: no memory. */
static bool
watch_add(struct watch *w, size_t *n, struct pollfd p, struct who who)
{
	if (*n == w->cap) {
		struct pollfd *pfd = realloc(w->pfd, 2 * w->cap * sizeof(*pfd));
		struct who *more;

		if (pfd)
			w->pfd = pfd;
		more = pfd ? realloc(w->who, 2 * w->cap * sizeof(*more)) : NULL;
		if (!more)
			return false;
		w->who = more;
		w->cap *= 2;
	}
	w->pfd[*n] = p;
	w->who[(*n)++] = who;
	return true;
}

/* What to poll in this round. Returns how many; when there is no memory for all, the last ones wait. */
static size_t
gather(struct sup *s, struct watch *w)
{
	size_t n = W_FIXED;
	struct served *v;
	struct guest *g;

	w->pfd[W_LISTENER] = (struct pollfd){ s->listener, POLLIN, 0 };
	w->pfd[W_LINK] = (struct pollfd){ s->ending ? -1 : s->link, POLLIN, 0 };
	w->pfd[W_TREE] = (struct pollfd){ s->tree, POLLIN, 0 };
	w->pfd[W_JOBS] = (struct pollfd){ s->jobs[0], POLLIN, 0 };
	w->pfd[W_SIGNALS] = (struct pollfd){ s->signals, POLLIN, 0 };
	w->pfd[W_BROKER] = (struct pollfd){ s->cfg->broker, POLLIN, 0 };
	TAILQ_FOREACH (v, &s->served, link) {
		struct pollfd p = { -1, 0, 0 };

		if (v->state == SERVED_OPEN)
			p.fd = v->engine_fd; /* events 0: only the hang-up counts */
		else if (v->state == SERVED_MOUNTED || v->state == SERVED_READY)
			p = (struct pollfd){ v->control, POLLIN, 0 };
		if (p.fd >= 0 && !watch_add(w, &n, p, (struct who){ .served = v }))
			break;
	}
	TAILQ_FOREACH (g, &s->guests, link) {
		if (!watch_add(w, &n, (struct pollfd){ g->conn, POLLIN, 0 }, (struct who){ .guest = g }))
			break;
	}
	return n;
}

/* One round. The served come first: what an engine says before the daemon's end is known tells more than that end. */
static void
round_once(struct sup *s, struct watch *w)
{
	size_t n = gather(s, w);

	if (poll(w->pfd, n, wait_ms(s)) < 0)
		return;
	for (size_t i = W_FIXED; i < n; i++) {
		struct served *v = w->who[i].served;

		if (w->pfd[i].revents == 0)
			continue;
		if (!v)
			guest_handle(s, w->who[i].guest);
		else if (v->state == SERVED_OPEN)
			serve_free(s, v); /* the daemon closed what it had opened */
		else if (v->state == SERVED_MOUNTED || v->state == SERVED_READY) /* still: not yet a thread's */
			serve_control(s, v);
	}
	if (w->pfd[W_JOBS].revents)
		serve_job_done(s);
	if (w->pfd[W_BROKER].revents)
		guest_accept(s);
	if (w->pfd[W_LINK].revents)
		handle_link(s);
	if (w->pfd[W_SIGNALS].revents)
		handle_signals(s);
	if (w->pfd[W_LISTENER].revents & POLLIN)
		trap_handle(s);
	else if (w->pfd[W_LISTENER].revents) { /* nobody is left whom it could hear */
		(void)close(s->listener);
		s->listener = -1;
	}
	if (w->pfd[W_TREE].revents)
		handle_tree(s);
	if (s->deadline != 0 && clock_ns() >= s->deadline)
		handle_deadline(s);
}

static int
begin(struct sup *s, struct watch *w)
{
	const struct client_mount *m = s->cfg->mount;
	struct served *v;
	sigset_t set;
	int r;

	w->cap = 2 * W_FIXED;
	w->pfd = calloc(w->cap, sizeof(*w->pfd));
	w->who = calloc(w->cap, sizeof(*w->who));
	if (!w->pfd || !w->who)
		return ENOMEM;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0 || pipe2(s->jobs, O_CLOEXEC) != 0)
		return errno;
	s->words = words_start(s->cfg->words);
	if (!s->words)
		return errno;
	if (!m)
		return s->listener >= 0 ? trap_init(s) : 0;
	r = serve_new(s, &v);
	if (r != 0)
		return r;
	v->engine_fd = m->fuse_sock;
	v->sndbuf = m->sndbuf;
	return serve_mount(s, v, m, (struct asker){ 0 });
}

int
supervise_run(const struct supervise *cfg)
{
	struct sup s = { .cfg = cfg,
		.listener = cfg->listener,
		.link = cfg->link,
		.tree = cfg->tree,
		.jobs = { -1, -1 },
		.signals = -1 };
	char text[2 * SUPERVISE_TEXT] = "";
	struct watch w = { 0 };
	int r;

	TAILQ_INIT(&s.served);
	TAILQ_INIT(&s.guests);
	set_deadline(&s, cfg->seconds * 1000);
	r = begin(&s, &w);
	if (r != 0) {
		s.status = supervise_status(r);
		(void)snprintf(text, sizeof(text), "cannot supervise %s: %s", cfg->name, strerror(r));
		tree_signal(s.tree, SIGKILL);
	} else {
		while (!finished(&s))
			round_once(&s, &w);
		if (s.status != 0)
			compose(&s, text, sizeof(text));
	}
	if (s.status != 0 || s.was_ready)
		tell(&s, s.status, text);
	free(w.pfd);
	free(w.who);
	return s.status; /* what else was made ends with the process, which does now */
}

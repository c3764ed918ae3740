/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting a daemon (spawn.h). Three processes come of it: the supervisor, forked here, which becomes the leader of a
 * session of its own; the root of the daemon's tree, forked there; and the daemon, which stays in our session and
 * process group, so that it can ask for a password on the terminal and gets the terminal's signals as if we were not
 * there. This process then only waits for the supervisor's word and hands signals on.
 */
#include "client/spawn.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "client/args.h"
#include "client/broker.h"
#include "client/client.h"
#include "client/filter.h"
#include "client/supervise.h"
#include "client/tree.h"
#include "client/ways.h"
#include "ctl/mountopts.h"

enum {
	EXIT_NOT_FOUND = 127,
	EXIT_CANNOT_RUN = 126,
	END_MS = 20 * 1000, /* for the supervisor to end everything: more than it gives itself (supervise.c) */
	EXIT_MS = 2 * 1000, /* and to exit after its last word */
};

struct start { /* all that the supervisor's process is started with */
	const struct spawn *sp;
	struct mountopts own;
	enum spawn_via via; /* the one that is taken */
	int daemon_end;     /* of the socket pair, the fd way only; else -1 */
	struct args_fd args;
	struct sock_fprog filter;
	int broker; /* its socket, the last two ways only; else -1 */
	char broker_name[BROKER_NAME];
	struct ways_entry entry;
	sigset_t mask; /* before signals were blocked */
	int link;      /* to spawn_mount() */
};

static const char *
daemon_name(const struct spawn *sp)
{
	const char *slash = strrchr(sp->argv[0], '/');

	return slash ? slash + 1 : sp->argv[0];
}

/* We are about to leave the current directory: what the environment says relative to it must stay true. */
static void
pin_environment(const char *name)
{
	const char *value = getenv(name);
	char cwd[PATH_MAX], *path;

	if (!value || *value == '/' || *value == '\0' || !getcwd(cwd, sizeof(cwd)))
		return;
	if (asprintf(&path, "%s/%s", cwd, value) >= 0) {
		(void)setenv(name, path, 1);
		free(path);
	}
}

/* Leave the terminal, the current directory and the starter's descriptors, but for its stderr. */
static void
detach(int *keep, size_t n)
{
	int null;

	(void)setsid();
	pin_environment("PERFUSE_PERFUSED");
	pin_environment("PERFUSE_SOCKET");
	(void)chdir("/");
	(void)prctl(PR_SET_NAME, "perfuse-superv", 0, 0, 0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
	}
	tree_keep_only(keep, n);
}

/* In the supervisor's process: the daemon could not be started. */
static int
start_failed(const struct start *st, int error, const char *stage)
{
	struct supervise_news news = { .status = EX_OSERR };

	if (stage == tree_exec) {
		news.status = error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
		(void)snprintf(news.text, sizeof(news.text), "%s: %s", st->sp->argv[0],
		    error == ENOENT ? "command not found" : strerror(error));
	} else if (stage == tree_filter && st->via == SPAWN_SUPERVISE) {
		struct way w;

		ways_for(st->via, st->sp->argv, &w);
		(void)snprintf(news.text, sizeof(news.text), "--via %s cannot serve %s: %s", w.name,
		    daemon_name(st->sp), w.usable ? strerror(error) : w.why);
		news.status = EX_UNAVAILABLE;
	} else
		(void)snprintf(news.text, sizeof(news.text), "%s: %s", stage, strerror(error));
	(void)fdp_send(st->link, &news, sizeof(news), NULL, 0);
	return news.status;
}

/* The supervisor's process. Returns its exit status. */
static int
supervisor(struct start *st)
{
	struct sigaction chld, pipe_action, sa = { .sa_handler = SIG_DFL };
	struct supervise cfg = { .name = daemon_name(st->sp),
		.opts = &st->own,
		.foreground = st->sp->foreground,
		.seconds = st->sp->seconds,
		.link = st->link,
		.broker = st->broker,
		.mount = st->via == SPAWN_FD ? &st->args.mount : NULL };
	const char *stage;
	int words[2], r;

	/*
	 * The tree's root waits for its children and a dying peer is an error number; the daemon gets both back as they
	 * were.
	 */
	(void)sigaction(SIGCHLD, &sa, &chld);
	sa.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &sa, &pipe_action);
	if (pipe2(words, O_CLOEXEC) != 0)
		return start_failed(st, errno, "cannot make a pipe");
	r = tree_start(
	    &(struct tree_start){
		.argv = st->via == SPAWN_FD ? st->args.argv : st->sp->argv,
		.filter = &st->filter,
		.notify = st->via == SPAWN_SUPERVISE,
		.filter_optional = st->broker >= 0, /* it only spares them replies in pieces */
		.enter = st->broker >= 0 ? ways_enter : NULL,
		.arg = &st->entry,
		.keep_fd = st->daemon_end,
		.stderr_fd = words[1],
		.mask = &st->mask,
		.chld = &chld,
		.pipe = &pipe_action,
	    },
	    &cfg.tree, &cfg.listener, &stage);
	if (r != 0)
		return start_failed(st, r, stage);
	(void)close(words[1]);
	cfg.words = words[0];
	setproctitle("supervisor of %s", cfg.name);
	detach(
	    (int[]){ cfg.link, cfg.tree, cfg.listener, cfg.words, cfg.broker, cfg.mount ? cfg.mount->fuse_sock : -1 },
	    6);
	return supervise_run(&cfg);
}

/* The supervisor has said its last word and exits. */
static void
wait_exit(pid_t pid)
{
	struct pollfd pfd = { (int)syscall(SYS_pidfd_open, pid, 0), POLLIN, 0 };

	(void)poll(&pfd, 1, EXIT_MS);
	(void)waitpid(pid, NULL, WNOHANG);
	if (pfd.fd >= 0)
		(void)close(pfd.fd);
}

/*
 * Wait for the supervisor's word, and hand the first signal on (*caught). 0 and news, or errno: ETIMEDOUT when it was
 * told to end and does not, EINTR for a second signal.
 */
static int
next_news(int link, int signals, int *caught, uint64_t *deadline, struct supervise_news *news)
{
	struct signalfd_siginfo si;
	unsigned nfds;
	size_t len = 0;
	int r;

	for (;;) {
		struct pollfd pfd[2] = { { link, POLLIN, 0 }, { signals, POLLIN, 0 } };
		uint64_t now = clock_ns();

		if (*caught && now >= *deadline)
			return ETIMEDOUT;
		if (poll(pfd, 2, *caught ? (int)((*deadline - now) / CLOCK_MSEC + 1) : -1) < 0)
			continue;
		if (pfd[1].revents && read(signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
			if (*caught)
				return EINTR;
			*caught = (int)si.ssi_signo;
			*deadline = clock_ns() + END_MS * CLOCK_MSEC;
			(void)fdp_send(link, caught, sizeof(*caught), NULL, 0);
		}
		if (pfd[0].revents)
			break;
	}
	r = fdp_recv(link, news, sizeof(*news), &len, NULL, 0, &nfds, NULL, 0);
	if (r == ECONNRESET) /* said once, when it left with our packet unread; its news is still there */
		r = fdp_recv(link, news, sizeof(*news), &len, NULL, 0, &nfds, NULL, 0);
	if (r != 0 || len != sizeof(*news))
		return ECONNRESET;
	news->text[sizeof(news->text) - 1] = '\0';
	return 0;
}

/* See the supervisor through. */
static int
follow(const struct spawn *sp, int link, int signals, pid_t supervisor_pid, char *text, size_t room)
{
	struct supervise_news news = { 0 };
	uint64_t deadline = 0;
	int caught = 0, r;

	for (;;) {
		r = next_news(link, signals, &caught, &deadline, &news);
		if (r != 0) {
			(void)snprintf(text, room, "the supervisor of %s %s", sp->argv[0],
			    r == ECONNRESET ? "ended unexpectedly" : "has not ended yet");
			return caught ? 128 + caught : EX_SOFTWARE;
		}
		if (news.status != 0 || news.text[0] == '\0')
			break;
		if (!sp->foreground && !caught) {
			(void)snprintf(text, room, "%s", news.text);
			return 0;
		}
		if (sp->ready && !caught)
			sp->ready(news.text);
		/* (Or a signal was quicker: it is being ended.) */
	}
	wait_exit(supervisor_pid);
	(void)snprintf(text, room, "%s", news.text);
	if (caught) {
		(void)snprintf(text, room, "%s", news.status == 0 ? "" : strsignal(caught));
		return 128 + caught;
	}
	return news.status;
}

/* What the user asked of perfuse itself. 0 or an exit status. */
static int
own_options(const struct spawn *sp, struct mountopts *own, char *text, size_t room)
{
	char *bad = NULL;
	int r;

	r = mountopts_parse(sp->options ? sp->options : "", own, &bad);
	if (r == 0 && (own->rest || own->fd >= 0)) {
		(void)snprintf(text, room, "mount option \"%s\" is not known here; options of %s go behind --",
		    own->rest ? own->rest : "fd", daemon_name(sp));
		mountopts_free(own);
		return EX_USAGE;
	}
	if (r == EINVAL)
		(void)snprintf(text, room, "mount option \"%s\" is wrong", bad);
	else
		(void)snprintf(text, room, "%s", strerror(r));
	free(bad);
	return r == 0 ? 0 : supervise_status(r);
}

/*
 * Does a descriptor in the place of the mountpoint lose nothing? The daemon must take one, and who looks at the mount
 * must see the same source and type as natively: daemons make them up (sshfs: host and directory, and its name), and only
 * their mount(2) would tell. NULL: nothing is lost; else what is against it.
 */
static const char *
against_fd(const struct spawn *sp, const struct mountopts *own)
{
	bool source = own->fsname != NULL, type = own->subtype != NULL;
	struct mountopts its;
	char *list, *bad = NULL;

	list = args_options(sp->argv);
	if (list && mountopts_parse(list, &its, &bad) == 0) {
		source = source || its.fsname;
		type = type || its.subtype;
		mountopts_free(&its);
	}
	free(bad);
	free(list);
	if (!args_takes_fd(sp->argv[0]))
		return "it is not linked to libfuse 3";
	if (!source || !type)
		return "its source and type would be lost; give fsname= and subtype=";
	return args_mountpoint(sp->argv) >= 0 ? NULL : "none of its arguments is a directory to mount on";
}

/* The first way that works here, without fd, which this is against. Those that do not are named in tried. */
static void
choose_first(struct start *st, const char *against, struct way *w, char *tried, size_t room)
{
	static const enum spawn_via order[] = { SPAWN_SUPERVISE, SPAWN_FUSERMOUNT, SPAWN_PRELOAD };
	size_t used = (size_t)snprintf(tried, room, "fd: %s", against);

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		ways_for(order[i], st->sp->argv, w);
		st->via = order[i];
		if (w->usable)
			break;
		if (used < room)
			used += (size_t)snprintf(tried + used, room - used, "; %s: %s", w->name, w->why);
	}
}

/* Which way to take. 0, or an exit status with what is against each in text. */
static int
choose(struct start *st, char *text, size_t room)
{
	const struct spawn *sp = st->sp;
	const char *against = sp->via == SPAWN_AUTO ? against_fd(sp, &st->own) : NULL;
	char tried[4 * (WAY_TEXT + 16)] = "", line[sizeof(tried) + WAY_TEXT + 64];
	struct way w = { .usable = true, .why = "as asked for" };

	st->via = sp->via;
	if (sp->via == SPAWN_AUTO && !against) {
		st->via = SPAWN_FD;
		(void)snprintf(w.why, sizeof(w.why), "nothing is lost by it");
	} else if (sp->via == SPAWN_AUTO) {
		choose_first(st, against, &w, tried, sizeof(tried));
		if (!w.usable)
			(void)snprintf(text, room, "there is no way in for %s: %s", daemon_name(sp), tried);
	} else if (sp->via == SPAWN_FUSERMOUNT || sp->via == SPAWN_PRELOAD) {
		ways_for(sp->via, sp->argv, &w);
		if (!w.usable)
			(void)snprintf(text, room, "--via %s cannot serve %s: %s", w.name, daemon_name(sp), w.why);
	}
	if (!w.usable)
		return EX_UNAVAILABLE;
	(void)snprintf(line, sizeof(line), "%s: way in: %s (%s)%s%s", daemon_name(sp), ways_name(st->via), w.why,
	    tried[0] ? "; not " : "", tried);
	if (sp->way)
		sp->way(line);
	return 0;
}

/* The fd way's socket and command line. 0 or an exit status. */
static int
prepare_fd(struct start *st, char *text, size_t room)
{
	size_t sndbuf = 0;
	int sv[2], r;

	r = fdp_pair(SOCK_SEQPACKET, sv);
	if (r == 0) {
		st->daemon_end = sv[0];
		st->args.mount.fuse_sock = sv[1];
		r = fdp_buffers(sv[0], client_bufsize(), &sndbuf);
	}
	if (r == 0)
		r = fdp_buffers(sv[1], client_bufsize(), NULL);
	if (r != 0) {
		(void)snprintf(text, room, "cannot make a socket: %s", strerror(r));
		return supervise_status(r);
	}
	r = args_fd_make(st->sp->argv, &st->own, sv[0], &st->args, text, room);
	st->args.mount.fuse_sock = sv[1];
	st->args.mount.sndbuf = (uint32_t)sndbuf;
	return supervise_status(r);
}

/* The broker's socket. 0 or an exit status. */
static int
prepare_broker(struct start *st, char *text, size_t room)
{
	int r = broker_listen(&st->broker, st->broker_name);

	if (r != 0) {
		(void)snprintf(text, room, "cannot make a socket: %s", strerror(r));
		return supervise_status(r);
	}
	ways_entry_init(&st->entry, st->via, st->sp->argv, st->broker_name);
	return 0;
}

/* Everything that can fail before there is a process to look after. 0 or an exit status. */
static int
prepare(struct start *st, char *text, size_t room)
{
	int r;

	r = own_options(st->sp, &st->own, text, room);
	if (r == 0)
		r = choose(st, text, room);
	if (r == 0 && st->via == SPAWN_FD)
		r = prepare_fd(st, text, room);
	if (r == 0 && st->via == SPAWN_FUSERMOUNT && geteuid() == 0)
		st->own.auto_unmount = true; /* root's libfuse unmounts by itself, and has lost the right to */
	if (r == 0 && (st->via == SPAWN_FUSERMOUNT || st->via == SPAWN_PRELOAD))
		r = prepare_broker(st, text, room);
	if (r == 0) {
		r = filter_build(st->via == SPAWN_SUPERVISE, &st->filter);
		if (r != 0) {
			(void)snprintf(text, room, "cannot build a seccomp filter: %s", strerror(r));
			r = EX_OSERR;
		}
	}
	return r;
}

static void
release(struct start *st)
{
	if (st->daemon_end >= 0) {
		(void)close(st->daemon_end);
		(void)close(st->args.mount.fuse_sock);
	}
	if (st->broker >= 0)
		(void)close(st->broker);
	st->daemon_end = st->broker = -1;
	args_fd_free(&st->args);
	filter_free(&st->filter);
	mountopts_free(&st->own);
}

/* Fork the supervisor and follow it. Signals are blocked. */
static int
run(struct start *st, const sigset_t *blocked, char *text, size_t room)
{
	int link[2], signals, r;
	pid_t pid;

	r = fdp_pair(SOCK_SEQPACKET, link);
	if (r != 0) {
		(void)snprintf(text, room, "cannot make a socket: %s", strerror(r));
		return supervise_status(r);
	}
	signals = signalfd(-1, blocked, SFD_CLOEXEC | SFD_NONBLOCK);
	pid = signals < 0 ? -1 : fork();
	if (pid == 0) {
		(void)close(link[0]); /* or we would never see the starter leave */
		st->link = link[1];
		_exit(supervisor(st));
	}
	(void)close(link[1]);
	if (pid < 0) {
		(void)snprintf(text, room, "cannot start a process: %s", strerror(errno));
		r = EX_OSERR;
	} else {
		release(st); /* ours would keep the daemon's death from the engine, and the engine's from the daemon */
		r = follow(st->sp, link[0], signals, pid, text, room);
	}
	(void)close(link[0]);
	if (signals >= 0)
		(void)close(signals);
	return r;
}

int
spawn_mount(const struct spawn *sp, char *text, size_t room)
{
	struct start st = { .sp = sp, .own = { .fd = -1 }, .daemon_end = -1, .broker = -1, .link = -1 };
	sigset_t set;
	int r;

	r = prepare(&st, text, room);
	if (r == 0) {
		(void)sigemptyset(&set);
		(void)sigaddset(&set, SIGINT);
		(void)sigaddset(&set, SIGTERM);
		(void)sigaddset(&set, SIGHUP);
		(void)sigprocmask(SIG_BLOCK, &set, &st.mask);
		r = run(&st, &set, text, room);
		(void)sigprocmask(SIG_SETMASK, &st.mask, NULL);
	}
	release(&st);
	return r;
}

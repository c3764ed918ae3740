/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perfused(8): the command line, and what must be right before anything is served. Mistakes of the command line and of the
 * descriptor given with -i are one line on stderr and EX_USAGE, whatever the log is.
 *
 *   perfused [-f] [-s] [-d types] [--containers=WHAT]
 *                                          a service; as root for everybody, as a user for that user
 *   perfused [-f] [-s] [-d types] -i fd    for the one peer at the other end of the socket fd, which has started it
 *   perfused -E ...                        an engine, started by perfused itself (spawn.c)
 */
#include "perfused/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/unistd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/rundir.h"

static int __attribute__((format(printf, 1, 2))) usage(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("perfused: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputs("\nusage: perfused [-f] [-s] [-d types] [-i fd | --containers=refuse|own|host:DIR]\n", stderr);
	return EX_USAGE;
}

/* What peers in other mount namespaces get. 0 or an exit status. */
static int
parse_containers(const char *text, struct options *opt)
{
	if (strcmp(text, "refuse") == 0) {
		opt->containers = CONTAINERS_REFUSE;
		return 0;
	}
	opt->bare = strcmp(text, "private") ==
		    0; /* perfuse mount --private: there is but one container, and no host to speak of */
	if (opt->bare) {
		opt->containers = CONTAINERS_OWN;
		return 0;
	}
	if (strcmp(text, "own") != 0 && strncmp(text, "host:", 5) != 0)
		return usage("--containers: \"%s\" is not refuse, own or host:DIR", text);
	if (geteuid() != 0)
		return usage("--containers=%s takes root", text);
	opt->containers = strcmp(text, "own") == 0 ? CONTAINERS_OWN : CONTAINERS_HOST;
	if (opt->containers == CONTAINERS_HOST && (opt->below = realpath(text + 5, NULL)) == NULL)
		return usage("--containers: %s: %s", text + 5, strerror(errno));
	if (opt->containers == CONTAINERS_HOST && strcmp(opt->below, "/") == 0)
		return usage("--containers=host:/ would let containers mount everywhere");
	return 0;
}

/* 0 or an exit status. */
static int
parse(int argc, char **argv, struct options *opt)
{
	static const struct option longs[] = { { "containers", required_argument, NULL, 'C' }, { NULL, 0, NULL, 0 } };
	const char *bad;
	int c, status;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":d:E:fi:s", longs, NULL)) != -1) {
		switch (c) {
		case 'C':
			if ((status = parse_containers(optarg, opt)) != 0)
				return status;
			break;
		case 'd':
			if (log_diag_parse(optarg, &bad) != 0)
				return usage("-d: unknown type \"%.*s\"", (int)strcspn(bad, ","), bad);
			opt->diag = optarg;
			break;
		case 'E':
			opt->engine = optarg;
			break;
		case 'f':
			opt->foreground = true;
			break;
		case 'i':
			opt->peer_fd = optarg;
			break;
		case 's':
			opt->trace = true;
			log_diag |= LOG_D_TRACE;
			break;
		case ':':
			return optopt == 'C' ? usage("--containers needs a value") : usage("-%c needs a value", optopt);
		default:
			return optopt != 0 ? usage("unknown option -%c", optopt)
					   : usage("unknown option %s", argv[optind - 1]);
		}
	}
	return optind < argc ? usage("unexpected argument \"%s\"", argv[optind]) : 0;
}

/* The peer's socket from -i. 0, or an exit status after a line. */
static int
peer_socket(const char *text, int *out)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(int);
	int domain, type;
	char *end;
	long fd;

	errno = 0;
	fd = strtol(text, &end, 10);
	if (*end != '\0' || text[0] < '0' || text[0] > '9' || errno != 0 || fd > INT32_MAX)
		return usage("-i: \"%s\" is not a descriptor's number", text);
	if (fcntl((int)fd, F_GETFD) < 0)
		return usage("-i: descriptor %ld is not open", fd);
	if (getsockopt((int)fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_UNIX)
		return usage("-i: descriptor %ld is not a Unix socket", fd);
	if (getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || (type != SOCK_SEQPACKET && type != SOCK_DGRAM))
		return usage("-i: descriptor %ld is not a packet socket", fd);
	len = sizeof(name);
	if (getpeername((int)fd, (struct sockaddr *)&name, &len) < 0)
		return usage("-i: descriptor %ld is not connected", fd);
	(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	*out = (int)fd;
	return 0;
}

/* Descriptors 0 to 2 must be something, or a socket of ours would be taken for the terminal. */
static int
fill_standard(void)
{
	for (;;) {
		int fd = open("/dev/null", O_RDWR);

		if (fd < 0)
			return errno;
		if (fd > STDERR_FILENO) {
			(void)close(fd);
			return 0;
		}
	}
}

/* Let go of the descriptors that we were started with: whoever waits for their end need not wait for us. 0 or errno. */
static int
leave_standard(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return errno;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			return errno;
	(void)close(null);
	return 0;
}

/* Into the background: only the child returns. 0 or errno. */
static int
detach(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (pid > 0)
		_exit(EX_OK);
	(void)setsid();
	return leave_standard();
}

/* What else we were started with, among it perhaps our peer's end of the socket, whose end we could then never notice. */
static void
close_others(int keep)
{
	int from = STDERR_FILENO + 1;

	if (keep >= from) {
		if (keep > from)
			(void)close_range((unsigned)from, (unsigned)keep - 1, 0);
		from = keep + 1;
	}
	(void)close_range((unsigned)from, ~0U, 0);
}

/* One engine of the parent takes a few descriptors; there may be many. */
static void
raise_limits(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
}

/* With -i. A run directory that cannot be made costs the control socket, not the mount. */
static int
run_single(const struct options *opt)
{
	char *rundir = NULL;
	int conn = -1, status, error;

	if ((status = peer_socket(opt->peer_fd, &conn)) != 0)
		return status;
	close_others(conn);
	log_init("perfused", opt->foreground);
	if (!opt->foreground && (error = leave_standard()) != 0) {
		log_err("cannot open /dev/null: %s", strerror(error));
		return EX_OSERR;
	}
	(void)chdir("/");
	if ((error = rundir_make(geteuid(), &rundir)) != 0) {
		log_warn("no run directory, so perfuse(1) will not list this mount: %s", strerror(error));
		rundir = NULL;
	}
	raise_limits();
	status = parent_run(opt, rundir, NULL, conn);
	free(rundir);
	return status;
}

static int
run_service(const struct options *opt)
{
	char *rundir = NULL, *path = NULL, why[PRIV_WHY];
	struct listener *listener;
	int error, status;

	close_others(-1);
	/* On stderr until there is a service to speak of. */
	log_init("perfused", true);
	if ((error = rundir_make(geteuid(), &rundir)) != 0) {
		log_err("cannot make the run directory of uid %u: %s", geteuid(), strerror(error));
		return EX_CANTCREAT;
	}
	if ((error = rundir_socket(geteuid(), &path)) != 0) {
		log_err("the socket's path: %s", strerror(error));
		free(rundir);
		return EX_CONFIG;
	}
	if ((error = listener_new(path, geteuid(), &listener, why, sizeof(why))) != 0) {
		log_err("%s", why);
		status = error == EADDRINUSE                        ? EX_UNAVAILABLE
			 : error == EINVAL || error == ENAMETOOLONG ? EX_CONFIG
								    : EX_CANTCREAT;
	} else if (!opt->foreground && (error = detach()) != 0) {
		log_err("cannot go into the background: %s", strerror(error));
		listener_free(listener);
		status = EX_OSERR;
	} else {
		log_init("perfused", opt->foreground);
		(void)chdir("/");
		raise_limits();
		status = parent_run(opt, rundir, listener, -1);
	}
	free(path);
	free(rundir);
	return status;
}

int
main(int argc, char **argv)
{
	struct options opt = { 0 };
	int status;

	if (fill_standard() != 0)
		return EX_OSERR;
	setproctitle_init(argc, argv, environ);
	if ((status = parse(argc, argv, &opt)) != 0)
		return status;
	(void)signal(SIGPIPE, SIG_IGN);
	if (opt.engine != NULL) {
		log_init("perfused", opt.foreground);
		return engine_main(&opt);
	}
	return opt.peer_fd != NULL ? run_single(&opt) : run_service(&opt);
}

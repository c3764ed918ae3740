/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fusermount3 and fusermount: what FUSE libraries run to have a mount made for them. Ours asks perfused (or the supervisor of
 * "perfuse mount", broker.h) instead of the kernel and is not set-user-id: it hands the daemon a socket where the other hands
 * it /dev/fuse. Options, messages and exit statuses are the other's, and so is its silence: some libraries take any output
 * for failure. Only a mount of perfuse's that the caller may reach can be unmounted.
 *
 * It starts no perfused that would run another fusermount3 which is ourselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "client/broker.h"
#include "client/engines.h"
#include "client/open.h"
#include "client/peek.h"
#include "ctl/mountopts.h"

enum { ANCESTORS = 4 };

static const char *progname = "fusermount3";

struct request {
	bool unmount, lazy, quiet, auto_unmount, watch_only;
	const char *options;
	const char *mountpoint; /* as given */
	int comm;               /* the daemon's socket; -1 */
};

static int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A line, as the other says it. Returns the exit status. */
static int
fail(const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s: ", progname);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return 1;
}

static int
usage(void)
{
	(void)printf("%s: [options] mountpoint\n"
		     "Options:\n"
		     " -h\t\t    print help\n"
		     " -V\t\t    print version\n"
		     " -o opt[,opt...]    mount options\n"
		     " -u\t\t    unmount\n"
		     " -q\t\t    quiet\n"
		     " -z\t\t    lazy unmount\n",
	    progname);
	return 1; /* as the other */
}

/* The name under which we run: fusermount of libfuse 2 and fusermount3 differ in nothing else. */
static const char *
base_name(void)
{
	const char *slash = strrchr(progname, '/');

	return slash ? slash + 1 : progname;
}

/* ---- options ---- */

/* One option from a list, its escapes kept, into word. Returns what follows, or NULL after the last. */
static const char *
next_option(const char *list, char *word, size_t room)
{
	size_t n = 0;

	while (list[n] != '\0' && list[n] != ',')
		n += list[n] == '\\' && list[n + 1] != '\0' ? 2 : 1;
	(void)snprintf(word, room, "%.*s", (int)n, list);
	return list[n] == ',' ? list + n + 1 : NULL;
}

static bool
user_allow_other(void)
{
	FILE *f = fopen("/etc/fuse.conf", "re");
	char line[256];
	bool yes = false;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "#\r\n")] = '\0';
		char *word = line + strspn(line, " \t");
		word[strcspn(word, " \t")] = '\0';
		yes = yes || strcmp(word, "user_allow_other") == 0;
	}
	if (f)
		(void)fclose(f);
	return yes;
}

/* Options that are refused with words of their own, as the other has them. 0 or 1. */
static int
refuse_options(const char *list)
{
	char word[PATH_MAX];

	while (list && *list) {
		list = next_option(list, word, sizeof(word));
		if (strcmp(word, "blkdev") == 0 && getuid() != 0)
			return fail("option blkdev is privileged");
		if ((strcmp(word, "allow_other") == 0 || strcmp(word, "allow_root") == 0) && getuid() != 0 &&
		    !user_allow_other())
			return fail("option %s only allowed if 'user_allow_other' is set in /etc/fuse.conf", word);
	}
	return 0;
}

/* Append to *data (newly allocated each time). */
static int
append(char **data, const char *word)
{
	char *more;

	if (asprintf(&more, "%s%s%s", *data ? *data : "", *data ? "," : "", word) < 0)
		return ENOMEM;
	free(*data);
	*data = more;
	return 0;
}

/* What mount(2) would get as its data; blkdev picks the type. allow_root is allow_other to the kernel: the library checks who. */
static int
build_data(const char *list, char **data, bool *blkdev)
{
	static const char *const dropped[] = { "nonempty", "large_read", "allow_root", "auto_unmount", "blkdev" };
	static const char *const prefixes[] = { "fd=", "rootmode=", "user_id=", "group_id=", "user=", "x-",
		"fsname=", "subtype=", "context=", "fscontext=", "defcontext=", "rootcontext=" };
	char word[PATH_MAX];
	int r = 0;

	while (r == 0 && list && *list) {
		bool keep = true;

		list = next_option(list, word, sizeof(word));
		for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
			keep = keep && strcmp(word, dropped[i]) != 0;
		for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
			keep = keep && strncmp(word, prefixes[i], strlen(prefixes[i])) != 0;
		*blkdev = *blkdev || strcmp(word, "blkdev") == 0;
		if (strcmp(word, "allow_root") == 0)
			r = append(data, "allow_other");
		else if (keep && word[0] != '\0')
			r = append(data, word);
	}
	return r;
}

/* ---- the environment ---- */

/* The variables that lead to perfused, from one process's environment. True when there was one. */
static bool
adopt_from(pid_t pid)
{
	static const char *const names[] = { BROKER_ENV, "PERFUSE_SOCKET", "PERFUSE_PERFUSED", "PERFUSE_BUFSIZE",
		"XDG_RUNTIME_DIR" };
	char path[64], *entry = NULL;
	bool found = false;
	size_t room = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	f = fopen(path, "re");
	while (f && getdelim(&entry, &room, '\0', f) > 0) {
		char *value = strchr(entry, '=');

		if (value == NULL)
			continue;
		*value++ = '\0';
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (strcmp(entry, names[i]) == 0) {
				(void)setenv(names[i], value, 0);
				found = found || i < 3;
			}
		}
	}
	free(entry);
	if (f)
		(void)fclose(f);
	return found;
}

/* The parent of a process, or 0. */
static pid_t
parent_of(pid_t pid)
{
	char path[64], line[512], *p;
	long parent = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	/* "pid (name) state parent ...", and the name may hold anything. */
	if (f && fgets(line, sizeof(line), f) && (p = strrchr(line, ')')) && strlen(p) > 4)
		parent = strtol(p + 4, NULL, 10);
	if (f)
		(void)fclose(f);
	return (pid_t)parent;
}

/*
 * Go's libraries give us an environment of nothing but _FUSE_COMMFD. What it should have been is that of the daemon, our parent,
 * or of who started that.
 */
static void
adopt_environment(void)
{
	pid_t pid = getppid();

	if (getenv(BROKER_ENV) != NULL || getenv("PERFUSE_SOCKET") != NULL || getenv("PATH") != NULL)
		return;
	for (int i = 0; i < ANCESTORS && pid > 1 && !adopt_from(pid); i++)
		pid = parent_of(pid);
}

/* ---- mounting ---- */

/* May a perfused be started for this? A user's would run the system's fusermount3 in its turn; that must not be us. */
static bool
may_start(void)
{
	static const char *const places[] = { "/usr/bin/fusermount3", "/bin/fusermount3" };
	struct stat self, st;

	if (geteuid() == 0)
		return true;
	if (stat("/proc/self/exe", &self) != 0)
		return false;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (stat(places[i], &st) == 0) /* the first one is what it would run */
			return (st.st_mode & S_ISUID) != 0 && st.st_uid == 0 &&
			       (st.st_dev != self.st_dev || st.st_ino != self.st_ino);
	}
	return false;
}

/* The canonical mountpoint, its last component not followed into, newly allocated. NULL: said why. */
static char *
resolve(const char *mountpoint)
{
	char why[CLIENT_WHY_MAX], *full, *canonical = NULL;
	int r;

	if (mountpoint[0] == '\0') {
		(void)fail("invalid mountpoint '%s'", mountpoint);
		return NULL;
	}
	r = client_absolute(mountpoint, &full, why, sizeof(why));
	if (r == 0) {
		r = peek_canonical(full, &canonical);
		free(full);
	}
	if (r != 0)
		(void)fail("bad mount point %s: %s", mountpoint, strerror(r));
	return canonical;
}

/* Make the mount. The descriptor for the daemon, or -1: said why. */
static int
make_mount(const struct request *rq, const char *target)
{
	struct client_mount m = { .target = target, .fuse_sock = -1 };
	char why[CLIENT_WHY_MAX] = "", *data = NULL, *type = NULL, *bad = NULL;
	struct mountopts o = { .fd = -1 };
	bool blkdev = false;
	int fd = -1, r;

	r = mountopts_parse(rq->options, &o, &bad);
	if (r != 0) {
		(void)fail(r == EINVAL ? "invalid option '%s'" : "failed to allocate memory%.0s", bad ? bad : "");
		free(bad);
		return -1;
	}
	r = append(&data, "fd=0"); /* any: the descriptor that goes along counts */
	if (r == 0)
		r = build_data(rq->options, &data, &blkdev);
	if (r == 0 && asprintf(&type, "%s%s%s", blkdev ? "fuseblk" : "fuse", o.subtype ? "." : "",
			  o.subtype ? o.subtype : "") < 0) {
		type = NULL;
		r = ENOMEM;
	}
	m.filesystemtype = type;
	m.source = o.fsname ? o.fsname : o.subtype ? o.subtype : "/dev/fuse";
	m.data = data;
	m.flags = ((MS_NOSUID | MS_NODEV) & ~o.flags_cleared) | o.flags;
	if (r == 0)
		r = broker_open(may_start(), &fd, why, sizeof(why));
	if (r == 0)
		r = broker_mount(fd, &m, why, sizeof(why));
	if (r != 0) {
		(void)fail("mount failed: %s", why[0] ? why : strerror(r));
		if (fd >= 0)
			(void)close(fd);
		fd = -1;
	}
	mountopts_free(&o);
	free(type);
	free(data);
	return fd;
}

/* ---- unmounting ---- */

static int
unmount(const struct request *rq, const char *target)
{
	char why[CLIENT_WHY_MAX] = "", *message = NULL;
	int r;

	r = broker_unmount(target, rq->lazy, why, sizeof(why));
	if (r == ENOENT)
		r = engines_unmount(target, rq->lazy, &message);
	if (r != 0 && !rq->quiet) {
		if (message == NULL && r == ENOENT && access(target, F_OK) == 0)
			(void)fail("failed to unmount %s: not a mount of perfuse that you may unmount", target);
		else
			(void)fail("failed to unmount %s: %s", target, strerror(r));
	}
	free(message);
	return r == 0 ? 0 : 1;
}

/* Stay until nobody holds the other end of the daemon's socket, and then unmount what is left. */
static int
watch(const struct request *rq, const char *target)
{
	struct request quiet = *rq;
	sigset_t all;
	char buf[16];
	ssize_t n;

	(void)setsid();
	(void)chdir("/");
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	while ((n = recv(rq->comm, buf, sizeof(buf), 0)) > 0 || (n < 0 && errno == EINTR))
		;
	quiet.lazy = quiet.quiet = true;
	(void)unmount(&quiet, target); /* it may be gone: then there is nothing to do */
	return 0;
}

/* ---- the command line ---- */

/* _FUSE_COMMFD: a number of an open socket. -1: said why. */
static int
comm_fd(void)
{
	const char *env = getenv("_FUSE_COMMFD");
	struct stat st;
	long fd;
	char *end;

	if (env == NULL) {
		(void)fail("old style mounting not supported");
		return -1;
	}
	errno = 0;
	fd = strtol(env, &end, 10);
	if (*env < '0' || *env > '9' || *end != '\0' || errno != 0 || fd > INT_MAX || fstat((int)fd, &st) != 0 ||
	    !S_ISSOCK(st.st_mode)) {
		(void)fail("_FUSE_COMMFD=%s is not an open socket", env);
		return -1;
	}
	return (int)fd;
}

static bool
has_option(const char *list, const char *option)
{
	char word[PATH_MAX];

	while (list && *list) {
		list = next_option(list, word, sizeof(word));
		if (strcmp(word, option) == 0)
			return true;
	}
	return false;
}

static int
run(struct request *rq)
{
	int fd, status = 1;
	char *target;

	if (!rq->unmount) {
		if (refuse_options(rq->options) != 0)
			return 1;
		rq->comm = comm_fd();
		if (rq->comm < 0)
			return 1;
		(void)fcntl(rq->comm, F_SETFD, FD_CLOEXEC); /* a perfused that we start must not keep it open */
	}
	target = resolve(rq->mountpoint);
	if (target == NULL)
		return 1;
	if (rq->unmount) {
		status = unmount(rq, target);
	} else if (rq->watch_only) {
		status = watch(rq, target);
	} else {
		fd = make_mount(rq, target);
		if (fd >= 0) {
			int r = fdp_send(rq->comm, "", 1, &fd, 1);

			(void)close(fd); /* ours would keep the daemon's end from being seen */
			status = r == 0 ? 0 : fail("sending file descriptor: %s", strerror(r));
			if (r == 0 && rq->auto_unmount)
				status = watch(rq, target);
		}
	}
	free(target);
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "unmount", no_argument, NULL, 'u' },
		{ "lazy", no_argument, NULL, 'z' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "options", required_argument, NULL, 'o' },
		{ "auto-unmount", no_argument, NULL, 'U' },
		{ NULL, 0, NULL, 0 },
	};
	struct request rq = { .options = "", .comm = -1 };
	int c;

	if (argc > 0)
		progname = argv[0];
	/* (--sync-init is none of ours: getopt_long() says so, and libfuse goes on without.) */
	while ((c = getopt_long(argc, argv, "hVo:uzq", longs, NULL)) != -1) {
		switch (c) {
		case 'h':
			return usage();
		case 'V':
			(void)printf("%s version: %s\n", base_name(), FUSERMOUNT_VERSION);
			return 0;
		case 'o':
			rq.options = optarg;
			break;
		case 'u':
			rq.unmount = true;
			break;
		case 'z':
			rq.lazy = true;
			break;
		case 'q':
			rq.quiet = true;
			break;
		case 'U':
			rq.auto_unmount = rq.watch_only = true;
			break;
		default:
			return 1;
		}
	}
	if (has_option(rq.options, "auto_unmount"))
		rq.auto_unmount = true;
	if (rq.lazy && !rq.unmount)
		return fail("-z can only be used with -u");
	if (optind >= argc)
		return fail("missing mountpoint argument");
	if (argc > optind + 1)
		return fail("extra arguments after the mountpoint");
	rq.mountpoint = argv[optind];
	adopt_environment();
	return run(&rq);
}

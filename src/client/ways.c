/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which way in can be taken (ways.h). Each check asks for exactly what the way will do: a filter with a listener is installed in a
 * child, /dev/fuse is opened, the drop-in programs are looked for.
 *
 * The fusermount way has to get libfuse past two things it does first. It mounts by itself where it can: so the daemon loses
 * CAP_SYS_ADMIN. And it runs /usr/bin/fusermount3 before it looks on PATH: so root's daemon gets a mount namespace of its own, in
 * which ours is bound over the system's. Only our program is changed there; mounts made outside arrive, since they are made
 * by perfused, outside. A user cannot have such a namespace without a user namespace, in which every other user's files would
 * look like nobody's.
 */
#include "client/ways.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/filter.h"
#include "client/open.h"
#include "client/program.h"

/* What libraries run by a path of their own. The first ones are libfuse's; the last is in mergerfs's copy of it. */
static const char *const system_fusermounts[] = { "/usr/bin/fusermount3", "/bin/fusermount3", "/usr/bin/fusermount",
	"/bin/fusermount", "/usr/bin/mergerfs-fusermount" };

enum {
	FUSERMOUNTS = sizeof(system_fusermounts) / sizeof(system_fusermounts[0]),
	FUSERMOUNTS_LIBFUSE = FUSERMOUNTS - 1,
};

const char *
ways_name(enum spawn_via via)
{
	static const char *const names[] = { [SPAWN_AUTO] = "auto",
		[SPAWN_FD] = "fd",
		[SPAWN_SUPERVISE] = "supervise",
		[SPAWN_FUSERMOUNT] = "fusermount",
		[SPAWN_PRELOAD] = "preload" };

	return names[via];
}

/* The folder with our fusermount3. Borrowed. */
static const char *
libexec(void)
{
	const char *env = secure_getenv("PERFUSE_LIBEXEC");

	return env && *env ? env : PERFUSE_LIBEXECDIR;
}

/* The library to load first. Borrowed. */
static const char *
preload(void)
{
	const char *env = secure_getenv("PERFUSE_PRELOAD");

	return env && *env ? env : PERFUSE_PRELOAD_LIB;
}

static void verdict(struct way *w, bool usable, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void
verdict(struct way *w, bool usable, const char *fmt, ...)
{
	va_list ap;

	w->usable = usable;
	va_start(ap, fmt);
	(void)vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
}

/* Can a filter with a listener be installed? Tried in a child, for it stays. 0 or errno. */
static int
probe_listener(void)
{
	struct sock_fprog filter;
	int error, status, listener;
	pid_t pid;

	error = filter_build(true, &filter);
	if (error != 0)
		return error;
	pid = fork();
	if (pid == 0)
		_exit(filter_install(&filter, true, &listener));
	if (pid < 0)
		error = errno;
	filter_free(&filter);
	if (error != 0)
		return error;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static void
check_supervise(struct way *w)
{
	int error = probe_listener();

	switch (error) {
	case 0:
		verdict(w, true, "takes any daemon");
		break;
	case EBUSY:
		verdict(w, false,
		    "a seccomp filter with a listener is installed already (by a container's runtime or another "
		    "perfuse mount), and the kernel allows one; run it outside of that");
		break;
	case ENOSYS:
	case EINVAL:
		verdict(w, false,
		    "the kernel cannot notify of system calls; Linux 5.9 or newer with CONFIG_SECCOMP_FILTER is "
		    "needed");
		break;
	default:
		verdict(w, false,
		    "cannot install a seccomp filter (%s); is seccomp(2) forbidden by a container's profile?",
		    strerror(error));
	}
}

/* Is the file at path our own program? */
static bool
is_ours(const char *path)
{
	char ours[PATH_MAX];
	struct stat a, b;
	int n = snprintf(ours, sizeof(ours), "%s/fusermount3", libexec());

	return n > 0 && (size_t)n < sizeof(ours) && stat(ours, &a) == 0 && stat(path, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* One of the first n that is not ours and would be run in its place. NULL: none. */
static const char *
foreign_fusermount(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (access(system_fusermounts[i], X_OK) == 0 && !is_ours(system_fusermounts[i]))
			return system_fusermounts[i];
	}
	return NULL;
}

static bool
has_sys_admin(void)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps) {
		(void)cap_get_flag(caps, CAP_SYS_ADMIN, CAP_EFFECTIVE, &value);
		(void)cap_free(caps);
	}
	return value == CAP_SET;
}

/* p: the daemon, or NULL. */
static void
check_fusermount(struct way *w, const struct program *p)
{
	const char *foreign = foreign_fusermount(FUSERMOUNTS_LIBFUSE);
	char ours[PATH_MAX];
	int fd;

	(void)snprintf(ours, sizeof(ours), "%s/fusermount3", libexec());
	if (access(ours, X_OK) != 0) {
		verdict(w, false, "%.200s: %s; install perfuse whole", ours, strerror(errno));
		return;
	}
	if (!p || !p->go) { /* libfuse opens it itself before it thinks of fusermount */
		fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
		if (fd < 0) {
			verdict(w, false,
			    "libfuse gives up when it cannot open /dev/fuse (%s); another way does without, or %s",
			    strerror(errno), errno == EACCES ? "chmod 666 /dev/fuse" : "modprobe fuse");
			return;
		}
		(void)close(fd);
		if (foreign && !has_sys_admin()) {
			verdict(w, false,
			    "libfuse runs %s before ours, and hiding it takes CAP_SYS_ADMIN; install %.160s in its "
			    "place",
			    foreign, ours);
			return;
		}
	}
	verdict(w, true, "takes daemons that ask fusermount3 for their mount");
}

static void
check_preload(struct way *w, const struct program *p)
{
	if (access(preload(), R_OK) != 0)
		verdict(w, false, "%.200s: %s; install perfuse whole", preload(), strerror(errno));
	else if (p && p->gains)
		verdict(w, false,
		    "it is a set-user-id program, whose loader ignores LD_PRELOAD; run it as the user it becomes");
	else if (p && (!p->elf || !p->dynamic))
		verdict(w, false, "it is a static program or one of another word size: nothing can be loaded into it");
	else if (p && !p->same_loader)
		verdict(w, false, "it is loaded by another ld.so than perfuse; build perfuse for its C library");
	else if (p && p->go)
		verdict(w, false, "a Go program makes its system calls itself: nothing can be put between");
	else
		verdict(w, true, "takes dynamic programs");
}

static void
check_fd(struct way *w, char *const argv[], const struct program *p)
{
	if (p && !p->libfuse3 && !p->go)
		verdict(w, false, "it is not linked to libfuse 3.3 or newer, which take /dev/fd/N for a mountpoint");
	else
		verdict(w, true, "takes daemons of libfuse 3.3 or newer, and go-fuse's");
}

static void
check(struct way *w, char *const argv[], const struct program *p)
{
	w->name = ways_name(w->via);
	if (w->via == SPAWN_FD)
		check_fd(w, argv, p);
	else if (w->via == SPAWN_SUPERVISE)
		check_supervise(w);
	else if (w->via == SPAWN_FUSERMOUNT)
		check_fusermount(w, p);
	else
		check_preload(w, p);
}

void
ways_here(struct way out[WAYS])
{
	static const enum spawn_via order[WAYS] = { SPAWN_FD, SPAWN_SUPERVISE, SPAWN_FUSERMOUNT, SPAWN_PRELOAD };

	for (int i = 0; i < WAYS; i++) {
		out[i].via = order[i];
		check(&out[i], NULL, NULL);
	}
}

void
ways_for(enum spawn_via via, char *const argv[], struct way *out)
{
	struct program p;

	out->via = via;
	/* A program that cannot be looked at is left to execvp(3), which says more. */
	check(out, argv, program_inspect(argv[0], &p) == 0 ? &p : NULL);
}

/* ---- in the daemon's process ---- */

void
ways_entry_init(struct ways_entry *e, enum spawn_via via, char *const argv[], const char *broker)
{
	struct program p;

	/* Go's libraries look on PATH only, and go-fuse wants to see its mount at once, as no namespace of its own shows it. */
	bool go = program_inspect(argv[0], &p) == 0 && p.go;
	*e = (struct ways_entry){ .via = via,
		.broker = broker,
		.private_mounts =
		    via == SPAWN_FUSERMOUNT && !go && foreign_fusermount(FUSERMOUNTS) && has_sys_admin() };
}

/* Put our fusermount3 over the system's, in a mount namespace that gets what is mounted outside and gives nothing back. */
static int
hide_fusermounts(void)
{
	char ours[PATH_MAX];

	(void)snprintf(ours, sizeof(ours), "%s/fusermount3", libexec());
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
		return errno;
	for (size_t i = 0; i < FUSERMOUNTS; i++) {
		if (access(system_fusermounts[i], F_OK) == 0 && !is_ours(system_fusermounts[i]) &&
		    mount(ours, system_fusermounts[i], NULL, MS_BIND, NULL) != 0)
			return errno;
	}
	return 0;
}

/* Mounting is not for the daemon, nor for what it executes. */
static int
drop_sys_admin(void)
{
	const cap_value_t admin = CAP_SYS_ADMIN;
	cap_t caps;
	int error = 0;

	if (!has_sys_admin())
		return 0;
	caps = cap_get_proc();
	if (!caps)
		return errno;
	/* From the bounding set, too: root's programs would have it back. */
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) != 0 ||
	    cap_set_flag(caps, CAP_EFFECTIVE, 1, &admin, CAP_CLEAR) != 0 ||
	    cap_set_flag(caps, CAP_PERMITTED, 1, &admin, CAP_CLEAR) != 0 ||
	    cap_set_flag(caps, CAP_INHERITABLE, 1, &admin, CAP_CLEAR) != 0 || cap_set_proc(caps) != 0)
		error = errno;
	(void)cap_free(caps);
	return error;
}

/* Put value before what a variable has. 0 or ENOMEM. */
static int
prepend(const char *name, const char *value)
{
	const char *old = getenv(name);
	char *all;
	int r;

	if (asprintf(&all, "%s%s%s", value, old && *old ? ":" : "", old ? old : "") < 0)
		return ENOMEM;
	r = setenv(name, all, 1) == 0 ? 0 : errno;
	free(all);
	return r;
}

int
ways_enter(const void *arg)
{
	const struct ways_entry *e = arg;
	char *program;
	int error;

	if (setenv(BROKER_ENV, e->broker, 1) != 0)
		return errno;
	if (e->via == SPAWN_PRELOAD)
		return prepend("LD_PRELOAD", preload());
	if (asprintf(&program, "%s/fusermount3", libexec()) < 0)
		return ENOMEM;
	error = setenv("FUSERMOUNT_PROG", program, 1) == 0 ? 0 : errno;
	free(program);
	if (error == 0)
		error = prepend("PATH", libexec());
	if (error == 0 && e->private_mounts)
		error = hide_fusermounts();
	return error == 0 ? drop_sys_admin() : error;
}

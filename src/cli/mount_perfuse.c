/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mount.perfuse: what mount(8) runs for "mount -t perfuse" and for lines of /etc/fstab. It understands the command line
 * of a mount helper and the option words that people know from mount.fuse(8), starts the daemon as "perfuse mount" does,
 * and returns when the mount answers, with an exit status of mount(8)'s.
 *
 * A line that is mounted already is left as it is, so that "mount -a" can be said again. Natively it would be mounted
 * once more on top: mount(8) does not recognise it, for the table shows "host:/dir" where fstab has "sshfs#host:/dir".
 */
#include <bsd/unistd.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <mntent.h>
#include <pwd.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/spawn.h"
#include "ctl/mountopts.h"

static const char help[] =
    "Usage: mount.perfuse DAEMON#SOURCE DIR [-o OPTIONS] [-t TYPE] [-N NAMESPACE] [-fnsv]\n"
    "       mount -t perfuse DAEMON#SOURCE DIR [-o OPTIONS]\n"
    "       mount -t perfuse.DAEMON SOURCE DIR [-o OPTIONS]\n"
    "\n"
    "Start an unmodified FUSE daemon, \"DAEMON SOURCE DIR -o OPTIONS\", and put its files on DIR. Returns when they "
    "are\n"
    "there. DAEMON alone, without #SOURCE, is a daemon that takes no source. In /etc/fstab:\n"
    "\n"
    "    sshfs#user@host:/dir  /mnt/there  perfuse  noauto,user,_netdev,reconnect  0  0\n"
    "\n"
    "  -o OPTIONS    the daemon's options, and these, which do not reach it:\n"
    "                  setuid=USER       run the daemon, and mount, as this user (who must own DIR)\n"
    "                  drop_privileges   run the daemon without any privilege; perfuse mounts for it\n"
    "                  relatime, norelatime, strictatime, lazytime, diratime, nodiratime\n"
    "                  remount           change ro, nosuid, noexec, noatime ... of what is mounted on DIR\n"
    "                  auto, noauto, defaults, user, nouser, users, owner, group, nofail, _netdev, comment=, x-*:\n"
    "                                    for mount(8) and systemd; nothing is done here\n"
    "                Root's mounts get dev and suid unless nodev and nosuid are given.\n"
    "  -t TYPE       perfuse.DAEMON: the first argument is the source only\n"
    "  -N NAMESPACE  mount in this mount namespace: a file, or the number of a process\n"
    "  -f            look at the arguments only, start nothing\n"
    "  -v            say by which way, and what is mounted\n"
    "  -n, -s        accepted, as mount(8) may give them\n"
    "  -h, --help    this help\n"
    "  -V, --version the version\n"
    "\n"
    "Exit status: 0 mounted; 1 wrong usage; 2 system error; 8 interrupted; 32 the mount failed; 126 the daemon cannot "
    "be\n"
    "run; 127 there is no such daemon. umount(8) unmounts; the daemon then ends.\n";

enum {
	USAGE = 1, /* mount(8)'s exit statuses */
	SYSTEM_ERROR = 2,
	INTERRUPTED = 8,
	MOUNT_FAILED = 32,
	CANNOT_RUN = 126, /* as mount.fuse has them from its shell */
	NOT_FOUND = 127,
	SECONDS = 60, /* for the mount to answer */
};

/* How we start ourselves between us and a daemon that is to have no privilege. */
static const char unprivileged[] = "--run-unprivileged";

struct request {
	const char *spec, *dir, *type, *namespace;
	bool fake, verbose, help, version, excess; /* excess: more arguments than these */

	const char *daemon, *source; /* of spec and type; source NULL: it takes none */

	char *options; /* the daemon's; NULL: none */
	char *own;     /* perfuse's; NULL: none */
	char *setuid;
	char *fsname;  /* shown as the source, when given, */
	char *subtype; /* and as the type */
	bool drop, remount, nodev, nosuid;
};

static int fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Say "mount.perfuse: " and the line on stderr, control characters replaced, and return status. */
static int
fail(int status, const char *fmt, ...)
{
	char line[2048];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (char *p = line; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
	(void)fprintf(stderr, "mount.perfuse: %s\n", line);
	return status;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- options ---- */

/* Append a word to a list. 0 or an exit status. */
static int
add(char **list, const char *word)
{
	char *more;

	if (asprintf(&more, "%s%s%s", *list ? *list : "", *list ? "," : "", word) < 0)
		return fail(SYSTEM_ERROR, "out of memory");
	free(*list);
	*list = more;
	return 0;
}

static bool
among(const char *word, const char *const *list)
{
	while (*list && strcmp(word, *list) != 0)
		list++;
	return *list != NULL;
}

/* Words for mount(8), systemd and others who read fstab: all but these it keeps to itself anyway. */
static bool
is_for_others(const char *word)
{
	static const char *const words[] = { "auto", "noauto", "defaults", "user", "nouser", "users", "owner",
		"noowner", "group", "nogroup", "nofail", "_netdev", "nostrictatime", "nolazytime", NULL };

	return *word == '\0' || among(word, words) || strncmp(word, "x-", 2) == 0 || strncmp(word, "X-", 2) == 0 ||
	       strncmp(word, "comment=", 8) == 0;
}

/* Words for the kernel that few daemons know: they go past the daemon. */
static bool
is_for_kernel(const char *word)
{
	static const char *const words[] = { "relatime", "norelatime", "strictatime", "lazytime", "diratime",
		"nodiratime", NULL };

	return among(word, words);
}

/* The value of NAME=VALUE into *out. 0 or an exit status. */
static int
take_value(const char *word, char **out)
{
	const char *value = strchr(word, '=') + 1;

	free(*out);
	*out = strdup(value);
	if (!*out)
		return fail(SYSTEM_ERROR, "out of memory");
	return *value != '\0' ? 0 : fail(USAGE, "option %s needs a value", word);
}

static int
take_word(struct request *rq, const char *word)
{
	if (is_for_others(word))
		return 0;
	if (strncmp(word, "setuid=", 7) == 0)
		return take_value(word, &rq->setuid);
	if (strcmp(word, "drop_privileges") == 0) {
		rq->drop = true;
		return 0;
	}
	if (strcmp(word, "remount") == 0) {
		rq->remount = true;
		return 0;
	}
	if (is_for_kernel(word))
		return add(&rq->own, word);
	rq->nodev |= strcmp(word, "nodev") == 0;
	rq->nosuid |= strcmp(word, "nosuid") == 0;
	if (strncmp(word, "fsname=", 7) == 0 && take_value(word, &rq->fsname) != 0)
		return USAGE;
	if (strncmp(word, "subtype=", 8) == 0 && take_value(word, &rq->subtype) != 0)
		return USAGE;
	return add(&rq->options, word);
}

/* Cut a list at its commas; one behind a backslash belongs to its word, as daemons have it. 0 or an exit status. */
static int
take_list(struct request *rq, const char *list)
{
	size_t len;
	char *word;
	int r = 0;

	for (const char *p = list; r == 0; p += len + 1) {
		for (len = 0; p[len] != '\0' && p[len] != ','; len++) {
			if (p[len] == '\\' && p[len + 1] != '\0')
				len++;
		}
		word = strndup(p, len);
		r = word ? take_word(rq, word) : fail(SYSTEM_ERROR, "out of memory");
		free(word);
		if (p[len] == '\0')
			break;
	}
	return r;
}

/* ---- the command line ---- */

/* The daemon that a type names: perfuse.sshfs and fuse.sshfs do, perfuse does not (""). */
static const char *
daemon_of_type(const char *type)
{
	static const char *const prefixes[] = { "perfuse", "fuse", NULL };

	for (int i = 0; prefixes[i]; i++) {
		size_t n = strlen(prefixes[i]);

		if (strncmp(type, prefixes[i], n) == 0 && (type[n] == '\0' || type[n] == '.'))
			return type[n] == '.' ? type + n + 1 : "";
	}
	return type;
}

/* What is to be started for spec, type and the name that we were called by. 0 or an exit status. */
static int
take_spec(struct request *rq, const char *name)
{
	static const char prefix[] = "mount.perfuse.";
	char *hash;

	name = base_name(name);
	rq->daemon = strncmp(name, prefix, sizeof(prefix) - 1) == 0 ? name + sizeof(prefix) - 1 : "";
	if (rq->type) {
		rq->daemon = daemon_of_type(rq->type);
		if (*rq->daemon == '\0' && strchr(rq->type, '.'))
			return fail(USAGE, "type %s names no daemon", rq->type);
	}
	if (*rq->daemon != '\0') {
		rq->source = *rq->spec != '\0' ? rq->spec : NULL;
		return 0;
	}
	rq->daemon = rq->spec;
	hash = strchr(rq->spec, '#');
	if (hash) {
		*hash = '\0'; /* argv is ours */
		rq->source = hash + 1;
	}
	return *rq->daemon != '\0' ? 0 : fail(USAGE, "no daemon given: DAEMON#SOURCE or -t perfuse.DAEMON is needed");
}

static void
take_operand(struct request *rq, const char *arg)
{
	if (!rq->spec)
		rq->spec = arg;
	else if (!rq->dir)
		rq->dir = arg;
	else
		rq->excess = true;
}

/* 0 or an exit status. */
static int
parse(int argc, char **argv, struct request *rq)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c, r = 0;

	/* mount(8) puts the options last; "-" has them anywhere, whatever POSIXLY_CORRECT says. */
	while (r == 0 && (c = getopt_long(argc, argv, "-:fhnN:o:st:vV", longs, NULL)) != -1) {
		switch (c) {
		case 1:
			take_operand(rq, optarg);
			break;
		case 'f':
			rq->fake = true;
			break;
		case 'h':
			rq->help = true;
			return 0;
		case 'n': /* there is no mtab to write */
		case 's': /* what the daemon does not know is the daemon's to say */
			break;
		case 'N':
			rq->namespace = optarg;
			break;
		case 'o':
			r = take_list(rq, optarg);
			break;
		case 't':
			rq->type = optarg;
			break;
		case 'v':
			rq->verbose = true;
			break;
		case 'V':
			rq->version = true;
			return 0;
		case ':':
			return fail(USAGE, "%s needs a value (see mount.perfuse --help)", argv[optind - 1]);
		default:
			return fail(USAGE, "unknown option %s (see mount.perfuse --help)", argv[optind - 1]);
		}
	}
	for (; optind < argc; optind++) /* behind "--" */
		take_operand(rq, argv[optind]);
	if (r == 0 && (!rq->spec || !rq->dir || rq->excess))
		return fail(USAGE, "a source and a directory are needed (see mount.perfuse --help)");
	return r == 0 ? take_spec(rq, argv[0]) : r;
}

/* ---- what is there ---- */

struct shown { /* a mount, as the kernel's table has it */
	char *source, *type, *options;
};

static void
shown_free(struct shown *m)
{
	free(m->source);
	free(m->type);
	free(m->options);
	*m = (struct shown){ 0 };
}

/*
 * What is mounted on dir (the last one counts), if it is FUSE: 0, ENOENT when not, or errno. The mount itself is not
 * touched: its daemon may hang. shown_free() in any case.
 */
static int
fuse_mounted(const char *dir, struct shown *out)
{
	struct mntent *m, entry;
	char buf[3 * PATH_MAX];
	int r = ENOENT;
	FILE *table;

	*out = (struct shown){ 0 };
	table = setmntent("/proc/self/mounts", "re");
	if (!table)
		return errno != 0 ? errno : EIO;
	while (r != ENOMEM && (m = getmntent_r(table, &entry, buf, sizeof(buf))) != NULL) {
		if (strcmp(m->mnt_dir, dir) != 0)
			continue;
		shown_free(out);
		r = ENOENT;
		if (strcmp(m->mnt_type, "fuse") != 0 && strncmp(m->mnt_type, "fuse.", 5) != 0)
			continue;
		*out = (struct shown){ strdup(m->mnt_fsname), strdup(m->mnt_type), strdup(m->mnt_opts) };
		r = out->source && out->type && out->options ? 0 : ENOMEM;
	}
	(void)endmntent(table);
	return r;
}

/* Does the command line in the file have "DAEMON [SOURCE] DIR" in it? (An interpreter's name may be before it.) */
static bool
runs_this(const char *file, const struct request *rq)
{
	const char *want[] = { rq->source ? rq->source : rq->dir, rq->source ? rq->dir : NULL };
	char *arg = NULL;
	size_t cap = 0;
	int found = -1; /* how many of want were seen behind the daemon's name */
	FILE *f;

	f = fopen(file, "re");
	while (f && found < 2 && (found < 1 || want[found]) && getdelim(&arg, &cap, '\0', f) > 0) {
		if (found >= 0 && strcmp(arg, want[found]) == 0)
			found++;
		else
			found = strcmp(base_name(arg), base_name(rq->daemon)) == 0 ? 0 : -1;
	}
	free(arg);
	if (f)
		(void)fclose(f);
	return found > 0 && (found == 2 || !want[found]);
}

/* Does a process run that would be started for this request? */
static bool
daemon_runs(const struct request *rq)
{
	char file[sizeof("/proc//cmdline") + NAME_MAX];
	struct dirent *e;
	bool found = false;
	DIR *proc;

	proc = opendir("/proc");
	while (proc && !found && (e = readdir(proc)) != NULL) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || strtol(e->d_name, NULL, 10) == getpid() ||
		    strtol(e->d_name, NULL, 10) == getppid())
			continue; /* (mount(8)'s own command line may look the same) */
		(void)snprintf(file, sizeof(file), "/proc/%s/cmdline", e->d_name);
		found = runs_this(file, rq);
	}
	if (proc)
		(void)closedir(proc);
	return found;
}

/*
 * Is this request mounted on its directory already? Daemons may show any source, so their command line decides; one
 * that was given a descriptor for its directory, or whose command line we may not read, is known by source and type.
 */
static bool
is_mounted(const struct request *rq)
{
	const char *source = rq->fsname ? rq->fsname : rq->source;
	const char *type = rq->subtype ? rq->subtype : base_name(rq->daemon);
	struct shown m;
	bool same = false;

	if (fuse_mounted(rq->dir, &m) == 0)
		same = daemon_runs(rq) || (source && strcmp(m.source, source) == 0 &&
					      strncmp(m.type, "fuse.", 5) == 0 && strcmp(m.type + 5, type) == 0);
	shown_free(&m);
	return same;
}

/* ---- the ways to mount ---- */

/* Change the flags of what is mounted. The kernel does it; the daemon is not told, as natively. Returns the exit status. */
static int
remount(const struct request *rq)
{
	enum { ATIME = MS_NOATIME | MS_RELATIME | MS_STRICTATIME };
	struct mountopts was = { .fd = -1 }, words = { .fd = -1 }, own = { .fd = -1 };
	unsigned long flags, set;
	struct shown m;
	char *bad = NULL;
	int r;

	r = fuse_mounted(rq->dir, &m);
	if (r == 0)
		r = mountopts_parse(m.options, &was, &bad);
	if (r == 0)
		r = mountopts_parse(rq->options ? rq->options : "", &words, &bad);
	if (r == 0)
		r = mountopts_parse(rq->own ? rq->own : "", &own, &bad);
	if (r == 0) {
		set = words.flags | own.flags;
		flags = was.flags & ~(unsigned long)(words.flags_cleared | own.flags_cleared);
		if (set & ATIME) /* one of the three */
			flags &= ~(unsigned long)ATIME;
		if (mount(NULL, rq->dir, NULL, MS_REMOUNT | flags | set, NULL) != 0)
			r = errno;
	}
	mountopts_free(&was);
	mountopts_free(&words);
	mountopts_free(&own);
	shown_free(&m);
	if (r == ENOENT)
		r = fail(MOUNT_FAILED, "%s: no FUSE file system is mounted there", rq->dir);
	else if (r == EINVAL && bad)
		r = fail(USAGE, "mount option \"%s\" is wrong", bad);
	else if (r != 0)
		r = fail(MOUNT_FAILED, "%s: cannot remount: %s", rq->dir, strerror(r));
	free(bad);
	return r;
}

/* Enter a mount namespace. 0 or an exit status. */
static int
enter(const char *namespace)
{
	char path[PATH_MAX];
	int fd, r = 0;

	if (strspn(namespace, "0123456789") == strlen(namespace))
		(void)snprintf(path, sizeof(path), "/proc/%s/ns/mnt", namespace);
	else
		(void)snprintf(path, sizeof(path), "%s", namespace);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNS) != 0)
		r = fail(MOUNT_FAILED, "-N %s: %s", namespace, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return r;
}

/* Become a user for good, as after a login. 0 or an exit status. */
static int
become(const char *user)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return fail(USAGE, "setuid=%s: %s", user, errno != 0 ? strerror(errno) : "no such user");
	if (getuid() == pw->pw_uid && geteuid() == pw->pw_uid)
		return 0;
	if (initgroups(user, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0)
		return fail(MOUNT_FAILED, "setuid=%s: %s", user, strerror(errno));
	/* Root's would lead the daemon and us to where this user may not look. */
	(void)unsetenv("XDG_RUNTIME_DIR");
	if (setenv("HOME", pw->pw_dir, 1) != 0 || setenv("USER", user, 1) != 0 || setenv("LOGNAME", user, 1) != 0)
		return fail(SYSTEM_ERROR, "out of memory");
	/* Leaving root has made our own entries in /proc unreadable to us; we hold nothing to hide from this user. */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return 0;
}

/* We are between perfuse and the daemon: give up all privilege for good and become the daemon. Returns an exit status. */
static int
run_unprivileged(char **argv)
{
	/* (A user set by setuid= has none but the right to gain some, which no_new_privs takes.) */
	if ((geteuid() == 0 && cap_set_mode(CAP_MODE_NOPRIV) != 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return fail(SYSTEM_ERROR, "cannot drop privileges: %s", strerror(errno));
	(void)execvp(argv[0], argv);
	return errno == ENOENT ? fail(NOT_FOUND, "%s: command not found", argv[0])
			       : fail(CANNOT_RUN, "%s: %s", argv[0], strerror(errno));
}

/*
 * The daemon's options are as mount.fuse gives them, perfuse's own make the mount look as it does there. 0 or an exit
 * status.
 */
static int
complete_options(struct request *rq)
{
	char *shown;
	int r = 0;

	if (geteuid() == 0 && !rq->nodev)
		r = add(&rq->options, "dev");
	if (r == 0 && geteuid() == 0 && !rq->nosuid)
		r = add(&rq->options, "suid");
	if (r == 0 && rq->drop) {
		/* mount.fuse mounts before there is a daemon that could name a source: it is the type. */
		const char *type = base_name(rq->daemon);

		if (asprintf(&shown, "subtype=%s%s%s", type, rq->fsname ? "" : ",fsname=", rq->fsname ? "" : type) < 0)
			return fail(SYSTEM_ERROR, "out of memory");
		r = add(&rq->own, shown);
		free(shown);
	}
	return r;
}

/* spawn_mount()'s exit status as mount(8)'s. */
static int
mount_status(int status)
{
	if (status > 128)
		return INTERRUPTED;
	if (status == EX_OSERR || status == EX_SOFTWARE)
		return SYSTEM_ERROR;
	return status == 0 || status == CANNOT_RUN || status == NOT_FOUND ? status : MOUNT_FAILED;
}

static void
say(const char *what)
{
	(void)printf("mount.perfuse: %s\n", what);
}

/* Start the daemon. Returns the exit status. */
static int
start(struct request *rq)
{
	struct spawn sp = { .via = SPAWN_AUTO, .seconds = SECONDS, .options = rq->own };
	char self[PATH_MAX] = "", text[2048] = "";
	const char *argv[8];
	int n = 0, r;

	if (rq->drop) {
		if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
			return fail(SYSTEM_ERROR, "/proc/self/exe: %s", strerror(errno));
		argv[n++] = self;
		argv[n++] = unprivileged;
	}
	argv[n++] = rq->daemon;
	if (rq->source)
		argv[n++] = rq->source;
	argv[n++] = rq->dir;
	if (rq->options) {
		argv[n++] = "-o";
		argv[n++] = rq->options;
	}
	argv[n] = NULL;
	sp.argv = (char *const *)argv;
	sp.way = rq->verbose ? say : NULL;
	r = spawn_mount(&sp, text, sizeof(text));
	if (r != 0)
		return fail(mount_status(r), "%s", text[0] != '\0' ? text : rq->daemon);
	if (rq->verbose)
		say(text);
	return 0;
}

/* Root's daemons at boot know neither their home nor where programs are. */
static int
complete_environment(void)
{
	if ((geteuid() == 0 && setenv("HOME", "/root", 0) != 0) ||
	    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 0) != 0)
		return fail(SYSTEM_ERROR, "out of memory");
	return 0;
}

static int
serve(struct request *rq)
{
	char *dir = NULL;
	int r = 0;

	if (rq->drop && geteuid() != 0)
		return fail(USAGE, "drop_privileges: only root has any to drop");
	if (rq->fake)
		return 0;
	if (rq->namespace)
		r = enter(rq->namespace);
	if (r == 0 && rq->setuid && !rq->remount)
		r = become(rq->setuid);
	if (r == 0)
		r = complete_environment();
	if (r != 0)
		return r;
	dir = realpath(rq->dir, NULL);
	if (!dir)
		return fail(MOUNT_FAILED, "%s: %s", rq->dir, strerror(errno));
	rq->dir = dir;
	if (rq->remount)
		r = remount(rq);
	else if (is_mounted(rq))
		(void)fail(0, "%s: %s is already mounted there", dir, rq->source ? rq->source : rq->daemon);
	else {
		r = complete_options(rq);
		r = r == 0 ? start(rq) : r;
	}
	free(dir);
	return r;
}

int
main(int argc, char **argv)
{
	struct request rq = { .daemon = "" };
	int r, fd;

	do /* descriptors of ours must not land on 0, 1 or 2 */
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return SYSTEM_ERROR;
	(void)close(fd);
	if (argc > 2 && strcmp(argv[1], unprivileged) == 0)
		return run_unprivileged(argv + 2);
	setproctitle_init(argc, argv, environ); /* processes that stay behind say what they are */
	r = parse(argc, argv, &rq);
	if (r == 0 && (rq.help || rq.version)) {
		(void)fputs(rq.help ? help : "mount.perfuse " PERFUSE_VERSION "\n", stdout);
		r = fflush(stdout) == 0 ? 0 : SYSTEM_ERROR;
	} else if (r == 0)
		r = serve(&rq);
	free(rq.options);
	free(rq.own);
	free(rq.setuid);
	free(rq.fsname);
	free(rq.subtype);
	return r;
}

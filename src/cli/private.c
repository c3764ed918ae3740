/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perfuse mount --private COMMAND... -- DAEMON...: mounts for one command alone, which take nothing of the system but /dev/fuse. Three
 * processes, each of which ends with the one before it:
 *
 *   outer     waits; what is left of it on the file system (an empty folder) it removes
 *   first     process 1 of new user, mount and process namespaces, in which it is root of a single user: ourselves. It starts a perfused
 *             there, and when the command has ended it waits for the daemons.
 *   session   in user and mount namespaces within, where we are ourselves again (ssh(1) and others look up who they are, and who owns the
 *             files): to that perfused a container. It starts the daemon as perfuse mount always does, then the command
 *             (no capability is left to either), and unmounts.
 *
 * Whatever happens to any of them, the kernel ends the process namespace and with it every process and mount.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli.h"
#include "client/client.h"
#include "client/spawn.h"

enum {
	NOT_FOUND = 127,
	CANNOT_RUN = 126,
	LEAVE_SECONDS = 15, /* for daemons to end by themselves after the command */
};

struct session {
	const struct spawn *sp;
	char *const *command;
	char *dir; /* our run directory */
	uid_t uid;
	gid_t gid;
	void (*say)(const char *); /* -v; may be NULL */
};

/* ---- namespaces ---- */

/* Whether the number in a file of /proc/sys is this one. */
static bool
setting_is(const char *name, char digit)
{
	char path[96], text[2] = "";
	int fd;
	bool is;

	(void)snprintf(path, sizeof(path), "/proc/sys/%s", name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	is = read(fd, text, 2) == 2 && text[0] == digit && text[1] == '\n';
	(void)close(fd);
	return is;
}

static int
refuse_namespaces(const char *what, int error)
{
	if (setting_is("kernel/unprivileged_userns_clone", '0'))
		return cli_fail(EX_NOPERM,
		    "--private: user namespaces are off for users here (sysctl kernel.unprivileged_userns_clone=0)");
	if (setting_is("user/max_user_namespaces", '0'))
		return cli_fail(
		    EX_NOPERM, "--private: user namespaces are off here (sysctl user.max_user_namespaces=0)");
	if (setting_is("kernel/apparmor_restrict_unprivileged_userns", '1'))
		return cli_fail(EX_NOPERM, "--private: AppArmor restricts user namespaces here (sysctl "
					   "kernel.apparmor_restrict_unprivileged_userns=1)");
	return cli_fail(EX_NOPERM, "--private: %s: %s%s", what, strerror(error),
	    error == EPERM ? " (a container's seccomp profile, or a chroot?)" : "");
}

static int
put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		error = errno;
	(void)close(fd);
	return error;
}

/* A new user namespace with one user and group in it. 0 or errno. */
static int
enter_user(int flags, uid_t uid, uid_t outside_uid, gid_t gid, gid_t outside_gid)
{
	char line[64];
	int error;

	if (unshare(CLONE_NEWUSER | flags) < 0)
		return errno;
	if ((error = put_file("/proc/self/setgroups", "deny")) != 0 && error != ENOENT)
		return error;
	(void)snprintf(line, sizeof(line), "%u %u 1", uid, outside_uid);
	if ((error = put_file("/proc/self/uid_map", line)) != 0)
		return error;
	(void)snprintf(line, sizeof(line), "%u %u 1", gid, outside_gid);
	return put_file("/proc/self/gid_map", line);
}

/* To end when our parent does; it may have ended already. */
static void
end_with_parent(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EX_OSERR);
}

/* A child's exit status as a shell has it. */
static int
wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EX_OSERR;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- the session ---- */

/* "\040" for ' ' and the like; ends at the first space. */
static void
take_field(char *text)
{
	char *to = text;

	for (const char *p = text; *p != '\0' && *p != ' '; to++) {
		if (p[0] == '\\' && p[1] != '\0' && p[2] != '\0' && p[3] != '\0') {
			*to = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
}

/* Call fn for each FUSE mount there is, but for those that came from outside: their ids are in before. NULL: list all the ids. */
static char *
each_mount(const char *before, void (*fn)(const char *point))
{
	FILE *f = fopen("/proc/self/mountinfo", "re"), *ids;
	char *line = NULL, *point, *list = NULL, id[16];
	size_t room = 0, len;

	if ((ids = open_memstream(&list, &len)) != NULL)
		(void)fputc(' ', ids);
	while (f != NULL && ids != NULL && getline(&line, &room, f) >= 0) {
		point = line;
		for (int i = 0; i < 4 && point != NULL; i++)
			point = (point = strchr(point, ' ')) != NULL ? point + 1 : NULL;
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): getline() has set it */
		if (strstr(line, " - fuse") == NULL || point == NULL)
			continue;
		(void)snprintf(id, sizeof(id), " %lu ", strtoul(line, NULL, 10));
		(void)fputs(id + 1, ids);
		take_field(point);
		if (before != NULL && strstr(before, id) == NULL)
			fn(point);
	}
	free(line);
	if (f != NULL)
		(void)fclose(f);
	if (ids != NULL)
		(void)fclose(ids);
	return list;
}

static void
unmount(const char *point)
{
	if (umount2(point, UMOUNT_NOFOLLOW) < 0 && errno == EBUSY)
		(void)umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW);
}

/*
 * The kernel takes the root of a new mount for uid 0's until it asks, and lets nobody write to what belongs to a user that the namespace
 * does not have, which ours does not. So it is made to ask.
 */
static void
look_at(const char *point)
{
	struct stat st;

	(void)stat(point, &st);
}

static int
run_command(const struct session *s)
{
	pid_t pid = fork();

	if (pid < 0)
		return cli_fail(EX_OSERR, "cannot start a process: %s", strerror(errno));
	if (pid > 0)
		return wait_for(pid);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGQUIT, SIG_DFL);
	(void)execvp(s->command[0], s->command);
	_exit(cli_fail(errno == ENOENT ? NOT_FOUND : CANNOT_RUN, "%s: %s", s->command[0],
	    errno == ENOENT ? "command not found" : strerror(errno)));
}

static _Noreturn void
session(const struct session *s)
{
	char text[4096] = "", *before;
	int r = enter_user(CLONE_NEWNS, s->uid, 0, s->gid, 0);

	if (r != 0)
		_exit(refuse_namespaces("cannot make a second user namespace", r));
	if ((before = each_mount(NULL, NULL)) == NULL)
		_exit(cli_fail(EX_OSERR, "out of memory"));
	if ((r = spawn_mount(s->sp, text, sizeof(text))) != 0) {
		(void)cli_fail(r, "%s", text);
	} else {
		if (s->say != NULL && text[0] != '\0')
			s->say(text);
		(void)signal(SIGINT, SIG_IGN); /* the terminal's are the command's */
		(void)signal(SIGQUIT, SIG_IGN);
		free(each_mount(before, look_at));
		r = run_command(s);
		free(each_mount(before, unmount));
	}
	free(before);
	_exit(r);
}

/* ---- the first process ---- */

/* A service of our own. It goes into the background when it listens. 0 or an exit status. */
static int
start_perfused(const struct session *s)
{
	char name[] = "perfused", containers[] = "--containers=private";
	char *const argv[] = { name, containers, NULL };
	pid_t pid;

	if (setenv("PERFUSE_RUNDIR", s->dir, 1) < 0 || unsetenv("PERFUSE_SOCKET") < 0 || (pid = fork()) < 0)
		return cli_fail(EX_OSERR, "%s", strerror(errno));
	if (pid == 0) {
		(void)execv(client_perfused(), argv);
		_exit(cli_fail(EX_UNAVAILABLE, "%s cannot be started: %s", client_perfused(), strerror(errno)));
	}
	return wait_for(pid);
}

/* The only other process there is: the service, which has come to us when who started it ended. */
static pid_t
find_service(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	pid_t pid = -1;

	while (dir != NULL && pid <= 1 && (d = readdir(dir)) != NULL)
		pid = (pid_t)strtol(d->d_name, NULL, 10);
	if (dir != NULL)
		(void)closedir(dir);
	return pid;
}

static void
on_time(int signo)
{
}

/*
 * The command has ended and its mounts with it. The daemons end as after any unmount, and the service with the last of them; then
 * everything else is told to. Who takes too long for that ends with us.
 */
static void
leave(pid_t service)
{
	const struct sigaction sa = { .sa_handler = on_time }; /* no SA_RESTART: wait() is to return */
	pid_t pid;

	(void)sigaction(SIGALRM, &sa, NULL);
	(void)alarm(LEAVE_SECONDS);
	(void)kill(service, SIGTERM);
	while ((pid = wait(NULL)) > 0)
		if (pid == service)
			(void)kill(-1, SIGTERM);
}

static int
prepare(const struct session *s)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ||
	    mount("perfuse", s->dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") < 0)
		return refuse_namespaces("cannot mount in a namespace of our own", errno);
	return start_perfused(s);
}

static _Noreturn void
first(const struct session *s, pid_t outer)
{
	pid_t service, pid;
	int r;

	end_with_parent(outer);
	if (unshare(CLONE_NEWNS) < 0)
		_exit(refuse_namespaces("cannot make a mount namespace", errno));
	if ((r = prepare(s)) != 0)
		_exit(r);
	service = find_service();
	if ((pid = fork()) == 0)
		session(s);
	if (pid < 0)
		_exit(cli_fail(EX_OSERR, "cannot start a process: %s", strerror(errno)));
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	r = wait_for(pid);
	leave(service);
	_exit(r);
}

/* ---- outside ---- */

static int
run(struct session *s)
{
	pid_t pid;
	int r = enter_user(CLONE_NEWPID, 0, s->uid, 0, s->gid);

	if (r != 0)
		return refuse_namespaces("cannot make a user namespace", r);
	if ((pid = fork()) < 0)
		return cli_fail(EX_OSERR, "cannot start a process: %s", strerror(errno));
	if (pid == 0)
		first(s, getppid());
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	return wait_for(pid);
}

int
private_run(const struct spawn *sp, char *const *command, void (*say)(const char *))
{
	const char *tmp = getenv("TMPDIR"), *shell = getenv("SHELL");
	char own_shell[] = "/bin/sh";
	char *const only_shell[] = { shell != NULL && shell[0] != '\0' ? (char *)shell : own_shell, NULL };
	struct session s = { .sp = sp,
		.command = command[0] != NULL ? command : only_shell,
		.uid = geteuid(),
		.gid = getegid(),
		.say = say };
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC), r;

	if (fd < 0)
		return cli_fail(EX_UNAVAILABLE, "--private: /dev/fuse: %s", strerror(errno));
	(void)close(fd);
	if (asprintf(&s.dir, "%s/perfuse-private.XXXXXX", tmp != NULL && tmp[0] == '/' ? tmp : "/tmp") < 0)
		return cli_fail(EX_OSERR, "out of memory");
	if (mkdtemp(s.dir) == NULL) {
		r = cli_fail(EX_CANTCREAT, "%s: %s", s.dir, strerror(errno));
	} else {
		r = run(&s);
		(void)rmdir(s.dir);
	}
	free(s.dir);
	return r;
}

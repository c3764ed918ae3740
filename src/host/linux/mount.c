/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making the kernel's mount: as root by mount(2) on a descriptor, as an ordinary user through the system's fusermount3.
 * This runs with privilege, so nothing textual from a peer reaches the option string (it holds numbers and fixed words; the
 * source and the type are arguments of their own), flags are checked against a list, and no path is walked twice.
 * fusermount3 gets an environment of one variable and a list of options whose texts are escaped as libfuse does it;
 * what it says on stderr is the reason that our caller passes on.
 */
#include "host/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"

enum {
	FLAGS_CARRIED = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_DIRSYNC | MS_NOATIME |
			MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME | MS_LAZYTIME,
	FUSERMOUNT_TIME = 18 * 1000, /* milliseconds until fusermount3 is given up */
};

/* Whether the record is what its comment promises: strings that end, flags that we know. */
static bool
is_sound(const struct host_mount *m)
{
	return memchr(m->source, '\0', sizeof(m->source)) != NULL &&
	       memchr(m->subtype, '\0', sizeof(m->subtype)) != NULL && (m->flags & ~(uint32_t)FLAGS_CARRIED) == 0;
}

int
host_linux_mount(const struct host_mount *m, int at, int *fuse_fd)
{
	char type[sizeof("fuseblk.") + sizeof(m->subtype)], target[sizeof("/proc/self/fd/") + 11], data[256];
	struct stat st;
	int fd, n;

	if (!is_sound(m))
		return EINVAL;
	if (fstat(at, &st) < 0)
		return errno;
	if ((fd = open("/dev/fuse", O_RDWR | O_CLOEXEC)) < 0)
		return errno;
	(void)snprintf(
	    type, sizeof(type), "%s%s%s", m->blkdev ? "fuseblk" : "fuse", m->subtype[0] != '\0' ? "." : "", m->subtype);
	(void)snprintf(target, sizeof(target), "/proc/self/fd/%d", at);
	n = snprintf(data, sizeof(data), "fd=%d,rootmode=%o,user_id=%u,group_id=%u%s%s", fd,
	    (unsigned)(st.st_mode & S_IFMT), m->user_id, m->group_id, m->allow_other ? ",allow_other" : "",
	    m->default_permissions ? ",default_permissions" : "");
	if (m->max_read != 0)
		n += snprintf(data + n, sizeof(data) - (size_t)n, ",max_read=%u", m->max_read);
	if (m->blkdev && m->blksize != 0)
		(void)snprintf(data + n, sizeof(data) - (size_t)n, ",blksize=%u", m->blksize);
	if (mount(m->source[0] != '\0' ? m->source : "perfuse", target, type, m->flags, data) < 0) {
		int error = errno;

		(void)close(fd);
		return error;
	}
	*fuse_fd = fd;
	return 0;
}

/* ---- fusermount3 ---- */

/* Append text to the option list with its commas and backslashes escaped. */
static char *
put_escaped(char *p, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == ',' || *text == '\\')
			*p++ = '\\';
		*p++ = *text;
	}
	*p = '\0';
	return p;
}

/*
 * The -o list. user_id, group_id, nosuid and nodev are fusermount3's own doing. It knows no words for the finer points of
 * access times (nodiratime, relatime, strictatime, lazytime), and a FUSE mount's times are its daemon's affair: left out.
 */
static char *
build_options(const struct host_mount *m)
{
	static const struct {
		uint32_t flag;
		const char *word;
	} words[] = {
		{ MS_NOEXEC, ",noexec" },
		{ MS_SYNCHRONOUS, ",sync" },
		{ MS_DIRSYNC, ",dirsync" },
		{ MS_NOATIME, ",noatime" },
	};
	char *list = malloc(2 * (sizeof(m->source) + sizeof(m->subtype)) + 256), *p = list;

	if (list == NULL)
		return NULL;
	p = stpcpy(p, (m->flags & MS_RDONLY) != 0 ? "ro,nosuid,nodev" : "rw,nosuid,nodev");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if ((m->flags & words[i].flag) != 0)
			p = stpcpy(p, words[i].word);
	if (m->allow_other)
		p = stpcpy(p, ",allow_other");
	if (m->default_permissions)
		p = stpcpy(p, ",default_permissions");
	if (m->max_read != 0)
		p += sprintf(p, ",max_read=%u", m->max_read);
	p = put_escaped(stpcpy(p, ",fsname="), m->source[0] != '\0' ? m->source : "perfuse");
	if (m->subtype[0] != '\0')
		(void)put_escaped(stpcpy(p, ",subtype="), m->subtype);
	return list;
}

/* Start fusermount3 with stderr on err and the socket comm (-1: none) open. The usual places first: $PATH is the user's. */
static int
start_fusermount(char *const argv[], int err, int comm, pid_t *pid)
{
	static const char *const places[] = { "/usr/bin/fusermount3", "/bin/fusermount3", "fusermount3" };
	enum { COMM_FD = 3 };
	char commfd[] = "_FUSE_COMMFD=3";
	char *const envp[] = { commfd, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, pipe;
	int error;

	if ((error = posix_spawn_file_actions_init(&actions)) != 0)
		return error;
	if ((error = posix_spawnattr_init(&attr)) != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return error;
	}
	(void)sigemptyset(&none);
	(void)sigemptyset(&pipe);
	(void)sigaddset(&pipe, SIGPIPE);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &pipe);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	/* Both descriptors are above 3 (our caller sees to it), so that neither dup2() treads on the other's source. */
	if ((error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)) == 0 &&
	    (error = posix_spawn_file_actions_adddup2(&actions, err, 1)) == 0 &&
	    (error = posix_spawn_file_actions_adddup2(&actions, err, 2)) == 0 && comm >= 0)
		error = posix_spawn_file_actions_adddup2(&actions, comm, COMM_FD);
	if (error == 0) {
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			error = posix_spawnp(pid, places[i], &actions, &attr, argv, envp);
			if (error != ENOENT && error != ENOTDIR && error != EACCES)
				break;
		}
	}
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* The first line of what fusermount3 says, into why. It ends with the program: nobody else holds the pipe's other end. */
static void
read_words(int fd, char *why, size_t whylen)
{
	size_t used = 0;
	char sink[256];
	ssize_t n;

	for (;;) {
		bool full = used + 1 >= whylen;

		n = read(fd, full ? sink : why + used, full ? sizeof(sink) : whylen - 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (!full)
			used += (size_t)n;
	}
	why[used] = '\0';
	why[strcspn(why, "\n")] = '\0';
}

/* fusermount3 has one exit status for everything; its line ends with what the system said. */
static int
errno_of(const char *why)
{
	static const int known[] = { ENOENT, ENOTDIR, EACCES, EPERM, EBUSY, EINVAL, ENODEV, ENOMEM, ENOTCONN, EROFS };
	size_t len = strlen(why);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const char *text = strerrordesc_np(known[i]);
		size_t n = strlen(text);

		if (len >= n && strcmp(why + len - n, text) == 0)
			return known[i];
	}
	return EPERM;
}

/* A duplicate above the descriptors that start_fusermount() places. */
static int
move_up(int *fd)
{
	int up = fcntl(*fd, F_DUPFD_CLOEXEC, 10);

	if (up < 0)
		return errno;
	(void)close(*fd);
	*fd = up;
	return 0;
}

/* Run fusermount3; with fuse_fd, take the descriptor that it sends. 0, or errno with a line in why. */
static int
run_fusermount(char *const argv[], int *fuse_fd, char *why, size_t whylen)
{
	int err[2] = { -1, -1 }, comm[2] = { -1, -1 }, error, status, fd = -1;
	pid_t pid;

	why[0] = '\0';
	error = pipe2(err, O_CLOEXEC) < 0 ? errno : move_up(&err[1]);
	if (error == 0 && fuse_fd != NULL && (error = fdp_pair(SOCK_STREAM, comm)) == 0)
		error = move_up(&comm[1]);
	if (error == 0 && (error = start_fusermount(argv, err[1], comm[1], &pid)) != 0)
		(void)snprintf(why, whylen, "cannot start fusermount3: %s", strerrordesc_np(error));
	if (err[1] >= 0)
		(void)close(err[1]);
	if (comm[1] >= 0)
		(void)close(comm[1]);
	if (error == 0) {
		if (fuse_fd != NULL) {
			unsigned nfds;
			size_t len;
			char byte;

			error = fdp_recv(comm[0], &byte, 1, &len, &fd, 1, &nfds, NULL, FUSERMOUNT_TIME);
			if (error == ETIMEDOUT)
				(void)kill(pid, SIGKILL);
			else if (error == 0 && nfds == 0)
				error = EPERM; /* it ended without one: why follows */
		}
		read_words(err[0], why, whylen);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (error != ETIMEDOUT && (error != 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0))
			error = errno_of(why);
		if (error != 0 && why[0] == '\0')
			(void)snprintf(why, whylen, "fusermount3 %s",
			    error == ETIMEDOUT ? "does not come back" : "failed and gave no reason");
	}
	if (err[0] >= 0)
		(void)close(err[0]);
	if (comm[0] >= 0)
		(void)close(comm[0]);
	if (error != 0) {
		if (fd >= 0)
			(void)close(fd);
		if (why[0] == '\0')
			(void)snprintf(why, whylen, "cannot run fusermount3: %s", strerrordesc_np(error));
	} else if (fuse_fd != NULL) {
		*fuse_fd = fd;
	}
	return error;
}

int
host_linux_mount_user(const struct host_mount *m, const char *path, int *fuse_fd, char *why, size_t whylen)
{
	char name[] = "fusermount3", dash_o[] = "-o", end[] = "--";
	char *options, *target;
	int error;

	if (!is_sound(m) || m->blkdev || m->blksize != 0) {
		(void)snprintf(why, whylen, "%s", m->blkdev ? "fuseblk is for root" : "the mount record is not valid");
		return m->blkdev ? EPERM : EINVAL;
	}
	options = build_options(m);
	target = strdup(path);
	if (options == NULL || target == NULL) {
		(void)snprintf(why, whylen, "out of memory");
		error = ENOMEM;
	} else {
		char *const argv[] = { name, dash_o, options, end, target, NULL };

		error = run_fusermount(argv, fuse_fd, why, whylen);
	}
	free(options);
	free(target);
	return error;
}

int
host_linux_unmount_user(const char *path, bool lazy, char *why, size_t whylen)
{
	char name[] = "fusermount3", dash_u[] = "-u", dash_z[] = "-z", end[] = "--";
	char *target = strdup(path);
	int error;

	if (target == NULL) {
		(void)snprintf(why, whylen, "out of memory");
		return ENOMEM;
	}
	if (lazy) {
		char *const argv[] = { name, dash_u, dash_z, end, target, NULL };

		error = run_fusermount(argv, NULL, why, whylen);
	} else {
		char *const argv[] = { name, dash_u, end, target, NULL };

		error = run_fusermount(argv, NULL, why, whylen);
	}
	free(target);
	return error;
}

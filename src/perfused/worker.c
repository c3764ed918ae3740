/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker: a child of the parent that makes or ends one mount and exits. Its own process, because asking a file system
 * about a mountpoint, and unmounting one that has data to write back, can wait for a daemon that never answers; the parent
 * must not. As root it first becomes the peer with CAP_SYS_ADMIN, so that a mountpoint inside a FUSE mount of the peer's
 * can be reached; as an ordinary user it has fusermount3 do it.
 *
 * Which mount is ours is remembered as the mountpoint's parent directory (an open descriptor), the last name of its path and
 * the kernel's mount id. Unmounting looks at that name in that directory and refuses when the id is another's.
 */
#include "perfused/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "perfused/check.h"

static void __attribute__((format(printf, 3, 4))) fail(struct worker_result *res, int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(res->why, sizeof(res->why), fmt, ap);
	va_end(ap);
	res->error = error;
}

/* The last name of an absolute path, "" for "/". */
static const char *
last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : "";
}

/* The mount that a descriptor lies on. From fdinfo: stat would ask the file system, which may be the dead one. 0 or errno. */
static int
mount_id(int fd, uint32_t *id)
{
	char name[64], line[128];
	FILE *f;
	bool found = false;

	(void)snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	if ((f = fopen(name, "re")) == NULL)
		return errno;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "mnt_id:", 7) == 0) {
			*id = (uint32_t)strtoul(line + 7, NULL, 10);
			found = true;
		}
	}
	(void)fclose(f);
	return found ? 0 : ENOENT;
}

/* The mount that is seen at name in the directory. 0 or errno. */
static int
mount_id_at(int dir, const char *name, uint32_t *id)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), error;

	if (fd < 0)
		return errno;
	error = mount_id(fd, id);
	(void)close(fd);
	return error;
}

/* Whether the mount of this id is still there, perhaps under another. */
static bool
mount_exists(uint32_t id)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	while (!found && f != NULL && getline(&line, &room, f) >= 0)
		found = strtoul(line, NULL, 10) == id;
	free(line);
	if (f != NULL)
		(void)fclose(f);
	return found;
}

/*
 * Where the descriptor's directory is: its path, and its parent directory as an open descriptor. Refused when what the path
 * names is not what the descriptor names (it was moved or covered meanwhile), or has no name to unmount by. 0 or -1.
 */
static int
locate(int at, struct worker_result *res, int *dir)
{
	char link[64], *slash;
	struct stat ours, found;
	uint32_t id, found_id;
	ssize_t n;
	int fd;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
	if ((n = readlink(link, res->path, sizeof(res->path) - 1)) < 0) {
		fail(res, errno, "cannot tell where the mountpoint is: %s", strerror(errno));
		return -1;
	}
	res->path[n] = '\0';
	if ((size_t)n == sizeof(res->path) - 1 || (slash = strrchr(res->path, '/')) == NULL || slash[1] == '\0') {
		fail(res, EBUSY, "mountpoint " CHECK_PATH " cannot be mounted on",
		    n == 1 ? res->path : "with so long a path");
		return -1;
	}
	*slash = '\0';
	*dir = open(res->path[0] != '\0' ? res->path : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	if (*dir < 0) {
		fail(res, errno, "cannot reach mountpoint " CHECK_PATH ": %s", res->path, strerror(errno));
		return -1;
	}
	if ((fd = openat(*dir, slash + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC)) < 0 || fstat(fd, &found) < 0 ||
	    fstat(at, &ours) < 0 || mount_id(fd, &found_id) != 0 || mount_id(at, &id) != 0 || found_id != id ||
	    found.st_dev != ours.st_dev || found.st_ino != ours.st_ino)
		fail(res, ESTALE, "mountpoint " CHECK_PATH " was moved or covered while it was being mounted on",
		    res->path);
	if (fd >= 0)
		(void)close(fd);
	if (res->error != 0)
		(void)close(*dir);
	return res->error != 0 ? -1 : 0;
}

/* Let go of everything that the worker does not need: it is a copy of the parent. fds[] become 3 and up. */
static void
settle(int *fds, int n)
{
	if (place_fds(fds, n) != 0)
		_exit(1);
	for (int i = 0; i < n; i++) {
		fds[i] = 3 + i;
		(void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
	}
	/* A Ctrl-C is the parent's to act on; half a mount helps nobody. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
}

_Noreturn void
worker_mount(const struct host_mount *m, int at, const struct fdp_cred *peer, int sock)
{
	static struct worker_result res; /* not on the stack: it is large */
	bool root = geteuid() == 0;
	int fds[] = { sock, at }, out[2] = { -1, -1 };
	int error;

	settle(fds, 2);
	sock = fds[0];
	at = fds[1];
	if ((error = sandbox_worker(peer)) != 0)
		fail(&res, error, "cannot become uid %u: %s", peer->uid, strerror(error));
	else if ((fcntl(at, F_GETFL) & O_PATH) == 0)
		fail(&res, EINVAL, "the mountpoint's descriptor is not one of O_PATH");
	else if (locate(at, &res, &out[1]) == 0)
		res.error = check_mountpoint(at, res.path, peer->uid, res.why, sizeof(res.why));
	if (res.error == 0) {
		if (root && (error = host_linux_mount(m, at, &out[0])) != 0)
			fail(&res, error, "cannot mount on " CHECK_PATH ": %s", res.path, strerror(error));
		else if (!root)
			res.error = host_linux_mount_user(m, res.path, &out[0], res.why, sizeof(res.why));
	}
	if (res.error == 0 && (error = mount_id_at(out[1], last_name(res.path), &res.mnt_id)) != 0) {
		/* It cannot be told from others any more; what is made must be undone now, by the descriptor that made it. */
		fail(&res, error, "cannot find the mount on " CHECK_PATH " again: %s", res.path, strerror(error));
		if (root && fchdir(out[1]) == 0)
			(void)umount2(last_name(res.path), UMOUNT_NOFOLLOW | MNT_DETACH);
		else if (!root)
			(void)host_linux_unmount_user(res.path, true, (char[PRIV_WHY]){ 0 }, PRIV_WHY);
	}
	error = fdp_send(sock, &res, sizeof(res), out, res.error == 0 ? 2 : 0);
	_exit(error != 0);
}

_Noreturn void
worker_unmount(const struct worker_mounted *what, bool lazy, const struct fdp_cred *peer, int sock)
{
	static struct worker_result res;
	bool root = geteuid() == 0;
	int fds[] = { sock, what->dir };
	uint32_t id = 0;
	int error;

	settle(fds, 2);
	sock = fds[0];
	if ((error = sandbox_worker(peer)) != 0)
		fail(&res, error, "cannot become uid %u: %s", peer->uid, strerror(error));
	else if (fchdir(fds[1]) < 0)
		fail(&res, errno, "cannot reach " CHECK_PATH ": %s", what->path, strerror(errno));
	else if ((error = mount_id_at(AT_FDCWD, last_name(what->path), &id)) != 0)
		fail(&res, error, "cannot reach " CHECK_PATH ": %s", what->path, strerror(error));
	else if (id != what->mnt_id && mount_exists(what->mnt_id))
		fail(&res, EBUSY, "cannot unmount " CHECK_PATH ": something else is mounted over it", what->path);
	else if (id != what->mnt_id)
		fail(&res, EINVAL, CHECK_PATH " is not mounted any more", what->path);
	else if (!root)
		res.error = host_linux_unmount_user(what->path, lazy, res.why, sizeof(res.why));
	else if (umount2(last_name(what->path), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) < 0)
		fail(&res, errno, "cannot unmount " CHECK_PATH ": %s", what->path, strerror(errno));
	error = fdp_send(sock, &res, sizeof(res), NULL, 0);
	_exit(error != 0);
}

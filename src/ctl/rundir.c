/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run directories: where they are, and making them. A user's may lie in /tmp, where anybody may have been first, so a
 * directory is trusted only after it has been opened without following a link and its owner and mode have been read from
 * the descriptor; what is made below it is made relative to that descriptor. Two processes may make it at once: who comes second
 * finds it there and checks it as any other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/rundir.h"

/* Whether dir is a directory of this uid's; $XDG_RUNTIME_DIR may be left over from who called su. */
static bool
is_users(const char *dir, uid_t uid)
{
	struct stat st;

	return dir[0] == '/' && stat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == uid;
}

int
rundir_path(uid_t uid, char **out)
{
	const char *env = secure_getenv("PERFUSE_RUNDIR");
	int n;

	if (env != NULL && env[0] == '/') {
		*out = strdup(env);
		return *out != NULL ? 0 : ENOMEM;
	}
	if (uid == 0) {
		*out = strdup("/run/perfuse");
		return *out != NULL ? 0 : ENOMEM;
	}
	char run[64];
	const char *xdg = secure_getenv("XDG_RUNTIME_DIR");
	snprintf(run, sizeof(run), "/run/user/%lu", (unsigned long)uid);
	if (xdg != NULL && is_users(xdg, uid))
		n = asprintf(out, "%s/perfuse", xdg);
	else if (is_users(run, uid))
		n = asprintf(out, "%s/perfuse", run);
	else
		n = asprintf(out, "/tmp/perfuse-%lu", (unsigned long)uid);
	return n >= 0 ? 0 : ENOMEM;
}

int
rundir_socket(uid_t uid, char **out)
{
	const char *env = secure_getenv("PERFUSE_SOCKET");
	char *path;

	if (env != NULL && *env != '\0') {
		path = strdup(env);
		if (path == NULL)
			return ENOMEM;
	} else {
		char *dir;
		int error = rundir_path(uid, &dir);
		if (error != 0)
			return error;
		int n = asprintf(&path, "%s/fuse", dir);
		free(dir);
		if (n < 0)
			return ENOMEM;
	}
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		free(path);
		return ENAMETOOLONG;
	}
	*out = path;
	return 0;
}

/* Open the directory name below dirfd if it is uid's alone to change. 0, EPERM when it is not, or errno. */
static int
open_own(int dirfd, const char *name, uid_t uid, int *out)
{
	struct stat st;

	*out = -1;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR || errno == EACCES ? EPERM : errno;
	int error = 0;
	if (fstat(fd, &st) != 0)
		error = errno;
	else if (st.st_uid != uid || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		error = EPERM;
	if (error != 0) {
		close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

/* Make the directory when it is missing, and open it. 0 or errno. */
static int
make_own(int dirfd, const char *name, mode_t mode, uid_t uid, int *out)
{
	*out = -1;
	bool made = mkdirat(dirfd, name, mode) == 0;
	if (!made && errno != EEXIST)
		return errno;
	int error = open_own(dirfd, name, uid, out);
	if (error == 0 && made && fchmod(*out, mode) != 0) { /* what the umask took away */
		error = errno;
		close(*out);
	}
	return error;
}

int
rundir_make(uid_t uid, char **out)
{
	char *path;
	int dir, mounts;

	int error = rundir_path(uid, &path);
	if (error != 0)
		return error;
	error = make_own(AT_FDCWD, path, uid == 0 ? 0755 : 0700, uid, &dir);
	if (error == 0) {
		error = make_own(dir, "mounts", uid == 0 ? 0711 : 0700, uid, &mounts);
		close(dir);
	}
	if (error != 0) {
		free(path);
		return error;
	}
	close(mounts);
	*out = path;
	return 0;
}

bool
rundir_trusted(const char *dir, uid_t uid)
{
	int fd;

	if (open_own(AT_FDCWD, dir, uid, &fd) != 0)
		return false;
	close(fd);
	return true;
}

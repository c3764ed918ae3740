/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker: a child of the parent that makes or ends one mount, or closes something, and exits. Its own process, because asking a
 * file system about a mountpoint, unmounting one that has data to write back, and taking or closing what a peer sent can wait
 * for somebody who never answers; the parent must not. To mount, as root, it first becomes the peer with
 * CAP_SYS_ADMIN, so that a mountpoint inside a FUSE mount of the peer's can be reached; as a user it has fusermount3 do it.
 *
 * Which mount is ours is remembered as the descriptor of the directory below it, opened before the mount, and the kernel's mount
 * id. umount2(2) on that descriptor reaches what is mounted there wherever the directory has been moved to. Before, the
 * kernel's table must say that our mount is there with nothing on top of it; as ids are used again, it must be a FUSE mount of
 * the peer's, too. What a dead engine left must moreover be dead: what has our id and answers is a newer mount.
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
#include <bsd/string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "perfused/check.h"

static struct worker_result res; /* not on the stack: it is large */

static void __attribute__((format(printf, 2, 3))) refuse(int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(res.why, sizeof(res.why), fmt, ap);
	va_end(ap);
	res.error = error;
}

/* ---- the kernel's table of mounts ---- */

/* Where a descriptor's directory is now. 0 or errno. */
static int
path_of(int at, char *path, size_t room)
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
	if ((n = readlink(link, path, room - 1)) < 0)
		return errno;
	path[n] = '\0';
	return (size_t)n < room - 1 ? 0 : ENAMETOOLONG;
}

/* The mount that a descriptor lies on. From fdinfo: stat would ask the file system. 0: cannot be told. */
static uint32_t
mount_of(int fd)
{
	char name[64], line[128];
	uint32_t id = 0;
	FILE *f;

	(void)snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	if ((f = fopen(name, "re")) == NULL)
		return 0;
	while (id == 0 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "mnt_id:", 7) == 0)
			id = (uint32_t)strtoul(line + 7, NULL, 10);
	(void)fclose(f);
	return id;
}

struct entry { /* a line of mountinfo */
	uint32_t id, parent;
	char *point;
	bool fuse; /* and of this uid's */
};

/* "\040" for ' ' and the like. */
static void
unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p != '\0'; to++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' &&
		    p[3] <= '7') {
			*to = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
}

/* "id parent dev root point options [more...] - type source options"; spaces in them are escaped. Whether it is one. */
static bool
parse_entry(char *line, uid_t uid, struct entry *e)
{
	char *field[5], *save = line, *type = strstr(line, " - "), *source, *options, owner[32];

	if (type == NULL)
		return false;
	*type = '\0';
	type += 3;
	for (int i = 0; i < 5; i++)
		if ((field[i] = strsep(&save, " ")) == NULL)
			return false;
	source = strchr(type, ' ');
	options = source != NULL ? strrchr(source + 1, ' ') : NULL;
	(void)snprintf(owner, sizeof(owner), ",user_id=%u,", uid);
	e->id = (uint32_t)strtoul(field[0], NULL, 10);
	e->parent = (uint32_t)strtoul(field[1], NULL, 10);
	e->point = field[4];
	unescape(e->point);
	e->fuse =
	    options != NULL && strstr(options, owner) != NULL &&
	    (strncmp(type, "fuse ", 5) == 0 || strncmp(type, "fuse.", 5) == 0 || strncmp(type, "fuseblk", 7) == 0);
	return true;
}

/*
 * Find the mount with this id, or with *id 0 the last FUSE mount of the uid's, on the directory behind at, into *id. 0; EINVAL: it is no
 * longer in the table; EBUSY: it was moved, or something covers it; or another errno when that cannot be told now.
 */
static int
find_mount(const char *table, int at, const char *path, uid_t uid, uint32_t *id)
{
	static char now[PATH_MAX];
	FILE *f = fopen(table, "re");
	uint32_t below = mount_of(at), wanted = *id;
	char *line = NULL;
	size_t room = 0;
	struct entry e;
	int error = below != 0 ? EINVAL : EIO;

	if (f == NULL)
		return errno;
	while (error != EIO && getline(&line, &room, f) >= 0) {
		if (!parse_entry(line, uid, &e) || e.id == below || (wanted != 0 && e.id != wanted) || !e.fuse)
			continue;
		if (strcmp(e.point, path) == 0) {
			*id = e.id;
			error = 0;
		} else if (wanted != 0) {
			error = EBUSY;
		}
	}
	rewind(f);
	while (error == 0 && getline(&line, &room, f) >= 0)
		if (parse_entry(line, uid, &e) && e.parent == *id && strcmp(e.point, path) == 0)
			error = EBUSY;
	if ((error == 0 || error == EINVAL) && ferror(f))
		error = EIO;
	free(line);
	(void)fclose(f);
	/* A rename while we looked: the next attempt sees clearly. */
	if (path_of(at, now, sizeof(now)) != 0 || strcmp(now, path) != 0)
		return EAGAIN;
	return error;
}

#define TABLE "/proc/self/mountinfo"

/* ---- all of them ---- */

/*
 * Let go of what the worker does not need: it is a copy of the parent. fds[] become 3 and up, the first of them the socket to the
 * parent. Then wait until the parent has closed its copies of what is ours to close.
 */
static void
begin(int *fds, int n)
{
	char byte;

	/* A Ctrl-C is the parent's to act on; half a mount helps nobody. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
	if (place_fds(fds, n) != 0)
		_exit(1);
	for (int i = 0; i < n; i++) {
		if (fds[i] < 0)
			continue;
		fds[i] = 3 + i;
		(void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
	}
	if (recv(fds[0], &byte, 1, 0) != 1)
		_exit(1);
}

/* ---- mounting ---- */

static struct host_mount asked;

/* What the engine asks for, checked as if a stranger had sent it, and become who may have it. 0 or an errno in res. */
static int
take_record(int chan, const struct fdp_cred *peer, int *at)
{
	unsigned nfds;
	size_t len;
	int error = fdp_recv(chan, &asked, sizeof(asked), &len, at, 1, &nfds, NULL, 0);

	if (error != 0 || len != sizeof(asked) || nfds != 1)
		refuse(EPROTO, "the engine's record is not valid");
	else if ((error = check_record(&asked, peer->uid, peer->gid, res.why, sizeof(res.why))) != 0)
		res.error = error;
	else if ((fcntl(*at, F_GETFL) & O_PATH) == 0)
		refuse(EINVAL, "the mountpoint's descriptor is not one of O_PATH");
	else if ((error = sandbox_worker(peer)) != 0)
		refuse(error, "cannot become uid %u: %s", peer->uid, strerror(error));
	return res.error;
}

/* Whether the descriptor is of a mount's root. A second unmount at once would reach that mount, which is not ours. */
static bool
is_root_of_mount(int at)
{
	struct statx stx;

	return statx(at, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) != 0 ||
	       (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* Whether and where may be mounted. 0 or an errno in res. */
static int
check_place(int at, char *path, size_t room, bool root, uid_t uid)
{
	int error = path_of(at, path, room);

	if (error != 0)
		refuse(error, "cannot tell where the mountpoint is: %s", strerror(error));
	else if (strcmp(path, "/") == 0)
		refuse(EBUSY, "mountpoint / cannot be mounted on");
	else if ((error = check_mountpoint(at, path, uid, res.why, sizeof(res.why))) != 0)
		res.error = error;
	else if (root && uid != 0 && is_root_of_mount(at))
		refuse(EBUSY, "mountpoint " CHECK_PATH " is a mount's root already, which uid %u may not cover", path,
		    uid);
	return res.error;
}

/* Mount what the record says. 0 or an errno in res. */
static int
make_mount(int at, const char *path, bool root, int *fuse_fd)
{
	int error;

	if (root && (error = host_linux_mount(&asked, at, fuse_fd)) != 0)
		refuse(error, "cannot mount on " CHECK_PATH ": %s", path, strerror(error));
	else if (!root)
		res.error = host_linux_mount_user(&asked, path, fuse_fd, res.why, sizeof(res.why));
	return res.error;
}

_Noreturn void
worker_mount(int chan, int conn, const struct fdp_cred *peer, int sock)
{
	static struct priv_answer done = { .id = PRIV_ID_MOUNT };
	static char path[PATH_MAX];
	bool root = geteuid() == 0;
	int fds[] = { sock, chan, conn }, at = -1, fuse_fd = -1, error;

	begin(fds, 3);
	if (take_record(fds[1], peer, &at) == 0 && check_place(at, path, sizeof(path), root, peer->uid) == 0) {
		/* Before: should we be killed. */
		if ((error = fdp_send(fds[0], &res, sizeof(res), &at, 1)) != 0)
			refuse(error, "cannot mount on " CHECK_PATH ": %s", path, strerror(error));
		else if (make_mount(at, path, root, &fuse_fd) == 0 &&
			 (error = find_mount(TABLE, at, path, peer->uid, &res.id)) != 0)
			refuse(error, "mountpoint " CHECK_PATH " was moved or covered while it was being mounted on",
			    path);
	}
	if (fdp_send(fds[0], &res, sizeof(res), NULL, 0) != 0 || res.error != 0)
		_exit(1);
	(void)fdp_send(fds[1], &done, sizeof(done), &fuse_fd, 1);
	_exit(0);
}

/* ---- unmounting ---- */

/* Whether nobody serves what is mounted there any more. It is asked, for what the kernel remembers says nothing. */
static bool
is_dead(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) < 0 && (errno == ENOTCONN || errno == ECONNABORTED || errno == ECONNREFUSED);
}

_Noreturn void
worker_unmount(const struct worker_mounted *what, enum worker_task task, const struct fdp_cred *peer, int sock)
{
	static char path[PATH_MAX];
	bool root = geteuid() == 0, lazy = task != WORKER_UNMOUNT;
	int fds[] = { sock, what->at }, error, found = EIO;
	uint32_t id = what->id;
	char link[64];

	begin(fds, 2);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fds[1]);
	if ((error = sandbox_worker(peer)) != 0)
		refuse(error, "cannot become uid %u: %s", peer->uid, strerror(error));
	else if ((error = path_of(fds[1], path, sizeof(path))) != 0)
		refuse(error, "cannot tell where the mountpoint is: %s", strerror(error));
	else if ((found = find_mount(TABLE, fds[1], path, peer->uid, &id)) == EINVAL)
		refuse(EINVAL, CHECK_PATH " is not mounted any more", path);
	else if (found == EBUSY)
		refuse(
		    EBUSY, "cannot unmount " CHECK_PATH ": it was moved, or something else is mounted over it", path);
	else if (found != 0)
		refuse(found, "cannot unmount " CHECK_PATH ": %s", path, strerror(found));
	else if (task == WORKER_CLEAN && !is_dead(path))
		refuse(
		    EBUSY, "cannot unmount " CHECK_PATH ": its engine has ended, and still somebody serves it", path);
	else if (!root)
		res.error = host_linux_unmount_user(path, lazy, res.why, sizeof(res.why));
	else if (umount2(link, lazy ? MNT_DETACH : 0) < 0)
		refuse(errno, "cannot unmount " CHECK_PATH ": %s", path, strerror(errno));
	if (res.error == 0 && path_of(fds[1], path, sizeof(path)) == 0)
		found = find_mount(TABLE, fds[1], path, peer->uid, &id);
	res.gone = found == EINVAL;
	_exit(fdp_send(fds[0], &res, sizeof(res), NULL, 0) != 0);
}

/* ---- closing ---- */

_Noreturn void
worker_close(const int *what, size_t n, int error, const char *words, int sock)
{
	int fds[8] = { sock };

	memcpy(fds + 1, what, n * sizeof(*what));
	begin(fds, (int)n + 1);
	if (fds[2] >= 0 && words[0] != '\0') {
		answer_send(fds[2], FRAME_FAILED, error, words);
		hang_up(fds[2]);
	}
	/* The rest by ending: who ends does not linger. */
	_exit(0);
}

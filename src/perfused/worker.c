/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker: a child of the parent that makes or ends one mount, or closes something, and exits. Its own process, because asking a
 * file system about a mountpoint, unmounting one that has data to write back, and taking or closing what a peer sent can wait
 * for somebody who never answers; the parent must not. To mount, as root, it first becomes the peer with
 * CAP_SYS_ADMIN, so that a mountpoint inside a FUSE mount of the peer's can be reached; as a user it has fusermount3 do it.
 *
 * Which mount is ours is remembered as the descriptor of the directory below it, opened before the mount, and the kernel's mount
 * id. umount2(2) on that directory as "." reaches what is mounted there wherever it has been moved to. Before, the
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
#include <sys/prctl.h>
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

/* ---- all of them ---- */

/*
 * Let go of what the worker does not need: it is a copy of the parent. fds[] become 3 and up, the first of them the socket to the
 * parent. Then wait until the parent has closed its copies of what is ours to close.
 */
static void
begin(int *fds, int n)
{
	char byte;

	/* (Changing identity does the same.) A worker in a container's namespaces must not be its users' to trace. */
	(void)prctl(PR_SET_DUMPABLE, 0);
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
	if (proc_at() < 0 || recv(fds[0], &byte, 1, 0) != 1)
		_exit(1);
}

/* ---- mounting ---- */

static struct priv_mount asked;

/* What the engine asks for, checked as if a stranger had sent it. 0 or an errno in res. */
static int
take_record(int chan, const struct peer *peer, int *at)
{
	bool apart = peer_is_apart(peer);
	unsigned nfds;
	size_t len;
	int error = fdp_recv(chan, &asked, sizeof(asked), &len, at, 1, &nfds, NULL, 0);

	if (error != 0 || len != sizeof(asked) || nfds != (apart ? 0 : 1) || (asked.target[0] == '/') != apart ||
	    memchr(asked.target, '\0', sizeof(asked.target)) == NULL)
		refuse(EPROTO, "the engine's record is not valid");
	else if ((error = check_record(&asked.mount, peer, res.why, sizeof(res.why))) != 0)
		res.error = error;
	else if (!apart && (fcntl(*at, F_GETFL) & O_PATH) == 0)
		refuse(EINVAL, "the mountpoint's descriptor is not one of O_PATH");
	return res.error;
}

/* Where the mount is to be: for a peer that lives where we do and has opened it, become the peer; else go there. 0 or an errno in res. */
static int
find_place(const struct options *opt, const struct peer *peer, int pidfd, int *at)
{
	int error;

	res.owner = peer->uid;
	if (peer_is_apart(peer)) {
		res.error = enter_open(
		    peer, pidfd, asked.target, (asked.mount.flags & MS_RDONLY) != 0, at, res.why, sizeof(res.why));
		if (res.error != 0 || !peer->foreign)
			return res.error;
		res.inside = opt->containers == CONTAINERS_OWN;
		if (opt->containers == CONTAINERS_HOST && asked.mount.allow_other &&
		    !check_user_allow_other(CHECK_FUSE_CONF))
			refuse(EPERM, "allow_other is not for containers: the host's %s has no user_allow_other",
			    CHECK_FUSE_CONF);
		else if (opt->containers == CONTAINERS_HOST)
			res.error = enter_host(peer, opt->below, at, res.why, sizeof(res.why));
		else if (res.inside)
			res.error = enter_peer(peer, pidfd, res.why, sizeof(res.why));
		else
			refuse(EPERM, "containers are not served here");
		return res.error;
	}
	if ((error = sandbox_worker(peer)) != 0)
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
check_place(int at, char *path, size_t room, bool root, const struct peer *peer)
{
	int error = path_of(at, path, room);

	if (error != 0)
		refuse(error, "cannot tell where the mountpoint is: %s", strerror(error));
	else if (strcmp(path, "/") == 0)
		refuse(EBUSY, "mountpoint / cannot be mounted on");
	else if (!res.inside && (error = check_mountpoint(at, path, peer, res.why, sizeof(res.why))) != 0)
		res.error = error; /* (inside, it was checked on the way: numbers mean something else there) */
	else if (root && !peer->root && is_root_of_mount(at))
		refuse(EBUSY, "mountpoint " CHECK_PATH " is a mount's root already, which uid %u may not cover", path,
		    peer->uid);
	return res.error;
}

/* In another user namespace the peer's number is another. 0 or an errno in res. */
static int
learn_owner(int conn)
{
	struct fdp_cred cred;
	int error;

	if (!res.inside)
		return 0;
	if ((error = fdp_peer(conn, &cred)) != 0)
		refuse(error, "cannot tell who asks: %s", strerror(error));
	asked.mount.user_id = res.owner = cred.uid;
	asked.mount.group_id = cred.gid;
	return res.error;
}

/* Mount what the record says. 0 or an errno in res. */
static int
make_mount(int at, const char *path, bool root, int *fuse_fd)
{
	int error;

	if (res.inside)
		res.error = enter_mount(&asked.mount, at, fuse_fd, res.why, sizeof(res.why));
	else if (root && (error = host_linux_mount(&asked.mount, at, fuse_fd)) != 0)
		refuse(error, "cannot mount on " CHECK_PATH ": %s", path, strerror(error));
	else if (!root)
		res.error = host_linux_mount_user(&asked.mount, path, fuse_fd, res.why, sizeof(res.why));
	return res.error;
}

_Noreturn void
worker_mount(const struct options *opt, int chan, int conn, int pidfd, const struct peer *peer, int sock)
{
	static struct priv_answer done = { .id = PRIV_ID_MOUNT };
	static char path[PATH_MAX];
	bool root = geteuid() == 0;
	int fds[] = { sock, chan, conn, pidfd }, at = -1, fuse_fd = -1, error;

	begin(fds, 4);
	if (take_record(fds[1], peer, &at) == 0 && find_place(opt, peer, fds[3], &at) == 0 &&
	    check_place(at, path, sizeof(path), root, peer) == 0 && learn_owner(fds[2]) == 0) {
		/* Before: should we be killed. */
		if ((error = fdp_send(fds[0], &res, sizeof(res), &at, 1)) != 0)
			refuse(error, "cannot mount on " CHECK_PATH ": %s", path, strerror(error));
		else if (make_mount(at, path, root, &fuse_fd) == 0 &&
			 (error = find_mount(TABLE, at, path, res.owner, &res.id)) != 0)
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
worker_unmount(const struct worker_mounted *what, int pidfd, enum worker_task task, const struct peer *peer, int sock)
{
	static char path[PATH_MAX];
	bool root = geteuid() == 0, lazy = task != WORKER_UNMOUNT;
	int fds[] = { sock, what->at, pidfd }, error, found = EIO;
	uint32_t id = what->id;

	begin(fds, 3);
	/* Where there is no way to it any more, its files are nobody's to reach either. */
	if (what->inside && enter_again(peer, fds[2]) != 0)
		refuse(found = EINVAL, "nobody lives in the mount namespace of pid %d any more", peer->pid);
	else if ((error = sandbox_worker(peer)) != 0)
		refuse(error, "cannot become uid %u: %s", peer->uid, strerror(error));
	else if ((error = path_of(fds[1], path, sizeof(path))) != 0)
		refuse(error, "cannot tell where the mountpoint is: %s", strerror(error));
	else if ((found = find_mount(TABLE, fds[1], path, what->owner, &id)) == EINVAL)
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
	else if (fchdir(fds[1]) < 0 || umount2(".", lazy ? MNT_DETACH : 0) < 0)
		refuse(errno, "cannot unmount " CHECK_PATH ": %s", path, strerror(errno));
	if (res.error == 0 && path_of(fds[1], path, sizeof(path)) == 0)
		found = find_mount(TABLE, fds[1], path, what->owner, &id);
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

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a worker does for a peer that lives elsewhere: in another mount namespace, perhaps in another user namespace, too (a container);
 * or a uid 0 without power. Such a peer's mountpoint is opened here and not by its engine: once, below the peer's own root
 * directory, out of which no link leads (openat2(2) with RESOLVE_IN_ROOT), with the peer's uid and no capability, so that the
 * kernel checks the peer's rights and no more.
 *
 * Then the worker goes there itself. From that moment it opens nothing by a path, loads nothing, and uses only what it has brought: its own
 * /proc, /dev/fuse and the mountpoint's descriptor. In another user namespace it has no rights outside, and the file system
 * it mounts is that namespace's: its set-user-id programs and devices mean nothing anywhere else.
 */
#include "perfused/priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ATTEMPTS = 16 /* at a path that is changed while it is walked */ };

static int
open_below(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	const struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = resolve };
	int fd;

	for (int i = 0;
	     (fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how))) < 0 && errno == EAGAIN && i < ATTEMPTS; i++)
		;
	return fd;
}

/* ---- as the peer, for a moment ---- */

/* A user namespace may forbid it; its groups are then its user's. 0 or errno. */
static int
drop_groups(void)
{
	return setgroups(0, NULL) < 0 && errno != EPERM ? errno : 0;
}

/* The peer's uid and gid for files, and no capability; *saved for as_self(). 0 or errno. */
static int
as_peer(const struct peer *peer, cap_t *saved)
{
	cap_t none;
	int error = 0;

	if ((*saved = cap_get_proc()) == NULL)
		return errno;
	if ((none = cap_dup(*saved)) == NULL || drop_groups() != 0 || setegid(peer->gid) < 0 ||
	    seteuid(peer->uid) < 0 || cap_clear_flag(none, CAP_EFFECTIVE) < 0 || cap_set_proc(none) < 0)
		error = errno;
	(void)cap_free(none);
	return error;
}

/* And back. 0 or errno. */
static int
as_self(cap_t saved)
{
	int error = cap_set_proc(saved) < 0 || seteuid(0) < 0 || setegid(0) < 0 || cap_set_proc(saved) < 0 ? errno : 0;

	(void)cap_free(saved);
	return error;
}

/* Open path below dir with the peer's rights; writable: it must be that for the peer. 0 or errno. */
static int
open_as_peer(const struct peer *peer, int dir, const char *path, uint64_t resolve, bool writable, int *out)
{
	cap_t saved;
	int error;

	*out = -1;
	if ((error = as_peer(peer, &saved)) == 0 &&
	    ((*out = open_below(dir, path, O_PATH | O_DIRECTORY, resolve)) < 0 ||
		(writable && faccessat(*out, "", W_OK, AT_EACCESS | AT_EMPTY_PATH) < 0)))
		error = errno;
	if (saved != NULL && as_self(saved) != 0)
		_exit(1); /* neither the peer nor ourselves: nothing may go on like this */
	if (error != 0 && *out >= 0)
		(void)close(*out);
	if (error != 0)
		*out = -1;
	return error;
}

int
enter_open(const struct peer *peer, int pidfd, const char *target, bool readonly, int *at, char *why, size_t whylen)
{
	char name[32];
	int root, error;

	(void)snprintf(name, sizeof(name), "%d/root", peer->pid);
	if ((root = openat(proc_at(), name, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) {
		error = errno == ENOENT ? ESRCH : errno;
		return check_refuse(error, why, whylen, "cannot reach the files of pid %d, who asks: %s", peer->pid,
		    error == ESRCH ? "it has ended" : strerror(error));
	}
	/* Still alive, then it was its root directory. */
	if (pidfd_send_signal(pidfd, 0, NULL, 0) < 0 && errno == ESRCH) {
		(void)close(root);
		return check_refuse(ESRCH, why, whylen, "pid %d, who asked, has ended", peer->pid);
	}
	error = open_as_peer(peer, root, target, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, !readonly, at);
	(void)close(root);
	if (error != 0)
		return check_refuse(error, why, whylen, "mountpoint " CHECK_PATH ": %s (asked for by uid %u of pid %d)",
		    target, strerror(error), peer->uid, peer->pid);
	return check_mountpoint(*at, target, peer, why, whylen);
}

/* ---- on our side ---- */

/* What is left of path below base: "" or "/more"; NULL: it is not below. */
static const char *
rest_of(const char *path, const char *base)
{
	size_t len = strcmp(base, "/") == 0 ? 0 : strlen(base);

	return strncmp(path, base, len) == 0 && (path[len] == '/' || path[len] == '\0') ? path + len : NULL;
}

/* The path of a descriptor's directory within its file system, and that one's device ("8:1"). 0 or errno. */
static int
place_of(const struct peer *peer, int at, char *dev, size_t devroom, char *place, size_t room)
{
	static char path[PATH_MAX];
	char name[32], *line = NULL;
	uint32_t id = mount_of(at);
	int fd, error = path_of(at, path, sizeof(path));
	size_t linesize = 0;
	const char *rest;
	struct entry e;
	FILE *f;

	(void)snprintf(name, sizeof(name), "%d/mountinfo", peer->pid);
	if (error != 0 || id == 0)
		return error != 0 ? error : EIO;
	if ((fd = openat(proc_at(), name, O_RDONLY | O_CLOEXEC)) < 0)
		return errno;
	if ((f = fdopen(fd, "r")) == NULL) {
		(void)close(fd);
		return ENOMEM;
	}
	for (error = ENOENT; error == ENOENT && getline(&line, &linesize, f) >= 0;)
		if (entry_parse(line, peer->uid, &e) && e.id == id && (rest = rest_of(path, e.point)) != NULL) {
			bool fits =
			    (size_t)snprintf(dev, devroom, "%s", e.dev) < devroom &&
			    (size_t)snprintf(place, room, "%s%s", strcmp(e.root, "/") == 0 ? "" : e.root, rest) < room;

			error = fits ? 0 : ENAMETOOLONG;
		}
	free(line);
	(void)fclose(f);
	return error;
}

/* Of one of our mounts: the same directory, when that lies below the folder. A descriptor, or -1. */
static int
try_mount(const struct entry *e, const char *place, const char *below, int dir, const struct stat *same)
{
	static char path[PATH_MAX];
	const char *rest = rest_of(place, e->root);
	struct stat st;
	int fd;

	if (rest == NULL || (size_t)snprintf(path, sizeof(path), "%s%s", strcmp(e->point, "/") == 0 ? "" : e->point,
				rest) >= sizeof(path))
		return -1;
	if ((rest = rest_of(path, below)) == NULL || *rest == '\0')
		return -1;
	/* With our own rights (the folders above a container's may be shut to it): it is taken only if the peer has opened it, too. */
	fd = open_below(
	    dir, rest + 1, O_PATH | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_dev == same->st_dev && st.st_ino == same->st_ino)
		return fd;
	(void)close(fd);
	return -1;
}

int
enter_host(const struct peer *peer, const char *below, int *at, char *why, size_t whylen)
{
	static char place[PATH_MAX];
	char dev[32], *line = NULL;
	int dir = open(below, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, found = -1;
	size_t linesize = 0;
	struct entry e;
	struct stat same = { 0 };
	FILE *f = NULL;
	int error = dir < 0 || fstat(*at, &same) < 0 ? errno : 0;

	if (error == 0)
		error = place_of(peer, *at, dev, sizeof(dev), place, sizeof(place));
	if (error == 0 && ((fd = openat(proc_at(), TABLE, O_RDONLY | O_CLOEXEC)) < 0 || (f = fdopen(fd, "r")) == NULL))
		error = errno;
	while (error == 0 && found < 0 && getline(&line, &linesize, f) >= 0)
		if (entry_parse(line, peer->uid, &e) && strcmp(e.dev, dev) == 0)
			found = try_mount(&e, place, below, dir, &same);
	free(line);
	if (f != NULL)
		(void)fclose(f);
	if (dir >= 0)
		(void)close(dir);
	if (found < 0)
		return check_refuse(error != 0 ? error : EPERM, why, whylen,
		    "the mountpoint is not a directory of the host's below " CHECK_PATH
		    ", where containers may mount%s%s",
		    below, error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
	(void)close(*at);
	*at = found;
	return 0;
}

/* ---- on the peer's side ---- */

static int fuse_device = -1; /* O_PATH, of ours */

/* Whether we are now in the mount namespace that the peer had when it connected. */
static bool
is_there(const struct peer *peer)
{
	struct stat st;

	return fstatat(proc_at(), "self/ns/mnt", &st, 0) == 0 && st.st_dev == peer->ns_dev && st.st_ino == peer->ns_ino;
}

int
enter_peer(const struct peer *peer, int pidfd, char *why, size_t whylen)
{
	int flags = CLONE_NEWNS | (peer->other_user ? CLONE_NEWUSER : 0), error;

	if ((fuse_device = open("/dev/fuse", O_PATH | O_CLOEXEC)) < 0) {
		error = errno;
		return check_refuse(error, why, whylen, "/dev/fuse: %s", strerror(error));
	}
	if (setns(pidfd, flags) < 0) {
		error = errno;
		return check_refuse(error, why, whylen, "cannot enter the namespaces of pid %d, who asks: %s",
		    peer->pid, error == ESRCH ? "it has ended" : strerror(error));
	}
	if (!is_there(peer))
		return check_refuse(
		    ESTALE, why, whylen, "pid %d, who asks, has changed its mount namespace", peer->pid);
	return 0;
}

/* Whether a mount on at would also appear in other mounts, perhaps in other namespaces. */
static bool
propagates(int at)
{
	uint32_t id = mount_of(at);
	int fd = openat(proc_at(), TABLE, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	bool found = false, shared = true;
	char *line = NULL;
	size_t room = 0;
	struct entry e;

	while (f != NULL && !found && getline(&line, &room, f) >= 0)
		if (entry_parse(line, 0, &e) && e.id == id) {
			found = true;
			shared = e.shared;
		}
	free(line);
	if (f != NULL)
		(void)fclose(f);
	else if (fd >= 0)
		(void)close(fd);
	return shared;
}

/* Parameters go one by one, as they are: nothing in a name can be taken for a list. */
static int
set_text(int fs, const char *key, const char *text)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, key, text, 0);
}

static int
set_number(int fs, const char *key, uint32_t value)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", value);
	return set_text(fs, key, text);
}

static int
set_flag(int fs, bool on, const char *key)
{
	return on ? fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0) : 0;
}

/* The file system that m describes, made for this /dev/fuse, not mounted yet. A descriptor, or -1 with errno. */
static int
configure(const struct host_mount *m, int fuse)
{
	int fs = fsopen("fuse", FSOPEN_CLOEXEC), error;

	if (fs < 0)
		return -1;
	if (set_number(fs, "fd", (uint32_t)fuse) == 0 && set_text(fs, "rootmode", "40000") == 0 &&
	    set_number(fs, "user_id", m->user_id) == 0 && set_number(fs, "group_id", m->group_id) == 0 &&
	    set_text(fs, "source", m->source[0] != '\0' ? m->source : "perfuse") == 0 &&
	    (m->subtype[0] == '\0' || set_text(fs, "subtype", m->subtype) == 0) &&
	    (m->max_read == 0 || set_number(fs, "max_read", m->max_read) == 0) &&
	    set_flag(fs, m->allow_other, "allow_other") == 0 &&
	    set_flag(fs, m->default_permissions, "default_permissions") == 0 &&
	    set_flag(fs, (m->flags & MS_RDONLY) != 0, "ro") == 0 &&
	    set_flag(fs, (m->flags & MS_SYNCHRONOUS) != 0, "sync") == 0 &&
	    set_flag(fs, (m->flags & MS_DIRSYNC) != 0, "dirsync") == 0 &&
	    set_flag(fs, (m->flags & MS_LAZYTIME) != 0, "lazytime") == 0 &&
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		return fs;
	error = errno;
	(void)close(fs);
	errno = error;
	return -1;
}

static unsigned
attributes(uint32_t flags)
{
	/* Whatever was asked for: who is apart is no root. */
	unsigned attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

	attr |= (flags & MS_RDONLY) != 0 ? MOUNT_ATTR_RDONLY : 0;
	attr |= (flags & MS_NOEXEC) != 0 ? MOUNT_ATTR_NOEXEC : 0;
	attr |= (flags & MS_NODIRATIME) != 0 ? MOUNT_ATTR_NODIRATIME : 0;
	attr |= (flags & MS_NOATIME) != 0       ? MOUNT_ATTR_NOATIME
		: (flags & MS_STRICTATIME) != 0 ? MOUNT_ATTR_STRICTATIME
						: MOUNT_ATTR_RELATIME;
	return attr;
}

int
enter_mount(const struct host_mount *m, int at, int *fuse_fd, char *why, size_t whylen)
{
	char link[32];
	int fuse, fs = -1, mnt = -1, error = 0;

	if (propagates(at))
		return check_refuse(EINVAL, why, whylen,
		    "the mountpoint lies on a shared mount: a mount there would appear outside, too; make it private "
		    "or a slave");
	/* Opened here and not before: the kernel wants it opened in the user namespace that mounts. */
	(void)snprintf(link, sizeof(link), "self/fd/%d", fuse_device);
	if ((fuse = openat(proc_at(), link, O_RDWR | O_CLOEXEC)) < 0) {
		error = errno;
		return check_refuse(error, why, whylen, "/dev/fuse: %s", strerror(error));
	}
	if ((fs = configure(m, fuse)) < 0 || (mnt = fsmount(fs, FSMOUNT_CLOEXEC, attributes(m->flags))) < 0 ||
	    move_mount(mnt, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		error = errno;
	if (fs >= 0)
		(void)close(fs);
	if (mnt >= 0)
		(void)close(mnt);
	if (error != 0) {
		(void)close(fuse);
		return check_refuse(error, why, whylen, "cannot mount in the container: %s", strerror(error));
	}
	*fuse_fd = fuse;
	return 0;
}

/* ---- and later ---- */

int
enter_again(const struct peer *peer, int pidfd)
{
	struct dirent *d;
	struct stat st;
	char name[NAME_MAX + 16];
	DIR *dir;
	int fd;

	if (setns(pidfd, CLONE_NEWNS) == 0 && is_there(peer))
		return 0;
	/* It has ended. Nothing but those who live there hold that namespace (we do not, or it could never end): look for one. */
	if ((fd = openat(proc_at(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return errno;
	if ((dir = fdopendir(fd)) == NULL) {
		(void)close(fd);
		return ENOMEM;
	}
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] < '1' || d->d_name[0] > '9')
			continue;
		(void)snprintf(name, sizeof(name), "%s/ns/mnt", d->d_name);
		if (fstatat(proc_at(), name, &st, 0) < 0 || st.st_dev != peer->ns_dev || st.st_ino != peer->ns_ino ||
		    (fd = openat(proc_at(), name, O_RDONLY | O_CLOEXEC)) < 0)
			continue;
		if (setns(fd, CLONE_NEWNS) == 0 && is_there(peer)) {
			(void)close(fd);
			(void)closedir(dir);
			return 0;
		}
		(void)close(fd);
	}
	(void)closedir(dir);
	return ESRCH;
}

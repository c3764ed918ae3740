/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asking the kernel about a peer. SO_PEERCRED has the numbers of who connected; more is in /proc under its process number, which is
 * read while a pidfd holds the process, and believed when the process is alive afterwards: then the number was its own all the time.
 * Nothing here waits: no file of the peer's is opened, only its namespaces and capabilities are looked at.
 *
 * uid 0 alone is no root: the root of a container has that number, too, with few capabilities (Docker), or with all of them
 * in a user namespace of its own (rootless ones, which show another number here).
 */
#include "perfused/peer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "perfused/check.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* The peer's pidfd; *sure: the socket's own. 0 or errno. */
static int
open_pidfd(int conn, pid_t pid, int *out, bool *sure)
{
	socklen_t len = sizeof(*out);

	*sure = getsockopt(conn, SOL_SOCKET, SO_PEERPIDFD, out, &len) == 0;
	if (*sure)
		return 0;
	if (errno != ENOPROTOOPT && errno != ENODATA) /* an older kernel; a socket that nobody has connected (DGRAM) */
		return errno;
	return (*out = pidfd_open(pid, 0)) < 0 ? errno : 0;
}

/* Whether the process is in the same namespace of this kind as we; *st is that. 0 or errno. */
static int
compare(pid_t pid, const char *kind, struct stat *st, bool *differs)
{
	char path[64];
	struct stat own;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kind);
	if (stat(path, st) < 0)
		return errno;
	(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	if (stat(path, &own) < 0)
		return errno;
	*differs = st->st_dev != own.st_dev || st->st_ino != own.st_ino;
	return 0;
}

/* Whether it may administer, in its own user namespace. 0 or errno. */
static int
has_power(pid_t pid, bool *yes)
{
	cap_t caps = cap_get_pid(pid);
	cap_flag_value_t on = CAP_CLEAR;
	int error = 0;

	if (caps == NULL || cap_get_flag(caps, CAP_SYS_ADMIN, CAP_EFFECTIVE, &on) < 0)
		error = errno;
	(void)cap_free(caps);
	*yes = on == CAP_SET;
	return error;
}

int
peer_identify(int conn, const struct fdp_cred *cred, struct peer *out, int *pidfd, char *why, size_t whylen)
{
	struct stat mnt, user;
	bool power = false;
	int error;

	*out = (struct peer){ .pid = cred->pid, .uid = cred->uid, .gid = cred->gid };
	*pidfd = -1;
	if (cred->uid == (uid_t)-1)
		return check_refuse(EPERM, why, whylen, "the kernel does not say who it is");
	if (cred->pid <= 0)
		return check_refuse(
		    EPERM, why, whylen, "its process is not to be seen from perfused's process namespace");
	if ((error = open_pidfd(conn, cred->pid, pidfd, &out->sure)) == 0 &&
	    (error = compare(cred->pid, "mnt", &mnt, &out->foreign)) == 0 &&
	    (error = compare(cred->pid, "user", &user, &out->other_user)) == 0)
		error = has_power(cred->pid, &power);
	if (*pidfd >= 0 && pidfd_send_signal(*pidfd, 0, NULL, 0) < 0 && errno == ESRCH)
		error = ESRCH;
	if (error == 0) {
		out->ns_dev = mnt.st_dev;
		out->ns_ino = mnt.st_ino;
		out->root = cred->uid == 0 && power && !out->other_user;
		return 0;
	}
	if (*pidfd >= 0)
		(void)close(*pidfd);
	*pidfd = -1;
	if (error == ESRCH || error == ENOENT || error == EINVAL)
		return check_refuse(ESRCH, why, whylen, "the process that connected has ended");
	return check_refuse(error, why, whylen, "cannot tell which namespaces it lives in: %s", strerror(error));
}

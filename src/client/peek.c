/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking into another process (peek.h): process_vm_readv(2), /proc/PID and pidfd_getfd(2). All of them need the right
 * to trace the process; a supervisor has it for what its own user started, as long as that is dumpable.
 */
#include "client/peek.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

int
peek_bytes(pid_t pid, uint64_t addr, void *buf, size_t len)
{
	struct iovec local = { buf, len }, remote = { (void *)(uintptr_t)addr, len };
	ssize_t n;

	n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
	if (n < 0)
		return errno;
	return (size_t)n == len ? 0 : EFAULT;
}

int
peek_string(pid_t pid, uint64_t addr, char *buf, size_t room, bool cut)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), got = 0;
	int r;

	while (got + 1 < room) {
		size_t n = page - (size_t)(addr & (page - 1)); /* the next page may not be there */

		if (n > room - 1 - got)
			n = room - 1 - got;
		r = peek_bytes(pid, addr, buf + got, n);
		if (r != 0)
			return r;
		if (memchr(buf + got, '\0', n))
			return 0;
		got += n;
		addr += n;
	}
	buf[got] = '\0';
	return cut ? 0 : ENAMETOOLONG;
}

/* What the link /proc/PID/name says. 0 or errno. */
static int
proc_link(pid_t pid, const char *name, char *buf, size_t room)
{
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	n = readlink(path, buf, room);
	if (n < 0)
		return errno;
	if ((size_t)n >= room)
		return ENAMETOOLONG;
	buf[n] = '\0';
	return 0;
}

int
peek_socket(pid_t pid, int fd, uint64_t *ino)
{
	static const char socket[] = "socket:[";
	char name[32], link[64], *end;
	unsigned long long v;
	int r;

	(void)snprintf(name, sizeof(name), "fd/%d", fd);
	r = proc_link(pid, name, link, sizeof(link));
	if (r != 0)
		return r == ENAMETOOLONG ? ENOTSOCK : r;
	if (strncmp(link, socket, sizeof(socket) - 1) != 0)
		return ENOTSOCK;
	errno = 0;
	v = strtoull(link + sizeof(socket) - 1, &end, 10);
	if (*end != ']' || errno != 0)
		return ENOTSOCK;
	*ino = v;
	return 0;
}

bool
peek_same_root(pid_t pid)
{
	char root[4];

	return proc_link(pid, "root", root, sizeof(root)) == 0 && strcmp(root, "/") == 0;
}

bool
peek_same_view(pid_t pid)
{
	char its[64], ours[64];

	return proc_link(pid, "ns/mnt", its, sizeof(its)) == 0 &&
	       proc_link(getpid(), "ns/mnt", ours, sizeof(ours)) == 0 && strcmp(its, ours) == 0 && peek_same_root(pid);
}

int
peek_absolute(pid_t pid, const char *path, char *buf, size_t room)
{
	char cwd[PATH_MAX];
	int n, r;

	if (path[0] == '/')
		n = snprintf(buf, room, "%s", path);
	else {
		r = proc_link(pid, "cwd", cwd, sizeof(cwd));
		if (r != 0)
			return r;
		n = snprintf(buf, room, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, path);
	}
	return n >= 0 && (size_t)n < room ? 0 : ENAMETOOLONG;
}

/* The process of a thread: only that can be had as a pidfd on all kernels. */
static pid_t
thread_group(pid_t tid)
{
	char path[64], line[256];
	int tgid = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (tgid < 0 && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "Tgid:", 5) == 0)
			tgid = (int)strtol(line + 5, NULL, 10);
	}
	(void)fclose(f);
	return tgid;
}

int
peek_dup(pid_t pid, int fd, int *out)
{
	pid_t tgid = thread_group(pid);
	int pidfd, r = 0;

	if (tgid < 0)
		return ESRCH;
	pidfd = (int)syscall(SYS_pidfd_open, tgid, 0);
	if (pidfd < 0)
		return errno;
	*out = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (*out < 0)
		r = errno;
	(void)close(pidfd);
	return r;
}

int
peek_canonical(const char *path, char **out)
{
	char *copy, *slash, *up, *last;
	size_t len;
	int r = 0;

	*out = NULL;
	if (path[0] != '/')
		return EINVAL;
	copy = strdup(path);
	if (!copy)
		return ENOMEM;
	/* "/mnt/", "/mnt/." and "/mnt" are one: the last name is what counts. */
	for (len = strlen(copy); len > 1; len = strlen(copy)) {
		if (copy[len - 1] == '/')
			copy[len - 1] = '\0';
		else if (len > 2 && copy[len - 1] == '.' && copy[len - 2] == '/')
			copy[len - 2] = '\0';
		else if (len == 2 && copy[1] == '.')
			copy[1] = '\0';
		else
			break;
	}
	slash = strrchr(copy, '/');
	last = slash + 1;
	if (*last == '\0' || strcmp(last, "..") == 0) {
		/* The root, or a way up: there is no last name to spare. */
		*out = realpath(copy, NULL);
		r = *out ? 0 : errno;
	} else {
		*slash = '\0';
		up = realpath(slash == copy ? "/" : copy, NULL);
		if (!up)
			r = errno;
		else if (asprintf(out, "%s/%s", strcmp(up, "/") == 0 ? "" : up, last) < 0) {
			*out = NULL;
			r = ENOMEM;
		}
		free(up);
	}
	free(copy);
	return r;
}

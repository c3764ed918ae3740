/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding the engines that run: their control sockets stand in run directories as mounts/PID. A user has one of his own
 * and may reach some in root's, whose folder cannot be listed by him: there, every process number is tried. Root looks
 * into everybody's. A run directory in which somebody else could have put sockets is not looked into.
 */
#include "client/engines.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "ctl/rundir.h"
#include "ctl/status.h"

enum { STATUS_MS = 3000, UNMOUNT_MS = 60 * 1000 };

struct walk {
	engine_fn *fn;
	void *arg;
	const char *request;
	bool stop;
};

int
engines_ask(int sock, const char *request, char *buf, size_t room, size_t *len, int timeout_ms)
{
	unsigned nfds;
	int r;

	r = fdp_send(sock, request, strlen(request), NULL, 0);
	if (r == 0)
		r = fdp_recv(sock, buf, room, len, NULL, 0, &nfds, NULL, timeout_ms);
	return r == 0 && *len == 0 ? ECONNRESET : r;
}

/* A connection to the socket at path. 0 or errno. */
static int
reach(const char *path, int *out)
{
	struct timeval tv = { STATUS_MS / 1000, 0 };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(sun.sun_path))
		return ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	/* An engine that does not take connections must not hold us up. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		r = errno;
		(void)close(fd);
		return r;
	}
	*out = fd;
	return 0;
}

static void
try_socket(struct walk *w, const char *path, bool ours)
{
	char buf[STATUS_MAX];
	struct status st;
	size_t len;
	int fd = -1, r;

	r = reach(path, &fd);
	if (r == ECONNREFUSED && ours)
		(void)unlink(path); /* left behind by one that was killed */
	if (r != 0)
		return;
	if (engines_ask(fd, w->request, buf, sizeof(buf), &len, STATUS_MS) == 0 &&
	    status_parse_answer(buf, len, &st) == 0) {
		w->stop = !w->fn(fd, &st, w->arg);
		status_free(&st);
	}
	(void)close(fd);
}

static void
walk_dir(struct walk *w, const char *rundir, uid_t uid)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct dirent *e;
	char *mounts;
	DIR *d;

	if (!rundir_trusted(rundir, uid) || asprintf(&mounts, "%s/mounts", rundir) < 0)
		return;
	d = opendir(mounts);
	if (!d && errno == EACCES)
		d = opendir("/proc"); /* the numbers of all processes there are */
	while (d && !w->stop && (e = readdir(d)) != NULL) {
		int n = snprintf(path, sizeof(path), "%s/%s", mounts, e->d_name);

		if (isdigit((unsigned char)e->d_name[0]) && n > 0 && (size_t)n < sizeof(path) &&
		    access(path, F_OK) == 0)
			try_socket(w, path, uid == geteuid());
	}
	if (d)
		(void)closedir(d);
	free(mounts);
}

/* Root: all run directories called PREFIX UID SUFFIX in dir. */
static void
walk_users(struct walk *w, const char *dir, const char *prefix, const char *suffix)
{
	struct dirent *e;
	unsigned long uid;
	char *path, *end;
	DIR *d;

	d = opendir(dir);
	while (d && !w->stop && (e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
			continue;
		uid = strtoul(e->d_name + strlen(prefix), &end, 10);
		if (end == e->d_name + strlen(prefix) || *end != '\0' || uid == 0 || (uid_t)uid != uid ||
		    asprintf(&path, "%s/%s%s", dir, e->d_name, suffix) < 0)
			continue;
		walk_dir(w, path, (uid_t)uid);
		free(path);
	}
	if (d)
		(void)closedir(d);
}

void
engines_each(engine_fn *fn, void *arg)
{
	struct status_request rq = { .op = STATUS_OP_STATUS };
	struct walk w = { .fn = fn, .arg = arg };
	uid_t uids[2] = { geteuid(), 0 };
	char *request, *dir;

	if (status_build_request(&rq, &request) != 0)
		return;
	w.request = request;
	for (int i = 0; i < (uids[0] == 0 ? 1 : 2) && !w.stop; i++) {
		if (rundir_path(uids[i], &dir) != 0)
			continue;
		walk_dir(&w, dir, uids[i]);
		free(dir);
	}
	if (uids[0] == 0 && !w.stop) {
		walk_users(&w, "/run/user", "", "/perfuse");
		walk_users(&w, "/tmp", "perfuse-", "");
	}
	free(request);
}

/* ---- unmounting ---- */

struct find {
	const char *mountpoint;
	bool lazy;
	int64_t since, pid; /* of the best so far */
	bool found, asked;
	int error;
	char *message;
};

/* First pass: of several on top of each other, the newest. */
static bool
find_newest(int sock, const struct status *st, void *arg)
{
	struct find *f = arg;

	if (strcmp(st->mountpoint, f->mountpoint) == 0 &&
	    (!f->found || st->since > f->since || (st->since == f->since && st->engine_pid > f->pid))) {
		f->found = true;
		f->since = st->since;
		f->pid = st->engine_pid;
	}
	return true;
}

/* Second pass: ask it. */
static bool
ask_it(int sock, const struct status *st, void *arg)
{
	struct status_request rq = { .op = STATUS_OP_UNMOUNT };
	struct find *f = arg;
	char *request, buf[STATUS_MAX];
	size_t len;

	if (st->engine_pid != f->pid || strcmp(st->mountpoint, f->mountpoint) != 0)
		return true;
	rq.lazy = f->lazy;
	f->asked = true;
	f->error = status_build_request(&rq, &request);
	if (f->error != 0)
		return false;
	f->error = engines_ask(sock, request, buf, sizeof(buf), &len, UNMOUNT_MS);
	free(request);
	if (f->error == 0 && status_parse_result(buf, len, &f->error, &f->message) != 0)
		f->error = EPROTO;
	return false;
}

int
engines_unmount(const char *mountpoint, bool lazy, char **message)
{
	struct find f = { .mountpoint = mountpoint, .lazy = lazy };

	*message = NULL;
	engines_each(find_newest, &f);
	if (f.found)
		engines_each(ask_it, &f);
	*message = f.message;
	return f.asked ? f.error : ENOENT;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls of a supervised daemon. Opening /dev/fuse gives it one end of a socketpair; mounting hands the other
 * end to perfused; cloning gives the same socket once more; unmounting goes to perfused when the mount is one of ours.
 *
 * All else goes on in the kernel as if nobody had looked (CONTINUE). That is no hole: nothing is allowed here that the
 * daemon could not do without us. It is served, not confined, and one that changes a path while we read it only cheats
 * itself. Nor is what was read ever used before the kernel has confirmed that the process still waits in this very
 * call.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "client/filter.h"
#include "client/open.h"
#include "client/peek.h"
#include "client/sup.h"

enum verdict {
	ANSWERED, /* here, or later by a thread */
	GO_ON,    /* let the kernel do it */
};

enum { FSTYPE_MAX = 256, DATA_MAX = 4096 };

int
trap_init(struct sup *s)
{
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0)
		return errno;
	/* A newer kernel may write more than our headers know of. */
	s->req_size = sizes.seccomp_notif > sizeof(*s->req) ? sizes.seccomp_notif : sizeof(*s->req);
	s->resp_size = sizes.seccomp_notif_resp > sizeof(*s->resp) ? sizes.seccomp_notif_resp : sizeof(*s->resp);
	s->req = calloc(1, s->req_size);
	s->resp = calloc(1, s->resp_size);
	return s->req && s->resp ? 0 : ENOMEM;
}

static bool
answer(struct sup *s, uint64_t id, int error, int64_t value, uint32_t flags)
{
	memset(s->resp, 0, s->resp_size);
	s->resp->id = id;
	s->resp->error = -error;
	s->resp->val = value;
	s->resp->flags = flags;
	return ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, s->resp) == 0;
}

bool
trap_answer(struct sup *s, uint64_t id, int error)
{
	return s->listener >= 0 && answer(s, id, error, 0, 0);
}

/* Answer the call that is being handled: error, or 0 for done. */
static enum verdict
finish(struct sup *s, int error)
{
	(void)answer(s, s->req->id, error, 0, 0);
	return ANSWERED;
}

void
trap_go_on(struct sup *s, uint64_t id)
{
	(void)answer(s, id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

bool
trap_waits(struct sup *s, uint64_t id)
{
	return s->listener >= 0 && ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* Does the process still wait in the call that we are looking at? Then what was read from it was its own. */
static bool
still_there(struct sup *s)
{
	return trap_waits(s, s->req->id);
}

/* A string argument. Returns its length, or -1: absent or not readable. */
static int
string_arg(struct sup *s, unsigned arg, char *buf, size_t room, bool cut)
{
	uint64_t addr = s->req->data.args[arg];

	int r;

	buf[0] = '\0';
	if (addr == 0)
		return -1;
	r = peek_string((pid_t)s->req->pid, addr, buf, room, cut);
	s->blind = s->blind || r == EPERM;
	return r == 0 && still_there(s) ? (int)strlen(buf) : -1;
}

/* Is this a way to write "/dev/fuse"? By its letters only: resolving it could lead into a mount of the daemon's own. */
static bool
is_dev_fuse(const char *path)
{
	static const char *const names[] = { "dev", "fuse" };

	if (*path != '/')
		return false;
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(names[i]);

		while (*path == '/' || (path[0] == '.' && path[1] == '/'))
			path++;
		if (strncmp(path, names[i], n) != 0)
			return false;
		path += n;
		if (*path != (i == 0 ? '/' : '\0'))
			return false;
	}
	return true;
}

/* Give the waiting process a copy of fd as the result of its call. The new number, or -1 with errno. */
static int
give_fd(struct sup *s, int fd, bool cloexec)
{
	struct seccomp_notif_addfd add = { .id = s->req->id,
		.flags = SECCOMP_ADDFD_FLAG_SEND,
		.srcfd = (uint32_t)fd,
		.newfd_flags = cloexec ? O_CLOEXEC : 0 };
	int r;

	r = ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	if (r < 0 && errno == EINVAL) { /* before Linux 5.14: in two steps */
		add.flags = 0;
		r = ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
		if (r >= 0)
			(void)answer(s, s->req->id, 0, r, 0);
	}
	return r;
}

static int
make_socket(struct sup *s, int *daemon_end, struct served **out)
{
	struct served *v;
	struct stat st;
	size_t sndbuf = 0;
	int sv[2], r;

	r = fdp_pair(SOCK_SEQPACKET, sv);
	if (r != 0)
		return r;
	r = fdp_buffers(sv[0], client_bufsize(), &sndbuf);
	if (r == 0)
		r = fdp_buffers(sv[1], client_bufsize(), NULL);
	if (r == 0 && fstat(sv[0], &st) != 0)
		r = errno;
	if (r == 0)
		r = serve_new(s, &v);
	if (r != 0) {
		(void)close(sv[0]);
		(void)close(sv[1]);
		return r;
	}
	v->ino = st.st_ino;
	v->sndbuf = (uint32_t)sndbuf;
	v->engine_fd = sv[1];
	*daemon_end = sv[0];
	*out = v;
	return 0;
}

static enum verdict
trap_open(struct sup *s, unsigned path_arg)
{
	int flags = (int)s->req->data.args[path_arg + 1], fd = -1, r;
	char path[PATH_MAX];
	struct served *v = NULL;

	/* Memory that cannot be read (a process that is not dumpable) is left to the kernel, like any other path. */
	if (string_arg(s, path_arg, path, sizeof(path), false) < 0 || !is_dev_fuse(path))
		return GO_ON;
	if (s->ending)
		return finish(s, ECANCELED);
	r = make_socket(s, &fd, &v);
	if (r != 0)
		return finish(s, r);
	if (flags & O_NONBLOCK)
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	if (give_fd(s, fd, (flags & O_CLOEXEC) != 0) < 0) {
		r = errno;
		serve_free(s, v);
		(void)finish(s, r);
	}
	(void)close(fd);
	return ANSWERED;
}

/* A refusal that the daemon sees only as an error number is remembered for who started it. */
static enum verdict
refuse(struct sup *s, int error, const char *target, const char *why)
{
	s->was_tried = true;
	s->refused_error = error;
	(void)client_fail(s->refused, sizeof(s->refused), error, "%s: %s", target, why);
	if (s->was_ready)
		sup_say(s, "%s", s->refused);
	return finish(s, error);
}

static bool
is_fuse_type(const char *type)
{
	size_t n = strncmp(type, "fuseblk", 7) == 0 ? 7 : 4;

	return strncmp(type, "fuse", 4) == 0 && (type[n] == '\0' || type[n] == '.');
}

/* The descriptor that mount data names with fd=. -1: none. */
static int
data_fd(const char *data)
{
	struct mountopts o;
	char *bad = NULL;
	int fd = -1;

	if (mountopts_parse(data, &o, &bad) == 0) {
		fd = o.fd;
		mountopts_free(&o);
	}
	free(bad);
	return fd;
}

static enum verdict
trap_mount(struct sup *s)
{
	const __u64 *args = s->req->data.args;
	unsigned long flags = (unsigned long)args[3];
	char type[FSTYPE_MAX], target[PATH_MAX], path[2 * PATH_MAX], source[PATH_MAX], data[DATA_MAX];
	pid_t pid = (pid_t)s->req->pid;
	struct served *v;
	uint64_t ino = 0;
	bool has_source;
	int fd, r;

	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(unsigned long)MS_MGC_MSK;
	if ((flags & (MS_REMOUNT | MS_BIND | MS_MOVE | MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)) != 0)
		return GO_ON;
	if (string_arg(s, 2, type, sizeof(type), false) < 0 || !is_fuse_type(type) ||
	    string_arg(s, 1, target, sizeof(target), false) < 0)
		return GO_ON;
	has_source = string_arg(s, 0, source, sizeof(source), false) >= 0;
	(void)string_arg(s, 4, data, sizeof(data), true);
	fd = data_fd(data);
	r = fd < 0 ? EINVAL : peek_socket(pid, fd, &ino);
	v = r == 0 ? serve_by_ino(s, ino) : NULL;
	if (!v) /* not a descriptor of ours: whatever it is, the kernel knows */
		return GO_ON;
	r = peek_absolute(pid, target, path, sizeof(path));
	if (r == 0 && !still_there(s))
		return ANSWERED;
	if (r != 0)
		return finish(s, r);
	if (!peek_same_view(pid))
		return refuse(
		    s, EPERM, path, "mounting from another mount namespace or root directory is not supported");
	if (v->state == SERVED_MOUNTING && strcmp(v->target, path) == 0) {
		v->waiting.id = s->req->id; /* a signal made the daemon ask once more */
		return ANSWERED;
	}
	if (v->state != SERVED_OPEN)
		return refuse(s, EBUSY, path, "this session is mounted already");
	if (s->ending)
		return finish(s, ECANCELED);
	r = serve_mount(s, v,
	    &(struct client_mount){
		.source = has_source ? source : NULL,
		.target = path,
		.filesystemtype = type,
		.data = data,
		.flags = (uint32_t)flags,
		.sndbuf = v->sndbuf,
	    },
	    (struct asker){ .id = s->req->id });
	return r == 0 ? ANSWERED : finish(s, r);
}

static enum verdict
trap_umount(struct sup *s, unsigned long flags)
{
	char target[PATH_MAX], path[2 * PATH_MAX];
	int r;

	if (string_arg(s, 0, target, sizeof(target), false) < 0 ||
	    peek_absolute((pid_t)s->req->pid, target, path, sizeof(path)) != 0)
		return GO_ON;
	if (!peek_same_view((pid_t)s->req->pid))
		return GO_ON;
	r = serve_resolve(s, path, (flags & MNT_DETACH) != 0, (struct asker){ .id = s->req->id });
	return r == 0 ? ANSWERED : finish(s, r);
}

/*
 * A second descriptor of a session: the same socket under the number that was opened for it. Each packet goes to one
 * reader.
 */
static enum verdict
trap_clone(struct sup *s)
{
	struct seccomp_notif_addfd add = { .id = s->req->id, .flags = SECCOMP_ADDFD_FLAG_SETFD };
	const __u64 *args = s->req->data.args;
	pid_t pid = (pid_t)s->req->pid;
	struct served *placeholder;
	uint64_t ino, master_ino;
	uint32_t master;
	int fd = -1, r = 0;

	if (peek_bytes(pid, args[2], &master, sizeof(master)) != 0 || peek_socket(pid, (int)args[0], &ino) != 0)
		return GO_ON;
	placeholder = serve_by_ino(s, ino);
	if (!placeholder || peek_socket(pid, (int)master, &master_ino) != 0 || !serve_by_ino(s, master_ino))
		return GO_ON;
	if (ino != master_ino) {
		/* Fetched now and not kept: a copy of ours would hide from the engine that the daemon has died. */
		r = peek_dup(pid, (int)master, &fd);
		if (r == 0) {
			add.srcfd = (uint32_t)fd;
			add.newfd = (uint32_t)args[0];
			add.newfd_flags = O_CLOEXEC;
			if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
				r = errno;
			(void)close(fd);
		}
	}
	return finish(s, r); /* The placeholder's other end hears that nobody holds it any more. */
}

void
trap_handle(struct sup *s)
{
	enum verdict v = GO_ON;

	memset(s->req, 0, s->req_size);
	if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, s->req) != 0)
		return; /* ENOENT: it was killed meanwhile */
	switch (filter_call(s->req->data.arch, s->req->data.nr)) {
	case FILTER_OPEN:
		v = trap_open(s, 0);
		break;
	case FILTER_OPENAT:
		v = trap_open(s, 1);
		break;
	case FILTER_MOUNT:
		v = trap_mount(s);
		break;
	case FILTER_UMOUNT:
		v = trap_umount(s, 0);
		break;
	case FILTER_UMOUNT2:
		v = trap_umount(s, (unsigned long)s->req->data.args[1]);
		break;
	case FILTER_IOCTL:
		v = trap_clone(s);
		break;
	case FILTER_OTHER:
		break;
	}
	if (v == GO_ON)
		trap_go_on(s, s->req->id);
}

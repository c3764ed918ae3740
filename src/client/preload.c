/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libperfuse-preload.so: stands between a dynamic daemon and its C library (LD_PRELOAD), and makes of /dev/fuse what
 * perfuse_open() and perfuse_mount() make of it. All other calls go on unchanged. A set-user-id program's loader ignores it,
 * and static programs and those that make their system calls themselves (Go's) never come by.
 *
 * A daemon of ours is told the truth as /dev/fuse tells it: when the mount is gone, reading and writing fail with ENODEV (a
 * socket would say end of file or EPIPE, with SIGPIPE). A reply that is spliced goes out whole, and pipes keep their size.
 *
 * What is a FUSE socket is known by its inode number, which duplicates share and forked children inherit; a small table by
 * descriptor number spares others the question. Both are written without locks (a fork may happen at any time) and a stale
 * entry does no harm. Nothing here may allocate or print on the way of a request.
 */
#undef _FILE_OFFSET_BITS /* it would make open() another name of open64() */
#undef _FORTIFY_SOURCE   /* and this, both of them inline */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "client/broker.h"
#include "client/open.h"
#include "client/peek.h"
#include "ctl/mountopts.h"

#define CLONE 0x8004e500U /* FUSE_DEV_IOC_CLONE */

enum {
	SESSIONS = 256,      /* remembered; the oldest is forgotten */
	HINTS = 4096,        /* descriptors that may be FUSE sockets */
	TARGETS = 64,        /* mountpoints remembered */
	WHOLE_MAX = 1 << 21, /* bytes of a reply */
};

static _Atomic(ino_t) sessions[SESSIONS];
static atomic_uint session_next;
static atomic_bool any; /* is there a session at all? */
static atomic_uchar hints[HINTS];

/* Where this process and its forebears mounted, without a broker to know it: inode of the session and the path. */
static struct {
	_Atomic(ino_t) ino;
	_Atomic(char *) path;
	atomic_bool gone; /* its end has been read: whatever is there now is another's */
} targets[TARGETS];
static atomic_uint target_next;

/* ---- the C library's own ---- */

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a name, not an expression */
#define REAL(name) ((__typeof__(&name))real(#name, &name##_real))
#define DECLARE(name) static _Atomic(void *) name##_real

DECLARE(open);
DECLARE(open64);
DECLARE(openat);
DECLARE(openat64);
DECLARE(mount);
DECLARE(umount);
DECLARE(umount2);
DECLARE(ioctl);
DECLARE(fcntl);
DECLARE(read);
DECLARE(readv);
DECLARE(recv);
DECLARE(write);
DECLARE(writev);
DECLARE(splice);

static void *
real(const char *name, _Atomic(void *) *slot)
{
	void *f = atomic_load_explicit(slot, memory_order_acquire);

	if (f == NULL) {
		f = dlsym(RTLD_NEXT, name);
		if (f == NULL)
			abort(); /* a C library without it would not have loaded us */
		atomic_store_explicit(slot, f, memory_order_release);
	}
	return f;
}

/* Look all of them up before threads and forks. */
__attribute__((constructor)) static void
look_up(void)
{
	(void)REAL(open);
	(void)REAL(open64);
	(void)REAL(openat);
	(void)REAL(openat64);
	(void)REAL(mount);
	(void)REAL(umount);
	(void)REAL(umount2);
	(void)REAL(ioctl);
	(void)REAL(fcntl);
	(void)REAL(read);
	(void)REAL(readv);
	(void)REAL(recv);
	(void)REAL(write);
	(void)REAL(writev);
	(void)REAL(splice);
}

/* ---- which descriptors are ours ---- */

static void
hint(int fd)
{
	if (fd >= 0 && fd < HINTS)
		atomic_store_explicit(&hints[fd], 1, memory_order_relaxed);
	atomic_store(&any, true);
}

static bool
hinted(int fd)
{
	return fd >= 0 && fd < HINTS && atomic_load_explicit(&hints[fd], memory_order_relaxed) != 0;
}

/* The inode number of the FUSE socket fd, or 0: it is none. errno stays as it is. */
static ino_t
session_of(int fd)
{
	int saved = errno;
	struct stat st;
	ino_t ino = 0;

	if (!atomic_load_explicit(&any, memory_order_relaxed))
		return 0;
	if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode)) {
		for (int i = 0; i < SESSIONS && ino == 0; i++)
			if (atomic_load_explicit(&sessions[i], memory_order_relaxed) == st.st_ino)
				ino = st.st_ino;
	}
	errno = saved;
	return ino;
}

static void
remember(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return;
	atomic_store(&sessions[atomic_fetch_add(&session_next, 1) % SESSIONS], st.st_ino);
	hint(fd);
}

/* The end of a session as /dev/fuse has it: n, or -1 and ENODEV. */
static ssize_t
ended(int fd, ssize_t n, size_t wanted)
{
	ino_t ino;

	if (!((n == 0 && wanted > 0) || (n < 0 && (errno == ECONNRESET || errno == EPIPE))))
		return n;
	ino = session_of(fd);
	if (ino == 0)
		return n;
	for (int i = 0; i < TARGETS; i++)
		if (atomic_load(&targets[i].ino) == ino)
			atomic_store(&targets[i].gone, true);
	errno = ENODEV;
	return -1;
}

/* ---- open ---- */

static int
say(int error, const char *why)
{
	return client_refuse(error, why);
}

static int
open_session(int flags)
{
	char why[CLIENT_WHY_MAX];
	int fd, error;

	error = broker_open(true, &fd, why, sizeof(why));
	if (error != 0)
		return say(error, why);
	if ((flags & O_CLOEXEC) == 0)
		(void)REAL(fcntl)(fd, F_SETFD, 0);
	if ((flags & O_NONBLOCK) != 0)
		(void)REAL(fcntl)(fd, F_SETFL, O_NONBLOCK);
	remember(fd);
	return fd;
}

static bool
is_fuse(const char *path, int flags)
{
	return path != NULL && path[0] == '/' && (flags & (O_PATH | O_DIRECTORY)) == 0 &&
	       strcmp(path, "/dev/fuse") == 0;
}

static mode_t
take_mode(int flags, va_list ap)
{
	return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
}

#define OPEN(name)                                                                                                     \
	int name(const char *path, int flags, ...)                                                                     \
	{                                                                                                              \
		va_list ap;                                                                                            \
                                                                                                                       \
		if (is_fuse(path, flags))                                                                              \
			return open_session(flags);                                                                    \
		va_start(ap, flags);                                                                                   \
		mode_t mode = take_mode(flags, ap);                                                                    \
		va_end(ap);                                                                                            \
		return REAL(name)(path, flags, mode);                                                                  \
	}
#define OPENAT(name)                                                                                                   \
	int name(int dir, const char *path, int flags, ...)                                                            \
	{                                                                                                              \
		va_list ap;                                                                                            \
                                                                                                                       \
		if (is_fuse(path, flags))                                                                              \
			return open_session(flags);                                                                    \
		va_start(ap, flags);                                                                                   \
		mode_t mode = take_mode(flags, ap);                                                                    \
		va_end(ap);                                                                                            \
		return REAL(name)(dir, path, flags, mode);                                                             \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

/* What fortified programs call: without a mode. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

int
__open_2(const char *path, int flags)
{
	return open(path, flags, 0);
}

int
__open64_2(const char *path, int flags)
{
	return open64(path, flags, 0);
}

int
__openat_2(int dir, const char *path, int flags)
{
	return openat(dir, path, flags, 0);
}

int
__openat64_2(int dir, const char *path, int flags)
{
	return openat64(dir, path, flags, 0);
}

/* ---- mount and unmount ---- */

/* A path without links and dots, newly allocated; what is mounted there is not asked, for that is this process. NULL: none. */
static char *
canonical(const char *path)
{
	char why[CLIENT_WHY_MAX], *full, *out = NULL;

	if (client_absolute(path, &full, why, sizeof(why)) != 0)
		return NULL;
	if (peek_canonical(full, &out) != 0)
		out = NULL;
	free(full);
	return out;
}

/* The FUSE socket that mount data names, or -1. */
static int
data_session(const char *type, const void *data)
{
	struct mountopts o;
	char *bad = NULL;
	int fd = -1;

	if (type == NULL || data == NULL || strncmp(type, "fuse", 4) != 0 || !atomic_load(&any))
		return -1;
	if (mountopts_parse(data, &o, &bad) == 0) {
		fd = o.fd;
		mountopts_free(&o);
	}
	free(bad);
	return fd >= 0 && session_of(fd) != 0 ? fd : -1;
}

/* Remember where the session fd is mounted: libfuse, run as root, unmounts what is there when it ends. */
static void
remember_target(int fd, const char *target)
{
	unsigned i = atomic_fetch_add(&target_next, 1) % TARGETS;
	struct stat st;
	char *path;

	if (fstat(fd, &st) != 0 || (path = canonical(target)) == NULL)
		return;
	atomic_store(&targets[i].ino, 0);
	(void)atomic_exchange(&targets[i].path, path); /* an old one stays allocated: another thread may look at it */
	atomic_store(&targets[i].gone, false);
	atomic_store(&targets[i].ino, st.st_ino);
}

int
mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
{
	char why[CLIENT_WHY_MAX];
	int fd = data_session(type, data), error;

	if (fd < 0 || target == NULL)
		return REAL(mount)(source, target, type, flags, data);
	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(unsigned long)MS_MGC_MSK;
	error = broker_mount(fd,
	    &(struct client_mount){ .source = source,
		.target = target,
		.filesystemtype = type,
		.data = data,
		.flags = (uint32_t)flags,
		.fuse_sock = -1 },
	    why, sizeof(why));
	if (error != 0)
		return say(error, why);
	remember(fd); /* it may be another socket now */
	remember_target(fd, target);
	return 0;
}

/* Is this the place of a mount of ours of which nothing is left? Without a broker: it would know. */
static bool
is_gone(const char *path)
{
	bool found = false, live = false;
	char *where;

	if (!atomic_load(&any) || (where = canonical(path)) == NULL)
		return false;
	for (int i = 0; i < TARGETS; i++) {
		char *p = atomic_load(&targets[i].path);

		if (p == NULL || strcmp(p, where) != 0)
			continue;
		found = true;
		live = live || !atomic_load(&targets[i].gone);
	}
	free(where);
	return found && !live;
}

/* Answer an unmount. True with *result; false: it is none of ours, or for the kernel to do. */
static bool
unmount_ours(const char *path, int flags, int *result)
{
	char why[CLIENT_WHY_MAX] = "";
	int error;

	if (path == NULL)
		return false;
	*result = 0;
	if (!broker_named())
		return is_gone(path);
	error = broker_unmount(path, (flags & MNT_DETACH) != 0, why, sizeof(why));
	if (error == ENOENT)
		return false;
	*result = error == 0 ? 0 : -1;
	if (error != 0)
		errno = error;
	return true;
}

int
umount2(const char *path, int flags)
{
	int result;

	return unmount_ours(path, flags, &result) ? result : REAL(umount2)(path, flags);
}

int
umount(const char *path)
{
	int result;

	return unmount_ours(path, 0, &result) ? result : REAL(umount)(path);
}

/* ---- descriptors ---- */

int
ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	/* (From an int, a program may have extended the sign.) */
	if ((uint32_t)request == CLONE && arg != NULL && session_of(fd) != 0) {
		uint32_t master;
		int flags;

		memcpy(&master, arg, sizeof(master));
		flags = REAL(fcntl)(fd, F_GETFD);
		if (session_of((int)master) == 0) {
			errno = EINVAL;
			return -1;
		}
		/* The same socket under both numbers: each packet goes to one reader. */
		if (dup3((int)master, fd, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0) < 0)
			return -1;
		hint(fd);
		return 0;
	}
	return REAL(ioctl)(fd, request, arg);
}

static int
fcntl_either(int fd, int cmd, void *arg)
{
	if (cmd == F_SETPIPE_SZ) {
		errno = EPERM;
		return -1;
	}
	int r = REAL(fcntl)(fd, cmd, arg);
	if (r >= 0 && (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) && hinted(fd))
		hint(r);
	return r;
}

#define FCNTL(name)                                                                                                    \
	int name(int fd, int cmd, ...)                                                                                 \
	{                                                                                                              \
		va_list ap;                                                                                            \
                                                                                                                       \
		va_start(ap, cmd);                                                                                     \
		void *arg = va_arg(ap, void *);                                                                        \
		va_end(ap);                                                                                            \
		return fcntl_either(fd, cmd, arg);                                                                     \
	}
FCNTL(fcntl)
FCNTL(fcntl64)

/* ---- the traffic ---- */

ssize_t
read(int fd, void *buf, size_t len)
{
	return ended(fd, REAL(read)(fd, buf, len), len);
}

ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);

ssize_t
__read_chk(int fd, void *buf, size_t len, size_t room)
{
	if (len > room)
		abort(); /* as the C library does */
	return read(fd, buf, len);
}

ssize_t
readv(int fd, const struct iovec *iov, int n)
{
	return ended(fd, REAL(readv)(fd, iov, n), n > 0);
}

ssize_t
recv(int fd, void *buf, size_t len, int flags)
{
	return ended(fd, REAL(recv)(fd, buf, len, flags), len);
}

/* On a socket: without SIGPIPE. Returns false when it is none. */
static bool
send_quietly(int fd, const struct iovec *iov, int n, ssize_t *result)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n > 0 ? (size_t)n : 0 };

	if (!hinted(fd))
		return false;
	*result = sendmsg(fd, &msg, MSG_NOSIGNAL);
	if (*result < 0 && errno == ENOTSOCK)
		return false;
	*result = ended(fd, *result, 0);
	return true;
}

ssize_t
write(int fd, const void *buf, size_t len)
{
	const struct iovec iov = { (void *)(uintptr_t)buf, len };
	ssize_t r;

	return send_quietly(fd, &iov, 1, &r) ? r : REAL(write)(fd, buf, len);
}

ssize_t
writev(int fd, const struct iovec *iov, int n)
{
	ssize_t r;

	return send_quietly(fd, iov, n, &r) ? r : REAL(writev)(fd, iov, n);
}

/* From a pipe to a FUSE socket: one packet, whatever pages it is made of. */
static ssize_t
splice_whole(int from, int to, size_t len)
{
	size_t got = 0;
	ssize_t n = 0;
	char *buf;

	if (len > WHOLE_MAX) {
		errno = EINVAL;
		return -1;
	}
	buf = malloc(len > 0 ? len : 1);
	if (buf == NULL)
		return -1;
	while (got < len && (n = REAL(read)(from, buf + got, len - got)) > 0)
		got += (size_t)n;
	n = got > 0 ? ended(to, send(to, buf, got, MSG_NOSIGNAL), 0) : n;
	free(buf);
	return n;
}

ssize_t
splice(int from, off_t *from_off, int to, off_t *to_off, size_t len, unsigned flags)
{
	if (hinted(to) && session_of(to) != 0)
		return splice_whole(from, to, len);
	return ended(from, REAL(splice)(from, from_off, to, to_off, len, flags), len);
}

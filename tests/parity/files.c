/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls on open files: opening, data, mappings, locks. Each function does one call with the arguments of its row in table.c
 * (in that order), returns as the system call does, and writes what it saw with out(). A slot that is not open stands for the
 * descriptor -1: the call is made all the same, and EBADF is its result.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>
#include "parity.h"

#define SLOT(i) ((unsigned)(a[i].n) % FDS)
#define FD(i) (a[i].n < 0 ? -1 : c->fd[SLOT(i)])
#define SIZE(i) ((size_t)(a[i].n) % (ROOM + 1))

enum { PAGE = 4096 };

/* ---- opening ---- */

/* FD into the slot, in place of what was open there. */
static int64_t
take(struct ctx *c, unsigned slot, int fd)
{
	if (fd < 0)
		return -1;
	if (c->fd[slot] >= 0)
		close(c->fd[slot]);
	c->fd[slot] = fd;
	memset(c->cookie[slot], 0, sizeof(c->cookie[slot]));
	return 0;
}

static int
open_flags(const struct ctx *c, int64_t flags)
{
	return (int)flags | (c->side->fifo && (flags & O_PATH) == 0 ? O_NONBLOCK : 0);
}

CALL(open)
{
	return take(c, SLOT(0), open(a[1].s, open_flags(c, a[2].n), (mode_t)a[3].n));
}

CALL(openat)
{
	int at = a[1].n < 0 ? AT_FDCWD : FD(1);

	return take(c, SLOT(0), openat(at, a[2].s, open_flags(c, a[3].n), (mode_t)a[4].n));
}

CALL(creat)
{
	return take(c, SLOT(0), open(a[1].s, open_flags(c, O_CREAT | O_WRONLY | O_TRUNC), (mode_t)a[2].n));
}

CALL(byhandle)
{
	struct {
		struct file_handle head;
		char bytes[MAX_HANDLE_SZ];
	} handle = { .head.handle_bytes = MAX_HANDLE_SZ };
	int mount;

	if (name_to_handle_at(AT_FDCWD, a[1].s, &handle.head, &mount, 0) < 0)
		return -1;
	return take(c, SLOT(0), open_by_handle_at(c->root, &handle.head, open_flags(c, a[2].n)));
}

CALL(close)
{
	int fd = FD(0);

	c->fd[SLOT(0)] = -1;
	return close(fd);
}

CALL(dup)
{
	return take(c, SLOT(1), dup(FD(0)));
}

/* ---- data ---- */

static void
out_data(struct result *r, const char *data, int64_t n)
{
	if (n > 0)
		out(r, " data=%02x%02x..%016jx", (unsigned char)data[0], (unsigned char)data[n - 1],
		    (uintmax_t)hash_bytes(1, data, (size_t)n));
}

CALL(read)
{
	int64_t n = read(FD(0), c->room, SIZE(1));

	out_data(r, c->room, n);
	return n;
}

CALL(pread)
{
	int64_t n = pread(FD(0), c->room, SIZE(1), a[2].n);

	out_data(r, c->room, n);
	return n;
}

CALL(write)
{
	pattern(c->room, SIZE(1), (uint64_t)a[2].n);
	return write(FD(0), c->room, SIZE(1));
}

CALL(pwrite)
{
	pattern(c->room, SIZE(1), (uint64_t)a[3].n);
	return pwrite(FD(0), c->room, SIZE(1), a[2].n);
}

/* The room in PARTS uneven pieces that follow each other. */
static int
pieces(struct ctx *c, struct iovec *iov, size_t size, int64_t parts)
{
	int n = (int)(parts % 8 + 1);
	size_t at = 0;

	for (int i = 0; i < n; i++) {
		iov[i].iov_base = c->room + at;
		iov[i].iov_len = i == n - 1 ? size - at : (size - at) / 3;
		at += iov[i].iov_len;
	}
	return n;
}

CALL(readv)
{
	struct iovec iov[8];
	int64_t n = readv(FD(0), iov, pieces(c, iov, SIZE(1), a[2].n));

	out_data(r, c->room, n);
	return n;
}

CALL(writev)
{
	struct iovec iov[8];

	pattern(c->room, SIZE(1), (uint64_t)a[3].n);
	return writev(FD(0), iov, pieces(c, iov, SIZE(1), a[2].n));
}

CALL(preadv2)
{
	struct iovec iov[8];
	int64_t n = preadv2(FD(0), iov, pieces(c, iov, SIZE(1), 2), a[2].n, (int)a[3].n);

	out_data(r, c->room, n);
	return n;
}

CALL(pwritev2)
{
	struct iovec iov[8];

	pattern(c->room, SIZE(1), (uint64_t)a[3].n);
	return pwritev2(FD(0), iov, pieces(c, iov, SIZE(1), 2), a[2].n, (int)a[4].n);
}

/* Not on directories: what a place in one is, only the daemon knows, and some daemons die of one that they did not give. */
CALL(lseek)
{
	struct statx stx;

	if (statx(FD(0), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) == 0 && S_ISDIR(stx.stx_mode)) {
		errno = EISDIR;
		return -1;
	}
	return lseek(FD(0), a[1].n, (int)a[2].n);
}

CALL(ftruncate)
{
	return ftruncate(FD(0), a[1].n);
}

CALL(fallocate)
{
	return fallocate(FD(0), (int)a[1].n, a[2].n, a[3].n);
}

CALL(copy_file_range)
{
	off64_t from = a[1].n, to = a[3].n;
	int64_t n = copy_file_range(FD(0), from < 0 ? NULL : &from, FD(2), to < 0 ? NULL : &to, SIZE(4), 0);

	out(r, " at=%jd,%jd", (intmax_t)from, (intmax_t)to);
	return n;
}

CALL(sendfile)
{
	off64_t from = a[2].n;
	int64_t n = sendfile64(FD(0), FD(1), from < 0 ? NULL : &from, SIZE(3));

	out(r, " at=%jd", (intmax_t)from);
	return n;
}

CALL(splice)
{
	off64_t from = a[1].n, to = a[3].n;
	int64_t n, m = 0, left;

	n = splice(FD(0), from < 0 ? NULL : &from, c->pipe[1], NULL, SIZE(4), SPLICE_F_NONBLOCK);
	if (n <= 0)
		return n;
	m = splice(c->pipe[0], NULL, FD(2), to < 0 ? NULL : &to, (size_t)n, SPLICE_F_NONBLOCK);
	left = n - (m < 0 ? 0 : m);
	out(r, " out=%jd%s at=%jd,%jd", (intmax_t)m, m < 0 ? strerrorname_np(errno) : "", (intmax_t)from, (intmax_t)to);
	while (left > 0) {
		int64_t rest = read(c->pipe[0], c->room, left < ROOM ? (size_t)left : ROOM);
		if (rest <= 0)
			break;
		out_data(r, c->room, rest);
		left -= rest;
	}
	return n;
}

/* ---- mappings ---- */

static sigjmp_buf fault;

static void
on_fault(int signal)
{
	siglongjmp(fault, signal);
}

/* Copy between room and mapping. A page behind the end of the file, or one that is read-only, is a result as another. */
static int64_t
touch(struct result *r, char *to, const char *from, size_t n)
{
	struct sigaction act = { .sa_handler = on_fault }, before[2];
	int64_t ret = (int64_t)n;
	int signal;

	sigaction(SIGBUS, &act, &before[0]);
	sigaction(SIGSEGV, &act, &before[1]);
	signal = sigsetjmp(fault, 1);
	if (signal == 0) {
		memcpy(to, from, n);
	} else {
		out(r, " SIG%s", sigabbrev_np(signal));
		ret = 0;
	}
	sigaction(SIGBUS, &before[0], NULL);
	sigaction(SIGSEGV, &before[1], NULL);
	return ret;
}

CALL(munmap)
{
	unsigned m = (unsigned)a[0].n % MAPS;
	int ret;

	if (c->map[m].at == NULL) {
		errno = EBADF;
		return -1;
	}
	ret = munmap(c->map[m].at, c->map[m].size);
	c->map[m].at = NULL;
	return ret;
}

CALL(mmap)
{
	unsigned m = (unsigned)a[0].n % MAPS;
	size_t size = SIZE(3) == 0 ? PAGE : SIZE(3);
	off_t at = (off_t)((uint64_t)a[2].n / PAGE * PAGE);
	char *map = mmap(NULL, size, (int)a[4].n, (int)a[5].n, FD(1), at);

	if (map == MAP_FAILED)
		return -1;
	if (c->map[m].at != NULL)
		munmap(c->map[m].at, c->map[m].size);
	c->map[m].at = map;
	c->map[m].size = size;
	return 0;
}

/* The part of a mapping that a call names: it is never outside of it. */
static size_t
part(struct ctx *c, const struct arg *a, char **at)
{
	unsigned m = (unsigned)a[0].n % MAPS;
	size_t from;

	if (c->map[m].at == NULL) {
		errno = EBADF;
		return 0;
	}
	from = (size_t)a[1].n % c->map[m].size;
	*at = c->map[m].at + from;
	return SIZE(2) < c->map[m].size - from ? SIZE(2) : c->map[m].size - from;
}

CALL(mread)
{
	char *at = NULL;
	size_t n = part(c, a, &at);
	int64_t got;

	if (at == NULL)
		return -1;
	got = touch(r, c->room, at, n);
	out_data(r, c->room, got);
	return got;
}

CALL(mwrite)
{
	char *at = NULL;
	size_t n = part(c, a, &at);

	if (at == NULL)
		return -1;
	pattern(c->room, n, (uint64_t)a[3].n);
	return touch(r, at, c->room, n);
}

CALL(msync)
{
	unsigned m = (unsigned)a[0].n % MAPS;

	if (c->map[m].at == NULL) {
		errno = EBADF;
		return -1;
	}
	return msync(c->map[m].at, c->map[m].size, (int)a[1].n);
}

/* ---- to the disk ---- */

CALL(fsync)
{
	return fsync(FD(0));
}

CALL(fdatasync)
{
	return fdatasync(FD(0));
}

CALL(syncfs)
{
	return syncfs(FD(0));
}

CALL(sync_file_range)
{
	return sync_file_range(FD(0), a[1].n, a[2].n, (unsigned)a[3].n);
}

CALL(readahead)
{
	return readahead(FD(0), a[1].n, SIZE(2));
}

CALL(fadvise)
{
	errno = posix_fadvise(FD(0), a[1].n, a[2].n, (int)a[3].n);
	return errno == 0 ? 0 : -1;
}

/* ---- locks ---- */

static struct flock
lock_of(const struct arg *a)
{
	return (struct flock){
		.l_type = (short)a[2].n,
		.l_whence = (short)a[3].n,
		.l_start = a[4].n,
		.l_len = a[5].n,
	};
}

/* ARG 1: is it one of the open file rather than of the process? */
CALL(setlk)
{
	struct flock lock = lock_of(a);

	return fcntl(FD(0), a[1].n != 0 ? F_OFD_SETLK : F_SETLK, &lock);
}

static void
on_alarm(int signal)
{
}

/* Waits; the process after it in the sequence goes on meanwhile. Nobody unlocking is EINTR, a while after the next call has returned:
 * the machine may be slow. */
CALL(setlkw)
{
	struct flock lock = lock_of(a);
	struct sigaction act = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value.tv_sec = 1 }, never = { 0 };
	int64_t ret;
	unsigned tries = 0;
	bool last;

	sigaction(SIGALRM, &act, NULL);
	do {
		last = atomic_load(&c->side->finished) > c->number + 1 || ++tries == 10;
		setitimer(ITIMER_REAL, &soon, NULL);
		ret = fcntl(FD(0), a[1].n != 0 ? F_OFD_SETLKW : F_SETLKW, &lock);
		setitimer(ITIMER_REAL, &never, NULL);
	} while (ret < 0 && errno == EINTR && !last);
	return ret;
}

CALL(getlk)
{
	struct flock lock = lock_of(a);
	int64_t ret = fcntl(FD(0), a[1].n != 0 ? F_OFD_GETLK : F_GETLK, &lock);

	if (ret == 0) {
		out(r, " type=%d", lock.l_type);
		if (lock.l_type != F_UNLCK) {
			unsigned who = 0;
			while (who < PROCS && c->side->pid[who] != lock.l_pid)
				who++;
			out(r, " whence=%d start=%jd len=%jd", lock.l_whence, (intmax_t)lock.l_start,
			    (intmax_t)lock.l_len);
			if (who < PROCS)
				out(r, " by=%u", who);
			else
				out(r, " by=%s", lock.l_pid == -1 ? "-1" : lock.l_pid == 0 ? "0" : "another");
		}
	}
	return ret;
}

CALL(flock)
{
	return flock(FD(0), (int)a[1].n | LOCK_NB);
}

CALL(setfl)
{
	return fcntl(FD(0), F_SETFL, open_flags(c, a[1].n));
}

CALL(getfl)
{
	int flags = fcntl(FD(0), F_GETFL);

	return flags < 0 ? -1 : flags & ~(c->side->fifo ? O_NONBLOCK : 0);
}

/* ---- ioctl ---- */

CALL(ioctl)
{
	struct fsxattr fsx;
	int value = 0, ret;

	switch ((unsigned long)a[1].n) {
	case FICLONE:
		return ioctl(FD(0), FICLONE, FD(2));
	case FS_IOC_FSGETXATTR:
		memset(&fsx, 0, sizeof(fsx));
		ret = ioctl(FD(0), FS_IOC_FSGETXATTR, &fsx);
		if (ret == 0)
			out(r, " xflags=%x", fsx.fsx_xflags);
		return ret;
	default:
		ret = ioctl(FD(0), (unsigned long)a[1].n, &value);
		if (ret == 0)
			out(r, " value=%x", value);
		return ret;
	}
}

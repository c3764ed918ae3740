/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon dies. Whoever waits for it ends at once with an error, whatever he waits for; who comes later gets ENOTCONN; what
 * the kernel has in its caches stays readable; and the mount can be unmounted.
 */
#include "life.h"

/* ---- waiting for each operation ---- */

/* An actor hangs in this operation when the daemon dies; step i says with what it ended. */
static void
dies_over(struct mock *m, struct actor *a, uint32_t opcode, int i)
{
	struct actor *b;

	(void)expect(m, opcode);
	check_that(!has_ended(a));
	die_now(m);
	finish(a);
	check_step(a, i, -1, waiters_error(m));
	b = start_arg(m, do_stat, "later");
	finish(b);
	check_step(b, 0, -1, ENOTCONN);
}

MOCK_CASE(death_lookup)
{
	dies_over(m, start(m, do_stat), WIRE_LOOKUP, 0);
}
MOCK_CASE(death_getattr)
{
	dies_over(m, start(m, do_stat_root), WIRE_GETATTR, 0);
}
MOCK_CASE(death_statfs)
{
	dies_over(m, start(m, do_statfs), WIRE_STATFS, 0);
}
MOCK_CASE(death_mkdir)
{
	dies_over(m, without_file(m, do_mkdir), WIRE_MKDIR, 0);
}
MOCK_CASE(death_mknod)
{
	dies_over(m, without_file(m, do_mkfifo), WIRE_MKNOD, 0);
}
MOCK_CASE(death_symlink)
{
	dies_over(m, without_file(m, do_symlink), WIRE_SYMLINK, 0);
}
MOCK_CASE(death_create)
{
	dies_over(m, without_file(m, do_create), WIRE_CREATE, 0);
}
MOCK_CASE(death_unlink)
{
	dies_over(m, with_file(m, do_unlink, REG), WIRE_UNLINK, 0);
}
MOCK_CASE(death_rmdir)
{
	dies_over(m, with_file(m, do_rmdir, DIR_MODE), WIRE_RMDIR, 0);
}
MOCK_CASE(death_chmod)
{
	dies_over(m, with_file(m, do_chmod, REG), WIRE_SETATTR, 0);
}
MOCK_CASE(death_readlink)
{
	dies_over(m, with_file(m, do_readlink, LNK), WIRE_READLINK, 0);
}
MOCK_CASE(death_access)
{
	dies_over(m, with_file(m, do_access, REG), WIRE_ACCESS, 0);
}
MOCK_CASE(death_getxattr)
{
	dies_over(m, with_file(m, do_getxattr, REG), WIRE_GETXATTR, 0);
}
MOCK_CASE(death_setxattr)
{
	dies_over(m, with_file(m, do_setxattr, REG), WIRE_SETXATTR, 0);
}
MOCK_CASE(death_listxattr)
{
	dies_over(m, with_file(m, do_listxattr, REG), WIRE_LISTXATTR, 0);
}
MOCK_CASE(death_removexattr)
{
	dies_over(m, with_file(m, do_removexattr, REG), WIRE_REMOVEXATTR, 0);
}
MOCK_CASE(death_open)
{
	dies_over(m, with_file(m, do_open, REG), WIRE_OPEN, 0);
}
MOCK_CASE(death_opendir)
{
	dies_over(m, with_file(m, do_opendir, DIR_MODE), WIRE_OPENDIR, 0);
}
MOCK_CASE(death_write_direct)
{
	dies_over(m, with_open_file(m, do_write, WIRE_FOPEN_DIRECT_IO), WIRE_WRITE, 1);
}
MOCK_CASE(death_read_direct)
{
	dies_over(m, with_open_file(m, do_read, WIRE_FOPEN_DIRECT_IO), WIRE_READ, 1);
}

MOCK_CASE(death_truncate)
{
	struct actor *a = with_file(m, do_truncate, REG);

	answer_no_caps(m);
	dies_over(m, a, WIRE_SETATTR, 0);
}

MOCK_CASE(death_rename)
{
	struct actor *a = with_file(m, do_rename, REG);

	answer_noent(m, WIRE_ROOT_ID, "new");
	dies_over(m, a, WIRE_RENAME, 0);
}

MOCK_CASE(death_link)
{
	struct actor *a = with_file(m, do_link, REG);

	answer_noent(m, WIRE_ROOT_ID, "new");
	dies_over(m, a, WIRE_LINK, 0);
}

MOCK_CASE(death_readdir)
{
	struct actor *a = start(m, do_readdir);

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	dies_over(m, a, WIRE_READDIR, 1);
}

/* A cached read ends with EIO, as a failed read of a page does... */
MOCK_CASE(death_read)
{
	struct actor *a = with_open_file(m, do_read, 0);

	(void)expect(m, WIRE_READ);
	die_now(m);
	finish(a);
	check_i(a->step[1].ret, -1);
	check_that(a->step[1].err == EIO || a->step[1].err == ENOTCONN || a->step[1].err == ECONNABORTED);
}

/* ... and a cached write with the error itself. */
MOCK_CASE(death_write)
{
	struct actor *a = with_open_file(m, do_write, 0);

	answer_no_caps(m);
	dies_over(m, a, WIRE_WRITE, 1);
}

MOCK_CASE(death_flush)
{
	struct actor *a = with_open_file(m, do_write, WIRE_FOPEN_DIRECT_IO);

	reply_write(m, expect(m, WIRE_WRITE), 5);
	dies_over(m, a, WIRE_FLUSH, 2);
}

static long
do_fsync(struct actor *a)
{
	a->fd = open(its_file(a), O_RDWR);
	return step(a, fsync(a->fd));
}

MOCK_CASE(death_fsync)
{
	dies_over(m, with_open_file(m, do_fsync, 0), WIRE_FSYNC, 0);
}

static long
do_lock_wait(struct actor *a)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };

	a->fd = open(its_file(a), O_RDWR);
	return step(a, fcntl(a->fd, F_SETLKW, &l));
}

MOCK_CASE(death_setlkw, .flags = WIRE_INIT_POSIX_LOCKS)
{
	dies_over(m, with_open_file(m, do_lock_wait, 0), WIRE_SETLKW, 0);
}

static long
do_flock(struct actor *a)
{
	a->fd = open(its_file(a), O_RDWR);
	return step(a, flock(a->fd, LOCK_EX));
}

MOCK_CASE(death_flock, .flags = WIRE_INIT_FLOCK_LOCKS)
{
	dies_over(m, with_open_file(m, do_flock, 0), WIRE_SETLKW, 0);
}

static long
do_fallocate(struct actor *a)
{
	a->fd = open(its_file(a), O_RDWR);
	return step(a, fallocate(a->fd, 0, 0, 4096));
}

MOCK_CASE(death_fallocate)
{
	struct actor *a = with_open_file(m, do_fallocate, 0);

	answer_no_caps(m);
	dies_over(m, a, WIRE_FALLOCATE, 0);
}

static long
do_seek_data(struct actor *a)
{
	a->fd = open(its_file(a), O_RDWR);
	return step(a, lseek(a->fd, 0, SEEK_DATA));
}

MOCK_CASE(death_lseek)
{
	dies_over(m, with_open_file(m, do_seek_data, 0), WIRE_LSEEK, 0);
}

/* A program that polls is told that something is wrong. */
static long
do_poll_wait(struct actor *a)
{
	struct pollfd p = { .events = POLLIN };

	p.fd = a->fd = open(its_file(a), O_RDWR);
	step(a, poll(&p, 1, 10000));
	return a->n[0] = p.revents;
}

MOCK_CASE(death_poll)
{
	struct actor *a = with_open_file(m, do_poll_wait, 0);

	(void)expect(m, WIRE_POLL);
	die_now(m);
	finish(a);
	check_step(a, 0, 1, 0);
	check_i(a->n[0], POLLERR);
}

/* ---- many, and later ---- */

MOCK_CASE(death_many)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
	struct actor *a[8];

	for (int i = 0; i < 8; i++)
		a[i] = start_arg(m, do_stat, (void *)(uintptr_t)names[i]);
	for (int i = 0; i < 8; i++)
		(void)expect(m, WIRE_LOOKUP);
	die_now(m);
	for (int i = 0; i < 8; i++) {
		finish(a[i]);
		check_step(a[i], 0, -1, waiters_error(m));
	}
}

/* Requests that the daemon has not even read. */
MOCK_CASE(death_unread)
{
	struct actor *a = start(m, do_stat);

	wait_asleep(a);
	die_now(m);
	finish(a);
	check_step(a, 0, -1, waiters_error(m));
}

/* What was read and looked up stays, the rest is an error. */
static long
live_on(struct actor *a)
{
	a->fd = open(in_mount(a, "file"), O_RDONLY);
	step(a, pread(a->fd, a->buf, 100, 0));
	step(a, stat(in_mount(a, "known"), &a->st));
	hold(a);
	step(a, pread(a->fd, a->buf, 100, 0));
	step(a, stat(in_mount(a, "known"), &a->st));
	step(a, fstat(a->fd, &a->st)); /* the read has changed its access time */
	step(a, open(in_mount(a, "file"), O_RDONLY));
	step(a, stat(in_mount(a, "other"), &a->st));
	step(a, statfs(in_mount(a, ""), &a->sfs));
	step(a, fsync(a->fd));
	return step(a, close(a->fd));
}

MOCK_CASE(death_cached)
{
	struct actor *a = start(m, live_on);

	answer_opened(m, 100, 0);
	answer_read(m, 2, 0, 100, 'x');
	answer_lookup(m, WIRE_ROOT_ID, "known", 3, REG, 10);
	reached(a);
	die_now(m);
	proceed(a);
	finish(a);
	check_step(a, 0, 100, 0);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 100, 0);
	check_step(a, 3, 0, 0);
	for (int i = 4; i < 10; i++)
		check_step(a, i, -1, ENOTCONN);
}

/* Mapped pages stay; others are a bus error. */
static long
map_and_touch(struct actor *a)
{
	volatile char *p;

	(void)signal(SIGBUS, SIG_DFL); /* a sanitizer has a handler of its own */
	a->fd = open(in_mount(a, "file"), O_RDONLY);
	p = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, a->fd, 0);
	step(a, p == MAP_FAILED ? -1 : 0);
	step(a, p[0]);
	hold(a);
	step(a, p[0]);
	return step(a, p[1 << 19]);
}

MOCK_CASE(death_mapped, .max_readahead = 1)
{
	struct actor *a = start(m, map_and_touch);
	struct req *r;

	answer_opened(m, 1 << 20, 0);
	r = expect(m, WIRE_READ);
	memset(a->buf, 'x', r->in.read.size);
	reply_data(m, r, a->buf, r->in.read.size);
	reached(a);
	die_now(m);
	proceed(a);
	finish_killed(a, SIGBUS);
	check_step(a, 1, 'x', 0);
	check_step(a, 2, 'x', 0);
	check_i(a->nsteps, 3);
}

/* Half an operation: the daemon dies between two messages of one system call. */
MOCK_CASE(death_between)
{
	struct actor *a = with_file(m, do_open, REG);
	struct req *r = expect(m, WIRE_OPEN);

	reply_open(m, r, 7, 0);
	die_now(m);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* It comes to its end while requests that are answered by nobody are still on their way: RELEASE. */
MOCK_CASE(death_release)
{
	struct actor *a = with_open_file(m, do_open, WIRE_FOPEN_NOFLUSH);

	finish(a);
	check_step(a, 0, 0, 0);
	(void)expect(m, WIRE_RELEASE);
	die_now(m);
}

/* An abort through the kernel's control file system is a death, too; but the daemon is there and sees the end of its mount. */
MOCK_CASE(death_abort)
{
	struct actor *a = start(m, do_stat), *b;
	char path[64];
	int fd;

	(void)expect(m, WIRE_LOOKUP);
	(void)mkdir("ctl", 0755);
	if (mount("fusectl", "ctl", "fusectl", 0, NULL) == -1)
		mock_skip("no fusectl");
	(void)snprintf(path, sizeof(path), "ctl/%u/abort", mock_dev_minor(m));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	check_that(fd != -1);
	check_i(write(fd, "1", 1), 1);
	close(fd);
	check_i(umount2("ctl", MNT_DETACH), 0);
	check_i(rmdir("ctl"), 0);
	finish(a);
	check_step(a, 0, -1, ECONNABORTED);
	b = start_arg(m, do_stat, "later");
	finish(b);
	check_step(b, 0, -1, ENOTCONN);
	if (mock_is_native(m))
		expect_dead(m);
	else
		die_now(m); /* what it was asked is still awaited */
}

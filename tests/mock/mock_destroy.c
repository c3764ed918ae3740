/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a mount: what the daemon is told of an unmount, when it is told, and that the connection ends. Only fuseblk has
 * DESTROY; any other daemon sees its connection end.
 */
#include "life.h"

static long
do_umount(struct actor *a)
{
	return step(a, umount2(in_mount(a, ""), (int)(intptr_t)a->arg));
}

/* Open, stop, read 100 bytes with an offset of 0 from a mount that may be gone from view, close. */
static long
read_later(struct actor *a)
{
	a->fd = open(in_mount(a, "file"), O_RDWR);
	step(a, a->fd == -1 ? -1 : 0);
	hold(a);
	step(a, pread(a->fd, a->buf, 100, 0));
	return step(a, close(a->fd));
}

MOCK_CASE(destroy_idle)
{
	check_i(umount2(mock_path(m), 0), 0);
	expect_dead(m);
	expect_none(m);
}

/* The kernel gives back no lookups when a mount goes. */
MOCK_CASE(destroy_no_forgets)
{
	works(m, "file");
	check_i(umount2(mock_path(m), 0), 0);
	expect_dead(m);
	expect_none(m);
	check_u(lookups_out(m, 99), 1);
}

MOCK_CASE(destroy_busy)
{
	struct actor *a = start(m, read_later);

	answer_opened(m, 100, 0);
	reached(a);
	check_i(umount2(mock_path(m), 0), -1);
	check_i(errno, EBUSY);
	proceed(a);
	answer_read(m, 2, 0, 100, 'x');
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, 100, 0);
}

/* Lazily: out of view at once, and served until the last file is closed. */
MOCK_CASE(destroy_lazy)
{
	struct actor *a = start(m, read_later);
	struct req *r;

	answer_opened(m, 100, 0);
	reached(a);
	check_i(umount2(mock_path(m), MNT_DETACH), 0);
	expect_none(m);
	proceed(a);
	answer_read(m, 2, 0, 100, 'x');
	reply_empty(m, expect(m, WIRE_FLUSH));
	finish(a);
	check_step(a, 1, 100, 0);
	check_step(a, 2, 0, 0);
	/* RELEASE and the end of the mount come together: the daemon may or may not hear of the first. */
	while ((r = next_request(m, 5000)) != NULL) {
		check_u(r->hdr.opcode, WIRE_RELEASE);
		(void)send_reply(m, r, 0, NULL, 0);
	}
	expect_dead(m);
}

/* The daemon dies after a lazy unmount. */
MOCK_CASE(destroy_lazy_death)
{
	struct actor *a = start(m, read_later);

	answer_opened(m, 100, 0);
	reached(a);
	check_i(umount2(mock_path(m), MNT_DETACH), 0);
	die_now(m);
	proceed(a);
	finish(a);
	check_step(a, 1, -1, ENOTCONN);
}

/* Two mounts of one superblock: the first unmount is nobody's business. */
MOCK_CASE(destroy_bind)
{
	check_i(mkdir("bind", 0755), 0);
	check_i(mount(mock_path(m), "bind", NULL, MS_BIND, NULL), 0);
	check_i(umount2(mock_path(m), 0), 0);
	expect_none(m);
	check_i(mount("bind", mock_path(m), NULL, MS_BIND, NULL), 0);
	check_i(umount2("bind", 0), 0);
	check_i(rmdir("bind"), 0);
	works(m, "file");
}

/* By force: whoever waits gets an error, and what was asked is not answered any more. */
MOCK_CASE(destroy_force)
{
	struct actor *a = start(m, do_stat);
	struct req *r;

	r = expect(m, WIRE_LOOKUP);
	(void)umount2(mock_path(m), MNT_FORCE); /* that it is busy does not matter */
	finish(a);
	check_step(a, 0, -1, ECONNABORTED);
	check_that((send_reply(m, r, -ENOENT, NULL, 0) != 0) == mock_is_native(m));
	expect_dead(m);
}

/* A daemon that is dead does not hold an unmount up. */
MOCK_CASE(destroy_after_death)
{
	works(m, "file");
	die_now(m);
	check_i(umount2(mock_path(m), 0), 0);
}

/* Dirty pages are written before the mount is gone. */
static long
dirty_then_umount(struct actor *a)
{
	a->fd = open(in_mount(a, "file"), O_RDWR);
	step(a, a->fd == -1 ? -1 : 0);
	step(a, pwrite(a->fd, "hello", 5, 0));
	step(a, close(a->fd));
	return step(a, umount2(in_mount(a, ""), 0));
}

MOCK_CASE(destroy_writes_back, .flags = WIRE_INIT_WRITEBACK_CACHE)
{
	struct actor *a = start(m, dirty_then_umount);
	struct req *r;

	answer_opened(m, 0, WIRE_FOPEN_NOFLUSH);
	answer_no_caps(m);
	r = expect(m, WIRE_WRITE);
	check_u(r->in.write.write_flags & WIRE_WRITE_CACHE, WIRE_WRITE_CACHE);
	check_mem(r->data, "hello", 5);
	reply_write(m, r, 5);
	serve(m, a);
	finish(a);
	check_step(a, 3, 0, 0);
	expect_dead(m);
}

/* ---- fuseblk ---- */

static struct req *
blkdev_destroyed(struct mock *m, struct actor **a)
{
	struct req *r;

	*a = start(m, do_umount);
	while ((r = next_request(m, 5000)) != NULL && r->hdr.opcode == WIRE_SYNCFS) /* by some kernels */
		reply_err(m, r, ENOSYS);
	check_that(r != NULL && r->hdr.opcode == WIRE_DESTROY);
	return r;
}

MOCK_CASE(destroy_blkdev, .blkdev = true)
{
	struct actor *a;
	struct req *r;

	works(m, "file");
	r = blkdev_destroyed(m, &a);
	check_u(r->hdr.nodeid, 0);
	check_u(r->rawlen, 40);
	check_that(!has_ended(a));
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	expect_dead(m);
	expect_none(m);
}

MOCK_CASE(destroy_blkdev_enosys, .blkdev = true)
{
	struct actor *a;

	reply_err(m, blkdev_destroyed(m, &a), ENOSYS);
	finish(a);
	check_step(a, 0, 0, 0);
	expect_dead(m);
}

MOCK_CASE(destroy_blkdev_error, .blkdev = true)
{
	struct actor *a;

	reply_err(m, blkdev_destroyed(m, &a), EIO);
	finish(a);
	check_step(a, 0, 0, 0);
	expect_dead(m);
}

/* The daemon dies over DESTROY: the unmount goes on. */
MOCK_CASE(destroy_blkdev_death, .blkdev = true)
{
	struct actor *a;

	(void)blkdev_destroyed(m, &a);
	check_that(!has_ended(a));
	die_now(m);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(destroy_blkdev_dead_before, .blkdev = true)
{
	struct actor *a;

	die_now(m);
	a = start(m, do_umount);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* INIT failed: there is nothing to destroy. */
MOCK_CASE(destroy_blkdev_no_init, .blkdev = true, .no_init = true)
{
	struct actor *a;

	reply_err(m, expect_init(m), EPERM);
	a = start(m, do_umount);
	finish(a);
	check_step(a, 0, 0, 0);
	engine_logs(m, "the daemon refused INIT");
	expect_dead(m);
}

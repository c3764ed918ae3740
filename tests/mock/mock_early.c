/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Before INIT is answered: what programs do waits, can be killed, and fails at once when the daemon dies; what the daemon says beside
 * the answer is without effect.
 */
#include "life.h"

/* An operation that has begun before INIT was answered is sent after it. */
static struct req *
waits_for_init(struct mock *m, struct actor *a, uint32_t opcode)
{
	struct req *r = expect_init(m);

	expect_none(m);
	check_that(!has_ended(a));
	reply_init(m, r, NULL);
	return expect(m, opcode);
}

MOCK_CASE(early_lookup, .no_init = true)
{
	struct actor *a = start(m, do_stat);

	reply_entry(m, waits_for_init(m, a, WIRE_LOOKUP), an_entry(2, REG, 10));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(early_getattr, .no_init = true)
{
	struct actor *a = start(m, do_stat_root);

	reply_attr(m, waits_for_init(m, a, WIRE_GETATTR), LONG, an_attr(WIRE_ROOT_ID, DIR_MODE, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(early_statfs, .no_init = true)
{
	struct actor *a = start(m, do_statfs);

	reply_out(
	    m, waits_for_init(m, a, WIRE_STATFS), &(union wire_out){ .statfs.st = { .bsize = 512, .namelen = 100 } });
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->sfs.f_namelen, 100);
}

MOCK_CASE(early_opendir, .no_init = true)
{
	struct actor *a = start(m, do_readdir);

	reply_open(m, waits_for_init(m, a, WIRE_OPENDIR), 5, 0);
	reply_data(m, expect(m, WIRE_READDIR), "", 0);
	answer_releasedir(m, WIRE_ROOT_ID, 5);
	finish(a);
	check_step(a, 1, 0, 0);
}

MOCK_CASE(early_create, .no_init = true)
{
	struct actor *a = start(m, do_mkdir);

	reply_err(m, waits_for_init(m, a, WIRE_LOOKUP), ENOENT);
	reply_entry(m, expect(m, WIRE_MKDIR), an_entry(2, DIR_MODE, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(early_many, .no_init = true)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
	struct actor *a[8];
	struct req *r = expect_init(m);

	for (int i = 0; i < 8; i++)
		a[i] = start_arg(m, do_stat, (void *)(uintptr_t)names[i]);
	expect_none(m);
	reply_init(m, r, NULL);
	for (int i = 0; i < 8; i++) {
		r = expect(m, WIRE_LOOKUP);
		reply_entry(m, r, an_entry(2 + (uint64_t)(r->name[0][0] - 'a'), REG, 10));
	}
	for (int i = 0; i < 8; i++) {
		finish(a[i]);
		check_step(a[i], 0, 0, 0);
		check_u(a[i]->st.st_ino, 2 + i);
	}
}

/* ---- it dies ---- */

MOCK_CASE(early_death, .no_init = true)
{
	struct actor *a = start(m, do_stat), *b;

	(void)expect_init(m);
	die_now(m);
	finish(a);
	check_step(a, 0, -1, ENOTCONN);
	b = start(m, do_stat);
	finish(b);
	check_step(b, 0, -1, ENOTCONN);
}

MOCK_CASE(early_death_unread, .no_init = true)
{
	struct actor *a = start(m, do_stat);

	die_now(m);
	finish(a);
	check_step(a, 0, -1, ENOTCONN);
}

/* INIT was answered, and that was all. */
MOCK_CASE(early_death_after_init)
{
	struct actor *a;

	die_now(m);
	a = start(m, do_stat);
	finish(a);
	check_step(a, 0, -1, ENOTCONN);
}

/* ---- signals ---- */

static long
stat_in_spite_of_signals(struct actor *a)
{
	catch_signal(SIGUSR1, false);
	hold(a);
	return do_stat(a);
}

/* Who waits for INIT is not disturbed by a signal that he handles. */
MOCK_CASE(early_signal, .no_init = true)
{
	struct actor *a = start(m, stat_in_spite_of_signals);
	struct req *r = expect_init(m);

	reached(a);
	proceed(a);
	wait_asleep(a);
	signal_actor(a, SIGUSR1);
	wait_asleep(a);
	expect_none(m);
	reply_init(m, r, NULL);
	r = expect(m, WIRE_LOOKUP);
	check_u(expect(m, WIRE_INTERRUPT)->in.interrupt.unique, r->hdr.unique); /* only now that there is a request */
	reply_entry(m, r, an_entry(2, REG, 10));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(early_kill, .no_init = true)
{
	struct actor *a = start(m, do_stat);
	struct req *r = expect_init(m);

	wait_asleep(a);
	signal_actor(a, SIGKILL);
	finish_killed(a, SIGKILL);
	reply_init(m, r, NULL);
	works(m, "another"); /* nothing was sent for who is gone */
}

/* ---- other things ---- */

/* The mount goes while the daemon thinks about INIT: its answer comes too late and does no harm. */
MOCK_CASE(early_umount, .no_init = true)
{
	struct wire_init_out o = { .major = 7, .minor = 31 };
	struct req *r = expect_init(m);

	check_i(umount2(mock_path(m), 0), 0);
	check_that((send_reply(m, r, 0, &o, sizeof(o)) != 0) == mock_is_native(m));
	expect_dead(m);
	if (!mock_is_native(m))
		engine_logs(m, "failed: the mount went away while the daemon was answering INIT");
}

/* The same before the daemon has even read INIT. */
MOCK_CASE(early_umount_unread, .no_init = true)
{
	struct wire_init_out o = { .major = 7, .minor = 31 };
	struct req *r;

	check_i(umount2(mock_path(m), 0), 0);
	if ((r = next_request(m, 5000)) != NULL)
		(void)send_reply(m, r, 0, &o, sizeof(o));
	expect_dead(m);
}

MOCK_CASE(early_notification, .no_init = true)
{
	struct req *r = expect_init(m);

	/* Of nodes that nobody knows yet. */
	check_i(notify_inval_inode(m, 2, 0, 0), mock_is_native(m) ? ENOENT : 0);
	check_i(notify_inval_entry(m, WIRE_ROOT_ID, "file", 0), mock_is_native(m) ? ENOENT : 0);
	reply_init(m, r, NULL);
	works(m, "file");
}

MOCK_CASE(early_reply_to_nothing, .no_init = true)
{
	struct req *r = expect_init(m);
	struct wire_out_header h = { .len = sizeof(h), .unique = r->hdr.unique + 100 };

	check_i(send_raw(m, &h, sizeof(h)), mock_is_native(m) ? ENOENT : 0);
	reply_init(m, r, NULL);
	works(m, "file");
}

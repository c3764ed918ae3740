/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notifications about names (INVAL_ENTRY, DELETE) and the others (POLL, RESEND, INC_EPOCH, PRUNE), each proved from the side of a
 * program; and notifications that come while an operation is under way.
 */
#include <pthread.h>
#include <sched.h>

#include "notify.h"

/* ---- INVAL_ENTRY ---- */

static void
stat_cached(struct mock *m, int err)
{
	struct actor *a = start(m, do_stat);

	finish(a);
	check_step(a, 0, err != 0 ? -1 : 0, err);
	expect_none(m);
}

MOCK_CASE(notify_entry)
{
	struct actor *a;

	(void)stat_new(m, 2, 10);
	stat_cached(m, 0);
	check_i(notify_inval_entry(m, WIRE_ROOT_ID, "file", 0), 0);
	notify_settled(m);
	a = stat_new(m, 3, 20);
	check_u(a->st.st_ino, 3);
	check_u(a->st.st_size, 20);
	expect_forgotten(m, 2);
}

MOCK_CASE(notify_entry_negative)
{
	struct actor *a = start(m, do_stat);

	reply_negative(m, expect(m, WIRE_LOOKUP), LONG);
	finish(a);
	check_step(a, 0, -1, ENOENT);
	stat_cached(m, ENOENT);
	check_i(notify_inval_entry(m, WIRE_ROOT_ID, "file", 0), 0);
	notify_settled(m);
	(void)stat_new(m, 2, 10);
}

/* Its parent's attributes are asked for again, too. */
MOCK_CASE(notify_entry_parent)
{
	struct actor *a = start(m, do_stat_root);

	answer_getattr(m, WIRE_ROOT_ID, DIR_MODE, 0);
	finish(a);
	(void)stat_new(m, 2, 10);
	check_i(notify_inval_entry(m, WIRE_ROOT_ID, "file", 0), 0);
	notify_settled(m);
	a = start(m, do_stat_root);
	answer_getattr(m, WIRE_ROOT_ID, DIR_MODE, 0);
	finish(a);
}

/* An open file lives on without its name. */
static const struct order read_stat[] = { { READ_AT, 0 }, { STAT, 0 }, { STOP, 0 } };

MOCK_CASE(notify_entry_open)
{
	struct actor *a = obedient(m, read_stat, 100);

	check_i(notify_inval_entry(m, WIRE_ROOT_ID, "file", 0), 0);
	notify_settled(m);
	order(a);
	answer_read(m, 2, 0, 100, 'x');
	done(a);
	order(a);
	answer_lookup(m, WIRE_ROOT_ID, "file", 3, REG, 20);
	done(a);
	check_u(a->st.st_ino, 3);
	dismiss(m, a);
}

/* Expired only: looked up again, but the same node lives on, with all that hangs on it. */
MOCK_CASE(notify_entry_expire, .flags = WIRE_INIT_HAS_EXPIRE_ONLY, .needs_flags = WIRE_INIT_HAS_EXPIRE_ONLY)
{
	struct actor *a;

	(void)stat_new(m, 2, 10);
	check_i(notify_inval_entry(m, WIRE_ROOT_ID, "file", WIRE_EXPIRE_ONLY), 0);
	notify_settled(m);
	expect_none(m);
	check_u(lookups_out(m, 2), 1); /* not forgotten */
	a = stat_new(m, 2, 30);
	check_u(a->st.st_size, 30);
	check_u(lookups_out(m, 2), 2);
}

MOCK_CASE(notify_entry_in_directory)
{
	struct actor *a = start_arg(m, do_stat, "dir/file");

	answer_lookup(m, WIRE_ROOT_ID, "dir", 2, DIR_MODE, 0);
	answer_lookup(m, 2, "file", 3, REG, 10);
	finish(a);
	check_i(notify_inval_entry(m, 2, "file", 0), 0);
	notify_settled(m);
	a = start_arg(m, do_stat, "dir/file");
	answer_lookup(m, 2, "file", 3, REG, 10); /* "dir" is still known */
	finish(a);
	check_step(a, 0, 0, 0);
}

/* A directory with what is below it. */
MOCK_CASE(notify_entry_of_directory)
{
	struct actor *a = start_arg(m, do_stat, "dir/file");

	answer_lookup(m, WIRE_ROOT_ID, "dir", 2, DIR_MODE, 0);
	answer_lookup(m, 2, "file", 3, REG, 10);
	finish(a);
	check_i(notify_inval_entry(m, WIRE_ROOT_ID, "dir", 0), 0);
	notify_settled(m);
	expect_forgotten(m, 2);
	expect_forgotten(m, 3);
	a = start_arg(m, do_stat, "dir/file");
	answer_noent(m, WIRE_ROOT_ID, "dir");
	finish(a);
	check_step(a, 0, -1, ENOENT);
}

MOCK_CASE(notify_entry_unknown)
{
	(void)stat_new(m, 2, 10);
	check_told(m, notify_inval_entry(m, WIRE_ROOT_ID, "other", 0), ENOENT);
	check_told(m, notify_inval_entry(m, 4711, "file", 0), ENOENT);
	check_told(m, notify_inval_entry(m, 2, "file", 0), ENOTDIR);
	notify_settled(m);
	stat_cached(m, 0);
}

static int
raw_inval_entry(struct mock *m, const void *name, uint32_t namelen, size_t taillen)
{
	struct wire_notify_inval_entry_out o = { .parent = WIRE_ROOT_ID, .namelen = namelen };

	return notify(m, WIRE_NOTIFY_INVAL_ENTRY, &o, sizeof(o), name, taillen);
}

/* Names that cannot be; no harm is done. */
MOCK_CASE(notify_entry_odd_names)
{
	char longname[2000];

	memset(longname, 'x', sizeof(longname));
	(void)stat_new(m, 2, 10);
	check_told(m, raw_inval_entry(m, "a/b", 3, 4), ENOENT);
	check_told(m, raw_inval_entry(m, "a\0b", 3, 4), ENOENT);
	check_told(m, raw_inval_entry(m, "..", 2, 3), ENOENT);
	check_told(m, raw_inval_entry(m, "", 0, 1), ENOENT);
	check_told(m, raw_inval_entry(m, longname, 1000, 1001), ENOENT);
	engine_logs(m, "a notification of the daemon's (code 3) is ignored: Invalid argument");
	notify_settled(m);
	stat_cached(m, 0);
}

/* ---- DELETE ---- */

/* An open file loses its name and its last link. */
MOCK_CASE(notify_delete_open)
{
	struct actor *a = obedient(m, stat_fstat, 100);

	check_i(notify_delete(m, WIRE_ROOT_ID, 2, "file"), 0);
	notify_settled(m);
	order(a);
	while (!reached_yet(a)) {
		struct req *r = next_request(m, 1);

		if (r != NULL) {
			struct wire_attr at = an_attr(2, REG, 100);

			check_u(r->hdr.opcode, WIRE_GETATTR);
			at.nlink = 0;
			reply_attr(m, r, LONG, at);
		}
	}
	check_u(a->st.st_nlink, 0);
	order(a);
	answer_noent(m, WIRE_ROOT_ID, "file");
	done(a);
	check_step(a, 2, -1, ENOENT);
	dismiss(m, a);
}

MOCK_CASE(notify_delete_idle)
{
	struct actor *a;

	(void)stat_new(m, 2, 10);
	check_i(notify_delete(m, WIRE_ROOT_ID, 2, "file"), 0);
	notify_settled(m);
	expect_forgotten(m, 2);
	a = start(m, do_stat);
	answer_noent(m, WIRE_ROOT_ID, "file");
	finish(a);
	check_step(a, 0, -1, ENOENT);
}

/* The name is of another node by now: nothing is deleted, the name is looked up again. */
MOCK_CASE(notify_delete_other_child)
{
	(void)stat_new(m, 2, 10);
	check_told(m, notify_delete(m, WIRE_ROOT_ID, 3, "file"), ENOENT);
	notify_settled(m);
	(void)stat_new(m, 2, 10);
}

/* A directory in which this program stands, with "file" in it (open or not) */
static long
stand_in(struct actor *a)
{
	step(a, chdir(in_mount(a, "dir")));
	step(a, a->arg != NULL ? (a->fd = open("file", O_RDONLY)) : stat("file", &a->st));
	hold(a);
	step(a, stat(".", &a->st));
	step(a, close(open("new", O_CREAT | O_WRONLY, 0600)));
	hold(a);
	(void)chdir("/");
	return close(a->fd);
}

static struct actor *
standing_in(struct mock *m, bool open)
{
	struct actor *a = start_arg(m, stand_in, open ? m : NULL);

	answer_lookup(m, WIRE_ROOT_ID, "dir", 2, DIR_MODE, 0);
	reply_err(m, expect(m, WIRE_ACCESS), ENOSYS);
	answer_lookup(m, 2, "file", 3, REG, 10);
	if (open)
		answer_open(m, 3, 7, WIRE_FOPEN_NOFLUSH);
	reached(a);
	return a;
}

/* What nobody uses goes with its directory, and nothing can be made there any more. */
MOCK_CASE(notify_delete_directory)
{
	struct actor *a = standing_in(m, false);

	check_i(notify_delete(m, WIRE_ROOT_ID, 2, "dir"), 0);
	notify_settled(m);
	expect_forgotten(m, 3);
	proceed(a);
	reached(a);
	expect_none(m);
	check_step(a, 2, 0, 0);
	check_u(a->st.st_nlink, 0);
	check_step(a, 3, -1, EBADF); /* open() failed */
	proceed(a);
	finish(a);
}

/* What is used keeps its directory. */
MOCK_CASE(notify_delete_not_empty)
{
	struct actor *a = standing_in(m, true);

	check_told(m, notify_delete(m, WIRE_ROOT_ID, 2, "dir"), ENOTEMPTY);
	notify_settled(m);
	proceed(a);
	answer_noent(m, 2, "new");
	reply_err(m, expect(m, WIRE_CREATE), EPERM);
	reached(a);
	check_step(a, 2, 0, 0);
	proceed(a);
	answer_release(m, 3, 7);
	finish(a);
}

MOCK_CASE(notify_delete_unknown)
{
	(void)stat_new(m, 2, 10);
	check_told(m, notify_delete(m, WIRE_ROOT_ID, 4711, "other"), ENOENT);
	check_told(m, notify_delete(m, 4711, 2, "file"), ENOENT);
	notify_settled(m);
	stat_cached(m, 0);
}

/* ---- POLL ---- */

static long
poll_until(struct actor *a)
{
	struct pollfd p = { .events = POLLIN };

	p.fd = a->fd = open(its_file(a), O_RDWR);
	step(a, poll(&p, 1, 10000));
	a->n[0] = p.revents;
	return step(a, close(a->fd));
}

static int
notify_poll(struct mock *m, uint64_t kh)
{
	struct wire_notify_poll_wakeup_out o = { .kh = kh };

	return notify(m, WIRE_NOTIFY_POLL, &o, sizeof(o), NULL, 0);
}

MOCK_CASE(notify_poll_wakes)
{
	struct actor *a = start(m, poll_until);
	struct req *r;
	uint64_t kh;

	answer_opened(m, 10, 0);
	r = expect(m, WIRE_POLL);
	check_u(r->in.poll.flags & WIRE_POLL_SCHEDULE_NOTIFY, WIRE_POLL_SCHEDULE_NOTIFY);
	kh = r->in.poll.kh;
	reply_out(m, r, &(union wire_out){ .poll.revents = 0 });
	for (int i = 0; i < 3; i++) { /* woken for nothing */
		check_i(notify_poll(m, kh), 0);
		r = expect(m, WIRE_POLL);
		check_u(r->in.poll.kh, kh);
		reply_out(m, r, &(union wire_out){ .poll.revents = 0 });
	}
	check_that(!has_ended(a));
	check_i(notify_poll(m, kh), 0);
	reply_out(m, expect(m, WIRE_POLL), &(union wire_out){ .poll.revents = POLLIN });
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 0, 1, 0);
	check_i(a->n[0], POLLIN);
}

MOCK_CASE(notify_poll_unknown)
{
	check_i(notify_poll(m, 4711), 0);
	notify_settled(m);
	works(m, "file");
}

/* ---- RESEND, INC_EPOCH, PRUNE ---- */

MOCK_CASE(notify_resend, .flags = WIRE_INIT_HAS_RESEND, .needs_flags = WIRE_INIT_HAS_RESEND)
{
	struct actor *a = start(m, do_stat);
	struct req *r = expect(m, WIRE_LOOKUP), *again;

	r->answered = true; /* under its new unique */
	check_i(notify(m, WIRE_NOTIFY_RESEND, NULL, 0, NULL, 0), 0);
	again = expect(m, WIRE_LOOKUP);
	check_u(again->hdr.unique, r->hdr.unique | WIRE_UNIQUE_RESEND);
	check_u(again->hdr.nodeid, WIRE_ROOT_ID);
	check_str(again->name[0], "file");
	reply_entry(m, again, an_entry(2, REG, 10));
	finish(a);
	check_step(a, 0, 0, 0);
}

/* Nothing is waiting: nothing is sent again. */
MOCK_CASE(notify_resend_nothing, .flags = WIRE_INIT_HAS_RESEND, .needs_flags = WIRE_INIT_HAS_RESEND)
{
	check_i(notify(m, WIRE_NOTIFY_RESEND, NULL, 0, NULL, 0), 0);
	notify_settled(m);
	expect_none(m);
	works(m, "file");
}

/* All names are looked up again; what hangs on them lives on. */
MOCK_CASE(notify_epoch, .needs_minor = 44)
{
	(void)stat_new(m, 2, 10);
	stat_cached(m, 0);
	check_i(notify(m, WIRE_NOTIFY_INC_EPOCH, NULL, 0, NULL, 0), 0);
	notify_settled(m);
	(void)stat_new(m, 2, 10);
	stat_cached(m, 0);
}

/* Nodes that nobody uses are forgotten. */
static int
notify_prune(struct mock *m, const uint64_t *nodeids, uint32_t n)
{
	struct wire_notify_prune_out o = { .count = n };

	return notify(m, WIRE_NOTIFY_PRUNE, &o, sizeof(o), nodeids, n * sizeof(*nodeids));
}

MOCK_CASE(notify_prune_idle, .needs_minor = 45)
{
	(void)stat_new(m, 2, 10);
	check_i(notify_prune(m, (const uint64_t[]){ 2, 4711 }, 2), 0);
	notify_settled(m);
	expect_forgotten(m, 2);
	(void)stat_new(m, 2, 10);
}

MOCK_CASE(notify_prune_busy, .needs_minor = 45)
{
	struct actor *a = obedient(m, stat_fstat, 100);

	check_i(notify_prune(m, (const uint64_t[]){ 2 }, 1), 0);
	notify_settled(m);
	without_messages(m, a);
	check_u(lookups_out(m, 2), 1);
	order(a);
	done(a);
	expect_none(m);
	dismiss(m, a);
}

/* ---- during an operation ---- */

/* Another thread of the daemon: natively its write waits for what the kernel has locked. */
struct telling {
	struct mock *m;
	pthread_t thread;
	_Atomic pid_t tid;
	int code, result;
};

static void *
tell(void *arg)
{
	struct telling *t = arg;

	t->tid = gettid();
	if (t->code == WIRE_NOTIFY_INVAL_INODE)
		t->result = notify_inval_inode(t->m, 2, 0, 0);
	else
		t->result = notify_inval_entry(t->m, WIRE_ROOT_ID, "other", 0);
	return NULL;
}

/* Send the notification; back when it is on its way: natively the thread is held up in the kernel then. */
static void
tell_meanwhile(struct telling *t)
{
	char path[64], line[256];
	FILE *f;

	check_i(pthread_create(&t->thread, NULL, tell, t), 0);
	if (!mock_is_native(t->m))
		return;
	while (t->tid == 0)
		sched_yield();
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)t->tid);
	do {
		check_that((f = fopen(path, "re")) != NULL);
		check_that(fgets(line, sizeof(line), f) != NULL);
		fclose(f);
	} while (strstr(line, ") D ") == NULL);
}

static void
told(struct telling *t, int native)
{
	if (pthread_join(t->thread, NULL) != 0)
		abort();
	check_told(t->m, t->result, native);
	notify_settled(t->m);
}

/*
 * While a page is being read, it is locked. The notification came before the answer: what this brought is gone afterwards. The kernel
 * may drop the page before the reader has seen it, who then reads once more.
 */
MOCK_CASE(notify_during_read, .max_readahead = 1)
{
	struct telling t = { .m = m, .code = WIRE_NOTIFY_INVAL_INODE };
	struct actor *a = obedient(m, read_read, 8192);
	struct req *r;
	int again;

	order(a);
	r = expect(m, WIRE_READ);
	tell_meanwhile(&t);
	if (!mock_is_native(m))
		check_i(pthread_join(t.thread, NULL), 0); /* so that it is before the answer in the socket, too */
	memset(a->buf, 'a', 4096);
	reply_data(m, r, a->buf, 4096);
	again = serve_reads(m, a);
	if (mock_is_native(m))
		told(&t, 0);
	else
		notify_settled(m);
	order(a);
	answer_read(m, 2, 4096, 4096, 'b');
	done(a);
	if (again == 0)
		reads_again(m, a, 0, 'b');
	else
		without_messages(m, a);
	check_i(a->buf[0], 'b');
	without_messages(m, a);
	fstat_asks(m, a);
	dismiss(m, a);
}

/* While a name is being looked up, its directory is locked. */
MOCK_CASE(notify_during_lookup)
{
	struct telling t = { .m = m, .code = WIRE_NOTIFY_INVAL_ENTRY };
	struct actor *a = start(m, do_stat);
	struct req *r = expect(m, WIRE_LOOKUP);

	tell_meanwhile(&t);
	if (!mock_is_native(m))
		check_i(pthread_join(t.thread, NULL), 0);
	reply_entry(m, r, an_entry(2, REG, 10));
	finish(a);
	check_step(a, 0, 0, 0);
	if (mock_is_native(m))
		told(&t, ENOENT);
	else
		notify_settled(m);
}

/* Many at once. */
MOCK_CASE(notify_flood)
{
	(void)stat_new(m, 2, 10);
	for (int i = 0; i < 2000; i++)
		check_i(notify_inval_inode(m, 2, 0, 0), 0);
	notify_settled(m);
	works(m, "another");
}

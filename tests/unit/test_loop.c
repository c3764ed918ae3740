/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit test of base/loop.c, which it includes so that allocation can be made to fail. What matters most is that watchers may
 * go away inside callbacks: AddressSanitizer and valgrind see whether one was touched afterwards.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail_alloc;

static void *
test_calloc(size_t n, size_t size)
{
	return fail_alloc ? NULL : calloc(n, size);
}

#define calloc test_calloc
#include "../../src/base/loop.c" /* NOLINT(bugprone-suspicious-include) */
#undef calloc

static struct loop *loop;
static int sv[2], sw[2];

static void
setup(void)
{
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sw), 0);
}

static void
teardown(void)
{
	loop_free(loop);
	for (int i = 0; i < 2; i++) {
		(void)close(sv[i]);
		(void)close(sw[i]);
	}
}

static void
poke(int fd)
{
	ck_assert_int_eq(write(fd, "x", 1), 1);
}

static void
drain(int fd)
{
	char c;

	while (read(fd, &c, 1) > 0)
		continue;
}

/* What a callback saw, and what it is to do. */
struct seen {
	int calls;
	unsigned events;
	int fd; /* to drain, when not 0 */
	struct loop_io **del_io[2];
	struct loop_timer **del_timer[2];
	struct loop_soon **del_soon[2], **arm[2];
	int stop;
};

static void
seen_fn(void *arg)
{
	struct seen *s = arg;

	s->calls++;
	if (s->fd != 0)
		drain(s->fd);
	for (int i = 0; i < 2; i++) {
		if (s->arm[i] != NULL)
			loop_soon_arm(*s->arm[i]);
		if (s->del_io[i] != NULL) {
			loop_io_del(*s->del_io[i]);
			*s->del_io[i] = NULL;
		}
		if (s->del_timer[i] != NULL) {
			loop_timer_del(*s->del_timer[i]);
			*s->del_timer[i] = NULL;
		}
		if (s->del_soon[i] != NULL) {
			loop_soon_del(*s->del_soon[i]);
			*s->del_soon[i] = NULL;
		}
	}
	if (s->stop)
		loop_stop(loop);
}

static void
seen_io(void *arg, unsigned events)
{
	struct seen *s = arg;

	s->events = events;
	seen_fn(arg);
}

START_TEST(test_io_read_and_write)
{
	struct seen s = { 0 };
	struct loop_io *io;

	ck_assert_int_eq(loop_io_add(loop, sv[0], LOOP_READ, seen_io, &s, &io), 0);
	loop_once(loop, 0);
	ck_assert_int_eq(s.calls, 0);
	poke(sv[1]);
	ck_assert_int_eq(s.calls, 0);
	loop_once(loop, 1);
	ck_assert_int_eq(s.calls, 1);
	ck_assert_uint_eq(s.events, LOOP_READ);
	loop_once(loop, 0); /* nobody read it: it is still there */
	ck_assert_int_eq(s.calls, 2);
	drain(sv[0]);
	loop_once(loop, 0);
	ck_assert_int_eq(s.calls, 2);
	loop_io_set(io, LOOP_READ | LOOP_WRITE);
	loop_once(loop, 1);
	ck_assert_uint_eq(s.events, LOOP_WRITE);
	poke(sv[1]);
	loop_once(loop, 1);
	ck_assert_uint_eq(s.events, LOOP_READ | LOOP_WRITE);
	loop_io_set(io, LOOP_WRITE);
	loop_once(loop, 1);
	ck_assert_uint_eq(s.events, LOOP_WRITE);
	loop_io_del(io);
}
END_TEST

START_TEST(test_io_events_zero)
{
	struct seen s = { 0 };
	struct loop_io *io;

	poke(sv[1]);
	ck_assert_int_eq(loop_io_add(loop, sv[0], 0, seen_io, &s, &io), 0);
	loop_once(loop, 0);
	ck_assert_int_eq(s.calls, 0);
	loop_io_set(io, LOOP_READ);
	loop_io_set(io, LOOP_READ);
	loop_once(loop, 1);
	ck_assert_int_eq(s.calls, 1);
	loop_io_set(io, 0);
	loop_once(loop, 0);
	ck_assert_int_eq(s.calls, 1);
	/* There and back between two rounds. */
	loop_io_set(io, LOOP_WRITE);
	loop_io_set(io, 0);
	loop_once(loop, 0);
	ck_assert_int_eq(s.calls, 1);
	/* A hang-up is of no interest either, now, and must not make the loop spin; see that others are served. */
	(void)close(sv[1]);
	loop_once(loop, 0);
	ck_assert_int_eq(s.calls, 1);
	loop_io_set(io, LOOP_READ);
	loop_once(loop, 1);
	ck_assert_int_eq(s.calls, 2);
	loop_io_del(io);
	sv[1] = dup(sv[0]);
}
END_TEST

START_TEST(test_io_hangup)
{
	struct seen r = { 0 }, b = { 0 };
	struct loop_io *ior, *iob;

	ck_assert_int_eq(loop_io_add(loop, sv[0], LOOP_READ, seen_io, &r, &ior), 0);
	ck_assert_int_eq(loop_io_add(loop, sw[0], LOOP_READ | LOOP_WRITE, seen_io, &b, &iob), 0);
	(void)close(sv[1]);
	(void)close(sw[1]);
	loop_once(loop, 1);
	ck_assert_uint_eq(r.events, LOOP_READ);
	ck_assert_uint_eq(b.events, LOOP_READ | LOOP_WRITE);
	loop_io_del(ior);
	loop_io_del(iob);
	sv[1] = dup(sv[0]);
	sw[1] = dup(sw[0]);
}
END_TEST

START_TEST(test_io_del_in_own_callback)
{
	struct loop_io *io;
	struct seen s = { .del_io = { &io } };

	poke(sv[1]);
	ck_assert_int_eq(loop_io_add(loop, sv[0], LOOP_READ, seen_io, &s, &io), 0);
	loop_once(loop, 1);
	ck_assert_int_eq(s.calls, 1);
	ck_assert_ptr_null(io);
	loop_once(loop, 0);
	ck_assert_int_eq(s.calls, 1);
}
END_TEST

/* Both are ready; whichever comes first removes both, so the other must not be called. */
START_TEST(test_io_del_each_other)
{
	struct loop_io *a, *b;
	struct seen s = { .del_io = { &a, &b } };

	poke(sv[1]);
	poke(sw[1]);
	ck_assert_int_eq(loop_io_add(loop, sv[0], LOOP_READ, seen_io, &s, &a), 0);
	ck_assert_int_eq(loop_io_add(loop, sw[0], LOOP_READ, seen_io, &s, &b), 0);
	loop_once(loop, 1);
	ck_assert_int_eq(s.calls, 1);
	loop_once(loop, 0);
	ck_assert_int_eq(s.calls, 1);
}
END_TEST

/* A descriptor that is closed, and its number used again, is a new one; even when a duplicate keeps the old one alive. */
START_TEST(test_io_number_used_again)
{
	struct seen old = { 0 }, new = { 0 };
	struct loop_io *io;
	int keep, pair[2];

	poke(sv[1]);
	ck_assert_int_eq(loop_io_add(loop, sv[0], LOOP_READ, seen_io, &old, &io), 0);
	loop_once(loop, 1);
	ck_assert_int_eq(old.calls, 1);
	loop_io_del(io);
	keep = dup(sv[0]);
	ck_assert_int_ge(keep, 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(dup2(pair[0], sv[0]), sv[0]);
	ck_assert_int_eq(loop_io_add(loop, sv[0], LOOP_READ, seen_io, &new, &io), 0);
	loop_once(loop, 0); /* the old one is still readable */
	loop_once(loop, 0);
	ck_assert_int_eq(new.calls, 0);
	poke(pair[1]);
	loop_once(loop, 1);
	ck_assert_int_eq(new.calls, 1);
	ck_assert_int_eq(old.calls, 1);
	loop_io_del(io);
	(void)close(pair[0]);
	(void)close(pair[1]);
	(void)close(keep);
}
END_TEST

static char order[32];

static void
note(void *arg)
{
	strncat(order, arg, sizeof(order) - strlen(order) - 1);
	if (*(const char *)arg == '.')
		loop_stop(loop);
}

START_TEST(test_timers_in_order)
{
	struct loop_timer *a, *b, *c, *d, *never;

	ck_assert_int_eq(loop_timer_add(loop, note, "a", &a), 0);
	ck_assert_int_eq(loop_timer_add(loop, note, "b", &b), 0);
	ck_assert_int_eq(loop_timer_add(loop, note, "c", &c), 0);
	ck_assert_int_eq(loop_timer_add(loop, note, ".", &d), 0);
	ck_assert_int_eq(loop_timer_add(loop, note, "!", &never), 0);
	loop_timer_start(d, 40 * CLOCK_MSEC);
	loop_timer_start(c, 20 * CLOCK_MSEC);
	loop_timer_start(a, 10 * CLOCK_MSEC);
	loop_timer_start(b, 0);
	loop_timer_start(a, 30 * CLOCK_MSEC); /* set anew: later than c */
	loop_timer_start(never, 5 * CLOCK_MSEC);
	loop_timer_stop(never);
	loop_timer_stop(never);
	loop_run(loop);
	ck_assert_str_eq(order, "bca.");
	loop_timer_del(a);
	loop_timer_del(b);
	loop_timer_del(c);
	loop_timer_del(d);
	loop_timer_del(never);
}
END_TEST

/* From now on means from the call, not from when the round began. */
START_TEST(test_timer_counts_from_now)
{
	uint64_t busy = clock_ns(), start;
	struct seen s = { .stop = 1 };
	struct loop_timer *t;

	ck_assert_int_eq(loop_timer_add(loop, seen_fn, &s, &t), 0);
	loop_once(loop, 0);
	while (clock_ns() - busy < 30 * CLOCK_MSEC)
		continue;
	start = clock_ns();
	loop_timer_start(t, 20 * CLOCK_MSEC);
	loop_run(loop);
	ck_assert_uint_ge(clock_ns() - start + CLOCK_MSEC, 20 * CLOCK_MSEC);
	/* It fires once. */
	ck_assert_int_eq(s.calls, 1);
	loop_once(loop, 0);
	ck_assert_int_eq(s.calls, 1);
	loop_timer_del(t);
}
END_TEST

START_TEST(test_timer_del_in_callback)
{
	struct loop_timer *a, *b;
	struct seen s = { .del_timer = { &a, &b }, .stop = 1 };
	uint64_t start = clock_ns();

	ck_assert_int_eq(loop_timer_add(loop, seen_fn, &s, &a), 0);
	ck_assert_int_eq(loop_timer_add(loop, seen_fn, &s, &b), 0);
	loop_timer_start(a, 0);
	loop_timer_start(b, 0);
	while (clock_ns() - start < 2 * CLOCK_MSEC)
		continue; /* until both are due */
	loop_run(loop);
	ck_assert_int_eq(s.calls, 1);
	ck_assert_ptr_null(a);
	ck_assert_ptr_null(b);
}
END_TEST

static struct loop_timer *again;

static void
restart(void *arg)
{
	if (++*(int *)arg == 5)
		loop_stop(loop);
	else
		loop_timer_start(again, 0);
}

START_TEST(test_timer_restart_in_callback)
{
	int n = 0;

	ck_assert_int_eq(loop_timer_add(loop, restart, &n, &again), 0);
	loop_timer_start(again, 0);
	loop_run(loop);
	ck_assert_int_eq(n, 5);
	loop_timer_del(again);
}
END_TEST

START_TEST(test_soon_once_and_in_order)
{
	struct loop_soon *a, *b, *c;

	ck_assert_int_eq(loop_soon_add(loop, note, "a", &a), 0);
	ck_assert_int_eq(loop_soon_add(loop, note, "b", &b), 0);
	ck_assert_int_eq(loop_soon_add(loop, note, ".", &c), 0);
	loop_soon_arm(b);
	loop_soon_arm(a);
	loop_soon_arm(b);
	ck_assert_str_eq(order, "");
	loop_once(loop, 1); /* does not wait, either */
	ck_assert_str_eq(order, "ba");
	loop_once(loop, 0);
	ck_assert_str_eq(order, "ba");
	loop_soon_arm(a);
	loop_soon_arm(c);
	loop_run(loop); /* ends before it would wait: nothing else is there */
	ck_assert_str_eq(order, "baa.");
	loop_soon_arm(a);
	loop_soon_del(a);
	loop_soon_del(b);
	loop_soon_del(c);
	loop_once(loop, 0);
	ck_assert_str_eq(order, "baa.");
}
END_TEST

struct rearm {
	struct loop_soon *soon;
	int left;
	const struct seen *io;
	int io_calls_first; /* what io had seen after the first time */
};

static void
rearm(void *arg)
{
	struct rearm *r = arg;

	r->io_calls_first += r->io->calls > 0;
	if (--r->left > 0)
		loop_soon_arm(r->soon);
	else
		loop_stop(loop);
}

/* One that arms itself again runs again without the loop waiting, and descriptors get their turn in between. */
START_TEST(test_soon_rearmed)
{
	struct seen s = { 0 };
	struct rearm r = { .left = 10, .io = &s };
	struct loop_io *io;

	poke(sv[1]);
	ck_assert_int_eq(loop_io_add(loop, sv[0], LOOP_READ, seen_io, &s, &io), 0);
	s.fd = sv[0]; /* it is ready once; then only the soon callback keeps the loop from waiting */
	ck_assert_int_eq(loop_soon_add(loop, rearm, &r, &r.soon), 0);
	loop_soon_arm(r.soon);
	loop_run(loop);
	ck_assert_int_eq(r.left, 0);
	ck_assert_int_eq(s.calls, 1);
	ck_assert_int_eq(r.io_calls_first, 9);
	loop_io_del(io);
	loop_soon_del(r.soon);
}
END_TEST

START_TEST(test_soon_del_in_callback)
{
	struct loop_soon *a, *b, *c;
	struct seen sa = { .del_soon = { &a, &b }, .arm = { &c } }, sb = { 0 }, sc = { .stop = 1, .del_soon = { &c } };

	ck_assert_int_eq(loop_soon_add(loop, seen_fn, &sa, &a), 0);
	ck_assert_int_eq(loop_soon_add(loop, seen_fn, &sb, &b), 0);
	ck_assert_int_eq(loop_soon_add(loop, seen_fn, &sc, &c), 0);
	loop_soon_arm(a);
	loop_soon_arm(b);
	loop_run(loop);
	ck_assert_int_eq(sa.calls, 1);
	ck_assert_int_eq(sb.calls, 0);
	ck_assert_int_eq(sc.calls, 1);
	ck_assert_ptr_null(c);
}
END_TEST

/* Armed and deleted again in one callback, the last of the list: the loop may wait then, and must not touch it. */
START_TEST(test_soon_armed_then_deleted)
{
	struct loop_soon *a, *b;
	struct seen sb = { 0 }, sa = { .arm = { &b }, .del_soon = { &b } };

	ck_assert_int_eq(loop_soon_add(loop, seen_fn, &sa, &a), 0);
	ck_assert_int_eq(loop_soon_add(loop, seen_fn, &sb, &b), 0);
	loop_soon_arm(a);
	loop_once(loop, 1);
	loop_once(loop, 0);
	ck_assert_int_eq(sa.calls, 1);
	ck_assert_int_eq(sb.calls, 0);
	loop_soon_del(a);
}
END_TEST

/* Armed by a descriptor's callback it runs before the loop waits again. */
START_TEST(test_soon_from_io)
{
	struct loop_soon *soon;
	struct loop_io *io;
	struct seen s = { .stop = 1 }, i = { .fd = sv[0], .arm = { &soon } };

	poke(sv[1]);
	ck_assert_int_eq(loop_soon_add(loop, seen_fn, &s, &soon), 0);
	ck_assert_int_eq(loop_io_add(loop, sv[0], LOOP_READ, seen_io, &i, &io), 0);
	loop_run(loop);
	ck_assert_int_eq(i.calls, 1);
	ck_assert_int_eq(s.calls, 1);
	loop_io_del(io);
	loop_soon_del(soon);
}
END_TEST

static struct loop_signal *sig;

static void
on_signal(void *arg)
{
	++*(int *)arg;
	loop_signal_del(sig);
	sig = NULL;
	loop_stop(loop);
}

START_TEST(test_signal)
{
	int a = 0, b = 0;

	ck_assert_int_eq(loop_signal_add(loop, SIGUSR1, on_signal, &a, &sig), 0);
	ck_assert_int_eq(raise(SIGUSR1), 0);
	ck_assert_int_eq(a, 0); /* not before the loop runs */
	loop_run(loop);
	ck_assert_int_eq(a, 1);
	ck_assert_ptr_null(sig);
	/* The same signal and another, again, and both are seen while the loop waits. */
	ck_assert_int_eq(loop_signal_add(loop, SIGUSR1, on_signal, &b, &sig), 0);
	ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
	loop_once(loop, 1);
	ck_assert_int_eq(b, 1);
	ck_assert_int_eq(a, 1);
}
END_TEST

START_TEST(test_stop_from_io)
{
	struct loop_io *io;
	struct seen s = { .stop = 1, .fd = sv[0], .del_io = { &io } };

	ck_assert_int_eq(loop_io_add(loop, sv[0], LOOP_READ, seen_io, &s, &io), 0);
	poke(sv[1]);
	loop_run(loop);
	ck_assert_int_eq(s.calls, 1);
}
END_TEST

/* No fallback to select(), which has a limit; and no descriptor is used beyond epoll's own (signals take one more). */
START_TEST(test_descriptors)
{
	struct loop *l;
	int first = dup(0), second, error, after, cloexec;

	/* No assertions in between: they may open files, too. */
	second = dup(0);
	(void)close(first);
	(void)close(second);
	error = loop_new(&l);
	after = dup(0);
	(void)close(after);
	ck_assert_int_eq(error, 0);
	ck_assert_int_eq(after, second);
	cloexec = fcntl(first, F_GETFD);
	ck_assert_int_ne(cloexec, -1);
	ck_assert_int_ne(cloexec & FD_CLOEXEC, 0);
	ck_assert_uint_ne(ev_backend(l->ev) & (EVBACKEND_EPOLL | EVBACKEND_KQUEUE), 0);
	loop_free(l);
}
END_TEST

START_TEST(test_no_memory)
{
	struct loop *l;
	struct loop_io *io;
	struct loop_timer *t;
	struct loop_signal *s;
	struct loop_soon *soon;

	fail_alloc = 1;
	ck_assert_int_eq(loop_new(&l), ENOMEM);
	ck_assert_int_eq(loop_io_add(loop, sv[0], LOOP_READ, seen_io, NULL, &io), ENOMEM);
	ck_assert_int_eq(loop_timer_add(loop, seen_fn, NULL, &t), ENOMEM);
	ck_assert_int_eq(loop_signal_add(loop, SIGUSR1, seen_fn, NULL, &s), ENOMEM);
	ck_assert_int_eq(loop_soon_add(loop, seen_fn, NULL, &soon), ENOMEM);
	fail_alloc = 0;
	/* All of them accept nothing. */
	loop_free(NULL);
	loop_io_del(NULL);
	loop_timer_del(NULL);
	loop_signal_del(NULL);
	loop_soon_del(NULL);
}
END_TEST

START_TEST(test_no_descriptors)
{
	struct loop *l;
	int fds[64], n = 0, error;

	struct rlimit lim;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = 40;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
	while (n < 64 && (fds[n] = dup(0)) >= 0)
		n++;
	error = loop_new(&l);
	while (n > 0)
		(void)close(fds[--n]);
	ck_assert_int_eq(error, EMFILE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = tcase_create("loop");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_io_read_and_write);
	tcase_add_test(tc, test_io_events_zero);
	tcase_add_test(tc, test_io_hangup);
	tcase_add_test(tc, test_io_del_in_own_callback);
	tcase_add_test(tc, test_io_del_each_other);
	tcase_add_test(tc, test_io_number_used_again);
	tcase_add_test(tc, test_timers_in_order);
	tcase_add_test(tc, test_timer_counts_from_now);
	tcase_add_test(tc, test_timer_del_in_callback);
	tcase_add_test(tc, test_timer_restart_in_callback);
	tcase_add_test(tc, test_soon_once_and_in_order);
	tcase_add_test(tc, test_soon_rearmed);
	tcase_add_test(tc, test_soon_del_in_callback);
	tcase_add_test(tc, test_soon_armed_then_deleted);
	tcase_add_test(tc, test_soon_from_io);
	tcase_add_test(tc, test_signal);
	tcase_add_test(tc, test_stop_from_io);
	tcase_add_test(tc, test_descriptors);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_no_descriptors);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}

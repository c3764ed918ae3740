/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit test of base/co.c, which it includes so that mapping memory can be counted and made to fail. test_co_ucontext.c builds
 * the same tests around the swapcontext() fallback. Under AddressSanitizer and valgrind the tests also show that their
 * stacks are known: a false report of either would be a failure.
 */
#include <check.h>
#include <execinfo.h>
#include <fenv.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static _Thread_local int maps, unmaps, fail_mmap, fail_mprotect;

static void *
test_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	if (fail_mmap)
		return MAP_FAILED;
	maps++;
	return mmap(addr, len, prot, flags, fd, off);
}

static int
test_mprotect(void *addr, size_t len, int prot)
{
	return fail_mprotect ? -1 : mprotect(addr, len, prot);
}

static int
test_munmap(void *addr, size_t len)
{
	unmaps++;
	return munmap(addr, len);
}

#define mmap test_mmap
#define mprotect test_mprotect
#define munmap test_munmap
#include "../../src/base/co.c" /* NOLINT(bugprone-suspicious-include) */
#undef mmap
#undef mprotect
#undef munmap

/* What ran, in order. */
static char trace[256];

static void
say(const char *what)
{
	strncat(trace, what, sizeof(trace) - strlen(trace) - 1);
}

static void
teardown(void)
{
	ck_assert_uint_eq(co_count(), 0);
	co_trim(0);
	ck_assert_int_eq(maps, unmaps);
}

static void
set_flag(void *arg)
{
	ck_assert_ptr_nonnull(co_self());
	*(int *)arg += 1;
}

START_TEST(test_runs_at_once)
{
	int flag = 0;

	ck_assert_ptr_null(co_self());
	ck_assert_int_eq(co_start(set_flag, &flag), 0);
	ck_assert_int_eq(flag, 1);
	ck_assert_ptr_null(co_self());
	ck_assert_uint_eq(co_count(), 0);
	teardown();
}
END_TEST

struct sum {
	struct co *co;
	uint64_t total, product;
	double ratio;
	int rounds;
	int done;
};

/* Enough live values that some are in each callee-saved register across the parks. */
static void
sum_up(void *arg)
{
	struct sum *s = arg;
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
	double x = 1.5, y = 2.5, z = 3.5;

	s->co = co_self();
	for (int i = 0; i < s->rounds; i++) {
		co_park();
		ck_assert_ptr_eq(co_self(), s->co);
		a += b, b += c, c += d, d += e, e += f, f += g, g += h, h += (uint64_t)i;
		x += y / 2, y += z / 2, z += 1;
	}
	s->total = a + b + c + d + e + f + g + h;
	s->product = a * h;
	s->ratio = x + y + z;
	s->done = 1;
}

START_TEST(test_park_keeps_state)
{
	enum { N = 7, ROUNDS = 50 };
	struct sum s[N];

	memset(s, 0, sizeof(s));
	for (int i = 0; i < N; i++) {
		s[i].rounds = ROUNDS;
		ck_assert_int_eq(co_start(sum_up, &s[i]), 0);
	}
	ck_assert_uint_eq(co_count(), N);
	for (int r = 0; r < ROUNDS; r++)
		for (int i = 0; i < N; i++)
			co_wake(s[(i * 3 + r) % N].co);
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(s[i].done, 1);
		ck_assert_uint_eq(s[i].total, s[0].total);
		ck_assert_uint_eq(s[i].product, s[0].product);
		ck_assert(s[i].ratio == s[0].ratio);
	}
	/* The same sum without any parking. */
	{
		uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;

		for (int i = 0; i < ROUNDS; i++)
			a += b, b += c, c += d, d += e, e += f, f += g, g += h, h += (uint64_t)i;
		ck_assert_uint_eq(s[0].total, a + b + c + d + e + f + g + h);
	}
	teardown();
}
END_TEST

static void
inner(void *arg)
{
	say(arg);
}

static void
outer(void *arg)
{
	say("<");
	ck_assert_int_eq(co_start(inner, "1"), 0);
	ck_assert_int_eq(co_start(inner, "2"), 0);
	ck_assert_uint_eq(co_count(), 3);
	say(">");
}

START_TEST(test_start_inside_waits_for_main)
{
	ck_assert_int_eq(co_start(outer, NULL), 0);
	ck_assert_str_eq(trace, "<>12");
	teardown();
}
END_TEST

struct sleeper {
	struct co *co;
	const char *name;
};

static void
sleeper(void *arg)
{
	struct sleeper *s = arg;

	s->co = co_self();
	co_park();
	say(s->name);
}

static void
waker(void *arg)
{
	struct sleeper *s = arg;

	say("<");
	co_wake(s[1].co);
	co_wake(s[0].co);
	co_wake(s[2].co);
	say(">");
}

START_TEST(test_wake_inside_in_order)
{
	struct sleeper s[3] = { { .name = "a" }, { .name = "b" }, { .name = "c" } };

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(co_start(sleeper, &s[i]), 0);
	ck_assert_str_eq(trace, "");
	ck_assert_int_eq(co_start(waker, s), 0);
	ck_assert_str_eq(trace, "<>bac");
	teardown();
}
END_TEST

/* Two coroutines that wake each other: what is woken while the list is drained runs, too, before the main side goes on. */
struct pair {
	struct co *co[2];
	int turns;
};

static void
ping(void *arg)
{
	struct pair *p = arg;
	int me = p->co[0] == NULL ? 0 : 1;

	p->co[me] = co_self();
	co_park();
	while (p->turns-- > 0) {
		co_wake(p->co[!me]);
		co_park();
	}
}

START_TEST(test_ping_pong)
{
	struct pair p = { .turns = 1000 };

	ck_assert_int_eq(co_start(ping, &p), 0);
	ck_assert_int_eq(co_start(ping, &p), 0);
	co_wake(p.co[0]);
	ck_assert_int_eq(p.turns, -1);
	ck_assert_uint_eq(co_count(), 1);
	co_wake(p.co[1]); /* the other has ended; this one is parked after its last wake */
	teardown();
}
END_TEST

/* Each starts the next and ends; in between only one stack or two are in use. */
static void
chain(void *arg)
{
	int *left = arg;

	if (--*left > 0)
		ck_assert_int_eq(co_start(chain, left), 0);
}

START_TEST(test_chain_reuses_stacks)
{
	int left = 5000;

	ck_assert_int_eq(co_start(chain, &left), 0);
	ck_assert_int_eq(left, 0);
	ck_assert_int_le(maps, 2);
	teardown();
}
END_TEST

struct one {
	struct co *co;
	unsigned number, result;
};

static void
one_of_many(void *arg)
{
	struct one *o = arg;
	char text[64];

	o->co = co_self();
	co_park();
	/* A misaligned stack would crash in here. */
	(void)snprintf(text, sizeof(text), "%u %.3f", o->number, (double)o->number / 8);
	co_park();
	ck_assert_int_eq(sscanf(text, "%u", &o->result), 1);
}

START_TEST(test_ten_thousand)
{
	enum { N = 10000, STEP = 7919 }; /* no common factor: each is met once */
	struct one *o = calloc(N, sizeof(*o));

	ck_assert_ptr_nonnull(o);
	for (unsigned i = 0; i < N; i++) {
		o[i].number = i;
		ck_assert_int_eq(co_start(one_of_many, &o[i]), 0);
	}
	ck_assert_uint_eq(co_count(), N);
	ck_assert_int_eq(maps, N);
	for (unsigned i = 0, at = 0; i < N; i++, at = (at + STEP) % N)
		co_wake(o[at].co);
	for (unsigned i = 0; i < N; i++)
		co_wake(o[i].co);
	for (unsigned i = 0; i < N; i++)
		ck_assert_uint_eq(o[i].result, i);
	ck_assert_uint_eq(co_count(), 0);
	ck_assert_int_eq(unmaps, 0);
	co_trim(N + 1);
	ck_assert_int_eq(unmaps, 0);
	co_trim(100);
	ck_assert_int_eq(unmaps, N - 100);
	/* What is left is used again. */
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(co_start(one_of_many, &o[i]), 0);
	ck_assert_int_eq(maps, N);
	for (int i = 0; i < 100; i++) {
		co_wake(o[i].co);
		co_wake(o[i].co);
	}
	free(o);
	teardown();
}
END_TEST

struct deep {
	unsigned seed;
	struct co *co;
};

static void
deep(void *arg)
{
	volatile uint8_t bytes[48 * 1024];
	struct deep *d = arg;
	unsigned seed = d->seed;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + seed);
	d->co = co_self();
	co_park();
	for (size_t i = 0; i < sizeof(bytes); i++)
		ck_assert_uint_eq(bytes[i], (uint8_t)(i * 7 + seed));
}

START_TEST(test_deep_stack_and_reuse)
{
	struct deep a[4];

	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 4; i++) {
			a[i].seed = i * 31;
			ck_assert_int_eq(co_start(deep, &a[i]), 0);
		}
		for (int i = 3; i >= 0; i--)
			co_wake(a[i].co);
	}
	ck_assert_int_eq(maps, 4);
	teardown();
}
END_TEST

/* Leaves its frames without returning through them, which on the main side AddressSanitizer would clean up by itself. */
static jmp_buf out;

static __attribute__((noinline)) void
jump_from(unsigned depth)
{
	volatile char bytes[512];

	bytes[0] = bytes[511] = (char)depth;
	if (bytes[0] == 0)
		longjmp(out, 1);
	if (depth > 0)
		jump_from(depth - 1);
	bytes[1] = 1;
}

static void
jumper(void *arg)
{
	*(struct co **)arg = co_self();
	if (setjmp(out) == 0)
		jump_from(20);
	co_park();
}

static void
park_twice(void *arg)
{
	struct co **self = arg;

	*self = co_self();
	co_park();
	co_park();
}

START_TEST(test_reuse_after_longjmp)
{
	struct co *co, *other;

	ck_assert_int_eq(co_start(park_twice, &other), 0);
	for (int i = 0; i < 3; i++) {
		struct deep d = { .seed = 5 };

		ck_assert_int_eq(co_start(jumper, &co), 0);
		co_wake(co);
		ck_assert_int_eq(co_start(deep, &d), 0);
		co_wake(d.co);
	}
	ck_assert_int_eq(maps, 2);
	co_wake(other);
	co_wake(other);
	teardown();
}
END_TEST

static void
backtracer(void *arg)
{
	void *pcs[64];

	*(int *)arg = backtrace(pcs, 64);
}

START_TEST(test_backtrace_ends)
{
	int frames = 0;

	ck_assert_int_eq(co_start(backtracer, &frames), 0);
	ck_assert_int_ge(frames, 2); /* the function and co_main(), at least */
	ck_assert_int_le(frames, 8);
	teardown();
}
END_TEST

static void
round_up(void *arg)
{
	struct co **self = arg;

	*self = co_self();
	ck_assert_int_eq(fesetround(FE_UPWARD), 0);
	co_park();
	ck_assert_int_eq(fegetround(), FE_UPWARD);
}

START_TEST(test_rounding_mode_is_each_ones_own)
{
	struct co *co;

	ck_assert_int_eq(co_start(round_up, &co), 0);
	ck_assert_int_eq(fegetround(), FE_TONEAREST);
	ck_assert_int_eq(fesetround(FE_DOWNWARD), 0);
	co_wake(co);
	ck_assert_int_eq(fegetround(), FE_DOWNWARD);
	teardown();
}
END_TEST

START_TEST(test_no_memory)
{
	int flag = 0;

	fail_mmap = 1;
	ck_assert_int_eq(co_start(set_flag, &flag), ENOMEM);
	fail_mmap = 0;
	fail_mprotect = 1;
	ck_assert_int_eq(co_start(set_flag, &flag), ENOMEM);
	ck_assert_int_eq(maps, 1);
	ck_assert_int_eq(unmaps, 1);
	fail_mprotect = 0;
	ck_assert_int_eq(flag, 0);
	ck_assert_uint_eq(co_count(), 0);
	ck_assert_int_eq(co_start(set_flag, &flag), 0);
	ck_assert_int_eq(flag, 1);
	teardown();
}
END_TEST

static void *
thread(void *arg)
{
	struct sum s[20];

	memset(s, 0, sizeof(s));
	for (int i = 0; i < 20; i++) {
		s[i].rounds = 100;
		if (co_start(sum_up, &s[i]) != 0)
			return "co_start";
	}
	for (int r = 0; r < 100; r++)
		for (int i = 0; i < 20; i++)
			co_wake(s[i].co);
	if (co_count() != 0)
		return "co_count";
	co_trim(0);
	return maps == 20 && unmaps == 20 ? NULL : "maps";
}

START_TEST(test_threads)
{
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, thread, NULL), 0);
	for (int i = 0; i < 3; i++) {
		void *wrong;

		ck_assert_int_eq(pthread_join(t[i], &wrong), 0);
		ck_assert_msg(wrong == NULL, "%s", (char *)wrong);
	}
	teardown();
}
END_TEST

#ifndef NDEBUG
static void
wake_self(void *arg)
{
	co_wake(co_self());
}

START_TEST(test_wake_running_asserts)
{
	(void)co_start(wake_self, NULL);
}
END_TEST

static void
wake_twice(void *arg)
{
	co_wake(arg);
	co_wake(arg);
}

START_TEST(test_wake_twice_asserts)
{
	struct co *co;

	(void)co_start(park_twice, &co);
	(void)co_start(wake_twice, co);
}
END_TEST

START_TEST(test_park_outside_asserts)
{
	co_park();
}
END_TEST
#endif

#ifndef INSTRUMENT_ASAN
static __attribute__((noinline)) unsigned
endless(volatile uint8_t *above)
{
	volatile uint8_t here[1024];

	here[0] = above[0];
	return above[0] == 0 ? 0 : endless(here) + here[0];
}

static void
overflow(void *arg)
{
	volatile uint8_t first = 1;

	(void)endless(&first);
}

/* The guard page: a stack that runs over ends the process, rather than the stack below. */
START_TEST(test_overflow_is_caught)
{
	(void)co_start(overflow, NULL);
}
END_TEST
#endif

int
main(void)
{
	Suite *s = suite_create("co");
	TCase *tc = tcase_create("co");
	SRunner *sr;
	int failed;

	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }); /* some tests are to die */
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_runs_at_once);
	tcase_add_test(tc, test_park_keeps_state);
	tcase_add_test(tc, test_start_inside_waits_for_main);
	tcase_add_test(tc, test_wake_inside_in_order);
	tcase_add_test(tc, test_ping_pong);
	tcase_add_test(tc, test_chain_reuses_stacks);
	tcase_add_test(tc, test_ten_thousand);
	tcase_add_test(tc, test_deep_stack_and_reuse);
	tcase_add_test(tc, test_reuse_after_longjmp);
	tcase_add_test(tc, test_backtrace_ends);
	tcase_add_test(tc, test_rounding_mode_is_each_ones_own);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_threads);
#ifndef NDEBUG
	tcase_add_test_raise_signal(tc, test_wake_running_asserts, SIGABRT);
	tcase_add_test_raise_signal(tc, test_wake_twice_asserts, SIGABRT);
	tcase_add_test_raise_signal(tc, test_park_outside_asserts, SIGABRT);
#endif
#ifndef INSTRUMENT_ASAN
	tcase_add_test_raise_signal(tc, test_overflow_is_caught, SIGSEGV);
#endif
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}

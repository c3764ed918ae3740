/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit test of vnode/slots.c, which it includes to see the use counts and to make allocation fail: ids are never given twice,
 * whatever is added, deleted and trimmed in between.
 */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static bool fail_alloc;

static void *
test_reallocarray(void *p, size_t n, size_t size)
{
	return fail_alloc ? NULL : reallocarray(p, n, size);
}

#define reallocarray test_reallocarray
#include "../../src/vnode/slots.c" /* NOLINT(bugprone-suspicious-include) */
#undef reallocarray

static struct slots s;
static char objs[1];

static void
setup(void)
{
	slots_init(&s);
}

static void
teardown(void)
{
	slots_free(&s);
}

START_TEST(fresh)
{
	uint64_t id;

	ck_assert_ptr_null(slots_get(&s, 0));
	ck_assert_ptr_null(slots_get(&s, 1));
	slots_del(&s, 1);
	slots_trim(&s);
	ck_assert_uint_eq(slots_bytes(&s), 0);
	for (uint64_t i = 1; i <= 1000; i++) {
		ck_assert_int_eq(slots_add(&s, objs, &id), 0);
		ck_assert_uint_eq(id, i);
	}
	ck_assert_uint_eq(s.count, 1000);
	ck_assert_uint_ge(slots_bytes(&s), 1000 * sizeof(struct slot));
	ck_assert_ptr_null(slots_get(&s, 0));
	ck_assert_ptr_eq(slots_get(&s, 1000), objs);
	ck_assert_ptr_null(slots_get(&s, 1001));
	ck_assert_ptr_null(slots_get(&s, UINT64_MAX));
	ck_assert_ptr_null(slots_get(&s, UINT64_C(1) << 32 | 5));
}
END_TEST

START_TEST(stale)
{
	uint64_t a, b;

	ck_assert_int_eq(slots_add(&s, objs, &a), 0);
	slots_del(&s, a);
	ck_assert_ptr_null(slots_get(&s, a));
	slots_del(&s, a);
	ck_assert_uint_eq(s.count, 0);
	ck_assert_int_eq(slots_add(&s, objs, &b), 0);
	ck_assert_uint_ne(a, b);
	ck_assert_uint_eq((uint32_t)a, (uint32_t)b); /* the place is used again */
	slots_del(&s, a);                            /* does not hurt b */
	ck_assert_ptr_eq(slots_get(&s, b), objs);
	ck_assert_ptr_null(slots_get(&s, a));
}
END_TEST

START_TEST(no_memory)
{
	uint64_t id;

	fail_alloc = true;
	ck_assert_int_eq(slots_add(&s, objs, &id), ENOMEM);
	ck_assert_uint_eq(s.count, 0);
	fail_alloc = false;
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(slots_add(&s, objs, &id), 0);
	for (uint64_t i = 100; i <= 500; i++)
		slots_del(&s, i);
	fail_alloc = true;
	slots_trim(&s); /* cannot give the memory back, and works all the same */
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(slots_add(&s, objs, &id), 0);
	ck_assert_ptr_eq(slots_get(&s, 99), objs);
}
END_TEST

/* A place whose ids are used up is not used again, trimming or not. */
START_TEST(used_up)
{
	uint64_t id, seen;

	ck_assert_int_eq(slots_add(&s, objs, &id), 0);
	slots_del(&s, id);
	s.slot[1].uses = UINT32_MAX - 1;
	ck_assert_int_eq(slots_add(&s, objs, &id), 0);
	ck_assert_uint_eq(id, (uint64_t)(UINT32_MAX - 1) << 32 | 1);
	slots_del(&s, id);
	ck_assert_ptr_null(slots_get(&s, id));
	seen = id;
	for (int i = 0; i < 5; i++) {
		slots_trim(&s);
		ck_assert_int_eq(slots_add(&s, objs, &id), 0);
		ck_assert_uint_eq((uint32_t)id, 2);
		ck_assert_uint_eq(id >> 32, i);
		ck_assert_uint_ne(id, seen);
		slots_del(&s, id);
	}
}
END_TEST

START_TEST(walk)
{
	static char obj[10];
	uint64_t id[10];
	uint32_t pos = 0;
	unsigned n = 0;

	ck_assert_ptr_null(slots_next(&s, &pos));
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(slots_add(&s, &obj[i], &id[i]), 0);
	slots_del(&s, id[0]);
	slots_del(&s, id[4]);
	slots_del(&s, id[9]);
	for (char *p; (p = slots_next(&s, &pos)) != NULL; n++)
		slots_del(&s, id[p - obj]); /* may be deleted on the way */
	ck_assert_uint_eq(n, 7);
	ck_assert_uint_eq(s.count, 0);
}
END_TEST

static int
by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Random adding, deleting and trimming: no id comes twice, each live one finds its object, no dead one finds any. */
START_TEST(random_ids)
{
	enum { ROUNDS = 60000, LIVE = 700 };
	static uint64_t given[ROUNDS], live[LIVE];
	static char obj[LIVE];
	unsigned ngiven = 0, nlive = 0;

	srandom((unsigned)_i);
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* Waves, so that there are ends to trim. */
		bool up = round / 3000 % 2 == 0;
		unsigned dice = (unsigned)random() % 100;

		if (dice < (up ? 65 : 20) && nlive < LIVE) {
			ck_assert_int_eq(slots_add(&s, &obj[nlive], &live[nlive]), 0);
			given[ngiven++] = live[nlive++];
		} else if (dice < 98 && nlive > 0) {
			unsigned i = (unsigned)random() % nlive;

			slots_del(&s, live[i]);
			if (i != --nlive) { /* the last one takes its place */
				slots_del(&s, live[nlive]);
				if (slots_add(&s, &obj[i], &live[i]) != 0)
					ck_abort();
				given[ngiven++] = live[i];
			}
		} else {
			slots_trim(&s);
		}
		if (ngiven > ROUNDS - 2)
			break;
	}
	ck_assert_uint_eq(s.count, nlive);
	for (unsigned i = 0; i < nlive; i++)
		if (slots_get(&s, live[i]) != &obj[i])
			ck_abort();
	for (unsigned i = 0; i < ngiven; i++) { /* those that are not live any more */
		const char *p = slots_get(&s, given[i]);

		if (p != NULL && live[p - obj] != given[i])
			ck_abort();
	}
	qsort(given, ngiven, sizeof(given[0]), by_value);
	for (unsigned i = 1; i < ngiven; i++)
		if (given[i - 1] == given[i])
			ck_abort_msg("id %llx was given twice", (unsigned long long)given[i]);
	while (nlive > 0)
		slots_del(&s, live[--nlive]);
	slots_trim(&s);
	ck_assert_uint_eq(slots_bytes(&s), SLOTS_MIN * sizeof(struct slot));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("slots");
	TCase *t = tcase_create("slots");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, fresh);
	tcase_add_test(t, stale);
	tcase_add_test(t, no_memory);
	tcase_add_test(t, used_up);
	tcase_add_test(t, walk);
	tcase_add_loop_test(t, random_ids, 0, 8);
	suite_add_tcase(suite, t);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

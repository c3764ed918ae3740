/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit test of the small parts of base/: buf.c, clock.c and chunk.c, which it includes so that memory can be made to run out.
 */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"

static int fail_alloc, fail_mmap, maps, unmaps;

static void *
test_malloc(size_t size)
{
	return fail_alloc || size > PTRDIFF_MAX
		   ? NULL
		   : malloc(size); /* the sanitizers do not take the latter for an answer */
}

static void *
test_calloc(size_t n, size_t size)
{
	return fail_alloc ? NULL : calloc(n, size);
}

static void *
test_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	if (fail_mmap)
		return MAP_FAILED;
	maps++;
	return mmap(addr, len, prot, flags, fd, off);
}

static int
test_munmap(void *addr, size_t len)
{
	unmaps++;
	return munmap(addr, len);
}

#define malloc test_malloc
#define calloc test_calloc
#define mmap test_mmap
#define munmap test_munmap
#include "../../src/base/chunk.c" /* NOLINT(bugprone-suspicious-include) */
#undef malloc
#undef calloc
#undef mmap
#undef munmap

/* ---- buf ---- */

START_TEST(test_get)
{
	static const char data[] = "ab\0cdefgh\0\0ij";
	struct buf_get b;
	const void *ref;
	const char *s;
	char out[8] = "........";
	size_t len;

	buf_get_init(&b, data, sizeof(data) - 1);
	ck_assert_uint_eq(buf_get_left(&b), 13);
	ck_assert_int_eq(buf_get_str(&b, &s, &len), 0);
	ck_assert_str_eq(s, "ab");
	ck_assert_uint_eq(len, 2);
	ck_assert_int_eq(buf_get_bytes(&b, out, 2), 0);
	ck_assert_mem_eq(out, "cd......", 8);
	ck_assert_int_eq(buf_get_ref(&b, 1, &ref), 0);
	ck_assert_ptr_eq(ref, data + 5);
	ck_assert_int_eq(buf_get_skip(&b, 3), 0);
	ck_assert_int_eq(buf_get_str(&b, &s, &len), 0);
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(buf_get_skip(&b, 1), 0);
	ck_assert_uint_eq(buf_get_left(&b), 2);
	ck_assert_int_eq(buf_get_bytes(&b, out, 2), 0);
	ck_assert_uint_eq(buf_get_left(&b), 0);
	ck_assert_int_eq(buf_get_bytes(&b, out, 0), 0);
	ck_assert_int_eq(buf_get_skip(&b, 0), 0);
	ck_assert_int_eq(b.failed, 0);
}
END_TEST

/* Each way to fail; after it nothing succeeds any more. */
START_TEST(test_get_past_end)
{
	static const char data[4] = { 'a', 'b', 'c', 'd' };

	for (int way = 0; way < 6; way++) {
		struct buf_get b;
		const void *ref = NULL;
		const char *s = NULL;
		char out[8] = "........";
		size_t len = 77;
		int error = -1;

		buf_get_init(&b, data, sizeof(data));
		switch (way) {
		case 0:
			error = buf_get_bytes(&b, out, 5);
			break;
		case 1:
			error = buf_get_ref(&b, 5, &ref);
			break;
		case 2:
			error = buf_get_skip(&b, 5);
			break;
		case 3:
			error = buf_get_str(&b, &s, &len);
			break;
		case 4:
			error = buf_get_skip(&b, SIZE_MAX);
			break;
		case 5:
			error = buf_get_bytes(&b, out, (size_t)0 - 1);
			break;
		}
		ck_assert_int_eq(error, EMSGSIZE);
		ck_assert_int_ne(b.failed, 0);
		ck_assert_uint_eq(buf_get_left(&b), 0);
		ck_assert_int_eq(buf_get_bytes(&b, out, 1), EMSGSIZE);
		ck_assert_int_eq(buf_get_bytes(&b, out, 0), EMSGSIZE);
		ck_assert_int_eq(buf_get_ref(&b, 0, &ref), EMSGSIZE);
		ck_assert_int_eq(buf_get_skip(&b, 0), EMSGSIZE);
		ck_assert_int_eq(buf_get_str(&b, &s, &len), EMSGSIZE);
		ck_assert_mem_eq(out, "........", 8);
		ck_assert_ptr_null(ref);
		ck_assert_ptr_null(s);
		ck_assert_uint_eq(len, 77);
	}
}
END_TEST

START_TEST(test_get_nothing)
{
	struct buf_get b;
	const char *s;
	char c;
	size_t len;

	buf_get_init(&b, NULL, 0);
	ck_assert_uint_eq(buf_get_left(&b), 0);
	ck_assert_int_eq(buf_get_bytes(&b, NULL, 0), 0);
	ck_assert_int_eq(buf_get_skip(&b, 0), 0);
	ck_assert_int_eq(buf_get_bytes(&b, &c, 1), EMSGSIZE);
	buf_get_init(&b, NULL, 0);
	ck_assert_int_eq(buf_get_str(&b, &s, &len), EMSGSIZE);
}
END_TEST

START_TEST(test_put)
{
	char data[16];
	struct buf_put b;

	memset(data, '.', sizeof(data));
	buf_put_init(&b, data, 10);
	ck_assert_int_eq(buf_put_bytes(&b, "abc", 3), 0);
	ck_assert_int_eq(buf_put_zero(&b, 2), 0);
	ck_assert_int_eq(buf_put_bytes(&b, NULL, 0), 0);
	ck_assert_uint_eq(buf_put_len(&b), 5);
	ck_assert_int_eq(buf_put_str(&b, "defg"), 0);
	ck_assert_uint_eq(buf_put_len(&b), 10);
	ck_assert_mem_eq(data, "abc\0\0defg\0......", 16);
	ck_assert_int_eq(buf_put_zero(&b, 0), 0);
	ck_assert_int_eq(buf_put_zero(&b, 1), EMSGSIZE);
	ck_assert_mem_eq(data, "abc\0\0defg\0......", 16);
	ck_assert_uint_eq(buf_put_len(&b), 10);
}
END_TEST

START_TEST(test_put_past_end)
{
	for (int way = 0; way < 4; way++) {
		char data[8];
		struct buf_put b;
		int error = -1;

		memset(data, '.', sizeof(data));
		buf_put_init(&b, data, 4);
		switch (way) {
		case 0:
			error = buf_put_bytes(&b, "abcde", 5);
			break;
		case 1:
			error = buf_put_zero(&b, 5);
			break;
		case 2:
			error = buf_put_str(&b, "abcd");
			break;
		case 3:
			error = buf_put_zero(&b, SIZE_MAX);
			break;
		}
		ck_assert_int_eq(error, EMSGSIZE);
		ck_assert_int_ne(b.failed, 0);
		ck_assert_int_eq(buf_put_bytes(&b, "a", 1), EMSGSIZE);
		ck_assert_int_eq(buf_put_zero(&b, 0), EMSGSIZE);
		ck_assert_int_eq(buf_put_str(&b, ""), EMSGSIZE);
		ck_assert_uint_eq(buf_put_len(&b), 0);
		ck_assert_mem_eq(data, "........", 8);
	}
	for (int way = 0; way < 2; way++) {
		struct buf_put b;

		buf_put_init(&b, NULL, 0);
		ck_assert_int_eq(buf_put_zero(&b, 0), 0);
		ck_assert_uint_eq(buf_put_len(&b), 0);
		ck_assert_int_eq(way ? buf_put_str(&b, "") : buf_put_bytes(&b, "a", 1), EMSGSIZE);
	}
}
END_TEST

/* ---- chunk, clock ---- */

START_TEST(test_chunk_own)
{
	static const size_t caps[] = { 0, 1, 7, 8, 4096, 100001 };

	for (unsigned i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		struct chunk *c = chunk_new(caps[i]);

		ck_assert_ptr_nonnull(c);
		ck_assert_uint_eq((uintptr_t)c->data % 8, 0);
		ck_assert_uint_eq(c->cap, caps[i]);
		ck_assert_uint_eq(c->len, 0);
		ck_assert_uint_eq(c->refs, 1);
		memset(c->data, 'x', c->cap);
		ck_assert_ptr_eq(chunk_ref(c), c);
		ck_assert_uint_eq(c->refs, 2);
		chunk_unref(c);
		ck_assert_uint_eq(c->refs, 1);
		chunk_unref(c);
	}
	ck_assert_ptr_null(chunk_new(SIZE_MAX));
	ck_assert_ptr_null(chunk_new(SIZE_MAX - sizeof(struct chunk)));
	fail_alloc = 1;
	ck_assert_ptr_null(chunk_new(1));
	fail_alloc = 0;
	chunk_unref(NULL);
}
END_TEST

/* What stands behind a head lies in whole pages, from the first chunk to one that comes again. */
START_TEST(test_pool_head)
{
	static const size_t heads[] = { 8, 16, 80, 4088 };
	struct chunk_pool *pool;
	struct chunk *c;

	ck_assert_int_eq(chunk_pool_new(20000, heads[_i], 1, &pool), 0);
	for (int i = 0; i < 3; i++) {
		c = chunk_get(pool);
		ck_assert_ptr_nonnull(c);
		ck_assert_uint_eq(((uintptr_t)c->data + heads[_i]) % 4096, 0);
		ck_assert_uint_eq(c->cap, 20000);
		memset(c->data, i, c->cap);
		chunk_unref(c);
		chunk_pool_trim(pool);
	}
	chunk_pool_free(pool);
	ck_assert_int_eq(maps, unmaps);
}
END_TEST

START_TEST(test_pool_reuse)
{
	struct chunk_pool *pool;
	struct chunk *c[4];
	uint8_t *warm;

	ck_assert_int_eq(chunk_pool_new(10001, 0, 2, &pool), 0);
	for (int i = 0; i < 4; i++) {
		c[i] = chunk_get(pool);
		ck_assert_ptr_nonnull(c[i]);
		ck_assert_uint_eq(c[i]->cap, 10001);
		ck_assert_uint_eq((uintptr_t)c[i]->data % 4096, 0);
		memset(c[i]->data, i, c[i]->cap);
		c[i]->len = 17;
	}
	ck_assert_int_eq(maps, 4);
	/* Two are kept, the rest goes back. */
	chunk_ref(c[0]);
	chunk_unref(c[0]);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(c[i]->data[9999], i);
	warm = c[1]->data;
	for (int i = 0; i < 4; i++)
		chunk_unref(c[i]);
	ck_assert_int_eq(unmaps, 2);
	/* The one used last comes first, and is empty. */
	c[0] = chunk_get(pool);
	ck_assert_ptr_eq(c[0]->data, warm);
	ck_assert_uint_eq(c[0]->len, 0);
	ck_assert_uint_eq(c[0]->refs, 1);
	memset(c[0]->data, 9, c[0]->cap);
	c[1] = chunk_get(pool);
	ck_assert_int_eq(maps, 4);
	c[2] = chunk_get(pool);
	ck_assert_int_eq(maps, 5);
	for (int i = 0; i < 3; i++)
		chunk_unref(c[i]);
	chunk_pool_free(pool);
	ck_assert_int_eq(maps, unmaps);
}
END_TEST

START_TEST(test_pool_trim)
{
	struct chunk_pool *pool;
	struct chunk *c[3];

	ck_assert_int_eq(chunk_pool_new(1 << 20, 0, 8, &pool), 0);
	chunk_pool_trim(pool);
	for (int i = 0; i < 3; i++) {
		c[i] = chunk_get(pool);
		memset(c[i]->data, 0x55, c[i]->cap);
	}
	chunk_pool_trim(pool); /* those in use stay as they are */
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(c[i]->data[c[i]->cap - 1], 0x55);
	for (int i = 0; i < 3; i++)
		chunk_unref(c[i]);
	ck_assert_int_eq(unmaps, 0);
	chunk_pool_trim(pool);
	ck_assert_int_eq(unmaps, 2);
	c[0] = chunk_get(pool);
	ck_assert_int_eq(maps, 3); /* the one that was kept, */
#ifdef __linux__
	unsigned char resident[256];

	/* but none of its memory. */
	ck_assert_int_eq(mincore(c[0]->data, 1 << 20, resident), 0);
	for (int i = 0; i < 256; i++)
		ck_assert_uint_eq(resident[i] & 1, 0);
#endif
	memset(c[0]->data, 0x55, c[0]->cap);
	chunk_unref(c[0]);
	chunk_pool_free(pool);
	ck_assert_int_eq(unmaps, 3);
}
END_TEST

START_TEST(test_pool_free_before_chunks)
{
	struct chunk_pool *pool;
	struct chunk *a, *b;

	ck_assert_int_eq(chunk_pool_new(4096, 0, 4, &pool), 0);
	a = chunk_get(pool);
	b = chunk_get(pool);
	chunk_unref(chunk_get(pool));
	chunk_ref(b);
	chunk_pool_free(pool);
	ck_assert_int_eq(unmaps, 1);
	memset(a->data, 1, a->cap);
	chunk_unref(a);
	memset(b->data, 1, b->cap);
	chunk_unref(b);
	ck_assert_int_eq(unmaps, 2);
	chunk_unref(b);
	ck_assert_int_eq(unmaps, 3);
	chunk_pool_free(NULL);
}
END_TEST

START_TEST(test_pool_no_memory)
{
	struct chunk_pool *pool;
	struct chunk *c;

	fail_alloc = 1;
	ck_assert_int_eq(chunk_pool_new(4096, 0, 4, &pool), ENOMEM);
	fail_alloc = 0;
	ck_assert_int_eq(chunk_pool_new(4096, 0, 0, &pool), 0);
	fail_alloc = 1;
	ck_assert_ptr_null(chunk_get(pool));
	fail_alloc = 0;
	fail_mmap = 1;
	ck_assert_ptr_null(chunk_get(pool));
	fail_mmap = 0;
	c = chunk_get(pool);
	ck_assert_ptr_nonnull(c);
	chunk_unref(c);
	ck_assert_int_eq(unmaps, 1); /* none is kept */
	chunk_pool_free(pool);
}
END_TEST

START_TEST(test_clock)
{
	uint64_t a = clock_ns(), b = clock_ns();
	struct timespec ts;

	ck_assert_uint_ge(b, a);
	ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	ck_assert_uint_ge((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec, b);
	ck_assert_uint_le((uint64_t)ts.tv_sec, b / CLOCK_SEC + 60);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("base");
	TCase *tc = tcase_create("base");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, test_get);
	tcase_add_test(tc, test_get_past_end);
	tcase_add_test(tc, test_get_nothing);
	tcase_add_test(tc, test_put);
	tcase_add_test(tc, test_put_past_end);
	tcase_add_test(tc, test_chunk_own);
	tcase_add_loop_test(tc, test_pool_head, 0, 4);
	tcase_add_test(tc, test_pool_reuse);
	tcase_add_test(tc, test_pool_trim);
	tcase_add_test(tc, test_pool_free_before_chunks);
	tcase_add_test(tc, test_pool_no_memory);
	tcase_add_test(tc, test_clock);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FORGET and BATCH_FORGET: each lookup that was given out comes back, when nothing uses the node any more and not before.
 * (After every case of the suite the counts have to be zero; here is what holds a node, and what lets go of it.)
 */
#include <poll.h>
#include <stdio.h>
#include <sys/mount.h>

#include "mock/names.h"

static long
do_statfs(struct actor *a)
{
	return step(a, statfs(in_mount(a, ""), &a->sfs));
}

/* FORGETs that the kernel has queued by now have been seen afterwards. */
static void
settle(struct mock *m)
{
	for (int i = 0; i < 3; i++) {
		struct actor *a = start(m, do_statfs);
		union wire_out out = { .statfs.st.bsize = 512 };

		reply_out(m, expect(m, WIRE_STATFS), &out);
		finish(a);
		let_expire();
	}
	expect_none(m);
}

MOCK_CASE(one)
{
	know(m, "file", 42, S_IFREG | 0644, 0);
	settle(m);
	check_u(lookups_out(m, 42), 1); /* not before it must */
	shrink(m);
	expect_forgotten(m, 42);
}

MOCK_CASE(counts_add_up)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 1);

	e.entry_valid = 0;
	for (int i = 0; i < 5; i++) {
		struct actor *a = on(m, do_stat, "file");

		reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
		finish(a);
	}
	check_u(lookups_out(m, 42), 5);
	shrink(m);
	expect_forgotten(m, 42);
}

MOCK_CASE(two_names)
{
	know(m, "one", 42, S_IFREG | 0644, 1);
	know(m, "two", 42, S_IFREG | 0644, 1);
	check_u(lookups_out(m, 42), 2);
	shrink(m);
	expect_forgotten(m, 42);
}

MOCK_CASE(tree)
{
	struct actor *a = on(m, do_stat, "a/b/c");

	answer_lookup(m, WIRE_ROOT_ID, "a", 42, S_IFDIR | 0755, 0);
	answer_lookup(m, 42, "b", 43, S_IFDIR | 0755, 0);
	answer_lookup(m, 43, "c", 44, S_IFREG | 0644, 9);
	finish(a);
	shrink(m);
	expect_forgotten(m, 42);
	expect_forgotten(m, 43);
	expect_forgotten(m, 44);
}

MOCK_CASE(negative_never)
{
	struct actor *a = on(m, do_stat, "nothing");

	reply_negative(m, expect_lookup(m, WIRE_ROOT_ID, "nothing"), LONG);
	finish(a);
	check_asked_again(m, "other");
	shrink(m);
	settle(m);
	check_u(lookups_out(m, 0), 0);
}

MOCK_CASE(open_file_keeps_it)
{
	struct actor *a = on(m, open_and_hold, "dir/file");

	answer_lookup(m, WIRE_ROOT_ID, "dir", 42, S_IFDIR | 0755, 0);
	answer_lookup(m, 42, "file", 43, S_IFREG | 0644, 0);
	answer_open(m, 43, 70, 0);
	reached(a);
	shrink(m);
	settle(m);
	check_u(lookups_out(m, 43), 1);
	check_u(lookups_out(m, 42), 1); /* its directory as well */
	proceed(a);
	answer_close(m, 43, 70);
	finish(a);
	check_step(a, 1, 0, 0);
	shrink(m);
	expect_forgotten(m, 43);
	expect_forgotten(m, 42);
}

static long
unlink_it(struct actor *a)
{
	return step(a, unlink(arg_path(a)));
}

MOCK_CASE(unlinked_at_once)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 0);
	a = on(m, unlink_it, "file");
	reply_empty(m, expect_named(m, WIRE_UNLINK, WIRE_ROOT_ID, "file"));
	finish(a);
	check_step(a, 0, 0, 0);
	expect_forgotten(m, 42);
}

MOCK_CASE(unlinked_but_open)
{
	struct actor *holder = on(m, open_and_hold, "file"), *a;

	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0644, 0);
	answer_open(m, 42, 70, 0);
	reached(holder);
	a = on(m, unlink_it, "file");
	reply_empty(m, expect_named(m, WIRE_UNLINK, WIRE_ROOT_ID, "file"));
	finish(a);
	shrink(m);
	settle(m);
	check_u(lookups_out(m, 42), 1);
	proceed(holder);
	answer_close(m, 42, 70);
	finish(holder);
	expect_forgotten(m, 42);
}

static long
chdir_and_hold(struct actor *a)
{
	if (step(a, chdir(arg_path(a))) != 0)
		return -1;
	hold(a);
	return step(a, chdir("/"));
}

MOCK_CASE(working_directory_keeps_it)
{
	struct actor *a = on(m, chdir_and_hold, "dir");

	answer_lookup(m, WIRE_ROOT_ID, "dir", 42, S_IFDIR | 0755, 0);
	reply_empty(m, expect_on(m, WIRE_ACCESS, 42));
	reached(a);
	shrink(m);
	settle(m);
	check_u(lookups_out(m, 42), 1);
	proceed(a);
	finish(a);
	shrink(m);
	expect_forgotten(m, 42);
}

static long
rename_a_b(struct actor *a)
{
	return step(a, rename(in_mount(a, "a"), in_mount(a, "b")));
}

MOCK_CASE(renamed_over)
{
	struct actor *a;

	know(m, "a", 42, S_IFREG | 0644, 0);
	know(m, "b", 43, S_IFREG | 0644, 0);
	a = start(m, rename_a_b);
	answer_lookup(m, WIRE_ROOT_ID, "b", 43, S_IFREG | 0644, 0);
	reply_empty(m, expect_named(m, WIRE_RENAME, WIRE_ROOT_ID, "a"));
	finish(a);
	check_step(a, 0, 0, 0);
	expect_forgotten(m, 43);
	check_u(lookups_out(m, 42), 1);
}

/* A node that was forgotten is a new one when it comes back. */
MOCK_CASE(forgotten_and_back)
{
	for (int i = 0; i < 3; i++) {
		know(m, "file", 42, S_IFREG | 0644, (uint64_t)i);
		check_u(lookups_out(m, 42), 1);
		shrink(m);
		expect_forgotten(m, 42);
	}
}

static long
remount(struct actor *a)
{
	return step(a, mount(NULL, in_mount(a, ""), NULL, MS_REMOUNT, NULL));
}

/*
 * What the harness hides: read the messages ourselves until nodes nodes of one lookup each are forgotten. Gives the number of
 * messages; with batch, some may be BATCH_FORGET.
 */
static int
read_forgets(struct mock *m, int nodes, bool batch)
{
	static uint64_t msg[MOCK_BUF / 8]; /* (the kernel gives nothing to a small buffer) */
	int messages = 0, left = nodes;
	struct pollfd pfd = { .fd = mock_fd(m), .events = POLLIN };

	while (left > 0) {
		struct wire_proto p = { .minor = mock_answer(m)->minor };
		struct wire_req r;
		ssize_t n;

		check_i(poll(&pfd, 1, 5000), 1);
		check_that((n = read(mock_fd(m), msg, sizeof(msg))) > 0);
		check_i(wire_parse_request(&p, msg, (size_t)n, &r), 0);
		messages++;
		if (r.hdr.opcode == WIRE_FORGET) {
			check_that(r.hdr.nodeid >= 100 && r.hdr.nodeid < 100 + (uint64_t)nodes);
			check_u(r.in.forget.nlookup, 1);
			left--;
			continue;
		}
		check_that(batch);
		check_u(r.hdr.opcode, WIRE_BATCH_FORGET);
		check_u(r.datalen, r.in.batch_forget.count * sizeof(struct wire_forget_one));
		for (uint32_t i = 0; i < r.in.batch_forget.count; i++) {
			struct wire_forget_one one;

			memcpy(&one, r.data + i * sizeof(one), sizeof(one));
			check_that(one.nodeid >= 100 && one.nodeid < 100 + (uint64_t)nodes);
			check_u(one.nlookup, 1);
			left--;
		}
	}
	check_i(left, 0);
	check_i(poll(&pfd, 1, 200), 0);
	return messages;
}

static void
know_many(struct mock *m, int nodes)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	for (int i = 0; i < nodes; i++)
		know(m, (char[]){ digits[i / 10], digits[i % 10], '\0' }, 100 + (uint64_t)i, S_IFREG | 0644, 0);
}

/* (The counts cannot be taken by the harness when we read past it.) */
MOCK_CASE(minor_15_has_no_batch, .minor = 15, .unbalanced = true)
{
	struct actor *a;

	know_many(m, 20);
	a = start(m, remount);
	check_i(read_forgets(m, 20, false), 20);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(minor_16_may_batch, .minor = 16, .unbalanced = true)
{
	struct actor *a;

	know_many(m, 40);
	a = start(m, remount);
	while (!has_ended(a)) /* (finish() would take the messages) */
		let_expire();
	(void)read_forgets(m, 40, true);
	finish(a);
	check_step(a, 0, 0, 0);
}

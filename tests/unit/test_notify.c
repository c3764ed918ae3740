/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notifications from a scripted daemon to a scripted kernel: vnode/notify.c (whose nodes, what makes no sense) and
 * host/linux/notify.c (its thread, whose writes can be held up here; order, bounds, and the end).
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/loop.h"

/* What the thread's writes do: pass, fail with an errno, wait for the gate, or wait until the kernel has an answer. */
static _Atomic int fail_write;
static _Atomic int held;      /* writes wait */
static _Atomic int in_write;  /* one does */
static _Atomic int answer_fd; /* the kernel's end: wait for an answer there; 0: do not */
static int fail_create;
static bool patient; /* nothing takes too long */
static bool hurried; /* everything does at once */

static ssize_t
test_write(int fd, const void *data, size_t len)
{
	struct pollfd p = { .fd = answer_fd, .events = POLLIN };

	in_write = 1;
	while (held)
		usleep(1000);
	if (answer_fd != 0)
		(void)poll(&p, 1, -1);
	in_write = 0;
	if (fail_write != 0) {
		errno = fail_write;
		return -1;
	}
	return write(fd, data, len);
}

static int
test_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	return fail_create != 0 ? fail_create : pthread_create(thread, attr, fn, arg);
}

static void
test_timer_start(struct loop_timer *t, uint64_t ns)
{
	if (!patient)
		loop_timer_start(t, hurried ? 1 : ns);
}

#define write test_write
#define loop_timer_start test_timer_start
#define pthread_create test_create
#include "../../src/host/linux/notify.c" /* NOLINT(bugprone-suspicious-include) */
#undef write
#undef loop_timer_start
#undef pthread_create

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */
#include "fake_kernel.c" /* NOLINT(bugprone-suspicious-include) */

static struct fake fake, *f = &fake;
static struct kernel kernel, *k = &kernel;

static void
setup(void)
{
	k_start(k, f);
	f->pass_notes = true;
	k_mount(k, 45, WIRE_INIT_MAX_PAGES | WIRE_INIT_EXT);
}

static void
teardown(void)
{
	k_stop(k);
}

/* ---- the daemon's side ---- */

/* A notification of up to two parts; without a turn of the loop. */
static void
notify(int code, const void *a, size_t alen, const void *b, size_t blen)
{
	static uint8_t m[CONN_MSG_MAX];
	struct wire_out_header hdr = { .len = (uint32_t)(sizeof(hdr) + alen + blen), .error = code };

	memcpy(m, &hdr, sizeof(hdr));
	if (alen != 0)
		memcpy(m + sizeof(hdr), a, alen);
	if (blen != 0)
		memcpy(m + sizeof(hdr) + alen, b, blen);
	fake_send(f, m, hdr.len);
}

static void
inval_inode_of(uint64_t ino)
{
	struct wire_notify_inval_inode_out o = { .ino = ino, .off = 4096, .len = 7 };

	notify(WIRE_NOTIFY_INVAL_INODE, &o, sizeof(o), NULL, 0);
}

static void
inval_entry_of(uint64_t parent, const char *name, size_t len, uint32_t flags)
{
	struct wire_notify_inval_entry_out o = { .parent = parent, .namelen = (uint32_t)len, .flags = flags };
	static char text[8192];

	memcpy(text, name, len);
	text[len] = '\0';
	notify(WIRE_NOTIFY_INVAL_ENTRY, &o, sizeof(o), text, len + 1);
}

static void
delete_of(uint64_t parent, uint64_t child, const char *name)
{
	struct wire_notify_delete_out o = { .parent = parent, .child = child, .namelen = (uint32_t)strlen(name) };

	notify(WIRE_NOTIFY_DELETE, &o, sizeof(o), name, strlen(name) + 1);
}

static void
store_of(uint64_t nodeid, uint64_t offset, const void *data, size_t len)
{
	struct wire_notify_store_out o = { .nodeid = nodeid, .offset = offset, .size = (uint32_t)len };

	notify(WIRE_NOTIFY_STORE, &o, sizeof(o), data, len);
}

static void
retrieve_of(uint64_t nodeid, uint64_t unique, uint64_t offset, uint32_t size)
{
	struct wire_notify_retrieve_out o = {
		.notify_unique = unique, .nodeid = nodeid, .offset = offset, .size = size
	};

	notify(WIRE_NOTIFY_RETRIEVE, &o, sizeof(o), NULL, 0);
}

/* ---- the kernel's side ---- */

static size_t
waiting(void)
{
	struct host_linux_notes n;

	host_linux_notes(k->h, &n);
	return n.waiting;
}

static uint64_t
refused(void)
{
	struct host_linux_notes n;

	host_linux_notes(k->h, &n);
	return n.refused;
}

/* Until all that has come is written. */
static void
settle_notes(void)
{
	k_turn(k);
	while (waiting() != 0)
		loop_once(f->loop, 1);
	k_turn(k);
}

/* The next notification that the kernel got. */
static struct wire_note
noted(int code)
{
	static uint8_t m[CONN_MSG_MAX + 4096];
	struct wire_note n;
	ssize_t len;

	settle_notes();
	len = recv(k->sock, m, sizeof(m), MSG_DONTWAIT);
	if (len < 0)
		ck_abort_msg("no notification, %d was expected", code);
	ck_assert_int_eq(wire_parse_notify(m, (size_t)len, &n, NULL), 0);
	ck_assert_int_eq(n.code, code);
	return n;
}

/* None came, and the connection is well. */
static void
nothing(void)
{
	settle_notes();
	k_quiet(k);
	ck_assert(conn_alive(f->conn));
}

static void
connection_ended(int error, const char *why)
{
	k_turn(k);
	ck_assert(!conn_alive(f->conn));
	ck_assert_int_eq(f->death_error, error);
	if (strstr(f->why, why) == NULL)
		ck_abort_msg("\"%s\" does not say \"%s\"", f->why, why);
}

/* ---- each of them ---- */

START_TEST(inval_inode_passed)
{
	struct wire_note n;

	inval_inode_of(FILE_D);
	n = noted(WIRE_NOTIFY_INVAL_INODE);
	ck_assert_uint_eq(n.out.inval_inode.ino, k->file);
	ck_assert_int_eq(n.out.inval_inode.off, 4096);
	ck_assert_int_eq(n.out.inval_inode.len, 7);
	inval_inode_of(WIRE_ROOT_ID);
	ck_assert_uint_eq(noted(WIRE_NOTIFY_INVAL_INODE).out.inval_inode.ino, VN_ROOT_ID);
	inval_inode_of(4711);
	inval_inode_of(0);
	inval_inode_of(k->file); /* the engine's own numbers mean nothing to the daemon */
	nothing();
}
END_TEST

START_TEST(inval_entry_passed)
{
	static char longest[4096];
	struct wire_note n;

	memset(longest, 'x', sizeof(longest));
	inval_entry_of(DIR_D, "name", 4, WIRE_EXPIRE_ONLY);
	n = noted(WIRE_NOTIFY_INVAL_ENTRY);
	ck_assert_uint_eq(n.out.inval_entry.parent, k->dir);
	ck_assert_uint_eq(n.out.inval_entry.flags, WIRE_EXPIRE_ONLY);
	ck_assert_uint_eq(n.namelen, 4);
	ck_assert_mem_eq(n.name, "name", 5);
	inval_entry_of(WIRE_ROOT_ID, longest, 1024, 0);
	n = noted(WIRE_NOTIFY_INVAL_ENTRY);
	ck_assert_uint_eq(n.out.inval_entry.parent, VN_ROOT_ID);
	ck_assert_uint_eq(n.namelen, 1024);
	inval_entry_of(DIR_D, longest, 1025, 0);
	inval_entry_of(DIR_D, longest, 4096, 0);
	inval_entry_of(DIR_D, "", 0, 0);
	inval_entry_of(DIR_D, "a/b", 3, 0);
	inval_entry_of(DIR_D, "a\0b", 3, 0);
	inval_entry_of(4711, "name", 4, 0);
	nothing();
}
END_TEST

/* With messages of more than a page the kernel takes longer names. */
START_TEST(long_names)
{
	static char longest[4096];
	struct wire_init offer = { .major = 7, .minor = 45, .flags = k_flags(45) };
	struct wire_init answer = { .major = 7, .minor = 45, .flags = WIRE_INIT_MAX_PAGES, .max_pages = 32 };

	memset(longest, 'x', sizeof(longest));
	k_start(k, f);
	f->pass_notes = true;
	(void)k_init(k, &offer, &answer);
	(void)k_expect(k, 0, 64);
	inval_entry_of(WIRE_ROOT_ID, longest, 4095, 0);
	ck_assert_uint_eq(noted(WIRE_NOTIFY_INVAL_ENTRY).namelen, 4095);
	inval_entry_of(WIRE_ROOT_ID, longest, 4096, 0);
	nothing();
	k_stop(k);
}
END_TEST

START_TEST(delete_passed)
{
	struct wire_note n;
	size_t bytes = k_counts(k).bytes;

	delete_of(WIRE_ROOT_ID, FILE_D, "other"); /* not the name under which it is known */
	n = noted(WIRE_NOTIFY_DELETE);
	ck_assert_uint_eq(n.out.del.parent, VN_ROOT_ID);
	ck_assert_uint_eq(n.out.del.child, k->file);
	ck_assert_uint_eq(n.namelen, 5);
	ck_assert_mem_eq(n.name, "other", 6);
	ck_assert_uint_eq(k_counts(k).bytes, bytes);
	delete_of(WIRE_ROOT_ID, FILE_D, "file");
	(void)noted(WIRE_NOTIFY_DELETE);
	ck_assert_uint_lt(k_counts(k).bytes, bytes); /* the name table follows */
	delete_of(WIRE_ROOT_ID, FILE_D, "file");     /* once more: the kernel's affair */
	(void)noted(WIRE_NOTIFY_DELETE);
	/* Of an unknown child the kernel drops the name all the same. */
	delete_of(DIR_D, 4711, "file");
	n = noted(WIRE_NOTIFY_INVAL_ENTRY);
	ck_assert_uint_eq(n.out.inval_entry.parent, k->dir);
	ck_assert_uint_eq(n.out.inval_entry.flags, 0);
	delete_of(4711, FILE_D, "file");
	delete_of(DIR_D, FILE_D, "a/b");
	delete_of(DIR_D, FILE_D, "");
	nothing();
}
END_TEST

START_TEST(store_passed)
{
	static uint8_t data[CONN_DATA_MAX];
	size_t room = k_room(k);
	struct wire_note n;

	memset(data, 7, sizeof(data));
	store_of(FILE_D, 12345, data, room);
	n = noted(WIRE_NOTIFY_STORE);
	ck_assert_uint_eq(n.out.store.nodeid, k->file);
	ck_assert_uint_eq(n.out.store.offset, 12345);
	ck_assert_uint_eq(n.datalen, room);
	ck_assert_mem_eq(n.data, data, room);
	store_of(FILE_D, 0, NULL, 0);
	ck_assert_uint_eq(noted(WIRE_NOTIFY_STORE).datalen, 0);
	store_of(FILE_D, INT64_MAX - 3, "abc", 3);
	(void)noted(WIRE_NOTIFY_STORE);
	store_of(FILE_D, INT64_MAX - 2, "abc", 3);
	store_of(FILE_D, UINT64_MAX, "abc", 3);
	store_of(4711, 0, "abc", 3);
	nothing();
}
END_TEST

START_TEST(poll_and_epoch)
{
	struct wire_notify_poll_wakeup_out o = { .kh = UINT64_C(0xfedcba9876543210) };

	/* At once: no thread, no pause. */
	fail_create = EAGAIN;
	notify(WIRE_NOTIFY_POLL, &o, sizeof(o), NULL, 0);
	ck_assert_uint_eq(noted(WIRE_NOTIFY_POLL).out.poll.kh, o.kh);
	notify(WIRE_NOTIFY_INC_EPOCH, NULL, 0, NULL, 0);
	(void)noted(WIRE_NOTIFY_INC_EPOCH);
	fail_create = 0;
}
END_TEST

START_TEST(prune_passed)
{
	struct wire_notify_prune_out o = { .count = 4 };
	uint64_t ino[] = { FILE_D, 4711, DIR_D, WIRE_ROOT_ID }, got[3];
	struct wire_note n;

	notify(WIRE_NOTIFY_PRUNE, &o, sizeof(o), ino, sizeof(ino));
	n = noted(WIRE_NOTIFY_PRUNE);
	ck_assert_uint_eq(n.out.prune.count, 3);
	memcpy(got, n.data, sizeof(got));
	ck_assert_uint_eq(got[0], k->file);
	ck_assert_uint_eq(got[1], k->dir);
	ck_assert_uint_eq(got[2], VN_ROOT_ID);
	o.count = 1;
	notify(WIRE_NOTIFY_PRUNE, &o, sizeof(o), &ino[1], 8);
	o.count = 0;
	notify(WIRE_NOTIFY_PRUNE, &o, sizeof(o), NULL, 0);
	nothing();
}
END_TEST

/* ---- RETRIEVE ---- */

static void
notify_reply(uint64_t nodeid, uint64_t unique, uint64_t offset, const void *data, size_t len)
{
	struct {
		struct wire_in_header hdr;
		struct wire_notify_retrieve_in in;
	} head = { { .len = (uint32_t)(sizeof(head) + len),
		       .opcode = WIRE_NOTIFY_REPLY,
		       .unique = unique,
		       .nodeid = nodeid },
		{ .offset = offset, .size = (uint32_t)len } };
	struct iovec iov[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)data, len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };

	ck_assert_int_eq(sendmsg(k->sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL), (ssize_t)(sizeof(head) + len));
}

START_TEST(retrieve_passed)
{
	static uint8_t data[CONN_DATA_MAX];
	size_t room = k_room(k) - 4096;
	struct wire_note n;
	struct wire_req r;

	memset(data, 9, sizeof(data));
	for (unsigned i = 0; i < 3; i++) {
		uint64_t unique = i == 0 ? 0 : UINT64_MAX - i; /* the daemon's own choice */
		size_t len = i == 2 ? 0 : room;

		retrieve_of(FILE_D, unique, 8192, (uint32_t)room);
		n = noted(WIRE_NOTIFY_RETRIEVE);
		ck_assert_uint_eq(n.out.retrieve.nodeid, k->file);
		ck_assert_uint_eq(n.out.retrieve.notify_unique, unique);
		ck_assert_uint_eq(n.out.retrieve.offset, 8192);
		ck_assert_uint_eq(n.out.retrieve.size, room);
		notify_reply(k->file, unique, 8192, data, len);
		r = fake_expect(f, WIRE_NOTIFY_REPLY);
		ck_assert_uint_eq(r.hdr.unique, unique);
		ck_assert_uint_eq(r.hdr.nodeid, FILE_D);
		ck_assert_uint_eq(r.in.notify_retrieve.offset, 8192);
		ck_assert_uint_eq(r.in.notify_retrieve.size, len);
		ck_assert_uint_eq(r.datalen, len);
		ck_assert_mem_eq(r.data, data, len);
		k_quiet(k); /* there is no answer to it */
	}
	notify_reply(k->file, 4, 0, "abc", 3); /* nobody has asked */
	fake_quiet(f);
	retrieve_of(FILE_D, 2, UINT64_MAX, 100);
	retrieve_of(FILE_D, 2, INT64_MAX - 98, 100);
	retrieve_of(4711, 2, 0, 100);
	nothing();
}
END_TEST

/* A daemon of any minor, as in the kernel; with EXPORT_SUPPORT the kernel has its nodeids. */
START_TEST(retrieve_exported)
{
	struct wire_note n;
	struct wire_req r;

	k_stop(k);
	k_start(k, f);
	f->pass_notes = true;
	k_mount(k, _i == 0 ? 14 : 45, _i == 0 ? 0 : WIRE_INIT_EXPORT_SUPPORT);
	ck_assert_int_eq(k->exported, _i);
	ck_assert_int_eq(k->file == FILE_D, _i);
	retrieve_of(FILE_D, 6, 0, 3);
	n = noted(WIRE_NOTIFY_RETRIEVE);
	ck_assert_uint_eq(n.out.retrieve.nodeid, k->file);
	notify_reply(k->file, 6, 0, "abc", 3);
	r = fake_expect(f, WIRE_NOTIFY_REPLY);
	ck_assert_uint_eq(r.hdr.nodeid, FILE_D);
	ck_assert_mem_eq(r.data, "abc", 3);
}
END_TEST

/* The kernel may forget the node before it sends what it has read. */
START_TEST(retrieve_forgotten)
{
	struct wire_req r;

	r = k_ask(k, WIRE_LOOKUP, VN_ROOT_ID, WIRE_ROOT_ID, NULL, STR("new"));
	uint64_t node = k_entered(k, &r, NEW_D, S_IFREG | 0644);

	retrieve_of(NEW_D, 6, 0, 3);
	(void)noted(WIRE_NOTIFY_RETRIEVE);
	k_send(k, WIRE_FORGET, node, IN(.forget.nlookup = 1), NULL, 0);
	(void)fake_expect(f, WIRE_FORGET);
	notify_reply(node, 6, 0, "abc", 3);
	r = fake_expect(f, WIRE_NOTIFY_REPLY);
	ck_assert_uint_eq(r.hdr.nodeid, NEW_D);
	ck_assert_mem_eq(r.data, "abc", 3);
}
END_TEST

/* One that the kernel refuses is no longer waited for. */
START_TEST(retrieve_refused)
{
	fail_write = ENOENT;
	for (unsigned i = 0; i < 5000; i++) { /* more than may be waited for */
		retrieve_of(FILE_D, 2, 0, 3);
		settle_notes();
	}
	fail_write = 0;
	ck_assert_uint_eq(refused(), 5000);
	ck_assert(conn_alive(f->conn));
	notify_reply(k->file, 2, 0, "abc", 3);
	fake_quiet(f);
}
END_TEST

/* The kernel takes each but never answers: so many are remembered. */
START_TEST(retrieve_flood)
{
	static uint8_t m[256];

	for (unsigned i = 0; i < 4096; i++) {
		retrieve_of(FILE_D, i, 0, 3);
		settle_notes();
		ck_assert_int_gt(recv(k->sock, m, sizeof(m), MSG_DONTWAIT), 0);
	}
	ck_assert(conn_alive(f->conn));
	retrieve_of(FILE_D, 1, 0, 3);
	connection_ended(ENOTCONN, "more notifications than can be dealt with");
}
END_TEST

/* A daemon that asks for much and takes nothing. */
START_TEST(retrieve_unread)
{
	static uint8_t data[128 * 1024];

	if (k_room(k) < sizeof(data))
		return;
	for (unsigned i = 0; conn_alive(f->conn); i++) {
		ck_assert_uint_lt(i, 2 * CONN_POSTED_MAX / sizeof(data));
		retrieve_of(FILE_D, i, 0, sizeof(data));
		(void)noted(WIRE_NOTIFY_RETRIEVE);
		notify_reply(k->file, i, 0, data, sizeof(data));
		k_turn(k);
	}
	connection_ended(ENOTCONN, "retrieves more than it reads");
}
END_TEST

/* ---- what does not hold together, what is unknown, RESEND ---- */

START_TEST(malformed_ends)
{
	struct wire_notify_store_out store_out = { .nodeid = FILE_D, .size = 10 };
	struct wire_notify_inval_entry_out entry_out = { .parent = DIR_D, .namelen = UINT32_MAX };

	switch (_i) {
	case 0: /* too short */
		notify(WIRE_NOTIFY_INVAL_INODE, "12345678", 8, NULL, 0);
		break;
	case 1: /* more than there is */
		notify(WIRE_NOTIFY_STORE, &store_out, sizeof(store_out), "123456789", 9);
		break;
	case 2: /* less than there is */
		notify(WIRE_NOTIFY_STORE, &store_out, sizeof(store_out), "123456789ab", 11);
		break;
	case 3:
		notify(WIRE_NOTIFY_INVAL_ENTRY, &entry_out, sizeof(entry_out), "name", 5);
		break;
	default:
		notify(WIRE_NOTIFY_RESEND, "x", 1, NULL, 0);
		break;
	}
	connection_ended(EPROTO, "malformed notification: ");
}
END_TEST

START_TEST(unknown_code)
{
	notify(4711, "whatever", 8, NULL, 0);
	notify(INT32_MAX, NULL, 0, NULL, 0);
	nothing();
}
END_TEST

START_TEST(resend_all)
{
	struct wire_req r;
	uint64_t unique;

	r = k_ask(k, WIRE_GETATTR, k->file, FILE_D, IN(.getattr = { 0 }), NULL, 0);
	unique = r.hdr.unique;
	notify(WIRE_NOTIFY_RESEND, NULL, 0, NULL, 0);
	r = fake_expect(f, WIRE_GETATTR);
	ck_assert_uint_eq(r.hdr.unique, unique | WIRE_UNIQUE_RESEND);
	ck_assert_uint_eq(r.hdr.nodeid, FILE_D);
	fake_error(f, &r, EACCES);
	(void)k_expect(k, EACCES, 0);
	nothing();
}
END_TEST

/* ---- the thread ---- */

/* What the daemon says behind a notification is seen when that is done, or when it has taken too long. _i: 0 done, 1 stuck */
START_TEST(order)
{
	struct wire_req r = k_ask(k, WIRE_GETATTR, k->file, FILE_D, IN(.getattr = { 0 }), NULL, 0);
	struct wire_note n;
	uint8_t m[256];

	patient = _i == 0;
	held = 1;
	inval_inode_of(FILE_D);
	fake_error(f, &r, EACCES);
	ck_assert_uint_eq(waiting(), 1);
	if (_i == 0) {
		k_quiet(k);
		held = 0;
		n = noted(WIRE_NOTIFY_INVAL_INODE);
		ck_assert_uint_eq(n.out.inval_inode.ino, k->file);
		(void)k_expect(k, EACCES, 0);
	} else {
		while (recv(k->sock, m, sizeof(m), MSG_DONTWAIT | MSG_PEEK) < 0)
			loop_once(f->loop, 1);
		(void)k_expect(k, EACCES, 0);
		ck_assert_uint_eq(waiting(), 1);
		/* From now on nothing pauses, and what comes queues behind. */
		r = k_ask(k, WIRE_GETATTR, k->file, FILE_D, IN(.getattr = { 0 }), NULL, 0);
		inval_inode_of(WIRE_ROOT_ID);
		notify(WIRE_NOTIFY_INC_EPOCH, NULL, 0, NULL, 0);
		fake_error(f, &r, EACCES);
		(void)k_expect(k, EACCES, 0);
		ck_assert_uint_eq(waiting(), 3);
		held = 0;
		ck_assert_uint_eq(noted(WIRE_NOTIFY_INVAL_INODE).out.inval_inode.ino, k->file);
		ck_assert_uint_eq(noted(WIRE_NOTIFY_INVAL_INODE).out.inval_inode.ino, VN_ROOT_ID);
		(void)noted(WIRE_NOTIFY_INC_EPOCH);
	}
	/* And again as at first. */
	patient = true;
	r = k_ask(k, WIRE_GETATTR, k->file, FILE_D, IN(.getattr = { 0 }), NULL, 0);
	held = 1;
	inval_inode_of(FILE_D);
	fake_error(f, &r, EACCES);
	k_quiet(k);
	held = 0;
	(void)noted(WIRE_NOTIFY_INVAL_INODE);
	(void)k_expect(k, EACCES, 0);
}
END_TEST

START_TEST(errors_counted)
{
	static const int errors[] = { ENOENT, EINVAL, ENODEV, EBUSY };

	for (unsigned i = 0; i < 4; i++) {
		fail_write = errors[i];
		inval_inode_of(FILE_D);
		settle_notes();
		ck_assert_uint_eq(refused(), i + 1);
	}
	fail_write = 0;
	inval_inode_of(FILE_D);
	(void)noted(WIRE_NOTIFY_INVAL_INODE);
	ck_assert_uint_eq(refused(), 4);
}
END_TEST

/* A flood while the first is stuck: bounded in number (_i 0) and in bytes (_i 1), and then the connection ends. */
START_TEST(flood)
{
	static uint8_t data[100 * 1024];
	size_t most = 0;

	held = 1;
	hurried = true;
	for (unsigned i = 0; conn_alive(f->conn); i++) {
		ck_assert_uint_lt(i, 2 * NOTES_MAX);
		if (_i == 0)
			inval_inode_of(FILE_D);
		else
			store_of(FILE_D, 0, data, sizeof(data));
		if (i == 0)
			while (!k->h || waiting() == 0)
				k_turn(k);
		while (conn_alive(f->conn) && waiting() == i)
			loop_once(f->loop, 1);
		most = waiting();
	}
	connection_ended(ENOTCONN, "more notifications than can be dealt with");
	ck_assert_uint_eq(most, _i == 0 ? NOTES_MAX : BYTES_MAX / (sizeof(data) + 40));
	k_close(k);
	held = 0;
	settle_notes();
}
END_TEST

/*
 * A thread that does not run for a while is no flood: when half of what there is room for is under way, the connection pauses at each
 * notification again.
 */
START_TEST(flood_slowed)
{
	size_t half = NOTES_MAX / 2;

	held = 1;
	hurried = true;
	for (size_t i = 0; i <= half; i++) {
		inval_inode_of(FILE_D);
		while (waiting() == i)
			loop_once(f->loop, 1);
	}
	patient = true;
	for (unsigned i = 0; i < 5; i++)
		inval_inode_of(FILE_D);
	while (waiting() == half + 1)
		loop_once(f->loop, 1);
	fake_turn(f);
	ck_assert_uint_eq(waiting(), half + 2);
	held = 0;
	for (size_t i = 0; i < half + 6; i++)
		(void)noted(WIRE_NOTIFY_INVAL_INODE);
	settle_notes();
	ck_assert(conn_alive(f->conn));
}
END_TEST

START_TEST(no_thread)
{
	fail_create = EAGAIN;
	inval_inode_of(FILE_D);
	connection_ended(ENOTCONN, "cannot be dealt with");
	fail_create = 0;
}
END_TEST

/* ---- the end ---- */

/* The host is freed while a notification is being written. What it waits for is served by nobody any more but by the end itself. */
START_TEST(freed_while_stuck)
{
	struct wire_out_header hdr;

	answer_fd = k->sock;
	inval_inode_of(FILE_D);
	inval_inode_of(FILE_D);
	while (!in_write)
		k_turn(k);
	conn_kill(f->conn, ENOTCONN, "over");
	/* A request that holds the lock, and before it two that want no answer, which the loop never sees. */
	for (unsigned i = 0; i < 3; i++) {
		static const uint32_t opcode[] = { WIRE_FORGET, WIRE_INTERRUPT, WIRE_STATFS };
		struct wire_in_header req = { .len = sizeof(req), .opcode = opcode[i], .unique = 2 + 2 * i };

		ck_assert_int_eq(send(k->sock, &req, sizeof(req), 0), sizeof(req));
	}
	host_linux_free(k->h);
	ck_assert_int_eq(in_write, 0);
	ck_assert_int_eq(recv(k->sock, &hdr, sizeof(hdr), MSG_DONTWAIT), sizeof(hdr));
	ck_assert_uint_eq(hdr.unique, 6);
	ck_assert_int_eq(hdr.error, -ENOTCONN);
	answer_fd = 0;
	k_close(k);
	free(k->rx);
	fake_stop(f);
}
END_TEST

/* The same, but nothing helps: it is left to itself, and frees what is its own when it gets free. */
START_TEST(freed_for_good)
{
	held = 1;
	inval_inode_of(FILE_D);
	inval_inode_of(FILE_D);
	while (!in_write)
		k_turn(k);
	host_linux_free(k->h);
	ck_assert_int_eq(in_write, 1);
	ck_assert_uint_eq(f->deaths, 0);
	held = 0;
	while (in_write)
		usleep(1000);
	k_close(k);
	free(k->rx);
	fake_stop(f);
}
END_TEST

/* Nobody is told once the host is gone. */
START_TEST(host_gone)
{
	host_linux_free(k->h);
	inval_inode_of(FILE_D);
	fake_turn(f);
	ck_assert(conn_alive(f->conn));
	k_close(k);
	free(k->rx);
	fake_stop(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("notify");
	TCase *t = tcase_create("passed");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, inval_inode_passed);
	tcase_add_test(t, inval_entry_passed);
	tcase_add_test(t, delete_passed);
	tcase_add_test(t, store_passed);
	tcase_add_test(t, poll_and_epoch);
	tcase_add_test(t, prune_passed);
	tcase_add_test(t, retrieve_passed);
	tcase_add_loop_test(t, retrieve_exported, 0, 2);
	tcase_add_test(t, retrieve_forgotten);
	tcase_add_test(t, retrieve_refused);
	tcase_add_test(t, retrieve_flood);
	tcase_add_test(t, retrieve_unread);
	tcase_add_loop_test(t, malformed_ends, 0, 5);
	tcase_add_test(t, unknown_code);
	tcase_add_test(t, resend_all);
	tcase_add_loop_test(t, order, 0, 2);
	tcase_add_test(t, errors_counted);
	tcase_add_loop_test(t, flood, 0, 2);
	tcase_add_test(t, flood_slowed);
	tcase_add_test(t, no_thread);
	suite_add_tcase(s, t);
	t = tcase_create("end");
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, freed_while_stuck);
	tcase_add_test(t, freed_for_good);
	tcase_add_test(t, host_gone);
	suite_add_tcase(s, t);
	t = tcase_create("names");
	tcase_add_test(t, long_names);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Linux host where requests go wrong, each operation in turn: errors of the daemon's, its death, malformed requests, ids
 * that do not exist, operations that are not served. The operations themselves are in test_host_linux.c.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_daemon.c" /* NOLINT(bugprone-suspicious-include) */
#include "fake_kernel.c" /* NOLINT(bugprone-suspicious-include) */
#include "host/linux/priv.h"

static struct kernel kernel, *k = &kernel;
static struct fake fake, *f = &fake;

static void
setup(void)
{
	/* As in the programs: a write to a kernel that is gone is an error, not the end. */
	(void)signal(SIGPIPE, SIG_IGN);
	k_start(k, f);
	k_mount(k, WIRE_MINOR_MAX, k_flags(WIRE_MINOR_MAX) & ~WIRE_INIT_EXPORT_SUPPORT);
}

static void
teardown(void)
{
	k_stop(k);
}

/* ---- a well-formed request of every operation ---- */

static const uint32_t opcodes[] = { WIRE_LOOKUP, WIRE_GETATTR, WIRE_SETATTR, WIRE_READLINK, WIRE_SYMLINK, WIRE_MKNOD,
	WIRE_MKDIR, WIRE_UNLINK, WIRE_RMDIR, WIRE_RENAME, WIRE_LINK, WIRE_OPEN, WIRE_READ, WIRE_WRITE, WIRE_STATFS,
	WIRE_RELEASE, WIRE_FSYNC, WIRE_SETXATTR, WIRE_GETXATTR, WIRE_LISTXATTR, WIRE_REMOVEXATTR, WIRE_FLUSH,
	WIRE_OPENDIR, WIRE_READDIR, WIRE_RELEASEDIR, WIRE_FSYNCDIR, WIRE_ACCESS, WIRE_CREATE, WIRE_READDIRPLUS,
	WIRE_RENAME2, WIRE_GETLK, WIRE_SETLK, WIRE_SETLKW, WIRE_BMAP, WIRE_IOCTL, WIRE_POLL, WIRE_FALLOCATE, WIRE_LSEEK,
	WIRE_COPY_FILE_RANGE_64, WIRE_SYNCFS, WIRE_TMPFILE, WIRE_STATX };
#define OPCODES (int)(sizeof(opcodes) / sizeof(opcodes[0]))

struct sample {
	uint32_t opcode;
	uint64_t nodeid;
	union wire_in in;
	bool has_in;
	const char *tail;
	size_t len;
};

static struct sample
sample(uint32_t opcode)
{
	const struct wire_op *op = wire_op(opcode);
	struct sample s = { .opcode = opcode, .nodeid = k->dir, .has_in = op->in_size != 0 };

	memset(&s.in, 0, sizeof(s.in));
	s.tail = "name\0second";
	s.len = op->names == 0 ? 0 : op->names == 1 ? 5 : 12;
	switch (opcode) {
	case WIRE_READ:
	case WIRE_FLUSH:
	case WIRE_FSYNC:
	case WIRE_RELEASE:
	case WIRE_GETLK:
	case WIRE_SETLK:
	case WIRE_SETLKW:
	case WIRE_POLL:
	case WIRE_FALLOCATE:
	case WIRE_LSEEK:
		s.nodeid = k->file;
		s.in.read.fh = k->file_fh; /* all have it first */
		break;
	case WIRE_IOCTL:
		s.nodeid = k->file;
		s.in.ioctl.fh = k->file_fh;
		s.in.ioctl.in_size = 5;
		s.len = 5;
		break;
	case WIRE_COPY_FILE_RANGE:
	case WIRE_COPY_FILE_RANGE_64:
		s.nodeid = s.in.copy_file_range.nodeid_out = k->file;
		s.in.copy_file_range.fh_in = s.in.copy_file_range.fh_out = k->file_fh;
		break;
	case WIRE_STATX:
		s.nodeid = k->file;
		s.in.statx.getattr_flags = WIRE_GETATTR_FH;
		s.in.statx.fh = k->file_fh;
		break;
	case WIRE_WRITE:
		s.nodeid = k->file;
		s.in.write.fh = k->file_fh;
		s.in.write.size = 5;
		s.len = 5;
		break;
	case WIRE_READDIR:
	case WIRE_READDIRPLUS:
	case WIRE_RELEASEDIR:
	case WIRE_FSYNCDIR:
		s.in.read.fh = k->dir_fh;
		break;
	case WIRE_GETATTR:
		s.in.getattr = (struct wire_getattr_in){ WIRE_GETATTR_FH, 0, k->dir_fh };
		break;
	case WIRE_SETATTR:
		s.in.setattr.valid = WIRE_FATTR_FH;
		s.in.setattr.fh = k->dir_fh;
		break;
	case WIRE_LINK:
		s.in.link.oldnodeid = k->file;
		break;
	case WIRE_RENAME:
		s.in.rename.newdir = k->dir;
		break;
	case WIRE_RENAME2:
		s.in.rename2 = (struct wire_rename2_in){ k->dir, 1, 0 };
		break;
	case WIRE_MKNOD:
		s.in.mknod.mode = S_IFREG;
		break;
	case WIRE_SETXATTR:
		s.in.setxattr.size = 6;
		s.len = 11;
		break;
	case WIRE_GETXATTR:
	case WIRE_LISTXATTR:
		s.in.getxattr.size = 100;
		break;
	default:
		break;
	}
	return s;
}

static void
send_sample(const struct sample *s)
{
	k_send(k, s->opcode, s->nodeid, s->has_in ? &s->in : NULL, s->tail, s->len);
}

/* As a packet. Returns its length. */
static size_t
packet(const struct sample *s, uint8_t *buf, size_t room)
{
	struct wire_in_header hdr = { .opcode = s->opcode, .unique = k->unique += 2, .nodeid = s->nodeid };
	size_t len = 0;

	if (s->has_in)
		ck_assert_int_eq(
		    wire_encode_in(&k->proto, s->opcode, &s->in, buf + sizeof(hdr), room - sizeof(hdr), &len), 0);
	memcpy(buf + sizeof(hdr) + len, s->tail, s->len);
	hdr.len = (uint32_t)(sizeof(hdr) + len + s->len);
	memcpy(buf, &hdr, sizeof(hdr));
	return hdr.len;
}

static bool
is_release(uint32_t opcode)
{
	return opcode == WIRE_RELEASE || opcode == WIRE_RELEASEDIR;
}

/* ---- errors; _i: which operation ---- */

START_TEST(daemon_errors)
{
	static const int errors[] = { EPERM, EINTR, ENAMETOOLONG, ENOTCONN, 511 };
	struct wire_req req;
	struct sample s;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		s = sample(opcodes[_i]);
		send_sample(&s);
		req = fake_expect(f, opcodes[_i]);
		k_quiet(k);
		fake_error(f, &req, errors[i]);
		(void)k_expect(k, errors[i], 0);
		k_quiet(k);
		if (is_release(opcodes[_i])) { /* closed, whatever the daemon says */
			send_sample(&s);
			(void)k_expect(k, EBADF, 0);
			break;
		}
	}
	fake_quiet(f);
}
END_TEST

START_TEST(dead_daemon)
{
	struct sample s = sample(opcodes[_i]);

	send_sample(&s);
	(void)fake_expect(f, opcodes[_i]);
	fake_close(f);
	(void)k_expect(k, ENOTCONN, 0);
	k_quiet(k);
	ck_assert_uint_eq(f->deaths, 1);
	s = sample(opcodes[_i]);
	send_sample(&s);
	(void)k_expect(k, is_release(opcodes[_i]) ? EBADF : ENOTCONN, 0);
	k_quiet(k);
}
END_TEST

/* Every length that it should not have. */
START_TEST(malformed)
{
	enum { HDR = sizeof(struct wire_in_header) };
	struct sample s = sample(opcodes[_i]);
	uint8_t buf[512] = { 0 };
	struct wire_in_header hdr;
	size_t len = packet(&s, buf, sizeof(buf));

	for (size_t n = HDR; n <= len + 8; n++) {
		if (n == len)
			continue;
		hdr.len = (uint32_t)n;
		memcpy(buf, &hdr.len, sizeof(hdr.len));
		k_packet(k, buf, n);
		(void)k_expect(k, EIO, 0);
		k_quiet(k);
	}
	hdr.len = (uint32_t)len + 1; /* the header lies */
	memcpy(buf, &hdr.len, sizeof(hdr.len));
	k_packet(k, buf, len);
	(void)k_expect(k, EIO, 0);
	hdr.len = (uint32_t)len;
	hdr.total_extlen = 100; /* extensions longer than all */
	memcpy(buf, &hdr.len, sizeof(hdr.len));
	memcpy(buf + offsetof(struct wire_in_header, total_extlen), &hdr.total_extlen, sizeof(hdr.total_extlen));
	k_packet(k, buf, len);
	(void)k_expect(k, EIO, 0);
	k_quiet(k);
	fake_quiet(f);
}
END_TEST

START_TEST(unknown_nodeid)
{
	struct sample s = sample(opcodes[_i]);

	s.nodeid = 12345;
	if (is_release(opcodes[_i]))
		s.in.release.fh = 12345;
	send_sample(&s);
	(void)k_expect(k, is_release(opcodes[_i]) ? EBADF : ESTALE, 0);
	s = sample(opcodes[_i]);
	s.nodeid = UINT64_MAX;
	if (is_release(opcodes[_i]))
		s.in.release.fh = UINT64_MAX;
	send_sample(&s);
	(void)k_expect(k, is_release(opcodes[_i]) ? EBADF : ESTALE, 0);
	k_quiet(k);
	fake_quiet(f);
}
END_TEST

/* The second node of LINK and RENAME; handles that do not exist, and one of another node. */
START_TEST(unknown_ids)
{
	static const uint32_t with_fh[] = { WIRE_READ, WIRE_WRITE, WIRE_FLUSH, WIRE_FSYNC, WIRE_READDIR,
		WIRE_READDIRPLUS, WIRE_FSYNCDIR, WIRE_GETATTR, WIRE_SETATTR, WIRE_GETLK, WIRE_SETLK, WIRE_SETLKW,
		WIRE_IOCTL, WIRE_POLL, WIRE_FALLOCATE, WIRE_LSEEK, WIRE_COPY_FILE_RANGE, WIRE_COPY_FILE_RANGE_64,
		WIRE_STATX };
	static const uint32_t two[] = { WIRE_LINK, WIRE_RENAME, WIRE_RENAME2 };
	struct sample s;

	for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++) {
		s = sample(two[i]);
		s.in.link.oldnodeid = 12345; /* all have it first */
		send_sample(&s);
		(void)k_expect(k, ESTALE, 0);
	}
	for (size_t i = 0; i < sizeof(with_fh) / sizeof(with_fh[0]); i++) {
		for (int j = 0; j < 2; j++) {
			uint64_t fh;

			s = sample(with_fh[i]);
			fh = j == 0 ? 12345 : s.nodeid == k->file ? k->dir_fh : k->file_fh;
			if (with_fh[i] == WIRE_GETATTR)
				s.in.getattr.fh = fh;
			else if (with_fh[i] == WIRE_STATX)
				s.in.statx.fh = fh;
			else if (with_fh[i] == WIRE_SETATTR)
				s.in.setattr.fh = fh;
			else
				s.in.read.fh = fh;
			send_sample(&s);
			(void)k_expect(k, EBADF, 0);
		}
	}
	s = sample(WIRE_COPY_FILE_RANGE_64); /* the other end */
	s.in.copy_file_range.fh_out = k->dir_fh;
	send_sample(&s);
	(void)k_expect(k, EBADF, 0);
	s.in.copy_file_range.nodeid_out = 12345;
	send_sample(&s);
	(void)k_expect(k, ESTALE, 0);
	k_quiet(k);
	fake_quiet(f);
}
END_TEST

START_TEST(no_such_operation)
{
	static const uint32_t none[] = { 0, 7, 19, WIRE_SETUPMAPPING, WIRE_REMOVEMAPPING, 54, 4096, UINT32_MAX };
	static const union wire_in zero;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		k_send(k, none[i], k->file, &zero, NULL, 0);
		(void)k_expect(k, ENOSYS, 0);
		k_quiet(k);
	}
	fake_quiet(f);
}
END_TEST

/* Every opcode of the protocol is in the table, is the device's own, or is on the list of those that are not served. */
START_TEST(every_operation)
{
	static const uint32_t device[] = { WIRE_FORGET, WIRE_BATCH_FORGET, WIRE_INTERRUPT, WIRE_NOTIFY_REPLY, WIRE_INIT,
		WIRE_DESTROY };
	static const uint32_t unserved[] = { WIRE_SETUPMAPPING, WIRE_REMOVEMAPPING };
	unsigned count = 0;

	for (uint32_t opcode = 0; opcode < 8192; opcode++) {
		bool other = false;

		if (wire_op(opcode) == NULL) {
			ck_assert_ptr_null(op_lookup_fn(opcode));
			continue;
		}
		for (size_t i = 0; i < sizeof(device) / sizeof(device[0]); i++)
			other = other || opcode == device[i];
		for (size_t i = 0; i < sizeof(unserved) / sizeof(unserved[0]); i++)
			other = other || opcode == unserved[i];
		if ((op_lookup_fn(opcode) != NULL) == other)
			ck_abort_msg("%s has %s row", wire_opname(opcode), other ? "a" : "no");
		count++;
	}
	ck_assert_uint_eq(count, 51);
}
END_TEST

/* Not even a header, or nothing to answer: the next request is served. */
START_TEST(malformed_unanswered)
{
	static const uint32_t silent[] = { WIRE_FORGET, WIRE_BATCH_FORGET, WIRE_INTERRUPT };
	struct wire_in_header hdr = { .len = 12, .opcode = WIRE_GETATTR, .unique = 7, .nodeid = k->file };
	struct wire_req req;

	k_packet(k, &hdr, 1);
	k_packet(k, &hdr, sizeof(hdr) - 1);
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
		k_send(k, silent[i], k->file, NULL, NULL, 0);
		k_send(k, silent[i], k->file, IN(.batch_forget.count = 3), "abc", 3);
	}
	k_send(k, WIRE_BATCH_FORGET, 0, IN(.batch_forget.count = UINT32_MAX), "0123456789abcdef", 16);
	k_quiet(k);
	fake_quiet(f);
	req = k_ask(k, WIRE_ACCESS, k->file, FILE_D, IN(.access.mask = 1), NULL, 0);
	k_done(k, &req);
}
END_TEST

/* One that cannot begin leaves nothing, and the descriptor with its owner. */
START_TEST(no_descriptor)
{
	struct host_linux *h = NULL;

	ck_assert_int_eq(host_linux_new(f->loop, -1, f->mp, NULL, NULL, &h), EBADF);
	ck_assert_ptr_null(h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("host_linux_errors");
	TCase *t = tcase_create("errors");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, daemon_errors, 0, OPCODES);
	tcase_add_loop_test(t, dead_daemon, 0, OPCODES);
	tcase_add_loop_test(t, malformed, 0, OPCODES);
	tcase_add_loop_test(t, unknown_nodeid, 0, OPCODES);
	tcase_add_test(t, unknown_ids);
	tcase_add_test(t, no_such_operation);
	tcase_add_test(t, every_operation);
	tcase_add_test(t, malformed_unanswered);
	tcase_add_test(t, no_descriptor);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctl/: frames, answers and requests there and back, each lie in them, each place where they can be cut; mount options word by
 * word; run directories that are missing, ours, or a trap; control messages there and back, and garbage.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/frame.h"
#include "ctl/mountopts.h"
#include "ctl/rundir.h"
#include "ctl/status.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* ---- frames ---- */

static const struct frame_strings full = { "host:/dir", "/mnt/point", "fuse.sshfs", "fd=3,allow_other",
	"/run/x/reply-1-0" };

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Parse a copy that ends where the memory ends, so that a sanitizer sees a read too far. */
static int
parse(const void *frame, size_t len, struct frame_mount *hdr, const char **why)
{
	struct frame_strings s;
	void *copy = malloc(len > 0 ? len : 1);

	memcpy(copy, frame, len);
	*why = "none";
	int error = frame_parse(copy, len, hdr, &s, why);
	if (error == 0)
		ck_assert_ptr_nonnull(s.target);
	free(copy);
	return error;
}

START_TEST(frame_round_trip)
{
	for (unsigned mask = 0; mask < 32; mask++) {
		struct frame_strings in = full, out;
		struct frame_mount hdr;
		const char *why;
		void *frame;
		size_t len;

		if (mask & 1)
			in.source = NULL;
		if (mask & 2)
			in.filesystemtype = NULL;
		if (mask & 4)
			in.data = NULL;
		if (mask & 8)
			in.sock = NULL;
		if (mask & 16)
			in.source = "";
		ck_assert_int_eq(frame_build(&in, 0xdeadbeef, 4711, FRAME_F_CONTROL, &frame, &len), 0);
		ck_assert_int_eq(frame_parse(frame, len, &hdr, &out, &why), 0);
		ck_assert(same(in.source, out.source) && same(in.target, out.target) && same(in.data, out.data));
		ck_assert(same(in.filesystemtype, out.filesystemtype) && same(in.sock, out.sock));
		ck_assert_uint_eq(hdr.mountflags, 0xdeadbeef);
		ck_assert_uint_eq(hdr.sndbuf, 4711);
		ck_assert_uint_eq(hdr.flags, FRAME_F_CONTROL);
		ck_assert_uint_eq(hdr.len, len);
		free(frame);
	}
}
END_TEST

/* The bytes on the wire are a contract: the seed's magic, the lengths where they are, the strings in this order. */
START_TEST(frame_layout)
{
	const struct frame_strings in = { "S", "/T", "F", "D", "R" };
	void *frame;
	size_t len;

	ck_assert_int_eq(sizeof(struct frame_mount), 64);
	ck_assert_int_eq(frame_build(&in, 1, 2, 0, &frame, &len), 0);
	ck_assert_uint_eq(len, 64 + 11);
	ck_assert_mem_eq((char *)frame + 16, "noFuseRq\0\0\0\0\0\0\0\0", 16);
	ck_assert_mem_eq((char *)frame + 64, "S\0/T\0F\0D\0R", 11);
	free(frame);
}
END_TEST

START_TEST(frame_truncated)
{
	struct frame_mount hdr;
	const char *why;
	void *frame;
	size_t len;

	ck_assert_int_eq(frame_build(&full, 0, 0, 0, &frame, &len), 0);
	for (size_t n = 0; n < len; n++) {
		ck_assert_int_eq(parse(frame, n, &hdr, &why), EPROTO);
		ck_assert_str_ne(why, "none");
		if (n >= sizeof(hdr)) { /* and again with a length that agrees */
			memcpy(frame, &(uint32_t){ (uint32_t)n }, 4);
			ck_assert_int_eq(parse(frame, n, &hdr, &why), EPROTO);
			ck_assert_str_eq(why, "the lengths do not add up");
			memcpy(frame, &(uint32_t){ (uint32_t)len }, 4);
		}
	}
	ck_assert_int_eq(parse(frame, len, &hdr, &why), 0);
	free(frame);
}
END_TEST

START_TEST(frame_trailing_byte)
{
	struct frame_mount hdr;
	const char *why;
	void *frame;
	size_t len;

	ck_assert_int_eq(frame_build(&full, 0, 0, 0, &frame, &len), 0);
	frame = realloc(frame, len + 1);
	((char *)frame)[len] = 0;
	ck_assert_int_eq(parse(frame, len + 1, &hdr, &why), EPROTO);
	memcpy(frame, &(uint32_t){ (uint32_t)len + 1 }, 4);
	ck_assert_int_eq(parse(frame, len + 1, &hdr, &why), EPROTO);
	ck_assert_str_eq(why, "the lengths do not add up");
	free(frame);
}
END_TEST

#define LIE(field, value, words)                                                                                       \
	{                                                                                                              \
		offsetof(struct frame_mount, field), value, words                                                      \
	}

START_TEST(frame_lies)
{
	static const struct {
		size_t at;
		uint32_t value;
		const char *why;
	} lies[] = {
		LIE(len, 0, "its length is not the packet's"),
		LIE(len, UINT32_MAX, "its length is not the packet's"),
		LIE(error, 1, "not a request (error or unique set)"),
		LIE(error, UINT32_MAX, "not a request (error or unique set)"),
		LIE(unique, 7, "not a request (error or unique set)"),
		LIE(magic, 0x41414141, "wrong magic"),
		LIE(magic[8], 1, "wrong magic"),
		LIE(magic[12], 1, "wrong magic"),
		LIE(source_len, 0, "the lengths do not add up"),
		LIE(source_len, UINT32_MAX, "the lengths do not add up"),
		LIE(target_len, 0, "the lengths do not add up"),
		LIE(target_len, UINT32_MAX, "the lengths do not add up"),
		LIE(filesystemtype_len, UINT32_MAX - 40, "the lengths do not add up"),
		LIE(data_len, FRAME_DATA_MAX, "the lengths do not add up"),
		LIE(data_len, FRAME_DATA_MAX + 1, "mount data too long"),
		LIE(data_len, UINT32_MAX, "mount data too long"),
		LIE(sock_len, UINT32_MAX, "the lengths do not add up"),
		LIE(flags, 2, "unknown flags"),
		LIE(flags, 0x80000000, "unknown flags"),
	};

	for (size_t i = 0; i < N(lies); i++) {
		struct frame_mount hdr;
		const char *why;
		void *frame;
		size_t len;

		ck_assert_int_eq(frame_build(&full, 0, 0, 0, &frame, &len), 0);
		memcpy((char *)frame + lies[i].at, &lies[i].value, 4);
		ck_assert_int_eq(parse(frame, len, &hdr, &why), EPROTO);
		ck_assert_str_eq(why, lies[i].why);
		free(frame);
	}
}
END_TEST

/* Two lengths that lie by as much, in opposite directions: the sum is right and the strings are cut wrongly. */
START_TEST(frame_lengths_shifted)
{
	static const size_t at[] = { offsetof(struct frame_mount, source_len), offsetof(struct frame_mount, target_len),
		offsetof(struct frame_mount, filesystemtype_len), offsetof(struct frame_mount, data_len),
		offsetof(struct frame_mount, sock_len) };

	for (size_t a = 0; a < N(at); a++) {
		for (size_t b = 0; b < N(at); b++) {
			struct frame_mount hdr;
			uint32_t more, less;
			const char *why;
			void *frame;
			size_t len;

			if (a == b)
				continue;
			ck_assert_int_eq(frame_build(&full, 0, 0, 0, &frame, &len), 0);
			memcpy(&more, (char *)frame + at[a], 4);
			memcpy(&less, (char *)frame + at[b], 4);
			more++;
			less--;
			memcpy((char *)frame + at[a], &more, 4);
			memcpy((char *)frame + at[b], &less, 4);
			ck_assert_int_eq(parse(frame, len, &hdr, &why), EPROTO);
			ck_assert_ptr_nonnull(strstr(why, "only NUL"));
			free(frame);
		}
	}
}
END_TEST

START_TEST(frame_nuls)
{
	struct frame_mount hdr;
	const char *why;
	void *frame;
	size_t len;

	ck_assert_int_eq(frame_build(&full, 0, 0, 0, &frame, &len), 0);
	for (size_t i = sizeof(hdr); i < len; i++) { /* each NUL lost, each other byte made one */
		char *byte = (char *)frame + i, was = *byte;
		*byte = was == '\0' ? 'x' : '\0';
		ck_assert_int_eq(parse(frame, len, &hdr, &why), EPROTO);
		ck_assert_ptr_nonnull(strstr(why, "only NUL"));
		*byte = was;
	}
	ck_assert_int_eq(parse(frame, len, &hdr, &why), 0);
	free(frame);
}
END_TEST

START_TEST(frame_target_missing)
{
	struct frame_strings in = { "src", NULL, NULL, NULL, NULL };
	struct frame_mount hdr;
	const char *why;
	void *frame;
	size_t len;

	ck_assert_int_eq(frame_build(&in, 0, 0, 0, &frame, &len), 0);
	ck_assert_int_eq(parse(frame, len, &hdr, &why), EPROTO);
	ck_assert_str_eq(why, "target is missing");
	free(frame);
	in.target = "";
	ck_assert_int_eq(frame_build(&in, 0, 0, 0, &frame, &len), 0);
	ck_assert_int_eq(parse(frame, len, &hdr, &why), EPROTO);
	ck_assert_str_eq(why, "target is missing");
	free(frame);
}
END_TEST

START_TEST(frame_limits)
{
	char *big = malloc(FRAME_MAX + 2);
	struct frame_strings in = { NULL, "/t", NULL, NULL, NULL };
	struct frame_mount hdr;
	const char *why;
	void *frame;
	size_t len;

	memset(big, 'x', FRAME_MAX + 1);
	big[FRAME_MAX + 1] = '\0';
	in.source = big;
	ck_assert_int_eq(frame_build(&in, 0, 0, 0, &frame, &len), EMSGSIZE);
	big[FRAME_MAX - sizeof(hdr) - 3 - 1] = '\0'; /* exactly full */
	ck_assert_int_eq(frame_build(&in, 0, 0, 0, &frame, &len), 0);
	ck_assert_uint_eq(len, FRAME_MAX);
	ck_assert_int_eq(parse(frame, len, &hdr, &why), 0);

	frame = realloc(frame, len + 1); /* one more, and a frame that admits it */
	memmove((char *)frame + sizeof(hdr) + 1, (char *)frame + sizeof(hdr), len - sizeof(hdr));
	((char *)frame)[sizeof(hdr)] = 'x';
	memcpy(frame, &(uint32_t){ FRAME_MAX + 1 }, 4);
	hdr.source_len++;
	memcpy((char *)frame + offsetof(struct frame_mount, source_len), &hdr.source_len, 4);
	ck_assert_int_eq(parse(frame, len + 1, &hdr, &why), EPROTO);
	ck_assert_str_eq(why, "frame too long");
	free(frame);

	in.source = NULL;
	in.data = big;
	big[FRAME_DATA_MAX] = '\0';
	ck_assert_int_eq(frame_build(&in, 0, 0, 0, &frame, &len), EMSGSIZE);
	big[FRAME_DATA_MAX - 1] = '\0';
	ck_assert_int_eq(frame_build(&in, 0, 0, 0, &frame, &len), 0);
	ck_assert_int_eq(parse(frame, len, &hdr, &why), 0);
	free(frame);
	free(big);
}
END_TEST

START_TEST(frame_random)
{
	struct frame_mount hdr;
	const char *why;
	void *frame;
	size_t len;

	srandom(1);
	ck_assert_int_eq(frame_build(&full, 0, 0, 0, &frame, &len), 0);
	for (int i = 0; i < 20000; i++) {
		char bytes[256];
		size_t n = (size_t)random() % sizeof(bytes);
		for (size_t k = 0; k < n; k++)
			bytes[k] = (char)random();
		ck_assert_int_eq(parse(bytes, n, &hdr, &why), EPROTO);
		/* a right header, and then noise in the lengths and strings */
		n = len;
		memcpy(bytes, frame, n);
		for (long k = random() % 4; k >= 0; k--)
			bytes[32 + (size_t)random() % (n - 32)] = (char)random();
		parse(bytes, n, &hdr, &why);
	}
	free(frame);
}
END_TEST

/* ---- answers and requests ---- */

START_TEST(answer_round_trip)
{
	static const struct {
		enum frame_code code;
		int error;
		const char *text;
	} good[] = {
		{ FRAME_MOUNTED, 0, "" },
		{ FRAME_READY, 0, "x" },
		{ FRAME_FAILED, EPERM, "/mnt: not yours" },
		{ FRAME_ENDED, 0, "" },
		{ FRAME_ENDED, ENOTCONN, "the daemon died" },
		{ FRAME_MOUNTED, 0, NULL },
	};
	char buf[FRAME_ANSWER_MAX + 100];
	struct frame_answer a;
	const char *text;

	for (size_t i = 0; i < N(good); i++) {
		size_t len = frame_answer_build(buf, sizeof(buf), good[i].code, good[i].error, 99, good[i].text);
		ck_assert_int_eq(frame_answer_parse(buf, len, &a, &text), 0);
		ck_assert_int_eq(a.code, good[i].code);
		ck_assert_int_eq(a.error, good[i].error);
		ck_assert_int_eq(a.pid, 99);
		ck_assert_str_eq(text, good[i].text != NULL ? good[i].text : "");
		for (size_t n = 0; n < len; n++) {
			ck_assert_int_eq(frame_answer_parse(buf, n, &a, &text), EPROTO);
		}
		buf[len] = 0;
		ck_assert_int_eq(frame_answer_parse(buf, len + 1, &a, &text), EPROTO);
	}
}
END_TEST

START_TEST(answer_cut)
{
	char buf[FRAME_ANSWER_MAX + 100], text[2 * FRAME_ANSWER_MAX];
	struct frame_answer a;
	const char *out;

	memset(text, 'y', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	size_t len = frame_answer_build(buf, sizeof(buf), FRAME_FAILED, EIO, 0, text);
	ck_assert_uint_eq(len, FRAME_ANSWER_MAX);
	ck_assert_int_eq(frame_answer_parse(buf, len, &a, &out), 0);
	ck_assert_uint_eq(strlen(out), FRAME_ANSWER_MAX - sizeof(a) - 1);
	len = frame_answer_build(buf, sizeof(a) + 1, FRAME_FAILED, EIO, 0, text);
	ck_assert_uint_eq(len, sizeof(a) + 1);
	ck_assert_int_eq(frame_answer_parse(buf, len, &a, &out), 0);
	ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(answer_lies)
{
	static const struct {
		size_t at;
		uint32_t value;
	} lies[] = {
		{ offsetof(struct frame_answer, len), 0 }, { offsetof(struct frame_answer, len), UINT32_MAX },
		{ offsetof(struct frame_answer, error), 0 },    /* a failure needs one */
		{ offsetof(struct frame_answer, error), 4096 }, /* no errno */
		{ offsetof(struct frame_answer, error), UINT32_MAX }, { offsetof(struct frame_answer, unique), 0 },
		{ offsetof(struct frame_answer, code), 0 }, { offsetof(struct frame_answer, code), 5 },
		{ offsetof(struct frame_answer, code), FRAME_MOUNTED }, /* with an error */
		{ offsetof(struct frame_answer, code), FRAME_READY },
		{ sizeof(struct frame_answer), 0 },              /* a NUL too early */
		{ sizeof(struct frame_answer) + 4, 0x61616161 }, /* and none at the end */
	};
	char buf[FRAME_ANSWER_MAX];
	struct frame_answer a;
	const char *text;

	for (size_t i = 0; i < N(lies); i++) {
		size_t len = frame_answer_build(buf, sizeof(buf), FRAME_FAILED, EPERM, 0, "1234567");
		memcpy(buf + lies[i].at, &lies[i].value, 4);
		ck_assert_int_eq(frame_answer_parse(buf, len, &a, &text), EPROTO);
	}
}
END_TEST

START_TEST(requests)
{
	struct frame_request r = { sizeof(r), FRAME_UNMOUNT, 0, 0 }, lie, out;
	char long_one[sizeof(r) + 1];

	ck_assert_int_eq(frame_request_parse(&r, sizeof(r), &out), 0);
	r.flags = MNT_DETACH;
	ck_assert_int_eq(frame_request_parse(&r, sizeof(r), &out), 0);
	ck_assert_uint_eq(out.flags, MNT_DETACH);
	for (size_t n = 0; n < sizeof(r); n++)
		ck_assert_int_eq(frame_request_parse(&r, n, &out), EPROTO);
	memcpy(long_one, &r, sizeof(r));
	long_one[sizeof(r)] = 0;
	ck_assert_int_eq(frame_request_parse(long_one, sizeof(long_one), &out), EPROTO);
	for (int i = 0; i < 5; i++) {
		lie = r;
		*(i == 0     ? &lie.len
		    : i == 1 ? &lie.code
		    : i == 2 ? &lie.reserved
			     : &lie.flags) = i == 3 ? MNT_FORCE : 77;
		ck_assert_int_eq(frame_request_parse(&lie, sizeof(lie), &out), EPROTO);
	}
}
END_TEST

/* ---- mount options ---- */

#define ABSENT NULL, NULL, NULL

START_TEST(options)
{
	static const struct {
		const char *list;
		int fd;
		uint32_t flags, cleared;
		const char *fsname, *subtype, *rest;
	} table[] = {
		{ NULL, -1, 0, 0, ABSENT },
		{ "", -1, 0, 0, ABSENT },
		{ ",,,", -1, 0, 0, ABSENT },
		{ "fd=0", 0, 0, 0, ABSENT },
		{ "fd=2147483647", INT_MAX, 0, 0, ABSENT },
		{ "fd=007", 7, 0, 0, ABSENT },
		{ "fd=3,fd=4", 4, 0, 0, ABSENT },
		{ "fd=4,rootmode=40000,user_id=0,group_id=0", 4, 0, 0, ABSENT },
		{ "ro", -1, MS_RDONLY, 0, ABSENT },
		{ "rw", -1, 0, MS_RDONLY, ABSENT },
		{ "ro,rw", -1, 0, MS_RDONLY, ABSENT },
		{ "rw,ro", -1, MS_RDONLY, 0, ABSENT },
		{ "nosuid,nodev,noexec", -1, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0, ABSENT },
		{ "suid,dev,exec", -1, 0, MS_NOSUID | MS_NODEV | MS_NOEXEC, ABSENT },
		{ "sync,dirsync", -1, MS_SYNCHRONOUS | MS_DIRSYNC, 0, ABSENT },
		{ "async", -1, 0, MS_SYNCHRONOUS, ABSENT },
		{ "noatime,nodiratime", -1, MS_NOATIME | MS_NODIRATIME, 0, ABSENT },
		{ "atime,diratime", -1, 0, MS_NOATIME | MS_NODIRATIME, ABSENT },
		{ "relatime,strictatime,lazytime", -1, MS_RELATIME | MS_STRICTATIME | MS_LAZYTIME, 0, ABSENT },
		{ "norelatime", -1, 0, MS_RELATIME, ABSENT },
		{ "fsname=a,subtype=b", -1, 0, 0, "a", "b", NULL },
		{ "fsname=a,fsname=c", -1, 0, 0, "c", NULL, NULL },
		{ "fsname=a\\,b\\\\c,ro", -1, MS_RDONLY, 0, "a,b\\c", NULL, NULL },
		{ "fsname=a=b", -1, 0, 0, "a=b", NULL, NULL },
		{ "fsname=\\1012", -1, 0, 0, "A2", NULL, NULL },
		{ "fsname=\\777", -1, 0, 0, "777", NULL, NULL },
		{ "fsname=x\\", -1, 0, 0, "x\\", NULL, NULL },
		{ "fsname=sshfs#a:/b c", -1, 0, 0, "sshfs#a:/b c", NULL, NULL },
		{ "context=\"a:b\",fscontext=x,defcontext=,rootcontext=y", -1, 0, 0, ABSENT },
		{ "foo", -1, 0, 0, NULL, NULL, "foo" },
		{ "foo,ro,bar=1\\,2,,baz", -1, MS_RDONLY, 0, NULL, NULL, "foo,bar=1\\,2,baz" },
		{ "ro=1,allow_other=yes", -1, 0, 0, NULL, NULL, "ro=1,allow_other=yes" },
		{ "FD=1,r,fsnam=e", -1, 0, 0, NULL, NULL, "FD=1,r,fsnam=e" },
		{ "=,=x", -1, 0, 0, NULL, NULL, "=,=x" },
		{ "allow_root,kernel_cache", -1, 0, 0, NULL, NULL, "allow_root,kernel_cache" },
	};

	for (size_t i = 0; i < N(table); i++) {
		struct mountopts o;
		char *bad;

		ck_assert_int_eq(mountopts_parse(table[i].list, &o, &bad), 0);
		ck_assert_msg(o.fd == table[i].fd, "%s: fd %d", table[i].list, o.fd);
		ck_assert_msg(o.flags == table[i].flags, "%s: flags %x", table[i].list, o.flags);
		ck_assert_msg(o.flags_cleared == table[i].cleared, "%s: cleared %x", table[i].list, o.flags_cleared);
		ck_assert_msg(same(o.fsname, table[i].fsname), "%s: fsname %s", table[i].list, o.fsname);
		ck_assert_msg(same(o.subtype, table[i].subtype), "%s: subtype %s", table[i].list, o.subtype);
		ck_assert_msg(same(o.rest, table[i].rest), "%s: rest %s", table[i].list, o.rest);
		ck_assert_ptr_null(bad);
		mountopts_free(&o);
		ck_assert_ptr_null(o.fsname);
	}
}
END_TEST

START_TEST(options_values)
{
	struct mountopts o;
	char *bad;

	ck_assert_int_eq(
	    mountopts_parse("allow_other,max_read=131072,blksize=4294967295,default_permissions", &o, &bad), 0);
	ck_assert(o.allow_other && o.default_permissions && !o.auto_unmount);
	ck_assert_uint_eq(o.max_read, 131072);
	ck_assert_uint_eq(o.blksize, UINT32_MAX);
	mountopts_free(&o);
	ck_assert_int_eq(mountopts_parse("auto_unmount", &o, &bad), 0);
	ck_assert(o.auto_unmount && !o.allow_other && !o.default_permissions);
	ck_assert_uint_eq(o.max_read, 0);
	mountopts_free(&o);
}
END_TEST

START_TEST(options_wrong)
{
	static const char *const wrong[] = { "fd=", "fd", "fd=abc", "fd=-1", "fd=+1", "fd= 1", "fd=1 ", "fd=0x1",
		"fd=1a", "fd=2147483648", "fd=99999999999999999999999", "max_read=4294967296", "max_read=", "max_read",
		"blksize=4k", "user_id=x", "user_id=", "user_id", "group_id=-0", "rootmode=8", "rootmode=200000",
		"rootmode=", "fsname=", "fsname", "subtype", "subtype=", "fsname=a\\000b", "context", "fd=\\061a" };

	for (size_t i = 0; i < N(wrong); i++) {
		static const char *const around[][2] = { { "", "" }, { "ro,", "" }, { "", ",ro" },
			{ "fsname=q,foo,", ",bar" } };
		for (size_t k = 0; k < N(around); k++) {
			struct mountopts o;
			char list[200], *bad;

			snprintf(list, sizeof(list), "%s%s%s", around[k][0], wrong[i], around[k][1]);
			ck_assert_msg(mountopts_parse(list, &o, &bad) == EINVAL, "%s", list);
			ck_assert_str_eq(bad, wrong[i]);
			ck_assert(o.fsname == NULL && o.rest == NULL && o.fd == -1 && o.flags == 0);
			free(bad);
		}
	}
}
END_TEST

/* ---- run directories: each test in a process of its own (Check forks), as a user or as root in a mount namespace ---- */

enum { USER = 12345 };
static char temp[64];

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static void
make_temp(void)
{
	strcpy(temp, "/tmp/test_ctl.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(temp));
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("PERFUSE_SOCKET");
}

static void
drop_temp(void)
{
	nftw(temp, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static char *
in(const char *dir, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

START_TEST(rundir_paths)
{
	uid_t me = getuid();
	char want[128], *path;

	ck_assert_int_eq(rundir_path(0, &path), 0);
	ck_assert_str_eq(path, "/run/perfuse");
	free(path);
	ck_assert_int_eq(rundir_socket(0, &path), 0);
	ck_assert_str_eq(path, "/run/perfuse/fuse");
	free(path);
	ck_assert_int_eq(rundir_path(USER, &path), 0); /* has no /run/user */
	ck_assert_str_eq(path, "/tmp/perfuse-12345");
	free(path);

	setenv("XDG_RUNTIME_DIR", temp, 1); /* ours, so not that of another user */
	ck_assert_int_eq(rundir_path(me + 1, &path), 0);
	ck_assert_ptr_null(strstr(path, temp));
	free(path);
	if (me == 0)
		ck_assert_int_eq(chown(temp, USER, (gid_t)-1), 0);
	snprintf(want, sizeof(want), "%s/perfuse", temp);
	ck_assert_int_eq(rundir_path(me == 0 ? USER : me, &path), 0);
	ck_assert_str_eq(path, want);
	free(path);
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	ck_assert_int_eq(rundir_path(USER, &path), 0);
	ck_assert_str_eq(path, "/tmp/perfuse-12345");
	free(path);
}
END_TEST

START_TEST(rundir_socket_env)
{
	char longest[108 + 1], *path;

	setenv("PERFUSE_SOCKET", "/some/where", 1);
	ck_assert_int_eq(rundir_socket(0, &path), 0);
	ck_assert_str_eq(path, "/some/where");
	free(path);
	memset(longest, 'x', sizeof(longest));
	longest[107] = '\0';
	setenv("PERFUSE_SOCKET", longest, 1);
	ck_assert_int_eq(rundir_socket(USER, &path), 0);
	ck_assert_str_eq(path, longest);
	free(path);
	longest[107] = 'x';
	longest[108] = '\0';
	setenv("PERFUSE_SOCKET", longest, 1);
	ck_assert_int_eq(rundir_socket(USER, &path), ENAMETOOLONG);
	setenv("PERFUSE_SOCKET", "", 1);
	ck_assert_int_eq(rundir_socket(0, &path), 0);
	ck_assert_str_eq(path, "/run/perfuse/fuse");
	free(path);
}
END_TEST

/* Become a user (when root) whose XDG_RUNTIME_DIR is temp. */
static uid_t
as_user(void)
{
	if (getuid() == 0) {
		ck_assert_int_eq(chown(temp, USER, USER), 0);
		ck_assert_int_eq(setgid(USER), 0);
		ck_assert_int_eq(setuid(USER), 0);
	}
	setenv("XDG_RUNTIME_DIR", temp, 1);
	return getuid();
}

START_TEST(rundir_made)
{
	uid_t me = as_user();
	char *path;

	umask(0277);
	ck_assert_int_eq(rundir_make(me, &path), 0);
	ck_assert_str_eq(path, in(temp, "perfuse"));
	ck_assert_int_eq(mode_of(path), 0700);
	ck_assert_int_eq(mode_of(in(path, "mounts")), 0700);
	ck_assert(rundir_trusted(path, me));
	ck_assert(!rundir_trusted(path, me + 1));
	free(path);
	umask(0);
	ck_assert_int_eq(rundir_make(me, &path), 0); /* found there */
	ck_assert_int_eq(rmdir(in(path, "mounts")), 0);
	free(path);
	ck_assert_int_eq(rundir_make(me, &path), 0); /* half of it found */
	ck_assert_int_eq(mode_of(in(path, "mounts")), 0700);
	free(path);
}
END_TEST

START_TEST(rundir_traps)
{
	uid_t me = as_user();
	char *path;

	ck_assert_int_eq(mkdir(in(temp, "elsewhere"), 0700), 0);
	ck_assert_int_eq(symlink("elsewhere", in(temp, "perfuse")), 0);
	ck_assert_int_eq(rundir_make(me, &path), EPERM);
	ck_assert(!rundir_trusted(in(temp, "perfuse"), me));
	ck_assert_int_eq(unlink(in(temp, "perfuse")), 0);

	int fd = open(in(temp, "perfuse"), O_CREAT | O_WRONLY, 0700);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(rundir_make(me, &path), EPERM);
	ck_assert_int_eq(unlink(in(temp, "perfuse")), 0);

	static const mode_t open_modes[] = { 0720, 0702, 0777, 01777 };
	for (size_t i = 0; i < N(open_modes); i++) {
		ck_assert_int_eq(mkdir(in(temp, "perfuse"), 0700), 0);
		ck_assert_int_eq(chmod(in(temp, "perfuse"), open_modes[i]), 0);
		ck_assert_int_eq(rundir_make(me, &path), EPERM);
		ck_assert(!rundir_trusted(in(temp, "perfuse"), me));
		ck_assert_int_eq(rmdir(in(temp, "perfuse")), 0);
	}

	ck_assert_int_eq(mkdir(in(temp, "perfuse"), 0700), 0); /* the outer one is right, the inner one is not */
	ck_assert_int_eq(symlink("/tmp", in(temp, "perfuse/mounts")), 0);
	ck_assert_int_eq(rundir_make(me, &path), EPERM);
	ck_assert(!rundir_trusted(in(temp, "none"), me));
}
END_TEST

START_TEST(rundir_somebody_elses)
{
	char *path;

	if (getuid() != 0)
		return; /* needs two users */
	ck_assert_int_eq(chown(temp, USER, USER), 0);
	ck_assert_int_eq(mkdir(in(temp, "perfuse"), 0755), 0); /* root's */
	setenv("XDG_RUNTIME_DIR", temp, 1);
	ck_assert_int_eq(rundir_make(USER, &path), EPERM);
	ck_assert_int_eq(chmod(in(temp, "perfuse"), 0700), 0);
	as_user();
	ck_assert_int_eq(rundir_make(USER, &path), EPERM); /* cannot even be opened */
}
END_TEST

START_TEST(rundir_roots)
{
	char *path;

	if (getuid() != 0 || unshare(CLONE_NEWNS) != 0)
		return; /* needs a /run of its own */
	ck_assert_int_eq(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("none", "/run", "tmpfs", 0, NULL), 0);
	umask(077);
	ck_assert_int_eq(rundir_make(0, &path), 0);
	ck_assert_str_eq(path, "/run/perfuse");
	ck_assert_int_eq(mode_of(path), 0755);
	ck_assert_int_eq(mode_of(in(path, "mounts")), 0711);
	free(path);
}
END_TEST

START_TEST(rundir_race)
{
	enum { PROCESSES = 8, ROUNDS = 20 };
	uid_t me = as_user();

	for (int round = 0; round < ROUNDS; round++) {
		int go[2], failed = 0, status;
		pid_t pids[PROCESSES];
		char byte, *path;

		ck_assert_int_eq(pipe(go), 0);
		for (int i = 0; i < PROCESSES; i++) {
			pids[i] = fork();
			if (pids[i] == 0) {
				close(go[1]);
				(void)!read(go[0], &byte, 1); /* end of file: all at once */
				_exit(rundir_make(me, &path));
			}
		}
		close(go[0]);
		close(go[1]);
		for (int i = 0; i < PROCESSES; i++) {
			ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
			failed += status != 0;
		}
		ck_assert_int_eq(failed, 0);
		ck_assert_int_eq(rmdir(in(temp, "perfuse/mounts")), 0);
		ck_assert_int_eq(rmdir(in(temp, "perfuse")), 0);
	}
}
END_TEST

/* ---- control messages ---- */

static struct status
sample(void)
{
	return (struct status){
		.mountpoint = "/mnt/a b\n\"c\\d\\101",
		.source = "\xff\xfe latin \xe9 1 \xc3\xa9 \xed\xa0\x80 \xf0\x9f\x98\x80 \xc0\xaf \xe2\x82",
		.fstype = "fuse.sshfs",
		.state = "serving",
		.why = "",
		.engine_pid = 12,
		.daemon_pid = 0,
		.uid = 4294967294,
		.since = INT64_MAX,
		.nodes = 1,
		.files = UINT64_MAX,
		.waiting = 3,
	};
}

START_TEST(status_round_trip)
{
	struct status in = sample(), out;
	char *text;

	ck_assert_int_eq(status_build_answer(&in, &text), 0);
	ck_assert_int_eq(status_parse_answer(text, strlen(text), &out), 0);
	ck_assert_str_eq(in.mountpoint, out.mountpoint);
	ck_assert_str_eq(in.source, out.source);
	ck_assert_str_eq(in.fstype, out.fstype);
	ck_assert_str_eq(in.state, out.state);
	ck_assert_str_eq(in.why, out.why);
	ck_assert_int_eq(in.engine_pid, out.engine_pid);
	ck_assert_int_eq(in.daemon_pid, out.daemon_pid);
	ck_assert_int_eq(in.uid, out.uid);
	ck_assert_int_eq(in.since, out.since);
	ck_assert_uint_eq(out.nodes, 1);
	ck_assert_uint_eq(out.files, INT64_MAX); /* all that JSON integers hold here */
	ck_assert_uint_eq(out.waiting, 3);
	status_free(&out);
	for (size_t n = 0; n < strlen(text); n++)
		ck_assert_int_eq(status_parse_answer(text, n, &out), EPROTO);
	free(text);

	in.why = NULL;
	ck_assert_int_eq(status_build_answer(&in, &text), 0);
	ck_assert_int_eq(status_parse_answer(text, strlen(text), &out), 0);
	ck_assert_str_eq(out.why, "");
	status_free(&out);
	free(text);
}
END_TEST

/* Every byte there is, alone and between others, comes back. */
START_TEST(status_any_bytes)
{
	struct status in = sample(), out;
	char bytes[700], *text;
	size_t n = 0;

	for (int c = 1; c < 256; c++) {
		bytes[n++] = (char)c;
		if (c % 2)
			bytes[n++] = 'x';
	}
	bytes[n] = '\0';
	in.mountpoint = bytes;
	ck_assert_int_eq(status_build_answer(&in, &text), 0);
	ck_assert_int_eq(status_parse_answer(text, strlen(text), &out), 0);
	ck_assert_str_eq(out.mountpoint, bytes);
	status_free(&out);
	free(text);
}
END_TEST

START_TEST(status_refused)
{
	struct status s = sample();
	char *text, *big;

	s.state = "well";
	ck_assert_int_eq(status_build_answer(&s, &text), EPROTO);
	s.state = NULL;
	ck_assert_int_eq(status_build_answer(&s, &text), EPROTO);
	s = sample();
	s.daemon_pid = -1;
	ck_assert_int_eq(status_build_answer(&s, &text), EPROTO);
	s = sample();
	big = malloc(STATUS_MAX + 1);
	memset(big, 'm', STATUS_MAX);
	big[STATUS_MAX] = '\0';
	s.why = big;
	ck_assert_int_eq(status_build_answer(&s, &text), EMSGSIZE);
	free(big);
}
END_TEST

/* Replace the first occurrence of a by b in an answer; it must then be refused. */
START_TEST(status_answer_garbage)
{
	static const struct {
		const char *a, *b;
	} swaps[] = { { "true", "false" }, { "true", "1" }, { "{", "[" }, { "}", "" }, { "}", "}x" },
		{ "\"ok\"", "\"no\"" }, { "\"mountpoint\"", "\"uid\"" }, { "\"mountpoint\"", "\"m\"" },
		{ "\"serving\"", "\"bored\"" }, { "\"serving\"", "7" }, { "\"fuse.sshfs\"", "null" },
		{ "fuse.", "\\u0000" }, { "fuse.", "\\\\9" }, { "fuse.", "\\\\000" }, { "fuse.", "\\\\400" },
		{ "fuse.", "\\\\12" }, { "fuse.", "\xff" }, { "\"engine_pid\":12", "\"engine_pid\":-12" },
		{ "\"engine_pid\":12", "\"engine_pid\":12.5" }, { "\"engine_pid\":12", "\"engine_pid\":\"12\"" },
		{ "\"nodes\":1", "\"nodes\":-1" }, { "\"nodes\":1", "\"nodes\":99999999999999999999" },
		{ "\"nodes\":1", "\"nodes\":true" }, { "\"waiting\"", "\"nodes\"" },
		{ "\"since\":", "\"since\":[]," } };
	struct status s = sample(), out;
	char *text;

	ck_assert_int_eq(status_build_answer(&s, &text), 0);
	for (size_t i = 0; i < N(swaps); i++) {
		char changed[2048];
		char *at = strstr(text, swaps[i].a);
		ck_assert_msg(at != NULL, "no %s in %s", swaps[i].a, text);
		snprintf(
		    changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, swaps[i].b, at + strlen(swaps[i].a));
		ck_assert_msg(status_parse_answer(changed, strlen(changed), &out) == EPROTO, "%s", changed);
		ck_assert(out.mountpoint == NULL && out.state == NULL);
	}
	char more[2048]; /* what a newer engine adds is passed over */
	snprintf(more, sizeof(more), "{\"new\":{\"a\":[1]},%s", text + 1);
	ck_assert_int_eq(status_parse_answer(more, strlen(more), &out), 0);
	status_free(&out);
	free(text);
}
END_TEST

START_TEST(status_requests)
{
	struct status_request r,
	    in[] = { { STATUS_OP_STATUS, false }, { STATUS_OP_UNMOUNT, false }, { STATUS_OP_UNMOUNT, true } };
	static const char *const wrong[][2] = { { "", "not a JSON object" }, { "[]", "not a JSON object" },
		{ "nonsense", "not a JSON object" }, { "{\"op\":\"status\"", "not a JSON object" },
		{ "{}", "op is missing" }, { "{\"op\":1}", "op is missing" }, { "{\"op\":\"Status\"}", "unknown op" },
		{ "{\"op\":\"unmount\"}", "lazy is missing" }, { "{\"op\":\"unmount\",\"lazy\":1}", "lazy is missing" },
		{ "{\"op\":\"status\",\"op\":\"unmount\",\"lazy\":true}", "not a JSON object" } };
	const char *why;
	char *text;

	for (size_t i = 0; i < N(in); i++) {
		ck_assert_int_eq(status_build_request(&in[i], &text), 0);
		ck_assert_int_eq(status_parse_request(text, strlen(text), &r, &why), 0);
		ck_assert_ptr_null(why);
		ck_assert(r.op == in[i].op && r.lazy == in[i].lazy);
		free(text);
	}
	for (size_t i = 0; i < N(wrong); i++) {
		ck_assert_int_eq(status_parse_request(wrong[i][0], strlen(wrong[i][0]), &r, &why), EPROTO);
		ck_assert_str_eq(why, wrong[i][1]);
		ck_assert_int_eq(status_parse_request(wrong[i][0], strlen(wrong[i][0]), &r, NULL), EPROTO);
	}
	char *deep = malloc(STATUS_MAX + 1); /* deeply nested, and beyond the limit */
	memset(deep, '[', STATUS_MAX + 1);
	ck_assert_int_eq(status_parse_request(deep, STATUS_MAX, &r, &why), EPROTO);
	ck_assert_int_eq(status_parse_request(deep, STATUS_MAX + 1, &r, &why), EPROTO);
	free(deep);
}
END_TEST

START_TEST(status_results)
{
	static const char *const wrong[] = { "{}", "", "{\"ok\":1}", "{\"ok\":false}",
		"{\"ok\":false,\"errno\":0,\"error\":\"x\"}", "{\"ok\":false,\"errno\":4096,\"error\":\"x\"}",
		"{\"ok\":false,\"errno\":-1,\"error\":\"x\"}", "{\"ok\":false,\"errno\":5}",
		"{\"ok\":false,\"errno\":5,\"error\":5}" };
	char *text, *message;
	int error;

	ck_assert_int_eq(status_build_result(0, "ignored", &text), 0);
	ck_assert_str_eq(text, "{\"ok\":true}");
	ck_assert_int_eq(status_parse_result(text, strlen(text), &error, &message), 0);
	ck_assert_int_eq(error, 0);
	ck_assert_ptr_null(message);
	free(text);
	ck_assert_int_eq(status_build_result(EBUSY, "/mnt is \xff busy", &text), 0);
	ck_assert_int_eq(status_parse_result(text, strlen(text), &error, &message), 0);
	ck_assert_int_eq(error, EBUSY);
	ck_assert_str_eq(message, "/mnt is \xff busy");
	free(text);
	free(message);
	for (size_t i = 0; i < N(wrong); i++) {
		ck_assert_msg(
		    status_parse_result(wrong[i], strlen(wrong[i]), &error, &message) == EPROTO, "%s", wrong[i]);
		ck_assert_ptr_null(message);
	}
}
END_TEST

/* A case of its own for each, so that each has a fresh directory, made and removed outside the forked test. */
static void
add_dir_test(Suite *s, const TTest *test)
{
	TCase *c = tcase_create(test->name);

	tcase_set_timeout(c, 60);
	tcase_add_unchecked_fixture(c, make_temp, drop_temp);
	tcase_add_test(c, test);
	suite_add_tcase(s, c);
}

int
main(void)
{
	Suite *s = suite_create("ctl");
	TCase *frames = tcase_create("frame"), *words = tcase_create("mountopts"), *messages = tcase_create("status");

	tcase_add_test(frames, frame_round_trip);
	tcase_add_test(frames, frame_layout);
	tcase_add_test(frames, frame_truncated);
	tcase_add_test(frames, frame_trailing_byte);
	tcase_add_test(frames, frame_lies);
	tcase_add_test(frames, frame_lengths_shifted);
	tcase_add_test(frames, frame_nuls);
	tcase_add_test(frames, frame_target_missing);
	tcase_add_test(frames, frame_limits);
	tcase_add_test(frames, frame_random);
	tcase_add_test(frames, answer_round_trip);
	tcase_add_test(frames, answer_cut);
	tcase_add_test(frames, answer_lies);
	tcase_add_test(frames, requests);
	tcase_add_test(words, options);
	tcase_add_test(words, options_values);
	tcase_add_test(words, options_wrong);
	tcase_add_test(messages, status_round_trip);
	tcase_add_test(messages, status_any_bytes);
	tcase_add_test(messages, status_refused);
	tcase_add_test(messages, status_answer_garbage);
	tcase_add_test(messages, status_requests);
	tcase_add_test(messages, status_results);
	suite_add_tcase(s, frames);
	suite_add_tcase(s, words);
	suite_add_tcase(s, messages);
	add_dir_test(s, rundir_paths);
	add_dir_test(s, rundir_socket_env);
	add_dir_test(s, rundir_made);
	add_dir_test(s, rundir_traps);
	add_dir_test(s, rundir_somebody_elses);
	add_dir_test(s, rundir_roots);
	add_dir_test(s, rundir_race);

	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

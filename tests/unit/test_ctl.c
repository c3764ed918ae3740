/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctl/frame.h and ctl/mountopts.h: frames, answers and requests there and back, each lie in them, each place where they can be cut;
 * mount options word by word.
 */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "ctl/frame.h"
#include "ctl/mountopts.h"

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

/* Two lengths whose lies come out right again in 32 bits. */
START_TEST(frame_lengths_wrapped)
{
	for (int pair = 0; pair < 2; pair++) {
		struct frame_mount hdr;
		const char *why;
		void *frame;
		size_t len;

		ck_assert_int_eq(frame_build(&full, 0, 0, 0, &frame, &len), 0);
		memcpy(&hdr, frame, sizeof(hdr));
		if (pair == 0) {
			hdr.source_len += UINT32_C(1) << 31;
			hdr.sock_len += UINT32_C(1) << 31;
		} else {
			hdr.data_len += hdr.sock_len + 1;
			hdr.sock_len = UINT32_MAX;
		}
		memcpy(frame, &hdr, sizeof(hdr));
		ck_assert_int_eq(parse(frame, len, &hdr, &why), EPROTO);
		ck_assert_str_eq(why, "the lengths do not add up");
		free(frame);
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

int
main(void)
{
	Suite *s = suite_create("ctl");
	TCase *packets = tcase_create("packets");
	TCase *words = tcase_create("words");

	tcase_add_test(packets, frame_round_trip);
	tcase_add_test(packets, frame_layout);
	tcase_add_test(packets, frame_truncated);
	tcase_add_test(packets, frame_trailing_byte);
	tcase_add_test(packets, frame_lies);
	tcase_add_test(packets, frame_lengths_shifted);
	tcase_add_test(packets, frame_lengths_wrapped);
	tcase_add_test(packets, frame_nuls);
	tcase_add_test(packets, frame_target_missing);
	tcase_add_test(packets, frame_limits);
	tcase_add_test(packets, frame_random);
	tcase_add_test(packets, answer_round_trip);
	tcase_add_test(packets, answer_cut);
	tcase_add_test(packets, answer_lies);
	tcase_add_test(packets, requests);
	suite_add_tcase(s, packets);
	tcase_add_test(words, options);
	tcase_add_test(words, options_values);
	tcase_add_test(words, options_wrong);
	suite_add_tcase(s, words);

	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

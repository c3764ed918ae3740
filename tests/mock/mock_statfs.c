/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * STATFS: each field of its answer, which node it asks about, and who may ask.
 */
#include "mock/names.h"

static long
do_statfs(struct actor *a)
{
	return step(a, statfs(arg_path(a), &a->sfs));
}

static long
do_fstatfs(struct actor *a)
{
	if (do_open(a, O_RDONLY) < 0)
		return -1;
	step(a, fstatfs(a->fd, &a->sfs));
	return step(a, close(a->fd));
}

static const union wire_out all_fields = {
	.statfs.st = {
		.blocks = UINT64_C(1) << 40,
		.bfree = UINT64_C(1) << 39,
		.bavail = UINT64_C(1) << 38,
		.files = 1000000,
		.ffree = 900000,
		.bsize = 65536,
		.namelen = 200,
		.frsize = 512,
	},
};

static void
check_all_fields(const struct actor *a)
{
	check_u(a->sfs.f_type, 0x65735546);
	check_u(a->sfs.f_blocks, UINT64_C(1) << 40);
	check_u(a->sfs.f_bfree, UINT64_C(1) << 39);
	check_u(a->sfs.f_bavail, UINT64_C(1) << 38);
	check_u(a->sfs.f_files, 1000000);
	check_u(a->sfs.f_ffree, 900000);
	check_u(a->sfs.f_bsize, 65536);
	check_u(a->sfs.f_namelen, 200);
	check_u(a->sfs.f_frsize, 512);
}

MOCK_CASE(every_field)
{
	struct actor *a = on(m, do_statfs, "");
	struct req *r = expect_on(m, WIRE_STATFS, WIRE_ROOT_ID);

	check_caller(r, a, 0, 0);
	check_u(r->rawlen, sizeof(struct wire_in_header));
	reply_out(m, r, &all_fields);
	finish(a);
	check_step(a, 0, 0, 0);
	check_all_fields(a);
}

MOCK_CASE(never_cached)
{
	for (uint64_t i = 0; i < 3; i++) {
		struct actor *a = on(m, do_statfs, "");
		union wire_out out = { .statfs.st = { .blocks = 100, .bfree = i, .bsize = 512 } };

		reply_out(m, expect(m, WIRE_STATFS), &out);
		finish(a);
		check_u(a->sfs.f_bfree, i);
		check_u(a->sfs.f_frsize, 512); /* of 0: as bsize */
	}
}

MOCK_CASE(of_a_directory_below)
{
	struct actor *a;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = on(m, do_statfs, "dir");
	reply_out(m, expect_on(m, WIRE_STATFS, 42), &all_fields);
	finish(a);
	check_step(a, 0, 0, 0);
	check_all_fields(a);
}

MOCK_CASE(of_an_open_file)
{
	struct actor *a = on(m, do_fstatfs, "file");

	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0644, 0);
	answer_open(m, 42, 70, 0);
	reply_out(m, expect_on(m, WIRE_STATFS, 42), &all_fields);
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 1, 0, 0);
	check_all_fields(a);
}

/* It needs no right on what it is asked about. */
MOCK_CASE(default_permissions, .options = "default_permissions,allow_other")
{
	struct actor *a = on_as_other(m, do_statfs, "");
	struct req *r = expect_on(m, WIRE_STATFS, WIRE_ROOT_ID);

	check_caller(r, a, OTHER_UID, OTHER_GID);
	reply_out(m, r, &all_fields);
	finish(a);
	check_step(a, 0, 0, 0);
	check_all_fields(a);
}

/* Whom the mount is not for learns that there is one. */
MOCK_CASE(somebody_else)
{
	struct actor *a = on_as_other(m, do_statfs, "");

	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->sfs.f_type, 0x65735546);
	check_u(a->sfs.f_blocks, 0);
	check_u(a->sfs.f_bsize, 0);
	expect_none(m);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EIO, ENOSYS, EACCES };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = on(m, do_statfs, "");

		reply_err(m, expect(m, WIRE_STATFS), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
}

MOCK_CASE(minor_8, .minor = 8)
{
	struct actor *a = on(m, do_statfs, "");

	reply_out(m, expect(m, WIRE_STATFS), &all_fields);
	finish(a);
	check_step(a, 0, 0, 0);
	check_all_fields(a);
}

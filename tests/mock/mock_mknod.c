/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MKNOD: types, device numbers, the umask, the old layout, and answers that cannot be.
 */
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "mock/names.h"

static mode_t node_mode;
static dev_t node_dev;
static mode_t node_umask = 022;

static long
do_mknod(struct actor *a)
{
	umask(node_umask);
	return step(a, mknod(arg_path(a), node_mode, node_dev));
}

/* mknod("node") up to its MKNOD. */
static struct req *
to_mknod(struct mock *m, mode_t mode, dev_t dev, struct actor **a)
{
	node_mode = mode;
	node_dev = dev;
	*a = on(m, do_mknod, "node");
	answer_noent(m, WIRE_ROOT_ID, "node");
	return expect_named(m, WIRE_MKNOD, WIRE_ROOT_ID, "node");
}

/* It is made as what was asked for, and then known. */
static void
makes(struct mock *m, mode_t mode, mode_t masked, dev_t dev, uint32_t rdev)
{
	struct wire_entry_out e = an_entry(42, masked, 0);
	struct actor *a;
	struct req *r = to_mknod(m, mode, dev, &a);

	check_caller(r, a, 0, 0);
	check_u(r->in.mknod.mode, masked);
	check_u(r->in.mknod.rdev, rdev);
	check_u(r->in.mknod.umask, 022);
	check_u(r->in.mknod.padding, 0);
	check_u(r->extlen, 0);
	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_mknod_in) + 5);
	e.attr.rdev = rdev;
	reply_entry(m, r, e);
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "node");
	finish(a);
	check_u(a->st.st_mode, masked);
	check_u(a->st.st_rdev, dev);
	expect_none(m);
}

MOCK_CASE(fifo)
{
	makes(m, S_IFIFO | 0666, S_IFIFO | 0644, 0, 0);
}

MOCK_CASE(socket)
{
	makes(m, S_IFSOCK | 0777, S_IFSOCK | 0755, 0, 0);
}

MOCK_CASE(regular)
{
	makes(m, S_IFREG | 0666, S_IFREG | 0644, 0, 0);
}

MOCK_CASE(character_device)
{
	makes(m, S_IFCHR | 0622, S_IFCHR | 0600, makedev(0xabc, 0x12345), 0x123abc45);
}

MOCK_CASE(block_device)
{
	makes(m, S_IFBLK | 0660, S_IFBLK | 0640, makedev(8, 17), 0x0811);
}

MOCK_CASE(set_id_bits)
{
	makes(m, S_IFREG | 06777, S_IFREG | 06755, 0, 0);
}

MOCK_CASE(no_type_is_a_file)
{
	makes(m, 0600, S_IFREG | 0600, 0, 0);
}

/* A daemon that applies the umask is given the mode as it is. */
MOCK_CASE(dont_mask, .flags = WIRE_INIT_DONT_MASK)
{
	struct actor *a;
	struct req *r;

	node_umask = 077;
	r = to_mknod(m, S_IFIFO | 0666, 0, &a);
	check_u(r->in.mknod.mode, S_IFIFO | 0666);
	check_u(r->in.mknod.umask, 077);
	reply_entry(m, r, an_entry(42, S_IFIFO | 0600, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

/* Before 7.12 there is no umask in it. */
MOCK_CASE(minor_11, .minor = 11)
{
	struct actor *a;
	struct req *r = to_mknod(m, S_IFIFO | 0666, 0, &a);

	check_u(r->rawlen, sizeof(struct wire_in_header) + 8 + 5);
	check_u(r->in.mknod.mode, S_IFIFO | 0644);
	reply_entry(m, r, an_entry(42, S_IFIFO | 0644, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

static long
do_bind(struct actor *a)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	umask(0);
	if (chdir(in_mount(a, "")) != 0)
		return -1;
	strcpy(sun.sun_path, "sock");
	return step(a, bind(fd, (struct sockaddr *)&sun, sizeof(sun)));
}

MOCK_CASE(bind_makes_a_socket)
{
	struct actor *a = start(m, do_bind);
	struct req *r;

	reply_err(m, expect_on(m, WIRE_ACCESS, WIRE_ROOT_ID), ENOSYS); /* of the chdir() */
	answer_noent(m, WIRE_ROOT_ID, "sock");
	r = expect_named(m, WIRE_MKNOD, WIRE_ROOT_ID, "sock");
	check_u(r->in.mknod.mode, S_IFSOCK | 0777);
	reply_entry(m, r, an_entry(42, S_IFSOCK | 0777, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EEXIST, EPERM, ENOSPC, ENOSYS, EIO };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a;

		reply_err(m, to_mknod(m, S_IFIFO | 0600, 0, &a), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
}

MOCK_CASE(another_type, .unbalanced = true)
{
	struct actor *a;

	reply_entry(m, to_mknod(m, S_IFIFO | 0600, 0, &a), an_entry(42, S_IFREG | 0600, 0));
	finish(a);
	check_step(a, 0, -1, EIO);
	check_asked_again(m, "node");
}

MOCK_CASE(nodeid_0, .unbalanced = true)
{
	struct actor *a;

	reply_entry(m, to_mknod(m, S_IFIFO | 0600, 0, &a), an_entry(0, S_IFIFO | 0600, 0));
	finish(a);
	check_step(a, 0, -1, EIO);
}

MOCK_CASE(nodeid_1, .unbalanced = true)
{
	struct actor *a;

	reply_entry(m, to_mknod(m, S_IFIFO | 0600, 0, &a), an_entry(WIRE_ROOT_ID, S_IFIFO | 0600, 0));
	finish(a);
	check_step(a, 0, -1, EIO);
}

/* The answer may be a node that is known already under another name. */
MOCK_CASE(known_node)
{
	struct actor *a;

	know(m, "other", 42, S_IFIFO | 0600, 0);
	reply_entry(m, to_mknod(m, S_IFIFO | 0600, 0, &a), an_entry(42, S_IFIFO | 0600, 0));
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(lookups_out(m, 42), 2);
	check_cached(m, "node");
	check_cached(m, "other");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extensions behind creating requests: the one supplementary group of the caller that the directory has (CREATE_SUPP_GROUP), and
 * security contexts (SECURITY_CTX).
 */
#include "mock/names.h"

enum { DIR_GID = 1002 };

static const gid_t groups[] = { 7, DIR_GID, 9 };

/* "dir", node 42, belongs to DIR_GID. */
static void
known_dir(struct mock *m)
{
	struct wire_entry_out e = an_entry(42, S_IFDIR | 0775, 0);
	struct actor *a = on(m, do_stat, "dir");

	e.attr.gid = DIR_GID;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "dir"), e);
	finish(a);
}

static long
create_five(struct actor *a)
{
	umask(0);
	step(a, mkdir(in_mount(a, "dir/d"), 0755));
	step(a, mknod(in_mount(a, "dir/p"), S_IFIFO | 0644, 0));
	step(a, symlink("target", in_mount(a, "dir/l")));
	a->fd = open(in_mount(a, "dir/f"), O_CREAT | O_WRONLY, 0644);
	step(a, a->fd == -1 ? -1 : 0);
	close(a->fd);
	return step(a, link(in_mount(a, "dir/f"), in_mount(a, "dir/f2")));
}

/* The request ends in exactly these bytes of extensions. */
static void
check_ext(const struct req *r, const void *ext, size_t len)
{
	check_u(r->hdr.total_extlen, len / 8);
	check_u(r->extlen, len);
	check_u(r->hdr.len, r->rawlen);
	if (len > 0)
		check_mem(r->ext, ext, len);
}

static const struct {
	struct wire_ext_header hdr;
	uint32_t nr_groups, group;
} one_group = { { 16, WIRE_EXT_GROUPS }, 1, DIR_GID };

static void
creates_five(struct mock *m, struct actor *a, const void *ext, size_t len)
{
	struct req *r;

	answer_noent(m, 42, "d");
	r = expect_named(m, WIRE_MKDIR, 42, "d");
	check_ext(r, ext, len);
	check_u(r->in.mkdir.mode, 0755);
	reply_entry(m, r, an_entry(43, S_IFDIR | 0755, 0));
	answer_noent(m, 42, "p");
	r = expect_named(m, WIRE_MKNOD, 42, "p");
	check_ext(r, ext, len);
	reply_entry(m, r, an_entry(44, S_IFIFO | 0644, 0));
	answer_noent(m, 42, "l");
	r = expect_named(m, WIRE_SYMLINK, 42, "l");
	check_ext(r, ext, len);
	check_str(r->name[1], "target");
	reply_entry(m, r, an_entry(45, S_IFLNK | 0777, 6));
	answer_noent(m, 42, "f");
	r = expect_named(m, WIRE_CREATE, 42, "f");
	check_ext(r, ext, len);
	reply_create(m, r, an_entry(46, S_IFREG | 0644, 0), 70, 0);
	answer_close(m, 46, 70);
	answer_noent(m, 42, "f2");
	r = expect_named(m, WIRE_LINK, 42, "f2");
	check_ext(r, NULL, 0); /* a link makes no file */
	reply_entry(m, r, an_entry(46, S_IFREG | 0644, 0));
	finish(a);
	for (int i = 0; i < 5; i++)
		check_step(a, i, 0, 0);
}

#define GROUPS                                                                                                         \
	.flags = WIRE_INIT_CREATE_SUPP_GROUP, .needs_flags = WIRE_INIT_CREATE_SUPP_GROUP, .options = "allow_other"

MOCK_CASE(supplementary_group, GROUPS)
{
	struct actor *a;

	known_dir(m);
	a = start_as(m, OTHER_UID, OTHER_GID, groups, 3, create_five, NULL);
	creates_five(m, a, &one_group, sizeof(one_group));
}

MOCK_CASE(not_of_the_group, GROUPS)
{
	struct actor *a;

	known_dir(m);
	a = start_as(m, OTHER_UID, OTHER_GID, groups, 1, create_five, NULL);
	creates_five(m, a, NULL, 0);
}

/* The caller's first group is in the header. */
MOCK_CASE(of_the_group_anyway, GROUPS)
{
	struct actor *a;

	known_dir(m);
	a = start_as(m, OTHER_UID, DIR_GID, groups, 3, create_five, NULL);
	creates_five(m, a, NULL, 0);
}

MOCK_CASE(not_agreed, .options = "allow_other")
{
	struct actor *a;

	known_dir(m);
	a = start_as(m, OTHER_UID, OTHER_GID, groups, 3, create_five, NULL);
	creates_five(m, a, NULL, 0);
}

static long
tmpfile_in_dir(struct actor *a)
{
	a->fd = open(in_mount(a, "dir"), O_TMPFILE | O_RDWR, 0600);
	step(a, a->fd == -1 ? -1 : 0);
	return a->fd == -1 ? -1 : close(a->fd);
}

MOCK_CASE(tmpfile, GROUPS)
{
	struct actor *a;
	struct req *r;

	known_dir(m);
	a = start_as(m, OTHER_UID, OTHER_GID, groups, 3, tmpfile_in_dir, NULL);
	r = expect_on(m, WIRE_TMPFILE, 42);
	check_ext(r, &one_group, sizeof(one_group));
	reply_create(m, r, an_entry(43, S_IFREG | 0600, 0), 70, 0);
	answer_close(m, 43, 70);
	finish(a);
	check_step(a, 0, 0, 0);
}

/*
 * Contexts: at least their header comes, with as many as a security module gives to a new file (none, where there is
 * no module that does). What follows has to be well-formed, and the same whatever carries it.
 */
static size_t
check_contexts(const struct req *r)
{
	struct wire_secctx_header h;
	size_t at = sizeof(h);

	check_that(r->extlen >= sizeof(h));
	check_u(r->hdr.total_extlen, r->extlen / 8);
	memcpy(&h, r->ext, sizeof(h));
	check_that(h.nr_secctx <= WIRE_MAX_NR_SECCTX);
	check_u(h.size % 8, 0);
	check_that(h.size <= r->extlen);
	for (uint32_t i = 0; i < h.nr_secctx; i++) {
		struct wire_secctx c;
		size_t namelen;

		check_that(at + sizeof(c) < h.size);
		memcpy(&c, r->ext + at, sizeof(c));
		at += sizeof(c);
		namelen = strnlen((const char *)r->ext + at, h.size - at);
		check_that(namelen > 0 && at + namelen + 1 + c.size <= h.size);
		at += WIRE_REC_ALIGN(namelen + 1 + c.size);
	}
	check_u(at, h.size);
	return h.size;
}

MOCK_CASE(security_contexts, .flags = WIRE_INIT_SECURITY_CTX, .needs_flags = WIRE_INIT_SECURITY_CTX)
{
	struct actor *a;
	struct req *r;
	size_t len;

	known_dir(m);
	a = start(m, create_five);
	answer_noent(m, 42, "d");
	r = expect_named(m, WIRE_MKDIR, 42, "d");
	len = check_contexts(r);
	check_u(len, r->extlen);
	reply_entry(m, r, an_entry(43, S_IFDIR | 0755, 0));
	answer_noent(m, 42, "p");
	r = expect_named(m, WIRE_MKNOD, 42, "p");
	check_u(check_contexts(r), r->extlen);
	reply_entry(m, r, an_entry(44, S_IFIFO | 0644, 0));
	answer_noent(m, 42, "l");
	r = expect_named(m, WIRE_SYMLINK, 42, "l");
	check_u(check_contexts(r), r->extlen);
	reply_entry(m, r, an_entry(45, S_IFLNK | 0777, 6));
	answer_noent(m, 42, "f");
	r = expect_named(m, WIRE_CREATE, 42, "f");
	check_u(check_contexts(r), r->extlen);
	reply_create(m, r, an_entry(46, S_IFREG | 0644, 0), 70, 0);
	answer_close(m, 46, 70);
	answer_noent(m, 42, "f2");
	r = expect_named(m, WIRE_LINK, 42, "f2");
	check_ext(r, NULL, 0);
	reply_entry(m, r, an_entry(46, S_IFREG | 0644, 0));
	finish(a);
	check_step(a, 4, 0, 0);
}

/* Both: contexts first. */
MOCK_CASE(contexts_and_group, .flags = WIRE_INIT_SECURITY_CTX | WIRE_INIT_CREATE_SUPP_GROUP,
    .needs_flags = WIRE_INIT_SECURITY_CTX | WIRE_INIT_CREATE_SUPP_GROUP, .options = "allow_other")
{
	struct actor *a;
	struct req *r;
	size_t len;

	known_dir(m);
	a = start_as(m, OTHER_UID, OTHER_GID, groups, 3, tmpfile_in_dir, NULL);
	r = expect_on(m, WIRE_TMPFILE, 42);
	len = check_contexts(r);
	check_u(r->extlen, len + sizeof(one_group));
	check_mem(r->ext + len, &one_group, sizeof(one_group));
	reply_create(m, r, an_entry(43, S_IFREG | 0600, 0), 70, 0);
	answer_close(m, 43, 70);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * File handles: name_to_handle_at(2) and open_by_handle_at(2), while the node is known and after it was forgotten, with and
 * without EXPORT_SUPPORT.
 */
#include <dirent.h>

#include "mock/names.h"

/* Take the handle of a name (step 0), hold, open it (step 1, 0 or -1), stat it (step 2), close. */
static long
by_handle(struct actor *a)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .h.handle_bytes = MAX_HANDLE_SZ };
	int mount_id, root;

	if (step(a, name_to_handle_at(AT_FDCWD, arg_path(a), &u.h, &mount_id, 0)) != 0)
		return -1;
	hold(a);
	root = open(in_mount(a, ""), O_RDONLY | O_DIRECTORY);
	hold(a);
	a->fd = open_by_handle_at(root, &u.h, O_RDONLY);
	step(a, a->fd == -1 ? -1 : 0);
	if (a->fd != -1) {
		step(a, fstat(a->fd, &a->st));
		step(a, close(a->fd));
	}
	close(root);
	return 0;
}

/* Up to the second hold(): the handle of name is taken, the root is open with handle 60. */
static struct actor *
handle_of(struct mock *m, const char *name, bool forget)
{
	struct actor *a = on(m, by_handle, name);

	reached(a);
	check_step(a, 0, 0, 0);
	if (forget)
		shrink(m);
	proceed(a);
	answer_opendir(m, WIRE_ROOT_ID, 60, 0);
	reached(a);
	proceed(a);
	return a;
}

static void
done(struct mock *m, struct actor *a)
{
	answer_releasedir(m, WIRE_ROOT_ID, 60);
	finish(a);
}

/* A node that is known is opened without being looked up. */
MOCK_CASE(known)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = handle_of(m, "file", false);
	answer_open(m, 42, 70, 0);
	answer_close(m, 42, 70);
	done(m, a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 0, 0);
	check_u(a->st.st_ino, 42);
	check_u(lookups_out(m, 42), 1);
}

MOCK_CASE(known_of_the_root)
{
	struct actor *a = handle_of(m, "", false);

	answer_opendir(m, WIRE_ROOT_ID, 61, 0);
	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	answer_releasedir(m, WIRE_ROOT_ID, 61);
	done(m, a);
	check_step(a, 1, 0, 0);
	check_u(a->st.st_ino, 1);
}

/* One that was forgotten is looked up by number, where the daemon can do that. */
MOCK_CASE(forgotten, .flags = WIRE_INIT_EXPORT_SUPPORT, .needs_flags = WIRE_INIT_EXPORT_SUPPORT)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = handle_of(m, "file", true);
	expect_forgotten(m, 42);
	answer_lookup(m, 42, ".", 42, S_IFREG | 0644, 10);
	answer_open(m, 42, 70, 0);
	answer_close(m, 42, 70);
	done(m, a);
	check_step(a, 1, 0, 0);
	check_u(a->st.st_ino, 42);
}

MOCK_CASE(forgotten_and_gone, .flags = WIRE_INIT_EXPORT_SUPPORT, .needs_flags = WIRE_INIT_EXPORT_SUPPORT)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = handle_of(m, "file", true);
	answer_noent(m, 42, ".");
	done(m, a);
	check_step(a, 1, -1, ESTALE);
}

MOCK_CASE(forgotten_and_another_generation, .flags = WIRE_INIT_EXPORT_SUPPORT, .needs_flags = WIRE_INIT_EXPORT_SUPPORT)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 10);
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = handle_of(m, "file", true);
	e.generation = 1;
	reply_entry(m, expect_lookup(m, 42, "."), e);
	done(m, a);
	check_step(a, 1, -1, ESTALE);
}

/* ... and is out of reach where it cannot. */
MOCK_CASE(forgotten_for_good)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = handle_of(m, "file", true);
	done(m, a);
	check_step(a, 1, -1, ESTALE);
}

/* A directory needs its parents, up to one that is known: by the name "..", and then found in it by its number. */
MOCK_CASE(forgotten_directory, .flags = WIRE_INIT_EXPORT_SUPPORT, .needs_flags = WIRE_INIT_EXPORT_SUPPORT)
{
	char buf[512];
	size_t len = 0;
	struct actor *a;
	struct req *r;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = handle_of(m, "dir", true);
	answer_lookup(m, 42, ".", 42, S_IFDIR | 0755, 0);
	answer_lookup(m, 42, "..", WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	answer_opendir(m, WIRE_ROOT_ID, 61, 0);
	r = expect_on(m, WIRE_READDIR, WIRE_ROOT_ID);
	check_u(r->in.read.fh, 61);
	mock_dirent(buf, sizeof(buf), &len, 9, 1, DT_REG, "other");
	mock_dirent(buf, sizeof(buf), &len, 42, 2, DT_DIR, "dir");
	reply_data(m, r, buf, len);
	answer_lookup(m, WIRE_ROOT_ID, "dir", 42, S_IFDIR | 0755, 0);
	answer_opendir(m, 42, 70, 0);
	answer_releasedir(m, WIRE_ROOT_ID, 61);
	answer_releasedir(m, 42, 70);
	done(m, a);
	check_step(a, 1, 0, 0);
	check_u(a->st.st_ino, 42);
}

static long
take_handle(struct actor *a)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .h.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;

	return step(a, name_to_handle_at(AT_FDCWD, arg_path(a), &u.h, &mount_id, 0));
}

/* A daemon may say that handles are not to be had at all. */
MOCK_CASE(refused, .flags = WIRE_INIT_NO_EXPORT_SUPPORT, .needs_flags = WIRE_INIT_NO_EXPORT_SUPPORT)
{
	know(m, "file", 42, S_IFREG | 0644, 10);
	check_silent(m, on(m, take_handle, "file"), -1, EOPNOTSUPP);
}

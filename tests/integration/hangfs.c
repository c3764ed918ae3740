/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon with operations that never end, for tests of its death: the root folder has "file", which reads well, and
 * "hang", whose reads are not answered. hangfs [-f] MOUNTPOINT
 */
#define FUSE_USE_VERSION 35

#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INO_FILE = 2, INO_HANG = 3 };
static const char text[] = "hangfs\n";

static int
stat_of(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_nlink = 1;
	st->st_mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
	st->st_size = ino == FUSE_ROOT_ID ? 0 : (off_t)strlen(text);
	return ino <= INO_HANG ? 0 : ENOENT;
}

static void
hang_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .ino = strcmp(name, "file") == 0 ? INO_FILE : INO_HANG };

	if (strcmp(name, "file") != 0 && strcmp(name, "hang") != 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	stat_of(e.ino, &e.attr);
	fuse_reply_entry(req, &e);
}

static void
hang_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	if (stat_of(ino, &st))
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_attr(req, &st, 0);
}

static void
hang_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	if (ino == INO_HANG)
		return;
	fuse_reply_buf(req, text + (off < (off_t)strlen(text) ? off : (off_t)strlen(text)),
	    off < (off_t)strlen(text) ? strlen(text) - (size_t)off : 0);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = hang_lookup,
	.getattr = hang_getattr,
	.read = hang_read,
};

int
main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct fuse_cmdline_opts cmdline;
	struct fuse_session *session;
	int status = 1;

	if (fuse_parse_cmdline(&args, &cmdline) || !cmdline.mountpoint)
		return 64;
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (session && fuse_set_signal_handlers(session) == 0) {
		if (fuse_session_mount(session, cmdline.mountpoint) == 0) {
			fuse_daemonize(cmdline.foreground);
			status = fuse_session_loop(session) != 0;
			fuse_session_unmount(session);
		}
		fuse_remove_signal_handlers(session);
	}
	if (session)
		fuse_session_destroy(session);
	free(cmdline.mountpoint);
	fuse_opt_free_args(&args);
	return status;
}

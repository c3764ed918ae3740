/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A passthrough daemon that asks the kernel for all it can give: for the class of daemons of libfuse's passthrough_hp, which
 * Debian does not ship. Each inode is an O_PATH descriptor; a nodeid is its address. Runs in one thread (-s), so that two runs see the
 * same order.
 *
 * -o source=DIR, and: cache (everything is kept: entries, attributes, data, directories, links), writeback (the same with the
 * writeback cache), direct (direct_io, with mmap), noopen (OPEN and OPENDIR are ENOSYS: the kernel must stop asking).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "pass_hp.h"

enum { SLOTS = 4096 };
static struct inode *slots[SLOTS];
static struct inode root;
static struct {
	char *source;
	int cache, writeback, direct, noopen;
} opt;

static const struct fuse_opt options[] = {
	{ "source=%s", offsetof(__typeof__(opt), source), 0 },
	{ "cache", offsetof(__typeof__(opt), cache), 1 },
	{ "writeback", offsetof(__typeof__(opt), writeback), 1 },
	{ "direct", offsetof(__typeof__(opt), direct), 1 },
	{ "noopen", offsetof(__typeof__(opt), noopen), 1 },
	FUSE_OPT_END,
};

struct inode *
inode_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &root : (struct inode *)(uintptr_t)ino;
}

static int
fd_of(fuse_ino_t ino)
{
	return inode_of(ino)->fd;
}

struct proc_path
path_of(int fd)
{
	struct proc_path path;

	snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
	return path;
}

void
reply(fuse_req_t req, int64_t ret)
{
	fuse_reply_err(req, ret < 0 ? errno : 0);
}

static double
timeout(void)
{
	return opt.cache || opt.writeback ? 86400.0 : 0.0;
}

/* Files are made by whom they are for. (One thread: no other request meanwhile.) */
static void
act_as(fuse_req_t req)
{
	setfsgid(fuse_req_ctx(req)->gid);
	setfsuid(fuse_req_ctx(req)->uid);
}

static void
act_as_root(void)
{
	int error = errno;

	setfsuid(0);
	setfsgid(0);
	errno = error;
}

/* ---- inodes ---- */

static int
find(int dir, const char *name, struct fuse_entry_param *e)
{
	struct inode *inode;
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW);

	memset(e, 0, sizeof(*e));
	e->attr_timeout = e->entry_timeout = timeout();
	if (fd < 0 || fstatat(fd, "", &e->attr, AT_EMPTY_PATH) < 0) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		return error;
	}
	if (e->attr.st_ino == root.ino) { /* ".." by an exported handle */
		close(fd);
		e->ino = FUSE_ROOT_ID;
		return 0;
	}
	for (inode = slots[e->attr.st_ino % SLOTS]; inode != NULL && inode->ino != e->attr.st_ino; inode = inode->next)
		;
	if (inode != NULL) {
		close(fd);
	} else {
		inode = calloc(1, sizeof(*inode));
		if (inode == NULL) {
			close(fd);
			return ENOMEM;
		}
		inode->fd = fd;
		inode->ino = e->attr.st_ino;
		inode->next = slots[inode->ino % SLOTS];
		slots[inode->ino % SLOTS] = inode;
	}
	inode->nlookup++;
	e->ino = (uintptr_t)inode;
	return 0;
}

static void
drop(fuse_ino_t ino, uint64_t nlookup)
{
	struct inode *inode = inode_of(ino), **at = &slots[inode->ino % SLOTS];

	if (inode == &root || (inode->nlookup -= nlookup) > 0)
		return;
	while (*at != inode)
		at = &(*at)->next;
	*at = inode->next;
	locks_end(inode);
	close(inode->fd);
	free(inode);
}

static void
hp_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	drop(ino, nlookup);
	fuse_reply_none(req);
}

static void
hp_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		drop(forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void
hp_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e;
	int error = find(fd_of(parent), name, &e);

	if (error == ENOENT && timeout() > 0) { /* that it is not there is kept, too */
		e.ino = 0;
		fuse_reply_entry(req, &e);
	} else if (error != 0) {
		fuse_reply_err(req, error);
	} else {
		fuse_reply_entry(req, &e);
	}
}

/* After something was made. */
static void
reply_made(fuse_req_t req, int ret, fuse_ino_t parent, const char *name)
{
	act_as_root();
	if (ret < 0)
		reply(req, ret);
	else
		hp_lookup(req, parent, name);
}

/* ---- attributes ---- */

static void
hp_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	if (fstatat(fd_of(ino), "", &st, AT_EMPTY_PATH) < 0)
		reply(req, -1);
	else
		fuse_reply_attr(req, &st, timeout());
}

static int
set_times(struct proc_path path, const struct stat *attr, int valid)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_OMIT } };

	if ((valid & FUSE_SET_ATTR_ATIME_NOW) != 0)
		times[0].tv_nsec = UTIME_NOW;
	else if ((valid & FUSE_SET_ATTR_ATIME) != 0)
		times[0] = attr->st_atim;
	if ((valid & FUSE_SET_ATTR_MTIME_NOW) != 0)
		times[1].tv_nsec = UTIME_NOW;
	else if ((valid & FUSE_SET_ATTR_MTIME) != 0)
		times[1] = attr->st_mtim;
	return utimensat(AT_FDCWD, path.text, times, 0);
}

static void
hp_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int valid, struct fuse_file_info *fi)
{
	int fd = fd_of(ino), ret = 0;
	struct proc_path path = path_of(fd);

	if ((valid & FUSE_SET_ATTR_MODE) != 0)
		ret = chmod(path.text, attr->st_mode);
	if (ret == 0 && (valid & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0)
		ret = fchownat(fd, "", (valid & FUSE_SET_ATTR_UID) != 0 ? attr->st_uid : (uid_t)-1,
		    (valid & FUSE_SET_ATTR_GID) != 0 ? attr->st_gid : (gid_t)-1, AT_EMPTY_PATH);
	if (ret == 0 && (valid & FUSE_SET_ATTR_SIZE) != 0)
		ret = truncate(path.text, attr->st_size);
	if (ret == 0 && (valid & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) != 0)
		ret = set_times(path, attr, valid);
	if (ret < 0)
		reply(req, ret);
	else
		hp_getattr(req, ino, fi);
}

static void
hp_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs fs;

	if (fstatvfs(fd_of(ino), &fs) < 0)
		reply(req, -1);
	else
		fuse_reply_statfs(req, &fs);
}

/* ---- extended attributes ---- */

static void
reply_value(fuse_req_t req, char *value, ssize_t n, size_t size)
{
	if (n < 0)
		reply(req, n);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, value, (size_t)n);
	free(value);
}

static void
hp_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	char *value = malloc(size + 1);

	reply_value(req, value, getxattr(path_of(fd_of(ino)).text, name, value, size), size);
}

static void
hp_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	char *value = malloc(size + 1);

	reply_value(req, value, listxattr(path_of(fd_of(ino)).text, value, size), size);
}

static void
hp_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	reply(req, setxattr(path_of(fd_of(ino)).text, name, value, size, flags));
}

static void
hp_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	reply(req, removexattr(path_of(fd_of(ino)).text, name));
}

/* ---- names ---- */

static void
hp_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	act_as(req);
	reply_made(req, mknodat(fd_of(parent), name, mode, rdev), parent, name);
}

static void
hp_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	act_as(req);
	reply_made(req, mkdirat(fd_of(parent), name, mode), parent, name);
}

static void
hp_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	act_as(req);
	reply_made(req, symlinkat(target, fd_of(parent), name), parent, name);
}

static void
hp_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	reply_made(
	    req, linkat(AT_FDCWD, path_of(fd_of(ino)).text, fd_of(parent), name, AT_SYMLINK_FOLLOW), parent, name);
}

static void
hp_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[PATH_MAX + 1];
	ssize_t n = readlinkat(fd_of(ino), "", target, PATH_MAX);

	if (n < 0) {
		reply(req, n);
		return;
	}
	target[n] = '\0';
	fuse_reply_readlink(req, target);
}

static void
hp_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply(req, unlinkat(fd_of(parent), name, 0));
}

static void
hp_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply(req, unlinkat(fd_of(parent), name, AT_REMOVEDIR));
}

static void
hp_rename(
    fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent, const char *newname, unsigned flags)
{
	reply(req, renameat2(fd_of(parent), name, fd_of(newparent), newname, flags));
}

/* ---- directories ---- */

/* Told by a descriptor of its own; with noopen there is none, and each READDIR has one. */
static void
hp_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	int fd;

	if (opt.noopen) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	fd = openat(fd_of(ino), ".", O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		reply(req, fd);
		return;
	}
	fi->fh = (uint64_t)fd;
	fi->cache_readdir = fi->keep_cache = timeout() > 0;
	fuse_reply_open(req, fi);
}

static size_t
add_entry(fuse_req_t req, fuse_ino_t ino, char *to, size_t room, const struct dirent64 *entry, int plus)
{
	struct fuse_entry_param e = { .attr = { .st_ino = entry->d_ino, .st_mode = (mode_t)entry->d_type << 12 } };
	int dot = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	size_t n;

	if (!plus)
		return fuse_add_direntry(req, to, room, entry->d_name, &e.attr, entry->d_off);
	if (!dot && find(fd_of(ino), entry->d_name, &e) != 0)
		return 0;
	n = fuse_add_direntry_plus(req, to, room, entry->d_name, &e, entry->d_off);
	if (n > room && !dot)
		drop(e.ino, 1);
	return n;
}

static void
do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi, int plus)
{
	int fd = opt.noopen ? openat(fd_of(ino), ".", O_RDONLY | O_DIRECTORY) : (int)fi->fh;
	char raw[4096], *to = malloc(size);
	size_t used = 0;
	ssize_t n = -1;
	int full = 0;

	if (fd >= 0 && to != NULL && lseek(fd, off, SEEK_SET) >= 0) {
		while (!full && (n = getdents64(fd, raw, sizeof(raw))) > 0) {
			for (ssize_t at = 0; at < n && !full;) {
				struct dirent64 *entry = (struct dirent64 *)(raw + at);
				size_t length = add_entry(req, ino, to + used, size - used, entry, plus);
				at += entry->d_reclen;
				full = length > size - used;
				used += full ? 0 : length;
			}
		}
	}
	if (n < 0 && used == 0)
		reply(req, -1);
	else
		fuse_reply_buf(req, to, used);
	free(to);
	if (opt.noopen && fd >= 0)
		close(fd);
}

static void
hp_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	do_readdir(req, ino, size, off, fi, 0);
}

static void
hp_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	do_readdir(req, ino, size, off, fi, 1);
}

/* ---- open files ---- */

static int
open_flags(int flags)
{
	if (opt.writeback) { /* the kernel reads what it will write, and appends itself */
		if ((flags & O_ACCMODE) == O_WRONLY)
			flags = (flags & ~O_ACCMODE) | O_RDWR;
		flags &= ~O_APPEND;
	}
	return flags & ~(O_NOFOLLOW | O_DIRECT);
}

static void
set_info(struct fuse_file_info *fi, int fd)
{
	fi->fh = (uint64_t)fd;
	fi->direct_io = (unsigned)opt.direct & 1;
	fi->keep_cache = timeout() > 0;
}

static void
hp_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	int fd;

	if (opt.noopen) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	fd = open(path_of(fd_of(ino)).text, open_flags(fi->flags));
	if (fd < 0) {
		reply(req, fd);
		return;
	}
	set_info(fi, fd);
	fuse_reply_open(req, fi);
}

static void
hp_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct fuse_entry_param e;
	int fd, error;

	if (opt.noopen) { /* the kernel then asks for MKNOD and opens */
		fuse_reply_err(req, ENOSYS);
		return;
	}
	act_as(req);
	fd = openat(fd_of(parent), name, (open_flags(fi->flags) | O_CREAT), mode);
	act_as_root();
	if (fd < 0) {
		reply(req, fd);
		return;
	}
	error = find(fd_of(parent), name, &e);
	if (error != 0) {
		close(fd);
		fuse_reply_err(req, error);
		return;
	}
	set_info(fi, fd);
	fuse_reply_create(req, &e, fi);
}

/* A descriptor for one operation: the open one, or with noopen one of its own. */
static int
use(fuse_ino_t ino, const struct fuse_file_info *fi)
{
	int fd;

	if (!opt.noopen)
		return (int)fi->fh;
	fd = open(path_of(fd_of(ino)).text, O_RDWR);
	return fd >= 0 ? fd : open(path_of(fd_of(ino)).text, O_RDONLY);
}

static void
done(int fd)
{
	int error = errno;

	if (opt.noopen && fd >= 0)
		close(fd);
	errno = error;
}

static void
hp_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);
	int fd = use(ino, fi);

	buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	buf.buf[0].fd = fd;
	buf.buf[0].pos = off;
	fuse_reply_data(req, &buf, 0);
	done(fd);
}

static void
hp_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t off, struct fuse_file_info *fi)
{
	struct fuse_bufvec to = FUSE_BUFVEC_INIT(fuse_buf_size(in));
	int fd = use(ino, fi);
	ssize_t n;

	to.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	to.buf[0].fd = fd;
	to.buf[0].pos = off;
	n = fuse_buf_copy(&to, in, 0);
	done(fd);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_write(req, (size_t)n);
}

static void
hp_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	int fd = use(ino, fi), ret = datasync ? fdatasync(fd) : fsync(fd);

	done(fd);
	reply(req, ret);
}

static void
hp_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t length, struct fuse_file_info *fi)
{
	int fd = use(ino, fi), ret = fallocate(fd, mode, off, length);

	done(fd);
	reply(req, ret);
}

static void
hp_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in, struct fuse_file_info *fi_in, fuse_ino_t ino_out,
    off_t off_out, struct fuse_file_info *fi_out, size_t len, int flags)
{
	int in = use(ino_in, fi_in), to = use(ino_out, fi_out);
	ssize_t n = copy_file_range(in, &off_in, to, &off_out, len, (unsigned)flags);

	done(in);
	done(to);
	if (n < 0)
		reply(req, n);
	else
		fuse_reply_write(req, (size_t)n);
}

static void
hp_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	int fd = use(ino, fi);
	off_t at = lseek(fd, off, whence);

	done(fd);
	if (at < 0)
		reply(req, -1);
	else
		fuse_reply_lseek(req, at);
}

/* ---- */

static void
hp_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	close((int)fi->fh);
	locks_release(inode_of(ino), fi->fh);
	fuse_reply_err(req, 0);
	locks_retry();
}

static void
hp_init(void *userdata, struct fuse_conn_info *conn)
{
	/* Added to what libfuse asks for by itself (locks, READDIRPLUS, O_TRUNC in OPEN, splice). */
	unsigned wanted = FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS_AUTO;

	if (opt.noopen) {
		conn->want &= ~(unsigned)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_FLOCK_LOCKS); /* they need an open file */
		wanted |= FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT;
	}
	if (opt.cache || opt.writeback)
		wanted |= FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_POSIX_ACL;
	if (opt.writeback)
		wanted |= FUSE_CAP_WRITEBACK_CACHE;
	conn->want |= wanted & conn->capable;
}

static const struct fuse_lowlevel_ops operations = {
	.init = hp_init,
	.lookup = hp_lookup,
	.forget = hp_forget,
	.forget_multi = hp_forget_multi,
	.getattr = hp_getattr,
	.setattr = hp_setattr,
	.readlink = hp_readlink,
	.mknod = hp_mknod,
	.mkdir = hp_mkdir,
	.unlink = hp_unlink,
	.rmdir = hp_rmdir,
	.symlink = hp_symlink,
	.rename = hp_rename,
	.link = hp_link,
	.open = hp_open,
	.create = hp_create,
	.read = hp_read,
	.write_buf = hp_write_buf,
	.flush = hp_flush,
	.release = hp_release,
	.fsync = hp_fsync,
	.opendir = hp_opendir,
	.readdir = hp_readdir,
	.readdirplus = hp_readdirplus,
	.releasedir = hp_release,
	.statfs = hp_statfs,
	.setxattr = hp_setxattr,
	.getxattr = hp_getxattr,
	.listxattr = hp_listxattr,
	.removexattr = hp_removexattr,
	.getlk = hp_getlk,
	.setlk = hp_setlk,
	.flock = hp_flock,
	.fallocate = hp_fallocate,
	.copy_file_range = hp_copy_file_range,
	.lseek = hp_lseek,
};

int
main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct fuse_cmdline_opts cmdline;
	struct fuse_session *session;
	struct stat st;
	int status = 1;

	umask(0);
	if (fuse_opt_parse(&args, &opt, options, NULL) < 0 || fuse_parse_cmdline(&args, &cmdline) != 0 ||
	    cmdline.mountpoint == NULL || opt.source == NULL)
		return 2;
	root.fd = open(opt.source, O_PATH | O_DIRECTORY);
	if (root.fd < 0 || fstat(root.fd, &st) < 0) {
		perror(opt.source);
		return 2;
	}
	root.ino = st.st_ino;
	session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
	if (session != NULL && fuse_set_signal_handlers(session) == 0 &&
	    fuse_session_mount(session, cmdline.mountpoint) == 0) {
		fuse_daemonize(cmdline.foreground);
		status = fuse_session_loop(session) != 0;
		fuse_session_unmount(session);
		fuse_remove_signal_handlers(session);
	}
	if (session != NULL)
		fuse_session_destroy(session);
	free(cmdline.mountpoint);
	fuse_opt_free_args(&args);
	return status;
}

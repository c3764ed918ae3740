/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file system in memory, for measuring: the fastest daemon that libfuse's low-level interface makes. It answers at once,
 * from memory, and lets the kernel remember nothing (all timeouts are 0), so that each operation that a program does reaches
 * it. It runs in libfuse's default loop, of several threads, as daemons do unless told -s; one lock guards all of it.
 * Options: -o files=N (the root folder starts with N empty files), and libfuse's own.
 *
 * Nodeids are pointers to nodes; a node lives while it has a name or the kernel knows it. Names are found through one hash
 * table; a folder lists its children in an array, in the order of their creation, with gaps where one was removed.
 */
#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct node {
	struct node *parent, *next; /* next: of the same hash slot */
	char *name;                 /* NULL: has none (any more) */
	size_t place;               /* in the parent's children */
	uint64_t ino, nlookup;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct timespec atim, mtim, ctim;
	char *data; /* a file's */
	size_t size, room;
	struct node **children; /* a folder's */
	size_t used, places, live;
};

enum { SLOTS = 1 << 18 };
static struct node *slots[SLOTS];
static struct node root = { .ino = FUSE_ROOT_ID, .mode = S_IFDIR | 0755, .nlookup = 1 };
static uint64_t next_ino = 2;

static struct node **
slot_of(const struct node *parent, const char *name)
{
	uint64_t h = parent->ino * 0x9e3779b97f4a7c15ULL;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3ULL;
	return &slots[(h ^ h >> 29) & (SLOTS - 1)];
}

static struct node *
node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &root : (struct node *)(uintptr_t)ino;
}

static struct node *
find(const struct node *parent, const char *name)
{
	for (struct node *n = *slot_of(parent, name); n; n = n->next) {
		if (n->parent == parent && strcmp(n->name, name) == 0)
			return n;
	}
	return NULL;
}

static void
name_node(struct node *n, struct node *parent, char *name)
{
	struct node **slot = slot_of(parent, name);

	if (parent->used == parent->places) {
		size_t places = parent->places ? parent->places * 2 : 16;
		struct node **children = realloc(parent->children, places * sizeof(*children));

		if (!children)
			abort();
		parent->children = children;
		parent->places = places;
	}
	n->parent = parent;
	n->name = name;
	n->next = *slot;
	*slot = n;
	n->place = parent->used;
	parent->children[parent->used++] = n;
	parent->live++;
}

static void
unname_node(struct node *n)
{
	struct node **at = slot_of(n->parent, n->name);

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	n->parent->children[n->place] = NULL;
	if (--n->parent->live == 0)
		n->parent->used = 0;
	while (n->parent->used && !n->parent->children[n->parent->used - 1])
		n->parent->used--;
	free(n->name);
	n->name = NULL;
	n->parent = NULL;
}

static void
node_drop(struct node *n)
{
	if (n->name || n->nlookup || n == &root)
		return;
	free(n->data);
	free(n->children);
	free(n);
}

static struct node *
node_new(struct node *parent, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	struct node *n = calloc(1, sizeof(*n));
	char *copy = strdup(name);

	if (!n || !copy)
		abort();
	n->ino = next_ino++;
	n->mode = mode;
	n->uid = uid;
	n->gid = gid;
	clock_gettime(CLOCK_REALTIME, &n->mtim);
	n->atim = n->ctim = n->mtim;
	name_node(n, parent, copy);
	return n;
}

static struct stat
stat_of(const struct node *n)
{
	struct stat st = { .st_ino = n->ino,
		.st_mode = n->mode,
		.st_nlink = n->name || n == &root,
		.st_uid = n->uid,
		.st_gid = n->gid,
		.st_size = (off_t)n->size,
		.st_blocks = (blkcnt_t)((n->size + 511) / 512),
		.st_atim = n->atim,
		.st_mtim = n->mtim,
		.st_ctim = n->ctim };

	return st;
}

static struct fuse_entry_param
entry_of(struct node *n)
{
	struct fuse_entry_param e = { .ino = (uintptr_t)n, .attr = stat_of(n) };

	n->nlookup++;
	return e;
}

static void
mem_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node *n = find(node_of(parent), name);
	struct fuse_entry_param e;

	if (!n) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	e = entry_of(n);
	fuse_reply_entry(req, &e);
}

static void
forget_one(fuse_ino_t ino, uint64_t nlookup)
{
	struct node *n = node_of(ino);

	n->nlookup -= nlookup;
	node_drop(n);
}

static void
mem_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	forget_one(ino, nlookup);
	fuse_reply_none(req);
}

static void
mem_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget_one(forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void
mem_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st = stat_of(node_of(ino));

	fuse_reply_attr(req, &st, 0);
}

/* Room for size bytes; what is new is zeros. 0 or ENOMEM. */
static int
grow(struct node *n, size_t size)
{
	if (size > n->room) {
		size_t room = size > 2 * n->room ? size : 2 * n->room;
		char *data = realloc(n->data, room);

		if (!data)
			return ENOMEM;
		memset(data + n->room, 0, room - n->room);
		n->data = data;
		n->room = room;
	}
	return 0;
}

static void
mem_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int set, struct fuse_file_info *fi)
{
	struct node *n = node_of(ino);
	struct timespec now;
	struct stat st;

	clock_gettime(CLOCK_REALTIME, &now);
	if (set & FUSE_SET_ATTR_SIZE) {
		if (attr->st_size > (off_t)1 << 32 || grow(n, (size_t)attr->st_size)) {
			fuse_reply_err(req, EFBIG);
			return;
		}
		if ((size_t)attr->st_size < n->size)
			memset(n->data + attr->st_size, 0, n->size - (size_t)attr->st_size);
		n->size = (size_t)attr->st_size;
		n->mtim = now;
	}
	if (set & FUSE_SET_ATTR_MODE)
		n->mode = (n->mode & S_IFMT) | (attr->st_mode & 07777);
	if (set & FUSE_SET_ATTR_UID)
		n->uid = attr->st_uid;
	if (set & FUSE_SET_ATTR_GID)
		n->gid = attr->st_gid;
	if (set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW))
		n->atim = set & FUSE_SET_ATTR_ATIME_NOW ? now : attr->st_atim;
	if (set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW))
		n->mtim = set & FUSE_SET_ATTR_MTIME_NOW ? now : attr->st_mtim;
	n->ctim = now;
	st = stat_of(n);
	fuse_reply_attr(req, &st, 0);
}

static void
mem_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct fuse_entry_param e;

	if (find(node_of(parent), name)) {
		fuse_reply_err(req, EEXIST);
		return;
	}
	e = entry_of(node_new(node_of(parent), name, S_IFDIR | (mode & 07777), ctx->uid, ctx->gid));
	fuse_reply_entry(req, &e);
}

static void
mem_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct fuse_entry_param e;

	if (find(node_of(parent), name)) {
		fuse_reply_err(req, EEXIST);
		return;
	}
	e = entry_of(node_new(node_of(parent), name, S_IFREG | (mode & 07777), ctx->uid, ctx->gid));
	fuse_reply_create(req, &e, fi);
}

static void
remove_name(fuse_req_t req, fuse_ino_t parent, const char *name, int dir)
{
	struct node *n = find(node_of(parent), name);
	int error = 0;

	if (!n)
		error = ENOENT;
	else if (dir && !S_ISDIR(n->mode))
		error = ENOTDIR;
	else if (dir && n->live)
		error = ENOTEMPTY;
	else if (!dir && S_ISDIR(n->mode))
		error = EISDIR;
	if (!error) {
		unname_node(n);
		node_drop(n);
	}
	fuse_reply_err(req, error);
}

static void
mem_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, 0);
}

static void
mem_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, 1);
}

static void
mem_rename(
    fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent, const char *newname, unsigned int flags)
{
	struct node *n = find(node_of(parent), name), *over = find(node_of(newparent), newname);
	char *copy = strdup(newname);

	if (!n || !copy || flags || (over && over->live)) {
		free(copy);
		fuse_reply_err(req, !n ? ENOENT : flags ? EINVAL : ENOTEMPTY);
		return;
	}
	if (over == n) {
		free(copy);
	} else {
		if (over) {
			unname_node(over);
			node_drop(over);
		}
		unname_node(n);
		name_node(n, node_of(newparent), copy);
	}
	fuse_reply_err(req, 0);
}

static void
mem_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_reply_open(req, fi);
}

static void
mem_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct node *n = node_of(ino);

	if ((size_t)off >= n->size)
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_buf(req, n->data + off, size < n->size - (size_t)off ? size : n->size - (size_t)off);
}

static void
mem_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct node *n = node_of(ino);

	if ((size_t)off + size > (size_t)1 << 32 || grow(n, (size_t)off + size)) {
		fuse_reply_err(req, EFBIG);
		return;
	}
	memcpy(n->data + off, buf, size);
	if ((size_t)off + size > n->size)
		n->size = (size_t)off + size;
	clock_gettime(CLOCK_REALTIME, &n->mtim);
	fuse_reply_write(req, size);
}

static void
mem_done(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_reply_err(req, 0);
}

static void
mem_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct node *n = node_of(ino);
	char *buf = malloc(size);
	size_t len = 0;

	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	for (size_t i = (size_t)off; i < n->used + 2; i++) {
		const struct node *child = i < 2 ? n : n->children[i - 2];
		struct stat st = { 0 };
		size_t need;

		if (!child)
			continue;
		st.st_ino = child->ino;
		st.st_mode = child->mode;
		need = fuse_add_direntry(req, buf + len, size - len,
		    i == 0   ? "."
		    : i == 1 ? ".."
			     : child->name,
		    &st, (off_t)i + 1);
		if (need > size - len)
			break;
		len += need;
	}
	fuse_reply_buf(req, buf, len);
	free(buf);
}

/* ---- the operations, one at a time ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define LOCKED(name, params, args)                                                                                     \
	static void locked_##name params                                                                               \
	{                                                                                                              \
		pthread_mutex_lock(&lock);                                                                             \
		mem_##name args;                                                                                       \
		pthread_mutex_unlock(&lock);                                                                           \
	}

LOCKED(lookup, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))
LOCKED(forget, (fuse_req_t req, fuse_ino_t ino, uint64_t nlookup), (req, ino, nlookup))
LOCKED(forget_multi, (fuse_req_t req, size_t count, struct fuse_forget_data *forgets), (req, count, forgets))
LOCKED(getattr, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))
LOCKED(setattr, (fuse_req_t req, fuse_ino_t ino, struct stat *attr, int set, struct fuse_file_info *fi),
    (req, ino, attr, set, fi))
LOCKED(mkdir, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode), (req, parent, name, mode))
LOCKED(create, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi),
    (req, parent, name, mode, fi))
LOCKED(unlink, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))
LOCKED(rmdir, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))
LOCKED(rename,
    (fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent, const char *newname,
	unsigned int flags),
    (req, parent, name, newparent, newname, flags))
LOCKED(open, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))
LOCKED(read, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi),
    (req, ino, size, off, fi))
LOCKED(write, (fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi),
    (req, ino, buf, size, off, fi))
LOCKED(done, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))
LOCKED(readdir, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi),
    (req, ino, size, off, fi))

static const struct fuse_lowlevel_ops ops = {
	.lookup = locked_lookup,
	.forget = locked_forget,
	.forget_multi = locked_forget_multi,
	.getattr = locked_getattr,
	.setattr = locked_setattr,
	.mkdir = locked_mkdir,
	.create = locked_create,
	.unlink = locked_unlink,
	.rmdir = locked_rmdir,
	.rename = locked_rename,
	.open = locked_open,
	.read = locked_read,
	.write = locked_write,
	.flush = locked_done,
	.release = locked_done,
	.opendir = locked_open,
	.readdir = locked_readdir,
	.releasedir = locked_done,
};

static const struct fuse_opt options[] = { { "files=%u", 0, 0 }, FUSE_OPT_END };

static int
loop(struct fuse_session *session, int single)
{
	struct fuse_loop_config *config;
	int status;

	if (single)
		return fuse_session_loop(session);
	if (!(config = fuse_loop_cfg_create()))
		return 1;
	status = fuse_session_loop_mt(session, config);
	fuse_loop_cfg_destroy(config);
	return status;
}

int
main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct fuse_cmdline_opts cmdline;
	struct fuse_session *session;
	unsigned int files = 0;
	int status = 1;

	if (fuse_opt_parse(&args, &files, options, NULL) || fuse_parse_cmdline(&args, &cmdline))
		return 64;
	if (!cmdline.mountpoint) {
		fprintf(stderr, "usage: memfs_ll [-f] [-o files=N] MOUNTPOINT\n");
		return 64;
	}
	for (unsigned int i = 0; i < files; i++) {
		char name[32];

		snprintf(name, sizeof(name), "file-%07u", i);
		node_new(&root, name, S_IFREG | 0644, 0, 0);
	}
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!session)
		return 1;
	if (fuse_set_signal_handlers(session) == 0) {
		if (fuse_session_mount(session, cmdline.mountpoint) == 0) {
			fuse_daemonize(cmdline.foreground);
			status = loop(session, cmdline.singlethread) != 0;
			fuse_session_unmount(session);
		}
		fuse_remove_signal_handlers(session);
	}
	fuse_session_destroy(session);
	free(cmdline.mountpoint);
	fuse_opt_free_args(&args);
	return status;
}

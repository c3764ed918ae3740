/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raw_hello: a FUSE daemon without libfuse. It serves a read-only file system with one file, "hello", and speaks the
 * protocol of <linux/fuse.h> itself, through the two calls of perfuse.h. Nothing of it needs privilege or /dev/fuse.
 *
 *     cc raw_hello.c $(pkg-config --cflags --libs perfuse) -o raw_hello
 *     mkdir /tmp/here && ./raw_hello /tmp/here &
 *     cat /tmp/here/hello && perfuse umount /tmp/here
 *
 * The protocol is a conversation about numbered things (nodeids; the root is 1). The kernel's half asks; each request
 * is one packet, a struct fuse_in_header and what its opcode says; each answer is one packet, a struct fuse_out_header
 * with the request's "unique" number, and, without an error, what the opcode says. Answers may come in any order.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <perfuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define HELLO 2 /* our file's nodeid; ours to choose */
static const char text[] = "Hello from a daemon that knows the protocol by heart.\n";
static const char *const names[] = { ".", "..", "hello" };

static int fd; /* the socket that stands where /dev/fuse stood */

/* Answer a request: with an error, or with len bytes. */
static void
answer(const struct fuse_in_header *in, int error, const void *data, size_t len)
{
	struct fuse_out_header out = { .len = sizeof(out), .error = -error, .unique = in->unique };
	struct iovec iov[2] = { { &out, sizeof(out) }, { (void *)data, error ? 0 : len } };

	out.len += iov[1].iov_len;
	if (writev(fd, iov, 2) < 0)
		perror("raw_hello: answer"); /* too late, the mount is gone: read() will say so */
}

/* Answer with one struct: its type, its fields. */
#define ANSWER(in, type, ...) answer(in, 0, &(struct type){ __VA_ARGS__ }, sizeof(struct type))

/* What stat(2) shows: size in bytes, blocks of 512. */
static struct fuse_attr
attributes(uint64_t nodeid)
{
	struct fuse_attr file = {
		.ino = HELLO, .mode = S_IFREG | 0444, .nlink = 1, .size = sizeof(text) - 1, .blocks = 1
	};
	struct fuse_attr root = { .ino = FUSE_ROOT_ID, .mode = S_IFDIR | 0555, .nlink = 2 };

	return nodeid == HELLO ? file : root; /* of user 0; a real one has times, too */
}

/*
 * INIT: always the first. Both sides say which protocol they speak, and the lower minor number counts. arg, a
 * struct fuse_init_in, offers flags; what we do not ask for stays off (FUSE_ASYNC_READ, FUSE_DO_READDIRPLUS ...).
 */
static void
do_init(const struct fuse_in_header *in, const void *arg)
{
	/* max_write: with this, no request is larger than our buffer. */
	ANSWER(in, fuse_init_out, .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 4096);
}

/*
 * LOOKUP: a name in a directory becomes a nodeid. Each successful one is counted by the kernel's half, which gives all
 * of them back by FORGET; a real daemon frees the node then. The times are seconds for which the answer may be kept.
 */
static void
do_lookup(const struct fuse_in_header *in, const void *arg)
{
	if (in->nodeid == FUSE_ROOT_ID && strcmp(arg, "hello") == 0)
		ANSWER(in, fuse_entry_out, .nodeid = HELLO, .attr = attributes(HELLO), .entry_valid = 60,
		    .attr_valid = 60);
	else
		answer(in, ENOENT, NULL, 0);
}

static void
do_getattr(const struct fuse_in_header *in, const void *arg)
{
	ANSWER(in, fuse_attr_out, .attr = attributes(in->nodeid), .attr_valid = 60);
}

/* OPEN, OPENDIR: .fh would come back with every READ; we need none. The mount is read-only: nobody asks to write. */
static void
do_open(const struct fuse_in_header *in, const void *arg)
{
	ANSWER(in, fuse_open_out, .open_flags = FOPEN_KEEP_CACHE);
}

/* READ: fewer bytes than were asked for mean the end of the file. */
static void
do_read(const struct fuse_in_header *in, const void *arg)
{
	const struct fuse_read_in *read = arg;
	size_t size = sizeof(text) - 1, from = read->offset < size ? (size_t)read->offset : size;

	answer(in, 0, text + from, read->size < size - from ? read->size : size - from);
}

/*
 * READDIR: as many entries as fit, each padded to 8 bytes; nothing at all is the end. "off" is a cookie of ours: where
 * to go on behind this entry. READDIRPLUS would carry the attributes along and save the LOOKUPs.
 */
static void
do_readdir(const struct fuse_in_header *in, const void *arg)
{
	const struct fuse_read_in *read = arg;
	char buf[512] = { 0 };
	size_t used = 0;

	for (uint64_t i = read->offset; i < sizeof(names) / sizeof(names[0]); i++) {
		struct fuse_dirent e = { .ino = i < 2 ? FUSE_ROOT_ID : HELLO, .off = i + 1 };

		e.type = i < 2 ? DT_DIR : DT_REG;
		e.namelen = strlen(names[i]);
		if (used + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + e.namelen) > read->size)
			break;
		memcpy(buf + used, &e, FUSE_NAME_OFFSET);
		memcpy(buf + used + FUSE_NAME_OFFSET, names[i], e.namelen);
		used += FUSE_DIRENT_SIZE(&e);
	}
	answer(in, 0, buf, used);
}

static void
do_statfs(const struct fuse_in_header *in, const void *arg)
{
	ANSWER(in, fuse_statfs_out, .st = { .bsize = 4096, .blocks = 1, .files = 2, .namelen = 255, .frsize = 4096 });
}

/* RELEASE: the last close; a real daemon frees what it gave as fh. DESTROY: unmounted; the end of the socket follows. */
static void
do_nothing(const struct fuse_in_header *in, const void *arg)
{
	answer(in, 0, NULL, 0);
}

/* FORGET has no answer; INTERRUPT neither: its asker was killed, and a request that takes long might be given up. */
static void
do_not_answer(const struct fuse_in_header *in, const void *arg)
{
}

static void (*const operations[])(const struct fuse_in_header *, const void *arg) = {
	[FUSE_INIT] = do_init,
	[FUSE_LOOKUP] = do_lookup,
	[FUSE_FORGET] = do_not_answer,
	[FUSE_BATCH_FORGET] = do_not_answer,
	[FUSE_GETATTR] = do_getattr,
	[FUSE_OPEN] = do_open,
	[FUSE_READ] = do_read,
	[FUSE_RELEASE] = do_nothing,
	[FUSE_OPENDIR] = do_open,
	[FUSE_READDIR] = do_readdir,
	[FUSE_RELEASEDIR] = do_nothing,
	[FUSE_STATFS] = do_statfs,
	[FUSE_INTERRUPT] = do_not_answer,
	[FUSE_DESTROY] = do_nothing,
};

/* One request. Who is at the other end of the socket is trusted to be sane, as the kernel would be. */
static void
serve(const struct fuse_in_header *in)
{
	size_t n = sizeof(operations) / sizeof(operations[0]);

	if (in->opcode < n && operations[in->opcode])
		operations[in->opcode](in, in + 1); /* what the opcode says follows the header */
	else
		answer(in, ENOSYS, NULL, 0); /* for most, "never ask again": FLUSH, ACCESS, GETXATTR ... */
}

int
main(int argc, char **argv)
{
	static _Alignas(8) char buf[FUSE_MIN_READ_BUFFER]; /* the largest request: a header and max_write */
	char options[32];
	ssize_t n;

	if (argc != 2)
		return fprintf(stderr, "usage: raw_hello DIR\n"), 2;
	fd = perfuse_open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 1; /* perfuse has said why */
	snprintf(options, sizeof(options), "fd=%d", fd);
	if (perfuse_mount("raw_hello", argv[1], "fuse.raw_hello", MS_NOSUID | MS_NODEV | MS_RDONLY, options) != 0)
		return 1;
	/* One thread and one request at a time is all this needs; several threads may share the socket. */
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		serve((const struct fuse_in_header *)buf);
	return n == 0 ? 0 : 1; /* the end of file is the end of the mount (/dev/fuse would have said ENODEV) */
}

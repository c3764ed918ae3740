/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operations of the exerciser: one function each, and the table at the end with its name, how often it is chosen and which
 * kind of numbers it takes. Each does its system call, puts its effect into the model, and compares what it saw. It returns the
 * errno of a call that failed: then nothing has changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fsx.h"

enum { SKIPPED = -1 }; /* a step whose numbers do not fit the file */

static size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many bytes a read of the step must give. */
static size_t
readable(const struct file *f, const struct step *s)
{
	return s->at >= f->size ? 0 : min_size(s->len, f->size - s->at);
}

static bool
fits(const struct file *f, const struct step *s)
{
	return s->len > 0 && s->at < f->max && s->len <= f->max - s->at;
}

static bool
inside(const struct file *f, const struct step *s)
{
	return s->len > 0 && s->at < f->size && s->len <= f->size - s->at;
}

static void
grow(struct file *f, size_t size)
{
	if (f->size < size)
		f->size = size;
}

/* ---- the file ---- */

static const char *
current(const struct file *f)
{
	return f->name[f->named];
}

void
file_open(struct file *f, bool create)
{
	f->fd = open(current(f), O_RDWR | (create ? O_CREAT | O_TRUNC : 0), 0644);
	if (f->fd < 0)
		wrong("open: %s", strerror(errno));
}

static void
unmap(struct file *f)
{
	if (f->map && munmap(f->map, f->max))
		wrong("munmap: %s", strerror(errno));
	f->map = NULL;
}

static void
shut(struct file *f)
{
	if (close(f->fd))
		wrong("close: %s", strerror(errno));
}

void
file_close(struct file *f)
{
	unmap(f);
	shut(f);
}

void
file_check_size(const struct file *f)
{
	struct stat st;

	if (fstat(f->fd, &st))
		wrong("fstat: %s", strerror(errno));
	if (st.st_size != (off_t)f->size)
		wrong("fstat: size %lld instead of %zu", (long long)st.st_size, f->size);
	if (stat(current(f), &st))
		wrong("stat: %s", strerror(errno));
	if (st.st_size != (off_t)f->size)
		wrong("stat: size %lld instead of %zu", (long long)st.st_size, f->size);
}

static void
check_read(struct file *f, int fd, size_t chunk)
{
	size_t at = 0;
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) != 0)
		wrong("lseek: %s", strerror(errno));
	while ((n = read(fd, f->buf, chunk)) > 0) {
		if ((size_t)n > f->size - at)
			wrong("read gives %zd bytes at %zu: more than the size %zu", n, at, f->size);
		compare("read of all", f->buf, f->model + at, at, (size_t)n);
		at += (size_t)n;
	}
	if (n < 0)
		wrong("read: %s", strerror(errno));
	if (at != f->size)
		wrong("read of all: ends at %zu instead of %zu", at, f->size);
}

static int
drop_pages(struct file *f)
{
	if (fsync(f->fd))
		return errno;
	return posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
}

void
file_check_all(struct file *f)
{
	int error = drop_pages(f);

	if (error)
		wrong("fsync: %s", strerror(error));
	shut(f);
	file_open(f, false);
	check_read(f, f->fd, f->max);
}

/* ---- reading ---- */

static int
got(struct file *f, const struct step *s, const char *what, ssize_t n)
{
	size_t want = readable(f, s);

	if (n < 0)
		return errno;
	if ((size_t)n != want)
		wrong("%s of %llu at %llu: gives %zd bytes instead of %zu", what, (unsigned long long)s->len,
		    (unsigned long long)s->at, n, want);
	compare(what, f->buf, f->model + s->at, s->at, want);
	return 0;
}

static int
do_read(struct file *f, const struct step *s)
{
	return fits(f, s) ? got(f, s, "read", pread(f->fd, f->buf, s->len, (off_t)s->at)) : SKIPPED;
}

static int
do_dread(struct file *f, const struct step *s)
{
	int fd, error;

	if (!fits(f, s) || (s->at | s->len) % PAGE)
		return SKIPPED;
	fd = open(current(f), O_RDONLY | O_DIRECT);
	if (fd < 0)
		return errno;
	error = got(f, s, "O_DIRECT read", pread(fd, f->buf, s->len, (off_t)s->at));
	if (close(fd))
		wrong("close: %s", strerror(errno));
	return error;
}

static int
do_readv(struct file *f, const struct step *s)
{
	struct iovec iov[3] = { { f->buf, s->len / 3 }, { f->buf + s->len / 3, s->len / 7 },
		{ f->buf + s->len / 3 + s->len / 7, s->len - s->len / 3 - s->len / 7 } };

	return fits(f, s) ? got(f, s, "readv", preadv(f->fd, iov, 3, (off_t)s->at)) : SKIPPED;
}

/* Pages go to a pipe or another file without a copy by us. */
static int
do_sendfile(struct file *f, const struct step *s)
{
	off_t at = (off_t)s->at;
	size_t want = readable(f, s), have = 0;
	int to = memfd_create("fsx", MFD_CLOEXEC);
	ssize_t n = 0;

	if (to < 0)
		wrong("memfd_create: %s", strerror(errno));
	while (have < want && (n = sendfile(to, f->fd, &at, want - have)) > 0)
		have += (size_t)n;
	if (n < 0) {
		n = errno;
		close(to);
		return (int)n;
	}
	if (have != want)
		wrong("sendfile of %zu at %llu: ends after %zu", want, (unsigned long long)s->at, have);
	if (pread(to, f->buf, want, 0) != (ssize_t)want)
		wrong("the copy cannot be read: %s", strerror(errno));
	close(to);
	compare("sendfile", f->buf, f->model + s->at, s->at, want);
	return 0;
}

static int
do_whole(struct file *f, const struct step *s)
{
	check_read(f, f->fd, s->len | 256); /* not byte by byte */
	return 0;
}

/* A map of [at, at + len): the held one, or one for this step. Returns the address of the byte `at`. */
static unsigned char *
map_range(struct file *f, const struct step *s, int prot)
{
	uint64_t first = s->at / PAGE * PAGE;
	unsigned char *map;

	if (f->map)
		return f->map + s->at;
	map = mmap(NULL, s->at + s->len - first, prot, MAP_SHARED, f->fd, (off_t)first);
	return map == MAP_FAILED ? NULL : map + (s->at - first);
}

static void
unmap_range(struct file *f, const struct step *s, unsigned char *at)
{
	size_t skew = s->at % PAGE;

	if (!f->map && munmap(at - skew, s->len + skew))
		wrong("munmap: %s", strerror(errno));
}

static int
do_mapread(struct file *f, const struct step *s)
{
	unsigned char *map;

	if (!inside(f, s))
		return SKIPPED;
	map = map_range(f, s, PROT_READ);
	if (!map)
		return errno;
	compare("map", map, f->model + s->at, s->at, s->len);
	/* The last page of the file goes on with zeros. (The model's bytes there are zero.) */
	if (s->at + s->len == f->size)
		compare(
		    "map beyond the end", map + s->len, f->model + f->size, f->size, (PAGE - f->size % PAGE) % PAGE);
	unmap_range(f, s, map);
	return 0;
}

/* ---- writing ---- */

static int
put(struct file *f, const struct step *s, const char *what, ssize_t n)
{
	if (n < 0)
		return errno;
	if ((size_t)n != s->len)
		wrong("%s of %llu at %llu: only %zd", what, (unsigned long long)s->len, (unsigned long long)s->at, n);
	memcpy(f->model + s->at, f->buf, s->len);
	grow(f, s->at + s->len);
	return 0;
}

static int
do_write(struct file *f, const struct step *s)
{
	if (!fits(f, s))
		return SKIPPED;
	pattern_fill(f->buf, s->len, s->at, s->pattern);
	return put(f, s, "write", pwrite(f->fd, f->buf, s->len, (off_t)s->at));
}

/* There is such a descriptor only for this step, and no dirty page then: a daemon may be asked to write back pages to it, of any length. */
static int
do_dwrite(struct file *f, const struct step *s)
{
	int fd, error;

	if (!fits(f, s) || (s->at | s->len) % PAGE)
		return SKIPPED;
	if (fsync(f->fd))
		return errno;
	fd = open(current(f), O_RDWR | O_DIRECT);
	if (fd < 0)
		return errno;
	pattern_fill(f->buf, s->len, s->at, s->pattern);
	error = put(f, s, "O_DIRECT write", pwrite(fd, f->buf, s->len, (off_t)s->at));
	if (close(fd))
		wrong("close: %s", strerror(errno));
	return error;
}

static int
do_writev(struct file *f, const struct step *s)
{
	struct iovec iov[3] = { { f->buf, s->len / 5 }, { f->buf + s->len / 5, s->len / 2 },
		{ f->buf + s->len / 5 + s->len / 2, s->len - s->len / 5 - s->len / 2 } };

	if (!fits(f, s))
		return SKIPPED;
	pattern_fill(f->buf, s->len, s->at, s->pattern);
	return put(f, s, "writev", pwritev(f->fd, iov, 3, (off_t)s->at));
}

static int
do_append(struct file *f, const struct step *s)
{
	struct step real = *s;
	int fd, error;

	real.at = f->size;
	if (!fits(f, &real))
		return SKIPPED;
	fd = open(current(f), O_WRONLY | O_APPEND);
	if (fd < 0)
		return errno;
	pattern_fill(f->buf, s->len, real.at, s->pattern);
	error = put(f, &real, "append", write(fd, f->buf, s->len));
	if (close(fd))
		wrong("close: %s", strerror(errno));
	return error;
}

static int
do_mapwrite(struct file *f, const struct step *s)
{
	static const int flags[] = { 0, MS_SYNC, MS_ASYNC };
	unsigned char *map;
	size_t skew = s->at % PAGE;

	if (!inside(f, s))
		return SKIPPED;
	map = map_range(f, s, PROT_READ | PROT_WRITE);
	if (!map)
		return errno;
	pattern_fill(map, s->len, s->at, s->pattern);
	pattern_fill(f->model + s->at, s->len, s->at, s->pattern);
	if (flags[s->mode % 3] && msync(map - skew, s->len + skew, flags[s->mode % 3]))
		wrong("msync: %s", strerror(errno));
	unmap_range(f, s, map);
	return 0;
}

/* From here on all maps of several steps are one, which sees truncations; or no longer. */
static int
do_hold(struct file *f, const struct step *s)
{
	void *map;

	(void)s;
	if (f->map) {
		unmap(f);
		return 0;
	}
	map = mmap(NULL, f->max, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (map == MAP_FAILED)
		return errno;
	f->map = map;
	return 0;
}

static int
do_truncate(struct file *f, const struct step *s)
{
	if (s->at > f->max)
		return SKIPPED;
	if (s->mode % 2 ? truncate(current(f), (off_t)s->at) : ftruncate(f->fd, (off_t)s->at))
		return errno;
	if (s->at < f->size)
		memset(f->model + s->at, 0, f->size - s->at);
	f->size = s->at;
	return 0;
}

/* ---- fallocate ---- */

static int
allocate(struct file *f, const struct step *s, int mode)
{
	if (!fits(f, s))
		return SKIPPED;
	if (fallocate(f->fd, mode, (off_t)s->at, (off_t)s->len))
		return errno;
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		memset(f->model + s->at, 0, s->len); /* beyond the size it is zero already */
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		grow(f, s->at + s->len);
	return 0;
}

static int
do_falloc(struct file *f, const struct step *s)
{
	return allocate(f, s, 0);
}

static int
do_keepsize(struct file *f, const struct step *s)
{
	return allocate(f, s, FALLOC_FL_KEEP_SIZE);
}

static int
do_punch(struct file *f, const struct step *s)
{
	return allocate(f, s, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

static int
do_zero(struct file *f, const struct step *s)
{
	return allocate(f, s, FALLOC_FL_ZERO_RANGE);
}

static int
do_zerokeep(struct file *f, const struct step *s)
{
	return allocate(f, s, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
}

static int
do_collapse(struct file *f, const struct step *s)
{
	size_t rest;

	if ((s->at | s->len) % PAGE || !s->len || s->at >= f->size || s->len >= f->size - s->at)
		return SKIPPED;
	if (fallocate(f->fd, FALLOC_FL_COLLAPSE_RANGE, (off_t)s->at, (off_t)s->len))
		return errno;
	rest = f->size - s->at - s->len;
	memmove(f->model + s->at, f->model + s->at + s->len, rest);
	memset(f->model + s->at + rest, 0, s->len);
	f->size -= s->len;
	return 0;
}

static int
do_insert(struct file *f, const struct step *s)
{
	if ((s->at | s->len) % PAGE || !s->len || s->at >= f->size || s->len > f->max - f->size)
		return SKIPPED;
	if (fallocate(f->fd, FALLOC_FL_INSERT_RANGE, (off_t)s->at, (off_t)s->len))
		return errno;
	memmove(f->model + s->at + s->len, f->model + s->at, f->size - s->at);
	memset(f->model + s->at, 0, s->len);
	f->size += s->len;
	return 0;
}

/* ---- copies, holes ---- */

/* Copies [at, at + len) of `from` to `to` of the file. A copy may come in pieces. */
static int
copy(struct file *f, int from, uint64_t at, uint64_t to, size_t len)
{
	loff_t in = (loff_t)at, out = (loff_t)to;
	size_t done = 0;

	while (done < len) {
		ssize_t n = copy_file_range(from, &in, f->fd, &out, len - done, 0);

		if (n < 0 && done == 0)
			return errno;
		if (n <= 0)
			wrong("copy_file_range of %zu from %llu to %llu: %s after %zu", len, (unsigned long long)at,
			    (unsigned long long)to, n ? strerror(errno) : "0", done);
		done += (size_t)n;
	}
	return 0;
}

static int
do_copy(struct file *f, const struct step *s)
{
	int error;

	if (!inside(f, s) || s->to >= f->max || s->len > f->max - s->to ||
	    (s->to < s->at + s->len && s->at < s->to + s->len)) /* overlaps: not allowed */
		return SKIPPED;
	error = copy(f, f->fd, s->at, s->to, s->len);
	if (error)
		return error;
	memcpy(f->model + s->to, f->model + s->at, s->len);
	grow(f, s->to + s->len);
	return 0;
}

/* From a second file of its own, which is made for it. */
static int
do_copyin(struct file *f, const struct step *s)
{
	char name[sizeof(f->name[0]) + 8];
	int fd, error;

	if (!fits(f, s) || s->to >= f->max || s->len > f->max - s->to)
		return SKIPPED;
	snprintf(name, sizeof(name), "%s.other", f->name[0]);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return errno;
	pattern_fill(f->buf, s->len, s->at, s->pattern);
	if (pwrite(fd, f->buf, s->len, (off_t)s->to) != (ssize_t)s->len)
		wrong("%s: write: %s", name, strerror(errno));
	error = copy(f, fd, s->to, s->at, s->len);
	if (close(fd) || unlink(name))
		wrong("%s: %s", name, strerror(errno));
	if (error)
		return error;
	pattern_fill(f->model + s->at, s->len, s->at, s->pattern);
	grow(f, s->at + s->len);
	return 0;
}

/* What SEEK_DATA and SEEK_HOLE say must not contradict the contents: they may only be less exact. */
static int
do_seek(struct file *f, const struct step *s)
{
	off_t at;

	if (!inside(f, s))
		return SKIPPED;
	if (fsync(f->fd)) /* what is only in a cache is not yet where the holes are known */
		return errno;
	at = lseek(f->fd, (off_t)s->at, SEEK_DATA);
	if (at < 0 && errno != ENXIO)
		return errno;
	if (at < 0)
		at = (off_t)f->size; /* a hole up to the end */
	if (at < (off_t)s->at || at > (off_t)f->size)
		wrong("SEEK_DATA from %llu: %lld", (unsigned long long)s->at, (long long)at);
	for (off_t i = (off_t)s->at; i < at; i++) {
		if (f->model[i])
			wrong("SEEK_DATA from %llu: %lld, but there is data at %lld", (unsigned long long)s->at,
			    (long long)at, (long long)i);
	}
	at = lseek(f->fd, (off_t)s->at, SEEK_HOLE);
	if (at < (off_t)s->at || at > (off_t)f->size)
		wrong("SEEK_HOLE from %llu: %lld (%s)", (unsigned long long)s->at, (long long)at, strerror(errno));
	if (at < (off_t)f->size && f->model[at])
		wrong("SEEK_HOLE from %llu: %lld, where there is data", (unsigned long long)s->at, (long long)at);
	return 0;
}

/* ---- the file as a whole ---- */

static int
do_reopen(struct file *f, const struct step *s)
{
	if (s->mode % 2)
		unmap(f);
	shut(f);
	file_open(f, false);
	return 0;
}

static int
do_sync(struct file *f, const struct step *s)
{
	return (s->mode % 2 ? fdatasync(f->fd) : fsync(f->fd)) ? errno : 0;
}

static int
do_drop(struct file *f, const struct step *s)
{
	(void)s;
	return drop_pages(f);
}

static int
do_rename(struct file *f, const struct step *s)
{
	(void)s;
	if (rename(current(f), f->name[!f->named]))
		return errno;
	f->named = !f->named;
	return 0;
}

/* The name goes, the open file stays and is written to and read; then the name is a new and empty file. */
static int
do_replace(struct file *f, const struct step *s)
{
	struct stat st;

	if (unlink(current(f)))
		return errno;
	if (stat(current(f), &st) == 0 || errno != ENOENT)
		wrong("the name is still there after unlink");
	if (fits(f, s)) {
		int error = do_write(f, s);

		if (error)
			wrong("write to the unlinked file: %s", strerror(error));
	}
	if (fstat(f->fd, &st) || st.st_size != (off_t)f->size)
		wrong("the unlinked file has not %zu bytes", f->size);
	check_read(f, f->fd, f->max);
	unmap(f);
	shut(f);
	memset(f->model, 0, f->size);
	f->size = 0;
	f->fd = open(current(f), O_RDWR | O_CREAT | O_EXCL, 0644);
	if (f->fd < 0)
		wrong("open with O_EXCL: %s", strerror(errno));
	return 0;
}

/* ---- the table ---- */

enum numbers {
	NONE,
	ANYWHERE, /* a range of the file at its largest */
	BLOCKS,   /* that, in whole pages */
	INSIDE,   /* a range of what there is */
	SIZE      /* an offset only */
};

static const struct {
	const char *name;
	int (*run)(struct file *, const struct step *);
	enum numbers numbers;
	unsigned int weight; /* of all weights */
} ops[] = {
	{ "read", do_read, ANYWHERE, 100 },
	{ "dread", do_dread, BLOCKS, 40 },
	{ "readv", do_readv, ANYWHERE, 20 },
	{ "sendfile", do_sendfile, INSIDE, 20 },
	{ "whole", do_whole, ANYWHERE, 10 },
	{ "mapread", do_mapread, INSIDE, 80 },
	{ "write", do_write, ANYWHERE, 100 },
	{ "dwrite", do_dwrite, BLOCKS, 40 },
	{ "writev", do_writev, ANYWHERE, 20 },
	{ "append", do_append, ANYWHERE, 30 },
	{ "mapwrite", do_mapwrite, INSIDE, 80 },
	{ "hold", do_hold, NONE, 8 },
	{ "truncate", do_truncate, SIZE, 60 },
	{ "falloc", do_falloc, ANYWHERE, 20 },
	{ "keepsize", do_keepsize, ANYWHERE, 10 },
	{ "punch", do_punch, ANYWHERE, 30 },
	{ "zero", do_zero, ANYWHERE, 15 },
	{ "zerokeep", do_zerokeep, ANYWHERE, 15 },
	{ "collapse", do_collapse, BLOCKS, 15 },
	{ "insert", do_insert, BLOCKS, 15 },
	{ "copy", do_copy, INSIDE, 30 },
	{ "copyin", do_copyin, ANYWHERE, 20 },
	{ "seek", do_seek, INSIDE, 20 },
	{ "reopen", do_reopen, NONE, 15 },
	{ "sync", do_sync, NONE, 15 },
	{ "drop", do_drop, NONE, 20 },
	{ "rename", do_rename, NONE, 10 },
	{ "replace", do_replace, ANYWHERE, 3 },
};

enum { OPS = sizeof(ops) / sizeof(ops[0]) };

unsigned int
ops_count(void)
{
	return OPS;
}

const char *
op_name(unsigned int op)
{
	return ops[op].name;
}

unsigned int
op_find(const char *name)
{
	unsigned int op = 0;

	while (op < OPS && strcmp(ops[op].name, name) != 0)
		op++;
	return op;
}

/* An offset below `limit`; often where things go wrong: at a page's border, and at the end of the file. */
static uint64_t
choose_at(const struct file *f, uint64_t *rng, uint64_t limit)
{
	uint64_t at = random_next(rng) % limit;

	switch (random_next(rng) % 6) {
	case 0:
		return at / PAGE * PAGE;
	case 1:
		return f->size < limit ? f->size : limit - 1;
	case 2:
		return f->size && f->size < limit ? f->size - 1 - at % min_size(f->size, 2 * PAGE) : at;
	default:
		return at;
	}
}

static uint64_t
choose_len(uint64_t *rng, uint64_t limit)
{
	static const size_t most[] = { 16, 600, PAGE, 3 * PAGE, 16 * PAGE, SIZE_MAX };

	return random_next(rng) % min_size(limit, most[random_next(rng) % 6]) + 1;
}

static void
choose_numbers(const struct file *f, uint64_t *rng, enum numbers numbers, struct step *s)
{
	uint64_t limit = numbers == INSIDE ? f->size : f->max;

	s->mode = (unsigned int)(random_next(rng) % 6);
	s->pattern = random_next(rng) >> 32;
	s->at = s->len = s->to = 0;
	if (numbers == NONE || limit == 0)
		return;
	s->at = choose_at(f, rng, limit);
	if (numbers == SIZE)
		return;
	s->len = choose_len(rng, limit - s->at);
	if (numbers == INSIDE && random_next(rng) % 4 == 0)
		s->len = limit - s->at; /* up to the end */
	if (numbers == BLOCKS) {
		s->at = s->at / PAGE * PAGE;
		s->len = min_size((s->len + PAGE - 1) / PAGE * PAGE, f->max - s->at);
	}
	s->to = random_next(rng) % (f->max - s->len + 1);
}

void
step_choose(const struct file *f, const unsigned char *off, uint64_t *rng, struct step *s)
{
	unsigned int total = 0, pick;

	for (unsigned int i = 0; i < OPS; i++)
		total += off[i] ? 0 : ops[i].weight;
	pick = (unsigned int)(random_next(rng) % total);
	for (s->op = 0; off[s->op] || pick >= ops[s->op].weight; s->op++)
		pick -= off[s->op] ? 0 : ops[s->op].weight;
	choose_numbers(f, rng, ops[s->op].numbers, s);
}

int
step_do(struct file *f, const struct step *s)
{
	return ops[s->op].run(f, s);
}

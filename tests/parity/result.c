/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a call saw, written so that two equal mounts write the same: inode numbers become the order in which the side saw them;
 * times that a clock gave become "new", or "same" when this inode had the very same before; times that a program set are
 * written out. The text is kept as far as there is room, and all of it goes into a hash; "new" and "same" into one of their own, since
 * two changes within one tick of the clock are "new" once and "same" once: only in repeated runs do they mean something.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "parity.h"

uint64_t
hash_bytes(uint64_t hash, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t word;

	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		hash = (hash ^ word) * 0x9fb21c651e98df25ULL;
		hash ^= hash >> 32;
	}
	for (; n > 0; n--)
		hash = (hash ^ *p++) * 0x100000001b3ULL;
	return hash;
}

void
pattern(char *to, size_t n, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;

	for (size_t i = 0; i < n; i++) {
		if (i % 8 == 0)
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		to[i] = (char)(x >> (i % 8 * 8));
	}
}

/* Keeps what there is room for. */
static void
add_text(struct result *r, const char *piece, size_t n)
{
	if (n > TEXT - 1 - r->used)
		n = TEXT - 1 - r->used;
	memcpy(r->text + r->used, piece, n);
	r->used += (unsigned)n;
	r->text[r->used] = '\0';
}

void
out(struct result *r, const char *format, ...)
{
	char piece[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(piece, sizeof(piece), format, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(piece))
		n = sizeof(piece) - 1;
	r->hash = hash_bytes(r->hash, piece, (size_t)n);
	add_text(r, piece, (size_t)n);
}

void
out_moved(struct result *r, bool moved)
{
	char byte = moved ? 1 : 2;

	r->moved = hash_bytes(r->moved, &byte, 1);
	add_text(r, moved ? "new" : "same", moved ? 3 : 4);
}

void
out_bytes(struct result *r, const char *bytes, size_t n)
{
	char piece[4];

	if (n > 40) { /* long ones by their hash */
		out(r, "%.8s~%zu:%08x", bytes, n, (unsigned)hash_bytes(1, bytes, n));
		return;
	}
	for (; n > 0; n--, bytes++) {
		piece[0] = *bytes;
		piece[1] = '\0';
		if (*bytes > ' ' && *bytes < 127 && *bytes != '\\')
			out(r, "%s", piece);
		else
			out(r, "\\x%02x", (unsigned char)*bytes);
	}
}

static struct inode_row *
inode_row(struct ctx *c, uint64_t ino)
{
	struct shared *side = c->side;
	size_t at = (size_t)(ino * 0x9e3779b97f4a7c15ULL >> 40) % INODES;

	while (side->inode[at].id != 0 && side->inode[at].ino != ino)
		at = (at + 1) % INODES;
	if (side->inode[at].id == 0) {
		if (side->inodes >= INODES / 2)
			return NULL;
		side->inode[at].ino = ino;
		side->inode[at].id = ++side->inodes;
	}
	return &side->inode[at];
}

unsigned
inode_id(struct ctx *c, uint64_t ino)
{
	struct inode_row *row = (c->mask & MASK_INO) != 0 ? NULL : inode_row(c, ino);

	return row == NULL ? 0 : row->id;
}

bool
recent(struct timespec when)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return when.tv_sec > now.tv_sec - 100000 && when.tv_sec < now.tv_sec + 100000;
}

/* WHICH: 0 access, 1 data, 2 attributes, as in struct inode_row. A directory's times are not said to change: tmpfs takes them from
 * another inode's clock, so that two changes within one tick may be one or two. */
static void
out_time(struct ctx *c, struct result *r, struct inode_row *row, bool is_dir, unsigned which, struct timespec when)
{
	static const char letter[] = "amc";
	bool changed =
	    row == NULL || row->when[which].tv_sec != when.tv_sec || row->when[which].tv_nsec != when.tv_nsec;

	if (row != NULL)
		row->when[which] = when;
	if ((c->mask & MASK_ATIME) != 0 && which == 0)
		return;
	if (!recent(when))
		out(r, " %c=%lld.%09ld", letter[which], (long long)when.tv_sec, when.tv_nsec);
	else if ((c->mask & MASK_TIMES) != 0 || is_dir || row == NULL)
		out(r, " %c=now", letter[which]);
	else
		out(r, " %c=", letter[which]), out_moved(r, changed);
}

void
out_stat(struct ctx *c, struct result *r, const struct stat *st)
{
	struct inode_row *row = (c->mask & MASK_INO) != 0 ? NULL : inode_row(c, st->st_ino);

	out(r, " mode=%o nlink=%ju uid=%u gid=%u", st->st_mode, (uintmax_t)st->st_nlink, st->st_uid, st->st_gid);
	if (!S_ISDIR(st->st_mode) || (c->mask & MASK_DIRSIZE) == 0)
		out(r, " size=%jd", (intmax_t)st->st_size);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		out(r, " rdev=%u:%u", major(st->st_rdev), minor(st->st_rdev));
	out(r, " blksize=%jd", (intmax_t)st->st_blksize);
	if ((c->mask & MASK_BLOCKS) == 0)
		out(r, " blocks=%jd", (intmax_t)st->st_blocks);
	if (row != NULL)
		out(r, " ino=#%u", row->id);
	out_time(c, r, row, S_ISDIR(st->st_mode), 0, st->st_atim);
	out_time(c, r, row, S_ISDIR(st->st_mode), 1, st->st_mtim);
	out_time(c, r, row, S_ISDIR(st->st_mode), 2, st->st_ctim);
}

static struct timespec
timespec_of(struct statx_timestamp stamp)
{
	return (struct timespec){ .tv_sec = stamp.tv_sec, .tv_nsec = stamp.tv_nsec };
}

void
out_statx(struct ctx *c, struct result *r, const struct statx *stx)
{
	/* STATX_INO is given in any case. */
	struct inode_row *row = (c->mask & MASK_INO) != 0 ? NULL : inode_row(c, stx->stx_ino);
	bool is_dir = S_ISDIR(stx->stx_mode);

	out(r, " mask=%x attributes=%llx/%llx blksize=%u", stx->stx_mask & ~(unsigned)STATX_MNT_ID & 0xfff,
	    (unsigned long long)stx->stx_attributes, (unsigned long long)stx->stx_attributes_mask, stx->stx_blksize);
	if ((stx->stx_mask & (STATX_TYPE | STATX_MODE)) != 0)
		out(r, " mode=%o", stx->stx_mode);
	if ((stx->stx_mask & STATX_NLINK) != 0)
		out(r, " nlink=%u", stx->stx_nlink);
	if ((stx->stx_mask & STATX_UID) != 0)
		out(r, " uid=%u", stx->stx_uid);
	if ((stx->stx_mask & STATX_GID) != 0)
		out(r, " gid=%u", stx->stx_gid);
	if ((stx->stx_mask & STATX_SIZE) != 0 && (!S_ISDIR(stx->stx_mode) || (c->mask & MASK_DIRSIZE) == 0))
		out(r, " size=%lld", (long long)stx->stx_size);
	if ((stx->stx_mask & STATX_BLOCKS) != 0 && (c->mask & MASK_BLOCKS) == 0)
		out(r, " blocks=%lld", (long long)stx->stx_blocks);
	if (row != NULL)
		out(r, " ino=#%u", row->id);
	if ((stx->stx_mask & STATX_ATIME) != 0)
		out_time(c, r, row, is_dir, 0, timespec_of(stx->stx_atime));
	if ((stx->stx_mask & STATX_MTIME) != 0)
		out_time(c, r, row, is_dir, 1, timespec_of(stx->stx_mtime));
	if ((stx->stx_mask & STATX_CTIME) != 0)
		out_time(c, r, row, is_dir, 2, timespec_of(stx->stx_ctime));
	if ((stx->stx_mask & STATX_BTIME) != 0)
		out(r, " b=%s", recent(timespec_of(stx->stx_btime)) ? "now" : "old");
}

char
type_letter(unsigned char d_type)
{
	switch (d_type) {
	case DT_REG:
		return 'f';
	case DT_DIR:
		return 'd';
	case DT_LNK:
		return 'l';
	case DT_FIFO:
		return 'p';
	case DT_SOCK:
		return 's';
	case DT_CHR:
		return 'c';
	case DT_BLK:
		return 'b';
	default:
		return '?';
	}
}

bool
same(const struct result *a, const struct result *b)
{
	return a->done == b->done && a->ret == b->ret && a->err == b->err && a->hash == b->hash;
}

bool
moved_alike(const struct result *a, const struct result *b)
{
	return a->moved == b->moved;
}

void
result_print(FILE *to, const struct result *r)
{
	if (!r->done)
		fprintf(to, "(did not return)");
	else if (r->ret < 0)
		fprintf(
		    to, "%jd %s%s", (intmax_t)r->ret, strerrorname_np(r->err) ? strerrorname_np(r->err) : "?", r->text);
	else
		fprintf(to, "%jd%s%s", (intmax_t)r->ret, r->text, r->used >= TEXT - 1 ? "..." : "");
}

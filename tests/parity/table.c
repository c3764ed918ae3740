/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls as data: one row for each, with its name, its arguments and how often it is wanted; the names of all flags; a call as
 * a line of text and back. A line is "PROCESS NAME ARGUMENT...": "1 open 3 "/a/b" O_RDWR|O_CREAT 0644". Text is quoted,
 * with \xNN for what is not printable; a mode is octal; flags are names and a rest in hexadecimal; the others are decimal.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "parity.h"

/*
 * Kinds of arguments. Text: p a path of something, q of a file, d of a directory, s of an empty one, l of a symbolic link, n of nothing yet, e of
 * either; t a link's target; x the name of an attribute. After an `a`, a path is relative to it.
 * Numbers: f an open file, < one to read, > one to write, h an open directory, N a place for a new one, a where a path starts (-1: the current directory), m a
 * mapping, k a place for a new one, o an offset, z a size, b what is written, i small, u an owner, T a time, B bytes for names,
 * v a value, y room for one, c a remembered place, w yes or no, M a mode. The others are flags, below.
 */
const struct op ops[] = {
	/* files.c */
	{ "open", "NeOM", 90, call_open, false },
	{ "openat", "NaeOM", 30, call_openat, false },
	{ "creat", "NeM", 12, call_creat, false },
	{ "byhandle", "NpO", 4, call_byhandle, false },
	{ "close", "f", 25, call_close, false },
	{ "dup", "fN", 8, call_dup, false },
	{ "read", "<z", 30, call_read, false },
	{ "pread", "<zo", 30, call_pread, false },
	{ "write", ">zb", 40, call_write, false },
	{ "pwrite", ">zob", 40, call_pwrite, false },
	{ "readv", "<zi", 10, call_readv, false },
	{ "writev", ">zib", 10, call_writev, false },
	{ "preadv2", "<zoW", 8, call_preadv2, false },
	{ "pwritev2", ">zobW", 12, call_pwritev2, false },
	{ "lseek", "<oS", 25, call_lseek, false },
	{ "ftruncate", ">o", 15, call_ftruncate, false },
	{ "fallocate", ">Aoo", 15, call_fallocate, false },
	{ "copy_file_range", "<o>oz", 12, call_copy_file_range, false },
	{ "sendfile", "><oz", 8, call_sendfile, false },
	{ "splice", "<o>oz", 8, call_splice, false },
	{ "mmap", "k>ozPj", 15, call_mmap, false },
	{ "mread", "moz", 15, call_mread, false },
	{ "mwrite", "mozb", 15, call_mwrite, false },
	{ "msync", "mY", 8, call_msync, false },
	{ "munmap", "m", 6, call_munmap, false },
	{ "fsync", "f", 6, call_fsync, false },
	{ "fdatasync", "f", 4, call_fdatasync, false },
	{ "syncfs", "f", 1, call_syncfs, false },
	{ "sync_file_range", "fooZ", 3, call_sync_file_range, false },
	{ "readahead", "<oz", 3, call_readahead, false },
	{ "fadvise", "fooD", 3, call_fadvise, false },
	{ "setlk", "fwLSoo", 20, call_setlk, false },
	{ "setlkw", "fwLSoo", 0, call_setlkw, true }, /* gen.c makes it together with its unlock */
	{ "getlk", "fwLSoo", 8, call_getlk, false },
	{ "flock", "fQ", 12, call_flock, false },
	{ "setfl", "fG", 6, call_setfl, false },
	{ "getfl", "f", 4, call_getfl, false },
	{ "ioctl", "fIf", 5, call_ioctl, false },
	/* names.c */
	{ "stat", "p", 40, call_stat, false },
	{ "lstat", "p", 30, call_lstat, false },
	{ "fstat", "f", 40, call_fstat, false },
	{ "fstatat", "apV", 15, call_fstatat, false },
	{ "statx", "apVX", 20, call_statx, false },
	{ "access", "pC", 10, call_access, false },
	{ "faccessat", "apCF", 6, call_faccessat, false },
	{ "chmod", "pM", 15, call_chmod, false },
	{ "fchmod", "fM", 8, call_fchmod, false },
	{ "chown", "puu", 12, call_chown, false },
	{ "lchown", "puu", 5, call_lchown, false },
	{ "fchown", "fuu", 6, call_fchown, false },
	{ "utimensat", "pTTU", 15, call_utimensat, false },
	{ "futimens", "fTT", 8, call_futimens, false },
	{ "truncate", "qo", 15, call_truncate, false },
	{ "link", "qn", 20, call_link, false },
	{ "linkat", "aqang", 8, call_linkat, false },
	{ "linkempty", "fn", 6, call_linkempty, false },
	{ "symlink", "tn", 15, call_symlink, false },
	{ "readlink", "li", 12, call_readlink, false },
	{ "rename", "pe", 25, call_rename, false },
	{ "renameat2", "apaeR", 12, call_renameat2, false },
	{ "unlink", "q", 30, call_unlink, false },
	{ "unlinkat", "apr", 8, call_unlinkat, false },
	{ "rmdir", "s", 10, call_rmdir, false },
	{ "mkdir", "nM", 25, call_mkdir, false },
	{ "mkdirat", "anM", 6, call_mkdirat, false },
	{ "mknod", "nKM", 8, call_mknod, false },
	{ "getdents", "hB", 30, call_getdents, false },
	{ "dirseek", "hc", 8, call_dirseek, false },
	{ "list", "d", 20, call_list, false },
	{ "setxattr", "pxvE", 15, call_setxattr, false },
	{ "lsetxattr", "pxvE", 5, call_lsetxattr, false },
	{ "fsetxattr", "fxvE", 6, call_fsetxattr, false },
	{ "getxattr", "pxy", 12, call_getxattr, false },
	{ "lgetxattr", "pxy", 5, call_lgetxattr, false },
	{ "fgetxattr", "fxy", 6, call_fgetxattr, false },
	{ "listxattr", "py", 8, call_listxattr, false },
	{ "flistxattr", "fy", 4, call_flistxattr, false },
	{ "removexattr", "px", 6, call_removexattr, false },
	{ "lremovexattr", "px", 3, call_lremovexattr, false },
	{ "fremovexattr", "fx", 3, call_fremovexattr, false },
	{ "statfs", "p", 4, call_statfs, false },
	{ "fstatfs", "f", 3, call_fstatfs, false },
	{ "umask", "M", 4, call_umask, false },
	{ "chdir", "d", 10, call_chdir, false },
	{ "fchdir", "h", 4, call_fchdir, false },
	{ "getcwd", "", 5, call_getcwd, false },
	{ "handle", "pH", 4, call_handle, false },
};
const unsigned n_ops = sizeof(ops) / sizeof(ops[0]);

#define FLAG(name)                                                                                                     \
	{                                                                                                              \
#name, name                                                                                            \
	}
#define END                                                                                                            \
	{                                                                                                              \
		NULL, 0                                                                                                \
	}

/* Of several bits, the longer come first. The value 0 is the word for no flag. */
static const struct flag flags_open[] = { FLAG(O_RDONLY), FLAG(O_WRONLY), FLAG(O_RDWR), FLAG(O_CREAT), FLAG(O_EXCL),
	FLAG(O_TRUNC), FLAG(O_APPEND), FLAG(O_NONBLOCK), FLAG(O_TMPFILE), FLAG(O_SYNC), FLAG(O_DSYNC), FLAG(O_DIRECT),
	FLAG(O_DIRECTORY), FLAG(O_NOFOLLOW), FLAG(O_NOATIME), FLAG(O_PATH), FLAG(O_CLOEXEC), END };
static const struct flag flags_setfl[] = { { "0", 0 }, FLAG(O_APPEND), FLAG(O_NONBLOCK), FLAG(O_DIRECT),
	FLAG(O_NOATIME), END };
static const struct flag flags_seek[] = { FLAG(SEEK_SET), FLAG(SEEK_CUR), FLAG(SEEK_END), FLAG(SEEK_DATA),
	FLAG(SEEK_HOLE), END };
static const struct flag flags_rwf[] = { { "0", 0 }, FLAG(RWF_HIPRI), FLAG(RWF_DSYNC), FLAG(RWF_SYNC), FLAG(RWF_NOWAIT),
	FLAG(RWF_APPEND), END };
static const struct flag flags_fallocate[] = { { "0", 0 }, FLAG(FALLOC_FL_KEEP_SIZE), FLAG(FALLOC_FL_PUNCH_HOLE),
	FLAG(FALLOC_FL_COLLAPSE_RANGE), FLAG(FALLOC_FL_ZERO_RANGE), FLAG(FALLOC_FL_INSERT_RANGE),
	FLAG(FALLOC_FL_UNSHARE_RANGE), END };
static const struct flag flags_prot[] = { FLAG(PROT_NONE), FLAG(PROT_READ), FLAG(PROT_WRITE), END };
static const struct flag flags_map[] = { FLAG(MAP_SHARED), FLAG(MAP_PRIVATE), END };
static const struct flag flags_msync[] = { FLAG(MS_SYNC), FLAG(MS_ASYNC), FLAG(MS_INVALIDATE), END };
static const struct flag flags_range[] = { { "0", 0 }, FLAG(SYNC_FILE_RANGE_WAIT_BEFORE), FLAG(SYNC_FILE_RANGE_WRITE),
	FLAG(SYNC_FILE_RANGE_WAIT_AFTER), END };
static const struct flag flags_at[] = { { "0", 0 }, FLAG(AT_SYMLINK_NOFOLLOW), FLAG(AT_EMPTY_PATH),
	FLAG(AT_STATX_FORCE_SYNC), FLAG(AT_STATX_DONT_SYNC), FLAG(AT_NO_AUTOMOUNT), END };
static const struct flag flags_statx[] = { { "0", 0 }, FLAG(STATX_BASIC_STATS), FLAG(STATX_TYPE), FLAG(STATX_MODE),
	FLAG(STATX_NLINK), FLAG(STATX_UID), FLAG(STATX_GID), FLAG(STATX_ATIME), FLAG(STATX_MTIME), FLAG(STATX_CTIME),
	FLAG(STATX_INO), FLAG(STATX_SIZE), FLAG(STATX_BLOCKS), FLAG(STATX_BTIME), END };
static const struct flag flags_access[] = { FLAG(F_OK), FLAG(R_OK), FLAG(W_OK), FLAG(X_OK), END };
static const struct flag flags_faccess[] = { { "0", 0 }, FLAG(AT_EACCESS), FLAG(AT_SYMLINK_NOFOLLOW), END };
static const struct flag flags_rename[] = { { "0", 0 }, FLAG(RENAME_NOREPLACE), FLAG(RENAME_EXCHANGE),
	FLAG(RENAME_WHITEOUT), END };
static const struct flag flags_xattr[] = { { "0", 0 }, FLAG(XATTR_CREATE), FLAG(XATTR_REPLACE), END };
static const struct flag flags_lock[] = { FLAG(F_RDLCK), FLAG(F_WRLCK), FLAG(F_UNLCK), END };
static const struct flag flags_flock[] = { FLAG(LOCK_SH), FLAG(LOCK_EX), FLAG(LOCK_UN), END };
static const struct flag flags_ioctl[] = { FLAG(FS_IOC_GETFLAGS), FLAG(FICLONE), FLAG(FIONREAD),
	FLAG(FS_IOC_FSGETXATTR), END };
static const struct flag flags_advice[] = { FLAG(POSIX_FADV_NORMAL), FLAG(POSIX_FADV_RANDOM),
	FLAG(POSIX_FADV_SEQUENTIAL), FLAG(POSIX_FADV_WILLNEED), FLAG(POSIX_FADV_DONTNEED), END };
static const struct flag flags_node[] = { FLAG(S_IFREG), FLAG(S_IFIFO), FLAG(S_IFSOCK), FLAG(S_IFCHR), FLAG(S_IFBLK),
	END };
static const struct flag flags_handle[] = { { "0", 0 }, FLAG(AT_SYMLINK_FOLLOW), END };
static const struct flag flags_unlink[] = { { "0", 0 }, FLAG(AT_REMOVEDIR), END };
static const struct flag flags_link[] = { { "0", 0 }, FLAG(AT_SYMLINK_FOLLOW), END };
static const struct flag flags_utime[] = { { "0", 0 }, FLAG(AT_SYMLINK_NOFOLLOW), END };

/* Kinds whose flags are one of several values rather than bits. */
static const char one_of[] = "SLQIDKj";

static const struct flag *const flags_by_kind[128] = {
	['O'] = flags_open,
	['G'] = flags_setfl,
	['S'] = flags_seek,
	['W'] = flags_rwf,
	['A'] = flags_fallocate,
	['P'] = flags_prot,
	['j'] = flags_map,
	['Y'] = flags_msync,
	['Z'] = flags_range,
	['V'] = flags_at,
	['X'] = flags_statx,
	['C'] = flags_access,
	['F'] = flags_faccess,
	['R'] = flags_rename,
	['E'] = flags_xattr,
	['L'] = flags_lock,
	['Q'] = flags_flock,
	['I'] = flags_ioctl,
	['D'] = flags_advice,
	['K'] = flags_node,
	['H'] = flags_handle,
	['r'] = flags_unlink,
	['g'] = flags_link,
	['U'] = flags_utime,
};

const struct flag *
flags_of(char kind)
{
	return flags_by_kind[kind & 127];
}

bool
arg_is_text(char kind)
{
	return strchr("pqdslnetx", kind) != NULL;
}

unsigned
op_find(const char *name, size_t length)
{
	unsigned op = 0;

	while (op < n_ops && (strlen(ops[op].name) != length || memcmp(ops[op].name, name, length) != 0))
		op++;
	return op;
}

/* ---- printing ---- */

void
quote(FILE *to, const char *bytes)
{
	fputc('"', to);
	for (; *bytes != '\0'; bytes++) {
		if (isascii((unsigned char)*bytes) && isprint((unsigned char)*bytes) && *bytes != '"' && *bytes != '\\')
			fputc(*bytes, to);
		else
			fprintf(to, "\\x%02x", (unsigned char)*bytes);
	}
	fputc('"', to);
}

static void
print_flags(FILE *to, char kind, int64_t value)
{
	const struct flag *flags = flags_of(kind);
	int64_t rest = value;
	const char *none = NULL, *between = "";

	for (const struct flag *flag = flags; flag->name != NULL; flag++) {
		if (flag->value == value && (flag->value == 0 || strchr(one_of, kind) != NULL)) {
			fputs(flag->name, to);
			return;
		}
		if (flag->value == 0)
			none = flag->name;
	}
	if (kind == 'O' && (value & O_ACCMODE) == O_RDONLY) { /* the word says something there */
		fputs(none, to);
		between = "|";
	}
	for (const struct flag *flag = flags; strchr(one_of, kind) == NULL && flag->name != NULL; flag++) {
		if (flag->value == 0 || (rest & flag->value) != flag->value)
			continue;
		fprintf(to, "%s%s", between, flag->name);
		between = "|";
		rest &= ~flag->value;
	}
	if (rest != 0)
		fprintf(to, "%s0x%jx", between, (uintmax_t)rest);
}

void
call_print(FILE *to, const struct call *call)
{
	const struct op *op = &ops[call->op];

	fprintf(to, "%u %s", call->proc, op->name);
	for (unsigned i = 0; op->kinds[i] != '\0'; i++) {
		const struct arg *arg = &call->arg[i];
		fputc(' ', to);
		if (arg_is_text(op->kinds[i]))
			quote(to, arg->s);
		else if (op->kinds[i] == 'M')
			fprintf(to, "%#jo", (uintmax_t)arg->n);
		else if (flags_of(op->kinds[i]) != NULL)
			print_flags(to, op->kinds[i], arg->n);
		else
			fprintf(to, "%jd", (intmax_t)arg->n);
	}
}

/* ---- parsing ---- */

/* A quoted text at *AT, which is moved behind it; NULL when there is none. */
static char *
parse_text(const char **at)
{
	const char *p = *at;
	size_t n = 0;
	char *text;

	if (*p++ != '"' || (text = malloc(strlen(p) + 1)) == NULL)
		return NULL;
	while (*p != '"' && *p != '\0') {
		unsigned byte;
		if (sscanf(p, "\\x%2x", &byte) == 1) {
			text[n++] = (char)byte;
			p += 4;
		} else {
			text[n++] = *p++;
		}
	}
	text[n] = '\0';
	if (*p != '"') {
		free(text);
		return NULL;
	}
	*at = p + 1;
	return text;
}

static bool
parse_number(const char **at, char kind, int64_t *value)
{
	*value = 0;
	for (;;) {
		size_t length = strcspn(*at, "| \n");
		const struct flag *flag = flags_of(kind);
		char *end;

		if (length == 0)
			return false;
		while (flag != NULL && flag->name != NULL &&
		       (strlen(flag->name) != length || memcmp(flag->name, *at, length) != 0))
			flag++;
		if (flag != NULL && flag->name != NULL) {
			*value |= flag->value;
		} else {
			errno = 0;
			*value |= strtoll(*at, &end, 0);
			if (errno != 0 || end != *at + length)
				return false;
		}
		*at += length;
		if (**at != '|')
			return true;
		++*at;
	}
}

const char *
call_parse(const char *line, struct call *call)
{
	char *end;
	unsigned long proc = strtoul(line, &end, 10);
	size_t length;

	memset(call, 0, sizeof(*call));
	if (end == line || *end != ' ' || proc >= PROCS)
		return "no process at its start";
	call->proc = (unsigned)proc;
	line = end + 1;
	length = strcspn(line, " \n");
	call->op = op_find(line, length);
	if (call->op == n_ops)
		return "no such call";
	line += length;
	for (unsigned i = 0; ops[call->op].kinds[i] != '\0'; i++) {
		char kind = ops[call->op].kinds[i];
		if (*line++ != ' ')
			return "too few arguments";
		if (arg_is_text(kind) ? (call->arg[i].s = parse_text(&line)) == NULL
				      : !parse_number(&line, kind, &call->arg[i].n))
			return "an argument that cannot be";
	}
	return *line == '\0' || *line == '\n' ? NULL : "too many arguments";
}

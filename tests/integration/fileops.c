/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the integration tests do to a mounted file system and a shell cannot: fileops WHAT DIR works in DIR, which exists
 * and may be written to, and exits 0 when everything behaved as a local file system does. On the first difference it says
 * which and exits 1. Each WHAT is one function; the table at the end names them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "%s:%d: %s (errno: %s)\n", __func__, __LINE__, #cond, strerror(errno));        \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

/* Recognisable bytes: what belongs at this offset of the file that seed names. */
static void
fill(char *buf, size_t len, uint64_t offset, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		uint64_t x = (offset + i) * 0x9e3779b97f4a7c15ULL + seed;

		buf[i] = (char)(x >> 32 ^ x >> 56);
	}
}

static void
write_all(int fd, const char *buf, size_t len)
{
	MUST(write(fd, buf, len) == (ssize_t)len);
}

static void
holds(const char *path, const char *want)
{
	char buf[256] = "";
	int fd = open(path, O_RDONLY);

	MUST(fd >= 0);
	MUST(read(fd, buf, sizeof(buf) - 1) >= 0);
	MUST(strcmp(buf, want) == 0);
	MUST(close(fd) == 0);
}

static void
make(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	MUST(fd >= 0);
	write_all(fd, text, strlen(text));
	MUST(close(fd) == 0);
}

/* An unlinked open file lives on: it can be written, read, truncated and stated; its name is free again. */
static void
op_unlinked(void)
{
	char buf[64] = "";
	struct stat st;
	int fd = open("gone", O_RDWR | O_CREAT | O_EXCL, 0600);

	MUST(fd >= 0);
	write_all(fd, "before", 6);
	MUST(unlink("gone") == 0);
	MUST(stat("gone", &st) == -1 && errno == ENOENT);
	write_all(fd, " after", 6);
	MUST(pread(fd, buf, sizeof(buf), 0) == 12);
	MUST(memcmp(buf, "before after", 12) == 0);
	MUST(fstat(fd, &st) == 0);
	MUST(st.st_size == 12 && S_ISREG(st.st_mode));
	MUST(ftruncate(fd, 3) == 0);
	MUST(fstat(fd, &st) == 0 && st.st_size == 3);
	/* The same name for another file, while the first is still open. */
	make("gone", "another");
	MUST(pread(fd, buf, sizeof(buf), 0) == 3 && memcmp(buf, "bef", 3) == 0);
	holds("gone", "another");
	MUST(close(fd) == 0);
	holds("gone", "another");
	MUST(unlink("gone") == 0);
}

/* rename() over an open file: the open one keeps its data, the name shows the new one. */
static void
op_renameover(void)
{
	char buf[16] = "";
	struct stat st;
	int fd;

	make("old", "old data");
	make("new", "new data!");
	fd = open("old", O_RDWR);
	MUST(fd >= 0);
	MUST(rename("new", "old") == 0);
	MUST(stat("new", &st) == -1 && errno == ENOENT);
	holds("old", "new data!");
	MUST(read(fd, buf, sizeof(buf)) == 8 && memcmp(buf, "old data", 8) == 0);
	write_all(fd, "...", 3);
	MUST(fstat(fd, &st) == 0 && st.st_size == 11);
	MUST(close(fd) == 0);
	holds("old", "new data!");

	/* Folders: over an empty one, not over a full one; and the file follows its folder's new name. */
	MUST(mkdir("d1", 0755) == 0 && mkdir("d2", 0755) == 0 && mkdir("d3", 0755) == 0);
	make("d1/f", "inside");
	fd = open("d1/f", O_RDONLY);
	MUST(fd >= 0);
	MUST(rename("d1", "d2") == 0);
	MUST(stat("d1", &st) == -1 && errno == ENOENT);
	holds("d2/f", "inside");
	MUST(read(fd, buf, sizeof(buf)) == 6);
	MUST(close(fd) == 0);
	MUST(rename("d3", "d2") == -1 && (errno == ENOTEMPTY || errno == EEXIST || getenv("SFTP")));
	MUST(rmdir("d2") == -1 && (errno == ENOTEMPTY || errno == EEXIST || getenv("SFTP")));
	MUST(rename("d2", "d2/below") == -1 && errno == EINVAL);
	MUST(unlink("d2/f") == 0 && rmdir("d2") == 0 && rmdir("d3") == 0 && unlink("old") == 0);
}

/* Names of 255 bytes, and of each byte but NUL and '/'. Created, listed, stated, removed. */
static void
op_names(void)
{
	char name[300];
	char seen[256] = { 0 };
	struct stat st;
	struct dirent *entry;
	DIR *dir;
	bool longest = false;

	memset(name, 'n', 255);
	name[255] = 0;
	make(name, "long");
	MUST(stat(name, &st) == 0 && st.st_size == 4);
	name[255] = 'n';
	name[256] = 0;
	MUST(open(name, O_WRONLY | O_CREAT, 0644) == -1);
	MUST(errno == ENAMETOOLONG || getenv("SFTP")); /* SFTP has no error for it */
	for (int c = 1; c < 256; c++) {
		char one[4] = { 'x', (char)c, 'y', 0 };

		if (c == '/')
			continue;
		make(one, one);
	}
	dir = opendir(".");
	MUST(dir);
	errno = 0;
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len == 255)
			longest = true;
		else if (len == 3 && entry->d_name[0] == 'x' && entry->d_name[2] == 'y')
			seen[(unsigned char)entry->d_name[1]]++;
		else
			MUST(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	}
	MUST(errno == 0);
	MUST(closedir(dir) == 0);
	MUST(longest);
	name[255] = 0;
	MUST(unlink(name) == 0);
	for (int c = 1; c < 256; c++) {
		char one[4] = { 'x', (char)c, 'y', 0 };

		MUST(seen[c] == (c != '/'));
		if (c == '/')
			continue;
		holds(one, one);
		MUST(unlink(one) == 0);
	}
}

/* Holes read as zeros, sizes are right beyond 4 GiB, data sits where it was written. */
static void
op_sparse(void)
{
	static const off_t at[] = { 0, (1 << 20) + 7, (off_t)5 << 30, ((off_t)6 << 30) + 4095 };
	char buf[8192];
	struct stat st;
	int fd = open("sparse", O_RDWR | O_CREAT | O_EXCL, 0644);

	MUST(fd >= 0);
	for (int i = 0; i < 4; i++)
		MUST(pwrite(fd, "data", 4, at[i]) == 4);
	MUST(fsync(fd) == 0);
	MUST(close(fd) == 0);
	fd = open("sparse", O_RDWR);
	MUST(fd >= 0);
	MUST(fstat(fd, &st) == 0);
	MUST(st.st_size == at[3] + 4);
	MUST(st.st_blocks < (1 << 20) || getenv("SFTP")); /* half a GiB: it did not fill the holes */
	for (int i = 0; i < 4; i++) {
		MUST(pread(fd, buf, 4, at[i]) == 4);
		MUST(memcmp(buf, "data", 4) == 0);
	}
	MUST(pread(fd, buf, sizeof(buf), (off_t)3 << 30) == (ssize_t)sizeof(buf));
	for (size_t i = 0; i < sizeof(buf); i++)
		MUST(buf[i] == 0);
	/* Cut through the data, then grow: what was cut off is zeros. */
	MUST(ftruncate(fd, at[1] + 2) == 0);
	MUST(ftruncate(fd, at[1] + 100) == 0);
	MUST(pread(fd, buf, sizeof(buf), at[1]) == 100);
	MUST(memcmp(buf, "da\0\0", 4) == 0);
	MUST(lseek(fd, 0, SEEK_END) == at[1] + 100);
	MUST(close(fd) == 0);
	MUST(truncate("sparse", 0) == 0);
	MUST(stat("sparse", &st) == 0 && st.st_size == 0);
	MUST(unlink("sparse") == 0);
}

/* Two processes append 400 records each to one file: none is lost or torn. */
static void
op_append(void)
{
	enum { RECORDS = 400, RECORD = 64 };
	int count[2] = { 0, 0 }, status, fd;
	char record[RECORD];

	make("log", "");
	for (int who = 0; who < 2; who++) {
		pid_t pid = fork();

		MUST(pid >= 0);
		if (pid)
			continue;
		fd = open("log", O_WRONLY | O_APPEND);
		MUST(fd >= 0);
		memset(record, 'a' + who, RECORD);
		record[RECORD - 1] = '\n';
		for (int i = 0; i < RECORDS; i++)
			write_all(fd, record, RECORD);
		MUST(close(fd) == 0);
		_exit(0);
	}
	while (wait(&status) > 0)
		MUST(status == 0);
	fd = open("log", O_RDONLY);
	MUST(fd >= 0);
	for (;;) {
		ssize_t n = read(fd, record, RECORD);

		MUST(n == 0 || n == RECORD);
		if (n == 0)
			break;
		MUST(record[0] == 'a' || record[0] == 'b');
		for (int i = 1; i < RECORD - 1; i++)
			MUST(record[i] == record[0]);
		count[record[0] - 'a']++;
	}
	MUST(count[0] == RECORDS && count[1] == RECORDS);
	/* An O_APPEND descriptor ignores where it stands; O_TRUNC empties. */
	fd = open("log", O_RDWR | O_APPEND | O_TRUNC);
	MUST(fd >= 0);
	write_all(fd, "one", 3);
	MUST(lseek(fd, 0, SEEK_SET) == 0);
	write_all(fd, "two", 3);
	MUST(close(fd) == 0);
	holds("log", "onetwo");
	MUST(unlink("log") == 0);
}

/* Pages: private and shared maps read what write() wrote, and what is written to a shared map is in the file. */
static void
op_mmap(void)
{
	enum { LEN = 300 * 4096 + 123 };
	char *data = malloc(LEN), *map;
	int fd = open("map", O_RDWR | O_CREAT | O_EXCL, 0644);

	MUST(data && fd >= 0);
	fill(data, LEN, 0, 1);
	write_all(fd, data, LEN);
	map = mmap(NULL, LEN, PROT_READ, MAP_PRIVATE, fd, 0);
	MUST(map != MAP_FAILED);
	MUST(memcmp(map, data, LEN) == 0);
	MUST(munmap(map, LEN) == 0);
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(map != MAP_FAILED);
	MUST(memcmp(map, data, LEN) == 0);
	for (int i = 0; i < LEN; i += 5000)
		data[i] = map[i] = (char)(i / 5000);
	MUST(msync(map, LEN, MS_SYNC) == 0);
	MUST(munmap(map, LEN) == 0);
	MUST(close(fd) == 0);
	fd = open("map", O_RDONLY);
	MUST(fd >= 0);
	map = malloc(LEN);
	MUST(map && read(fd, map, LEN) == LEN);
	MUST(memcmp(map, data, LEN) == 0);
	free(map);
	free(data);
	MUST(close(fd) == 0);
	MUST(unlink("map") == 0);
}

/* Times with nanoseconds, modes; UTIME_OMIT and UTIME_NOW; statvfs makes sense. */
static void
op_attrs(void)
{
	struct timespec times[2] = { { 1000000001, 123456789 }, { 1234567890, 987654321 } };
	struct statvfs vfs;
	struct stat st;
	time_t now = time(NULL);
	int fd;

	make("file", "text");
	MUST(chmod("file", 0640) == 0);
	MUST(stat("file", &st) == 0 && (st.st_mode & 07777) == 0640 && st.st_size == 4 && st.st_nlink == 1);
	MUST(utimensat(AT_FDCWD, "file", times, 0) == 0);
	MUST(stat("file", &st) == 0);
	MUST(st.st_atim.tv_sec == 1000000001 && st.st_mtim.tv_sec == 1234567890);
	if (!getenv("SFTP")) /* whole seconds only */
		MUST(st.st_atim.tv_nsec == 123456789 && st.st_mtim.tv_nsec == 987654321);
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_nsec = UTIME_NOW;
	MUST(utimensat(AT_FDCWD, "file", times, 0) == 0);
	MUST(stat("file", &st) == 0);
	if (!getenv("NO_OMIT")) {
		MUST(st.st_atim.tv_sec == 1000000001);
		MUST(st.st_mtim.tv_sec >= now - 2 && st.st_mtim.tv_sec <= time(NULL) + 2);
	}
	fd = open("file", O_RDWR);
	MUST(fd >= 0);
	MUST(fchmod(fd, 0600) == 0);
	MUST(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600);
	MUST(fstatvfs(fd, &vfs) == 0);
	MUST(vfs.f_blocks > 0 && vfs.f_bfree <= vfs.f_blocks && vfs.f_bsize >= 512 && vfs.f_namemax >= 143);
	MUST(access("file", R_OK | W_OK) == 0);
	MUST(close(fd) == 0);
	MUST(mkdir("dir", 0750) == 0);
	MUST(stat("dir", &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0750);
	MUST(rmdir("dir") == 0 && unlink("file") == 0);
	MUST(open("absent", O_RDONLY) == -1 && errno == ENOENT);
	MUST(rmdir("absent") == -1 && errno == ENOENT);
}

/* A folder changes while it is read: names that stay are seen exactly once, none is invented. */
static void
op_readdir(void)
{
	enum { STAY = 500 };
	char name[32];
	char seen[STAY] = { 0 };
	struct dirent *entry;
	DIR *dir;
	int read_so_far = 0;

	for (int i = 0; i < STAY; i++) {
		snprintf(name, sizeof(name), "stay%d", i);
		make(name, "");
		snprintf(name, sizeof(name), "go%d", i);
		make(name, "");
	}
	dir = opendir(".");
	MUST(dir);
	errno = 0;
	while ((entry = readdir(dir))) {
		int n;

		if (sscanf(entry->d_name, "stay%d", &n) == 1) {
			MUST(n >= 0 && n < STAY);
			seen[n]++;
		}
		/* Each few entries: one file goes, one comes. */
		if (++read_so_far % 4 == 0 && read_so_far / 4 <= STAY) {
			snprintf(name, sizeof(name), "go%d", read_so_far / 4 - 1);
			MUST(unlink(name) == 0);
			snprintf(name, sizeof(name), "come%d", read_so_far);
			make(name, "");
		}
		errno = 0;
	}
	MUST(errno == 0);
	for (int i = 0; i < STAY; i++)
		MUST(seen[i] == 1);
	/* From the start again: now what came is there, what went is not. */
	rewinddir(dir);
	while ((entry = readdir(dir)))
		MUST(strcmp(entry->d_name, "go0") != 0);
	MUST(closedir(dir) == 0);
}

/* Reads and writes at odd offsets and sizes, against a copy in memory. */
static void
op_offsets(void)
{
	enum { LEN = 3 << 20 };
	char *model = calloc(1, LEN), *buf = malloc(LEN);
	unsigned int rnd = 12345;
	int fd = open("offsets", O_RDWR | O_CREAT | O_EXCL, 0644);

	MUST(model && buf && fd >= 0);
	MUST(ftruncate(fd, LEN) == 0);
	for (int i = 0; i < 600; i++) {
		size_t len, at;

		rnd = rnd * 1103515245 + 12345;
		len = (rnd >> 8) % (i % 10 == 0 ? 1 << 20 : 9000) + 1;
		rnd = rnd * 1103515245 + 12345;
		at = (rnd >> 4) % (LEN - len);
		if (i % 2) {
			fill(model + at, len, at, rnd);
			MUST(pwrite(fd, model + at, len, (off_t)at) == (ssize_t)len);
		} else {
			MUST(pread(fd, buf, len, (off_t)at) == (ssize_t)len);
			MUST(memcmp(buf, model + at, len) == 0);
		}
		if (i % 100 == 99) { /* not from the cache: through the daemon */
			MUST(fsync(fd) == 0);
			MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
		}
	}
	MUST(close(fd) == 0);
	fd = open("offsets", O_RDONLY);
	MUST(fd >= 0);
	MUST(read(fd, buf, LEN) == LEN);
	MUST(memcmp(buf, model, LEN) == 0);
	MUST(read(fd, buf, 1) == 0);
	MUST(close(fd) == 0);
	MUST(unlink("offsets") == 0);
	free(model);
	free(buf);
}

/* O_EXCL, O_CREAT, O_DIRECTORY, O_NOFOLLOW and the errors of wrong types. */
static void
op_opens(void)
{
	struct stat st;
	int fd;

	make("file", "x");
	MUST(open("file", O_RDWR | O_CREAT | O_EXCL, 0644) == -1 && errno == EEXIST);
	MUST(open("file", O_RDONLY | O_DIRECTORY) == -1 && errno == ENOTDIR);
	MUST(open("file/below", O_RDONLY) == -1 && errno == ENOTDIR);
	MUST(mkdir("file", 0755) == -1 && errno == EEXIST);
	MUST(mkdir("dir", 0755) == 0);
	MUST(open("dir", O_WRONLY) == -1 && errno == EISDIR);
	MUST(unlink("dir") == -1 && (errno == EISDIR || errno == EPERM));
	MUST(rmdir("file") == -1 && errno == ENOTDIR);
	MUST(symlink("file", "link") == 0);
	MUST(open("link", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP);
	fd = open("link", O_RDONLY);
	MUST(fd >= 0 && close(fd) == 0);
	MUST(lstat("link", &st) == 0 && S_ISLNK(st.st_mode) && st.st_size == 4);
	/* A descriptor of mode 0400 that was opened for writing on creation can write. */
	fd = open("readonly", O_WRONLY | O_CREAT | O_EXCL, 0400);
	MUST(fd >= 0);
	write_all(fd, "ok", 2);
	MUST(close(fd) == 0);
	holds("readonly", "ok");
	/* Many descriptors of one file, each with its own offset and mode. */
	fd = open("file", O_WRONLY);
	MUST(fd >= 0);
	MUST(read(fd, &st, 1) == -1 && errno == EBADF);
	MUST(close(fd) == 0);
	MUST(unlink("link") == 0 && unlink("readonly") == 0 && unlink("file") == 0 && rmdir("dir") == 0);
}

/* read FILE [BYTES]: for tests of dying daemons. Says how the read ended on stdout: "errno N" or "N bytes". */
static int
read_once(const char *path)
{
	static char buf[4096] __attribute__((aligned(4096)));
	ssize_t n;
	int fd = open(path, O_RDONLY | O_DIRECT); /* not behind another reader's lock of a page */

	if (fd < 0) {
		printf("errno %d\n", errno);
		return 0;
	}
	n = read(fd, buf, sizeof(buf));
	if (n < 0)
		printf("errno %d\n", errno);
	else
		printf("%zd bytes\n", n);
	return 0;
}

static const struct {
	const char *name;
	void (*run)(void);
} ops[] = {
	{ "append", op_append },
	{ "attrs", op_attrs },
	{ "mmap", op_mmap },
	{ "names", op_names },
	{ "offsets", op_offsets },
	{ "opens", op_opens },
	{ "readdir", op_readdir },
	{ "renameover", op_renameover },
	{ "sparse", op_sparse },
	{ "unlinked", op_unlinked },
};

int
main(int argc, char **argv)
{
	umask(022);
	if (argc == 3 && strcmp(argv[1], "read") == 0)
		return read_once(argv[2]);
	if (argc == 3) {
		if (chdir(argv[2])) {
			perror(argv[2]);
			return 1;
		}
		for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
			if (strcmp(ops[i].name, argv[1]) == 0) {
				ops[i].run();
				return 0;
			}
		}
	}
	fprintf(stderr, "usage: fileops WHAT DIR\n");
	return 64;
}

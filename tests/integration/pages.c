/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What programs rely on of files that they map, share, unlink and rename while open, and of folders that change while they are read:
 * pages WHAT DIR, see must.h. All of it holds on a native mount of the same daemon; $HIDES is set for daemons that rename an unlinked
 * open file instead (libfuse without hard_remove): what its link count is depends on what is cached.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "must.h"

enum { PAGE = 4096 };

static int
make(const char *path, size_t size, char byte)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
	char *data = malloc(size ? size : 1);

	MUST(fd >= 0 && data);
	memset(data, byte, size);
	MUST(write(fd, data, size) == (ssize_t)size);
	free(data);
	return fd;
}

static char *
map_shared(int fd, size_t size)
{
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	MUST(map != MAP_FAILED);
	return map;
}

static int
child_status(pid_t pid)
{
	int status;

	MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

/* Does touching this byte raise SIGBUS? */
static bool
bus_error(const volatile char *byte)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		signal(SIGBUS, SIG_DFL);
		_exit(*byte == 'Z');
	}
	status = child_status(pid);
	MUST(WIFEXITED(status) || WTERMSIG(status) == SIGBUS);
	return WIFSIGNALED(status);
}

/* What one process writes to a map, another one sees in its own map, in read() and, after msync(), after all is closed. */
static void
map_shared_by_two(void)
{
	enum { PAGES = 64, SIZE = PAGES * PAGE };
	int fd = make("file", SIZE, 'a'), status;
	char *map = map_shared(fd, SIZE), byte;
	pid_t pid = fork();

	if (pid == 0) {
		int own = open("file", O_RDWR);
		char *mine = map_shared(own, SIZE);

		for (int i = 0; i < PAGES; i++)
			mine[i * PAGE + i] = 'b';
		MUST(msync(mine, SIZE, MS_SYNC) == 0);
		_exit(0);
	}
	status = child_status(pid);
	MUST(status == 0);
	for (int i = 0; i < PAGES; i++) {
		MUST(map[i * PAGE + i] == 'b');
		MUST(pread(fd, &byte, 1, i * PAGE + i) == 1 && byte == 'b');
		MUST(map[i * PAGE + i + 1] == 'a');
	}
	/* And the other way: write() shows in the map at once. */
	MUST(pwrite(fd, "c", 1, 5 * PAGE) == 1 && map[5 * PAGE] == 'c');
	map[6 * PAGE] = 'd';
	MUST(munmap(map, SIZE) == 0 && close(fd) == 0); /* not msync'ed */
	fd = open("file", O_RDONLY);
	MUST(fd >= 0 && fsync(fd) == 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	MUST(pread(fd, &byte, 1, 6 * PAGE) == 1 && byte == 'd');
	MUST(close(fd) == 0 && unlink("file") == 0);
}

/* Truncation under a map: SIGBUS beyond the last page, zeros in the rest of it, zeros after it grew again. */
static void
map_truncated(void)
{
	enum { SIZE = 8 * PAGE };
	int fd = make("file", SIZE, 'a');
	char *map = map_shared(fd, SIZE);

	map[7 * PAGE] = 'b';
	MUST(!bus_error(map + 7 * PAGE));
	MUST(ftruncate(fd, 2 * PAGE + 100) == 0);
	MUST(bus_error(map + 3 * PAGE) && bus_error(map + 7 * PAGE));
	MUST(!bus_error(map + 2 * PAGE) && map[2 * PAGE + 99] == 'a');
	for (int i = 100; i < PAGE; i++)
		MUST(map[2 * PAGE + i] == 0);
	map[2 * PAGE + 50] = 'c';
	MUST(truncate("file", SIZE) == 0);
	MUST(map[2 * PAGE + 50] == 'c' && map[2 * PAGE + 100] == 0 && map[7 * PAGE] == 0);
	map[7 * PAGE] = 'd';
	MUST(msync(map, SIZE, MS_SYNC) == 0);
	MUST(ftruncate(fd, 0) == 0 && bus_error(map));
	MUST(munmap(map, SIZE) == 0 && close(fd) == 0 && unlink("file") == 0);
}

/* A map lives on when its descriptor is closed and its file is unlinked, renamed, or replaced. */
static void
map_without_name(void)
{
	enum { SIZE = 3 * PAGE };
	int fd = make("file", SIZE, 'a'), other;
	char *map = map_shared(fd, SIZE), byte;

	MUST(close(fd) == 0);
	MUST(rename("file", "moved") == 0);
	map[0] = 'b';
	MUST(msync(map, SIZE, MS_SYNC) == 0);
	fd = open("moved", O_RDWR);
	MUST(fd >= 0 && pread(fd, &byte, 1, 0) == 1 && byte == 'b');
	other = make("other", SIZE, 'o');
	MUST(rename("other", "moved") == 0); /* over the mapped one */
	map[PAGE] = 'c';
	MUST(msync(map, SIZE, MS_SYNC) == 0);
	MUST(pread(fd, &byte, 1, PAGE) == 1 && byte == 'c');
	MUST(pread(other, &byte, 1, PAGE) == 1 && byte == 'o');
	MUST(close(fd) == 0 && close(other) == 0);
	MUST(map[2 * PAGE] == 'a' && map[0] == 'b');
	MUST(munmap(map, SIZE) == 0 && unlink("moved") == 0);
}

/* A private map's changes stay private. */
static void
map_private(void)
{
	int fd = make("file", 2 * PAGE, 'a');
	char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), byte;

	MUST(map != MAP_FAILED);
	map[10] = 'b';
	MUST(msync(map, 2 * PAGE, MS_SYNC) == 0);
	MUST(pread(fd, &byte, 1, 10) == 1 && byte == 'a');
	MUST(pwrite(fd, "c", 1, 11) == 1);
	MUST(map[10] == 'b');
	MUST(munmap(map, 2 * PAGE) == 0 && close(fd) == 0 && unlink("file") == 0);
	/* A map needs a descriptor that may read; a writable one, one that may write. */
	fd = make("file", PAGE, 'a');
	MUST(close(fd) == 0);
	fd = open("file", O_RDONLY);
	MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
	MUST(close(fd) == 0 && unlink("file") == 0);
}

/* Each of two appenders sees its own write end at or after where it began, and the file never shrinks; pwrite() appends too. */
static void
append_and_size(void)
{
	enum { RECORDS = 300, RECORD = 37 };
	int fd = make("file", 0, 0), status;
	struct stat st;
	pid_t pids[2];

	for (int who = 0; who < 2; who++) {
		pids[who] = fork();
		if (pids[who] == 0) {
			int own = open("file", O_RDWR | O_APPEND);
			char record[RECORD], back[RECORD];

			MUST(own >= 0);
			memset(record, 'a' + who, RECORD);
			for (int i = 0; i < RECORDS; i++) {
				off_t end;

				MUST(write(own, record, RECORD) == RECORD);
				end = lseek(own, 0, SEEK_CUR);
				MUST(end >= (i + 1) * RECORD && end % RECORD == 0);
				MUST(pread(own, back, RECORD, end - RECORD) == RECORD &&
				     memcmp(back, record, RECORD) == 0);
				MUST(fstat(own, &st) == 0 && st.st_size >= end);
			}
			_exit(0);
		}
	}
	for (int who = 0; who < 2; who++) {
		status = child_status(pids[who]);
		MUST(status == 0);
	}
	MUST(fstat(fd, &st) == 0 && st.st_size == 2 * RECORDS * RECORD);
	MUST(fcntl(fd, F_SETFL, O_APPEND) == 0 && pwrite(fd, "end", 3, 0) == 3);
	MUST(fstat(fd, &st) == 0 && st.st_size == 2 * RECORDS * RECORD + 3);
	MUST(close(fd) == 0 && unlink("file") == 0);
}

/* open, unlink, fstat and all else that goes by descriptor; the same for a file that rename() replaced. */
static void
unlinked_by_descriptor(void)
{
	int fd = make("file", 100, 'a'), second = open("file", O_RDONLY);
	bool hides = getenv("HIDES");
	struct timespec times[2] = { { 1000, 0 }, { 2000, 0 } };
	struct stat st;
	char byte;

	MUST(second >= 0 && unlink("file") == 0);
	MUST(fstat(fd, &st) == 0 && st.st_size == 100 && (hides || st.st_nlink == 0));
	MUST(ftruncate(fd, 5000) == 0 && fstat(second, &st) == 0 && st.st_size == 5000);
	MUST(pwrite(fd, "b", 1, 4999) == 1 && pread(second, &byte, 1, 4999) == 1 && byte == 'b');
	MUST(fchmod(fd, 0600) == 0 && futimens(fd, times) == 0 && fsync(fd) == 0);
	MUST(fstat(second, &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_mtim.tv_sec == 2000);
	MUST(close(fd) == 0 && close(second) == 0);

	fd = make("old", 10, 'o');
	second = make("new", 20, 'n');
	MUST(rename("new", "old") == 0);
	MUST(fstat(fd, &st) == 0 && st.st_size == 10 && (hides || st.st_nlink == 0));
	MUST(fstat(second, &st) == 0 && st.st_size == 20 && st.st_nlink == 1);
	MUST(pread(fd, &byte, 1, 9) == 1 && byte == 'o');
	MUST(close(fd) == 0 && close(second) == 0 && unlink("old") == 0);
}

static void
make_many(int count)
{
	char name[32];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "file-with-some-name-%d", i);
		MUST(close(make(name, 0, 0)) == 0);
	}
}

/* telldir() marks a place: seekdir() there gives the same entry again, in any order, also after rewinddir(). */
static void
seek_in_directory(void)
{
	enum { MANY = 700 };
	static char names[MANY + 2][256];
	static long at[MANY + 2];
	struct dirent *entry;
	unsigned int rnd = 1;
	int count = 0;
	DIR *dir;

	make_many(MANY);
	dir = opendir(".");
	MUST(dir);
	while (at[count % (MANY + 2)] = telldir(dir), (entry = readdir(dir))) {
		MUST(count < MANY + 2);
		snprintf(names[count++], sizeof(names[0]), "%s", entry->d_name);
	}
	MUST(count == MANY + 2);
	for (int i = 0; i < 200; i++) {
		int from = (int)((rnd = rnd * 1103515245 + 12345) >> 8) % count;

		if (i % 50 == 49)
			rewinddir(dir);
		seekdir(dir, at[from]);
		for (int j = from; j < from + 3 && j < count; j++) {
			entry = readdir(dir);
			MUST(entry && strcmp(entry->d_name, names[j]) == 0);
		}
	}
	rewinddir(dir);
	entry = readdir(dir);
	MUST(entry && strcmp(entry->d_name, names[0]) == 0);
	MUST(closedir(dir) == 0);
	for (int i = 0; i < count; i++)
		MUST(strcmp(names[i], ".") == 0 || strcmp(names[i], "..") == 0 || unlink(names[i]) == 0);
}

/* As rm -r does: each entry is removed when it is read; one pass leaves nothing. */
static void
empty_while_reading(void)
{
	enum { MANY = 900 };
	struct dirent *entry;
	int seen = 0;
	DIR *dir;

	MUST(mkdir("full", 0755) == 0 && chdir("full") == 0);
	make_many(MANY);
	dir = opendir(".");
	MUST(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		MUST(unlink(entry->d_name) == 0);
		seen++;
	}
	MUST(seen == MANY);
	rewinddir(dir);
	while ((entry = readdir(dir)))
		MUST(entry->d_name[0] == '.' && !entry->d_name[1 + (entry->d_name[1] == '.')]);
	MUST(closedir(dir) == 0 && chdir("..") == 0 && rmdir("full") == 0);
}

/* O_DIRECT and the page cache of one file see each other's writes. */
static void
direct_and_cached(void)
{
	enum { SIZE = 16 * PAGE };
	int fd = make("file", SIZE, 'a'), direct = open("file", O_RDWR | O_DIRECT);
	char *buf = aligned_alloc(PAGE, PAGE), byte;

	MUST(direct >= 0 && buf);
	MUST(pread(fd, &byte, 1, 3 * PAGE) == 1 && byte == 'a'); /* now cached */
	memset(buf, 'b', PAGE);
	MUST(pwrite(direct, buf, PAGE, 3 * PAGE) == PAGE);
	MUST(pread(fd, &byte, 1, 3 * PAGE) == 1 && byte == 'b');
	MUST(pwrite(fd, "c", 1, 5 * PAGE + 7) == 1);
	MUST(pread(direct, buf, PAGE, 5 * PAGE) == PAGE && buf[7] == 'c' && buf[8] == 'a');
	/* At the end: short, then nothing. */
	MUST(ftruncate(fd, 5 * PAGE + 10) == 0);
	MUST(pread(direct, buf, PAGE, 5 * PAGE) == 10 && pread(direct, buf, PAGE, 6 * PAGE) == 0);
	free(buf);
	MUST(close(fd) == 0 && close(direct) == 0 && unlink("file") == 0);
}

static const struct test_case cases[] = {
	{ "append", append_and_size },
	{ "direct", direct_and_cached },
	{ "emptydir", empty_while_reading },
	{ "mapnameless", map_without_name },
	{ "mapprivate", map_private },
	{ "mapshared", map_shared_by_two },
	{ "maptruncated", map_truncated },
	{ "seekdir", seek_in_directory },
	{ "unlinked", unlinked_by_descriptor },
	{ NULL, NULL },
};

int
main(int argc, char **argv)
{
	return run_case(cases, argc, argv);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A folder that changes behind the daemon's back: behind WHAT DIR, see must.h, where DIR has the mount as "mnt" and the folder that
 * the daemon shows as "src". What is changed in src shows in mnt: at once, or when the daemon's timeouts ($TIMEOUT seconds)
 * are over. $AUTO_INVAL: the daemon has cached pages dropped when size or mtime changed (libfuse3), else only at the next open.
 * $NODE_IS_NAME: its nodes are names (libfuse's high level), not files.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <time.h>

#include "must.h"

/* Waits for what must become true; with timeouts of 0 it must be so now. */
#define SHOWS(cond)                                                                                                    \
	do {                                                                                                           \
		for (int tries = strcmp(getenv("TIMEOUT"), "0") == 0 ? 1 : 500; !(cond); nap())                        \
			MUST(--tries > 0 && #cond);                                                                    \
	} while (0)

static void
nap(void)
{
	nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
}

static void
put(const char *path, const char *text, time_t mtime)
{
	struct timespec times[2] = { { mtime, 0 }, { mtime, 0 } };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	MUST(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	MUST(futimens(fd, times) == 0 && close(fd) == 0);
}

static off_t
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static bool
reads(int fd, const char *want)
{
	char buf[256] = "";
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	MUST(n >= 0);
	return strcmp(buf, want) == 0;
}

static bool
opens_and_reads(const char *path, const char *want)
{
	int fd = open(path, O_RDONLY);
	bool same;

	MUST(fd >= 0);
	same = reads(fd, want);
	MUST(close(fd) == 0);
	return same;
}

/* Size and time, by name, by descriptor, and the contents. */
static void
grown_and_shrunk(void)
{
	struct stat st;
	int fd;

	put("mnt/f", "12345", 1000);
	fd = open("mnt/f", O_RDONLY);
	MUST(fd >= 0 && reads(fd, "12345") && size_of("mnt/f") == 5);
	put("src/f", "123456789", 2000);
	SHOWS(size_of("mnt/f") == 9);
	SHOWS(fstat(fd, &st) == 0 && st.st_size == 9 && st.st_mtim.tv_sec == 2000);
	if (getenv("AUTO_INVAL"))
		SHOWS(reads(fd, "123456789"));
	SHOWS(opens_and_reads("mnt/f", "123456789"));
	put("src/f", "abc", 3000);
	SHOWS(size_of("mnt/f") == 3);
	SHOWS(opens_and_reads("mnt/f", "abc"));
	MUST(close(fd) == 0);
	/* What is written after that goes to what is there now. */
	fd = open("mnt/f", O_WRONLY | O_APPEND);
	MUST(fd >= 0 && write(fd, "def", 3) == 3 && close(fd) == 0);
	MUST(size_of("mnt/f") == 6 && opens_and_reads("src/f", "abcdef") && opens_and_reads("mnt/f", "abcdef"));
	MUST(unlink("mnt/f") == 0 && size_of("src/f") == -1);
}

/* The same size: only the time tells that it is another content. */
static void
same_size(void)
{
	char *map;
	int fd;

	put("mnt/f", "first", 1000);
	fd = open("mnt/f", O_RDONLY);
	map = mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0);
	MUST(fd >= 0 && reads(fd, "first") && map != MAP_FAILED && memcmp(map, "first", 5) == 0);
	put("src/f", "other", 2000);
	SHOWS(opens_and_reads("mnt/f", "other"));
	SHOWS(reads(fd, "other") && memcmp(map, "other", 5) == 0);
	MUST(munmap(map, 5) == 0 && close(fd) == 0 && unlink("mnt/f") == 0);
}

/* Names that come, go, are others, and point elsewhere; the list of them. */
static void
names(void)
{
	char to[16] = "";
	struct dirent *entry;
	struct stat st;
	int seen = 0;
	DIR *dir;

	MUST(mkdir("mnt/d", 0755) == 0);
	put("mnt/d/goes", "goes", 1000);
	put("mnt/d/moves", "moves", 1000);
	MUST(size_of("mnt/d/comes") == -1 && symlink("goes", "mnt/d/link") == 0);
	MUST(unlink("src/d/goes") == 0 && rename("src/d/moves", "src/d/moved") == 0);
	put("src/d/comes", "come", 1000);
	SHOWS(size_of("mnt/d/comes") == 4);
	SHOWS(size_of("mnt/d/goes") == -1 && size_of("mnt/d/moves") == -1 && size_of("mnt/d/moved") == 5);
	MUST(unlink("src/d/link") == 0 && symlink("comes", "src/d/link") == 0);
	SHOWS(size_of("mnt/d/link") == 4);
	SHOWS(readlink("mnt/d/link", to, sizeof(to)) == 5 && memcmp(to, "comes", 5) == 0);
	MUST(chmod("src/d/comes", 0600) == 0);
	SHOWS(stat("mnt/d/comes", &st) == 0 && (st.st_mode & 07777) == 0600);
	dir = opendir("mnt/d");
	MUST(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		MUST(strcmp(entry->d_name, "comes") == 0 || strcmp(entry->d_name, "moved") == 0 ||
		     strcmp(entry->d_name, "link") == 0);
		seen++;
	}
	MUST(closedir(dir) == 0 && seen == 3);
	MUST(unlink("mnt/d/comes") == 0 && unlink("mnt/d/moved") == 0 && unlink("mnt/d/link") == 0 &&
	     rmdir("mnt/d") == 0);
}

/* A file becomes a folder and the folder a file. Who has the old one open still has it; where the daemon has one node for a name, that node
 * is bad now, which the kernel says with EIO. */
static void
type(void)
{
	struct stat st;
	int fd;

	put("mnt/x", "file", 1000);
	fd = open("mnt/x", O_RDONLY);
	MUST(fd >= 0 && unlink("src/x") == 0 && mkdir("src/x", 0755) == 0);
	put("src/x/inside", "in", 1000);
	SHOWS(stat("mnt/x", &st) == 0 && S_ISDIR(st.st_mode));
	SHOWS(size_of("mnt/x/inside") == 2);
	if (getenv("NODE_IS_NAME"))
		MUST(pread(fd, &st, 1, 0) == -1 && errno == EIO && close(fd) == -1 && errno == EIO);
	else
		MUST(reads(fd, "file") && close(fd) == 0);
	MUST(unlink("src/x/inside") == 0 && rmdir("src/x") == 0);
	put("src/x", "again", 1000);
	SHOWS(stat("mnt/x", &st) == 0 && S_ISREG(st.st_mode));
	SHOWS(opens_and_reads("mnt/x", "again"));
	MUST(unlink("mnt/x") == 0);
}

static const struct test_case cases[] = {
	{ "grown", grown_and_shrunk },
	{ "names", names },
	{ "samesize", same_size },
	{ "type", type },
	{ NULL, NULL },
};

int
main(int argc, char **argv)
{
	return run_case(cases, argc, argv);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The load of ./bench: bench [--tsv] [--quick] [--label L] NATIVE NATIVE2 PERFUSE, three mountpoints of the same daemon. Each row of
 * the table is a function that does n operations in a folder. A sample is one call; samples of the three mounts take turns (A B C A
 * B C ...), so that whatever else the machine does hits all alike, and medians are compared. ratio = native / perfuse: 1.00 is as
 * fast as native. noise = native / native2: what the same comparison says about two equal things.
 *
 * Before anything is timed, the data that each mount gives back is compared once.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	MIB = 1 << 20,
	FILE_SIZE = 64 * MIB, /* what the bulk rows read and write */
	MANY = 10000,         /* files in the folder "many" */
	SOME = 1000,          /* files in the folder "some" */
	MAX_SAMPLES = 101,
};

#define FLOOR_LATENCY 0.42
#define FLOOR_BULK 0.70

struct place { /* one mount */
	const char *path;
	int dir;
	char *buf; /* 1 MiB, page-aligned */
};

extern char **environ;

static void
die(const char *what, const char *where)
{
	fprintf(stderr, "bench: %s: %s: %s\n", where, what, strerror(errno));
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int
open_in(const struct place *p, const char *name, int flags)
{
	int fd = openat(p->dir, name, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die(name, p->path);
	return fd;
}

static void
must(bool ok, const char *what, const struct place *p)
{
	if (!ok)
		die(what, p->path);
}

/* ---- the rows: n operations each ---- */

static void
row_stat(const struct place *p, unsigned int n)
{
	struct stat st;

	while (n--)
		must(fstatat(p->dir, "small", &st, 0) == 0, "stat", p);
}

static void
row_negative(const struct place *p, unsigned int n)
{
	struct stat st;

	while (n--)
		must(fstatat(p->dir, "absent", &st, 0) == -1 && errno == ENOENT, "negative lookup", p);
}

static void
row_create(const struct place *p, unsigned int n)
{
	while (n--) {
		close(open_in(p, "created", O_WRONLY | O_CREAT | O_EXCL));
		must(unlinkat(p->dir, "created", 0) == 0, "unlink", p);
	}
}

static void
row_open(const struct place *p, unsigned int n)
{
	while (n--) {
		int fd = open_in(p, "small", O_RDONLY);

		must(read(fd, p->buf, 4096) == 4096, "read", p);
		close(fd);
	}
}

static void
random_reads(const struct place *p, unsigned int n, unsigned int seed, char *buf)
{
	int fd = open_in(p, "big", O_RDONLY | O_DIRECT);

	while (n--) {
		seed = seed * 1103515245 + 12345;
		must(pread(fd, buf, 4096, (off_t)((seed >> 8) % (FILE_SIZE / 4096)) * 4096) == 4096, "read", p);
	}
	close(fd);
}

static void
row_random1(const struct place *p, unsigned int n)
{
	random_reads(p, n, 1, p->buf);
}

struct reader {
	const struct place *p;
	unsigned int n, seed;
};

static void *
reader_run(void *arg)
{
	const struct reader *r = arg;
	char *buf = aligned_alloc(4096, 4096);

	must(buf, "memory", r->p);
	random_reads(r->p, r->n, r->seed, buf);
	free(buf);
	return NULL;
}

static void
row_random8(const struct place *p, unsigned int n)
{
	struct reader readers[8];
	pthread_t threads[8];

	for (unsigned int i = 0; i < 8; i++) {
		readers[i] = (struct reader){ p, n / 8 + (i < n % 8), i * 7919 + 1 };
		must(pthread_create(&threads[i], NULL, reader_run, &readers[i]) == 0, "thread", p);
	}
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
}

static void
sequential(const struct place *p, unsigned int n, int flags)
{
	/* Opening drops what the kernel has cached of the file: each pass reaches the daemon. */
	const char *name = (flags & O_ACCMODE) == O_RDONLY ? "big" : "written";

	while (n) {
		int fd = open_in(p, name, flags);

		for (unsigned int i = 0; i < FILE_SIZE / MIB && n; i++, n--) {
			if ((flags & O_ACCMODE) == O_RDONLY)
				must(read(fd, p->buf, MIB) == MIB, "read", p);
			else
				must(write(fd, p->buf, MIB) == MIB, "write", p);
		}
		close(fd);
	}
}

static void
row_read_direct(const struct place *p, unsigned int n)
{
	sequential(p, n, O_RDONLY | O_DIRECT);
}

static void
row_read_cached(const struct place *p, unsigned int n)
{
	sequential(p, n, O_RDONLY);
}

static void
row_write_direct(const struct place *p, unsigned int n)
{
	sequential(p, n, O_WRONLY | O_DIRECT);
}

static void
row_write_cached(const struct place *p, unsigned int n)
{
	sequential(p, n, O_WRONLY);
}

static void
row_write4k(const struct place *p, unsigned int n)
{
	int fd = open_in(p, "written", O_WRONLY);

	for (unsigned int i = 0; i < n; i++)
		must(pwrite(fd, p->buf, 4096, (off_t)(i % (FILE_SIZE / 4096)) * 4096) == 4096, "write", p);
	close(fd);
}

static unsigned int
list(const struct place *p, const char *name)
{
	DIR *dir = fdopendir(open_in(p, name, O_RDONLY | O_DIRECTORY));
	unsigned int n = 0;

	must(dir, "fdopendir", p);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void
row_readdir(const struct place *p, unsigned int n)
{
	while (n--)
		must(list(p, "many") == MANY + 2, "readdir", p);
}

static void
row_ls(const struct place *p, unsigned int n)
{
	char path[4096];
	char *argv[] = { "ls", "-l", path, NULL };

	snprintf(path, sizeof(path), "%s/some", p->path);
	while (n--) {
		posix_spawn_file_actions_t actions;
		int status;
		pid_t pid;

		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
		must(posix_spawnp(&pid, "ls", &actions, NULL, argv, environ) == 0, "ls", p);
		posix_spawn_file_actions_destroy(&actions);
		must(waitpid(pid, &status, 0) == pid && status == 0, "ls -l", p);
	}
}

static const struct row {
	const char *name;
	void (*run)(const struct place *p, unsigned int n);
	double floor;
} rows[] = {
	{ "stat", row_stat, FLOOR_LATENCY },
	{ "negative lookup", row_negative, FLOOR_LATENCY },
	{ "create+unlink", row_create, FLOOR_LATENCY },
	{ "open+read4k+close", row_open, FLOOR_LATENCY },
	{ "4k random read", row_random1, FLOOR_LATENCY },
	{ "4k random read, 8 threads", row_random8, FLOOR_LATENCY },
	{ "4k write", row_write4k, FLOOR_LATENCY },
	{ "ls -l of 1,000", row_ls, FLOOR_LATENCY },
	{ "1 MiB read, direct", row_read_direct, FLOOR_BULK },
	{ "1 MiB read, cached", row_read_cached, FLOOR_BULK },
	{ "1 MiB write, direct", row_write_direct, FLOOR_BULK },
	{ "1 MiB write, cached", row_write_cached, FLOOR_BULK },
	{ "readdir of 10,000", row_readdir, FLOOR_BULK },
};

/* ---- preparing, and comparing what comes back ---- */

static uint64_t
word_at(uint64_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ULL;
}

static void
prepare(struct place *p)
{
	uint64_t *words;
	char name[32];
	int fd;

	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0)
		die("open", p->path);
	p->buf = aligned_alloc(4096, MIB);
	must(p->buf, "memory", p);
	words = (uint64_t *)(void *)p->buf;
	fd = open_in(p, "big", O_RDWR | O_CREAT | O_EXCL);
	for (uint64_t m = 0; m < FILE_SIZE / MIB; m++) {
		for (uint64_t i = 0; i < MIB / 8; i++)
			words[i] = word_at(m * (MIB / 8) + i);
		must(write(fd, p->buf, MIB) == MIB, "write", p);
	}
	close(fd);
	for (int direct = 0; direct < 2; direct++) {
		fd = open_in(p, "big", direct ? O_RDONLY | O_DIRECT : O_RDONLY);
		for (uint64_t m = 0; m < FILE_SIZE / MIB; m++) {
			memset(p->buf, 0, MIB);
			must(read(fd, p->buf, MIB) == MIB, "read", p);
			for (uint64_t i = 0; i < MIB / 8; i++)
				must(
				    words[i] == word_at(m * (MIB / 8) + i), "the data read is not what was written", p);
		}
		close(fd);
	}
	fd = open_in(p, "small", O_WRONLY | O_CREAT | O_EXCL);
	must(write(fd, p->buf, 4096) == 4096, "write", p);
	close(fd);
	close(open_in(p, "written", O_WRONLY | O_CREAT | O_EXCL));
	row_write_direct(p, FILE_SIZE / MIB); /* its final size: the timed writes do not grow it */
	must(mkdirat(p->dir, "many", 0755) == 0 && mkdirat(p->dir, "some", 0755) == 0, "mkdir", p);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many/file-%06d", i);
		close(open_in(p, name, O_WRONLY | O_CREAT | O_EXCL));
		snprintf(name, sizeof(name), "some/file-%06d", i);
		if (i < SOME)
			close(open_in(p, name, O_WRONLY | O_CREAT | O_EXCL));
	}
	must(list(p, "many") == MANY + 2 && list(p, "some") == SOME + 2, "a listing is not complete", p);
}

/* ---- measuring ---- */

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double
sample(const struct row *row, const struct place *p, unsigned int n)
{
	uint64_t start;

	row->run(p, n / 10 + 1); /* wakes everybody up again after the other mounts' turn */
	start = now_ns();
	row->run(p, n);
	return (double)(now_ns() - start) / n;
}

/* How many operations take about ns nanoseconds on this mount. */
static unsigned int
calibrate(const struct row *row, const struct place *p, double ns)
{
	unsigned int n = 1;

	for (;;) {
		uint64_t start = now_ns();
		double took;

		row->run(p, n);
		took = (double)(now_ns() - start);
		if (took >= ns / 4 || n >= 1u << 20) {
			double want = ns / (took / n);

			return want < 1 ? 1 : want > 1 << 20 ? 1u << 20 : (unsigned int)want;
		}
		n *= 4;
	}
}

/* One row on all three mounts; returns whether it is at or above its floor. */
static bool
measure(const struct row *row, const struct place *places, bool quick, bool tsv, const char *label)
{
	static double times[3][MAX_SAMPLES];
	int samples = quick ? 7 : 21;
	unsigned int n = calibrate(row, &places[0], quick ? 25e6 : 60e6);
	double native, native2, perfuse, ratio;

	for (int i = 0; i < samples; i++) {
		for (int m = 0; m < 3; m++)
			times[m][i] = sample(row, &places[m], n);
	}
	native = median(times[0], samples);
	native2 = median(times[1], samples);
	perfuse = median(times[2], samples);
	ratio = native / perfuse;
	if (tsv)
		printf("%s\t%s\t%.0f\t%.0f\t%.3f\t%.3f\t%.2f\n", label, row->name, native, perfuse, ratio,
		    native / native2, row->floor);
	else
		printf("%-26s %12.2f %12.2f %8.2f %8.2f %8.2f%s\n", row->name, native / 1e3, perfuse / 1e3, ratio,
		    native / native2, row->floor, ratio < row->floor ? "  below" : "");
	fflush(stdout);
	return ratio >= row->floor;
}

int
main(int argc, char **argv)
{
	struct place places[3] = { { .dir = -1 } };
	bool quick = false, tsv = false;
	const char *label = "", *only = NULL;
	int at = 1, below = 0;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--quick") == 0)
			quick = true;
		else if (strcmp(argv[at], "--tsv") == 0)
			tsv = true;
		else if (strcmp(argv[at], "--label") == 0 && at + 1 < argc)
			label = argv[++at];
		else if (strcmp(argv[at], "--only") == 0 && at + 1 < argc)
			only = argv[++at];
		else
			break;
	}
	if (argc - at != 3) {
		fprintf(stderr, "usage: bench [--quick] [--tsv] [--label L] [--only ROW] NATIVE NATIVE2 PERFUSE\n");
		return 64;
	}
	umask(022);
	for (int m = 0; m < 3; m++) {
		places[m].path = argv[at + m];
		prepare(&places[m]);
	}
	if (!tsv)
		printf("%-26s %12s %12s %8s %8s %8s\n", label, "native us", "perfuse us", "ratio", "noise", "floor");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!only || strstr(rows[i].name, only))
			below += !measure(&rows[i], places, quick, tsv, label);
	}
	for (int m = 0; m < 3; m++) {
		close(places[m].dir);
		free(places[m].buf);
	}
	return below ? 3 : 0;
}

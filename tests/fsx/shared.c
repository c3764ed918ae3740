/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two processes on one file. Each owns every second range of it: in the lower half ranges of 1000 bytes, so that nearly every
 * page belongs to both, in the upper half whole pages. Each writes its own ranges by pwrite(2), through a shared map and (whole pages)
 * with O_DIRECT, and reads them back in the same ways, while both have pages written back and dropped. At the end the whole file
 * is compared with what both wrote.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fsx.h"

enum { WRITERS = 2, SMALL = 1000 };

struct writer {
	unsigned int me;
	int fd, direct;
	size_t half, max;
	unsigned char *map, *model, *buf;
	uint64_t rng;
};

/* A random range that this writer owns; whole pages when `direct`. */
static void
choose(struct writer *w, bool direct, size_t *at, size_t *len)
{
	size_t unit = direct || random_next(&w->rng) % 2 ? PAGE : SMALL;
	size_t base = unit == PAGE ? w->half : 0;
	size_t ranges = w->half / unit / WRITERS;
	size_t first = base + (random_next(&w->rng) % ranges * WRITERS + w->me) * unit;

	*at = first;
	*len = unit;
	if (!direct) {
		*at += random_next(&w->rng) % unit;
		*len = random_next(&w->rng) % (first + unit - *at) + 1;
	}
}

static void
transfer(struct writer *w, int fd, size_t at, size_t len, bool out)
{
	ssize_t n = out ? pwrite(fd, w->model + at, len, (off_t)at) : pread(fd, w->buf, len, (off_t)at);

	if (n != (ssize_t)len)
		wrong("writer %u: %s of %zu at %zu: %s", w->me, out ? "write" : "read", len, at,
		    n < 0 ? strerror(errno) : "short");
	if (!out)
		compare("read", w->buf, w->model + at, at, len);
}

static void
shared_step(struct writer *w)
{
	unsigned int what = (unsigned int)(random_next(&w->rng) % 24);
	bool direct = w->direct >= 0 && what % 4 == 3;
	size_t at, len;

	choose(w, direct, &at, &len);
	if (what < 10) {
		pattern_fill(w->model + at, len, at, random_next(&w->rng) >> 32);
		if (direct) {
			memcpy(w->buf, w->model + at, len); /* aligned */
			if (pwrite(w->direct, w->buf, len, (off_t)at) != (ssize_t)len)
				wrong("writer %u: O_DIRECT write at %zu: %s", w->me, at, strerror(errno));
		} else if (what % 2) {
			memcpy(w->map + at, w->model + at, len);
		} else {
			transfer(w, w->fd, at, len, true);
		}
	} else if (what < 20) {
		if (what % 2 && !direct)
			compare("map", w->map + at, w->model + at, at, len);
		else
			transfer(w, direct ? w->direct : w->fd, at, len, false);
	} else if (what == 20) {
		if (msync(w->map + at / PAGE * PAGE, at % PAGE + len, MS_SYNC))
			wrong("writer %u: msync: %s", w->me, strerror(errno));
	} else if (what == 21) {
		if (fsync(w->fd))
			wrong("writer %u: fsync: %s", w->me, strerror(errno));
	} else {
		posix_fadvise(w->fd, (off_t)(at / PAGE * PAGE), PAGE, POSIX_FADV_DONTNEED);
	}
}

/* One writer's process. */
static void
write_and_check(const char *path, struct writer *w, bool direct, double seconds, uint64_t steps)
{
	double end = seconds_now() + seconds;

	w->fd = open(path, O_RDWR);
	if (direct)
		w->direct = open(path, O_RDWR | O_DIRECT);
	if (w->fd < 0 || (direct && w->direct < 0))
		wrong("open: %s", strerror(errno));
	w->map = mmap(NULL, w->max, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	if (w->map == MAP_FAILED)
		wrong("mmap: %s", strerror(errno));
	for (uint64_t i = 0; i < steps && (seconds <= 0 || seconds_now() < end); i++)
		shared_step(w);
	if (msync(w->map, w->max, MS_SYNC) || munmap(w->map, w->max) || close(w->fd) ||
	    (w->direct >= 0 && close(w->direct)))
		wrong("writer %u: at the end: %s", w->me, strerror(errno));
	_exit(0);
}

static void
check_whole(const char *path, const struct writer *w)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		wrong("open: %s", strerror(errno));
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	for (size_t at = 0; at < w->max; at += PAGE) {
		if (pread(fd, w->buf, PAGE, (off_t)at) != PAGE)
			wrong("read at %zu: %s", at, strerror(errno));
		compare("after all", w->buf, w->model + at, at, PAGE);
	}
	close(fd);
}

int
shared_run(const char *path, size_t max, bool direct, uint64_t seed, double seconds, uint64_t steps)
{
	struct writer w = { .direct = -1, .max = max / (2 * PAGE * WRITERS) * (2 * PAGE * WRITERS) };
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644), status, bad = 0;
	pid_t pids[WRITERS];

	w.half = w.max / 2;
	w.model =
	    mmap(NULL, w.max, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); /* each its own ranges */
	if (fd < 0 || ftruncate(fd, (off_t)w.max) || close(fd) || w.model == MAP_FAILED ||
	    posix_memalign((void **)&w.buf, PAGE, PAGE))
		wrong("cannot begin: %s", strerror(errno));
	for (w.me = 0; w.me < WRITERS; w.me++) {
		w.rng = seed * WRITERS + w.me;
		pids[w.me] = fork();
		if (pids[w.me] < 0)
			wrong("fork: %s", strerror(errno));
		if (pids[w.me] == 0)
			write_and_check(path, &w, direct, seconds, steps);
	}
	for (int left = WRITERS; left > 0; left--) {
		pid_t ended = wait(&status);

		bad |= status != 0;
		for (int i = 0; i < WRITERS; i++) {
			if (pids[i] == ended)
				pids[i] = 0;
			else if (bad && pids[i])
				kill(pids[i], SIGKILL); /* who is not wrong would go on */
		}
	}
	if (bad) {
		fprintf(
		    stderr, "fsx: again with --shared --seed %llu --max-size %zu\n", (unsigned long long)seed, w.max);
	} else {
		check_whole(path, &w);
		printf("fsx: %s: two processes on one file: %zu bytes as written\n", path, w.max);
		bad = unlink(path) != 0;
	}
	munmap(w.model, w.max);
	free(w.buf);
	return bad;
}

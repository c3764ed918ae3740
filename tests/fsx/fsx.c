/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An exerciser of file contents: fsx [options] FILE does random steps (read, write, truncate, maps, fallocate, copies, renames ...;
 * ops.c) on FILE, and keeps what it must contain in memory. After each step the size, and whatever the step read, is compared with
 * that. On the first difference it says where, what was expected and found, and the last steps, and exits 1. What the file
 * system says it does not support, at its first use, is not done again, and listed at the end.
 *
 * The same seed on the same file system does the same steps. --log writes them down, a line each, and --replay does them
 * again, also after lines were taken out by hand: a step that no longer fits is left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fsx.h"

enum { KEPT = 30, MAX_OPS = 64, UNWANTED = 255 };

static struct {
	uint64_t seed, steps, corrupt_after;
	double seconds;
	size_t max_size;
	unsigned int jobs;
	bool shared, corrupt_size;
	const char *log, *replay;
} opt = { .seed = 1, .corrupt_after = UINT64_MAX, .max_size = 256 << 10, .jobs = 1 };

static struct file file;
static struct step kept[KEPT]; /* the last steps, in a ring */
static uint64_t steps_done;
static uint64_t count[MAX_OPS];    /* of the steps done, by operation */
static unsigned char off[MAX_OPS]; /* operations that are not supported, by their errno; UNWANTED */
static FILE *log_file;

uint64_t
random_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15U; /* splitmix64 */

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
	x = (x ^ x >> 27) * 0x94d049bb133111ebU;
	return x ^ x >> 31;
}

void
pattern_fill(unsigned char *buf, size_t len, uint64_t at, uint64_t pattern)
{
	for (size_t i = 0; i < len; i++) {
		uint64_t x = (at + i + pattern * 0x10001) * 0x9e3779b97f4a7c15U;

		buf[i] = (unsigned char)(x >> 32 ^ x >> 56) | 1; /* never zero, which is what holes hold */
	}
}

static void
step_print(FILE *out, const struct step *s)
{
	fprintf(out, "%s %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", op_name(s->op), s->mode, s->at, s->len,
	    s->to, s->pattern);
}

static void
report(const char *text)
{
	uint64_t first = steps_done < KEPT ? 0 : steps_done - KEPT + 1;

	fprintf(stderr, "fsx: %s: %s\n", file.name[file.named], text);
	if (opt.shared)
		return;
	fprintf(stderr,
	    "fsx: size %zu; after %" PRIu64 " steps; the last (operation, mode, offset, length, to, pattern):\n",
	    file.size, steps_done);
	for (uint64_t i = first; i <= steps_done; i++) /* with the one being done */
		step_print(stderr, &kept[i % KEPT]);
	if (!opt.replay)
		fprintf(stderr, "fsx: again with --seed %" PRIu64 " --ops %" PRIu64 " --max-size %zu\n", opt.seed,
		    steps_done + 1, file.max);
	if (log_file)
		fclose(log_file);
}

void
wrong(const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	report(text);
	_exit(1); /* no maps or files to tidy: the state is what one wants to look at */
}

static void
hex(char *out, const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sprintf(out + 3 * i, " %02x", bytes[i]);
}

void
compare(const char *what, const unsigned char *got, const unsigned char *want, uint64_t at, size_t len)
{
	enum { SHOWN = 16 };
	char found[3 * SHOWN + 1] = "", expected[3 * SHOWN + 1] = "";
	size_t first = 0, last, differ = 0, shown;

	if (memcmp(got, want, len) == 0)
		return;
	while (got[first] == want[first])
		first++;
	for (size_t i = last = first; i < len; i++) {
		if (got[i] != want[i]) {
			last = i;
			differ++;
		}
	}
	shown = last - first < SHOWN ? last - first + 1 : SHOWN;
	hex(expected, want + first, shown);
	hex(found, got + first, shown);
	wrong("%s: %zu bytes differ, from offset %" PRIu64 " to %" PRIu64 "\n  expected%s\n  found   %s", what, differ,
	    at + first, at + last, expected, found);
}

static void
on_bus_error(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	wrong("SIGBUS at %p: a page of a map could not be read or written", info->si_addr);
}

/* What --corrupt-after is for: damage that every run must find, done through another descriptor. */
static void
corrupt(uint64_t *rng)
{
	unsigned char byte = 0;
	off_t at;
	int fd;

	if (!file.size)
		return;
	fd = open(file.name[file.named], O_RDWR);
	at = opt.corrupt_size ? (off_t)file.size : (off_t)(random_next(rng) % file.size);
	if (fd < 0 || (!opt.corrupt_size && pread(fd, &byte, 1, at) != 1))
		wrong("cannot corrupt: %s", strerror(errno));
	byte ^= 0x10;
	if (pwrite(fd, &byte, 1, at) != 1 || close(fd))
		wrong("cannot corrupt: %s", strerror(errno));
}

/* The operations of a list with commas are not done. */
static bool
leave_out(char *list)
{
	for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
		unsigned int op = op_find(name);

		if (op == ops_count())
			return false;
		off[op] = UNWANTED;
	}
	return true;
}

static bool
unsupported(int error)
{
	return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL || error == ENODEV || error == EXDEV;
}

static void
one_step(const struct step *s)
{
	int error;

	kept[steps_done % KEPT] = *s;
	if (log_file)
		step_print(log_file, s);
	error = step_do(&file, s);
	if (error > 0) {
		if (count[s->op] || !unsupported(error))
			wrong("%s: %s", op_name(s->op), strerror(error));
		off[s->op] = (unsigned char)error;
	} else if (error == 0) {
		count[s->op]++;
	}
	file_check_size(&file);
	steps_done++;
}

double
seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
run_random(void)
{
	double end = opt.seconds > 0 ? seconds_now() + opt.seconds : 0;
	uint64_t rng = opt.seed, damage = opt.seed + 1;

	while (steps_done < opt.steps && (end == 0 || seconds_now() < end)) {
		struct step s;

		if (steps_done >= opt.corrupt_after)
			corrupt(&damage);
		step_choose(&file, off, &rng, &s);
		one_step(&s);
	}
}

static void
run_replay(void)
{
	FILE *in = strcmp(opt.replay, "-") == 0 ? stdin : fopen(opt.replay, "r");
	char line[256], name[16];
	struct step s;

	if (!in) {
		perror(opt.replay);
		exit(64);
	}
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "%15s %u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, name, &s.mode, &s.at, &s.len,
			&s.to, &s.pattern) != 6)
			continue;
		s.op = op_find(name);
		if (s.op < ops_count() && s.at <= file.max && s.len <= file.max && s.to <= file.max)
			one_step(&s);
	}
	if (in != stdin)
		fclose(in);
}

static void
summary(void)
{
	printf("fsx: %s: %" PRIu64 " steps:", file.name[0], steps_done);
	for (unsigned int i = 0; i < ops_count(); i++) {
		if (count[i])
			printf(" %s %" PRIu64, op_name(i), count[i]);
	}
	printf("\n");
	for (unsigned int i = 0; i < ops_count(); i++) {
		if (off[i] && off[i] != UNWANTED)
			printf("fsx: not supported here: %s (%s)\n", op_name(i), strerror(off[i]));
	}
	fflush(stdout);
}

/* All of a run on one file. `suffix` keeps the files of several jobs apart. */
static int
run_one(const char *path, const char *suffix)
{
	struct sigaction action = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
	snprintf(file.name[0], sizeof(file.name[0]), "%s%s", path, suffix);
	snprintf(file.name[1], sizeof(file.name[1]), "%s%s.renamed", path, suffix);
	file.max = (opt.max_size + PAGE - 1) / PAGE * PAGE;
	file.model = calloc(1, file.max);
	if (!file.model || posix_memalign((void **)&file.buf, PAGE, file.max + PAGE)) {
		perror("fsx");
		return 64;
	}
	if (opt.log && !(log_file = fopen(opt.log, "w"))) {
		perror(opt.log);
		return 64;
	}
	unlink(file.name[1]);
	file_open(&file, true);
	if (opt.replay)
		run_replay();
	else
		run_random();
	file_check_all(&file);
	file_close(&file);
	if (unlink(file.name[file.named]))
		wrong("unlink: %s", strerror(errno));
	if (log_file)
		fclose(log_file);
	summary();
	free(file.model);
	free(file.buf);
	return 0;
}

static int
run_jobs(const char *path)
{
	int status, bad = 0;

	for (unsigned int i = 0; i < opt.jobs; i++) {
		pid_t pid = fork();
		char suffix[16];

		if (pid < 0) {
			perror("fork");
			return 64;
		}
		if (pid)
			continue;
		snprintf(suffix, sizeof(suffix), ".%u", i);
		opt.seed += i;
		_exit(run_one(path, suffix));
	}
	while (wait(&status) > 0)
		bad |= status != 0;
	return bad;
}

static int
run_shared(const char *path)
{
	snprintf(file.name[0], sizeof(file.name[0]), "%s", path);
	return shared_run(path, opt.max_size, !off[op_find("dwrite")], opt.seed, opt.seconds, opt.steps);
}

static int
usage(void)
{
	fprintf(stderr,
	    "usage: fsx [--seed N] [--seconds N | --ops N] [--max-size BYTES] [--jobs N | --shared]\n"
	    "           [--without OPERATION,...] [--log FILE] [--replay FILE]\n"
	    "           [--corrupt-after STEPS [--corrupt-size]] FILE\n"
	    "  --jobs N           N processes at once, each with a file of its own (FILE.0 ...) and a seed of its own\n"
	    "  --shared           two processes share FILE, each with ranges of its own\n"
	    "  --log, --replay    write down the steps; do those that were written down\n"
	    "  --corrupt-after N  before each step from the Nth on change a byte (or the size) behind our own back\n");
	return 64;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = { { "seed", 1, NULL, 's' }, { "seconds", 1, NULL, 't' },
		{ "ops", 1, NULL, 'n' }, { "max-size", 1, NULL, 'm' }, { "jobs", 1, NULL, 'j' },
		{ "shared", 0, NULL, 'S' }, { "log", 1, NULL, 'l' }, { "replay", 1, NULL, 'r' },
		{ "corrupt-after", 1, NULL, 'c' }, { "corrupt-size", 0, NULL, 'C' }, { "without", 1, NULL, 'w' },
		{ 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			opt.seed = strtoull(optarg, NULL, 10);
			break;
		case 't':
			opt.seconds = strtod(optarg, NULL);
			break;
		case 'n':
			opt.steps = strtoull(optarg, NULL, 10);
			break;
		case 'm':
			opt.max_size = strtoull(optarg, NULL, 10);
			break;
		case 'j':
			opt.jobs = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'S':
			opt.shared = true;
			break;
		case 'l':
			opt.log = optarg;
			break;
		case 'r':
			opt.replay = optarg;
			break;
		case 'c':
			opt.corrupt_after = strtoull(optarg, NULL, 10);
			break;
		case 'C':
			opt.corrupt_size = true;
			break;
		case 'w':
			if (leave_out(optarg))
				break;
			return usage();
		default:
			return usage();
		}
	}
	if (argc - optind != 1 || opt.max_size < 4 * PAGE || opt.max_size > 1 << 30 || opt.jobs < 1 ||
	    ops_count() > MAX_OPS || strlen(argv[optind]) > 4000)
		return usage();
	if (!opt.steps)
		opt.steps = opt.seconds > 0 ? UINT64_MAX : 10000;
	if (opt.shared)
		return run_shared(argv[optind]);
	return opt.jobs > 1 ? run_jobs(argv[optind]) : run_one(argv[optind], "");
}

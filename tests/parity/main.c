/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parity: does a daemon behave in the same way behind perfuse as behind the kernel alone? Runs random sequences of calls on
 * equal mounts and compares call by call; run.sh calls it, with the commands that mount. A difference is run again, some times, with
 * a second native mount beside it: what two native mounts do not agree on is printed and counted, but not held against perfuse. Any
 * other is made as short as possible, printed, and saved for --replay. (--native: both sides are native; what a daemon does not do
 * twice in the same way shows then. --unsteady: for a daemon of which that is known: only what differs each time is a difference.)
 *
 *     parity --up CMD --down CMD [--daemon NAME] [--known FILE] [--work DIR] [--calls N] [--batch N] [--seed N] [--aa] [--native]
 *            [--unsteady] [--mask WORD,...] [--without CALL,...] [--shrink SECONDS] [--findings N] [--save DIR] [--replay FILE] [--print]
 *
 * The status is 0 when nothing differed, 1 when something did, 2 when it could not be tried.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "parity.h"

static struct {
	struct config config;
	const char *daemon, *known, *save, *replay;
	uint64_t calls, batch, seed;
	unsigned shrink, findings;
	bool aa, native, unsteady, print;
	bool *without;
} opt = {
	.config = { .work = ".", .patience = 40 },
	.daemon = "-",
	.calls = 20000,
	.batch = 4000,
	.seed = 1,
	.shrink = 90,
	.findings = 1,
};

static struct side sides[SIDES];
static struct known *known;
static unsigned found, native_differs, gone;

/* What was found already, so that the same is shrunk once: the call, and how both ended. */
static char *seen[64];
static unsigned n_seen;

/* Is there one like this one? It is remembered if not. (When there is no room, all are alike.) */
static bool
seen_before(const struct sequence *sequence, const struct difference *d)
{
	char *text = NULL;

	if (d->kind == DIFF_CALL || d->kind == DIFF_MOVED) {
		const struct result *a = &sides[0].shared->result[d->at], *b = &sides[1].shared->result[d->at];
		if (asprintf(&text, "%s %d %d %d", ops[sequence->call[d->at].op].name, a->err, b->err,
			a->ret < 0 || b->ret < 0 ? 0 : a->ret != b->ret) < 0)
			return true;
	} else {
		text = strdup(d->kind == DIFF_HUNG ? "hung" : d->kind == DIFF_MOUNT ? "mount" : "backing");
	}
	for (unsigned i = 0; text != NULL && i < n_seen; i++) {
		if (strcmp(seen[i], text) == 0) {
			free(text);
			return true;
		}
	}
	if (text == NULL || n_seen == sizeof(seen) / sizeof(seen[0])) {
		free(text);
		return true;
	}
	seen[n_seen++] = text;
	return false;
}

static void
save(const struct sequence *sequence, uint64_t seed)
{
	char path[512];
	FILE *to;

	if (opt.save == NULL)
		return;
	snprintf(path, sizeof(path), "%s/%s-%" PRIu64 ".calls", opt.save, opt.daemon, seed);
	to = fopen(path, "w");
	if (to == NULL) {
		perror(path);
		return;
	}
	for (size_t i = 0; i < sequence->n; i++) {
		call_print(to, &sequence->call[i]);
		fputc('\n', to);
	}
	fclose(to);
	printf("  saved: %s\n", path);
}

static void
print_sequence(const struct sequence *sequence, bool results)
{
	for (size_t i = 0; i < sequence->n; i++) {
		printf("    ");
		call_print(stdout, &sequence->call[i]);
		if (results) {
			printf("  = ");
			result_print(stdout, &sides[0].shared->result[i]);
		}
		putchar('\n');
	}
}

static bool
is_like(const struct difference *d, const struct difference *other)
{
	return d->kind == other->kind && d->at == other->at;
}

/* Do two native mounts (sides 0 and 2) never differ where these sides did? A few times are enough where perfuse differs in all of them
 * (WANTED); what depends on time needs more. */
static bool
native_agrees(const struct sequence *sequence, const struct difference *wanted)
{
	bool steady = true;

	for (int i = 0; i < (steady ? 3 : 12); i++) {
		struct difference d;
		if (sides_run(sides, 3, sequence) != 0)
			return true;
		d = compare(&sides[0], &sides[2], sequence, NULL);
		if (is_like(&d, wanted)) {
			printf("  two native mounts differ as well:\n");
			difference_print(stdout, &d, &sides[0], &sides[2], sequence);
			free(d.text);
			return false;
		}
		free(d.text);
		d = compare(&sides[0], &sides[1], sequence, known);
		free(d.text);
		steady = steady && is_like(&d, wanted);
	}
	return true;
}

/* Does the sequence differ in the same place again, each time? */
static bool
comes_again(const struct sequence *sequence, const struct difference *wanted)
{
	for (int i = 0; i < 6; i++) {
		struct difference d;
		if (sides_run(sides, 2, sequence) != 0)
			return true;
		d = compare(&sides[0], &sides[1], sequence, known);
		free(d.text);
		if (!is_like(&d, wanted))
			return false;
	}
	return true;
}

/* Where times moved on one side only: did one of them so each time? Two changes within a tick of the clock do it once in a while. */
static bool
moves_apart(const struct sequence *sequence)
{
	bool *apart = malloc(sequence->n), any = apart != NULL;

	if (any)
		memset(apart, 1, sequence->n);
	for (int times = 0; any; times++) {
		struct result *a = sides[0].shared->result, *b = sides[1].shared->result;
		any = false;
		for (size_t i = 0; i < sequence->n; i++) {
			apart[i] = apart[i] && same(&a[i], &b[i]) && !moved_alike(&a[i], &b[i]);
			any = any || apart[i];
		}
		if (times == 7 || (any && sides_run(sides, 2, sequence) != 0))
			break;
	}
	free(apart);
	return any;
}

static void
report(const struct sequence *sequence, uint64_t seed)
{
	struct difference d = compare(&sides[0], &sides[1], sequence, known);
	struct sequence shortest = { .n = 0 };
	bool is_new;

	printf("%s: difference with --seed %" PRIu64 " --calls %zu\n", opt.daemon, seed, sequence->n);
	difference_print(stdout, &d, &sides[0], &sides[1], sequence);
	free(d.text);
	fflush(stdout);
	if (opt.native) {
		found++;
		return;
	}
	if (opt.unsteady && d.kind != DIFF_HUNG && !comes_again(sequence, &d)) {
		gone++;
		printf("  not again with the same calls\n");
		return;
	}
	is_new = !seen_before(sequence, &d);
	if (!native_agrees(sequence, &d)) {
		native_differs++;
		return;
	}
	found++;
	if (!is_new) {
		printf("  like one before\n");
		return;
	}
	d = compare(&sides[0], &sides[1], sequence, known);
	free(d.text);
	if (d.kind == DIFF_NONE) {
		printf("  not again with the same calls: it depends on time\n");
		save(sequence, seed);
		return;
	}
	if (opt.shrink == 0 || shrink(sides, sequence, known, opt.shrink, &shortest) != 0)
		return;
	printf("  with %zu calls:\n", shortest.n);
	print_sequence(&shortest, true);
	d = compare(&sides[0], &sides[1], &shortest, known);
	difference_print(stdout, &d, &sides[0], &sides[1], &shortest);
	free(d.text);
	save(&shortest, seed);
	free(shortest.call);
}

/* One sequence; reports what differs. */
static int
try(const struct sequence *sequence, uint64_t seed)
{
	unsigned n = opt.aa ? 3 : 2;
	struct difference d;
	int error = sides_run(sides, n, sequence);

	if (error != 0)
		return error;
	if (opt.print)
		print_sequence(sequence, true);
	if (opt.aa) {
		d = compare(&sides[0], &sides[2], sequence, NULL);
		if (d.kind != DIFF_NONE && d.kind != DIFF_MOVED) {
			printf("%s: two native mounts differ with --seed %" PRIu64 "\n", opt.daemon, seed);
			difference_print(stdout, &d, &sides[0], &sides[2], sequence);
			free(d.text);
			native_differs++;
			return 0;
		}
	}
	d = compare(&sides[0], &sides[1], sequence, known);
	free(d.text);
	if (d.kind == DIFF_MOVED ? moves_apart(sequence) : d.kind != DIFF_NONE)
		report(sequence, seed);
	fflush(stdout);
	return 0;
}

static int
replay(void)
{
	struct sequence sequence = { .n = 0 };
	FILE *from = fopen(opt.replay, "r");
	char *line = NULL;
	size_t room = 0, places = 0;
	int error;

	if (from == NULL) {
		perror(opt.replay);
		return ENOENT;
	}
	while (getline(&line, &room, from) >= 0) {
		const char *wrong;
		if (*line == '#' || *line == '\n')
			continue;
		if (sequence.n == places) {
			places = places * 2 + 64;
			sequence.call = realloc(sequence.call, places * sizeof(struct call));
			if (sequence.call == NULL)
				return ENOMEM;
		}
		wrong = call_parse(line + strspn(line, " \t"), &sequence.call[sequence.n]);
		sequence.n++;
		if (wrong != NULL) {
			fprintf(stderr, "%s: call %zu: %s\n", opt.replay, sequence.n, wrong);
			return EINVAL;
		}
	}
	free(line);
	fclose(from);
	error = sequence.n == 0 ? 0 : try(&sequence, 0);
	printf("%s: %zu calls, %u differences\n", opt.daemon, sequence.n, found);
	sequence_free(&sequence);
	return error;
}

static int
run(void)
{
	struct timespec start, end;
	uint64_t done = 0;
	double seconds;
	char guide[300];

	snprintf(guide, sizeof(guide), "%s/guide", opt.config.work);
	if (mkdir(guide, 0755) < 0 && errno != EEXIST)
		return errno;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint64_t seed = opt.seed; done < opt.calls && found < opt.findings; seed++) {
		uint64_t n = opt.calls - done < opt.batch ? opt.calls - done : opt.batch;
		struct sequence sequence = generate(guide, seed, n, opt.without);
		int error = sequence.call == NULL ? EIO : try(&sequence, seed);
		sequence_free(&sequence);
		if (error != 0)
			return error;
		done += n;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	printf(
	    "%s: %" PRIu64
	    " calls in %.1f s, %u differences, %lu allowed; not counted: native differed from itself in %u sequences%s",
	    opt.daemon, done, seconds, found, known_hits(known), native_differs, opt.unsteady ? "" : "\n");
	if (opt.unsteady)
		printf(", differences that did not come again in %u\n", gone);
	return 0;
}

/* ---- options ---- */

static bool
parse_mask(char *words)
{
	static const struct flag masks[] = { { "blocks", MASK_BLOCKS }, { "ino", MASK_INO }, { "times", MASK_TIMES },
		{ "atime", MASK_ATIME }, { "order", MASK_ORDER }, { "dirsize", MASK_DIRSIZE },
		{ "cached", MASK_CACHED }, { NULL, 0 } };

	for (char *word = strtok(words, ","); word != NULL; word = strtok(NULL, ",")) {
		const struct flag *mask = masks;
		while (mask->name != NULL && strcmp(mask->name, word) != 0)
			mask++;
		if (mask->name == NULL) {
			fprintf(stderr, "parity: --mask %s: no such word\n", word);
			return false;
		}
		opt.config.mask |= (unsigned)mask->value;
	}
	return true;
}

static bool
parse_without(char *words)
{
	for (char *word = strtok(words, ","); word != NULL; word = strtok(NULL, ",")) {
		unsigned op = op_find(word, strlen(word));
		if (op == n_ops) {
			fprintf(stderr, "parity: --without %s: no such call\n", word);
			return false;
		}
		opt.without[op] = true;
	}
	return true;
}

static bool
parse_options(int argc, char **argv)
{
	static const struct option options[] = { { "up", 1, 0, 'u' }, { "down", 1, 0, 'd' }, { "daemon", 1, 0, 'D' },
		{ "known", 1, 0, 'k' }, { "work", 1, 0, 'w' }, { "calls", 1, 0, 'n' }, { "batch", 1, 0, 'b' },
		{ "seed", 1, 0, 's' }, { "aa", 0, 0, 'a' }, { "native", 0, 0, 'N' }, { "unsteady", 0, 0, 'U' },
		{ "mask", 1, 0, 'm' }, { "without", 1, 0, 'x' }, { "shrink", 1, 0, 'S' }, { "findings", 1, 0, 'f' },
		{ "save", 1, 0, 'o' }, { "replay", 1, 0, 'r' }, { "print", 0, 0, 'p' }, { 0 } };
	int letter;

	while ((letter = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (letter) {
		case 'u':
			opt.config.up = optarg;
			break;
		case 'd':
			opt.config.down = optarg;
			break;
		case 'D':
			opt.daemon = optarg;
			break;
		case 'k':
			opt.known = optarg;
			break;
		case 'w':
			opt.config.work = optarg;
			break;
		case 'n':
			opt.calls = strtoull(optarg, NULL, 10);
			break;
		case 'b':
			opt.batch = strtoull(optarg, NULL, 10);
			break;
		case 's':
			opt.seed = strtoull(optarg, NULL, 10);
			break;
		case 'a':
			opt.aa = true;
			break;
		case 'U':
			opt.unsteady = true;
			break;
		case 'N':
			opt.native = true;
			break;
		case 'S':
			opt.shrink = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			opt.findings = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'o':
			opt.save = optarg;
			break;
		case 'r':
			opt.replay = optarg;
			break;
		case 'p':
			opt.print = true;
			break;
		case 'm':
			if (!parse_mask(optarg))
				return false;
			break;
		case 'x':
			if (!parse_without(optarg))
				return false;
			break;
		default:
			return false;
		}
	}
	return optind == argc && opt.config.up != NULL && opt.config.down != NULL && opt.batch > 0;
}

int
main(int argc, char **argv)
{
	static const char *const via[SIDES] = { "native", "perfuse", "native" };
	int error = 0;

	opt.without = calloc(n_ops, sizeof(bool));
	if (opt.without == NULL || !parse_options(argc, argv)) {
		fprintf(stderr, "usage: see the head of tests/parity/main.c, or call tests/parity/run.sh\n");
		return 2;
	}
	known = known_read(opt.known != NULL ? opt.known : "/dev/null", opt.daemon);
	if (known == NULL)
		return 2;
	for (unsigned i = 0; i < SIDES && error == 0; i++)
		error = side_init(&sides[i], &opt.config, i, opt.native ? "native" : via[i]);
	if (error == 0)
		error = opt.replay != NULL ? replay() : run();
	for (unsigned i = 0; i < SIDES; i++)
		side_free(&sides[i]);
	known_free(known);
	if (error != 0)
		fprintf(stderr, "parity: %s\n", strerror(error));
	return error != 0 ? 2 : found > 0 ? 1 : 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Differences: finding the first one of two sides, leaving out those that tests/parity/known.txt allows, and removing calls from
 * a sequence as long as it still shows the same difference (delta debugging: halves, quarters, ... single calls).
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include "parity.h"

/* A line of known.txt: patterns of fnmatch(3). */
struct known {
	struct known *next;
	char *line; /* the others point into it */
	char *call, *result[2];
	unsigned long hits;
};

/* ---- what is allowed ---- */

/* DAEMON : CALL : NATIVE : PERFUSE : reason. Returns the daemon, or NULL. */
static char *
take_apart(struct known *known)
{
	char *at = known->line, *part[5];

	for (unsigned i = 0; i < 5; i++) {
		char *end = i < 4 ? strstr(at, " : ") : at + strcspn(at, "\n");
		if (end == NULL)
			return NULL;
		part[i] = at;
		at = i < 4 ? end + 3 : end;
		*end = '\0';
	}
	known->call = part[1];
	known->result[0] = part[2];
	known->result[1] = part[3];
	return *part[4] == '\0' ? NULL : part[0];
}

struct known *
known_read(const char *file, const char *daemon)
{
	struct known *list = calloc(1, sizeof(*list)); /* its first is empty */
	FILE *from = fopen(file, "r");
	char *line = NULL;
	size_t room = 0;
	unsigned number = 0;

	if (from == NULL || list == NULL) {
		perror(file);
		free(list);
		return NULL;
	}
	while (getline(&line, &room, from) >= 0) {
		struct known *known;
		const char *name;
		number++;
		if (*line == '#' || *line == '\n')
			continue;
		known = calloc(1, sizeof(*known));
		if (known != NULL)
			known->line = strdup(line);
		name = known != NULL && known->line != NULL ? take_apart(known) : NULL;
		if (name == NULL) {
			fprintf(stderr, "%s:%u: not \"DAEMON : CALL : NATIVE : PERFUSE : reason\"\n", file, number);
			exit(2);
		}
		if (fnmatch(name, daemon, 0) == 0) {
			known->next = list->next;
			list->next = known;
		} else {
			free(known->line);
			free(known);
		}
	}
	free(line);
	fclose(from);
	return list;
}

void
known_free(struct known *known)
{
	while (known != NULL) {
		struct known *next = known->next;
		free(known->line);
		free(known);
		known = next;
	}
}

unsigned long
known_hits(const struct known *known)
{
	unsigned long sum = 0;

	for (; known != NULL; known = known->next)
		sum += known->hits;
	return sum;
}

static char *
text_of(const struct call *call, const struct result *result)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (to == NULL)
		return NULL;
	if (call != NULL)
		call_print(to, call);
	else
		result_print(to, result);
	fclose(to);
	return text;
}

static bool
is_known(struct known *known, const struct call *call, const struct result *a, const struct result *b)
{
	char *text[3] = { text_of(call, NULL), text_of(NULL, a), text_of(NULL, b) };
	bool found = false;

	for (; known != NULL && !found; known = known->next) {
		if (known->call == NULL || text[0] == NULL || text[1] == NULL || text[2] == NULL)
			continue;
		found = fnmatch(known->call, text[0], FNM_NOESCAPE) == 0 &&
			fnmatch(known->result[0], text[1], FNM_NOESCAPE) == 0 &&
			fnmatch(known->result[1], text[2], FNM_NOESCAPE) == 0;
		known->hits += found ? 1 : 0;
	}
	for (unsigned i = 0; i < 3; i++)
		free(text[i]);
	return found;
}

/* ---- what differs ---- */

/* The first line in which two texts differ, as "-A\n+B". */
static char *
different_line(const char *a, const char *b)
{
	char *text = NULL;

	while (*a != '\0' && *b != '\0') {
		size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
		if (n != m || memcmp(a, b, n) != 0)
			break;
		a += n + (a[n] != '\0');
		b += m + (b[m] != '\0');
	}
	if (asprintf(&text, "-%.*s\n+%.*s", (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b) < 0)
		return NULL;
	return text;
}

struct difference
compare(const struct side *a, const struct side *b, const struct sequence *sequence, struct known *known)
{
	struct difference d = { .kind = DIFF_NONE };

	for (size_t i = 0; i < sequence->n; i++) {
		const struct result *left = &a->shared->result[i], *right = &b->shared->result[i];
		if ((left->done && same(left, right)) ||
		    (left->done && right->done && is_known(known, &sequence->call[i], left, right)))
			continue;
		d.at = i;
		d.kind = left->done && right->done ? DIFF_CALL : DIFF_HUNG;
		return d;
	}
	for (unsigned i = 0; i < 2; i++) {
		const char *left = a->tree[i] != NULL ? a->tree[i] : "none",
			   *right = b->tree[i] != NULL ? b->tree[i] : "none";
		if (strcmp(left, right) == 0)
			continue;
		d.kind = i == 0 ? DIFF_MOUNT : DIFF_BACKING;
		d.at = sequence->n;
		d.text = different_line(left, right);
		return d;
	}
	if (a->hung || b->hung) {
		d.kind = DIFF_HUNG;
		d.at = sequence->n;
		return d;
	}
	for (size_t i = 0; i < sequence->n; i++) {
		if (moved_alike(&a->shared->result[i], &b->shared->result[i]))
			continue;
		d.kind = DIFF_MOVED;
		d.at = i;
		return d;
	}
	return d;
}

void
difference_print(
    FILE *to, const struct difference *d, const struct side *a, const struct side *b, const struct sequence *sequence)
{
	switch (d->kind) {
	case DIFF_CALL:
	case DIFF_MOVED:
	case DIFF_HUNG:
		if (d->at >= sequence->n)
			break;
		fprintf(to, "  call %zu: ", d->at);
		call_print(to, &sequence->call[d->at]);
		fprintf(to, "\n  -%s: ", a->via);
		result_print(to, &a->shared->result[d->at]);
		fprintf(to, "\n  +%s: ", b->via);
		result_print(to, &b->shared->result[d->at]);
		fputc('\n', to);
		return;
	case DIFF_MOUNT:
	case DIFF_BACKING:
		fprintf(to, "  in the tree %s:\n%s\n", d->kind == DIFF_MOUNT ? "as mounted" : "behind the mount",
		    d->text != NULL ? d->text : "?");
		return;
	case DIFF_NONE:
		fprintf(to, "  no difference this time\n");
		return;
	}
	fprintf(to, "  hung at its end\n");
}

/* ---- the shortest sequence ---- */

static bool
in_call(const struct difference *d)
{
	return d->kind == DIFF_CALL || d->kind == DIFF_MOVED;
}

/* Does it still differ in the same way? Then it ends with the call that differs. */
static bool
still(struct side *sides, struct sequence *trial, struct known *known, const struct difference *wanted, unsigned op)
{
	struct difference d;
	bool is;

	if (trial->n == 0 || sides_run(sides, 2, trial) != 0)
		return false;
	d = compare(&sides[0], &sides[1], trial, known);
	free(d.text);
	is = d.kind == wanted->kind && (!in_call(&d) || trial->call[d.at].op == op);
	if (is && in_call(&d))
		trial->n = d.at + 1;
	return is;
}

int
shrink(struct side *sides, const struct sequence *whole, struct known *known, unsigned seconds, struct sequence *best)
{
	struct difference wanted = compare(&sides[0], &sides[1], whole, known);
	struct sequence trial = { .call = calloc(whole->n, sizeof(struct call)) };
	unsigned op = in_call(&wanted) ? whole->call[wanted.at].op : 0;
	time_t until = time(NULL) + seconds;

	free(wanted.text);
	best->n = in_call(&wanted) ? wanted.at + 1 : whole->n;
	best->call = calloc(whole->n, sizeof(struct call));
	if (trial.call == NULL || best->call == NULL) {
		free(trial.call);
		free(best->call);
		return ENOMEM;
	}
	memcpy(best->call, whole->call, best->n * sizeof(struct call));
	for (size_t chunk = best->n / 2; chunk > 0; chunk = chunk == 1 ? 0 : (chunk + 1) / 2) {
		/* From the end, so that what a call needs is still there when it is tried. */
		for (size_t end = best->n; end > 0 && time(NULL) < until;) {
			size_t from = end > chunk ? end - chunk : 0;
			memcpy(trial.call, best->call, from * sizeof(struct call));
			memcpy(trial.call + from, best->call + end, (best->n - end) * sizeof(struct call));
			trial.n = best->n - (end - from);
			if (still(sides, &trial, known, &wanted, op)) {
				memcpy(best->call, trial.call, trial.n * sizeof(struct call));
				best->n = trial.n;
			}
			end = from < best->n ? from : best->n;
		}
	}
	free(trial.call);
	return sides_run(sides, 2, best); /* its results are what is shown */
}

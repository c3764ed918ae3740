/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perfuse list: the mounts that are served by engines which the caller may reach, as a table or as JSON. No file system
 * is touched: the engines are asked, so that one whose daemon hangs is listed like any other.
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "client/engines.h"
#include "ctl/status.h"

static const char help[] = "Usage: perfuse list [--json]\n"
			   "\n"
			   "List the mounts that perfuse serves.\n"
			   "\n"
			   "  --json      one JSON array of objects instead of a table\n"
			   "  -h, --help  this help\n";

enum { COLUMNS = 6 };

struct row {
	char *cell[COLUMNS];
	size_t width[COLUMNS];
};

struct table {
	struct row *rows;
	size_t n, cap;
	json_t *json; /* instead of rows, or NULL */
	bool failed;
};

/* A JSON string; bytes that are not UTF-8 stand escaped. */
static json_t *
json_text(const char *s)
{
	json_t *j = json_string(s);
	size_t width;
	char *e;

	if (j)
		return j;
	e = text_escape(s, &width);
	j = e ? json_string(e) : NULL;
	free(e);
	return j;
}

static bool
add_json(struct table *t, const struct status *st)
{
	json_t *o;

	o = json_pack("{s:o, s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "mountpoint",
	    json_text(st->mountpoint), "source", json_text(st->source), "fstype", json_text(st->fstype), "state",
	    st->state, "why", st->why, "engine_pid", (json_int_t)st->engine_pid, "daemon_pid",
	    (json_int_t)st->daemon_pid, "uid", (json_int_t)st->uid, "since", (json_int_t)st->since, "nodes",
	    (json_int_t)st->nodes, "files", (json_int_t)st->files, "waiting", (json_int_t)st->waiting);
	return o && json_array_append_new(t->json, o) == 0;
}

static bool
add_row(struct table *t, const struct status *st)
{
	char pid[32], uid[32];
	const char *text[COLUMNS] = { st->mountpoint, st->fstype, st->source, st->state, pid, uid };
	struct row *r;

	(void)snprintf(pid, sizeof(pid), "%" PRId64, st->engine_pid);
	(void)snprintf(uid, sizeof(uid), "%" PRId64, st->uid);
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 16;
		struct row *rows = realloc(t->rows, cap * sizeof(*rows));

		if (!rows)
			return false;
		t->rows = rows;
		t->cap = cap;
	}
	r = &t->rows[t->n++];
	memset(r, 0, sizeof(*r));
	for (int i = 0; i < COLUMNS; i++) {
		r->cell[i] = text_escape(text[i][0] != '\0' ? text[i] : "-", &r->width[i]);
		if (!r->cell[i])
			return false;
	}
	return true;
}

static bool
add(int sock, const struct status *st, void *arg)
{
	struct table *t = arg;

	t->failed = !(t->json ? add_json(t, st) : add_row(t, st));
	return !t->failed;
}

static int
by_mountpoint(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return strcmp(x->cell[0], y->cell[0]);
}

static void
print_table(struct table *t)
{
	static const char *const titles[COLUMNS] = { "MOUNTPOINT", "TYPE", "SOURCE", "STATE", "ENGINE-PID", "UID" };
	size_t width[COLUMNS];

	if (t->n == 0)
		return;
	qsort(t->rows, t->n, sizeof(*t->rows), by_mountpoint);
	for (int i = 0; i < COLUMNS; i++) {
		width[i] = strlen(titles[i]);
		for (size_t k = 0; k < t->n; k++)
			width[i] = t->rows[k].width[i] > width[i] ? t->rows[k].width[i] : width[i];
	}
	for (int i = 0; i < COLUMNS; i++)
		(void)printf("%-*s%s", i + 1 < COLUMNS ? (int)width[i] : 0, titles[i], i + 1 < COLUMNS ? "  " : "\n");
	for (size_t k = 0; k < t->n; k++) {
		for (int i = 0; i < COLUMNS; i++) {
			int pad = i + 1 < COLUMNS ? (int)(width[i] - t->rows[k].width[i]) + 2 : 0;

			(void)printf("%s%*s", t->rows[k].cell[i], pad, "");
		}
		(void)printf("\n");
	}
}

int
cli_list(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct table t = { 0 };
	bool json = false;
	int c, status = 0;

	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'h':
			(void)fputs(help, stdout);
			return 0;
		default:
			return cli_usage("list", "list: unknown option %s", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return cli_usage("list", "list takes no argument");
	t.json = json ? json_array() : NULL;
	if (json && !t.json)
		return cli_fail(EX_OSERR, "out of memory");
	engines_each(add, &t);
	if (t.failed)
		status = cli_fail(EX_OSERR, "out of memory");
	else if (json) {
		(void)json_dumpf(t.json, stdout, JSON_INDENT(2));
		(void)printf("\n");
	} else
		print_table(&t);
	json_decref(t.json);
	for (size_t k = 0; k < t.n; k++) {
		for (int i = 0; i < COLUMNS; i++)
			free(t.rows[k].cell[i]);
	}
	free(t.rows);
	if (fflush(stdout) != 0)
		status = cli_fail(EX_IOERR, "cannot write to standard output");
	return status;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the helpers of the integration tests (programs WHAT DIR): MUST() ends the program with status 1 and says which condition
 * of which function did not hold; main() of each is run_case() on its table.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "%s:%d: %s (errno: %s)\n", __func__, __LINE__, #cond, strerror(errno));        \
			_exit(1); /* children too */                                                                   \
		}                                                                                                      \
	} while (0)

struct test_case {
	const char *name;
	void (*run)(void);
};

/* Runs the case argv[1] in the folder argv[2]; "list" prints the names. `cases` ends with a NULL name. */
static inline int
run_case(const struct test_case *cases, int argc, char **argv)
{
	umask(022);
	for (const struct test_case *c = cases; c->name; c++) {
		if (argc == 2 && strcmp(argv[1], "list") == 0) {
			puts(c->name);
		} else if (argc == 3 && strcmp(argv[1], c->name) == 0) {
			MUST(chdir(argv[2]) == 0);
			c->run();
			return 0;
		}
	}
	if (argc == 2)
		return 0;
	fprintf(stderr, "usage: %s WHAT DIR | list\n", argv[0]);
	return 64;
}

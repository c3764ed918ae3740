/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perfuse(1): its subcommands and what they share. Each takes its own argc and argv (argv[0] is its name) and returns
 * the exit status; errors are one line on stderr, "perfuse: ...".
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct status;

int cli_mount(int argc, char **argv);
int cli_umount(int argc, char **argv);
int cli_list(int argc, char **argv);

/* Say "perfuse: " and the line on stderr, control characters replaced, and return status. */
int cli_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A wrong option or argument: point to the subcommand's --help. Returns EX_USAGE. */
int cli_usage(const char *subcommand, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * text with everything that could break a line or a column (white space, control characters, backslashes, what is not
 * printable in the user's locale) as a backslash and three octal digits. Newly allocated; NULL: no memory. *width:
 * columns.
 */
char *text_escape(const char *text, size_t *width);

/*
 * Call fn for each engine whose control socket can be reached, with a connection (borrowed) on which its status has
 * just been asked. Stops when fn returns false. Sockets that nobody serves any more are removed where they are ours.
 */
typedef bool engine_fn(int sock, const struct status *st, void *arg);
void engines_each(engine_fn *fn, void *arg);
/* Send a request (text of ctl/status.h) and wait for the answer: 0 with it in buf, or errno. */
int engines_ask(int sock, const char *request, char *buf, size_t room, size_t *len, int timeout_ms);

#endif

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

struct spawn;
/*
 * perfuse mount --private: start the daemon in namespaces of our own and run the command (NULL-terminated; empty: a shell) with its files.
 * say: what -v says, or NULL. The exit status: the command's, or why there was none.
 */
int private_run(const struct spawn *sp, char *const *command, void (*say)(const char *));

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

#endif

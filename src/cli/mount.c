/* SPDX-License-Identifier: BSD-2-Clause */
/* perfuse mount: start an unmodified daemon and put its files where the daemon was told to mount them. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "client/spawn.h"
#include "client/ways.h"

static const char help[] =
    "Usage: perfuse mount [-v] [-f] [-t SECONDS] [-o OPTIONS] [--via WAY] -- DAEMON ARGS...\n"
    "\n"
    "Start an unmodified FUSE daemon and put its files where it was told to mount them. Returns when they are there.\n"
    "Or: perfuse mount --private [COMMAND ARGS...] -- DAEMON ARGS...\n"
    "\n"
    "  -o OPTIONS  mount options, which go before the daemon's own: ro, nosuid, nodev, noexec, allow_other,\n"
    "              default_permissions, auto_unmount, fsname=NAME, subtype=TYPE, max_read=BYTES ...\n"
    "  -f          stay until the mount ends; Ctrl-C unmounts\n"
    "  -t SECONDS  wait that long for the mount to answer (60)\n"
    "  -v          say which way in was taken and why, and what is mounted\n"
    "  --via WAY   the way in, that is, how the daemon is given its socket:\n"
    "                fd          /dev/fd/N for its mountpoint (libfuse 3.3 or newer)\n"
    "                supervise   its system calls are trapped (any daemon; Linux 5.9)\n"
    "                fusermount  it runs our fusermount3\n"
    "                preload     a library is loaded into it (dynamic programs)\n"
    "                auto        fd when the daemon takes it and fsname= and subtype= are given, else\n"
    "                            the first of the others that works here (default)\n"
    "  --private   run COMMAND (a shell) with the files and end with its status; nobody else sees them, and nothing of "
    "the\n"
    "              system is needed but /dev/fuse and user namespaces\n"
    "  -h, --help  this help\n";

enum { SECONDS_DEFAULT = 60, SECONDS_MAX = 86400 };

/* A line for -v. */
static void
say_ready(const char *what)
{
	(void)fprintf(stderr, "perfuse: %s\n", what);
}

/* Append a list to *all. 0 or ENOMEM. */
static int
join(char **all, const char *list)
{
	char *more;

	if (asprintf(&more, "%s%s%s", *all ? *all : "", *all ? "," : "", list) < 0)
		return ENOMEM;
	free(*all);
	*all = more;
	return 0;
}

static int
parse_via(const char *s, enum spawn_via *via)
{
	for (enum spawn_via v = SPAWN_AUTO; v <= SPAWN_PRELOAD; v++) {
		if (strcmp(s, ways_name(v)) == 0) {
			*via = v;
			return 0;
		}
	}
	return EINVAL;
}

static int
parse_seconds(const char *s, unsigned *out)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(s, &end, 10);
	if (s[0] < '0' || s[0] > '9' || *end != '\0' || errno != 0 || v == 0 || v > SECONDS_MAX)
		return EINVAL;
	*out = (unsigned)v;
	return 0;
}

/* "COMMAND ARGS... -- DAEMON ARGS...": cut argv in two. 0 or EINVAL. */
static int
take_command(char **argv, char ***command, char *const **daemon)
{
	*command = argv;
	while (*argv != NULL && strcmp(*argv, "--") != 0)
		argv++;
	if (*argv == NULL || argv[1] == NULL)
		return EINVAL;
	*argv = NULL;
	*daemon = argv + 1;
	return 0;
}

/* Options into sp and *options, *verbose. 0, an exit status, or -1: --help was given. */
static int
parse(int argc, char **argv, struct spawn *sp, char **options, bool *verbose, char ***command)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "private", no_argument, NULL, 'P' },
		{ "via", required_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	bool private = false;
	int c;

	while ((c = getopt_long(argc, argv, "+:fho:t:v", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			sp->foreground = true;
			break;
		case 'h':
			return -1;
		case 'P':
			private
			= true;
			break;
		case 'o':
			if (join(options, optarg) != 0)
				return cli_fail(EX_OSERR, "out of memory");
			break;
		case 't':
			if (parse_seconds(optarg, &sp->seconds) != 0)
				return cli_usage(
				    "mount", "-t %s: a number of seconds from 1 to %d is needed", optarg, SECONDS_MAX);
			break;
		case 'v':
			*verbose = true;
			break;
		case 'V':
			if (parse_via(optarg, &sp->via) != 0)
				return cli_usage(
				    "mount", "--via %s: auto, fd, supervise, fusermount or preload is needed", optarg);
			break;
		case ':':
			return cli_usage("mount", "mount: %s needs a value", argv[optind - 1]);
		default:
			return cli_usage("mount", "mount: unknown option %s", argv[optind - 1]);
		}
	}
	if (private) {
		/* (getopt has passed the "--" where no command is given.) */
		if (sp->foreground)
			return cli_usage("mount", "mount: --private ends with its command; -f is for mounts without");
		if (take_command(argv + optind - (strcmp(argv[optind - 1], "--") == 0), command, &sp->argv) != 0)
			return cli_usage("mount", "mount: --private needs [COMMAND ARGS...] -- DAEMON ARGS...");
		return 0;
	}
	if (optind >= argc)
		return cli_usage("mount", "mount: no daemon given");
	sp->argv = argv + optind;
	return 0;
}

int
cli_mount(int argc, char **argv)
{
	struct spawn sp = { .via = SPAWN_AUTO, .seconds = SECONDS_DEFAULT };
	char *options = NULL, **command = NULL, text[4096];
	bool verbose = false;
	int r;

	r = parse(argc, argv, &sp, &options, &verbose, &command);
	if (r == 0) {
		sp.options = options;
		sp.ready = sp.way = verbose ? say_ready : NULL;
		text[0] = '\0';
		r = command != NULL ? private_run(&sp, command, sp.ready) : spawn_mount(&sp, text, sizeof(text));
		if (r != 0 && text[0] != '\0')
			(void)cli_fail(r, "%s", text);
		else if (verbose && text[0] != '\0')
			say_ready(text);
	} else if (r < 0) {
		(void)fputs(help, stdout);
		r = 0;
	}
	free(options);
	return r;
}

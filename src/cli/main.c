/* SPDX-License-Identifier: BSD-2-Clause */
/* perfuse(1): finds the subcommand. */
#include <bsd/unistd.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli.h"

static const char help[] =
    "Usage: perfuse COMMAND ...\n"
    "\n"
    "  mount [-o OPTIONS] -- DAEMON ARGS...  start a FUSE daemon and put its files where it was told to mount them\n"
    "  umount [-l] DIR                       unmount what perfuse serves there\n"
    "  list [--json]                         what perfuse serves\n"
    "\n"
    "perfuse COMMAND --help tells more. --version prints the version.\n";

static const struct {
	const char *name;
	int (*run)(int, char **);
} commands[] = {
	{ "mount", cli_mount },
	{ "umount", cli_umount },
	{ "unmount", cli_umount },
	{ "list", cli_list },
};

/* Descriptors that we open must not land on 0, 1 or 2: what is written to stderr would go to them. */
static int
open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -1;
	(void)close(fd);
	return 0;
}

int
main(int argc, char **argv)
{
	if (open_standard() != 0)
		return EX_OSERR;
	(void)setlocale(LC_ALL, "");
	setproctitle_init(argc, argv, environ); /* processes that stay behind say what they are */
	if (argc < 2)
		return cli_usage("", "no command given");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		(void)fputs(help, stdout);
		return fflush(stdout) == 0 ? 0 : EX_IOERR;
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)puts("perfuse " PERFUSE_VERSION);
		return fflush(stdout) == 0 ? 0 : EX_IOERR;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	return cli_usage("", "unknown command %s", argv[1]);
}

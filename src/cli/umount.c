/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perfuse umount: find the engine that serves a mountpoint and ask it to unmount. The mount itself is never touched,
 * for it may be dead or hang: only the directory above it is looked up, and a last name that is a link is read.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli.h"
#include "client/engines.h"
#include "client/peek.h"
#include "client/supervise.h"

static const char help[] =
    "Usage: perfuse umount [-l] DIR\n"
    "\n"
    "Unmount what perfuse serves on DIR. The daemon then ends by itself, as far as it does natively.\n"
    "\n"
    "  -l          detach it now even if it is busy; it goes away when nobody uses it any more\n"
    "  -h, --help  this help\n";

enum { LINKS_MAX = 8 };

/* One field of a line of mountinfo, its octal escapes undone. Returns what follows. */
static char *
field(char *p, char **out)
{
	char *to = p;

	*out = p;
	while (*p != '\0' && *p != ' ' && *p != '\n') {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' &&
		    p[3] <= '7') {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 4;
		} else
			*to++ = *p++;
	}
	if (*p != '\0')
		p++;
	*to = '\0';
	return p;
}

/* What the kernel says is mounted on path: "TYPE of SOURCE" (the topmost), newly allocated, or NULL. */
static char *
mounted_there(const char *path)
{
	char *line = NULL, *what = NULL, *p, *f, *type, *source;
	size_t cap = 0;
	FILE *mi;

	mi = fopen("/proc/self/mountinfo", "re");
	while (mi && getline(&line, &cap, mi) >= 0) {
		p = line;
		for (int i = 0; i < 5; i++)
			p = field(p, &f);
		if (strcmp(f, path) != 0)
			continue;
		while (*p != '\0' && strcmp(f, "-") != 0)
			p = field(p, &f);
		p = field(p, &type);
		(void)field(p, &source);
		free(what);
		if (asprintf(&what, "%s of %s", type, source) < 0)
			what = NULL;
	}
	free(line);
	if (mi)
		(void)fclose(mi);
	return what;
}

/* The canonical form of what the user gave. 0 or errno. */
static int
canonical(const char *dir, char **out)
{
	char cwd[PATH_MAX] = "", *full;
	int r;

	if (dir[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return errno;
	if (asprintf(&full, "%s%s%s", cwd, cwd[0] ? "/" : "", dir) < 0)
		return ENOMEM;
	r = peek_canonical(full, out);
	free(full);
	return r;
}

/* Follow a last name that is a symbolic link, one step. True when there was one. */
static bool
follow(char **path)
{
	char link[PATH_MAX], *slash, *full, *next;
	ssize_t n;
	int r;

	n = readlink(*path, link, sizeof(link) - 1);
	if (n <= 0)
		return false;
	link[n] = '\0';
	slash = strrchr(*path, '/');
	if (asprintf(&full, "%.*s/%s", link[0] == '/' ? 0 : (int)(slash - *path), *path, link) < 0)
		return false;
	r = peek_canonical(full, &next);
	free(full);
	if (r != 0)
		return false;
	free(*path);
	*path = next;
	return true;
}

/* Say why path (as the user has it: dir) is still mounted, or nothing. */
static int
tell(const char *dir, const char *path, int error, const char *message)
{
	char *what;
	int r;

	if (error == 0)
		return 0;
	if (error == EBUSY)
		return cli_fail(EX_TEMPFAIL, "%s: target is busy; -l detaches it", dir);
	if (error != ENOENT || message)
		return cli_fail(
		    supervise_status(error), "%s: %s", dir, message && message[0] ? message : strerror(error));
	what = mounted_there(path);
	if (what)
		r = cli_fail(EX_UNAVAILABLE, "%s: not a mount of perfuse that you may reach (it is %s)", dir, what);
	else
		r = cli_fail(EX_NOINPUT, "%s: nothing is mounted there", dir);
	free(what);
	return r;
}

static int
unmount(const char *dir, bool lazy)
{
	char *path = NULL, *message = NULL;
	int r;

	r = canonical(dir, &path);
	if (!path)
		return cli_fail(supervise_status(r), "%s: %s", dir, strerror(r));
	for (int i = 0; i < LINKS_MAX; i++) {
		r = engines_unmount(path, lazy, &message);
		if (r != ENOENT || message || !follow(&path))
			break;
	}
	r = tell(dir, path, r, message);
	free(message);
	free(path);
	return r;
}

int
cli_umount(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "lazy", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	bool lazy = false;
	int c;

	while ((c = getopt_long(argc, argv, ":hl", longs, NULL)) != -1) {
		switch (c) {
		case 'l':
			lazy = true;
			break;
		case 'h':
			(void)fputs(help, stdout);
			return 0;
		default:
			return cli_usage("umount", "umount: unknown option %s", argv[optind - 1]);
		}
	}
	if (argc - optind != 1)
		return cli_usage("umount", "umount: one directory is needed");
	return unmount(argv[optind], lazy);
}

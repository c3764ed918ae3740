/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's command line (args.h). Options of daemons cannot be known in general; what is used here is what all of
 * them share: "-o list", "--", and that the mountpoint is a directory that is named last.
 */
#include "client/args.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/program.h"

/*
 * The value of a -o option at argv[*i], which may be the next argument (then *i is moved on to it). NULL: another
 * thing.
 */
static const char *
option_list(char *const *argv, int *i)
{
	if (strncmp(argv[*i], "-o", 2) != 0)
		return NULL;
	if (argv[*i][2] != '\0')
		return argv[*i] + 2;
	if (!argv[*i + 1])
		return "";
	return argv[++*i];
}

int
args_mountpoint(char *const *argv)
{
	bool operands = false;
	struct stat st;
	int found = -1;

	for (int i = 1; argv[0] && argv[i]; i++) {
		if (!operands && strcmp(argv[i], "--") == 0)
			operands = true;
		else if (!operands && (option_list(argv, &i) || (argv[i][0] == '-' && argv[i][1] != '\0')))
			continue;
		else if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			found = i;
	}
	return found;
}

char *
args_options(char *const *argv)
{
	char *all = strdup(""), *more;
	const char *list;

	for (int i = 1; all && argv[0] && argv[i] && strcmp(argv[i], "--") != 0; i++) {
		list = option_list(argv, &i);
		if (!list)
			continue;
		if (asprintf(&more, "%s%s%s", all, *all ? "," : "", list) < 0)
			more = NULL;
		free(all);
		all = more;
	}
	return all;
}

bool
args_takes_fd(const char *program)
{
	struct program p;

	return program_inspect(program, &p) == 0 && !p.script && p.libfuse3;
}

/* What libfuse would have mounted, from the daemon's options and ours. 0 or ENOMEM. */
static int
make_mount(struct client_mount *m, const char *name, const struct mountopts *own, const struct mountopts *its, int fd)
{
	/* A daemon that is given a source, but no type, has none: libfuse's rule. */
	const char *subtype = own->subtype ? own->subtype : its->subtype ? its->subtype : its->fsname ? NULL : name;
	const char *source = own->fsname ? own->fsname : its->fsname ? its->fsname : subtype ? subtype : "fuse";
	char *type = NULL, *data = NULL, max_read[32] = "", blksize[32] = "";

	m->flags = ((MS_NOSUID | MS_NODEV) & ~its->flags_cleared) | its->flags; /* libfuse's default */
	m->source = strdup(source);
	if (asprintf(&type, "fuse%s%s", subtype ? "." : "", subtype ? subtype : "") < 0)
		type = NULL;
	m->filesystemtype = type;
	if (its->max_read)
		(void)snprintf(max_read, sizeof(max_read), ",max_read=%u", its->max_read);
	if (its->blksize)
		(void)snprintf(blksize, sizeof(blksize), ",blksize=%u", its->blksize);
	if (asprintf(&data, "fd=%d%s%s%s%s%s", fd, its->allow_other ? ",allow_other" : "",
		its->default_permissions ? ",default_permissions" : "", its->auto_unmount ? ",auto_unmount" : "",
		max_read, blksize) < 0)
		data = NULL;
	m->data = data;
	return m->source && type && data ? 0 : ENOMEM;
}

int
args_fd_make(char *const *argv, const struct mountopts *own, int fd, struct args_fd *out, char *why, size_t whylen)
{
	char *list, *bad = NULL, *base;
	struct mountopts its;
	int n = 0, r;

	memset(out, 0, sizeof(*out));
	out->at = args_mountpoint(argv);
	if (out->at < 0) {
		(void)snprintf(why, whylen, "none of %s's arguments is a directory to mount on", argv[0]);
		return ENOENT;
	}
	(void)snprintf(why, whylen, "out of memory");
	list = args_options(argv);
	if (!list)
		return ENOMEM;
	r = mountopts_parse(list, &its, &bad);
	free(list);
	if (r == EINVAL)
		(void)snprintf(why, whylen, "mount option \"%s\" is wrong", bad);
	free(bad);
	if (r != 0)
		return r;
	base = strrchr(argv[0], '/');
	r = make_mount(&out->mount, base ? base + 1 : argv[0], own, &its, fd);
	mountopts_free(&its);
	if (r != 0)
		return r;
	out->mount.target = realpath(argv[out->at], NULL);
	if (!out->mount.target) {
		r = errno;
		(void)snprintf(why, whylen, "%s: %s", argv[out->at], strerror(r));
		return r;
	}
	while (argv[n])
		n++;
	out->argv = calloc((size_t)n + 1, sizeof(*out->argv));
	if (!out->argv)
		return ENOMEM;
	memcpy(out->argv, argv, (size_t)n * sizeof(*out->argv));
	if (asprintf(&out->argv[out->at], "/dev/fd/%d", fd) < 0) {
		out->argv[out->at] = NULL;
		return ENOMEM;
	}
	return 0;
}

void
args_fd_free(struct args_fd *a)
{
	if (a->argv)
		free(a->argv[a->at]);
	free(a->argv);
	free((char *)a->mount.source);
	free((char *)a->mount.target);
	free((char *)a->mount.filesystemtype);
	free((char *)a->mount.data);
	memset(a, 0, sizeof(*a));
}

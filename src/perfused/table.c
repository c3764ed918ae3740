/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's table of mounts (mountinfo), as a worker reads it: which mount is ours, what lies on top of it, which directories of two
 * mount namespaces are the same. All of it through a descriptor of our own /proc, because a worker may have entered a mount namespace
 * that has none, or one that somebody else made up.
 */
#include "perfused/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
proc_at(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

/* Open a file there for reading. NULL with errno. */
static FILE *
open_table(const char *name)
{
	int fd = openat(proc_at(), name, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (fd >= 0 && f == NULL)
		(void)close(fd);
	return f;
}

int
path_of(int at, char *path, size_t room)
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "self/fd/%d", at);
	if ((n = readlinkat(proc_at(), link, path, room - 1)) < 0)
		return errno;
	path[n] = '\0';
	return (size_t)n < room - 1 ? 0 : ENAMETOOLONG;
}

uint32_t
mount_of(int fd)
{
	char name[64], line[128];
	uint32_t id = 0;
	FILE *f;

	(void)snprintf(name, sizeof(name), "self/fdinfo/%d", fd);
	if ((f = open_table(name)) == NULL)
		return 0;
	while (id == 0 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "mnt_id:", 7) == 0)
			id = (uint32_t)strtoul(line + 7, NULL, 10);
	(void)fclose(f);
	return id;
}

/* "\040" for ' ' and the like. */
static void
unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p != '\0'; to++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' &&
		    p[3] <= '7') {
			*to = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
}

/* "id parent dev root point options [more...] - type source options"; spaces in them are escaped. */
bool
entry_parse(char *line, uid_t uid, struct entry *e)
{
	char *field[5], *save = line, *type = strstr(line, " - "), *source, *options, owner[32];

	if (type == NULL)
		return false;
	*type = '\0';
	type += 3;
	for (int i = 0; i < 5; i++)
		if ((field[i] = strsep(&save, " ")) == NULL)
			return false;
	source = strchr(type, ' ');
	options = source != NULL ? strrchr(source + 1, ' ') : NULL;
	(void)snprintf(owner, sizeof(owner), ",user_id=%u,", uid);
	e->id = (uint32_t)strtoul(field[0], NULL, 10);
	e->parent = (uint32_t)strtoul(field[1], NULL, 10);
	unescape(field[3]);
	unescape(field[4]);
	e->dev = field[2];
	e->root = field[3];
	e->point = field[4];
	e->shared = save != NULL && strstr(save, " shared:") != NULL;
	e->fuse =
	    options != NULL && strstr(options, owner) != NULL &&
	    (strncmp(type, "fuse ", 5) == 0 || strncmp(type, "fuse.", 5) == 0 || strncmp(type, "fuseblk", 7) == 0);
	return true;
}

int
find_mount(const char *table, int at, const char *path, uid_t uid, uint32_t *id)
{
	static char now[PATH_MAX];
	FILE *f = open_table(table);
	uint32_t below = mount_of(at), wanted = *id;
	char *line = NULL;
	size_t room = 0;
	struct entry e;
	int error = below != 0 ? EINVAL : EIO;

	if (f == NULL)
		return errno;
	while (error != EIO && getline(&line, &room, f) >= 0) {
		if (!entry_parse(line, uid, &e) || e.id == below || (wanted != 0 && e.id != wanted) || !e.fuse)
			continue;
		if (strcmp(e.point, path) == 0) {
			*id = e.id;
			error = 0;
		} else if (wanted != 0) {
			error = EBUSY;
		}
	}
	rewind(f);
	while (error == 0 && getline(&line, &room, f) >= 0)
		if (entry_parse(line, uid, &e) && e.parent == *id && strcmp(e.point, path) == 0)
			error = EBUSY;
	if ((error == 0 || error == EINVAL) && ferror(f))
		error = EIO;
	free(line);
	(void)fclose(f);
	/* A rename while we looked: the next attempt sees clearly. */
	if (path_of(at, now, sizeof(now)) != 0 || strcmp(now, path) != 0)
		return EAGAIN;
	return error;
}

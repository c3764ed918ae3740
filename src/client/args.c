/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's command line (args.h). Options of daemons cannot be known in general; what is used here is what all of
 * them share: "-o list", "--", and that the mountpoint is a directory that is named last.
 */
#include "client/args.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* An ELF file in memory; every access goes through at(). */
struct image {
	const uint8_t *data;
	size_t len;
};

static const void *
at(const struct image *im, uint64_t off, uint64_t len)
{
	return off <= im->len && len <= im->len - off ? im->data + off : NULL;
}

/* Is the string at off this one? */
static bool
string_at(const struct image *im, uint64_t off, const char *s)
{
	const char *p = at(im, off, strlen(s) + 1);

	return p && memcmp(p, s, strlen(s) + 1) == 0;
}

/* Where in the file the address of the loaded program is; UINT64_MAX: nowhere. */
static uint64_t
file_offset(const struct image *im, const ElfW(Ehdr) * eh, uint64_t addr)
{
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		const void *p = at(im, eh->e_phoff + (uint64_t)i * sizeof(ElfW(Phdr)), sizeof(ElfW(Phdr)));
		ElfW(Phdr) ph;

		if (!p)
			break;
		memcpy(&ph, p, sizeof(ph));
		if (ph.p_type == PT_LOAD && addr >= ph.p_vaddr && addr - ph.p_vaddr < ph.p_filesz)
			return ph.p_offset + (addr - ph.p_vaddr);
	}
	return UINT64_MAX;
}

/* Does the dynamic section name the library as needed? */
static bool
dynamic_needs(const struct image *im, const ElfW(Ehdr) * eh, const ElfW(Phdr) * dyn, const char *library)
{
	uint64_t strings = UINT64_MAX;
	ElfW(Dyn) d;

	for (int pass = 0; pass < 2; pass++) {
		for (uint64_t off = 0; off + sizeof(d) <= dyn->p_filesz; off += sizeof(d)) {
			const void *p = at(im, dyn->p_offset + off, sizeof(d));

			if (!p)
				return false;
			memcpy(&d, p, sizeof(d));
			if (d.d_tag == DT_NULL)
				break;
			if (pass == 0 && d.d_tag == DT_STRTAB)
				strings = file_offset(im, eh, d.d_un.d_ptr);
			if (pass == 1 && d.d_tag == DT_NEEDED && strings <= im->len && d.d_un.d_val <= im->len &&
			    string_at(im, strings + d.d_un.d_val, library))
				return true;
		}
	}
	return false;
}

static bool
image_needs(const struct image *im, const char *library)
{
	const void *p = at(im, 0, sizeof(ElfW(Ehdr)));
	ElfW(Ehdr) eh;
	ElfW(Phdr) ph;

	if (!p)
		return false;
	memcpy(&eh, p, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_phentsize != sizeof(ph) ||
	    eh.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
		return false;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		p = at(im, eh.e_phoff + (uint64_t)i * sizeof(ph), sizeof(ph));
		if (!p)
			return false;
		memcpy(&ph, p, sizeof(ph));
		if (ph.p_type == PT_DYNAMIC)
			return dynamic_needs(im, &eh, &ph, library);
	}
	return false;
}

/* Open what execvp(3) would run. -1: nothing. */
static int
open_program(const char *program)
{
	const char *path = getenv("PATH"), *end;
	char file[PATH_MAX];
	int n;

	if (strchr(program, '/'))
		return open(program, O_RDONLY | O_CLOEXEC);
	for (; path; path = *end ? end + 1 : NULL) {
		end = strchrnul(path, ':');
		n = snprintf(file, sizeof(file), "%.*s%s%s", (int)(end - path), path, end == path ? "" : "/", program);
		if (n > 0 && (size_t)n < sizeof(file) && access(file, X_OK) == 0)
			return open(file, O_RDONLY | O_CLOEXEC);
	}
	return -1;
}

bool
args_takes_fd(const char *program)
{
	struct image im = { NULL, 0 };
	bool takes = false;
	struct stat st;
	void *map;
	int fd;

	fd = open_program(program);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		im.len = (size_t)st.st_size;
		map = mmap(NULL, im.len, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map != MAP_FAILED) {
			im.data = map;
			takes = image_needs(&im, "libfuse3.so.3") || image_needs(&im, "libfuse3.so.4");
			(void)munmap(map, im.len);
		}
	}
	(void)close(fd);
	return takes;
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

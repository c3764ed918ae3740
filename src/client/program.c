/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking at a program's file (program.h). The file may be anything: every access to it goes through at(), which knows
 * its length.
 */
#include "client/program.h"

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
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SCRIPT_LINE = 256 };

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

/* Is one of the notes the Go toolchain's? */
static bool
has_go_note(const struct image *im, const ElfW(Phdr) * ph)
{
	const uint64_t align = 4;
	uint64_t off = 0;
	const void *p;
	ElfW(Nhdr) nh;

	while (off <= ph->p_filesz && (p = at(im, ph->p_offset + off, sizeof(nh))) != NULL) {
		memcpy(&nh, p, sizeof(nh));
		p = at(im, ph->p_offset + off + sizeof(nh), nh.n_namesz);
		if (p && nh.n_namesz == 4 && memcmp(p, "Go", 3) == 0)
			return true;
		off += sizeof(nh) + ((nh.n_namesz + align - 1) & ~(align - 1)) +
		       ((nh.n_descsz + align - 1) & ~(align - 1));
	}
	return false;
}

/* The name of the program interpreter, a string in the image, or NULL. */
static const char *
loader_of(const struct image *im, const ElfW(Phdr) * ph)
{
	const char *s = at(im, ph->p_offset, ph->p_filesz);

	return s && ph->p_filesz > 0 && s[ph->p_filesz - 1] == '\0' ? s : NULL;
}

/* What kind of program the image is. loader (PATH_MAX bytes): its program interpreter, or "". */
static void
image_inspect(const struct image *im, struct program *out, char *loader)
{
	const void *p = at(im, 0, sizeof(ElfW(Ehdr)));
	const char *name;
	ElfW(Ehdr) eh;
	ElfW(Phdr) ph;

	loader[0] = '\0';
	if (!p)
		return;
	memcpy(&eh, p, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_phentsize != sizeof(ph) ||
	    eh.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
		return;
	out->elf = true;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		p = at(im, eh.e_phoff + (uint64_t)i * sizeof(ph), sizeof(ph));
		if (!p)
			return;
		memcpy(&ph, p, sizeof(ph));
		if (ph.p_type == PT_DYNAMIC) {
			out->libfuse3 = dynamic_needs(im, &eh, &ph, "libfuse3.so.3") ||
					dynamic_needs(im, &eh, &ph, "libfuse3.so.4");
			out->libfuse2 = dynamic_needs(im, &eh, &ph, "libfuse.so.2");
		} else if (ph.p_type == PT_INTERP && (name = loader_of(im, &ph)) != NULL) {
			out->dynamic = true;
			(void)snprintf(loader, PATH_MAX, "%s", name);
		} else if (ph.p_type == PT_NOTE && has_go_note(im, &ph))
			out->go = true;
	}
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

/* The interpreter that a script's first line names, into name. False: it is no script. */
static bool
script_interpreter(const struct image *im, char name[SCRIPT_LINE])
{
	size_t n = im->len < SCRIPT_LINE ? im->len : SCRIPT_LINE - 1;

	if (n < 3 || memcmp(im->data, "#!", 2) != 0)
		return false;
	memcpy(name, im->data + 2, n - 2);
	name[n - 2] = '\0';
	name[strcspn(name, "\n")] = '\0';
	memmove(name, name + strspn(name, " \t"), strlen(name + strspn(name, " \t")) + 1);
	name[strcspn(name, " \t")] = '\0';
	return true;
}

/* Would executing it change whose rights the process has? Then its loader ignores LD_PRELOAD. */
static bool
gains_rights(int fd, const struct stat *st)
{
	return ((st->st_mode & S_ISUID) != 0 && st->st_uid != geteuid()) ||
	       ((st->st_mode & S_ISGID) != 0 && (st->st_mode & S_IXGRP) != 0 && st->st_gid != getegid()) ||
	       (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0);
}

/* One file; script: the interpreter that it names as a script, or "". 0 or errno. */
static int
inspect_file(const char *name, struct program *out, char *loader, char script[SCRIPT_LINE])
{
	struct image im = { NULL, 0 };
	struct stat st;
	void *map;
	int fd, r = 0;

	script[0] = loader[0] = '\0';
	fd = open_program(name);
	if (fd < 0)
		return ENOENT;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0) {
		(void)close(fd);
		return EACCES;
	}
	out->gains = gains_rights(fd, &st);
	im.len = (size_t)st.st_size;
	map = mmap(NULL, im.len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED) {
		r = errno;
	} else {
		im.data = map;
		if (!script_interpreter(&im, script))
			image_inspect(&im, out, loader);
		(void)munmap(map, im.len);
	}
	(void)close(fd);
	return r;
}

int
program_inspect(const char *name, struct program *out)
{
	char loader[PATH_MAX], ours[PATH_MAX], script[SCRIPT_LINE], next[SCRIPT_LINE];
	struct program self = { 0 };
	int r;

	*out = (struct program){ 0 };
	r = inspect_file(name, out, loader, script);
	if (r == 0 && script[0] != '\0') {
		out->script = true;
		r = inspect_file(script, out, loader, next);
	}
	if (r == 0 && loader[0] != '\0' && inspect_file("/proc/self/exe", &self, ours, next) == 0)
		out->same_loader = strcmp(loader, ours) == 0;
	return r;
}

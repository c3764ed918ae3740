/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mount options that FUSE mounts take, parsed from mount(2) data or from a -o list: what the kernel wants (fd, rootmode,
 * user_id, group_id, allow_other, default_permissions, max_read, blksize), what names the file system (fsname, subtype), the
 * words for mount(2) flags (ro, nosuid ...), what perfuse itself takes (auto_unmount), and the rest, which is the daemon's.
 */
#ifndef CTL_MOUNTOPTS_H
#define CTL_MOUNTOPTS_H

#include <stdbool.h>
#include <stdint.h>

struct mountopts {
	int fd;                 /* fd=, -1 when absent */
	uint32_t flags;         /* MS_* that words set */
	uint32_t flags_cleared; /* MS_* that words cleared (rw, suid, dev, exec ...) */
	bool allow_other, default_permissions, auto_unmount;
	uint32_t max_read; /* bytes, 0: absent */
	uint32_t blksize;  /* bytes, 0: absent */
	char *fsname;      /* owned; NULL when absent */
	char *subtype;     /* owned; NULL when absent */
	char *rest;        /* owned; what was not recognised, comma-separated as given; NULL when nothing */
};

/*
 * Parse a comma-separated list (a backslash escapes the next character, as libfuse has it). 0, ENOMEM, or EINVAL with the
 * option that is wrong in *bad (newly allocated, the caller's; e.g. "fd=abc"). On failure o holds nothing.
 * Kernel options whose value a peer may not choose (rootmode, user_id, group_id, context labels) are recognised and dropped.
 */
int mountopts_parse(const char *list, struct mountopts *o, char **bad);
void mountopts_free(struct mountopts *o);

#endif

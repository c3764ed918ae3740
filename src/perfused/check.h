/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of who may mount what where, as pure functions: no process state, so that both sides of the privilege boundary
 * (the engine, to give a clear line; the parent, because it believes no engine) and the tests use the same ones. What asks the
 * file system (the mountpoint's owner, its kind) is here too and takes a descriptor, never a path.
 */
#ifndef PERFUSED_CHECK_H
#define PERFUSED_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/fdpass.h"
#include "ctl/frame.h"
#include "host/linux/linux.h"
#include "perfused/peer.h"

#define CHECK_FUSE_CONF "/etc/fuse.conf"
#define CHECK_PATH                                                                                                     \
	"%.400s" /* a path in a line that says why: when it is too long it is cut, and not the reason behind it */

struct check_wish {              /* what a frame asks for */
	struct host_mount mount; /* source, subtype, flags ... as they will be mounted */
	bool auto_unmount;
};

/*
 * Turn a frame that frame_parse() took into a wish of this peer: file system type, options, flags (nosuid and nodev forced
 * for who is not root). has_fd: the daemon's descriptor came along. 0, or errno with one line in why[whylen].
 */
int check_frame(const struct frame_mount *hdr, const struct frame_strings *s, const struct peer *peer, bool has_fd,
    struct check_wish *out, char *why, size_t whylen);
/*
 * The same rules on a finished record that came from this peer's engine: nothing in it is believed.
 * 0, or EINVAL or EPERM with one line in why.
 */
int check_record(const struct host_mount *m, const struct peer *peer, char *why, size_t whylen);
/* Whether conf (fuse.conf) lets users give allow_other. A file that cannot be read says no. */
bool check_user_allow_other(const char *conf);
/*
 * Whether this peer may mount on the descriptor at (of O_PATH), called path in messages: a directory, its own, on an ordinary
 * file system. root may mount on any directory. 0, or ENOTDIR, EPERM with one line in why.
 */
int check_mountpoint(int at, const char *path, const struct peer *peer, char *why, size_t whylen);
/* Print the line into why[whylen] and return error. */
int check_refuse(int error, char *why, size_t whylen, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif

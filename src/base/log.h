/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: one line an event, to stderr in the foreground and to syslog otherwise, tagged with the process's role. Bytes that
 * are not printable are escaped, so that a name from a daemon cannot forge a line. Nothing is logged while all is well.
 * Also the diagnostics of perfused -d: the types are the seed's.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum {                           /* bits of log_diag, the seed's diagnostic types */
	LOG_D_FUSE = 0x0001,     /* "fuse": each FUSE request and reply, a line each */
	LOG_D_DUMP = 0x0002,     /* "dump": hex dump of each FUSE message */
	LOG_D_PUFFS = 0x0004,    /* "puffs": each vnode operation (the host's side) */
	LOG_D_FH = 0x0008,       /* "fh": open files */
	LOG_D_RECLAIM = 0x0010,  /* "reclaim": nodes forgotten */
	LOG_D_READDIR = 0x0020,  /* "readdir": directory entries */
	LOG_D_REQUEUE = 0x0040,  /* "requeue": queued and deferred messages */
	LOG_D_SYNC = 0x0080,     /* "sync": flush, fsync */
	LOG_D_MISC = 0x0100,     /* "misc": anything else */
	LOG_D_SYSLOG = 0x0200,   /* "syslog": to syslog even in the foreground */
	LOG_D_FILENAME = 0x0400, /* "filename": names in lookup and friends */
	LOG_D_RESIZE = 0x0800,   /* "resize": size changes */
	LOG_D_TRACE = 0x1000,    /* "trace": as -s */
};

extern unsigned log_diag; /* diagnostic types switched on */

/*
 * ident: the program's name (borrowed for ever). foreground: stderr, else syslog (facility daemon), which is opened now: parse
 * the diagnostic types first, and give up the right to connect to it afterwards.
 */
void log_init(const char *ident, bool foreground);
/* What this process is, put before each message, e.g. "engine /mnt". Copied. */
void log_role(const char *role);
/*
 * Parse "fuse,dump,..." into bits added to log_diag; "all" is all of them but "syslog". 0, or EINVAL with the offending word
 * in *bad (points into types), and nothing added.
 */
int log_diag_parse(const char *types, const char **bad);

void log_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line of diagnostics when one of types is switched on; the arguments are not evaluated otherwise. */
#define log_debug(types, ...)                                                                                          \
	do {                                                                                                           \
		if (__builtin_expect((log_diag & (types)) != 0, 0))                                                    \
			log_debug_(__VA_ARGS__);                                                                       \
	} while (0)
void log_debug_(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A hex dump of len bytes under a title, when LOG_D_DUMP is on. */
void log_dump(const char *title, const void *data, unsigned long len);

#endif

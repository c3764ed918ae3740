/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log and the diagnostics. A line is "ident: role: message", put together and escaped in memory and then written by one
 * write(2), so that lines of several processes on one terminal do not mix; to syslog the identity goes by openlog().
 * Everything is escaped, the role too (it names a mountpoint, and somebody chose that name). A message that is too long is
 * cut and ends in "...". No function here allocates or fails; all keep errno as it was, so that a caller may log first.
 * The syslog socket is opened by log_init(), because a process may have given up the right to open it when it first logs.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

enum {
	RAW_MAX = 1024,              /* a line before escaping, with its NUL */
	LINE_MAX_ = 4 * RAW_MAX + 1, /* after it: each byte at most as \xNN, and a newline */
};

unsigned log_diag;

static const char *log_ident = "perfuse";
static bool log_foreground = true;
static char log_role_name[256];

static const struct {
	const char *name;
	unsigned bits;
} diag_words[] = {
	{ "fuse", LOG_D_FUSE },
	{ "dump", LOG_D_DUMP },
	{ "puffs", LOG_D_PUFFS },
	{ "fh", LOG_D_FH },
	{ "reclaim", LOG_D_RECLAIM },
	{ "readdir", LOG_D_READDIR },
	{ "requeue", LOG_D_REQUEUE },
	{ "sync", LOG_D_SYNC },
	{ "misc", LOG_D_MISC },
	{ "syslog", LOG_D_SYSLOG },
	{ "filename", LOG_D_FILENAME },
	{ "resize", LOG_D_RESIZE },
	{ "trace", LOG_D_TRACE },
	/* syslog says where the lines go, not which: whoever asks for all of them wants to see them */
	{ "all", ((LOG_D_TRACE << 1) - 1) & ~LOG_D_SYSLOG },
};

static bool
to_syslog(void)
{
	return !log_foreground || (log_diag & LOG_D_SYSLOG) != 0;
}

void
log_init(const char *ident, bool foreground)
{
	log_ident = ident;
	log_foreground = foreground;
	if (to_syslog())
		openlog(ident, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void
log_role(const char *role)
{
	(void)snprintf(log_role_name, sizeof(log_role_name), "%.*s", (int)sizeof(log_role_name) - 1, role);
}

int
log_diag_parse(const char *types, const char **bad)
{
	unsigned bits = 0;

	for (const char *word = types;; word++) {
		size_t len = strcspn(word, ","), i;

		for (i = 0; i < sizeof(diag_words) / sizeof(diag_words[0]); i++)
			if (strlen(diag_words[i].name) == len && memcmp(diag_words[i].name, word, len) == 0)
				break;
		if (i == sizeof(diag_words) / sizeof(diag_words[0])) {
			*bad = word;
			return EINVAL;
		}
		bits |= diag_words[i].bits;
		word += len;
		if (*word == '\0')
			break;
	}
	log_diag |= bits;
	return 0;
}

/* Copy raw to out (4 times as large) with everything but printable ASCII escaped. Returns the length; out gets its NUL. */
static size_t
escape(char *out, const char *raw)
{
	static const char hex[] = "0123456789abcdef";
	char *p = out;

	for (; *raw != '\0'; raw++) {
		unsigned char c = (unsigned char)*raw;

		if (c >= ' ' && c <= '~' && c != '\\') {
			*p++ = (char)c;
			continue;
		}
		*p++ = '\\';
		if (c == '\\' || c == '\n') {
			*p++ = c == '\n' ? 'n' : '\\';
		} else {
			*p++ = 'x';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		}
	}
	*p = '\0';
	return (size_t)(p - out);
}

static void __attribute__((format(printf, 2, 0))) log_line(int priority, const char *fmt, va_list ap)
{
	char raw[RAW_MAX], line[LINE_MAX_];
	bool sys = to_syslog();
	int saved = errno, n = 0;
	size_t used = 0, len;

	if (!sys)
		n = snprintf(raw, sizeof(raw), "%s: ", log_ident);
	if (n > 0)
		used = (size_t)n < sizeof(raw) ? (size_t)n : sizeof(raw) - 1;
	n = snprintf(raw + used, sizeof(raw) - used, "%s%s", log_role_name, log_role_name[0] != '\0' ? ": " : "");
	if (n > 0)
		used += (size_t)n < sizeof(raw) - used ? (size_t)n : sizeof(raw) - used - 1;
	raw[used] = '\0';
	errno = saved; /* for %m */
	n = vsnprintf(raw + used, sizeof(raw) - used, fmt, ap);
	if (n < 0)
		raw[used] = '\0';
	else if ((size_t)n >= sizeof(raw) - used)
		memcpy(raw + sizeof(raw) - 4, "...", 4);
	len = escape(line, raw);
	if (sys) {
		syslog(priority, "%s", line);
	} else {
		line[len] = '\n';
		if (write(STDERR_FILENO, line, len + 1) < 0) {
			/* There is nobody left to tell. */
		}
	}
	errno = saved;
}

#define LOG_FUNCTION(name, priority)                                                                                   \
	void name(const char *fmt, ...)                                                                                \
	{                                                                                                              \
		va_list ap;                                                                                            \
                                                                                                                       \
		va_start(ap, fmt);                                                                                     \
		log_line(priority, fmt, ap);                                                                           \
		va_end(ap);                                                                                            \
	}

LOG_FUNCTION(log_err, LOG_ERR)
LOG_FUNCTION(log_warn, LOG_WARNING)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_debug_, LOG_DEBUG)

void
log_dump(const char *title, const void *data, unsigned long len)
{
	const unsigned char *p = data;

	if ((log_diag & LOG_D_DUMP) == 0)
		return;
	log_debug_("%s: %lu bytes", title, len);
	for (unsigned long at = 0; at < len; at += 16) {
		char hex[16 * 3 + 1], text[17];
		unsigned long i, n = len - at < 16 ? len - at : 16;

		for (i = 0; i < n; i++) {
			unsigned char c = p[at + i];

			(void)snprintf(hex + 3 * i, 4, " %02x", c);
			text[i] = c >= ' ' && c <= '~' && c != '\\' ? (char)c : '.';
		}
		text[n] = '\0';
		log_debug_("%06lx%-48s  %s", at, hex, text);
	}
}

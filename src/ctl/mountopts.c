/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mount options: one table of words. The list is cut at unescaped commas; each option is unescaped as libfuse does it (a
 * backslash and three octal digits stand for a byte, a backslash and anything else for that) and looked up. What the table does
 * not know is kept as it was given, escapes included, so that whoever parses the rest sees what the user wrote. When a word
 * comes twice, the last one counts, as in mount(8).
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "ctl/mountopts.h"

enum kind {
	SET,     /* a word that sets a mount flag */
	CLEAR,   /* a word that clears one */
	YES,     /* a word that sets a bool */
	NUMBER,  /* NAME=DECIMAL into an int or uint32_t */
	TEXT,    /* NAME=TEXT */
	DECIMAL, /* NAME=DECIMAL, checked and dropped */
	OCTAL,   /* NAME=OCTAL, checked and dropped */
	DROP,    /* NAME=ANYTHING, dropped */
};

#define FIELD(name) offsetof(struct mountopts, name)

static const struct word {
	const char *name;
	enum kind kind;
	uint32_t arg; /* the flag, or the largest number */
	size_t field; /* of struct mountopts */
} words[] = {
	{ "ro", SET, MS_RDONLY, 0 },
	{ "rw", CLEAR, MS_RDONLY, 0 },
	{ "nosuid", SET, MS_NOSUID, 0 },
	{ "suid", CLEAR, MS_NOSUID, 0 },
	{ "nodev", SET, MS_NODEV, 0 },
	{ "dev", CLEAR, MS_NODEV, 0 },
	{ "noexec", SET, MS_NOEXEC, 0 },
	{ "exec", CLEAR, MS_NOEXEC, 0 },
	{ "sync", SET, MS_SYNCHRONOUS, 0 },
	{ "async", CLEAR, MS_SYNCHRONOUS, 0 },
	{ "dirsync", SET, MS_DIRSYNC, 0 },
	{ "noatime", SET, MS_NOATIME, 0 },
	{ "atime", CLEAR, MS_NOATIME, 0 },
	{ "nodiratime", SET, MS_NODIRATIME, 0 },
	{ "diratime", CLEAR, MS_NODIRATIME, 0 },
	{ "relatime", SET, MS_RELATIME, 0 },
	{ "norelatime", CLEAR, MS_RELATIME, 0 },
	{ "strictatime", SET, MS_STRICTATIME, 0 },
	{ "lazytime", SET, MS_LAZYTIME, 0 },
	{ "allow_other", YES, 0, FIELD(allow_other) },
	{ "default_permissions", YES, 0, FIELD(default_permissions) },
	{ "auto_unmount", YES, 0, FIELD(auto_unmount) },
	{ "fd", NUMBER, INT_MAX, FIELD(fd) },
	{ "max_read", NUMBER, UINT32_MAX, FIELD(max_read) },
	{ "blksize", NUMBER, UINT32_MAX, FIELD(blksize) },
	{ "fsname", TEXT, 0, FIELD(fsname) },
	{ "subtype", TEXT, 0, FIELD(subtype) },
	{ "user_id", DECIMAL, UINT32_MAX, 0 },
	{ "group_id", DECIMAL, UINT32_MAX, 0 },
	{ "rootmode", OCTAL, 0177777, 0 },
	{ "context", DROP, 0, 0 },
	{ "fscontext", DROP, 0, 0 },
	{ "defcontext", DROP, 0, 0 },
	{ "rootcontext", DROP, 0, 0 },
};

/* The word called name[len] that takes a value (or takes none), or NULL. */
static const struct word *
find(const char *name, size_t len, bool value)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const struct word *w = &words[i];
		if ((w->kind >= NUMBER) == value && strlen(w->name) == len && memcmp(w->name, name, len) == 0)
			return w;
	}
	return NULL;
}

/* Digits of the base from end to end, no more than max. 0 or EINVAL. */
static int
number(const char *s, unsigned base, uint32_t max, uint32_t *out)
{
	uint64_t n = 0;

	if (*s == '\0')
		return EINVAL;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s >= (char)('0' + base))
			return EINVAL;
		n = n * base + (unsigned)(*s - '0');
		if (n > max)
			return EINVAL;
	}
	*out = (uint32_t)n;
	return 0;
}

/* Apply a word that takes a value. 0, EINVAL or ENOMEM. */
static int
apply_value(const struct word *w, const char *value, struct mountopts *o)
{
	void *field = (char *)o + w->field;
	uint32_t n;

	switch (w->kind) {
	case NUMBER:
		if (number(value, 10, w->arg, &n) != 0)
			return EINVAL;
		memcpy(field, &n, sizeof(n)); /* int and uint32_t: the range was checked */
		return 0;
	case TEXT:
		if (*value == '\0')
			return EINVAL;
		char *copy = strdup(value);
		if (copy == NULL)
			return ENOMEM;
		char **text = field;
		free(*text);
		*text = copy;
		return 0;
	case DECIMAL:
		return number(value, 10, w->arg, &n);
	case OCTAL:
		return number(value, 8, w->arg, &n);
	default:
		return 0;
	}
}

/* Apply a word that stands alone. */
static void
apply_plain(const struct word *w, struct mountopts *o)
{
	if (w->kind == SET) {
		o->flags |= w->arg;
		o->flags_cleared &= ~w->arg;
	} else if (w->kind == CLEAR) {
		o->flags &= ~w->arg;
		o->flags_cleared |= w->arg;
	} else {
		bool *yes = (bool *)((char *)o + w->field);
		*yes = true;
	}
}

static bool
is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7';
}

/* Unescape in place. EINVAL when a byte of 0 comes out. */
static int
unescape(char *s)
{
	char *to = s;

	while (*s != '\0') {
		if (s[0] == '\\' && is_octal(s + 1)) {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			if (*to++ == '\0')
				return EINVAL;
			s += 4;
			continue;
		}
		if (s[0] == '\\' && s[1] != '\0')
			s++;
		*to++ = *s++;
	}
	*to = '\0';
	return 0;
}

/* The length of the option at s: up to a comma that no backslash stands before, or the end. */
static size_t
option_len(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0' && s[n] != ',')
		n += s[n] == '\\' && s[n + 1] != '\0' ? 2 : 1;
	return n;
}

/* One option of the list, len bytes at s, neither empty nor terminated. *known: whether it was ours. 0, EINVAL, ENOMEM. */
static int
option(const char *s, size_t len, struct mountopts *o, bool *known)
{
	char *opt = strndup(s, len);
	if (opt == NULL)
		return ENOMEM;
	int error = unescape(opt);
	char *value = strchr(opt, '=');
	size_t namelen = value != NULL ? (size_t)(value - opt) : strlen(opt);
	const struct word *w = find(opt, namelen, value != NULL);

	*known = w != NULL;
	if (error == 0 && w != NULL) {
		if (value != NULL)
			error = apply_value(w, value + 1, o);
		else
			apply_plain(w, o);
	} else if (error == 0 && value == NULL && find(opt, namelen, true) != NULL) {
		error = EINVAL; /* one of ours without the value it needs */
	}
	free(opt);
	return error;
}

int
mountopts_parse(const char *list, struct mountopts *o, char **bad)
{
	*o = (struct mountopts){ .fd = -1 };
	*bad = NULL;
	if (list == NULL)
		return 0;
	char *rest = malloc(strlen(list) + 1);
	if (rest == NULL)
		return ENOMEM;

	int error = 0;
	size_t restlen = 0;
	const char *s = list;
	for (;;) {
		size_t len = option_len(s);
		bool known = true;
		if (len > 0)
			error = option(s, len, o, &known);
		if (error != 0)
			break;
		if (!known) {
			if (restlen > 0)
				rest[restlen++] = ',';
			memcpy(rest + restlen, s, len);
			restlen += len;
		}
		if (s[len] == '\0')
			break;
		s += len + 1;
	}
	if (error == 0 && restlen > 0) {
		rest[restlen] = '\0';
		o->rest = rest;
		return 0;
	}
	free(rest);
	if (error == EINVAL) {
		*bad = strndup(s, option_len(s));
		if (*bad == NULL)
			error = ENOMEM;
	}
	if (error != 0)
		mountopts_free(o);
	return error;
}

void
mountopts_free(struct mountopts *o)
{
	free(o->fsname);
	free(o->subtype);
	free(o->rest);
	*o = (struct mountopts){ .fd = -1 };
}

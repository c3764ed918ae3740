/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text for people: error lines, and names as they can be shown in a column. A file system's source and a mountpoint are
 * any bytes that somebody chose; none of them may move the cursor or look like another line.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <wchar.h>
#include <wctype.h>

#include "cli/cli.h"

static void say(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

static void
say(const char *fmt, va_list ap)
{
	char line[2048];

	(void)vsnprintf(line, sizeof(line), fmt, ap);
	for (char *p = line; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
	(void)fprintf(stderr, "perfuse: %s\n", line);
}

int
cli_fail(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return status;
}

int
cli_usage(const char *subcommand, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	return cli_fail(EX_USAGE, "%s (see perfuse %s%s--help)", line, subcommand, *subcommand ? " " : "");
}

char *
text_escape(const char *text, size_t *width)
{
	size_t left = strlen(text), columns = 0;
	mbstate_t state = { 0 };
	char *out, *p;
	wchar_t wc;

	p = out = malloc(4 * left + 1);
	if (!out)
		return NULL;
	while (left > 0) {
		size_t n = mbrtowc(&wc, text, left, &state);
		int w = n == 0 || n > left || wc == L'\\' || iswspace((wint_t)wc) ? -1 : wcwidth(wc);

		if (n > left) { /* not a character */
			memset(&state, 0, sizeof(state));
			n = 1;
		}
		for (size_t i = 0; i < n; i++) {
			if (w < 0) {
				p += sprintf(p, "\\%03o", (unsigned char)text[i]);
				columns += 4;
			} else
				*p++ = text[i];
		}
		columns += w > 0 ? (size_t)w : 0;
		text += n;
		left -= n;
	}
	*p = '\0';
	*width = columns;
	return out;
}

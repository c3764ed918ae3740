/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target: words that people, environments and daemons give. The first byte selects: PERFUSE_OPTIONS, diagnostic types, a
 * daemon's command line as perfuse(1) reads it, its program's headers, its last words, a mountpoint's name, a name shown
 * in a column, a line of the log. Sources are included where what is tested is not in a header.
 */
#include <locale.h>
#include <wchar.h>

#include "base/log.h"
#include "cli/text.c"
#include "client/args.c"
#include "client/peek.c"
#include "client/program.c"
#include "client/words.c"
#include "engine/engine.h"
#include "fuzz.h"
#include "vnode/host.h"
#include "world.h"

static char logged[8192]; /* what the log has written */
static size_t nlogged;

WORLD_WRAP(ssize_t, write, int fd, const void *data, size_t len)
{
	if (fd != STDERR_FILENO)
		return __real_write(fd, data, len);
	MUST(len < sizeof(logged));
	memcpy(logged, data, len);
	nlogged = len;
	return (ssize_t)len;
}

static bool
printable(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] < ' ' || p[i] > '~')
			return false;
	}
	return true;
}

static void
options(const char *text)
{
	MUST((engine_switches(text) & ~(unsigned)(VN_NO_ACCESS | VN_NO_CREATE)) == 0);
}

static void
diagnostics(const char *text)
{
	const char *bad = NULL;
	unsigned before = log_diag;

	if (log_diag_parse(text, &bad) != 0)
		MUST(bad >= text && bad <= text + strlen(text) && log_diag == before);
	log_diag = before;
}

/* Words are separated by newlines. */
static void
command_line(char *text)
{
	enum { WORDS = 16 };
	struct mountopts own = { .fd = -1 };
	char *argv[WORDS + 1] = { NULL }, *all, why[256] = "";
	struct args_fd out;
	int n = 0;

	while (text != NULL && n < WORDS)
		argv[n++] = strsep(&text, "\n");
	MUST(args_mountpoint(argv) < n);
	MUST((all = args_options(argv)) != NULL);
	free(all);
	if (args_fd_make(argv, &own, 7, &out, why, sizeof(why)) == 0) {
		MUST(out.at > 0 && out.at < n && strcmp(out.argv[out.at], "/dev/fd/7") == 0 && out.argv[n] == NULL);
		MUST(strncmp(out.mount.data, "fd=7", 4) == 0 && out.mount.target[0] == '/');
		MUST(strncmp(out.mount.filesystemtype, "fuse", 4) == 0 && out.mount.source != NULL);
	} else {
		MUST(why[0] != '\0');
	}
	args_fd_free(&out);
}

static void
program(const uint8_t *data, size_t len)
{
	const struct image im = { data, len };
	char loader[PATH_MAX], script[SCRIPT_LINE] = "";
	struct program out = { 0 };

	if (script_interpreter(&im, script)) {
		MUST(strlen(script) < sizeof(script));
	} else {
		image_inspect(&im, &out, loader);
		MUST(strlen(loader) < sizeof(loader) &&
		     (out.elf || !(out.dynamic || out.libfuse2 || out.libfuse3 || out.go)));
	}
}

static void
last_words(const char *data, size_t len)
{
	struct words w = { .lock = PTHREAD_MUTEX_INITIALIZER };
	char last[256];

	for (size_t at = 0, n; at < len; at += n) { /* in pieces, as a pipe gives them */
		n = len - at < 1 + at % 37 ? len - at : 1 + at % 37;
		note(&w, data + at, n);
	}
	note(&w, "\n", 1);
	words_last(&w, last, 1 + len % sizeof(last));
	MUST(strlen(last) < sizeof(last));
	for (const char *p = last; *p != '\0'; p++)
		MUST((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void
mountpoint(const char *text)
{
	char *out, *again;

	if (peek_canonical(text, &out) != 0) {
		MUST(out == NULL);
		return;
	}
	MUST(out[0] == '/');
	MUST(peek_canonical(out, &again) == 0 && strcmp(out, again) == 0);
	free(again);
	free(out);
}

static void
column(const char *text)
{
	size_t width;
	char *out = text_escape(text, &width);

	MUST(out != NULL);
	for (const char *p = out; *p != '\0'; p++)
		MUST((unsigned char)*p > ' ' && *p != 0x7f);
	MUST(width <= strlen(out) * 2);
	free(out);
}

static void
line(const char *text)
{
	log_role(text);
	nlogged = 0;
	log_info("%s and %s", text, text);
	MUST(nlogged > 0 && logged[nlogged - 1] == '\n' && printable(logged, nlogged - 1));
	log_role("");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size > 0 ? size - 1 : 0;
	uint8_t *bytes = malloc(len > 0 ? len : 1);
	char *text = malloc(len + 1);

	MUST(bytes != NULL && text != NULL);
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	if (len > 0)
		memcpy(bytes, data + 1, len);
	memcpy(text, bytes, len);
	text[len] = '\0';
	switch (size > 0 ? data[0] % 8 : 0) {
	case 0:
		options(text);
		break;
	case 1:
		diagnostics(text);
		break;
	case 2:
		command_line(text);
		break;
	case 3:
		program(bytes, len);
		break;
	case 4:
		last_words((const char *)bytes, len);
		break;
	case 5:
		mountpoint(text);
		break;
	case 6:
		column(text);
		break;
	default:
		line(text);
		break;
	}
	free(text);
	free(bytes);
	return 0;
}

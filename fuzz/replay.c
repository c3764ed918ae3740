/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fuzz target as an ordinary program: it is run on each file of the folders (and files) that are named, in the order of their
 * names. Finding no file is a failure; a finding of the target ends the program.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned files;

static int
run_file(const char *path)
{
	uint8_t *data = NULL;
	size_t len = 0, room = 0, n;
	FILE *f = fopen(path, "rb");

	if (f == NULL)
		goto fail;
	do {
		if (len == room && (data = realloc(data, room = 2 * room + 4096)) == NULL)
			goto fail;
		n = fread(data + len, 1, room - len, f);
		len += n;
	} while (n > 0);
	if (ferror(f))
		goto fail;
	(void)fclose(f);
	/* Exactly as long as it is, so that a step past its end is seen; and the name is known when it crashes. */
	if ((data = realloc(data, len > 0 ? len : 1)) == NULL)
		goto fail;
	if (getenv("FUZZ_VERBOSE") != NULL)
		(void)fprintf(stderr, "%s\n", path);
	(void)LLVMFuzzerTestOneInput(data, len);
	free(data);
	files++;
	return 0;
fail:
	(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return 1;
}

static int
not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int
run(const char *path)
{
	struct dirent **list;
	struct stat st;
	int failed = 0, n;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return run_file(path);
	if ((n = scandir(path, &list, not_hidden, alphasort)) < 0) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	for (int i = 0; i < n; i++) {
		char file[4096];

		(void)snprintf(file, sizeof(file), "%s/%s", path, list[i]->d_name);
		failed |= run_file(file);
		free(list[i]);
	}
	free(list);
	return failed;
}

int
main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= run(argv[i]);
	if (files == 0) {
		(void)fprintf(stderr, "%s: there was no file to run\n", argv[0]);
		return 1;
	}
	(void)printf("%u inputs\n", files);
	return failed;
}

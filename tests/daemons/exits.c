/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How processes ended, as the kernel's process accounting has it; for tests/daemons/cell.sh. It sees every process of the process
 * namespace, whoever waits for it, so that no wrapper has to stand between perfuse and a daemon.
 *
 *     exits FILE               write an account of what ends from now on
 *     exits FILE SKIP NAME     print, for each process NAME beyond the first SKIP records: its status, as a shell says it
 *     exits FILE SKIP          print all, "NAME PID STATUS"
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/acct.h>

static void
print(const struct acct_v3 *r, const char *name)
{
	int wait_status = (int)r->ac_exitcode;
	int status = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);

	if (!name)
		(void)printf("%.*s %u %d\n", (int)sizeof(r->ac_comm), r->ac_comm, r->ac_pid, status);
	else if (strncmp(r->ac_comm, name, sizeof(r->ac_comm) - 1) == 0)
		(void)printf("%d\n", status);
}

int
main(int argc, char **argv)
{
	struct acct_v3 r;
	FILE *f;
	long skip;

	if (argc == 2) {
		int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		if (fd < 0 || acct(argv[1]) != 0) {
			(void)fprintf(stderr, "process accounting: %s\n", strerror(errno));
			return 1;
		}
		return 0;
	}
	if (argc < 3 || !(f = fopen(argv[1], "re")))
		return 1;
	skip = atol(argv[2]);
	while (fread(&r, sizeof(r), 1, f) == 1) {
		if (skip-- <= 0)
			print(&r, argc > 3 ? argv[3] : NULL);
	}
	return fclose(f) == 0 ? 0 : 1;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sides: a backing tree on a tmpfs of its own, a mount of it by the commands of the configuration, and the processes that run a
 * sequence there. Call i+1 begins when call i has returned: whoever ends a call lets the process of the next one go, by a futex
 * in shared memory, so that all is deterministic without a controller in between. Only a call that waits (a lock) lets it go
 * before. All sides run at the same time.
 *
 * The commands run by sh with $SRC (the backing tree), $MNT, $DIR (a folder of the side's own) and $VIA.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "parity.h"

static void
path_of(const struct side *side, const char *name, char *path, size_t room)
{
	snprintf(path, room, "%s/%s", side->dir, name);
}

int
side_init(struct side *side, const struct config *config, unsigned number, const char *via)
{
	static const char *const folders[] = { "", "src", "mnt" };
	char path[300];

	memset(side, 0, sizeof(*side));
	side->config = config;
	side->via = via;
	snprintf(side->name, sizeof(side->name), "%c", 'a' + (int)number);
	snprintf(side->dir, sizeof(side->dir), "%s/%s", config->work, side->name);
	for (unsigned i = 0; i < 3; i++) {
		path_of(side, folders[i], path, sizeof(path));
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return errno;
	}
	return 0;
}

void
side_free(struct side *side)
{
	if (side->shared != NULL)
		munmap(side->shared, sizeof(struct shared) + side->room * sizeof(struct result));
	side->shared = NULL;
	for (unsigned i = 0; i < 2; i++) {
		free(side->tree[i]);
		side->tree[i] = NULL;
	}
}

static int
make_shared(struct side *side, size_t n)
{
	size_t size;

	if (side->shared == NULL || side->room < n) {
		side_free(side);
		size = sizeof(struct shared) + n * sizeof(struct result);
		side->shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (side->shared == MAP_FAILED) {
			side->shared = NULL;
			return ENOMEM;
		}
		side->room = n;
	} else {
		memset(side->shared, 0, sizeof(struct shared) + n * sizeof(struct result));
	}
	return 0;
}

/* ---- processes ---- */

static void
let_go(struct shared *shared, unsigned proc, uint32_t number)
{
	atomic_store(&shared->go[proc], number);
	syscall(SYS_futex, &shared->go[proc], FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void
wait_for(struct shared *shared, unsigned proc, uint32_t number)
{
	uint32_t now;

	while ((now = atomic_load(&shared->go[proc])) < number)
		syscall(SYS_futex, &shared->go[proc], FUTEX_WAIT, now, NULL, NULL, 0);
}

static void
after_call(struct shared *shared, const struct sequence *sequence, size_t i)
{
	if (i + 1 < sequence->n) {
		atomic_store(&shared->finished, (uint32_t)i + 1);
		let_go(shared, sequence->call[i + 1].proc, (uint32_t)i + 2);
		return;
	}
	for (unsigned proc = 0; proc < PROCS; proc++)
		let_go(shared, proc, (uint32_t)sequence->n + 1);
}

static void
do_call(struct ctx *c, const struct sequence *sequence, size_t i)
{
	const struct call *call = &sequence->call[i];
	struct result *r = &c->side->result[i];

	wait_for(c->side, c->proc, (uint32_t)i + 1);
	c->number = (uint32_t)i;
	if (ops[call->op].waits)
		after_call(c->side, sequence, i);
	errno = 0;
	r->ret = ops[call->op].run(c, call->arg, r);
	r->err = r->ret < 0 ? errno : 0;
	r->done = true;
	if (!ops[call->op].waits)
		after_call(c->side, sequence, i);
}

/* Root; a user; root; another user who is in the group of the first. */
static int
become(unsigned proc)
{
	static const gid_t group = 1000;
	uid_t id = proc == 1 ? 1000 : 1001;

	if (proc % 2 == 0)
		return setgroups(0, NULL);
	if (setgroups(proc == 1 ? 0 : 1, &group) < 0 || setresgid(id, id, id) < 0)
		return -1;
	return setresuid(id, id, id);
}

static void
process(struct side *side, const struct sequence *sequence, unsigned proc)
{
	static struct ctx c;
	char path[300];

	c.side = side->shared;
	c.proc = proc;
	c.mask = side->config->mask;
	for (unsigned i = 0; i < FDS; i++)
		c.fd[i] = -1;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	umask(0);
	c.room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	path_of(side, "mnt", path, sizeof(path));
	if (c.room == MAP_FAILED || pipe2(c.pipe, O_NONBLOCK) < 0 || chroot(path) < 0 || chdir("/") < 0 ||
	    (c.root = open("/", O_RDONLY | O_DIRECTORY)) < 0 || become(proc) < 0) {
		fprintf(stderr, "parity: side %s: %s\n", side->name, strerror(errno));
		_exit(1);
	}
	/* The first call waits for all: what this looked up would fall between some calls otherwise, and be cached then. */
	if (atomic_fetch_add(&c.side->ready, 1) + 1 == PROCS)
		let_go(c.side, sequence->call[0].proc, 1);
	for (size_t i = 0; i < sequence->n; i++) {
		if (sequence->call[i].proc == proc)
			do_call(&c, sequence, i);
	}
	wait_for(c.side, proc, (uint32_t)sequence->n + 1);
	_exit(0);
}

/* ---- children of ours ---- */

static void
unblock(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static pid_t
start_command(const struct side *side, const char *command)
{
	char path[300];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	unblock();
	path_of(side, "src", path, sizeof(path));
	setenv("SRC", path, 1);
	path_of(side, "mnt", path, sizeof(path));
	setenv("MNT", path, 1);
	setenv("DIR", side->dir, 1);
	setenv("VIA", side->via, 1);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static pid_t
start_tree(const struct side *side, unsigned which)
{
	char path[300];
	FILE *to;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	path_of(side, which == 0 ? "tree.mnt" : "tree.src", path, sizeof(path));
	to = fopen(path, "w");
	path_of(side, which == 0 ? "mnt" : "src", path, sizeof(path));
	if (to == NULL || tree_print(to, path, side->config->mask) != 0 || fclose(to) != 0)
		_exit(1);
	_exit(0);
}

static uint64_t
progress(const struct side *sides, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += atomic_load(&sides[i].shared->finished);
	return sum;
}

/* Wait for N children of ours (0: none), which are the sides' own in equal parts. Those that make no progress for too long are killed,
 * and their side is hung. Returns the number of those that failed. */
static unsigned
wait_all(struct side *sides, unsigned n_sides, pid_t *pids, unsigned n)
{
	sigset_t set;
	struct timespec second = { .tv_sec = 1 };
	unsigned left = 0, failed = 0, quiet = 0;
	uint64_t before = progress(sides, n_sides);

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (unsigned i = 0; i < n; i++)
		left += pids[i] > 0 ? 1 : 0;
	while (left > 0) {
		int status, timeout = sigtimedwait(&set, NULL, &second) < 0 && errno == EAGAIN;
		pid_t pid;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			for (unsigned i = 0; i < n; i++) {
				if (pids[i] != pid)
					continue;
				pids[i] = 0;
				left--;
				failed += status != 0 ? 1 : 0;
			}
		}
		if (!timeout)
			continue;
		quiet = progress(sides, n_sides) == before ? quiet + 1 : 0;
		before = progress(sides, n_sides);
		if (quiet != sides->config->patience)
			continue;
		if (system("ps -e -o pid,ppid,stat,wchan:24,args >&2") != 0)
			fprintf(stderr, "parity: no ps\n");
		for (unsigned i = 0; i < n; i++) {
			if (pids[i] <= 0)
				continue;
			sides[i / (n / n_sides)].hung = true;
			kill(pids[i], SIGKILL);
		}
		for (unsigned i = 0; i < n_sides; i++) {
			char path[300];
			path_of(&sides[i], "mnt", path, sizeof(path));
			if (!sides[i].hung)
				continue;
			fprintf(stderr, "parity: side %s (%s) hangs in or after call %u\n", sides[i].name, sides[i].via,
			    atomic_load(&sides[i].shared->finished));
			umount2(path, MNT_FORCE); /* ends the connection: what waits for it can be killed */
		}
	}
	return failed;
}

static int
run_commands(struct side *sides, unsigned n, const char *command)
{
	pid_t pids[SIDES];

	for (unsigned i = 0; i < n; i++)
		pids[i] = start_command(&sides[i], command);
	return wait_all(sides, n, pids, n) == 0 ? 0 : EIO;
}

static void
run_processes(struct side *sides, unsigned n, const struct sequence *sequence)
{
	pid_t pids[SIDES * PROCS];

	for (unsigned i = 0; i < n * PROCS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			process(&sides[i / PROCS], sequence, i % PROCS);
		sides[i / PROCS].shared->pid[i % PROCS] = pids[i];
	}
	wait_all(sides, n, pids, n * PROCS);
}

static char *
read_all(const char *path)
{
	FILE *from = fopen(path, "r");
	char *text = NULL;
	size_t room = 0;

	if (from == NULL)
		return NULL;
	if (getdelim(&text, &room, '\0', from) < 0) {
		free(text);
		text = strdup("");
	}
	fclose(from);
	return text;
}

/* All sides' trees; EAGAIN when they are not all equal. */
static int
read_trees(struct side *sides, unsigned n, unsigned which)
{
	pid_t pids[SIDES];
	char path[300];
	bool equal = true;

	for (unsigned i = 0; i < n; i++)
		pids[i] = sides[i].hung ? 0 : start_tree(&sides[i], which);
	if (wait_all(sides, n, pids, n) != 0)
		return EIO;
	for (unsigned i = 0; i < n; i++) {
		path_of(&sides[i], which == 0 ? "tree.mnt" : "tree.src", path, sizeof(path));
		free(sides[i].tree[which]);
		sides[i].tree[which] = read_all(path);
		if (sides[i].tree[which] == NULL)
			return EIO;
		equal = equal && strcmp(sides[0].tree[which], sides[i].tree[which]) == 0;
	}
	return equal ? 0 : EAGAIN;
}

/* Nobody waits for a RELEASE: when many files are closed at once a tree may still show what goes away with them. It is read again for
 * half a second when the sides differ. */
static int
run_trees(struct side *sides, unsigned n, unsigned which)
{
	int error = EAGAIN;

	for (unsigned tries = 0; error == EAGAIN && tries < 10; tries++) {
		if (tries > 0)
			usleep(50000);
		error = read_trees(sides, n, which);
	}
	return error == EAGAIN ? 0 : error;
}

/* ---- one run ---- */

static int
make_backing(struct side *side, const struct sequence *sequence)
{
	char path[300];
	int error = make_shared(side, sequence->n);

	side->hung = false;
	path_of(side, "src", path, sizeof(path));
	if (error == 0 && mount("parity", path, "tmpfs", MS_NOATIME, "size=96m,nr_inodes=20000,mode=777") < 0)
		error = errno;
	return error;
}

int
sides_run(struct side *sides, unsigned n, const struct sequence *sequence)
{
	char path[300];
	int error = 0;
	bool hung = false;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fflush(NULL);
	for (unsigned i = 0; i < n && error == 0; i++)
		error = make_backing(&sides[i], sequence);
	if (error == 0)
		error = run_commands(sides, n, sides->config->up);
	if (error == 0) {
		if (sequence->n > 0)
			run_processes(sides, n, sequence);
		error = run_trees(sides, n, 0);
		for (unsigned i = 0; i < n; i++)
			hung |= sides[i].hung;
		if (!hung && run_commands(sides, n, sides->config->down) != 0)
			fprintf(stderr, "parity: an unmount failed\n");
		if (error == 0)
			error = run_trees(sides, n, 1);
	} else {
		fprintf(stderr, "parity: cannot mount: %s\n", strerror(error));
	}
	for (unsigned i = 0; i < n; i++) {
		path_of(&sides[i], "mnt", path, sizeof(path));
		while (umount2(path, MNT_DETACH) == 0)
			;
		path_of(&sides[i], "src", path, sizeof(path));
		while (umount2(path, MNT_DETACH) == 0)
			;
		if (sides[i].hung)
			error = 0; /* that is a finding, not a failure */
	}
	return error;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inventing calls. A few names on three levels, so that calls meet. So that most calls succeed, each is done at once on a plain
 * tmpfs (the guide), by one process that plays all the others in turn, and what is there decides what the next call is about.
 * The guide is a child with that tmpfs as its root; it sends the calls as lines of text.
 *
 * A path is a number: 0 is the root, and the children of p are p * WIDTH + 1 .. p * WIDTH + WIDTH, as in a heap; the last name of each
 * directory is an odd one, chosen by the seed. The kinds of arguments are those of table.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include "parity.h"

enum { WIDTH = 6, PATHS = 1 + WIDTH + WIDTH * WIDTH + WIDTH * WIDTH * WIDTH };

/* What one process of the guide has, besides its open files. */
struct player {
	struct ctx c;
	int cwd; /* descriptor */
	mode_t umask;
	int cwd_id, id[FDS]; /* paths by which they were opened, as far as it is known: -1 */
};

struct gen {
	uint64_t random;
	unsigned procs;
	bool nodes; /* fifos and such: then every open is O_NONBLOCK */
	const char *odd;
	unsigned weights;
	bool missed; /* an argument that makes this call fail, for want of a better one */
	const bool *without;
	struct player player[PROCS];
	struct shared *shared;
};

static uint64_t
next(struct gen *g)
{
	uint64_t z = (g->random += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static unsigned
below(struct gen *g, unsigned n)
{
	return (unsigned)(next(g) % n);
}

static bool
percent(struct gen *g, unsigned n)
{
	return below(g, 100) < n;
}

/* ---- paths ---- */

static int
parent(int id)
{
	return (id - 1) / WIDTH;
}

static int
child(int id, unsigned which)
{
	int at = id * WIDTH + 1 + (int)which;

	return at < PATHS ? at : -1;
}

static const char *
name_of(const struct gen *g, int id)
{
	static const char *const names[WIDTH - 1] = { "a", "b", "c", "d", "e" };

	return (id - 1) % WIDTH < WIDTH - 1 ? names[(id - 1) % WIDTH] : g->odd;
}

/* Appends the names from BASE (which is ID or above it) down to ID. */
static void
add_names(const struct gen *g, char *text, int base, int id)
{
	if (id == base)
		return;
	add_names(g, text, base, parent(id));
	if (*text != '\0' && text[strlen(text) - 1] != '/')
		strcat(text, "/");
	strcat(text, name_of(g, id));
}

/* The type of what is there now: S_IFDIR and so on; 0: nothing, but it could be made; -1: not even that. */
static int
type_of(const struct gen *g, int id)
{
	char text[4 * 256] = "/";
	struct stat st;

	add_names(g, text, 0, id);
	if (lstat(text, &st) == 0)
		return (int)(st.st_mode & S_IFMT);
	text[1] = '\0';
	add_names(g, text, 0, parent(id));
	return lstat(text, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -1;
}

static bool
empty(const struct gen *g, int id)
{
	for (unsigned i = 0; child(id, 0) >= 0 && i < WIDTH; i++) {
		if (type_of(g, child(id, i)) > 0)
			return false;
	}
	return true;
}

static bool
wanted(const struct gen *g, int id, char kind)
{
	int type = type_of(g, id);

	switch (kind) {
	case 'q':
		return type == S_IFREG;
	case 'd':
		return type == S_IFDIR;
	case 's':
		return type == S_IFDIR && empty(g, id);
	case 'l':
		return type == S_IFLNK;
	case 'n':
		return type == 0;
	default:
		return type > 0;
	}
}

/* One of three levels, the upper more often. */
static int
any_path(struct gen *g)
{
	unsigned level = below(g, 80);
	int id = 0;

	for (unsigned depth = level == 0 ? 0 : level < 36 ? 1 : level < 64 ? 2 : 3; depth > 0; depth--)
		id = child(id, below(g, WIDTH));
	return id;
}

static int
pick_path(struct gen *g, char kind)
{
	int id = 0;

	if (kind == 'e')
		kind = percent(g, 45) ? 'n' : 'p';
	if (kind == 'q' && percent(g, 12))
		kind = 'p';
	if (percent(g, 5))
		return any_path(g);
	for (unsigned tries = 0; tries < 30; tries++) {
		id = any_path(g);
		if (wanted(g, id, kind))
			return id;
	}
	g->missed = true;
	return id;
}

static bool
is_below(int base, int id)
{
	while (id > base)
		id = parent(id);
	return id == base;
}

/* Paths that nobody would write. */
static char *
strange_path(struct gen *g, char *text)
{
	size_t n;

	switch (below(g, 12)) {
	case 0:
		return strdup("");
	case 1:
		return strdup(".");
	case 2:
		return strdup("..");
	case 3: /* a name that is too long */
	case 4: /* a path that is too long */
		n = percent(g, 50) ? 256 : 4095 + below(g, 3);
		text = malloc(n + 1);
		if (text != NULL) {
			for (size_t i = 0; i < n; i++)
				text[i] = n > 256 && i % 2 == 1 ? '/' : 'a';
			text[n] = '\0';
		}
		return text;
	case 5:
		return strdup("/no/such");
	case 6:
		strcat(text, "/..");
		break;
	case 7:
	case 8:
		strcat(text, "/");
		break;
	case 9:
		strcat(text, "/.");
		break;
	case 10:
		memmove(text + 3, text, strlen(text) + 1);
		memcpy(text, "../", 3);
		break;
	default:
		memmove(text + 5, text, strlen(text) + 1);
		memcpy(text, "/../.", 5);
		break;
	}
	return strdup(text);
}

/* The path of ID as seen from BASE: a directory's id, or -1 for the current directory of PROC. */
static char *
path_text(struct gen *g, unsigned proc, int base, int id)
{
	char text[4 * 256 + 16] = "";
	int cwd = g->player[proc].cwd_id;

	if (base >= 0 && is_below(base, id)) {
		add_names(g, text, base, id);
		if (*text == '\0')
			strcpy(text, ".");
	} else if (base < 0 && cwd >= 0 && is_below(cwd, id) && percent(g, 60)) {
		add_names(g, text, cwd, id);
		if (*text == '\0')
			strcpy(text, ".");
	} else if (base < 0 && cwd > 0 && is_below(parent(cwd), id) && percent(g, 30)) {
		strcpy(text, "../");
		add_names(g, text, parent(cwd), id);
	} else {
		strcpy(text, "/");
		add_names(g, text, 0, id);
	}
	return percent(g, 2) ? strange_path(g, text) : strdup(text);
}

/* ---- arguments ---- */

static int64_t
pick_offset(struct gen *g)
{
	static const int64_t far[] = { 1LL << 31, (1LL << 32) + 5, 1LL << 40, INT64_MAX, INT64_MAX - 4095, -1, -4096,
		1LL << 43 };
	unsigned way = below(g, 100);

	if (way < 15)
		return 0;
	if (way < 50)
		return below(g, 9000);
	if (way < 70)
		return (int64_t)below(g, 20) * 4096 + below(g, 3) - 1;
	if (way < 90)
		return (int64_t)below(g, 10) * 4096;
	if (way < 97)
		return below(g, 300000);
	return far[below(g, sizeof(far) / sizeof(far[0]))];
}

static int64_t
pick_size(struct gen *g)
{
	unsigned way = below(g, 100);

	if (way < 4)
		return 0;
	if (way < 45)
		return 1 + below(g, 300);
	if (way < 65)
		return (int64_t)(1 + below(g, 8)) * 4096;
	if (way < 90)
		return below(g, 10000);
	if (way < 98)
		return below(g, 70000);
	return below(g, ROOM);
}

static int64_t
pick_mode(struct gen *g)
{
	static const int64_t modes[] = { 0644, 0666, 0600, 0755, 0777, 0777, 0700, 0640, 0444, 0000, 0777, 04755, 02755,
		01777, 0555, 06777, 02644 };

	return modes[below(g, sizeof(modes) / sizeof(modes[0]))];
}

static int64_t
pick_time(struct gen *g)
{
	static const int64_t times[] = { -1, -1, -2, -2, 0, 1, 1000000000, 1234567890, 1500000001, 2147483647,
		2147483653, -100 };

	return times[below(g, sizeof(times) / sizeof(times[0]))];
}

/* For a path that is of this type. */
static int64_t
pick_open(struct gen *g, int type)
{
	static const struct {
		int flag;
		unsigned percent;
	} chance[] = { { O_CREAT, 45 }, { O_TRUNC, 12 }, { O_APPEND, 12 }, { O_DIRECT, 5 }, { O_SYNC, 4 },
		{ O_DSYNC, 2 }, { O_NOFOLLOW, 5 }, { O_NOATIME, 2 }, { O_CLOEXEC, 3 }, { O_NONBLOCK, 4 }, { O_PATH, 3 },
		{ O_DIRECTORY, 1 } };
	int64_t flags = percent(g, 65) ? O_RDWR : percent(g, 50) ? O_RDONLY : O_WRONLY;

	if (type == S_IFDIR && percent(g, 10))
		return (flags & O_ACCMODE) | O_TMPFILE | (percent(g, 20) ? O_EXCL : 0);
	if (type == S_IFDIR && percent(g, 96))
		return O_RDONLY | (percent(g, 60) ? O_DIRECTORY : 0) | (percent(g, 8) ? O_PATH : 0);
	for (size_t i = 0; i < sizeof(chance) / sizeof(chance[0]); i++)
		flags |= percent(g, chance[i].percent) ? chance[i].flag : 0;
	if (type <= 0 && percent(g, 95))
		flags = (flags & ~(O_PATH | O_DIRECTORY)) | O_CREAT;
	if ((flags & O_CREAT) != 0 && percent(g, type <= 0 ? 15 : 3))
		flags |= O_EXCL;
	return flags;
}

/* One or two of the flags of a kind; the first of its table (mostly nothing) more often than the others. */
static int64_t
pick_flags(struct gen *g, char kind)
{
	static const int64_t falloc[] = { 0, 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE,
		FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_PUNCH_HOLE };
	const struct flag *flags = flags_of(kind);
	unsigned n = 0;
	int64_t value;

	if (kind == 'A')
		return falloc[below(g, sizeof(falloc) / sizeof(falloc[0]))];
	if (kind == 'P')
		return percent(g, 70) ? PROT_READ | PROT_WRITE : PROT_READ;
	if (kind == 'j')
		return percent(g, 80) ? MAP_SHARED : MAP_PRIVATE;
	while (flags[n].name != NULL)
		n++;
	value = percent(g, kind == 'S' || flags[0].value == 0 ? 45 : 0) ? flags[0].value : flags[below(g, n)].value;
	if (strchr("XCVY", kind) != NULL && percent(g, 30))
		value |= flags[below(g, n)].value;
	return value;
}

static char *
pick_target(struct gen *g, unsigned proc)
{
	char text[300];

	switch (below(g, 10)) {
	case 0:
		memset(text, 'y', 299);
		text[299] = '\0';
		return strdup(text);
	case 1:
		return strdup(percent(g, 50) ? ".." : "/no/such");
	case 2:
		return strdup(percent(g, 50) ? "." : "a");
	default:
		return path_text(g, proc, percent(g, 50) ? 0 : -1, pick_path(g, 'p'));
	}
}

static char *
pick_attribute(struct gen *g)
{
	static const char *const names[] = { "user.one", "user.one", "user.one", "user.one", "user.one", "user.one",
		"user.one", "user.two", "user.three", "trusted.one", "security.one", "security.capability",
		"system.posix_acl_access", "system.posix_acl_access", "system.posix_acl_default", "user.", "nothing",
		"system.other", "user.of-a-name-with-quite-some-length-so-that-lists-of-names-grow" };

	return strdup(names[below(g, sizeof(names) / sizeof(names[0]))]);
}

static bool
fits(const struct gen *g, unsigned proc, unsigned slot, char kind)
{
	int fd = g->player[proc].c.fd[slot], flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (fd < 0 || flags < 0 || fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) != (kind == 'h'))
		return false;
	if (kind != '<' && kind != '>')
		return true;
	return (flags & O_PATH) == 0 && (flags & O_ACCMODE) != (kind == '<' ? O_WRONLY : O_RDONLY);
}

/* An open file of this process, of the kind wanted when there is one. */
static int64_t
pick_fd(struct gen *g, unsigned proc, char kind)
{
	unsigned fd = 0;

	if (percent(g, 3))
		return below(g, FDS);
	for (unsigned tries = 0; tries < 20; tries++) {
		fd = below(g, FDS);
		if (fits(g, proc, fd, kind))
			return fd;
	}
	g->missed = true;
	return fd;
}

static struct arg
pick_arg(struct gen *g, struct call *call, unsigned which)
{
	unsigned proc = call->proc;
	const char *kinds = ops[call->op].kinds;
	char kind = kinds[which];
	int base = -1;

	if (kind == 'O') /* its path is before it */
		return (struct arg){ .n = pick_open(g, type_of(g, (int)call->arg[which - 1].n)) };
	if (flags_of(kind) != NULL)
		return (struct arg){ .n = pick_flags(g, kind) };
	switch (kind) {
	case 't':
		return (struct arg){ .s = pick_target(g, proc) };
	case 'x':
		return (struct arg){ .s = pick_attribute(g) };
	case 'f':
		return (struct arg){ .n = pick_fd(g, proc, percent(g, 5) ? 'h' : 'f') };
	case '<':
	case '>':
	case 'h':
		return (struct arg){ .n = pick_fd(g, proc, kind) };
	case 'a':
		return (struct arg){ .n = percent(g, 40) ? -1 : pick_fd(g, proc, 'h') };
	case 'N':
		return (struct arg){ .n = below(g, FDS) };
	case 'm':
		for (unsigned tries = 0, map; tries < 8; tries++) {
			map = below(g, MAPS);
			if (g->player[proc].c.map[map].at != NULL)
				return (struct arg){ .n = map };
		}
		g->missed = true;
		return (struct arg){ .n = 0 };
	case 'k':
		return (struct arg){ .n = below(g, MAPS) };
	case 'o':
		return (struct arg){ .n = pick_offset(g) };
	case 'z':
		return (struct arg){ .n = pick_size(g) };
	case 'b':
	case 'v':
		return (struct arg){ .n = below(g, 10000) };
	case 'i':
		return (struct arg){ .n = below(g, 12) };
	case 'u':
		return (struct arg){ .n = percent(g, 25) ? -1 : percent(g, 30) ? 0 : 1000 + (int64_t)below(g, 2) };
	case 'T':
		return (struct arg){ .n = pick_time(g) };
	case 'B':
		return (struct arg){ .n = percent(g, 40) ? 4000 : 24 + below(g, 200) };
	case 'y':
		return (struct arg){ .n = percent(g, 60) ? 4000 : percent(g, 50) ? 0 : below(g, 200) };
	case 'c':
		return (struct arg){ .n = below(g, COOKIES) };
	case 'w':
		return (struct arg){ .n = below(g, 2) };
	case 'M':
		return (struct arg){ .n = call->op == op_find("umask", 5) ? (percent(g, 70) ? 0 : pick_mode(g) & 077)
									  : pick_mode(g) };
	default: /* a path */
		if (which > 0 && kinds[which - 1] == 'a' && call->arg[which - 1].n >= 0 &&
		    fits(g, proc, (unsigned)call->arg[which - 1].n, 'h'))
			base = g->player[proc].id[call->arg[which - 1].n];
		for (int tries = 0, id;; tries++) {
			id = pick_path(g, kind);
			if (base < 0 || is_below(base, id) || tries > 8) {
				return (struct arg){ .n = id, .s = path_text(g, proc, base, id) };
			}
		}
	}
}

/* ---- the guide ---- */

static void
become(unsigned proc)
{
	static const gid_t group = 1000;
	uid_t id = proc % 2 == 0 ? 0 : proc == 1 ? 1000 : 1001;

	if (seteuid(0) < 0 || setgroups(proc == 3 ? 1 : 0, &group) < 0 || setegid(id) < 0 || seteuid(id) < 0)
		_exit(1);
}

static void
play(struct gen *g, const struct call *call)
{
	struct player *player = &g->player[call->proc];
	struct result *r = &g->shared->result[0];
	const char *kinds = ops[call->op].kinds;
	int64_t ret;

	if (ops[call->op].waits)
		return;
	memset(r, 0, sizeof(*r));
	umask(player->umask);
	if (fchdir(player->cwd) < 0) /* (as root: whoever is there may stay there) */
		_exit(1);
	become(call->proc);
	ret = ops[call->op].run(&player->c, call->arg, r);
	player->umask = umask(0);
	become(0);
	if (ret < 0)
		return;
	if (*kinds == 'N')
		player->id[call->arg[0].n] = (int)call->arg[kinds[1] == 'a' ? 2 : 1].n;
	else if (strcmp(kinds, "fN") == 0)
		player->id[call->arg[1].n] = player->id[call->arg[0].n];
	else if (strstr(ops[call->op].name, "chdir") != NULL) {
		close(player->cwd);
		player->cwd = open(".", O_PATH | O_DIRECTORY);
		player->cwd_id = *kinds == 'd' ? (int)call->arg[0].n : player->id[call->arg[0].n];
	}
}

/* ---- sequences ---- */

/* A process waits for a lock that another has, and gets it. Returns the number of calls made, at most 4. */
static size_t
make_wait(struct gen *g, struct call *call)
{
	unsigned first = below(g, g->procs), second = (first + 1 + below(g, g->procs - 1)) % g->procs;
	int64_t type = below(g, 2), ofd = below(g, 2);
	static const char *const names[] = { "setlk", "setlkw", "setlk", "getfl" };

	for (unsigned i = 0; i < FDS * FDS; i++) {
		unsigned one = i / FDS, two = i % FDS;
		if (!fits(g, first, one, '>') || !fits(g, second, two, '>') ||
		    g->player[first].id[one] != g->player[second].id[two])
			continue;
		memset(call, 0, 4 * sizeof(*call));
		for (unsigned step = 0; step < 4; step++) {
			call[step].proc = step % 2 == 0 ? first : second;
			call[step].op = op_find(names[step], strlen(names[step]));
			call[step].arg[0].n = step % 2 == 0 ? one : two;
			call[step].arg[1].n = step == 3 ? 0 : ofd;
			call[step].arg[2].n = step == 3 ? 0 : step == 2 ? F_UNLCK : step == 0 ? F_WRLCK : type;
		}
		return 4;
	}
	return 0;
}

static void
free_texts(struct call *call)
{
	for (unsigned i = 0; i < ARGS; i++)
		free((char *)call->arg[i].s);
}

static void
make_call(struct gen *g, struct call *call)
{
	unsigned at, tries = 0;

	do { /* (one that may succeed, if there is one soon) */
		free_texts(call);
		memset(call, 0, sizeof(*call));
		g->missed = false;
		call->proc = percent(g, 60) ? below(g, g->procs) / 2 * 2 : below(g, g->procs);
		do {
			at = below(g, g->weights);
			for (call->op = 0; at >= ops[call->op].weight; call->op++)
				at -= ops[call->op].weight;
		} while (g->without[call->op]);
		for (unsigned i = 0; ops[call->op].kinds[i] != '\0'; i++)
			call->arg[i] = pick_arg(g, call, i);
	} while (g->missed && ++tries < 10);
	if (!g->nodes && call->op == op_find("mknod", 5))
		call->arg[1].n = S_IFREG;
}

/* The child: its root is the guide's. Prints the calls. */
static void
guide(struct gen *g, size_t n, FILE *to)
{
	struct call call[4] = { 0 };
	char *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	g->shared = calloc(1, sizeof(struct shared) + sizeof(struct result));
	if (room == MAP_FAILED || g->shared == NULL)
		_exit(1);
	for (unsigned i = 0; i < PROCS; i++) {
		struct player *player = &g->player[i];
		player->c.side = g->shared;
		player->c.proc = i;
		player->c.room = room;
		player->c.root = player->cwd = open("/", O_RDONLY | O_DIRECTORY);
		for (unsigned j = 0; j < FDS; j++)
			player->c.fd[j] = player->id[j] = -1;
		if (player->cwd < 0 || pipe2(player->c.pipe, O_NONBLOCK) < 0)
			_exit(1);
	}
	for (size_t done = 0, made; done < n; done += made) {
		made = 1;
		if (g->without[op_find("setlkw", 6)] || below(g, 250) != 0 || (made = make_wait(g, call)) == 0)
			make_call(g, call), made = 1;
		for (size_t i = 0; i < made && done + i < n; i++) {
			call_print(to, &call[i]);
			fputc('\n', to);
			play(g, &call[i]);
		}
		free_texts(&call[0]);
		memset(call, 0, sizeof(call));
	}
	_exit(fclose(to) == 0 ? 0 : 1);
}

/* The calls that the child prints. */
static struct sequence
receive(size_t n, FILE *from)
{
	struct sequence sequence = { .call = calloc(n, sizeof(struct call)) };
	char *line = NULL;
	size_t room = 0;

	while (sequence.call != NULL && sequence.n < n && getline(&line, &room, from) >= 0) {
		const char *wrong = call_parse(line, &sequence.call[sequence.n++]);
		if (wrong != NULL) {
			fprintf(stderr, "parity: %s in: %s", wrong, line);
			break;
		}
	}
	free(line);
	return sequence;
}

struct sequence
generate(const char *root, uint64_t seed, size_t n, const bool *without)
{
	static char longest[256];
	static const char *const odd[] = { "f", longest, "\xc3\xa9\xff\x80", " two words ", "...", "new\nline",
		".hidden", "-" };
	struct sequence sequence = { .n = 0 };
	static struct gen g;
	int pipes[2], status = 0;
	pid_t pid;

	memset(&g, 0, sizeof(g));
	memset(longest, 'z', 255);
	g.random = seed;
	g.without = without;
	g.procs = 2 + below(&g, PROCS - 1);
	g.nodes = percent(&g, 50);
	g.odd = odd[below(&g, sizeof(odd) / sizeof(odd[0]))];
	for (unsigned i = 0; i < n_ops; i++)
		g.weights += ops[i].weight;
	if (mount("parity", root, "tmpfs", MS_NOATIME, "size=96m,nr_inodes=20000,mode=777") < 0 || pipe(pipes) < 0)
		return sequence;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		signal(SIGPIPE, SIG_IGN);
		signal(SIGXFSZ, SIG_IGN);
		if (chroot(root) < 0 || chdir("/") < 0)
			_exit(1);
		guide(&g, n, fdopen(pipes[1], "w"));
	}
	close(pipes[1]);
	if (pid > 0) {
		FILE *from = fdopen(pipes[0], "r");
		sequence = receive(n, from);
		fclose(from);
		waitpid(pid, &status, 0);
	}
	umount2(root, MNT_DETACH);
	if (status != 0 || sequence.n != n)
		sequence_free(&sequence);
	return sequence;
}

void
sequence_free(struct sequence *sequence)
{
	for (size_t i = 0; sequence->call != NULL && i < sequence->n; i++)
		free_texts(&sequence->call[i]);
	free(sequence->call);
	sequence->call = NULL;
	sequence->n = 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon that notifies, and who looks at what comes of it: notifyfs MOUNTPOINT serves, notifyfs -c MOUNTPOINT CHECK is a client.
 *
 * The root folder has "file", whose text is what was "set" last, "slow", whose reads are kept until something lets them go, "n0" to
 * "n7", and "ctl": what is written to it is a command, answered after the notification was sent, so that the writer may rely on it
 * from then on. Read, it gives the daemon's counters and what it has retrieved. Everything may be cached for ever.
 */
#define FUSE_USE_VERSION 35

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/proto.h"

enum { INO_FILE = 2, INO_SLOW = 3, INO_CTL = 4, INO_NAME = 10, NAMES = 8, ROOM = 4096, EVER = 100000 };

/* ---- the daemon ---- */

static struct {
	struct fuse_session *session;
	char text[ROOM];
	bool gone[NAMES], ready, let;
	unsigned lookups, reads, polls, slow;
	struct fuse_pollhandle *ph;
	fuse_req_t kept; /* a read of "slow" */
	char retrieved[ROOM];
} d = { .text = "one" };

static int
stat_of(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_nlink = 1;
	st->st_mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
	if (ino == INO_FILE)
		st->st_size = (off_t)strlen(d.text);
	else if (ino == INO_SLOW)
		st->st_size = 4;
	return ino >= INO_NAME + NAMES || (ino >= INO_NAME && d.gone[ino - INO_NAME]) ? ENOENT : 0;
}

static fuse_ino_t
by_name(const char *name)
{
	if (strcmp(name, "file") == 0)
		return INO_FILE;
	if (strcmp(name, "slow") == 0)
		return INO_SLOW;
	if (strcmp(name, "ctl") == 0)
		return INO_CTL;
	return name[0] == 'n' && name[1] >= '0' && name[1] < '0' + NAMES && name[2] == '\0'
		   ? (fuse_ino_t)(INO_NAME + name[1] - '0')
		   : 0;
}

static void
do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .ino = by_name(name), .attr_timeout = EVER, .entry_timeout = EVER };

	d.lookups++;
	if (e.ino == 0 || stat_of(e.ino, &e.attr))
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_entry(req, &e);
}

static void
do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	if (stat_of(ino, &st))
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_attr(req, &st, EVER);
}

static void
do_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int valid, struct fuse_file_info *fi)
{
	do_getattr(req, ino, fi);
}

static void
do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fi->direct_io = ino == INO_CTL;
	fi->keep_cache = ino != INO_CTL;
	fuse_reply_open(req, fi);
}

static void
reply_part(fuse_req_t req, const char *text, size_t size, off_t off)
{
	size_t len = strlen(text), at = off < (off_t)len ? (size_t)off : len;

	fuse_reply_buf(req, text + at, len - at < size ? len - at : size);
}

static void
do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	char text[2 * ROOM];

	switch (ino) {
	case INO_FILE:
		d.reads++;
		reply_part(req, d.text, size, off);
		break;
	case INO_SLOW:
		if (d.let) { /* the page was dropped before the reader had it */
			fuse_reply_buf(req, "slow", 4);
			break;
		}
		if (d.kept) /* sent once more */
			fuse_reply_none(d.kept);
		d.kept = req;
		d.slow++;
		break;
	case INO_CTL:
		(void)snprintf(text, sizeof(text), "lookups %u reads %u polls %u slow %u retrieved %s\n", d.lookups,
		    d.reads, d.polls, d.slow, d.retrieved);
		reply_part(req, text, size, off);
		break;
	default:
		fuse_reply_buf(req, NULL, 0);
	}
}

static void
do_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *ph)
{
	d.polls++;
	if (ph) {
		if (d.ph)
			fuse_pollhandle_destroy(d.ph);
		d.ph = ph;
	}
	fuse_reply_poll(req, d.ready ? POLLIN : 0);
}

static void
do_retrieve_reply(fuse_req_t req, void *cookie, fuse_ino_t ino, off_t offset, struct fuse_bufvec *bufv)
{
	struct fuse_bufvec dst = FUSE_BUFVEC_INIT(fuse_buf_size(bufv));
	char text[ROOM] = "";

	dst.buf[0].mem = text;
	if (dst.buf[0].size < sizeof(text))
		(void)fuse_buf_copy(&dst, bufv, 0);
	(void)snprintf(d.retrieved, sizeof(d.retrieved), "%ju:%s", (uintmax_t)(ino == INO_FILE ? offset : -1), text);
	fuse_reply_none(req);
}

/* A notification that this libfuse may not have. */
static int
notify_raw(int code, const void *body, size_t len)
{
	struct {
		struct wire_out_header hdr;
		char body[512];
	} m = { .hdr = { .len = (uint32_t)(sizeof(m.hdr) + len), .error = code } };

	if (len)
		memcpy(m.body, body, len);
	return write(fuse_session_fd(d.session), &m, m.hdr.len) < 0 ? -errno : 0;
}

static int
notify_expire(const char *name)
{
	struct {
		struct wire_notify_inval_entry_out out;
		char name[64];
	} m = { .out = { FUSE_ROOT_ID, (uint32_t)strlen(name), 1 } };

	strncpy(m.name, name, sizeof(m.name) - 1);
	return notify_raw(WIRE_NOTIFY_INVAL_ENTRY, &m, sizeof(m.out) + strlen(name) + 1);
}

static int
notify_prune(void)
{
	struct {
		struct wire_notify_prune_out out;
		uint64_t ino[2];
	} m = { { .count = 2 }, { INO_NAME + 4, 999 } };

	return notify_raw(WIRE_NOTIFY_PRUNE, &m, sizeof(m));
}

static void *
let_go(void *arg)
{
	usleep(50 * 1000); /* natively the notification is waiting for this by now */
	d.let = true;
	fuse_reply_buf(d.kept, "slow", 4);
	return NULL;
}

static int
command(const char *word, const char *arg)
{
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(strlen(arg));
	pthread_t thread;
	int error = 0;

	if (strcmp(word, "set") == 0) {
		(void)snprintf(d.text, sizeof(d.text), "%s", arg);
	} else if (strcmp(word, "inval") == 0) {
		error = fuse_lowlevel_notify_inval_inode(d.session, INO_FILE, atol(arg), 0);
	} else if (strcmp(word, "entry") == 0) {
		error = fuse_lowlevel_notify_inval_entry(d.session, FUSE_ROOT_ID, arg, strlen(arg));
	} else if (strcmp(word, "expire") == 0) {
		error = notify_expire(arg);
	} else if (strcmp(word, "delete") == 0) {
		d.gone[by_name(arg) - INO_NAME] = true;
		error = fuse_lowlevel_notify_delete(d.session, FUSE_ROOT_ID, by_name(arg), arg, strlen(arg));
	} else if (strcmp(word, "store") == 0) {
		buf.buf[0].mem = (void *)(uintptr_t)arg;
		error = fuse_lowlevel_notify_store(d.session, INO_FILE, 0, &buf, 0);
	} else if (strcmp(word, "retrieve") == 0) {
		error = fuse_lowlevel_notify_retrieve(d.session, INO_FILE, 4096, 0, NULL);
	} else if (strcmp(word, "poll") == 0) {
		d.ready = true;
		error = d.ph ? fuse_lowlevel_notify_poll(d.ph) : -EAGAIN;
	} else if (strcmp(word, "epoch") == 0) {
		error = notify_raw(WIRE_NOTIFY_INC_EPOCH, NULL, 0);
	} else if (strcmp(word, "prune") == 0) {
		error = notify_prune();
	} else if (strcmp(word, "resend") == 0) {
		error = notify_raw(WIRE_NOTIFY_RESEND, NULL, 0);
	} else if (strcmp(word, "go") == 0) {
		(void)let_go(NULL);
	} else if (strcmp(word, "flood") == 0) {
		for (int i = 0; i < atoi(arg) && error == 0; i++)
			error = fuse_lowlevel_notify_inval_inode(d.session, INO_FILE, 0, 0);
	} else if (strcmp(word, "stuck") == 0) { /* waits for the page that a reader of "slow" has locked */
		if (pthread_create(&thread, NULL, let_go, NULL) == 0)
			(void)pthread_detach(thread);
		error = fuse_lowlevel_notify_inval_inode(d.session, INO_SLOW, 0, 0);
	} else if (strcmp(word, "die") == 0) { /* the same, and nobody lets go */
		(void)fuse_lowlevel_notify_inval_inode(d.session, INO_SLOW, 0, 0);
		_exit(1);
	} else {
		error = -EINVAL;
	}
	return -error;
}

static void
do_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	char word[16] = "", arg[ROOM] = "", line[ROOM];
	int error;

	(void)snprintf(line, sizeof(line), "%.*s", (int)size, buf);
	(void)sscanf(line, "%15s %4000s", word, arg);
	error = ino == INO_CTL ? command(word, arg) : EROFS;
	if (error)
		fuse_reply_err(req, error);
	else
		fuse_reply_write(req, size);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = do_lookup,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.open = do_open,
	.read = do_read,
	.write = do_write,
	.poll = do_poll,
	.retrieve_reply = do_retrieve_reply,
};

static int
serve(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct fuse_cmdline_opts cmdline;
	struct fuse_loop_config config = { .max_idle_threads = 10 };
	int status = 1;

	if (fuse_parse_cmdline(&args, &cmdline) || !cmdline.mountpoint)
		return 64;
	d.session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (d.session && fuse_set_signal_handlers(d.session) == 0) {
		if (fuse_session_mount(d.session, cmdline.mountpoint) == 0) {
			fuse_daemonize(cmdline.foreground);
			status = fuse_session_loop_mt(d.session, &config);
			fuse_session_unmount(d.session);
		}
		fuse_remove_signal_handlers(d.session);
		fuse_session_destroy(d.session);
	}
	free(cmdline.mountpoint);
	fuse_opt_free_args(&args);
	return status != 0;
}

/* ---- the client ---- */

static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	exit(1);
}

static void
tell(const char *line)
{
	int fd = open("ctl", O_WRONLY);

	if (fd == -1 || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		fail("ctl \"%s\": %s", line, strerror(errno));
	close(fd);
}

static const char *
answer(void)
{
	static char text[2 * ROOM];
	int fd = open("ctl", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n < 0)
		fail("reading ctl: %s", strerror(errno));
	text[n] = '\0';
	close(fd);
	return text;
}

static unsigned
count(const char *what)
{
	const char *p = strstr(answer(), what);

	return p ? (unsigned)strtoul(p + strlen(what), NULL, 10) : 0;
}

static void
await(const char *what, unsigned n)
{
	for (int i = 0; count(what) < n; i++) {
		if (i == 1000)
			fail("%s does not become %u: %s", what, n, answer());
		usleep(10 * 1000);
	}
}

static void
reads(int fd, const char *want)
{
	char text[ROOM + 1];
	ssize_t n = pread(fd, text, ROOM, 0);

	text[n < 0 ? 0 : n] = '\0';
	if (n < 0 || strcmp(text, want) != 0)
		fail("read \"%s\", not \"%s\" (%zd, %s)", text, want, n, n < 0 ? strerror(errno) : "");
}

/* Looking at the name costs so many LOOKUPs. */
static void
looked_up(const char *name, unsigned n)
{
	unsigned before = count("lookups");
	struct stat st;

	if (stat(name, &st) == -1)
		fail("stat %s: %s", name, strerror(errno));
	if (count("lookups") != before + n)
		fail("%s: %u LOOKUPs, not %u", name, count("lookups") - before, n);
}

static pid_t
child(void (*fn)(int fd), int fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		fn(fd);
		exit(0);
	}
	return pid;
}

static void
well(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status != 0)
		fail("the other process failed: %#x", status);
}

static void
read_slow(int fd)
{
	reads(fd, "slow");
}

static void
read_lost(int fd)
{
	char byte;

	if (pread(fd, &byte, 1, 0) != -1 || errno != ENOTCONN)
		fail("no ENOTCONN from a dead daemon: %s", strerror(errno));
}

static void
wake(int fd)
{
	await("polls", 1);
	tell("poll");
}

static void
check_data(int fd)
{
	unsigned before;
	struct stat st;

	reads(fd, "one");
	tell("set two");
	reads(fd, "one"); /* cached, or this proves nothing */
	tell("inval 0");
	reads(fd, "two");
	(void)fstat(fd, &st); /* a read leaves them to be asked for, because of the access time */
	tell("set longer");
	if (fstat(fd, &st) == -1 || st.st_size != 3)
		fail("the size was not cached");
	tell("inval -1"); /* attributes only */
	if (fstat(fd, &st) == -1 || st.st_size != 6)
		fail("the size is %jd after INVAL_INODE", (intmax_t)st.st_size);
	before = count("reads");
	tell("store stored");
	reads(fd, "stored");
	if (count("reads") != before)
		fail("STORE was not seen without a READ");
	tell("retrieve");
	for (int i = 0; !strstr(answer(), "retrieved 0:stored\n"); i++) {
		if (i == 1000)
			fail("RETRIEVE brought: %s", answer());
		usleep(10 * 1000);
	}
	tell("flood 2000");
	tell("set last");
	tell("inval 0");
	reads(fd, "last");
}

static void
check_names(void)
{
	struct stat st;
	int fd;

	looked_up("n0", 1);
	looked_up("n0", 0);
	tell("entry n0");
	looked_up("n0", 1);
	tell("expire n0");
	looked_up("n0", 1);
	looked_up("n0", 0);
	looked_up("n1", 1);
	fd = open("n1", O_RDONLY);
	tell("delete n1");
	if (stat("n1", &st) != -1 || errno != ENOENT)
		fail("n1 is there after DELETE");
	if (fstat(fd, &st) == -1 || st.st_nlink != 0)
		fail("n1 has %ju links after DELETE", (uintmax_t)st.st_nlink);
	close(fd);
}

/* Of newer kernels: 7.44, 7.45. */
static void
check_epoch(void)
{
	looked_up("n3", 1);
	looked_up("n3", 0);
	tell("epoch");
	looked_up("n3", 1);
}

static void
check_prune(void)
{
	looked_up("n4", 1);
	looked_up("n4", 0);
	tell("prune");
	looked_up("n4", 1);
}

static void
check_poll(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	pid_t pid = child(wake, -1);

	if (poll(&p, 1, 20000) != 1 || p.revents != POLLIN)
		fail("poll did not wake up");
	well(pid);
}

/* how: "stuck" (a notification that waits for a reply which the daemon sends behind it) or "resend" (the first was lost) */
static void
check_slow(const char *how)
{
	int fd = open("slow", O_RDONLY);
	pid_t pid = child(strcmp(how, "die") == 0 ? read_lost : read_slow, fd);

	await("slow", 1);
	if (strcmp(how, "die") == 0) {
		int ctl = open("ctl", O_WRONLY);

		if (write(ctl, "die", 3) != -1 || errno != ENOTCONN)
			fail("the daemon did not die");
		well(pid);
		return;
	}
	tell(how);
	if (strcmp(how, "resend") == 0) {
		await("slow", 2);
		tell("go");
	}
	well(pid);
	close(fd);
}

int
main(int argc, char **argv)
{
	const char *what = argc == 4 ? argv[3] : "";
	int fd;

	if (argc != 4 || strcmp(argv[1], "-c") != 0)
		return serve(argc, argv);
	if (chdir(argv[2]) == -1 || (fd = open("file", O_RDONLY)) == -1)
		fail("%s: %s", argv[2], strerror(errno));
	if (strcmp(what, "data") == 0)
		check_data(fd);
	else if (strcmp(what, "names") == 0)
		check_names();
	else if (strcmp(what, "epoch") == 0)
		check_epoch();
	else if (strcmp(what, "prune") == 0)
		check_prune();
	else if (strcmp(what, "poll") == 0)
		check_poll(fd);
	else
		check_slow(what);
	printf("%s: well\n", what);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which way in can be taken (client/ways.h, client/program.h), and the socket of the broker (client/broker.h).
 *
 * "test_ways busy COMMAND..." and "test_ways forbidden COMMAND..." run a command where no seccomp listener can be installed: because
 * there is one already, or because the kernel has no seccomp at all. The integration tests use that.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "client/broker.h"
#include "client/program.h"
#include "client/ways.h"
#include "ctl/frame.h"

static char *dummy[] = { (char *)"/bin/sh", NULL };

/* ---- without a listener ---- */

static int
install(const struct sock_filter *code, size_t n, unsigned long flags)
{
	struct sock_fprog prog = { (unsigned short)n, (struct sock_filter *)(uintptr_t)code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

/* A filter with a listener (which never hears anything); it stays open in what is executed. */
static int
make_busy(void)
{
	static const struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	int fd = install(allow, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER);

	return fd < 0 ? -1 : fcntl(fd, F_SETFD, 0);
}

/* seccomp(2) says ENOSYS. */
static int
forbid(void)
{
	static const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return install(code, sizeof(code) / sizeof(code[0]), 0);
}

/* ---- programs ---- */

START_TEST(programs)
{
	struct program p;

	ck_assert_int_eq(program_inspect("/bin/sh", &p), 0);
	ck_assert(p.elf && p.dynamic && p.same_loader && !p.libfuse3 && !p.libfuse2 && !p.go && !p.script);
	ck_assert_int_eq(program_inspect("no-such-program-anywhere", &p), ENOENT);
	ck_assert_int_ne(program_inspect("/etc", &p), 0);
	if (access("/usr/bin/sshfs", X_OK) == 0) {
		ck_assert_int_eq(program_inspect("sshfs", &p), 0);
		ck_assert(p.dynamic && p.libfuse3 && !p.go);
	}
	if (access("/usr/bin/gocryptfs", X_OK) == 0) {
		ck_assert_int_eq(program_inspect("gocryptfs", &p), 0);
		ck_assert(p.go);
	}
}
END_TEST

/* Files that look like programs and are none, or are cut anywhere: nothing is believed, nothing is read past the end. */
START_TEST(not_programs)
{
	char path[] = "/tmp/test_ways.XXXXXX", *sh = malloc(1 << 20);
	static const char *const texts[] = { "#!", "#!\n", "#!/no/such/interpreter -x\n", "#! /bin/sh\necho\n",
		"\177ELF", "x" };
	int fd = mkstemp(path), in = open("/bin/sh", O_RDONLY);
	ssize_t n = read(in, sh, 1 << 20);
	struct program p;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(n, 4096);
	ck_assert_int_eq(fchmod(fd, 0700), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_int_eq(ftruncate(fd, 0), 0);
		ck_assert_int_eq(pwrite(fd, texts[i], strlen(texts[i]), 0), (ssize_t)strlen(texts[i]));
		int r = program_inspect(path, &p);
		ck_assert_int_eq(p.dynamic, i == 3);
		ck_assert_int_eq(p.script, i == 2 || i == 3);
		ck_assert_int_eq(r, i == 2 ? ENOENT : 0);
	}
	for (size_t len = 1; len < 4096; len += 7) {
		ck_assert_int_eq(ftruncate(fd, 0), 0);
		ck_assert_int_eq(pwrite(fd, sh, len, 0), (ssize_t)len);
		ck_assert_int_eq(program_inspect(path, &p), 0);
	}
	/* Every byte of the headers turned. */
	ck_assert_int_eq(pwrite(fd, sh, (size_t)n, 0), n);
	for (off_t at = 0; at < 1024; at++) {
		char turned = (char)~sh[at];

		ck_assert_int_eq(pwrite(fd, &turned, 1, at), 1);
		(void)program_inspect(path, &p);
		ck_assert_int_eq(pwrite(fd, &sh[at], 1, at), 1);
	}
	/* One that becomes another user: nothing can be loaded into it first. */
	if (geteuid() == 0) {
		struct way w;

		ck_assert_int_eq(fchown(fd, 12345, 12345), 0);
		ck_assert_int_eq(fchmod(fd, 04755), 0);
		ck_assert_int_eq(program_inspect(path, &p), 0);
		ck_assert(p.gains);
		setenv("PERFUSE_PRELOAD", "/bin/sh", 1);
		ways_for(SPAWN_PRELOAD, (char *[]){ path, NULL }, &w);
		ck_assert(!w.usable);
		ck_assert_ptr_nonnull(strstr(w.why, "set-user-id"));
	}
	unlink(path);
	free(sh);
	close(fd);
	close(in);
}
END_TEST

/* ---- ways ---- */

START_TEST(all_ways)
{
	static const char *const names[WAYS] = { "fd", "supervise", "fusermount", "preload" };
	struct way w[WAYS];

	setenv("PERFUSE_LIBEXEC", "/nonexistent/libexec", 1);
	setenv("PERFUSE_PRELOAD", "/nonexistent/preload.so", 1);
	ways_here(w);
	for (int i = 0; i < WAYS; i++) {
		ck_assert_str_eq(w[i].name, names[i]);
		ck_assert_str_eq(ways_name(w[i].via), names[i]);
		ck_assert_str_ne(w[i].why, "");
	}
	ck_assert(w[0].usable);
	ck_assert(!w[2].usable && strstr(w[2].why, "/nonexistent/libexec/fusermount3") != NULL);
	ck_assert(!w[3].usable && strstr(w[3].why, "/nonexistent/preload.so") != NULL);
	setenv("PERFUSE_PRELOAD", "/bin/sh", 1); /* anything that can be read */
	ways_for(SPAWN_PRELOAD, dummy, &w[3]);
	ck_assert(w[3].usable);
	ways_for(SPAWN_FD, dummy, &w[0]);
	ck_assert(!w[0].usable);
}
END_TEST

/* What a child without listeners says, and that asking left none in us. */
static void
supervise_says(int (*prepare)(void), const char *words)
{
	int status, sv[2];
	struct way w;
	pid_t pid;

	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, sv), 0);
	pid = fork();
	if (pid == 0) {
		if (prepare() < 0)
			_exit(1);
		ways_for(SPAWN_SUPERVISE, dummy, &w);
		_exit(send(sv[1], &w, sizeof(w), 0) == sizeof(w) ? 0 : 1);
	}
	close(sv[1]);
	ck_assert_int_eq(recv(sv[0], &w, sizeof(w), 0), (ssize_t)sizeof(w));
	ck_assert(!w.usable);
	ck_assert_msg(strstr(w.why, words) != NULL, "%s", w.why);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(sv[0]);
}

START_TEST(no_listener)
{
	struct way w;

	supervise_says(make_busy, "the kernel allows one");
	supervise_says(forbid, "Linux 5.9");
	for (int i = 0; i < 2; i++) {
		ways_for(SPAWN_SUPERVISE, dummy, &w);
		ck_assert_msg(w.usable, "%s", w.why);
	}
	ck_assert_int_eq(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
}
END_TEST

/* ---- the broker ---- */

START_TEST(broker)
{
	char name[BROKER_NAME], why[256];
	int fd, session, conn;
	struct stat st;

	unsetenv(BROKER_ENV);
	ck_assert(!broker_named());
	ck_assert_int_eq(broker_unmount("/mnt", false, why, sizeof(why)), ENOENT);
	ck_assert_int_eq(broker_listen(&fd, name), 0);
	setenv(BROKER_ENV, name, 1);
	ck_assert(broker_named());
	ck_assert_int_eq(broker_open(false, &session, why, sizeof(why)), 0);
	ck_assert_int_eq(fstat(session, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(conn, 0);
	close(conn);
	close(session);
	close(fd);
	/* It is gone: that is said, and nobody else is asked. */
	ck_assert_int_eq(broker_open(true, &session, why, sizeof(why)), ECONNREFUSED);
	ck_assert_ptr_nonnull(strstr(why, "has ended"));
	setenv(BROKER_ENV, "much-too-long-a-name-for-it", 1);
	ck_assert_int_eq(broker_open(true, &session, why, sizeof(why)), EINVAL);
	unsetenv(BROKER_ENV);
}
END_TEST

/* Another user sits on the name. */
START_TEST(stranger)
{
	char name[BROKER_NAME], why[256];
	int session, sv[2];
	pid_t pid;
	char c;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(fdp_pair(SOCK_STREAM, sv), 0);
	pid = fork();
	if (pid == 0) {
		int fd;

		close(sv[0]);
		if (setgid(12345) != 0 || setuid(12345) != 0 || broker_listen(&fd, name) != 0 ||
		    send(sv[1], name, sizeof(name), 0) != sizeof(name))
			_exit(1);
		_exit(recv(sv[1], &c, 1, 0) == 0 ? 0 : 1);
	}
	close(sv[1]);
	ck_assert_int_eq(recv(sv[0], name, sizeof(name), MSG_WAITALL), (ssize_t)sizeof(name));
	setenv(BROKER_ENV, name, 1);
	ck_assert_int_eq(broker_open(true, &session, why, sizeof(why)), EPERM);
	unsetenv(BROKER_ENV);
	close(sv[0]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

int
main(int argc, char **argv)
{
	if (argc >= 3 && (strcmp(argv[1], "busy") == 0 || strcmp(argv[1], "forbidden") == 0)) {
		if ((strcmp(argv[1], "busy") == 0 ? make_busy() : forbid()) < 0) {
			perror("seccomp");
			return 126;
		}
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		return 127;
	}
	Suite *s = suite_create("ways");
	TCase *tc = tcase_create("ways");
	tcase_add_test(tc, programs);
	tcase_add_test(tc, not_programs);
	tcase_add_test(tc, all_ways);
	tcase_add_test(tc, no_listener);
	tcase_add_test(tc, broker);
	tcase_add_test(tc, stranger);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}

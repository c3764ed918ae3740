/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving up rights, in the order in which a process can do without them. Between its start and the mount an engine runs as its
 * peer and has to open a path; from the mount on it reads, writes and allocates, and a seccomp filter holds it to that.
 *
 * A forbidden call gets EPERM and (where the kernel's audit is on) a line in its log, and does not end the process: nothing
 * forbidden has any effect either way, and an engine that died because some library took an unforeseen path would take
 * a healthy mount and the data on its way with it. A foreign architecture's calls end the process: no library makes those.
 */
#include "perfused/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
/* The sanitizers' runtime opens, maps and traces at times of its own choosing: their builds test everything but the filter. */
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { NOBODY = 65534 };
#ifdef __s390__
enum { CLONE_FLAGS = 1 }; /* clone(2)'s argument that has them */
#else
enum { CLONE_FLAGS = 0 };
#endif
#define ENGINE_USER "perfuse" /* root's engines run as this user, or as nobody where there is none */

static uid_t engine_uid = NOBODY;
static gid_t engine_gid = NOBODY;

/* Of the capabilities we have, keep these, effective and permitted. What is not there to keep is not missed here. 0 or errno. */
static int
keep_caps(const cap_value_t *keep, int n)
{
	cap_t have = cap_get_proc(), caps = cap_init();
	int error = have != NULL && caps != NULL ? 0 : errno;

	for (int i = 0; error == 0 && i < n; i++) {
		cap_flag_value_t on;

		if (cap_get_flag(have, keep[i], CAP_PERMITTED, &on) < 0 ||
		    cap_set_flag(caps, CAP_PERMITTED, 1, &keep[i], on) < 0 ||
		    cap_set_flag(caps, CAP_EFFECTIVE, 1, &keep[i], on) < 0)
			error = errno;
	}
	if (error == 0 && cap_set_proc(caps) < 0)
		error = errno;
	(void)cap_free(have);
	(void)cap_free(caps);
	return error;
}

/* The peer's supplementary groups: those its socket proves, else those the user database has. 0 or errno. */
static int
take_groups(const struct peer *peer, int conn)
{
	struct passwd *pw;
	gid_t *groups;
	socklen_t len = 0;
	int error;

	if (getsockopt(conn, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0)
		return setgroups(0, NULL) < 0 ? errno : 0;
	if (errno == ERANGE) {
		if ((groups = malloc(len)) == NULL)
			return ENOMEM;
		error = getsockopt(conn, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0 ||
				setgroups(len / sizeof(*groups), groups) < 0
			    ? errno
			    : 0;
		free(groups);
		return error;
	}
	if ((pw = getpwuid(peer->uid)) != NULL)
		return initgroups(pw->pw_name, peer->gid) < 0 ? errno : 0;
	return setgroups(0, NULL) < 0 ? errno : 0;
}

/* Who root's engines become in the end. */
static void
find_engine_user(void)
{
	const struct passwd *pw = getpwnam(ENGINE_USER);

	if (pw != NULL && pw->pw_uid != 0) {
		engine_uid = pw->pw_uid;
		engine_gid = pw->pw_gid;
	}
}

/* root's engine becomes another. In a user namespace that has no such user it stays, without capabilities, what it is. */
static int
become_other(void)
{
	int groups, gid;

	if (geteuid() != 0)
		return 0;
	groups = setgroups(0, NULL) < 0 ? errno : 0;
	gid = setresgid(engine_gid, engine_gid, engine_gid) < 0 ? errno : 0;
	if (setresuid(engine_uid, engine_uid, engine_uid) < 0)
		return errno == EINVAL ? 0 : errno;
	return groups != 0 ? groups : gid;
}

/* A uid 0 without power: its engine opens nothing for it, and must not own what root owns. 0 or errno. */
static int
become_stranger(void)
{
	find_engine_user();
	if (become_other() != 0)
		return EPERM;
	if (geteuid() == 0) /* in a user namespace that has nobody else: there, it is nobody's root but its own */
		return keep_caps(NULL, 0);
	return setuid(0) == 0 ? EPERM : 0;
}

int
sandbox_become(const struct peer *peer, int conn)
{
	int error;

	if (geteuid() != 0 || peer->root)
		return 0;
	if (peer->uid == 0)
		return become_stranger();
	if ((error = take_groups(peer, conn)) != 0)
		return error;
	/* Becoming another ends that it can be traced; sandbox_early() says so again. */
	if (setresgid(peer->gid, peer->gid, peer->gid) < 0 || setresuid(peer->uid, peer->uid, peer->uid) < 0)
		return errno;
	return setuid(0) == 0 ? EPERM : 0; /* the way back must be closed */
}

int
sandbox_worker(const struct peer *peer)
{
	static const cap_value_t keep[] = { CAP_SYS_ADMIN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH };

	if (geteuid() != 0 || peer->uid == 0)
		return 0;
	/* As the peer, because a FUSE mount of the peer's (in which the mountpoint may lie) shuts even root out. */
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 || setresgid(peer->gid, peer->gid, peer->gid) < 0 ||
	    setresuid(peer->uid, peer->uid, peer->uid) < 0)
		return errno;
	return keep_caps(keep, sizeof(keep) / sizeof(keep[0]));
}

int
sandbox_early(void)
{
	static const cap_value_t keep[] = { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SETUID, CAP_SETGID };
	const struct rlimit files = { 64, 64 }, none = { 0, 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno;
	if (prctl(PR_SET_DUMPABLE, SANITIZED) < 0)
		return errno;
	if (geteuid() == 0)
		find_engine_user();
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return errno;
	return geteuid() == 0 ? keep_caps(keep, sizeof(keep) / sizeof(keep[0])) : 0;
}

/* ---- the filter ---- */

static const int allowed[] = {
	/* the loop */
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(eventfd2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	/* descriptors that are open */
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(lseek),
	/* sockets that are open; accept4 for the control socket */
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(accept4),
	SCMP_SYS(getsockopt),
	SCMP_SYS(shutdown),
	/* memory, see also no_code() */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	/* time, signals to itself, the end */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(futex),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getrandom),
	SCMP_SYS(sched_yield),
	/* what a new thread does first, see also threads() */
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Memory may be mapped, but never as code. */
static int
no_code(scmp_filter_ctx ctx)
{
	int error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (error == 0)
		error = seccomp_rule_add(
		    ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return error;
}

/* What a descriptor is may be asked and it may be copied, and made (not) to wait; never made to send signals. */
static int
plain_fcntl(scmp_filter_ctx ctx)
{
	static const int commands[] = { F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC };
	int error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 2, SCMP_A1(SCMP_CMP_EQ, F_SETFL, 0),
	    SCMP_A2(SCMP_CMP_MASKED_EQ, O_ASYNC, 0));

	for (size_t i = 0; error == 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
		error = seccomp_rule_add(
		    ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i], 0));
	return error;
}

/*
 * The thread that passes on notifications (host/linux/notify.c) starts when the first comes. Threads, then, but no processes and no
 * namespaces; clone3(2) hides its flags in memory, where no filter sees them: without it the C library takes clone(2).
 */
static int
threads(scmp_filter_ctx ctx)
{
	const scmp_datum_t needed = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	const scmp_datum_t never = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
				   CLONE_NEWPID | CLONE_NEWNET | CLONE_VFORK | CLONE_PTRACE | CLONE_PARENT;
	int error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
	    SCMP_CMP64(CLONE_FLAGS, SCMP_CMP_MASKED_EQ, needed | never, needed));

	if (error == 0)
		error = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return error;
}

static int
filter(void)
{
	scmp_filter_ctx ctx;
	int error = 0;

	if (SANITIZED)
		return 0;
	if ((ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM))) == NULL)
		return ENOMEM;
	/* The audit line, for who looks for the reason of an EPERM. Older kernels do not have it, and lose nothing else. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);
	for (size_t i = 0; error == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (error == 0)
		error = no_code(ctx);
	if (error == 0)
		error = plain_fcntl(ctx);
	if (error == 0)
		error = threads(ctx);
	/* abort() of an assertion that fails. */
	if (error == 0)
		error = seccomp_rule_add(
		    ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
	if (error == 0)
		error = seccomp_load(ctx);
	seccomp_release(ctx);
	return -error;
}

int
sandbox_late(void)
{
	int error;

	if ((error = become_other()) != 0)
		return error;
	if ((error = keep_caps(NULL, 0)) != 0)
		return error;
	/* Changing identity has set it anew. */
	if (prctl(PR_SET_DUMPABLE, SANITIZED) < 0)
		return errno;
	return filter();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seccomp filter around a daemon (filter.h).
 *
 * What asks: open and openat for reading and writing (a daemon's way to /dev/fuse; read-only opens, which are most,
 * cost nothing), mount, umount, umount2, and the ioctl that makes a second descriptor of a FUSE session. What is
 * refused at once: F_SETPIPE_SZ, with or without a supervisor. A pipe of more than 16 slots, spliced towards a socket,
 * arrives as several packets and a reply in pieces is no reply; daemons fall back to the size the pipe has. And
 * fsopen(2), so that who knows the newer mount calls falls back to mount(2). The native ABI and the 32-bit one of the
 * same machine are covered; any other ABI (x32) has no system calls.
 */
#include "client/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

enum { FUSE_CLONE = (int)0x8004e500 }; /* FUSE_DEV_IOC_CLONE */

/* An int argument: the kernel looks at its low 32 bits only, and so must we. */
#define ARG_INT(n, mask, value) SCMP_CMP(n, SCMP_CMP_MASKED_EQ, (mask)&UINT32_MAX, (value)&UINT32_MAX)

static const int open_mask = O_ACCMODE | O_CREAT | O_DIRECTORY;

static int
add_asking(scmp_filter_ctx ctx)
{
	int r;

	r = seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, SCMP_SYS(open), 1, ARG_INT(1, (unsigned)open_mask, O_RDWR));
	if (r == 0)
		r = seccomp_rule_add(
		    ctx, SCMP_ACT_NOTIFY, SCMP_SYS(openat), 1, ARG_INT(2, (unsigned)open_mask, O_RDWR));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, SCMP_SYS(mount), 0);
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, SCMP_SYS(umount), 0);
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, SCMP_SYS(umount2), 0);
	if (r == 0)
		r = seccomp_rule_add(
		    ctx, SCMP_ACT_NOTIFY, SCMP_SYS(ioctl), 1, ARG_INT(1, UINT32_MAX, (uint32_t)FUSE_CLONE));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(fsopen), 0);
	return -r;
}

static int
add_rules(scmp_filter_ctx ctx, bool notify)
{
	int r;

	/* libseccomp knows the other ABIs by name; it has no call for "the 32-bit one of this machine". */
	if (seccomp_arch_native() == SCMP_ARCH_X86_64)
		r = seccomp_arch_add(ctx, SCMP_ARCH_X86);
	else if (seccomp_arch_native() == SCMP_ARCH_AARCH64)
		r = seccomp_arch_add(ctx, SCMP_ARCH_ARM);
	else
		r = 0;
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	if (r == 0)
		r = seccomp_rule_add(
		    ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fcntl), 1, ARG_INT(1, UINT32_MAX, (unsigned)F_SETPIPE_SZ));
	if (r == 0)
		r = seccomp_rule_add(
		    ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fcntl64), 1, ARG_INT(1, UINT32_MAX, (unsigned)F_SETPIPE_SZ));
	if (r == 0 && notify)
		return add_asking(ctx);
	return -r;
}

/* The filter as the kernel takes it. libseccomp writes it to a descriptor only. */
static int
export_filter(scmp_filter_ctx ctx, struct sock_fprog *out)
{
	struct stat st;
	size_t n, got = 0;
	int fd, r = 0;

	fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd < 0)
		return errno;
	r = -seccomp_export_bpf(ctx, fd);
	if (r == 0 && fstat(fd, &st) != 0)
		r = errno;
	if (r == 0) {
		n = (size_t)st.st_size;
		out->filter = malloc(n ? n : 1);
		if (!out->filter)
			r = ENOMEM;
		while (r == 0 && got < n) {
			ssize_t k = pread(fd, (char *)out->filter + got, n - got, (off_t)got);

			if (k <= 0)
				r = k < 0 ? errno : EIO;
			else
				got += (size_t)k;
		}
		if (r != 0)
			filter_free(out);
		else
			out->len = (unsigned short)(n / sizeof(*out->filter));
	}
	(void)close(fd);
	return r;
}

int
filter_build(bool notify, struct sock_fprog *out)
{
	scmp_filter_ctx ctx;
	int r;

	memset(out, 0, sizeof(*out));
	ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return ENOMEM;
	r = add_rules(ctx, notify);
	if (r == 0)
		r = export_filter(ctx, out);
	seccomp_release(ctx);
	return r;
}

void
filter_free(struct sock_fprog *prog)
{
	free(prog->filter);
	memset(prog, 0, sizeof(*prog));
}

int
filter_install(const struct sock_fprog *prog, bool notify, int *listener)
{
	unsigned long flags = notify ? SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0;
	long r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return errno;
	/* Not libseccomp's loading: with the newer flag a signal does not make a mount(2) under way start all over. */
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, prog);
	if (r < 0 && errno == EINVAL && notify)
		r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, prog);
	if (r < 0)
		return errno;
	if (notify)
		*listener = (int)r;
	return 0;
}

enum filter_call
filter_call(unsigned arch, int nr)
{
	static const struct {
		const char *name;
		enum filter_call call;
	} calls[] = {
		{ "openat", FILTER_OPENAT },
		{ "open", FILTER_OPEN },
		{ "mount", FILTER_MOUNT },
		{ "umount2", FILTER_UMOUNT2 },
		{ "umount", FILTER_UMOUNT },
		{ "ioctl", FILTER_IOCTL },
	};
	enum filter_call call = FILTER_OTHER;
	char *name;

	/* The architectures of libseccomp are the kernel's AUDIT_ARCH_*. */
	name = seccomp_syscall_resolve_num_arch(arch, nr);
	for (size_t i = 0; name && i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(name, calls[i].name) == 0)
			call = calls[i].call;
	}
	free(name);
	return call;
}

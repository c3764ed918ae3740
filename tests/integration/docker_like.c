/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * docker_like COMMAND...: run it with what Docker's defaults leave to the processes of a container: 14 capabilities in the bounding set,
 * and a seccomp filter under which mounting, namespaces, bpf and their like are EPERM (clone3(2), whose flags a filter cannot see: ENOSYS).
 * Docker's list says what is allowed and this one what is not; for what FUSE daemons do, the effect is the same. The
 * namespaces are made by who calls this.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const cap_value_t kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FSETID, CAP_FOWNER, CAP_MKNOD, CAP_NET_RAW,
	CAP_SETGID, CAP_SETUID, CAP_SETFCAP, CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT, CAP_KILL,
	CAP_AUDIT_WRITE };

static const char *const denied[] = { "mount", "umount", "umount2", "pivot_root", "unshare", "setns", "fsopen",
	"fsconfig", "fsmount", "fspick", "move_mount", "open_tree", "mount_setattr", "bpf", "perf_event_open",
	"kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "open_by_handle_at",
	"quotactl", "reboot", "swapon", "swapoff", "keyctl", "add_key", "request_key", "userfaultfd", "pidfd_getfd",
	"kcmp", "process_madvise", "syslog", "vhangup", "acct", "settimeofday", "clock_settime", "iopl", "ioperm",
	"io_uring_setup", "io_uring_enter", "io_uring_register" };

static int
drop_capabilities(void)
{
	cap_t caps = cap_init();
	int n = sizeof(kept) / sizeof(kept[0]);

	for (cap_value_t cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		int keep = 0;

		for (int i = 0; i < n; i++)
			keep |= kept[i] == cap;
		if (!keep && prctl(PR_CAPBSET_DROP, cap) < 0)
			return -1;
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (geteuid() != 0)
		n = 0;
	if (caps == NULL || (n > 0 && (cap_set_flag(caps, CAP_PERMITTED, n, kept, CAP_SET) < 0 ||
					  cap_set_flag(caps, CAP_EFFECTIVE, n, kept, CAP_SET) < 0)))
		return -1;
	return cap_set_proc(caps);
}

static int
load_filter(void)
{
	const scmp_datum_t namespaces[] = { CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
		CLONE_NEWPID, CLONE_NEWNET };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int error = ctx == NULL ? -ENOMEM : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	/* As Docker, without no_new_privs: its runtime has CAP_SYS_ADMIN when it loads the filter, and so have we. */
	if (error == 0)
		error = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	for (size_t i = 0; error == 0 && i < sizeof(denied) / sizeof(denied[0]); i++) {
		int nr = seccomp_syscall_resolve_name(denied[i]);

		if (nr != __NR_SCMP_ERROR && nr >= 0)
			error = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
	}
	for (size_t i = 0; error == 0 && i < sizeof(namespaces) / sizeof(namespaces[0]); i++)
		error = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
		    SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
	if (error == 0)
		error = seccomp_load(ctx);
	seccomp_release(ctx);
	errno = -error;
	return error;
}

int
main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: docker_like COMMAND...\n");
		return 64;
	}
	if (load_filter() != 0 || drop_capabilities() != 0) {
		fprintf(stderr, "docker_like: %s\n", strerror(errno));
		return 71;
	}
	execvp(argv[1], argv + 1);
	fprintf(stderr, "docker_like: %s: %s\n", argv[1], strerror(errno));
	return 127;
}

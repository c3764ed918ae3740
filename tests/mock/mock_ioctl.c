/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IOCTL as file systems have it ("restricted"): the number says how much goes in and out, and the daemon cannot ask for more. The
 * attribute flags of chattr(1) come this way, through a handle of the kernel's own.
 */
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "mock/fileio.h"

struct both {
	uint32_t a[4];
};

#define IO_NONE _IO('E', 1)
#define IO_IN _IOW('E', 2, uint64_t)
#define IO_OUT _IOR('E', 3, uint64_t)
#define IO_BOTH _IOWR('E', 4, struct both)
#define IO_BIG _IOC(_IOC_READ | _IOC_WRITE, 'E', 5, 16383)

static void
reply_ioctl(struct mock *m, struct req *r, int32_t result, uint32_t flags, const void *out, size_t len)
{
	static char buf[sizeof(struct wire_ioctl_out) + 20000];
	struct wire_ioctl_out o = { .result = result, .flags = flags };

	memcpy(buf, &o, sizeof(o));
	memcpy(buf + sizeof(o), out, len);
	reply_data(m, r, buf, sizeof(o) + len);
}

#define expect_ioctl(m, nodeid, cmd, flags, in, out) expect_ioctl_at(__FILE__, __LINE__, m, nodeid, cmd, flags, in, out)
static struct req *
expect_ioctl_at(const char *file, int line, struct mock *m, uint64_t nodeid, unsigned long cmd, uint32_t flags,
    uint32_t in, uint32_t out)
{
	struct req *r = expect_of_at(file, line, m, WIRE_IOCTL, nodeid);

	check_u_at(file, line, "ioctl.fh", r->in.ioctl.fh, FH);
	check_u_at(file, line, "ioctl.cmd", r->in.ioctl.cmd, cmd);
	check_u_at(file, line, "ioctl.flags", r->in.ioctl.flags, flags);
	check_u_at(file, line, "ioctl.in_size", r->in.ioctl.in_size, in);
	check_u_at(file, line, "ioctl.out_size", r->in.ioctl.out_size, out);
	check_u_at(file, line, "datalen", r->datalen, in);
	return r;
}

static long
ask(struct actor *a)
{
	uint64_t in = UINT64_C(0x1122334455667788), out = 0;
	struct both both = { { 1, 2, 3, 4 } };
	bool dir = a->arg != NULL;

	a->fd = open(in_mount(a, dir ? "" : "f"), O_RDONLY);
	step(a, ioctl(a->fd, IO_NONE, 77));
	a->n[0] = (long)&in;
	step(a, ioctl(a->fd, IO_IN, &in));
	step(a, ioctl(a->fd, IO_OUT, &out));
	a->n[1] = (long)out;
	step(a, ioctl(a->fd, IO_BOTH, &both));
	a->n[2] = both.a[0];
	a->n[3] = both.a[3];
	return step(a, close(a->fd));
}

static void
ask_all(struct mock *m, uint64_t nodeid, uint32_t flags)
{
	static const struct both want = { { 1, 2, 3, 4 } }, give = { { 9, 8, 7, 6 } };
	const uint64_t in = UINT64_C(0x1122334455667788), out = UINT64_C(0x123456789abcdef0);
	struct req *r;

	r = expect_ioctl(m, nodeid, IO_NONE, flags, 0, 0);
	check_u(r->in.ioctl.arg, 77);
	check_u(r->hdr.uid, 0);
	reply_ioctl(m, r, 42, 0, "", 0);
	r = expect_ioctl(m, nodeid, IO_IN, flags, 8, 0);
	check_that(r->in.ioctl.arg != 0);
	check_mem(r->data, &in, 8);
	reply_ioctl(m, r, 0, 0, "", 0);
	r = expect_ioctl(m, nodeid, IO_OUT, flags, 0, 8);
	reply_ioctl(m, r, 7, 0, &out, 8);
	r = expect_ioctl(m, nodeid, IO_BOTH, flags, 16, 16);
	check_mem(r->data, &want, 16);
	reply_ioctl(m, r, 0, 0, &give, 16);
}

static void
check_asked(const struct actor *a)
{
	check_step(a, 0, 42, 0);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 7, 0);
	check_i(a->n[1], 0x123456789abcdef0);
	check_step(a, 3, 0, 0);
	check_i(a->n[2], 9);
	check_i(a->n[3], 6);
}

MOCK_CASE(fields)
{
	struct actor *a = start(m, ask);

	answer_file(m, 0, FH, 0);
	ask_all(m, F_ID, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_asked(a);
	expect_none(m);
}

MOCK_CASE(of_a_directory, .flags = WIRE_INIT_HAS_IOCTL_DIR)
{
	struct actor *a = start_arg(m, ask, m);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	ask_all(m, WIRE_ROOT_ID, WIRE_IOCTL_DIR);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_asked(a);
	expect_none(m);
}

/* Directories have it since 7.18. */
MOCK_CASE(of_a_directory_before_7_18, .minor = 17)
{
	struct actor *a = start_arg(m, ask, m);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	for (int i = 0; i < 4; i++)
		check_step(a, i, -1, ENOTTY);
	expect_none(m);
}

MOCK_CASE(errors)
{
	struct actor *a = start(m, ask);

	answer_file(m, 0, FH, 0);
	reply_err(m, expect_of(m, WIRE_IOCTL, F_ID), EPERM);
	reply_ioctl(m, expect_of(m, WIRE_IOCTL, F_ID), -EINVAL, 0, "", 0); /* the other way to say it */
	reply_err(m, expect_of(m, WIRE_IOCTL, F_ID), ENOTTY);
	reply_ioctl(m, expect_of(m, WIRE_IOCTL, F_ID), -ENOSYS, 0, "", 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, -1, EPERM);
	check_step(a, 1, -1, EINVAL);
	check_step(a, 2, -1, ENOTTY);
	check_step(a, 3, -1, ENOTTY);
}

/* ENOSYS is not what programs expect of an ioctl, and it is not remembered. */
MOCK_CASE(enosys)
{
	struct actor *a = start(m, ask);

	answer_file(m, 0, FH, 0);
	for (int i = 0; i < 4; i++)
		reply_err(m, expect_of(m, WIRE_IOCTL, F_ID), ENOSYS);
	answer_close(m, F_ID, FH);
	finish(a);
	for (int i = 0; i < 4; i++)
		check_step(a, i, -1, ENOTTY);
}

/* The daemon may not ask for other memory of the program than the number says. */
MOCK_CASE(retry_refused)
{
	struct actor *a = start(m, ask);
	struct wire_ioctl_iovec v = { .len = 8 };
	struct {
		struct wire_ioctl_out o;
		struct wire_ioctl_iovec v[2];
	} retry = { .o = { .flags = WIRE_IOCTL_RETRY, .in_iovs = 1, .out_iovs = 1 } };
	struct req *r;

	answer_file(m, 0, FH, 0);
	reply_ioctl(m, expect_of(m, WIRE_IOCTL, F_ID), 0, WIRE_IOCTL_RETRY, "", 0);
	reply_ioctl(m, expect_of(m, WIRE_IOCTL, F_ID), 0, WIRE_IOCTL_RETRY, "", 0);
	reply_ioctl(m, expect_of(m, WIRE_IOCTL, F_ID), 0, WIRE_IOCTL_RETRY, "", 0);
	r = expect_of(m, WIRE_IOCTL, F_ID);
	v.base = r->in.ioctl.arg;
	retry.v[0] = v;
	reply_data(m, r, &retry, sizeof(retry.o) + 16);
	answer_close(m, F_ID, FH);
	finish(a);
	for (int i = 0; i < 4; i++)
		check_step(a, i, -1, EIO);
}

static long
ask_big(struct actor *a)
{
	open_f(a, O_RDONLY);
	pattern(a->buf, 16383, 1);
	a->buf[16383] = 77;
	step(a, ioctl(a->fd, IO_BIG, a->buf));
	step(a, ioctl(a->fd, IO_IN, (void *)8)); /* nobody's memory */
	step(a, ioctl(a->fd, IO_OUT, (void *)8));
	return step(a, close(a->fd));
}

MOCK_CASE(largest)
{
	struct actor *a = start(m, ask_big);
	static char data[16383];
	struct req *r;

	answer_file(m, 0, FH, 0);
	r = expect_ioctl(m, F_ID, IO_BIG, 0, 16383, 16383);
	check_i(wrong_bytes(r->data, 0, 16383, 1), 0);
	pattern(data, sizeof(data), 2);
	reply_ioctl(m, r, 0, 0, data, sizeof(data));
	r = expect_ioctl(m, F_ID, IO_OUT, 0, 0, 8); /* IO_IN failed before it was sent */
	reply_ioctl(m, r, 0, 0, data, 8);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_i(wrong_bytes(a->buf, 0, 16383, 2), 0);
	check_i(a->buf[16383], 77);
	check_step(a, 2, -1, EFAULT);
	check_step(a, 3, -1, EFAULT);
}

/* Fewer bytes than the number says reach the program as they are. */
MOCK_CASE(short_answer)
{
	struct actor *a = start(m, ask_big);
	struct req *r;

	answer_file(m, 0, FH, 0);
	reply_ioctl(m, expect_ioctl(m, F_ID, IO_BIG, 0, 16383, 16383), 5, 0, "abc", 3);
	r = expect_ioctl(m, F_ID, IO_OUT, 0, 0, 8);
	reply_ioctl(m, r, 0, 0, "", 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 5, 0);
	check_mem(a->buf, "abc", 3);
	check_i(wrong_bytes(a->buf + 3, 3, 16380, 1), 0);
	check_step(a, 3, 0, 0);
}

/* More bytes than that: an error of this call alone. */
MOCK_CASE(over_long_answer)
{
	struct actor *a = start(m, ask_big);
	static char big[sizeof(struct wire_ioctl_out) + 16384];
	struct req *r;
	int e;

	answer_file(m, 0, FH, 0);
	r = expect_ioctl(m, F_ID, IO_BIG, 0, 16383, 16383);
	e = send_reply(m, r, 0, big, sizeof(big));
	if (mock_is_native(m))
		check_i(e, EINVAL);
	r = expect_ioctl(m, F_ID, IO_OUT, 0, 0, 8);
	reply_data(m, r, big, sizeof(struct wire_ioctl_out) + 9); /* the kernel takes a page, and then looks */
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EIO);
	check_i(wrong_bytes(a->buf, 0, 16383, 1), 0);
	check_step(a, 3, -1, EIO);
}

static long
flags_of(struct actor *a)
{
	int flags = 0;

	open_f(a, O_RDONLY);
	step(a, ioctl(a->fd, FS_IOC_GETFLAGS, &flags));
	a->n[0] = flags;
	flags = FS_NODUMP_FL;
	step(a, ioctl(a->fd, FS_IOC_SETFLAGS, &flags));
	return step(a, close(a->fd));
}

/* chattr(1) and lsattr(1): the kernel opens the file for itself, asks, and releases it. */
MOCK_CASE(attribute_flags)
{
	struct actor *a = start(m, flags_of);
	uint32_t flags = FS_NOATIME_FL;
	struct fsxattr x = { 0 };
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
	answer_open(m, F_ID, FH - 1, 0);
	r = expect_of(m, WIRE_OPEN, F_ID);
	check_u(r->in.open.flags & ~LARGE, O_RDONLY);
	reply_open(m, r, FH, 0);
	r = expect_ioctl(m, F_ID, (uint32_t)FS_IOC_GETFLAGS, 0, 0, 4);
	reply_ioctl(m, r, 0, 0, &flags, 4);
	answer_release(m, F_ID, FH);
	/* setting asks first for what is set now, in the longer form */
	answer_open(m, F_ID, FH, 0);
	r = expect_ioctl(m, F_ID, (uint32_t)FS_IOC_FSGETXATTR, 0, 0, sizeof(x));
	reply_ioctl(m, r, 0, 0, &x, sizeof(x));
	answer_release(m, F_ID, FH);
	answer_open(m, F_ID, FH, 0);
	flags = FS_NODUMP_FL;
	r = expect_ioctl(m, F_ID, (uint32_t)FS_IOC_SETFLAGS, 0, 4, 0);
	check_mem(r->data, &flags, 4);
	reply_ioctl(m, r, 0, 0, "", 0);
	answer_release(m, F_ID, FH);
	answer_close(m, F_ID, FH - 1);
	finish(a);
	check_step(a, 1, 0, 0);
	check_i(a->n[0], FS_NOATIME_FL);
	check_step(a, 2, 0, 0);
}

static long
ask_the_kernel(struct actor *a)
{
	int n = 0;
	const struct file_clone_range range = { .src_fd = -1 };

	open_f(a, O_RDWR);
	step(a, ioctl(a->fd, FIONREAD, &n));
	a->n[0] = n;
	step(a, ioctl(a->fd, FIGETBSZ, &n));
	a->n[1] = n;
	n = 1;
	step(a, ioctl(a->fd, FIONBIO, &n));
	a->n[2] = fcntl(a->fd, F_GETFL) & O_NONBLOCK;
	step(a, ioctl(a->fd, FIOCLEX));
	step(a, ioctl(a->fd, FICLONE, a->fd));
	step(a, ioctl(a->fd, FICLONERANGE, &range));
	return step(a, close(a->fd));
}

/* Numbers that belong to the kernel's VFS never reach a daemon. */
MOCK_CASE(of_the_kernel)
{
	struct actor *a = start(m, ask_the_kernel);

	answer_file(m, 100, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_i(a->n[0], 100);
	check_step(a, 2, 0, 0);
	check_i(a->n[1], 4096);
	check_step(a, 3, 0, 0);
	check_i(a->n[2], O_NONBLOCK);
	check_step(a, 4, 0, 0);
	check_step(a, 5, -1, EOPNOTSUPP);
	check_step(a, 6, -1, EBADF);
	expect_none(m);
}

#if defined(__x86_64__)
/* ioctl(2) as a 32-bit program calls it; -ENOSYS where the kernel has no such entry. */
static long
ioctl32(int fd, unsigned cmd, void *arg)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(54L), "b"((long)fd), "c"((long)cmd), "d"(arg)
			 : "memory", "r8", "r9", "r10", "r11");
	ret = (int)ret;
	if (ret < 0) {
		errno = (int)-ret;
		ret = -1;
	}
	return ret;
}

static sigjmp_buf no_entry;

static void
on_segv(int sig)
{
	siglongjmp(no_entry, sig);
}

static bool
runs_32(void)
{
	int sig = sigsetjmp(no_entry, 1);

	signal(SIGSEGV, on_segv);
	return sig == 0 && (ioctl32(-1, 0, NULL) == 0 || errno != ENOSYS);
}

static long
ask_32(struct actor *a)
{
	struct both *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	*low = (struct both){ { 1, 2, 3, 4 } };
	open_f(a, O_RDONLY);
	step(a, ioctl32(a->fd, (unsigned)IO_BOTH, low));
	a->n[0] = low->a[3];
	return step(a, close(a->fd));
}

/* A 32-bit program says so: structures that depend on it are the daemon's to translate. */
MOCK_CASE(compat)
{
	static const struct both want = { { 1, 2, 3, 4 } }, give = { { 9, 8, 7, 6 } };
	struct actor *a;
	struct req *r;

	if (!runs_32())
		mock_skip("this kernel runs no 32-bit programs");
	a = start(m, ask_32);
	answer_file(m, 0, FH, 0);
	r = expect_ioctl(m, F_ID, IO_BOTH, WIRE_IOCTL_COMPAT | WIRE_IOCTL_32BIT, 16, 16);
	check_that(r->in.ioctl.arg <= UINT32_MAX);
	check_mem(r->data, &want, 16);
	reply_ioctl(m, r, 3, 0, &give, 16);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 3, 0);
	check_i(a->n[0], 6);
}
#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of perfused's rules (check.c) and of the way in of a mount frame (intake.c): who may mount what where, and what a
 * peer gets for nonsense. perfused is a program, not a library, so files of it are taken in whole. Of the rest:
 * which mount a worker takes for ours, and that an ended child is collected without waiting.
 */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sys/ptrace.h>
#include <sys/wait.h>

#include "perfused/check.c"
#include "perfused/child.c"
#include "perfused/enter.c"
#include "perfused/intake.c"
#include "perfused/peer.c"
#include "perfused/table.c"
#include "perfused/worker.c"

/* What else a worker calls; no test here gets there. */
int
place_fds(const int *fds, int n)
{
	abort();
}

void
answer_send(int conn, enum frame_code code, int error, const char *text)
{
	abort();
}

void
hang_up(int conn)
{
	abort();
}

int
sandbox_worker(const struct peer *peer)
{
	abort();
}

static const struct peer root = { .pid = 1, .uid = 0, .gid = 0, .root = true };
static const struct peer user = { .pid = 2, .uid = 1234, .gid = 4321 };
static const struct peer powerless = { .pid = 3, .uid = 0, .gid = 0 }; /* a container's root */

/* ---- frames ---- */

static char why[PRIV_WHY];
static struct check_wish wish;

/* check_frame() on /mnt with this type, options and flags. */
static int
ask(const struct peer *peer, const char *type, const char *data, uint32_t flags)
{
	const struct frame_strings s = { .source = "src", .target = "/mnt", .filesystemtype = type, .data = data };
	const struct frame_mount hdr = { .mountflags = flags };

	why[0] = '\0';
	return check_frame(&hdr, &s, peer, true, &wish, why, sizeof(why));
}

START_TEST(frame_types)
{
	ck_assert_int_eq(ask(&user, "fuse", NULL, 0), 0);
	ck_assert_str_eq(wish.mount.subtype, "");
	ck_assert_str_eq(wish.mount.source, "src");
	ck_assert_int_eq(ask(&user, NULL, NULL, 0), 0);
	ck_assert_int_eq(ask(&user, "perfuse", NULL, 0), 0);
	ck_assert_int_eq(ask(&user, "fuse.sshfs", "", 0), 0);
	ck_assert_str_eq(wish.mount.subtype, "sshfs");
	ck_assert_int_eq(ask(&user, "fuse.a.b", "", 0), 0);
	ck_assert_str_eq(wish.mount.subtype, "a.b");
	ck_assert_int_eq(ask(&root, "fuseblk.ntfs", "blksize=512", 0), 0);
	ck_assert_int_eq(wish.mount.blkdev, 1);
	ck_assert_uint_eq(wish.mount.blksize, 512);

	ck_assert_int_eq(ask(&user, "fuseblk", NULL, 0), EPERM);
	ck_assert_int_eq(ask(&root, "ext4", NULL, 0), EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "ext4"));
	ck_assert_int_eq(ask(&root, "fusectl", NULL, 0), EINVAL);
	ck_assert_int_eq(ask(&root, "fuse.", NULL, 0), EINVAL);
	ck_assert_int_eq(ask(&root, "perfuse.x", NULL, 0), EINVAL);
	ck_assert_int_eq(ask(&root, "", NULL, 0), EINVAL);
}
END_TEST

START_TEST(frame_long_subtype)
{
	char type[200] = "fuse.";

	memset(type + 5, 'x', sizeof(wish.mount.subtype) - 1);
	ck_assert_int_eq(ask(&user, type, NULL, 0), 0);
	type[5 + sizeof(wish.mount.subtype) - 1] = 'x';
	ck_assert_int_eq(ask(&user, type, NULL, 0), EINVAL);
}
END_TEST

START_TEST(frame_options)
{
	ck_assert_int_eq(
	    ask(&user, "fuse", "fd=7,rootmode=40000,user_id=0,group_id=0,default_permissions,max_read=131072", 0), 0);
	ck_assert_uint_eq(wish.mount.user_id, user.uid); /* never what the options say */
	ck_assert_uint_eq(wish.mount.group_id, user.gid);
	ck_assert_int_eq(wish.mount.default_permissions, 1);
	ck_assert_uint_eq(wish.mount.max_read, 131072);
	ck_assert(!wish.auto_unmount);
	ck_assert_int_eq(ask(&user, "fuse", "auto_unmount,fsname=a\\,b,subtype=sub", 0), 0);
	ck_assert(wish.auto_unmount);
	ck_assert_str_eq(wish.mount.source, "a,b");
	ck_assert_str_eq(wish.mount.subtype, "sub");
	/* The type names the file system, and an option does not rename it. */
	ck_assert_int_eq(ask(&user, "fuse.this", "subtype=that", 0), 0);
	ck_assert_str_eq(wish.mount.subtype, "this");
	/* Somebody's notes. */
	ck_assert_int_eq(
	    ask(&user, "fuse", "user=joe,_netdev,x-systemd.automount,X-y,nonempty,noauto,,comment=a", 0), 0);
	/* What would change the mount is refused by its name. */
	ck_assert_int_eq(ask(&user, "fuse", "ro,uid=33,x-y", 0), EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "\"uid=33\""));
	ck_assert_int_eq(ask(&user, "fuse", "fd=abc", 0), EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "fd=abc"));
	ck_assert_int_eq(ask(&user, "fuse", "users\\,allow_other", 0), EINVAL);
}
END_TEST

START_TEST(frame_flags)
{
	const uint32_t mgc = MS_MGC_VAL;

	ck_assert_int_eq(ask(&user, "fuse", "suid,dev", MS_RDONLY), 0);
	ck_assert_uint_eq(wish.mount.flags, MS_RDONLY | MS_NOSUID | MS_NODEV);
	ck_assert_int_eq(ask(&root, "fuse", "suid,dev,rw", MS_RDONLY | MS_NOSUID | MS_NODEV), 0);
	ck_assert_uint_eq(wish.mount.flags, 0);
	ck_assert_int_eq(ask(&root, "fuse", NULL, mgc | MS_NOEXEC | MS_SILENT), 0);
	ck_assert_uint_eq(wish.mount.flags, MS_NOEXEC);
	ck_assert_int_eq(ask(&root, "fuse", NULL, MS_RELATIME), 0); /* a bit of the magic number, and none here */
	ck_assert_uint_eq(wish.mount.flags, MS_RELATIME);
	ck_assert_int_eq(ask(&root, "fuse", NULL, MS_REMOUNT), EINVAL);
	ck_assert_int_eq(ask(&root, "fuse", NULL, MS_BIND), EINVAL);
	ck_assert_int_eq(ask(&root, "fuse", NULL, MS_SHARED), EINVAL);
}
END_TEST

START_TEST(frame_target_and_fd)
{
	struct frame_strings s = { .target = "mnt" };
	const struct frame_mount hdr = { .mountflags = 0 };

	ck_assert_int_eq(check_frame(&hdr, &s, &root, true, &wish, why, sizeof(why)), EINVAL);
	s.target = "/mnt";
	ck_assert_int_eq(check_frame(&hdr, &s, &root, true, &wish, why, sizeof(why)), 0);
	/* The connection itself is to be the FUSE socket: then the options must name it, as the kernel has it. */
	ck_assert_int_eq(check_frame(&hdr, &s, &root, false, &wish, why, sizeof(why)), EINVAL);
	s.data = "fd=3";
	ck_assert_int_eq(check_frame(&hdr, &s, &root, false, &wish, why, sizeof(why)), 0);
}
END_TEST

START_TEST(frame_long_names)
{
	char source[sizeof(wish.mount.source) + 1];
	struct frame_strings s = { .source = source, .target = "/mnt" };
	const struct frame_mount hdr = { .mountflags = 0 };

	memset(source, 's', sizeof(source));
	source[sizeof(wish.mount.source) - 1] = '\0';
	ck_assert_int_eq(check_frame(&hdr, &s, &user, true, &wish, why, sizeof(why)), 0);
	source[sizeof(wish.mount.source) - 1] = 's';
	source[sizeof(wish.mount.source)] = '\0';
	ck_assert_int_eq(check_frame(&hdr, &s, &user, true, &wish, why, sizeof(why)), EINVAL);
}
END_TEST

/* ---- the record that crosses the privilege boundary ---- */

static struct host_mount
good_record(void)
{
	return (struct host_mount){
		.source = "s", .subtype = "t", .flags = MS_NOSUID | MS_NODEV, .user_id = user.uid, .group_id = user.gid
	};
}

static int
record(const struct host_mount *m, uid_t uid, gid_t gid)
{
	const struct peer peer = { .uid = uid, .gid = gid, .root = uid == 0 };

	return check_record(m, &peer, why, sizeof(why));
}

START_TEST(record_of_user)
{
	struct host_mount m = good_record();

	ck_assert_int_eq(record(&m, user.uid, user.gid), 0);
	ck_assert_int_eq(record(&m, user.uid + 1, user.gid), EPERM);
	ck_assert_int_eq(record(&m, user.uid, user.gid + 1), EPERM);
	m.flags = MS_NOSUID;
	ck_assert_int_eq(record(&m, user.uid, user.gid), EPERM);
	m.flags = MS_NODEV;
	ck_assert_int_eq(record(&m, user.uid, user.gid), EPERM);
	m = good_record();
	m.blkdev = 1;
	ck_assert_int_eq(record(&m, user.uid, user.gid), EPERM);
	m = good_record();
	m.user_id = 0;
	ck_assert_int_eq(record(&m, user.uid, user.gid), EPERM);
}
END_TEST

START_TEST(record_nonsense)
{
	struct host_mount m = good_record();

	memset(m.source, 's', sizeof(m.source));
	ck_assert_int_eq(record(&m, user.uid, user.gid), EINVAL);
	m = good_record();
	memset(m.subtype, 's', sizeof(m.subtype));
	ck_assert_int_eq(record(&m, user.uid, user.gid), EINVAL);
	m = good_record();
	m.allow_other = 2;
	ck_assert_int_eq(record(&m, user.uid, user.gid), EINVAL);
	m = good_record();
	m.default_permissions = 255;
	ck_assert_int_eq(record(&m, user.uid, user.gid), EINVAL);
	m = good_record();
	m.pad = 1;
	ck_assert_int_eq(record(&m, user.uid, user.gid), EINVAL);
	m = good_record();
	m.blksize = 512;
	ck_assert_int_eq(record(&m, user.uid, user.gid), EINVAL);
	for (int bit = 0; bit < 32; bit++) {
		m = good_record();
		m.flags |= UINT32_C(1) << bit;
		ck_assert_int_eq(
		    record(&m, user.uid, user.gid), (m.flags & ~(uint32_t)FLAGS_CARRIED) != 0 ? EINVAL : 0);
	}
}
END_TEST

START_TEST(record_of_root)
{
	struct host_mount m = { .blkdev = 1, .blksize = 4096, .allow_other = 1 };

	ck_assert_int_eq(record(&m, 0, 0), 0);
	m.user_id = 1;
	ck_assert_int_eq(record(&m, 0, 0), EPERM);
}
END_TEST

/* uid 0 alone makes nobody root. */
START_TEST(record_of_powerless)
{
	struct host_mount m = { .flags = MS_NOSUID | MS_NODEV };

	ck_assert(peer_is_apart(&powerless) && !peer_is_apart(&root) && !peer_is_apart(&user));
	ck_assert_int_eq(check_record(&m, &powerless, why, sizeof(why)), 0);
	m.flags = MS_NOSUID;
	ck_assert_int_eq(check_record(&m, &powerless, why, sizeof(why)), EPERM);
	m.flags |= MS_NODEV;
	m.blkdev = 1;
	ck_assert_int_eq(check_record(&m, &powerless, why, sizeof(why)), EPERM);
	ck_assert_int_eq(ask(&powerless, "fuse", "suid,dev", 0), 0);
	ck_assert_uint_eq(wish.mount.flags, MS_NOSUID | MS_NODEV);
	ck_assert_int_eq(ask(&powerless, "fuseblk", NULL, 0), EPERM);
}
END_TEST

/* allow_other reaches nobody outside of another user namespace, if the mount is that one's. */
START_TEST(record_of_rootless)
{
	struct peer peer = user;
	struct host_mount m = good_record();

	m.allow_other = 1;
	ck_assert_int_eq(
	    check_record(&m, &peer, why, sizeof(why)), check_user_allow_other(CHECK_FUSE_CONF) ? 0 : EPERM);
	peer.other_user = true;
	ck_assert_int_eq(
	    check_record(&m, &peer, why, sizeof(why)), check_user_allow_other(CHECK_FUSE_CONF) ? 0 : EPERM);
	peer.foreign = true;
	ck_assert_int_eq(check_record(&m, &peer, why, sizeof(why)), 0);
	/* uid 0 may, with or without power, as with fusermount3; but not another namespace's. */
	peer = (struct peer){ .uid = 0, .gid = 0 };
	m.user_id = m.group_id = 0;
	ck_assert_int_eq(check_record(&m, &peer, why, sizeof(why)), 0);
	peer.other_user = true;
	ck_assert_int_eq(
	    check_record(&m, &peer, why, sizeof(why)), check_user_allow_other(CHECK_FUSE_CONF) ? 0 : EPERM);
}
END_TEST

static bool
conf_allows(const char *text)
{
	char path[] = "/tmp/test_perfused.XXXXXX";
	int fd = mkstemp(path);
	bool yes;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	yes = check_user_allow_other(path);
	close(fd);
	unlink(path);
	return yes;
}

START_TEST(fuse_conf)
{
	ck_assert(!check_user_allow_other("/nonexistent/fuse.conf"));
	ck_assert(!conf_allows(""));
	ck_assert(!conf_allows("#user_allow_other\n"));
	ck_assert(!conf_allows("user_allow_others\n"));
	ck_assert(!conf_allows("user_allow_other yes\n"));
	ck_assert(!conf_allows("mount_max = 1000\n"));
	ck_assert(conf_allows("user_allow_other"));
	ck_assert(conf_allows("# comment\nmount_max = 5\n  user_allow_other  \n"));
	ck_assert(conf_allows("user_allow_other # for all\n"));
}
END_TEST

/* ---- mountpoints ---- */

static int
place(int at, const char *path, uid_t uid)
{
	const struct peer peer = { .uid = uid, .root = uid == 0 };

	return check_mountpoint(at, path, &peer, why, sizeof(why));
}

START_TEST(mountpoints)
{
	char dir[] = "/tmp/test_perfused.XXXXXX", file[64];
	uid_t me = geteuid() != 0 ? geteuid() : 4242;
	int at, proc;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/file", dir);
	close(open(file, O_WRONLY | O_CREAT, 0600));
	if (geteuid() == 0)
		ck_assert_int_eq(chown(dir, me, me), 0);
	at = open(dir, O_PATH);
	ck_assert_int_eq(place(at, dir, me), 0);
	ck_assert_int_eq(place(at, dir, me + 1), EPERM);
	ck_assert_ptr_nonnull(strstr(why, dir));
	ck_assert_int_eq(place(at, dir, 0), 0);
	close(at);
	at = open(file, O_PATH);
	ck_assert_int_eq(place(at, file, me), ENOTDIR);
	ck_assert_int_eq(place(at, file, 0), ENOTDIR);
	close(at);
	ck_assert_int_ne(place(-1, "x", me), 0);
	ck_assert(!is_ordinary(PROC_SUPER_MAGIC));
	ck_assert(!is_ordinary(SYSFS_MAGIC));
	ck_assert(!is_ordinary(CGROUP2_SUPER_MAGIC));
	ck_assert(is_ordinary(FUSE_SUPER_MAGIC));
	/* A process's own folder belongs to its user, and is still no place for a mount. */
	proc = open("/proc/self/task", O_PATH);
	if (geteuid() != 0)
		ck_assert_int_eq(place(proc, "/proc/self/task", me), EPERM);
	close(proc);
	unlink(file);
	rmdir(dir);
}
END_TEST

/* ---- intake ---- */

static int sv[2]; /* the peer's end, ours */
static char mnt[64];
static struct intake in;

static void
make_mnt(void)
{
	strcpy(mnt, "/tmp/test_perfused.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(mnt));
}

static void
pair(int type)
{
	ck_assert_int_eq(fdp_pair(type, sv), 0);
	ck_assert_int_eq(fdp_buffers(sv[0], 4 * FRAME_MAX, NULL), 0);
	make_mnt();
}

static void
unpair(void)
{
	close(sv[0]);
	close(sv[1]);
	rmdir(mnt);
}

/* Send a frame for mnt with these flags and this descriptor (-1: none) and take it in as ourselves. */
static int
exchange(uint32_t flags, int fd, const char *data)
{
	const struct peer me = { .pid = getpid(), .uid = geteuid(), .gid = getegid(), .root = geteuid() == 0 };
	const struct frame_strings s = { .source = "src", .target = mnt, .filesystemtype = "fuse.x", .data = data };
	size_t len;
	void *frame;
	int error;

	ck_assert_int_eq(frame_build(&s, 0, 77777, flags, &frame, &len), 0);
	ck_assert_int_eq(fdp_send(sv[0], frame, len, &fd, fd >= 0), 0);
	free(frame);
	error = intake(sv[1], &me, &in, why, sizeof(why));
	alarm(0);
	return error;
}

START_TEST(intake_good)
{
	static const int types[] = { SOCK_SEQPACKET, SOCK_DGRAM };
	struct stat a, b;
	int daemon[2];
	char link[PATH_MAX];

	pair(types[_i]);
	ck_assert_int_eq(fdp_pair(types[_i], daemon), 0);
	ck_assert_int_eq(exchange(FRAME_F_CONTROL, daemon[0], NULL), 0);
	ck_assert_uint_eq(in.sndbuf, 77777);
	ck_assert_str_eq(in.path, realpath(mnt, link));
	ck_assert_int_eq(fstat(in.at, &a), 0);
	ck_assert_int_eq(stat(mnt, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_int_ne(fcntl(in.at, F_GETFL) & O_PATH, 0);
	ck_assert_int_eq(fstat(in.daemon, &a), 0);
	ck_assert_int_eq(fstat(daemon[0], &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	close(in.at);
	close(in.daemon);

	ck_assert_int_eq(exchange(0, -1, "fd=9"), 0); /* the connection is to be the FUSE socket */
	ck_assert_int_eq(in.daemon, -1);
	close(in.at);
	close(daemon[0]);
	close(daemon[1]);
	unpair();
}
END_TEST

/* The lowest number that a new descriptor would get: what is left open by mistake moves it. */
static int
lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

START_TEST(intake_descriptors)
{
	int null = open("/dev/null", O_RDWR), stream[2], low;

	pair(SOCK_SEQPACKET);
	ck_assert_int_eq(fdp_pair(SOCK_STREAM, stream), 0);
	low = lowest_fd();
	ck_assert_int_eq(exchange(FRAME_F_CONTROL, -1, NULL), EPROTO);
	ck_assert_int_eq(exchange(0, sv[0], "fd=1"), EPROTO);
	ck_assert_int_eq(exchange(FRAME_F_CONTROL, null, NULL), EINVAL);
	ck_assert_int_eq(exchange(FRAME_F_CONTROL, stream[0], NULL), EINVAL);
	ck_assert_int_eq(exchange(FRAME_F_CONTROL, sv[0], "nonsense=1"), EINVAL);
	ck_assert_int_eq(lowest_fd(), low);
	rmdir(mnt);
	ck_assert_int_eq(exchange(FRAME_F_CONTROL, sv[0], NULL), ENOENT);
	ck_assert_ptr_nonnull(strstr(why, mnt));
	ck_assert_int_eq(lowest_fd(), low);
	close(null);
	close(stream[0]);
	close(stream[1]);
	unpair();
}
END_TEST

START_TEST(intake_nonsense)
{
	const struct peer me = { .pid = getpid(), .uid = geteuid(), .gid = getegid(), .root = geteuid() == 0 };
	char *big = calloc(1, FRAME_MAX + 1);

	pair(SOCK_SEQPACKET);
	ck_assert_int_eq(fdp_send(sv[0], "hello", 5, NULL, 0), 0);
	ck_assert_int_eq(intake(sv[1], &me, &in, why, sizeof(why)), EPROTO);
	ck_assert_int_eq(fdp_send(sv[0], big, FRAME_MAX + 1, NULL, 0), 0);
	ck_assert_int_eq(intake(sv[1], &me, &in, why, sizeof(why)), EMSGSIZE);
	ck_assert_int_eq(fdp_send(sv[0], big, FRAME_MAX, NULL, 0), 0);
	ck_assert_int_eq(intake(sv[1], &me, &in, why, sizeof(why)), EPROTO);
	shutdown(sv[0], SHUT_WR);
	ck_assert_int_eq(intake(sv[1], &me, &in, why, sizeof(why)), ECONNRESET);
	alarm(0);
	free(big);
	unpair();
}
END_TEST

/* A DGRAM service: the frame names its reply socket, and what others sent meanwhile is sent back. */
START_TEST(intake_dgram_service)
{
	const struct peer me = { .pid = getpid(), .uid = geteuid(), .gid = getegid(), .root = geteuid() == 0 };
	const struct peer other = { .pid = getpid(), .uid = geteuid() + 1, .gid = getegid() };
	struct sockaddr_un sun = { .sun_family = AF_UNIX }, reply = { .sun_family = AF_UNIX };
	struct frame_strings s = { .target = mnt, .data = "fd=3", .sock = reply.sun_path };
	const int on = 1;
	int service, peer;
	void *frame;
	size_t len;
	char byte;

	make_mnt();
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/service", mnt);
	snprintf(reply.sun_path, sizeof(reply.sun_path), "%s/reply", mnt);
	service = socket(AF_UNIX, SOCK_DGRAM, 0);
	peer = socket(AF_UNIX, SOCK_DGRAM, 0);
	ck_assert_int_eq(setsockopt(service, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	ck_assert_int_eq(bind(service, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(bind(peer, (struct sockaddr *)&reply, sizeof(reply)), 0);
	ck_assert_int_eq(connect(peer, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(frame_build(&s, 0, 0, 0, &frame, &len), 0);

	/* Not from whom the parent saw there. */
	ck_assert_int_eq(fdp_send(peer, frame, len, NULL, 0), 0);
	ck_assert_int_eq(intake(service, &other, &in, why, sizeof(why)), EPERM);
	ck_assert_int_eq(fdp_send(peer, frame, len, NULL, 0), 0);
	ck_assert_int_eq(intake(service, &me, &in, why, sizeof(why)), 0);
	close(in.at);
	ck_assert_int_eq(send(service, "x", 1, 0), 1); /* it is connected to the peer now */
	ck_assert_int_eq(recv(peer, &byte, 1, 0), 1);
	free(frame);
	/* No reply socket. */
	s.sock = NULL;
	close(service);
	unlink(sun.sun_path);
	service = socket(AF_UNIX, SOCK_DGRAM, 0);
	ck_assert_int_eq(setsockopt(service, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	ck_assert_int_eq(bind(service, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(connect(peer, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(frame_build(&s, 0, 0, 0, &frame, &len), 0);
	ck_assert_int_eq(fdp_send(peer, frame, len, NULL, 0), 0);
	ck_assert_int_eq(intake(service, &me, &in, why, sizeof(why)), EPROTO);
	alarm(0);
	free(frame);
	close(service);
	close(peer);
	unlink(sun.sun_path);
	unlink(reply.sun_path);
	rmdir(mnt);
}
END_TEST

/* ---- the table of mounts ---- */

static const char *
make_table(const char *text, int at)
{
	static char path[64];
	char line[PATH_MAX], point[PATH_MAX], *to = line;
	FILE *f;

	/* "@" is the directory's path, escaped. */
	ck_assert_int_eq(path_of(at, point, sizeof(point)), 0);
	for (const char *p = point; *p != '\0'; p++)
		to += *p == ' ' ? sprintf(to, "\\040") : sprintf(to, "%c", *p);
	snprintf(path, sizeof(path), "/tmp/test_perfused.table.%d", getpid());
	f = fopen(path, "w");
	for (; *text != '\0'; text++) {
		if (*text == '@')
			fputs(line, f);
		else
			fputc(*text, f);
	}
	fclose(f);
	return path;
}

START_TEST(mount_table)
{
	static const char ours[] = "91000 %s";
	char dir[] = "/tmp/test perfused.XXXXXX", path[PATH_MAX], text[1024], line[256];
	static const struct {
		const char *rest;
		uint32_t id;
		int error;
		uint32_t found;
	} cases[] = {
		{ "", 91000, 0, 91000 },
		{ "", 0, 0, 91000 },
		{ "", 91001, EINVAL, 0 },
		/* Something on top; something below it; something elsewhere. */
		{ "91002 91000 0:51 / @ rw - tmpfs t rw\n", 91000, EBUSY, 0 },
		{ "91002 91000 0:51 / @/sub rw - tmpfs t rw\n", 91000, 0, 91000 },
		{ "91002 91000 0:51 / @ rw - fuse.x s rw,user_id=1234,group_id=1\n", 0, 0, 91002 },
		/* Its id has become another's. */
		{ "91003 5 0:51 / @ rw - tmpfs t rw,user_id=1234,x\n", 91003, EINVAL, 0 },
		{ "91003 5 0:51 / @ rw - fuse s rw,user_id=123,group_id=1234\n", 91003, EINVAL, 0 },
		{ "91003 5 0:51 / @ rw - fuse ,user_id=1234, rw,user_id=0,group_id=0\n", 91003, EINVAL, 0 },
		{ "91003 5 0:51 / /elsewhere rw - fuse s rw,user_id=1234,group_id=1\n", 91003, EBUSY, 0 },
		{ "nonsense\n\n1 2\n - \n", 91000, 0, 91000 },
	};
	int at;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	at = open(dir, O_PATH);
	ck_assert_int_eq(path_of(at, path, sizeof(path)), 0);
	snprintf(line, sizeof(line), ours, "25 0:50 / @ rw,nosuid shared:1 - fuse.my s rw,user_id=1234,group_id=1\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t id = cases[i].id;

		snprintf(text, sizeof(text), "%s%s", line, cases[i].rest);
		ck_assert_msg(find_mount(make_table(text, at), at, path, 1234, &id) == cases[i].error, "case %zu", i);
		if (cases[i].error == 0)
			ck_assert_uint_eq(id, cases[i].found);
	}
	/* A mount is never the one below itself. */
	{
		uint32_t id = 0;

		snprintf(text, sizeof(text), "%u 25 0:50 / @ rw - fuse s rw,user_id=1234,group_id=1\n", mount_of(at));
		ck_assert_int_eq(find_mount(make_table(text, at), at, path, 1234, &id), EINVAL);
		/* It was renamed while we looked. */
		ck_assert_int_eq(find_mount(make_table(line, at), at, "/elsewhere", 1234, &id), EAGAIN);
		ck_assert_int_eq(find_mount("/nonexistent", at, path, 1234, &id), ENOENT);
	}
	unlink(make_table("", at));
	close(at);
	rmdir(dir);
}
END_TEST

/* What decides whether a mount would reach other namespaces, and where a directory lies in its file system. */
START_TEST(table_entries)
{
	char shared[] = "36 35 98:0 /mnt1/a\\040b /mnt2 rw,noatime shared:17 master:1 - ext3 /dev/root rw";
	char slave[] = "36 35 98:0 / /mnt2 rw,noatime master:17 - fuse.shared:1 s rw,user_id=7,group_id=7";
	char cut[] = "36 35 98:0 /";
	struct entry e;

	ck_assert(entry_parse(shared, 0, &e));
	ck_assert(e.shared && !e.fuse);
	ck_assert_str_eq(e.dev, "98:0");
	ck_assert_str_eq(e.root, "/mnt1/a b");
	ck_assert_str_eq(e.point, "/mnt2");
	ck_assert(entry_parse(slave, 7, &e));
	ck_assert(!e.shared && e.fuse);
	ck_assert(!entry_parse(cut, 0, &e));
	ck_assert_str_eq(rest_of("/a/b", "/a"), "/b");
	ck_assert_str_eq(rest_of("/a", "/a"), "");
	ck_assert_str_eq(rest_of("/a", "/"), "/a");
	ck_assert_ptr_null(rest_of("/ab", "/a"));
	ck_assert_ptr_null(rest_of("/a", "/a/b"));
}
END_TEST

/* ---- who a peer is ---- */

START_TEST(peer_is_us)
{
	struct fdp_cred cred;
	struct peer peer;
	int pidfd, pair_fds[2];

	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, pair_fds), 0);
	ck_assert_int_eq(fdp_peer(pair_fds[0], &cred), 0);
	ck_assert_int_eq(peer_identify(pair_fds[0], &cred, &peer, &pidfd, why, sizeof(why)), 0);
	ck_assert(!peer.foreign && !peer.other_user);
	ck_assert_int_eq(peer.pid, getpid());
	ck_assert_int_eq(peer_is_apart(&peer), geteuid() == 0 && !peer.root);
	close(pidfd);
	/* Nobody, and somebody whom we cannot see. */
	cred.pid = 0;
	ck_assert_int_eq(peer_identify(pair_fds[0], &cred, &peer, &pidfd, why, sizeof(why)), EPERM);
	cred.uid = (uid_t)-1;
	ck_assert_int_eq(peer_identify(pair_fds[0], &cred, &peer, &pidfd, why, sizeof(why)), EPERM);
	ck_assert_int_eq(pidfd, -1);
	close(pair_fds[0]);
	close(pair_fds[1]);
}
END_TEST

/* A peer that has made namespaces of its own, and one that is no more. */
START_TEST(peer_elsewhere)
{
	struct fdp_cred cred;
	struct peer peer;
	int pidfd, p[2], sock, status;
	unsigned nfds;
	size_t len;
	char byte;
	pid_t pid;

	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, p), 0);
	if ((pid = fork()) == 0) {
		int pair_fds[2];

		close(p[0]);
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
			_exit(77);
		(void)(fdp_pair(SOCK_SEQPACKET, pair_fds) || fdp_send(p[1], "", 1, pair_fds, 1));
		(void)read(p[1], &byte, 1);
		_exit(0);
	}
	close(p[1]);
	if (fdp_recv(p[0], &byte, 1, &len, &sock, 1, &nfds, NULL, 10000) == 0 && nfds == 1) {
		ck_assert_int_eq(fdp_peer(sock, &cred), 0);
		ck_assert_int_eq(cred.pid, pid);
		ck_assert_int_eq(peer_identify(sock, &cred, &peer, &pidfd, why, sizeof(why)), 0);
		ck_assert(peer.foreign && peer.other_user && !peer.root && peer_is_apart(&peer));
		close(pidfd);
		close(p[0]);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(peer_identify(sock, &cred, &peer, &pidfd, why, sizeof(why)), ESRCH);
		ck_assert_ptr_nonnull(strstr(why, "ended"));
		close(sock);
	} else { /* (no user namespaces here) */
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 77);
	}
}
END_TEST

/* ---- children ---- */

static int ended_status;

static void
child_over(void *arg, int status)
{
	ended_status = status;
	*(bool *)arg = true;
}

START_TEST(child_plain)
{
	struct loop *loop;
	struct child c;
	bool over = false;
	pid_t pid;

	ck_assert_int_eq(loop_new(&loop), 0);
	if ((pid = fork()) == 0)
		_exit(7);
	ck_assert_int_eq(child_watch(loop, &c, pid, child_over, &over), 0);
	while (!over)
		loop_once(loop, 1);
	ck_assert(WIFEXITED(ended_status) && WEXITSTATUS(ended_status) == 7);
	loop_free(loop);
}
END_TEST

/* One that is traced cannot be collected while its tracer does not; nobody waits for that. */
START_TEST(child_traced)
{
	struct loop *loop;
	struct child c;
	int p[2];
	bool over = false;
	pid_t pid, tracer;
	char byte;

	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(pipe(p), 0);
	if ((pid = fork()) == 0) {
		pause();
		_exit(0);
	}
	if ((tracer = fork()) == 0) {
		byte = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0;
		(void)!write(p[1], &byte, 1);
		pause();
		_exit(0);
	}
	ck_assert_int_eq(read(p[0], &byte, 1), 1);
	if (byte) { /* (else this system forbids tracing, and nothing can be shown) */
		ck_assert_int_eq(child_watch(loop, &c, pid, child_over, &over), 0);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		loop_once(loop, 1);
		ck_assert(!over);
	}
	kill(tracer, SIGKILL);
	waitpid(tracer, NULL, 0);
	while (byte && !over)
		loop_once(loop, 1);
	ck_assert(!byte || (WIFSIGNALED(ended_status) && WTERMSIG(ended_status) == SIGKILL));
	if (!byte)
		kill(pid, SIGKILL);
	loop_free(loop);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("perfused");
	TCase *tc = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, frame_types);
	tcase_add_test(tc, frame_long_subtype);
	tcase_add_test(tc, frame_options);
	tcase_add_test(tc, frame_flags);
	tcase_add_test(tc, frame_target_and_fd);
	tcase_add_test(tc, frame_long_names);
	tcase_add_test(tc, record_of_user);
	tcase_add_test(tc, record_nonsense);
	tcase_add_test(tc, record_of_root);
	tcase_add_test(tc, record_of_powerless);
	tcase_add_test(tc, record_of_rootless);
	tcase_add_test(tc, fuse_conf);
	tcase_add_test(tc, mountpoints);
	tcase_add_loop_test(tc, intake_good, 0, 2);
	tcase_add_test(tc, intake_descriptors);
	tcase_add_test(tc, intake_nonsense);
	tcase_add_test(tc, intake_dgram_service);
	tcase_add_test(tc, mount_table);
	tcase_add_test(tc, table_entries);
	tcase_add_test(tc, peer_is_us);
	tcase_add_test(tc, peer_elsewhere);
	tcase_add_test(tc, child_plain);
	tcase_add_test(tc, child_traced);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}

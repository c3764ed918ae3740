/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may mount what where. The rules are those of fusermount3 and mount(2) for FUSE: a user mounts on directories of his own,
 * on ordinary file systems, without set-user-id programs and devices, and shows his mount to others only where
 * /etc/fuse.conf says so. An option that would change what the mount is and that we do not know is refused by name; those that
 * mount(8), libfuse and /etc/fstab add for their own books are let pass.
 * Every refusal is one line that names what was wrong.
 */
#include "perfused/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/string.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "ctl/mountopts.h"

enum {
	FLAGS_CARRIED = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_DIRSYNC | MS_NOATIME |
			MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME | MS_LAZYTIME,
	FLAGS_FORCED = MS_NOSUID | MS_NODEV, /* on who is not root */
};

int
check_refuse(int error, char *why, size_t whylen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, whylen, fmt, ap);
	va_end(ap);
	return error;
}

/* ---- the frame ---- */

/* "fuse", "fuse.X", "fuseblk", "fuseblk.X", or "perfuse", which is ours for fuse. X into m->subtype. */
static int
take_fstype(const char *fstype, struct host_mount *m, char *why, size_t whylen)
{
	const char *type = fstype != NULL ? fstype : "fuse", *dot = strchr(type, '.');
	size_t len = dot != NULL ? (size_t)(dot - type) : strlen(type);

	m->blkdev = len == strlen("fuseblk") && memcmp(type, "fuseblk", len) == 0;
	if (!m->blkdev && !(len == strlen("fuse") && memcmp(type, "fuse", len) == 0) && strcmp(type, "perfuse") != 0)
		return check_refuse(EINVAL, why, whylen, "file system type \"%.64s\" is not a FUSE one", type);
	if (dot != NULL && (dot[1] == '\0' || strlen(dot + 1) >= sizeof(m->subtype)))
		return check_refuse(EINVAL, why, whylen,
		    "file system type \"%.64s\" names no subtype of 1 to %zu bytes", type, sizeof(m->subtype) - 1);
	if (dot != NULL)
		(void)strlcpy(m->subtype, dot + 1, sizeof(m->subtype));
	return 0;
}

/* Whether an option is only somebody's note, which natively never reaches the kernel or changes nothing there. */
static bool
is_note(const char *opt, size_t len)
{
	static const char *const words[] = { "auto", "noauto", "nofail", "_netdev", "_rnetdev", "defaults", "user",
		"nouser", "users", "owner", "noowner", "group", "nogroup", "nonempty", "large_read", "silent", "loud",
		"comment" };
	static const char *const with_value[] = { "user=", "comment=", "uhelper=", "helper=" };

	if (len >= 2 && (opt[0] == 'x' || opt[0] == 'X') && opt[1] == '-')
		return true;
	for (size_t i = 0; i < sizeof(with_value) / sizeof(with_value[0]); i++)
		if (strncmp(opt, with_value[i], strlen(with_value[i])) == 0)
			return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len && memcmp(opt, words[i], len) == 0)
			return true;
	return false;
}

/* The first option of the rest that is no note, or NULL; its length in *len. */
static const char *
unknown_option(const char *rest, size_t *len)
{
	while (rest != NULL && *rest != '\0') {
		size_t n = 0;

		while (rest[n] != '\0' && rest[n] != ',')
			n += rest[n] == '\\' && rest[n + 1] != '\0' ? 2 : 1;
		if (n > 0 && !is_note(rest, n)) {
			*len = n;
			return rest;
		}
		rest += n + (rest[n] == ',');
	}
	return NULL;
}

/* A frame's flags without what only tells mount(2) how to talk: its old magic number and its silence. */
static uint32_t
plain_flags(uint32_t flags)
{
	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(uint32_t)MS_MGC_MSK;
	return flags & ~(uint32_t)MS_SILENT;
}

/* Names and flags of the options, on top of what the frame's own fields said. */
static int
take_options(const struct mountopts *o, const struct frame_mount *hdr, const struct frame_strings *s, bool has_fd,
    struct host_mount *m, char *why, size_t whylen)
{
	const char *source = o->fsname != NULL ? o->fsname : s->source, *bad;
	size_t len;

	if ((bad = unknown_option(o->rest, &len)) != NULL)
		return check_refuse(
		    EINVAL, why, whylen, "unknown mount option \"%.*s\"", len < 400 ? (int)len : 400, bad);
	/* As the kernel has it: without fd= nobody would serve the mount. */
	if (!has_fd && o->fd < 0)
		return check_refuse(EINVAL, why, whylen, "no fd= among the mount options");
	if (source != NULL && strlen(source) >= sizeof(m->source))
		return check_refuse(
		    EINVAL, why, whylen, "the source's name is longer than %zu bytes", sizeof(m->source) - 1);
	if (source != NULL)
		(void)strlcpy(m->source, source, sizeof(m->source));
	if (m->subtype[0] == '\0' && o->subtype != NULL) {
		if (strlen(o->subtype) >= sizeof(m->subtype))
			return check_refuse(
			    EINVAL, why, whylen, "the subtype is longer than %zu bytes", sizeof(m->subtype) - 1);
		(void)strlcpy(m->subtype, o->subtype, sizeof(m->subtype));
	}
	m->flags = (plain_flags(hdr->mountflags) & ~o->flags_cleared) | o->flags;
	m->max_read = o->max_read;
	m->blksize = m->blkdev ? o->blksize : 0;
	m->allow_other = o->allow_other;
	m->default_permissions = o->default_permissions;
	return 0;
}

int
check_frame(const struct frame_mount *hdr, const struct frame_strings *s, const struct peer *peer, bool has_fd,
    struct check_wish *out, char *why, size_t whylen)
{
	struct host_mount *m = &out->mount;
	struct mountopts o;
	char *bad;
	int error;

	memset(out, 0, sizeof(*out));
	if (s->target[0] != '/')
		return check_refuse(
		    EINVAL, why, whylen, "mountpoint \"" CHECK_PATH "\" is not an absolute path", s->target);
	if ((error = take_fstype(s->filesystemtype, m, why, whylen)) != 0)
		return error;
	if ((error = mountopts_parse(s->data, &o, &bad)) != 0) {
		error = error == EINVAL ? check_refuse(EINVAL, why, whylen, "bad mount option \"%.400s\"", bad)
					: check_refuse(error, why, whylen, "out of memory");
		free(bad);
		return error;
	}
	error = take_options(&o, hdr, s, has_fd, m, why, whylen);
	out->auto_unmount = o.auto_unmount;
	mountopts_free(&o);
	if (error != 0)
		return error;
	m->user_id = peer->uid;
	m->group_id = peer->gid;
	if (!peer->root)
		m->flags |= FLAGS_FORCED;
	return check_record(m, peer, why, whylen);
}

/* ---- the record ---- */

int
check_record(const struct host_mount *m, const struct peer *peer, char *why, size_t whylen)
{
	uid_t uid = peer->uid;

	if (memchr(m->source, '\0', sizeof(m->source)) == NULL || memchr(m->subtype, '\0', sizeof(m->subtype)) == NULL)
		return check_refuse(EINVAL, why, whylen, "a name in the mount record does not end");
	if (m->allow_other > 1 || m->default_permissions > 1 || m->blkdev > 1 || m->pad != 0)
		return check_refuse(EINVAL, why, whylen, "the mount record is not valid");
	if ((m->flags & ~(uint32_t)FLAGS_CARRIED) != 0)
		return check_refuse(EINVAL, why, whylen, "mount flags 0x%x are not for a new mount",
		    m->flags & ~(uint32_t)FLAGS_CARRIED);
	if (m->user_id != uid || m->group_id != peer->gid)
		return check_refuse(EPERM, why, whylen, "a mount of uid %u gid %u is not for uid %u gid %u to ask",
		    m->user_id, m->group_id, uid, peer->gid);
	if (m->blksize != 0 && !m->blkdev)
		return check_refuse(EINVAL, why, whylen, "blksize= is for fuseblk");
	if (peer->root)
		return 0;
	if ((m->flags & FLAGS_FORCED) != FLAGS_FORCED)
		return check_refuse(EPERM, why, whylen, "uid %u may not mount without nosuid and nodev", uid);
	if (m->blkdev)
		return check_refuse(EPERM, why, whylen, "fuseblk is for root, not for uid %u", uid);
	/*
	 * A mount of another user namespace's shows itself to nobody outside of that, whatever it says. And uid 0 may as with
	 * fusermount3, which asks for no capability there.
	 */
	if (m->allow_other && !(peer->foreign && peer->other_user) && !(uid == 0 && !peer->other_user) &&
	    !check_user_allow_other(CHECK_FUSE_CONF))
		return check_refuse(EPERM, why, whylen, "allow_other is not for uid %u: %s has no user_allow_other",
		    uid, CHECK_FUSE_CONF);
	return 0;
}

bool
check_user_allow_other(const char *conf)
{
	FILE *f = fopen(conf, "re");
	char *line = NULL;
	size_t room = 0;
	bool yes = false;

	if (f == NULL)
		return false;
	while (!yes && getline(&line, &room, f) >= 0) {
		const char *word = line + strspn(line, " \t");
		size_t len = strcspn(word, " \t\r\n#");
		const char *rest = word + len + strspn(word + len, " \t\r\n");

		/* On a line by itself; a comment may follow. */
		yes = len == strlen("user_allow_other") && memcmp(word, "user_allow_other", len) == 0 &&
		      (*rest == '\0' || *rest == '#');
	}
	free(line);
	(void)fclose(f);
	return yes;
}

/* ---- the mountpoint ---- */

/*
 * Whether a file system of this kind holds people's files. On the kernel's own (proc, sysfs, cgroup ...) a user owns
 * directories, too, and a mount there could mislead programs that trust them.
 */
static bool
is_ordinary(unsigned long type)
{
	static const unsigned long kinds[] = { ADFS_SUPER_MAGIC, AFFS_SUPER_MAGIC, AFS_SUPER_MAGIC, AFS_FS_MAGIC,
		0x61756673 /* aufs */, 0xca451a4e /* bcachefs */, 0x42465331 /* befs */, BTRFS_SUPER_MAGIC,
		CEPH_SUPER_MAGIC, CIFS_SUPER_MAGIC, CODA_SUPER_MAGIC, ECRYPTFS_SUPER_MAGIC, EROFS_SUPER_MAGIC_V1,
		EXFAT_SUPER_MAGIC, EXT4_SUPER_MAGIC /* ext2, ext3, too */, F2FS_SUPER_MAGIC, FUSE_SUPER_MAGIC,
		0x01161970 /* gfs2 */, 0x47504653 /* gpfs */, 0x4244 /* hfs */, 0x482b /* hfs+ */, HOSTFS_SUPER_MAGIC,
		HPFS_SUPER_MAGIC, ISOFS_SUPER_MAGIC, JFFS2_SUPER_MAGIC, 0x3153464a /* jfs */, 0x0bd00bd0 /* lustre */,
		MINIX_SUPER_MAGIC, MINIX_SUPER_MAGIC2, MINIX2_SUPER_MAGIC, MINIX2_SUPER_MAGIC2, MINIX3_SUPER_MAGIC,
		MSDOS_SUPER_MAGIC, NCP_SUPER_MAGIC, NFS_SUPER_MAGIC, NILFS_SUPER_MAGIC, 0x5346544e /* ntfs */,
		0x7366746e /* ntfs3 */, OCFS2_SUPER_MAGIC, 0x5461636f /* ocfs */, OVERLAYFS_SUPER_MAGIC,
		QNX4_SUPER_MAGIC, QNX6_SUPER_MAGIC, RAMFS_MAGIC, REISERFS_SUPER_MAGIC, SMB_SUPER_MAGIC,
		SMB2_SUPER_MAGIC, SQUASHFS_MAGIC, TMPFS_MAGIC, 0x24051905 /* ubifs */, UDF_SUPER_MAGIC,
		0x00011954 /* ufs */, V9FS_MAGIC, 0x786f4256 /* vboxsf */, 0xbacbacbc /* vmhgfs */, XFS_SUPER_MAGIC,
		0x2fc12fc1 /* zfs */ };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i] == type)
			return true;
	return false;
}

int
check_mountpoint(int at, const char *path, const struct peer *peer, char *why, size_t whylen)
{
	uid_t uid = peer->uid;
	struct statfs fs;
	struct stat st;
	int error;

	if (fstat(at, &st) < 0 || fstatfs(at, &fs) < 0) {
		error = errno;
		return check_refuse(error, why, whylen, "mountpoint " CHECK_PATH ": %s", path, strerror(error));
	}
	if (!S_ISDIR(st.st_mode))
		return check_refuse(ENOTDIR, why, whylen, "mountpoint " CHECK_PATH " is not a directory", path);
	if (peer->root)
		return 0;
	if (st.st_uid != uid)
		return check_refuse(EPERM, why, whylen,
		    "mountpoint " CHECK_PATH " belongs to uid %u, not to uid %u who asks", path, st.st_uid, uid);
	if (!is_ordinary((unsigned long)fs.f_type & 0xffffffff))
		return check_refuse(EPERM, why, whylen,
		    "mountpoint " CHECK_PATH " of uid %u lies on a file system (type 0x%lx) that uid %u may not cover",
		    path, st.st_uid, (unsigned long)fs.f_type & 0xffffffff, uid);
	return 0;
}

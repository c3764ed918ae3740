/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perfuse_if.h over the engine: a mount that lives in a caller's process, with the names and meanings of NetBSD's libperfuse. Owns
 * the event loop and the mount; the caller's callbacks become conn/'s transport. Nothing here exits or aborts.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "conn/conn.h"
#include "ctl/mountopts.h"
#include "engine/engine.h"
#include "host/linux/linux.h"
#include "perfuse_if.h"
#include "wire/wire.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int perfuse_diagflags = 0;

struct puffs_usermount {
	struct loop *loop;
	struct engine *engine;
	struct perfuse_callbacks pc;
	bool has_callbacks;
	struct host_mount mount;
	char *target;
	int fd;
	void *priv;
	uint64_t unique;
	bool ready, in_loop, over;
	int error; /* of perfuse_fs_init() */
};

struct cookie { /* what opc points to */
	uint64_t nodeid;
};

/* ---- the callbacks as a transport ---- */

/* Take the reply over into a chunk of ours. 0 or errno. */
static int
take_reply(struct puffs_usermount *pu, perfuse_msg_t *pm, struct chunk **out)
{
	const struct wire_out_header *hdr = (const void *)pu->pc.pc_get_outhdr(pm);
	const char *payload = pu->pc.pc_get_outpayload(pm);
	struct chunk *c;

	if (hdr == NULL || hdr->len < sizeof(*hdr) || hdr->len > CONN_MSG_MAX ||
	    (payload == NULL && hdr->len != sizeof(*hdr)))
		return EIO;
	if ((c = chunk_new(hdr->len)) == NULL)
		return ENOMEM;
	memcpy(c->data, hdr, sizeof(*hdr));
	if (hdr->len > sizeof(*hdr))
		memcpy(c->data + sizeof(*hdr), payload, hdr->len - sizeof(*hdr));
	c->len = hdr->len;
	*out = c;
	return 0;
}

/* Copy n iovecs of total bytes, the header included, into the message. */
static void
fill(struct puffs_usermount *pu, perfuse_msg_t *pm, const struct iovec *iov, int n)
{
	char *hdr = (char *)(void *)pu->pc.pc_get_inhdr(pm), *payload = pu->pc.pc_get_inpayload(pm);
	size_t at = 0;

	for (int i = 0; i < n; i++) {
		const char *p = iov[i].iov_base;
		size_t len = iov[i].iov_len, part;

		if (at < sizeof(struct wire_in_header)) {
			part = sizeof(struct wire_in_header) - at < len ? sizeof(struct wire_in_header) - at : len;
			memcpy(hdr + at, p, part);
			at += part;
			p += part;
			len -= part;
		}
		if (len > 0) {
			memcpy(payload + (at - sizeof(struct wire_in_header)), p, len);
			at += len;
		}
	}
}

static int
xchg(void *arg, const struct iovec *iov, int n, struct chunk **reply)
{
	struct puffs_usermount *pu = arg;
	const struct wire_in_header *hdr = iov[0].iov_base;
	struct cookie cookie = { hdr->nodeid };
	perfuse_msg_t *pm;
	int error;

	pm = pu->pc.pc_new_msg(pu, &cookie, (int)hdr->opcode, hdr->len - sizeof(*hdr), NULL);
	if (pm == NULL)
		return ENOMEM;
	fill(pu, pm, iov, n);
	error = pu->pc.pc_xchg_msg(pu, pm, PERFUSE_UNSPEC_REPLY_LEN, reply != NULL ? wait_reply : no_reply);
	if (error != 0 && error != ENOMEM && error != EMSGSIZE)
		error = ENOTCONN; /* which gives the daemon up, as the header says */
	if (error == 0 && reply != NULL)
		error = take_reply(pu, pm, reply);
	pu->pc.pc_destroy_msg(pm);
	return error;
}

static uint64_t
next_unique(void *arg)
{
	return perfuse_next_unique(arg);
}

/* ---- the engine's news ---- */

static void
on_ready(void *arg)
{
	struct puffs_usermount *pu = arg;

	pu->ready = true;
}

static void
on_failed(void *arg, int error, const char *why)
{
	struct puffs_usermount *pu = arg;

	log_err("%s: %s", pu->target, why);
	pu->error = error;
	pu->over = true;
}

static void
on_dead(void *arg, int error, const char *why)
{
	struct puffs_usermount *pu = arg;

	log_warn("%s: %s; operations get \"%s\" until it is unmounted", pu->target, why, strerror(error));
}

static void
on_ended(void *arg)
{
	struct puffs_usermount *pu = arg;

	pu->over = true;
	loop_stop(pu->loop);
}

static const struct engine_ops ops = { .ready = on_ready, .failed = on_failed, .dead = on_dead, .ended = on_ended };

/* ---- setting up ---- */

static void
destroy(struct puffs_usermount *pu)
{
	if (pu == NULL)
		return;
	engine_free(pu->engine);
	loop_free(pu->loop);
	if (pu->fd != -1)
		close(pu->fd);
	free(pu->target);
	free(pu);
}

/* Copy text into a field of struct host_mount. 0 or EINVAL. */
static int
put_text(char *field, size_t room, const char *text)
{
	size_t len = strlen(text);

	if (len >= room)
		return EINVAL;
	memcpy(field, text, len + 1);
	return 0;
}

static int
describe(struct puffs_usermount *pu, const struct perfuse_mount_info *pmi)
{
	struct host_mount *m = &pu->mount;
	struct mountopts o;
	const struct passwd *pw;
	const char *type = pmi->pmi_filesystemtype, *source;
	char *bad = NULL;
	int error;

	if (type == NULL || strcmp(type, "fuse") == 0)
		type = "";
	else if (strncmp(type, "fuse.", 5) == 0)
		type += 5;
	source = pmi->pmi_source != NULL ? pmi->pmi_source : type;
	if ((error = mountopts_parse(pmi->pmi_data != NULL ? pmi->pmi_data : "", &o, &bad)) != 0) {
		log_err("perfuse_init: bad mount option \"%s\"", bad != NULL ? bad : "");
		free(bad);
		return error;
	}
	m->flags = ((uint32_t)pmi->pmi_mountflags | o.flags) & ~o.flags_cleared;
	if (pmi->pmi_uid != 0)
		m->flags |= MS_NOSUID | MS_NODEV;
	m->max_read = o.max_read;
	m->allow_other = o.allow_other;
	m->default_permissions = o.default_permissions;
	m->user_id = pmi->pmi_uid;
	pw = getpwuid(pmi->pmi_uid);
	m->group_id = pmi->pmi_uid == geteuid() || pw == NULL ? getegid() : pw->pw_gid;
	mountopts_free(&o);
	if ((error = put_text(m->source, sizeof(m->source), source)) != 0)
		return error;
	return put_text(m->subtype, sizeof(m->subtype), type);
}

EXPORT struct puffs_usermount *
perfuse_init(struct perfuse_callbacks *pc, struct perfuse_mount_info *pmi)
{
	struct puffs_usermount *pu;
	int error;

	if (pmi == NULL || pmi->pmi_target == NULL) {
		errno = EINVAL;
		return NULL;
	}
	log_diag |= (unsigned)perfuse_diagflags;
	if ((pu = calloc(1, sizeof(*pu))) == NULL)
		return NULL;
	pu->fd = -1;
	if (pc != NULL) {
		pu->pc = *pc;
		pu->has_callbacks = true;
	}
	error = (pu->target = strdup(pmi->pmi_target)) == NULL ? ENOMEM : describe(pu, pmi);
	if (error == 0)
		error = loop_new(&pu->loop);
	if (error != 0) {
		destroy(pu);
		errno = error;
		return NULL;
	}
	if (pc == NULL)
		pu->fd = pmi->pmi_fd;
	return pu;
}

/* Make the kernel's mount. 0 with *fuse_fd, or errno; says why in the log. */
static int
mount_kernel(struct puffs_usermount *pu, int *fuse_fd)
{
	char why[256] = "";
	int at, error;

	if (geteuid() != 0) {
		error = host_linux_mount_user(&pu->mount, pu->target, fuse_fd, why, sizeof(why));
	} else if ((at = open(pu->target, O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1) {
		error = errno;
	} else {
		error = host_linux_mount(&pu->mount, at, fuse_fd);
		close(at);
	}
	if (error != 0)
		log_err("mounting on %s: %s", pu->target, why[0] != '\0' ? why : strerror(error));
	return error;
}

/* Take the kernel's mount off again. 0 or errno. */
static int
unmount_kernel(struct puffs_usermount *pu)
{
	char why[256];

	if (geteuid() != 0)
		return host_linux_unmount_user(pu->target, true, why, sizeof(why));
	if (umount2(pu->target, MNT_FORCE) == 0)
		return 0;
	if (errno == EBUSY && umount2(pu->target, MNT_DETACH) == 0)
		return 0;
	return errno;
}

EXPORT void
perfuse_fs_init(struct puffs_usermount *pu)
{
	struct conn_transport transport = { xchg, next_unique, pu };
	struct engine_config cfg = { .daemon_fd = pu->fd };

	if ((pu->error = mount_kernel(pu, &cfg.fuse_fd)) != 0) {
		pu->over = true;
		return;
	}
	if (pu->has_callbacks)
		cfg.transport = &transport;
	cfg.switches = engine_switches(getenv("PERFUSE_OPTIONS"));
	if ((pu->error = engine_new(pu->loop, &cfg, &ops, pu, &pu->engine)) != 0) {
		close(cfg.fuse_fd);
		pu->over = true;
	} else {
		pu->fd = -1;
		while (!pu->ready && !pu->over)
			loop_once(pu->loop, 1);
	}
	if (pu->error != 0)
		(void)unmount_kernel(pu);
}

EXPORT int
perfuse_mainloop(struct puffs_usermount *pu)
{
	int error;

	pu->in_loop = true;
	if (!pu->over)
		loop_run(pu->loop);
	error = pu->error;
	if (pu->has_callbacks && pu->pc.pc_umount != NULL && pu->ready)
		pu->pc.pc_umount(pu);
	destroy(pu);
	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

/* ---- the small ones ---- */

EXPORT int
perfuse_inloop(struct puffs_usermount *pu)
{
	return pu->in_loop;
}

EXPORT int
perfuse_unmount(struct puffs_usermount *pu)
{
	int error = unmount_kernel(pu);

	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

EXPORT uint64_t
perfuse_next_unique(struct puffs_usermount *pu)
{
	return pu->unique += 2;
}

EXPORT uint64_t
perfuse_get_nodeid(struct puffs_usermount *pu, void *opc)
{
	return opc != NULL ? ((const struct cookie *)opc)->nodeid : 0;
}

EXPORT void
perfuse_setspecific(struct puffs_usermount *pu, void *priv)
{
	pu->priv = priv;
}

EXPORT void *
perfuse_getspecific(struct puffs_usermount *pu)
{
	return pu->priv;
}

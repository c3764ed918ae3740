/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The locks of pass_hp: those of open file descriptions, one for each owner, as virtiofsd has them. Who waits for one is answered when it
 * is to be had, or when the kernel interrupts it. They end with FLUSH or RELEASE, which come in the order of the calls, and not with
 * FORGET, which does not (unless with noopen, where there is no RELEASE).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "pass_hp.h"

/* The locks of one owner on one inode: those of an open file description of its own. */
struct owner {
	struct owner *next;
	uint64_t id, file; /* FILE: the open file by which it locked last */
	int fd;
};

/* One who waits for a lock. */
static struct waiter {
	struct waiter *next;
	fuse_req_t req;
	fuse_ino_t ino;
	uint64_t owner, file;
	struct flock lock;
} * waiters; /* the first came first */

/* Its locks end. */
static void
end_owner(struct owner **at)
{
	struct owner *owner = *at;

	*at = owner->next;
	close(owner->fd);
	free(owner);
}

static struct owner *
owner_of(struct inode *inode, uint64_t id, uint64_t file)
{
	struct owner *owner = inode->owners;

	while (owner != NULL && owner->id != id)
		owner = owner->next;
	if (owner == NULL) {
		owner = calloc(1, sizeof(*owner));
		if (owner == NULL)
			return NULL;
		owner->fd = open(path_of(inode->fd).text, O_RDWR);
		if (owner->fd < 0) {
			free(owner);
			return NULL;
		}
		owner->id = id;
		owner->next = inode->owners;
		inode->owners = owner;
	}
	owner->file = file;
	return owner;
}

void
hp_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock)
{
	struct owner *owner = owner_of(inode_of(ino), fi->lock_owner, fi->fh);

	lock->l_pid = 0;
	if (owner == NULL || fcntl(owner->fd, F_OFD_GETLK, lock) < 0)
		reply(req, -1);
	else
		fuse_reply_lock(req, lock);
}

static int
set_lock(fuse_ino_t ino, uint64_t id, uint64_t file, struct flock *lock)
{
	struct owner *owner = owner_of(inode_of(ino), id, file);

	lock->l_pid = 0;
	return owner == NULL ? -1 : fcntl(owner->fd, F_OFD_SETLK, lock);
}

void
locks_retry(void)
{
	struct waiter **at = &waiters;

	while (*at != NULL) {
		struct waiter *waiter = *at;
		int ret = set_lock(waiter->ino, waiter->owner, waiter->file, &waiter->lock);
		if (ret < 0 && errno == EAGAIN) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		fuse_req_interrupt_func(waiter->req, NULL, NULL);
		reply(waiter->req, ret);
		free(waiter);
	}
}

static void
on_interrupt(fuse_req_t req, void *data)
{
	struct waiter **at = &waiters;

	while (*at != NULL && *at != data)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = (*at)->next;
	free(data);
	fuse_reply_err(req, EINTR);
}

void
hp_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock, int wait)
{
	int ret = set_lock(ino, fi->lock_owner, fi->fh, lock);
	struct waiter *waiter, **last = &waiters;

	if (ret == 0 || errno != EAGAIN || !wait) {
		reply(req, ret);
		locks_retry(); /* (also when it became a shared one) */
		return;
	}
	waiter = calloc(1, sizeof(*waiter));
	if (waiter == NULL || fuse_req_interrupted(req)) {
		fuse_reply_err(req, waiter == NULL ? ENOMEM : EINTR);
		free(waiter);
		return;
	}
	*waiter = (struct waiter){ .req = req, .ino = ino, .owner = fi->lock_owner, .file = fi->fh, .lock = *lock };
	while (*last != NULL)
		last = &(*last)->next;
	*last = waiter;
	fuse_req_interrupt_func(req, on_interrupt, waiter);
}

void
hp_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int op)
{
	reply(req, flock((int)fi->fh, op | LOCK_NB));
}

/* A close ends the locks of its process. */
void
hp_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct owner **at = &inode_of(ino)->owners;

	while (*at != NULL && (*at)->id != fi->lock_owner)
		at = &(*at)->next;
	if (*at != NULL)
		end_owner(at);
	fuse_reply_err(req, 0);
	locks_retry();
}

void
locks_release(struct inode *inode, uint64_t file)
{
	struct owner **at = &inode->owners;

	while (*at != NULL) {
		if ((*at)->file == file)
			end_owner(at);
		else
			at = &(*at)->next;
	}
}

void
locks_end(struct inode *inode)
{
	while (inode->owners != NULL)
		end_owner(&inode->owners);
}

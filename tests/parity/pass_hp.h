/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the daemon pass_hp share: pass_hp.c is all of it but the locks, which are in pass_hp_locks.c.
 */
#ifndef PASS_HP_H
#define PASS_HP_H

#define FUSE_USE_VERSION 312

#include <fuse_lowlevel.h>
#include <stdint.h>
#include <sys/types.h>

struct owner; /* of locks */

struct inode {
	struct inode *next; /* of the same hash slot */
	int fd;             /* O_PATH */
	ino_t ino;
	uint64_t nlookup;
	struct owner *owners;
};

struct proc_path {
	char text[40];
};

/* ---- pass_hp.c ---- */

struct inode *inode_of(fuse_ino_t ino);

/* path_of: the path of what an O_PATH descriptor is about. */
struct proc_path path_of(int fd);

/* reply: 0, or errno when ret is negative. */
void reply(fuse_req_t req, int64_t ret);

/* ---- pass_hp_locks.c ---- */

void hp_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock);
void hp_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock, int wait);
void hp_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int op);
void hp_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* locks_release: an open file is gone, and its locks with it. locks_end: an inode is. locks_retry: after the reply to what may have
 * ended a lock: those who wait for one try again. */
void locks_release(struct inode *inode, uint64_t file);
void locks_end(struct inode *inode);
void locks_retry(void);

#endif

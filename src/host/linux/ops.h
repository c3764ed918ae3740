/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operations of the Linux host, between the files that have them (ops.c, ops_file.c), and the steps they share.
 */
#ifndef HOST_LINUX_OPS_H
#define HOST_LINUX_OPS_H

#include "host/linux/priv.h"

void op_put_entry(struct wire_entry_out *to, const struct vop_entry *e);
/* Answer an operation that returns nothing, when error is 0; else return it. */
int op_done(struct op *op, int error);
/* The open file that the kernel means by fh; 0 stands for none (a handle-less file, or the kernel does not say). 0 or EBADF. */
int op_file(struct op *op, const struct vn_node *vp, uint64_t fh, struct vn_file **out);

op_fn op_open;
op_fn op_opendir;
op_fn op_create;
op_fn op_tmpfile;
op_fn op_read;
op_fn op_write;
op_fn op_flush;
op_fn op_fsync;
op_fn op_fsyncdir;
op_fn op_release;
op_fn op_readdir;
op_fn op_readdirplus;
op_fn op_syncfs;
op_fn op_fallocate;
op_fn op_lseek;
op_fn op_copy_file_range;
op_fn op_getlk;
op_fn op_setlk;
op_fn op_ioctl;
op_fn op_poll;
op_fn op_bmap;

#endif

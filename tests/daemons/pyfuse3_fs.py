#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A folder shown again through pyfuse3 (libfuse 3's lowlevel interface): pyfuse3_fs.py FOLDER MOUNTPOINT, in the foreground."""
import errno
import os
import sys

import pyfuse3
import trio
from pyfuse3 import FUSEError


class Passthrough(pyfuse3.Operations):
    def __init__(self, root):
        super().__init__()
        self.paths = {pyfuse3.ROOT_INODE: os.fsencode(root)}
        self.counts = {}

    def attributes(self, path):
        try:
            st = os.lstat(path)
        except OSError as e:
            raise FUSEError(e.errno)
        entry = pyfuse3.EntryAttributes()
        for name in ('st_mode', 'st_nlink', 'st_uid', 'st_gid', 'st_rdev', 'st_size', 'st_blocks', 'st_atime_ns',
                     'st_mtime_ns', 'st_ctime_ns'):
            setattr(entry, name, getattr(st, name))
        entry.st_blksize = 4096
        entry.st_ino = pyfuse3.ROOT_INODE if path == self.paths[pyfuse3.ROOT_INODE] else st.st_ino
        entry.generation = 0
        entry.entry_timeout = entry.attr_timeout = 1
        return entry

    def remember(self, path):
        entry = self.attributes(path)
        self.paths[entry.st_ino] = path
        self.counts[entry.st_ino] = self.counts.get(entry.st_ino, 0) + 1
        return entry

    def child(self, parent, name):
        return os.path.join(self.paths[parent], name)

    @staticmethod
    def call(function, *args, **keywords):
        try:
            return function(*args, **keywords)
        except OSError as e:
            raise FUSEError(e.errno)

    async def lookup(self, parent, name, ctx=None):
        return self.remember(self.child(parent, name))

    async def forget(self, inodes):
        for inode, n in inodes:
            self.counts[inode] = self.counts.get(inode, 0) - n
            if self.counts[inode] <= 0 and inode != pyfuse3.ROOT_INODE:
                del self.counts[inode]
                self.paths.pop(inode, None)

    async def getattr(self, inode, ctx=None):
        return self.attributes(self.paths[inode])

    async def setattr(self, inode, attr, fields, fh, ctx):
        path = self.paths[inode]
        if fields.update_size:
            self.call(os.truncate, path, attr.st_size)
        if fields.update_mode:
            self.call(os.chmod, path, attr.st_mode & 0o7777)
        if fields.update_uid or fields.update_gid:
            self.call(os.chown, path, attr.st_uid if fields.update_uid else -1, attr.st_gid if fields.update_gid else -1)
        if fields.update_atime or fields.update_mtime:
            st = os.lstat(path)
            self.call(os.utime, path, ns=(attr.st_atime_ns if fields.update_atime else st.st_atime_ns,
                                          attr.st_mtime_ns if fields.update_mtime else st.st_mtime_ns))
        return self.attributes(path)

    async def opendir(self, inode, ctx):
        return inode

    async def readdir(self, fh, start, token):
        names = sorted(self.call(os.listdir, self.paths[fh]))
        for i, name in enumerate(names[start:], start + 1):
            path = self.child(fh, name)
            entry = self.remember(path)
            if not pyfuse3.readdir_reply(token, name, entry, i):
                await self.forget([(entry.st_ino, 1)])
                break

    async def open(self, inode, flags, ctx):
        return pyfuse3.FileInfo(fh=self.call(os.open, self.paths[inode], flags & ~os.O_CREAT))

    async def create(self, parent, name, mode, flags, ctx):
        path = self.child(parent, name)
        fd = self.call(os.open, path, flags | os.O_CREAT, mode & ~ctx.umask)
        return pyfuse3.FileInfo(fh=fd), self.remember(path)

    async def read(self, fh, offset, size):
        return self.call(os.pread, fh, size, offset)

    async def write(self, fh, offset, data):
        return self.call(os.pwrite, fh, data, offset)

    async def release(self, fh):
        self.call(os.close, fh)

    async def fsync(self, fh, datasync):
        self.call(os.fsync, fh)

    async def mkdir(self, parent, name, mode, ctx):
        path = self.child(parent, name)
        self.call(os.mkdir, path, mode & ~ctx.umask)
        return self.remember(path)

    async def rmdir(self, parent, name, ctx):
        self.call(os.rmdir, self.child(parent, name))

    async def unlink(self, parent, name, ctx):
        self.call(os.unlink, self.child(parent, name))

    async def rename(self, parent, name, new_parent, new_name, flags, ctx):
        if flags != 0:
            raise FUSEError(errno.EINVAL)
        old, new = self.child(parent, name), self.child(new_parent, new_name)
        self.call(os.rename, old, new)
        for inode, path in self.paths.items():
            if path == old or path.startswith(old + b'/'):
                self.paths[inode] = new + path[len(old):]

    async def setxattr(self, inode, name, value, ctx):
        self.call(os.setxattr, self.paths[inode], name, value)

    async def getxattr(self, inode, name, ctx):
        return self.call(os.getxattr, self.paths[inode], name)

    async def listxattr(self, inode, ctx):
        return [os.fsencode(name) for name in self.call(os.listxattr, self.paths[inode])]

    async def removexattr(self, inode, name, ctx):
        self.call(os.removexattr, self.paths[inode], name)


pyfuse3.init(Passthrough(sys.argv[1]), sys.argv[2], set(pyfuse3.default_options) | {'fsname=pyfuse3_fs'})
trio.run(pyfuse3.main)
pyfuse3.close()

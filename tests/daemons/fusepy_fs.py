#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A folder shown again through fusepy (libfuse 2's path interface, by ctypes): fusepy_fs.py FOLDER MOUNTPOINT [-f]."""
import os
import sys

from fusepy import FUSE, FuseOSError, Operations


class Passthrough(Operations):
    def __init__(self, root):
        self.root = os.path.realpath(root)

    def __call__(self, operation, path, *args):
        return super().__call__(operation, self.root + path, *args)

    def getattr(self, path, fh=None):
        try:
            st = os.lstat(path)
        except OSError as e:
            raise FuseOSError(e.errno)
        return {name: getattr(st, name) for name in
                ('st_mode', 'st_nlink', 'st_uid', 'st_gid', 'st_size', 'st_atime', 'st_mtime', 'st_ctime')}

    def readdir(self, path, fh):
        return ['.', '..'] + os.listdir(path)

    def open(self, path, flags):
        return os.open(path, flags)

    def create(self, path, mode, fi=None):
        return os.open(path, os.O_RDWR | os.O_CREAT, mode)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(path, length)

    def release(self, path, fh):
        os.close(fh)

    def rename(self, old, new):
        os.rename(old, self.root + new)

    def setxattr(self, path, name, value, options, position=0):
        os.setxattr(path, name, value, options)

    def getxattr(self, path, name, position=0):
        try:
            return os.getxattr(path, name)
        except OSError as e:
            raise FuseOSError(e.errno)

    def listxattr(self, path):
        return os.listxattr(path)

    def removexattr(self, path, name):
        os.removexattr(path, name)

    chmod = staticmethod(os.chmod)
    chown = staticmethod(os.chown)
    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)
    unlink = staticmethod(os.unlink)

    def utimens(self, path, times=None):
        os.utime(path, times)


FUSE(Passthrough(sys.argv[1]), sys.argv[2], foreground='-f' in sys.argv, nothreads=True)

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# integration/fio.sh with larger files and on more daemons.
# daemons: bindfs fuse-overlayfs ntfs-3g gocryptfs sshfs
# needs: fuse
# limit: 900
export FIO_SIZE="${FIO_SIZE:-128m}"
exec "$(dirname "$0")/../integration/fio.sh"

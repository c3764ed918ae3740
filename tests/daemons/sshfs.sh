# SPDX-License-Identifier: BSD-2-Clause
# sshfs, with its sftp-server at the end of a pipe: no sshd is needed.
packages="sshfs openssh-sftp-server"
can="rw"
start() {
	"$1" sshfs ${fg:+-f} -o "ssh_command=sh -c /usr/lib/openssh/sftp-server" "x:$src" "$mnt"
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unix sockets that carry packets, descriptors and credentials: pairs, buffer sizes, send and receive. All descriptors are
 * made close-on-exec. What a peer sends in excess (descriptors nobody asked for) is closed, never leaked.
 */
#ifndef BASE_FDPASS_H
#define BASE_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

struct fdp_cred {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

enum { FDP_MAX_FDS = 4 };

/* A connected pair of type SOCK_SEQPACKET, SOCK_DGRAM or SOCK_STREAM, close-on-exec. 0 or errno. */
int fdp_pair(int type, int sv[2]);
/*
 * Ask for send and receive buffers of want bytes, past the system's limit where privilege allows (SO_SNDBUFFORCE).
 * *sndbuf (may be NULL): what SO_SNDBUF says afterwards. 0 or errno.
 */
int fdp_buffers(int sock, size_t want, size_t *sndbuf);
/*
 * Send one packet with nfds descriptors (borrowed). Waits while the socket is full. 0 or errno; EMSGSIZE when the packet
 * can never be sent; EPIPE/ECONNRESET when the peer is gone (no SIGPIPE).
 */
int fdp_send(int sock, const void *data, size_t len, const int *fds, unsigned nfds);
/*
 * Receive one packet. Waits at most timeout_ms (negative: for ever; ETIMEDOUT). *len: its length; 0 on end of file.
 * fds[0..*nfds): the descriptors, now the caller's (max at most FDP_MAX_FDS; surplus is closed). cred (may be NULL): the
 * sender's, when the socket has SO_PASSCRED, else pid 0. EMSGSIZE when the packet is larger than room: it is lost, and its
 * descriptors are closed. 0 or errno.
 */
int fdp_recv(int sock, void *data, size_t room, size_t *len, int *fds, unsigned max, unsigned *nfds,
    struct fdp_cred *cred, int timeout_ms);
/* Who connected the socket (SO_PEERCRED). 0 or errno. */
int fdp_peer(int sock, struct fdp_cred *cred);

#endif

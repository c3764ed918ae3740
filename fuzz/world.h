/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world around an engine, for the targets that run a whole one: base/loop.h without epoll, base/clock.h without a clock, and packet sockets in memory.
 * The engine's system calls on descriptors (recv(2), sendmsg(2), read(2), write(2), ...) come here by the linker's --wrap; those on
 * descriptors of the real world go on to the system. So a run makes no system call, depends on nothing but its input, and is fast;
 * and what sockets rarely do (be full, refuse, run out of buffers) can be asked for. Time passes only in world_tick().
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

/* Define the engine's name(), which the linker has made __wrap_name(); the system's is __real_name(). */
#define WORLD_WRAP(ret, name, ...)                                                                                     \
	ret __real_##name(__VA_ARGS__);                                                                                \
	ret __wrap_##name(__VA_ARGS__);                                                                                \
	ret __wrap_##name(__VA_ARGS__)

/* A run begins, and ends: then no thread may be left. */
void world_begin(void);
void world_end(void);

/* One round of the loop. Whether anything was called. */
bool world_turn(struct loop *loop);
/* Rounds until nothing is ready. One that never ends is a finding. */
void world_settle(struct loop *loop);
/* Let time pass until the first timer that runs has fired. Whether there was one. */
bool world_tick(struct loop *loop);

/* ---- packet sockets: socketpair(2) makes them ---- */

/* As many packets sent by fd may wait; then EAGAIN. */
void world_limit(int fd, unsigned packets);
/* What is sent by fd is not queued but given to fn at once, whose errno (0: taken) is what the sender gets, as of /dev/fuse. */
void world_sink(int fd, int (*fn)(const void *packet, size_t len));
/* The next packet sent to fd fails with this error, once. */
void world_fail(int fd, int error);
/* Take the next packet that is there for fd; its length, 0: none. The bytes are the caller's to free(). */
size_t world_take(int fd, uint8_t **packet);
/* Send a packet by fd. false: it is full, or its other end is closed. */
bool world_send(int fd, const void *packet, size_t len);
/* Descriptors open. */
unsigned world_open(void);

/* ---- threads (thread.c): those of the engine run when the loop turns ---- */

/* From now on each of their steps takes so many turns more: what they write is held up. */
void world_stall(unsigned turns);
/* Let each that can run go on. Whether there was one. */
bool world_run_threads(void);
/* From inside one: the others' turn. Elsewhere nothing. */
void world_give_way(void);
/* Threads that have not ended. */
unsigned world_threads(void);

#endif

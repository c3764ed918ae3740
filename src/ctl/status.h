/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control messages of an engine's socket (<rundir>/mounts/PID, SOCK_SEQPACKET): one JSON object a packet, by jansson.
 *
 *   request   {"op": "status"}
 *   answer    {"ok": true, "mountpoint": ..., "source": ..., "fstype": ..., "engine_pid": ..., "daemon_pid": ...,
 *              "uid": ..., "state": "starting" | "serving" | "dead", "why": ..., "since": seconds since the epoch,
 *              "nodes": ..., "files": ..., "waiting": ...}
 *   request   {"op": "unmount", "lazy": bool}
 *   answer    {"ok": true} or {"ok": false, "errno": N, "error": "one line"}
 *
 * JSON is UTF-8 and a path is any bytes: in texts, a backslash and each byte that is not part of valid UTF-8 stand as a backslash and
 * three octal digits. Both ends do this here; nobody else sees it.
 */
#ifndef CTL_STATUS_H
#define CTL_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STATUS_MAX = 16 * 1024 /* bytes in a message */ };

struct status {
	char *mountpoint, *source, *fstype, *state, *why; /* owned, never NULL after parsing */
	int64_t engine_pid, daemon_pid, uid, since;
	uint64_t nodes, files, waiting;
};

enum status_op { STATUS_OP_STATUS = 1, STATUS_OP_UNMOUNT = 2 };
struct status_request {
	enum status_op op;
	bool lazy;
};

/*
 * Texts are newly allocated. 0, ENOMEM or EPROTO (with *why, static, where given); building: EMSGSIZE when it would exceed STATUS_MAX.
 * In a struct status to build from, texts may be NULL ("") but state is one of the three; no number is negative (daemon_pid 0:
 * not known); else EPROTO.
 */
int status_build_request(const struct status_request *r, char **out);
int status_parse_request(const char *text, size_t len, struct status_request *r, const char **why);
int status_build_answer(const struct status *s, char **out);
int status_parse_answer(const char *text, size_t len, struct status *s);
int status_build_result(int error, const char *text, char **out);                  /* error 0: ok */
int status_parse_result(const char *text, size_t len, int *error, char **message); /* message: NULL when ok */
void status_free(struct status *s);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A user of the engine as a library: includes perfuse_if.h and nothing else of perfuse's, links with libperfuse.so, and serves an
 * unmodified daemon at MOUNTPOINT until it is unmounted.
 *
 *     engine_api callbacks|socket MOUNTPOINT DAEMON ARGS...     "@" in ARGS becomes the daemon's end, /dev/fd/N
 *
 * Says "serving" once operations are answered. Exit 0: unmounted, and each promise of the header that can be seen from here was
 * kept; 1: one was not (it says which); 2: mounting failed.
 */
#include <errno.h>
#include <perfuse_if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 1 << 21 };

struct perfuse_framebuf { /* one message and its reply */
	char *in, *out;
	size_t inlen;
};

static int sock;
static int broken;
static unsigned exchanges, unmounts, nodes_named;
static uint64_t last_unique;
static char token;

static void
check(int held, const char *promise)
{
	if (held)
		return;
	fprintf(stderr, "engine_api: broken: %s\n", promise);
	broken = 1;
}

static uint64_t
field64(const char *header, size_t at)
{
	uint64_t value;

	memcpy(&value, header + at, sizeof(value));
	return value;
}

static uint32_t
field32(const char *header, size_t at)
{
	uint32_t value;

	memcpy(&value, header + at, sizeof(value));
	return value;
}

static perfuse_msg_t *
new_msg(struct puffs_usermount *pu, void *opc, int opcode, size_t len, const struct puffs_cred *cred)
{
	perfuse_msg_t *pm = calloc(1, sizeof(*pm));

	(void)opcode;
	check(cred == NULL, "no credentials but in the header");
	check(perfuse_getspecific(pu) == &token, "perfuse_getspecific() gives what was set");
	if (pm == NULL)
		return NULL;
	pm->inlen = PERFUSE_IN_HEADER_SIZE + len;
	pm->in = calloc(1, pm->inlen);
	pm->out = malloc(ROOM);
	if (perfuse_get_nodeid(pu, opc) > 1)
		nodes_named++;
	return pm;
}

static int
xchg_msg(struct puffs_usermount *pu, perfuse_msg_t *pm, size_t len, enum perfuse_xchg_pb_reply reply)
{
	uint64_t unique = field64(pm->in, 8);
	ssize_t n;

	(void)pu;
	exchanges++;
	check(field32(pm->in, 0) == pm->inlen, "the header's length is the message's");
	check(unique > last_unique, "uniques are new each time");
	check(len == PERFUSE_UNSPEC_REPLY_LEN, "any reply length will do");
	last_unique = unique;
	if (send(sock, pm->in, pm->inlen, MSG_NOSIGNAL) != (ssize_t)pm->inlen)
		return ENOTCONN;
	if (reply == no_reply)
		return 0;
	do { /* notifications are not for this program */
		if ((n = recv(sock, pm->out, ROOM, 0)) < PERFUSE_OUT_HEADER_SIZE)
			return ENOTCONN;
	} while (field64(pm->out, 8) == 0);
	check(field64(pm->out, 8) == unique, "the reply is to this request");
	return 0;
}

static void
destroy_msg(perfuse_msg_t *pm)
{
	free(pm->in);
	free(pm->out);
	free(pm);
}

static struct fuse_in_header *
get_inhdr(perfuse_msg_t *pm)
{
	return (void *)pm->in;
}

static char *
get_inpayload(perfuse_msg_t *pm)
{
	return pm->in + PERFUSE_IN_HEADER_SIZE;
}

static struct fuse_out_header *
get_outhdr(perfuse_msg_t *pm)
{
	return (void *)pm->out;
}

static char *
get_outpayload(perfuse_msg_t *pm)
{
	return pm->out + PERFUSE_OUT_HEADER_SIZE;
}

static void
umounted(struct puffs_usermount *pu)
{
	check(perfuse_inloop(pu) != 0, "perfuse_inloop() in the loop");
	unmounts++;
}

/* Start the daemon on one end of a socketpair; the other one is returned. */
static int
start_daemon(char **argv, pid_t *pid)
{
	int sv[2], size = 4 << 20;
	char path[32];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1)
		return -1;
	for (int i = 0; i < 2; i++)
		(void)setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if ((*pid = fork()) == 0) {
		int fd = dup(sv[1]); /* without close-on-exec */

		(void)snprintf(path, sizeof(path), "/dev/fd/%d", fd);
		for (int i = 0; argv[i] != NULL; i++)
			argv[i] = strcmp(argv[i], "@") == 0 ? path : argv[i];
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	close(sv[1]);
	return sv[0];
}

int
main(int argc, char **argv)
{
	struct perfuse_callbacks pc = { new_msg, xchg_msg, destroy_msg, get_inhdr, get_inpayload, get_outhdr,
		get_outpayload, umounted };
	struct perfuse_mount_info pmi = { .pmi_source = "the source", .pmi_filesystemtype = "fuse.enginetest" };
	struct puffs_usermount *pu;
	int with_callbacks;
	pid_t pid;

	if (argc < 4)
		return 64;
	with_callbacks = strcmp(argv[1], "callbacks") == 0;
	pmi.pmi_target = argv[2];
	pmi.pmi_uid = getuid();
	if ((sock = start_daemon(argv + 3, &pid)) == -1)
		return 2;
	pmi.pmi_fd = sock;
	check(perfuse_init(&pc, NULL) == NULL && errno == EINVAL, "perfuse_init() without a target is EINVAL");
	if ((pu = perfuse_init(with_callbacks ? &pc : NULL, &pmi)) == NULL)
		return 2;
	perfuse_setspecific(pu, &token);
	check(perfuse_inloop(pu) == 0, "perfuse_inloop() before the loop");
	perfuse_fs_init(pu);
	puts("serving");
	(void)fflush(stdout);
	if (perfuse_mainloop(pu) != 0) {
		perror("engine_api: perfuse_mainloop");
		return 2;
	}
	if (with_callbacks) {
		check(unmounts == 1, "pc_umount is called once");
		check(exchanges > 3 && nodes_named > 0, "messages went through the callbacks, nodes have nodeids");
		close(sock);
	}
	(void)waitpid(pid, NULL, 0);
	return broken;
}

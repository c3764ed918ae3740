/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Daemons that begin well and go wrong: rawdaemon HOW MOUNTPOINT opens /dev/fuse, calls mount(2) as libfuse does, says "mounted" on
 * stdout, and then, by HOW: leave (exits), close (closes the descriptor and stays), deaf (reads nothing), mute (reads and
 * answers nothing), short, lies, garbage, huge (answers INIT with a header alone, with a wrong length in it, with bytes that make
 * no sense, with far too many), error (answers INIT with an error), late (answers INIT well and the first operation with garbage),
 * inside (answers INIT well, has a child unmount a path below the mountpoint, and when that is looked up opens a file before it
 * says that there is none; the child says "unmount: ERRNO" on stdout).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static char in[1 << 21];
static char out[1 << 18];

static void
stay(void)
{
	for (;;)
		pause();
}

static void
answer(int fd, uint64_t unique, int error, size_t len, size_t told)
{
	struct fuse_out_header header = { .len = (uint32_t)told, .error = error, .unique = unique };

	memcpy(out, &header, sizeof(header));
	if (write(fd, out, len) < 0)
		fprintf(stderr, "rawdaemon: write: %s\n", strerror(errno));
}

static void
answer_init(int fd, uint64_t unique)
{
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = 1 << 17, .max_write = 1 << 17
	};

	memcpy(out + sizeof(struct fuse_out_header), &init, sizeof(init));
	answer(fd, unique, 0, sizeof(struct fuse_out_header) + sizeof(init),
	    sizeof(struct fuse_out_header) + sizeof(init));
}

static void
unmount_inside(const char *mnt)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/x/y", mnt);
	if (fork() != 0)
		return;
	printf("unmount: %d\n", umount2(path, 0) == 0 ? 0 : errno);
	exit(0);
}

/* One operation of a mount whose root is empty. */
static void
answer_empty(int fd, const struct fuse_in_header *request)
{
	if (request->opcode == FUSE_FORGET || request->opcode == FUSE_BATCH_FORGET || request->opcode == FUSE_INTERRUPT)
		return;
	if (request->opcode == FUSE_LOOKUP)
		close(open("/dev/null", O_RDWR));
	answer(fd, request->unique, request->opcode == FUSE_LOOKUP ? -ENOENT : -ENOSYS, sizeof(struct fuse_out_header),
	    sizeof(struct fuse_out_header));
}

int
main(int argc, char **argv)
{
	struct fuse_in_header request;
	const char *how;
	char data[128];
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: rawdaemon HOW MOUNTPOINT\n");
		return 64;
	}
	how = argv[1];
	fd = open("/dev/fuse", O_RDWR);
	if (fd < 0) {
		perror("rawdaemon: /dev/fuse");
		return 1;
	}
	snprintf(data, sizeof(data), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", fd, getuid(), getgid());
	if (mount("raw", argv[2], "fuse.raw", MS_NOSUID | MS_NODEV, data)) {
		fprintf(stderr, "rawdaemon: mount on %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	puts("mounted");
	fflush(stdout);
	if (strcmp(how, "leave") == 0)
		return 0;
	if (strcmp(how, "close") == 0)
		close(fd);
	if (strcmp(how, "close") == 0 || strcmp(how, "deaf") == 0)
		stay();
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 37 + 11);
	while (read(fd, in, sizeof(in)) >= (ssize_t)sizeof(request)) {
		memcpy(&request, in, sizeof(request));
		if (strcmp(how, "mute") == 0)
			continue;
		if (strcmp(how, "inside") == 0 && request.opcode == FUSE_INIT) {
			answer_init(fd, request.unique);
			unmount_inside(argv[2]);
		} else if (strcmp(how, "inside") == 0)
			answer_empty(fd, &request);
		else if (strcmp(how, "late") == 0 && request.opcode == FUSE_INIT)
			answer_init(fd, request.unique);
		else if (strcmp(how, "short") == 0)
			answer(fd, request.unique, 0, sizeof(struct fuse_out_header), sizeof(struct fuse_out_header));
		else if (strcmp(how, "lies") == 0)
			answer(fd, request.unique, 0, 80, 8000);
		else if (strcmp(how, "error") == 0)
			answer(fd, request.unique, -EACCES, sizeof(struct fuse_out_header),
			    sizeof(struct fuse_out_header));
		else if (strcmp(how, "huge") == 0)
			answer(fd, request.unique, 0, sizeof(out), sizeof(out));
		else if (write(fd, out + 16, 200) < 0) /* garbage, late */
			fprintf(stderr, "rawdaemon: write: %s\n", strerror(errno));
	}
	return 1;
}

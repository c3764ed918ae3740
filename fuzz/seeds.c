/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Seeds for the fuzz targets: seeds FOLDER writes files FOLDER/TARGET/NAME, one input for each opcode in each minor that changed a layout, each
 * notification, each kind of frame and control message. They are made by the code that sends such messages.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "ctl/frame.h"
#include "ctl/status.h"
#include "fuzz.h"
#include "wire/wire.h"

static const char *folder;

static const uint32_t minors[] = { 8, 9, 11, 12, 15, 16, 21, 23, 36, 39, 40, WIRE_MINOR_MAX };
enum { MINORS = sizeof(minors) / sizeof(minors[0]), OPCODES = 54, ROOM = 4096 };

static void
seed(const char *target, const char *name, const void *data, size_t len)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, target);
	MUST(mkdir(path, 0777) == 0 || errno == EEXIST);
	(void)snprintf(path, sizeof(path), "%s/%s/%s", folder, target, name);
	MUST((f = fopen(path, "wb")) != NULL);
	MUST(fwrite(data, 1, len, f) == len && fclose(f) == 0);
}

/* ---- wire: see fuzz_wire.c for the first three bytes ---- */

static void
wire_seed(const char *kind, uint32_t opcode, uint32_t minor, const uint8_t *msg, size_t len)
{
	uint8_t input[3 + ROOM] = { (uint8_t)opcode, (uint8_t)(minor - WIRE_MINOR_MIN), 255 };
	char name[64];

	memcpy(input + 3, msg, len);
	(void)snprintf(name, sizeof(name), "%s-%u-%u", kind, opcode, minor);
	seed("wire", name, input, 3 + len);
}

static void
wire_request(const struct wire_proto *p, uint32_t opcode)
{
	const struct wire_op *op = wire_op(opcode);
	struct wire_in_header hdr = { .opcode = opcode, .unique = 2, .nodeid = 1 };
	union wire_in in = { 0 };
	uint8_t msg[ROOM] = { 0 };
	size_t len = sizeof(hdr), n;

	if (opcode == WIRE_INIT)
		in.init = (struct wire_init_in){ .major = WIRE_KERNEL_VERSION, .minor = p->minor };
	MUST(wire_encode_in(p, opcode, &in, msg + len, sizeof(in), &n) == 0);
	len += n;
	for (int i = 0; i < op->names; i++) {
		memcpy(msg + len, "name", 5);
		len += 5;
	}
	hdr.len = (uint32_t)len;
	memcpy(msg, &hdr, sizeof(hdr));
	wire_seed("request", opcode, p->minor, msg, len);
}

static void
wire_reply(const struct wire_proto *p, uint32_t opcode)
{
	const struct wire_op *op = wire_op(opcode);
	struct wire_out_header hdr = { .unique = 2 };
	struct wire_entry_out entry = { .nodeid = 2, .attr.mode = S_IFREG | 0644 };
	union wire_out out = { .entry = entry };
	struct wire_direntry e = { .ino = 3, .off = 4, .name = "entry", .namelen = 5 };
	struct wire_init init = { .major = WIRE_KERNEL_VERSION, .minor = p->minor };
	uint8_t msg[ROOM] = { 0 };
	size_t len = sizeof(hdr), n = 0;

	if (opcode == WIRE_INIT) {
		n = wire_init_reply(&init, p->minor, msg + len, 64);
	} else if (opcode == WIRE_READDIR || opcode == WIRE_READDIRPLUS) {
		e.plus = opcode == WIRE_READDIRPLUS ? &entry : NULL;
		MUST(wire_dir_put(msg + len, ROOM - len, &n, &e) == 0);
		MUST(wire_dir_put(msg + len, ROOM - len, &n, &e) == 0);
	} else if (op->out_tail == WIRE_TAIL_NONE || opcode == WIRE_IOCTL) {
		MUST(wire_encode_out(p, opcode, &out, msg + len, sizeof(out), &n) == 0);
	} else {
		memcpy(msg + len, "user.a", n = 7);
	}
	len += n;
	hdr.len = (uint32_t)len;
	memcpy(msg, &hdr, sizeof(hdr));
	wire_seed("reply", opcode, p->minor, msg, len);
}

static void
wire_note(int code)
{
	/* The longest fixed part is 40 bytes; which of these lengths fits is for the parser to say. */
	for (size_t body = 0; body <= 40; body += 8) {
		struct wire_out_header hdr = { .len = (uint32_t)(sizeof(hdr) + body), .error = code };
		struct wire_note n;
		uint8_t msg[ROOM] = { 0 };

		for (size_t tail = 0; tail < 2; tail++) { /* a name is at least its NUL */
			hdr.len = (uint32_t)(sizeof(hdr) + body + tail);
			memcpy(msg, &hdr, sizeof(hdr));
			if (wire_parse_notify(msg, hdr.len, &n, NULL) == 0)
				wire_seed("note", (uint32_t)code, WIRE_MINOR_MAX, msg, hdr.len);
		}
	}
}

/* ---- tapes: see the targets' step(), kernel_request(), daemon_notify() ---- */

static void
tape(const char *target, const char *kind, unsigned number, const uint8_t *bytes, size_t len)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s-%u", kind, number);
	seed(target, name, bytes, len);
}

static void
tapes(void)
{
	for (unsigned i = 0; i < OPCODES; i++) {
		/* INIT both ways, LOOKUP and its answer, OPEN and its answer, then this twice and the answers to both */
		const uint8_t state[] = { 8, 0, 0, 0, WIRE_LOOKUP, 0, 0, 6, 0, 0x32, 0, 0, WIRE_OPEN, 81, 0, 6, 0, 5, 0,
			0, (uint8_t)i, 0, 81, 16, 0, 0, 0, (uint8_t)i, 1, 82, 17, 1, 0, 0, 22, 0, 1, 0x23, 0, 6, 0, 2,
			0x34, 0 };
		const uint8_t raw[] = { 8, 0, 0, 0, 0, (uint8_t)i, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0 };

		tape("state", "opcode", i, state, sizeof(state));
		tape("reply", "opcode", i, state, sizeof(state));
		tape("request", "opcode", i, raw, sizeof(raw));
	}
	for (unsigned i = 0; i < MINORS; i++) {
		const uint8_t how = (uint8_t)((minors[i] - WIRE_MINOR_MIN) << 1 | 1);
		const uint8_t init[] = { 8, 0, how, 0, WIRE_LOOKUP, 0, 0, 6, 0, 0x32, 0, 0, WIRE_CREATE, 0, 0, 6, 0,
			0x33, 0, 0 };

		tape("state", "minor", minors[i], init, sizeof(init));
		tape("reply", "minor", minors[i], init, sizeof(init));
	}
	for (unsigned i = 0; i < WIRE_NOTIFY_PRUNE; i++) {
		for (unsigned node = 0; node < 3; node++) {
			const uint8_t note[] = { 0, 4, (uint8_t)(node << 4 | i), 1, 15, 4, (uint8_t)(node << 4 | i),
				2 };

			tape("notify", "code", 10 * i + node, note, sizeof(note));
		}
	}
}

/* ---- control messages and words: the first byte selects the parser ---- */

static void
selected(const char *target, const char *name, uint8_t which, const void *data, size_t len)
{
	uint8_t input[1 + ROOM] = { which };

	MUST(len <= ROOM);
	memcpy(input + 1, data, len);
	seed(target, name, input, 1 + len);
}

static void
control(void)
{
	static const char options[] =
	    "fd=3,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions,max_read=4096,"
	    "blksize=512,fsname=a\\,b,subtype=x,ro,rw,nosuid,noexec,auto_unmount,mine";
	const struct frame_strings s = { "source", "/target", "fuse.type", options, NULL };
	const struct frame_request unmount = { sizeof(unmount), FRAME_UNMOUNT, 2, 0 };
	struct status st = { .mountpoint = "/mnt", .source = "a\\b\377", .fstype = "fuse", .state = "serving" };
	struct status_request r = { STATUS_OP_STATUS, false };
	char buf[FRAME_ANSWER_MAX], *text;
	size_t len;
	void *p;

	MUST(frame_build(&s, 6, 100000, FRAME_F_CONTROL, &p, &len) == 0);
	selected("frame", "frame", 0, p, len);
	free(p);
	for (int code = FRAME_MOUNTED; code <= FRAME_ENDED; code++) {
		len = frame_answer_build(buf, sizeof(buf), (enum frame_code)code, code == FRAME_FAILED, 7, "text");
		buf[sizeof(buf) - 1] = '\0';
		selected("frame", code == FRAME_FAILED ? "failed" : "answer", 1, buf, len);
	}
	selected("frame", "unmount", 2, &unmount, sizeof(unmount));
	selected("frame", "options", 3, options, sizeof(options));
	MUST(status_build_request(&r, &text) == 0);
	selected("frame", "status", 4, text, strlen(text));
	free(text);
	r = (struct status_request){ STATUS_OP_UNMOUNT, true };
	MUST(status_build_request(&r, &text) == 0);
	selected("frame", "umount", 4, text, strlen(text));
	free(text);
	MUST(status_build_answer(&st, &text) == 0);
	selected("frame", "state", 5, text, strlen(text));
	free(text);
	MUST(status_build_result(16, "busy", &text) == 0);
	selected("frame", "result", 6, text, strlen(text));
	free(text);
}

static void
words(const char *self)
{
	static const char *const text[] = { "disable_access,enable_creat,disable_creat", "fuse,dump,all",
		"/usr/bin/daemon\n-o\nallow_other,fsname=x\n-f\n--\n/tmp", NULL, "first\nlast words \001\r\n\n",
		"/tmp/./..", "a\\b c\303\244\377", "a line\n\033[1m" };
	uint8_t elf[ROOM];
	FILE *f = fopen(self, "rb");
	char name[32];

	for (uint8_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		(void)snprintf(name, sizeof(name), "words-%u", i);
		if (text[i] != NULL)
			selected("words", name, i, text[i], strlen(text[i]));
	}
	MUST(f != NULL);
	selected("words", "elf", 3, elf, fread(elf, 1, 1000, f)); /* headers are enough of a beginning */
	(void)fclose(f);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		(void)fprintf(stderr, "usage: seeds FOLDER\n");
		return 64;
	}
	folder = argv[1];
	MUST(mkdir(folder, 0777) == 0 || errno == EEXIST);
	for (uint32_t opcode = 0; opcode < OPCODES; opcode++) {
		for (unsigned i = 0; wire_op(opcode) != NULL && i < MINORS; i++) {
			const struct wire_proto p = { .minor = minors[i] };

			if (wire_op(opcode)->since > p.minor)
				continue;
			wire_request(&p, opcode);
			if (!wire_op(opcode)->no_reply)
				wire_reply(&p, opcode);
		}
	}
	for (int code = WIRE_NOTIFY_POLL; code <= WIRE_NOTIFY_PRUNE; code++)
		wire_note(code);
	tapes();
	control();
	words(argv[0]);
	return 0;
}

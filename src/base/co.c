/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coroutines. All of them switch to and from the main side only, so there is never more than one to come back to; what is
 * started or woken inside a coroutine waits on a list that the main side empties before co_start() or co_wake() returns.
 * One mapping holds a guard page, the stack above it and struct co at its top: a coroutine costs the pages it touches,
 * and none of the heap. Unused stacks are kept on a list, last used first, for co_trim() to free; a thread that ends calls
 * co_trim(0) before.
 * The switch is a handful of instructions on x86-64 and aarch64: it saves what a function must preserve and changes
 * stacks. swapcontext(), which makes a system call each time, stands in elsewhere, and with -DCO_UCONTEXT.
 * The outermost frame is marked as such, so that backtraces end there. AddressSanitizer (its fibers; the live stacks are
 * roots for its leak checker) and valgrind are told of all that. Not made for shadow stacks.
 */
#include "base/co.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/instrument.h"

#if !defined(CO_UCONTEXT) && !(defined(__x86_64__) && defined(__LP64__)) && !(defined(__aarch64__) && defined(__LP64__))
#define CO_UCONTEXT 1
#endif

#ifdef CO_UCONTEXT
#include <ucontext.h>

typedef ucontext_t co_ctx;

static void
ctx_switch(co_ctx *from, co_ctx *to)
{
	(void)swapcontext(from, to); /* fails only for want of memory, which it does not use */
}

/* Make ctx run entry() on the stack of size bytes at stack. */
static void
ctx_make(co_ctx *ctx, void *stack, size_t size, void (*entry)(void))
{
	(void)getcontext(ctx);
	ctx->uc_stack.ss_sp = stack;
	ctx->uc_stack.ss_size = size;
	ctx->uc_link = NULL;
	makecontext(ctx, entry, 0);
}
#else
/* A context that does not run is its stack pointer; below that are its registers, struct frame. */
typedef void *co_ctx;

/* Save the registers on this stack, store its pointer in *from, go on with those saved on to's stack. */
void co_switch_(co_ctx *from, co_ctx to) __attribute__((visibility("hidden")));
/* Where a new context starts: calls the function in a register that struct frame sets. */
void co_boot_(void) __attribute__((visibility("hidden")));

#ifdef __x86_64__
struct frame {
	uint32_t mxcsr; /* the control words of both floating-point units: a function must preserve them, too */
	uint16_t fpucw, pad;
	uint64_t r15, r14, r13, r12, rbx, rbp;
	void (*pc)(void);
	uint64_t zero[2]; /* what co_boot_ finds on its stack; keeps it aligned to 16 */
};

__asm__(".pushsection .text\n"
	".p2align 4\n"
	".globl co_switch_\n"
	".hidden co_switch_\n"
	".type co_switch_, @function\n"
	"co_switch_:\n"
	".cfi_startproc\n"
	"	pushq %rbp\n"
	".cfi_adjust_cfa_offset 8\n"
	".cfi_rel_offset %rbp, 0\n"
	"	pushq %rbx\n"
	".cfi_adjust_cfa_offset 8\n"
	".cfi_rel_offset %rbx, 0\n"
	"	pushq %r12\n"
	".cfi_adjust_cfa_offset 8\n"
	".cfi_rel_offset %r12, 0\n"
	"	pushq %r13\n"
	".cfi_adjust_cfa_offset 8\n"
	".cfi_rel_offset %r13, 0\n"
	"	pushq %r14\n"
	".cfi_adjust_cfa_offset 8\n"
	".cfi_rel_offset %r14, 0\n"
	"	pushq %r15\n"
	".cfi_adjust_cfa_offset 8\n"
	".cfi_rel_offset %r15, 0\n"
	"	subq $8, %rsp\n"
	".cfi_adjust_cfa_offset 8\n"
	"	stmxcsr (%rsp)\n"
	"	fnstcw 4(%rsp)\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n" /* the same frame there: the unwinding rules go on to hold */
	"	ldmxcsr (%rsp)\n"
	"	fldcw 4(%rsp)\n"
	"	addq $8, %rsp\n"
	".cfi_adjust_cfa_offset -8\n"
	"	popq %r15\n"
	".cfi_adjust_cfa_offset -8\n"
	".cfi_restore %r15\n"
	"	popq %r14\n"
	".cfi_adjust_cfa_offset -8\n"
	".cfi_restore %r14\n"
	"	popq %r13\n"
	".cfi_adjust_cfa_offset -8\n"
	".cfi_restore %r13\n"
	"	popq %r12\n"
	".cfi_adjust_cfa_offset -8\n"
	".cfi_restore %r12\n"
	"	popq %rbx\n"
	".cfi_adjust_cfa_offset -8\n"
	".cfi_restore %rbx\n"
	"	popq %rbp\n"
	".cfi_adjust_cfa_offset -8\n"
	".cfi_restore %rbp\n"
	"	ret\n"
	".cfi_endproc\n"
	".size co_switch_, . - co_switch_\n"
	".p2align 4\n"
	".globl co_boot_\n"
	".hidden co_boot_\n"
	".type co_boot_, @function\n"
	".cfi_startproc\n"
	".cfi_undefined %rip\n" /* nobody called this: a backtrace ends here */
	"	nop\n"          /* unwinders look up the address before the one returned to */
	"co_boot_:\n"
	"	callq *%r12\n"
	"	ud2\n"
	".cfi_endproc\n"
	".size co_boot_, . - co_boot_\n"
	".popsection\n");

static void
frame_init(struct frame *f, void (*entry)(void))
{
	f->mxcsr = 0x1f80; /* these two as a process starts out with them */
	f->fpucw = 0x037f;
	f->r12 = (uintptr_t)entry;
	f->pc = co_boot_;
}
#else /* __aarch64__ */
struct frame {
	uint64_t fpcr, pad;
	uint64_t d[8];    /* d8 to d15 */
	uint64_t x[10];   /* x19 to x28 */
	uint64_t fp;      /* x29 */
	void (*pc)(void); /* x30 */
	uint64_t zero[2];
};

__asm__(".pushsection .text\n"
	".p2align 4\n"
	".globl co_switch_\n"
	".hidden co_switch_\n"
	".type co_switch_, %function\n"
	"co_switch_:\n"
	".cfi_startproc\n"
	"	sub sp, sp, #176\n"
	".cfi_adjust_cfa_offset 176\n"
	"	mrs x9, fpcr\n"
	"	str x9, [sp]\n"
	"	stp d8, d9, [sp, #16]\n"
	"	stp d10, d11, [sp, #32]\n"
	"	stp d12, d13, [sp, #48]\n"
	"	stp d14, d15, [sp, #64]\n"
	"	stp x19, x20, [sp, #80]\n"
	".cfi_rel_offset x19, 80\n"
	".cfi_rel_offset x20, 88\n"
	"	stp x21, x22, [sp, #96]\n"
	".cfi_rel_offset x21, 96\n"
	".cfi_rel_offset x22, 104\n"
	"	stp x23, x24, [sp, #112]\n"
	".cfi_rel_offset x23, 112\n"
	".cfi_rel_offset x24, 120\n"
	"	stp x25, x26, [sp, #128]\n"
	".cfi_rel_offset x25, 128\n"
	".cfi_rel_offset x26, 136\n"
	"	stp x27, x28, [sp, #144]\n"
	".cfi_rel_offset x27, 144\n"
	".cfi_rel_offset x28, 152\n"
	"	stp x29, x30, [sp, #160]\n"
	".cfi_rel_offset x29, 160\n"
	".cfi_rel_offset x30, 168\n"
	"	mov x9, sp\n"
	"	str x9, [x0]\n"
	"	mov sp, x1\n" /* the same frame there: the unwinding rules go on to hold */
	"	ldr x9, [sp]\n"
	"	msr fpcr, x9\n"
	"	ldp d8, d9, [sp, #16]\n"
	"	ldp d10, d11, [sp, #32]\n"
	"	ldp d12, d13, [sp, #48]\n"
	"	ldp d14, d15, [sp, #64]\n"
	"	ldp x19, x20, [sp, #80]\n"
	"	ldp x21, x22, [sp, #96]\n"
	"	ldp x23, x24, [sp, #112]\n"
	"	ldp x25, x26, [sp, #128]\n"
	"	ldp x27, x28, [sp, #144]\n"
	"	ldp x29, x30, [sp, #160]\n"
	"	add sp, sp, #176\n"
	".cfi_def_cfa_offset 0\n"
	"	ret\n"
	".cfi_endproc\n"
	".size co_switch_, . - co_switch_\n"
	".p2align 4\n"
	".globl co_boot_\n"
	".hidden co_boot_\n"
	".type co_boot_, %function\n"
	".cfi_startproc\n"
	".cfi_undefined x30\n" /* nobody called this: a backtrace ends here */
	"	nop\n"         /* unwinders look up the address before the one returned to */
	"co_boot_:\n"
	"	blr x19\n"
	"	brk #1\n"
	".cfi_endproc\n"
	".size co_boot_, . - co_boot_\n"
	".popsection\n");

static void
frame_init(struct frame *f, void (*entry)(void))
{
	f->x[0] = (uintptr_t)entry;
	f->pc = co_boot_;
}
#endif

static void
ctx_switch(co_ctx *from, co_ctx *to)
{
	co_switch_(from, *to);
}

static void
ctx_make(co_ctx *ctx, void *stack, size_t size, void (*entry)(void))
{
	struct frame *f = (struct frame *)(void *)((uint8_t *)stack + size) - 1;

	memset(f, 0, sizeof(*f));
	frame_init(f, entry);
	*ctx = f;
}
#endif /* CO_UCONTEXT */

enum co_state { CO_RUNNING, CO_PARKED, CO_READY, CO_DONE };

struct co {
	co_ctx ctx; /* while it does not run */
	co_fn *fn;
	void *arg;
	struct co *next; /* on the ready list or on the list of unused stacks */
	enum co_state state;
	unsigned valgrind_id;
	void *fake;   /* AddressSanitizer's fake stack, while it does not run */
	void *map;    /* the mapping, guard page first */
	size_t guard; /* the guard's bytes */
} __attribute__((aligned(64)));

static_assert(sizeof(struct co) < CO_STACK_SIZE / 8, "struct co must leave most of the stack");

static _Thread_local struct {
	co_ctx main; /* the main side, while a coroutine runs */
	struct co *current;
	struct co *ready, **ready_end; /* what the main side is to run next, in order; the end is NULL when empty */
	struct co *unused;             /* stacks to use again */
	size_t nunused;
	size_t count;
	const void *main_bottom; /* the main side's stack, as AddressSanitizer told us */
	size_t main_size;
} th;

static uint8_t *
co_stack(const struct co *co)
{
	return (uint8_t *)co->map + co->guard;
}

static size_t
co_stack_size(const struct co *co)
{
	return CO_STACK_SIZE - sizeof(*co);
}

static struct co *
stack_map(void)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *map;
	struct co *co;

	map = mmap(NULL, guard + CO_STACK_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	if (mprotect(map, guard, PROT_NONE) < 0) {
		(void)munmap(map, guard + CO_STACK_SIZE);
		return NULL;
	}
	co = (struct co *)(void *)(map + guard + CO_STACK_SIZE) - 1;
	co->map = map;
	co->guard = guard;
	co->valgrind_id = (unsigned)VALGRIND_STACK_REGISTER(co_stack(co), co);
	return co;
}

static void
stack_unmap(struct co *co)
{
	ASAN_UNPOISON_MEMORY_REGION(co_stack(co), co_stack_size(co));
	VALGRIND_STACK_DEREGISTER(co->valgrind_id);
	(void)munmap(co->map, co->guard + CO_STACK_SIZE);
}

/* Go from the running coroutine to the main side; fake is where to keep its fake stack, NULL to drop it. */
static void
leave(struct co *co, void **fake)
{
	__sanitizer_start_switch_fiber(fake, th.main_bottom, th.main_size);
	ctx_switch(&co->ctx, &th.main);
}

/* The first function on each stack. */
static void
co_main(void)
{
	struct co *co = th.current;

	__sanitizer_finish_switch_fiber(NULL, &th.main_bottom, &th.main_size);
	co->fn(co->arg);
	co->state = CO_DONE;
	leave(co, NULL);
}

/* Run co until it parks or ends. From the main side only. */
static void
resume(struct co *co)
{
	void *fake = NULL;

	th.current = co;
	co->state = CO_RUNNING;
	__sanitizer_start_switch_fiber(&fake, co_stack(co), co_stack_size(co));
	ctx_switch(&th.main, &co->ctx);
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
	th.current = NULL;
	if (co->state == CO_DONE) {
		__lsan_unregister_root_region(co_stack(co), CO_STACK_SIZE);
		co->next = th.unused;
		th.unused = co;
		th.nunused++;
		th.count--;
	}
}

/* Run co, now if this is the main side, else when that is next. */
static void
make_ready(struct co *co)
{
	co->next = NULL;
	if (th.current != NULL) {
		co->state = CO_READY;
		if (th.ready == NULL)
			th.ready = co;
		else
			*th.ready_end = co;
		th.ready_end = &co->next;
		return;
	}
	resume(co);
	while ((co = th.ready) != NULL) {
		th.ready = co->next;
		resume(co);
	}
}

int
co_start(co_fn *fn, void *arg)
{
	struct co *co = th.unused;

	if (co != NULL) {
		th.unused = co->next;
		th.nunused--;
		/* What is below belonged to calls that have ended, whatever they left there. */
		ASAN_UNPOISON_MEMORY_REGION(co_stack(co), co_stack_size(co));
		(void)VALGRIND_MAKE_MEM_UNDEFINED(co_stack(co), co_stack_size(co));
	} else if ((co = stack_map()) == NULL) {
		return ENOMEM;
	}
	co->fn = fn;
	co->arg = arg;
	co->fake = NULL;
	ctx_make(&co->ctx, co_stack(co), co_stack_size(co), co_main);
	__lsan_register_root_region(co_stack(co), CO_STACK_SIZE);
	th.count++;
	make_ready(co);
	return 0;
}

struct co *
co_self(void)
{
	return th.current;
}

void
co_park(void)
{
	struct co *co = th.current;

	assert(co != NULL);
	co->state = CO_PARKED;
	leave(co, &co->fake);
	__sanitizer_finish_switch_fiber(co->fake, &th.main_bottom, &th.main_size);
}

void
co_wake(struct co *co)
{
	assert(co->state == CO_PARKED);
	make_ready(co);
}

size_t
co_count(void)
{
	return th.count;
}

void
co_trim(size_t keep)
{
	while (th.nunused > keep) {
		struct co *co = th.unused;

		th.unused = co->next;
		th.nunused--;
		stack_unmap(co);
	}
}

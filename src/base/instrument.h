/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What base tells AddressSanitizer and valgrind about memory that it manages itself (chunks, stacks). Private to base/.
 * Nothing here costs anything in a plain build, but for a few instructions that valgrind knows where its header exists.
 */
#ifndef BASE_INSTRUMENT_H
#define BASE_INSTRUMENT_H

#if defined(__SANITIZE_ADDRESS__)
#define INSTRUMENT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define INSTRUMENT_ASAN 1
#endif
#endif

#ifdef INSTRUMENT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#define __lsan_register_root_region(addr, size) ((void)(addr), (void)(size))
#define __lsan_unregister_root_region(addr, size) ((void)(addr), (void)(size))
#define __sanitizer_start_switch_fiber(save, bottom, size) ((void)(save), (void)(bottom), (void)(size))
#define __sanitizer_finish_switch_fiber(fake, bottom, size) ((void)(fake), (void)(bottom), (void)(size))
#endif

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) ((void)(start), (void)(end), 0U)
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#define VALGRIND_MAKE_MEM_UNDEFINED(addr, size) ((void)(addr), (void)(size))
#define VALGRIND_MAKE_MEM_NOACCESS(addr, size) ((void)(addr), (void)(size))
#endif

#endif

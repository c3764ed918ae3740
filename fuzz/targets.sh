#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What the fuzz targets are made of: targets.sh names | sources NAME | parts NAME | wraps NAME. Asked by meson.build and run.sh.
# sources: files of this folder. parts: files below src/, as shell patterns. wraps: linker arguments, for what world.c and thread.c
# (or the target itself) stand in for.
set -eu

calls="socketpair sendmsg send write writev recv read close fcntl fcntl64 getsockopt setsockopt eventfd eventfd_write eventfd_read poll \
pthread_create pthread_join pthread_detach pthread_mutex_lock pthread_mutex_unlock pthread_cond_wait pthread_cond_signal"

wrap() {
	for call in "$@"; do
		echo "-Wl,--wrap=$call"
	done
}

rig() { # has this target a whole engine?
	case $1 in
	state | reply | notify | request) return 0 ;;
	*) return 1 ;;
	esac
}

case $1 in
names)
	echo frame notify reply request state wire words
	;;
sources)
	echo "fuzz_$2.c"
	if rig "$2"; then
		echo rig.c kernel.c daemon.c world.c thread.c
	fi
	;;
parts)
	case $2 in
	frame) echo 'ctl/*.c base/buf.c' ;;
	wire) echo 'wire/*.c' ;;
	words) echo 'engine/switches.c ctl/mountopts.c base/log.c' ;;
	# without base/loop.c and base/clock.c, for which world.c stands in
	*) echo 'base/buf.c base/chunk.c base/co.c base/fdpass.c base/log.c base/trace.c wire/*.c conn/*.c vnode/*.c' \
	    'ctl/mountopts.c host/linux/*.c engine/engine.c' ;;
	esac
	;;
wraps)
	if rig "$2"; then
		# shellcheck disable=SC2086
		wrap $calls
	elif [ "$2" = words ]; then
		wrap write
	fi
	;;
*)
	echo "usage: targets.sh names|sources|parts|wraps [NAME]" >&2
	exit 64
	;;
esac

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# fuzz/run.sh [-d FOLDER] [-o] [SECONDS [NAME...]]: build the fuzz targets (all, or those named) with clang's libFuzzer, AddressSanitizer
# and UBSan, and run each for so many seconds (120) from the inputs in fuzz/corpus. Everything goes to FOLDER (default: $TMPDIR/perfuse-fuzz):
# NAME/ new inputs, NAME.log, and findings/NAME-* the inputs that found something. -o: afterwards keep in fuzz/corpus the
# few inputs of each that cover most. The last line is "N targets ran, N findings"; the status is 0 when each ran without.
# The environment's FUZZ_SRC: another tree to fuzz, e.g. a copy with a fault planted in it.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
src=${FUZZ_SRC:-$(dirname "$here")}
folder=${TMPDIR:-/tmp}/perfuse-fuzz
keep=
most=30 # inputs of a target that are kept

usage() {
	echo "usage: fuzz/run.sh [-d FOLDER] [-o] [SECONDS [NAME...]]" >&2
	exit 64
}

while getopts d:o option; do
	case $option in
	d) folder=$OPTARG ;;
	o) keep=1 ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
seconds=${1:-120}
case $seconds in '' | *[!0-9]*) usage ;; esac
[ $# -eq 0 ] || shift
known=$(sh "$here/targets.sh" names)
[ $# -gt 0 ] || eval "set -- $known"
for name in "$@"; do
	case " $known " in *" $name "*) ;; *) echo "no such target: $name (there are: $known)" >&2 && exit 64 ;; esac
done
command -v clang >/dev/null || {
	echo "clang is missing" >&2
	exit 1
}
mkdir -p "$folder/findings" || exit 1
folder=$(cd "$folder" && pwd) || exit 1

build() { # NAME
	parts=
	for pattern in $(sh "$here/targets.sh" parts "$1"); do
		parts="$parts $src/src/$pattern"
	done
	cd "$here" || return 1
	# shellcheck disable=SC2046,SC2086
	clang -std=gnu17 -D_GNU_SOURCE -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=undefined -I"$src/src" -I"$src/include" $(sh "$here/targets.sh" sources "$1") $parts \
	    $(sh "$here/targets.sh" wraps "$1") -lev -lbsd -ljansson -lpthread -o "$folder/fuzz_$1"
}

# libFuzzer's lines: "#123 DONE cov: 45 ft: 67 corp: ... exec/s: 8"
say_how() { # NAME
	sed -n 's/^#\([0-9]*\)[^c]*cov: \([0-9]*\) ft: \([0-9]*\) corp: \([^ ]*\).*exec\/s: \([0-9]*\).*/\1 \2 \3 \4 \5/p' "$folder/$1.log" | tail -n 1 |
		{
			read -r runs cov ft corp rate || return 0
			echo "$1: $runs runs, $rate a second, $cov edges, $ft features, $corp inputs"
		}
}

seeds() { # one for each kind of message, as seeds.c makes them
	clang -std=gnu17 -D_GNU_SOURCE -I"$src/src" "$here/seeds.c" "$src"/src/wire/*.c "$src/src/ctl/frame.c" "$src/src/ctl/status.c" \
	    "$src/src/base/buf.c" -ljansson -o "$folder/make_seeds" && "$folder/make_seeds" "$folder/seeds"
}

seeds || exit 1
names=$* ran=0 findings=0 broken=0
for name in $names; do
	build "$name" >"$folder/$name.log" 2>&1 || {
		cat "$folder/$name.log"
		echo "$name: cannot be built"
		broken=1
		continue
	}
	mkdir -p "$folder/$name" "$folder/seeds/$name" "$here/corpus/$name"
	set -- -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=1024 -len_control=20 -print_final_stats=1 \
	    -artifact_prefix="$folder/findings/$name-"
	[ ! -e "$here/$name.dict" ] || set -- "$@" -dict="$here/$name.dict"
	status=0
	(cd "$folder" && LSAN_OPTIONS=print_suppressions=0 "./fuzz_$name" "$@" "$name" "$here/corpus/$name" "seeds/$name") \
		>>"$folder/$name.log" 2>&1 </dev/null || status=$?
	ran=$((ran + 1))
	say_how "$name"
	if [ "$status" -ne 0 ]; then
		findings=$((findings + 1))
		echo "$name: a finding (status $status); the input is one of"
		ls "$folder/findings/$name-"* 2>/dev/null
		tail -n 60 "$folder/$name.log"
	fi
done

# The inputs that are kept: all edges that old and new ones reach together, by few files.
if [ -n "$keep" ]; then
	for name in $names; do
		[ -x "$folder/fuzz_$name" ] || continue
		rm -rf "$folder/kept" && mkdir "$folder/kept" || exit 1
		(cd "$folder" && "./fuzz_$name" -set_cover_merge=1 -use_counters=0 -timeout=20 -rss_limit_mb=2048 kept \
		    "$here/corpus/$name" "$name" "seeds/$name") >"$folder/$name.merge.log" 2>&1 || {
			tail -n 20 "$folder/$name.merge.log"
			broken=1
			continue
		}
		rm -f "$here/corpus/$name"/*
		# They come in the order of how much each adds: what the last ones do is not worth their number.
		find "$folder/kept" -type f -printf '%T@ %p\n' | sort -n | head -n "$most" | while read -r _ input; do
			cp "$input" "$here/corpus/$name"/ || exit 1
		done
		echo "$name: $(find "$here/corpus/$name" -type f | wc -l) inputs are kept"
	done
fi

echo "$ran targets ran, $findings findings"
[ "$findings" -eq 0 ] && [ "$broken" -eq 0 ] && [ "$ran" -gt 0 ]

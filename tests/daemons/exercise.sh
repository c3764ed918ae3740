#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What a cell of the daemon matrix does with the mounted files: exercise.sh WORK "WORDS", as the one who mounted. WORK/want is what the
# mount must show before. rw: write, rename, unlink; xattr: extended attributes. Leaves files which "exercise.sh WORK again"
# expects of the next mount (WORK/want is changed in the same way). Steps that fail go into WORK/failed, one a line.
set -u
work=$1 words=$2
mnt=$work/mnt want=$work/want

step() { # NAME FUNCTION
	echo "$1" >"$work/step"
	echo "== $1"
	"$2" && return
	echo "FAILED: $1"
	echo "$1" >>"$work/failed"
}

sums() { # the checksums of all files, sorted by name
	(cd "$1" && find . -name lost+found -prune -o -type f -exec sha256sum {} + | sort -k 2)
}

names() {
	(cd "$1" && find . -mindepth 1 -name lost+found -prune -o -print | sort)
}

list() {
	names "$want" >"$work/tmp/want"
	names "$mnt" >"$work/tmp/mnt" && diff "$work/tmp/want" "$work/tmp/mnt"
}

read_all() {
	sums "$want" >"$work/tmp/want"
	sums "$mnt" >"$work/tmp/mnt" && diff "$work/tmp/want" "$work/tmp/mnt"
}

# The same in both trees.
both() {
	(cd "$want" && "$@") || echo "the test itself failed: $*"
	(cd "$mnt" && "$@")
}

write_files() {
	both sh -c 'echo small >small' &&
	    both cp "$work/blob" big &&
	    both sh -c 'echo more >>big' &&
	    both sh -c 'echo in the middle | dd of=big bs=1 seek=654321 conv=notrunc status=none' &&
	    both mkdir made && both cp "$work/blob" made/blob
}

sizes() {
	for file in small big made/blob; do
		[ "$(stat -c %s "$want/$file")" = "$(stat -c %s "$mnt/$file")" ] || return 1
	done
}

rename_files() {
	both mv small made/moved && both mv made/blob blob && both mv made renamed && [ ! -e "$mnt/small" ] &&
	    [ ! -e "$mnt/made" ] && [ ! -e "$mnt/renamed/blob" ] && list
}

unlink_files() {
	both rm blob && both mkdir empty && both rmdir empty && [ ! -e "$mnt/blob" ] && [ ! -e "$mnt/empty" ] && list
}

attributes() {
	file=$mnt/big
	setfattr -n user.perfuse -v "a value" "$file" &&
	    [ "$(getfattr --only-values --absolute-names -n user.perfuse "$file")" = "a value" ] &&
	    getfattr --absolute-names "$file" | grep -q -x user.perfuse && setfattr -x user.perfuse "$file" &&
	    ! getfattr --absolute-names "$file" | grep -q user.perfuse
}

: >"$work/failed"
if [ "$words" = again ]; then
	step "list again" list
	step "read again" read_all
	exit 0
fi
step list list
step read read_all
case " $words " in *' rw '*)
	step write write_files
	step size sizes
	step "read back" read_all
	step rename rename_files
	step unlink unlink_files
	;;
esac
case " $words " in *' xattr '*) step xattr attributes ;; esac
exit 0

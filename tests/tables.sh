#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The tables in doc/ that are made from the tests: tests/tables.sh fails when one is not what the tests say; --update writes
# it. Now there is one: doc/mock-suite.md, which case of the mock-daemon suite proves what. Needs the build (PERFUSE_BUILD).
set -u
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$top/tests/setup.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/perfuse-tables.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
cd "$top" || exit 1

for file in tests/mock/mock_*.c; do # NAME: its cases, a line each
	name=${file##*/mock_}
	"$build/tests/mock/mock_${name%.c}" --list >"$work/${name%.c}" || die "$build/tests/mock/mock_${name%.c} --list failed"
done

# What issue and users call it, and the cases (patterns of case names, any of the suite's files) that prove it.
hostile() {
	cat <<-'EOF'
		a reply with an unknown unique|hostile_unique_future hostile_unique_largest hostile_unique_odd hostile_unique_resend
		a reply with a repeated or another's unique|hostile_unique_again hostile_unique_swapped
		a reply that is too short|hostile_short_* hostile_15_bytes hostile_1_byte hostile_no_bytes
		a reply that is too long|hostile_long_*
		a header whose length is not the message's|hostile_len_*
		a payload beside an error|hostile_payload_*
		an errno out of range|hostile_errno_*
		another type for a known nodeid|hostile_type_changes_* hostile_root_becomes_file another_type*
		nodeid 0 or 1 where there can be none|hostile_*_nodeid_0 hostile_nodeid_root hostile_*_nodeid_root
		an entry of a type that is none, or not what was made|hostile_mode_* hostile_*_makes_*
		a directory that contains itself|hostile_directory_loop
		names with '/' or NUL, empty or too long|hostile_readdir_slash hostile_readdir_only_slash hostile_readdir_nul hostile_readdir_empty_name hostile_readdir_long_name hostile_plus_slash
		directory offsets that loop|hostile_readdir_circle hostile_readdir_large_offset
		directory entries that run past the reply|hostile_readdir_past_the_end hostile_readdir_half_header hostile_readdir_namelen_max
		sizes of 2^63 and more|hostile_size_* hostile_getattr_size hostile_plus_size size_out_of_range*
		counts larger than asked|hostile_write_more hostile_write_max
		nonsense of the smaller operations|hostile_listxattr_* hostile_getxattr_size hostile_readlink_* hostile_lseek_negative hostile_getlk_*
		an answer to a second INIT, or INIT answered twice|init_twice* init_answered_twice*
		INIT with impossible numbers|init_max_* init_*impossible*
		notifications for unknown nodes|notify_*_unknown
		notifications that do not hold together|hostile_note_*
		floods|hostile_flood_* *flood*
		silence|hostile_silence
		half a message, garbage|hostile_half hostile_garbage
	EOF
}

matching() { # PATTERN...: the cases whose names match one
	for pattern in "$@"; do
		while read -r name; do
			# shellcheck disable=SC2254
			case $name in $pattern) echo "$name" ;; esac
		done <"$work/all"
	done | awk '!seen[$0]++'
}

subject() { # FILE: the first paragraph of the comment at its top, as one line
	awk 'NR > 2 && / \*\// { exit } NR > 2 && /^ \*$/ { exit } NR > 2 { sub(/^ \* ?/, ""); printf "%s ", $0 }' "$1" | sed 's/ *$//; s/|/\\|/g'
}

mock_suite() {
	cat <<-EOF
		# The mock-daemon suite: what is proved, and by which case

		Made by \`tests/tables.sh --update\` from \`tests/mock/mock_*.c\`: $(wc -l <"$work/all") cases. Each scripts the daemon's side of a real mount, and says
		which messages arrive, with which fields, and what the program sees. Each holds of the kernel alone, too (\`./check --native mock/\`), unless the case says why not.

		## By operation

		| file | what it is about | cases |
		|---|---|---|
	EOF
	for file in tests/mock/mock_*.c; do
		name=${file##*/mock_}
		printf '| %s | %s | %s |\n' "${name%.c}" "$(subject "$file")" "$(tr '\n' ' ' <"$work/${name%.c}" | sed 's/ $//; s/ /, /g')"
	done
	cat <<-EOF

		## By what a broken or hostile daemon does

		| what it does | cases |
		|---|---|
	EOF
	hostile | while IFS='|' read -r words patterns; do
		set -f
		# shellcheck disable=SC2086
		found=$(matching $patterns | tr '\n' ' ' | sed 's/ $//; s/ /, /g')
		set +f
		[ -n "$found" ] || echo "tests/tables.sh: no case proves: $words" >&2
		printf '| %s | %s |\n' "$words" "${found:-NONE}"
	done
}

cat "$work"/* >"$work/all"
status=0
mock_suite >"$work/mock-suite.md"
if grep -q '| NONE |$' "$work/mock-suite.md"; then
	status=1
fi
if [ "${1-}" = --update ]; then
	cat "$work/mock-suite.md" >doc/mock-suite.md
elif ! cmp -s "$work/mock-suite.md" doc/mock-suite.md; then
	echo "doc/mock-suite.md is not what the sources say: run tests/tables.sh --update"
	diff doc/mock-suite.md "$work/mock-suite.md" | head -n 20
	status=1
fi
exit "$status"

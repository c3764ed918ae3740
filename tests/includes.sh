#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Holds src/ to the table "Folders, and who may include whom" of ARCHITECTURE.md: an include that it does not allow fails, with its
# file and line. So does a condition on an operating system outside *_linux.c, *_netbsd.c and *_stub.c. Then it proves on copies
# with one fault each that it sees such faults.
set -u
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1

check_tree() { # ROOT: print the faults; 0 when there are none
	(
		cd "$1" || exit 2
		find src include -name '*.[ch]' | sort | xargs awk '
		# The table: allowed[folder] = " base wire vnode/vop.h "
		FILENAME == "ARCHITECTURE.md" {
			if (/^\| `(src|include)\//) {
				split($0, column, "|")
				folder = column[2]
				gsub(/^[ `]+|[` \/]+$/, "", folder)
				sub(/^src\//, "", folder)
				allowed[folder] = " " column[4] " "
				rows++
			}
			next
		}
		FNR == 1 {
			folder = FILENAME
			sub(/^src\//, "", folder)
			sub(/\/[^\/]*$/, "", folder)
			while (!(folder in allowed) && sub(/\/[^\/]*$/, "", folder))
				;
			if (!(folder in allowed)) {
				print FILENAME ": its folder is not in the table of ARCHITECTURE.md"
				faults++
			}
		}
		/^[ \t]*#[ \t]*include[ \t]*"/ {
			header = $0
			sub(/^[^"]*"/, "", header)
			sub(/".*/, "", header)
			if (!may(folder, header)) {
				print FILENAME ":" FNR ": " folder " may not include \"" header "\""
				faults++
			}
		}
		/^[ \t]*#[ \t]*include[ \t]*<perfuse/ && folder != "include" && index(allowed[folder], " include ") == 0 {
			print FILENAME ":" FNR ": " folder " may not include the public headers"
			faults++
		}
		/^[ \t]*#[ \t]*(el)?if/ && /__(linux|NetBSD|FreeBSD|OpenBSD|DragonFly|APPLE|unix|sun)(__)?([^A-Za-z0-9_]|$)/ {
			if (FILENAME !~ /_(linux|netbsd|stub)\.c$/) {
				print FILENAME ":" FNR ": a condition on an operating system"
				faults++
			}
		}
		function may(from, header,   dir, list) {
			list = allowed[from]
			if (header !~ /\//) # a public header
				return from == "include" || (header ~ /^perfuse/ && index(list, " include ") > 0)
			if (index(list, " " header " ") > 0)
				return 1
			dir = header
			while (sub(/\/[^\/]*$/, "", dir)) {
				if (dir == from || index(list, " " dir " ") > 0)
					return 1
			}
			return 0
		}
		END {
			if (rows < 5) {
				print "ARCHITECTURE.md: the table was not found"
				faults++
			}
			exit faults > 0
		}' ARCHITECTURE.md
	)
}

check_tree "$top" || exit 1

# Now the other way round: each of these must be seen.
copy=$(mktemp -d "${TMPDIR:-/tmp}/perfuse-includes.XXXXXX") || exit 1
trap 'rm -rf "$copy"' EXIT
must_fail() { # FILE LINE-OF-CODE
	rm -rf "$copy/tree"
	mkdir "$copy/tree"
	cp -R "$top/ARCHITECTURE.md" "$top/src" "$top/include" "$copy/tree/"
	printf '%s\n' "$2" >>"$copy/tree/$1"
	if check_tree "$copy/tree" >"$copy/said"; then
		echo "not seen: $2 in $1"
		exit 1
	fi
	if ! grep -q "^$1:[0-9]*: " "$copy/said"; then
		echo "seen without its place: $2 in $1:"
		cat "$copy/said"
		exit 1
	fi
}
must_fail src/base/buf.h '#include "wire/wire.h"'
must_fail src/wire/wire.h '  # include "vnode/vop.h"'
must_fail src/host/linux/linux.h '#include "vnode/priv.h"'
must_fail src/host/linux/linux.h '#include "conn/conn.h"'
must_fail src/vnode/host.h '#include "host/linux/linux.h"'
must_fail src/client/client.h '#include "engine/engine.h"'
must_fail src/base/buf.h '#include <perfuse.h>'
must_fail src/base/buf.h '#include "buf.h"'
must_fail src/base/buf.h '#ifdef __linux__'
must_fail src/ctl/frame.h '#if defined(__NetBSD__) && 1'
echo "the includes follow the table"

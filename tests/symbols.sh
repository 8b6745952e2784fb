#!/bin/sh
# symbols.sh LIBRARY LIST: the exported symbols of the shared library are exactly those of the checked-in list.
# After a change of the API: nm -D --defined-only LIBRARY | awk '{print $3}' | sort > tests/symbols.txt
set -eu
found=$(mktemp)
trap 'rm -f "$found"' EXIT INT TERM
nm -D --defined-only "$1" | awk '{print $3}' | grep -v '^__\(odr_\)\{0,1\}asan' | LC_ALL=C sort >"$found"
diff -u "$2" "$found" || { echo "the exported symbols differ from tests/symbols.txt (- expected, + found)"; exit 1; }

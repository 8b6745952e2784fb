#!/bin/sh
# Runs the programs of the course and writes what they print and draw into docs/course.md and docs/course/:
#   scripts/course.sh [BUILD FOLDER]
# A block that begins with ```text NAME holds the output of example_NAME.
set -eu
cd "$(dirname "$0")/.."
build=$(realpath "${1:-build}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/pictures"
for name in $(sed -n 's/^```text \([a-z_]*\)$/\1/p' docs/course.md); do
    (cd "$work/pictures" && "$build/examples/example_$name" >"$work/$name")
done
awk -v folder="$work" '
    inside && /^```$/ { inside = 0 }
    !inside { print }
    /^```text [a-z_]+$/ {
        inside = 1
        while ((getline line < (folder "/" $2)) > 0) print line
    }' docs/course.md >"$work/course.md"
rm -f docs/course/*.svg
cp "$work"/pictures/*.svg docs/course/
cp "$work/course.md" docs/course.md

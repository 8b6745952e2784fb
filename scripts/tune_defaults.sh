#!/bin/sh
# tune_defaults.sh: makes the shipped defaults of class cpu, src/plan/tuned/cpu-*.txt, on a machine with PoCL and
# AVX-512 that does nothing else. It takes an hour or two. Name the classes to make, or none for all: avx512 avx2
# generic
#
# PoCL compiles for what $POCL_KERNELLIB_NAME says, so the files for AVX2 and for SSE2 come from code for these, though
# from another core than those that have no more. GPU files are made by hand: `clgrad tune --export FILE` on one.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
tool=build/src/tool/clgrad

# tune CLASS LIBRARY TITLE: LIBRARY is PoCL's, empty for that of the machine.
tune() {
    export CLGRAD_CACHE_DIR="$work/$1" POCL_CACHE_DIR="$work/$1-pocl"
    mkdir -p "$CLGRAD_CACHE_DIR" "$POCL_CACHE_DIR"
    [ -z "$2" ] || export POCL_KERNELLIB_NAME="$2"
    for batch in 1 64 256; do
        $tool tune --model lenet --batch $batch --budget 20m
        $tool tune --model mlp --batch $batch --budget 20m
    done
    CLGRAD_TUNE=auto:1200 build/benchmarks/clgrad-bench-train --model cifar --batch 64 --seconds 0.1
    CLGRAD_TUNE=auto:1200 build/benchmarks/clgrad-bench-train --model resnet18 --batch 8 --seconds 0.1
    CLGRAD_TUNE=auto:1200 build/benchmarks/clgrad-bench-infer --model resnet18 --batch 1,8 --seconds 0.1
    CLGRAD_TUNE=auto:1200 build/benchmarks/clgrad-bench-infer --model mobilenetv2 --batch 1,8 --seconds 0.1
    $tool tune --budget 2h --export "$work/$1.txt"
    {
        echo "# clgrad tuning records, format 1"
        echo "# Shipped defaults for class cpu, $3; made by scripts/tune_defaults.sh from measurements:"
        grep '^# d' "$work/$1.txt"
        grep -v '^#' "$work/$1.txt"
    } >"src/plan/tuned/cpu-$1.txt"
    unset POCL_KERNELLIB_NAME
}

[ $# -gt 0 ] || set -- avx512 avx2 generic
for class; do
    case $class in
    avx512) tune avx512 "" "vectors of 16 floats" ;;
    avx2) tune avx2 avx2 "vectors of 8 floats" ;;
    generic) tune generic sse2 "vectors of less than 8 floats, or of unknown length" ;;
    *) echo "$0: $class is none of avx512 avx2 generic" >&2; exit 2 ;;
    esac
done
echo "src/plan/tuned: build again to ship them"

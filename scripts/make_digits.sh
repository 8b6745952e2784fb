#!/bin/sh
# Makes src/data/digits: the first 6,400 training and the first 1,000 test pictures of MNIST in file order, as IDX
# files with their own headers, gzipped without name and date so that the same input gives the same bytes.
#
#     scripts/make_digits.sh DIR      DIR has the four MNIST files, gzipped or not
set -eu

if [ $# -ne 1 ] || [ ! -d "$1" ]; then
    echo "usage: $0 DIR   (the folder with train-images-idx3-ubyte[.gz] and the other three MNIST files)" >&2
    exit 2
fi
src=$1
out=$(dirname "$0")/../src/data/digits
mkdir -p "$out"

# be32 N: N as four bytes, the highest first
be32() {
    for shift in 24 16 8 0; do
        printf '%b' "$(printf '\\0%o' $(($1 >> shift & 255)))"
    done
}

unpacked() {
    if [ -f "$src/$1.gz" ]; then gzip -dc "$src/$1.gz"; else cat "$src/$1"; fi
}

# pictures NAME COUNT, labels NAME COUNT: header, then COUNT items from behind the old header of 16 or 8 bytes
pictures() {
    { be32 2051; be32 "$2"; be32 28; be32 28; unpacked "$1" | tail -c +17 | head -c $(($2 * 784)); } |
        gzip -9n > "$out/$1.gz"
}
labels() {
    { be32 2049; be32 "$2"; unpacked "$1" | tail -c +9 | head -c "$2"; } | gzip -9n > "$out/$1.gz"
}

pictures train-images-idx3-ubyte 6400
labels train-labels-idx1-ubyte 6400
pictures t10k-images-idx3-ubyte 1000
labels t10k-labels-idx1-ubyte 1000
ls -l "$out"

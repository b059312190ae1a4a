#!/bin/sh
# The suite runs one fuzzer per folder of tests/fuzz/corpus; this holds those folders and the fuzzers' sources equal.
set -eu
sources=$(find "$1/tests/fuzz" -maxdepth 1 -name '*.cpp' ! -name replay_main.cpp -printf '%f\n' | sed 's/\.cpp$//' | sort)
corpora=$(find "$1/tests/fuzz/corpus" -mindepth 2 -type f -printf '%h\n' | sed 's|.*/||' | sort -u)
if [ -z "$sources" ] || [ "$sources" != "$corpora" ]; then
    printf 'fuzzers:\n%s\nfolders of tests/fuzz/corpus with a file in them:\n%s\n' "$sources" "$corpora"
    exit 1
fi

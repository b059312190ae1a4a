#!/bin/sh
# The suite runs one fuzzer per folder of tests/fuzz/corpus; this holds that list and the built fuzzers equal.
set -eu
built=$(find "$1/build/fuzz/fuzzers" -maxdepth 1 -type f -perm -u+x -printf '%f\n' | sort)
corpora=$(find "$1/tests/fuzz/corpus" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort)
if [ -z "$built" ] || [ "$built" != "$corpora" ]; then
    printf 'fuzzers built:\n%s\nfolders of tests/fuzz/corpus:\n%s\n' "$built" "$corpora"
    exit 1
fi

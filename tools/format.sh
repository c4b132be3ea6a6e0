#!/bin/sh
# format.sh -i | --check: clang-format over every C and C++ file of ours, in place or as a check.
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in -i) how=-i ;; --check) how="--dry-run -Werror" ;; *) sed -n 2p "$0" >&2; exit 2 ;; esac
python3 tools/sources.py .cc .h .c | xargs -0 -r -n 20 -P "$(nproc)" clang-format $how

#!/bin/sh
# run_fuzz.sh DIR MINUTES [TARGET]: runs the fuzz targets in DIR, two at a time. What they find lands in
# build/fuzz-findings, grown corpora in build/fuzz-corpus; the seeds in tests/fuzz/corpus stay as they are.
set -eu
dir=$1 minutes=$2 only=${3:-}
cd "$(dirname "$0")/.."
mkdir -p build/fuzz-findings
one() {
  echo "+ fuzz $1, $minutes min" >&2
  mkdir -p "build/fuzz-corpus/$1"
  if "$dir/$1" -max_total_time=$((minutes * 60)) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="build/fuzz-findings/$1-" "build/fuzz-corpus/$1" "tests/fuzz/corpus/$1" \
    >"build/fuzz-findings/$1.log" 2>&1; then
    echo "$1: ok, $(sed -n 's/stat::number_of_executed_units: *//p' "build/fuzz-findings/$1.log") runs"
  else
    tail -n 40 "build/fuzz-findings/$1.log"
    echo "$1: FOUND something, see build/fuzz-findings/$1.log"
    return 1
  fi
}
if [ -n "$only" ] && [ "${4:-}" = one ]; then one "$only"; exit; fi
for target in ${only:-$(ls "$dir")}; do echo "$target"; done | xargs -P 2 -I '{}' "$0" "$dir" "$minutes" '{}' one

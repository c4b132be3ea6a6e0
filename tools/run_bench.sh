#!/bin/sh
# run_bench.sh DIR [NAME] [ARGS...]: runs the programs of DIR, or those whose name contains NAME; ARGS go to each.
set -eu
dir=$1; shift
name=; case "${1:-}" in '' | -*) ;; *) name=$1; shift ;; esac
[ -d "$dir" ] || { echo "no benchmark programs in $dir" >&2; exit 1; }
for program in "$dir"/*"$name"*; do
  [ -f "$program" ] && [ -x "$program" ] || continue
  echo "+ $program $*" >&2
  "$program" "$@"
done

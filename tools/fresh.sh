#!/bin/bash
# fresh.sh COMMAND...: runs COMMAND as a stranger would: in a clean clone of the committed HEAD, in a Debian 12 root
# that holds nothing but debootstrap's minbase, as root, with this machine's network. Ends with COMMAND's status.
# What the root has from here: the Debian 12 mirrors of this machine's apt and how apt reaches them; /dev and /sys; the
# names it resolves; what was downloaded before and the compiler cache (carried in and back out: neither hides a package
# that is missing); ../shared, read-only, where there is one. Each run unpacks the root anew and removes it at its end.
# Everything happens in namespaces of its own: when it is killed, its processes and mounts go with it.
set -euo pipefail
tree=$(cd "$(dirname "$0")/.." && pwd)
bare_root_days=7        # an older one is made again, so that its packages are near to what the mirrors have

# --- in the namespaces ---

# enter ROOT COMMAND...: mounts what a machine has, makes ROOT the root and runs COMMAND in the clone.
enter() {
  local root=$1; shift
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount --rbind /sys "$root/sys"
  mount -t tmpfs tmpfs "$root/run"
  mountpoint -q "$root/dev/shm" || mount -t tmpfs tmpfs "$root/dev/shm"
  carry "$downloads/archives" "$root/root/.cache/tillrace/archives"
  carry "$compiled" "$root/root/.cache/ccache"
  if [ -d "$tree/../shared" ]; then
    carry "$tree/../shared" "$root/srv/shared"
    mount -o remount,bind,ro "$root/srv/shared"
  fi
  cd "$root" && mkdir .outside && pivot_root . .outside && umount -l /.outside && rmdir /.outside
  cd /srv/tillrace
  # What a login gives, and what its owner said about the run.
  local login=(HOME=/root USER=root LOGNAME=root SHELL=/bin/bash LANG=C.UTF-8
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin) name
  for name in TERM CI TILL_JOBS http_proxy https_proxy no_proxy; do
    [ -z "${!name:-}" ] || login+=("$name=${!name}")
  done
  env -i "${login[@]}" "$@"
}
carry() { mkdir -p "$1" "$2" && mount --bind "$1" "$2"; }

# --- outside ---

seconds() { printf '%d:%02d min' $(($1 / 60)) $(($1 % 60)); }
steps=()
step() {  # step NAME COMMAND...: runs it and notes how long it took
  local name=$1 t0=$SECONDS status=0; shift
  "$@" || status=$?
  steps+=("$(printf '%-40s %11s' "$name" "$(seconds $((SECONDS - t0)))")")
  return $status
}

# The sources of this machine's apt that are Debian 12, its mirrors' keys, and how apt reaches them, for the root.
copy_apt_settings() {
  local root=$1 key
  rm -f "$root/etc/apt/sources.list"
  cp "$settings/debian.sources" "$settings/debian.list" "$root/etc/apt/sources.list.d/"
  cp "$settings/apt.conf" "$root/etc/apt/apt.conf.d/90mirrors"
  while read -r key; do
    [ -e "$root$key" ] || { mkdir -p "$root$(dirname "$key")" && cp "$key" "$root$key"; }
  done < <(grep -hoE '(signed-by=|Signed-By: *)/[^] ]+' "$settings"/debian.* | grep -oE '/.*')
  # The root is thrown away: nothing in it has to survive a power cut.
  echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
}

make_bare_root() {
  local mirror include=() work=$downloads/fresh/new
  mirror=$(awk '/^URIs:/ {uri = $2} /^Suites:/ {for (i = 2; i <= NF; i++) if ($i ~ /^(bookworm|stable)$/) suite = 1}
    /^$/ {if (suite) {print uri; exit}; suite = 0}
    /^deb / {sub(/\[[^]]*\] */, ""); if ($3 ~ /^(bookworm|stable)$/) {print $2; exit}}' "$settings"/debian.*)
  [ -n "$mirror" ] || { echo "./dev fresh: this machine's apt names no mirror of bookworm itself" >&2; exit 1; }
  ! grep -q 'https://' "$settings"/debian.* || include=(--include=ca-certificates)
  rm -rf "$work"
  echo "+ debootstrap --variant=minbase bookworm $work $mirror" >&2
  debootstrap --variant=minbase "${include[@]}" bookworm "$work" "$mirror" >"$work.log" 2>&1 ||
    { tail -n 20 "$work.log" >&2; echo "./dev fresh: debootstrap failed; its log is $work.log" >&2; exit 1; }
  rm -rf "$work"/var/cache/apt/archives/*.deb "$work"/var/lib/apt/lists/*
  copy_apt_settings "$work"
  tar -C "$work" --one-file-system -cf "$bare.new" . && mv "$bare.new" "$bare"
  rm -rf "$work" "$work.log"
}

unpack_bare_root() {
  mkdir "$root" && tar -C "$root" -xpf "$bare"
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  # Not a mount, as apt locks the folder: two runs at a time are welcome.
  cp -al "$downloads/fresh/apt/." "$root/var/cache/apt/archives/"
}
keep_archives() {
  find "$root/var/cache/apt/archives" -maxdepth 1 -name '*.deb' -exec cp -n -l -t "$downloads/fresh/apt" {} +
}

clone() {
  local own=(env GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory "GIT_CONFIG_VALUE_0=*")
  [ -z "$("${own[@]}" git -C "$tree" status --porcelain)" ] ||
    echo "./dev fresh: what is not committed is not in the clone" >&2
  "${own[@]}" git clone -q "file://$tree" "$root/srv/tillrace"
  "${own[@]}" git -C "$root/srv/tillrace" checkout -q --detach "$("${own[@]}" git -C "$tree" rev-parse HEAD)"
}

packages() { dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Package}\n' | sort -u; }

report() {
  local installed
  installed=$(packages | comm -13 <(echo "$before") -)
  printf '\n=== ./dev fresh: %d packages in the bare root, %d installed by the command\n' \
    "$(wc -l <<<"$before")" "$(grep -c . <<<"$installed")"
  fold -s -w 118 <<<"${installed//$'\n'/ }" | sed 's/^/  /'
  printf '\n=== ./dev fresh: steps\n'
  printf '%s\n' "${steps[@]}"
}

main() {
  [ $# -gt 0 ] || { echo "./dev fresh: which command? Say ./dev fresh ./dev demo" >&2; exit 2; }
  if [ "$(id -u)" != 0 ]; then
    echo "./dev fresh: a root of its own can only be made by root: run it as root, or with sudo" >&2
    exit 1
  fi
  export downloads compiled tree
  downloads=$("$tree/tools/apt_state.py")
  compiled=$(ccache -k cache_dir 2>/dev/null || echo "${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}")
  settings=$downloads/fresh/settings
  mkdir -p "$settings" "$downloads/archives" "$downloads/fresh/apt"
  "$tree/tools/apt_state.py" sources "$settings"
  apt-config dump | grep -E '^Acquire::(http|https|ftp|ForceIPv|Check-|Max-|Retries)' >"$settings/apt.conf" || true
  bare=$downloads/fresh/bare-$({ cat "$settings"/*; declare -f make_bare_root copy_apt_settings; } | sha256sum |
    cut -c1-16).tar
  root=$downloads/fresh/root.$$
  remove_leftovers
  exec 8>"$root.lock" && flock 8
  trap 'rm -rf --one-file-system "$root" "$root.lock"' EXIT

  [ -n "$(find "$bare" -mtime -$bare_root_days 2>/dev/null)" ] || step "bare root (debootstrap)" make_bare_root
  step "bare root (unpacked)" unpack_bare_root
  step "clean clone" clone
  before=$(packages)
  local status=0
  echo "+ (in the bare root) $*" >&2
  step "$*" in_namespaces "$@" || status=$?
  keep_archives
  report >&2
  # The second line of `times` is that of the children.
  times > >(awk 'NR == 2 {split($1, user, /[ms]/); split($2, kernel, /[ms]/)
    seconds = (user[1] + kernel[1]) * 60 + user[2] + kernel[2]
    printf "%-40s %4d:%02d min\n", "CPU of all of them", seconds / 60, seconds % 60}' >&2)
  wait $!
  exit $status
}

# Ctrl-C means to COMMAND what it always means; whatever else ends this script ends COMMAND and all it started.
in_namespaces() {
  env --default-signal=INT,QUIT setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child \
    "$0" --enter "$root" "$@" <&0 &
  local child=$!
  trap : INT
  trap 'kill -KILL "$child"' TERM HUP
  while kill -0 $child 2>/dev/null; do wait $child || true; done   # a signal ends a wait
  wait $child
}

# Roots of runs that were killed: nobody holds their locks.
remove_leftovers() {
  local lock
  for lock in "$downloads"/fresh/root.*.lock; do
    [ -e "$lock" ] || continue
    flock -n "$lock" rm -rf --one-file-system "${lock%.lock}" "$lock" || true
  done
}

if [ "${1:-}" = --enter ]; then shift; enter "$@"; else main "$@"; fi

# Sourced by the scripts beside it. They work below $work, and install nothing for another machine into the host's dpkg.
# shellcheck shell=bash

say() { printf 'machines: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

# quietly LOG COMMAND…: its output goes to LOG; on failure the last lines of that are shown.
quietly() {
  local log=$1 status=0
  shift
  "$@" >"$log" 2>&1 </dev/null || status=$?
  [[ $status -ne 0 ]] || return 0
  tail -n 40 "$log" >&2
  say "failed (status $status): $* (all of its output: $log)"
  return "$status"
}

# The address of the Debian archive that this computer is set up with, without the path of a suite.
archive() {
  local site
  # shellcheck disable=SC2016  # apt expands these
  site=$(apt-get indextargets --format '$(LABEL) $(SITE)' 'Created-By: Packages' | sed -n 's/^Debian //p' | head -n 1)
  [[ -n $site ]] || fail "apt knows no Debian archive here: apt-get indextargets shows what it knows"
  printf '%s\n' "$site"
}

# private_apt STATE ARCH SUITE ARG…: apt-get for another machine, with a state of its own.
private_apt() {
  local state=$1 arch=$2 suite=$3
  shift 3
  mkdir -p "$state"/lists/partial "$state"/cache/archives/partial
  [[ -e $state/status ]] || : >"$state/status"
  if [[ ! -e $state/sources.list ]]; then
    printf 'deb [arch=%s signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$arch" "$(archive)" "$suite" \
      >"$state/sources.list"
  fi
  apt-get -q -y -o "APT::Architecture=$arch" -o "APT::Architectures::=$arch" -o "Dir::State=$state" \
    -o "Dir::State::status=$state/status" -o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache" \
    -o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/nonexistent -o Debug::NoLocking=1 \
    -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=2 "$@"
}

# shellcheck shell=bash
# Sourced by dev/install-build, dev/install-test and dev/install-bench: asks for what is missing, installs it in one go, and says so.
#
#   need COMMAND PACKAGE...   the packages are missing where the command is
#   need_unless TEST PACKAGE  ... where the test (a command line) fails
#   install_missing           installs all that was asked for; nothing missing, nothing done (no apt-get update either)

missing=()

need() {
  command -v "$1" >/dev/null 2>&1 || missing+=("${@:2}")
}

need_unless() {
  bash -c "$1" >/dev/null 2>&1 || missing+=("${@:2}")
}

install_missing() {
  local for_what=$1
  if [ ${#missing[@]} -eq 0 ]; then
    echo "$(basename "$0"): nothing missing for $for_what"
    return
  fi
  if ! command -v apt-get >/dev/null 2>&1; then
    refuse "$for_what" "This system has no apt-get; install what these Debian packages hold: ${missing[*]}"
  fi
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true >/dev/null 2>&1 || refuse "$for_what" "Run: sudo apt-get update && sudo apt-get install -y ${missing[*]}"
    as_root=(sudo -n)
  fi
  echo "$(basename "$0"): installing for $for_what: ${missing[*]}"
  "${as_root[@]}" bash -c "$(declare -f apt_without_services); apt_without_services \"\$@\"" bash "${missing[@]}"
}

refuse() {
  printf '%s: missing for %s: %s\n%s\n' "$(basename "$0")" "$1" "${missing[*]}" "$2" >&2
  exit 1
}

# Packages such as redis-server start a service that would sit on its port (6379) at once and after every boot. Tests
# and measurements start their own, so for the time of the installation the system's policy is "start nothing".
apt_without_services() {
  set -euo pipefail
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    # shellcheck disable=SC2064 # the path as it is now
    trap "rm -f '$policy'" EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$@"
  local service
  for service in redis-server redis-sentinel nginx haproxy; do
    case " $* " in
      *" $service "*) ! command -v systemctl >/dev/null 2>&1 || systemctl disable "$service" >/dev/null 2>&1 || true ;;
    esac
  done
}

# shellcheck shell=bash
# What the scripts of this folder share. It is sourced.

deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Another folder of environments, for those who keep theirs elsewhere and for the rehearsal.
environments=${VESTIBULE_ENVIRONMENTS:-$deploy/environments}

fail() {
  echo "failed: $*" >&2
  exit 1
}

# Reads the file of an environment: SSH, DOMAIN and the rest.
load_environment() {
  environment=$1
  case $environment in
    '' | .* | *[!A-Za-z0-9._-]*) fail "'$environment' is no name of an environment" ;;
  esac
  [ -f "$environments/$environment" ] ||
    fail "there is no environment '$environment'; there are: $(cd "$environments" && echo *). Write $environments/$environment"
  # shellcheck disable=SC2034 # Those who source this use them.
  SSH_PORT=22 TLS=acme ENGINE=podman DATABASE=sqlite KEEP=5 KEEP_BACKUPS=30 BACKUP_TO='' ACME_CA='' ACME_CA_ROOT=''
  # shellcheck source=/dev/null
  . "$environments/$environment"
  case $DOMAIN in
    example.com | *.example.com) fail "$environments/$environment still says DOMAIN=$DOMAIN: write down your own server and domain" ;;
  esac
}

# ssh with the options of the environment; more of them in VESTIBULE_SSH_OPTIONS (a key file, known hosts).
ssh_to() { # DESTINATION PORT COMMAND...
  local destination=$1 port=$2
  shift 2
  # shellcheck disable=SC2086 # The options are words.
  ssh -o BatchMode=yes -o ServerAliveInterval=15 -p "$port" ${VESTIBULE_SSH_OPTIONS:-} "$destination" "$@"
}

# A command of vestibule-host on the server of the environment.
on_server() {
  local words
  words=$(printf ' %q' "$@")
  ssh_to "$SSH" "$SSH_PORT" "sudo /usr/local/sbin/vestibule-host$words"
}

# shellcheck shell=bash disable=SC2034,SC2154 # Variables are shared with those who source this.
# Carries out the commands of docs/run-it.md as its readers do. It is sourced.

page=docs/run-it.md
# Where the reader is: with deploy/ here, and whatever the commands make.
reader=$work/reader

# Every command of the page: what is typed in its blocks, on one's own machine ($) and on the server (#), without remarks.
guide_commands() { # '$' or '#', or both
  # shellcheck disable=SC2016 # Marks of a block.
  sed -n '/^```console/,/^```$/p' "$page" | sed -n "s/^[$1] //p" | sed 's/ \{2,\}# .*//; s/ *$//'
}

# Carries out a command that is on the page, letter by letter but for what cannot be the same: the server's address and port, the
# name of a backup, a public key, and the compilers, whose work was done before.
guide() { # COMMAND
  local command=$1
  guide_commands '$#' | grep -qxF -- "$1" || failed "$page has no command: $1"
  echo "$1" >> "$work/guided"
  echo "\$ $1" >&2
  case $command in
    deploy/dns*) ;;
    ssh-keyscan*) command="ssh-keyscan -p $ssh_port 127.0.0.1" ;;
    *) command=${command//203.0.113.7/127.0.0.1} ;;
  esac
  command=${command//20260501T030000Z-daily.backup.tar.gz.age/${guided_backup:-}}
  command=${command//20260501T030000Z-put.backup.tar.gz/${guided_backup:-}}
  command=${command//20260501T030000Z-daily.backup.tar.gz/${guided_backup:-}}
  command=${command//s3:\/\/BUCKET\/NAME.backup.tar.gz.age/${guided_backup:-}}
  if guide_commands '#' | grep -qxF -- "$1"; then
    if [[ $command == *age1…* ]]; then command=${command//age1…/$(age-keygen -y "$reader/backup.key")}; fi
    in_server bash -c "$command"
    return
  fi
  if [ "$(id -u)" != 0 ] && [[ $command == deploy/release*site:1.0.0* ]]; then
    # Images are root's here, and those of another user cannot be sent by name.
    [[ $command != *site:1.0.0 ]] || command+=' 1.0.0'
    command=${command/site:1.0.0/$(image 1.0.0)}
  fi
  # shellcheck disable=SC2317 # The command calls them.
  (
    docker() { cd "$repository" && build_image --file Dockerfile --build-context "program=$work/1.0.0" --build-arg VERSION=1.0.0 --build-arg "DEBIAN=$debian" "${@:2}"; }
    # shellcheck disable=SC2086 # The options are words.
    ssh() { command ssh -o BatchMode=yes $VESTIBULE_SSH_OPTIONS -p "$ssh_port" "$@"; }
    cargo() { install -D "$work/1.0.0/site" target/release/site; }
    cd "$reader" && eval "$command"
  )
}

begin_reading() {
  rm -rf "$reader" && mkdir -p "$reader" && ln -s "$repository/deploy" "$reader/deploy"
  rm -f "$work/guided"
}

nothing_was_left_out() {
  local left
  left=$(guide_commands '$#' | grep -vxF -f "$work/guided" || true)
  [ -z "$left" ] || failed "the rehearsal ran nothing like these commands of $page:"$'\n'"$left"
  [ "$(sort -u "$work/guided" | wc -l)" -ge 20 ] || failed "$page has only $(sort -u "$work/guided" | wc -l) commands"
  echo "   all $(sort -u "$work/guided" | wc -l) commands of $page were carried out"
}

# shellcheck shell=bash
# Containers for the rehearsal, with a storage of their own, on machines where that takes more than usual. It is sourced.

storage=$PWD/target/rehearsal/containers
# What the engine within the server needs, where the machine's own one does: a line of containers.conf.
nested_runtime=
# Debian of the server and of the site's image: the oldest with a libc as new as that of this machine, where the program is built.
debian=${VESTIBULE_REHEARSAL_DEBIAN:-bookworm}
if [ "$(printf '%s\n' 2.36 "$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)" | sort -V | tail -n 1)" != 2.36 ]; then debian=trixie; fi

# Containers are root's: a server with systemd and a firewall is made.
root=()
if [ "$(id -u)" != 0 ]; then root=(sudo -n '--preserve-env=CONTAINERS_CONF,CONTAINERS_STORAGE_CONF'); fi
container() { "${root[@]}" podman "$@"; }
build_image() { "${root[@]}" buildah build --isolation chroot --format docker --layers --quiet "$@" > /dev/null; }

cannot() {
  cat >&2 << END
!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!
!! The rehearsal of deploy/ was NOT run: containers cannot run on this machine.
!! $*
!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!
END
  exit 69
}

containers_or_say_why() {
  local program told
  "${root[@]}" true || cannot "It takes root, or a sudo that asks for no password: a server with systemd and a firewall is made."
  for program in podman buildah debootstrap ssh ssh-keygen python3 curl; do
    command -v $program > /dev/null || cannot "$program is missing. Debian, Ubuntu:
!!   apt-get install podman buildah debootstrap openssh-client python3 curl runc netavark aardvark-dns"
  done
  mkdir -p "$storage"
  cat > "$storage/storage.conf" << END
[storage]
driver = "overlay"
graphroot = "$storage/graph"
runroot = "/run/vestibule-rehearsal"
END
  export CONTAINERS_STORAGE_CONF=$storage/storage.conf
  export CONTAINERS_CONF=$storage/containers.conf
  # As the machine has it; and with an older runtime, for machines with both versions of control groups, and without
  # raising limits, for machines that may not.
  cat > "$CONTAINERS_CONF" << END
[network]
network_config_dir = "$storage/networks"
END
  if told=$(try) ; then return; fi
  # shellcheck disable=SC2034 # Those who source this use it.
  nested_runtime='[engine]
runtime = "runc"'
  cat > "$CONTAINERS_CONF" << END
[containers]
default_ulimits = []
[network]
network_backend = "netavark"
network_config_dir = "$storage/networks"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
  told=$(try) || cannot "$told"
}

# Runs the smallest container there can be: a static program of this machine's, or the base image where it is here.
try() {
  base_image "$debian" || { echo "There is no base image, and debootstrap could not make one: $(tail -n 1 "$storage/debootstrap.log")" && return 1; }
  container run --rm --network=none "docker.io/library/debian:$debian-slim" true 2>&1
}

# An image that others are built from: from its registry, or made here.
base_image() { # SUITE
  local name=docker.io/library/debian:$1-slim folder=$storage/$1
  if container image exists "$name"; then return; fi
  if "${root[@]}" timeout 60 podman pull --quiet "$name" > /dev/null 2>&1; then return; fi
  # What an earlier try has left is not whole.
  "${root[@]}" rm -rf "$folder"
  "${root[@]}" debootstrap --variant=minbase "$1" "$folder" > "$storage/debootstrap.log" 2>&1 &&
    "${root[@]}" tar -C "$folder" -c . | container import --quiet - "$name" > /dev/null || return 1
  "${root[@]}" rm -rf "$folder"
}

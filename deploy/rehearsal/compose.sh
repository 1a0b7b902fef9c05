# shellcheck shell=bash disable=SC2034,SC2154 # Variables are shared with those who source this.
# several-servers.yaml: two servers of the site on one PostgreSQL, through PgBouncer, with a replica. It is sourced.

# Images that the compose file names: from their registry, or made here with Debian's programs.
compose_images() {
  local image
  mapfile -t images < <(sed -n 's/^ *image: \(docker\.io.*\)/\1/p' deploy/compose/several-servers.yaml | sort -u)
  for image in "${images[@]}"; do
    if container image exists "$image" || "${root[@]}" timeout 120 podman pull --quiet "$image" > /dev/null 2>&1; then continue; fi
    if ! container image exists localhost/parts; then
      base_image trixie || failed "there is no image of Debian trixie: $(tail -n 1 "$storage/debootstrap.log")"
      build_image --file deploy/rehearsal/Containerfile.parts --tag localhost/parts deploy/rehearsal
    fi
    container tag localhost/parts "$image"
    echo "   $image: no registry gives it, so Debian's programs take its place"
  done
}

several_servers() {
  local compose=/root/compose/deploy/compose number
  heading "several-servers.yaml"
  began=$SECONDS
  container save --quiet --multi-image-archive "${images[@]}" | in_server podman load --quiet > /dev/null
  echo "   images in $((SECONDS - began)) s"
  in_server mkdir -p /root/compose
  tar -c --exclude=secrets --exclude=.env deploy/compose | in_server tar --no-same-owner -C /root/compose -x
  in_server install /dev/stdin /usr/local/bin/podman-compose < "$(podman_compose_source)"
  # A certificate of the door's own authority, as nobody can order one for it.
  in_server sh -exc "cd $compose && sed -i 's/^      - reverse-proxy/&\n      - --internal-certs/' several-servers.yaml && cp example.env .env &&
    sed -i 's#^SITE_IMAGE=.*#SITE_IMAGE=localhost/vestibule-production:1.1.0#; s/^DOMAIN=.*/DOMAIN=several.rehearsal.test/' .env &&
    ./make-secrets" 2> /dev/null
  compose() { in_server sh -c "cd $compose && python3 /usr/local/bin/podman-compose -f several-servers.yaml $*" > "$work/compose.log" 2>&1 ||
    failed "podman-compose $*: $(tail -n 20 "$work/compose.log")"; }
  # Podman before 4.6 waits for nobody, so one does that oneself (deploy/compose/README.md).
  compose up -d production-database
  until_it_works 60 in_server podman exec compose_production-database_1 pg_isready --username=vestibule --dbname=vestibule --host=127.0.0.1
  compose up -d --no-deps migrate
  [ "$(in_server podman wait compose_migrate_1)" = 0 ] || failed "the schema could not be made"
  compose up -d --no-deps pgbouncer replica site-1 site-2 door
  for number in 1 2; do
    until_it_works 60 in_server podman exec "compose_site-${number}_1" /usr/local/bin/site health
  done
  in_server podman exec -i compose_site-1_1 /usr/local/bin/site user add "$email" --name Ann --confirmed < "$work/reader/password-file"
  in_server podman exec compose_door_1 cat /data/caddy/pki/authorities/local/root.crt > "$work/door.pem"
  trusted=$work/door.pem
  begin_visits several
  end_visits "two servers served"
  visitors several.rehearsal.test check < "$work/written-several" || failed "data is missing behind two servers"
  for number in 1 2; do
    [ "$(in_server podman logs "compose_site-${number}_1" 2>&1 | grep -c '/api/notes')" -gt 5 ] || failed "site-$number served nobody"
  done
  notes() { in_server podman exec "compose_$1_1" psql --username=vestibule --dbname=vestibule -tAc 'SELECT count(*) FROM notes'; }
  # A replica answers only once it has heard which transactions are open, which a primary tells every 15 s.
  # shellcheck disable=SC2016 # What until_it_works asks again and again.
  until_it_works 60 eval '[ "$(notes replica)" = "$(notes production-database)" ]'
  echo "   both servers served, and the replica has $(notes replica) notes"
  compose down --volumes
  echo "   in $((SECONDS - began)) s"
}

# The program as PyPI has it; deploy/check says which one.
podman_compose_source() {
  local version folder
  version=$(sed -n 's/^PODMAN_COMPOSE=//p' deploy/check)
  folder=target/check-deploy/podman-compose-$version
  if [ ! -x "$folder/bin/podman-compose" ]; then
    python3 -m venv --clear "$folder" && "$folder/bin/pip" --quiet --disable-pip-version-check install "podman-compose==$version" >&2
  fi
  find "$folder/lib" -name podman_compose.py
}

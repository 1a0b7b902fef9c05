# shellcheck shell=bash disable=SC2034,SC2154 # Variables are shared with those who source this.
# vestibule.service: the site as one service, with TLS of its own, and the timer of its backups. It is sourced.

# Commands that a comment of this form gives: `#   COMMAND   # remark`.
commands_in() { sed -n 's/^#   //p' "$1" | sed 's/ \{2,\}# .*//'; } # FILE

one_service() {
  heading "vestibule.service, as its own comment says"
  in_server sh -c "systemctl stop caddy 'vestibule-*' && mkdir -p /root/site"
  tar -c deploy/systemd | in_server tar --no-same-owner -C /root/site -x
  in_server install /dev/stdin /root/site/site < "$work/1.1.0/site"
  commands_in deploy/systemd/vestibule.service > "$work/commands"
  head -n -1 "$work/commands" | in_server sh -exc 'cd /root/site && . /dev/stdin' 2>&1 | sed 's/^+ /   # /'
  in_server sh -c 'cat > /etc/vestibule.env' << END
VESTIBULE_PUBLIC_URL=https://plain.rehearsal.test
VESTIBULE_TLS=acme
VESTIBULE_LISTEN=0.0.0.0:443
VESTIBULE_LISTEN_HTTP=0.0.0.0:80
VESTIBULE_ACME_DIRECTORY=$acme_directory
VESTIBULE_ACME_ROOT=$acme_root
END
  tail -n 1 "$work/commands" | in_server sh -e
  until_it_works 60 answers plain
  # What systemd says of the unit that runs: 0 is shut, 10 is open. The bound is that of deploy/check.
  in_server systemd-analyze security --no-pager --threshold="$(sed -n 's/^EXPOSURE=//p' deploy/check)" vestibule > "$work/security" ||
    failed "vestibule.service is too open: $(cat "$work/security")"
  tail -n 1 "$work/security"
  as_the_service user add "$email" --name Ann --confirmed < "$work/reader/password-file"
  begin_visits plain
  end_visits "one service served"
  in_server pkill -KILL -x site
  until_it_works 30 answers plain
  visitors plain.rehearsal.test check < "$work/written-plain" || failed "data is missing after kill -9 of the service"

  in_server sh -exc 'cd /root/site && cp deploy/systemd/vestibule-backup.* /etc/systemd/system/
    install -d -m 700 -o vestibule -g vestibule /var/backups/site
    mkdir -p /run/systemd/system/vestibule-backup.timer.d
    printf "[Timer]\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=100ms\n" > /run/systemd/system/vestibule-backup.timer.d/now.conf
    systemctl daemon-reload && systemctl enable --quiet --now vestibule-backup.timer' 2> /dev/null
  until_it_works 30 in_server sh -c 'ls /var/backups/site/site-*.backup.tar.gz'
  as_the_service restore --check "$(in_server sh -c 'ls /var/backups/site/site-*.backup.tar.gz' | head -n 1)"
  in_server systemctl stop vestibule vestibule-backup.timer
}

as_the_service() { # ARGUMENT...
  # shellcheck disable=SC2016 # For the shell of the server.
  in_server sh -c 'cd /srv/site && set -a && . /etc/vestibule.env && VESTIBULE_SECRET_KEY=$(cat /etc/vestibule.secret-key) &&
    exec runuser -u vestibule -- /usr/local/bin/site "$@"' sh "$@"
}

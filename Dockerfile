# syntax=docker/dockerfile:1
# The website as an image: the program, the libraries that it needs, the certificates of authorities, and nothing else.
#
#   docker build --tag site:1.0.0 .                                                # compiles
#   docker build --tag site:1.0.0 --build-context program=target/release .         # takes a program that is built
#
# It serves on port 3000 and keeps its data in the volume /data. It needs no other place to write to:
#   docker run --read-only --volume site:/data --publish 127.0.0.1:3000:3000 site:1.0.0
ARG DEBIAN=bookworm

# With --build-context program=FOLDER the program is taken from there. It must not need a newer libc than Debian's here.
FROM docker.io/library/rust:1.95-${DEBIAN} AS program
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package site && install target/release/site /site

# Puts together what the last stage takes over.
FROM docker.io/library/debian:${DEBIAN}-slim AS assembled
RUN apt-get -q update && apt-get -q install -y --no-install-recommends ca-certificates
COPY --from=program /site /image/usr/local/bin/site
RUN set -e; \
    for library in $(ldd /image/usr/local/bin/site | grep -o '/[^ ]*'); do install -D "$library" "/image$library"; done; \
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt; \
    echo 'site:x:65532:65532:site:/data:/' > /image/etc/passwd; \
    echo 'site:x:65532:' > /image/etc/group; \
    echo 'hosts: files dns' > /image/etc/nsswitch.conf; \
    install -d -m 1777 /image/tmp; \
    install -d -m 700 -o 65532 -g 65532 /image/data

FROM scratch
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG SOURCE=https://example.com/vestibule
LABEL org.opencontainers.image.title="site" \
      org.opencontainers.image.description="A website with accounts" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=assembled /image/ /
ENV VESTIBULE_LISTEN=0.0.0.0:3000 \
    VESTIBULE_LOG_FORMAT=json
# The embedded database is data/vestibule.db, unless a setting says otherwise.
WORKDIR /
VOLUME /data
USER 65532:65532
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s --retries=3 CMD ["/usr/local/bin/site", "health"]
ENTRYPOINT ["/usr/local/bin/site"]
CMD ["serve"]

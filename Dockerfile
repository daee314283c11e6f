# One static binary on `scratch`.
#
# GitHub's runner builds this with a bare `docker build`, act and Forgejo through the classic builder: no
# build arguments, no BuildKit-only syntax. A release passes the arguments and is reproducible, see
# .github/scripts/build-image.

# Another builder image is `--build-arg RUST_IMAGE=`. The one that is pinned has a `FROM` of its own, because
# Dependabot reads an image there and nowhere else. The digest is that of the multi-platform index, so it
# serves amd64 and arm64.
ARG RUST_IMAGE=pinned
FROM rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS pinned
FROM ${RUST_IMAGE} AS builder

SHELL ["/bin/bash", "-o", "errexit", "-o", "pipefail", "-c"]
WORKDIR /build

# Writes the list of crates into the binary (2 kB), so that scanners and our SBOM read what was really
# linked. It compiles in some 20 s, once per builder image.
COPY .ci/cargo/Cargo.toml tools.toml
RUN version="$(sed -n 's/^cargo-auditable = "=\(.*\)"$/\1/p' tools.toml)" \
 && cargo install cargo-auditable --version "$version" --locked --root /usr/local

# crt-static: libc goes into the binary, for `scratch` has none. pack-relative-relocs: those of a binary that runs
# at any address are all alike, and 0.14 MB; a linker that cannot pack them says so and goes on. remap: no path of
# the builder in panic messages.
ENV RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs --remap-path-prefix=/build=. --remap-path-prefix=/usr/local/cargo=cargo" \
    CARGO_INCREMENTAL=0

# The crates, in a layer of their own that lasts as long as Cargo.lock does. Of Cargo.toml only what is linked
# is kept: tests and benches are not here, and what they want of a crate is not to be recorded as ours. That may
# take packages out of Cargo.lock, but put none in. An empty `main` stands in for ours and is cleaned away again,
# because cargo goes by modification times, and those of a checkout may be older than the stand-in's.
# `--target` keeps RUSTFLAGS away from proc macros, which cannot be static.
COPY Cargo.toml Cargo.lock ./
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
 && mv Cargo.toml whole.toml \
 && awk '/^\[/ { skip = /dev-dependencies/ || /^\[\[(test|bench|example)\]\]/ } !skip' whole.toml > Cargo.toml \
 && mkdir src \
 && touch src/lib.rs \
 && echo 'fn main() {}' > src/main.rs \
 && cp Cargo.lock committed.lock \
 && cargo fetch --target "$target" \
 && { ! diff committed.lock Cargo.lock | grep '^> checksum'; } \
 && cargo auditable build --release --locked --target "$target" \
 && cargo clean --release --target "$target" --package sofy-schedule-run

# What is linked besides crates, and the CA bundle, where scanners and our SBOM look for packages of Debian's in an
# image that has no package manager; and the licences of it all.
COPY LICENSE ./
COPY .github/scripts/notices .github/scripts/notices
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
 && mkdir -p /image/etc /image/licenses /image/var/lib/dpkg/status.d \
 && cp LICENSE /image/licenses/ \
 && .github/scripts/notices "$target" | gzip -9 --no-name > /image/licenses/THIRD-PARTY-NOTICES.txt.gz \
 && cp --dereference /etc/os-release /image/etc/ \
 && for library in libc.a libgcc_eh.a; do realpath "$(gcc -print-file-name="$library")"; done > linked \
 && packages="$(xargs dpkg-query --search < linked | cut -d : -f 1) ca-certificates" \
 && for package in $packages; do \
      dpkg-query --status "$package" > "/image/var/lib/dpkg/status.d/$package"; \
    done

COPY src src
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
 && cargo auditable build --release --locked --target "$target" \
 && install -D --mode=0755 "target/$target/release/sofy-schedule-run" /image/sofy-schedule-run \
 # The post step is the same binary by another name.
 && ln --symbolic sofy-schedule-run /image/abort-unfinished \
 && install -D --mode=0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
 # The time of the build must not show: one fixed time on every file and folder, whichever builder copies them.
 && find /image -exec touch --no-dereference --date=@0 {} +

FROM scratch

# Files and folders in one go, so that the folders keep their modification times too.
COPY --from=builder /image/ /

# From the release only: the owner of the repository is known there and nowhere else.
ARG SOURCE=""
ARG REVISION=""
ARG VERSION="unreleased"
LABEL org.opencontainers.image.title="Sofy Schedule Run" \
      org.opencontainers.image.description="Triggers a Sofy schedule, waits for it, reports every test run, and fails unless the tests passed" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"

# No USER: the runner's files belong to a user whose number is not known before the start, and GitHub
# supports root only. The binary opens what needs root, then gives root up itself, before its first connection.
ENTRYPOINT ["/sofy-schedule-run"]

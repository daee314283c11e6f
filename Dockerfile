# One static binary on `scratch`.
#
# GitHub's runner builds this with a bare `docker build`, act and Forgejo through the classic builder: no
# build arguments, no BuildKit-only syntax. A release passes the arguments and is reproducible, see
# .github/scripts/build-image.

# The digest is that of the multi-platform index, so it serves amd64 and arm64.
ARG RUST_IMAGE=rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082

FROM ${RUST_IMAGE} AS builder

SHELL ["/bin/bash", "-o", "errexit", "-o", "pipefail", "-c"]
WORKDIR /build

# Writes the list of crates into the binary (4 kB), so that scanners and our SBOM read what was really
# linked. It compiles in some 20 s, once per builder image.
RUN cargo install cargo-auditable --version 0.7.7 --locked --root /usr/local

# crt-static: `scratch` has no libc. remap: no path of the builder in panic messages.
ENV RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=/build=. --remap-path-prefix=/usr/local/cargo=cargo" \
    CARGO_INCREMENTAL=0

# The crates, in a layer of their own that lasts as long as Cargo.lock does. An empty `main` stands in for
# ours and is cleaned away again, because cargo goes by modification times, and those of a checkout may be
# older than the stand-in's. The benches, which Cargo.toml names, are never compiled here: for them
# stand-ins stay. `--target` keeps RUSTFLAGS away from proc macros, which cannot be static.
COPY Cargo.toml Cargo.lock ./
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
 && mkdir -p src benches/pace benches/cost \
 && echo 'fn main() {}' | tee src/main.rs benches/pace/main.rs > benches/cost/main.rs \
 && cargo auditable build --release --locked --target "$target" \
 && cargo clean --release --target "$target" --package sofy-schedule-run

COPY src src
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
 && cargo auditable build --release --locked --target "$target" \
 && install -D --mode=0755 "target/$target/release/sofy-schedule-run" /image/sofy-schedule-run \
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
# supports root only. The binary opens what needs root, then becomes the owner of the workspace itself,
# before it opens its first socket.
ENTRYPOINT ["/sofy-schedule-run"]

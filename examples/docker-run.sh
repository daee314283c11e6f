#!/usr/bin/env bash
# Anywhere with Docker: uploads a build, tests it, and fails unless the tests passed.
#
#   SOFY_API_KEY=… docker-run.sh app.apk
#
# Each input of the action is an environment variable: `app-hash` is INPUT_APP_HASH. The outputs are written to a file.
set -euo pipefail
image=ghcr.io/OWNER/REPO:v1.2.3@sha256:… # from the release notes

export INPUT_API_KEY=${SOFY_API_KEY:?} # passed by name below, so that no argument contains it
export INPUT_APP_PATH=$1
export INPUT_SCHEDULE_ID=123e4567-e89b-12d3-a456-426614174000
export INPUT_REQUIRE_APP_HASH=true
export INPUT_JUNIT_PATH=sofy.xml

# `--init` is not needed: the binary handles signals itself, and aborts its run on Ctrl-C.
sofy() {
  docker run --rm --volume "$PWD:/workspace" --workdir /workspace --env GITHUB_OUTPUT=/workspace/sofy-outputs \
    --env INPUT_API_KEY --env INPUT_APP_PATH --env INPUT_SCHEDULE_ID --env INPUT_REQUIRE_APP_HASH \
    --env INPUT_APP_HASH --env INPUT_JUNIT_PATH "$image" "$@"
}

: > sofy-outputs
sofy upload
INPUT_APP_HASH=$(sed -n '/^app-hash<</{n;p}' sofy-outputs)
export INPUT_APP_HASH
sofy gate

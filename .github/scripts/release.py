#!/usr/bin/env python3
"""What a release checks and rewrites, as functions of text, so that it can be tested without a release.

release.py check VERSION           Cargo.toml and CHANGELOG.md both say that VERSION is what is released
release.py notes VERSION IMAGE     prints the release notes: VERSION's part of CHANGELOG.md, and how to pin IMAGE
release.py pin IMAGE               reads action.yml from stdin and prints it with IMAGE for the Dockerfile

VERSION is X.Y.Z. IMAGE is ghcr.io/OWNER/NAME:vX.Y.Z@sha256:DIGEST.
"""

import re
import sys
import tomllib
from pathlib import Path

VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
IMAGE = re.compile(r"ghcr\.io(/[a-z0-9][a-z0-9._-]*){2,}:v" + VERSION.pattern + r"@sha256:[0-9a-f]{64}")
IMAGE_LINE = re.compile(r"""^(?P<start> +image: *)(?P<quote>['"]?)Dockerfile(?P=quote)[ \t]*(#.*)?$""", re.MULTILINE)


class Refused(Exception):
    """The release must not go on; the text says why."""


def check(version: str, cargo_toml: str, changelog: str) -> None:
    """Refuses unless everything that names the version names this one."""
    if not VERSION.fullmatch(version):
        raise Refused(f"{version!r} is not a version of the form X.Y.Z")
    ours = tomllib.loads(cargo_toml)["package"]["version"]
    if ours != version:
        raise Refused(f"Cargo.toml says {ours}, the release {version}")
    section(changelog, version)


def section(changelog: str, version: str) -> str:
    """The text under `## [VERSION] - DATE`, up to the next version or the list of links."""
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d[ \t]*$"
    found = re.findall(rf"{heading}\n(.*?)(?=^## |^\[[^\]]+\]: |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if len(found) != 1:
        raise Refused(f"CHANGELOG.md has {len(found)} headings of the form '## [{version}] - YYYY-MM-DD', not one")
    text = found[0].strip()
    if not text:
        raise Refused(f"CHANGELOG.md says nothing under {version}")
    return text


def pin(action_yml: str, image: str) -> str:
    """Puts the released image where action.yml says `image: Dockerfile`, and changes nothing else."""
    if not IMAGE.fullmatch(image):
        raise Refused(f"{image!r} is not of the form ghcr.io/OWNER/NAME:vX.Y.Z@sha256:DIGEST")
    pinned, count = IMAGE_LINE.subn(lambda line: f"{line['start']}docker://{image}", action_yml)
    if count != 1:
        raise Refused(f"action.yml has {count} lines 'image: Dockerfile', not one")
    return pinned


def notes(changelog: str, version: str, image: str) -> str:
    """The release notes."""
    return f"""{section(changelog, version)}

### Image

```
{image}
```

Signed, with provenance and a bill of materials: README.md says how to verify it.
"""


def main(arguments: list[str]) -> None:
    match arguments:
        case ["check", version]:
            check(version, Path("Cargo.toml").read_text(), Path("CHANGELOG.md").read_text())
        case ["notes", version, image]:
            print(notes(Path("CHANGELOG.md").read_text(), version, image), end="")
        case ["pin", image]:
            sys.stdout.write(pin(sys.stdin.read(), image))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as why:
        sys.exit(f"::error title=Release refused::{why}")

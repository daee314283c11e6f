#!/usr/bin/env python3
"""What a release checks and rewrites, as functions of text, so that it can be tested without a release.

release.py check VERSION REPOSITORY   refuses, with every reason at once, what is not ready to be released as VERSION
release.py notes VERSION IMAGE        prints the release notes: VERSION's part of CHANGELOG.md, and how to pin IMAGE
release.py pin IMAGE                  reads action.yml from stdin, and prints it with IMAGE for the Dockerfile
release.py pin-upload VERSION SUMS    reads upload/action.yml from stdin, and prints it with the digests of SUMS, and with
                                      the server and repository in GITHUB_SERVER_URL and GITHUB_REPOSITORY

VERSION is X.Y.Z, REPOSITORY is OWNER/NAME, IMAGE is ghcr.io/OWNER/NAME:vX.Y.Z@sha256:DIGEST, SUMS the file SHA256SUMS.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
IMAGE = re.compile(r"ghcr\.io(/[a-z0-9][a-z0-9._-]*){2,}:v" + VERSION.pattern + r"@sha256:[0-9a-f]{64}")
IMAGE_LINE = re.compile(r"""^(?P<start> +image: *)(?P<quote>['"]?)Dockerfile(?P=quote)[ \t]*(#.*)?$""", re.MULTILINE)
# Nothing that ends a string of YAML early, and no login.
SERVER = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?")
REPOSITORY = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
PLATFORMS = ["linux-amd64", "linux-arm64", "macos-amd64", "macos-arm64"]

# In two parts, so that whoever replaces it everywhere leaves this line alone.
PLACEHOLDER = "OWNER" + "/REPO"


class Refused(Exception):
    """The release must not go on; each argument is one reason."""


def check(version: str, repository: str, files: dict[str, str]) -> None:
    """Refuses, with every reason at once, unless all that names the version or the repository names this one."""
    if not VERSION.fullmatch(version):
        raise Refused(f"{version!r} is not a version of the form X.Y.Z")
    problems = []
    manifest = tomllib.loads(files["Cargo.toml"])["package"]
    if manifest["version"] != version:
        problems.append(f"Cargo.toml says {manifest['version']}, the release {version}")
    packages = tomllib.loads(files["Cargo.lock"])["package"]
    locked = [package["version"] for package in packages if package["name"] == manifest["name"]]
    if locked != [version]:
        problems.append(f"Cargo.lock says {' and '.join(locked)}, the release {version}: run cargo check, commit it")
    try:
        section(files["CHANGELOG.md"], version)
    except Refused as why:
        problems.extend(why.args)
    if unreleased(files["CHANGELOG.md"]):
        problems.append(f"CHANGELOG.md has lines under Unreleased: move them to '## [{version}] - YYYY-MM-DD'")
    problems.extend(major_of_readme(files["README.md"], version, repository))
    if unnamed := sorted(name for name, text in files.items() if PLACEHOLDER in text):
        problems.append(f"{PLACEHOLDER} stands for the repository's name in {', '.join(unnamed)}: write {repository}")
    if not re.search(r"^[^#\s].*@", files[".github/CODEOWNERS"], re.MULTILINE):
        problems.append(".github/CODEOWNERS names nobody: put a user or team in and take away the #")
    if problems:
        raise Refused(*problems)


def major_of_readme(readme: str, version: str, repository: str) -> list[str]:
    """What is wrong with the tags that README.md tells people to use."""
    name = f"(?:{re.escape(repository)}|{PLACEHOLDER})"
    found = set(re.findall(rf"{name}(?:/[a-z/-]+)?@v(\d+)(?![.\d])", readme, re.IGNORECASE))
    major = version.split(".")[0]
    if not found:
        return [f"README.md has no 'uses: {repository}@v{major}'"]
    return [f"README.md says @v{other}, and {version} moves v{major}" for other in sorted(found - {major})]


def section(changelog: str, version: str) -> str:
    """The text under `## [VERSION] - DATE`, up to the next version or the list of links."""
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d[ \t]*$"
    found = under(changelog, heading)
    if len(found) != 1:
        raise Refused(f"CHANGELOG.md has {len(found)} headings of the form '## [{version}] - YYYY-MM-DD', not one")
    if not found[0]:
        raise Refused(f"CHANGELOG.md says nothing under {version}")
    return found[0]


def unreleased(changelog: str) -> str:
    """The text that waits for a version."""
    return "".join(under(changelog, r"^## \[Unreleased\][ \t]*$"))


def under(changelog: str, heading: str) -> list[str]:
    found = re.findall(rf"{heading}\n(.*?)(?=^## |^\[[^\]]+\]: |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return [text.strip() for text in found]


def pin(action_yml: str, image: str) -> str:
    """Puts the released image where action.yml says `image: Dockerfile`, and changes nothing else."""
    if not IMAGE.fullmatch(image):
        raise Refused(f"{image!r} is not of the form ghcr.io/OWNER/NAME:vX.Y.Z@sha256:DIGEST")
    pinned, count = IMAGE_LINE.subn(lambda line: f"{line['start']}docker://{image}", action_yml)
    if count != 1:
        raise Refused(f"action.yml has {count} lines 'image: Dockerfile', not one")
    return pinned


def pin_upload(action_yml: str, version: str, sums: str, server: str, repository: str) -> str:
    """Fills in what upload/action.yml leaves blank: version, server and repository, and the digests of the binaries."""
    if not VERSION.fullmatch(version):
        raise Refused(f"{version!r} is not a version of the form X.Y.Z")
    if not SERVER.fullmatch(server):
        raise Refused(f"{server!r} is not a server of the form https://HOST")
    if not REPOSITORY.fullmatch(repository):
        raise Refused(f"{repository!r} is not a repository of the form OWNER/NAME")
    values = {"SOFY_RELEASE": version, "SOFY_RELEASE_SERVER": server, "SOFY_RELEASE_REPOSITORY": repository}
    for platform in PLATFORMS:
        name = f"sofy-schedule-run-v{version}-{platform}"
        digests = re.findall(rf"^([0-9a-f]{{64}})  {re.escape(name)}$", sums, re.MULTILINE)
        if len(digests) != 1:
            raise Refused(f"SHA256SUMS has {len(digests)} lines for {name}, not one")
        values[f"SOFY_SHA256_{platform.replace('-', '_').upper()}"] = digests[0]
    for name, value in values.items():
        action_yml, count = re.subn(rf'^( +{name}: )""$', rf'\g<1>"{value}"', action_yml, flags=re.MULTILINE)
        if count != 1:
            raise Refused(f"""upload/action.yml has {count} lines '{name}: ""', not one""")
    return action_yml


def released_at() -> tuple[str, str]:
    """The server and the repository of this release, as a workflow of it knows them."""
    return os.environ.get("GITHUB_SERVER_URL") or "https://github.com", os.environ.get("GITHUB_REPOSITORY", "")


def notes(changelog: str, version: str, image: str) -> str:
    """The release notes."""
    return f"""{section(changelog, version)}

### Image

```
{image}
```

Image and binaries are signed, with provenance and bills of materials: SECURITY.md says how to verify them.
"""


def tracked_files() -> dict[str, str]:
    """The text of what users read and use, and of CODEOWNERS: docs/releasing.md speaks of the placeholder itself."""
    command = ["git", "ls-files", "-z", "--", ".", ":!src", ":!tests", ":!.github", ":!docs/releasing.md"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")[:-1]
    return {name: Path(name).read_text(errors="replace") for name in [*listed, ".github/CODEOWNERS"]}


def main(arguments: list[str]) -> None:
    match arguments:
        case ["check", version, repository]:
            check(version, repository, tracked_files())
        case ["notes", version, image]:
            print(notes(Path("CHANGELOG.md").read_text(), version, image), end="")
        case ["pin", image]:
            sys.stdout.write(pin(sys.stdin.read(), image))
        case ["pin-upload", version, sums]:
            sys.stdout.write(pin_upload(sys.stdin.read(), version, Path(sums).read_text(), *released_at()))
        case _:
            sys.exit(__doc__)


def refusing(main, arguments: list[str]) -> None:
    """Runs a command of a release, and says each reason for which it is refused as an annotation."""
    try:
        main(arguments)
    except Refused as why:
        for reason in why.args:
            print(f"::error title=Release refused::{reason}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    refusing(main, sys.argv[1:])

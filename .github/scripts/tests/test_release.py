"""Tests of release.py: run by .ci/lint, offline, without anything installed."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from release import PLACEHOLDER, Refused, check, notes, pin, pin_upload, section  # noqa: E402

DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = f"ghcr.io/owner/repo.name:v1.2.3@{DIGEST}"

ACTION = """\
name: Sofy Schedule Run
description: The image is built from the Dockerfile
runs:
  using: docker
  image: Dockerfile
"""

UPLOAD = """\
runs:
  steps:
    - env:
        # A release fills these in.
        SOFY_REPOSITORY: ${{ github.repository }}
        SOFY_RELEASE: ""
        SOFY_RELEASE_SERVER: ""
        SOFY_RELEASE_REPOSITORY: ""
        SOFY_SHA256_LINUX_AMD64: ""
        SOFY_SHA256_LINUX_ARM64: ""
        SOFY_SHA256_MACOS_AMD64: ""
        SOFY_SHA256_MACOS_ARM64: ""
"""

HOME = ("https://github.com", "owner/repo.name")

SUMS = f"""\
{"1" * 64}  sofy-schedule-run-v1.2.3-linux-amd64
{"a" * 64}  sofy-schedule-run-v1.2.3-linux-amd64.cdx.json
{"2" * 64}  sofy-schedule-run-v1.2.3-linux-arm64
{"3" * 64}  sofy-schedule-run-v1.2.3-macos-amd64
{"4" * 64}  sofy-schedule-run-v1.2.3-macos-arm64
"""

CARGO = '[package]\nname = "x"\nversion = "1.2.3"\n\n[dependencies]\ny = { version = "9.9.9" }\n'

CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.2.3] - 2026-11-23

### Fixed

- A thing.

## [1.2.2] - 2026-11-01

- Another.

[1.2.3]: https://example.com/1.2.3
"""


class Pin(unittest.TestCase):
    def test_one_line_changes_and_no_other(self):
        before, after = ACTION.splitlines(), pin(ACTION, IMAGE).splitlines()

        changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]

        self.assertEqual(changed, [("  image: Dockerfile", f"  image: docker://{IMAGE}")])

    def test_quotes_and_a_comment_are_replaced_too(self):
        for line in ["'Dockerfile'", '"Dockerfile"', "Dockerfile # built here"]:
            with self.subTest(line):
                pinned = pin(ACTION.replace("image: Dockerfile", f"image: {line}"), IMAGE)

                self.assertTrue(pinned.endswith(f"  image: docker://{IMAGE}\n"))

    def test_what_is_pinned_already_is_refused(self):
        with self.assertRaises(Refused):
            pin(pin(ACTION, IMAGE), IMAGE)

    def test_a_missing_or_a_second_line_is_refused(self):
        for text in ["name: x\n", ACTION + "  image: Dockerfile\n", ACTION.replace("Dockerfile", "other/Dockerfile")]:
            with self.subTest(text), self.assertRaises(Refused):
                pin(text, IMAGE)

    def test_a_malformed_image_is_refused(self):
        for image in [
            f"ghcr.io/owner/repo@{DIGEST}",
            "ghcr.io/owner/repo:v1.2.3",
            f"ghcr.io/owner/repo:v1.2@{DIGEST}",
            f"ghcr.io/owner/repo:v01.2.3@{DIGEST}",
            f"ghcr.io/owner/repo:latest@{DIGEST}",
            f"ghcr.io/Owner/repo:v1.2.3@{DIGEST}",
            f"ghcr.io/repo:v1.2.3@{DIGEST}",
            f"docker.io/owner/repo:v1.2.3@{DIGEST}",
            f"{IMAGE}0",
            IMAGE[:-1],
            IMAGE.replace("sha256", "sha512"),
            f"{IMAGE}\n",
            f" {IMAGE}",
            "",
        ]:
            with self.subTest(image), self.assertRaises(Refused):
                pin(ACTION, image)


class PinUpload(unittest.TestCase):
    def test_version_home_and_digests_are_filled_in_and_nothing_else(self):
        before, after = UPLOAD.splitlines(), pin_upload(UPLOAD, "1.2.3", SUMS, *HOME).splitlines()

        changed = [new.strip() for old, new in zip(before, after, strict=True) if old != new]

        self.assertEqual(
            changed,
            [
                'SOFY_RELEASE: "1.2.3"',
                'SOFY_RELEASE_SERVER: "https://github.com"',
                'SOFY_RELEASE_REPOSITORY: "owner/repo.name"',
                f'SOFY_SHA256_LINUX_AMD64: "{"1" * 64}"',
                f'SOFY_SHA256_LINUX_ARM64: "{"2" * 64}"',
                f'SOFY_SHA256_MACOS_AMD64: "{"3" * 64}"',
                f'SOFY_SHA256_MACOS_ARM64: "{"4" * 64}"',
            ],
        )

    def test_a_line_that_is_missing_doubled_or_filled_in_is_refused(self):
        for line in UPLOAD.splitlines()[5:]:
            name = line.strip().split(":")[0]
            for text in [
                UPLOAD.replace(line + "\n", ""),
                UPLOAD + line + "\n",
                UPLOAD.replace(line, line.replace('""', '"x"')),
                UPLOAD.replace(line, line.replace(' ""', "")),
            ]:
                with self.subTest(text), self.assertRaisesRegex(Refused, f"lines '{name}: "):
                    pin_upload(text, "1.2.3", SUMS, *HOME)

    def test_a_digest_that_is_missing_doubled_or_malformed_is_refused(self):
        line = SUMS.splitlines()[3]
        for text in [
            SUMS.replace(line + "\n", ""),
            SUMS + line + "\n",
            SUMS.replace("3" * 64, "3" * 63),
            SUMS.replace("3" * 64, "Z" * 64),
            SUMS.replace("v1.2.3-macos-amd64", "v1.2.4-macos-amd64"),
        ]:
            with self.subTest(text), self.assertRaisesRegex(Refused, "lines for sofy-schedule-run-v1.2.3-macos-amd64"):
                pin_upload(UPLOAD, "1.2.3", text, *HOME)

    def test_what_is_not_a_version_is_refused(self):
        with self.assertRaisesRegex(Refused, "not a version"):
            pin_upload(UPLOAD, "v1.2.3", SUMS, *HOME)

    def test_what_is_not_a_server_or_a_repository_is_refused(self):
        for server, repository, words in [
            ("", "o/r", "not a server"),
            ("github.com", "o/r", "not a server"),
            ("https://github.com/", "o/r", "not a server"),
            ("https://me:word@github.com", "o/r", "not a server"),
            ('https://x" #', "o/r", "not a server"),
            ("https://github.com\n", "o/r", "not a server"),
            ("https://github.com", "", "not a repository"),
            ("https://github.com", "r", "not a repository"),
            ("https://github.com", "o/r/x", "not a repository"),
            ("https://github.com", 'o/r"', "not a repository"),
        ]:
            with self.subTest((server, repository)), self.assertRaisesRegex(Refused, words):
                pin_upload(UPLOAD, "1.2.3", SUMS, server, repository)

    def test_a_server_of_a_company_is_one(self):
        server = "https://git.example.com:8443"

        self.assertIn(f'SOFY_RELEASE_SERVER: "{server}"', pin_upload(UPLOAD, "1.2.3", SUMS, server, "o/r"))

    def test_our_own_action_can_be_pinned(self):
        root = Path(__file__).resolve().parents[3]

        pin_upload((root / "upload/action.yml").read_text(), "1.2.3", SUMS, *HOME)
        pin((root / "action.yml").read_text(), IMAGE)


class Check(unittest.TestCase):
    FILES = {
        "Cargo.toml": CARGO,
        "Cargo.lock": '[[package]]\nname = "x"\nversion = "1.2.3"\n\n[[package]]\nname = "y"\nversion = "9.9.9"\n',
        "CHANGELOG.md": CHANGELOG,
        "README.md": "uses: me/mine@v1\nuses: me/mine/upload@v1 # v1.2.3\nuses: you/yours@v7\nuses: me/mine@v2.0.0\n",
        ".github/CODEOWNERS": "# who\n*  @me\n",
    }

    def refused(self, reason: str, files: dict[str, str], version: str = "1.2.3") -> None:
        """That exactly this is wrong."""
        with self.assertRaises(Refused) as refused:
            check(version, "me/mine", self.FILES | files)
        self.assertEqual(len(refused.exception.args), 1, refused.exception.args)
        self.assertIn(reason, refused.exception.args[0])

    def test_agreement_passes(self):
        check("1.2.3", "me/mine", self.FILES)
        check("1.2.3", "Me/Mine", self.FILES)

    def test_a_forgotten_version_is_refused(self):
        self.refused("Cargo.toml says 1.2.2", {"Cargo.toml": CARGO.replace("1.2.3", "1.2.2")})

    def test_a_stale_lock_is_refused(self):
        lock = self.FILES["Cargo.lock"].replace("1.2.3", "1.2.2")
        self.refused("Cargo.lock says 1.2.2", {"Cargo.lock": lock})

    def test_a_changelog_without_the_version_is_refused(self):
        self.refused("0 headings", {"CHANGELOG.md": CHANGELOG.replace("## [1.2.3]", "## [1.2.4]")})

    def test_lines_that_stayed_under_unreleased_are_refused(self):
        text = CHANGELOG.replace("## [Unreleased]\n", "## [Unreleased]\n\n- Forgotten.\n")
        self.refused("lines under Unreleased", {"CHANGELOG.md": text})

    def test_a_readme_of_another_major_version_is_refused(self):
        for text, reason in {
            "uses: me/mine@v2": "README.md says @v2, and 1.2.3 moves v1",
            "uses: me/mine@v1\nuses: me/mine/upload@v0": "README.md says @v0",
            "uses: you/yours@v1": "README.md has no 'uses: me/mine@v1'",
            "uses: me/mine@v1.2.3": "README.md has no 'uses: me/mine@v1'",
        }.items():
            with self.subTest(text):
                self.refused(reason, {"README.md": text + "\n"})

    def test_a_placeholder_is_refused_wherever_it_is(self):
        self.refused("in README.md: write me/mine", {"README.md": f"uses: {PLACEHOLDER}@v1\n"})
        self.refused("in a.yml, b.md: write me/mine", {"b.md": f"x {PLACEHOLDER}", "a.yml": f"{PLACEHOLDER}/y"})

    def test_a_placeholder_does_not_hide_another_major_version(self):
        with self.assertRaises(Refused) as refused:
            check("1.2.3", "me/mine", self.FILES | {"README.md": f"uses: {PLACEHOLDER}@v2\n"})
        self.assertIn("README.md says @v2, and 1.2.3 moves v1", refused.exception.args)

    def test_code_owners_without_a_name_are_refused(self):
        for text in ["", "# * @OWNER\n", "/src/\n"]:
            with self.subTest(text):
                self.refused("CODEOWNERS names nobody", {".github/CODEOWNERS": text})

    def test_everything_is_said_at_once(self):
        files = {
            "Cargo.toml": CARGO.replace("1.2.3", "0.1.0"),
            "CHANGELOG.md": "## [Unreleased]\n\n- A thing.\n",
            "README.md": f"uses: {PLACEHOLDER}@v0\n",
            ".github/CODEOWNERS": "",
        }
        with self.assertRaises(Refused) as refused:
            check("1.2.3", "me/mine", self.FILES | files)
        self.assertEqual(len(refused.exception.args), 6)

    def test_what_is_not_a_version_is_refused(self):
        for version in ["v1.2.3", "1.2", "1.2.3-rc.1", "1.2.3\n", "01.2.3", ""]:
            with self.subTest(version):
                self.refused("not a version", {}, version)


class Notes(unittest.TestCase):
    def test_a_section_ends_at_the_next_version(self):
        self.assertEqual(section(CHANGELOG, "1.2.3"), "### Fixed\n\n- A thing.")

    def test_the_last_section_ends_at_the_links(self):
        self.assertEqual(section(CHANGELOG, "1.2.2"), "- Another.")

    def test_dots_are_no_wildcards(self):
        with self.assertRaises(Refused):
            section(CHANGELOG.replace("[1.2.3]", "[1a2a3]"), "1.2.3")

    def test_an_undated_an_empty_and_a_double_section_are_refused(self):
        for text in [
            CHANGELOG.replace(" - 2026-11-23", ""),
            CHANGELOG.replace("### Fixed\n\n- A thing.\n", ""),
            CHANGELOG.replace("[1.2.2]", "[1.2.3]"),
        ]:
            with self.subTest(text), self.assertRaises(Refused):
                section(text, "1.2.3")

    def test_the_notes_name_the_image(self):
        text = notes(CHANGELOG, "1.2.3", IMAGE)

        self.assertTrue(text.startswith("### Fixed"))
        self.assertIn(f"\n{IMAGE}\n", text)


if __name__ == "__main__":
    unittest.main()

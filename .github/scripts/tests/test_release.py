"""Tests of release.py: run by .ci/lint, offline, without anything installed."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from release import Refused, check, notes, pin, section  # noqa: E402

DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = f"ghcr.io/owner/repo.name:v1.2.3@{DIGEST}"

ACTION = """\
name: Sofy Schedule Run
description: The image is built from the Dockerfile
runs:
  using: docker
  image: Dockerfile
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


class Check(unittest.TestCase):
    def test_agreement_passes(self):
        check("1.2.3", CARGO, CHANGELOG)

    def test_another_version_in_cargo_toml_is_refused(self):
        with self.assertRaisesRegex(Refused, "Cargo.toml says 1.2.2"):
            check("1.2.3", CARGO.replace("1.2.3", "1.2.2"), CHANGELOG)

    def test_a_changelog_without_the_version_is_refused(self):
        with self.assertRaisesRegex(Refused, "0 headings"):
            check("1.2.3", CARGO, CHANGELOG.replace("## [1.2.3]", "## [1.2.4]"))

    def test_what_is_not_a_version_is_refused(self):
        for version in ["v1.2.3", "1.2", "1.2.3-rc.1", "1.2.3\n", "01.2.3", ""]:
            with self.subTest(version), self.assertRaisesRegex(Refused, "not a version"):
                check(version, CARGO, CHANGELOG)


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

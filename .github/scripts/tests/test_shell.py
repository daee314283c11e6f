"""Tests of the bash scripts, in throw-away repositories and with stand-ins for the tools that they call."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
DIGEST = "sha256:" + "0123456789abcdef" * 4
ACTION = "name: x\nruns:\n  using: docker\n  image: Dockerfile\n"

# Nothing of the machine's or the caller's git gets in.
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "t",
    "GIT_AUTHOR_EMAIL": "t@example.com",
    "GIT_COMMITTER_NAME": "t",
    "GIT_COMMITTER_EMAIL": "t@example.com",
}


class Scratch(unittest.TestCase):
    def setUp(self):
        self.dir = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def run_in(self, *command: str, **environment: str) -> str:
        done = subprocess.run(
            command, cwd=self.dir, env=ENVIRONMENT | environment, text=True, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout.strip()


class ReleaseCommit(Scratch):
    def setUp(self):
        super().setUp()
        self.git("init", "--quiet", "--initial-branch=main")
        for name, text in {
            "action.yml": ACTION,
            "README.md": "hello\n",
            ".github/workflows/ci.yml": "name: ci\n",
            ".github/dependabot.yml": "version: 2\n",
        }.items():
            (self.dir / name).parent.mkdir(parents=True, exist_ok=True)
            (self.dir / name).write_text(text)
        self.commit("first")

    def git(self, *arguments: str) -> str:
        return self.run_in("git", *arguments)

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def release(self, version: str) -> str:
        return self.run_in(str(SCRIPTS / "release-commit"), version, f"ghcr.io/o/r:v{version}@{DIGEST}")

    def test_only_the_image_differs_and_the_workflows_are_gone(self):
        commit = self.release("1.2.3")

        self.assertEqual(
            self.git("diff", "--name-status", "HEAD", commit).split(),
            ["D", ".github/workflows/ci.yml", "M", "action.yml"],
        )
        self.assertIn(f"image: docker://ghcr.io/o/r:v1.2.3@{DIGEST}", self.git("show", f"{commit}:action.yml"))

    def test_the_first_release_has_one_parent(self):
        commit = self.release("1.2.3")

        self.assertEqual(self.git("log", "-1", "--format=%P", commit), self.git("rev-parse", "HEAD"))

    def test_the_next_release_follows_the_branch_and_the_source(self):
        first = self.release("1.2.3")
        self.git("update-ref", "refs/remotes/origin/releases/v1", first)
        (self.dir / "README.md").write_text("changed\n")
        source = self.commit("second")

        commit = self.release("1.3.0")

        self.assertEqual(self.git("log", "-1", "--format=%P", commit), f"{first} {source}")
        self.assertEqual(self.git("show", f"{commit}:README.md"), "changed")

    def test_another_major_version_does_not_follow_the_branch(self):
        self.git("update-ref", "refs/remotes/origin/releases/v1", self.release("1.2.3"))

        commit = self.release("2.0.0")

        self.assertEqual(self.git("log", "-1", "--format=%P", commit), self.git("rev-parse", "HEAD"))

    def test_work_tree_index_and_branches_stay_as_they_are(self):
        before = self.git("rev-parse", "HEAD")

        self.release("1.2.3")

        self.assertEqual(self.git("status", "--porcelain"), "")
        self.assertEqual(self.git("rev-parse", "main"), before)
        self.assertEqual((self.dir / "action.yml").read_text(), ACTION)

    def test_an_action_that_cannot_be_pinned_stops_it(self):
        (self.dir / "action.yml").write_text("name: x\n")
        self.commit("broken")

        with self.assertRaisesRegex(RuntimeError, "Release refused"):
            self.release("1.2.3")


@unittest.skipUnless(shutil.which("jq"), "jq is not installed")
class Sbom(Scratch):
    def bill(self) -> dict:
        stand_in = self.dir / "auditable2cdx"
        found = {"bomFormat": "CycloneDX", "metadata": {"component": {"purl": "pkg:cargo/x@1&download_url=redacted"}}}
        stand_in.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(found)}\nE\n")
        stand_in.chmod(0o755)
        (self.dir / "binary").write_text("binary")
        path = f"{self.dir}:{ENVIRONMENT['PATH']}"
        return json.loads(self.run_in(str(SCRIPTS / "sbom"), "binary", PATH=path))

    def test_it_has_a_serial_number_that_is_a_uuid(self):
        self.assertRegex(
            self.bill()["serialNumber"],
            re.compile(r"\Aurn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}\Z"),
        )

    def test_the_same_binary_has_the_same_bill(self):
        self.assertEqual(self.bill(), self.bill())

    def test_our_own_address_is_plain(self):
        self.assertEqual(self.bill()["metadata"]["component"]["purl"], "pkg:cargo/x@1")


if __name__ == "__main__":
    unittest.main()

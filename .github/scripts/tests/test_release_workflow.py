"""A release from end to end: the scripts of the steps of release.yml, in a clone with a bare remote.

Left out are the jobs that build and that use what was published, which need GitHub's machines.
"""

import shutil
import subprocess
import unittest

from repository import SUMS, Repository
from scratch import DIGEST, SCRIPTS
from test_release_github import ANSWERS, run
from workflows import jobs, scripts

# The registry: everybody may pull, and a tag is at the digest that it was given.
DOCKER = """\
#!/bin/sh
case "$*" in
  login*) cat > /dev/null ;;
  *"manifest inspect"*) test -e "$RUNNER_TEMP/public" ;;
  *create*) echo "${*##*@}" > "$RUNNER_TEMP/tagged" ;;
  *"imagetools inspect"*) cat "$RUNNER_TEMP/tagged" ;;
  *) exit 9 ;;
esac
"""


def changelog(version: str) -> str:
    return f"# Changelog\n\n## [Unreleased]\n\n## [{version}] - 2026-11-25\n\n- What is new in {version}.\n"


class Walk(Repository):
    def setUp(self):
        super().setUp()
        self.stand_in("docker", DOCKER)
        self.temp = self.github.repository.with_name("temp")
        (self.temp / "assets").mkdir(parents=True)
        (self.temp / "public").touch()
        for script in SCRIPTS.glob("release*"):
            target = self.dir / ".github/scripts" / script.name
            target.parent.mkdir(exist_ok=True)
            shutil.copy(script, target)
        self.write(".github/CODEOWNERS", "* @me\n")
        self.write("README.md", "uses: o/r@v1\n")
        self.prepare("1.0.0")

    def prepare(self, version: str) -> None:
        """What a person does before a release."""
        self.write("Cargo.toml", f'[package]\nname = "x"\nversion = "{version}"\n')
        self.write("Cargo.lock", f'[[package]]\nname = "x"\nversion = "{version}"\n')
        self.write("CHANGELOG.md", changelog(version))
        self.merge(version)

    def merge(self, message: str) -> None:
        self.source = self.push(message)
        passed = f"/commits/{self.source}/check-runs?check_name=all-green"
        self.github.answers = ANSWERS | {passed: {"check_runs": [run("completed", "success")]}}

    def job(self, name: str, version: str, ref: str = "refs/heads/main", **environment: str) -> dict[str, str]:
        """Runs the steps of a job as GitHub does: its outputs, or what was said where a step failed."""
        output = self.temp / "output"
        output.write_text("")
        (self.temp / "assets/SHA256SUMS").write_text(SUMS.replace("{}", version))
        environment = self.environment | environment | {
            "DIGEST": DIGEST,
            "GITHUB_ACTOR": "me",
            "GITHUB_OUTPUT": str(output),
            "GITHUB_REF": ref,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": self.source,
            "IMAGE": "ghcr.io/o/r",
            "RUNNER_TEMP": str(self.temp),
            "TOKEN": "none",
            "VERSION": version,
        }
        failed, said = False, ""
        for step, script in scripts(jobs("release.yml")[name]).items():
            if not failed or step == "GitHub is set up":
                command = ["bash", "-e", "-c", script]
                done = subprocess.run(command, cwd=self.dir, env=environment, capture_output=True, text=True, check=False)
                said += done.stdout + done.stderr
                failed = failed or done.returncode != 0
        if failed:
            raise RuntimeError(said)
        return dict(line.split("=", 1) for line in output.read_text().splitlines())

    def release(self, version: str) -> str:
        self.assertEqual(self.job("check", version), {"image": "ghcr.io/o/r"})
        commit = self.job("publish", version)["commit"]
        self.job("major", version, COMMIT=commit)
        return commit

    def refused(self, version: str, *reasons: str, **how: str) -> None:
        with self.assertRaises(RuntimeError) as refused:
            self.job("check", version, **how)
        found = [line.split("::", 2)[2] for line in str(refused.exception).splitlines() if line.startswith("::error")]
        self.assertEqual(len(found), len(reasons), found)
        for line, reason in zip(found, reasons, strict=True):
            self.assertIn(reason, line)

    def test_a_first_and_a_second_release(self):
        first = self.release("1.0.0")
        self.assertEqual(self.refs()["refs/tags/v1"], first)
        self.assertEqual(self.github.releases["v1.0.0"], {"draft": False, "immutable": True, "files": ["SHA256SUMS"]})
        self.assertIn("- What is new in 1.0.0.", (self.temp / "notes.md").read_text())
        self.prepare("1.1.0")

        second = self.release("1.1.0")

        self.assertEqual(
            self.refs(),
            {
                "refs/heads/main": self.source,
                "refs/heads/releases/v1": second,
                "refs/tags/source/v1.0.0": self.git("rev-parse", "main~1"),
                "refs/tags/source/v1.1.0": self.source,
                "refs/tags/v1": second,
                "refs/tags/v1.0.0": first,
                "refs/tags/v1.1.0": second,
            },
        )
        self.assertIn("@sha256:", self.remote("show", "v1:action.yml"))
        self.assertIn('SOFY_RELEASE: "1.1.0"', self.remote("show", "v1:upload/action.yml"))

    def test_what_was_forgotten_in_the_files_is_refused(self):
        self.refused("1.0.1", "Cargo.toml says 1.0.0", "Cargo.lock says 1.0.0", "has 0 headings")
        for name, text, reason in [
            ("Cargo.lock", '[[package]]\nname = "x"\nversion = "0.9.0"\n', "Cargo.lock says 0.9.0"),
            ("README.md", "uses: o/r@v0\n", "README.md says @v0, and 1.0.0 moves v1"),
            ("README.md", "uses: OWNER" + "/REPO@v1\n", "stands for the repository's name in README.md: write o/r"),
            (".github/CODEOWNERS", "# nobody\n", "CODEOWNERS names nobody"),
        ]:
            good = (self.dir / name).read_text()
            self.write(name, text)
            self.merge(f"broken {name}")

            with self.subTest(name, reason=reason):
                self.refused("1.0.0", reason)
            self.write(name, good)

    def test_what_was_forgotten_on_github_is_refused(self):
        del self.github.answers["/environments/release"]

        self.refused("1.0.0", "no required reviewers", "open to every branch")

    def test_files_and_github_are_looked_at_together(self):
        del self.github.answers["/environments/release"]

        self.refused("1.0.1", "Cargo.toml", "Cargo.lock", "headings", "no required reviewers", "open to every branch")

    def test_another_branch_is_refused(self):
        self.refused("1.0.0", "refs/heads/evil is not main", ref="refs/heads/evil")

    def test_a_commit_whose_ci_failed_is_refused(self):
        path = f"/commits/{self.source}/check-runs?check_name=all-green"
        self.github.answers[path] = {"check_runs": [run("completed", "failure")]}

        self.refused("1.0.0", "all-green says failure")

    def test_a_version_is_released_once(self):
        self.release("1.0.0")

        self.refused("1.0.0", "v1.0.0 is released already")

    def test_a_private_image_stops_the_release_before_anything_is_published(self):
        (self.temp / "public").unlink()
        with self.assertRaisesRegex(RuntimeError, "https://github.com/o/r/pkgs/container/r"):
            self.job("verify", "1.0.0")
        needs = jobs("release.yml")["publish"].split("needs: ")[1].split("\n")[0]

        self.assertIn("verify", needs)

    def test_a_job_that_broke_off_goes_on(self):
        self.github.breaks_at = "release edit"
        with self.assertRaisesRegex(RuntimeError, "HTTP 502"):
            self.job("publish", "1.0.0")
        made = self.refs()["refs/tags/v1.0.0"]
        self.github.breaks_at = ""

        self.assertEqual(self.job("publish", "1.0.0")["commit"], made)


if __name__ == "__main__":
    unittest.main()

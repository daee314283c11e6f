"""Our rules for .github/workflows that no linter knows."""

import re
import unittest

from workflows import FOLDER, WORKFLOWS, jobs


class OneGreenJob(unittest.TestCase):
    def test_it_needs_every_other_job(self):
        ci = jobs("ci.yml")

        needs = re.search(r"^    needs: \[(.*)\]$", ci.pop("all-green"), re.MULTILINE)

        self.assertEqual(needs[1].split(", "), list(ci))

    def test_no_job_that_it_needs_can_be_skipped(self):
        # A job that is skipped is no success, so all-green would be red for good.
        for name, text in jobs("ci.yml").items():
            if name != "all-green":
                with self.subTest(name):
                    self.assertNotRegex(text, r"(?m)^    if:")


class Concurrency(unittest.TestCase):
    def test_only_a_pull_request_is_ever_replaced(self):
        # A group that two commits of main share drops the older one that waits.
        for name, text in WORKFLOWS.items():
            group = re.search(r"^  group: (.*)$", text, re.MULTILINE)[1]
            with self.subTest(name, group=group):
                self.assertIn("github.run_id", group)


class Versions(unittest.TestCase):
    def test_what_records_the_crates_is_the_same_on_every_system(self):
        dockerfile = (FOLDER.parents[1] / "Dockerfile").read_text()

        self.assertIn("COPY .ci/cargo/Cargo.toml tools.toml\n", dockerfile)
        self.assertIn("cargo install cargo-auditable --version \"$version\"", dockerfile)
        self.assertIn(".ci/tools cargo-auditable\n", WORKFLOWS["build.yml"])
        self.assertNotRegex(WORKFLOWS["build.yml"], r"--version [\d.]+ cargo-auditable")


class Verifying(unittest.TestCase):
    def test_every_command_names_the_workflow_and_the_branch(self):
        root, found = FOLDER.parents[1], 0
        # What people are told to type, and what the release types.
        for path in [root / "README.md", root / "SECURITY.md", *root.glob("docs/*.md"), FOLDER / "release.yml"]:
            text = re.sub(r"\\\n\s*", "", path.read_text())
            for command in re.findall(r"^ *(gh attestation verify .*|cosign verify .*)$", text, re.MULTILINE):
                found += 1
                with self.subTest(path.name, command=command):
                    if command.startswith("gh"):
                        self.assertRegex(command, r' --signer-workflow (\S+/workflows/build\.yml|"\$signer") ')
                        self.assertRegex(command, r" --source-ref refs/heads/main\b")
                    else:
                        identity = r" --certificate-identity \S*(/build\.yml|/\$signer)@refs/heads/main\b"
                        self.assertRegex(command, identity)
        self.assertGreaterEqual(found, 6)

    def test_the_release_signs_there_and_starts_there(self):
        self.assertIn("uses: ./.github/workflows/build.yml", jobs("release.yml")["build"])
        self.assertIn("id-token: write", jobs("build.yml")["attest"])
        self.assertRegex(WORKFLOWS["release.yml"], r"(?m)^on:\n  workflow_dispatch:\n(    .*\n)+\npermissions")


class ReleaseJobs(unittest.TestCase):
    # Steps only: a job that calls a workflow has no machine of its own.
    JOBS = {
        f"{workflow}: {name}": text
        for workflow in ["build.yml", "release.yml"]
        for name, text in jobs(workflow).items()
        if "\n    steps:\n" in text and "\n    permissions: {}\n" not in text
    }

    def test_each_records_what_it_talks_to_from_its_first_step(self):
        for name, text in self.JOBS.items():
            with self.subTest(name):
                self.assertRegex(text.split("\n    steps:\n")[1], r"\A      - name: .*\n        uses: step-security/harden-runner@")

    def test_none_that_may_write_compiles_anything(self):
        for name, text in self.JOBS.items():
            if ": write" in text:
                with self.subTest(name):
                    self.assertNotRegex(text, r"\b(cargo|rustup|npm|pip|go install|build-image|docker build|docker buildx build)\b")

    def test_none_that_signs_has_the_repository(self):
        signing = {name: text for name, text in self.JOBS.items() if "id-token: write" in text}

        self.assertTrue(signing)
        for name, text in signing.items():
            with self.subTest(name):
                self.assertNotIn("actions/checkout@", text)

    def test_nothing_is_written_before_a_person_agreed(self):
        release = jobs("release.yml")

        def needed(name: str) -> set[str]:
            found = re.search(r"^    needs: \[(.*)\]$", release[name], re.MULTILINE)
            names = set(found[1].split(", ")) if found else set()
            return names.union(*map(needed, names))

        self.assertIn("\n    environment: release\n", release["approve"])
        for name, text in release.items():
            if ": write" in text:
                with self.subTest(name):
                    self.assertIn("approve", needed(name))

    def test_the_major_tag_moves_last(self):
        release = jobs("release.yml")

        self.assertEqual(list(release)[-2:], ["try", "major"])
        self.assertRegex(release["major"], r"(?m)^    needs: \[.*\btry\b.*\]$")


if __name__ == "__main__":
    unittest.main()

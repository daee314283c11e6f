"""Rules of ours for .github/workflows that no linter knows. They read our lay-out; that it is YAML is checked elsewhere."""

import re
import unittest
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "workflows"


def jobs(text: str) -> dict[str, str]:
    """Each job of a workflow with its text."""
    parts = re.split(r"^  ([a-z][a-z-]*):$", text.split("\njobs:\n")[1], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


WORKFLOWS = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.yml"))}


class OneGreenJob(unittest.TestCase):
    def test_it_needs_every_other_job(self):
        ci = jobs(WORKFLOWS["ci.yml"])

        needs = re.search(r"^    needs: \[(.*)\]$", ci.pop("all-green"), re.MULTILINE)

        self.assertEqual(needs[1].split(", "), list(ci))

    def test_no_job_that_it_needs_can_be_skipped(self):
        # A job that is skipped is no success, so all-green would be red for good.
        for name, text in jobs(WORKFLOWS["ci.yml"]).items():
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


if __name__ == "__main__":
    unittest.main()

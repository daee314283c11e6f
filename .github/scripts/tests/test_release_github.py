"""Tests of release_github.py, with answers in the shape that GitHub documents."""

import copy
import sys
import unittest
from pathlib import Path

from fake_github import GH, FakeGitHub
from scratch import SCRIPTS, Scratch

sys.path.insert(0, str(SCRIPTS))

from release import Refused  # noqa: E402
from release_github import PATIENCE, PAUSE, covers, settings, wait_for_ci  # noqa: E402

REVIEWERS = {"type": "required_reviewers", "reviewers": [{"type": "User", "reviewer": {"login": "me"}}]}
BRANCHES = {"protected_branches": False, "custom_branch_policies": True}


def tag_rules(*types: str, include: list[str], exclude: list[str] = [], enforcement: str = "active", target: str = "tag"):
    return {
        "name": "tags",
        "target": target,
        "enforcement": enforcement,
        "conditions": {"ref_name": {"include": include, "exclude": exclude}},
        "rules": [{"type": name} for name in types],
    }


# A repository that is set up as docs/releasing.md says.
ANSWERS = {
    "": {"private": False},
    "/environments/release": {
        "name": "release",
        "protection_rules": [{"type": "branch_policy"}, REVIEWERS],
        "deployment_branch_policy": BRANCHES,
    },
    "/rules/branches/main": [
        {"type": "deletion"},
        {"type": "non_fast_forward"},
        {"type": "pull_request", "parameters": {"required_approving_review_count": 1}},
        {"type": "required_status_checks", "parameters": {"required_status_checks": [{"context": "all-green"}]}},
        {"type": "code_scanning", "parameters": {"code_scanning_tools": [{"tool": "CodeQL"}]}},
    ],
    "/rulesets?per_page=100": [{"id": 7, "name": "tags", "target": "tag"}, {"id": 8, "name": "main", "target": "branch"}],
    "/rulesets/7": tag_rules("update", "deletion", include=["refs/tags/v*.*.*", "refs/tags/source/v*"]),
    "/rulesets/8": tag_rules("update", include=["~DEFAULT_BRANCH"], target="branch"),
    "/immutable-releases": {"enabled": True, "enforced_by_owner": False},
    "/private-vulnerability-reporting": {"enabled": True},
    "/codeowners/errors": {"errors": []},
}


class Settings(unittest.TestCase):
    def look(self, changed: dict[str, object]) -> tuple[list[str], list[str]]:
        """The problems, and what could not be seen. A number among the answers is a status."""
        answers = ANSWERS | changed

        def ask(path: str):
            answer = answers[path.removeprefix("repos/me/mine")]
            return (answer, None) if isinstance(answer, int) else (200, copy.deepcopy(answer))

        try:
            return [], settings(ask, "me/mine", "1")
        except Refused as why:
            return list(why.args), []

    def test_a_repository_that_is_set_up_passes(self):
        self.assertEqual(self.look({}), ([], []))

    def test_what_is_missing_is_said_with_its_place(self):
        environment = ANSWERS["/environments/release"]
        rules = ANSWERS["/rules/branches/main"]
        v, source = "refs/tags/v*.*.*", "refs/tags/source/v*"
        both = [v, source]
        cases = [
            ("a private repository", {"": {"private": True}}, ["is private"]),
            ("no environment", {"/environments/release": 404}, ["no required reviewers", "open to every branch"]),
            (
                "an environment that a job made by naming it",
                {"/environments/release": {"protection_rules": [], "deployment_branch_policy": None}},
                ["no required reviewers", "open to every branch"],
            ),
            (
                "a wait timer is no reviewer",
                {"/environments/release": environment | {"protection_rules": [{"type": "wait_timer", "wait_timer": 30}]}},
                ["no required reviewers"],
            ),
            (
                "reviewers who were all removed",
                {"/environments/release": environment | {"protection_rules": [REVIEWERS | {"reviewers": []}]}},
                ["no required reviewers"],
            ),
            ("no rules of main", {"/rules/branches/main": []}, ["a pull request", "force pushes", "all-green", "CodeQL"]),
            ("another check is required", {"/rules/branches/main": rules[:3] + rules[4:]}, ["the check all-green"]),
            ("no scan is required", {"/rules/branches/main": rules[:4]}, ["results of CodeQL"]),
            ("no rules of tags", {"/rulesets?per_page=100": []}, ["Tags such as v1.2.3", "Tags such as source/v1.2.3"]),
            (
                "rules of branches hold no tag",
                {"/rulesets/7": tag_rules("update", "deletion", include=["~ALL"], target="branch")},
                ["v1.2.3", "source/v1.2.3"],
            ),
            ("deletion is allowed", {"/rulesets/7": tag_rules("update", include=both)}, ["v1.2.3", "source/v1.2.3"]),
            ("moving is allowed", {"/rulesets/7": tag_rules("deletion", include=both)}, ["v1.2.3", "source/v1.2.3"]),
            ("only tried out", {"/rulesets/7": tag_rules("update", "deletion", include=both, enforcement="evaluate")}, ["v1", "s"]),
            ("one kind is left out", {"/rulesets/7": tag_rules("update", "deletion", include=[v])}, ["source/v1.2.3"]),
            ("one is excluded", {"/rulesets/7": tag_rules("update", "deletion", include=both, exclude=[source])}, ["source/"]),
            ("all tags stand still", {"/rulesets/7": tag_rules("update", "deletion", include=["~ALL"])}, ["forbids to move v1"]),
            ("releases can be changed", {"/immutable-releases": 404}, ["enable release immutability"]),
            ("releases can be changed", {"/immutable-releases": {"enabled": False}}, ["enable release immutability"]),
            ("no private reports", {"/private-vulnerability-reporting": {"enabled": False}}, ["security_analysis"]),
            ("no code owners", {"/codeowners/errors": 404}, ["no such file"]),
            (
                "an owner without access",
                {"/codeowners/errors": {"errors": [{"line": 5, "kind": "Unknown owner"}]}},
                ["line 5 of CODEOWNERS: Unknown owner"],
            ),
            ("GitHub is down", {"": 502}, ["run the job again"]),
            ("GitHub is silent", {"/environments/release": 0}, ["run the job again"]),
            ("the environment is hidden", {"/environments/release": 403}, ["about the environment release (403)"]),
            ("the rules of tags are hidden", {"/rulesets?per_page=100": 403}, ["rules of tags (403)"]),
            ("one ruleset is hidden", {"/rulesets/7": 403}, ["rules of tags (403)"]),
        ]
        for reason, changed, expected in cases:
            with self.subTest(reason):
                problems, _ = self.look(changed)

                self.assertEqual(len(problems), len(expected), problems)
                for problem, text in zip(problems, expected, strict=True):
                    self.assertIn(text, problem)

    def test_what_the_token_may_not_see_is_not_taken_for_set(self):
        self.assertEqual(self.look({"/immutable-releases": 403}), ([], ["immutable releases"]))

    def test_everything_is_said_at_once(self):
        problems, _ = self.look({"": {"private": True}, "/environments/release": 404, "/codeowners/errors": 404})

        self.assertEqual(len(problems), 4)


class Patterns(unittest.TestCase):
    def test_they_match_as_github_does(self):
        for pattern, ref, matches in [
            ("refs/tags/v*.*.*", "refs/tags/v1.2.3", True),
            ("refs/tags/v*.*.*", "refs/tags/v1", False),
            ("refs/tags/v*", "refs/tags/v1", True),
            ("refs/tags/*", "refs/tags/source/v1.2.3", False),
            ("refs/tags/**", "refs/tags/source/v1.2.3", True),
            ("refs/tags/**/*", "refs/tags/source/v1.2.3", True),
            ("refs/tags/v?", "refs/tags/v1", True),
            ("refs/tags/v1.2.3", "refs/tags/v1x2x3", False),
            ("~ALL", "refs/tags/v1", True),
        ]:
            with self.subTest(pattern=pattern, ref=ref):
                self.assertEqual(covers(pattern, ref), matches)


def run(status: str, conclusion: str | None = None, app: str = "github-actions"):
    return {"status": status, "conclusion": conclusion, "app": {"slug": app}}


class Ci(unittest.TestCase):
    def wait(self, *looks: object) -> int:
        """How long it waited, in seconds. The last answer repeats forever."""
        now, left = [0], list(looks)

        def ask(_path: str):
            look = left.pop(0) if len(left) > 1 else left[0]
            return (look, None) if isinstance(look, int) else (200, {"check_runs": look})

        def sleep(seconds: int) -> None:
            now[0] += seconds

        wait_for_ci(ask, "me/mine", "c0ffee", lambda: now[0], sleep)
        return now[0]

    def test_a_commit_that_passed_is_released_at_once(self):
        self.assertEqual(self.wait([run("completed", "success")]), 0)

    def test_right_after_the_merge_it_waits(self):
        looks = [[], [run("queued")], [run("in_progress")], [run("completed", "success")]]

        self.assertEqual(self.wait(*looks), 3 * PAUSE)

    def test_an_outage_is_outlived(self):
        self.assertEqual(self.wait(502, 0, 429, [run("completed", "success")]), 3 * PAUSE)

    def test_it_waits_for_a_second_run_of_the_same_commit(self):
        passed = run("completed", "success")

        self.assertEqual(self.wait([passed, run("in_progress")], [passed, passed]), PAUSE)

    def test_whatever_did_not_pass_is_refused(self):
        for conclusion in ["failure", "cancelled", "skipped", "timed_out", "neutral"]:
            with self.subTest(conclusion), self.assertRaisesRegex(Refused, f"all-green says {conclusion}"):
                self.wait([run("completed", "success"), run("completed", conclusion)])

    def test_a_check_of_that_name_by_another_app_does_not_count(self):
        with self.assertRaisesRegex(Refused, "has not ended"):
            self.wait([run("completed", "success", app="somebody")])

    def test_waiting_is_bounded(self):
        with self.assertRaisesRegex(Refused, f"after {PATIENCE // 60} minutes"):
            self.wait([run("in_progress")])

    def test_a_refusal_ends_it(self):
        with self.assertRaisesRegex(Refused, "does not say whether CI passed .403."):
            self.wait(403)


class Program(Scratch):
    """The same through `gh`."""

    def setUp(self):
        super().setUp()
        self.github = FakeGitHub(Path("unused"))
        self.github.answers = {path: answer for path, answer in ANSWERS.items()}
        server = self.github.serve()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.environment["FAKE_GITHUB"] = f"http://127.0.0.1:{server.server_port}"
        self.stand_in("gh", GH)

    def script(self, *arguments: str) -> str:
        return self.run_in(str(SCRIPTS / "release_github.py"), *arguments)

    def test_what_gh_says_is_understood(self):
        self.github.answers["/immutable-releases"] = 403
        said = self.script("settings", "o/r", "1")
        self.assertIn("::notice title=Not checked::A workflow may not look at immutable releases", said)

        del self.github.answers["/environments/release"]
        with self.assertRaisesRegex(RuntimeError, "::error title=Release refused::The environment release has no"):
            self.script("settings", "o/r", "1")

        self.github.answers["/commits/c0ffee/check-runs?check_name=all-green"] = {"check_runs": [run("completed", "failure")]}
        with self.assertRaisesRegex(RuntimeError, "CI did not pass for c0ffee: all-green says failure"):
            self.script("ci", "o/r", "c0ffee")


if __name__ == "__main__":
    unittest.main()

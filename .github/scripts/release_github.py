#!/usr/bin/env python3
"""What GitHub must say before a release: the settings of the checklist in docs/releasing.md, and that CI passed.

release_github.py settings REPOSITORY MAJOR   refuses, with every reason at once, where a setting is missing
release_github.py ci REPOSITORY COMMIT        waits until `all-green` has ended, and refuses unless it passed

REPOSITORY is OWNER/NAME, MAJOR the first part of the version. It asks with `gh api`, as whoever GH_TOKEN is.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from release import Refused, refusing

# CI takes some 25 minutes, and twice that where runners are scarce. Longer would only hide that it never began.
PATIENCE = 60 * 60
# A look costs one of the 1,000 calls that a repository's token has in an hour.
PAUSE = 30

# The answer to a call: HTTP status and what was said, None where there is no such thing. Status 0: no answer.
Ask = Callable[[str], tuple[int, Any]]


def ask(path: str) -> tuple[int, Any]:
    done = subprocess.run(["gh", "api", path], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return 200, json.loads(done.stdout)
    status = re.search(r"\(HTTP (\d{3})\)", done.stderr)
    return int(status[1]) if status else 0, None


def settings(ask: Ask, repository: str, major: str) -> list[str]:
    """Refuses where a setting is missing. Returns what this token may not look at."""
    problems: list[str] = []
    unseen: list[str] = []
    page = f"https://github.com/{repository}/settings"
    for path, what, judge in LOOKS:
        status, answer = ask(f"repos/{repository}{path}")
        match status:
            case 200 | 404:
                problems.extend(judge(answer, page))
            case 403 if path in HIDDEN:
                unseen.append(what)
            case _:
                problems.append(f"GitHub did not answer about {what} ({status}): run the job again")
    problems.extend(tags(ask, repository, major, page))
    if problems:
        raise Refused(*problems)
    return unseen


def public(answer: Any, page: str) -> list[str]:
    hidden = answer is None or answer["private"]
    return [f"The repository is private, so nobody could use the action: make it public, at {page}"] * hidden


def environment(answer: Any, page: str) -> list[str]:
    # GitHub creates an environment that does not exist when a job names it, and protects it with nothing.
    answer = answer or {"protection_rules": [], "deployment_branch_policy": None}
    reviewers = [reviewer for rule in answer["protection_rules"] for reviewer in rule.get("reviewers", [])]
    found = []
    if not reviewers:
        found.append("The environment release has no required reviewers, so nobody would be asked: add them")
    if answer["deployment_branch_policy"] is None:
        found.append("The environment release is open to every branch: allow main only")
    return [f"{problem}, at {page}/environments" for problem in found]


def main_branch(answer: Any, page: str) -> list[str]:
    rules = {rule["type"]: rule.get("parameters", {}) for rule in answer or []}
    checks = [check["context"] for check in rules.get("required_status_checks", {}).get("required_status_checks", [])]
    tools = [tool["tool"] for tool in rules.get("code_scanning", {}).get("code_scanning_tools", [])]
    missing = {
        "requires a pull request": "pull_request" not in rules,
        "blocks force pushes": "non_fast_forward" not in rules,
        "requires the check all-green": "all-green" not in checks,
        "requires code scanning results of CodeQL": "CodeQL" not in tools,
    }
    return [f"No ruleset of main {rule}: add it, at {page}/rules" for rule, is_missing in missing.items() if is_missing]


def immutable_releases(answer: Any, page: str) -> list[str]:
    on = answer is not None and answer["enabled"]
    return [f"Releases could be changed afterwards: enable release immutability, at {page}"] * (not on)


def private_reporting(answer: Any, page: str) -> list[str]:
    on = answer is not None and answer["enabled"]
    return [f"SECURITY.md promises private vulnerability reporting: enable it, at {page}/security_analysis"] * (not on)


def code_owners(answer: Any, _page: str) -> list[str]:
    errors = [{"line": 0, "kind": "no such file"}] if answer is None else answer["errors"]
    return [f"GitHub cannot use line {error['line']} of CODEOWNERS: {error['kind']}" for error in errors]


# What only an administrator may look at. Anything else that is hidden is a reason to refuse.
HIDDEN = {"/immutable-releases", "/private-vulnerability-reporting"}

LOOKS: list[tuple[str, str, Callable[[Any, str], list[str]]]] = [
    ("", "the repository", public),
    ("/environments/release", "the environment release", environment),
    ("/rules/branches/main", "the rules of main", main_branch),
    ("/immutable-releases", "immutable releases", immutable_releases),
    ("/private-vulnerability-reporting", "private vulnerability reporting", private_reporting),
    ("/codeowners/errors", "CODEOWNERS", code_owners),
]


def tags(ask: Ask, repository: str, major: str, page: str) -> list[str]:
    """Whether the tags that people pin stand still, and the one that is meant to move may."""
    answers = [ask(f"repos/{repository}/rulesets?per_page=100")]
    answers += [ask(f"repos/{repository}/rulesets/{ruleset['id']}") for ruleset in answers[0][1] or []]
    if unanswered := [status for status, _ in answers if status != 200]:
        return [f"GitHub did not answer about the rules of tags ({unanswered[0]}): run the job again"]
    rulesets = [ruleset for _, ruleset in answers[1:] if ruleset["target"] == "tag"]
    found = [
        f"Tags such as {tag} could be moved or deleted: restrict both in a ruleset, at {page}/rules"
        for tag in ["v1.2.3", "source/v1.2.3"]
        if not {"update", "deletion"} <= rules_of(f"refs/tags/{tag}", rulesets)
    ]
    if {"update", "non_fast_forward"} & rules_of(f"refs/tags/v{major}", rulesets):
        found.append(f"A ruleset forbids to move v{major}, which each release does: leave it out, at {page}/rules")
    return found


def rules_of(ref: str, rulesets: list[dict]) -> set[str]:
    """The types of the rules that are in force for a ref."""
    found: set[str] = set()
    for ruleset in rulesets:
        names = ruleset["conditions"]["ref_name"]
        included = any(covers(pattern, ref) for pattern in names["include"])
        excluded = any(covers(pattern, ref) for pattern in names["exclude"])
        if ruleset["enforcement"] == "active" and included and not excluded:
            found |= {rule["type"] for rule in ruleset["rules"]}
    return found


def covers(pattern: str, ref: str) -> bool:
    """Whether a pattern of a ruleset matches. GitHub's `*` stops at a slash, which fnmatch's does not."""
    if pattern == "~ALL":
        return True
    wild = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    return re.fullmatch("".join(wild.get(part, re.escape(part)) for part in parts), ref) is not None


def pause(seconds: int) -> None:
    print("all-green has not ended; looking again", flush=True)
    time.sleep(seconds)


def wait_for_ci(ask: Ask, repository: str, commit: str, clock=time.monotonic, sleep=pause) -> None:
    """Returns once `all-green` passed for the commit."""
    path = f"repos/{repository}/commits/{commit}/check-runs?check_name=all-green"
    where = f"https://github.com/{repository}/commit/{commit}"
    deadline = clock() + PATIENCE
    while True:
        status, answer = ask(path)
        if 400 <= status < 500 and status != 429:
            raise Refused(f"GitHub does not say whether CI passed ({status}), see {where}")
        # Only the word of GitHub Actions counts: any other app may give a check this name.
        runs = [run for run in answer["check_runs"] if run["app"]["slug"] == "github-actions"] if answer else []
        ended = [run["conclusion"] for run in runs if run["status"] == "completed"]
        if failed := sorted(set(ended) - {"success"}):
            raise Refused(f"CI did not pass for {commit}: all-green says {', '.join(failed)}, see {where}")
        if ended and len(ended) == len(runs):
            return
        if clock() >= deadline:
            raise Refused(f"CI has not ended for {commit} after {PATIENCE // 60} minutes: see {where}, then try again")
        sleep(PAUSE)


def main(arguments: list[str]) -> None:
    match arguments:
        case ["settings", repository, major]:
            for what in settings(ask, repository, major):
                print(f"::notice title=Not checked::A workflow may not look at {what}: see docs/releasing.md")
        case ["ci", repository, commit]:
            wait_for_ci(ask, repository, commit)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    refusing(main, sys.argv[1:])

#!/usr/bin/env python3
"""The commit that users of a release run, and the tags that name it: made by GitHub, so that it signs what it makes.

release_refs.py new VERSION                 refuses unless VERSION is newer than every released one
release_refs.py commit VERSION IMAGE SUMS   makes the release commit of HEAD, its branch and tags, and prints the commit
release_refs.py major VERSION COMMIT        moves the tag of the major version to COMMIT, unless it is at a newer version

VERSION is X.Y.Z, IMAGE is ghcr.io/OWNER/NAME:vX.Y.Z@sha256:DIGEST, SUMS is the file SHA256SUMS. `commit` and `major` can be
run again after they broke off. They need git, GITHUB_REPOSITORY, and `gh` with a token that may write contents.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from release import VERSION, Refused, pin, pin_upload, refusing, released_at


def run(*command: str, stdin: str | None = None, **environment: str) -> str:
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, env=os.environ | environment
    )
    if done.returncode != 0:
        raise Refused(f"{' '.join(command)}: {' '.join((done.stderr or done.stdout).split())}")
    return done.stdout


def call(method: str, path: str, **body: object) -> dict:
    """GitHub's git database, https://docs.github.com/en/rest/git."""
    command = ["gh", "api", "--method", method, f"repos/{os.environ['GITHUB_REPOSITORY']}/git/{path}"]
    return json.loads(run(*command, *["--input", "-"] * bool(body), stdin=json.dumps(body)))


def remote_refs() -> dict[str, str]:
    """What GitHub has now, not what it had when the job began."""
    lines = run("git", "ls-remote", "--heads", "--tags", "origin").splitlines()
    return {ref: commit for commit, ref in (line.split("\t") for line in lines)}


def versions(refs: dict[str, str]) -> dict[tuple[int, ...], str]:
    """The released versions, each with its commit."""
    tags = {re.fullmatch(r"refs/tags/v(" + VERSION.pattern + ")", ref): commit for ref, commit in refs.items()}
    return {number(tag[1]): commit for tag, commit in tags.items() if tag}


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def new(version: str) -> None:
    newest = max(versions(remote_refs()), default=(0, 0, 0))
    if number(version) <= newest:
        raise Refused(f"v{'.'.join(map(str, newest))} is released already, and {version} is not newer")


def commit(version: str, image: str, sums: str) -> str:
    upload = run("git", "show", "HEAD:upload/action.yml")
    contents = {
        "action.yml": pin(run("git", "show", "HEAD:action.yml"), image),
        "upload/action.yml": pin_upload(upload, version, Path(sums).read_text(), *released_at()),
    }
    tree = release_tree(contents)
    refs = remote_refs()
    head = run("git", "rev-parse", "HEAD").strip()
    tag, branch = f"tags/v{version}", f"heads/releases/v{version.split('.')[0]}"
    made = refs.get(f"refs/{tag}")
    if made is None:
        tip = refs.get(f"refs/{branch}")
        made = create_commit(f"Release v{version}", tree, contents, [tip, head] if tip else [head])
        refs = put(tag, made, refs)
    elif call("GET", f"commits/{made}")["tree"]["sha"] != tree:
        raise Refused(f"v{version} exists and is another release: release the next version")
    put(branch, made, refs)
    put(f"tags/source/v{version}", head, refs)
    return made


def release_tree(contents: dict[str, str]) -> str:
    """The tree of HEAD with what is pinned in it. Touches neither the work tree nor the index.

    The workflows are left out: they are of no use there, and a workflow's token may not write workflows.
    """
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": f"{scratch}/index"}
        run("git", "read-tree", "HEAD", **index)
        run("git", "rm", "-r", "--cached", "--quiet", "--ignore-unmatch", ".github/workflows", **index)
        for path, text in contents.items():
            blob = run("git", "hash-object", "-w", "--stdin", stdin=text).strip()
            run("git", "update-index", "--cacheinfo", f"100644,{blob},{path}", **index)
        return run("git", "write-tree", **index).strip()


def create_commit(message: str, tree: str, contents: dict[str, str], parents: list[str]) -> str:
    """GitHub signs a commit that a workflow makes so, as long as no author and no committer are named."""
    entries = []
    for entry in run("git", "ls-tree", "-r", "-z", tree).split("\0")[:-1]:
        about, path = entry.split("\t")
        mode, kind, blob = about.split()
        what = {"content": contents[path]} if path in contents else {"sha": blob}
        entries.append({"path": path, "mode": mode, "type": kind} | what)
    made = call("POST", "trees", tree=entries)["sha"]
    if made != tree:
        raise Refused(f"GitHub made the tree {made}, not {tree}")
    answer = call("POST", "commits", message=message, tree=tree, parents=parents)
    if not answer["verification"]["verified"]:
        raise Refused(f"GitHub did not sign the release commit ({answer['verification']['reason']})")
    return answer["sha"]


def put(ref: str, target: str, refs: dict[str, str], force: bool = False) -> dict[str, str]:
    """Makes a ref where there is none, and moves a branch forward. A tag stays where it is, unless it is meant to move."""
    found = refs.get(f"refs/{ref}")
    if found is None:
        call("POST", "refs", ref=f"refs/{ref}", sha=target)
    elif found != target and (ref.startswith("heads/") or force):
        call("PATCH", f"refs/{ref}", sha=target, force=force)
    elif found != target:
        raise Refused(f"{ref} exists and is at {found}, not at {target}: release the next version")
    return refs | {f"refs/{ref}": target}


def major(version: str, target: str) -> None:
    refs = remote_refs()
    tag = f"v{version.split('.')[0]}"
    there = [v for v, commit in versions(refs).items() if commit == refs.get(f"refs/tags/{tag}")]
    if any(v > number(version) for v in there):
        print(f"{tag} stays at v{'.'.join(map(str, max(there)))}, which is newer")
        return
    put(f"tags/{tag}", target, refs, force=True)


def main(arguments: list[str]) -> None:
    match arguments:
        case ["new", version]:
            new(version)
        case ["commit", version, image, sums]:
            print(commit(version, image, sums))
        case ["major", version, target]:
            major(version, target)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    refusing(main, sys.argv[1:])

"""Plays GitHub for the release scripts: its git database over a bare repository, its releases, and answers that are set.

The scripts call `gh`; ours tells the test what it was called with, and prints and exits as the test says. So a call costs
the start of a shell, and what GitHub has is plain Python in the test.
"""

import http.server
import json
import subprocess
import threading
from pathlib import Path

GH = """\
#!/bin/sh
case " $* " in *" --input "*) body=$(cat) ;; esac
answer=$(printf '%s\\n' "$#" "$@" "$body" | curl --silent --show-error --data-binary @- "$FAKE_GITHUB") || exit 9
status=${answer%%|*}
[ "$status" = 0 ] || { echo "${answer#*|}" >&2; exit "$status"; }
echo "${answer#*|}"
"""


class Failed(Exception):
    """What `gh` says on its standard error; it exits with 1."""


class FakeGitHub:
    def __init__(self, repository: Path):
        self.repository = repository
        self.answers: dict[str, object] = {}
        self.releases: dict[str, dict] = {}
        self.calls: list[str] = []
        self.breaks_at = ""
        self.signs = True
        self.mangles = False
        self.immutable = True

    def serve(self) -> http.server.ThreadingHTTPServer:
        github = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                count, _, text = text.partition("\n")
                *arguments, body = text.split("\n", int(count))
                try:
                    said = "0|" + github.gh(arguments, body)
                except Failed as why:
                    said = f"1|{why}"
                self.send_response(200)
                self.end_headers()
                self.wfile.write(said.encode())

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def gh(self, arguments: list[str], body: str) -> str:
        self.calls.append(" ".join(arguments))
        match arguments:
            case ["api", "--method", method, path, *_]:
                return json.dumps(self.api(method, path.removeprefix("repos/o/r"), json.loads(body.strip() or "{}")))
            case ["api", path, *_]:
                return json.dumps(self.api("GET", path.removeprefix("repos/o/r"), {}))
            case ["release", verb, tag, *rest]:
                return self.release(verb, tag, rest)
        raise Failed(f"unknown: {arguments}")

    def git(self, *arguments: str, stdin: str = "", **environment: str) -> str:
        command = ["git", "-C", str(self.repository), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=True, env=environment or None)
        return done.stdout.strip()

    def api(self, method: str, path: str, body: dict) -> object:
        if self.breaks_at and self.breaks_at == f"{method} {path} {body.get('ref', '')}".strip():
            raise Failed("gh: Bad gateway (HTTP 502)")
        match method, path.split("/")[1:]:
            case "POST", ["git", "trees"]:
                return self.make_tree(body)
            case "POST", ["git", "commits"]:
                return self.make_commit(body)
            case "POST", ["git", "refs"]:
                if self.git("for-each-ref", body["ref"]):
                    raise Failed("gh: Reference already exists (HTTP 422)")
                self.git("update-ref", body["ref"], body["sha"])
            case "PATCH", ["git", "refs", *ref]:
                name = "/".join(["refs", *ref])
                old = self.git("rev-parse", name)
                if not body["force"] and old not in self.git("rev-list", body["sha"]).splitlines():
                    raise Failed("gh: Update is not a fast forward (HTTP 422)")
                self.git("update-ref", name, body["sha"])
            case "GET", ["git", "commits", commit]:
                return {"tree": {"sha": self.git("rev-parse", f"{commit}^{{tree}}")}}
            case "GET", ["releases", "tags", tag]:
                if self.releases.get(tag, {"draft": True})["draft"]:
                    raise Failed("gh: Not Found (HTTP 404)")
                return self.releases[tag]["immutable"]
            case _:
                match self.answers.get(path, 404):
                    case int(status):
                        raise Failed(f"gh: No (HTTP {status})")
                    case answer:
                        return answer
        return {}

    def make_tree(self, body: dict) -> dict:
        lines = ""
        for entry in body["tree"]:
            if entry["path"].startswith(".github/workflows/"):
                raise Failed("gh: Resource not accessible by integration (HTTP 403)")
            content = entry.get("content", "").strip() if self.mangles else entry.get("content", "")
            blob = entry.get("sha") or self.git("hash-object", "-w", "--stdin", stdin=content)
            lines += f"{entry['mode']} {blob}\t{entry['path']}\n"
        index = self.repository / "scratch-index"
        index.unlink(missing_ok=True)
        self.git("update-index", "--add", "--index-info", stdin=lines, GIT_INDEX_FILE=str(index))
        return {"sha": self.git("write-tree", GIT_INDEX_FILE=str(index))}

    def make_commit(self, body: dict) -> dict:
        # Whoever names an author gets no signature.
        signed = self.signs and "author" not in body and "committer" not in body
        parents = [word for parent in body["parents"] for word in ("-p", parent)]
        who = {f"GIT_{role}_{what}": "bot" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        made = self.git("commit-tree", body["tree"], *parents, "-m", body["message"], **who)
        return {"sha": made, "verification": {"verified": signed, "reason": "valid" if signed else "unsigned"}}

    def release(self, verb: str, tag: str, rest: list[str]) -> str:
        if self.breaks_at == f"release {verb}":
            raise Failed("gh: Bad gateway (HTTP 502)")
        match verb:
            case "view" | "delete" if tag not in self.releases:
                raise Failed("release not found")
            case "delete":
                if self.releases[tag]["immutable"]:
                    raise Failed("gh: immutable (HTTP 422)")
                del self.releases[tag]
            case "create":
                if tag in self.releases or not self.git("for-each-ref", f"refs/tags/{tag}"):
                    raise Failed("gh: it exists, or has no tag (HTTP 422)")
                files = [Path(file).name for file in rest[rest.index("--notes-file") + 2 :]]
                self.releases[tag] = {"draft": True, "immutable": False, "files": files}
            case "edit":
                self.releases[tag] |= {"draft": False, "immutable": self.immutable}
        return ""

"""A repository that can be released, for the tests of the scripts that write."""

from fake_github import GH, FakeGitHub
from scratch import DIGEST, SCRIPTS, Scratch

SUMS = "".join(
    f"{digit * 64}  sofy-schedule-run-v{{}}-{platform}\n"
    for digit, platform in zip("1234", ["linux-amd64", "linux-arm64", "macos-amd64", "macos-arm64"], strict=True)
)
UPLOAD = """\
name: y
runs:
  using: composite
  steps:
    - run: exec "$GITHUB_ACTION_PATH/run"
      env:
        SOFY_RELEASE: ""
        SOFY_RELEASE_SERVER: ""
        SOFY_RELEASE_REPOSITORY: ""
        SOFY_SHA256_LINUX_AMD64: ""
        SOFY_SHA256_LINUX_ARM64: ""
        SOFY_SHA256_MACOS_AMD64: ""
        SOFY_SHA256_MACOS_ARM64: ""
"""
FILES = {
    "action.yml": "name: x\nruns:\n  using: docker\n  image: Dockerfile\n",
    "upload/action.yml": UPLOAD,
    "upload/run": "#!/bin/sh\n",
    "README.md": "hello\n",
    "docs/ä b.md": "a name with a blank and an umlaut\n",
    ".github/workflows/ci.yml": "name: ci\n",
    ".github/dependabot.yml": "version: 2\n",
}


class Repository(Scratch):
    """A clone, a bare remote, and a GitHub over it."""

    def setUp(self):
        super().setUp()
        self.sums = self.dir / "SHA256SUMS"
        self.github = FakeGitHub(self.dir / "github")
        self.run_in("git", "init", "--quiet", "--bare", str(self.github.repository))
        server = self.github.serve()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.environment |= {
            "FAKE_GITHUB": f"http://127.0.0.1:{server.server_port}",
            "GITHUB_REPOSITORY": "o/r",
        }
        self.stand_in("gh", GH)
        self.dir = self.dir / "clone"
        self.dir.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", str(self.github.repository))
        for name, text in FILES.items():
            self.write(name, text)
        (self.dir / "upload/run").chmod(0o755)
        self.source = self.push("first")

    def git(self, *arguments: str) -> str:
        return self.run_in("git", *arguments)

    def remote(self, *arguments: str) -> str:
        return self.git("-C", str(self.github.repository), *arguments)

    def write(self, name: str, text: str) -> None:
        (self.dir / name).parent.mkdir(parents=True, exist_ok=True)
        (self.dir / name).write_text(text)

    def push(self, message: str) -> str:
        (self.dir / "message").write_text(f"{message}\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", "main")
        return self.git("rev-parse", "HEAD")

    def script(self, *arguments: str) -> str:
        return self.run_in(str(SCRIPTS / "release_refs.py"), *arguments)

    def commit(self, version: str) -> str:
        self.sums.write_text(SUMS.replace("{}", version))
        return self.script("commit", version, f"ghcr.io/o/r:v{version}@{DIGEST}", str(self.sums))

    def refs(self) -> dict[str, str]:
        lines = self.remote("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split(" ") for line in lines)

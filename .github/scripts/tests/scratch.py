"""A throw-away folder for tests that run the scripts as programs, with stand-ins for the tools that these call."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
DIGEST = "sha256:" + "0123456789abcdef" * 4

# Nothing of the machine's or the caller's git gets in.
ENVIRONMENT = {
    # The interpreter itself first, since a wrapper around it may take longer than the test.
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHONDONTWRITEBYTECODE": "1",
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
        self.environment = dict(ENVIRONMENT)

    def run_in(self, *command: str, **environment: str) -> str:
        done = subprocess.run(
            command, cwd=self.dir, env=self.environment | environment, text=True, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout.strip()

    def stand_in(self, name: str, text: str) -> Path:
        """Puts a program in front of PATH."""
        folder = self.dir.with_name(self.dir.name + ".bin")
        if not folder.exists():
            folder.mkdir()
            self.addCleanup(lambda: [path.unlink() for path in folder.iterdir()] and folder.rmdir())
            self.environment["PATH"] = f"{folder}:{self.environment['PATH']}"
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
        return folder / name

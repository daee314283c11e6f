"""Tests of upload/run, with a release of its own on a socket and stand-ins for the tools that name the machine."""

import hashlib
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# What it says tells that it ran, with what, and that its exit status is the step's.
PROGRAM = b'#!/bin/sh\necho "ran $0 $*, app-path: $INPUT_APP_PATH"\nexit 7\n'
PATH = "/owner/repo/releases/download/v1.2.3/sofy-schedule-run-v1.2.3-"


class Release(http.server.BaseHTTPRequestHandler):
    """Serves what the test says, and cuts the connection in the middle of it as often as the test says."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if not self.path.startswith("/owner/repo/"):
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        if self.server.cuts:
            self.server.cuts -= 1
            self.wfile.write(self.server.body[:9])
        else:
            self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


class UploadRun(unittest.TestCase):
    def setUp(self):
        self.dir = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.release = self.enterContext(http.server.HTTPServer(("127.0.0.1", 0), Release))
        self.release.body, self.release.cuts, self.release.asked = PROGRAM, 0, []
        threading.Thread(target=self.release.serve_forever, args=(0.01,), daemon=True).start()
        self.addCleanup(self.release.shutdown)
        (self.dir / "bin").mkdir()
        self.stand_in("sleep", "exit 0")

    def stand_in(self, name: str, script: str) -> None:
        tool = self.dir / "bin" / name
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)

    def machine(self, system: str, machine: str) -> None:
        self.stand_in("uname", f'[ "$1" = -s ] && echo {system} || echo {machine}')

    def run_it(self, **environment: str) -> subprocess.CompletedProcess:
        digest = hashlib.sha256(PROGRAM).hexdigest()
        names = ["LINUX_AMD64", "LINUX_ARM64", "MACOS_AMD64", "MACOS_ARM64"]
        return subprocess.run(
            [ROOT / "upload" / "run"],
            env={f"SOFY_SHA256_{name}": digest for name in names}
            | {
                "PATH": f"{self.dir / 'bin'}:{os.environ['PATH']}",
                "HOME": str(self.dir),
                "RUNNER_TEMP": str(self.dir),
                "GITHUB_OUTPUT": str(self.dir / "output"),
                "GITHUB_SERVER_URL": f"http://127.0.0.1:{self.release.server_port}",
                "SOFY_REPOSITORY": "owner/repo",
                "SOFY_RELEASE": "1.2.3",
                "INPUT_APP_PATH": "a b; $(c).apk",
            }
            | environment,
            text=True,
            capture_output=True,
            check=False,
        )

    def assert_failed(self, done: subprocess.CompletedProcess, words: str) -> None:
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count("::error"), 1, done.stdout)
        self.assertIn(words, done.stdout)
        self.assertNotIn("ran ", done.stdout)
        self.assertIn("conclusion=error\nreason=", (self.dir / "output").read_text())

    def test_each_machine_gets_its_program_and_becomes_it(self):
        for system, machine, name in [
            ("Linux", "x86_64", "linux-amd64"),
            ("Linux", "aarch64", "linux-arm64"),
            ("Darwin", "x86_64", "macos-amd64"),
            ("Darwin", "arm64", "macos-arm64"),
        ]:
            self.machine(system, machine)

            done = self.run_it()

            self.assertEqual(done.returncode, 7, done.stdout + done.stderr)
            self.assertIn(" upload, app-path: a b; $(c).apk\n", done.stdout)
            self.assertEqual(self.release.asked.pop(), PATH + name)

    def test_it_does_with_the_digest_tool_of_macos(self):
        for tool in ["bash", "curl", "mktemp", "chmod", "dirname", "env", "sh"]:
            (self.dir / "bin" / tool).symlink_to(shutil.which(tool))
        self.machine("Darwin", "arm64")
        self.stand_in("shasum", f'[ "$*" = "-a 256" ] && exec {shutil.which("sha256sum")}')

        done = self.run_it(PATH=str(self.dir / "bin"))

        self.assertEqual(done.returncode, 7, done.stdout + done.stderr)

    def test_nothing_is_run_of_what_has_another_digest(self):
        self.machine("Linux", "x86_64")
        for digest, why in [("0" * 64, "another"), ("", "none"), ("0" * 8, "half of one")]:
            done = self.run_it(SOFY_SHA256_LINUX_AMD64=digest)

            with self.subTest(why):
                self.assert_failed(done, "is not the program of the release")

    def test_nothing_is_run_where_the_digest_cannot_be_computed(self):
        self.machine("Linux", "x86_64")
        for script, words in [("exit 0", "is not the program of the release"), ("exit 1", "cannot be checked")]:
            self.stand_in("sha256sum", script)

            self.assert_failed(self.run_it(SOFY_SHA256_LINUX_AMD64=""), words)

    def test_the_digest_counts_wherever_it_was_downloaded_from(self):
        self.machine("Linux", "x86_64")
        self.release.body = b"#!/bin/sh\necho ran something else\n"
        mirror = f"http://127.0.0.1:{self.release.server_port}/owner/repo/releases/download"

        self.assert_failed(self.run_it(SOFY_DOWNLOAD_URL=mirror), "is not the program of the release")

    def test_a_download_that_is_cut_is_tried_again(self):
        self.machine("Linux", "x86_64")
        self.release.cuts = 4

        done = self.run_it()

        self.assertEqual(done.returncode, 7, done.stdout + done.stderr)
        self.assertEqual(len(self.release.asked), 5)

    def test_a_download_that_never_comes_is_said_once(self):
        self.machine("Linux", "x86_64")

        self.assert_failed(self.run_it(SOFY_REPOSITORY="no/such"), "cannot be downloaded from http://127.0.0.1")

    def test_other_machines_are_told_where_it_works(self):
        for system, machine in [("MINGW64_NT-10.0", "x86_64"), ("Linux", "riscv64"), ("FreeBSD", "amd64")]:
            self.machine(system, machine)

            done = self.run_it()

            with self.subTest(system):
                self.assert_failed(done, "docker run IMAGE upload")
                self.assertEqual(self.release.asked, [])

    def test_without_a_release_it_is_built_and_no_crate_sees_the_key(self):
        self.machine("Linux", "x86_64")
        program = '"$last/release/sofy-schedule-run"'
        self.stand_in(
            "cargo",
            f'echo "cargo: $INPUT_API_KEY in $PWD"; for last; do :; done; mkdir -p "$last/release"\n'
            f"printf '#!/bin/sh\\necho ran with $INPUT_API_KEY\\n' > {program}; chmod +x {program}",
        )

        done = self.run_it(SOFY_RELEASE="", INPUT_API_KEY="k3y")

        self.assertEqual(done.stdout, f"cargo:  in {ROOT}\nran with k3y\n", done.stderr)

    def test_a_build_that_fails_is_said_once(self):
        self.machine("Linux", "x86_64")
        self.stand_in("cargo", "exit 101")

        self.assert_failed(self.run_it(SOFY_RELEASE=""), "cannot be built with cargo")


if __name__ == "__main__":
    unittest.main()

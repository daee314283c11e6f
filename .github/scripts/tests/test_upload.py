"""Tests of upload/run, with releases of its own on loopback and stand-ins for the tools that name the machine."""

import hashlib
import http.server
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# What it says tells that it ran, with what, and that its exit status is the step's.
PROGRAM = b'#!/bin/sh\necho "ran $0 $*, app-path: $INPUT_APP_PATH"\nexit 7\n'
PATH = "/owner/repo/releases/download/v1.2.3/sofy-schedule-run-v1.2.3-"
KEY = "k3y-of-nobody"
# What a job could leave in a variable to have it taken for outputs, or for a command of the log.
FOREIGN = "http://127.0.0.1:1/x\nconclusion=success\napp-hash=0123456789abcdef\n::warning::##[error]%0Aforeign"


class Release(http.server.BaseHTTPRequestHandler):
    """Sends what the test says, and cuts the connection in the middle of it as often as the test says."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.server.is_slow:
            self.server.reached.set()
            return self.server.released.wait(30)
        if self.server.status != 200 or not self.path.startswith("/owner/repo/"):
            return self.send_error(self.server.status if self.server.status != 200 else 404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        if self.server.kind:
            self.send_header("Content-Type", self.server.kind)
        self.end_headers()
        if self.server.cuts:
            self.server.cuts -= 1
            self.wfile.write(self.server.body[:9])
        else:
            self.wfile.write(self.server.body)

    def do_CONNECT(self):
        self.server.asked.append(self.path)
        self.send_error(self.server.status)

    def log_message(self, *_):
        pass


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class UploadRun(unittest.TestCase):
    def setUp(self):
        self.dir = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.output = self.dir / "output"
        self.release = self.serve()
        (self.dir / "bin").mkdir()
        (self.dir / "temp").mkdir()
        self.stand_in("sleep", "exit 0")
        self.machine("Linux", "x86_64")

    def serve(self) -> http.server.HTTPServer:
        server = self.enterContext(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Release))
        server.body, server.cuts, server.asked, server.status, server.kind = PROGRAM, 0, [], 200, ""
        server.is_slow, server.reached, server.released = False, threading.Event(), threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.addCleanup(server.shutdown)
        self.addCleanup(server.released.set)
        return server

    def stand_in(self, name: str, script: str) -> None:
        tool = self.dir / "bin" / name
        tool.unlink(missing_ok=True)
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)

    def machine(self, system: str, machine: str) -> None:
        self.stand_in("uname", f'[ "$1" = -s ] && echo {system} || echo {machine}')

    def only(self, *tools: str) -> str:
        """A PATH with these tools and the stand-ins alone."""
        folder = self.dir / f"only-{'-'.join(tools)}"
        folder.mkdir()
        for tool in tools:
            (folder / tool).symlink_to(shutil.which(tool))
        return f"{self.dir / 'bin'}:{folder}"

    def url(self, server: http.server.HTTPServer) -> str:
        return f"http://127.0.0.1:{server.server_port}"

    def environment(self, **more: str) -> dict[str, str]:
        digest = hashlib.sha256(self.release.body).hexdigest()
        names = ["LINUX_AMD64", "LINUX_ARM64", "MACOS_AMD64", "MACOS_ARM64"]
        return (
            {f"SOFY_SHA256_{name}": digest for name in names}
            | {
                "PATH": f"{self.dir / 'bin'}:{os.environ['PATH']}",
                "HOME": str(self.dir),
                "RUNNER_TEMP": str(self.dir / "temp"),
                "GITHUB_ACTIONS": "true",
                "GITHUB_OUTPUT": str(self.output),
                "GITHUB_SERVER_URL": self.url(self.release),
                "SOFY_REPOSITORY": "owner/repo",
                # Never the default, which is not on this machine.
                "SOFY_RELEASE_SERVER": self.url(self.release),
                "SOFY_RELEASE_REPOSITORY": "owner/repo",
                "SOFY_RELEASE": "1.2.3",
                "INPUT_API_KEY": KEY,
                "INPUT_APP_PATH": "a b; $(c).apk",
            }
            | more
        )

    def run_it(self, **environment: str) -> subprocess.CompletedProcess:
        self.output.unlink(missing_ok=True)
        return subprocess.run(
            [ROOT / "upload" / "run"],
            env=self.environment(**environment),
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def assert_failed(self, done, *words: str, conclusion: str = "error", ran: bool = False) -> None:
        """That one annotation says so, that every output is written once, and that the key is nowhere."""
        status = {"error": 2, "timed_out": 3, "cancelled": 130}[conclusion]
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        annotations = [line for line in done.stdout.splitlines() if line.startswith("::")]
        self.assertEqual(len(annotations), 1, done.stdout)
        self.assertTrue(annotations[0].startswith("::error title=Upload to Sofy::"), annotations)
        for word in words:
            self.assertIn(word, annotations[0])
        self.assertEqual("ran " in done.stdout, ran)
        text = self.output.read_text()
        self.assertRegex(text, rf"\Aapp-hash=\nuploaded=\nbuild=\nconclusion={conclusion}\nreason=.{{20,}}\n\Z")
        self.assertNotIn(KEY, done.stdout + done.stderr + text)

    def assert_ran(self, done: subprocess.CompletedProcess) -> None:
        self.assertEqual(done.returncode, 7, done.stdout + done.stderr)
        self.assertIn(" upload, app-path: a b; $(c).apk\n", done.stdout)

    def test_each_machine_gets_its_program_and_runs_it(self):
        for system, machine, name in [
            ("Linux", "x86_64", "linux-amd64"),
            ("Linux", "aarch64", "linux-arm64"),
            ("Darwin", "x86_64", "macos-amd64"),
            ("Darwin", "arm64", "macos-arm64"),
        ]:
            self.machine(system, machine)

            self.assert_ran(self.run_it())

            self.assertEqual(self.release.asked.pop(), PATH + name)

    def test_the_exit_status_of_the_program_is_that_of_the_step(self):
        for status in [0, 2, 3, 130]:
            self.release.body = f"#!/bin/sh\necho ran\nexit {status}\n".encode()

            done = self.run_it()

            self.assertEqual((done.returncode, done.stdout), (status, "ran\n"))
            self.assertFalse(self.output.exists(), "the program writes its own outputs")

    def test_nothing_is_left_in_the_temporary_folder(self):
        self.assert_ran(self.run_it())
        self.assert_failed(self.run_it(SOFY_REPOSITORY="no/such", SOFY_RELEASE_REPOSITORY="no/such"))

        self.assertEqual(list((self.dir / "temp").iterdir()), [])

    def test_the_digest_tool_of_macos_is_enough(self):
        self.machine("Darwin", "arm64")
        self.stand_in("shasum", f'[ "$*" = "-a 256" ] && exec {shutil.which("sha256sum")}')

        self.assert_ran(self.run_it(PATH=self.only("bash", "curl", "mktemp", "chmod", "env", "sh")))

    def test_nothing_is_run_that_has_another_digest(self):
        for digest, why in [("0" * 64, "another"), ("", "none"), ("0" * 8, "half of one")]:
            done = self.run_it(SOFY_SHA256_LINUX_AMD64=digest)

            with self.subTest(why):
                self.assert_failed(done, "does not match the release (SHA-256 is ", "It was not run.")

    def test_nothing_is_run_if_the_digest_cannot_be_computed(self):
        for script, words in [
            ("exit 0", "does not match the release"),
            ("exit 1", "cannot be checked: sha256sum failed"),
        ]:
            self.stand_in("sha256sum", script)

            self.assert_failed(self.run_it(SOFY_SHA256_LINUX_AMD64=""), words)

    def test_the_digest_counts_wherever_the_file_comes_from(self):
        self.release.body = PROGRAM
        environment = self.environment()
        self.release.body = b"#!/bin/sh\necho ran something else\n"
        digest = environment["SOFY_SHA256_LINUX_AMD64"]
        mirror = f"{self.url(self.release)}/owner/repo/releases/download"
        for why, address in {
            "the server of the workflow": {},
            "a mirror": {"SOFY_DOWNLOAD_URL": mirror},
            "the server of the release": {"SOFY_REPOSITORY": "no/such"},
        }.items():
            with self.subTest(why):
                done = self.run_it(SOFY_SHA256_LINUX_AMD64=digest, **address)

                self.assert_failed(done, "does not match the release")

    def test_the_server_of_the_release_is_asked_if_the_first_has_no_release(self):
        for why, status, kind in [
            ("not found", 404, ""),
            ("closed to strangers", 401, ""),
            ("closed to strangers, said differently", 403, ""),
            ("a page to log in", 200, "text/html; charset=utf-8"),
        ]:
            first = self.serve()
            first.status, first.kind, first.body = status, kind, b"<html>Log in"
            self.release.asked.clear()

            done = self.run_it(GITHUB_SERVER_URL=self.url(first), SOFY_REPOSITORY="owner/repo")

            with self.subTest(why):
                self.assert_ran(done)
                self.assertEqual(len(first.asked), 1, "repeating it cannot help")
                self.assertEqual(self.release.asked, [PATH + "linux-amd64"])

    def test_a_release_that_no_server_has_names_both(self):
        other = self.serve()

        done = self.run_it(
            SOFY_REPOSITORY="no/such", SOFY_RELEASE_SERVER=self.url(other), SOFY_RELEASE_REPOSITORY="not/this"
        )

        first, second = f"{self.url(self.release)}/no/such/", f"{self.url(other)}/not/this/"
        self.assert_failed(done, f"cannot be downloaded from {first}", f"(it answered 404) or from {second}")
        self.assertEqual(len(self.release.asked + other.asked), 2)

    def test_one_server_is_asked_once(self):
        done = self.run_it(SOFY_REPOSITORY="no/such", SOFY_RELEASE_REPOSITORY="no/such")

        self.assert_failed(done, "(it answered 404)")

        self.assertEqual(len(self.release.asked), 1)

    def test_a_mirror_replaces_both_servers_and_is_named(self):
        mirror = self.serve()

        done = self.run_it(SOFY_DOWNLOAD_URL=f"http://me:s3cret@127.0.0.1:{mirror.server_port}/no/such/")

        self.assert_failed(done, "http://***@127.0.0.1", "(of SOFY_DOWNLOAD_URL)", "it answered 404")
        self.assertNotIn("s3cret", done.stdout + done.stderr)
        self.assertEqual((len(mirror.asked), self.release.asked), (1, []))

    def test_a_fault_that_may_pass_is_tried_again(self):
        self.release.cuts = 4

        self.assert_ran(self.run_it())

        self.assertEqual(len(self.release.asked), 5)

    def test_each_fault_of_the_network_has_its_message_and_only_some_are_repeated(self):
        down = f"http://127.0.0.1:{closed_port()}"
        here = self.url(self.release)
        for why, status, attempts, words, address in [
            ("an outage", 503, 5, "it answered 503", {}),
            ("too many requests", 429, 5, "it answered 429", {}),
            ("a bad request", 400, 1, "it answered 400", {}),
            ("a proxy that wants a password", 407, 1, "Add a user name and a password", {"http_proxy": here}),
            ("a tunnel that needs a password", 407, 1, "the proxy answered 407", {"https_proxy": here, "to": "https"}),
            ("a tunnel that is forbidden", 403, 1, "the proxy answered 403", {"https_proxy": here, "to": "https"}),
            ("a tunnel that breaks", 502, 5, "the proxy answered 502", {"https_proxy": here, "to": "https"}),
            ("a proxy that is down", 200, 0, "the proxy in HTTPS_PROXY may be the cause", {"http_proxy": down}),
            ("a server that is down", 200, 0, "(no connection)", {"GITHUB_SERVER_URL": down}),
            ("no TLS at all", 200, 0, "the TLS handshake failed", {"to": "https"}),
            ("a scheme that is unknown", 200, 0, "curl does not accept this address", {"SOFY_DOWNLOAD_URL": "no://x"}),
            ("a folder without it", 200, 0, "there is no such file", {"SOFY_DOWNLOAD_URL": f"file://{self.dir}"}),
        ]:
            self.release.status = status
            self.release.asked.clear()
            if scheme := address.pop("to", None):
                address["GITHUB_SERVER_URL"] = f"{scheme}://127.0.0.1:{self.release.server_port}"

            done = self.run_it(**address)

            with self.subTest(why):
                self.assert_failed(done, "cannot be downloaded from ", words)
                self.assertEqual(len(self.release.asked), attempts)

    def test_each_failure_of_curl_has_its_message_and_only_some_are_repeated(self):
        attempts = self.dir / "attempts"
        for status, count, words in [
            (5, 5, "the name of the proxy cannot be resolved"),
            (6, 5, "the name cannot be resolved"),
            (18, 5, "the transfer broke off"),
            (23, 1, "the file cannot be written"),
            (28, 5, "no answer in time"),
            (56, 5, "the transfer broke off"),
            (60, 1, "the TLS certificate cannot be verified"),
            (77, 1, "the TLS certificate cannot be verified"),
            (97, 1, "the proxy does not work"),
            (127, 1, "curl cannot be run"),
        ]:
            attempts.write_text("")
            self.stand_in("curl", f"echo >> {attempts}; echo 'curl: ({status}) of its own' >&2; exit {status}")

            done = self.run_it()

            with self.subTest(status):
                self.assert_failed(done, words, f"Details: curl: ({status}) of its own")
                self.assertEqual(len(attempts.read_text()), count)

    def test_a_handshake_that_was_cut_is_tried_again(self):
        attempts = self.dir / "attempts"
        self.stand_in("curl", f"echo >> {attempts}; echo 'OpenSSL SSL_connect: SSL_ERROR_SYSCALL' >&2; exit 35")

        self.assert_failed(self.run_it(), "the TLS handshake failed")

        self.assertEqual(len(attempts.read_text()), 5)

    def test_a_download_that_takes_longer_than_the_timeout_is_timed_out(self):
        self.release.is_slow = True

        self.assert_failed(self.run_it(INPUT_TIMEOUT="1s"), "Timed out after 1s", conclusion="timed_out")

    def test_a_timeout_that_is_malformed_is_left_to_the_program(self):
        for timeout in ["", "15", "0s", "soon", "1h 3m", "-1s", "9" * 30 + "s", "a[$(touch x)]"]:
            with self.subTest(timeout):
                self.assert_ran(self.run_it(INPUT_TIMEOUT=timeout))

    def test_a_signal_during_the_download_cancels_the_step_at_once(self):
        for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
            self.release.is_slow = True
            self.release.reached.clear()
            self.output.unlink(missing_ok=True)
            run = self.start()
            self.assertTrue(self.release.reached.wait(30))

            run.send_signal(number)

            with self.subTest(number.name):
                self.assert_failed(self.end(run), f"was cancelled ({number.name})", conclusion="cancelled")
                self.assertEqual(list((self.dir / "temp").iterdir()), [])

    def test_a_signal_during_a_pause_cancels_the_step_at_once(self):
        self.release.status = 503
        self.stand_in("sleep", f"echo > {self.dir / 'pause'}; exec {shutil.which('sleep')} 100")
        os.mkfifo(self.dir / "pause")
        run = self.start()
        (self.dir / "pause").read_text()

        run.terminate()

        self.assert_failed(self.end(run), "was cancelled (SIGTERM)", conclusion="cancelled")

    def test_a_signal_during_the_upload_is_left_to_the_program(self):
        os.mkfifo(self.dir / "ready")
        self.release.body = f"""#!/bin/sh
trap 'echo "ran to its end"; exit 130' TERM
echo > {self.dir / 'ready'}
while :; do {shutil.which('sleep')} 0.01; done
""".encode()
        for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
            run = self.start()
            (self.dir / "ready").read_text()

            run.send_signal(number)

            with self.subTest(number.name):
                done = self.end(run)
                self.assertEqual((done.returncode, done.stdout), (130, "ran to its end\n"))
                self.assertFalse(self.output.exists(), "the program writes its own outputs")

    def test_a_program_that_a_signal_kills_is_cancelled_too(self):
        os.mkfifo(self.dir / "ready")
        self.release.body = f"#!/bin/sh\necho > {self.dir / 'ready'}\nexec sleep 100\n".encode()
        self.stand_in("sleep", f"exec {shutil.which('sleep')} 100")
        run = self.start()
        (self.dir / "ready").read_text()

        run.terminate()

        self.assert_failed(self.end(run), "was cancelled during the upload", conclusion="cancelled")

    def start(self, **environment: str) -> subprocess.Popen:
        pipe = subprocess.PIPE
        # A shell that starts these tests in the background ignores SIGINT, and so would the script.
        run = subprocess.Popen(
            [ROOT / "upload" / "run"], env=self.environment(**environment), text=True, stdout=pipe, stderr=pipe,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.addCleanup(run.kill)
        return run

    def end(self, run: subprocess.Popen) -> subprocess.CompletedProcess:
        stdout, stderr = run.communicate(timeout=30)
        return subprocess.CompletedProcess(run.args, run.returncode, stdout, stderr)

    def test_each_tool_that_is_missing_is_named(self):
        tools = ["bash", "curl", "mktemp", "chmod", "env", "sh", "sha256sum"]
        for tool, words in [
            ("curl", "curl is not installed"),
            ("mktemp", "mktemp is not installed"),
            ("sha256sum", "neither sha256sum nor shasum is installed"),
            ("chmod", "cannot be made executable"),
        ]:
            with self.subTest(tool):
                self.assert_failed(self.run_it(PATH=self.only(*[name for name in tools if name != tool])), words)

    def test_a_temporary_folder_that_is_of_no_use_is_named(self):
        (self.dir / "file").write_text("")
        for folder in ["/dev/null", str(self.dir / "file"), str(self.dir / "no such folder")]:
            with self.subTest(folder):
                self.assert_failed(self.run_it(RUNNER_TEMP=folder), f"cannot be made in {folder}.", "Details: ")
        for script in ["exit 1", "exit 0", "echo /no/such/folder"]:
            self.stand_in("mktemp", script)

            with self.subTest(script):
                self.assert_failed(self.run_it(), "A folder for the program cannot be made")

    def test_a_program_that_cannot_start_says_why(self):
        for why, body, words in [
            ("of another machine", b"\x7fELF\x02\x01\x01" + b"\0" * 60, "This machine cannot run the program"),
            ("without its loader", b"#!/no/such/loader\n", "the program for linux-amd64"),
            ("without a library", b"#!/bin/sh\nexit 127\n", "lacks the loader or a library"),
            ("another libc", b"#!/bin/sh\necho GLIBC_9 >&2; exit 1\n", "ended unexpectedly (exit status 1)"),
            ("killed", b"#!/bin/sh\nkill -9 $$\n", "ended unexpectedly (exit status 137)"),
            ("aborted", b"#!/bin/sh\nkill -ABRT $$\n", "ended unexpectedly (exit status 134)"),
        ]:
            self.release.body = body

            with self.subTest(why):
                self.assert_failed(self.run_it(), words)

    def test_a_temporary_folder_that_runs_no_programs_is_named(self):
        # What noexec looks like to a shell: the file stays one that cannot be run.
        self.stand_in("chmod", "exit 0")

        self.assert_failed(self.run_it(), "Programs in the runner's temporary folder cannot be run", "noexec")

    def test_an_end_that_nobody_thought_of_is_reported_too(self):
        self.release.is_slow = True
        run = self.start()
        self.assertTrue(self.release.reached.wait(30))

        run.send_signal(signal.SIGUSR1)

        done = self.end(run)
        self.assertEqual(done.returncode, -signal.SIGUSR1)
        done.returncode = 2
        self.assert_failed(done, "upload/run ended unexpectedly.")

    def test_other_machines_are_told_where_it_works(self):
        for system, machine in [("MINGW64_NT-10.0", "x86_64"), ("Linux", "riscv64"), ("FreeBSD", "amd64")]:
            self.machine(system, machine)

            done = self.run_it()

            with self.subTest(system):
                self.assert_failed(done, "docker run IMAGE upload")
                self.assertEqual(self.release.asked, [])

    def test_the_outputs_are_one_line_each_and_all_of_them_ours(self):
        for name in ["SOFY_DOWNLOAD_URL", "RUNNER_TEMP", "GITHUB_SERVER_URL"]:
            done = self.run_it(**{name: FOREIGN})

            with self.subTest(name):
                self.assertNotIn("##[error]", done.stdout)
                self.assertNotIn("\n::warning", done.stdout)
                self.assertIn("%250A", done.stdout)
                self.assert_failed(done)

    def test_a_line_that_another_tool_left_open_is_finished_first(self):
        for before, after in [
            ("", ""),
            ("a=b\n", "a=b\n"),
            ("a=b", "a=b\n"),
            ("a=b\nc=d", "a=b\nc=d\n"),
            ("a<<E\nb\nE", "a<<E\nb\nE\n"),
        ]:
            self.output.write_text(before)

            self.end(self.start(RUNNER_TEMP="/dev/null"))

            with self.subTest(before):
                self.assertTrue(self.output.read_text().startswith(f"{after}app-hash=\nuploaded="))
                self.assertNotIn("\n\n", self.output.read_text())

    def test_outputs_that_cannot_be_written_do_not_hide_why(self):
        for output in ["", "/dev/full", "/dev/null/file", str(self.dir)]:
            done = self.run_it(RUNNER_TEMP="/dev/null", GITHUB_OUTPUT=output)

            with self.subTest(output):
                self.assertEqual(done.returncode, 2)
                self.assertIn("::error title=Upload to Sofy::A folder for the program", done.stdout)
                self.assertEqual(done.stderr, "")
                warning = f"::warning title=Upload to Sofy::The outputs cannot be written to {output}."
                self.assertEqual(warning in done.stdout, bool(output))

    def test_without_a_runner_there_are_no_commands(self):
        done = self.run_it(RUNNER_TEMP="/dev/null", GITHUB_OUTPUT="", GITHUB_ACTIONS="")

        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stdout, r"\AA folder for the program cannot be made in /dev/null\. .*\n\Z")

    def test_only_the_program_sees_the_key(self):
        seen = self.dir / "seen"
        tools = ["uname", "mktemp", "curl", "sha256sum", "chmod", "rm", "cargo", "dirname", "sleep"]
        for tool in tools:
            real = shutil.which(tool, path=os.environ["PATH"])
            then = f'exec {real} "$@"' if tool != "uname" else '[ "$1" = -s ] && echo Linux || echo x86_64'
            program = '"$last/release/sofy-schedule-run"'
            if tool == "cargo":
                then = f'for last; do :; done; mkdir -p "$last/release"; cp {self.dir}/program {program}'
            # The environment, the arguments, and what the shell would pass on.
            self.stand_in(tool, f'{{ echo "{tool} $*"; /usr/bin/env; }} >> {seen}\n{then}')
        self.release.body = b'#!/bin/sh\necho "ran with $INPUT_API_KEY and $*"\n'
        (self.dir / "program").write_bytes(self.release.body)
        (self.dir / "program").chmod(0o755)
        for why, environment in {
            "a release": {},
            "a ref that is not a release": {"SOFY_RELEASE": ""},
            # Names that the script could use itself: what it keeps in them would stay exported.
            "names of its own": dict.fromkeys(["key", "text", "reason", "details", "file", "api_key", "program"], "x"),
            "options of the shell": {"SHELLOPTS": "allexport:xtrace:verbose:noclobber:errexit"},
        }.items():
            done = self.run_it(**environment)

            with self.subTest(why):
                self.assertEqual(done.stdout, f"ran with {KEY} and upload\n", done.stderr)
                self.assertIn("uname -s\n", seen.read_text())
                self.assertNotIn(KEY, seen.read_text() + done.stderr)

    def test_the_settings_of_curl_are_not_those_of_the_user(self):
        (self.dir / ".curlrc").write_text("proxy = http://127.0.0.1:1\nfail-early\nheader = 'X: y'\n")

        self.assert_ran(self.run_it())

    def cargo(self, script: str) -> None:
        """A cargo that builds a program into the folder that is asked for."""
        self.stand_in("cargo", f"for last; do :; done\n{script}")

    def test_without_a_release_it_is_built_here_and_no_crate_sees_the_key(self):
        program = '"$last/release/sofy-schedule-run"'
        self.cargo(
            'echo "cargo: $INPUT_API_KEY in $PWD"; mkdir -p "$last/release"\n'
            f"printf '#!/bin/sh\\necho ran with $INPUT_API_KEY\\n' > {program}; chmod +x {program}",
        )

        done = self.run_it(SOFY_RELEASE="")

        self.assertEqual(done.stdout, f"cargo:  in {ROOT}\nran with {KEY}\n", done.stderr)

    def test_the_settings_of_cargo_that_a_job_has_for_its_own_builds_are_not_used(self):
        kept = ["CARGO_HOME", "CARGO_HTTP_PROXY", "CARGO_NET_OFFLINE", "CARGO_REGISTRIES_X_TOKEN", "RUSTUP_HOME"]
        dropped = [
            "CARGO_BUILD_TARGET",
            "CARGO_BUILD_TARGET_DIR",
            "CARGO_TARGET_DIR",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
            "CARGO_PROFILE_RELEASE_STRIP",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
        ]
        seen = self.dir / "seen"
        # Where cargo puts it if a configuration file names a target.
        program = '"$last/x86_64-unknown-linux-musl/release/sofy-schedule-run"'
        self.cargo(
            f'env > {seen}; mkdir -p "$last/x86_64-unknown-linux-musl/release"\n'
            f"printf '#!/bin/sh\\necho ran with $RUSTFLAGS\\n' > {program}; chmod +x {program}",
        )

        done = self.run_it(SOFY_RELEASE="", **dict.fromkeys(kept + dropped, "of the job"))

        self.assertEqual(done.stdout, "ran with of the job\n", done.stderr)
        names = {line.split("=")[0] for line in seen.read_text().splitlines()}
        self.assertEqual([name for name in dropped if name in names], [])
        self.assertEqual([name for name in kept if name not in names], [])

    def test_a_build_that_fails_says_so_once(self):
        for script, words in [
            ("exit 101", "cannot be built with cargo"),
            ("exit 0", "cargo ended without an error, but the program is not there"),
        ]:
            self.cargo(script)

            self.assert_failed(self.run_it(SOFY_RELEASE=""), words)

    def test_a_ref_that_is_not_a_release_needs_cargo(self):
        path = self.only("bash", "mktemp", "env", "sh")

        done = self.run_it(SOFY_RELEASE="", PATH=path)

        self.assert_failed(done, "This ref is not a release", "built with cargo, which is not installed.")

    def test_a_signal_during_the_build_cancels_the_step_at_once(self):
        os.mkfifo(self.dir / "ready")
        self.cargo(f"echo > {self.dir / 'ready'}; exec {shutil.which('sleep')} 100")
        run = self.start(SOFY_RELEASE="")
        (self.dir / "ready").read_text()

        run.terminate()

        self.assert_failed(self.end(run), "was cancelled (SIGTERM)", conclusion="cancelled")


if __name__ == "__main__":
    unittest.main()

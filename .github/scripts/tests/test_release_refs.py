"""Tests of the scripts that write: a clone, a bare remote, and a `gh` that plays GitHub over it."""

from repository import FILES, Repository
from scratch import DIGEST, SCRIPTS, Scratch

class Commit(Repository):
    def test_the_first_release_has_a_branch_and_two_tags(self):
        commit = self.commit("1.2.3")

        self.assertEqual(
            self.refs(),
            {
                "refs/heads/main": self.source,
                "refs/heads/releases/v1": commit,
                "refs/tags/source/v1.2.3": self.source,
                "refs/tags/v1.2.3": commit,
            },
        )
        self.assertEqual(self.remote("log", "-1", "--format=%P", commit), self.source)

    def test_only_what_is_pinned_differs_and_the_workflows_are_gone(self):
        commit = self.commit("1.2.3")

        self.assertEqual(
            self.remote("diff", "--name-status", "main", commit).split(),
            ["D", ".github/workflows/ci.yml", "M", "action.yml", "M", "upload/action.yml"],
        )
        self.assertIn(f"image: docker://ghcr.io/o/r:v1.2.3@{DIGEST}", self.remote("show", f"{commit}:action.yml"))
        upload = self.remote("show", f"{commit}:upload/action.yml")
        self.assertIn('SOFY_RELEASE: "1.2.3"\n', upload)
        self.assertIn('SOFY_RELEASE_SERVER: "https://github.com"\n', upload)
        self.assertIn('SOFY_RELEASE_REPOSITORY: "o/r"\n', upload)
        self.assertIn(f'SOFY_SHA256_MACOS_ARM64: "{"4" * 64}"', upload)

    def test_the_next_release_follows_the_branch_and_the_source(self):
        first = self.commit("1.2.3")
        source = self.push("second")

        commit = self.commit("1.3.0")

        self.assertEqual(self.remote("log", "-1", "--format=%P", commit), f"{first} {source}")
        self.assertEqual(self.refs()["refs/heads/releases/v1"], commit)
        self.assertEqual(self.refs()["refs/tags/v1.2.3"], first)
        self.assertEqual(self.remote("show", f"{commit}:message"), "second")

    def test_another_major_version_does_not_follow_the_branch(self):
        self.commit("1.2.3")

        commit = self.commit("2.0.0")

        self.assertEqual(self.remote("log", "-1", "--format=%P", commit), self.source)

    def test_work_tree_index_and_branches_stay_as_they_are(self):
        self.commit("1.2.3")

        self.assertEqual(self.git("status", "--porcelain"), "")
        self.assertEqual(self.git("for-each-ref", "--format=%(refname)"), "refs/heads/main\nrefs/remotes/origin/main")
        self.assertEqual(self.git("rev-parse", "main"), self.source)

    def test_an_action_that_cannot_be_pinned_stops_it_before_anything_is_written(self):
        for name in ["action.yml", "upload/action.yml"]:
            (self.dir / name).write_text("name: x\n")
            self.push(f"broken {name}")

            with self.subTest(name), self.assertRaisesRegex(RuntimeError, f"Release refused::{name} has 0 lines"):
                self.commit("1.2.3")
            (self.dir / name).write_text(FILES[name])
        self.assertNotIn("refs/tags/v1.2.3", self.refs())

    def test_a_commit_that_github_does_not_sign_is_named_by_no_tag(self):
        self.github.signs = False

        with self.assertRaisesRegex(RuntimeError, "did not sign the release commit"):
            self.commit("1.2.3")
        self.assertEqual(list(self.refs()), ["refs/heads/main"])

    def test_a_tree_that_github_made_otherwise_is_named_by_no_tag(self):
        self.github.mangles = True

        with self.assertRaisesRegex(RuntimeError, "GitHub made the tree"):
            self.commit("1.2.3")
        self.assertEqual(list(self.refs()), ["refs/heads/main"])

    def test_a_tag_of_the_source_that_somebody_made_before_is_not_moved(self):
        first = self.source
        self.remote("update-ref", "refs/tags/source/v1.2.3", first)
        self.push("second")

        with self.assertRaisesRegex(RuntimeError, "tags/source/v1.2.3 exists and is at"):
            self.commit("1.2.3")
        self.assertEqual(self.refs()["refs/tags/source/v1.2.3"], first)

    def test_it_goes_on_where_it_broke_off(self):
        for where in [
            "POST /git/commits",
            "POST /git/refs refs/tags/v1.2.3",
            "POST /git/refs refs/heads/releases/v1",
            "POST /git/refs refs/tags/source/v1.2.3",
        ]:
            with self.subTest(where):
                self.github.breaks_at = where
                with self.assertRaisesRegex(RuntimeError, "HTTP 502"):
                    self.commit("1.2.3")
                self.github.breaks_at = ""

                commit = self.commit("1.2.3")

                self.assertEqual(self.refs()["refs/tags/v1.2.3"], commit)
                self.assertEqual(self.refs()["refs/heads/releases/v1"], commit)
                self.assertEqual(self.refs()["refs/tags/source/v1.2.3"], self.source)
                for ref in ["refs/tags/v1.2.3", "refs/tags/source/v1.2.3", "refs/heads/releases/v1"]:
                    self.remote("update-ref", "-d", ref)

    def test_a_version_that_is_another_release_already_is_refused(self):
        first = self.commit("1.2.3")
        self.push("second")

        with self.assertRaisesRegex(RuntimeError, "v1.2.3 exists and is another release"):
            self.commit("1.2.3")
        self.assertEqual(self.refs()["refs/tags/v1.2.3"], first)

    def test_a_branch_that_somebody_else_moved_is_not_overwritten(self):
        self.commit("1.2.3")
        # Between our look and our move.
        self.github.breaks_at = "PATCH /git/refs/heads/releases/v1"
        self.push("second")
        with self.assertRaisesRegex(RuntimeError, "HTTP 502"):
            self.commit("1.2.4")
        other = self.remote("commit-tree", "main^{tree}", "-m", "other")
        self.remote("update-ref", "refs/heads/releases/v1", other)
        self.github.breaks_at = ""

        with self.assertRaisesRegex(RuntimeError, "not a fast forward"):
            self.commit("1.2.4")
        self.assertEqual(self.refs()["refs/heads/releases/v1"], other)


class New(Repository):
    def test_the_first_version_and_newer_ones_pass(self):
        self.script("new", "0.1.0")
        self.commit("1.9.9")

        for version in ["1.9.10", "1.10.0", "2.0.0"]:
            with self.subTest(version):
                self.script("new", version)

    def test_a_released_and_an_older_one_are_refused(self):
        self.commit("1.9.10")

        for version in ["1.9.10", "1.9.9", "0.99.0"]:
            with self.subTest(version), self.assertRaisesRegex(RuntimeError, "v1.9.10 is released already"):
                self.script("new", version)


class Major(Repository):
    def test_it_is_made_and_moved(self):
        for version in ["1.2.3", "1.3.0"]:
            commit = self.commit(version)
            self.script("major", version, commit)

            self.assertEqual(self.refs()["refs/tags/v1"], commit)

    def test_it_never_goes_back(self):
        older, newer = self.commit("1.2.3"), self.commit("1.10.0")
        self.script("major", "1.10.0", newer)

        said = self.script("major", "1.2.3", older)

        self.assertIn("v1 stays at v1.10.0", said)
        self.assertEqual(self.refs()["refs/tags/v1"], newer)

    def test_a_newer_release_that_was_found_wanting_does_not_hold_it(self):
        older, _ = self.commit("1.2.3"), self.commit("1.10.0")

        self.script("major", "1.2.3", older)

        self.assertEqual(self.refs()["refs/tags/v1"], older)

    def test_another_major_version_is_left_alone(self):
        first, second = self.commit("1.2.3"), self.commit("2.0.0")
        self.script("major", "1.2.3", first)

        self.script("major", "2.0.0", second)

        self.assertEqual(self.refs()["refs/tags/v1"], first)
        self.assertEqual(self.refs()["refs/tags/v2"], second)


class Publish(Repository):
    def setUp(self):
        super().setUp()
        self.commit("1.2.3")

    def publish(self) -> dict:
        self.run_in(str(SCRIPTS / "release-publish"), "1.2.3", "notes.md", "a/SHA256SUMS", "a/x.json")
        return self.github.releases["v1.2.3"]

    def test_it_is_published_with_its_files(self):
        self.assertEqual(self.publish(), {"draft": False, "immutable": True, "files": ["SHA256SUMS", "x.json"]})

    def test_a_draft_that_was_left_behind_is_made_anew(self):
        self.github.breaks_at = "release edit"
        with self.assertRaises(RuntimeError):
            self.publish()
        self.github.breaks_at = ""

        self.assertEqual(self.publish()["draft"], False)

    def test_a_release_that_can_be_changed_stops_it_until_the_setting_is_made(self):
        self.github.immutable = False
        with self.assertRaisesRegex(RuntimeError, "Enable release immutability"):
            self.publish()
        self.github.immutable = True

        self.assertEqual(self.publish()["immutable"], True)

    def test_what_is_published_already_is_left_alone(self):
        self.publish()
        self.github.calls.clear()

        self.publish()

        self.assertEqual([call.split()[0] for call in self.github.calls], ["api"])


class Public(Scratch):
    def look(self, status: int) -> None:
        # Fails, too, where it is called with the credentials of the machine.
        self.stand_in("docker", f'#!/bin/sh\n[ "$1" = --config ] && [ -z "$(ls -A "$2")" ] && exit {status}\nexit 9\n')
        environment = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "O/r"}
        self.run_in(str(SCRIPTS / "release-public"), f"ghcr.io/o/r@{DIGEST}", **environment)

    def test_an_image_that_everybody_can_pull_passes(self):
        self.look(0)

    def test_a_private_image_is_refused_with_what_to_do(self):
        with self.assertRaisesRegex(RuntimeError, r"https://github.com/O/r/pkgs/container/r .*Re-run failed jobs"):
            self.look(1)

"""Tests of the bash scripts of a build, with stand-ins for the tools that they call."""

import hashlib
import io
import json
import re
import shutil
import tarfile
import unittest

from scratch import ENVIRONMENT, SCRIPTS, Scratch


@unittest.skipUnless(shutil.which("jq"), "jq is not installed")
class Sbom(Scratch):
    # What `cargo tree` says of x, which links a and b; m is a macro that a is built with, d is wanted by tests alone.
    TREE = "x v1.0.0 (/somewhere)\na v1.0.0\nb v0.1.0+more\nb v0.1.0+more (*)\n"
    RECORD = {"a": "1.0.0", "b": "0.1.0+more", "m": "3.0.0", "d": "4.0.0"}
    PACKAGE = "Package: libc6-dev\nStatus: installed\nSource: glibc\nVersion: 2.36-9+deb12u1\nArchitecture: amd64\n"

    def setUp(self):
        super().setUp()
        (self.dir / "binary").write_text("binary")
        self.stand_in("cargo", f"#!/bin/sh\nprintf '{self.TREE}'\n")
        self.record(self.RECORD)

    def record(self, crates: dict[str, str]):
        found = {
            "bomFormat": "CycloneDX",
            "metadata": {"component": {"bom-ref": "x", "purl": "pkg:cargo/x@1&download_url=redacted"}},
            "components": [
                {"bom-ref": name, "name": name, "version": version, "purl": f"pkg:cargo/{name}@{version}"}
                for name, version in crates.items()
            ],
            "dependencies": [
                {"ref": "x", "dependsOn": ["a", "d"]},
                {"ref": "a", "dependsOn": ["b", "m"]},
                {"ref": "m"},
            ],
        }
        self.stand_in("auditable2cdx", f"#!/bin/sh\ncat <<'E'\n{json.dumps(found)}\nE\n")

    def bill(self, *files: str) -> dict:
        return json.loads(self.run_in(str(SCRIPTS / "sbom"), "binary", "x86_64-unknown-linux-gnu", *files))

    def test_it_has_a_serial_number_that_is_a_uuid(self):
        self.assertRegex(
            self.bill()["serialNumber"],
            re.compile(r"\Aurn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}\Z"),
        )

    def test_the_same_binary_has_the_same_bill(self):
        self.assertEqual(self.bill(), self.bill())

    def test_our_own_address_is_plain(self):
        self.assertEqual(self.bill()["metadata"]["component"]["purl"], "pkg:cargo/x@1")

    def test_only_what_is_linked_is_in_it(self):
        bill = self.bill()

        self.assertEqual([component["name"] for component in bill["components"]], ["a", "b"])
        self.assertEqual(
            bill["dependencies"], [{"ref": "x", "dependsOn": ["a"]}, {"ref": "a", "dependsOn": ["b"]}]
        )

    def test_a_crate_that_the_binary_does_not_record_is_an_error(self):
        self.record({"a": "1.0.0", "b": "0.2.0"})

        with self.assertRaisesRegex(RuntimeError, "not in the record of the binary: b@0.1.0"):
            self.bill()

    def test_a_tree_that_cannot_be_read_is_an_error(self):
        for said in ["exit 1", "printf 'nothing that we know\\n'"]:
            with self.subTest(said):
                self.stand_in("cargo", f"#!/bin/sh\n{said}\n")

                with self.assertRaises(RuntimeError):
                    self.bill()

    def test_debians_packages_of_the_image_are_in_it(self):
        packages = self.dir / "files/var/lib/dpkg/status.d"
        packages.mkdir(parents=True)
        (packages / "libc6-dev").write_text(self.PACKAGE)
        (packages / "ca-certificates").write_text(
            "Package: ca-certificates\nVersion: 20230311\nArchitecture: all\nDescription: x\n Version: no field\n"
        )
        (self.dir / "files/etc").mkdir()
        (self.dir / "files/etc/os-release").write_text('NAME="Debian"\nVERSION_ID="12"\nID=debian\n')

        found = {component["name"]: component["purl"] for component in self.bill("files")["components"]}

        self.assertEqual(
            found,
            {
                "a": "pkg:cargo/a@1.0.0",
                "b": "pkg:cargo/b@0.1.0+more",
                "ca-certificates": "pkg:deb/debian/ca-certificates@20230311?arch=all&distro=debian-12",
                "libc6-dev": "pkg:deb/debian/libc6-dev@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=glibc",
            },
        )


if __name__ == "__main__":
    unittest.main()

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
class UnpackImage(Scratch):
    def test_the_files_of_all_layers_are_there(self):
        layers = [self.layer({"a/one": b"1"}), self.layer({"two": b"2", "a/one": b"newer"})]
        manifest = json.dumps({"layers": [{"digest": f"sha256:{self.digest(layer)}"} for layer in layers]}).encode()
        index = json.dumps({"manifests": [{"digest": f"sha256:{self.digest(manifest)}"}]}).encode()
        blobs = {f"blobs/sha256/{self.digest(blob)}": blob for blob in [manifest, *layers]}
        (self.dir / "image.tar").write_bytes(self.tar({"index.json": index} | blobs, "w"))

        self.run_in(str(SCRIPTS / "unpack-image"), "image.tar", "out")

        self.assertEqual((self.dir / "out/a/one").read_bytes(), b"newer")
        self.assertEqual((self.dir / "out/two").read_bytes(), b"2")

    def test_what_is_no_image_is_refused(self):
        (self.dir / "image.tar").write_bytes(self.tar({"index.json": b'{"manifests": []}'}, "w"))

        with self.assertRaises(RuntimeError):
            self.run_in(str(SCRIPTS / "unpack-image"), "image.tar", "out")

    def layer(self, files: dict[str, bytes]) -> bytes:
        return self.tar(files, "w:gz")

    def tar(self, files: dict[str, bytes], mode: str) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode=mode) as archive:
            for name, content in files.items():
                about = tarfile.TarInfo(name)
                about.size = len(content)
                archive.addfile(about, io.BytesIO(content))
        return out.getvalue()

    def digest(self, blob: bytes) -> str:
        return hashlib.sha256(blob).hexdigest()


@unittest.skipUnless(shutil.which("jq"), "jq is not installed")
class Sbom(Scratch):
    def bill(self) -> dict:
        stand_in = self.dir / "auditable2cdx"
        found = {"bomFormat": "CycloneDX", "metadata": {"component": {"purl": "pkg:cargo/x@1&download_url=redacted"}}}
        stand_in.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(found)}\nE\n")
        stand_in.chmod(0o755)
        (self.dir / "binary").write_text("binary")
        path = f"{self.dir}:{ENVIRONMENT['PATH']}"
        return json.loads(self.run_in(str(SCRIPTS / "sbom"), "binary", PATH=path))

    def test_it_has_a_serial_number_that_is_a_uuid(self):
        self.assertRegex(
            self.bill()["serialNumber"],
            re.compile(r"\Aurn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}\Z"),
        )

    def test_the_same_binary_has_the_same_bill(self):
        self.assertEqual(self.bill(), self.bill())

    def test_our_own_address_is_plain(self):
        self.assertEqual(self.bill()["metadata"]["component"]["purl"], "pkg:cargo/x@1")


if __name__ == "__main__":
    unittest.main()

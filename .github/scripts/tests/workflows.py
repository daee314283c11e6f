"""The workflows as text. They read our lay-out; that it is YAML is checked elsewhere."""

import re
import textwrap
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "workflows"
WORKFLOWS = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.yml"))}


def jobs(workflow: str) -> dict[str, str]:
    """Each job of a workflow with its text."""
    parts = re.split(r"^  ([a-z][a-z-]*):$", WORKFLOWS[workflow].split("\njobs:\n")[1], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def scripts(job: str) -> dict[str, str]:
    """The script of each step that has one, under its name."""
    steps = job.split("\n    steps:\n")[1]
    found = re.findall(
        r"^      - name: (.*)\n(?:        .*\n)*?        run: (?:\|\n((?:          .*\n|\n)+)|(.*)\n)", steps, re.MULTILINE
    )
    return {name: textwrap.dedent(block) or line for name, block, line in found}

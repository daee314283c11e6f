"""Do the readers of JUnit XML get what the gate says? Prints each fault, and status 1 if there is any.

    junit.py FILE.xml...

Each file must fit junit.xsd; junitparser must count what the file says of itself; and where the page of the same
name is red the file must be, and nowhere else.
"""

import sys
from pathlib import Path

import lxml.etree
from junitparser import JUnitXml

GREEN = ("## ✅", "## ▶️")


def faults(path, schema):
    document = lxml.etree.parse(path)
    schema.validate(document)
    yield from (f"line {error.line}: {error.message}" for error in schema.error_log)

    said = document.getroot().attrib
    xml = JUnitXml.fromfile(str(path))
    xml.update_statistics()
    for name in ("tests", "failures", "errors"):
        if int(said[name]) != getattr(xml, name):
            yield f"says {said[name]} {name}, and junitparser counts {getattr(xml, name)}"

    page = path.with_suffix(".md").read_text(encoding="utf-8")
    if page.startswith(GREEN) == (xml.failures + xml.errors > 0):
        yield f"{xml.failures} failures and {xml.errors} errors, where the page says: {page.splitlines()[0]}"


def main():
    schema = lxml.etree.XMLSchema(file=Path(__file__).with_suffix(".xsd"))
    found = [f"{name}: {fault}" for name in sys.argv[1:] for fault in faults(Path(name), schema)]
    print("\n".join(found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

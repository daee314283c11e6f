"""Shows Markdown as GitHub shows a job summary: its pipeline, rebuilt from public parts.

    pictures.py [--style FILE.css... --folder FOLDER] -- PAGE.md...

Markdown goes through GitHub's own parser (cmark-gfm), what its sanitiser does not allow is dropped, and the
filters that make links and emoji of text are played: where one would find something the page is at fault,
the find is framed in red, and the status is 1. Each page becomes a picture for each style and width; without
a style the pages are only checked.
"""

import argparse
import base64
import html
import html.parser
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import cmarkgfm
import nh3
from cmarkgfm.cmark import Options

# A phone, and the column of a job's page on a desktop.
WIDTHS = (400, 1012)

# What GitHub's sanitiser lets through, as far as a summary could hold it.
ALLOWED = set(
    "h1 h2 h3 h4 h5 h6 br b i strong em a pre code img div ins del sup sub p picture source ol ul li table thead "
    "tbody tfoot tr td th blockquote dl dt dd kbd q samp var hr ruby rt rp s strike summary details caption figure "
    "figcaption abbr bdo cite dfn mark small span time wbr input".split()
)
ATTRIBUTES = {
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "source": {"srcset", "media"},
    "td": {"align"},
    "th": {"align"},
    "input": {"type", "checked", "disabled"},
    "details": {"open"},
}

# What its filters make something else of, in any text outside code and links.
FOUND = re.compile(
    r"(?<![\w/`])@[a-z\d][a-z\d-]*"  # a mention
    r"|(?<!\w)(?:#|GH-)\d+\b"  # an issue
    r"|(?<![\w/])[0-9a-f]{7,40}(?!\w)"  # a commit
    r"|:[a-z\d+_-]+:",  # an emoji
    re.IGNORECASE,
)


class Filters(html.parser.HTMLParser):
    """Plays the filters over a sanitised page."""

    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.page, self.found, self.text, self.inside = [], [], "", 0

    def handle_data(self, data):
        self.text += data

    def handle_entityref(self, name):
        self.text += html.unescape(f"&{name};")

    def handle_charref(self, name):
        self.text += html.unescape(f"&#{name};")

    def flush(self):
        text, self.text = self.text, ""
        if self.inside:
            self.page.append(html.escape(text, quote=False))
            return
        end = 0
        for match in FOUND.finditer(text):
            self.found.append(match[0])
            self.page.append(html.escape(text[end : match.start()], quote=False))
            self.page.append(f'<span style="outline: 3px solid red">{html.escape(match[0])}</span>')
            end = match.end()
        self.page.append(html.escape(text[end:], quote=False))

    def handle_starttag(self, tag, attrs):
        self.flush()
        self.inside += tag in ("a", "code", "pre")
        self.page.append(self.get_starttag_text())

    def handle_endtag(self, tag):
        self.flush()
        self.inside -= tag in ("a", "code", "pre")
        self.page.append(f"</{tag}>")


def render(markdown):
    """Gives the page, and what a filter found in it."""
    raw = cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE)
    clean = nh3.clean(raw, tags=ALLOWED, attributes=ATTRIBUTES, link_rel=None)
    filters = Filters()
    filters.feed(clean)
    filters.close()
    filters.flush()
    return "".join(filters.page), filters.found


class Browser:
    """One headless Chromium, told what to do over a pair of pipes."""

    def __enter__(self):
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # --no-sandbox: root in a container has no other way, and the pages are our own.
        options = "--headless --no-sandbox --disable-gpu --hide-scrollbars --remote-debugging-pipe"
        self.profile = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            # Chromium reads from 3 and writes to 4.
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", "chromium", *options.split()]
            + [f"--user-data-dir={self.profile.name}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.out, self.answers, self.number, self.session = open(ours_out, "wb"), open(ours_in, "rb"), 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return self

    def __exit__(self, *_):
        self.session = None
        self.call("Browser.close")
        self.process.wait(timeout=60)
        self.profile.cleanup()

    def call(self, method, **parameters):
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        self.out.write(json.dumps(command).encode() + b"\0")
        self.out.flush()
        while True:
            answer = json.loads(self.message())
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]

    def message(self):
        message = bytearray()
        while (byte := self.answers.read(1)) != b"\0":
            if not byte:
                sys.exit("Chromium ended before its time.")
            message += byte
        return message

    def picture(self, page, width):
        """Gives a picture of the whole page as PNG."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=100, deviceScaleFactor=1, mobile=False)
        frame = self.call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self.call("Page.setDocumentContent", frameId=frame, html=page)
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        shown = self.call(
            "Page.captureScreenshot",
            captureBeyondViewport=True,
            clip={"x": 0, "y": 0, "width": width, "height": size["height"], "scale": 1},
        )
        return base64.b64decode(shown["data"])


def document(style, page):
    return (
        f'<!DOCTYPE html><meta charset="utf-8"><style>{style} body {{ margin: 0 }}'
        " .markdown-body { box-sizing: border-box; padding: 16px }</style>"
        f'<article class="markdown-body">{page}</article>'
    )


def draw(options, pages):
    options.folder.mkdir(parents=True, exist_ok=True)
    with Browser() as browser:
        for style in options.style:
            theme, css = style.stem.rpartition("-")[2], style.read_text(encoding="utf-8")
            for path, page in zip(options.pages, pages):
                for width in WIDTHS:
                    picture = browser.picture(document(css, page), width)
                    (options.folder / f"{path.stem}-{width}-{theme}.png").write_bytes(picture)
    print(f"the pictures are in {options.folder}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--style", nargs="+", type=Path, default=[])
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("pages", nargs="+", type=Path)
    options = parser.parse_args()

    rendered = [render(page.read_text(encoding="utf-8")) for page in options.pages]
    # A fold hides what has to be looked at too.
    pages = [page.replace("<details>", "<details open>") for page, _ in rendered]
    if options.style:
        draw(options, pages)
    faults = [(path, found) for path, (_, found) in zip(options.pages, rendered) if found]
    for path, found in faults:
        print(f"{path}: GitHub would make something else of {', '.join(found)}")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

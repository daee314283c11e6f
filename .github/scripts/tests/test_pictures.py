"""Does the picture of a page show what GitHub would make of it?"""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pictures import render  # noqa: E402


class Render(unittest.TestCase):
    def test_finds_what_github_would_make_something_else_of(self):
        for markdown, found in [
            ("@team", ["@team"]),
            ("&#64;team", ["@team"]),
            ("&#64;<wbr>team a@b", []),
            ("#12 and GH-7", ["#12", "GH-7"]),
            ("GH&#45;<wbr>12", []),
            ("0a1b2c3", ["0a1b2c3"]),
            ("0a1b2c<wbr>3", []),
            (":lock:", [":lock:"]),
            ("&#58;<wbr>lock&#58;", []),
            ("`@team #1` [@team](https://x.example)", []),
        ]:
            self.assertEqual(render(markdown)[1], found, markdown)

    def test_drops_what_the_sanitiser_drops_and_keeps_the_rest(self):
        page, _ = render("<details><summary>a</summary>\n\n| b |\n| ---: |\n| c<script>d</script> |\n\n</details>")

        self.assertNotIn("<script", page)
        for kept in ['<th align="right">b</th>', "<details><summary>a</summary>"]:
            self.assertIn(kept, page)


if __name__ == "__main__":
    unittest.main()

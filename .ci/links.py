"""Checks the links of all pages: a relative link leads to a file of the repository, and its anchor to a heading there.

>>> slug("How long a token is kept"), slug("`/readyz?verbose`, and the *rest*")
('how-long-a-token-is-kept', 'readyzverbose-and-the-rest')
>>> list(links("see [a](b.md#c), ![d](e.png) and [x](https://x.example)"))
['b.md#c', 'e.png', 'https://x.example']
"""

import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"\]\(([^()\s]+(?:\([^()]*\))?)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def links(text):
    return LINK.findall(text)


def slug(heading):
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower()).replace(" ", "-")


def anchors(page):
    fences = re.compile(r"```.*?```", re.DOTALL)
    return {slug(heading) for heading in HEADING.findall(fences.sub("", page.read_text()))}


def faults(root, pages):
    for page in pages:
        for link in links(CODE.sub("", page.read_text())):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                yield f"{page.relative_to(root)}: {link}: no such file"
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                yield f"{page.relative_to(root)}: {link}: no such heading"


if __name__ == "__main__":
    root = pathlib.Path(__file__).resolve().parents[1]
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=root, capture_output=True, text=True, check=True).stdout
    pages = [root / name for name in listed.split()]
    found = list(faults(root, pages))
    print("\n".join(found) or f"{len(pages)} pages, all links lead somewhere")
    sys.exit(bool(found) or len(pages) < 10)

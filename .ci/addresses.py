"""Check that a tag can be released, and write where the repository is into what a package index
shows.

    python .ci/addresses.py https://github.com/OWNER/aino v1.0.0

The tag must be `__version__`, which CHANGELOG.md must name in a heading. Links of README.md become
absolute, at that tag, and pyproject.toml gets `[project.urls]`. The repository keeps relative
links, which hold in every copy of it, so do not commit what this changes.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)(\[[^\]]*\])\((?!https?:|mailto:)([^)\s]+)\)")
PAGES = {"Documentation": "docs/README.md", "Changelog": "CHANGELOG.md"}


def absolute(text: str, repository: str, tag: str) -> str:
    """Return a page of the repository's root with links that hold everywhere.

    Pictures lead to their bytes, because package indexes do not follow GitHub's redirects to them;
    without `sanitize`, GitHub has sent SVG as plain text.
    """
    bytes_of = repository.replace("https://github.com/", "https://raw.githubusercontent.com/")

    def link(match: re.Match[str]) -> str:
        picture, label, target = match.groups()
        page = f"README.md{target}" if target.startswith("#") else target
        address = (
            f"{bytes_of}/{tag}/{page}?sanitize=true"
            if picture
            else f"{repository}/blob/{tag}/{page}"
        )
        return f"{picture}{label}({address})"

    return LINK.sub(link, text)


def check(tag: str, root: Path = ROOT) -> None:
    """Exit with the reason unless the sources and the change log have this tag's version."""
    for name, line in (
        ("engine/version.py", f'__version__ = "{tag[1:]}"'),
        ("CHANGELOG.md", f"## {tag[1:]}"),
    ):
        if line not in (root / name).read_text(encoding="utf-8").splitlines():
            sys.exit(f"tag {tag}: expected the line {line!r} in {name}")


def main(repository: str, tag: str, root: Path = ROOT) -> None:
    """Change README.md and pyproject.toml of the folder `root`."""
    readme, package = root / "README.md", root / "pyproject.toml"
    readme.write_text(
        absolute(readme.read_text(encoding="utf-8"), repository, tag), encoding="utf-8"
    )
    urls = {"Repository": repository, "Issues": f"{repository}/issues"}
    urls |= {name: f"{repository}/blob/{tag}/{page}" for name, page in PAGES.items()}
    table = "".join(f'{name} = "{url}"\n' for name, url in urls.items())
    settings = package.read_text(encoding="utf-8")
    package.write_text(
        settings.replace("[project.scripts]", f"[project.urls]\n{table}\n[project.scripts]"),
        encoding="utf-8",
    )


if __name__ == "__main__":
    check(sys.argv[2])
    main(*sys.argv[1:3])

"""Links inside the project lead somewhere, and so do the paths that pages name."""

import re
from pathlib import Path

import pytest

from tests.documents.pages import PAGES, ROOT, anchors, links

OUTSIDE = re.compile(r"^(https?|mailto):")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_that_exist(page: str) -> None:
    for target in links(page):
        if OUTSIDE.match(target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), f"{page}: {target} leads nowhere"
        assert ROOT in path.resolve().parents, f"{page}: {target} leads out of the project"
        if anchor:
            other = path.resolve().relative_to(ROOT).as_posix()
            assert anchor in anchors(other), f"{page}: {other} has no heading {anchor!r}"


def test_every_page_can_be_reached_from_the_front_page() -> None:
    reached, coming = set(), ["README.md"]
    while coming:
        page = coming.pop()
        reached.add(page)
        for target in links(page):
            name = target.partition("#")[0]
            if name.endswith(".md") and not OUTSIDE.match(target):
                other = Path((ROOT / page).parent / name).resolve().relative_to(ROOT).as_posix()
                if other not in reached:
                    coming.append(other)
    assert reached == set(PAGES)

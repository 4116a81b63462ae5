"""The option table is up to date."""

from tests.documents.generate import OPTIONS, with_option_table


def test_the_option_table_is_what_the_options_say() -> None:
    page = OPTIONS.read_text(encoding="utf-8")
    assert with_option_table(page) == page, "run `python -m tests.documents.generate`"

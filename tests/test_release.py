"""What a release is made of, apart from what it runs."""

from scripts.release import section

CHANGELOG = """# Changelog

## Unreleased

- Not yet.

## 0.2.0 - 2026-12-24

- One.
- Two.

## 0.1.0 - 2026-12-01

- First.
"""


def test_the_notes_are_the_entries_of_the_version_alone() -> None:
    assert section(CHANGELOG, "0.2.0") == "- One.\n- Two."
    assert section(CHANGELOG, "0.1.0") == "- First."


def test_a_version_without_a_dated_section_has_no_notes() -> None:
    assert section(CHANGELOG, "0.3.0") is None
    assert section(CHANGELOG, "Unreleased") is None
    assert section("## 1.0.0 - 2027-01-01\n\n## 0.9.0 - 2026-12-31\n", "1.0.0") is None

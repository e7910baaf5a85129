"""When the build hook builds the page, and when it needs no Node."""

from pathlib import Path

import pytest
from hatch_build import STAMP, fingerprint, is_fresh


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    web = tmp_path / "web"
    (web / "src").mkdir(parents=True)
    (web / "index.html").write_text("<html>")
    (web / "src" / "main.ts").write_text("start()")
    return web


@pytest.fixture
def page(tmp_path: Path, sources: Path) -> Path:
    """A page that was built from `sources`."""
    built = tmp_path / "page"
    built.mkdir()
    (built / STAMP).write_text(fingerprint(sources))
    return built


def test_a_page_is_fresh_while_its_sources_stay(sources: Path, page: Path) -> None:
    assert is_fresh(sources, page)


def test_a_page_that_was_never_built_is_not_fresh(sources: Path, page: Path, tmp_path: Path) -> None:
    assert not is_fresh(sources, tmp_path / "elsewhere")
    (page / STAMP).unlink()
    assert not is_fresh(sources, page)


def test_a_page_is_stale_after_a_change(sources: Path, page: Path) -> None:
    (sources / "src" / "main.ts").write_text("begin()")
    assert not is_fresh(sources, page)


def test_a_page_is_stale_after_a_new_file(sources: Path, page: Path) -> None:
    (sources / "src" / "more.ts").touch()
    assert not is_fresh(sources, page)


def test_a_page_is_stale_after_a_new_name(sources: Path, page: Path) -> None:
    (sources / "index.html").rename(sources / "docs.html")
    assert not is_fresh(sources, page)


def test_what_was_installed_to_build_it_does_not_count(sources: Path, page: Path) -> None:
    (sources / "node_modules" / "vite").mkdir(parents=True)
    (sources / "node_modules" / "vite" / "index.js").write_text("build()")
    assert is_fresh(sources, page)


def test_the_fingerprint_is_of_names_and_contents_alone(sources: Path, tmp_path: Path) -> None:
    copy = sources.rename(tmp_path / "copy")
    before = fingerprint(copy)
    (copy / "index.html").touch()  # another time
    assert fingerprint(copy) == before


def test_no_two_trees_run_together(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "a").write_text("1")
    (tmp_path / "one" / "b").write_text("2")
    (tmp_path / "two" / "a").write_text("1" + f"{len('b')} {len('2')} b\n" + "2")
    assert fingerprint(tmp_path / "one") != fingerprint(tmp_path / "two")


def test_the_page_in_the_package_is_the_one_of_these_sources() -> None:
    root = Path(__file__).parents[1]
    assert is_fresh(root / "web", root / "src" / "lianhua" / "page")

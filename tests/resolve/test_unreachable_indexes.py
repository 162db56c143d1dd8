"""An index that cannot be read next to one that can: what was found elsewhere is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import ResolutionError
from tests.support.packages import make_wheel
from tests.support.situation import REUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

NOBODY = "http://someone:s3cret@127.0.0.1:9/simple"


@pytest.fixture
def public(tmp_path: Path, serve: type[SimpleIndex]) -> Iterator[SimpleIndex]:
    make_wheel(tmp_path / "public", "foo", requires=["bar"])
    make_wheel(tmp_path / "public", "bar")
    with serve(tmp_path / "public") as served:
        yield served


@pytest.fixture
def build(bundle_with_state: Callable[..., Bundle], public: SimpleIndex) -> Callable[..., Bundle]:
    def run(private: str, *requirements: str) -> Bundle:
        options = ["--index-url", private, "--extra-index-url", public.url, "--retries", "0"]
        return bundle_with_state(*(requirements or ("foo",)), pip_args=options)

    return run


def test_a_warning_names_the_index_and_what_was_found_elsewhere(build: Callable[..., Bundle], ui: RecordingUI) -> None:
    build(NOBODY)
    assert "the index http://****@127.0.0.1:9/simple could not be read (" in ui.text
    assert "; found elsewhere: foo 1.0 from 127.0.0.1:" in ui.text
    assert ", bar 1.0 from 127.0.0.1:" in ui.text
    assert "s3cret" not in ui.text


def test_so_it_does_for_pages_and_directories_of_find_links(
    bundle_with_state: Callable[..., Bundle], public: SimpleIndex, tmp_path: Path, ui: RecordingUI
) -> None:
    page, missing = "http://someone:s3cret@127.0.0.1:9/wheels.html", tmp_path / "missing"
    options = ["--index-url", public.url, "--retries", "0", "--find-links", page, "--find-links", str(missing)]
    options += ["--extra-index-url", tmp_path.as_uri()]  # which has no directory for `foo`

    bundle_with_state("foo", pip_args=options)

    assert "the page http://****@127.0.0.1:9/wheels.html of `--find-links` could not be read (" in ui.text
    assert f"Location '{missing}' is ignored: it is either a non-existing path" in ui.text
    assert ui.text.count(" is ignored") == ui.text.count("of `--find-links` could not be read") == 1
    assert "s3cret" not in ui.text


def test_it_is_given_by_every_build(build: Callable[..., Bundle], ui: RecordingUI) -> None:
    build(NOBODY)
    build(NOBODY)
    assert not REUSED.search(ui.text)
    assert ui.text.count("could not be read") == 2


def test_also_where_the_credentials_are_wrong(
    build: Callable[..., Bundle], tmp_path: Path, serve: type[SimpleIndex], ui: RecordingUI
) -> None:
    with serve(tmp_path / "public", ("someone", "else")) as private:
        build(private.url.replace("else", "wrong"))
    assert "could not be read (401 " in ui.text


def test_an_index_that_lacks_the_project_is_no_reason_to_warn(
    build: Callable[..., Bundle], tmp_path: Path, serve: type[SimpleIndex], ui: RecordingUI
) -> None:
    make_wheel(tmp_path / "private", "other")
    with serve(tmp_path / "private") as private:
        build(private.url)
        assert "Warning" not in ui.text
        with pytest.raises(ResolutionError) as caught:
            build(private.url, "foo>=2")
        assert "404" not in str(caught.value)
        with pytest.raises(ResolutionError) as caught:
            build(private.url, "nowhere")
        assert f"Could not fetch {private.url}/nowhere/: 404 " in str(caught.value)

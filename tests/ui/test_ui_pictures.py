"""Pictures of a fix: what they show is said in words, fits, and lets nothing hostile in."""

from xml.etree import ElementTree as ET

import pytest

from sekisho.controls.pictures import draw_picture, load_pictures, read_picture
from sekisho.controls.reading import Source
from sekisho.ui import pictures
from sekisho.ui.pictures import Frame, Look, Picture, Row, Thing

SVG = "{*}"
FRAMES = [
    pytest.param(frame, language, id=f"{name}-{place}-{language}")
    for name, picture in sorted(load_pictures().items())
    for place, frame in enumerate(picture.frames)
    for language in ("ja", "en")
]


def both(text: str) -> dict[str, str]:
    return {"ja": text, "en": text}


@pytest.mark.parametrize(("frame", "language"), FRAMES)
def test_every_frame_is_well_formed_named_and_in_bounds(frame: Frame, language: str) -> None:
    svg = ET.fromstring(pictures.draw_frame(frame, language))  # noqa: S314 - our own SVG
    width, height = map(float, svg.attrib["viewBox"].split()[2:])

    assert svg.findtext("title") == frame.caption[language]
    assert all(text in str(svg.findtext("desc")) for text in (r.text[language] for r in frame.rows))
    for box in svg.iter("rect"):
        assert float(box.attrib["x"]) >= 0
        assert float(box.attrib["x"]) + float(box.attrib["width"]) <= width
        assert float(box.attrib["y"]) + float(box.attrib["height"]) <= height
    for text in svg.iter("text"):
        assert 0 < float(text.attrib["y"]) < height
    assert not any("style" in node.attrib for node in svg.iter())  # the CSP refuses it


def test_words_are_text_and_nothing_else() -> None:
    words = both("<script>alert(1)</script>")
    frame = Frame(caption=words, title=words, rows=[Row(words, Look.BUTTON, value=words)])
    things = Frame(caption=words, things=[Thing("bin", words)])

    drawn = pictures.draw_picture(Picture((frame, things)), "en")

    assert "<script" not in drawn
    assert "&lt;script&gt;alert(1)" in drawn


def test_what_does_not_fit_is_a_fault_with_its_line() -> None:
    source = Source("pictures/x.yaml")
    text = """frames:
  - caption: {ja: 図, en: A picture}
    title: {ja: 題, en: A title that is far too long for the head of a window}
    rows: [{text: {ja: 行, en: A row}, as: lever}]
  - caption: {ja: 図, en: A picture}
    things: [{icon: dragon, text: {ja: 竜, en: Dragon}}]
  - caption: {ja: 図, en: A picture}
    rows: [{text: {ja: 行, en: A row that leaves no room beside it at all}}]
  - caption: {ja: 図, en: A picture}
"""
    assert read_picture(text, source) is None
    assert [f"{fault.line}: {fault.message}" for fault in source.faults] == [
        f"4: “lever” is not known; expected one of: {', '.join(Look)}.",
        f"6: “dragon” is not known; expected one of: {', '.join(pictures.ICONS)}.",
        "7: This is too long for the picture: “A row that leaves no room beside it at all”.",
        "9: A frame has a caption and either rows or things.",
    ]


def test_a_name_that_is_not_known_draws_nothing() -> None:
    assert draw_picture("gone", "ja") == ""

import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.plot.chart import Axis, Bars, Chart, Line
from tacitlab.plot.panels import Panel, Panels
from tacitlab.report.page import Page, Section, Table, render, show, write

EVIL = """</script></style></title><script>alert(1)</script><img src=x onerror=alert(1)> "'&<!-- <b>"""
CHART = Chart("Prices", Axis("period"), Axis("price", "money"), (Line([0, 1], [1, 2], "firm"),), caption="Means.")
LOADS = {"src", "href", "srcset", "data", "action", "poster", "background"}


class Reader(HTMLParser):
    """Collects tags, attributes and the text outside scripts and styles."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.scripts, self.text, self.inside = [], [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts.append(data)
        elif self.inside != "style":
            self.text.append(data)


def read(page):
    reader = Reader()
    reader.feed(render(page))
    return reader


def test_a_page_says_its_answer_first():
    text = " ".join(read(Page("Title", "The answer.", (Section("Heading", "One.\n\nTwo.", charts=(CHART,)),))).text)
    assert [text.index(part) for part in ("The answer.", "Heading", "One.", "Two.", "Figure 1. Prices", "Means.")]
    assert text.index("The answer.") < text.index("Heading")


def test_a_page_loads_nothing():
    reader = read(Page("t", "a", (Section("h", "https://example.org", charts=(CHART, CHART)),)))
    assert not {"link", "iframe", "img", "object", "embed", "base", "form"} & set(reader.tags)
    assert not [item for item in reader.attributes if item[1] in LOADS]
    style = re.search(r"<style>(.*?)</style>", render(Page("t", "a")), re.S).group(1)
    assert "url(" not in style
    assert "@import" not in style
    policy = next(value for _, name, value in reader.attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_the_library_is_there_once_and_only_if_needed():
    assert render(Page("t", "a", (Section("h", charts=(CHART, CHART)),))).count("plotly.js v") == 1
    assert len(render(Page("t", "a", (Section("h"),)))) < 10_000


def test_panels_stand_on_a_page_and_scroll_in_a_narrow_window():
    panels = Panels("Runs", Axis("x"), Axis("y"), [Panel("run 0", [Line([0, 1], [0, 1])])], caption="Means.")
    page = render(Page("t", "a", (Section("h", charts=(panels,)),)))
    assert "<figure class='chart panels'><h3>Figure 1. Runs</h3>" in page
    assert "<figcaption>Means.</figcaption>" in page


def test_no_text_becomes_markup():
    chart = Chart(EVIL, Axis(EVIL, EVIL), Axis(EVIL), (Bars([EVIL], [1], EVIL),), caption=EVIL)
    table = Table((EVIL,), ((EVIL,),), EVIL)
    page = Page(EVIL, EVIL, (Section(EVIL, EVIL, table, (chart,)),))
    reader, clean = read(page), read(Page("t", "a", (Section("h", "x", Table(("a",), (("b",),), "c"), (CHART,)),)))
    assert reader.tags == clean.tags
    assert [item[:2] for item in reader.attributes] == [item[:2] for item in clean.attributes]
    assert "alert(1)" in "".join(reader.text)
    drawing = next(script for script in reader.scripts if script.startswith("draw("))
    assert "<" not in drawing


def test_numbers_stand_on_the_right_unless_told_otherwise():
    rows = (("price", 1.5, None), ("profit", 0.25, None))
    page = render(Page("t", "a", (Section("h", table=Table(("what", "mean", "none"), rows)),)))
    assert "<td class='left'>price</td><td class='right'>1.5</td><td class='left'>–</td>" in page
    told = render(Page("t", "a", (Section("h", table=Table(("a",), ((1,),), align=("center",))),)))
    assert "<td class='center'>1</td>" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ("a", "b"), "rows": ((1,),)}, "table: row 1 has 1 cells for 2 columns"),
        ({"columns": ("a",), "rows": (), "align": ()}, "table: align has 0 entries for 1 columns"),
        ({"columns": ("a",), "rows": (), "align": ("up",)}, "table: align 'up' is none of left, center, right"),
    ],
)
def test_mistakes_in_tables(arguments, message):
    with pytest.raises(ValueError, match=message):
        Table(**arguments)


def test_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    assert write(Page("new", "a"), path) == path
    assert path.read_text(encoding="utf-8") == render(Page("new", "a"))
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(TacitError, match=r"report\.html: cannot be written \(.+\); ") as caught:
        write(Page("t", "a"), tmp_path / "no" / "report.html")
    assert "\n" not in str(caught.value)
    (tmp_path / "folder").mkdir()
    with pytest.raises(TacitError, match="folder: cannot be written"):
        write(Page("t", "a"), tmp_path / "folder")
    assert [item.name for item in tmp_path.iterdir()] == ["folder"]


def test_describing_and_paging_needs_no_drawing_library():
    code = "import sys, tacitlab.report.page, tacitlab.plot.chart; print({'plotly', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize(
    ("cell", "text"),
    [(np.int64(2_000_000), "2,000,000"), (np.float32(0.5), "0.5"), (np.bool_(True), "yes"), (np.float64("nan"), "–")],
)
def test_cells_may_be_numpy_scalars(cell, text):
    assert show(cell) == text

"""A report as one HTML file that needs no network."""

import html
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from tacitlab.plot.chart import Chart, HeatMap
from tacitlab.plot.panels import Panels, Picture
from tacitlab.store import atomic

Cell: TypeAlias = str | int | float | bool | np.generic | None
Align = Literal["left", "center", "right"]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    columns : tuple of str
        Headings.
    rows : tuple of tuples
        Cells: texts stand as they are, numbers with four significant digits, None and NaN as a dash.
    caption : str
        Stands below.
    align : tuple of {"left", "center", "right"}, optional
        One for each column; without it numbers stand on the right and texts on the left.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    align: Sequence[Align] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "rows", tuple(tuple(row) for row in self.rows))
        wide = len(self.columns)
        for number, row in enumerate(self.rows, 1):
            if len(row) != wide:
                raise ValueError(f"table: row {number} has {len(row)} cells for {wide} columns")
        if self.align is None:
            return
        object.__setattr__(self, "align", tuple(self.align))
        if len(self.align) != wide:
            raise ValueError(f"table: align has {len(self.align)} entries for {wide} columns")
        for side in self.align:
            if side not in get_args(Align):
                raise ValueError(f"table: align '{side}' is none of {', '.join(get_args(Align))}")


@dataclass(frozen=True)
class Section:
    """A part of a page: a heading, a text (an empty line begins a new paragraph), a table, charts."""

    heading: str
    text: str = ""
    table: Table | None = None
    charts: Sequence[Picture] = ()


@dataclass(frozen=True)
class Page:
    """A report: its title, the answer in words, and what supports it."""

    title: str
    answer: str
    sections: Sequence[Section] = ()


def write(page: Page, path: str | os.PathLike[str]) -> Path:
    """Write a page as one HTML file; a reader sees the old file or the new one, never a part.

    Raises
    ------
    TacitError
        If the file cannot be written.
    """
    return atomic.replace(path, render(page).encode())


def render(page: Page) -> str:
    """The page as HTML.

    Every text is escaped, and a policy in the head forbids the browser to load or send anything.

    Examples
    --------
    >>> "<p>2 &lt; 3</p>" in render(Page("Sums", "2 < 3"))
    True
    """
    parts = [
        f"<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n{POLICY}",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{html.escape(page.title)}</title>\n<style>{STYLE}</style>",
    ]
    if any(section.charts for section in page.sections):
        parts.append(f"<script>{_library()}</script>\n<script>{SCRIPT}</script>")
    parts.append(f"</head>\n<body>\n<main>\n<h1>{html.escape(page.title)}</h1>")
    if page.answer:
        parts.append(f"<div class='answer'>{_paragraphs(page.answer)}</div>")
    number = 0
    for section in page.sections:
        parts.append(f"<section>\n<h2>{html.escape(section.heading)}</h2>" if section.heading else "<section>")
        parts.append(_paragraphs(section.text))
        if section.table is not None:
            parts.append(_table(section.table))
        for chart in section.charts:
            number += 1
            parts.append(_figure(chart, number))
        parts.append("</section>")
    parts.append("</main>\n</body>\n</html>\n")
    return "\n".join(part for part in parts if part)


def _paragraphs(text: str) -> str:
    paragraphs = (part.strip() for part in text.split("\n\n"))
    return "\n".join(f"<p>{html.escape(part)}</p>" for part in paragraphs if part)


def _table(table: Table) -> str:
    sides = table.align or tuple(_side([row[at] for row in table.rows]) for at in range(len(table.columns)))

    def row(cells: Sequence[Cell], tag: str, scope: str = "") -> str:
        inner = (
            f"<{tag}{scope} class='{side}'>{html.escape(show(cell))}</{tag}>"
            for cell, side in zip(cells, sides, strict=True)
        )
        return f"<tr>{''.join(inner)}</tr>"

    body = "\n".join(row(cells, "td") for cells in table.rows)
    head = row(table.columns, "th", " scope='col'")
    caption = f"<figcaption>{html.escape(table.caption)}</figcaption>" if table.caption else ""
    size = "table wide" if len(table.columns) > 5 else "table"
    return (
        f"<figure class='{size}'><div class='scroll'><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n"
        f"</table></div>{caption}</figure>"
    )


def _side(cells: Sequence[Cell]) -> Align:
    known = [_scalar(cell) for cell in cells if cell is not None]
    numbers = all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in known)
    return "right" if known and numbers else "left"


def _scalar(cell: Cell) -> str | int | float | bool | None:
    return cell.item() if isinstance(cell, np.generic) else cell


def show(cell: Cell) -> str:
    """A cell as text.

    Examples
    --------
    >>> [show(cell) for cell in (1.47288, 1234567.8, 2_000_000, 3e-7, -0.5, float("nan"), None, True, "Nash")]
    ['1.473', '1,234,568', '2,000,000', '3e-07', '−0.5', '–', '–', 'yes', 'Nash']
    >>> show(float("inf")), show(float("-inf"))
    ('∞', '−∞')
    """
    cell = _scalar(cell)
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if not math.isfinite(cell):
        return "–" if math.isnan(cell) else "∞" if cell > 0 else "−∞"
    text = f"{cell:,}" if isinstance(cell, int) else f"{cell:,.0f}" if 1e4 <= abs(cell) < 1e12 else f"{cell:,.4g}"
    return f"−{text[1:]}" if text.startswith("-") else text


def _library() -> str:
    from plotly.offline import get_plotlyjs  # a page without charts needs neither the library nor its import

    return get_plotlyjs().replace("</script", r"<\/script")


def _figure(chart: Picture, number: int) -> str:
    """A chart between its title and its caption, which are set by the page and so wrap with it."""
    from tacitlab.plot import screen as interactive

    figure = interactive.figure(replace(chart, title="", caption=""))
    # Within a script nothing but "<" could end it, and JSON has another way of writing that.
    drawing = figure.to_json().replace("<", r"\u003c")
    caption = f"<figcaption>{html.escape(chart.caption)}</figcaption>" if chart.caption else ""
    kind = " panels" if isinstance(chart, Panels) else ""
    if isinstance(chart, Chart) and any(isinstance(mark, HeatMap) for mark in chart.marks):
        kind = " heat"
    title = f"Figure {number}. {chart.title}" if chart.title else f"Figure {number}"
    return (
        f"<figure class='chart{kind}'><h3>{html.escape(title)}</h3>\n"
        f"<div id='chart-{number}' style='height:{figure.layout.height:.0f}px'></div>\n"
        f"<script>draw('chart-{number}', {drawing});</script>\n{caption}</figure>"
    )


# Nothing is loaded and nothing is sent: styles and scripts are those of the file, pictures those it makes itself.
POLICY = (
    "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'\">"
)

# The library offers to send a chart to its makers' server; only saving a picture and undoing a zoom are left. On
# paper a chart takes the width of the page.
SCRIPT = """
function draw(id, figure) {
  figure.config = {responsive: true, displaylogo: false, displayModeBar: "hover", typesetMath: false,
    showSendToCloud: false, plotlyServerURL: "", modeBarButtons: [["toImage", "resetScale2d"]],
    toImageButtonOptions: {filename: id, scale: 3}};
  Plotly.newPlot(id, figure);
}
function resize() { document.querySelectorAll(".chart > div").forEach(function (plot) { Plotly.Plots.resize(plot); }); }
window.addEventListener("beforeprint", resize);
window.addEventListener("afterprint", resize);
"""

# Charts are drawn dark on light; in a dark window their text and frame, not their data, are recoloured here.
STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --soft: #63636a; --paper: #fff; --rule: #dcdce0; --tint: #f2f6fa;
  --mark: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 752px; margin: 0 auto; padding: 40px 24px 64px; overflow-wrap: anywhere; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 1.25rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.75rem 0 .6rem; }
h3 { font-size: .95rem; line-height: 1.4; margin: 0 0 .25rem; }
p { margin: .6rem 0; white-space: pre-line; }
.answer { font-size: 1.1rem; background: var(--tint); border-left: 4px solid var(--mark); padding: .5rem 1.1rem; }
figure { margin: 1.75rem 0; }
figcaption { color: var(--soft); font-size: .875rem; margin-top: .4rem; }
.panels { overflow-x: auto; } .panels > div { min-width: 640px; }
.wide { width: max-content; min-width: 100%; max-width: min(1040px, 100vw - 48px);
  margin-left: 50%; transform: translateX(-50%); }
.scroll { overflow-x: auto; overflow-wrap: normal; }
table { border-collapse: collapse; font-size: .9rem; line-height: 1.4; font-variant-numeric: tabular-nums;
  border-top: 1.5px solid var(--ink); border-bottom: 1.5px solid var(--ink); min-width: 50%; }
th { font-weight: 600; vertical-align: bottom; border-bottom: 1px solid var(--ink); }
th, td { padding: .35rem .9rem .35rem 0; }
th:not(:first-child), td:not(:first-child) { padding-left: .9rem; }
th:last-child, td:last-child { padding-right: 0; }
td { vertical-align: top; white-space: pre-line; }
tbody tr + tr td { border-top: 1px solid var(--rule); }
.left { text-align: left; } .center { text-align: center; } .right { text-align: right; white-space: nowrap; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e8e8ea; --soft: #a3a3ab; --paper: #17181b; --rule: #36373c; --tint: #1e2630; --mark: #56b4e9; }
  .main-svg .xaxislayer-above text, .main-svg .yaxislayer-above text, .main-svg .infolayer text,
  .main-svg .scatterlayer text:not([style*="fill: rgb(0, 0, 0)"]) { fill: #e8e8ea !important; }
  .main-svg :is(.scatterlayer, .legend) path[style*="stroke: rgb(34, 34, 34)"] { stroke: #e8e8ea !important; }
  .main-svg :is(.scatterlayer, .legend) path[style*="fill: rgb(34, 34, 34)"] { fill: #e8e8ea !important; }
  .main-svg :is(.scatterlayer, .legend) path[style*="stroke: rgb(255, 255, 255)"] { stroke: #17181b !important; }
  .main-svg :is(.scatterlayer, .legend) path[style*="fill: rgb(255, 255, 255)"] { fill: #17181b !important; }
  .main-svg .gridlayer path { stroke: #36373c !important; }
  .main-svg .xlines-above, .main-svg .ylines-above, .main-svg .zl, .main-svg path.xtick, .main-svg path.ytick,
  .main-svg .annotation-arrow-g path { stroke: #a3a3ab !important; }
  .chart:not(.heat) .main-svg .shapelayer path, .main-svg .barlayer .errorbar path { stroke: #e8e8ea !important; }
}
@media print {
  @page { margin: 14mm; }
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  .answer { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; } .scroll { overflow: visible; }
  .wide { width: auto; margin-left: 0; transform: none; } .panels > div { min-width: 0; }
  .modebar-container { display: none; }
}
"""

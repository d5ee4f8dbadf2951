"""Every figure of a report as a file of its own, for papers."""

import re
from pathlib import Path

from tacitlab.errors import TacitError
from tacitlab.plot import paper as printed
from tacitlab.report.page import Page


def save_all(page: Page, folder: Path, suffix: str) -> list[Path]:
    """Write the charts of a page as ``01-title.pdf`` and so on.

    Raises
    ------
    TacitError
        If the folder cannot be made, or the suffix is unknown.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TacitError(f"{folder}: cannot be made ({error.strerror}); name a writable folder") from None
    charts = [chart for section in page.sections for chart in section.charts]
    return [
        printed.save(chart, folder / f"{number:02d}-{_slug(chart.title)}.{suffix.lstrip('.')}")
        for number, chart in enumerate(charts, 1)
    ]


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")

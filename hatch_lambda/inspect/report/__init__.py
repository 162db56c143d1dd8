"""A report on a zip: one HTML page without external resources.

- `treemap` computes the rectangles, `map` draws them;
- `overview`, `tables` and `dependencies` are the sections of the page, made of `facts` with `markup`;
- `page` puts it all together, with `page.html`, `page.css` and `page.js`.
"""

from __future__ import annotations

from hatch_lambda.inspect.report.page import write

__all__ = ["write"]

"""The gallery: one page, with the downloaded images beside it, that opens from the disk without a server."""

import shutil
from collections.abc import Iterable
from html import escape
from pathlib import Path

from local.journey import Downloaded, Journey

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>IDV ticket archive: demo</title>
<style>
  :root {{ color-scheme: light dark; --edge: color-mix(in srgb, currentColor 18%, transparent); }}
  body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }}
  h1 {{ font-size: 1.5rem; margin: 0; }}
  article {{ border: 1px solid var(--edge); border-radius: 12px; padding: 1rem 1.25rem; margin: 1.25rem 0; }}
  header {{ display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; }}
  h2 {{ font: 600 1rem ui-monospace, monospace; margin: 0; overflow-wrap: anywhere; }}
  .badge {{ border: 1px solid currentColor; border-radius: 99px; padding: 0 .6rem; font-size: .8rem; }}
  .good {{ color: light-dark(#116329, #56d364); }} .bad {{ color: light-dark(#a40e26, #ff7b72); }}
  .facts, figcaption {{ font-size: .85rem; opacity: .75; }}
  .images {{ display: flex; flex-wrap: wrap; gap: 1rem; margin-top: .75rem; }}
  figure {{ margin: 0; width: 13rem; }}
  img {{ width: 100%; height: 10rem; object-fit: contain; border-radius: 8px; background: #8882; }}
  code {{ font-size: .8rem; }}
</style>
<h1>IDV ticket archive: demo</h1>
<p>{tickets} tickets, {images} images, each downloaded by its signed URL and compared with what the vendor sent.</p>
{articles}
</html>
"""

ARTICLE = """<article>
<header><h2>{ticket}</h2> <span class="badge {mood}">{verdict}</span> <span class="badge">{outcome}</span></header>
<div class="facts">{facts}</div>
{differences}
<div class="images">
{figures}
</div>
</article>
"""

FIGURE = """<figure><a href="{path}"><img src="{path}" alt="{kind} {index}" loading="lazy"></a>
<figcaption>{kind} {index}<br>{content_type}, {size} kB<br><code>{sha256}…</code></figcaption></figure>"""


def write(folder: Path, journeys: Iterable[Journey]) -> Path:
    """Write index.html and the images into `folder`, in place of what was there; returns the page's path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    shown = list(journeys)
    page = folder / "index.html"
    page.write_text(
        PAGE.format(
            tickets=len(shown),
            images=sum(len(journey.images) for journey in shown),
            articles="\n".join(_article(folder, journey) for journey in shown),
        ),
        encoding="utf-8",
    )
    return page


def _article(folder: Path, journey: Journey) -> str:
    about = journey.about
    facts = [f"{about['document']}", f"images as {about['shape']}", f"details {about['details']}"]
    facts += [f"no {kind}" for kind in journey.absent] + [f"archived after {journey.seconds:.1f} s"]
    differences = "".join(f"<li>{escape(each)}</li>" for each in journey.differences)
    return ARTICLE.format(
        ticket=escape(journey.ticket),
        mood="bad" if journey.differences else "good",
        verdict="differs" if journey.differences else "matches",
        outcome=escape(journey.outcome or "unknown"),
        facts=escape(" · ".join(facts)),
        differences=f'<ul class="bad">{differences}</ul>' if differences else "",
        figures="\n".join(_figure(folder, journey.ticket, image) for image in journey.images),
    )


def _figure(folder: Path, ticket: str, image: Downloaded) -> str:
    name = f"{image.type.lower()}-{image.index}.{EXTENSIONS.get(image.content_type, 'bin')}"
    path = folder / ticket / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(image.body)
    return FIGURE.format(
        path=escape(f"{ticket}/{name}"),
        kind=escape(image.type.lower().replace("_", " ")),
        index=image.index,
        content_type=escape(image.content_type),
        size=f"{len(image.body) / 1000:,.0f}",
        sha256=image.sha256[:16],
    )

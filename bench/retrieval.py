"""The retrieval function, warm: requests per second over a bare Powertools resolver, for 1, 8 and 40 images."""

import json
from functools import partial
from statistics import median

from bench.events import Context, images_request
from bench.harness import Figure, Harness, alternate, ratio


def figures(requests: int = 60) -> list[Figure]:
    """Return a ratio per number of images; both handlers answer in turn, in one process."""
    found = []
    with Harness.start() as harness:
        for images in (1, 8, 40):
            taken = harness.run("retrieval.measure", images=images, requests=requests)
            name = f"retrieval of {images} images, requests per second over a bare resolver"
            raw = {f"{each}_ms": 1000 * median(seconds) for each, seconds in taken.items()}
            found.append(ratio(name, taken["bare"], taken["product"], 0.9, at_least=True, raw=raw))
    return found


def measure(images: int, requests: int) -> dict[str, list[float]]:
    """Return CPU seconds of each request: with a stand-in that answers at once, they are what limits the rate."""
    from bench.baselines import resolver
    from retrieval import app

    event = images_request(images)
    handlers = {"product": app.lambda_handler, "bare": resolver.lambda_handler}
    for name, handler in handlers.items():
        answer = handler(event, Context())
        if answer["statusCode"] != 200 or len(json.loads(answer["body"])["images"]) != images:
            raise RuntimeError(f"{name} did not list the images: {answer}")
    works = {name: partial(handler, event, Context()) for name, handler in handlers.items()}
    return alternate(works, requests, 10)

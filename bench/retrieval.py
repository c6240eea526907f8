"""The retrieval function, warm: requests per second over a bare Powertools resolver, for 1, 8 and 40 images."""

import json
from functools import partial

from bench.harness import Figure, Harness, alternate, milliseconds, ratio
from bench.targets import context, images_request

IMAGES = (1, 8, 40)


def figures(requests: int = 60) -> list[Figure]:
    """Return a ratio per number of images; both handlers answer in turn, in one process."""
    with Harness.start() as harness:
        measured = harness.run("retrieval.measure", requests=requests)
    name = "retrieval of {} images, requests per second over a bare resolver"
    return [
        ratio(name.format(images), each["bare"], each["product"], 0.9, at_least=True, raw=milliseconds(each))
        for images, each in measured
    ]


def measure(requests: int) -> list[tuple[int, dict[str, list[float]]]]:
    """Return CPU seconds of each request: with a stand-in that answers at once, they are what limits the rate."""
    from bench.baselines import resolver
    from retrieval import app

    handlers = {"product": app.lambda_handler, "bare": resolver.lambda_handler}
    found = []
    for images in IMAGES:
        event = images_request(images)
        for name, handler in handlers.items():
            answer = handler(event, context())
            if answer["statusCode"] != 200 or len(json.loads(answer["body"])["images"]) != images:
                raise RuntimeError(f"{name} did not list the images: {answer}")
        works = {name: partial(handler, event, context()) for name, handler in handlers.items()}
        found.append((images, alternate(works, requests, 10)))
    return found

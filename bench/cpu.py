"""Point 3: CPU per ticket over the floor, and how it grows with the number and the size of images.

The floor is what nobody can leave out, done with the bare libraries and nothing around it, one call after the other in
one thread: HTTP (urllib3) to the vendor, JSON, base64, SHA-256 once, and a PUT (botocore) of each image, of the item
and of the manifest. It is clear text on both sides: TLS would cost both the same and flatter the ratio.
"""

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from bench import tickets as vendor_tickets
from bench.events import Context, completed
from bench.figures import Figure
from bench.harness import Lab

GROWTH = ((1, 200_000), (5, 200_000), (20, 200_000), (5, 100_000), (5, 1_000_000), (5, 5_000_000))
"""Images and bytes of each."""
WARM_UP = 2
"""Rounds that do not count."""


def figures(lab: Lab, *, rounds: int = 20, growth: Sequence[tuple[int, int]] = GROWTH) -> list[Figure]:
    """The ratio for an ordinary ticket, and the two straight lines."""
    [ticket] = vendor_tickets.prepare(lab.vendor, 1, start=2000)
    turns = [_both(lab, ticket, rounds) for _ in range(9)]
    found = [
        Figure(
            "CPU per ticket over the floor of the bare library calls",
            median(product / floor for product, floor in turns),
            goal=1.5,
            raw={
                "product_seconds": [product for product, _ in turns],
                "floor_seconds": [floor for _, floor in turns],
            },
        )
    ]
    points = []
    for number, (images, size) in enumerate(growth):
        sizes = vendor_tickets.spread(images, size)
        [ticket] = vendor_tickets.prepare(lab.vendor, 1, 2001 + number, sizes)
        types = lab.having(IMAGE_TYPES=",".join(sizes))
        product, floor = _both(types, ticket, max(3, min(rounds, 20_000_000 // (images * size))))
        points.append({"images": images, "bytes": size, "product_seconds": product, "floor_seconds": floor})
    found.append(
        Figure(
            "CPU per ticket over the floor, at worst of all numbers and sizes",
            max(point["product_seconds"] / point["floor_seconds"] for point in points),
            raw={"points": points},
        )
    )
    by_size = sorted((each for each in points if each["images"] == 5), key=lambda each: each["bytes"])
    by_count = sorted((each for each in points if each["bytes"] == 200_000), key=lambda each: each["images"])
    for name, line in (("number", by_count), ("size", by_size)):
        if len(line) >= 3:
            found.append(Figure(f"CPU by {name} of images: the last step's slope over the first's", _bend(line)))
    return found


def _bend(line: Sequence[dict[str, Any]]) -> float:
    """1 is a straight line."""
    bytes_of = [each["images"] * each["bytes"] for each in line]
    seconds = [each["product_seconds"] for each in line]
    slopes = [
        (later - sooner) / (more - less)
        for sooner, later, less, more in zip(seconds, seconds[1:], bytes_of, bytes_of[1:], strict=False)
    ]
    return float(slopes[-1] / slopes[0])


def _both(lab: Lab, ticket: str, rounds: int) -> tuple[float, float]:
    """The product's and the floor's, one right after the other: what else the machine does falls on both."""
    product, floor = (lab.run(name, ticket=ticket, rounds=rounds) for name in ("cpu.product", "cpu.floor"))
    return product, floor


def product(ticket: str, rounds: int) -> float:
    """CPU seconds per ticket of the warm function: user and system, all its threads."""
    from ingest import app

    events = [completed([ticket]) for _ in range(rounds + WARM_UP)]  # sealing them is the vendor's work

    def once() -> None:
        answer = app.lambda_handler(events.pop(), Context())
        if answer["batchItemFailures"]:
            raise RuntimeError("the ticket was not archived")

    return _cpu(once, rounds)


def floor(ticket: str, rounds: int) -> float:
    """CPU seconds per ticket of the bare calls."""
    import botocore.session
    import urllib3

    session = botocore.session.get_session()
    s3: Any = session.create_client("s3")
    dynamodb: Any = session.create_client("dynamodb")
    vendor = urllib3.PoolManager()
    kinds = os.environ.get("IMAGE_TYPES", ",".join(vendor_tickets.USUAL)).split(",")
    token = vendor.request(
        "POST",
        f"{os.environ['VENDOR_URL']}/id/v1/identity/auth/token",
        headers={
            "Authorization": f"Basic {base64.b64encode(b'key:secret').decode()}",
            "x-api-key": "key",
            "x-tenant": "bench",
            "x-env": "sandbox",
            "x-banknu": "1",
            "x-interface": "API",
            "User-Agent": "floor",
        },
    ).json()["token"]
    headers = {"Authorization": f"Bearer {token}", "x-api-key": "key", "User-Agent": "floor"}
    address = f"{os.environ['VENDOR_URL']}/id/v1/identity/transactions/{ticket}"

    def once() -> None:
        details = vendor.request("GET", address, headers=headers).data
        json.loads(details)
        keys = []
        for kind in kinds:
            for text in vendor.request("GET", f"{address}/images?type={kind}", headers=headers).json()["images"]:
                image = base64.b64decode(text.partition(",")[2])
                digest = hashlib.sha256(image)
                keys.append(f"tickets/{ticket}/images/{kind}/{digest.hexdigest()}.jpg")
                s3.put_object(
                    Bucket="archive",
                    Key=keys[-1],
                    Body=image,
                    ContentType="image/jpeg",
                    ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
                )
        item = {"ticket": {"S": ticket}, "record": {"S": "ticket"}, "details": {"S": details.decode()}}
        dynamodb.put_item(TableName="tickets", Item={**item, "images": {"L": [{"S": key} for key in keys]}})
        s3.put_object(Bucket="archive", Key=f"tickets/{ticket}/manifest.json", Body=json.dumps(keys).encode())

    return _cpu(once, rounds)


def _cpu(work: Callable[[], None], rounds: int) -> float:
    """The median of several rounds, after those that warm up."""
    taken = []
    for _ in range(rounds + WARM_UP):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return median(taken[WARM_UP:])

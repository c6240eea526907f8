"""Point 6: the retrieval function in process, warm, for tickets with 1, 8 and 40 images; the cost of a signed URL."""

import json
import os
import time
import urllib.request
from statistics import median, quantiles
from typing import Any

from bench.events import Context, request
from bench.figures import Figure
from bench.harness import Lab

IMAGES = (1, 8, 40)


def figures(lab: Lab, *, requests: int = 200, signatures: int = 1000) -> list[Figure]:
    """One figure per size of ticket, the reads per request, and the price of a signature."""
    found = []
    for images in IMAGES:
        measured = lab.run("retrieval.models", images=images, requests=requests)
        found.append(
            Figure(
                f"retrieval, requests per second, {images} signed URLs each",
                measured["per_second"],
                unit="/s",
                raw=measured,
            )
        )
        if images == IMAGES[-1]:
            found.append(Figure("retrieval, table reads per request", measured["reads_per_request"], "", goal=1.0))
    signed = lab.run("retrieval.signatures", count=signatures)
    found.append(Figure("a signed URL over botocore's own presign", signed["ratio"], goal=1.2, raw=signed))
    return found


def answers(images: int, requests: int) -> dict[str, float]:
    """Times of `GET /tickets/{ticket}/images`, in milliseconds; the table is a stand-in on the loopback."""
    from retrieval import app

    event = request("retrieval_images", ticket=f"images-{images}")
    taken = []
    for number in range(requests + 10):
        if number == 10:
            reads, cpu = _reads(), time.process_time()
        began = time.perf_counter()
        answer = app.lambda_handler(event, Context())
        taken.append(time.perf_counter() - began)
        if answer["statusCode"] != 200 or len(json.loads(answer["body"])["images"]) != images:
            raise RuntimeError("the images were not listed")
    taken = taken[10:]
    cpu = time.process_time() - cpu
    percents = quantiles(taken, n=100)
    return {
        "per_second": requests / sum(taken),
        "p50_ms": 1000 * percents[49],
        "p99_ms": 1000 * percents[98],
        "cpu_ms": 1000 * cpu / requests,
        "reads_per_request": (_reads() - reads) / requests,
    }


def _reads() -> int:
    with urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/_counts") as answer:
        counts = json.loads(answer.read())
    return sum(int(counts.get(name, 0)) for name in ("GetItem", "BatchGetItem", "Query", "Scan"))


def signatures(count: int) -> dict[str, Any]:
    """CPU per URL: ours, and botocore's for the same object, parameters and configuration, in turn."""
    from botocore.config import Config
    from botocore.session import get_session

    from bench.aws import archived
    from retrieval import app
    from ticket_archive.table import read_item

    images = read_item(archived("images-40", 40)).images
    links = app.collaborators.links
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    bare: Any = get_session().create_client("s3", config=config)
    form = {"ResponseContentType": "image/jpeg", "ResponseContentDisposition": 'attachment; filename="DOCUMENT-0.jpg"'}

    def ours() -> None:
        links.images(images)

    def botocores() -> None:
        for image in images:
            params = {"Bucket": "archive", "Key": image.key, "ResponseCacheControl": "no-store", **form}
            bare.generate_presigned_url("get_object", Params=params, ExpiresIn=300)

    taken: dict[str, list[float]] = {"ours": [], "botocore": []}
    for number in range(max(3, count // 40) + 1):
        for name, sign in (("ours", ours), ("botocore", botocores)):
            began = time.process_time()
            sign()
            if number:
                taken[name].append((time.process_time() - began) / len(images))
    ratio = median(ours / bare for ours, bare in zip(taken["ours"], taken["botocore"], strict=True))
    return {"ratio": ratio, **{f"{name}_us": 1e6 * median(each) for name, each in taken.items()}}

"""What connections cost: a cold function opens a dozen to AWS, and one that was idle opens them again.

Everything else is measured in clear, where connections cost nothing. Here the stand-in for S3 speaks TLS, and the
client verifies it against a file of as many authorities as botocore carries.
"""

import base64
import hashlib
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import certifi

from bench.figures import Figure
from bench.harness import Lab, serving
from local.certificate import make

CONNECTIONS = 10


def figures(lab: Lab, *, rounds: int = 5) -> list[Figure]:
    """CPU of the first ten connections at once: the product's client over botocore's as it comes."""
    taken: dict[str, list[float]] = {"tls.ours": [], "tls.botocores": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificate = make(folder / "certificate")
        bundle = folder / "bundle.pem"
        bundle.write_bytes(Path(certifi.where()).read_bytes() + certificate.authority.read_bytes())
        command = [sys.executable, "-m", "bench.aws", "--seconds=s3=0.1"]
        command += [f"--certificate={certificate.certificate}", f"--key={certificate.key}"]
        with serving(command) as url:
            over_tls = lab.having(AWS_ENDPOINT_URL=url, AWS_CA_BUNDLE=str(bundle))
            for _ in range(rounds):
                for side, seconds in taken.items():
                    seconds.append(over_tls.run(side, connections=CONNECTIONS))
    ours, botocores = (median(seconds) for seconds in taken.values())
    return [
        Figure(
            f"CPU of the first {CONNECTIONS} connections over TLS, over botocore's own",
            ours / botocores,
            raw={"ours_ms": 1000 * ours, "botocore_ms": 1000 * botocores},
        )
    ]


def ours(connections: int) -> float:
    """CPU seconds, with the product's client."""
    from botocore.config import Config

    from ticket_archive import aws

    return _cpu(aws.client("s3", Config(max_pool_connections=connections)), connections)


def botocores(connections: int) -> float:
    """CPU seconds, with botocore's own client for the same connections at once."""
    from botocore.config import Config
    from botocore.session import get_session

    return _cpu(get_session().create_client("s3", config=Config(max_pool_connections=connections)), connections)


def _cpu(s3: Any, connections: int) -> float:
    body = b"image"
    checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()

    def put(number: int) -> None:
        s3.put_object(Bucket="archive", Key=f"tickets/{number}", Body=body, ChecksumSHA256=checksum)

    with ThreadPoolExecutor(connections) as threads:
        began = time.process_time()
        list(threads.map(put, range(connections)))
        return time.process_time() - began

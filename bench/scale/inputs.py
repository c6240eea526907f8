"""What is assumed of the world: tickets, latencies, the course of a day. Each may be changed from the command line."""

from dataclasses import dataclass, field, replace

from bench.harness import AWS_SECONDS, LATENCIES
from bench.tickets import USUAL

DAY = 86_400


@dataclass(frozen=True)
class Ticket:
    """A ticket: bytes of each image, type by type (an absent type has none), of its details and of its webhook."""

    images: tuple[tuple[int, ...], ...] = tuple(map(tuple, USUAL.values()))
    details: int = 4000
    webhook: int = 200

    @property
    def count(self) -> int:
        """How many images."""
        return sum(map(len, self.images))

    @property
    def bytes(self) -> int:
        """Of all images together."""
        return sum(map(sum, self.images))

    def with_images(self, count: int | None, size: int | None) -> "Ticket":
        """So many images, spread over the types, or images of so many bytes; None leaves the number, or the total."""
        number = self.count if count is None else count
        each = size or round(self.bytes / self.count)
        spread = (tuple([each] * len(range(place, number, len(self.images)))) for place in range(len(self.images)))
        return replace(self, images=tuple(spread))


@dataclass(frozen=True)
class Latencies:
    """Seconds until an answer, by what is called; the same as the benchmark injects.

    `refusal` is what one call takes to a vendor that is down and says so at once.
    """

    token: float = LATENCIES["token"] / 1000
    details: float = LATENCIES["details"] / 1000
    images: float = LATENCIES["images"] / 1000
    table: float = AWS_SECONDS["dynamodb"]
    bucket: float = AWS_SECONDS["s3"]
    queue: float = AWS_SECONDS["sqs"]
    refusal: float = 0.05

    @property
    def door(self) -> float:
        """The one call of the webhook door, and as long again for everything around it."""
        return 2 * self.queue


@dataclass(frozen=True)
class World:
    """All of it. `cpu` is seconds of one CPU per ticket, as `make bench` measured them (`product_cpu_per_ticket`).

    `peak` is how much busier the busiest hour is than the average; `token_life` how long a token is used; `bucket_key`
    which share of the PUTs still asks KMS; `sampled` which share of requests X-Ray traces beyond one per second.
    """

    ticket: Ticket = field(default_factory=Ticket)
    latencies: Latencies = field(default_factory=Latencies)
    cpu: float = 0.059
    peak: float = 3.0
    token_life: float = 20 * 60 - 60.0
    bucket_key: float = 0.01
    sampled: float = 0.05

"""`python -m bench.capacity`: which limit comes first, what an hour's outage does, and what a ticket costs.

Calls, write units and log bytes are counted by running the real handlers against a stand-in. Numbers of template.yaml
are read from it. Prices and AWS's limits are in `bench.capacity_inputs`, each with its source.
"""

import argparse
import io
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from bench.capacity_inputs import CPU_SECONDS, LIMITS, PRICES, SMALL_ACCOUNT, Limit
from bench.harness import AWS_SECONDS, ROOT, VENDOR_SECONDS, lab

DOCUMENT, README = ROOT / "docs" / "capacity.md", ROOT / "README.md"
BEGIN, END = "<!-- begin: make capacity ARGS=--write -->", "<!-- end -->"
SCALES = (1_000, 100_000, 10_000_000)
DAY, HOUR = 86_400, 3_600
PEAK = 3.0
"""The busiest second over the day's average."""
MB_PER_CPU = 1769
"""Lambda gives one CPU at this memory size (docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""
LAMBDA_LINES = 450
"""Bytes of START, END and REPORT, which Lambda adds to the log for each invocation."""
CALL_BYTES = 1200
"""Bytes that one call to the vendor sends, TLS included."""
FAILING_BATCH_SECONDS = 4.0
"""A batch whose calls the vendor refuses at once: two quick retries of each call and their pauses."""

EVENTS = "the bucket's switch for EventBridge has no filter; S3 to SNS by suffix has, but is another contract"

Row = tuple[str, ...]
Table = tuple[str, Row, list[Row]]


@dataclass(frozen=True)
class Counted:
    """What one webhook, one ticket, and one batch besides its tickets called, by operation."""

    webhook: Mapping[str, float]
    ticket: Mapping[str, float]
    batch: Mapping[str, float]
    logged_webhook: float
    logged_ticket: float
    logged_batch: float

    def of(self, *operations: str) -> float:
        """Return how often a ticket calls these operations, its webhook included."""
        return sum(self.webhook.get(name, 0) + self.ticket.get(name, 0) for name in operations)

    def units(self, table: str = "") -> float:
        """Return the write units of one ticket, in this table or in both."""
        named = (name for name in self.ticket if name.startswith(table) and name.endswith(".units"))
        return sum(self.ticket[name] for name in named)


@dataclass(frozen=True)
class Template:
    """What template.yaml sets. `workers` is the event source's MaximumConcurrency."""

    workers: int
    batch_size: int
    memory_mb: int
    arm: bool
    throttle_rate: float
    max_receives: int
    retry_delay: float
    tracing: bool
    eventbridge: bool


def count() -> Counted:
    """Run a webhook, a batch of one and a batch of ten in a warm function, and count what they call."""
    with lab() as stand_ins:
        found: dict[str, Any] = stand_ins.run("capacity.invocations", url=stand_ins.url)
    one, ten = found["one"], found["ten"]
    per_ticket = {name: (calls - one["calls"].get(name, 0)) / 9 for name, calls in ten["calls"].items()}
    shared = {name: calls - per_ticket[name] for name, calls in one["calls"].items()}
    logged = (ten["logged"] - one["logged"]) / 9
    return Counted(
        webhook=found["webhook"]["calls"],
        ticket=per_ticket,
        batch={
            name: calls for name, calls in shared.items() if calls > 0.5 and not name.endswith((".bytes", ".units"))
        },
        logged_webhook=found["webhook"]["logged"],
        logged_ticket=logged,
        logged_batch=one["logged"] - logged,
    )


def invocations(url: str) -> dict[str, Any]:
    """Return the calls and the logged bytes of a warm function's invocations."""
    log = sys.stdout = io.StringIO()  # before the logger takes it

    from bench.events import Context, completed, request, tickets
    from bench.harness import Lab
    from ingest import app

    stand_in, found = Lab({}, url), {}
    events: Mapping[str, Callable[[], dict[str, Any]]] = {
        "webhook": lambda: request("webhook_completed_encrypted"),
        "one": lambda: completed(tickets(1)),
        "ten": lambda: completed(tickets(10)),
    }
    for name, make in events.items():
        for _ in range(3):  # the last counts: by then the process is warm
            event = make()
            stand_in.counts()
            logged = log.tell()
            app.lambda_handler(event, Context())
            found[name] = {"calls": stand_in.counts(), "logged": log.tell() - logged}
    return found


def template(**parameters: float) -> Template:
    """Read template.yaml; `parameters` replace the defaults of its parameters."""
    from samtranslator.yaml_helper import yaml_parse

    parse: Callable[[str], dict[str, Any]] = yaml_parse
    parsed = parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    resources = {name: each.get("Properties", {}) for name, each in parsed["Resources"].items()}
    function = {**parsed["Globals"]["Function"], **resources["IngestFunction"]}

    def value(node: Any) -> Any:
        if isinstance(node, dict) and set(node) == {"Ref"}:
            return parameters.get(node["Ref"], parsed["Parameters"][node["Ref"]]["Default"])
        return node

    [source] = [each["Properties"] for each in function["Events"].values() if each["Type"] == "SQS"]
    throttle = next(each for each in resources["Api"]["MethodSettings"] if "ThrottlingRateLimit" in each)
    buckets = json.dumps(
        [each["NotificationConfiguration"] for each in resources.values() if "NotificationConfiguration" in each]
    )
    return Template(
        workers=int(value(source["ScalingConfig"]["MaximumConcurrency"])),
        batch_size=int(value(source["BatchSize"])),
        memory_mb=int(value(function["MemorySize"])),
        arm=[value(each) for each in function["Architectures"]] == ["arm64"],
        throttle_rate=float(value(throttle["ThrottlingRateLimit"])),
        max_receives=int(value(resources["TicketQueue"]["RedrivePolicy"]["maxReceiveCount"])),
        retry_delay=float(value({"Ref": "RetryDelaySeconds"})),
        tracing=value(function.get("Tracing", "PassThrough")) == "Active",
        eventbridge='"EventBridgeEnabled": true' in buckets,
    )


@dataclass(frozen=True)
class Model:
    """What the handlers call and what the template sets, put together."""

    counted: Counted
    template: Template

    def batch_seconds(self, tickets: int) -> float:
        """Return the seconds of a warm batch: the longer of one ticket's path and all of the vendor's calls, and CPU.

        Waiting of different tickets overlaps; Python's own work does not, at the CPU share of the memory size.
        """
        vendor, aws = VENDOR_SECONDS, AWS_SECONDS
        path = 4 * aws["dynamodb"] + max(vendor["details"], vendor["images"]) + 2 * aws["s3"]
        calls = tickets * (vendor["details"] + 5 * vendor["images"]) / 16 + aws["dynamodb"] + 2 * aws["s3"]
        return max(path, calls) + tickets * CPU_SECONDS / min(1.0, self.template.memory_mb / MB_PER_CPU)

    def batch_at(self, rate: float) -> int:
        """Return the smallest batch with which the workers keep up with `rate` tickets a second."""
        sizes = range(1, self.template.batch_size + 1)
        enough = (size for size in sizes if self.template.workers * size / self.batch_seconds(size) >= rate)
        return next(enough, self.template.batch_size)

    @property
    def capacity(self) -> float:
        """Tickets per second with full batches in all workers."""
        return self.template.workers * self.template.batch_size / self.batch_seconds(self.template.batch_size)

    def used(self, rate: float) -> dict[str, float]:
        """Return what `rate` tickets a second use of each limit."""
        batch, puts = self.batch_at(rate), self.counted.of("s3.PUT")
        failing = self.template.workers * self.template.batch_size / FAILING_BATCH_SECONDS
        return {
            "workers": rate / self.capacity,
            "throttle": rate / self.template.throttle_rate,
            "api": rate,
            "lambda": rate * 2 * AWS_SECONDS["sqs"] + rate / batch * self.batch_seconds(batch),
            "table": rate * (self.counted.units("tickets.") + 1),  # and one in by-customer
            "puts": rate * puts,
            "kms": rate * puts / 100,  # the bucket key serves about a hundred objects
            "events": rate,
            "incomplete": 2 * min(rate, failing),  # a new time of the next attempt moves the index's entry
        }

    def reached_at(self, limit: Limit) -> float:
        """Return the tickets a day at which the busiest second is at the limit; a huge number where it never is."""
        low, high = 1.0, 1e12
        while high / low > 1.001:
            middle = math.sqrt(low * high)
            low, high = (middle, high) if self.used(middle / DAY * PEAK)[limit.key] < limit.value else (low, middle)
        return high

    def cost(self, tickets: int) -> dict[str, float]:
        """Return dollars per 1,000 tickets by service, without what is stored and what is fixed."""
        counted, rate = self.counted, tickets / DAY
        size = self.batch_at(rate * PEAK)
        seconds = 2 * AWS_SECONDS["sqs"] + self.batch_seconds(size) / size
        puts = counted.of("s3.PUT")
        warm = min(self.template.workers, max(1.0, rate / size * self.batch_seconds(size)))
        logged = counted.logged_webhook + counted.logged_ticket + LAMBDA_LINES
        logged += (counted.logged_batch + LAMBDA_LINES) / size
        amounts = {
            "API Gateway": ("api", 1.0),
            "Lambda": ("lambda_arm" if self.template.arm else "lambda_x86", seconds * self.template.memory_mb / 1024),
            "Lambda requests": ("lambda_requests", 1 + 1 / size),
            "SQS": ("queue", counted.of("sqs.SendMessage") + 2 / size),  # to receive and to delete a batch
            "DynamoDB": ("table_writes", counted.units() + 1),
            "DynamoDB reads": ("table_reads", counted.of("tickets.GetItem", "idempotency.GetItem")),
            "S3": ("puts", puts),
            "EventBridge": ("events", puts if self.template.eventbridge else 0.0),
            "KMS": ("kms", puts / 100 + 5 / 300 / rate),  # five data keys, used for five minutes each
            "Secrets Manager": ("secrets", warm * 3 / 300 / rate),
            "CloudWatch Logs": ("logs", logged),
            "X-Ray": ("traces", min(1.0, 1 / rate) if self.template.tracing else 0.0),
            "Data transfer": ("out", counted.of("vendor.details", "vendor.images") * CALL_BYTES),
        }
        return {name: 1000 * amount * PRICES[price].each for name, (price, amount) in amounts.items() if amount}

    def attempts(self, spread: float) -> list[float]:
        """Return when a failing message's attempts begin, in seconds; `spread` is 0.75 to 1.25 of each pause."""
        begun = [0.0]
        for number in range(self.template.max_receives - 1):
            begun.append(begun[-1] + spread * min(self.template.retry_delay * 2**number, 5400.0))
        return begun


def tables(model: Model) -> list[Table]:
    """Return the document's tables: title, header and rows."""
    scales = tuple(f"{tickets:,} a day" for tickets in SCALES)
    limits = sorted(LIMITS, key=model.reached_at)
    shares = [model.used(tickets / DAY * PEAK) for tickets in SCALES]
    small = [replace(each, value=SMALL_ACCOUNT[each.key]) for each in LIMITS if each.key in SMALL_ACCOUNT]
    costs = [model.cost(tickets) for tickets in SCALES]
    dollars: list[Row] = [
        (name, *(f"{cost.get(name, 0):.4f}" for cost in costs)) for name in sorted(costs[1], key=lambda n: -costs[1][n])
    ]
    dollars.append(("together", *(f"{sum(cost.values()):.4f}" for cost in costs)))
    return [
        ("One ticket, counted", ("call", "times"), _calls(model.counted)),
        (
            "The busiest second: share of each limit",
            ("limit", *scales, "reached at", "then"),
            [
                (
                    each.name,
                    *(f"{used[each.key] / each.value:.1%}" for used in shares),
                    _reached(model, each),
                    each.then,
                )
                for each in limits
            ],
        ),
        (
            "A small account's limits",
            ("limit", "value", "reached at", "then"),
            [(each.name, f"{each.value:,.0f} {each.unit}", _reached(model, each), each.then) for each in small],
        ),
        ("An hour without the vendor, at the peak", ("", *scales), _outage(model)),
        ("Dollars per 1,000 tickets", ("service", *scales), dollars),
        ("Savings at 100,000 tickets a day", ("what", "dollars per 1,000", "state"), _savings(model)),
        (
            "Prices, us-east-1, June 2026",
            ("what", "dollars", "source"),
            [(each.unit, f"{each.dollars:g} per {each.per:,.0f}", each.source) for each in PRICES.values()],
        ),
        (
            "Limits, an account's defaults",
            ("limit", "value", "source"),
            [(each.name, f"{each.value:,.0f} {each.unit}", each.source) for each in LIMITS],
        ),
    ]


def _calls(counted: Counted) -> list[Row]:
    both = {**counted.webhook, **counted.ticket}
    rows: list[Row] = [
        (name, f"{times:.0f}") for name, times in sorted(both.items()) if times > 0.5 and not name.endswith("bytes")
    ]
    logged = (("webhook", counted.logged_webhook), ("ticket", counted.logged_ticket), ("batch", counted.logged_batch))
    return [*rows, *((f"bytes logged for a {name}", f"{round(size, -1):,.0f}") for name, size in logged)]


def _outage(model: Model) -> list[Row]:
    """In closed form: what arrives waits, and drains by what the workers do beyond what arrives then.

    The last pause that begins within the outage may still be running when it ends, and delays the drain by as much.
    """
    rates = [tickets / DAY * PEAK for tickets in SCALES]
    first, last = model.attempts(0.75), model.attempts(1.25)
    pause = max(after - before for before, after in pairwise(last) if before < HOUR)
    room = [model.capacity - rate for rate in rates]
    drained = (
        f"{(rate * HOUR / left + pause) / 60:.0f}" if left > 0 else "never: too few workers"
        for rate, left in zip(rates, room, strict=True)
    )
    return [
        ("messages waiting at its end", *(f"{rate * HOUR:,.0f}" for rate in rates)),
        ("first dead letter, minutes after its first attempt", *[f"{first[-1] / 60:.0f}"] * len(rates)),
        ("last dead letter, minutes after its first attempt", *[f"{last[-1] / 60:.0f}"] * len(rates)),
        ("drained at the latest, minutes after its end", *drained),
    ]


def _savings(model: Model) -> list[Row]:
    """Each alone, against the template's settings; those of Lambda overlap."""
    tickets, counted = SCALES[1], model.counted
    usual = sum(model.cost(tickets).values())

    def saved(**changed: Any) -> float:
        return usual - sum(replace(model, template=replace(model.template, **changed)).cost(tickets).values())

    write, event, puts = PRICES["table_writes"].each, PRICES["events"].each, counted.of("s3.PUT")
    rows = [
        ("tracing off", -saved(tracing=True), "the default since the second edition"),
        ("one event a ticket instead of one an object", 1000 * (puts - 1) * event, "open: " + EVENTS),
        ("arm64", saved(arm=True), "parameter Architecture"),
        (
            "512 MB for ingest",
            saved(memory_mb=512),
            "open: a batch at 9 MB fits, but CPU and cold starts double",
        ),
        ("batches of three", 1000 * _batched(model, 3), "open: a batching window of two seconds delays every ticket"),
        ("no idempotency record", 1000 * counted.units("idempotency.") * write, "no: Powertools does it, by design"),
        (
            "no item per event",
            1000 * counted.of("tickets.PutItem") * write,
            "no: it is the history of a ticket",
        ),
        ("log level WARNING", 1000 * counted.logged_ticket * PRICES["logs"].each, "parameter LogLevel"),
        (
            "HTTP API",
            1000 * (PRICES["api"].each - 1e-6),
            "no: it has no resource policies, WAF or throttling per route",
        ),
    ]
    return [(name, f"{dollars:.4f}", state) for name, dollars, state in rows]


def _batched(model: Model, size: int) -> float:
    """Return the dollars that a ticket costs less in batches of this size than alone."""
    gb_seconds = (model.batch_seconds(1) - model.batch_seconds(size) / size) * model.template.memory_mb / 1024
    return gb_seconds * PRICES["lambda_arm" if model.template.arm else "lambda_x86"].each


def _reached(model: Model, limit: Limit) -> str:
    number = model.reached_at(limit)
    digits = 10 ** (int(math.log10(number)) - 1)
    return "never" if number > 1e11 else f"{round(number / digits) * digits:,}"


def markdown(title: str, header: Row, rows: Sequence[Row]) -> str:
    """Return a table as it stands in the documents."""
    lines = [header, ("---",) * len(header), *rows]
    return f"**{title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def written(document: str, block: str) -> str:
    """Return the document with this block between its marks. Raises ValueError without marks."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{BEGIN} … {END} is missing")
    return f"{before}{begin}\n\n{block}\n\n{end}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("--set", action="append", default=[], type=_pair, metavar="PARAMETER=NUMBER")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/capacity.md and README.md")
    options = parser.parse_args(arguments)
    found = tables(Model(count(), template(**dict(options.set))))
    text = "\n\n".join(markdown(*table) for table in found)
    if options.write:
        [(title, header, rows)] = [table for table in found if table[0].startswith("Dollars")]
        for document, block in ((DOCUMENT, text), (README, markdown(title, header, rows[-1:]))):
            document.write_text(written(document.read_text(encoding="utf-8"), block), encoding="utf-8")
    else:
        print(text)
    return 0


def _pair(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)


if __name__ == "__main__":
    raise SystemExit(main())

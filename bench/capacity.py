"""`python -m bench.capacity`: which limit comes first, what an hour's outage does, and what a ticket costs.

Calls, write units and log bytes are counted by running the real handlers against a stand-in. The template's numbers are
read from template.yaml; prices, AWS's limits and what is assumed are in inputs.toml.
"""

import argparse
import io
import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from bench.harness import AWS_SECONDS, INPUTS, ROOT, VENDOR_SECONDS, Harness

LIMITS: Mapping[str, Mapping[str, Any]] = INPUTS["limits"]
ASSUMED: Mapping[str, float] = INPUTS["capacity"]
DOCUMENT, README = ROOT / "docs" / "capacity.md", ROOT / "README.md"
BEGIN, END = "<!-- begin: make capacity ARGS=--write -->", "<!-- end -->"
SCALES = (1_000, 100_000, 10_000_000)
DAY, HOUR, MAX_PAUSE = 86_400, 3_600, 5400.0
PEAK = ASSUMED["peak"]

Row = Sequence[str]
Table = tuple[str, Row, Sequence[Row]]


@dataclass(frozen=True)
class Counted:
    """Calls by operation: of a webhook, of a ticket, and of a batch beside its tickets. `logged` is bytes of log."""

    webhook: Mapping[str, float]
    ticket: Mapping[str, float]
    batch: Mapping[str, float]

    def of(self, *operations: str) -> float:
        """Return how often a ticket calls these operations, its webhook included."""
        return sum(self.webhook.get(name, 0) + self.ticket.get(name, 0) for name in operations)

    def units(self, table: str = "") -> float:
        """Return the write units of one ticket, in this table or in both."""
        return sum(self.ticket[name] for name in self.ticket if name.startswith(table) and name.endswith(".units"))


def count() -> Counted:
    """Run a webhook, a batch of one and a batch of ten in a warm function; return their calls."""
    with Harness.start() as harness:
        found: dict[str, dict[str, float]] = harness.run("capacity.invocations", url=harness.url)
    one, ten = found["one"], found["ten"]
    ticket = {name: (calls - one.get(name, 0)) / 9 for name, calls in ten.items()}
    return Counted(found["webhook"], ticket, {name: calls - ticket[name] for name, calls in one.items()})


def invocations(url: str) -> dict[str, dict[str, float]]:
    """Return the calls and the logged bytes of a warm function's invocations."""
    log = sys.stdout = io.StringIO()  # before the logger takes it

    from bench.targets import completed, context, request, tickets
    from ingest import app

    harness, found = Harness(url), {}
    events: Mapping[str, Callable[[], dict[str, Any]]] = {
        "webhook": lambda: request("webhook_completed_encrypted"),
        "one": lambda: completed(tickets(1)),
        "ten": lambda: completed(tickets(10)),
    }
    for name, make in events.items():
        for _ in range(2):  # the last counts: by then the process is warm
            event, before = make(), log.tell()
            harness.counts()
            app.lambda_handler(event, context())
            found[name] = {**harness.counts(), "logged": log.tell() - before}
    return found


def settings(**changed: str) -> dict[str, Any]:
    """Return template.yaml's parameters and three properties by name. Raises ValueError for a wrong name or value."""
    from samtranslator.yaml_helper import yaml_parse

    template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    properties = {name: each["Properties"] for name, each in template["Resources"].items()}
    ingest = properties["IngestFunction"]
    [source] = [each["Properties"] for each in ingest["Events"].values() if each["Type"] == "SQS"]
    found = {name: each.get("Default") for name, each in template["Parameters"].items()}
    found |= {"MemorySize": ingest["MemorySize"], "BatchSize": source["BatchSize"]}
    found |= {"maxReceiveCount": properties["TicketQueue"]["RedrivePolicy"]["maxReceiveCount"]}
    if unknown := changed.keys() - found.keys():
        raise ValueError(f"template.yaml has no parameter {', '.join(unknown)}")
    for name, value in changed.items():
        rule = template["Parameters"].get(name, {"Type": "Number", "MinValue": 1})
        if value not in map(str, rule.get("AllowedValues", [value])):
            raise ValueError(f"{name} is one of {', '.join(map(str, rule['AllowedValues']))}")
        if rule["Type"] == "Number" and not (value.isdecimal() and rule.get("MinValue", 0) <= int(value)):
            raise ValueError(f"{name} is a whole number of at least {rule.get('MinValue', 0)}")
    return found | changed


@dataclass(frozen=True)
class Model:
    """The counted calls with the template's settings."""

    counted: Counted
    settings: Mapping[str, Any]

    def number(self, setting: str) -> float:
        """Return a setting that is a number."""
        return float(self.settings[setting])

    def batch_seconds(self, tickets: float) -> float:
        """Return the seconds of a warm batch: the longer of one ticket's path and all of the vendor's calls, and CPU.

        Waiting of different tickets overlaps; Python's own work does not, at the CPU share of the memory size.
        """
        vendor, aws = VENDOR_SECONDS, AWS_SECONDS
        path = 4 * aws["dynamodb"] + max(vendor["details"], vendor["images"]) + 2 * aws["s3"]
        calls = tickets * (vendor["details"] + 5 * vendor["images"]) / 16 + aws["dynamodb"] + 2 * aws["s3"]
        cpu = tickets * ASSUMED["cpu_seconds"] / min(1.0, self.number("MemorySize") / ASSUMED["mb_per_cpu"])
        return max(path, calls) + cpu

    def gb_seconds(self, size: float) -> float:
        """Return the billed GB-seconds of a ticket in a batch of this size."""
        return self.batch_seconds(size) / size * self.number("MemorySize") / 1024

    def rate(self, size: float) -> float:
        """Return the tickets per second with batches of this size in all workers."""
        return self.number("VendorMaxConcurrency") * size / self.batch_seconds(size)

    @property
    def capacity(self) -> float:
        """Tickets per second with full batches in all workers."""
        return self.rate(self.number("BatchSize"))

    def batch_at(self, rate: float) -> float:
        """Return the smallest batch with which the workers keep up with `rate` tickets a second."""
        largest = self.number("BatchSize")
        return next((size for size in range(1, int(largest)) if self.rate(size) >= rate), largest)

    def limit(self, key: str) -> float:
        """Return a limit's value: an account's default, or the template's."""
        limit = LIMITS[key]
        return self.number(limit["parameter"]) if "parameter" in limit else float(limit["value"])

    def used(self, rate: float) -> dict[str, float]:
        """Return the use of each limit at `rate` tickets a second."""
        size, puts, workers = self.batch_at(rate), self.counted.of("s3.PUT"), self.number("VendorMaxConcurrency")
        failing = workers * self.number("BatchSize") / ASSUMED["failing_batch_seconds"]
        return {
            "workers": rate / self.capacity * workers,
            "throttle": rate,
            "api": rate,
            "lambda": rate * 2 * AWS_SECONDS["sqs"] + rate / size * self.batch_seconds(size),
            "table": rate * (self.counted.units("tickets.") + 1),  # and one in by-customer
            "puts": rate * puts,
            "kms": rate * puts / ASSUMED["puts_per_data_key"],
            "events": rate,
            "incomplete": 2 * min(rate, failing),  # a new time of the next attempt moves the index's entry
        }

    def reached_at(self, key: str, limit: float) -> float:
        """Return the tickets a day at which the busiest second is at the limit; over 1e11 where it never is."""
        low, high = 1.0, 1e12
        while high / low > 1.001:
            middle = math.sqrt(low * high)
            low, high = (middle, high) if self.used(middle / DAY * PEAK)[key] < limit else (low, middle)
        return high

    def cost(self, tickets: int) -> dict[str, float]:
        """Return dollars per 1,000 tickets by service, without storage and fixed costs."""
        counted, rate, lines = self.counted, tickets / DAY, ASSUMED["lambda_log_bytes"]
        size = self.batch_at(rate * PEAK)
        webhook_gb_seconds = 2 * AWS_SECONDS["sqs"] * self.number("MemorySize") / 1024
        puts = counted.of("s3.PUT")
        warm = min(self.number("VendorMaxConcurrency"), max(1.0, rate / size * self.batch_seconds(size)))
        logged = counted.of("logged") + lines + (counted.batch["logged"] + lines) / size
        amounts = {
            "API Gateway": ("api", 1.0),
            "Lambda": (f"lambda_{self.settings['Architecture']}", webhook_gb_seconds + self.gb_seconds(size)),
            "Lambda requests": ("lambda_requests", 1 + 1 / size),
            "SQS": ("queue", counted.of("sqs.SendMessage") + 2 / size),  # to receive and to delete a batch
            "DynamoDB": ("table_writes", counted.units() + 1),
            "DynamoDB reads": ("table_reads", counted.of("tickets.GetItem", "idempotency.GetItem")),
            "S3": ("puts", puts),
            "EventBridge": ("events", puts),
            "KMS": ("kms", puts / ASSUMED["puts_per_data_key"] + 5 / 300 / rate),  # five data keys, five minutes each
            "Secrets Manager": ("secrets", warm * 3 / 300 / rate),
            "CloudWatch Logs": ("logs", logged),
            "X-Ray": ("traces", min(1.0, 1 / rate) if self.settings["Tracing"] == "Active" else 0.0),
            "Data transfer": ("out", counted.of("vendor.details", "vendor.images") * ASSUMED["call_bytes"]),
        }
        return {name: amount * _price(price) for name, (price, amount) in amounts.items() if amount}

    def attempts(self, spread: float) -> list[float]:
        """Return when a failing message's attempts begin, in seconds; `spread` is 0.75 to 1.25 of each pause."""
        delays = (self.number("RetryDelaySeconds") * 2**n for n in range(int(self.settings["maxReceiveCount"]) - 1))
        return list(accumulate((spread * min(delay, MAX_PAUSE) for delay in delays), initial=0.0))


def _price(name: str) -> float:
    """Return the dollars of 1,000."""
    return float(INPUTS["prices"][name]) / 1000


def tables(model: Model) -> list[Table]:
    """Return the document's tables: title, header and rows."""
    scales = [f"{tickets:,} a day" for tickets in SCALES]
    return [
        ("One ticket, counted", ["call", "times"], _calls(model.counted)),
        ("The busiest second: share of each limit", ["limit", "value", *scales, "reached at", "then"], _limits(model)),
        ("An hour without the vendor, at the peak", ["", *scales], _outage(model)),
        ("Dollars per 1,000 tickets", ["service", *scales], _dollars(model)),
        ("Savings at 100,000 tickets a day", ["what", "dollars per 1,000", "state"], _savings(model)),
    ]


def _calls(counted: Counted) -> list[Row]:
    both = Counter(counted.webhook) + Counter(counted.ticket)
    calls = [name for name in sorted(both) if both[name] > 0.5 and name != "logged"]
    parts = {"webhook": counted.webhook, "ticket": counted.ticket, "batch": counted.batch}
    logged = [(f"bytes logged for a {part}", f"{round(calls['logged'], -1):,.0f}") for part, calls in parts.items()]
    return [*((name, f"{both[name]:.0f}") for name in calls), *logged]


def _limits(model: Model) -> list[Row]:
    shares = [model.used(tickets / DAY * PEAK) for tickets in SCALES]
    reached = {key: model.reached_at(key, model.limit(key)) for key in LIMITS}
    rows: list[Row] = []
    for key in sorted(reached, key=lambda name: reached[name]):
        limit, value = LIMITS[key], model.limit(key)
        used = [f"{each[key] / value:.1%}" for each in shares]
        at = _rounded(reached[key])
        if small := limit.get("small"):
            at += f"; with {small:,}: {_rounded(model.reached_at(key, small))}"
        rows.append([limit["name"], f"{value:,.0f} {limit['unit']}", *used, at, limit["then"]])
    return rows


def _rounded(number: float) -> str:
    digits = 10 ** (int(math.log10(number)) - 1)
    return "never" if number > 1e11 else f"{round(number / digits) * digits:,}"


def _outage(model: Model) -> list[Row]:
    """Return the rows of an outage: its messages drain at the rate by which the workers exceed new arrivals.

    The last pause that begins within the outage may still be running when it ends, and delays the drain by as much.
    """
    rates = [tickets / DAY * PEAK for tickets in SCALES]
    first, last = model.attempts(0.75), model.attempts(1.25)
    pause = max((after - before for before, after in pairwise(last) if before < HOUR), default=0.0)

    def drained(rate: float) -> str:
        room = model.capacity - rate
        return f"{(rate * HOUR / room + pause) / 60:.0f}" if room > 0 else "never: too few workers"

    return [
        ["messages waiting at its end", *(f"{rate * HOUR:,.0f}" for rate in rates)],
        ["first dead letter, minutes after its first attempt", *[f"{first[-1] / 60:.0f}"] * len(rates)],
        ["last dead letter, minutes after its first attempt", *[f"{last[-1] / 60:.0f}"] * len(rates)],
        ["drained at the latest, minutes after its end", *map(drained, rates)],
    ]


def _dollars(model: Model) -> list[Row]:
    costs = [model.cost(tickets) for tickets in SCALES]
    services = sorted(costs[1], key=lambda service: -costs[1][service])
    rows = [[service, *(f"{cost.get(service, 0):.4f}" for cost in costs)] for service in services]
    return [*rows, ["total", *(f"{sum(cost.values()):.4f}" for cost in costs)]]


def _savings(model: Model) -> list[Row]:
    """Return the rows of savings, each alone against the template's settings; those of Lambda overlap."""
    counted, write = model.counted, _price("table_writes")
    batched = model.gb_seconds(1) - model.gb_seconds(3)

    def costs(**changed: object) -> float:
        return sum(replace(model, settings={**model.settings, **changed}).cost(SCALES[1]).values())

    dollars = {
        "tracing off": costs(Tracing="Active") - costs(),
        "one event a ticket instead of one an object": (counted.of("s3.PUT") - 1) * _price("events"),
        "arm64": costs() - costs(Architecture="arm64"),
        "512 MB for ingest": costs() - costs(MemorySize=512),
        "batches of three": batched * _price(f"lambda_{model.settings['Architecture']}"),
        "no idempotency record": counted.units("idempotency.") * write,
        "no item per event": counted.of("tickets.PutItem") * write,
        "log level WARNING": counted.ticket["logged"] * _price("logs"),
        "HTTP API": _price("api") - _price("http_api"),
    }
    return [[name, f"{saved:.4f}", INPUTS["savings"][name]] for name, saved in dollars.items()]


def markdown(title: str, header: Row, rows: Sequence[Row]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return f"**{title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def written(document: str, block: str) -> str:
    """Return the document with this block between its marks. Raises ValueError without marks."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{BEGIN} … {END} is missing")
    return f"{before}{begin}\n\n{block}\n\n{end}{after}"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("--set", action="append", default=[], metavar="PARAMETER=VALUE")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/capacity.md and README.md")
    options = parser.parse_args()
    try:
        chosen = settings(**dict(each.partition("=")[::2] for each in options.set))
    except ValueError as problem:
        parser.error(f"--set PARAMETER=VALUE: {problem}")
    found = tables(Model(count(), chosen))
    text = "\n\n".join(markdown(*table) for table in found)
    if not options.write:
        print(text)
        return
    [(title, header, rows)] = [table for table in found if table[0].startswith("Dollars")]
    for document, block in ((DOCUMENT, text), (README, markdown(title, header, rows[-1:]))):
        document.write_text(written(document.read_text(encoding="utf-8"), block), encoding="utf-8")


if __name__ == "__main__":
    main()

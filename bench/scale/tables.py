"""The figures as tables of text, which a terminal and a document both can show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from rich.table import Table as RichTable

from bench.scale import batch, calls, limits, prices, rates
from bench.scale.inputs import World
from bench.scale.limits import Use
from bench.scale.runs import Event, Run
from bench.scale.settings import Settings


@dataclass(frozen=True)
class Table:
    """Cells are ready to be read; the first column is text, the others are numbers where `text` does not name them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: Sequence[str] = ()
    note: str = ""

    def rich(self) -> RichTable:
        """For a terminal."""
        shown = RichTable(title=self.title, title_justify="left", title_style="bold", caption=self.note or None)
        for place, name in enumerate(self.columns):
            shown.add_column(name, justify="right" if self._is_number(place) else "left")
        for row in self.rows:
            shown.add_row(*row)
        return shown

    def markdown(self) -> str:
        """For a document."""
        dashes = ["---:" if self._is_number(place) else "---" for place in range(len(self.columns))]
        lines = [f"**{self.title}**", "", *(f"| {' | '.join(row)} |" for row in (self.columns, dashes, *self.rows))]
        return "\n".join([*lines, "", self.note] if self.note else lines)

    def _is_number(self, place: int) -> bool:
        return place > 0 and self.columns[place] not in self.text


def summary(runs: Sequence[Run]) -> Table:
    """What each run comes to."""
    dollars = [sum(prices.by_service(run.bill).values()) / run.tickets for run in runs]
    rows = [
        ("webhooks a second at the peak", *(_number(run.peak.tickets) for run in runs)),
        ("calls to the vendor a second", *(_number(run.peak.vendor) for run in runs)),
        ("Lambda at once", *(_number(run.peak.concurrency) for run in runs)),
        (
            "limits reached, the first in front",
            *("; ".join(use.limit.name for use in run.over) or "none" for run in runs),
        ),
        ("what to raise", *(_changed(run) or "nothing" for run in runs)),
        ("dollars per 1,000", *(_dollars(1e3 * each) for each in dollars)),
        ("dollars per million", *(_dollars(1e6 * each) for each in dollars)),
        ("mostly", *(_dearest(run) for run in runs)),
    ]
    return Table("In short", ("tickets a day", *(f"{run.tickets:,}" for run in runs)), rows, note=_PRICED)


def costs(runs: Sequence[Run]) -> Table:
    """The summary's costs alone."""
    short = summary(runs)
    rows = [row for row in short.rows if "dollars" in row[0] or row[0] == "mostly"]
    return Table("Dollars for what comes in", short.columns, rows, note=short.note)


_PRICED = f"{prices.REGION}, {prices.AS_OF}, with what is raised; storage and what is fixed come on top."


def _dearest(run: Run) -> str:
    sums = prices.by_service(run.bill)
    total = sum(sums.values())
    return ", ".join(f"{service} {cost / total:.0%}" for service, cost in list(sums.items())[:3])


def common(world: World, settings: Settings, runs: Sequence[Run]) -> list[Table]:
    """What all runs have in common."""
    return [_ticket(world), _settings(settings), _batches(world, settings), _patience(settings), _peaks(runs)]


def of_run(run: Run) -> list[Table]:
    """A run's own."""
    found = [_uses(f"{run.tickets:,} tickets a day: the busiest second against limits", run.uses, _verdict(run))]
    if run.advised != run.settings:
        found.append(_uses(f"{run.tickets:,} tickets a day, with {_changed(run)}", run.uses_advised, ""))
    return [*found, *_events(run), _bill(run)]


def sources(world: World, settings: Settings) -> list[Table]:
    """What is kept, what is fixed, and where prices and limits come from."""
    listed = [(each.unit, f"{each.dollars:g} per {each.per:,.0f}", each.source) for each in prices.PRICES.values()]
    quotas = [(each.name, f"{_number(each.value)} {each.unit}", each.source) for each in limits.every(world, settings)]
    return [
        _priced("A million tickets kept, each month", prices.stored(world)),
        _priced("A month without a ticket", prices.fixed(settings)),
        Table(f"Prices: {prices.REGION}, {prices.AS_OF}", ("what", "dollars", "source"), listed, ("dollars", "source")),
        Table("Limits: an account's defaults", ("limit", "value", "source"), quotas, ("value", "source")),
    ]


def _priced(title: str, lines: Sequence[prices.Line]) -> Table:
    rows = [
        (line.service, f"{line.amount:,.0f} {prices.PRICES[line.price].unit}", _dollars(line.dollars)) for line in lines
    ]
    rows.append(("together", "", _dollars(sum(line.dollars for line in lines))))
    return Table(title, ("service", "what", "dollars"), rows, ("what",))


def _peaks(runs: Sequence[Run]) -> Table:
    rows = [
        (field.name.replace("_", " "), *(_number(getattr(run.peak, field.name)) for run in runs))
        for field in fields(rates.Rates)
    ]
    columns = ("per second", *(f"{run.tickets:,} a day" for run in runs))
    note = "`batch` is tickets in a batch, `concurrency` what Lambda runs at once; settings as advised below."
    return Table("The busiest second", columns, rows, note=note)


def _ticket(world: World) -> Table:
    counted = calls.of(world.ticket)
    rows = [(field.name.replace("_", " "), f"{getattr(counted, field.name):,}") for field in fields(counted)]
    title = f"One ticket: {world.ticket.count} images, {world.ticket.bytes / 1e6:.2f} MB"
    return Table(title, ("calls, write units, bytes", "each"), rows)


def _settings(settings: Settings) -> Table:
    rows = [(field.name.replace("_", " "), f"{getattr(settings, field.name):g}") for field in fields(settings)]
    return Table("What the template sets", ("setting", "value"), rows)


def _batches(world: World, settings: Settings) -> Table:
    rows = []
    for size in sorted({1, 2, 5, settings.batch_size}):
        took = batch.seconds(world, size, settings.memory_mb)
        rows.append((f"{size}", f"{took:.2f}", f"{took / size:.3f}", f"{settings.concurrency * size / took:.1f}"))
    columns = ("tickets in a batch", "seconds", "billed per ticket", f"tickets/s with {settings.concurrency} workers")
    return Table(f"A batch at {settings.memory_mb} MB", columns, rows)


def _patience(settings: Settings) -> Table:
    rows = [
        (name, ", ".join(_minutes(begun) for begun in limits.attempts(settings, draw)))
        for name, draw in (("shortest pauses", 0.0), ("average", 0.5), ("longest", 1.0))
    ]
    title = f"When a message's {settings.max_receives} attempts begin in an outage; the last makes a dead letter"
    return Table(title, ("pauses", "minutes from the first"), rows, ("minutes from the first",))


def _uses(title: str, uses: Sequence[Use], note: str) -> Table:
    rows = [
        (
            use.limit.name,
            f"{_number(use.used)}",
            f"{_number(use.limit.value)} {use.limit.unit}",
            f"{use.share:.0%}" if use.share >= 0.1 else f"{use.share:.1%}",
            "never" if use.reached_at is None else _round(use.reached_at),
        )
        for use in uses
    ]
    return Table(title, ("limit", "at the peak", "of", "used", "reached at tickets a day"), rows, note=note)


def _verdict(run: Run) -> str:
    if not run.over:
        return f"Nothing is reached. First would be: {_consequence(run.first)}."
    return f"Reached, in this order: {'; '.join(map(_consequence, run.over))}."


def _consequence(use: Use) -> str:
    reached = "never" if use.reached_at is None else f"at {_round(use.reached_at)} tickets a day"
    means = "what is over it is refused" if use.limit.hard else "what is over it waits"
    return f"{use.limit.name}, {reached} ({means}). Then: {use.limit.then}"


def _events(run: Run) -> list[Table]:
    """With the template's settings, and with those advised where they are others."""
    title = f"{run.tickets:,} tickets a day: eight hours around noon"
    if run.advised == run.settings:
        return [_course(title, run.events)]
    before = [event for event in run.events if event.settings == run.settings]
    after = [event for event in run.events if event.settings == run.advised]
    return [_course(f"{title}, as the template is", before), _course(f"{title}, with {_changed(run)}", after)]


def _course(title: str, events: Sequence[Event]) -> Table:
    measures: Sequence[tuple[str, Callable[[Event], str]]] = (
        ("webhooks", lambda event: f"{event.arrived:,}"),
        ("refused (429)", lambda event: f"{event.refused:,}"),
        ("deepest queue", lambda event: f"{event.deepest:,}"),
        ("in flight at most", lambda event: f"{event.in_flight:,}"),
        ("oldest message, minutes", lambda event: _minutes(event.oldest)),
        ("drained after its end, minutes", lambda event: _or("not in these hours", event.drained)),
        ("failed attempts", lambda event: f"{event.failed_attempts:,}"),
        ("dead letters", lambda event: f"{event.dead_letters:,}"),
        ("write units/s in the index `incomplete`", lambda event: f"{event.index_units:,}"),
        ("IncompleteTicketsAlarm, minutes after its beginning", lambda event: _or("silent", event.incomplete_alarm)),
        ("QueueAgeAlarm", lambda event: _or("silent", event.oldest_alarm)),
        ("DeadLettersAlarm", lambda event: _or("silent", event.dead_alarm)),
    )
    rows = [(name, *(told(event) for event in events)) for name, told in measures]
    return Table(title, ("", *(event.name for event in events)), rows)


def _or(otherwise: str, seconds: float | None) -> str:
    return otherwise if seconds is None else _minutes(seconds)


def _bill(run: Run) -> Table:
    sums = prices.by_service(run.bill)
    total = sum(sums.values())
    rows = [
        (
            service,
            _dollars(1e3 * dollars / run.tickets),
            _dollars(1e6 * dollars / run.tickets),
            f"{dollars / total:.0%}",
        )
        for service, dollars in sums.items()
    ]
    rows.append(("together", _dollars(1e3 * total / run.tickets), _dollars(1e6 * total / run.tickets), "100%"))
    columns = ("service", "dollars per 1,000", "dollars per million", "share")
    return Table(f"{run.tickets:,} tickets a day: what they cost", columns, rows)


_SPELT = {
    "concurrency": "VendorMaxConcurrency",
    "throttle_rate": "ThrottlingRateLimit",
    "throttle_burst": "ThrottlingBurstLimit",
}


def _changed(run: Run) -> str:
    """What is advised to be raised, as the template spells it."""
    return ", ".join(
        f"{spelt} {getattr(run.advised, name):g}"
        for name, spelt in _SPELT.items()
        if getattr(run.settings, name) != getattr(run.advised, name)
    )


def _dollars(value: float) -> str:
    return f"{value:,.2f}" if value >= 0.1 else f"{value:.4f}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f}" if seconds >= 600 or seconds == 0 else f"{seconds / 60:.1f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 0.01 else f"{value:.4f}"


def _round(value: float) -> str:
    """Two digits that count."""
    if value >= 1e9:
        return "over a billion"
    digits = len(f"{value:.0f}") - 2
    return f"{round(value, -digits):,.0f}"

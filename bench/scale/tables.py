"""The figures as tables of text, which a terminal and a document both can show."""

from collections.abc import Sequence
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
    """What each run comes to, in a line."""
    rows = []
    for run in runs:
        over = sorted((use for use in run.uses if use.share > 1), key=lambda use: use.reached_at or 0.0)
        sums = prices.by_service(run.bill)
        total = sum(sums.values())
        rows.append(
            (
                f"{run.tickets:,}",
                _number(run.peak.tickets),
                _number(run.peak.vendor),
                _number(run.peak.concurrency),
                "; ".join(use.limit.name for use in over) or "none",
                _changed(run) or "nothing",
                _dollars(1e3 * total / run.tickets),
                _dollars(1e6 * total / run.tickets),
                ", ".join(f"{service} {cost / total:.0%}" for service, cost in list(sums.items())[:3]),
            )
        )
    columns = (
        "tickets a day",
        "a second at the peak",
        "vendor calls/s",
        "Lambda concurrency",
        "limits reached, the first in front",
        "what to raise",
        "dollars per 1,000",
        "per million",
        "mostly",
    )
    note = f"{prices.REGION}, {prices.AS_OF}, with what is raised; storage and what is fixed come on top."
    return Table("In short", columns, rows, ("limits reached, the first in front", "what to raise", "mostly"), note)


def costs(runs: Sequence[Run]) -> Table:
    """The summary's costs alone, and what keeping the tickets costs."""
    short = summary(runs)
    places = [short.columns.index(name) for name in ("tickets a day", "dollars per 1,000", "per million", "mostly")]
    rows = [[row[place] for place in places] for row in short.rows]
    return Table("Dollars", [short.columns[place] for place in places], rows, ("mostly",), short.note)


def common(world: World, settings: Settings, runs: Sequence[Run]) -> list[Table]:
    """What all runs have in common."""
    return [_ticket(world), _settings(settings), _batches(world, settings), _patience(settings), _peaks(runs)]


def of_run(run: Run) -> list[Table]:
    """A run's own."""
    found = [_uses(f"{run.tickets:,} tickets a day: the busiest second against limits", run.uses, _verdict(run))]
    if run.advised != run.settings:
        found.append(_uses(f"{run.tickets:,} tickets a day, with {_changed(run)}", run.uses_advised, ""))
    return [*found, _events(run), _bill(run)]


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
    use = run.first
    over = sorted((each for each in run.uses if each.share > 1), key=lambda each: each.reached_at or 0.0)
    if not over:
        return f"Nothing is reached. First would be: {_consequence(use)}."
    return f"Reached, in this order: {'; '.join(map(_consequence, over))}."


def _consequence(use: Use) -> str:
    reached = "never" if use.reached_at is None else f"at {_round(use.reached_at)} tickets a day"
    means = "what is over it is refused" if use.limit.hard else "what is over it waits"
    return f"{use.limit.name}, {reached} ({means}). Then: {use.limit.then}"


def _events(run: Run) -> Table:
    rows = [
        (
            event.name + _with_which(event, run),
            f"{event.arrived:,}",
            f"{event.refused:,}",
            f"{event.deepest:,}",
            f"{event.in_flight:,}",
            _minutes(event.oldest),
            "not in these hours" if event.drained is None else _minutes(event.drained),
            f"{event.failed_attempts:,}",
            f"{event.dead_letters:,}",
            f"{event.index_units:,}",
            _alarms(event),
        )
        for event in run.events
    ]
    columns = (
        "eight hours around noon",
        "webhooks",
        "refused (429)",
        "deepest queue",
        "in flight at most",
        "oldest, minutes",
        "drained after, minutes",
        "failed attempts",
        "dead letters",
        "index units/s at most",
        "alarms, minutes from its beginning",
    )
    return Table(f"{run.tickets:,} tickets a day: burst and outage", columns, rows, columns[-1:])


def _with_which(event: Event, run: Run) -> str:
    if run.advised == run.settings:
        return ""
    return ", as in the template" if event.settings == run.settings else ", as advised"


def _alarms(event: Event) -> str:
    seen = {
        "IncompleteTickets": event.incomplete_alarm,
        "OldestMessage": event.oldest_alarm,
        "DeadLetters": event.dead_alarm,
    }
    return ", ".join(f"{name} {_minutes(when)}" for name, when in seen.items() if when is not None) or "none"


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

"""An operator on call for the local stack, who types the commands of the runbooks when an alarm fires."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.account import ALIAS
from local.vendor.webhooks import Form
from ops.queues import Queue
from tests.support import load, runbooks
from tests.support.queues import messages
from tests.support.runbooks import QUERIES, Line, Shell, commands, finds
from tests.support.stack import LocalStack
from tests.support.waiting import eventually
from ticket_archive.event_source import SCHEDULE_SOURCE

ON_THE_STACK = [
    pytest.mark.stack,
    # The command line leaves its connections to the end of its process, which is this one.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
FIRST = 610_000  # of the simulator's tickets: those of these tests
AT_ONCE = 3

RUNBOOKS = runbooks.sections(runbooks.chapter("Alarms"))
OUTAGE = runbooks.chapter("An outage of the vendor")
LINKED = {
    "#lost-webhooks": runbooks.sections(runbooks.chapter("When an alarm fires"))["Lost webhooks"],
    "#an-outage-of-the-vendor": OUTAGE,
}
"""Sections with further commands, by the link in a runbook."""

LOOKS = re.compile(
    r"aws (logs|scheduler|lambda (get|list))|\./ticket-archive (doctor|list|status|view|fetch)|--dry-run|--no-enabled"
)
"""Commands that change nothing: they are typed before the cause is repaired."""
ROTATE_WEBHOOK_SECRET, WRITE_CREDENTIAL = (
    next(each for each in commands(runbooks.chapter("Secrets")) if name in each)
    for name in ("WEBHOOK_SECRET_ARN", "VENDOR_CREDENTIAL_ARN")
)
NEW_SECRET = "NEW-SECRET-OF-32-CHARACTERS-HERE"
"""The webhook secret in the document's command."""


class OnCall:
    """Creates conditions, publishes metrics, and types commands."""

    def __init__(self, stack: LocalStack, folder: Path) -> None:
        self.stack = stack
        self.shell = Shell(stack, folder)
        self.cloudwatch = stack.session.client("cloudwatch", endpoint_url=stack.at.endpoint_url)
        self.typed: set[str] = set()
        """Every command of the document that was typed."""
        self._begin = datetime.now(UTC) - timedelta(seconds=1)
        self._read = Counter[str]()
        self._next = FIRST
        self.fired: set[str] = set()
        self.played: set[str] = set()
        self.lines: list[Line] = []
        """What the functions have logged since the start."""

    # ─── The stack ────────────────────────────────────────────────────────────────────────────────────────────────

    def tickets(self, count: int) -> list[str]:
        """Return unused tickets with a file of every type, so that they settle at once."""
        self._next += count
        return [load.small_ticket(self.stack, index) for index in range(self._next - count, self._next)]

    def post(self, *tickets: str, form: Form = Form.COMPLETED, secret: str | None = None) -> None:
        """Post the tickets' events until each is accepted."""
        sent = [load.event_request(self.stack, ticket, form, secret) for ticket in tickets]
        assert load.Sender(self.stack).post(sent) == []

    def item(self, ticket: str) -> Mapping[str, Any]:
        found = next((each for each in self.stack.records(ticket) if each["record"]["S"] == "ticket"), {})
        return {name: next(iter(value.values())) for name, value in found.items()}

    def until(self, wanted: Mapping[str, Mapping[str, object]]) -> None:
        """Wait until the tickets' items have these attributes."""

        def others() -> list[tuple[str, object]]:
            items = {ticket: self.item(ticket) for ticket in wanted}
            return [
                (ticket, {name: items[ticket].get(name) for name in (*each, "last_error")})
                for ticket, each in wanted.items()
                if not each.items() <= items[ticket].items()
            ]

        eventually(lambda: not others(), others)

    def archived(self, *tickets: str, **attributes: object) -> None:
        self.until({ticket: {"state": "archived", **attributes} for ticket in tickets})

    def depth(self, queue: str) -> int:
        return Queue(self.stack.sqs, self.stack.resources[queue]).depth().visible

    def dead_letters(self) -> set[str]:
        """Return the tickets that requests in the dead-letter queue name."""
        found = messages(self.stack, self.stack.at.dead_letter_queue_url)
        return {json.loads(message.body).get("ticket") for message in found}

    def tick(self) -> None:
        """Let the schedule run."""
        self.invoke("IngestFunction", source=SCHEDULE_SOURCE)

    def invoke(self, function: str, version: str = ALIAS, **event: str) -> None:
        """Invoke a function directly: the emulator publishes no metrics of invocations by its API Gateway."""
        with suppress(self.stack.functions.exceptions.TooManyRequestsException):
            self.stack.invoke(self.stack.resources[function], event, version)

    def new_processes(self) -> None:
        """Replace the ingest function's processes; the new ones have no cached secret."""
        self.stack.overwrite(self.stack.resources["IngestFunction"])

    @contextmanager
    def secrets_restored(self) -> Iterator[None]:
        """Restore both secrets at the end of the block, also at the vendor."""
        arns = [self.stack.outputs[name] for name in ("WebhookSecretArn", "VendorCredentialArn")]
        before = {arn: self.stack.secrets.get_secret_value(SecretId=arn)["SecretString"] for arn in arns}
        try:
            yield
        finally:
            for arn, text in before.items():
                for _ in ("AWSCURRENT", "AWSPREVIOUS"):
                    self.stack.secrets.put_secret_value(SecretId=arn, SecretString=text)
            self.stack.vendor("change_credential", **json.loads(before[self.stack.outputs["VendorCredentialArn"]]))
            self.new_processes()

    @contextmanager
    def throttled(self, *functions: str) -> Iterator[Callable[[], None]]:
        """Set the functions' concurrency to 0 (the emulator throttles only $LATEST); yield an undo function."""
        with ExitStack() as stack:
            for name in (self.stack.resources[each] for each in functions):
                self.stack.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
                stack.callback(self.stack.functions.delete_function_concurrency, FunctionName=name)
            yield stack.close

    @contextmanager
    def bad_version(self, function: str) -> Iterator[None]:
        """Deploy a version that fails at import. The block must point the alias back; the version is then deleted."""
        functions, name = self.stack.functions, self.stack.resources[function]
        handler = functions.get_function_configuration(FunctionName=name)["Handler"]
        names = [self.stack.resources[each] for each in ("IngestFunction", "RetrievalFunction")]
        good = {each: functions.get_alias(FunctionName=each, Name=ALIAS)["FunctionVersion"] for each in names}
        self.stack.overwrite(name, Handler="missing.handler")
        bad = functions.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"]
        functions.update_function_configuration(FunctionName=name, Handler=handler)
        try:
            yield
            assert functions.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"] == good[name]
        finally:
            for each, version in good.items():
                functions.update_alias(FunctionName=each, Name=ALIAS, FunctionVersion=version)
            functions.delete_function(FunctionName=name, Qualifier=bad)

    # ─── CloudWatch ───────────────────────────────────────────────────────────────────────────────────────────────

    def read_log(self) -> list[Line]:
        """Read the functions' log groups; return the lines that are new."""
        counted = Counter(
            line
            for function in ("ingest", "retrieval")
            for line in self.stack.logged(function, self._begin.timestamp())
            if line.startswith("{")
        )
        new: list[Line] = [json.loads(line) for line in (counted - self._read).elements()]
        self._read = counted
        self.lines += new
        return new

    def publish(self) -> None:
        """Put the metrics in new log lines, as CloudWatch does on AWS (embedded metric format)."""
        for line in self.read_log():
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
                [names] = directive["Dimensions"]
                dimensions = [{"Name": name, "Value": str(line[name])} for name in names]
                data: list[Any] = []
                for metric in directive["Metrics"]:
                    value = line[metric["Name"]]
                    values = {"Values": value if isinstance(value, list) else [value]}
                    data.append({"MetricName": metric["Name"], "Dimensions": dimensions, **values})
                self.cloudwatch.put_metric_data(Namespace=directive["Namespace"], MetricData=data)

    def alarm(self, name: str) -> Mapping[str, Any]:
        found: Sequence[Any] = self.cloudwatch.describe_alarms(AlarmNames=[self.stack.resources[name]])["MetricAlarms"]
        return dict(found[0])

    def put_by_hand(self, name: str, value: float) -> None:
        """Put a metric that AWS publishes and the emulator does not, with the alarm's own dimensions."""
        alarm = self.alarm(name)
        datum: Any = {"MetricName": alarm["MetricName"], "Dimensions": alarm["Dimensions"], "Value": value}
        self.cloudwatch.put_metric_data(Namespace=alarm["Namespace"], MetricData=[datum])

    def values(self, name: str, ago: timedelta | None = None) -> list[float]:
        """Return the alarm's own statistic of its own metric by period: since the start, or one period `ago`."""
        alarm, end = self.alarm(name), datetime.now(UTC) + timedelta(seconds=1) - (ago or timedelta())
        found = self.cloudwatch.get_metric_statistics(
            Namespace=alarm["Namespace"],
            MetricName=alarm["MetricName"],
            Dimensions=alarm["Dimensions"],
            Statistics=[alarm["Statistic"]],
            Period=alarm["Period"],
            StartTime=end - timedelta(seconds=alarm["Period"]) if ago else self._begin,
            EndTime=end,
        )
        return [point[alarm["Statistic"]] for point in found["Datapoints"]]

    def fires(self, *names: str, **by_hand: float) -> None:
        """Wait until each alarm's metric reaches the threshold in one period; check that `doctor` names the alarms.

        Alarms that need several periods would fire if each were like this one. `by_hand` has the values of metrics that
        the emulator does not publish.
        """
        for name, value in by_hand.items():
            self.put_by_hand(name, value)
        names = (*names, *by_hand)

        def quiet() -> list[str]:
            self.publish()
            return [name for name in names if max(self.values(name), default=0.0) < self.alarm(name)["Threshold"]]

        eventually(lambda: not quiet(), quiet)
        datum: Any = {"MetricName": "Any", "Value": 1}  # the emulator evaluates alarms when a metric is put
        self.cloudwatch.put_metric_data(Namespace="Tests", MetricData=[datum])
        shown = re.sub(r"\s", "", self.type("./ticket-archive doctor", exit_codes=(1,)))
        assert [name for name in names if self.stack.resources[name] not in shown] == []
        self.fired |= {*names}

    def silent(self, *names: str) -> None:
        """Check that an hour without the metric would fire: yesterday had none, and missing data is breaching."""
        for name in names:
            assert self.alarm(name)["TreatMissingData"] == "breaching"
            assert self.values(name, ago=timedelta(days=1)) == []
        self.fired |= {*names}

    def found(self, query: str) -> Sequence[Line]:
        """Return what a query of the document finds in the log."""
        self.publish()
        return finds(QUERIES[query], self.lines)

    # ─── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────

    def type(self, command: str, exit_codes: Sequence[int] = (0,), **placeholders: str) -> str:
        self.typed.add(command)
        return self.shell.type(command, exit_codes, **placeholders)

    def follow(
        self,
        tickets: Mapping[str, str],
        repair: Callable[[], object] = lambda: None,
        *,
        lost: Sequence[str] = (),
        leave: Sequence[str] = (),
    ) -> dict[str, str]:
        """Type the commands of these alarms' runbooks, each with its ticket; return what they showed, by alarm.

        Commands that only read come first; after the repair the others, in the document's order, each once even if
        several runbooks have it. `lost` are tickets whose webhooks were lost; commands in `leave` are left out.
        """
        (self.shell.folder / "tickets.txt").write_text("\n".join(lost))
        wanted = {name: _with_links(RUNBOOKS[name]) for name in tickets}
        pairs = {
            (command, tickets[name] if "TICKET" in command else ""): "" for name in tickets for command in wanted[name]
        }
        looks = [pair for pair in pairs if LOOKS.search(pair[0]) and pair[0] not in leave]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            pairs |= dict(zip(looks, pool.map(lambda pair: self._look(*pair), looks), strict=True))
        repair()
        for pair in sorted(pairs.keys() - set(looks), key=[*pairs].index):
            if pair[0] not in leave:
                pairs[pair] = self.type(pair[0], TICKET=pair[1])
        return {
            name: "\n".join(shown for (command, _), shown in pairs.items() if command in wanted[name])
            for name in tickets
        }

    def _look(self, command: str, ticket: str) -> str:
        finds_fault = "doctor" in command or "status" in command  # a ticket may be unknown until it is redriven
        return self.type(command, (0, 1) if finds_fault else (0,), TICKET=ticket)


def _with_links(section: str) -> list[str]:
    own = commands(section)
    return own + [command for link, text in LINKED.items() if f"]({link})" in section for command in commands(text)]

"""The numbers that template.yaml sets, with its parameters at their defaults."""

from dataclasses import dataclass
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local import ROOT


@dataclass(frozen=True)
class Settings:
    """What decides on capacity. Times are in seconds, throttles in requests per second and requests at once."""

    batch_size: int
    batching_window: float
    concurrency: int
    timeout: float
    memory_mb: int
    arm: bool
    throttle_rate: float
    throttle_burst: float
    visibility: float
    max_receives: int
    retry_delay: float
    requeue_every: float
    oldest_message_alarm: float
    alarms: int
    secrets: int


def read(template: dict[str, Any] | None = None, **parameters: float) -> Settings:
    """From the template, the file by default. Other values of its parameters may be given by name."""
    return _Template(template or load(), parameters).settings()


def load() -> dict[str, Any]:
    """The template as it is parsed."""
    parsed: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    return parsed


class _Template:
    def __init__(self, template: dict[str, Any], parameters: dict[str, float]) -> None:
        self._template = template
        self._parameters = parameters

    def settings(self) -> Settings:
        events = self._properties("IngestFunction")["Events"]
        queue = events["Queue"]["Properties"]
        [throttle] = self._properties("Api")["MethodSettings"]
        waiting = self._properties("TicketQueue")
        return Settings(
            batch_size=int(self._number(queue["BatchSize"])),
            batching_window=self._number(queue.get("MaximumBatchingWindowInSeconds", 0)),
            concurrency=int(self._number(queue["ScalingConfig"]["MaximumConcurrency"])),
            timeout=self._number(self._of_function("Timeout", 3)),
            memory_mb=int(self._number(self._of_function("MemorySize", 128))),
            arm=[self._value(each) for each in self._of_function("Architectures", ["x86_64"])] == ["arm64"],
            throttle_rate=self._number(throttle["ThrottlingRateLimit"]),
            throttle_burst=self._number(throttle["ThrottlingBurstLimit"]),
            visibility=self._number(waiting["VisibilityTimeout"]),
            max_receives=int(self._number(waiting["RedrivePolicy"]["maxReceiveCount"])),
            retry_delay=self._number({"Ref": "RetryDelaySeconds"}),
            requeue_every=60 * self._number({"Ref": "RequeueEveryMinutes"}),
            oldest_message_alarm=self._number(self._properties("QueueAgeAlarm")["Threshold"]),
            alarms=self._count("AWS::CloudWatch::Alarm"),
            secrets=self._count("AWS::SecretsManager::Secret"),
        )

    def _properties(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._template["Resources"][name]["Properties"]
        return found

    def _of_function(self, name: str, otherwise: Any) -> Any:
        return self._properties("IngestFunction").get(name, self._template["Globals"]["Function"].get(name, otherwise))

    def _count(self, kind: str) -> int:
        return sum(resource["Type"] == kind for resource in self._template["Resources"].values())

    def _value(self, node: Any) -> Any:
        if isinstance(node, dict) and set(node) == {"Ref"}:
            return self._parameters.get(node["Ref"], self._template["Parameters"][node["Ref"]]["Default"])
        return node

    def _number(self, node: Any) -> float:
        return float(self._value(node))

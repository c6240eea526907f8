"""Process every event once, with Powertools' idempotency.

It only saves work: the ticket table's conditions hold without it, so a failing store does not stop an event.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

from ticket_archive.errors import WriteConflict
from ticket_archive.telemetry import describe, logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_EXPIRES_AFTER_SECONDS = 14 * 86_400  # as long as a message can stay in a queue
_KEY_PREFIX = "event"

T = TypeVar("T")


class EventIdempotency:
    """Remembers the events that were processed; an event whose processing fails is forgotten."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._store = DynamoDBPersistenceLayer(table_name=table_name, boto3_client=client)
        self._config = IdempotencyConfig(expires_after_seconds=_EXPIRES_AFTER_SECONDS, hash_function="sha256")
        # Powertools does this on first use, and would let other threads use a store that is half configured.
        self._store.configure(self._config, key_prefix=_KEY_PREFIX)

    def begin_invocation(self, context: LambdaContext) -> None:
        """Tell Powertools the invocation's remaining time, for which an event in progress is locked."""
        self._config.register_lambda_context(context)

    def run(self, event_id: str, process: Callable[[], T]) -> T | None:
        """Return the result of `process`, or None where the event was processed before.

        Raises what `process` raises, and WriteConflict while another delivery of the event is in progress.
        """
        results: list[T] = []
        failures: list[Exception] = []

        @idempotent_function(  # type: ignore[untyped-decorator]
            data_keyword_argument="event_id", persistence_store=self._store, config=self._config, key_prefix=_KEY_PREFIX
        )
        def process_once(*, event_id: str) -> None:  # noqa: ARG001 - Powertools takes the key from it
            try:
                results.append(process())
            except Exception as error:
                failures.append(error)
                raise

        try:
            process_once(event_id=event_id)
        except (IdempotencyAlreadyInProgressError, IdempotencyInconsistentStateError):
            raise WriteConflict("event") from None
        except IdempotencyPersistenceLayerError as error:
            logger.warning("idempotency store unavailable", extra=describe(error.__cause__ or error))
            if failures:
                raise failures[0] from None
            return results[0] if results else process()
        return results[0] if results else None

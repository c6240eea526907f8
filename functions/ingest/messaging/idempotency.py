"""Finished events are recognised by their id (Powertools idempotency); only success is remembered.

This saves work, it does not decide: the table's conditions hold without it, so a store that is out of reach is no
reason to stop.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
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

_REMEMBERED_SECONDS = 14 * 86_400  # as long as a message can stay in a queue
_KEY_PREFIX = "event"

DUPLICATE = "duplicate"


class EventIdempotency:
    """Runs the work of an event unless that was finished before."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._store = DynamoDBPersistenceLayer(table_name=table_name, boto3_client=client)
        self._config = IdempotencyConfig(
            event_key_jmespath="event_id",
            raise_on_no_idempotency_key=True,
            expires_after_seconds=_REMEMBERED_SECONDS,
            hash_function="sha256",
        )
        # Powertools would do it on the first use, and let other threads use a store that is half configured.
        self._store.configure(self._config, key_prefix=_KEY_PREFIX)

    def begin_invocation(self, context: LambdaContext) -> None:
        """Tells how long work can take at most: until then a second delivery of the same event is put off."""
        self._config.register_lambda_context(context)

    def run(self, event_id: str, work: Callable[[], str]) -> str:
        """The result of `work`, or DUPLICATE. Raises what `work` raises, and WriteConflict while another is at it."""
        results: list[str] = []
        failures: list[Exception] = []

        def remembered(*, event: dict[str, str]) -> None:  # noqa: ARG001 - Powertools takes the key from it
            try:
                results.append(work())
            except Exception as error:
                failures.append(error)
                raise

        guarded = idempotent_function(
            remembered,
            data_keyword_argument="event",
            persistence_store=self._store,
            config=self._config,
            key_prefix=_KEY_PREFIX,
        )
        try:
            guarded(event={"event_id": event_id})
        except (IdempotencyAlreadyInProgressError, IdempotencyInconsistentStateError):
            raise WriteConflict("event") from None
        except IdempotencyPersistenceLayerError as error:
            logger.warning("idempotency store out of reach", extra=describe(error.__cause__ or error))
            if failures:
                raise failures[0] from None
            if not results:
                results.append(work())
        return results[0] if results else DUPLICATE

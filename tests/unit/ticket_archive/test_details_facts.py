"""The facts that the archive reads from details, whose structure is undocumented."""

import json
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.strategies import json_values
from ticket_archive import details_facts as module
from ticket_archive.details_facts import TicketFacts, read_facts, scalars_of, stream_facts


def facts_of(details: dict[str, Any]) -> TicketFacts:
    return read_facts(scalars_of(details))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda facts: facts,
        lambda facts: {"status": 200, "code": "SUCCESS", "data": facts},
        lambda facts: {"payload": {"ticket": "T-1", "status": facts}},
        lambda facts: {"Status": facts},
        lambda facts: {"deep": {"er": [[facts]]}},
        lambda facts: {"status": 200, "data": json.dumps(facts)},
        lambda facts: {"statusCode": 200, "body": json.dumps([facts]), "data": "{}", "event": '{"cifcode"'},
    ],
)
def test_facts_are_found_wherever_they_stand(wrap: Any) -> None:
    facts = {"flow-status": "ACCEPTED", "Disposition": "PASSED", "confidenceScore": 97.5, "RISK_CODE": "R01"}
    found = facts_of(wrap({**facts, "user": {"cifCode": "C-1"}}))
    assert (found.outcome, found.disposition, found.confidence_score) == ("ACCEPTED", "PASSED", Decimal("97.5"))
    assert (found.risk_code, found.customer, found.in_progress, found.recognized) == ("R01", "C-1", False, True)


def test_facts_that_are_not_there_are_not_guessed() -> None:
    assert facts_of({"anything": {"else": [1, None, "ACCEPTED"]}}) == TicketFacts()
    text = json.dumps({"flow_status": "ACCEPTED", "cifcode": "C-1", "ticket": "T-1"})
    for qr_code in ({"qr": text}, {"texts": [text]}, {"user": {"data": text}}, {"data": {"data": text}}):
        assert facts_of(qr_code) == TicketFacts(), "a person's document may say anything"


@pytest.mark.parametrize(
    ("details", "outcome"),
    [
        ({"status": "VERIFIED", "deep": {"flow_status": "ACCEPTED"}}, "ACCEPTED"),
        ({"status": "VERIFIED", "deep": {"flowStatus": "ACCEPTED"}}, "ACCEPTED"),
        ({"status": "SUCCESSFUL", "deep": {"transaction_status": "REJECTED"}}, "REJECTED"),
        ({"transaction_status": "ACCEPTED", "deep": {"flow_status": "VERIFIED"}}, "VERIFIED"),
        ({"status": "REJECTED", "history": [{"flow_status": "ACCEPTED"}]}, None),
        ({"transaction_status": "REJECTED", "screening": {"flow_status": "ACCEPTED"}}, None),
        ({"data": {"decision": "REJECTED", "device": {"status": "VERIFIED"}}}, None),
        ({"summary": {"result": "rejected"}, "liveness": {"status": "VERIFIED"}}, None),
        ({"summary": {"status": "REJECTED"}, "liveness": {"result": "VERIFIED"}}, "REJECTED"),
        ({"transaction": {"flow_status": "ACCEPTED"}, "liveness": {"result": "FAILED"}}, "ACCEPTED"),
        ({"status": "SUCCESSFUL", "data": {"decision": "REJECTED"}}, None),
        ({"status": "VERIFIED", "liveness_result": "FAILED", "disposition": "FAILED"}, "VERIFIED"),
        ({"deep": {"flow_status": "REJECTED"}, "flow_status": "ACCEPTED"}, "ACCEPTED"),
        ({"a": [{"flow_status": "REJECTED"}], "b": {"flow_status": "ACCEPTED"}}, "ACCEPTED"),
        ({"attempts": [{"flow_status": "REJECTED"}, {"flow_status": "ACCEPTED"}]}, None),
        ({"liveness": {"status": "VERIFIED"}, "id_proofing": {"status": "FAILED"}}, None),
        ({"summary": {"status": "ACCEPTED"}, "liveness": {"status": "VERIFIED"}}, "ACCEPTED"),
        ({"attempts": [{"flow_status": "FAILED"}, {"flow_status": "REJECTED"}]}, "FAILED"),
        ({"flow_status": "REJECTED", "data": {"flow_status": "ACCEPTED"}}, "REJECTED"),
        ({"flow_status": "manual review", "status": "VERIFIED"}, "MANUAL REVIEW"),
        ({"flow_status": " accepted "}, "ACCEPTED"),
        ({"flow_status": None, "status": "FAILED"}, "FAILED"),
        ({"status": "EXPIRED"}, "EXPIRED"),
        ({"status": "OK", "data": {"status": "EXPIRED"}}, "EXPIRED"),
        ({"status": "completed", "data": {"status": "ACCEPTED"}}, "ACCEPTED"),
        ({"status": "completed", "result": "ACCEPTED"}, "COMPLETED"),
        ({"status": 500, "result": "FAILED"}, None),
        ({"status": "SUCCESSFUL", "data": {"status": "REJECTED"}}, "REJECTED"),
        ({"data": {"status": "REJECTED"}, "status": "SUCCESSFUL"}, "REJECTED"),
        ({"status": "EXPIRED", "deep": {"status": "ACCEPTED"}}, "EXPIRED"),
        ({"status": "SUCCESS", "data": {"result": {"status": "VERIFIED"}}}, "VERIFIED"),
        ({"device": {"status": "TRUSTED"}}, None),
        ({"device": {"status": "PENDING"}, "summary": {"status": "VERIFIED"}}, "VERIFIED"),
        ({"ticket": {"check": {"status": "FAILED"}}}, None),
        ({"ticket": {"check": {"flow_status": "DONE"}}}, None),
        ({"flow_status": "Needs review"}, "NEEDS REVIEW"),
        ({"flow_status": "aprobado con observaciones"}, "APROBADO CON OBSERVACIONES"),
        ({"status": "200", "data": {"status": "APPROVED"}}, "APPROVED"),
        ({"status": "0", "deep": {"status": "VERIFIED"}}, "VERIFIED"),
        ({"flow_status": "12"}, "12"),
        *(({"status": value}, None) for value in ("OK", Decimal(200), True, "")),
        ({"flow_status": "x" * 65}, None),
    ],
)
def test_the_outcome_is_the_vendors_word_under_the_best_name(details: dict[str, Any], outcome: str | None) -> None:
    assert facts_of(details).outcome == outcome


@pytest.mark.parametrize(
    "word",
    ["IN_PROGRESS", "PROCESSING", "PENDING", "AWAITING", "in_progress", "In Progress", "in-progress", "inProgress"],
)
@pytest.mark.parametrize("name", ["flow_status", "status"])
def test_a_ticket_in_progress_has_no_outcome(name: str, word: str) -> None:
    for details in (
        {name: word},
        {"data": {name: word}},
        {"data": {"status": {name: word}}},
        {name: word, "data": {name: "ACCEPTED"}},
        {name: "SUCCESSFUL", "data": {name: word}},
    ):
        found = facts_of(details)
        assert (found.outcome, found.in_progress) == (None, True)


@pytest.mark.parametrize(
    "details",
    [
        {"ticket": {"flow": {"flow_status": "IN_PROGRESS"}}},
        {"ticket": {"device": {"status": "PENDING"}}},
        {"device": {"status": "PENDING"}},
        {"steps": [{"flow_status": "PROCESSING"}]},
        {"flow_status": "ACCEPTED", "status": "PENDING"},
    ],
)
def test_a_step_in_progress_does_not_keep_a_ticket_from_being_archived(details: dict[str, Any]) -> None:
    assert not facts_of(details).in_progress


@pytest.mark.parametrize(
    ("value", "score"),
    [
        (Decimal("98.0"), Decimal(98)),
        ("98.5", Decimal("98.5")),
        *((number, number) for number in map(Decimal, ("0", "9" * 38, "1e99"))),
        *((Decimal(number), None) for number in ("9" * 39, "1e100", "1e-999999999999999999", "0e500")),
        *((value, None) for value in ("NaN", "high", True)),
    ],
)
def test_a_confidence_score_is_a_number_that_dynamodb_holds(value: Any, score: Decimal | None) -> None:
    assert facts_of({"confidence_score": value}).confidence_score == score


def test_a_score_that_is_no_number_does_not_hide_the_next() -> None:
    assert facts_of({"confidence_score": "high", "a": {"confidence_score": "7"}}).confidence_score == Decimal(7)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        *((" R01 ", "R01"), ("A", "A"), (Decimal("12.0"), "12"), ("x" * 64, "x" * 64)),
        *((value, None) for value in (Decimal("12.5"), "x" * 65, "a\nb", "\ud800", True)),
    ],
)
def test_a_risk_code_is_a_short_printable_text(value: Any, code: str | None) -> None:
    assert facts_of({"risk_code": value}).risk_code == code


@pytest.mark.parametrize("name", ["cifcode", "cifCode", "cifcod", "cif_code", "CIFCODE"])
@pytest.mark.parametrize(
    ("value", "customer"),
    [("C-1", "C-1"), (Decimal(4711), "4711"), (Decimal(10) ** 18, None), ("  ", None), ("x" * 257, None), (True, None)],
)
def test_a_customer_code_can_be_an_index_key(name: str, value: Any, customer: str | None) -> None:
    found = facts_of({"user": {name: value}})
    assert found.customer == customer
    assert "C-1" not in repr(found)


@pytest.mark.parametrize(
    ("details", "tickets"),
    [
        ({"ticket": "T-1"}, [("T-1",)]),
        ({"status": 200, "data": {"ticketId": "T-1"}}, [("T-1",)]),
        ({"status": 200, "data": '{"ticketId": "T-1"}'}, [("T-1",)]),
        ({"ticketId": "T-1", "ticket": "17", "data": {"ticket": "T-2"}}, [("17",), ("T-1",), ("T-2",)]),
        ({"data": [{"ticket": "T-1"}, {"ticket": "T-2"}]}, [("T-1", "T-2")]),
        *(({"related": related}, []) for related in ('{"ticketId": "T-1"}', {"ticket": "T-2"})),
        ({"tickets": [{"ticket": "T-2"}]}, []),
        ({"ticket": {"flow_status": "ACCEPTED"}}, []),
    ],
)
def test_the_ticket_is_the_one_named_at_the_top_or_in_one_envelope(
    details: dict[str, Any], tickets: list[tuple[str, ...]]
) -> None:
    assert sorted(facts_of(details).tickets) == tickets


@pytest.mark.parametrize(
    ("details", "recognized"),
    [
        *(({"status": word}, True) for word in ("FAILED", "IN_PROGRESS")),
        ({"result": [{"riskCode": "R-000"}]}, True),
        ({"document": {"documentType": "PASSPORT", "document_number": ""}}, True),
        ({}, False),
        ({"ticket": "T-1", "code": "TCKTNTFND"}, False),
        ({"status": 500, "code": "INTRNL", "message": "Internal error"}, False),
        ({"status": "BAD_REQUEST", "code": "BDRQST"}, False),
        ({"confidence_score": None, "user": {"given_names": ""}}, False),
    ],
)
def test_details_are_recognized_by_any_fact_but_the_id(details: dict[str, Any], recognized: bool) -> None:
    assert facts_of(details).recognized is recognized


NAMES = ("flow_status", "status", "disposition", "confidence_score", "risk_code", "cifcode", "data", "ticket", "x")
anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30).map(Decimal),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=())),
        st.sampled_from(["PENDING", "ACCEPTED", "SUCCESS", "T-1"]),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(NAMES), anything))
@example({name: Decimal("1e999999999999999999") for name in NAMES})
@example({name: Decimal("0e999999999999999999") for name in NAMES})
def test_dynamodb_holds_the_facts_of_any_details(details: dict[str, Any]) -> None:
    found = facts_of(details)
    for fact in (found.outcome, found.disposition, found.confidence_score, found.risk_code, found.customer):
        TypeSerializer().serialize(fact)
        assert not isinstance(fact, str) or fact.encode()


short_numbers = json_values(
    st.sampled_from(["PENDING", "ACCEPTED"]), numbers=st.integers(-(10**17), 10**17), keys=st.sampled_from(NAMES)
)


@given(st.dictionaries(st.sampled_from(NAMES), short_numbers))
def test_streaming_finds_the_same_facts_as_parsing(details: dict[str, Any]) -> None:
    body = json.dumps(details).encode()
    assert stream_facts(body) == facts_of(json.loads(body, parse_int=Decimal))


@pytest.mark.parametrize("deeper", [0, 1])
def test_facts_below_the_last_level_are_not_read(deeper: int) -> None:
    details: dict[str, Any] = {"flow_status": "ACCEPTED"}
    for level in range(module.MAX_LEVELS + deeper):
        details = {str(level): details}
    assert stream_facts(json.dumps(details).encode()) == facts_of(details)
    assert facts_of(details).outcome == (None if deeper else "ACCEPTED")


def test_streaming_ends_at_its_limit_or_at_invalid_json(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"flow_status": "ACCEPTED", "list": [%s], "risk_code": "R01"}'
    assert stream_facts(body % b"1").risk_code == "R01"
    monkeypatch.setattr(module, "MAX_PARSER_EVENTS", 20)
    for rest in (b",".join([b"1"] * 30), b"NaN", b"9" * 5000, b"1e400", b'"\xff"'):
        found = stream_facts(body % rest)
        assert (found.outcome, found.risk_code) == ("ACCEPTED", None)


def test_a_streamed_score_is_the_decimal_that_it_looks_like() -> None:
    assert stream_facts(b'{"confidence_score": 97.1}').confidence_score == Decimal("97.1")

"""What the archive reads out of details whose structure nobody documents."""

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import example, given
from hypothesis import strategies as st

from ticket_archive.summary import Summary, summarise, tells_of

TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"
NOTHING = Summary(None, False, None, None, None, None)


def test_facts_are_found_at_any_depth_and_under_any_spelling_of_their_names() -> None:
    # GIVEN the facts in different places, as the vendor's webhooks and its SDK spell them
    details = {
        "ticket": {"flow_status": "ACCEPTED", "Disposition": "PASSED"},
        "results": [{"list": [{"confidenceScore": Decimal("97.5")}]}, {"RISK_CODE": "R01"}],
        "user": {"data": {"cifCode": "C-1"}},
    }
    # WHEN / THEN
    assert summarise(details) == Summary("ACCEPTED", False, "PASSED", Decimal("97.5"), "R01", "C-1")


def test_what_is_not_there_is_not_guessed() -> None:
    assert summarise({"anything": {"else": [1, None, "ACCEPTED"]}}) == NOTHING


@pytest.mark.parametrize(
    ("details", "outcome"),
    [
        ({"status": "VERIFIED", "deep": {"flow_status": "REJECTED"}}, "REJECTED"),
        ({"status": "VERIFIED", "deep": {"flowStatus": "REJECTED"}}, "REJECTED"),
        ({"status": "VERIFIED", "deep": {"transaction_status": "REJECTED"}}, "REJECTED"),
        ({"transaction_status": "ACCEPTED", "deep": {"flow_status": "REJECTED"}}, "REJECTED"),
        ({"deep": {"flow_status": "REJECTED"}, "flow_status": "ACCEPTED"}, "ACCEPTED"),
        ({"a": [{"flow_status": "REJECTED"}], "b": {"flow_status": "ACCEPTED"}}, "ACCEPTED"),
        ({"flow_status": "SOMETHING_NEW", "status": "VERIFIED"}, "VERIFIED"),
        ({"flow_status": " accepted "}, "ACCEPTED"),
        ({"flow_status": None, "status": "FAILED"}, "FAILED"),
        ({"status": Decimal(200)}, None),
        ({"status": True}, None),
        ({"status": ""}, None),
    ],
)
def test_the_outcome_comes_from_the_most_telling_name_then_from_the_shallowest_place(
    details: dict[str, Any], outcome: str | None
) -> None:
    assert summarise(details).outcome == outcome


@pytest.mark.parametrize(
    "word", ["ACCEPTED", "REJECTED", "VERIFIED", "FAILED", "SUCCESSFUL", "NEEDS_REVIEW", "ABANDONED"]
)
def test_a_final_word_is_the_outcome(word: str) -> None:
    summary = summarise({"flow_status": word})
    assert (summary.outcome, summary.in_progress) == (word, False)


@pytest.mark.parametrize("word", ["IN_PROGRESS", "PROCESSING", "PENDING", "AWAITING", "in_progress"])
def test_a_word_that_is_not_final_is_no_outcome(word: str) -> None:
    summary = summarise({"flow_status": word})
    assert (summary.outcome, summary.in_progress) == (None, True)


@pytest.mark.parametrize(
    "details",
    [
        {"ticket": {"flow": {"flow_status": "IN_PROGRESS"}}},
        {"ticket": {"device": {"status": "PENDING"}}},
        {"ticket": {"steps": [{"flow": {"status": "PROCESSING"}}]}},
    ],
)
def test_a_part_deep_down_that_is_not_final_keeps_no_ticket_from_being_archived(details: dict[str, Any]) -> None:
    assert not summarise(details).in_progress


def test_a_bare_status_deep_down_is_somebody_elses() -> None:
    assert summarise({"ticket": {"check": {"status": "FAILED"}}}).outcome is None


def test_a_flow_that_is_not_final_may_stand_in_an_envelope() -> None:
    assert summarise({"data": {"flow_status": "IN_PROGRESS"}}).in_progress


def test_a_final_flow_is_final_whatever_its_parts_say() -> None:
    assert not summarise({"flow_status": "ACCEPTED", "steps": [{"status": "PENDING"}]}).in_progress


@pytest.mark.parametrize(
    ("value", "score"),
    [
        (Decimal("98.0"), Decimal(98)),
        (Decimal(0), Decimal(0)),
        (Decimal("-1.5"), Decimal("-1.5")),
        ("98.5", Decimal("98.5")),
        (Decimal("9" * 38), Decimal("9" * 38)),
        (Decimal("9" * 39), None),
        (Decimal("9" * 5000), None),
        (Decimal("1e99"), Decimal("1e99")),
        (Decimal("1e100"), None),
        (Decimal("1e400"), None),
        (Decimal("1e999999999999999999"), None),
        (Decimal("1e-999999999999999999"), None),
        (Decimal("0e500"), None),
        ("NaN", None),
        ("Infinity", None),
        ("sNaN", None),
        ("high", None),
        ("", None),
        (True, None),
        (None, None),
    ],
)
def test_a_confidence_score_is_a_number_that_the_table_can_hold(value: Any, score: Decimal | None) -> None:
    assert summarise({"confidence_score": value}).confidence_score == score


def test_a_score_that_is_none_does_not_hide_the_next() -> None:
    assert summarise({"confidence_score": "high", "a": {"confidence_score": "7"}}).confidence_score == Decimal(7)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("R01", "R01"),
        (" R01 ", "R01"),
        (Decimal(12), "12"),
        (Decimal("12.0"), "12"),
        (Decimal("12.5"), None),
        ("x" * 64, "x" * 64),
        ("x" * 65, None),
        ("a\nb", None),
        ("\ud800", None),
        ("", None),
        (True, None),
    ],
)
def test_a_risk_code_is_a_short_printable_text(value: Any, code: str | None) -> None:
    assert summarise({"risk_code": value}).risk_code == code


@pytest.mark.parametrize("name", ["cifcode", "cifCode", "cifcod", "cif_code", "CIFCODE"])
def test_the_customers_code_has_several_names(name: str) -> None:
    assert summarise({"user": {name: "C-1"}}).customer == "C-1"


@pytest.mark.parametrize(
    ("value", "customer"),
    [
        (Decimal(4711), "4711"),
        (Decimal(10) ** 18 - 1, "9" * 18),
        (Decimal(10) ** 18, None),
        (Decimal("47.5"), None),
        ("", None),
        ("  ", None),
        ("x" * 257, None),
        (True, None),
    ],
)
def test_a_customers_code_can_be_an_index_key(value: Any, customer: str | None) -> None:
    assert summarise({"cifcode": value}).customer == customer


def test_the_customer_is_in_no_repr() -> None:
    assert "C-1" not in repr(summarise({"cifcode": "C-1"}))


NAMES = ("flow_status", "status", "disposition", "confidence_score", "risk_code", "cifcode", "x")
anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=())),
        st.just("PENDING"),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(NAMES), anything))
@example({name: Decimal("1e999999999999999999") for name in NAMES})
@example({name: Decimal("0e999999999999999999") for name in NAMES})
def test_whatever_the_details_hold_the_table_can_hold_their_summary(details: dict[str, Any]) -> None:
    # GIVEN any document
    summary = summarise(details)
    # WHEN / THEN each fact goes through DynamoDB's notation
    for fact in (summary.outcome, summary.disposition, summary.confidence_score, summary.risk_code, summary.customer):
        TypeSerializer().serialize(fact)
        assert not isinstance(fact, str) or fact.encode()


def test_a_strange_document_is_looked_through_up_to_a_bound() -> None:
    # GIVEN a fact behind more containers than anybody looks into
    wide: dict[str, Any] = {"list": [{} for _ in range(30_000)], "z": {"y": {"flow_status": "ACCEPTED"}}}
    deep: dict[str, Any] = {"flow_status": "ACCEPTED"}
    for _ in range(30_000):
        deep = {"a": deep}
    # WHEN / THEN it is left, without an error
    assert summarise(wide) == NOTHING
    assert summarise(deep) == NOTHING
    while deep.get("a"):  # taken apart by hand: the interpreter would recurse
        deep = deep.pop("a")


@pytest.mark.parametrize(
    "details",
    [
        {"id": TICKET},
        {"data": {"transaction": {"ticket": TICKET}}},
        {"status": "FAILED"},
        {"status": "IN_PROGRESS"},
        {"result": [{"riskCode": "R-000"}]},
        {"user": {"given_names": "Ana"}},
        {"document": {"documentType": "PASSPORT", "document_number": ""}},
    ],
)
def test_details_tell_of_a_ticket_by_its_id_or_by_a_name_that_is_known(details: dict[str, Any]) -> None:
    assert tells_of(details, TICKET)


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"ticket": "another"},
        {"status": 500, "code": "INTRNL", "message": "Internal error"},
        {"status": "error", "flow_status": "weather"},
        {"confidence_score": None, "images": [None]},
        {"user": {"given_names": ""}},
        {"result": {"blob": Decimal(17), "parts": [{"x": True}]}},
    ],
)
def test_an_object_without_anything_known_is_no_tickets_details(details: dict[str, Any]) -> None:
    assert not tells_of(details, TICKET)

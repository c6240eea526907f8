"""Invented people: names, addresses and documents in the script of the country that issued the document."""

import json
import random
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

_COUNTRIES: dict[str, Any] = json.loads(Path(__file__).with_name("people.json").read_text(encoding="utf-8"))
_EPOCH = date(2026, 1, 1)


@dataclass(frozen=True)
class Person:
    """A person; `native` has the keys of `latin`, in the document's script."""

    country: str
    nationality: str
    script: str
    language: str
    gender: str
    born: date
    latin: dict[str, str]
    native: dict[str, str]

    @property
    def age(self) -> int:
        """Return the age in years on the simulator's first day."""
        return _EPOCH.year - self.born.year - ((_EPOCH.month, _EPOCH.day) < (self.born.month, self.born.day))


@dataclass(frozen=True)
class Document:
    """An identity document with a random number."""

    type: str
    number: str
    issued: date
    expires: date


def person(rng: random.Random) -> Person:
    """Return a random adult."""
    country = rng.choice(sorted(_COUNTRIES))
    table = _COUNTRIES[country]
    given, surname, second = rng.choice(table["given"]), rng.choice(table["surname"]), rng.choice(table["surname"])
    city, number = rng.choice(table["city"]), rng.randint(1, 399)

    def written(script: int) -> dict[str, str]:
        return {
            "fullname": f"{given[script]} {surname[script]} {second[script]}",
            "given_names": given[script],
            "surname": surname[script],
            "second_surname": second[script],
            "surnames": f"{surname[script]} {second[script]}",
            "address": f"{table['street'][script]} {number}",
            "city": city[script],
            "document_place_of_issue": city[script],
        }

    return Person(
        country=country,
        nationality=table["nationality"],
        script=table["script"],
        language=table["lang"],
        gender=given[2],
        born=_EPOCH - timedelta(days=rng.randint(18 * 366, 80 * 365)),
        latin=written(1),
        native=written(0),
    )


def document(kind: str, rng: random.Random) -> Document:
    """Return a document that is valid on the simulator's first day."""
    issued = _EPOCH - timedelta(days=rng.randint(30, 3000))
    number = "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=2)) + "".join(rng.choices("0123456789", k=7))
    return Document(type=kind, number=number, issued=issued, expires=issued + timedelta(days=3652))

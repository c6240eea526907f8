"""Hypothesis strategies that several tests draw from."""

from typing import Any

from hypothesis import strategies as st

NUMBERS, KEYS = st.integers() | st.floats(), st.text()


def json_values(
    *more: st.SearchStrategy[Any], numbers: st.SearchStrategy[Any] = NUMBERS, keys: st.SearchStrategy[str] = KEYS
) -> st.SearchStrategy[Any]:
    """Return JSON values; `more` are further leaves. Floats may be NaN or infinite."""
    return st.recursive(
        st.one_of(st.none(), st.booleans(), st.text(), numbers, *more),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )

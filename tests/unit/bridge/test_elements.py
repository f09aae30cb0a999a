"""The answer to a batch is taken apart into the texts of its elements."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakepit_bridge import jsonio

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab]\"", max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.parametrize("fast", [True, False])
@given(values=st.lists(VALUES, max_size=5))
def test_each_is_the_text_of_the_value(values: list[object], fast: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if not fast:
            patch.setattr(jsonio, "_msgspec", None)
        found = jsonio.elements(jsonio.dumps(values))
    assert found is not None
    assert list(map(json.loads, found)) == values
    assert not any(b"\n" in text for text in found)


@pytest.mark.parametrize("data", [b"{}", b"null", b'"[]"', b"1"])
def test_what_is_no_array(data: bytes) -> None:
    assert jsonio.elements(data) is None

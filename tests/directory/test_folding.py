from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.folding import fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Cœur d'Anaïs-MARIE", "coeur d anais marie"),
        ("  ÉLODIE\u00a0 L’HÔTE ", "elodie l hote"),
        ("anne.exemple@demo.mssante.fr", "anne exemple demo mssante fr"),
        ("Straße ﬁn", "strasse fin"),
        ("%_\\", ""),
        ("", ""),
    ],
)
def test_a_text_is_folded(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text(max_size=200))
def test_folding_twice_changes_nothing_and_leaves_nothing_special_to_like(text: str) -> None:
    once = fold(text)
    assert fold(once) == once
    assert not set(once) & set("%_\\'")

"""What a JSON Schema cannot say about our bodies: they are sound by the schema, and refused on purpose.

A schema calls 1.0 an integer, we want it written 1; and control characters are refused in every text.
"""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import GenerationMode

from feiqian.web.body import UNWELCOME


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Whether to ask it: always what is meant to be wrong, of the rest what is sound in our eyes too."""
    if case.meta.generation.mode != GenerationMode.POSITIVE:
        return True
    asked = {name: str(value) for name, value in (case.query or {}).items()}
    return _is_sound(case.body) and _is_sound(asked)


def _is_sound(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_sound(each) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return all(map(_is_sound, value))
    return not isinstance(value, float) and not (isinstance(value, str) and UNWELCOME.search(value))

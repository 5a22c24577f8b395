"""Text: what people may call things. Stored as given or refused, never quietly changed but for outer blanks.

PostgreSQL takes neither half a surrogate pair nor a zero; a line break could forge a line of a log or a
receipt, and a turned direction could make one name look like another.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from feiqian.kernel.errors import Refused

NAME_LENGTH_MAX = 100
REFERENCE_LENGTH_MAX = 64
METADATA_PAIRS_MAX, METADATA_KEY_MAX, METADATA_VALUE_MAX = 50, 40, 500

# Embeddings, overrides and isolates turn the direction of what follows. Source: Unicode UAX #9, 2.1 to 2.5.
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class BadName(Refused):
    """This name cannot be taken. A name is one line of 1 to 100 characters without hidden controls."""

    code, status, zh = "bad_name", 422, "名称无效：须为单行，1 至 100 个字符，且不含控制字符。"


class BadText(Refused):
    """This text cannot be taken. The reason is named."""

    code, status, zh = "bad_text", 422, "文本无效，原因见说明。"


def clean_name(text: object, param: str = "name") -> str:
    """The name without outer blanks, otherwise as given. Raises: BadName."""
    if not isinstance(text, str):
        raise BadName(param, reason="not_text")
    name = text.strip()
    fault = _fault(name, NAME_LENGTH_MAX)
    if fault:
        raise BadName(param, reason=fault)
    return name


def check_reference(text: object, param: str = "reference") -> str:
    """The caller's own id for something, as given: one line of 1 to 64 characters, no outer blanks.

    Raises: BadText.
    """
    if not isinstance(text, str):
        raise BadText(param, reason="not_text")
    fault = "outer_blanks" if text != text.strip() else _fault(text, REFERENCE_LENGTH_MAX)
    if fault:
        raise BadText(param, reason=fault)
    return text


def check_metadata(pairs: Mapping[str, str], param: str = "metadata") -> dict[str, str]:
    """Pairs of text as given: at most 50, keys of 1 to 40 characters, values of 500 at most.

    Raises: BadText.
    """
    if not isinstance(pairs, Mapping):
        raise BadText(param, reason="not_pairs")
    if len(pairs) > METADATA_PAIRS_MAX:
        raise BadText(param, reason="too_many", most=METADATA_PAIRS_MAX)
    for key, value in pairs.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise BadText(param, reason="not_text")
        fault = _fault(key, METADATA_KEY_MAX)
        if not fault and len(value) > METADATA_VALUE_MAX:
            fault = "too_long"
        if not fault and any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in value):
            fault = "hidden_character"
        if fault:
            raise BadText(param, reason=fault)
    return dict(pairs)


def _fault(text: str, length_max: int) -> str | None:
    if len(text) > length_max:
        return "too_long"
    kinds = [unicodedata.category(sign) for sign in text]
    if any(kind in ("Cc", "Cs", "Zl", "Zp") for kind in kinds) or not _TURNS.isdisjoint(text):
        return "hidden_character"
    # Joiners are part of names and emoji, but a name of nothing else shows nothing. Co: rare Chinese
    # characters still live in the private area.
    if not any(kind[0] in "LNPS" or kind in ("Co", "Cn") for kind in kinds):
        return "empty"
    return None

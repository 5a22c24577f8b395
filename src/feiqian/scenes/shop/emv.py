"""EMV: the refusal that the readers of both kinds of EMVCo QR code share."""

from __future__ import annotations

from feiqian.kernel.errors import Refused


class MalformedCode(Refused):
    """This code cannot be read: it is damaged or not made to the standard.

    Facts: tag, the data object at fault, as a path like `62.05` or `61.4F`, or `payload` when no
    single one is; reason, in English. Never the value, which may name a person or an account.
    """

    code, status, zh = "code_malformed", 422, "无法识别该二维码：内容已损坏或不符合标准。"


def path(within: str, tag: str) -> str:
    """Where a data object stands: `path("62", "05")` is `62.05`. Odd characters come out escaped."""
    safe = tag.encode("ascii", "backslashreplace").decode()
    return f"{within}.{safe}" if within else safe

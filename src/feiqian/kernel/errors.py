"""The family of errors: what went wrong, in two languages, with the facts and what to do next.

The docstring of a class is its English message, `zh` the Chinese one; `code` and `status` are what
the API answers. `Refused` is for what the caller can mend; `Broken` for an invariant of ours that
failed. The reference in docs/reference/errors.md is printed from this tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar


class FeiqianError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    zh: ClassVar[str] = "出了点问题。"
    retryable: ClassVar[bool] = False

    def __init__(self, param: str | None = None, **facts: Any) -> None:
        """param: the input field meant, as a path like `amount.currency`. facts: never secret."""
        self.param = param
        self.facts = facts
        super().__init__(self.message("en"))

    @classmethod
    def text(cls, language: str) -> str:
        """The fixed message in 'zh' or 'en'; the first paragraph of the docstring is the English one."""
        if language.startswith("zh"):
            return cls.zh
        return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())

    def message(self, language: str) -> str:
        """The message followed by its facts, as people read it."""
        text = self.text(language)
        if not self.facts:
            return text
        stated = ", ".join(f"{name}: {value}" for name, value in self.facts.items())
        return f"{text} ({stated})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.param, self.facts)


def _revive(kind: type[FeiqianError], param: str | None, facts: dict[str, Any]) -> FeiqianError:
    return kind(param, **facts)


class Refused(FeiqianError):
    """The request was refused."""

    code, status, zh = "refused", 422, "请求未被接受。"


class Broken(FeiqianError):
    """An invariant of the system failed; operations has been told."""

    code, status, zh = "broken", 500, "系统内部校验失败，运维人员已收到通知。"


class Malformed(Refused):
    """The request cannot be read. Compare it with the API description."""

    code, status, zh = "malformed", 400, "无法解析请求，请对照接口文档检查。"


class NotFound(Refused):
    """There is nothing here by that id, or it is not yours to see."""

    code, status, zh = "not_found", 404, "没有找到该对象，或您无权查看。"


class Unavailable(Refused):
    """The service cannot answer just now. Ask again shortly with the same Idempotency-Key."""

    code, status, zh, retryable = "unavailable", 503, "服务暂时不可用，请稍后用相同的幂等键重试。", True


def revive(kept: dict[str, Any]) -> Refused:
    """The refusal that was kept as {code, param, facts}; an unknown code gives a plain Refused."""
    known = {kind.code: kind for kind in family(Refused) if issubclass(kind, Refused)}
    return known.get(kept.get("code", ""), Refused)(kept.get("param"), **kept.get("facts", {}))


def keep(refusal: Refused) -> dict[str, Any]:
    """A refusal as it is kept to be said again."""
    return {"code": refusal.code, "param": refusal.param, "facts": refusal.facts}


def family(root: type[FeiqianError] = FeiqianError) -> Iterator[type[FeiqianError]]:
    """Every error class below root, depth first, in order of definition."""
    for kind in root.__subclasses__():
        yield kind
        yield from family(kind)

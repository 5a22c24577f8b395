"""Mask: what people may see of a name or a phone, and what a log may say of anything.

mask_name and mask_phone keep enough for the owner to recognise; mask_text and is_secret serve the logs
and keep nothing of a secret. Where a number could be a card or an order, the log loses it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

HIDDEN = "***"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def mask_name(name: str) -> str:
    """A person's name for display: `张三丰` is `张**`, `Alice Chen` is `A**** C***`.

    Each word keeps its first letter, as a reader sees it (an accent or a joined emoji stays whole);
    a word of one letter keeps none. Nothing is `` and the answer can always be sent as UTF-8.
    """
    return re.sub(r"[^\s·•・]+", lambda word: _mask_word(word.group()), " ".join(name.split()))


def mask_phone(phone: str) -> str:
    """A telephone number for display: `+8613800138000` is `+86 138****8000`.

    Shows the country, three digits and the last four, fewer of a short number, and never less than
    four digits hidden. What is no telephone number shows as `***`.
    """
    digits = re.sub(r"[\s\-().]", "", phone)
    if not re.fullmatch(r"\+?[0-9]{5,15}", digits, re.ASCII):
        return HIDDEN
    country = ""
    if digits[0] == "+":
        length = 1 if digits[1] in "17" else 2 if digits[1:3] in _TWO_DIGIT_COUNTRIES else 3
        country, digits = digits[: length + 1] + " ", digits[length + 1 :]
    shown = max(0, len(digits) - 4)
    tail = min(4, shown)
    head = min(3, shown - tail)
    return f"{country}{digits[:head]}{'*' * (len(digits) - head - tail)}{digits[len(digits) - tail :]}"


def is_secret(key: str) -> bool:
    """Whether a value under this key is masked whole, judged by the words of the key."""
    known = _judged.get(key)
    if known is None:
        known = _judge(key)
        if len(_judged) < 4096:
            _judged[key] = known
    return known


def mask_text(text: str, length_max: int = 16_384) -> str:
    """Free text without the secrets in it: API keys, bearer tokens, passwords in addresses, card and ID
    numbers, payment codes, telephones, e-mail addresses, and what stands behind words like `password:`.

    Text beyond length_max characters is cut off. Time is linear in the length. A name or a password that
    stands alone in a sentence cannot be known as one: hand it over under its key.
    """
    if (_CALM.fullmatch(text) and "bearer" not in text.lower() and "eyJ" not in text) or _ID.fullmatch(text):
        return text
    cut = len(text) > length_max
    if cut:
        text = text[:length_max]
    if _SUSPECT.search(text):
        text = _TOKEN.sub(_mask_token, text)
        text = _QUOTED_ROW.sub(_mask_quoted_row, text)
        text = _mask_pairs(text)
        if "@" in text:
            text = _EMAIL.sub(HIDDEN, text)
        text = _NUMBER.sub(_mask_number, text)
    if cut:
        # The cut may have left the beginning of a number too short to be known as one.
        text = _LOOSE_END.sub("", text) + "…(cut)"
    return text


# Country codes of two digits; 1 and 7 have one, all others three. Source: ITU-T E.164.
_TWO_DIGIT_COUNTRIES = _words(
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 "
    "81 82 84 86 90 91 92 93 94 95 98"
)

# A key is secret when one of its words is among these ...
_SECRET_WORDS = _words(
    "password passwd passphrase pwd pin secret secrets token tokens authorization authorisation cookie "
    "cookies pan cvv cvc cvn otp phone phones telephone tel mobile msisdn email mail idcard passport track2 "
    "credential credentials dsn apikey surname nickname iban signature"
)
# ... or when it is or ends with one of these, unless the whole key is known to be harmless.
_SECRET_ENDS = (
    *("name", "code", "key", "card", "address", "holder"),
    *("id_number", "card_number", "account_number", "id_no", "card_no", "account_no"),
)
_SECRET_CHINESE = ("姓名", "密码", "手机", "身份证", "卡号", "电话")
_HARMLESS = _words(
    "error_code status_code reason_code exit_code country_code currency_code bank_code function_name "
    "event_name logger_name file_name func_name task_name thread_name process_name host_name table_name "
    "column_name constraint_name schema_name route_name book_name job_name"
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[^\W_]+")
_judged: dict[str, bool] = {}


def _judge(key: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(key)]
    flat = "_".join(words)
    if flat in _HARMLESS:
        return False
    return (
        any(word in _SECRET_WORDS for word in words)
        or any(flat == end or flat.endswith("_" + end) for end in _SECRET_ENDS)
        or any(part in key for part in _SECRET_CHINESE)
    )


_LOOSE_END = re.compile(r"[\d\s+\-]{1,40}\Z")

# Groups of digits are parted by a blank, a dash or what a form makes of them.
_GAP = r"(?:[ \-+\u00a0\u2010-\u2015]|%20)"
# Most values are words, amounts or ids; one look tells that no rule below could bite.
_CALM = re.compile(r"[A-Za-z ./{}\-]{0,80}(?:[0-9]{1,7}(?:\.[0-9]{1,4})?[A-Za-z %]{0,12})?")
_ID = re.compile(r"(?:[a-z]{2,8}_)?[0-9a-f]{32}")
# One look for whatever the rules could bite on.
_SUSPECT = re.compile(
    rf"[=:@]|\d(?:{_GAP}?\d){{7}}|_(?:test|live)_|whsec_|eyJ|bearer|row contains|-----BEGIN", re.IGNORECASE
)

_TOKEN = re.compile(
    r"\b(?:[a-z]{2}_(?:test|live)_|whsec_)[\w+/=\-]*"
    r"|\b(?P<scheme>bearer)\s+[\w\-.~+/=]+"
    r"|(?P<address>\b[a-z][a-z0-9+.\-]{1,20}://)[^\s/]*@"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\w+/=\s\\]*(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
    r"|\beyJ[\w\-]+\.[\w\-]+\.[\w\-]*",
    re.IGNORECASE,
)

# What PostgreSQL and its driver quote out of a row or an argument may be a name, so all of it goes.
_QUOTED_ROW = re.compile(
    r"(?P<say>Failing row contains \(|Key \([^)\n]{1,200}\)=\(|input syntax for type [\w ]{1,40}: "
    r"|query argument \$\d{1,5}: )(?P<value>[^\n]*)"
)

# A word and a colon or an equals sign, also as JSON, a pair or PostgreSQL writes them ...
_KEY = re.compile(
    r"(?<![\w\-])(?P<key>[^\W\d][\w\-]{1,40})(?:[\"']?\s{0,3}[:=]\s{0,3}|[\"']\s?,\s?(?=b?[\"'])|\)\s?=\s?\()"
)
# ... and its value: quoted, in brackets, or bare until something that ends it or begins another pair.
_VALUE = re.compile(
    r"b?\"(?:[^\"\\]|\\.)*\"?|b?'(?:[^'\\]|\\.)*'?|[\[({][^\])}\n]*[\])}]?"
    r"|.*?(?=\s{1,3}[\w\-]{1,40}=|[,;&)}\]\n]|\Z)"
)
_LINE = re.compile(r"[^\n]*")
_QUERY = re.compile(r"[^\s&#\"']*")
_WHOLE_LINE = _words("authorization cookie set-cookie")

_EMAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,8}")

# Ids of ours and UUIDs first, so that the digits in them are left alone; then runs of eight or more.
_NUMBER = re.compile(
    r"(?P<id>(?<![0-9A-Za-z])(?:[a-z]{2,8}_)?(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?![0-9A-Za-z]))"
    rf"|\+?\d(?:{_GAP}?\d){{7,}}[Xx]?"
)
_GROUP = re.compile(r"\d+")


def _mask_word(word: str) -> str:
    letters = list(_letters(word))
    if len(letters) == 1:
        return "*"
    first = letters[0] if all(map(_is_showable, letters[0])) else "*"
    return first + "*" * (len(letters) - 1)


def _letters(word: str) -> Iterator[str]:
    """Letters as a reader sees them: a base with its accents, a joined or coloured emoji, a flag."""
    letter = ""
    for sign in word:
        joins = unicodedata.category(sign) in ("Mn", "Me", "Mc") or sign == "\u200d" or "🏻" <= sign <= "🏿"
        flag = len(letter) == 1 and "🇦" <= letter <= "🇿" and "🇦" <= sign <= "🇿"
        if letter and (joins or flag or letter[-1] == "\u200d"):
            letter += sign
            continue
        if letter:
            yield letter
        letter = sign
    yield letter


def _is_showable(sign: str) -> bool:
    # Half a surrogate pair cannot be sent, a control could turn the line around.
    return sign == "\u200d" or unicodedata.category(sign)[0] != "C"


def _mask_token(found: re.Match[str]) -> str:
    if scheme := found["scheme"]:
        return f"{scheme} {HIDDEN}"
    if address := found["address"]:
        return f"{address}{HIDDEN}@"
    return HIDDEN


def _mask_quoted_row(found: re.Match[str]) -> str:
    return found["say"] + HIDDEN


def _mask_pairs(text: str) -> str:
    parts, done = [], 0
    for found in _KEY.finditer(text):
        key, start = found["key"], found.end()
        if found.start() < done or not is_secret(key):
            continue
        rule = _VALUE
        if text[found.start() - 1 : found.start()] in ("?", "&"):
            rule = _QUERY
        elif key.lower() in _WHOLE_LINE and text[start : start + 1] not in "\"'b":
            rule = _LINE
        value = rule.match(text, start)
        if value is None or value.end() == start or value[0].startswith(HIDDEN):
            continue
        if key.lower() == "code" and sum(map(str.isdigit, value[0])) < 4:
            continue  # `code: over_limit` says why; `code: 482913` opens a door
        parts += [text[done:start], HIDDEN]
        done = value.end()
    return "".join(parts) + text[done:] if parts else text


def _mask_number(found: re.Match[str]) -> str:
    text = found[0]
    if found["id"]:
        return text
    plain = text.replace("%20", "   ")
    if not plain.isascii():  # full-width and Arabic digits are digits too
        plain = "".join(str(unicodedata.digit(sign, sign)) for sign in plain)
    groups = [(one.start(), one.end(), one[0]) for one in _GROUP.finditer(plain)]
    parts: list[str] = []
    done = first = 0
    while first < len(groups):
        hit = _longest(groups, first, text)
        if hit is None:
            first += 1
            continue
        last, shown = hit
        start, end = groups[first][0], groups[last][1]
        if end < len(text) and text[end] in "Xx":
            end += 1
        if start and text[start - 1] == "+":
            start -= 1
        parts += [text[done:start], shown]
        done, first = end, last + 1
    return "".join(parts) + text[done:]


def _longest(groups: list[tuple[int, int, str]], first: int, text: str) -> tuple[int, str] | None:
    """The last group of the longest secret that begins with the first, and what to show instead."""
    digits, found = "", None
    for last in range(first, len(groups)):
        digits += groups[last][2]
        if len(digits) > 24:
            break
        sizes = [end - start for start, end, _ in groups[first : last + 1]]
        # A date and a time are groups too; cards, codes and telephones come in larger ones.
        if last > first and min(sizes[:-1]) < 3 and digits[:2] != "86":
            break
        end = groups[last][1]
        international = groups[first][0] > 0 and text[groups[first][0] - 1] == "+"
        shown = _verdict(digits, min(sizes[:-1], default=4) >= 4, text[end : end + 1] in "Xx", international)
        if shown:
            found = (last, shown)
    return found


def _verdict(digits: str, compact: bool, check_x: bool, international: bool) -> str | None:
    size = len(digits)
    if size == 11 and digits[0] == "1" and digits[1] in "3456789":
        return f"{digits[:3]}******{digits[-2:]}"
    if size in (13, 15) and digits.startswith(("861", "00861")) and digits[-10] in "3456789":
        return f"{digits[-11:-8]}******{digits[-2:]}"
    if international and 8 <= size <= 15:
        return HIDDEN
    # Chinese ID numbers have 18 places, our payment codes 19, those of other wallets 16 to 24.
    if compact and (size in (18, 19) or (size == 17 and check_x)):
        return HIDDEN
    if compact and 16 <= size <= 24 and "25" <= digits[:2] <= "30":
        return HIDDEN
    if size == 13 and digits[0] == "1":
        return None  # a moment in milliseconds; no card of 13 digits begins so
    return HIDDEN if 13 <= size <= 19 and _passes_luhn(digits) else None


_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _passes_luhn(digits: str) -> bool:
    """The check digit of card numbers. Source: ISO/IEC 7812-1, annex B."""
    numbers = [int(digit) for digit in digits]
    return (sum(numbers[-1::-2]) + sum(_DOUBLED[digit] for digit in numbers[-2::-2])) % 10 == 0

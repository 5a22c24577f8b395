"""Access: API keys, what each may do, and whose objects it may see. Start at keyring.py.

`key.py` holds the values and the table of scopes, `issue.py` makes, rotates and revokes keys,
`keyring.py` answers on every request who is asking. `factors/` is how people prove who they are.
"""

from feiqian.access.issue import create, find_key, page_of_keys, prepare, revoke, rotate
from feiqian.access.key import (
    API_VERSION,
    SCOPES,
    ApiKey,
    BadOverlap,
    BadScopes,
    Forbidden,
    KeyEnded,
    Unauthenticated,
)
from feiqian.access.keyring import Keyring, allow, check_grant, owned_by

__all__ = [
    "API_VERSION",
    "SCOPES",
    "ApiKey",
    "BadOverlap",
    "BadScopes",
    "Forbidden",
    "KeyEnded",
    "Keyring",
    "Unauthenticated",
    "allow",
    "check_grant",
    "create",
    "find_key",
    "owned_by",
    "page_of_keys",
    "prepare",
    "revoke",
    "rotate",
]

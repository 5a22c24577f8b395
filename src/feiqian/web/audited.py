"""Audited: what the audit log says of each route. A test holds this table to the live routes.

An act is noted by its verb, in the turn that carries it out. `witness.py` notes its refusals, failed
accesses to any route, reads, and acts that no turn carries out.
"""

from __future__ import annotations

ACTS: dict[str, str] = {
    "create_customer": "party.registered",
    "freeze_customer": "party.frozen",
    "release_customer": "party.released",
    "close_customer": "party.closed",
    "classify_customer": "party.class_changed",
    "open_customer_wallet": "wallet.opened",
    "create_organisation": "party.registered",
    "freeze_organisation": "party.frozen",
    "release_organisation": "party.released",
    "close_organisation": "party.closed",
    "open_organisation_wallet": "wallet.opened",
    "freeze_wallet": "wallet.frozen",
    "release_wallet": "wallet.released",
    "close_wallet": "wallet.closed",
    "limit_wallet": "wallet.limits_changed",
    "create_device": "device.registered",
    "suspend_device": "device.suspended",
    "resume_device": "device.resumed",
    "remove_device": "device.removed",
    "create_merchant": "merchant.registered",
    "suspend_merchant": "merchant.suspended",
    "resume_merchant": "merchant.resumed",
    "create_contract": "contract.agreed",
    "create_store": "store.opened",
    "close_store_route": "store.closed",
    "create_cashier": "cashier.added",
    "close_cashier_route": "cashier.closed",
    "create_terminal": "terminal.added",
    "close_terminal_route": "terminal.closed",
    "create_code": "code.put_up",
    "cancel_code": "code.cancelled",
    "create_deposit": "deposit.booked",
    "refund_payment": "refund.made",
    "create_payee": "payee.looked_up",
    "create_key": "key.created",
    "rotate_key": "key.rotated",
    "revoke_key": "key.revoked",
    "advance_clock": "clock.advanced",
}
"""Routes that change rights or money settings, move money by the operator's word, or show a payee."""

APART: dict[str, str] = {
    "bind_card": "card.bound",
    "order_cards": "card.order_changed",
    "unbind_card": "card.unbound",
    "issue_card_token": "card_token.issued",
    "suspend_card_token": "card_token.suspended",
    "resume_card_token": "card_token.resumed",
    "delete_card_token": "card_token.deleted",
}
"""Acts of the vault, which commits apart and has its own log: on disk here before the answer leaves."""

READS: dict[str, str] = {
    "get_card": "card.read",
    "list_cards": "card.read",
    "get_customer": "party.read",
    "list_customers": "party.read",
    "get_organisation": "party.read",
    "list_organisations": "party.read",
    "list_audit": "audit.read",
    "get_audit_entry": "audit.read",
}
"""Routes that show who somebody is or what card they have: on disk before the answer leaves."""

ELSEWHERE: dict[str, str] = {
    "create_purchase": "the purchase's own row, and the payment's steps",
    "close_purchase_route": "the purchase's own row",
    "create_payment": "the payment's steps and the ledger's chain",
    "capture_payment": "the payment's steps and the ledger's chain",
    "cancel_payment": "the payment's steps and the ledger's chain",
    "create_transfer": "the payment's steps and the ledger's chain",
    "read_code": "changes nothing and shows a shop",
    "verify_ledger": "changes nothing",
}
"""Routes that need no entry although they are not GET, and where their record is."""

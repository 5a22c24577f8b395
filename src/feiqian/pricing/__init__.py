"""Pricing: what a service costs. Pure. Start at fees.py."""

from feiqian.pricing.fees import Terms, Waiver, fee

__all__ = ["Terms", "Waiver", "fee"]

"""Shop: paying at a counter, by the shop's code or by the customer's.

Start at emv_merchant.py for the code a shop shows, at payment_code.py for the one a customer shows,
and at emv_consumer.py for the form in which other schemes' terminals read the latter.
"""

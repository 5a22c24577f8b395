"""Web: the HTTP door. Start at app.py.

A request passes `app.py` (id, time, log), `caller.py` (who asks, and may they), `body.py` (is it
sound JSON), one route in `api/`, and, when it moves money, `once.py`, which makes it happen once.
Errors of any kind leave as RFC 9457 problems, `problem.py`.
"""

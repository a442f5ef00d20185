"""Diagnose this device, verify models on it, and tune threads and batch size for it.

In: The system, the installed interpreters, model files.
Out: findings with remedies (`digits doctor`), receipts (`digits verify`), tuned settings (`digits tune`).
"""

"""This device: what runs on it, whether it answers as the model's maker did, and which threads suit it.

In: The system, the installed interpreters, model files.
Out: findings with remedies (`digits doctor`), receipts (`digits verify`), tuned settings (`digits tune`).
"""

"""This device: what runs on it (`digits doctor`), and how many threads suit it (`digits tune`).

Doctor: facts that are read (system), each interpreter tried in a child process (probes), pure functions from both to findings (rules).
"""

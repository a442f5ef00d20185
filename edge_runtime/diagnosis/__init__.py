"""What runs on this device, what does not, and the command that mends it: `digits doctor`.

System (facts that are read) -> probes (each interpreter tried in a child process) -> rules (pure functions from facts to findings).
"""

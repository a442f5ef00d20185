"""Which releases of which runtimes run a file: the table of proven operators, targets, trials in environments.

In: A FlatBuffer or model file, and targets.
Out: the releases that run it, and the operators that the others do not run.
"""

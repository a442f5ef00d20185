"""The machine-sensitive part of the suite under conditions of other machines: `python -m tests.anywhere`, or `make test-anywhere`."""

"""`digits pipeline`: the stages from data to report, and the sections of its report.

In: The files that each stage wrote.
Out: stamps, by which unchanged stages are skipped, and sections.
"""

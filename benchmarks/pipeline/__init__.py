"""`digits pipeline`: the stages from data to report, and the sections of its report.

In: What each stage wrote.
Out: stamps that let unchanged stages be skipped, and sections.
"""

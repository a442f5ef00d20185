"""Run folders: runs/<name>/{model.keras, training.json, curves.png}.

In: Records and trained models.
Out: Files of a run, and its summary.
"""

"""Run folders: runs/<name>/{model.keras, training.json, curves.png}.

In: Records and models of training.
Out: files, locked and complete; what a command says of them.
"""

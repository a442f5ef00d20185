"""The model cards, docs/models.md: written from committed files by `python -m tools.pages.models` (`make models`), no number by hand."""

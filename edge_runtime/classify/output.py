"""Forms in which `digits classify` prints a prediction: text, JSON, CSV, and a row of the explanation page."""

import io
import json

import numpy as np
from numpy.typing import NDArray

from edge_runtime.bulk.rows import csv_cells
from edge_runtime.inference.results import Prediction

INK_STEP = -2
"""Position of the step of a photo that shows the digit's ink."""


def text_line(prediction: Prediction) -> str:
    """One line: source, label and confidence, or - without a digit, and warnings in brackets."""
    notes = f"  ({'; '.join(prediction.warnings)})" if prediction.warnings else ""
    answer = "-" if prediction.confidence is None else f"{prediction.label}  {100 * prediction.confidence:.1f} %"
    return f"{prediction.source}: {answer}{notes}"


def json_line(prediction: Prediction) -> str:
    """One line with one JSON object."""
    return json.dumps(prediction.fields())


def csv_line(prediction: Prediction) -> str:
    """One line of CSV, for the header `rows.CSV_HEADER`."""
    warnings = "; ".join(prediction.warnings)
    return join_cells(csv_cells(prediction.source, prediction.label, prediction.index, prediction.confidence, warnings))


def join_cells(cells: tuple[str, ...]) -> str:
    """Cells as a line of CSV (RFC 4180), without its line end."""
    import csv

    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # the writer quotes the characters of its line end
    return line.getvalue().removesuffix("\r\n")


def explanation_row(prediction: Prediction) -> NDArray[np.uint8]:
    """The row of an explanation page, uint8 [H, W, 3]: each step from the photo to 28x28 pixels, and the scores."""
    from edge_runtime.explanation import Panel, draw_prediction

    photo = prediction.picture.photo
    if photo is None:
        panels = [Panel(f"28x28, {'inverted' if prediction.picture.inverted else 'unchanged'}", prediction.picture.image)]
    else:
        panels = [Panel(title, levels) for title, levels in photo.steps]
        if photo.strokes:
            scale = panels[INK_STEP].levels.shape[0] / photo.ink.shape[0]
            top, left, bottom, right = (scale * side for side in photo.strokes.box)
            panels[INK_STEP] = panels[INK_STEP]._replace(box=(top, left, bottom, right))
    weights = ", ".join(f"{name} {weight:.0%}" for name, weight in prediction.readings)
    note = f"read in {len(prediction.readings)} ways, which weigh {weights}" if len(prediction.readings) > 1 else ""
    return draw_prediction(prediction.source, panels, prediction.scores, prediction.labels, prediction.warnings, note)

"""Compile the C code of a model on this machine, and run it on images."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from convert.c_code.compilers import call
from convert.c_code.source import CModel

_MAIN = """#include <stdio.h>
#include "{prefix}.h"

int main(void)
{{
    static uint8_t image[{macro}_PIXELS];
    int8_t logits[{macro}_CLASSES];

    while (fread(image, sizeof image, 1, stdin) == 1) {{
        {prefix}_run(image, logits);
        if (fwrite(logits, sizeof logits, 1, stdout) != 1) {{
            return 1;
        }}
    }}
    return 0;
}}
"""


def run_c(model: CModel, images: NDArray[np.uint8], compiler: str, options: tuple[str, ...] = ("-O2",)) -> NDArray[np.int8]:
    """Logits int8 [N, classes] of uint8 [N, 28, 28] images by the C code.

    Raises:
        DigitsError: it does not compile, or the program fails.
    """
    with TemporaryDirectory(prefix="digits-c-") as folder:
        files = {f"{model.prefix}.h": model.header, f"{model.prefix}.c": model.source}
        files["main.c"] = _MAIN.format(prefix=model.prefix, macro=model.prefix.upper())
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        sources = [name for name in files if name.endswith(".c")]
        call([compiler, "-std=c99", *options, "-o", "run", *sources], folder)
        output = call([str(Path(folder) / "run")], folder, np.ascontiguousarray(images).tobytes())
    return np.frombuffer(output, np.int8).reshape(len(images), len(model.labels))

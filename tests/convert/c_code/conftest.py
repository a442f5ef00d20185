"""C compilers and the code of several models at once."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.c_code.compilers import call, find_compiler
from convert.c_code.source import CModel

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

_MAIN = """#include <stdio.h>
{includes}
typedef void run_function(const uint8_t *image, int8_t *logits);

int main(void)
{{
    static run_function *const runs[] = {{{runs}}};
    static const size_t classes[] = {{{classes}}};
    static uint8_t image[784];
    int8_t logits[256];
    size_t model;

    while (fread(image, sizeof image, 1, stdin) == 1) {{
        for (model = 0; model < sizeof runs / sizeof runs[0]; model++) {{
            runs[model](image, logits);
            fwrite(logits, 1, classes[model], stdout);
        }}
    }}
    return 0;
}}
"""


@pytest.fixture(scope="session")
def compiler() -> str:
    """The C compiler of this machine; without one, tests are skipped, but in CI they fail."""
    found = find_compiler()
    if found is None and not os.environ.get("CI"):
        pytest.skip("no C compiler (cc, gcc or clang)")
    assert found, "CI needs a C compiler"
    return found


def write_files(models: Sequence[CModel], folder: Path) -> list[str]:
    """Write headers and sources; the names of the sources."""
    for model in models:
        (folder / f"{model.prefix}.h").write_text(model.header)
        (folder / f"{model.prefix}.c").write_text(model.source)
    return [f"{model.prefix}.c" for model in models]


def run_all(
    models: Sequence[CModel], images: NDArray[np.uint8], folder: Path, compiler: str, options: Sequence[str]
) -> list[NDArray[np.int8]]:
    """Logits int8 [N, classes] of each model, compiled together in one call."""
    sources = write_files(models, folder)
    counts = [len(model.labels) for model in models]
    (folder / "main.c").write_text(
        _MAIN.format(
            includes="".join(f'#include "{model.prefix}.h"\n' for model in models),
            runs=", ".join(f"{model.prefix}_run" for model in models),
            classes=", ".join(map(str, counts)),
        )
    )
    call([compiler, *options, "-o", "program", "main.c", *sources], str(folder))
    output = np.frombuffer(call([str(folder / "program")], str(folder), images.tobytes()), np.int8)
    return np.split(output.reshape(len(images), sum(counts)), np.cumsum(counts)[:-1], axis=1)

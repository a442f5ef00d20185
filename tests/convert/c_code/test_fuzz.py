"""The C code never reads or writes outside of its arrays, and has no undefined behaviour, for images that libFuzzer finds."""

import re
from pathlib import Path

import pytest

from convert.c_code.compilers import call
from convert.c_code.source import write_c
from edge_runtime.errors import DigitsError
from edge_runtime.model.model_file import read_model_file
from tests.convert.c_code.conftest import WARNINGS, write_files

pytestmark = pytest.mark.mcu
SECONDS = 20  # for each model
_SANITIZERS = ("-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")

# Image and logits are of their own size on the heap, where a byte beyond them is found.
_MAIN = """#include <stdlib.h>
#include <string.h>
#include "{prefix}.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{{
    uint8_t *const image = calloc(IMAGE_BYTES, 1);
    int8_t *const logits = malloc({macro}_CLASSES);

    if (image == NULL || logits == NULL) {{
        abort();
    }}
    memcpy(image, data, size < IMAGE_BYTES ? size : IMAGE_BYTES);
    {prefix}_run(image, logits);
    if ({prefix}_classify(image) >= {macro}_CLASSES) {{
        abort();
    }}
    free(image);
    free(logits);
    return 0;
}}
"""


def _fuzz(name: str, folder: Path, seconds: int, image_bytes: int) -> str:
    """What libFuzzer prints; it begins with the golden images."""
    file = read_model_file(Path(name))
    model = write_c(file, name)
    sources = write_files([model], folder)
    (folder / "main.c").write_text(_MAIN.format(prefix=model.prefix, macro=model.prefix.upper()))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, image in enumerate(file.golden().images):
        (corpus / str(number)).write_bytes(image.tobytes())
    call(["clang", *WARNINGS, *_SANITIZERS, f"-DIMAGE_BYTES={image_bytes}U", "-o", "fuzz", "main.c", *sources], str(folder))
    options = (f"-max_total_time={seconds}", "-max_len=784", "-len_control=0", "-seed=1", "-print_final_stats=1")
    return call([str(folder / "fuzz"), *options, "corpus"], str(folder), with_errors=True).decode(errors="replace")


@pytest.mark.parametrize("name", ["nano", "small"])
def test_no_image_makes_the_code_leave_its_arrays(name: str, tmp_path: Path) -> None:
    """By libFuzzer with address and undefined-behaviour sanitizers, for SECONDS."""
    said = _fuzz(name, tmp_path, SECONDS, 784)
    executed = re.search(r"number_of_executed_units: (\d+)", said)
    assert executed
    assert int(executed.group(1)) > 16  # more than it began with


def test_the_fuzzer_finds_a_byte_beyond_an_image(tmp_path: Path) -> None:
    """It is able to fail: an image that is too short is read beyond its end. The last pixels may be of no use to a model."""
    with pytest.raises(DigitsError, match="fuzz failed with exit code"):
        _fuzz("small", tmp_path, 5, 600)

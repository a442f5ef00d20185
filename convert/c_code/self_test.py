"""Write the self-test of a model: golden images with the logits that LiteRT's reference kernels, or TFLite Micro, give for them."""

import numpy as np
from numpy.typing import NDArray

from convert.c_code.c_text import array
from convert.c_code.oracle import ORACLES
from convert.c_code.source import CModel


def write_self_test(model: CModel, images: NDArray[np.uint8], logits: NDArray[np.int8]) -> str:
    """The text of digits_<name>_test.c.

    Args:
        model: the model as C.
        images: uint8 [N, 28, 28].
        logits: int8 [N, classes], of the oracle of the model's rounding.
    """
    prefix, macro, count = model.prefix, model.prefix.upper(), len(images)
    sections = [
        f"""/* Golden images of {prefix}, with the logits of {ORACLES[model.rounding]}. The program prints how many images have all
   of them. With -DDIGITS_SELF_TEST, and in a sketch, there is no main: call {prefix}_self_test() on the chip.
   The images take {count * images[0].size} bytes of flash. */
#include "{prefix}.h"

#if !defined(DIGITS_SELF_TEST) && !defined(ARDUINO)
#include <stdio.h>
#endif

#define GOLDEN_IMAGES {count}
""",
        array(f"static const uint8_t golden_images[GOLDEN_IMAGES][{macro}_PIXELS]", _rows(images.reshape(count, -1))),
        array(f"static const int8_t golden_logits[GOLDEN_IMAGES][{macro}_CLASSES]", _rows(logits)),
        f"""/* How many golden images give the recorded logits, of GOLDEN_IMAGES. */
int {prefix}_self_test(void);

int {prefix}_self_test(void)
{{
    int8_t logits[{macro}_CLASSES];
    int image, passed = 0;

    for (image = 0; image < GOLDEN_IMAGES; image++) {{
        int index, equal = 1;

        {prefix}_run(golden_images[image], logits);
        for (index = 0; index < {macro}_CLASSES; index++) {{
            if (logits[index] != golden_logits[image][index]) {{
                equal = 0;
            }}
        }}
        passed += equal;
    }}
    return passed;
}}

#if !defined(DIGITS_SELF_TEST) && !defined(ARDUINO)
int main(void)
{{
    const int passed = {prefix}_self_test();

    printf("%d of %d\\n", passed, GOLDEN_IMAGES);
    return passed == GOLDEN_IMAGES ? 0 : 1;
}}
#endif
""",
    ]
    return "\n".join(sections)


def _rows(values: NDArray[np.uint8] | NDArray[np.int8]) -> list[str]:
    return [f"{{{', '.join(map(str, row.tolist()))}}}" for row in values]

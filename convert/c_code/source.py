"""Write a model as C99: its header and its source. Nothing beyond <stdint.h>, no heap, no floats."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert.c_code.c_text import array, chosen_lines, comment_text, identifier, string
from convert.integer_layers.arena import place_outputs
from convert.integer_layers.layers import Layer
from convert.integer_layers.lowering import Rounding, make_layers
from convert.integer_layers.operators import read_operators
from edge_runtime.errors import ModelFileError
from edge_runtime.model.model_file import ModelFile

_KERNELS = Path(__file__).parent / "kernels"
_FUNCTIONS = {"convolution": "convolve", "depthwise": "depthwise", "mean": "mean", "average_pool": "pool", "max_pool": "pool"}
_MAX_PLACE = 2**16  # of a term's weights in a block
BLOCK = 4  # outputs whose sums are in registers at once


@dataclass(frozen=True)
class CModel:
    """A model as C.

    prefix: of its functions and files, such as digits_nano.
    layers: what it computes. offsets: of their outputs in the memory. memory_bytes: for all feature maps.
    header, source: the texts of its files. rounding: whose roundings it has.
    """

    prefix: str
    labels: tuple[str, ...]
    layers: tuple[Layer, ...]
    offsets: tuple[int, ...]
    memory_bytes: int
    header: str
    source: str
    rounding: Rounding = "litert"

    @property
    def multiply_adds(self) -> int:
        """Products of one image."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def constant_bytes(self) -> int:
        """Weights, biases and rescalings, as they are stored in the C code."""
        return sum(len(_stored_weights(layer)) + 4 * _blocks(layer) * BLOCK + 5 * len(layer.rescalings) for layer in self.layers)


def write_c(model: ModelFile, name: str | None = None, rounding: Rounding = "litert") -> CModel:
    """Write a model as C.

    Args:
        model: a checked model file with int8 activations, and int8 or int4 weights.
        name: in file names and identifiers; None for the model's own.
        rounding: as `convert.integer_layers.lowering.make_layers` takes it.

    Raises:
        ModelFileError: it has an operator, a type or an option that C code is not written for.
        BadArgument: the name gives no C identifier.
    """
    prefix = identifier(model.name if name is None else name)
    layers = make_layers(read_operators(model.flatbuffer), rounding)
    for layer in layers:
        if layer.kind == "convolution" and layer.weights[0].size * BLOCK >= _MAX_PLACE:
            raise ModelFileError(f"has a layer of {layer.weights[0].size:,} inputs for each output, expected at most 16,383")
    offsets, memory_bytes = place_outputs(layers)
    facts = _facts(model, rounding)
    return CModel(
        prefix,
        model.labels,
        layers,
        offsets,
        memory_bytes,
        _header(prefix, model, layers, memory_bytes, facts),
        _source(prefix, model, layers, offsets, memory_bytes, facts),
        rounding,
    )


def _facts(model: ModelFile, rounding: Rounding) -> str:
    """A comment with the manifest's essentials."""
    lines = [f"{comment_text(model.name)}, as C by edge-digits (digits export)."]
    lines += ["Rounds as TFLite Micro does."] if rounding == "tflm" else []
    lines += essentials(model)
    scale, zero_point = model.output.scale, model.output.zero_point
    lines += [
        f"Logits are int8: real value = (logit - {zero_point}) * {scale:.9g}, with a minus sign in front of a negative zero point."
    ]
    return "/* " + "\n   ".join(lines) + " */\n"


def essentials(model: ModelFile) -> list[str]:
    """Lines of a comment: recipe, accuracy and hashes of a model file."""
    lines = []
    if manifest := model.manifest:
        test = manifest.accuracy[1].candidate if len(manifest.accuracy) > 1 else None
        lines += [f"Recipe {comment_text(manifest.recipe)}."]
        lines += [f"Test accuracy {test.correct} of {test.total} images, by the .tflite file."] if test else []
        lines += [f"Keras model SHA-256 {comment_text(manifest.origin.keras_sha256)}."]
    return [*lines, f"FlatBuffer SHA-256 {model.sha256}."]


def _header(prefix: str, model: ModelFile, layers: Sequence[Layer], memory_bytes: int, facts: str) -> str:
    macro, classes = prefix.upper(), len(model.labels)
    return f"""{facts}#ifndef {macro}_H
#define {macro}_H

#include <stdint.h>

#define {macro}_PIXELS {28 * 28}
#define {macro}_CLASSES {classes}
#define {macro}_MEMORY_BYTES {memory_bytes} /* static, for feature maps */
#define {macro}_MULTIPLY_ADDS {sum(layer.multiply_adds for layer in layers)}L
#define {macro}_SHA256 "{model.sha256}"

#ifdef __cplusplus
extern "C" {{
#endif

/* Labels of the classes, UTF-8. */
extern const char *const {prefix}_labels[{macro}_CLASSES];

/* Logits of an image: 28 rows of 28 pixels, 0 = background, 255 = ink. Not reentrant: feature maps are in static memory. */
void {prefix}_run(const uint8_t image[{macro}_PIXELS], int8_t logits[{macro}_CLASSES]);

/* The class with the largest logit, the first of equal ones. */
int {prefix}_classify(const uint8_t image[{macro}_PIXELS]);

#ifdef __cplusplus
}}
#endif

#endif
"""


def _source(prefix: str, model: ModelFile, layers: Sequence[Layer], offsets: Sequence[int], memory_bytes: int, facts: str) -> str:
    macro = prefix.upper()
    constants = [_constants(layer, number) for number, layer in enumerate(layers, 1)]
    inputs = ["image", *(f"&memory[{offset}]" for offset in offsets)]
    calls = "".join(
        f"    {_FUNCTIONS[layer.kind]}(&layer{number}, {inputs[number - 1]}, {inputs[number]});\n"
        for number, layer in enumerate(layers, 1)
    )
    sections = [
        facts + f'#include "{prefix}.h"\n',
        _kernels(layers),
        *constants,
        f"static uint8_t memory[{memory_bytes}];\n",
        array(f"const char *const {prefix}_labels[{macro}_CLASSES]", map(string, model.labels)),
        f"""void {prefix}_run(const uint8_t image[{macro}_PIXELS], int8_t logits[{macro}_CLASSES])
{{
    uint32_t index;

{calls}    for (index = 0U; index < {macro}_CLASSES; index++) {{
        logits[index] = (int8_t)((int32_t)memory[{offsets[-1]}U + index] - {128});
    }}
}}
""",
        f"""int {prefix}_classify(const uint8_t image[{macro}_PIXELS])
{{
    int8_t logits[{macro}_CLASSES];
    int index, best = 0;

    {prefix}_run(image, logits);
    for (index = 1; index < {macro}_CLASSES; index++) {{
        if (logits[index] > logits[best]) {{
            best = index;
        }}
    }}
    return best;
}}
""",
    ]
    return "\n".join(sections)


def _kernels(layers: Sequence[Layer]) -> str:
    """The functions that the layers need."""
    convolutions = [layer for layer in layers if layer.kind == "convolution"]
    bits = {layer.bits for layer in convolutions}
    flags = {name for name, used in (("bytes", 8 in bits), ("half_bytes", 4 in bits), ("mixed", len(bits) == 2)) if used}
    flags |= {"zeros"} if any(layer.steps.source_zero for layer in convolutions) else set()
    flags |= {"left"} if any(rescaling.shift < 0 for layer in layers for rescaling in layer.rescalings) else set()
    names = ["layer"]
    names += ["rescale"] if any(layer.rescalings for layer in layers) else []
    names += ["term", *(f"add_{name}" for name in ("bytes", "half_bytes") if name in flags), "convolve"] if convolutions else []
    names += [name for name in ("depthwise", "mean", "pool") if any(_FUNCTIONS[layer.kind] == name for layer in layers)]
    texts = [chosen_lines((_KERNELS / f"{name}.c").read_text(), flags) for name in names]
    largest = max((_blocks(layer) * BLOCK for layer in convolutions), default=0)
    return "\n".join([*([f"#define DIGITS_SUMS {largest}U\n"] if largest else []), *texts])


def _blocks(layer: Layer) -> int:
    """Blocks of four outputs, the last one filled up."""
    return -(-len(layer.biases) // BLOCK) if layer.kind == "convolution" else 0


def _stored_weights(layer: Layer) -> bytes:
    """The weights as the C code reads them, made unsigned."""
    if layer.kind == "depthwise":
        return (layer.weights.astype(np.int16) + 128).astype(np.uint8).tobytes()
    if layer.kind != "convolution":
        return b""
    rows = np.zeros((_blocks(layer) * BLOCK, layer.weights[0].size), np.int16)
    rows[: len(layer.biases)] = layer.weights.reshape(len(layer.biases), -1)
    raised = (rows + (8 if layer.bits == 4 else 128)).astype(np.uint8)
    blocks = raised.reshape(-1, BLOCK, rows.shape[1]).transpose(0, 2, 1).reshape(-1)
    return (blocks[0::2] | blocks[1::2] << 4).tobytes() if layer.bits == 4 else blocks.tobytes()


def _constants(layer: Layer, number: int) -> str:
    parts, fields = [], {}
    if weights := _stored_weights(layer):
        parts.append(array(f"static const uint8_t weights{number}[{len(weights)}]", weights, "U"))
        fields["weights"] = f"weights{number}"
    if len(layer.biases):
        filled = [*(int(bias) % 2**32 for bias in layer.biases), *[0] * (_blocks(layer) * BLOCK - len(layer.biases))]
        parts.append(array(f"static const uint32_t biases{number}[{len(filled)}]", filled, "U"))
        fields["biases"] = f"biases{number}"
    if count := len(layer.rescalings):
        multipliers, shifts = zip(*((rescaling.multiplier, rescaling.shift) for rescaling in layer.rescalings), strict=True)
        parts.append(array(f"static const uint32_t multipliers{number}[{count}]", multipliers, "U"))
        parts.append(array(f"static const int8_t shifts{number}[{count}]", shifts))
        fields |= {"multipliers": f"multipliers{number}", "shifts": f"shifts{number}"}
    fields |= {name: f"{value}U" for name, value in _numbers(layer).items() if value}
    body = "".join(f"    .{name} = {value},\n" for name, value in fields.items())
    return "\n".join([*parts, f"static const digits_layer layer{number} = {{\n{body}}};\n"])


def _numbers(layer: Layer) -> dict[str, int]:
    window = layer.window
    dilated = window.dilation[1] > 1
    halved = layer.kind == "convolution" and layer.bits == 4
    inputs = layer.weights[0].size if layer.kind == "convolution" else 0
    return {
        "block_bytes": inputs * (BLOCK // 2 if halved else BLOCK),
        **dict(zip(("source_rows", "source_columns", "source_channels"), window.source, strict=True)),
        **dict(zip(("rows", "columns", "channels"), window.result, strict=True)),
        **dict(zip(("kernel_rows", "kernel_columns"), window.kernel, strict=True)),
        "runs": window.kernel[1] if dilated else 1,
        "run_columns": 1 if dilated else window.kernel[1],
        **dict(zip(("row_stride", "column_stride"), window.stride, strict=True)),
        **dict(zip(("row_dilation", "column_dilation"), window.dilation, strict=True)),
        **dict(zip(("row_padding", "column_padding"), window.padding, strict=True)),
        "source_zero": layer.steps.source_zero,
        "zero": layer.steps.zero,
        "low": layer.steps.low,
        "high": layer.steps.high,
        "twice": int(any(rescaling.twice for rescaling in layer.rescalings)),
        "relu": int(layer.steps.low >= layer.steps.zero),
        "half_bytes": int(halved),
        "padded": int(window.is_padded),
        "maximum": int(layer.kind == "max_pool"),
    }

"""ONNX Runtime: the network of options["network"] (benchmarks.backends.network) as an ONNX graph.

With options["int8"], quantised by ONNX Runtime: static, 8-bit weights per channel, 8-bit activations, calibrated on options["images"].
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.backends import LoadedModel

DISTRIBUTIONS = ("onnxruntime",)
_OPSET = 21


def prepare(options: dict[str, Any]) -> None:
    """Import it. Loading also builds and quantises the graph, which users would have done before."""
    import onnxruntime  # noqa: F401


def load(model: str, threads: int, options: dict[str, Any]) -> LoadedModel:
    """A session with all optimisations."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    settings.log_severity_level = 3
    content = graph(Path(options["network"])).SerializeToString()
    if options["int8"]:
        content = _quantised(content, np.load(options["images"]))
    session = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    run = session.run

    def one(image: Any) -> object:
        return run(None, {"pixels": image[None]})[0].argmax()

    return LoadedModel(one, lambda images: run(None, {"pixels": images})[0].argmax(axis=1))


def graph(network: Path) -> Any:
    """The ONNX model: uint8 [N, 28, 28] to float32 [N, classes]. ONNX has the channels first."""
    from onnx import TensorProto, helper, numpy_helper

    with np.load(network) as arrays:
        held = {name: arrays[name] for name in arrays}
    layers = json.loads(str(held.pop("layers")))
    nodes = [
        helper.make_node("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["cast", "shape"], ["x"]),
    ]
    constants = {"shape": np.array([-1, 1, 28, 28])}
    last = "x"
    for number, layer in enumerate(layers):
        for operator, attributes in _operators(layer, held, constants):
            inputs, output = [last, *attributes.pop("constants", [])], f"y{len(nodes)}"
            nodes.append(helper.make_node(operator, inputs, [output], name=f"n{number}_{operator}", **attributes))
            last = output
    made = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", 28, 28])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["N", None])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)


def _operators(layer: dict[str, Any], held: dict[str, Any], constants: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    kind, names = layer["kind"], layer.get("weights", [])
    after: list[tuple[str, dict[str, Any]]] = [("Relu", {})] if layer.get("relu") else []
    if kind in ("convolution", "depthwise"):
        kernel = held[names[0]]  # [filters, height, width, channels]; depthwise [1, height, width, channels]
        constants[names[0]] = kernel.transpose((0, 3, 1, 2) if kind == "convolution" else (3, 0, 1, 2))
        constants.update({name: held[name] for name in names[1:]})
        window = {
            "strides": layer["strides"],
            "dilations": layer["dilations"],
            "group": 1 if kind == "convolution" else kernel.shape[3],
        }
        return [("Conv", {"constants": names, "auto_pad": _PADDING[layer["padding"]], **window}), *after]
    if kind == "dense":
        constants.update({name: held[name] for name in names})
        return [("Gemm", {"constants": names, "transB": 1}), *after]
    if kind == "maximum":
        return [
            ("MaxPool", {"kernel_shape": layer["size"], "strides": layer["strides"], "auto_pad": _PADDING[layer["padding"]]}),
            *after,
        ]
    if kind == "mean":
        return [("GlobalAveragePool", {}), ("Flatten", {})]
    # TFLite flattens with the channels last.
    return [("Transpose", {"perm": [0, 2, 3, 1]}), ("Flatten", {})]


_PADDING = {"SAME": "SAME_UPPER", "VALID": "VALID"}


def _quantised(content: bytes, images: Any) -> bytes:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class _Images(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._rest = iter(images)

        def get_next(self) -> dict[str, Any] | None:
            image = next(self._rest, None)
            return None if image is None else {"pixels": image[None]}

    with tempfile.TemporaryDirectory() as place:
        source, prepared, made = (Path(place) / f"{name}.onnx" for name in ("float", "prepared", "int8"))
        source.write_bytes(content)
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared), str(made), _Images(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
        return made.read_bytes()

"""Validated training settings. Needs no Keras, so that invalid values are reported before TensorFlow is loaded."""

import re
from dataclasses import asdict, dataclass

from edge_runtime.errors import BadArgument

MODELS = ("linear", "mlp", "cnn", "tutorial")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "elu", "leaky_relu", "linear")
OPTIMIZERS = ("adam", "adamw", "nadam", "rmsprop", "sgd")
SCHEDULES = ("cosine", "constant")
DEFAULT_EPOCHS = {"linear": 10, "mlp": 10, "cnn": 6, "tutorial": 5}
DEFAULT_HIDDEN = (128, 64)
_CONVOLUTION = re.compile(r"(?P<filters>[1-9]\d{0,4}|d)k(?P<kernel>\d{1,2})(?:s(?P<stride>\d))?(?P<valid>v?)")


@dataclass(frozen=True)
class Convolution:
    """A convolution of a cnn, followed by batch normalisation and ReLU. As text: 16k5s2v is 16 filters of 5x5, stride 2, valid padding.

    filters: 0 for a depthwise convolution (as text d: dk3), which has one filter per input channel.
    valid: "valid" padding (none) instead of "same".
    """

    filters: int
    kernel: int
    stride: int = 1
    valid: bool = False

    def __str__(self) -> str:
        stride = f"s{self.stride}" if self.stride != 1 else ""
        return f"{self.filters or 'd'}k{self.kernel}{stride}{'v' * self.valid}"

    def side(self, side: int) -> int:
        """Output side for an input of `side` pixels; less than 1 if the input is too small."""
        return -(-(side - self.kernel + 1 if self.valid else side) // self.stride)


def parse_convolutions(text: str) -> tuple[Convolution, ...]:
    """Parse convolutions such as "16k5s2v,32k3v,dk3,32k1".

    Raises:
        BadArgument: the text is not such a list.
    """
    matches = [_CONVOLUTION.fullmatch(part.strip()) for part in text.split(",")]
    if not all(matches):
        raise BadArgument(
            f"convolutions are {text!r}, expected a list such as 16k5s2v,32k3v,dk3: filters (d: depthwise), k and the kernel size,"
            " s and the stride, v for valid padding"
        )
    return tuple(
        Convolution(
            0 if match["filters"] == "d" else int(match["filters"]),
            int(match["kernel"]),
            int(match["stride"] or 1),
            bool(match["valid"]),
        )
        for match in matches
        if match
    )


# Strides instead of pooling: fewer multiply-adds, and one operator less.
DEFAULT_CONVOLUTIONS = parse_convolutions("16k5s2,24k3,48k3s2,48k3v")


@dataclass(frozen=True)
class Augmentation:
    """Random distortions of images; each value is drawn uniformly from its range, except for `elastic`.

    rotation: maximum angle in degrees, to either side.
    shear: maximum horizontal shear in pixels per row.
    zoom: maximum relative change of width and height, each drawn separately.
    stretch: further maximum relative change of the width, for digits that were stretched to a frame.
    shift: maximum translation in pixels, horizontally and vertically.
    elastic: standard deviation in pixels of the displacements of a coarse grid, smoothly interpolated.
    """

    rotation: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    stretch: float = 0.0

    def __post_init__(self) -> None:
        for name, maximum in (("rotation", 180), ("shear", 2), ("zoom", 0.9), ("shift", 14), ("elastic", 14), ("stretch", 0.9)):
            _check(name, getattr(self, name), 0, maximum)
        _check("zoom plus stretch", self.zoom + self.stretch, 0, 0.9)  # 1 leaves no width

    def settings(self) -> dict[str, float]:
        """The fields by name, without `stretch` where it is off: manifests and caches made before it existed stay valid."""
        found = asdict(self)
        return found if self.stretch else {name: value for name, value in found.items() if name != "stretch"}


@dataclass(frozen=True)
class Distillation:
    """Knowledge distillation from larger models (Hinton et al., arXiv 1503.02531).

    teachers: sha256 of each teacher's model file; their logits are averaged.
    temperature: divides the logits of student and teachers.
    views: number of augmented versions of each image for which there are teachers' logits. Student and teachers get the same version (Beyer
        et al., arXiv 2106.05237); each epoch takes the next one, cyclically.
    weight: weight of the teachers' loss; that of the labels' loss is 1 - weight.
    """

    teachers: tuple[str, ...]
    views: int = 20
    temperature: float = 1.0
    weight: float = 0.9

    def __post_init__(self) -> None:
        if not self.teachers:
            raise BadArgument("distillation has no teachers; give the sha256 of at least one")
        _check("views", self.views, 1, 1_000)
        _check("temperature", self.temperature, 0.1, 100)
        _check("weight of the teachers", self.weight, 0, 1)


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training run: the model and how it is trained. `warmup` and what follows, but for `convolutions`, are off by default.

    model: "linear" (784 to 10), "mlp" (hidden layers of `hidden` units with `activation`), "cnn" (`convolutions`, global average) or
        "tutorial" (the network of TensorFlow's tutorial on quantisation, for comparison).
    learning_rate: peak value, reached after `warmup` epochs; then it falls to 0 along half a cosine, or stays if `schedule` is
        "constant".
    weight_decay: decoupled (AdamW), for weights but not for biases or normalisation.
    label_smoothing: fraction of the target that is spread over all classes.
    averaging: momentum of an exponential moving average of the weights over steps, which are the final weights; 0 for none.
    strokes: number of drawn digits that are added to the training images, in forms that MNIST hardly has (train/data/strokes.py).
    atrous: after training, replace strides of a cnn by dilation of the following layers, with the same weights ("a trous", Chen et al.,
        arXiv 1412.7062). The network then also evaluates the positions that the strides skipped, and averages over all of them: more
        multiply-adds in inference, as many in training. Convolutions from the first stride on must have valid padding.

    Raises:
        BadArgument: a value is invalid; the message lists the valid ones.
    """

    model: str
    hidden: tuple[int, ...] = DEFAULT_HIDDEN
    activation: str = "relu"
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 0.003
    seed: int = 0
    optimizer: str = "adam"
    schedule: str = "cosine"
    warmup: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    averaging: float = 0.0
    convolutions: tuple[Convolution, ...] = DEFAULT_CONVOLUTIONS
    augmentation: Augmentation | None = None
    distillation: Distillation | None = None
    strokes: int = 0
    atrous: bool = False

    def __post_init__(self) -> None:
        self._clear_unused_fields()
        for name, value, known in (
            ("model", self.model, MODELS),
            ("activation", self.activation, ACTIVATIONS),
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("schedule", self.schedule, SCHEDULES),
        ):
            if value not in known:
                raise BadArgument(f"unknown {name} {value!r}; known are {', '.join(known)}")
        if len(self.hidden) > 64 or any(not 1 <= units <= 65_536 for units in self.hidden):
            raise BadArgument(f"hidden layers are {list(self.hidden)}; expected at most 64 numbers between 1 and 65,536")
        _check("epochs", self.epochs, 1, 10_000)
        _check("batch size", self.batch_size, 1, 65_536)
        _check("seed", self.seed, 0, 2**31 - 1)
        if not 0 < self.learning_rate <= 10:
            raise BadArgument(f"learning rate is {self.learning_rate}, expected a number above 0 and at most 10")
        _check("warm-up epochs", self.warmup, 0, self.epochs)
        _check("weight decay", self.weight_decay, 0, 1)
        _check("label smoothing", self.label_smoothing, 0, 0.9)
        _check("averaging", self.averaging, 0, 0.99999)
        _check("drawn digits", self.strokes, 0, 100_000)
        _check_convolutions(self.convolutions)
        if self.weight_decay and self.optimizer != "adamw":
            raise BadArgument(f"weight decay is {self.weight_decay}, but {self.optimizer} has none; use optimizer adamw")
        if self.atrous:
            _check_atrous(self.model, self.convolutions)

    def _clear_unused_fields(self) -> None:
        """Clear the fields of other models, so that records do not show them."""
        if self.model != "mlp":
            object.__setattr__(self, "hidden", ())
            object.__setattr__(self, "activation", "linear" if self.model == "linear" else "relu")
        if self.model != "cnn":
            object.__setattr__(self, "convolutions", ())


def _check(name: str, value: float, minimum: float, maximum: float) -> None:
    if not minimum <= value <= maximum:
        raise BadArgument(f"{name} is {value:,}, expected {minimum} to {maximum:,}")


def _check_atrous(model: str, convolutions: tuple[Convolution, ...]) -> None:
    if model != "cnn":
        raise BadArgument(f"atrous is an option of cnn, not of {model}")
    strided = [number for number, layer in enumerate(convolutions) if layer.stride > 1]
    if not strided:
        raise BadArgument("atrous needs a convolution with a stride, such as 16k5s2v")
    for layer in convolutions[strided[0] :]:
        if not layer.valid:
            raise BadArgument(
                f"with atrous, convolutions from the first stride on need valid padding; use {layer}v instead of {layer}"
            )


def _check_convolutions(convolutions: tuple[Convolution, ...]) -> None:
    side = 28
    if len(convolutions) > 64:
        raise BadArgument(f"got {len(convolutions)} convolutions, expected at most 64")
    for number, convolution in enumerate(convolutions, 1):
        if not (0 <= convolution.filters <= 4096 and 1 <= convolution.kernel <= 28 and 1 <= convolution.stride <= 8):
            raise BadArgument(
                f"convolution is {convolution}, expected at most 4,096 filters, a kernel of 1 to 28 and a stride of 1 to 8"
            )
        if (side := convolution.side(side)) < 1:
            raise BadArgument(
                f"convolution {number}, {convolution}, has a kernel larger than its input; use fewer strides or valid paddings before it"
            )


def parse_hidden(text: str) -> tuple[int, ...]:
    """Parse hidden layers such as "128,64", or "none".

    Raises:
        BadArgument: the text is not such a list.
    """
    if text.strip().lower() in ("none", ""):
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BadArgument(f"hidden layers are {text!r}, expected numbers separated by commas such as 128,64, or none") from None

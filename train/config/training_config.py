"""What can be trained and how, as validated data. Needs no Keras, so that a wrong value is told before TensorFlow is loaded."""

import re
from dataclasses import dataclass

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
    """One convolution of a cnn, followed by batch normalisation and ReLU. Written as text: 16k5s2v is 16 filters of 5x5, stride 2, valid.

    filters: 0 for a depthwise convolution (written d: dk3), which has one filter for each channel that comes in.
    valid: no padding; else as much as keeps the size at stride 1.
    """

    filters: int
    kernel: int
    stride: int = 1
    valid: bool = False

    def __str__(self) -> str:
        stride = f"s{self.stride}" if self.stride != 1 else ""
        return f"{self.filters or 'd'}k{self.kernel}{stride}{'v' * self.valid}"

    def side(self, side: int) -> int:
        """Side of the images that come out, of images of `side` pixels; less than 1 if none can."""
        return -(-(side - self.kernel + 1 if self.valid else side) // self.stride)


def parse_convolutions(text: str) -> tuple[Convolution, ...]:
    """Convolutions from text such as "16k5s2v,32k3v,dk3,32k1".

    Raises:
        BadArgument: it is no such list.
    """
    matches = [_CONVOLUTION.fullmatch(part.strip()) for part in text.split(",")]
    if not all(matches):
        raise BadArgument(
            f"convolutions are {text!r}, expected a list such as 16k5s2v,32k3v,dk3: filters (d: depthwise), k and the kernel's side,"
            " s and the stride, v for no padding"
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


# Strides instead of pooling: fewer multiply-adds, and no operator for it.
DEFAULT_CONVOLUTIONS = parse_convolutions("16k5s2,24k3,48k3s2,48k3v")


@dataclass(frozen=True)
class Augmentation:
    """How images are moved and bent before each look at them; every value is drawn uniformly from its range, except for `elastic`.

    rotation: up to so many degrees to either side.
    shear: a horizontal slant of up to so many pixels a row.
    zoom: width and height each larger or smaller by up to this share.
    shift: up to so many pixels to each side, up and down.
    elastic: standard deviation, in pixels, of the displacements of a coarse grid of points, between which the image is bent smoothly.
    """

    rotation: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (("rotation", 180), ("shear", 2), ("zoom", 0.9), ("shift", 14), ("elastic", 14)):
            _check(name, getattr(self, name), 0, most)


@dataclass(frozen=True)
class Distillation:
    """Learning from the logits of larger models beside the labels (Hinton et al., arXiv 1503.02531).

    teachers: sha256 of each teacher's model file; their logits are averaged.
    temperature: by which the logits of both sides are divided.
    views: how many augmented versions of each image the teachers judged. Student and teachers see the same version (Beyer et al., arXiv
        2106.05237); an epoch takes the next one, and after the last comes the first.
    weight: share of the teachers in the loss; the labels have the rest.
    """

    teachers: tuple[str, ...]
    views: int = 20
    temperature: float = 1.0
    weight: float = 0.9

    def __post_init__(self) -> None:
        if not self.teachers:
            raise BadArgument("distillation needs at least one teacher")
        _check("views", self.views, 1, 1_000)
        _check("temperature", self.temperature, 0.1, 100)
        _check("teachers' weight", self.weight, 0, 1)


@dataclass(frozen=True)
class TrainingConfig:
    """One training run: the model and how it is fitted. Everything after `seed` is a switch that is off unless it is set.

    model: "linear" (784 to 10), "mlp" (hidden layers of `hidden` units with `activation`), "cnn" (`convolutions`, global average) or
        "tutorial" (the network of TensorFlow's tutorial on quantisation, to compare with).
    learning_rate: the largest. It is reached after `warmup` epochs and falls to 0 along half a cosine, or stays if `schedule` is
        "constant".
    weight_decay: decoupled (AdamW), of weights but not of biases or normalisation.
    label_smoothing: share of the target that is spread over all classes.
    averaging: momentum of an exponential moving average of the weights over steps, which is what is kept at the end; 0 for none.
    atrous: when a cnn is trained, its strides become dilation of what follows, with the same weights ("a trous", Chen et al., arXiv
        1412.7062). It then looks at the places too that strides left out, and its global average is over all of them. Trained as quickly as
        before, it takes as many times the multiply-adds to answer. Convolutions from the first stride on must be without padding.

    Raises:
        BadArgument: a value that cannot be trained with; the message lists what can.
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
        _check_convolutions(self.convolutions)
        if self.weight_decay and self.optimizer != "adamw":
            raise BadArgument(f"weight decay is adamw's, not {self.optimizer}'s")
        if self.atrous:
            _check_atrous(self.model, self.convolutions)

    def _clear_unused_fields(self) -> None:
        """A record must not say that a model has layers of another kind."""
        if self.model != "mlp":
            object.__setattr__(self, "hidden", ())
            object.__setattr__(self, "activation", "linear" if self.model == "linear" else "relu")
        if self.model != "cnn":
            object.__setattr__(self, "convolutions", ())


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise BadArgument(f"{name} is {value:,}, expected {least} to {most:,}")


def _check_atrous(model: str, convolutions: tuple[Convolution, ...]) -> None:
    if model != "cnn":
        raise BadArgument(f"atrous is cnn's, not {model}'s")
    strided = [number for number, layer in enumerate(convolutions) if layer.stride > 1]
    if not strided:
        raise BadArgument("atrous is for convolutions with strides, such as 16k5s2v")
    for layer in convolutions[strided[0] :]:
        if not layer.valid:
            raise BadArgument(f"with atrous, convolutions from the first stride on must be valid, such as {layer}v")


def _check_convolutions(convolutions: tuple[Convolution, ...]) -> None:
    side = 28
    if len(convolutions) > 64:
        raise BadArgument(f"{len(convolutions)} convolutions, expected at most 64")
    for number, convolution in enumerate(convolutions, 1):
        if not (0 <= convolution.filters <= 4096 and 1 <= convolution.kernel <= 28 and 1 <= convolution.stride <= 8):
            raise BadArgument(
                f"convolution {convolution} has more than 4,096 filters, a kernel over 28 or a stride over 8, or 0 of them"
            )
        if (side := convolution.side(side)) < 1:
            raise BadArgument(f"convolution {number}, {convolution}, is larger than the image that reaches it")


def parse_hidden(text: str) -> tuple[int, ...]:
    """Hidden layers from text such as "128,64"; "none" for none.

    Raises:
        BadArgument: it is no such list.
    """
    if text.strip().lower() in ("none", ""):
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BadArgument(f"hidden layers are {text!r}, expected numbers with commas such as 128,64, or none") from None

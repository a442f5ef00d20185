"""What can be trained, as validated data. Needs no Keras, so that a wrong value is told before TensorFlow is loaded."""

from dataclasses import dataclass

from edge_runtime.errors import BadArgument

MODELS = ("linear", "mlp", "cnn")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "elu", "leaky_relu", "linear")
DEFAULT_EPOCHS = {"linear": 10, "mlp": 10, "cnn": 6}
DEFAULT_HIDDEN = (128, 64)


@dataclass(frozen=True)
class TrainingConfig:
    """One training run: the model and how it is fitted.

    model: "linear" (784 to 10), "mlp" (hidden layers of `hidden` units with `activation`) or "cnn" (four convolutions).
    learning_rate: of Adam at the first step; it falls to 0 along half a cosine.

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

    def __post_init__(self) -> None:
        if self.model in ("linear", "cnn"):  # which have neither: a record must not say otherwise
            object.__setattr__(self, "hidden", ())
            object.__setattr__(self, "activation", "relu" if self.model == "cnn" else "linear")
        if self.model not in MODELS:
            raise BadArgument(f"unknown model {self.model!r}; known are {', '.join(MODELS)}")
        if self.activation not in ACTIVATIONS:
            raise BadArgument(f"unknown activation {self.activation!r}; known are {', '.join(ACTIVATIONS)}")
        if len(self.hidden) > 64 or any(not 1 <= units <= 65_536 for units in self.hidden):
            raise BadArgument(f"hidden layers are {list(self.hidden)}; expected at most 64 numbers between 1 and 65,536")
        limits = (("epochs", self.epochs, 1, 10_000), ("batch size", self.batch_size, 1, 65_536), ("seed", self.seed, 0, 2**32 - 1))
        for name, value, least, most in limits:
            if not least <= value <= most:
                raise BadArgument(f"{name} is {value}, expected {least} to {most:,}")
        if not 0 < self.learning_rate <= 10:
            raise BadArgument(f"learning rate is {self.learning_rate}, expected a number above 0 and at most 10")


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

"""The line network: convolutions over the width, which end in logits of ten digits and a blank for every second column."""

from edge_runtime.reading.line_image import HEIGHT
from train.backend import keras, layers, tf
from train.lines.dataset import CLASSES


def build_line_network(channels: tuple[int, int, int, int, int, int, int], seed: int, width: int | None = None) -> keras.Model:
    """Build the network, with initial weights from `seed`.

    Args:
        channels: of each convolution but the last.
        seed: of the weights.
        width: columns of its input, a multiple of 2; None for any number.

    Returns:
        From float32 [N, 32, W, 1], 0 to 255, to float32 [N, W / 2, 11] logits. A column of the output sees 41 of the input.
    """
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((HEIGHT, width, 1), name="line")
    x = layers.Rescaling(1 / 255)(inputs)
    # Kernels and strides as rows, columns: 32 rows become 16, 8, 4 and 1.
    kernels = ((5, 5), (3, 3), (3, 3), (3, 3), (4, 3), (1, 5), (1, 5))
    strides = ((2, 2), (2, 1), (1, 1), (2, 1), (4, 1), (1, 1), (1, 1))
    for filters, kernel, stride in zip(channels, kernels, strides, strict=True):
        x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Conv2D(CLASSES, (1, 3), padding="same")(layers.Dropout(0.1)(x))
    return keras.Model(inputs, layers.Reshape((-1 if width is None else width // 2, CLASSES))(x), name="lines")


def ctc_loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The CTC loss of each line: A. Graves et al., "Connectionist temporal classification", ICML 2006.

    Args:
        labels: int32 [N, L], the digits of each line, and -1 after them.
        logits: float32 [N, T, 11].
    """
    lengths = tf.reduce_sum(tf.cast(labels >= 0, tf.int32), axis=1)
    frames = tf.fill(tf.shape(lengths), tf.shape(logits)[1])
    digits = tf.cast(tf.maximum(labels, 0), tf.int32)
    return tf.nn.ctc_loss(digits, logits, lengths, frames, logits_time_major=False, blank_index=CLASSES - 1)

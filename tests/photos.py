"""Invented photos of digits: what a phone, a webcam or a scanner would make of a digit on paper, with everything that gets in the way.

The digit is a picture of its ink: an MNIST image, or a glyph of a font. A `Scene` holds all that was thrown dice for, so that the
accuracy can be told apart by paper, ink and size. The same seed gives the same scene and the same pixels.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

PAPERS = ("plain", "ruled", "squared")
INKS = ("dark", "light")
LIGHTS = ("slope", "lamp", "shadow")
SIZES = ((0.05, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 0.6))
JPEG_QUALITY = 40
NOISE = 10

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """All that a photo depends on besides the digit.

    Lengths are shares of the image's height, but for `blur` (the sigma, in pixels) and `height`, `width`; angles in degrees; `size` is the
    digit's longer side; `place` is where in the free area it lies, 0 to 1 down and across; ground, ink and `lines` are shares of the light
    that falls in; `light_ratio` is the light at the brightest place to that at the darkest.
    """

    paper: str
    ink: str
    light: str
    height: int
    width: int
    size: float
    place: tuple[float, float]
    angle: float
    paper_angle: float
    spacing: float
    line_width: float
    line_contrast: float
    ground: float
    ink_contrast: float
    exposure: float
    light_ratio: float
    light_angle: float
    crispness: float
    blur: float
    seed: int


def invent_scene(seed: int) -> Scene:
    """Throw the dice for one photo. Paper, ink and size band go in turn with the seed, so that each occurs equally often."""
    dice = np.random.default_rng([seed, 1])
    paper, ink = PAPERS[seed % 3], INKS[seed // 3 % 2]
    smallest, largest = SIZES[seed // 6 % 4]
    height = int(math.exp(dice.uniform(math.log(480), math.log(1200))))
    return Scene(
        paper=paper,
        ink=ink,
        light=str(dice.choice(LIGHTS)),
        height=height,
        width=int(height * dice.choice([3 / 4, 1, 4 / 3])),
        size=dice.uniform(smallest, largest),
        place=(dice.uniform(), dice.uniform()),
        angle=dice.uniform(-10, 10),
        paper_angle=dice.uniform(-10, 10),
        spacing=dice.uniform(0.04, 0.12),
        line_width=dice.uniform(0.0015, 0.004),
        line_contrast=dice.uniform(0.1, 0.4),
        ground=dice.uniform(0.75, 0.95) if ink == "dark" else dice.uniform(0.1, 0.25),
        ink_contrast=dice.uniform(0.5, 0.9),
        exposure=dice.uniform(190, 270),
        light_ratio=dice.uniform(2, 3),
        light_angle=dice.uniform(0, 2 * math.pi),
        crispness=float(dice.choice([1, 2])),
        blur=dice.uniform(0, 2),
        seed=seed,
    )


def photograph(digit: NDArray[np.uint8], scene: Scene) -> NDArray[np.uint8]:
    """The grey levels of a photo, uint8 [height, width], before it is compressed.

    Args:
        digit: uint8 [h, w], 0 = background, 255 = ink; cropped to its ink here.
        scene: the circumstances.
    """
    noise = np.random.default_rng([scene.seed, 2])
    ink, lines = _place_ink(digit, scene), _paper_lines(scene)
    if scene.ink == "dark":
        reflected = scene.ground * (1 - lines * scene.line_contrast) * (1 - ink * scene.ink_contrast)
    else:
        towards_white = 0.95 - scene.ground
        reflected = scene.ground + towards_white * np.maximum(lines * scene.line_contrast, ink * (0.3 + 0.7 * scene.ink_contrast))
    seen = gaussian_filter(scene.exposure * reflected * _light(scene), scene.blur)
    return np.asarray((seen + noise.normal(0, NOISE, seen.shape)).clip(0, 255).round(), np.uint8)


def jpeg_bytes(pixels: NDArray[np.uint8], quality: int = JPEG_QUALITY) -> bytes:
    """Pixels as the content of a JPEG file."""
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


CROPS = ("tight", "tiny", "binary", "stretched", "patterned", "padded", "uncentred")
"""Kinds of `crop_picture`."""


def crop_picture(digit: NDArray[np.uint8], kind: str, seed: int) -> NDArray[np.uint8]:
    """A small picture of one digit as other data sets and people have them, uint8 [h, w]; dark on light, or the opposite for odd seeds.

    tight: cut to its ink at 20 to 90 pixels. tiny: the same at 12 to 16 pixels. binary: 16x16, black and white, stretched to the frame.
    stretched: the frame's proportions instead of the digit's. patterned: on the fine lines of a cheque. padded: a photo with a pure white
    frame around it. uncentred: 28x28, of any size and anywhere.
    """
    dice = np.random.default_rng([seed, 4])
    ink = PIL.Image.fromarray(_crop(digit))
    if kind == "binary":
        return _polarised((_scaled(ink, 16, 16) > 0.5).astype(np.float32), 0.0, 1.0, seed)
    if kind == "uncentred":
        side = int(dice.integers(14, 27))
        scaled = _scaled(ink, *_sides(ink, side))
        sheet = np.zeros((28, 28), np.float32)
        top, left = (int(dice.integers(0, 29 - length)) for length in scaled.shape)
        sheet[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
        return _polarised(sheet, 0.0, dice.uniform(0.7, 1), seed)
    sides = {"tiny": (12, 17), "padded": (40, 90)}.get(kind, (20, 91))
    side = int(dice.integers(*sides))
    height, width = (side, side) if kind == "stretched" else _sides(ink, side)
    margin = 0 if kind in ("tight", "tiny") else int(dice.integers(1, 2 + side // 5))
    drawn = np.pad(_scaled(ink, max(4, height), max(4, width)), margin)
    if kind == "patterned":
        down, across = np.mgrid[: drawn.shape[0], : drawn.shape[1]].astype(np.float32)
        angle, period = dice.uniform(0, np.pi), dice.uniform(3, 7)
        wave = across * np.cos(angle) + down * np.sin(angle) + 2 * np.sin(down / dice.uniform(4, 9))
        ground = 0.62 + 0.12 * np.sin(2 * np.pi * wave / period) + dice.normal(0, 0.02, drawn.shape)
        shown = ground * (1 - drawn * dice.uniform(0.55, 0.8))
        return np.asarray((255 * shown).clip(0, 255), np.uint8)
    if kind == "padded":
        photo = _polarised(drawn, dice.uniform(0.15, 0.3), dice.uniform(0.8, 0.95), 0)
        return np.pad(photo, int(dice.integers(5, 20)), constant_values=255)
    return _polarised(drawn, dice.uniform(0, 0.15), dice.uniform(0.75, 1), seed)


def _sides(ink: PIL.Image.Image, side: int) -> tuple[int, int]:
    """Height and width of a picture with its longer side made `side`."""
    return max(1, round(side * ink.height / max(ink.size))), max(1, round(side * ink.width / max(ink.size)))


def _scaled(ink: PIL.Image.Image, height: int, width: int) -> Floats:
    return np.asarray(np.asarray(ink.resize((width, height), PIL.Image.Resampling.BICUBIC)) / 255, np.float32)


def _polarised(ink: Floats, paper: float, full: float, seed: int) -> NDArray[np.uint8]:
    """Ink from 0 to 1 as grey levels: light on dark for odd seeds, else dark on light; `paper` and `full` are the levels of 0 and 1."""
    levels = 255 * (paper + (full - paper) * ink)
    return np.asarray((levels if seed % 2 else 255 - levels).clip(0, 255).round(), np.uint8)


def write_line(digits: Sequence[NDArray[np.uint8]], seed: int, gap: tuple[float, float] = (0.1, 0.5)) -> NDArray[np.uint8]:
    """Digits written side by side, uint8 [h, w], 0 = background, 255 = ink.

    Heights differ by up to a fifth, feet by up to a tenth of the height, gaps by the range given, as shares of the height; below 0 they
    overlap. A digit keeps its proportions.
    """
    dice = np.random.default_rng([seed, 3])
    height = 120
    row = np.zeros((2 * height, 2 * height * (len(digits) + 1)), np.uint8)
    right = height
    for digit in digits:
        cropped = _crop(digit)
        tall = int(height * dice.uniform(0.8, 1.0))
        wide = max(1, round(tall * cropped.shape[1] / cropped.shape[0]))
        large = np.asarray(PIL.Image.fromarray(np.pad(cropped, 1)).resize((wide, tall), PIL.Image.Resampling.BICUBIC))
        left = right + round(height * dice.uniform(*gap))
        top = 3 * height // 2 - tall + round(height * dice.uniform(-0.1, 0.1))
        part = row[top : top + tall, left : left + wide]
        np.maximum(part, large, out=part)
        right = left + wide
    return _crop(row)


APART, TOUCHING, OVERLAPPING = (0.1, 0.5), (-0.12, 0.1), (-0.2, -0.05)
"""Gaps between digits of a line, in shares of their height."""


def photograph_line(images: NDArray[np.uint8], seed: int, gap: tuple[float, float] = APART) -> tuple[list[int], bytes]:
    """A photo of a line of three to eight of these digits, uint8 [N, 28, 28], slanted by up to 8 degrees: their numbers, and the JPEG."""
    dice = np.random.default_rng(seed)
    chosen = dice.integers(0, len(images), int(dice.integers(3, 9))).tolist()
    scene = invent_scene(seed)
    size = float(dice.uniform(0.5, 0.9)) * scene.width / scene.height
    scene = replace(scene, size=size, angle=float(dice.uniform(-8, 8)))
    return chosen, jpeg_bytes(photograph(write_line([images[number] for number in chosen], seed, gap), scene))


def draw_text(text: str, font: str, size: int = 200) -> NDArray[np.uint8]:
    """Text set in a font file, uint8 [h, w], 0 = background, 255 = ink, cropped to its ink."""
    face = PIL.ImageFont.truetype(font, size)
    left, top, right, bottom = face.getbbox(text)
    canvas = PIL.Image.new("L", (int(right - left) + 20, int(bottom - top) + 20))
    PIL.ImageDraw.Draw(canvas).text((10 - left, 10 - top), text, font=face, fill=255)
    return _crop(np.asarray(canvas))


def _crop(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = np.flatnonzero(digit.max(1)), np.flatnonzero(digit.max(0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _place_ink(digit: NDArray[np.uint8], scene: Scene) -> Floats:
    """The digit's ink on the whole sheet, 0 to 1: scaled, turned, moved, with crisper edges than those of 28 pixels."""
    cropped = PIL.Image.fromarray(np.pad(_crop(digit), 1))
    scale = scene.size * scene.height / (max(cropped.size) - 2)
    large = cropped.resize([max(1, round(side * scale)) for side in cropped.size], PIL.Image.Resampling.BICUBIC)
    turned = np.asarray(large.rotate(scene.angle, PIL.Image.Resampling.BICUBIC, expand=True), np.float32) / 255
    crisp = ((turned - 0.4) * scene.crispness + 0.4).clip(0, 1) if scene.crispness > 1 else turned
    sheet = np.zeros((scene.height, scene.width), np.float32)
    height, width = (min(side, limit) for side, limit in zip(crisp.shape, sheet.shape, strict=True))
    margin = [max(0, limit - side) for side, limit in zip((height, width), sheet.shape, strict=True)]
    top, left = (round(free * (0.02 + 0.96 * share)) for free, share in zip(margin, scene.place, strict=True))
    sheet[top : top + height, left : left + width] = crisp[:height, :width]
    return sheet


def _paper_lines(scene: Scene) -> Floats:
    """Where lines are printed on the paper, 0 to 1, with soft edges."""
    angle = math.radians(scene.paper_angle)
    y, x = np.mgrid[: scene.height, : scene.width].astype(np.float32)
    along_y, along_x = y * math.cos(angle) + x * math.sin(angle), x * math.cos(angle) - y * math.sin(angle)
    directions = {"plain": (), "ruled": (along_y,), "squared": (along_y, along_x)}[scene.paper]
    lines = np.zeros_like(y)
    spacing, half = scene.spacing * scene.height, scene.line_width * scene.height / 2
    for direction in directions:
        distance = np.abs((direction + scene.seed % 97) % spacing - spacing / 2)
        lines = np.maximum(lines, (half + 0.5 - distance).clip(0, 1))
    return np.asarray(lines, np.float32)


def _light(scene: Scene) -> Floats:
    """How much light falls where: 1 at the brightest place, 1 / light_ratio at the darkest."""
    y, x = np.mgrid[: scene.height, : scene.width].astype(np.float32) / scene.height
    across = x * math.cos(scene.light_angle) + y * math.sin(scene.light_angle)
    if scene.light == "lamp":
        far = np.hypot(x - scene.place[1] * x.max(), y - scene.place[0] * y.max())
        field = 1 / (1 + far**2)
    elif scene.light == "shadow":
        middle = across.min() + (0.2 + 0.6 * scene.place[0]) * np.ptp(across)
        field = np.tanh((across - middle) / (0.01 + 0.1 * scene.place[1]))
    else:
        field = across
    field = (field - field.min()) / np.ptp(field)
    return np.asarray(1 / scene.light_ratio + (1 - 1 / scene.light_ratio) * field, np.float32)

"""The error tree of the whole project.

    DigitsError                     exit 1   root of all expected errors
    ├── MissingPackage              exit 1   an optional package is not installed; the message says how to install it
    ├── WouldOverwrite              exit 1   a file exists and --force was not given
    ├── VerificationFailed          exit 1   outputs for golden images differ on this device
    ├── BoardError                  exit 1   a board cannot be reached, or refuses what was asked for
    ├── BadArgument                 exit 2   a value that a command or function does not accept
    ├── GateFailed                  exit 3   a converted model lost too much accuracy
    ├── RegressionFound             exit 3   a model is slower than in an older run
    ├── LimitsNotMet                exit 3   no model is within the given limits
    ├── BoardsFailed                exit 3   some boards failed; a line for each has been printed
    └── InputError                  exit 4   an input could not be used
        ├── ImageError                       ... an image file or array
        ├── ModelFileError                   ... a model file
        └── DataError                        ... a data set

A library call raises one of these; a command prints its message as one line and exits with its code.
Every message says what was wrong, the value, and what to do.
"""

from typing import ClassVar


class DigitsError(Exception):
    """Root of the errors that this project raises."""

    exit_code: ClassVar[int] = 1


class MissingPackage(DigitsError):
    """A required optional package is not installed, or does not work here."""


class WouldOverwrite(DigitsError):
    """A file exists and may not be replaced without --force."""


class VerificationFailed(DigitsError):
    """Outputs for golden images are not within the manifest's tolerance."""


class BoardError(DigitsError):
    """A board cannot be reached, or refuses what was asked for. cause: one word for programs, such as "unreachable"."""

    def __init__(self, text: str, cause: str = "board") -> None:
        super().__init__(text)
        self.cause = cause


class BadArgument(DigitsError, ValueError):
    """A value that is not accepted; the message lists the accepted ones."""

    exit_code = 2


class GateFailed(DigitsError):
    """A model failed the accuracy gate; all numbers have been printed before this is raised."""

    exit_code = 3


class RegressionFound(DigitsError):
    """A model is slower than in an older run; the comparison has been printed before this is raised."""

    exit_code = 3


class LimitsNotMet(DigitsError):
    """No model is within the limits; what each limit excludes has been printed before this is raised."""

    exit_code = 3


class BoardsFailed(DigitsError):
    """Some boards failed; a line for each has been printed before this is raised."""

    exit_code = 3


class InputError(DigitsError):
    """An input (image, model, data) could not be used."""

    exit_code = 4


class ImageError(InputError):
    """An image file or array could not be used."""


class ModelFileError(InputError):
    """A model file could not be used."""


class DataError(InputError):
    """A data set could not be used."""

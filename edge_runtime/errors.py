"""The error tree of the whole project.

    DigitsError                     exit 1   anything that went wrong on our side
    ├── MissingPackage              exit 1   an optional package is not installed; says the line to run
    ├── WouldOverwrite              exit 1   a file is there already and --force was not given
    ├── VerificationFailed          exit 1   golden images came out differently on this device
    ├── BadArgument                 exit 2   a value that no command or function accepts
    ├── GateFailed                  exit 3   the accuracy gate said no
    ├── RegressionFound             exit 3   a model became slower than it was
    ├── LimitsNotMet                exit 3   no model is within the limits that were given
    └── InputError                  exit 4   an input could not be used
        ├── ImageError                       ... an image file or array
        ├── ModelFileError                   ... a model file
        └── DataError                        ... a data set

A library call raises one of these; a command prints its message as one line and exits with its code.
Every message says what was wrong, the value, and what to do.
"""

from typing import ClassVar


class DigitsError(Exception):
    """Root of every error that the project raises on purpose."""

    exit_code: ClassVar[int] = 1


class MissingPackage(DigitsError):
    """An optional package is needed and not installed, or does not work here."""


class WouldOverwrite(DigitsError):
    """A file exists already and nobody said that it may be replaced."""


class VerificationFailed(DigitsError):
    """Golden images do not come out as the manifest says."""


class BadArgument(DigitsError, ValueError):
    """A value outside what is accepted; the message lists what is."""

    exit_code = 2


class GateFailed(DigitsError):
    """The accuracy gate said no; every number has been published before this is raised."""

    exit_code = 3


class RegressionFound(DigitsError):
    """A model takes longer than in an older run; the whole comparison has been printed before this is raised."""

    exit_code = 3


class LimitsNotMet(DigitsError):
    """No model is within the limits; what each of them excludes has been printed before this is raised."""

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

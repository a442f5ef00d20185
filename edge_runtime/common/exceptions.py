"""Messages of other packages' exceptions."""


def first_cause(error: BaseException) -> str:
    """The first error of a chain, in one line: numpy's message about a missing library fills a page, and its cause names the library."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return " ".join(str(error).split()) or type(error).__name__

"""`digits serve`: the composition of the server's parts."""

import os
import signal
from pathlib import Path

import click

from edge_runtime.errors import BadArgument

DEFAULT_MODELS = ("small", "nano", "base")


@click.command("serve", epilog="Example: digits serve small runs/cnn/cnn-int8.tflite --port 8000")
@click.argument("models", nargs=-1, metavar="[[NAME=]MODEL]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at; 0.0.0.0 for all of this machine's.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for any free one.")
@click.option(
    "--token-file", type=click.Path(path_type=Path), help="A file with the bearer token that requests must carry; or DIGITS_TOKEN."
)
@click.option("--allow-host", multiple=True, metavar="NAME", help="A name that the Host header may have, on loopback; repeatable.")
@click.option(
    "--cors-origin", multiple=True, metavar="ORIGIN", help="An origin whose scripts may ask, as https://example.org; repeatable."
)
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads of each interpreter.")
@click.option(
    "--workers", type=click.IntRange(1, 64), help="Threads for slow models, large batches and drawings. Default: one a core."
)
@click.option("--max-body", type=click.IntRange(1024), help="Bytes of a request. Default: 1 MiB.")
@click.option("--max-photo", type=click.IntRange(1024), help="Bytes of an image file. Default: 8 MiB.")
@click.option("--max-pixels", type=click.IntRange(784), help="Pixels of an image file. Default: 16 million.")
@click.option("--max-requests", type=click.IntRange(1), help="Requests answered at once; the next gets 503. Default: 32.")
@click.option(
    "--reload-seconds",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    help="How often to look for changed model files; 0: on SIGHUP only.",
)
@click.option(
    "--check-seconds",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="How often to classify the golden images; 0: never.",
)
@click.option("--access-log/--no-access-log", default=True, show_default=True, help="A JSON line on stdout for each request.")
@click.option("--backend", metavar="NAME", help="litert, tflite or tensorflow; the first installed one if not given.")
def serve_command(
    models: tuple[str, ...],
    host: str,
    port: int,
    token_file: Path | None,
    allow_host: tuple[str, ...],
    cors_origin: tuple[str, ...],
    workers: int | None,
    access_log: bool,
    reload_seconds: float,
    check_seconds: float,
    threads: int,
    backend: str | None,
    **limits: int | None,
) -> None:
    """Serve a web page to draw digits on, and HTTP inference (KServe V2, TensorFlow Serving, or an image file to /classify).

    A MODEL is a file, or one that the package ships: small, nano, base (int8), base-fp32. It is served under that name, or under
    NAME. The first is the default. Without one: small, nano and base. SIGHUP looks at the files at once, SIGTERM stops.
    """
    from edge_runtime.serving.compose import Settings, serve
    from edge_runtime.serving.http.limits import Limits

    given = {name.removeprefix("max_"): value for name, value in limits.items() if value is not None}
    settings = Settings(
        models=name_models(models or DEFAULT_MODELS),
        host=host,
        port=port,
        token=_read_token(token_file),
        allowed_hosts=allow_host,
        cors_origins=cors_origin,
        workers=workers or os.cpu_count() or 1,
        access_log=access_log,
        reload_seconds=reload_seconds,
        check_seconds=check_seconds,
        threads=threads,
        backend=backend,
        limits=Limits(**given),
    )
    if hasattr(signal, "SIGHUP"):
        signal.signal(
            signal.SIGHUP, signal.SIG_IGN
        )  # it would end the process until the server, once it runs, looks at files for it
    serve(settings, lambda line: click.echo(f"digits: {line}", err=True))


def name_models(words: tuple[str, ...]) -> dict[str, Path]:
    """Models by the name to serve them under: NAME=FILE, or a file's name without its ending.

    Raises:
        BadArgument: a name occurs twice, or cannot stand in a URL.
    """
    from edge_runtime.common.atomic_files import check_name

    named: dict[str, Path] = {}
    for word in words:
        before, equals, after = word.partition("=")
        path = Path(after if equals else word)
        name = check_name(before if equals else path.name.removesuffix(".tflite"))
        if name in named:
            raise BadArgument(f"two models are called {name!r}; give one another name, as {name}-2={path}")
        named[name] = path
    return named


def _read_token(path: Path | None) -> str | None:
    """The token of a file or of the environment; never of the command line, which every user of the machine can read.

    Raises:
        BadArgument: the file cannot be read, or the token is empty or holds something else than printable ASCII.
    """
    try:
        token = path.read_text("ascii").strip() if path else os.environ.get("DIGITS_TOKEN")
    except (OSError, UnicodeDecodeError) as error:
        raise BadArgument(f"{path}: the token cannot be read ({error})") from error
    if token is not None and not (len(token) >= 16 and token.isascii() and token.isprintable() and " " not in token):
        raise BadArgument(
            "the token must have 16 or more printable ASCII characters and no space; make one with: openssl rand -hex 32"
        )
    return token

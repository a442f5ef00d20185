"""The command `digits serve`."""

import os
from pathlib import Path

import click

from edge_runtime.cli_options import ModelCommand, name_models
from edge_runtime.cli_remote import runs_on_boards
from edge_runtime.errors import BadArgument

DEFAULT_MODELS = ("small", "nano", "base")


@runs_on_boards(inputs=("models", "cert", "key", "token_file"))
@click.command("serve", cls=ModelCommand, epilog="Example: digits serve small runs/cnn/cnn-int8.tflite --port 8000")
@click.argument("models", nargs=-1, metavar="[[NAME=]MODEL]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address or name to listen on; 0.0.0.0 for all interfaces.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on; 0 for any free one."
)
@click.option(
    "--uds", type=click.Path(path_type=Path), metavar="PATH", help="Listen on a Unix socket instead, for a proxy on this machine."
)
@click.option("--cert", type=click.Path(path_type=Path), help="Serve over TLS (https) with this certificate chain, PEM.")
@click.option("--key", type=click.Path(path_type=Path), help="Its private key, PEM. Default: in the file of --cert.")
@click.option("--token-file", type=click.Path(path_type=Path), help="Require the bearer token in this file; or set DIGITS_TOKEN.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="Also accept this name in the Host header; repeatable.")
@click.option(
    "--cors-origin",
    multiple=True,
    metavar="ORIGIN",
    help="Allow web pages of this origin (CORS); repeatable.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    help="Threads of each interpreter. Default: what digits tune found for the model here, else 1.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Worker threads for slow models, large batches and drawings. Default: one per core.",
)
@click.option("--max-body", type=click.IntRange(1024), help="Largest request in bytes; larger ones get 413. Default: 1 MiB.")
@click.option("--max-photo", type=click.IntRange(1024), help="Largest image file in bytes; larger ones get 413. Default: 8 MiB.")
@click.option(
    "--max-pixels",
    type=click.IntRange(784),
    help="Largest image in pixels; larger ones get 400. Default: 16 million.",
)
@click.option("--max-requests", type=click.IntRange(1), help="Requests answered at the same time; more get 503. Default: 32.")
@click.option(
    "--reload-seconds",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    help="Seconds between checks for changed model files; 0: on SIGHUP only.",
)
@click.option(
    "--check-seconds",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="Seconds between checks of the models by their golden images; a model that fails gets 503. 0: never.",
)
@click.option("--access-log/--no-access-log", default=True, show_default=True, help="Write a JSON line to stdout for each request.")
@click.option("--backend", metavar="NAME", help="Interpreter: litert, tflite or tensorflow. Default: the first that is installed.")
def serve_command(
    models: tuple[str, ...],
    host: str,
    port: int,
    uds: Path | None,
    cert: Path | None,
    key: Path | None,
    token_file: Path | None,
    allow_host: tuple[str, ...],
    cors_origin: tuple[str, ...],
    workers: int | None,
    access_log: bool,
    reload_seconds: float,
    check_seconds: float,
    threads: int | None,
    backend: str | None,
    **limits: int | None,
) -> None:
    """Serve a web page to draw digits on, and HTTP inference (KServe V2, TensorFlow Serving, or image files at /classify).

    A MODEL is a file or a shipped model: small, nano, base (int8), base-fp32. It is served under its own name or under NAME. The
    first one answers requests that name none. Default: small, nano and base. SIGHUP reloads changed files, SIGTERM stops, and so does
    closing its terminal.
    """
    from edge_runtime.serving.compose import Settings, serve
    from edge_runtime.serving.http.limits import Limits

    given = {name.removeprefix("max_"): value for name, value in limits.items() if value is not None}
    _check_uds(uds)
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
        uds=uds,
        cert=cert,
        key=key,
        limits=Limits(**given),
    )
    serve(settings, lambda line: click.echo(f"digits: {line}", err=True))


def _check_uds(uds: Path | None) -> None:
    given = click.get_current_context().get_parameter_source
    if uds and not {given("host"), given("port")} <= {click.core.ParameterSource.DEFAULT}:
        raise BadArgument("--uds listens on a path only; leave out --host and --port")


def _read_token(path: Path | None) -> str | None:
    """The token from a file or the environment; not from the command line, which every user of the machine can read.

    Raises:
        BadArgument: the file cannot be read, or the token is shorter than 16 characters or not printable ASCII without spaces.
    """
    try:
        token = path.read_text("ascii").strip() if path else os.environ.get("DIGITS_TOKEN")
    except (OSError, UnicodeDecodeError) as error:
        raise BadArgument(f"{path}: the token cannot be read ({error}); give a text file that contains only the token") from error
    if token is not None and not (len(token) >= 16 and token.isascii() and token.isprintable() and " " not in token):
        raise BadArgument(
            "the token must be 16 or more printable ASCII characters without spaces; make one with: openssl rand -hex 32"
        )
    return token

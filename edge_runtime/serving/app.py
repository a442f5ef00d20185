"""The routes, and the translation between starlette and this package's calls. The only module of it that imports starlette."""

from collections.abc import Sequence

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router

from edge_runtime.errors import DigitsError, InputError
from edge_runtime.serving.call import Answer, Call, Handler, Upload, as_json
from edge_runtime.serving.guard import ROUTE, App, Message, Receive, Send
from edge_runtime.serving.log import Log
from edge_runtime.serving.metrics import Metrics
from edge_runtime.serving.page import Page
from edge_runtime.serving.plain import Plain
from edge_runtime.serving.refusals import Busy, Refusal
from edge_runtime.serving.tf_serving import TFServing
from edge_runtime.serving.v2 import HEADER_LENGTH, V2

_MODEL = "/v2/models/{model}"
_TF_MODEL = "/v1/models/{model}"


def make_app(v2: V2, tf_serving: TFServing, plain: Plain, page: Page, metrics: Metrics, log: Log) -> App:
    """All routes, the busiest first, since they are tried in order."""
    table: list[tuple[str, str, Handler]] = [
        *_versioned("POST", _MODEL, "/infer", v2.infer),
        *_versioned("POST", _TF_MODEL, ":predict", tf_serving.predict),
        ("POST", "/draw", plain.draw),
        ("POST", "/classify", plain.classify),
        ("GET", "/", page.page),
        ("GET", "/metrics", metrics.page),
        ("GET", "/v2/health/live", v2.live),
        ("GET", "/v2/health/ready", v2.ready),
        ("GET", "/v2", v2.server),
        *_versioned("GET", _MODEL, "", v2.model),
        *_versioned("GET", _MODEL, "/ready", v2.model_ready),
        ("POST", "/v2/repository/index", v2.index),
        ("POST", "/v2/repository/models/{model}/load", v2.load),
        ("POST", "/v2/repository/models/{model}/unload", v2.load),
        *_versioned("GET", _TF_MODEL, "/metadata", tf_serving.metadata),
        *_versioned("GET", _TF_MODEL, "", tf_serving.status),
    ]
    routes = [_Endpoint(method, path, handler, log).route for method, path, handler in table]
    return Router(routes, redirect_slashes=False, default=_not_found)


def with_cors(app: App, origins: Sequence[str]) -> App:
    """The application for scripts of other origins too, the named ones."""
    headers = ["Authorization", "Content-Type", HEADER_LENGTH]
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=headers, expose_headers=[HEADER_LENGTH]
    )


class _Endpoint:
    """A handler as a route."""

    def __init__(self, method: str, path: str, handler: Handler, log: Log) -> None:
        self._path = path
        self._handler = handler
        self._log = log
        self.route = Route(path, self._respond, methods=[method])

    async def _respond(self, request: Request) -> Response:
        request.scope[ROUTE] = self._path
        answer = await self._answer(request)
        headers = dict(answer.headers)
        if answer.status == Busy.status:
            headers["Retry-After"] = "1"
        return Response(answer.body, answer.status, headers, answer.media_type)

    async def _answer(self, request: Request) -> Answer:
        """The handler's answer, or an error in JSON as every protocol here has it."""
        try:
            return await self._handler(_as_call(request))
        except ClientDisconnect:
            return Answer(status=Refusal.status)  # nobody reads it
        except InputError as error:
            return as_json({"error": str(error)}, error.status if isinstance(error, Refusal) else Refusal.status)
        except DigitsError as error:
            self._log.event("error", text=str(error))
            return as_json({"error": str(error)}, 500)
        except Exception:  # of whatever kind: a client hears no more than this
            self._log.failure(f"{request.method} {self._path}")
            return as_json({"error": "internal error; the server's log has it"}, 500)


def _versioned(method: str, path: str, rest: str, handler: Handler) -> list[tuple[str, str, Handler]]:
    return [(method, path + rest, handler), (method, path + "/versions/{version}" + rest, handler)]


def _as_call(request: Request) -> Call:
    return Call(request.path_params, request.query_params, request.headers, request.body, lambda: _upload(request))


async def _upload(request: Request) -> Upload:
    """The body, or the one file of a form."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return Upload("request", await request.body())
    try:
        async with request.form(max_files=1, max_fields=8) as form:
            files = [value for value in form.values() if isinstance(value, UploadFile)]
            if len(files) != 1:
                raise Refusal("the form has no file; send one, as curl -F image=@photo.png does")
            return Upload((files[0].filename or "request")[:200], await files[0].read())
    except HTTPException as error:
        raise Refusal(f"the form cannot be read: {error.detail}") from error


async def _not_found(scope: Message, receive: Receive, send: Send) -> None:
    response = Response(b'{"error":"no such page; the routes are in docs/serving.md"}', 404, media_type="application/json")
    await response(scope, receive, send)

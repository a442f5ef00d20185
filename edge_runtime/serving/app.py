"""The routes, and the translation between starlette and this package's calls. The only module of it that imports starlette."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from starlette import requests
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.routing import Match, Route

from edge_runtime.errors import DigitsError, InputError
from edge_runtime.serving.http.errors import RequestError, ServiceUnavailable
from edge_runtime.serving.http.guard import ROUTE, App, Message, Receive, Send
from edge_runtime.serving.http.log import JsonLog
from edge_runtime.serving.http.messages import Handler, Request, Response, Upload, as_json
from edge_runtime.serving.metrics import Metrics
from edge_runtime.serving.page.classify_routes import ClassifyRoutes
from edge_runtime.serving.page.page import Page
from edge_runtime.serving.protocols.openapi import OpenApi
from edge_runtime.serving.protocols.tf_serving import TFServing
from edge_runtime.serving.protocols.v2 import HEADER_LENGTH, V2

Kept = dict[tuple[str, str], tuple[App, dict[str, str]]]
"""The endpoint and the parameters of a method and a path."""

_MOST_KEPT = 256
_MODEL = "/v2/models/{model}"
_TF_MODEL = "/v1/models/{model}"


def make_app(
    v2: V2, tf_serving: TFServing, plain: ClassifyRoutes, page: Page, openapi: OpenApi, metrics: Metrics, log: JsonLog
) -> "Routes":
    """All routes, the busiest first, since they are tried in order."""
    table: list[tuple[str, str, Handler]] = [
        *_versioned("POST", _MODEL, "/infer", v2.infer),
        *_versioned("POST", _TF_MODEL, ":predict", tf_serving.predict),
        ("POST", "/draw", plain.draw),
        ("POST", "/classify", plain.classify),
        ("GET", "/", page.page),
        ("GET", "/metrics", metrics.page),
        ("GET", "/openapi.json", openapi.page),
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
    kept: Kept = {}
    return Routes([Route(path, _Endpoint(path, handler, log, kept), methods=[method]) for method, path, handler in table], kept)


def with_cors(app: App, origins: Sequence[str]) -> App:
    """The application for scripts of other origins too, the named ones."""
    from starlette.middleware.cors import CORSMiddleware

    headers = ["Authorization", "Content-Type", HEADER_LENGTH]
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=headers, expose_headers=[HEADER_LENGTH]
    )


class Routes:
    """Takes a request the way that one of the same method and path went before, since clients ask the same path over and over."""

    def __init__(self, routes: Sequence[Route], kept: Kept) -> None:
        self.routes = routes
        self._kept = kept

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        found = self._kept.get((scope["method"], scope["path"]))
        if found:
            endpoint, scope["path_params"] = found
            await endpoint(scope, receive, send)
            return
        route, others = self._find(scope)
        scope[ROUTE] = _pattern(route, others)
        if route:
            await route.app(scope, receive, send)
        elif others:
            allowed = {method for other in others for method in other.methods or ()}
            await _refuse(send, 405, "this page is for another method", (b"allow", ", ".join(sorted(allowed)).encode()))
        else:
            await _refuse(send, 404, "no such page; the routes are in docs/serving.md")

    def pattern(self, scope: Message) -> str:
        """The pattern of a request's route, for the metrics; "other" if there is none."""
        return _pattern(*self._find(scope))

    def _find(self, scope: Message) -> tuple[Route | None, list[Route]]:
        """The route of a request, whose parameters are put into the scope; and those of its path for other methods."""
        others = []
        if scope["path"].startswith("http://"):  # a proxy's form of a request, which a server has to take (RFC 9112, 3.2.2)
            scope["path"] = "/" + scope["path"].removeprefix("http://").partition("/")[2]
        for route in self.routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope["path_params"] = found["path_params"]
                return route, []
            if match is Match.PARTIAL:
                others.append(route)
        return None, others


def _pattern(route: Route | None, others: Sequence[Route]) -> str:
    return route.path if route else others[0].path if others else "other"


class _Endpoint:
    """A handler as an ASGI application. It does without starlette's Request and Response, which cost more than a small model does."""

    def __init__(self, path: str, handler: Handler, log: JsonLog, kept: Kept) -> None:
        self._path = path
        self._handler = handler
        self._log = log
        self._kept = kept

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        scope[ROUTE] = self._path
        if len(self._kept) >= _MOST_KEPT:  # somebody tries paths
            self._kept.clear()
        self._kept[scope["method"], scope["path"]] = self, scope["path_params"]
        answer = await self._answer(scope, receive)
        headers = [(b"content-length", str(len(answer.body)).encode()), (b"content-type", answer.media_type.encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Message, receive: Receive) -> Response:
        """The handler's answer, or an error in JSON as every protocol here has it."""
        try:
            return await self._handler(_as_request(scope, receive))
        except requests.ClientDisconnect:
            return Response(status=RequestError.status)  # nobody reads it
        except ServiceUnavailable as error:
            return as_json({"error": str(error)}, ServiceUnavailable.status)._replace(headers=(("Retry-After", "1"),))
        except InputError as error:
            return as_json({"error": str(error)}, error.status if isinstance(error, RequestError) else RequestError.status)
        except DigitsError as error:
            self._log.event("error", text=str(error))
            return as_json({"error": str(error)}, 500)
        except Exception:  # of whatever kind: a client hears no more than this
            self._log.failure(f"{scope['method']} {self._path}")
            return as_json({"error": "internal error; the server's log has it"}, 500)


def _versioned(method: str, path: str, rest: str, handler: Handler) -> list[tuple[str, str, Handler]]:
    return [(method, path + rest, handler), (method, path + "/versions/{version}" + rest, handler)]


def _as_request(scope: Message, receive: Receive) -> Request:
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"))) if scope["query_string"] else {}
    headers = dict(scope["headers"])
    return Request(scope["path_params"], query, headers, lambda: _body(receive), lambda: _upload(scope, receive, headers))


async def _body(receive: Receive) -> bytes:
    message = await receive()
    parts = [message.get("body", b"")]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    if message["type"] == "http.disconnect":
        raise requests.ClientDisconnect
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _upload(scope: Message, receive: Receive, headers: Mapping[bytes, bytes]) -> Upload:
    """The body, or the one file of a form."""
    if not headers.get(b"content-type", b"").lower().startswith(b"multipart/form-data"):
        return Upload("request", await _body(receive))
    try:
        async with requests.Request(scope, receive).form(max_files=1, max_fields=8) as form:
            files = [value for value in form.values() if isinstance(value, UploadFile)]
            if len(files) != 1:
                raise RequestError("the form has no file; send one, as curl -F image=@photo.png does")
            return Upload((files[0].filename or "request")[:200], await files[0].read())
    except MultiPartException as error:
        raise RequestError(f"the form cannot be read: {error.message}") from error


async def _refuse(send: Send, status: int, why: str, *headers: tuple[bytes, bytes]) -> None:
    answer = as_json({"error": why}, status)
    length = (b"content-length", str(len(answer.body)).encode())
    content_type = (b"content-type", answer.media_type.encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, content_type, *headers]})
    await send({"type": "http.response.body", "body": answer.body})

"""The routes, and the translation of ASGI into `Request` and `Response`. The only module of this package that imports starlette."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from starlette import requests
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.routing import Match, Route

from edge_runtime.serving.http.errors import ClientDisconnected, MethodNotAllowed, NotFound, RequestError
from edge_runtime.serving.http.guard import ROUTE
from edge_runtime.serving.http.messages import App, Handler, Message, Receive, Request, Send, Upload, send_response
from edge_runtime.serving.metrics import Metrics
from edge_runtime.serving.page.classify_routes import ClassifyRoutes
from edge_runtime.serving.page.page import Page
from edge_runtime.serving.protocols.openapi import OpenApi
from edge_runtime.serving.protocols.tf_serving import TFServing
from edge_runtime.serving.protocols.v2 import HEADER_LENGTH, V2

_MAX_CACHED = 256
_MODEL = "/v2/models/{model}"
_TF_MODEL = "/v1/models/{model}"


def make_app(v2: V2, tf_serving: TFServing, classify: ClassifyRoutes, page: Page, openapi: OpenApi, metrics: Metrics) -> "Routes":
    """All routes, the busiest first, since they are tried in order."""
    table: list[tuple[str, str, Handler]] = [
        *_versioned("POST", _MODEL, "/infer", v2.infer),
        *_versioned("POST", _TF_MODEL, ":predict", tf_serving.predict),
        ("POST", "/draw", classify.draw),
        ("POST", "/classify", classify.classify),
        ("POST", "/read", classify.read),
        ("GET", "/", page.page),
        ("GET", "/metrics", metrics.page),
        ("GET", "/openapi.json", openapi.page),
        ("GET", "/v2/health/live", v2.live),
        ("GET", "/v2/health/ready", v2.ready),
        ("GET", "/v2", v2.server),
        ("GET", "/v2/models/stats", v2.statistics),
        *_versioned("GET", _MODEL, "", v2.model),
        *_versioned("GET", _MODEL, "/config", v2.config),
        *_versioned("GET", _MODEL, "/stats", v2.statistics),
        *_versioned("GET", _MODEL, "/ready", v2.model_ready),
        ("POST", "/v2/repository/index", v2.index),
        ("POST", "/v2/repository/models/{model}/load", v2.load),
        ("POST", "/v2/repository/models/{model}/unload", v2.load),
        *_versioned("GET", _TF_MODEL, "/metadata", tf_serving.metadata),
        *_versioned("GET", _TF_MODEL, "", tf_serving.status),
    ]
    return Routes([Route(path, handler, methods=[method]) for method, path, handler in table])


def with_cors(app: App, origins: Sequence[str]) -> App:
    """Allow scripts of the named origins to use the application (CORS)."""
    from starlette.middleware.cors import CORSMiddleware

    headers = ["Authorization", "Content-Type", HEADER_LENGTH]
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=headers, expose_headers=[HEADER_LENGTH]
    )


class Routes:
    """Calls the handler of a request's route and sends its response; errors are raised.

    Does without starlette's Request and Response, which cost more than a small model does, and caches the routes of recent paths.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = routes
        self._cache: dict[tuple[str, str], tuple[Route, dict[str, str]]] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            NotFound, MethodNotAllowed: there is no route for it.
            Exception: whatever its handler raises.
        """
        match = self._cache.get((scope["method"], scope["path"]))
        route, parameters = match or self._match(scope)
        scope[ROUTE] = route.path
        await send_response(await route.endpoint(_as_request(scope, parameters, receive)), send)

    def pattern(self, scope: Message) -> str:
        """The pattern of a request's route, or of one for other methods; "other" if there is none."""
        route, _, others = self._search(scope)
        return route.path if route else others[0].path if others else "other"

    def _match(self, scope: Message) -> tuple[Route, dict[str, str]]:
        """The route of a request with its path parameters, which are cached."""
        route, parameters, others = self._search(scope)
        if route is None:
            if others:
                raise MethodNotAllowed(scope["method"], {method for other in others for method in other.methods or ()})
            raise NotFound("no such route; GET /openapi.json lists them")
        if len(self._cache) >= _MAX_CACHED:  # a client is trying out paths
            self._cache.clear()
        self._cache[scope["method"], scope["path"]] = route, parameters
        return route, parameters

    def _search(self, scope: Message) -> tuple[Route | None, dict[str, str], list[Route]]:
        """The route of a request and its path parameters; or those routes that have its path but another method."""
        others = []
        for route in self.routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                return route, found["path_params"], []
            if match is Match.PARTIAL:
                others.append(route)
        return None, {}, others


def _versioned(method: str, path: str, rest: str, handler: Handler) -> list[tuple[str, str, Handler]]:
    return [(method, path + rest, handler), (method, path + "/versions/{version}" + rest, handler)]


def _as_request(scope: Message, parameters: Mapping[str, str], receive: Receive) -> Request:
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"))) if scope["query_string"] else {}
    headers = dict(scope["headers"])
    return Request(parameters, query, headers, lambda: _body(receive), lambda: _upload(scope, receive, headers))


async def _body(receive: Receive) -> bytes:
    message = await receive()
    parts = [message.get("body", b"")]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    if message["type"] == "http.disconnect":
        raise ClientDisconnected("the client closed the connection")
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
    except requests.ClientDisconnect as error:
        raise ClientDisconnected("the client closed the connection") from error

"""Digits over HTTP: a web page, and the protocols that inference clients speak (docs/serving.md).

Imports: of ours edge_runtime alone. starlette is imported in `app` only, uvicorn and h11 in `server`, prometheus_client in `metrics`.
Imported by: nobody but the command line.
Flow: request -> pixels -> interpreter -> answer

`guard` stands before everything and knows no route; `app` turns starlette's requests into a `Call`; `v2`, `tf_serving` and `plain` answer
calls and know neither starlette nor uvicorn; `models` and `pool` hold what answers; `tensors`, `drawing` and `json_body` are pure.
"""

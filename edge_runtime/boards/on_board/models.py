"""Models on a board: received, proven, then switched to; the former version stays.

models/NAME.tflite is a link to models/.store/NAME/SHA256.tflite; a record of the same name (.json) says when and by which runtime that file
was proven here, and which version was there before it.
"""

import json
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge_runtime.boards.on_board.files import (
    Refused,
    digits_home,
    file_hash,
    locked,
    make_home,
    receive,
    reply,
    switch_link,
    write_whole,
)
from edge_runtime.boards.on_board.processes import find_digits, run_quietly, without

NAMESPACE = "edge-digits"
"""Of signatures: ssh-keygen -Y sign -n edge-digits."""
OWNER = "owner"
"""The identity in allowed_signers."""


def deploy(request: dict[str, Any]) -> None:
    """Receive models, prove all of them, then switch to them; nothing changes here unless all pass.

    Request: models, each name, size, sha256 (of the file), signature (text, or empty); digits; max_nanoseconds, or None; who.

    Raises:
        Refused: another deployment is running, a signature, proof or limit says no, the disk is full.
    """
    with locked("change", request["who"]):
        digits = find_digits(request["digits"])
        incoming = make_home() / "incoming"
        _forget_others(incoming, request["models"])
        proven = []
        for model in request["models"]:
            reply(stage=f"copying {model['name']}")
            path = incoming / f"{model['sha256']}.tflite"
            receive(path, model["size"], model["sha256"])
            _check_signature(path, model["signature"])
            reply(stage=f"proving {model['name']}")
            proven.append((model, path, _prove(digits, path, request)))
        for model, path, record in proven:
            changed = _switch(model["name"], path, {**record, "signature": model["signature"]})
            reply(model=model["name"], changed=changed, **record)
        without(incoming)


def _forget_others(incoming: Path, models: list[dict[str, Any]]) -> None:
    """Remove parts of files that were not sent to their end and are not sent now."""
    wanted = {model["sha256"] for model in models}
    for path in incoming.glob("*"):
        if path.name.partition(".")[0] not in wanted:
            path.unlink()


def _check_signature(path: Path, signature: str) -> None:
    """Once a board has an owner's key, it takes what that key has signed, and nothing else."""
    keys = digits_home() / "allowed_signers"
    if not keys.exists():
        return
    if not signature:
        raise Refused("signature", "the model is not signed, and this board takes only what its owner signed; give --sign KEY")
    if not shutil.which("ssh-keygen"):
        raise Refused(
            "signature", "the board has no ssh-keygen to check the signature with; there: sudo apt install openssh-client"
        )
    with tempfile.NamedTemporaryFile("w", suffix=".sig") as file, path.open("rb") as content:
        file.write(signature)
        file.flush()
        words = ["ssh-keygen", "-Y", "verify", "-f", str(keys), "-I", OWNER, "-n", NAMESPACE, "-s", file.name]
        code, _, error = run_quietly(words, stdin=content)
    if code:
        raise Refused(
            "signature",
            f"the signature is not that of this board's owner ({error or 'wrong signature'}); sign with the owner's key",
        )


def _prove(digits: str, path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Run the golden images, and measure the latency if there is a limit. Returns the record."""
    code, out, error = run_quietly([digits, "verify", "--json", str(path)])
    with suppress(ValueError):
        receipt = json.loads(out)
        if code == 0 and receipt["passed"] is True:
            nanoseconds = _latency(digits, path, request)
            proven = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            facts = {"file_sha256": file_hash(path), "sha256": receipt["sha256"], "runtime": receipt["runtime"]}
            return {**facts, "proven": proven, "by": request["who"], "nanoseconds": nanoseconds}
    raise Refused("proof", f"digits verify failed there: {error or 'no receipt'}")


def _latency(digits: str, path: Path, request: dict[str, Any]) -> int | None:
    """Median nanoseconds of single images with the best number of threads, by digits tune; nothing is saved. None without a limit."""
    limit = request["max_nanoseconds"]
    if limit is None:
        return None
    with locked("measuring", f"a measurement by {request['who']}"), tempfile.TemporaryDirectory() as cache:
        words = ["env", f"XDG_CACHE_HOME={cache}", digits, "tune", "--json", "--model", str(path)]
        code, out, error = run_quietly(words)
    if code:
        raise Refused("latency", f"digits tune failed there: {error}")
    measured = min(int(timing["nanoseconds"]) for timing in json.loads(out)["timings"] if timing["batch"] == 0)
    if measured > limit:
        raise Refused("latency", f"an image takes {measured / 1e3:,.1f} us there, --max-latency-us is {limit / 1e3:,.1f}")
    return measured


def _switch(name: str, path: Path, record: dict[str, Any]) -> bool:
    """Store a proven file, write its record, and have the link lead to it. Whether the link has changed."""
    folder, link = _places(name)
    folder.mkdir(parents=True, exist_ok=True)
    sha256, current = record["file_sha256"], _linked(link)
    former = _read_record(folder, sha256).get("former", "") if current == sha256 else current
    stored = folder / f"{sha256}.tflite"
    if path != stored:
        path.replace(stored)
    write_whole(folder / f"{sha256}.json", json.dumps({**record, "former": former}, sort_keys=True).encode())
    if current != sha256:
        switch_link(link, f".store/{name}/{sha256}.tflite")
    for other in folder.iterdir():
        if other.name.partition(".")[0] not in (sha256, former):
            other.unlink()
    return bool(current != sha256)


def _places(name: str) -> tuple[Path, Path]:
    """The folder of a model's versions, and the link to the one in use."""
    models = digits_home() / "models"
    return models / ".store" / name, models / f"{name}.tflite"


def _linked(link: Path) -> str:
    """The hash of the version in use; empty if there is none."""
    return link.readlink().stem if link.is_symlink() and link.exists() else ""


def _read_record(folder: Path, sha256: str) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / f"{sha256}.json").read_text())
    except (OSError, ValueError):
        return {}
    return record


def deployed_names() -> list[str]:
    """Names of the models that were deployed here."""
    return sorted(path.stem for path in (digits_home() / "models").glob("*.tflite"))


def rollback(request: dict[str, Any]) -> None:
    """Switch models back to their former versions, which are proven again first.

    Request: names, none for all models; digits; max_nanoseconds; who.

    Raises:
        Refused: there is no former version, or it fails its proof or has no valid signature.
    """
    with locked("change", request["who"]):
        digits, proven = find_digits(request["digits"]), []
        for name in request["names"] or deployed_names():
            folder, link = _places(name)
            former = _read_record(folder, _linked(link)).get("former", "")
            path = folder / f"{former}.tflite"
            if not former or not path.is_file():
                raise Refused("no-former", f"there is no former version of {name} there")
            if file_hash(path) != former:
                raise Refused("damaged", f"the former version of {name} is damaged there; deploy it again")
            signature = _read_record(folder, former).get("signature", "")
            _check_signature(path, signature)
            reply(stage=f"proving {name}")
            proven.append((name, path, {**_prove(digits, path, request), "signature": signature}))
        if not proven:
            raise Refused("no-former", "no model was deployed there")
        for name, path, record in proven:
            reply(model=name, changed=_switch(name, path, record), **record)


def status(request: dict[str, Any]) -> None:
    """Reply with the version of digits, and the models: hash of the file as it is, and its record. Request: digits."""
    try:
        code, out, error = run_quietly([find_digits(request["digits"]), "--version"])
        version, problem = (out.split()[-1], "") if code == 0 and out.split() else ("", error or "digits does not start")
    except Refused as error_:
        version, problem = "", str(error_)
    models = []
    for name in deployed_names():
        folder, link = _places(name)
        found = file_hash(link) if link.exists() else ""
        record = _read_record(folder, _linked(link))
        sound = found == record.get("file_sha256")
        shown = {key: record.get(key) for key in ("sha256", "runtime", "proven", "by", "nanoseconds", "former")}
        models.append({"name": name, "file_sha256": found, "sound": sound, "signed": bool(record.get("signature")), **shown})
    reply(version=version, problem=problem, models=models)

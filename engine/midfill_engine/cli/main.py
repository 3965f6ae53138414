"""`midfill-engine`: what each command does; an error is one line and status 2."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from midfill_engine.cli.options import config_of, parse
from midfill_engine.cli.progress import ProgressLines
from midfill_engine.config import EngineConfig
from midfill_engine.errors import EngineError, StartError

if TYPE_CHECKING:
    from midfill_engine.serve.served import Served


_UNWRITABLE = {errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        try:
            _run(sys.argv[1:] if argv is None else argv)
        finally:
            print(end="", flush=True)  # what cannot be written any more is found out here
    except EngineError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        _drop_output()
        return 1
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        _drop_output()
        return _fail(f"the output cannot be written: {error.strerror}")
    return 0


def _run(argv: Sequence[str]) -> None:
    options = parse(argv)
    if options.command == "serve":
        _serve(config_of(options))
    elif options.command == "pull":
        _pull(options.model)
    elif options.command == "measure":
        _measure()
    else:
        _info(config_of(options))


def _fail(told: str) -> int:
    print(f"midfill-engine: error: {' '.join(told.split())}", file=sys.stderr)
    return 2


def _drop_output() -> None:
    """Writes the rest of stdout nowhere: Python would complain of it again at exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _serve(config: EngineConfig) -> None:
    try:
        from midfill_engine.serve.keys import choose_key
        from midfill_engine.serve.server import run_server
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    key = choose_key(config.server, os.environ)
    run_server(config, key, _load, _tell)


def _load(config: EngineConfig) -> Served:
    try:
        from midfill_engine.serve.load import load_served, model_id

        if sys.stderr.isatty():  # a download shows its bars there
            return load_served(config)
        name = config.model.name or model_id(config.model.source)
        return load_served(config, ProgressLines(name, _tell))
    except ModuleNotFoundError as error:
        raise _missing(error) from error


def _info(config: EngineConfig) -> None:
    try:
        from midfill_engine.serve.info import midfill_info
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    served = _load(config)
    told = {
        "model_id": served.model_id,
        "max_total_tokens": served.max_total_tokens,
        **midfill_info(served),
    }
    print(json.dumps(told, indent=2))
    served.engine.close()


def _pull(source: str) -> None:
    """Prints the folder alone on stdout; everything else goes to stderr."""
    try:
        from midfill_engine.model import hub

        found = hub.plan(source)
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    licence = found.licence or "unknown, see its card"
    gated = ", gated (terms accepted by this token's account)" if found.gated else ""
    size = f"{found.total_bytes / 1e9:.2f} GB, {found.missing_bytes / 1e9:.2f} GB of it to come"
    _tell(f"{found.repo_id}: licence {licence}{gated}; {size}")
    print(hub.fetch(source))
    _tell(f"serve it with: midfill-engine serve --model {source}")


def _measure() -> None:
    """Prints JSON; a device that cannot be measured says why in its place."""
    try:
        from midfill_engine.exec import measure
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    began = time.perf_counter()
    devices: list[dict[str, object]] = []
    for device in measure.devices():
        try:
            devices.append(asdict(measure.measure(device)))
        except EngineError as error:
            devices.append({"device": device, "failed": " ".join(str(error).split())})
    told = {
        "devices": devices,
        "gpus": [asdict(gpu) for gpu in measure.gpus()],
        "threads": measure.num_threads(),
        "measured_s": round(time.perf_counter() - began, 2),
    }
    print(json.dumps(told, indent=2))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _missing(error: ModuleNotFoundError) -> StartError:
    return StartError(f"{error.name} is not installed: pip install 'midfill[engine]'")

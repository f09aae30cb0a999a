"""Which of the caller's environment variables reach a worker: an allow-list, because a CI job's environment is
full of secrets and a warm worker outlives the job step that started it."""

from __future__ import annotations

import os
from collections.abc import Mapping

_NAMES = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "TERM",
        "VIRTUAL_ENV",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "NODE_PATH",
        "NODE_OPTIONS",
        "GEM_HOME",
        "GEM_PATH",
        "RUBYLIB",
        "RUBYOPT",
        "GOPATH",
        "GOCACHE",
        "GOFLAGS",
        "R_LIBS",
        "R_LIBS_USER",
        "R_HOME",
        "PERL5LIB",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "RUNNER_TRACKING_ID",
        "JENKINS_NODE_COOKIE",
        "BUILD_ID",
    ]
)
_LONGEST = 1 << 17
"""MAX_ARG_STRLEN of Linux: bytes of one variable, its name and the NUL at its end included."""
UMASK = "SNAKEPIT_UMASK"
"""What a worker's files may be is up to the caller; the warden and the server keep theirs to themselves."""
CALLERS = {name: f"SNAKEPIT_CALLERS_{name}" for name in ("PYTHONPATH", "PYTHONHOME")}
"""Variables of the caller that the warden and the server cannot live with, and where they keep them for workers."""
_PLACES = ("SNAKEPIT_RUNTIME_DIR", "SNAKEPIT_STATE_DIR", "SNAKEPIT_CONFIG")
_PREFIXES = ("LC_", "XDG_", "PYTHON", "CONDA_", "CUDA_", "NVIDIA_", "OMP_", "MKL_", "OPENBLAS_", "HF_", "TORCH_")
_SECRETS = frozenset([
    "AUTH", "COOKIE", "CREDENTIAL", "CREDENTIALS", "KEY", "KEYS", "PASS", "PASSPHRASE", "PASSWD", "PASSWORD", "SECRET",
    "SECRETS", "TOKEN", "TOKENS",
])  # fmt: skip
"""Words of a name that say that the value is a secret: no prefix lets it pass, only the pool's `env`."""
_NUMERIC = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


def for_workers(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the caller's `environ` a worker gets."""
    passed = {name: _text(value) for name, value in environ.items() if _passes(name) and _text(name) == name}
    passed |= {name: _text(environ[kept]) for name, kept in CALLERS.items() if kept in environ}
    # A handler may run snakepit itself, from another folder.
    return passed | {name: os.path.abspath(passed[name]) for name in _PLACES if passed.get(name)}


def _text(value: str) -> str:
    """Without the entries of a search path that are not UTF-8: messages cannot hold them."""
    if value.isascii():
        return value
    return os.pathsep.join(
        part for part in value.split(os.pathsep) if not any("\ud800" <= one <= "\udfff" for one in part)
    )


def umask() -> str:
    """Of this process, in octal digits. It can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return f"{mask:04o}"


def _passes(name: str) -> bool:
    if name in _NAMES or name in _PLACES or name == UMASK or name.endswith("_NUM_THREADS"):
        return True
    return name.startswith(_PREFIXES) and _SECRETS.isdisjoint(name.upper().split("_"))


def unfit(name: str, value: str) -> str | None:
    """Why no program can be started with this variable; None when one can."""
    if not name or "=" in name or "\0" in name:
        return f"a variable cannot be named {name[:100]!r}"
    if "\0" in value:
        return f"the variable {name} holds a NUL character, which the environment cannot"
    size = len(os.fsencode(f"{name}={value}")) + 1
    if size > _LONGEST:
        return f"the variable {name} has {size} bytes with its name; the kernel takes {_LONGEST} (write it to a file)"
    return None


def threads(size: int) -> dict[str, str]:
    """How many threads numeric libraries may use in each of `size` workers: together, one for each processor."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return dict.fromkeys(_NUMERIC, str(max(1, processors // size)))

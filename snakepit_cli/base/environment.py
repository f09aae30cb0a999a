"""Which of the caller's environment variables reach a worker: an allow-list, because a CI job's environment is
full of secrets and a warm worker outlives the job step that started it."""

from __future__ import annotations

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
_PREFIXES = ("LC_", "XDG_", "PYTHON", "CONDA_", "CUDA_", "NVIDIA_", "OMP_", "MKL_", "OPENBLAS_", "HF_", "TORCH_")
_SINGLE_THREADED = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


def for_workers(environ: Mapping[str, str]) -> dict[str, str]:
    """What of `environ` a worker gets. Numeric libraries get one thread each unless told otherwise: the pool is
    the parallelism, and their threads would fight over the processors."""
    passed = {
        name: value
        for name, value in environ.items()
        if name in _NAMES or name.startswith(_PREFIXES) or name.endswith("_NUM_THREADS")
    }
    return {**dict.fromkeys(_SINGLE_THREADED, "1"), **passed}

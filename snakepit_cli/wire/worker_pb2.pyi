from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FromWorker(_message.Message):
    __slots__ = ("hello", "start_failure", "results", "chunks", "pong", "requests", "withdrawals", "invalidated", "credits", "segment_bytes", "released")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    START_FAILURE_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWALS_FIELD_NUMBER: _ClassVar[int]
    INVALIDATED_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    start_failure: StartFailure
    results: _containers.RepeatedCompositeFieldContainer[Result]
    chunks: _containers.RepeatedCompositeFieldContainer[Chunks]
    pong: Pong
    requests: _containers.RepeatedCompositeFieldContainer[Request]
    withdrawals: _containers.RepeatedScalarFieldContainer[int]
    invalidated: _containers.RepeatedScalarFieldContainer[int]
    credits: _containers.RepeatedCompositeFieldContainer[Credit]
    segment_bytes: int
    released: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., start_failure: _Optional[_Union[StartFailure, _Mapping]] = ..., results: _Optional[_Iterable[_Union[Result, _Mapping]]] = ..., chunks: _Optional[_Iterable[_Union[Chunks, _Mapping]]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., requests: _Optional[_Iterable[_Union[Request, _Mapping]]] = ..., withdrawals: _Optional[_Iterable[int]] = ..., invalidated: _Optional[_Iterable[int]] = ..., credits: _Optional[_Iterable[_Union[Credit, _Mapping]]] = ..., segment_bytes: _Optional[int] = ..., released: _Optional[_Iterable[str]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("token", "worker", "language", "runtime", "protocol_min", "protocol_max", "capacity", "commands", "pid", "sessions", "tools", "runs_batches")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MIN_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MAX_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    RUNS_BATCHES_FIELD_NUMBER: _ClassVar[int]
    token: str
    worker: str
    language: str
    runtime: str
    protocol_min: int
    protocol_max: int
    capacity: int
    commands: _containers.RepeatedCompositeFieldContainer[CommandSpec]
    pid: int
    sessions: _containers.RepeatedScalarFieldContainer[str]
    tools: _containers.RepeatedCompositeFieldContainer[ToolSpec]
    runs_batches: bool
    def __init__(self, token: _Optional[str] = ..., worker: _Optional[str] = ..., language: _Optional[str] = ..., runtime: _Optional[str] = ..., protocol_min: _Optional[int] = ..., protocol_max: _Optional[int] = ..., capacity: _Optional[int] = ..., commands: _Optional[_Iterable[_Union[CommandSpec, _Mapping]]] = ..., pid: _Optional[int] = ..., sessions: _Optional[_Iterable[str]] = ..., tools: _Optional[_Iterable[_Union[ToolSpec, _Mapping]]] = ..., runs_batches: _Optional[bool] = ...) -> None: ...

class ToolSpec(_message.Message):
    __slots__ = ("session", "name", "description", "streaming", "parameters", "metadata")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STREAMING_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    session: str
    name: str
    description: str
    streaming: bool
    parameters: _containers.RepeatedCompositeFieldContainer[ParameterSpec]
    metadata: bytes
    def __init__(self, session: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., streaming: _Optional[bool] = ..., parameters: _Optional[_Iterable[_Union[ParameterSpec, _Mapping]]] = ..., metadata: _Optional[bytes] = ...) -> None: ...

class CommandSpec(_message.Message):
    __slots__ = ("name", "summary", "streaming", "parameters", "open")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    STREAMING_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    summary: str
    streaming: bool
    parameters: _containers.RepeatedCompositeFieldContainer[ParameterSpec]
    open: bool
    def __init__(self, name: _Optional[str] = ..., summary: _Optional[str] = ..., streaming: _Optional[bool] = ..., parameters: _Optional[_Iterable[_Union[ParameterSpec, _Mapping]]] = ..., open: _Optional[bool] = ...) -> None: ...

class ParameterSpec(_message.Message):
    __slots__ = ("name", "type", "required", "default_json", "summary")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_JSON_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    required: bool
    default_json: str
    summary: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., required: _Optional[bool] = ..., default_json: _Optional[str] = ..., summary: _Optional[str] = ...) -> None: ...

class StartFailure(_message.Message):
    __slots__ = ("token", "worker", "failure")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    token: str
    worker: str
    failure: Failure
    def __init__(self, token: _Optional[str] = ..., worker: _Optional[str] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("path", "device", "inode", "offset", "length")
    PATH_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    INODE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    path: str
    device: int
    inode: int
    offset: int
    length: int
    def __init__(self, path: _Optional[str] = ..., device: _Optional[int] = ..., inode: _Optional[int] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("id", "value", "failure", "value_ref", "wait_seconds", "run_seconds")
    ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    VALUE_REF_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RUN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    id: int
    value: bytes
    failure: Failure
    value_ref: Reference
    wait_seconds: float
    run_seconds: float
    def __init__(self, id: _Optional[int] = ..., value: _Optional[bytes] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., value_ref: _Optional[_Union[Reference, _Mapping]] = ..., wait_seconds: _Optional[float] = ..., run_seconds: _Optional[float] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("kind", "type", "message", "traceback", "name", "wants_json")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Failure.Kind]
        COMMAND_FAILED: _ClassVar[Failure.Kind]
        COMMAND_NOT_FOUND: _ClassVar[Failure.Kind]
        INVALID_ARGUMENTS: _ClassVar[Failure.Kind]
        CANCELLED: _ClassVar[Failure.Kind]
        INVALID_RESULT: _ClassVar[Failure.Kind]
        ADAPTER_NOT_FOUND: _ClassVar[Failure.Kind]
        ADAPTER_FAILED: _ClassVar[Failure.Kind]
        RECALLED: _ClassVar[Failure.Kind]
        REFERENCE_FAILED: _ClassVar[Failure.Kind]
    KIND_UNSPECIFIED: Failure.Kind
    COMMAND_FAILED: Failure.Kind
    COMMAND_NOT_FOUND: Failure.Kind
    INVALID_ARGUMENTS: Failure.Kind
    CANCELLED: Failure.Kind
    INVALID_RESULT: Failure.Kind
    ADAPTER_NOT_FOUND: Failure.Kind
    ADAPTER_FAILED: Failure.Kind
    RECALLED: Failure.Kind
    REFERENCE_FAILED: Failure.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TRACEBACK_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    WANTS_JSON_FIELD_NUMBER: _ClassVar[int]
    kind: Failure.Kind
    type: str
    message: str
    traceback: str
    name: str
    wants_json: bool
    def __init__(self, kind: _Optional[_Union[Failure.Kind, str]] = ..., type: _Optional[str] = ..., message: _Optional[str] = ..., traceback: _Optional[str] = ..., name: _Optional[str] = ..., wants_json: _Optional[bool] = ...) -> None: ...

class Chunks(_message.Message):
    __slots__ = ("id", "lines", "count", "failed", "lines_ref")
    ID_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    LINES_REF_FIELD_NUMBER: _ClassVar[int]
    id: int
    lines: bytes
    count: int
    failed: _containers.RepeatedScalarFieldContainer[int]
    lines_ref: Reference
    def __init__(self, id: _Optional[int] = ..., lines: _Optional[bytes] = ..., count: _Optional[int] = ..., failed: _Optional[_Iterable[int]] = ..., lines_ref: _Optional[_Union[Reference, _Mapping]] = ...) -> None: ...

class Request(_message.Message):
    __slots__ = ("id", "parent", "pool", "command", "args", "session", "timeout_seconds", "query", "stream", "credit_bytes", "tool", "takes_parts", "args_ref", "takes_references")
    ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CREDIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    TAKES_PARTS_FIELD_NUMBER: _ClassVar[int]
    ARGS_REF_FIELD_NUMBER: _ClassVar[int]
    TAKES_REFERENCES_FIELD_NUMBER: _ClassVar[int]
    id: int
    parent: int
    pool: str
    command: str
    args: bytes
    session: str
    timeout_seconds: float
    query: bytes
    stream: bool
    credit_bytes: int
    tool: bool
    takes_parts: bool
    args_ref: Reference
    takes_references: bool
    def __init__(self, id: _Optional[int] = ..., parent: _Optional[int] = ..., pool: _Optional[str] = ..., command: _Optional[str] = ..., args: _Optional[bytes] = ..., session: _Optional[str] = ..., timeout_seconds: _Optional[float] = ..., query: _Optional[bytes] = ..., stream: _Optional[bool] = ..., credit_bytes: _Optional[int] = ..., tool: _Optional[bool] = ..., takes_parts: _Optional[bool] = ..., args_ref: _Optional[_Union[Reference, _Mapping]] = ..., takes_references: _Optional[bool] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    def __init__(self, nonce: _Optional[int] = ...) -> None: ...

class ToWorker(_message.Message):
    __slots__ = ("welcome", "calls", "cancels", "credits", "ping", "drain", "replies", "recalls", "reply_chunks", "invalidations", "ended_sessions", "released", "segment_bytes")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    CANCELS_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    RECALLS_FIELD_NUMBER: _ClassVar[int]
    REPLY_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    INVALIDATIONS_FIELD_NUMBER: _ClassVar[int]
    ENDED_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    calls: _containers.RepeatedCompositeFieldContainer[Call]
    cancels: _containers.RepeatedCompositeFieldContainer[Cancel]
    credits: _containers.RepeatedCompositeFieldContainer[Credit]
    ping: Ping
    drain: Drain
    replies: _containers.RepeatedCompositeFieldContainer[Result]
    recalls: _containers.RepeatedScalarFieldContainer[int]
    reply_chunks: _containers.RepeatedCompositeFieldContainer[Chunks]
    invalidations: _containers.RepeatedCompositeFieldContainer[Invalidation]
    ended_sessions: _containers.RepeatedScalarFieldContainer[str]
    released: _containers.RepeatedScalarFieldContainer[str]
    segment_bytes: int
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., calls: _Optional[_Iterable[_Union[Call, _Mapping]]] = ..., cancels: _Optional[_Iterable[_Union[Cancel, _Mapping]]] = ..., credits: _Optional[_Iterable[_Union[Credit, _Mapping]]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., replies: _Optional[_Iterable[_Union[Result, _Mapping]]] = ..., recalls: _Optional[_Iterable[int]] = ..., reply_chunks: _Optional[_Iterable[_Union[Chunks, _Mapping]]] = ..., invalidations: _Optional[_Iterable[_Union[Invalidation, _Mapping]]] = ..., ended_sessions: _Optional[_Iterable[str]] = ..., released: _Optional[_Iterable[str]] = ..., segment_bytes: _Optional[int] = ...) -> None: ...

class Invalidation(_message.Message):
    __slots__ = ("id", "session", "names")
    ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    id: int
    session: str
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[int] = ..., session: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("protocol", "max_message_bytes", "segments", "segment_name", "segment_bytes", "reference_above")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_ABOVE_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    max_message_bytes: int
    segments: str
    segment_name: str
    segment_bytes: int
    reference_above: int
    def __init__(self, protocol: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., segments: _Optional[str] = ..., segment_name: _Optional[str] = ..., segment_bytes: _Optional[int] = ..., reference_above: _Optional[int] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("id", "command", "args", "session", "timeout_seconds", "stream", "cwd", "credit_bytes", "metadata", "nan_is_null", "tool", "args_ref", "takes_references", "takes_parts", "block")
    ID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CWD_FIELD_NUMBER: _ClassVar[int]
    CREDIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    NAN_IS_NULL_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ARGS_REF_FIELD_NUMBER: _ClassVar[int]
    TAKES_REFERENCES_FIELD_NUMBER: _ClassVar[int]
    TAKES_PARTS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    id: int
    command: str
    args: bytes
    session: str
    timeout_seconds: float
    stream: bool
    cwd: str
    credit_bytes: int
    metadata: bytes
    nan_is_null: bool
    tool: bool
    args_ref: Reference
    takes_references: bool
    takes_parts: bool
    block: Block
    def __init__(self, id: _Optional[int] = ..., command: _Optional[str] = ..., args: _Optional[bytes] = ..., session: _Optional[str] = ..., timeout_seconds: _Optional[float] = ..., stream: _Optional[bool] = ..., cwd: _Optional[str] = ..., credit_bytes: _Optional[int] = ..., metadata: _Optional[bytes] = ..., nan_is_null: _Optional[bool] = ..., tool: _Optional[bool] = ..., args_ref: _Optional[_Union[Reference, _Mapping]] = ..., takes_references: _Optional[bool] = ..., takes_parts: _Optional[bool] = ..., block: _Optional[_Union[Block, _Mapping]] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ("lines", "count", "item_argument", "text", "careful", "lines_ref", "batch")
    LINES_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    ITEM_ARGUMENT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CAREFUL_FIELD_NUMBER: _ClassVar[int]
    LINES_REF_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    lines: bytes
    count: int
    item_argument: str
    text: bool
    careful: bool
    lines_ref: Reference
    batch: int
    def __init__(self, lines: _Optional[bytes] = ..., count: _Optional[int] = ..., item_argument: _Optional[str] = ..., text: _Optional[bool] = ..., careful: _Optional[bool] = ..., lines_ref: _Optional[_Union[Reference, _Mapping]] = ..., batch: _Optional[int] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class Credit(_message.Message):
    __slots__ = ("id", "bytes")
    ID_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    id: int
    bytes: int
    def __init__(self, id: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    def __init__(self, nonce: _Optional[int] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

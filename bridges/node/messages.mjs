// Generated from proto/snakepit/worker/v1/worker.proto by tests/tools/regen. Do not edit.
// Number → [name, type, repeated]. A type is a word or the table of a message.

export const ParameterSpec = {
  1: ['name', 'text'],
  2: ['type', 'text'],
  3: ['required', 'flag'],
  4: ['defaultJson', 'text'],
  5: ['summary', 'text'],
}
export const CommandSpec = {
  1: ['name', 'text'],
  2: ['summary', 'text'],
  3: ['streaming', 'flag'],
  4: ['parameters', ParameterSpec, 'many'],
  5: ['open', 'flag'],
}
export const ToolSpec = {
  1: ['session', 'text'],
  2: ['name', 'text'],
  3: ['description', 'text'],
  4: ['streaming', 'flag'],
  5: ['parameters', ParameterSpec, 'many'],
  6: ['metadata', 'bytes'],
}
export const Hello = {
  1: ['token', 'text'],
  2: ['worker', 'text'],
  3: ['language', 'text'],
  4: ['runtime', 'text'],
  5: ['protocolMin', 'number'],
  6: ['protocolMax', 'number'],
  7: ['capacity', 'number'],
  8: ['commands', CommandSpec, 'many'],
  9: ['pid', 'number'],
  10: ['sessions', 'text', 'many'],
  11: ['tools', ToolSpec, 'many'],
  12: ['runsBatches', 'flag'],
}
export const Failure = {
  1: ['kind', 'number'],
  2: ['type', 'text'],
  3: ['message', 'text'],
  4: ['traceback', 'text'],
  5: ['name', 'text'],
  6: ['wantsJson', 'flag'],
}
export const StartFailure = {
  1: ['token', 'text'],
  2: ['worker', 'text'],
  3: ['failure', Failure],
}
export const Reference = {
  1: ['path', 'text'],
  2: ['device', 'number'],
  3: ['inode', 'number'],
  4: ['offset', 'number'],
  5: ['length', 'number'],
}
export const Result = {
  1: ['id', 'number'],
  2: ['value', 'bytes'],
  3: ['failure', Failure],
  6: ['valueRef', Reference],
  4: ['waitSeconds', 'float'],
  5: ['runSeconds', 'float'],
}
export const Chunks = {
  1: ['id', 'number'],
  2: ['lines', 'bytes'],
  3: ['count', 'number'],
  4: ['failed', 'number', 'many'],
  5: ['linesRef', Reference],
}
export const Pong = {
  1: ['nonce', 'number'],
}
export const Request = {
  1: ['id', 'number'],
  2: ['parent', 'number'],
  3: ['pool', 'text'],
  4: ['command', 'text'],
  5: ['args', 'bytes'],
  6: ['session', 'text'],
  7: ['timeoutSeconds', 'double'],
  8: ['query', 'bytes'],
  9: ['stream', 'flag'],
  10: ['creditBytes', 'number'],
  11: ['tool', 'flag'],
  12: ['takesParts', 'flag'],
  13: ['argsRef', Reference],
  14: ['takesReferences', 'flag'],
}
export const Credit = {
  1: ['id', 'number'],
  2: ['bytes', 'number'],
}
export const FromWorker = {
  1: ['hello', Hello],
  2: ['startFailure', StartFailure],
  3: ['results', Result, 'many'],
  4: ['chunks', Chunks, 'many'],
  5: ['pong', Pong],
  6: ['requests', Request, 'many'],
  7: ['withdrawals', 'number', 'many'],
  8: ['invalidated', 'number', 'many'],
  9: ['credits', Credit, 'many'],
  10: ['segmentBytes', 'number'],
  11: ['released', 'text', 'many'],
}
export const Welcome = {
  1: ['protocol', 'number'],
  2: ['maxMessageBytes', 'number'],
  3: ['segments', 'text'],
  4: ['segmentName', 'text'],
  5: ['segmentBytes', 'number'],
  6: ['referenceAbove', 'number'],
}
export const Block = {
  1: ['lines', 'bytes'],
  2: ['count', 'number'],
  3: ['itemArgument', 'text'],
  4: ['text', 'flag'],
  5: ['careful', 'flag'],
  7: ['linesRef', Reference],
  6: ['batch', 'number'],
}
export const Call = {
  1: ['id', 'number'],
  2: ['command', 'text'],
  3: ['args', 'bytes'],
  4: ['session', 'text'],
  5: ['timeoutSeconds', 'double'],
  6: ['stream', 'flag'],
  7: ['cwd', 'text'],
  8: ['creditBytes', 'number'],
  10: ['metadata', 'bytes'],
  11: ['nanIsNull', 'flag'],
  12: ['tool', 'flag'],
  13: ['argsRef', Reference],
  14: ['takesReferences', 'flag'],
  20: ['takesParts', 'flag'],
  9: ['block', Block],
}
export const Cancel = {
  1: ['id', 'number'],
}
export const Ping = {
  1: ['nonce', 'number'],
}
export const Drain = {
}
export const Invalidation = {
  1: ['id', 'number'],
  2: ['session', 'text'],
  3: ['names', 'text', 'many'],
}
export const ToWorker = {
  1: ['welcome', Welcome],
  2: ['calls', Call, 'many'],
  3: ['cancels', Cancel, 'many'],
  4: ['credits', Credit, 'many'],
  5: ['ping', Ping],
  6: ['drain', Drain],
  7: ['replies', Result, 'many'],
  8: ['recalls', 'number', 'many'],
  9: ['replyChunks', Chunks, 'many'],
  10: ['invalidations', Invalidation, 'many'],
  11: ['endedSessions', 'text', 'many'],
  12: ['released', 'text', 'many'],
  13: ['segmentBytes', 'number'],
}
export const Kind = {
  COMMAND_FAILED: 1,
  COMMAND_NOT_FOUND: 2,
  INVALID_ARGUMENTS: 3,
  CANCELLED: 4,
  INVALID_RESULT: 5,
  ADAPTER_NOT_FOUND: 6,
  ADAPTER_FAILED: 7,
  RECALLED: 8,
  REFERENCE_FAILED: 9,
}

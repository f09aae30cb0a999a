// What a handler's requests to the server fail with. `kind` tells them apart; so does the class, by its `name`.

/** A call, or another request that a handler made, has failed. `kind` is one of snakepit's kinds of error. */
export class CallFailedError extends Error {
  constructor(kind, reason, type = '', traceback = '') {
    super(type ? `${kind}: ${type}: ${reason}` : `${kind}: ${reason}`)
    Object.assign(this, { name: this.constructor.name, kind, reason, type, traceback })
  }
}

/** The call has no session. */
export class NoSessionError extends CallFailedError {
  constructor() {
    super('session_not_found', 'the call has no session: name one, as with `snakepit exec --session`')
  }
}

export class SessionExpiredError extends CallFailedError {}
export class VariableNotFoundError extends CallFailedError {}
export class ProgramNotFoundError extends CallFailedError {}
export class ToolNotFoundError extends CallFailedError {}
export class ToolUnavailableError extends CallFailedError {}
export class InvalidValueError extends CallFailedError {}
export class AlreadyExistsError extends CallFailedError {}
export class InUseError extends CallFailedError {}
export class VersionConflictError extends CallFailedError {}
export class QuotaExceededError extends CallFailedError {}
export class HistoryLostError extends CallFailedError {}
export class StateUnavailableError extends CallFailedError {}
export class ServerRestartedError extends CallFailedError {}
export class CallCancelledError extends CallFailedError {}

const CLASSES = {
  session_not_found: SessionExpiredError,
  variable_not_found: VariableNotFoundError,
  program_not_found: ProgramNotFoundError,
  tool_not_found: ToolNotFoundError,
  tool_unavailable: ToolUnavailableError,
  invalid_value: InvalidValueError,
  already_exists: AlreadyExistsError,
  in_use: InUseError,
  version_conflict: VersionConflictError,
  quota_exceeded: QuotaExceededError,
  history_lost: HistoryLostError,
  state_unavailable: StateUnavailableError,
  server_restarted: ServerRestartedError,
  cancelled: CallCancelledError,
}

/** The error for a kind of the server. */
export function errorOf(kind, reason, type = '', traceback = '') {
  return new (CLASSES[kind] ?? CallFailedError)(kind, reason, type, traceback)
}

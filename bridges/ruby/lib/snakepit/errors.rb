# frozen_string_literal: true

module Snakepit
  # A call, or another request that a handler made, has failed. `kind` is one of snakepit's kinds of error, `reason` the
  # text alone; `type` and `remote_traceback` are those of what the other handler raised.
  class CallFailed < StandardError
    attr_reader :kind, :reason, :type, :remote_traceback
    attr_accessor :wants_json # the called worker takes no binary arguments, and has run nothing

    def initialize(kind, type, reason, traceback)
      super([kind, type, reason].reject(&:empty?).join(': '))
      @kind = kind
      @type = type
      @reason = reason
      @remote_traceback = traceback
    end

    # The error for a kind of the server.
    def self.of(kind, type, reason, traceback)
      kind = 'command_failed' if kind.empty?
      CLASSES.fetch(kind, CallFailed).new(kind, type, reason, traceback)
    end
  end

  class SessionExpired < CallFailed; end
  class VariableNotFound < CallFailed; end
  class ProgramNotFound < CallFailed; end
  class ToolNotFound < CallFailed; end
  class ToolUnavailable < CallFailed; end
  class InvalidValue < CallFailed; end
  class AlreadyExists < CallFailed; end
  class InUse < CallFailed; end
  class VersionConflict < CallFailed; end
  class QuotaExceeded < CallFailed; end
  class HistoryLost < CallFailed; end
  class StateUnavailable < CallFailed; end
  class ServerRestarted < CallFailed; end

  # The call has no session.
  class NoSession < CallFailed
    def initialize
      super('session_not_found', '', 'the call has no session: name one, as with `snakepit exec --session`', '')
    end
  end

  CallFailed::CLASSES = {
    'session_not_found' => SessionExpired, 'variable_not_found' => VariableNotFound,
    'program_not_found' => ProgramNotFound, 'tool_not_found' => ToolNotFound, 'tool_unavailable' => ToolUnavailable,
    'invalid_value' => InvalidValue, 'already_exists' => AlreadyExists, 'in_use' => InUse,
    'version_conflict' => VersionConflict, 'quota_exceeded' => QuotaExceeded, 'history_lost' => HistoryLost,
    'state_unavailable' => StateUnavailable, 'server_restarted' => ServerRestarted
  }.freeze
end

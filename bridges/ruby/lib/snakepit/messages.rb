# frozen_string_literal: true

# Generated from proto/snakepit/worker/v1/worker.proto by tests/tools/regen. Do not edit.
module Snakepit
  module Wire
    # Number => [name, type, repeated]. A type is a symbol or the table of a message.
    PARAMETER_SPEC = {
      1 => [:name, :text],
      2 => [:type, :text],
      3 => [:required, :flag],
      4 => [:default_json, :text],
      5 => [:summary, :text]
    }.freeze
    COMMAND_SPEC = {
      1 => [:name, :text],
      2 => [:summary, :text],
      3 => [:streaming, :flag],
      4 => [:parameters, PARAMETER_SPEC, true],
      5 => [:open, :flag]
    }.freeze
    TOOL_SPEC = {
      1 => [:session, :text],
      2 => [:name, :text],
      3 => [:description, :text],
      4 => [:streaming, :flag],
      5 => [:parameters, PARAMETER_SPEC, true],
      6 => [:metadata, :bytes]
    }.freeze
    HELLO = {
      1 => [:token, :text],
      2 => [:worker, :text],
      3 => [:language, :text],
      4 => [:runtime, :text],
      5 => [:protocol_min, :number],
      6 => [:protocol_max, :number],
      7 => [:capacity, :number],
      8 => [:commands, COMMAND_SPEC, true],
      9 => [:pid, :number],
      10 => [:sessions, :text, true],
      11 => [:tools, TOOL_SPEC, true],
      12 => [:runs_batches, :flag]
    }.freeze
    FAILURE = {
      1 => [:kind, :number],
      2 => [:type, :text],
      3 => [:message, :text],
      4 => [:traceback, :text],
      5 => [:name, :text],
      6 => [:wants_json, :flag]
    }.freeze
    START_FAILURE = {
      1 => [:token, :text],
      2 => [:worker, :text],
      3 => [:failure, FAILURE]
    }.freeze
    REFERENCE = {
      1 => [:path, :text],
      2 => [:device, :number],
      3 => [:inode, :number],
      4 => [:offset, :number],
      5 => [:length, :number]
    }.freeze
    RESULT = {
      1 => [:id, :number],
      2 => [:value, :bytes],
      3 => [:failure, FAILURE],
      6 => [:value_ref, REFERENCE],
      4 => [:wait_seconds, :float],
      5 => [:run_seconds, :float]
    }.freeze
    CHUNKS = {
      1 => [:id, :number],
      2 => [:lines, :bytes],
      3 => [:count, :number],
      4 => [:failed, :number, true],
      5 => [:lines_ref, REFERENCE]
    }.freeze
    PONG = {
      1 => [:nonce, :number]
    }.freeze
    REQUEST = {
      1 => [:id, :number],
      2 => [:parent, :number],
      3 => [:pool, :text],
      4 => [:command, :text],
      5 => [:args, :bytes],
      6 => [:session, :text],
      7 => [:timeout_seconds, :double],
      8 => [:query, :bytes],
      9 => [:stream, :flag],
      10 => [:credit_bytes, :number],
      11 => [:tool, :flag],
      12 => [:takes_parts, :flag],
      13 => [:args_ref, REFERENCE],
      14 => [:takes_references, :flag]
    }.freeze
    CREDIT = {
      1 => [:id, :number],
      2 => [:bytes, :number]
    }.freeze
    FROM_WORKER = {
      1 => [:hello, HELLO],
      2 => [:start_failure, START_FAILURE],
      3 => [:results, RESULT, true],
      4 => [:chunks, CHUNKS, true],
      5 => [:pong, PONG],
      6 => [:requests, REQUEST, true],
      7 => [:withdrawals, :number, true],
      8 => [:invalidated, :number, true],
      9 => [:credits, CREDIT, true],
      10 => [:segment_bytes, :number],
      11 => [:released, :text, true]
    }.freeze
    WELCOME = {
      1 => [:protocol, :number],
      2 => [:max_message_bytes, :number],
      3 => [:segments, :text],
      4 => [:segment_name, :text],
      5 => [:segment_bytes, :number],
      6 => [:reference_above, :number]
    }.freeze
    BLOCK = {
      1 => [:lines, :bytes],
      2 => [:count, :number],
      3 => [:item_argument, :text],
      4 => [:text, :flag],
      5 => [:careful, :flag],
      7 => [:lines_ref, REFERENCE],
      6 => [:batch, :number]
    }.freeze
    CALL = {
      1 => [:id, :number],
      2 => [:command, :text],
      3 => [:args, :bytes],
      4 => [:session, :text],
      5 => [:timeout_seconds, :double],
      6 => [:stream, :flag],
      7 => [:cwd, :text],
      8 => [:credit_bytes, :number],
      10 => [:metadata, :bytes],
      11 => [:nan_is_null, :flag],
      12 => [:tool, :flag],
      13 => [:args_ref, REFERENCE],
      14 => [:takes_references, :flag],
      20 => [:takes_parts, :flag],
      9 => [:block, BLOCK]
    }.freeze
    CANCEL = {
      1 => [:id, :number]
    }.freeze
    PING = {
      1 => [:nonce, :number]
    }.freeze
    DRAIN = {}.freeze
    INVALIDATION = {
      1 => [:id, :number],
      2 => [:session, :text],
      3 => [:names, :text, true]
    }.freeze
    TO_WORKER = {
      1 => [:welcome, WELCOME],
      2 => [:calls, CALL, true],
      3 => [:cancels, CANCEL, true],
      4 => [:credits, CREDIT, true],
      5 => [:ping, PING],
      6 => [:drain, DRAIN],
      7 => [:replies, RESULT, true],
      8 => [:recalls, :number, true],
      9 => [:reply_chunks, CHUNKS, true],
      10 => [:invalidations, INVALIDATION, true],
      11 => [:ended_sessions, :text, true],
      12 => [:released, :text, true],
      13 => [:segment_bytes, :number]
    }.freeze
    KINDS = {
      command_failed: 1,
      command_not_found: 2,
      invalid_arguments: 3,
      cancelled: 4,
      invalid_result: 5,
      adapter_not_found: 6,
      adapter_failed: 7,
      recalled: 8,
      reference_failed: 9
    }.freeze
  end
end

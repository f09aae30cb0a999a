# frozen_string_literal: true

module Snakepit
  # The messages of the worker contract (proto/snakepit/worker/v1/worker.proto) in protobuf's encoding, as far as a
  # worker needs them. A table of fields for each message; unknown fields are passed over. A message is a Hash.
  module Wire
    class Malformed < StandardError
    end

    # Number => [name, type, repeated]. A type is a symbol or the table of a message.
    BLOCK = {
      1 => [:lines, :bytes], 2 => [:count, :number], 3 => [:item_argument, :text], 4 => [:text, :flag],
      5 => [:careful, :flag]
    }.freeze
    CALL = {
      1 => [:id, :number], 2 => [:command, :text], 3 => [:args, :bytes], 4 => [:session, :text],
      5 => [:timeout, :double], 6 => [:stream, :flag], 7 => [:cwd, :text], 8 => [:credit, :number],
      9 => [:block, BLOCK]
    }.freeze
    FAILURE = {
      1 => [:kind, :number], 2 => [:type, :text], 3 => [:message, :text], 4 => [:traceback, :text], 5 => [:name, :text]
    }.freeze
    RESULT = {
      1 => [:id, :number], 2 => [:value, :bytes], 3 => [:failure, FAILURE], 4 => [:wait_seconds, :float],
      5 => [:run_seconds, :float]
    }.freeze
    TO_WORKER = {
      1 => [:welcome, { 1 => [:protocol, :number], 2 => [:max_message_bytes, :number] }],
      2 => [:calls, CALL, true],
      3 => [:cancels, { 1 => [:id, :number] }, true],
      4 => [:credits, { 1 => [:id, :number], 2 => [:bytes, :number] }, true],
      5 => [:ping, { 1 => [:nonce, :number] }],
      6 => [:drain, {}],
      7 => [:replies, RESULT, true],
      8 => [:recalls, :number, true]
    }.freeze
    PARAMETER = {
      1 => [:name, :text], 2 => [:type, :text], 3 => [:required, :flag], 4 => [:default_json, :text],
      5 => [:summary, :text]
    }.freeze
    COMMAND = {
      1 => [:name, :text], 2 => [:summary, :text], 3 => [:streaming, :flag], 4 => [:parameters, PARAMETER, true],
      5 => [:open, :flag]
    }.freeze
    HELLO = {
      1 => [:token, :text], 2 => [:worker, :text], 3 => [:language, :text], 4 => [:runtime, :text],
      5 => [:protocol_min, :number], 6 => [:protocol_max, :number], 7 => [:capacity, :number],
      8 => [:commands, COMMAND, true], 9 => [:pid, :number], 10 => [:sessions, :text, true]
    }.freeze
    CHUNKS = { 1 => [:id, :number], 2 => [:lines, :bytes], 3 => [:count, :number], 4 => [:failed, :number, true] }.freeze
    REQUEST = {
      1 => [:id, :number], 2 => [:parent, :number], 3 => [:pool, :text], 4 => [:command, :text], 5 => [:args, :bytes],
      6 => [:session, :text], 7 => [:timeout, :double]
    }.freeze
    FROM_WORKER = {
      1 => [:hello, HELLO],
      2 => [:start_failure, { 1 => [:token, :text], 2 => [:worker, :text], 3 => [:failure, FAILURE] }],
      3 => [:results, RESULT, true],
      4 => [:chunks, CHUNKS, true],
      5 => [:pong, { 1 => [:nonce, :number] }],
      6 => [:requests, REQUEST, true],
      7 => [:withdrawals, :number, true]
    }.freeze
    KINDS = {
      command_failed: 1, command_not_found: 2, invalid_arguments: 3, cancelled: 4, invalid_result: 5,
      adapter_not_found: 6, adapter_failed: 7, recalled: 8
    }.freeze

    module_function

    # The bytes of a message. Fields that are nil, empty or zero are left out.
    def encode(table, message, out = String.new(encoding: Encoding::BINARY))
      table.each do |number, (name, type, many)|
        value = message[name]
        next if value.nil?

        if many
          value.each { |one| field(number, type, one, out) }
        elsif type.is_a?(Hash) || !(value == '' || value == 0 || value == false)
          field(number, type, value, out)
        end
      end
      out
    end

    def field(number, type, value, out)
      case type
      when :text, :bytes, Hash
        body = type.is_a?(Hash) ? encode(type, value) : value.b
        varint((number << 3) | 2, out)
        varint(body.bytesize, out)
        out << body
      when :double then varint((number << 3) | 1, out) << [value].pack('E')
      when :float then varint((number << 3) | 5, out) << [value].pack('e')
      else
        varint(number << 3, out)
        varint(type == :flag ? 1 : value, out)
      end
    end

    def varint(number, out)
      while number > 127
        out << ((number & 127) | 128)
        number >>= 7
      end
      out << number
    end

    # A message from bytes: single fields that were not there have their zero, repeated ones are arrays.
    def decode(table, data)
      message = blank(table)
      at = 0
      while at < data.bytesize
        tag, at = number_at(data, at)
        value, at = raw(data, at, tag & 7)
        name, type, many = table[tag >> 3]
        next if name.nil?

        value = read(type, value, many)
        many ? message[name].concat(value) : message[name] = value
      end
      message
    end

    def blank(table)
      table.each_value.to_h do |name, type, many|
        [name, many ? [] : { text: '', bytes: '', flag: false, number: 0, double: 0.0, float: 0.0 }[type]]
      end
    end

    def number_at(data, at)
      value = shift = 0
      loop do
        byte = data.getbyte(at) or raise Malformed, 'a message that ends too soon'
        at += 1
        value |= (byte & 127) << shift
        return [value, at] if byte < 128

        shift += 7
      end
    end

    def raw(data, at, wire)
      return number_at(data, at) if wire.zero?

      size, at = wire == 2 ? number_at(data, at) : [wire == 1 ? 8 : 4, at]
      raise Malformed, 'a message that ends too soon' if at + size > data.bytesize

      [data.byteslice(at, size), at + size]
    end

    def read(type, value, many)
      found =
        case type
        when Hash then decode(type, value)
        when :text then value.force_encoding(Encoding::UTF_8)
        when :double then value.unpack1('E')
        when :float then value.unpack1('e')
        when :flag then !value.zero?
        else value
        end
      return packed(found) if type == :number && found.is_a?(String) # repeated numbers may come together

      many ? [found] : found
    end

    def packed(data)
      found = []
      at = 0
      while at < data.bytesize
        number, at = number_at(data, at)
        found << number
      end
      found
    end
  end
end

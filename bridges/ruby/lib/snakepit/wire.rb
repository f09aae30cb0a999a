# frozen_string_literal: true

require 'snakepit/messages'

module Snakepit
  # The messages of the worker contract (proto/snakepit/worker/v1/worker.proto) in protobuf's encoding.
  # messages.rb has a table of fields for each message; unknown fields are passed over. A message is a Hash.
  module Wire
    class Malformed < StandardError
    end

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

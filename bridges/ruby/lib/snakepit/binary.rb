# frozen_string_literal: true

module Snakepit
  # Messages with parts: JSON, and beside it raw bytes as they are. docs/reference/binary-parts.md describes them.
  module Message
    class Malformed < StandardError; end

    MAGIC = "\0SPB".b
    KEY = '$binary'
    MARK = "\"#{KEY}\":"
    HEAD = 12
    ROW = 16
    ALIGNMENT = 64
    MOST_PARTS = 65_536
    MOST_DIMENSIONS = 32
    # Bytes of an element by the name of its type.
    SIZES = { 'bool' => 1, 'int8' => 1, 'int16' => 2, 'int32' => 4, 'int64' => 8, 'uint8' => 1, 'uint16' => 2,
              'uint32' => 4, 'uint64' => 8, 'float16' => 2, 'float32' => 4, 'float64' => 8, 'complex64' => 8,
              'complex128' => 16 }.freeze

    module_function

    def is?(data) = data.getbyte(0)&.zero?

    # The message. `text` is compact JSON, `parts` are its bytes. Raises Malformed.
    def pack(text, parts)
      raise Malformed, "there are #{parts.size} binary parts; at most #{MOST_PARTS} are allowed" if parts.size > MOST_PARTS
      unless text.scan(MARK).size == parts.size
        raise Malformed, "an object has the key `#{KEY}`, which beside binary parts has a meaning of its own"
      end

      end_of = HEAD + (ROW * parts.size) + text.bytesize
      table = [MAGIC, text.bytesize, parts.size].pack('a4L<L<')
      rest = String.new(text, encoding: Encoding::BINARY)
      parts.each do |part|
        start = -(-end_of / ALIGNMENT) * ALIGNMENT
        table << [start, part.bytesize].pack('Q<Q<')
        rest << ("\0" * (start - end_of)) << part.b
        end_of = start + part.bytesize
      end
      table << rest
    end

    # The JSON text and the parts. Raises Malformed.
    def unpack(message)
      size = message.bytesize
      malformed("the message has #{size} bytes; its head alone has #{HEAD}") if size < HEAD
      magic, length, count = message.unpack('a4L<L<')
      malformed('the message does not begin as one with parts does') unless magic == MAGIC
      malformed("the message has #{count} parts; at most #{MOST_PARTS} are allowed") if count > MOST_PARTS
      start = HEAD + (ROW * count)
      end_of = start + length
      malformed("the message ends after #{size} bytes, before its JSON does") if end_of > size
      rows = message.byteslice(HEAD, ROW * count).unpack('Q<*').each_slice(2)
      parts = rows.each_with_index.map do |(offset, long), at|
        fits = offset >= end_of && (offset % ALIGNMENT).zero? && offset + long <= size
        malformed("part #{at} cannot be #{long} bytes at #{offset} of #{size}") unless fits
        message.byteslice(offset, long).force_encoding(Encoding::BINARY)
      end
      [message.byteslice(start, length).force_encoding(Encoding::UTF_8), parts]
    end

    # The number, dtype, shape and type of an object with the key `$binary`. Raises Malformed when it does not fit its part.
    def place(found, parts)
      at, dtype, shape, type = found.values_at(KEY, 'dtype', 'shape', 'type')
      unless at.is_a?(Integer) && at >= 0 && at < parts.size
        malformed("an object names the part #{at.to_s[0, 40]}; the message has #{parts.size}")
      end
      unless (found.keys - [KEY] - (found.key?('dtype') ? %w[dtype shape] : %w[type])).empty?
        malformed("part #{at}: its object has other keys than `dtype` and `shape`, or `type`")
      end
      return [at, dtype, checked(at, dtype, shape, parts[at].bytesize), nil] if found.key?('dtype')

      malformed("part #{at}: its type is not a string") unless type.nil? || type.is_a?(String)
      [at, nil, nil, type.to_s]
    end

    # The shape of a part.
    def checked(at, dtype, shape, size)
      malformed("part #{at}: its dtype must be one of #{SIZES.keys.join(', ')}, not #{dtype.to_s[0, 40]}") unless SIZES.key?(dtype)
      unless shape.is_a?(Array) && shape.size <= MOST_DIMENSIONS && shape.all? { |n| n.is_a?(Integer) && n >= 0 }
        malformed("part #{at}: its shape must be a list of at most #{MOST_DIMENSIONS} whole numbers")
      end
      return shape if shape.inject(SIZES[dtype], :*) == size

      malformed("part #{at}: #{dtype} #{shape.to_s[0, 100]} does not fit the #{size} bytes that came")
    end

    def malformed(words) = raise(Malformed, words)
  end
end

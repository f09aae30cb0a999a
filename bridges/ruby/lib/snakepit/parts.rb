# frozen_string_literal: true

require 'json'
require 'snakepit/binary'

module Snakepit
  # Bytes with a content type, such as "image/png"; `type` is empty when it is not known. They travel as they are.
  class Binary
    attr_reader :data, :type

    def initialize(data, type = '')
      @data = data
      @type = type
    end

    def to_s = @data
    def to_json(*) = Parts.place(@data, @type.empty? ? {} : { type: @type }) || JSON.generate([@data].pack('m0'))
    def ==(other) = other.is_a?(Binary) && [data.b, type] == [other.data.b, other.type]
  end

  # An array that travels as it is: its elements in C order, little-endian.
  class NumericArray
    LETTERS = { 'int8' => 'c', 'int16' => 's<', 'int32' => 'l<', 'int64' => 'q<', 'uint8' => 'C', 'uint16' => 'S<',
                'uint32' => 'L<', 'uint64' => 'Q<', 'float32' => 'e', 'float64' => 'E' }.freeze

    attr_reader :dtype, :shape, :data

    # An array of one dimension from numbers.
    def self.of(dtype, numbers)
      new(dtype, [numbers.size], numbers.pack("#{LETTERS.fetch(dtype)}*"))
    end

    # `data` has its bytes. Raises ArgumentError when these are more or fewer than `shape` says.
    def initialize(dtype, shape, data)
      @dtype = dtype
      @shape = Message.checked(0, dtype, shape, data.bytesize)
      @data = data
    rescue Message::Malformed => error
      raise ArgumentError, error.message.delete_prefix('part 0: ')
    end

    # Its elements, as arrays in arrays. Raises ArgumentError for complex numbers.
    def to_a
      flat = elements
      @shape.drop(1).reverse.inject(flat) { |all, size| size.zero? ? [] : all.each_slice(size).to_a }
    end

    def to_json(*)
      place = Parts.place(@data, { dtype: @dtype, shape: @shape })
      place || Answer.written(@shape.empty? ? elements.first : to_a, false)
    end

    def ==(other) = other.is_a?(NumericArray) && [dtype, shape, data.b] == [other.dtype, other.shape, other.data.b]

    private

    def elements
      case @dtype
      when 'bool' then @data.unpack('C*').map { |one| !one.zero? }
      when 'float16' then @data.unpack('S<*').map { |bits| half(bits) }
      when /\Acomplex/ then raise ArgumentError, 'complex numbers have no JSON form'
      else @data.unpack("#{LETTERS.fetch(@dtype)}*")
      end
    end

    def half(bits)
      exponent = (bits >> 10) & 31
      fraction = (bits & 1023) / 1024.0
      value =
        case exponent
        when 0 then Math.ldexp(fraction, -14)
        when 31 then fraction.zero? ? Float::INFINITY : Float::NAN
        else Math.ldexp(1 + fraction, exponent - 15)
        end
      (bits & 0x8000).zero? ? value : -value
    end
  end

  # Values out of messages with parts, and into them.
  module Parts
    module_function

    # The value, its parts in their places. Raises Message::Malformed, JSON::JSONError.
    def received(message)
      text, parts = Message.unpack(message)
      Message.malformed('the JSON of the message is not UTF-8') unless text.valid_encoding?
      used = {}
      value = filled(Answer.parse(text), parts, used)
      missing = parts.each_index.find { |at| !used.key?(at) }
      Message.malformed("part #{missing} has no place") if missing
      value
    end

    def filled(value, parts, used)
      case value
      when Array then value.map! { |one| filled(one, parts, used) }
      when Hash
        return value.transform_values! { |one| filled(one, parts, used) } unless value.key?(Message::KEY)

        at, dtype, shape, type = Message.place(value, parts)
        Message.malformed("part #{at} has two places") if used[at]
        used[at] = true
        dtype ? NumericArray.new(dtype, shape, parts[at]) : Binary.new(parts[at], type)
      else value
      end
    end

    # What the block writes, as a message with the parts that it has met; as it is when it has met none. Raises Malformed.
    def taken
      before = Thread.current[:snakepit_parts]
      parts = Thread.current[:snakepit_parts] = []
      text = yield
      parts.empty? ? text : Message.pack(text, parts)
    ensure
      Thread.current[:snakepit_parts] = before
    end

    # JSON of the place of a part; nil when the caller takes none.
    def place(data, facts)
      parts = Thread.current[:snakepit_parts] or return
      parts << data
      JSON.generate({ Message::KEY => parts.size - 1, **facts })
    end

    # What has been written is written again.
    def again = Thread.current[:snakepit_parts]&.clear
  end
end

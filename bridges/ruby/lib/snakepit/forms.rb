# frozen_string_literal: true

require 'json'

module Snakepit
  # What cannot be written as JSON: found with its place, or made something that can. Only for values that
  # JSON::State#generate refuses, or would write as the text of a `to_s`.
  module Forms
    class Unfit < StandardError; end

    GENERIC = Object.instance_method(:to_json).owner
    DEEPEST = 900
    LONGEST = 200 # characters of a path
    MARK = '__unserializable__'

    module_function

    # A copy of hashes, arrays, strings, numbers, true, false and nil. Raises Unfit with the place.
    def plain(value, nan_is_null: false)
      form(value, [], [], nan_is_null)
    rescue SystemStackError
      raise Unfit, 'the value is nested too deeply'
    end

    def form(value, keys, around, nan_is_null)
      case value
      when nil, true, false, Integer then value
      when Float then float(value, keys, nan_is_null)
      when String, Symbol then text(value.to_s, keys)
      else entered(value, keys, around) { container(value, keys, [*around, value], nan_is_null) }
      end
    end

    def float(value, keys, nan_is_null)
      return value if value.finite?
      return if nan_is_null

      raise Unfit, "#{path(keys)} is #{value}, which JSON cannot hold (`--nan null` makes it null)"
    end

    def text(value, keys)
      encoded = value.encoding == Encoding::BINARY ? value.dup.force_encoding(Encoding::UTF_8) : value.encode(Encoding::UTF_8)
      return encoded if encoded.valid_encoding?

      raise Unfit, "#{path(keys)} holds bytes that are not UTF-8"
    rescue EncodingError
      raise Unfit, "#{path(keys)} holds bytes that are not #{value.encoding}"
    end

    def entered(value, keys, around)
      at = around.index { |one| one.equal?(value) }
      raise Unfit, "#{path(keys)} is #{path(keys.first(at))} again: the value contains itself" if at
      raise Unfit, "#{path(keys)} is nested more than #{DEEPEST} levels deep" if around.size >= DEEPEST

      yield
    end

    def container(value, keys, around, nan_is_null)
      inner = ->(one, key) { form(one, [*keys, key], around, nan_is_null) }
      case value
      when Hash then value.to_h { |key, one| [key.to_s, inner.call(one, key.to_s)] }
      when Array then value.each_with_index.map { |one, at| inner.call(one, at) }
      when Exception then { 'type' => value.class.name.to_s, 'message' => text(value.message, keys) }
      else
        made = converted(value, keys)
        made.is_a?(Fragment) ? made : form(made, keys, around, nan_is_null)
      end
    end

    # JSON that the class writes by itself.
    Fragment = Struct.new(:json) do
      def to_json(*) = json
    end

    def converted(value, keys)
      return Fragment.new(value.to_json) unless value.method(:to_json).owner == GENERIC

      way = conversion(value)
      return value.public_send(way) if way
      return { MARK => value.class.name.to_s } if ENV['SNAKEPIT_UNSERIALIZABLE'] == 'mark'

      raise Unfit, "#{path(keys)} is of type #{value.class}, which has no JSON form"
    rescue Unfit
      raise
    rescue StandardError => error
      raise Unfit, "#{path(keys)} is of type #{value.class}, whose #{way || :to_json} raised #{error.class}"
    end

    # The method that makes it something plain; nil when there is none. Enumerable gives `to_h` to what holds no pairs.
    def conversion(value)
      case value
      when Enumerator then nil
      when Struct then :to_h
      when Enumerable then :to_a
      when Time
        require 'time'
        :iso8601
      else
        return :to_s if defined?(BigDecimal) && value.is_a?(BigDecimal)

        %i[to_h iso8601].find { |name| value.respond_to?(name) }
      end
    end

    def path(keys)
      steps = keys.map do |key|
        next "[#{key}]" if key.is_a?(Integer)

        key.match?(/\A[[:alpha:]_]\w*\z/) ? ".#{key}" : "[#{key.dump}]"
      end
      text = "$#{steps.join}"
      text.size <= LONGEST ? text : "#{text[0, LONGEST / 2]}…#{text[-LONGEST / 2..]}"
    end
  end
end

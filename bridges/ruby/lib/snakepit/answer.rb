# frozen_string_literal: true

require 'json'
require 'snakepit/commands'
require 'snakepit/forms'
require 'snakepit/parts'

module Snakepit
  NESTING = 1000

  # JSON of what handlers return, and the contract's words for what they raise.
  module Answer
    OVERHEAD = 64

    module_function

    # JSON, or with `parts` a message with the parts that are in the value. Raises Refusal.
    def whole_json(value, command, limit, nan_is_null:, parts:)
      return json(value, command, limit, nan_is_null: nan_is_null) unless parts

      message = Parts.taken { json(value, command, nil, nan_is_null: nan_is_null) }
      fit(message, command, limit)
    rescue Message::Malformed => error
      raise Refusal.new(:invalid_result, "`#{command}`: #{error.message}")
    end

    # Raises Refusal.
    def json(value, command, limit = nil, nan_is_null: false)
      fit(written(value, nan_is_null), command, limit)
    rescue Forms::Unfit, JSON::JSONError, EncodingError, SystemStackError => error
      Thread.current[:snakepit_writer] = nil # it may think that it is still deep inside
      raise Refusal.new(:invalid_result, "`#{command}` returned no JSON: #{error.message}")
    end

    def fit(text, command, limit)
      return text if limit.nil? || text.bytesize + OVERHEAD <= limit

      raise Refusal.new(:invalid_result,
                        "`#{command}` returned #{text.bytesize} bytes; at most #{limit - OVERHEAD} fit into a message")
    end

    def written(value, nan_is_null)
      return writer.generate(value) if usual?(value)

      writer.generate(Forms.plain(value, nan_is_null: nan_is_null))
    rescue JSON::JSONError, EncodingError, SystemStackError
      Thread.current[:snakepit_writer] = nil
      Parts.again
      writer.generate(Forms.plain(value, nan_is_null: nan_is_null))
    end

    # One for each thread, kept: to make one costs as much as to use it.
    def writer = Thread.current[:snakepit_writer] ||= JSON::State.new(max_nesting: NESTING)

    # JSON.generate would write any other object as the text of its `to_s`.
    def usual?(value)
      case value
      when String, Integer, Float, NilClass, TrueClass, FalseClass, Symbol then true
      when Hash then value.each_value { |one| return false unless String === one || Integer === one || usual?(one) }
      when Array then value.each { |one| return false unless String === one || Integer === one || usual?(one) }
      else value.method(:to_json).owner != Forms::GENERIC
      end
    end

    # What a handler returns, as one value: chunks become an array.
    def whole(handler, args, context)
      chunks = []
      value = handler.call(args, context) { |chunk| chunks << chunk }
      return value.to_a if value.is_a?(Enumerator)

      handler.streaming ? chunks : value
    end

    def failure(error)
      case error
      when Refusal
        { kind: error.kind, type: error.type, message: text(error.message), traceback: text(error.trace) }
      when Cancelled then { kind: :cancelled, message: 'the caller gave up' }
      else
        { kind: :command_failed, type: error.class.name.to_s, message: text(error.message),
          traceback: text(error.full_message(highlight: false)) }
      end
    end

    def text(words) = words.encode(Encoding::UTF_8, invalid: :replace, undef: :replace).scrub

    # Without options the parser is half again as fast, and takes 100 levels.
    def parse(text)
      JSON.parse(text)
    rescue JSON::NestingError
      JSON.parse(text, max_nesting: NESTING)
    end

    # The arguments of a call. Raises Refusal.
    def arguments(json)
      return whole_arguments(Parts.received(json)) if Message.is?(json)

      whole_arguments(parse(json.force_encoding(Encoding::UTF_8)))
    rescue Message::Malformed => error
      raise Refusal.new(:invalid_arguments, error.message)
    rescue JSON::JSONError, EncodingError => error
      raise Refusal.new(:invalid_arguments, "not valid JSON: #{error.message}")
    end

    def whole_arguments(value)
      return value if value.is_a?(Hash)

      raise Refusal.new(:invalid_arguments, 'the arguments must be a JSON object')
    end
  end
end

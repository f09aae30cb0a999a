# frozen_string_literal: true

require 'json'
require 'snakepit/answer'

module Snakepit
  # Bulk: the items one after another. What has been answered leaves before an item that begins a moment later.
  class Block
    TOGETHER = 32 # lines that are parsed at once: one costs a quarter then
    SMALL = 1 << 16 # bytes of such lines
    BETWEEN = Random.rand(1 << 60..1 << 61) # stands between two lines: no input holds it on purpose

    def initialize(run, handler, say, limit)
      @run = run
      @handler = handler
      @say = say
      @limit = limit
      @items = run.spec[:block]
      @argument = @items[:item_argument].empty? ? 'item' : @items[:item_argument]
      @keywords = handler.keywords? && !handler.streaming
    end

    def run(fixed, context)
      @fixed = fixed
      @fixed_keywords = fixed.transform_keys(&:to_sym)
      @context = context
      @out = BlockLines.new(@run, @say, careful: @items[:careful])
      lines = References.lines_of(@items).force_encoding(Encoding::UTF_8).each_line("\n", chomp: true)
      lines.each_slice(TOGETHER) { |some| some_of(some) }
      @out.flush
      'null'
    end

    private

    def some_of(lines)
      flat = keywords_of(lines)
      lines.each_with_index do |line, at|
        @out.flush if @items[:careful]
        raise Cancelled if @run.cancelled?

        begin
          value = flat ? @handler.call_with(keywords(flat[2 * at]), @context) : one(line)
          answer = Answer.json(listed(value), @handler.name, @limit, nan_is_null: @run.nan_is_null)
          Snakepit.leave_if_forked
          @out.add(answer)
        rescue StandardError, ScriptError, SystemStackError => error
          Snakepit.leave_if_forked(error)
          @out.add(JSON.generate(Answer.failure(error).reject { |_, found| found.empty? }), failed: true)
        end
      end
    end

    # The arguments of all lines, at every second place; nil when these must be parsed one by one: something is wrong
    # with a line, or one is no object, or has one inside, whose names stay texts.
    def keywords_of(lines)
      return unless @keywords && !@items[:text] && lines.sum(&:bytesize) < SMALL

      text = "[#{lines.join(",#{BETWEEN},")}]"
      return unless text.valid_encoding? && text.count('{') == lines.size

      values = JSON.parse(text, symbolize_names: true)
      # A line that is torn, or is several values, is no single value between two of the marks.
      apart = values.size == (2 * lines.size) - 1 &&
              values.each_with_index.all? { |one, at| at.odd? ? BETWEEN.equal?(one) : one.is_a?(Hash) }
      values if apart
    rescue JSON::JSONError, EncodingError
      nil
    end

    def keywords(item) = @fixed_keywords.empty? ? item : @fixed_keywords.merge(item)

    def one(line)
      args = arguments(line)
      return @handler.call(args, @context) unless @handler.streaming

      chunks = []
      @handler.call(args, @context) { |chunk| chunks << chunk }
      chunks
    end

    def listed(value) = value.is_a?(Enumerator) ? value.to_a : value

    def arguments(line)
      raise Refusal.new(:invalid_arguments, 'the line is not UTF-8') unless line.valid_encoding?

      item = @items[:text] ? line : Answer.parse(line)
      return @fixed.merge({ @argument => item }) unless item.is_a?(Hash)

      @fixed.empty? ? item : @fixed.merge(item)
    rescue JSON::JSONError, EncodingError => error
      raise Refusal.new(:invalid_arguments, "the line is not valid JSON: #{error.message}")
    end
  end
end

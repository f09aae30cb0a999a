# frozen_string_literal: true

require 'json'
require 'snakepit/answer'
require 'snakepit/known'

module Snakepit
  # How many items are run between two looks at the clock.
  class Pace
    # How many slow ones may follow quick ones; also how many a child would run whose fork is not noticed.
    LONGEST = Process.respond_to?(:_fork) ? 32 : 1
    BETWEEN_LOOKS = 64e-6 # seconds; a look costs a thousandth of that

    attr_reader :items

    def initialize
      @looked = Snakepit.now
      @items = 1
    end

    # The time. So many items have been run since the last look.
    def look(count)
      now = Snakepit.now
      taken = now - @looked
      @looked = now
      # Slow items shorten the next run at once, quick ones lengthen it step by step.
      if taken > BETWEEN_LOOKS
        @items = [(count * BETWEEN_LOOKS / taken).to_i, 1].max
      elsif @items < LONGEST && 2 * taken < BETWEEN_LOOKS
        @items *= 2
      end
      now
    end
  end

  # Bulk: the items one after another. What has been answered leaves before an item that begins a moment later.
  class Block
    TOGETHER = 1 << 11 # bytes of lines that are parsed at once: one costs a quarter then
    ELSEWHERE = /\n[^{]/ # a line that does not begin as an object

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
      @known = @handler.learned
      @most = @limit ? @limit - Answer::OVERHEAD : Float::INFINITY # bytes of an answer that surely fit
      @out = BlockLines.new(@run, @say, careful: @items[:careful])
      lines = References.lines_of(@items)
      if @items[:careful]
        split(lines).each { |line| carefully(line) }
      else
        @pace = Pace.new
        @ran = 0
        each_part(lines) { |some| some_of(some) }
      end
      @out.flush
      'null'
    end

    private

    def carefully(line)
      @out.flush
      raise Cancelled if @run.cancelled?

      one_of([line], 0)
    end

    def split(lines) = lines.force_encoding(Encoding::UTF_8).each_line("\n", chomp: true)

    # Some whole lines at a time.
    def each_part(text)
      text.force_encoding(Encoding::BINARY)
      at = 0
      while at < text.bytesize
        last = text.rindex("\n", at + TOGETHER)
        last = text.index("\n", at + TOGETHER) || (text.bytesize - 1) if last.nil? || last < at
        yield text.byteslice(at, last + 1 - at).force_encoding(Encoding::UTF_8)
        at = last + 1
      end
    end

    def some_of(text)
      flat = keywords_of(text)
      lines = flat ? nil : split(text).to_a
      size = (flat || lines).size
      at = 0
      while at < size
        look if @ran >= @pace.items
        last = [at + @pace.items - @ran, size].min
        now_at = flat ? in_run(flat, at, last) : one_of(lines, at)
        @ran += now_at - at
        at = now_at
      end
    end

    def look
      now = @pace.look(@ran)
      @ran = 0
      Snakepit.leave_if_forked
      @out.look(now)
      raise Cancelled if @run.cancelled?
    end

    # Answers items whose arguments are known, up to one that fails. Where the next one is.
    def in_run(flat, first, last)
      handler = @handler
      known = @known
      text = @out.text
      context = @context
      most = @most
      at = first
      while at < last
        value = handler.call_with(flat[at], context)
        Snakepit.leave_if_forked unless FORKS.empty?
        answer = known.write(value) || written(value)
        fit(answer) if answer.bytesize > most
        text << answer
        at += 1
      end
      @out.added(at - first)
      at
    rescue StandardError, ScriptError, SystemStackError => error
      @out.added(at - first)
      failed(error)
      at + 1
    end

    # Answers an item; where the next one is.
    def one_of(lines, at)
      value = one(lines[at])
      Snakepit.leave_if_forked unless FORKS.empty?
      @out.text << fit(@known.write(value) || written(value))
      @out.added(1)
      at + 1
    rescue StandardError, ScriptError, SystemStackError => error
      failed(error)
      at + 1
    end

    def written(value)
      text = Answer.json(listed(value), @handler.name, nil, nan_is_null: @run.nan_is_null)
      @known.learn(value)
      "#{text}\n"
    end

    def fit(answer)
      Answer.fit(answer.chomp, @handler.name, @limit)
      answer
    end

    def failed(error)
      Snakepit.leave_if_forked(error)
      @out.failed(JSON.generate(Answer.failure(error).reject { |_, found| found.empty? }))
    end

    # The arguments of all lines; nil when these must be parsed one by one: something is wrong with a line, or one is no
    # object, or has one inside, whose names stay texts.
    def keywords_of(lines)
      return if !@keywords || @items[:text] || !lines.valid_encoding? || !lines.start_with?('{')

      count = lines.count("\n")
      return if lines.count('{') != count || ELSEWHERE.match?(lines)

      values = JSON.parse("[#{lines.chop.tr("\n", ',')}]", symbolize_names: true)
      # Each brace begins a line, and an object that is in no other. So every line is one object, and nothing else.
      return unless values.size == count && values.all?(Hash)

      @fixed_keywords.empty? ? values : values.map! { |one| @fixed_keywords.merge(one) }
    rescue JSON::JSONError, EncodingError
      nil
    end

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

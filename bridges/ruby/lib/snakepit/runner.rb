# frozen_string_literal: true

require 'snakepit/block'
require 'snakepit/calls'
require 'snakepit/kept'
require 'snakepit/references'
require 'snakepit/requests'

module Snakepit
  # Runs calls, up to `capacity` at a time, each in a thread, and says what they answer.
  class Runner
    attr_reader :requests, :tools

    def initialize(commands, say)
      @commands = commands
      @say = say
      @requests = Requests.new(say)
      @tools = Tools.new
      @limit = nil
      @kept = Kept.new(nil)
      @lock = Mutex.new
      @more = ConditionVariable.new
      @waiting = []
      @running = {}
      commands.capacity.times { Thread.new { Thread.handle_interrupt(Cancelled => :never) { work } } }
    end

    # A stream to the server begins.
    def welcome(facts)
      @limit = facts[:max_message_bytes] if facts[:max_message_bytes].positive?
      @requests.limit = @limit
      @segments = Segments.new(facts)
      # Of calls that run side by side each would need a journal.
      @kept = Kept.new(@commands.capacity == 1 ? @segments.journal : nil)
    end

    # Segments that nobody reads any more.
    def released(paths) = @segments&.released(paths)

    # The stream has ended.
    def lost
      cancel_all(forget: true)
      @requests.lost
      @kept.lost
      @segments&.lost
    end

    def arrive(spec)
      @lock.synchronize do
        @waiting << Run.new(spec, @segments, @kept)
        @more.signal
      end
    end

    # `forget`: the caller waits for the answer no longer.
    def cancel(id, forget: false)
      run = @lock.synchronize { @running[id] }
      if run
        run.silent = forget
        run.cancel
      elsif (run = take_back(id)) && !forget
        settle(run, failure: { kind: :cancelled, message: 'the caller gave up' })
      end
    end

    def cancel_all(forget:)
      @lock.synchronize { @running.keys + @waiting.map(&:id) }.each { |id| cancel(id, forget: forget) }
    end

    def recall(id)
      run = take_back(id)
      settle(run, failure: { kind: :recalled, message: 'recalled before it began' }) if run
    end

    def grant(id, bytes) = @lock.synchronize { @running[id] || @waiting.find { |run| run.id == id } }&.grant(bytes)

    # Returns when nothing is left to run.
    def wait_until_idle
      @lock.synchronize { @more.wait(@lock, 0.05) until @waiting.empty? && @running.empty? }
    end

    private

    def take_back(id)
      @lock.synchronize do
        at = @waiting.index { |run| run.id == id }
        @waiting.delete_at(at) if at
      end
    end

    def work
      loop do
        run = @lock.synchronize do
          @more.wait(@lock) while @waiting.empty?
          @waiting.shift.tap { |next_run| @running[next_run.id] = next_run }
        end
        serve(run)
        @lock.synchronize { @running.delete(run.id) }
      end
    end

    def serve(run)
      run.began = Snakepit.now
      value = run.interruptible { answer(run) }
      Snakepit.leave_if_forked
      settle(run, value: value)
    rescue SystemExit => error
      $stdout.flush
      exit!(error.status)
    rescue Exception => error # each call is answered, whatever happens
      Snakepit.leave_if_forked(error)
      settle(run, failure: run.cancelled? ? Answer.failure(Cancelled.new) : Answer.failure(error))
    end

    def settle(run, value: nil, failure: nil)
      run.over = true
      return if run.silent

      run.kept.leave # what it has answered comes before its end
      ref = run.put(value) if value
      now = Snakepit.now
      began = run.began || now
      failure &&= { **failure, kind: Wire::KINDS.fetch(failure[:kind]) }
      @say.call({ results: [{ id: run.id, value: ref ? nil : value, value_ref: ref, failure: failure,
                              wait_seconds: began - run.arrived, run_seconds: now - began }] })
    end

    # The JSON of the answer. A streaming call sends its chunks before it.
    def answer(run)
      spec = run.spec
      handler = spec[:tool] ? tool(spec) : @commands.find(spec[:command])
      given = spec[:args_ref] ? References.read(spec[:args_ref]) : spec[:args]
      fixed = Answer.arguments(given.empty? ? +'{}' : given)
      context = Context.new(run, @requests, @tools)
      return Block.new(run, handler, @say, @limit).run(fixed, context) if spec[:block]

      spec[:stream] ? streamed(run, handler, fixed, context) : collected(run, handler, fixed, context)
    end

    def tool(spec)
      found = @tools.find(spec[:session], spec[:command])
      return found.handler if found

      raise Refusal.new(:command_not_found, "the tool `#{spec[:command]}` is not offered any more")
    end

    def collected(run, handler, args, context)
      value = Answer.whole(handler, args, context)
      Answer.whole_json(value, handler.name, @limit, nan_is_null: run.nan_is_null, parts: run.spec[:takes_parts])
    end

    def streamed(run, handler, args, context)
      lines = Lines.new(run, @say)
      parts = run.spec[:takes_parts]
      chunk = lambda do |one|
        lines.add(Answer.whole_json(one, handler.name, @limit, nan_is_null: run.nan_is_null, parts: parts))
      end
      begin
        value = handler.call(args, context, &chunk)
        if value.is_a?(Enumerator)
          value.each(&chunk)
        elsif !handler.streaming
          chunk.call(value)
        end
      ensure
        lines.flush unless run.cancelled?
      end
      'null'
    end
  end

  # Chunks on their way: the first leaves at once, those that follow within a moment together.
  class Lines
    LARGE = 1 << 19

    def initialize(run, say)
      @run = run
      @say = say
      @due = 0
      @size = 0
      @lines = []
    end

    # A message with parts leaves alone.
    def add(text)
      alone = text.getbyte(0).zero?
      flush if alone
      @lines << text
      @size += text.bytesize + 1
      full = @run.room <= @size
      flush if alone || full || @size > LARGE || Snakepit.now >= @due
      @run.wait_for_room if full
    end

    def flush
      return if @lines.empty?

      text = (@lines << '').join("\n")
      @run.spend(@size)
      Snakepit.shielded do
        unless @run.silent
          ref = @run.put(text)
          chunk = { id: @run.id, lines: ref ? nil : text, lines_ref: ref, count: @lines.size - 1 }
          @say.call({ chunks: [chunk] })
        end
        @lines = []
        @size = 0
      end
      @due = Snakepit.now + MOMENT
    end
  end

  # Those of a block: they may wait a little, where they are safe, and are long at times.
  class BlockLines
    def initialize(run, say, careful:)
      @run = run
      @say = say
      timeout = run.spec[:timeout_seconds]
      @patient = !careful && !(timeout.positive? && timeout < Kept::HASTY)
      @due = 0
      clear
    end

    # Answers that have been put there, each with a line break.
    attr_reader :text

    def added(count)
      @count += count
    end

    def failed(answer)
      @failed << @count
      @text << answer << "\n"
      @count += 1
    end

    # Between two items.
    def look(now)
      full = @run.room <= @text.bytesize
      flush if full || @text.bytesize > Lines::LARGE || now >= @due
      @run.wait_for_room if full
    end

    def flush
      return if @count.zero?

      @run.spend(@text.bytesize)
      Snakepit.shielded do
        chunk = { id: @run.id, lines: @text, count: @count, failed: @failed }
        @run.kept.take(chunk, method(:out), keep: @patient && @run.room.positive?) unless @run.silent
        clear
      end
      @due = Snakepit.now + MOMENT
    end

    private

    def clear
      @text = String.new(capacity: 1 << 15, encoding: Encoding::UTF_8)
      @count = 0
      @failed = []
    end

    def out(chunk)
      ref = @run.put(chunk[:lines])
      @say.call({ chunks: [ref ? { **chunk, lines: nil, lines_ref: ref } : chunk] }) unless @run.silent
    end
  end
end

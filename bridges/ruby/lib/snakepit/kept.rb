# frozen_string_literal: true

require 'snakepit/segments'

module Snakepit
  # Answers of a block that leave together. Until then they are in the journal, where a death does not lose them. Those of
  # one stream, of one call at a time.
  class Kept
    SELDOM = 0.02 # seconds between two messages
    MUCH = 1 << 18 # bytes that are not kept back
    HASTY = 1.0 # seconds: where an item may take less, each answer counts as a sign of life, and none is kept back

    # Without a journal nothing is kept back.
    def initialize(journal)
      @journal = journal
      @lock = Mutex.new
      @more = ConditionVariable.new
      @call = nil
      @sent = 0 # answers to that call that have been sent
      @over = false
      clear
      Thread.new { watch } if journal
    end

    # Chunks of a block: they leave now, or soon, through `say`.
    def take(chunk, say, keep:)
      @lock.synchronize do
        about(chunk[:id], say)
        keep &&= chunk[:failed].empty? && @size + chunk[:lines].bytesize <= MUCH && in_time? && written?(chunk)
        @failed.concat(chunk[:failed].map { |at| @count + at })
        @parts << chunk[:lines]
        @count += chunk[:count]
        @size += chunk[:lines].bytesize
        keep ? wait : out
      end
    end

    # All that there is leaves.
    def leave = @lock.synchronize { out }

    # The stream has ended.
    def lost
      @lock.synchronize do
        @over = true
        clear
        @journal&.close
        @journal = nil
        @more.signal
      end
    end

    private

    def clear
      @parts = []
      @failed = []
      @count = @size = 0
      @since = nil
    end

    def about(call, say)
      return if call == @call

      out
      @call = call
      @sent = 0
      @say = say
    end

    def in_time? = @since.nil? || Snakepit.now - @since < SELDOM

    def written?(chunk)
      @journal&.add(@call, @sent, chunk[:lines], chunk[:count])
    rescue SystemCallError
      @journal.close
      @journal = nil
    end

    def wait
      return if @since

      @since = Snakepit.now
      @more.signal
    end

    def out
      return if @count.zero?

      chunk = { id: @call, lines: @parts.size == 1 ? @parts.first : @parts.join, count: @count, failed: @failed }
      @sent += @count
      clear
      @say.call(chunk)
    end

    # The next item may take long.
    def watch
      @lock.synchronize do
        until @over
          @more.wait(@lock, @since && [@since + SELDOM - Snakepit.now, 0.001].max)
          out unless in_time?
        end
      end
    end
  end
end

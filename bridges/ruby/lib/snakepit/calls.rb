# frozen_string_literal: true

require 'snakepit/answer'
require 'snakepit/kept'
require 'snakepit/session'

module Snakepit
  MOMENT = 0.001 # seconds after which what has been answered leaves

  # One call, from its arrival to its answer.
  class Run
    attr_reader :spec, :arrived, :room, :kept
    attr_accessor :began, :silent, :over

    # `kept`: answers of blocks that leave together.
    def initialize(spec, segments = nil, kept = Kept.new(nil))
      @spec = spec
      @segments = segments if spec[:takes_references]
      @kept = kept
      @arrived = Snakepit.now
      @room = spec[:credit_bytes]
      @lock = Mutex.new
      @more = ConditionVariable.new
      @cancelled = false
      @silent = false # its answer would go to a stream that has ended
      @over = false # it has been answered
    end

    def id = @spec[:id]
    def nan_is_null = @spec[:nan_is_null]
    def cancelled? = @cancelled

    # Writes a long payload where the reader finds it: the reference. Nil when it is to be sent as bytes.
    def put(payload) = @segments&.put(payload)

    # Seconds until the caller stops waiting; nil when there is no limit.
    def remaining
      @spec[:timeout_seconds].positive? ? [0.0, @arrived + @spec[:timeout_seconds] - Snakepit.now].max : nil
    end

    # The block is interrupted by a cancel; nothing else is, nor anything after it.
    def interruptible
      @lock.synchronize { @thread = Thread.current }
      Thread.handle_interrupt(Cancelled => :immediate) do
        raise Cancelled if @cancelled

        yield
      end
    ensure
      @lock.synchronize { @thread = nil }
      # One that came too late would hit the next call.
      begin
        Thread.handle_interrupt(Cancelled => :immediate) { Thread.pass }
      rescue Cancelled
        nil
      end
    end

    def cancel
      @lock.synchronize do
        @cancelled = true
        @thread&.raise(Cancelled)
        @more.broadcast
      end
    end

    def grant(bytes)
      @lock.synchronize do
        @room += bytes
        @more.broadcast
      end
    end

    def spend(bytes) = @lock.synchronize { @room -= bytes }

    # Until it may send again.
    def wait_for_room
      @lock.synchronize { @more.wait(@lock) until @room.positive? || @cancelled }
      raise Cancelled if @cancelled
    end
  end

  # What a handler may know of its call.
  class Context
    def initialize(run, requests, tools)
      @run = run
      @requests = requests
      @tools = tools
    end

    # Variables, programs and tools of the caller's session.
    def session = @session ||= Session.new(@run.spec[:session], @run, @requests, @tools)

    # What the caller says about the call: a Hash of texts.
    def metadata
      text = @run.spec[:metadata]
      @metadata ||= text.empty? ? {} : Answer.parse(text.force_encoding(Encoding::UTF_8))
    end

    def cwd = @run.spec[:cwd]
    def cancelled? = @run.cancelled?
    def remaining = @run.remaining

    # A file name as the caller means it.
    def path(name)
      unknown = cwd.empty? && !name.start_with?('/', '~')
      raise ArgumentError, "#{name}: the caller's directory is not known; give an absolute path" if unknown

      File.expand_path(name, cwd.empty? ? '/' : cwd)
    end

    # Calls a command of this or another pool. Arrays and Binaries travel as they are, unless it takes JSON only. Raises
    # CallFailed.
    def call(command, args = {}, pool: '', session: '', timeout: 0)
      request = { pool: pool.to_s, command: command.to_s, session: session.to_s, timeout_seconds: Float(timeout),
                  takes_parts: true }
      sent = Parts.taken { Answer.json(args, command) }
      begin
        valued(@requests.ask(@run, { **request, args: sent }))
      rescue CallFailed => error
        raise unless error.wants_json && Message.is?(sent)

        valued(@requests.ask(@run, { **request, args: Answer.json(args, command) }))
      end
    end

    private

    def valued(answer)
      Message.is?(answer) ? Parts.received(answer.b) : Answer.parse(answer)
    rescue Message::Malformed => error
      raise CallFailed.of('invalid_result', '', "the answer cannot be read: #{error.message}", '')
    end
  end

  # What must not be torn apart by a cancel: a message half sent.
  def self.shielded(&) = Thread.handle_interrupt(Cancelled => :never, &)

  def self.now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

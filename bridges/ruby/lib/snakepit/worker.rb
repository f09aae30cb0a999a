# frozen_string_literal: true

require 'snakepit/runner'
require 'snakepit/stream'
require 'snakepit/wire'

module Snakepit
  # The worker's main thread: it dials the server, says hello, hands over what arrives, and dials again when the stream
  # breaks. Handlers run in other threads.
  class Worker
    METHOD = '/snakepit.worker.v1.Gateway/Attach'
    UNAUTHENTICATED = 16
    FAILED_PRECONDITION = 9
    EXIT_UNREACHABLE = 69
    EXIT_VERSION = 76
    EXIT_REFUSED = 77
    GIVE_UP_AFTER = 60.0
    FAREWELL_AFTER = 3.0
    BACKOFF = [0.02, 0.2].freeze
    GRACE = 3.0
    MOST_SESSIONS = 1000

    def initialize(reference, folder)
      @reference = reference
      @folder = folder
      @gateway = ENV.fetch('SNAKEPIT_GATEWAY', '').delete_prefix('unix:')
      @name = ENV.fetch('SNAKEPIT_WORKER_ID', '')
      @token = secret
      @stream = nil
      @sessions = {}
      @draining = false
    end

    def run
      $stdout.sync = true
      watch_lifeline
      @commands = Commands.new(@reference, @folder)
      return by_hand if @gateway.empty?

      @runner = Runner.new(@commands, method(:say))
      trap('TERM') { Snakepit.forked? ? Snakepit.end_by('TERM') : Thread.new { drain(give_up: true) } }
      trap('INT', 'IGNORE')
      attend
    rescue Refusal => error
      leave(1, error.trace.empty? ? error.message : error.trace) if @gateway.empty?
      farewell(error)
    end

    private

    def secret
      descriptor = ENV.delete('SNAKEPIT_TOKEN_FD') or return ''
      IO.for_fd(Integer(descriptor)).read.strip
    end

    def watch_lifeline
      descriptor = ENV['SNAKEPIT_LIFELINE_FD'] or return
      line = IO.for_fd(Integer(descriptor), autoclose: false)
      line.close_on_exec = true
      Thread.new do
        line.read
        exit!(1)
      end
    end

    def by_hand
      names = @commands.specs.map { |spec| spec[:name] }
      leave(2, "started without a server; the adapter offers #{names.empty? ? 'nothing' : names.join(', ')}")
    end

    def leave(code, text = nil)
      warn("snakepit ruby bridge: #{text}") if text
      $stdout.flush
      exit!(code)
    end

    # ------------------------------------------------------------------------------------------- the stream

    def attend
      backoff = BACKOFF[0]
      give_up_at = Snakepit.now + GIVE_UP_AFTER
      loop do
        @attached = false
        code, text = talk({ hello: hello })
        ended(code, text)
        if @attached
          backoff = BACKOFF[0]
          give_up_at = Snakepit.now + GIVE_UP_AFTER
        elsif Snakepit.now >= give_up_at
          leave(EXIT_UNREACHABLE, "no server at #{@gateway} for #{GIVE_UP_AFTER.to_i} s")
        end
        sleep(backoff)
        backoff = [backoff * 2, BACKOFF[1]].min
      end
    end

    # From the first message to the end of the stream; how it ended.
    def talk(first, last: false)
      stream = Stream.new(@gateway, METHOD)
      stream.send(Wire.encode(Wire::FROM_WORKER, first))
      last ? stream.close_write : @stream = stream
      stream.each_message { |data| take(Wire.decode(Wire::TO_WORKER, data)) }
      stream.status
    rescue SystemCallError => error
      [Stream::UNAVAILABLE, error.message]
    ensure
      @stream = nil
    end

    def ended(code, text)
      sleep if @draining # the thread that drains ends the process
      leave(EXIT_REFUSED, "the server refused this worker: #{text}") if code == UNAUTHENTICATED
      leave(EXIT_VERSION, "the server cannot use this worker: #{text}") if code == FAILED_PRECONDITION
      # The server waits for these answers no longer; the ids would mean other calls on the next stream.
      @runner.lost
    end

    def hello
      { token: @token, worker: @name, language: 'ruby', runtime: RUBY_VERSION, protocol_min: 1, protocol_max: 2,
        capacity: @commands.capacity, commands: @commands.specs, pid: Process.pid, sessions: @sessions.keys,
        tools: @runner ? @runner.tools.specs : [] }
    end

    # From any thread.
    def say(message)
      Snakepit.leave_if_forked
      @stream&.send(Wire.encode(Wire::FROM_WORKER, message))
    end

    def take(message)
      message[:calls].each do |call|
        remember(call[:session]) unless call[:session].empty?
        @runner.arrive(call)
      end
      @runner&.released(message[:released])
      message[:cancels].each { |cancel| @runner.cancel(cancel[:id]) }
      message[:recalls].each { |id| @runner.recall(id) }
      message[:credits].each { |credit| @runner.grant(credit[:id], credit[:bytes]) }
      message[:reply_chunks].each { |chunks| @runner.requests.part(chunks) }
      message[:replies].each { |reply| @runner.requests.answered(reply) }
      message[:ended_sessions].each { |session| session_ended(session) }
      say({ pong: { nonce: message[:ping][:nonce] } }) if message[:ping]
      welcome(message[:welcome]) if message[:welcome]
      Thread.new { drain } if message[:drain]
    end

    def welcome(facts)
      @attached = true
      @runner&.welcome(facts)
    end

    def remember(session)
      @sessions.delete(session)
      @sessions[session] = true
      @sessions.shift if @sessions.size > MOST_SESSIONS
    end

    def session_ended(session)
      @sessions.delete(session)
      @runner.tools.end(session)
      return unless @commands.adapter.respond_to?(:session_ended)

      Thread.new do
        @commands.adapter.session_ended(session)
      rescue StandardError => error
        warn("snakepit ruby bridge: session_ended failed: #{error.full_message(highlight: false)}")
      end
    end

    # The adapter could not be loaded: that is all there is to say.
    def farewell(refusal)
      failure = { kind: Wire::KINDS.fetch(refusal.kind), type: refusal.type, message: Answer.text(refusal.message),
                  traceback: Answer.text(refusal.trace) }
      deadline = Snakepit.now + FAREWELL_AFTER
      first = { start_failure: { token: @token, worker: @name, failure: failure } }
      sleep(BACKOFF[0]) until talk(first, last: true)[0] != Stream::UNAVAILABLE || Snakepit.now > deadline
      leave(1)
    end

    # ----------------------------------------------------------------------------------------------- the end

    def drain(give_up: false)
      return if @draining

      @draining = true
      Thread.new do
        sleep(GRACE)
        leave(1, 'a handler did not end in time')
      end
      @runner.cancel_all(forget: false) if give_up
      @runner.wait_until_idle
      @commands.adapter.cleanup if @commands.adapter.respond_to?(:cleanup)
      leave(0)
    rescue StandardError => error
      leave(0, "cleanup failed: #{error.full_message(highlight: false)}")
    end
  end
end

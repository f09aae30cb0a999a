# frozen_string_literal: true

require 'snakepit/commands'

module Snakepit
  # A function that this worker offers to all that use a session.
  class Tool
    attr_reader :name, :handler

    def initialize(name, callable, description, streaming, metadata)
      raise ArgumentError, 'a tool must be a method, a lambda or a block' unless callable.respond_to?(:parameters)

      @name = name
      file, line = callable.is_a?(Method) ? callable.source_location : nil
      facts = file ? Source.new(file).at(line) : Source::NOTHING
      @handler = Handler.new(callable, facts, name: name, streaming: streaming)
      @description = description || facts.summary
      @metadata = metadata
    end

    # The answer of a tool that a handler of this worker calls, as another worker would have given it: it runs at once,
    # because the worker is busy with the caller. Raises CallFailed.
    def call_within(args, context)
      Answer.parse(Answer.json(Answer.whole(@handler, Answer.arguments(args), context), @name))
    rescue CallFailed
      raise
    rescue StandardError, ScriptError => error
      failure = Answer.failure(error)
      raise CallFailed.of(failure[:kind].to_s, failure[:type], failure[:message], failure[:traceback])
    end

    # As the server is told of it.
    def described
      parameters = @handler.spec[:parameters].map do |one|
        default = one[:default_json]
        { name: one[:name], required: one[:required], **(default.empty? ? {} : { default: JSON.parse(default) }) }
      end
      { name: @name, description: @description, streaming: @handler.streaming, parameters: parameters, metadata: @metadata }
    end

    # As the next server is told of it.
    def spec(session)
      { session: session, name: @name, description: @description, streaming: @handler.streaming,
        parameters: @handler.spec[:parameters], metadata: Answer.written(@metadata, false) }
    end
  end

  # The tools of this worker, by session and name. From any thread.
  class Tools
    def initialize
      @lock = Mutex.new
      @of = {}
      @taken = {} # those that the server knows
    end

    # Adds the tool while the block tells the server of it; undone when that fails.
    def adding(session, tool)
      key = [session, tool.name]
      before = @lock.synchronize { @of[key].tap { @of[key] = tool } }
      yield
      done = true
      # In `@of` again: an expired session of this name has ended meanwhile, with all of its tools.
      @lock.synchronize { @of[key] = @taken[key] = tool }
    ensure
      @lock.synchronize { before ? @of[key] = before : @of.delete(key) } unless done
    end

    # The tool, or nil.
    def find(session, name) = @lock.synchronize { @of[[session, name]] }

    def remove(session, name)
      @lock.synchronize { [@of, @taken].each { |all| all.delete([session, name]) } }
    end

    # The session has ended.
    def end(session)
      @lock.synchronize { [@of, @taken].each { |all| all.delete_if { |(of, _), _| of == session } } }
    end

    def specs = @lock.synchronize { @taken.map { |(session, _), tool| tool.spec(session) } }
  end
end

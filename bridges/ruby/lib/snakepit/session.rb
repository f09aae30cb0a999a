# frozen_string_literal: true

require 'snakepit/tools'

module Snakepit
  # The session of a call, as its handler sees it: variables, programs and tools that all of its users share.
  # As text and as JSON it is its id.
  class Session
    SPECIAL = { 'NaN' => Float::NAN, 'Infinity' => Float::INFINITY, '-Infinity' => -Float::INFINITY }.freeze

    # Empty in a call without a session: then only global programs can be used.
    attr_reader :id

    def initialize(id, run, requests, tools)
      @id = id
      @run = run
      @requests = requests
      @tools = tools
    end

    def to_s = @id
    def to_json(*options) = @id.to_json(*options)

    # --------------------------------------------------------------------------------------------- variables

    # The value. Raises VariableNotFound.
    def get(name) = describe(name)['value']

    # All that is known of a variable.
    def describe(name) = Session.shown(read([name], op: 'var_get', name: name))

    def has?(name)
      describe(name) && true
    rescue VariableNotFound
      false
    end

    # The new version. `create: false`: only a variable that exists; `expect`: only one of this version.
    def set(name, value, expect: nil, create: nil, metadata: nil)
      ask(op: 'var_set', name: name, value: carried(value), expect: expect, create: create, metadata: metadata)['version']
    end

    alias [] get
    alias []= set

    # Makes a variable of a type and with constraints, and describes it. `ttl` in seconds.
    def register(name, type, value, constraints: nil, metadata: nil, ttl: nil, replace: nil)
      Session.shown(ask(op: 'var_register', name: name, type: type, value: carried(value), constraints: constraints,
                        metadata: metadata, ttl: ttl, replace: replace))
    end

    def delete(name, expect: nil)
      ask(op: 'var_rm', name: name, expect: expect)
      nil
    end

    # Variables whose whole name matches, the oldest first.
    def list(pattern = '*')
      ask(op: 'var_list', pattern: pattern).map { |one| Session.shown(one) }
    rescue SessionExpired
      []
    end

    # The values by name. Raises VariableNotFound, which names those that are missing.
    def get_many(names)
      found, missing = read(names, op: 'var_mget', names: names).values_at('found', 'missing')
      raise not_found(missing) unless missing.empty?

      names.to_h { |name| [name, Session.shown(found.fetch(name.to_s))['value']] }
    end

    # By name { 'version' }, or { 'error' } for what was not taken. `atomic`: all or none.
    def set_many(values, atomic: nil, create: nil, metadata: nil, expect: nil)
      ask(op: 'var_mset', values: values.transform_values { |one| carried(one) }, atomic: atomic, create: create,
          metadata: metadata, expect: expect)['results']
    end

    # Changes of a variable, the oldest first.
    def history(name, limit: nil)
      ask(op: 'var_history', name: name, limit: limit).map { |one| Session.shown(one) }
    end

    # A new version with the value of an old one.
    def rollback(name, version, expect: nil) = ask(op: 'var_rollback', name: name, version: version, expect: expect)['version']

    # `on`: all variables that this one depends on.
    def depend(name, on) = ask(op: 'var_depend', name: name, on: on)['on']

    # The changes of variables, as they come, until the session or the call ends: Replies, or with a block each of them.
    def watch(pattern = '*', version: nil, after: nil, &block)
      query = query_of(op: 'var_watch', pattern: pattern, version: version, after: after)
      streamed({ query: query }, Session.method(:shown), block)
    end

    # ---------------------------------------------------------------------------------------------- programs

    # `everywhere`: for all sessions. `create`: raises AlreadyExists when there is one.
    def put_program(id, data, everywhere: false, create: nil)
      ask(everywhere, op: 'program_put', id: id, data: data, global: everywhere, create: create)
    end

    # The data: of the session's program, or else of the global one.
    def get_program(id, everywhere: false) = ask(everywhere, op: 'program_get', id: id, global: everywhere)['data']

    # Without their data.
    def list_programs(pattern = '*', everywhere: false)
      ask(everywhere, op: 'program_list', pattern: pattern, global: everywhere)
    end

    def delete_program(id, everywhere: false)
      ask(everywhere, op: 'program_rm', id: id, global: everywhere)
      nil
    end

    # ------------------------------------------------------------------------------------------------- tools

    # The result of a function that some process offers in this session.
    def call_tool(name, args = {})
      need
      text = Session.text(args)
      own = @tools.find(@id, name.to_s)
      return own.call_within(text, Context.new(@run, @requests, @tools)) if own

      Answer.parse(@requests.ask(@run, { command: name.to_s, args: text, tool: true }))
    end

    # Its chunks as they come: Replies, or with a block each of them.
    def stream_tool(name, args = {}, &block)
      streamed({ command: name.to_s, args: Session.text(args), tool: true }, nil, block)
    end

    # Those that the session has now.
    def tools(pattern = '*') = ask(op: 'tool_list', pattern: pattern)

    # Offers a method, a lambda or a block of this worker to all that use the session; its name.
    def register_tool(name, callable = nil, description: nil, streaming: nil, metadata: {}, &block)
      need
      tool = Tool.new(name.to_s, callable || block, description, streaming, metadata)
      # It can be called before the answer comes.
      @tools.adding(@id, tool) { ask(op: 'tool_register', tools: [tool.described]) }
      tool.name
    end

    def unregister_tool(name)
      ask(op: 'tool_rm', name: name)
      @tools.remove(@id, name.to_s)
      nil
    end

    # The answer to any query of docs/reference/front-protocol.md that a worker may make.
    def query(query) = Answer.parse(@requests.ask(@run, { query: Session.text(query) }))

    # A variable or a change, with its value as Ruby has it.
    def self.shown(one)
      return one unless one['type'] == 'float' && one['value'].is_a?(String)

      { **one, 'value' => SPECIAL.fetch(one['value']) }
    end

    # Raises InvalidValue.
    def self.text(value)
      Answer.written(value, false)
    rescue Forms::Unfit, JSON::JSONError, EncodingError, SystemStackError => error
      raise CallFailed.of('invalid_value', '', error.message, '')
    end

    private

    def ask(everywhere = false, **query)
      need unless everywhere
      Answer.parse(@requests.ask(@run, { query: query_of(**query) }))
    end

    def query_of(**query) = Session.text(query.compact)

    # Whether a session that holds nothing exists makes no difference to a reader.
    def read(names, **query)
      ask(**query)
    rescue SessionExpired
      raise not_found(names)
    end

    def streamed(request, shape, block)
      need
      replies = @requests.stream(@run, request, &shape)
      block ? replies.each(&block) && nil : replies
    end

    def need
      raise NoSession if @id.empty?
    end

    def carried(value) = value.is_a?(Float) && !value.finite? ? value.to_s : value

    def not_found(names)
      text = names.first(10).map { |name| "`#{name}`" }.join(', ')
      CallFailed.of('variable_not_found', '', "no variable#{'s' if names.size > 1} #{text}", '')
    end
  end
end

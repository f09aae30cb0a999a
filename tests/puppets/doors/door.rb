# frozen_string_literal: true

# What tests/contract/test_state_doors.py asks of a worker in Ruby.
class Door
  TOOLS = {
    'add' => ->(a:, b: 1) { a + b },
    'count' => ->(n:, &chunk) { n.times(&chunk) },
    'fail' => ->(message:) { raise IndexError, message },
    'nested' => ->(name:, ctx:) { ctx.session.get(name) }
  }.freeze

  attr_reader :ended, :last

  def initialize
    @ended = []
    @last = []
  end

  def session_ended(id) = @ended << id
  def twice(number:) = 2 * number
  def raise(message:) = Kernel.raise(IndexError, message)

  # Each step is [op, fields]; its outcome { value } or { error, message, type }.
  def steps(steps:, ctx:)
    steps.map do |op, fields|
      { value: Steps.new(ctx).public_send(op, **fields.transform_keys(&:to_sym)) }
    rescue Snakepit::CallFailed => error
      { error: error.kind, message: error.reason, type: error.type }
    end
  end

  # Waits for a change that does not come, asks again a second later, and notes why neither was answered.
  def wait(name:, ctx:)
    ctx.session.set('begun', true)
    steps = [-> { ctx.session.watch(name).first }, -> { sleep 1 }, -> { ctx.session.describe(name) }]
    @last = steps.filter_map do |step|
      step.call && nil
    rescue Exception => error # the cancel comes once, at any time
      error.respond_to?(:kind) ? error.kind : 'cancelled'
    end
    nil
  end

  def forever(name:, ctx:)
    ctx.session.stream_tool(name, { n: 10**9 }) { |one| yield one }
  end

  # One method for each op.
  class Steps
    def initialize(ctx)
      @ctx = ctx
      @session = ctx.session
    end

    def metadata = @ctx.metadata
    def get(name:) = @session[name]
    def stale(name:) = @session.describe(name)['stale']
    def has(name:) = @session.has?(name)
    def set(name:, value:, **more) = @session.set(name, value, **more)

    def register(name:, type:, value:, **more)
      @session.register(name, type, value, **more)['version']
    end

    def delete(name:) = @session.delete(name)
    def list(pattern:) = names(@session.list(pattern))
    def get_many(names:) = @session.get_many(names)

    def set_many(values:, **more)
      @session.set_many(values, **more).transform_values { |one| one['error'] ? one['error']['message'] : true }
    end

    def history(name:) = @session.history(name).map { |one| one.values_at('event', 'version', 'value') }
    def rollback(name:, version:) = @session.rollback(name, version)
    def depend(name:, on:) = @session.depend(name, on)

    def watch(pattern:, count:, **more)
      @session.watch(pattern, **more).first(count).map { |one| one.values_at('event', 'name', 'value') }
    end

    def program_put(id:, data:, **more) = @session.put_program(id, data, **more)['id']
    def program_get(id:, **more) = @session.get_program(id, **more)
    def program_list(pattern:, **more) = @session.list_programs(pattern, **more).map { |one| one['id'] }
    def program_delete(id:, **more) = @session.delete_program(id, **more)
    def tools(pattern: '*') = names(@session.tools(pattern))
    def tool(name:) = @session.tools(name).first
    def offer(name:, **more) = @session.register_tool(name, TOOLS.fetch(name), **more)
    def withdraw(name:) = @session.unregister_tool(name)
    def call_tool(name:, args:) = @session.call_tool(name, args)

    def stream_tool(name:, args:, count: nil)
      replies = @session.stream_tool(name, args)
      count ? replies.first(count) : replies.to_a
    end

    def call(command:, args:, pool:) = @ctx.call(command, args, pool: pool)
    def query(query:) = @session.query(query)

    private

    def names(found) = found.map { |one| one['name'] }
  end
end

# frozen_string_literal: true

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__))
require 'minitest/autorun'
require 'snakepit'
require 'snakepit/runner'

class RequestsTest < Minitest::Test
  SPEC = { id: 7, session: 's', metadata: +'{"who":"me"}', timeout_seconds: 0.0, credit_bytes: 0, cwd: '/' }.freeze
  ROOM = Snakepit::Replies::ROOM

  def setup
    @said = Queue.new
    @requests = Snakepit::Requests.new(->(message) { @said << message })
    @tools = Snakepit::Tools.new
    @run = Snakepit::Run.new(SPEC)
  end

  def context(**spec) = Snakepit::Context.new(Snakepit::Run.new({ **SPEC, **spec }), @requests, @tools)
  def session = Snakepit::Context.new(@run, @requests, @tools).session
  def answer(id, value) = @requests.answered({ id: id, value: +value, failure: nil })
  def request = @said.pop[:requests][0]

  # What a handler gets that asks in a thread of its own, and is interrupted by a cancel.
  def asking(&block)
    Thread.new { Thread.handle_interrupt(Snakepit::Cancelled => :never) { @run.interruptible(&block) } }
  end

  def failed(kind, type = '') = { name: kind, type: type, message: 'no', traceback: '' }

  def test_a_request_is_answered_once_by_its_id
    first = asking { session.get('a') }
    asked = request
    assert_equal [1, 7, { 'op' => 'var_get', 'name' => 'a' }], [asked[:id], asked[:parent], JSON.parse(asked[:query])]
    answer(2, 'null')
    answer(1, '{"type":"float","value":"NaN"}')
    assert_predicate first.value, :nan?
    answer(1, '{}')
    assert_empty @said
  end

  def test_an_error_has_the_class_of_its_kind
    found = asking { assert_raises(Snakepit::InUse) { session.delete('a') } }
    request
    @requests.answered({ id: 1, value: '', failure: failed('in_use') })
    assert_equal %w[in_use no], found.value.then { |error| [error.kind, error.reason] }
  end

  def test_a_cancel_gives_up_what_is_waited_for
    [-> { session.get('a') }, -> { session.watch.first }].each_with_index do |wait, at|
      @run = Snakepit::Run.new(SPEC)
      handler = asking { assert_raises(Snakepit::Cancelled, &wait) }
      request
      @run.cancel
      handler.join
      assert_equal [at + 1], @said.pop[:withdrawals]
    end
  end

  def test_a_cancel_while_it_is_sent_gives_it_up
    @requests = Snakepit::Requests.new(lambda do |message|
      @said << message
      @run.cancel if message[:requests]
    end)
    [-> { session.get('a') }, -> { session.watch.first }].each_with_index do |wait, at|
      @run = Snakepit::Run.new(SPEC)
      asking { assert_raises(Snakepit::Cancelled, &wait) }.join
      request
      assert_equal [at + 1], @said.pop(true)[:withdrawals]
    end
  end

  def test_all_that_waits_fails_with_the_stream
    handlers = [-> { session.get('a') }, -> { session.stream_tool('t').to_a }].map do |wait|
      Thread.new { assert_raises(Snakepit::ServerRestarted, &wait) }
    end
    2.times { request }
    @requests.lost
    handlers.each(&:join)
    @run.silent = true
    assert_raises(Snakepit::ServerRestarted) { session.get('a') }
    assert_empty @said
  end

  def test_a_call_that_is_over_asks_for_nothing
    @run.over = true
    assert_equal 'cancelled', assert_raises(Snakepit::CallFailed) { session.get('a') }.kind
    assert_empty @said
  end

  def test_chunks_are_read_in_order_and_room_is_granted_when_half_of_it_is_used
    long = 'ü' * (ROOM / 8)
    stream = session.stream_tool('t', {})
    assert_equal [true, ROOM], request.values_at(:stream, :credit_bytes)
    @requests.part({ id: 1, lines: "1\n\"#{long}\"\n".b })
    @requests.part({ id: 1, lines: "\"#{long}\"\n".b })
    found = []
    stream.each do |one|
      found << one
      answer(1, 'null') if found.size == 3
    end
    assert_equal [1, long, long], found

    again = session.stream_tool('t', {})
    request
    @requests.part({ id: 2, lines: "\"#{long}\"\n\"#{long}\"\n3\n".b })
    assert_equal [long, long, 3], again.first(3)
    assert_equal [{ id: 2, bytes: (ROOM / 2) + 6 }], @said.pop[:credits]
    assert_equal [2], @said.pop[:withdrawals]
  end

  def test_a_stream_that_fails_gives_what_came_before
    stream = session.stream_tool('t')
    @requests.part({ id: 1, lines: +"1\n" })
    @requests.answered({ id: 1, value: '', failure: failed('command_failed', 'KeyError') })
    found = []
    error = assert_raises(Snakepit::CallFailed) { stream.each { |one| found << one } }
    assert_equal [[1], 'command_failed', 'KeyError'], [found, error.kind, error.type]
  end

  def test_without_a_session_only_global_programs_can_be_used
    session = context(session: '').session
    assert_raises(Snakepit::NoSession) { session.get('a') }
    assert_raises(Snakepit::NoSession) { session.watch }
    found = Thread.new { session.get_program('p', everywhere: true) }
    assert_equal({ 'op' => 'program_get', 'id' => 'p', 'global' => true }, JSON.parse(request[:query]))
    answer(1, '{"data":5}')
    assert_equal 5, found.value
  end

  def test_a_session_is_its_id_wherever_text_is_wanted
    assert_equal '{"session":"s"}', Snakepit::Answer.json({ session: session }, 'x')
    assert_equal 's', session.to_s
    assert_equal({ 'who' => 'me' }, context.metadata)
  end

  def test_what_json_cannot_hold_is_refused_before_it_is_sent
    error = assert_raises(Snakepit::InvalidValue) { session.set('a', { deep: [Float::NAN] }) }
    assert_includes error.reason, '$.value.deep[0] is NaN'
    assert_empty @said
  end

  # How many of something.
  def counted(number:, from: 1) = number.times { |n| yield n + from }

  def test_a_tool_is_described_as_its_function_is
    offer = asking { session.register_tool('count', method(:counted), metadata: { 'k' => 1 }) }
    described = JSON.parse(request[:query])['tools'].first
    assert_equal(
      { 'name' => 'count', 'description' => 'How many of something.', 'streaming' => true, 'metadata' => { 'k' => 1 },
        'parameters' => [{ 'name' => 'number', 'required' => true },
                         { 'name' => 'from', 'required' => false, 'default' => 1 }] }, described
    )
    assert_empty @tools.specs
    answer(1, '{}')
    assert_equal 'count', offer.value
    assert_equal [%w[s count], ['', '1']],
                 @tools.specs.first.then { |spec| [spec.values_at(:session, :name), spec[:parameters].map { |one| one[:default_json] }] }
    @tools.end('s')
    assert_empty @tools.specs
  end

  def test_one_that_the_server_refuses_is_none_and_one_that_was_there_stays
    offer = asking { session.register_tool('a') { 1 } }
    request
    answer(1, '{}')
    offer.join
    2.times do |at|
      offer = asking { assert_raises(Snakepit::AlreadyExists) { session.register_tool(%w[a b][at]) { 2 } } }
      request
      @requests.answered({ id: at + 2, value: '', failure: failed('already_exists') })
      offer.join
    end
    assert_equal 1, @tools.find('s', 'a').handler.call({}, nil)
    assert_nil @tools.find('s', 'b')
    assert_equal ['a'], @tools.specs.map { |spec| spec[:name] }
  end
end

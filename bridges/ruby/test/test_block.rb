# frozen_string_literal: true

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__))
require 'minitest/autorun'
require 'minitest/mock'
require 'snakepit'
require 'snakepit/runner'

# Lines that are parsed together mean what they mean one by one.
class BlockTest < Minitest::Test
  class Adapter
    attr_reader :seen

    def initialize = @seen = []

    def take(a: nil, b: nil)
      @seen << a
      raise ArgumentError, 'own' if a == 'raise'

      { a: a, b: b }
    end
  end

  # The answers, and the positions of those that failed.
  def answers(lines, fixed = {}, adapter = Adapter.new)
    spec = { id: 1, credit_bytes: 1 << 30, timeout_seconds: 0,
             block: { lines: +lines.map { |line| "#{line}\n" }.join, item_argument: 'a', text: false, careful: false } }
    got = []
    failed = []
    say = lambda do |message|
      message[:chunks].each do |chunk|
        failed.concat(chunk[:failed].map { |at| got.size + at })
        got.concat(chunk[:lines].lines(chomp: true).map { |line| JSON.parse(line) })
      end
    end
    handler = Snakepit::Handler.new(adapter.method(:take), Struct.new(:yields, :defaults, :summary).new(false, {}, ''))
    Snakepit::Block.new(Snakepit::Run.new(spec), handler, say, 1 << 20).run(fixed, nil)
    [got, failed]
  end

  def test_objects_are_arguments_over_the_fixed_ones
    assert_equal([[{ 'a' => 1, 'b' => 7 }, { 'a' => 2, 'b' => 3 }], []], answers(['{"a":1}', '{"a":2,"b":3}'], { 'b' => 7 }))
  end

  def test_names_within_an_argument_stay_texts
    adapter = Adapter.new
    answers(['{"a":{"x":1}}', '{"a":"{"}', '{"a":1}'], {}, adapter)
    assert_equal([{ 'x' => 1 }, '{', 1], adapter.seen)
  end

  # Joined, each of these is a list of as many objects as there are lines.
  TORN = [
    ['{"a":1},{"a":2}', '{"a":[{}', '{}]}'],
    ['{"a":1},{"a":2}', '{"a":[3', '4]}'],
    ['{"a":1} /*', '*/ ,{"a":2}'],
    ['{"a":1', '"b":2}'],
    ['{"a":1}', ''],
    ['', '{"a":1},{"a":2}'],
  ].freeze

  def test_a_line_that_is_no_value_fails_alone
    TORN.each do |lines|
      [['{"a":0}', *lines, '{"a":9}'], ['{"a":0}', *lines], lines].each do |whole|
        apart = whole.map { |line| answers([line]) }
        assert_equal(apart.map { |got, _| got.first }, answers(whole).first)
        assert_equal(apart.each_index.reject { |at| apart[at].last.empty? }, answers(whole).last)
      end
    end
  end

  def test_lines_longer_than_what_is_parsed_at_once
    long = 'x' * (Snakepit::Block::TOGETHER + 1)
    lines = [1, long, 2, long, long, 3, 'é' * long.size, 'x' * (Snakepit::Block::TOGETHER - 8), 4].map { |one| { 'a' => one, 'b' => nil } }
    assert_equal([lines, []], answers(lines.map { |line| JSON.generate(line) }))
  end

  # Each amidst enough others of the usual kind.
  def test_a_line_that_is_unlike_the_others_is_answered_in_its_own_way
    usual = ['{"a":1,"b":2}'] * 70
    ['{"a":{"x":[1]}}', '{"a":"\\u00e9\\n"}', '{"a":123456789012345678901234567890}', '{}', '{"a":1,"a":2}', '{"b":1.5,"a":null}', '5', ' {"a":1} ',
     '{"a":"}"}', '{"a":[1,2]}', '{"c":1}', '{"a":1', '', '{"a":"raise"}', "{\"a\":\"\xff\"}"].each do |line|
      got, failed = answers([*usual, line, *usual])
      alone, alone_failed = answers([line])
      assert_equal([{ 'a' => 1, 'b' => 2 }], (got[0, 70] + got[71, 70]).uniq)
      assert_equal(alone.first.reject { |name| name == 'traceback' }, got[70].reject { |name| name == 'traceback' }, line)
      assert_equal([alone_failed.map { 70 }, 141], [failed, got.size])
    end
  end

  def test_lines_are_parsed_together
    parsed = 0
    count = ->(event) { parsed += 1 if event.method_id == :parse && event.defined_class.to_s.include?('Parser') }
    TracePoint.new(:c_call) { |event| count.call(event) }.enable { answers(['{"a":1}'] * 640) }
    assert_operator(parsed, :<=, 640 + 10) # 640 are of the test itself
  end

  def test_a_child_that_a_handler_forks_answers_nothing
    read, write = IO.pipe
    adapter = Adapter.new
    adapter.define_singleton_method(:take) do |a: nil, b: nil|
      write.puts(a)
      (child = fork) && Process.wait(child) if a == 35
      { a: a, b: b }
    end
    # It is no worker here, but a test: what it would do as one is to end.
    assert_equal(70, answers(Array.new(70) { |at| "{\"a\":#{at}}" }, {}, adapter).first.size)
    write.close
    assert_equal((0...70).map { |at| "#{at}\n" }, read.readlines)
  end

  def test_the_pace_follows_the_items
    now = 0
    Snakepit.stub(:now, -> { now }) do
      pace = Snakepit::Pace.new
      9.times { pace.look(pace.items) }
      assert_equal(Snakepit::Pace::LONGEST, pace.items)
      now = 1
      pace.look(pace.items)
      assert_equal(1, pace.items)
    end
  end

  def test_each_item_is_run_once_wherever_one_fails
    70.times do |position|
      adapter = Adapter.new
      lines = Array.new(70) { |at| at == position ? '{"a":"raise"}' : "{\"a\":#{at}}" }
      got, failed = answers(lines, {}, adapter)
      assert_equal(70, got.size)
      assert_equal([position], failed)
      assert_equal(70, adapter.seen.size)
    end
  end
end

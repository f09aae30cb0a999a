# frozen_string_literal: true

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__))
require 'minitest/autorun'
require 'snakepit'
require 'snakepit/runner'

# What is written quickly is what JSON::State#generate writes.
class KnownTest < Minitest::Test
  class Text < String
    def to_json(*) = '"own"'
  end

  class Named < Hash
    def to_json(*) = '{"own":1}'
  end

  def known(*values)
    Snakepit::Known.new.tap { |made| values.each { |value| 8.times { made.learn(value) } } }
  end

  def default
    Hash.new(5).tap { |made| made[:z] = 1 }
  end

  PARTS = [0, -1, 1 << 70, 1.5, 1e20, Float::NAN, Float::INFINITY, '', 'a b', '"', '\\', "\n", "\x00", "\x7f", 'é', "\xff", "a\xff".b, 'a'.b, 'ab'.encode('UTF-16LE'),
           '/', '#{a}', "\u2028", 'x' * 999, nil, true, false, :sym, [], [1], {}, { c: 1 }, Time.at(0), Text.new('t'), 2r].freeze

  def test_answers_that_look_alike
    made = known({ a: 1 }, { a: 1, b: 1 }, { b: 'x', a: nil })
    written = 0
    PARTS.product(PARTS) do |a, b|
      [{ a: a }, { a: a, b: b }, { b: b, a: a }, { 'a' => a }, { a: a, 'b' => b }, { b: b }, { a: a, b: b, c: 1 }, a, Named[a: a], default,
       { a: a }.compare_by_identity].each do |value|
        next unless (text = made.write(value))

        written += 1
        assert_equal("#{Snakepit::Answer.json(value, 'f')}\n", text)
      end
    end
    assert_operator(written, :>, 3 * 12 * 12)
  end

  def test_a_default_is_no_member
    value = Hash.new(7)
    value[:b] = 1
    assert_nil(known({ a: 1 }).write(value))
  end

  def test_what_is_unusual_gets_no_method
    [{}, { 'a' => 1 }, { a: [] }, { a: 1.5 }, { "a b": 1 }, { "a\#{1}": 1 }, [1], 1, nil, Named[a: 1]].each { |value| assert_nil(known(value).write(value)) }
  end

  def test_few_methods_are_made_and_each_only_when_some_answers_are_alike
    made = Snakepit::Known.new
    7.times { made.learn({ a: 1 }) }
    assert_nil(made.write({ a: 1 }))
    made.learn({ a: 1 })
    assert_equal("{\"a\":2}\n", made.write({ a: 2 }))
    99.times { |number| 8.times { made.learn({ "n#{number}": 1 }) } }
    assert_equal(3, (0...99).count { |number| made.write({ "n#{number}": 1 }) })
  end
end

# frozen_string_literal: true

require 'minitest/autorun'
require 'bigdecimal'
require 'date'
require 'set'
require 'snakepit/answer'

class FormsTest < Minitest::Test
  Forms = Snakepit::Forms
  Point = Struct.new(:x, :y)

  class Secretive
    def inspect = 'hunter2'
    alias to_s inspect
  end

  class Told
    def initialize(form) = @form = form
    def to_h = @form
  end

  class Raising
    def to_h = raise(IndexError, 'hunter2')
  end

  class Own
    def to_json(*) = '{"own":true}'
  end

  def json(value, **options) = Snakepit::Answer.json(value, 'c', **options)

  def circle
    value = { 'a' => [1, {}] }
    value['a'][1]['back'] = value
    value
  end

  FORMS = [
    [Point.new(1, [nil]), '{"x":1,"y":[null]}'],
    [Told.new({ k: Told.new({ x: 1 }) }), '{"k":{"x":1}}'],
    [[Set[1, 2], (1..3)], '[[1,2],[1,2,3]]'],
    [{ at: Time.utc(2024, 2, 3, 4, 5, 6), on: Date.new(2024, 2, 3) }, '{"at":"2024-02-03T04:05:06Z","on":"2024-02-03"}'],
    [BigDecimal('1.50'), '"0.15e1"'],
    [[Own.new, Told.new({ o: Own.new })], '[{"own":true},{"o":{"own":true}}]'],
    [IndexError.new('no'), '{"type":"IndexError","message":"no"}'],
    ['ü'.b, '"ü"'], [:s, '"s"'], ['ü'.encode('ISO-8859-1'), '"ü"']
  ].freeze

  def test_what_has_a_form
    FORMS.each { |value, text| assert_equal text, json([value])[1..-2] }
  end

  def test_what_has_none_is_named_with_its_place
    deep = 1000.times.reduce(0) { |inner, _| [inner] }
    [
      [{ scores: [1, Float::NAN] }, '$.scores[1] is NaN, which JSON cannot hold (`--nan null` makes it null)'],
      [[{ 'a b' => -Float::INFINITY }], '$[0]["a b"] is -Infinity, which'],
      [Told.new({ m: Secretive.new }), '$.m is of type FormsTest::Secretive, which has no JSON form'],
      [[Raising.new], '$[0] is of type FormsTest::Raising, whose to_h raised IndexError'],
      [circle, '$.a[1].back is $ again: the value contains itself'],
      [deep, 'is nested'],
      [{ t: "\xff" }, '$.t holds bytes that are not UTF-8'],
      [(1..), '$ is of type Range, whose to_a raised RangeError']
    ].each do |value, words|
      error = assert_raises(Snakepit::Refusal) { json([value]) }
      assert_includes error.message, words.sub('$', '$[0]').gsub(' $ again', ' $[0] again')
      refute_includes error.message, 'hunter2'
    end
  end

  def test_nan_is_null_when_that_is_wanted
    assert_equal '{"a":[null,null,1.5]}', json({ a: [Float::NAN, -Float::INFINITY, 1.5] }, nan_is_null: true)
  end

  def test_a_marker_carries_the_type_and_nothing_else
    ENV['SNAKEPIT_UNSERIALIZABLE'] = 'mark'
    assert_equal '[{"__unserializable__":"FormsTest::Secretive"}]', json([Secretive.new])
  ensure
    ENV.delete('SNAKEPIT_UNSERIALIZABLE')
  end
end

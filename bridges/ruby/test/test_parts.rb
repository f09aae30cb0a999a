# frozen_string_literal: true

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__))
require 'minitest/autorun'
require 'snakepit'
require 'snakepit/runner'

class PartsTest < Minitest::Test
  include Snakepit

  def written(value) = Answer.whole_json(value, 'test', nil, nan_is_null: false, parts: true)

  def test_arrays_and_bytes_are_what_they_were
    grid = NumericArray.new('float64', [2, 3], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].pack('E*'))
    value = { 'a' => [grid, NumericArray.of('int64', [-1])], 'b' => Binary.new("\x00\xff".b, 'image/png'), 'n' => 1 }
    assert_equal(value, Parts.received(written(value)))
    assert_equal([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], grid.to_a)
    assert_equal('{"a":[[1.0,2.0,3.0],[4.0,5.0,6.0]],"b":"AP8="}', Answer.json({ a: grid, b: value['b'] }, 'test'))
    assert_equal('{"n":1}', written({ n: 1 }))
    assert_equal([[1.0], [true]], [['float16', "\0\x3c"], ['bool', "\1"]].map { |type, data| NumericArray.new(type, [1], data).to_a })
  end

  def test_a_value_that_is_written_twice_has_its_parts_once
    assert_equal({ 'a' => Binary.new('x'), 't' => 'b' }, Parts.received(written({ a: Binary.new('x'), t: Struct.new(:to_h, :to_json).new('b').to_h })))
    odd = Object.new
    def odd.to_h = { inner: Snakepit::Binary.new('y') }
    assert_equal([Binary.new('x'), { 'inner' => Binary.new('y') }], Parts.received(written([Binary.new('x'), odd])))
  end

  def test_parts_that_do_not_fit_are_refused
    eight = ['x' * 8]
    {
      '{"$binary":1}' => 'names the part 1', '{"$binary":-1}' => 'names the part -1', '{"$binary":1.0}' => 'names the part',
      '{"$binary":0,"more":1}' => 'other keys', '{"$binary":0,"type":1}' => 'not a string',
      '{"$binary":0,"dtype":"int64","shape":[1.5]}' => 'whole numbers', '{"$binary":0,"dtype":"int64"}' => 'whole numbers',
      '{"$binary":0,"dtype":"int64","shape":[2]}' => 'does not fit the 8 bytes', '{"$binary":0,"dtype":"int","shape":[1]}' => 'must be one of',
    }.each do |text, words|
      error = assert_raises(Message::Malformed, text) { Parts.received(Message.pack(text, eight)) }
      assert_includes(error.message, words)
    end
    assert_raises(Message::Malformed) { Parts.received(Message.pack('[{"$binary":0},{"$binary":0}]', %w[a b])) }
    error = assert_raises(Refusal) { written({ '$binary' => 1, 'x' => Binary.new('a') }) }
    assert_equal(:invalid_result, error.kind)
    assert_raises(ArgumentError) { NumericArray.new('int8', [2], 'x') }
  end

  def test_any_change_of_a_message_is_an_error_of_one_kind_or_another_message
    whole = written({ a: NumericArray.of('int8', [1, 2]), b: Binary.new('abc') })
    whole.bytesize.times do |at|
      changed = whole.dup
      changed.setbyte(at, changed.getbyte(at) ^ 0x81)
      [whole.byteslice(0, at), changed].each do |data|
        Parts.received(data)
      rescue Message::Malformed, JSON::JSONError
        nil
      end
    end
  end
end

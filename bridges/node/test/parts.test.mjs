import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BinaryError, pack } from '../binary.mjs'
import { hasParts, received, sent } from '../parts.mjs'

const around = (value) => received(sent(value, JSON.stringify))

test('typed arrays and bytes are what they were', () => {
  const grid = Object.assign(new Float64Array([1, 2, 3, 4, 5, 6]), { shape: [2, 3] })
  const found = around({ a: [grid, new BigInt64Array([-1n])], b: Buffer.from([0, 255]), n: 1 })
  assert.deepEqual([...found.a[0]], [1, 2, 3, 4, 5, 6])
  assert.deepEqual([found.a[0].dtype, found.a[0].shape], ['float64', [2, 3]])
  assert.deepEqual([found.a[1].constructor, found.a[1][0]], [BigInt64Array, -1n])
  assert.deepEqual([Buffer.isBuffer(found.b), ...found.b], [true, 0, 255])
  assert.deepEqual(around(found).a[0].shape, [2, 3], 'and the second time')
  assert.equal(JSON.stringify({ a: found.a[0], b: found.b }), '{"a":[[1,2,3],[4,5,6]],"b":"AP8="}')
})

test('types that JavaScript has no array for keep their name', () => {
  const place = (dtype, bytes) => received(pack(`{"x":{"$binary":0,"dtype":"${dtype}","shape":[1]}}`, [new Uint8Array(bytes)])).x
  assert.equal(JSON.stringify(place('float16', [0, 0x3c])), '[1]')
  assert.equal(JSON.stringify(place('bool', [1])), '[true]')
  assert.deepEqual([around([place('complex64', 8)])[0].dtype, place('complex64', 8).length], ['complex64', 2])
  assert.throws(() => JSON.stringify(place('complex64', 8)), TypeError)
})

test('values without parts stay JSON, and those that contain themselves have none', () => {
  const circle = {}
  circle.a = [circle]
  assert.equal(hasParts(circle), false)
  assert.equal(sent({ a: [1] }, JSON.stringify), '{"a":[1]}')
})

test('what does not fit is refused', () => {
  const bytes = [new Uint8Array(8)]
  for (const [text, parts, what] of [
    ['{"$binary":1}', bytes, /names the part 1/],
    ['{"$binary":0,"more":1}', bytes, /other keys/],
    ['{"$binary":0,"type":1}', bytes, /not a string/],
    ['{"$binary":0,"dtype":"int128","shape":[1]}', bytes, /must be one of/],
    ['{"$binary":0,"dtype":"int64","shape":[1.5]}', bytes, /whole numbers/],
    ['{"$binary":0,"dtype":"int64","shape":[2]}', bytes, /does not fit the 8 bytes/],
    ['[{"$binary":0},{"$binary":0}]', [...bytes, ...bytes], /two places/],
  ]) {
    assert.throws(() => received(pack(text, parts)), (error) => error instanceof BinaryError && what.test(error.message))
  }
  assert.throws(() => sent({ $binary: 1, x: Buffer.from('a') }, JSON.stringify), /meaning of its own/)
})

test('any change of a message is an error of one kind, or another message', () => {
  const whole = sent({ a: new Float32Array(3), b: Buffer.from('abc') }, JSON.stringify)
  for (let at = 0; at < whole.length; at++) {
    for (const data of [whole.slice(0, at), Uint8Array.from(whole, (byte, index) => (index === at ? byte ^ 0x81 : byte))]) {
      try {
        received(data)
      } catch (error) {
        assert.ok(error instanceof BinaryError || error instanceof SyntaxError, error.stack)
      }
    }
  }
})

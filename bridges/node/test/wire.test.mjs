import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FromWorker, ToWorker } from '../messages.mjs'
import { Frames, decode, encode, frame } from '../wire.mjs'

test('what is encoded is decoded', () => {
  const message = {
    results: [{ id: 2 ** 40 + 1, value: Buffer.from('{"a":1}'), waitSeconds: 0.5, runSeconds: 0 }],
    chunks: [{ id: 7, lines: Buffer.from('1\n2\n'), count: 2, failed: [0, 1] }],
    pong: { nonce: 300 },
  }
  const found = decode(FromWorker, encode(FromWorker, message))
  assert.equal(found.results[0].id, 2 ** 40 + 1)
  assert.equal(found.results[0].value.toString(), '{"a":1}')
  assert.equal(found.results[0].waitSeconds, 0.5)
  assert.deepEqual(found.chunks[0].failed, [0, 1])
  assert.equal(found.pong.nonce, 300)
  assert.deepEqual(found.requests, [])
})

test('an empty message is there, an absent one is not', () => {
  assert.deepEqual(decode(ToWorker, encode(ToWorker, { drain: {} })).drain, {})
  assert.equal(decode(ToWorker, Buffer.alloc(0)).drain, undefined)
})

test('repeated numbers come packed or one by one', () => {
  assert.deepEqual(decode(ToWorker, Buffer.from([0x42, 2, 5, 6])).recalls, [5, 6])
  assert.deepEqual(decode(ToWorker, Buffer.from([0x40, 5, 0x40, 0x80, 1])).recalls, [5, 128])
})

test('unknown fields are passed over, a message that ends too soon is not', () => {
  assert.equal(decode(ToWorker, Buffer.from([0xfa, 1, 1, 9, 0x2a, 2, 8, 3])).ping.nonce, 3)
  assert.throws(() => decode(ToWorker, Buffer.from([0x2a, 9, 8])), RangeError)
})

test('frames are found whatever the pieces', () => {
  const stream = Buffer.concat([frame(Buffer.from('one')), frame(Buffer.alloc(0)), frame(Buffer.from('three'))])
  for (let size = 1; size < stream.length; size++) {
    const frames = new Frames()
    const found = []
    for (let at = 0; at < stream.length; at += size) {
      for (const message of frames.feed(stream.subarray(at, at + size))) found.push(message.toString())
    }
    assert.deepEqual(found, ['one', '', 'three'])
  }
})

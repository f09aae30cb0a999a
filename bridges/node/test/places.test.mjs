import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NoJsonForm, isOdd, writable } from '../places.mjs'

const circle = { a: [1, {}] }
circle.a[1].back = circle
let deep = 0
for (let level = 0; level < 1000; level++) deep = [deep]
const secret = { toJSON() { throw new RangeError('hunter2') } }

const REFUSED = [
  [{ scores: [1, NaN] }, '$.scores[1] is NaN, which JSON cannot hold (`--nan null` makes it null)'],
  [[{ 'a b': -Infinity }], '$[0]["a b"] is -Infinity, which'],
  [[null, () => 1], '$[1] is of type function, which has no JSON form'],
  [Symbol('s'), '$ is of type symbol, which'],
  [{ p: Promise.resolve(1) }, '$.p is of type Promise, which'],
  [circle, '$.a[1].back is $ again: the value contains itself'],
  [deep, '] is nested more than 900 levels deep'],
  [{ m: new Map([[{}, 1]]) }, '$.m has a key of type object; the keys of a JSON object are strings'],
  [{ s: secret }, '$.s is of type Object, whose toJSON() raised RangeError'],
]

test('what has no JSON form is named with its place', () => {
  for (const [value, words] of REFUSED) {
    assert.throws(() => writable(value, false), (error) => error instanceof NoJsonForm && error.message.includes(words), words)
  }
})

test('what JSON.stringify would lose is kept', () => {
  const value = { m: new Map([['k', new Set([1, null])]]), e: new TypeError('no'), d: new Date(0), f() {}, u: undefined, a: [undefined] }
  assert.deepEqual(JSON.parse(JSON.stringify(writable(value, false))), {
    m: { k: [1, null] }, e: { type: 'TypeError', message: 'no' }, d: '1970-01-01T00:00:00.000Z', a: [null],
  })
  const twice = { x: 1 }
  assert.deepEqual(writable([twice, twice], false), [{ x: 1 }, { x: 1 }])
})

test('NaN becomes null when the call asks for that', () => {
  assert.deepEqual(writable({ a: [NaN, Infinity], b: 1n }, true), { a: [null, null], b: 1n })
})

test('what may have lost something is found', () => {
  class Point { constructor(x) { this.x = x } }
  for (const value of [NaN, [Infinity], { a: [{ b: NaN }] }, new Map(), [new Set()], { e: new Error('x') }, Symbol('s'), [() => 1], new Point(NaN),
    { p: Promise.resolve() }, { b: Buffer.from('x') }, /x/]) assert(isOdd(value))
  for (const value of [1, 'x', null, undefined, 1n, { a: null, f() {} }, [undefined, null, {}], new Date(NaN), new Point(null), Object.create(null)]) {
    assert(!isOdd(value))
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Items } from '../items.mjs'
import { written } from '../places.mjs'
import { Known, readerFor, writerFor } from '../quick.mjs'
import { shapeOf } from '../tools.mjs'

const VALUES = ['1', '0', '-0', '-1', '00', '01', '-01', '-', '1.5', '-0.5', '0.1', '00.5', '1.', '.5', '-.5', '1.2.3', '1e3', '1.5E-3', '1e', '0.0', '-0.0',
  '123456789012345', '1234567890123456', '9007199254740993', '0.123456789012345', '0.1234567890123456', '99999999999999.9', '123456789.123456', 'true',
  'false', 'null', 'tru', 'nul', 'nothing', 'NaN', '""', '"a b"', '"é"', '"𝄞"', '"\\u00e9"', '"\\ud800"', '"\\n"', '"\t"', '"\u2028"', '"', '"\\"', '"}"', '",\\"b\\":1"',
  `"${'x'.repeat(12)}"`, `"${'x'.repeat(13)}"`, `"${'é'.repeat(99)}"`, '[]', '[1]', '{}', '{"a":1}', '', ' 1', '1 ']
const line = (a, b) => [`{"a":${a},"b":${b}}`, ` { "a" : ${a} ,\t"b": ${b} }\r`, `{"b":${b},"a":${a}}`, `{"\\u0061":${a},"b":${b}}`]
const parsed = (text) => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

test('what is read quickly is what JSON.parse reads', () => {
  const seeds = line('1', '1')
  const readers = seeds.map((text) => readerFor(text, JSON.parse(text)))
  let read = 0
  for (const a of VALUES) for (const b of VALUES) line(a, b).forEach((text, at) => {
    for (const behind of ['\n', '\n{"a":1,"b":2}\n', '}\n', ' \n']) {
      const known = new Known()
      for (let count = 0; count < 8; count++) known.learn(seeds[at], JSON.parse(seeds[at]))
      const found = known.read(text + behind, 0)
      if (found === undefined) continue
      read++
      const wanted = parsed((text + behind).slice(0, known.end))
      assert.deepEqual(found, wanted, text)
      assert.deepEqual(Object.keys(found), Object.keys(wanted))
      assert.equal((text + behind)[known.end], '\n')
    }
  })
  assert.ok(read > 4 * 2 * 23 ** 2, `only ${read} were read`)
  assert.ok(readers.every((one) => one !== null))
})

test('lines that are not flat, or that an object would read in another way, get no reader', () => {
  for (const text of ['{}', '{"a":[1]}', '{"a":{}}', '{"a":1,"a":2}', '{"__proto__":1}', `{"${'x'.repeat(2000)}":1}`]) {
    assert.equal(readerFor(text, JSON.parse(text)), null, text)
  }
  const text = '{"constructor":1,"2":2,"1":3,"b":4}'
  const known = new Known()
  for (let count = 0; count < 8; count++) known.learn(text, JSON.parse(text))
  assert.equal(JSON.stringify(known.read(`${text}\n`, 0)), JSON.stringify(JSON.parse(text)))
})

test('what is written quickly is what JSON.stringify writes', () => {
  class Own { a = 1 }
  const inherited = Object.create({ a: 1 })
  const parts = [0, -0, 1.5, 1e21, 1e-7, 5e-324, NaN, Infinity, '', 'a b', '"\\', '\n\x00', 'é𝄞', '\ud800', '\u2028', 'x'.repeat(99), 'null', true, false, null,
    undefined, 1n, () => 1, Symbol('s'), [], [1], {}, { a: 1 }, new Date(0), new Map(), new Own(), inherited, Object.create(null)]
  const shapes = (a, b) => [{ a, b }, { b, a }, { a }, { a, b, c: 1 }, { '': a }, { 'é"\\\n': a, b }, a, [a, b], Object.assign(Object.create({ a }), { b }),
    { a, toJSON: () => b }, Object.assign(new Own(), { a, b })]
  const known = new Known()
  for (const value of [{ a: 1, b: 2 }, { a: 1 }, { '': 1 }, { 'é"\\\n': 1, b: 1 }]) for (let count = 0; count < 8; count++) known.learnAnswer(value)
  let quick = 0
  for (const a of parts) for (const b of parts) for (const value of shapes(a, b)) {
    const text = known.write(value)
    if (text === undefined) continue
    quick++
    assert.equal(text, written(value))
  }
  assert.ok(quick > 3 * 15 ** 2, `only ${quick} were written`)
})

test('what JSON.stringify treats in its own way gets no writer', () => {
  for (const value of [null, [], {}, { a: [] }, { a: NaN }, new Date(), Object.create(null), { a: undefined }]) assert.equal(writerFor(value), null)
  const writer = writerFor({ a: 1 })
  Object.prototype.toJSON = () => 'all'
  try {
    assert.equal(writer({ a: 1 }), undefined)
  } finally {
    delete Object.prototype.toJSON
  }
})

test('few functions are made, and each only when some lines in a row are alike', () => {
  const known = new Known()
  for (let count = 0; count < 7; count++) known.learn('{"a":1}', { a: 1 })
  assert.equal(known.read('{"a":2}\n', 0), undefined)
  known.learn('{"a":1}', { a: 1 })
  assert.deepEqual(known.read('{"a":2}\n', 0), { a: 2 })
  for (let count = 0; count < 99; count++) known.learn(`{"n${count}":1}`, { [`n${count}`]: 1 })
  assert.equal([...Array(99).keys()].filter((count) => known.read(`{"n${count}":1}\n`, 0) !== undefined).length, 3)
})

test('a long text is no part of the block', () => {
  const known = new Known()
  for (let count = 0; count < 8; count++) known.learn('{"a":1}', { a: 1 })
  const parse = JSON.parse
  const seen = []
  JSON.parse = (text) => { seen.push(text); return parse(text) }
  try {
    known.read('{"a":"of twelve c."}\n', 0)
    known.read('{"a":"of more than twelve"}\n', 0)
  } finally {
    JSON.parse = parse
  }
  assert.deepEqual(seen, ['"of more than twelve"'])
})

function answers(lines, options = {}, fixed = {}) {
  const known = new Known()
  const shape = shapeOf({ parameters: [{ name: 'a', required: true }, { name: 'b', required: false }], open: options.open ?? false })
  const items = new Items({ lines, text: false, itemArgument: '', ...options }, fixed, 'f', shape, known)
  const all = []
  while (items.left) {
    try {
      all.push(items.take())
    } catch (error) {
      all.push(error.message)
    }
  }
  return all
}

test('each item of a block is read in its own way', () => {
  const usual = Array(20).fill('{"a":1,"b":2}')
  for (const [text, wanted] of [
    ['{"a":1,"b":{"c":[1]}}', { a: 1, b: { c: [1] } }], ['{"a":"\\u00e9\\n","b":2}', { a: 'é\n', b: 2 }], ['{"b":1,"a":2}', { a: 2, b: 1 }],
    ['{"a":9007199254740993,"b":1}', { a: 9007199254740993n, b: 1 }], ['{"a":1,"a":3}', { a: 3 }], ['{"a":1}', { a: 1 }], [' {"a":1,"b":2} ', { a: 1, b: 2 }],
    ['{"b":1}', '`f`: missing argument `a`'], ['{}', '`f`: missing argument `a`'], ['{"a":1,"b":2,"c":3}', '`f`: unknown argument `c`; it takes `a`, `b`'],
    ['5', '`f`: missing argument `a`'],
  ]) {
    const found = answers([...usual, text, ...usual, ''].join('\n'))
    assert.deepEqual(found[20], wanted, text)
    assert.deepEqual([...found.slice(0, 20), ...found.slice(21)], Array(40).fill({ a: 1, b: 2 }), text)
  }
  for (const text of ['{"a":1,"b":2', '{"a":1,"b":2}}', '{"a":1,"b":2},{"a":1,"b":2}', '{"a":1,"b":}', '{"a":1 "b":2}', '']) {
    const found = answers([...usual, text, ...usual, ''].join('\n'))
    assert.equal(found.length, 41)
    assert.match(found[20], /^the line is not valid JSON: /, text)
    assert.deepEqual(found[21], { a: 1, b: 2 })
  }
})

test('a command that takes whatever comes, fixed arguments, text, and lines that are not UTF-8', () => {
  const usual = Array(20).fill('{"a":1,"b":2}')
  const lines = [...usual, '7', '[1]', 'null', ''].join('\n')
  assert.deepEqual(answers(lines, { open: true }).slice(20), ['`f`: missing argument `a`', '`f`: missing argument `a`', '`f`: missing argument `a`'])
  assert.deepEqual(answers(lines, { itemArgument: 'a' }, { b: 3 }).slice(19), [{ a: 1, b: 2 }, { a: 7, b: 3 }, { a: [1], b: 3 }, { a: null, b: 3 }])
  assert.deepEqual(answers('{"a":1}\n\n', { text: true, itemArgument: 'a' }), [{ a: '{"a":1}' }, { a: '' }])
  assert.deepEqual(answers([...usual, null, '{"a":1,"b":2}', '']).slice(19), [{ a: 1, b: 2 }, 'the line is not UTF-8', { a: 1, b: 2 }])
  assert.deepEqual(answers(''), [])
})

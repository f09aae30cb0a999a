import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commands } from '../builtin.mjs'
import { parametersOf } from '../parameters.mjs'

const compute = (operation, a, b) => commands.compute({ operation, a, b }).result

test('compute', () => {
  for (const [operation, a, b, result] of [
    ['multiply', 7, 6, 42], ['add', 1, 2.5, 3.5], ['subtract', 1, 2, -1], ['divide', 1, 4, 0.25], ['power', 2, 100, 2n ** 100n],
    ['power', 2, -1, 0.5], ['power', -1, 1e6, 1], ['sqrt', 16, undefined, 4], ['add', 2 ** 53 - 1, 2, 9007199254740993n], ['power', 4, 0.5, 2],
  ]) assert.deepEqual(compute(operation, a, b), result, `${operation} ${a} ${b}`)
})

test('what cannot be computed is named', () => {
  for (const [operation, a, b, words, kind] of [
    ['multiplyy', 1, 2, /unknown operation `multiplyy`; known are add/, RangeError], ['add', '1', 2, /a must be a number, not "1"/, TypeError],
    ['add', 1, null, /needs two numbers: b is missing/, RangeError], ['add', 1, true, /b must be a number, not true/, TypeError],
    ['divide', 1, 0, /division by zero/, RangeError], ['sqrt', -1, null, /no real square root/, RangeError], ['sqrt', 1, 2, /leave out b/, RangeError],
    ['power', 10, 1e6, /too large/, RangeError], ['power', 1e300, 2.5, /too large/, RangeError], ['power', -8, 0.5, /no real power/, RangeError],
    ['power', 0, -1, /zero has no negative power/, RangeError], ['toString', 1, 2, /unknown operation/, RangeError],
  ]) assert.throws(() => compute(operation, a, b), (error) => error instanceof kind && words.test(error.message), `${operation} ${a} ${b}`)
})

test('random numbers', () => {
  const many = (args) => Array.from({ length: 2000 }, () => commands.random(args).value)
  assert(many({}).every((one) => one >= 0 && one < 1))
  assert(many({ min: -2, max: 3 }).every((one) => one >= -2 && one < 3))
  assert.deepEqual([...new Set(many({ type: 'integer', min: 1, max: 3 }))].sort(), [1, 2, 3])
  assert(many({ type: 'integer' }).every((one) => Number.isInteger(one) && one >= 0 && one <= 100))
  assert.deepEqual(many({ type: 'normal', mean: 5, std: 0 }).filter((one) => one !== 5), [])
  // The mean of 2000 is within 0.5 of 10 but once in 10 ** 100 times.
  assert(Math.abs(many({ type: 'normal', mean: 10, std: 1 }).reduce((sum, one) => sum + one) / 2000 - 10) < 0.5)
})

test('random refuses', () => {
  for (const [args, words] of [
    [{ type: 'even' }, /type must be uniform, integer or normal, not "even"/], [{ min: 'a' }, /min must be a number, not "a"/],
    [{ min: 2, max: 1 }, /min is 2, which is above max, 1/], [{ type: 'normal', std: -1 }, /std must be at least 0, not -1/],
    [{ type: 'integer', min: 0.5 }, /min of an integer must be a whole number, not 0.5/], [{ type: 'normal', mean: null }, /mean must be a number/],
  ]) assert.throws(() => commands.random(args), words)
})

test('every command says what it takes', () => {
  const names = (command) => parametersOf(commands[command]).parameters.map((one) => one.name)
  assert.deepEqual(names('random'), ['type', 'min', 'max', 'mean', 'std'])
  assert.deepEqual(names('compute'), ['operation', 'a', 'b'])
  assert(Object.values(commands).every((one) => one.summary))
})

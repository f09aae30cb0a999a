import assert from 'node:assert/strict'
import test from 'node:test'
import { parametersOf } from '../parameters.mjs'

const DEFAULT = 5
const shown = (handler) => {
  const { parameters, open } = parametersOf(handler)
  return parameters.map(({ name, required, defaultJson }) => name + (required ? '' : `=${defaultJson}`)).join(' ') + (open ? ' …' : '')
}

for (const [handler, wanted] of [
  [{ f({ xs, sep = ', ' }) { return [xs, sep] } }.f, 'xs sep=", "'],
  [{ f({ row, columns = ['a', 'b'] }) { return [row, columns] } }.f, 'row columns=["a","b"]'],
  [{ f({ options = {}, name }) { return [options, name] } }.f, 'options={} name'],
  [{ f({ at: { x, y } }) { return [x, y] } }.f, 'at'],
  [{ f({ at: { x } = { x: 1 }, b }) { return [x, b] } }.f, 'at= b'],
  [{ f({ at: [x, ...more], b: c = 2 }) { return [x, more, c] } }.f, 'at b=2'],
  [{ f({ a /* the first, mandatory :) */, b = 2 }) { return [a, b] } }.f, 'a b=2'],
  [{ f({ a, // } the end
    b = ')' }) { return [a, b] } }.f, 'a b=")"'],
  [{ f(/* all */ { a }) { return a } }.f, 'a'],
  [{ async *f({ a, ...rest }, ctx) { yield [a, rest, ctx] } }.f, 'a …'],
  [({ a, b = DEFAULT, c = Math.random(), d = -1, e = `x`, g = /\)/ }) => [a, b, c, d, e, g], 'a b= c= d=-1 e="x" g={}'],
  [({ a } = {}) => a, 'a'],
  [({ a } = null, { b }) => [a, b], 'a'],
  [async ({ 'a-b': c, if: d = null }) => [c, d], 'a-b if=null'],
  [function named({ a }) { return a }, 'a'],
  [({}) => 1, ''],
  [(args) => args, ' …'],
  [args => [args, (({ b }) => b)(args)], ' …'],
  [() => (({ b }) => b)({ b: 1 }), ' …'],
  [function (...all) { return all }, ' …'],
  [Math.max, ' …'],
  [function ({ a }) { return a }.bind(null), ' …'],
]) {
  test(`parameters of ${handler}`, () => assert.equal(shown(handler), wanted))
}

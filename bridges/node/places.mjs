// What JSON.stringify leaves out without a word or cannot write: found with its place, or made something that it can.

import { write } from './json.mjs'

const DEEPEST = 900
const LONGEST = 200 // characters of a path
const MARK = '__unserializable__'
const FORMLESS = [Promise, RegExp, WeakMap, WeakSet, WeakRef, ArrayBuffer, DataView]
const SPECIAL = [...FORMLESS, Map, Set, Error]
const marking = process.env.SNAKEPIT_UNSERIALIZABLE === 'mark'

/** Says what is wrong with a value: `$.scores[3] is NaN, …`. */
export class NoJsonForm extends Error {}

/** Whether JSON.stringify, which has written the value, may have lost something of it. */
export function isOdd(value) {
  switch (typeof value) {
    case 'number': return !Number.isFinite(value)
    case 'object': return value !== null && (Array.isArray(value) ? value.some(isOdd) : isOddObject(value))
    case 'function': case 'symbol': return true
    default: return false
  }
}

function isOddObject(value) {
  const kind = Object.getPrototypeOf(value)
  if (kind !== Object.prototype && kind !== null && !(value instanceof Date)) {
    if (typeof value.toJSON === 'function' || SPECIAL.some((one) => value instanceof one)) return true
  }
  for (const key in value) {
    const one = value[key]
    if (typeof one !== 'function' && typeof one !== 'symbol' && isOdd(one)) return true
  }
  return false
}

/**
 * A value that JSON.stringify writes in full. Members of objects that are undefined or functions are left out, as it does.
 * Throws NoJsonForm.
 */
export function writable(value, nanIsNull) {
  return form(value, [], [], nanIsNull)
}

/** JSON.stringify writes NaN and functions as null, and maps, sets and errors as {}: then the slow way looks at each part. */
export function written(value, nanIsNull = false) {
  let text
  try {
    text = write(value)
  } catch {
    return write(writable(value, nanIsNull))
  }
  const may = text === undefined || text.includes('null') || text.includes('{}')
  return may && isOdd(value) ? write(writable(value, nanIsNull)) : text
}

function form(value, keys, around, nanIsNull) {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    if (nanIsNull) return null
    throw new NoJsonForm(`${path(keys)} is ${value}, which JSON cannot hold (\`--nan null\` makes it null)`)
  }
  if (typeof value === 'function' || typeof value === 'symbol' || FORMLESS.some((one) => value instanceof one)) {
    const name = typeof value === 'object' ? value.constructor.name : typeof value
    if (marking) return { [MARK]: name }
    throw new NoJsonForm(`${path(keys)} is of type ${name}, which has no JSON form`)
  }
  if (value === null || typeof value !== 'object') return value
  const at = around.indexOf(value)
  if (at >= 0) throw new NoJsonForm(`${path(keys)} is ${path(keys.slice(0, at))} again: the value contains itself`)
  if (around.length >= DEEPEST) throw new NoJsonForm(`${path(keys)} is nested more than ${DEEPEST} levels deep`)
  around.push(value)
  const made = container(value, keys, around, nanIsNull)
  around.pop()
  return made
}

function container(value, keys, around, nanIsNull) {
  if (value instanceof Error) return { type: value.name, message: value.message }
  if (typeof value.toJSON === 'function') return converted(value, keys, nanIsNull)
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return value
  const inner = (one, key) => {
    keys.push(key)
    const made = one === undefined ? null : form(one, keys, around, nanIsNull)
    keys.pop()
    return made
  }
  if (Array.isArray(value) || value instanceof Set) return Array.from(value, inner)
  const entries = value instanceof Map ? Array.from(value, ([key, one]) => [named(key, keys), one]) : Object.entries(value)
  const kept = entries.filter(([, one]) => one !== undefined && typeof one !== 'function' && typeof one !== 'symbol')
  return Object.fromEntries(kept.map(([key, one]) => [key, inner(one, key)]))
}

function converted(value, keys, nanIsNull) {
  let made
  try {
    made = value.toJSON(String(keys.at(-1) ?? ''))
  } catch (error) {
    throw new NoJsonForm(`${path(keys)} is of type ${value.constructor?.name}, whose toJSON() raised ${error?.name ?? typeof error}`)
  }
  return made === undefined ? null : form(made, keys, [value], nanIsNull)
}

function named(key, keys) {
  if (['string', 'number', 'bigint', 'boolean'].includes(typeof key)) return String(key)
  throw new NoJsonForm(`${path(keys)} has a key of type ${typeof key}; the keys of a JSON object are strings`)
}

function path(keys) {
  const step = (key) => (typeof key === 'number' ? `[${key}]` : /^[\p{L}_]\w*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`)
  const text = `$${keys.map(step).join('')}`
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST / 2)}…${text.slice(-LONGEST / 2)}`
}

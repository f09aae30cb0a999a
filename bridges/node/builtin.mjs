// The adapter `node`, something to try a pool of Node.js workers with: ping, echo, compute, random, info.
import os from 'node:os'
import process from 'node:process'

const LARGEST_BITS = 64 * 1024 // of a power
const KINDS = ['uniform', 'integer', 'normal']

export const commands = {
  ping({ message = null }) {
    const answer = { status: 'pong', timestamp: Date.now() / 1000 }
    return message === null ? answer : { ...answer, message }
  },

  echo(args) {
    return args
  },

  compute({ operation, a, b = null }) {
    const known = [...Object.keys(TWO), 'sqrt']
    if (!known.includes(operation)) throw new RangeError(`unknown operation \`${operation}\`; known are ${known.join(', ')}`)
    number('a', a)
    if (operation === 'sqrt') {
      if (b !== null) throw new RangeError('sqrt takes one number: leave out b')
      if (a < 0) throw new RangeError(`${a} is negative: it has no real square root`)
      return { result: Math.sqrt(Number(a)) }
    }
    if (b === null) throw new RangeError(`${operation} needs two numbers: b is missing`)
    number('b', b)
    return { result: finite(TWO[operation](a, b), operation) }
  },

  random({ type = 'uniform', min = 0, max = type === 'integer' ? 100 : 1, mean = 0, std = 1 }) {
    if (!KINDS.includes(type)) throw new RangeError(`type must be ${KINDS.slice(0, -1).join(', ')} or ${KINDS.at(-1)}, not ${shown(type)}`)
    for (const [name, value] of Object.entries({ min, max, mean, std })) number(name, value)
    ;[min, max, mean, std] = [min, max, mean, std].map(Number)
    if (type === 'normal') {
      if (std < 0) throw new RangeError(`std must be at least 0, not ${std}`)
      return { type, value: finite(mean + std * normal(), 'random') }
    }
    if (min > max) throw new RangeError(`min is ${min}, which is above max, ${max}`)
    if (type === 'uniform') return { type, value: finite(min + Math.random() * (max - min), 'random') }
    for (const [name, value] of Object.entries({ min, max })) {
      if (!Number.isSafeInteger(value)) throw new TypeError(`${name} of an integer must be a whole number, not ${value}`)
    }
    return { type, value: min + Math.floor(Math.random() * (max - min + 1)) }
  },

  info() {
    return {
      adapter: 'node', language: 'node', node: process.versions.node, v8: process.versions.v8,
      platform: `${os.type()}-${os.release()}-${os.arch()}`, pid: process.pid,
      uptime_seconds: Math.round(process.uptime() * 1000) / 1000, commands: Object.keys(commands).sort(),
    }
  },
}

const SUMMARIES = {
  ping: 'Answers at once; a message is sent back.',
  echo: 'Sends its arguments back, unchanged.',
  compute: 'Calculates: add, subtract, multiply, divide, power, sqrt.',
  random: 'A random number: uniform or integer from min to max, or normal with mean and std.',
  info: 'Says which worker answers: Node.js, process, platform, commands.',
}
for (const [name, summary] of Object.entries(SUMMARIES)) commands[name].summary = summary

const TWO = {
  add: (a, b) => exact(a, b, (x, y) => x + y),
  subtract: (a, b) => exact(a, b, (x, y) => x - y),
  multiply: (a, b) => exact(a, b, (x, y) => x * y),
  divide(a, b) {
    if (Number(b) === 0) throw new RangeError('division by zero')
    return Number(a) / Number(b)
  },
  power(a, b) {
    if (Number(a) === 0 && b < 0) throw new RangeError('zero has no negative power')
    if (a < 0 && !whole(b)) throw new RangeError(`${a} is negative: it has no real power of ${b}`)
    if (!whole(a) || !whole(b) || b < 0) return Number(a) ** Number(b)
    const bits = BigInt(a).toString(2).length * Number(b)
    if (bits > LARGEST_BITS && BigInt(a) * BigInt(a) > 1n) throw new RangeError('the result of power is too large')
    return exact(a, b, (x, y) => x ** y)
  },
}

/** With whole numbers no digit is lost. */
function exact(a, b, operation) {
  if (!whole(a) || !whole(b)) return operation(Number(a), Number(b))
  const result = operation(BigInt(a), BigInt(b))
  return Number.isSafeInteger(Number(result)) ? Number(result) : result
}

function whole(value) {
  return typeof value === 'bigint' || Number.isSafeInteger(value)
}

function number(name, value) {
  if (typeof value !== 'number' && typeof value !== 'bigint') throw new TypeError(`${name} must be a number, not ${shown(value)}`)
}

function finite(value, operation) {
  if (typeof value === 'bigint' || Number.isFinite(value)) return value
  throw new RangeError(`the result of ${operation} is too large`)
}

function shown(value) {
  const text = JSON.stringify(value) ?? String(value)
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`
}

/** Box and Muller: mean 0, standard deviation 1. */
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
}

// The adapter's thread: loads it, runs its commands, up to `capacity` at a time, and says what they answer.

import path from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'
import { Refusal, checked, isChunks } from './arguments.mjs'
import { BinaryError } from './binary.mjs'
import { CallFailedError } from './errors.mjs'
import { Items } from './items.mjs'
import { read } from './json.mjs'
import { Kind } from './messages.mjs'
import { hasParts, received, sent } from './parts.mjs'
import { written } from './places.mjs'
import { Known } from './quick.mjs'
import { Requests } from './requests.mjs'
import { Run } from './run.mjs'
import { Tools, shapeOf, specOf } from './tools.mjs'
import { syntaxError, trace } from './traces.mjs'

const LINE = Buffer.from('\n')
const MOMENT = 1 // milliseconds after which answers of a block leave
const KIND_NAMES = Object.fromEntries(Object.entries(Kind).map(([name, number]) => [number, name.toLowerCase()]))
const QUICK = 0.1 // milliseconds for the items between two looks at the clock
const MOST_SKIPPED = 31
const OVERHEAD = 64
const HASTY = 1 // seconds: where an item may take less, each answer counts as a sign of life, and none is kept back

let commands = {}
const shapes = new Map() // name → { required, known, open }
let capacity = 1
let module = {}
const waiting = []
const running = new Map() // id → Run
const bridge = {
  say: (message) => parentPort.postMessage(message),
  requests: new Requests(),
  tools: new Tools((change) => parentPort.postMessage(change)),
}

// ------------------------------------------------------------------------------------------------- loading

async function load() {
  const adapter = path.resolve(workerData.cwd ?? '.', workerData.adapter)
  try {
    module = await import(pathToFileURL(adapter))
  } catch (error) {
    const missing = error.code === 'ERR_MODULE_NOT_FOUND' && String(error.message).includes(workerData.adapter)
    const found = error instanceof SyntaxError ? syntaxError(adapter) : null
    return broken(missing ? Kind.ADAPTER_NOT_FOUND : Kind.ADAPTER_FAILED, error, found)
  }
  commands = module.commands ?? module.default?.commands
  if (commands === null || typeof commands !== 'object') {
    return broken(Kind.ADAPTER_NOT_FOUND, new TypeError(`${workerData.adapter} exports no \`commands\``))
  }
  const wanted = Number(process.env.SNAKEPIT_CAPACITY) || module.capacity
  capacity = Number.isInteger(wanted) && wanted > 0 ? wanted : 1
  try {
    await module.initialize?.()
  } catch (error) {
    return broken(Kind.ADAPTER_FAILED, error)
  }
  const specs = Object.entries(commands).filter(([, handler]) => typeof handler === 'function').map(spec)
  for (const one of specs) shapes.set(one.name, shapeOf(one))
  parentPort.postMessage({ ready: { commands: specs, capacity } })
}

function broken(kind, error, place = null) {
  const message = place === null ? error.message : `${place.where}: ${error.message}`
  parentPort.postMessage({ broken: { kind, type: error.name, message, traceback: place?.text ?? trace(error) } })
}

/** Names of a first parameter that is taken apart are its arguments: async compute({a, b = 1}) {…} */
function spec([name, handler]) {
  return { summary: handler.summary ?? '', ...specOf(name, handler) }
}

// ------------------------------------------------------------------------------------------------- calls

async function serve(run) {
  const { call } = run
  running.set(call.id, run)
  run.began = performance.now()
  parentPort.postMessage({ began: call.id })
  try {
    if (run.cancelled) throw run.abort.signal.reason
    const found = find(call)
    if (call.args === null) throw new Refusal(Kind.INVALID_ARGUMENTS, 'the arguments are not UTF-8')
    const args = parse(call.args || '{}')
    const value = call.block ? await block(run, found, args) : await one(run, found, args)
    run.settle({ value })
  } catch (error) {
    run.settle({ failure: run.cancelled ? { kind: Kind.CANCELLED, message: 'the caller gave up' } : failure(error) })
  } finally {
    running.delete(call.id)
    next()
  }
}

function next() {
  while (waiting.length && running.size < capacity) serve(waiting.shift())
}

/** What runs it: { handler, shape, self }. */
function find({ command: name, tool, session }) {
  if (tool) {
    const offered = bridge.tools.get(session, name)
    if (offered) return offered
    throw new Refusal(Kind.COMMAND_NOT_FOUND, `the tool \`${name}\` is not offered any more`)
  }
  const handler = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (typeof handler === 'function') return { handler, shape: shapes.get(name), self: commands }
  const known = Object.keys(commands).sort().join(', ')
  throw new Refusal(Kind.COMMAND_NOT_FOUND, `no command \`${name}\`; this adapter has ${known || 'no commands'}`)
}

function parse(text) {
  let value
  try {
    value = typeof text === 'string' ? read(text) : received(text)
  } catch (error) {
    if (error instanceof BinaryError) throw new Refusal(Kind.INVALID_ARGUMENTS, error.message)
    throw new Refusal(Kind.INVALID_ARGUMENTS, `not valid JSON: ${error.message}`)
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value) || ArrayBuffer.isView(value)) {
    throw new Refusal(Kind.INVALID_ARGUMENTS, 'the arguments must be a JSON object')
  }
  return value
}

/** The JSON of the answer. A streaming call sends its chunks before it. */
async function one(run, { handler, shape, self }, args) {
  const value = await handler.call(self, checked(args, run.call.command, shape), run.context())
  const chunks = isChunks(value)
  const stream = run.call.stream && !run.call.block
  if (!chunks && run.call.takesParts && hasParts(value)) {
    const message = packed(value, run.call)
    if (!stream) return message
    await run.waitForRoom()
    alone(run, message)
    return 'null'
  }
  if (!chunks) {
    const text = encoded(value, run.call.command, run.call.limit, run.call.nanIsNull)
    if (!stream) return text
    await run.waitForRoom()
    run.say({ chunks: [{ id: run.call.id, lines: `${text}\n`, count: 1 }] })
    return 'null'
  }
  if (stream) return streamed(run, value)
  const parts = []
  for await (const chunk of value) {
    if (run.cancelled) throw run.abort.signal.reason
    parts.push(encoded(chunk, run.call.command, Infinity, run.call.nanIsNull))
  }
  return `[${parts.join(',')}]`
}

/** Sends a chunk with parts. */
function alone(run, message) {
  run.say({ chunks: [{ id: run.call.id, lines: Buffer.concat([message, LINE]), count: 1 }] })
}

/** The first chunk leaves at once, those that follow within a moment together. */
async function streamed(run, value) {
  let lines = []
  let size = 0
  let due = 0
  const flush = () => {
    if (lines.length) run.say({ chunks: [{ id: run.call.id, lines: `${lines.join('\n')}\n`, count: lines.length }] })
    lines = []
    size = 0
    due = performance.now() + MOMENT
  }
  try {
    for await (const chunk of value) {
      if (run.cancelled) throw run.abort.signal.reason
      if (run.call.takesParts && hasParts(chunk)) {
        const message = packed(chunk, run.call)
        flush()
        alone(run, message)
        run.room -= message.length + 1
      } else {
        const text = encoded(chunk, run.call.command, run.call.limit, run.call.nanIsNull)
        lines.push(text)
        size += Buffer.byteLength(text) + 1
        run.room -= Buffer.byteLength(text) + 1
      }
      if (run.room <= 0) {
        flush()
        await run.waitForRoom()
      } else if (performance.now() >= due || size > 1 << 19) {
        flush()
        // A turn of the loop: so that a cancel can be heard between two chunks that never wait.
        await new Promise(setImmediate)
      }
    }
  } finally {
    if (!run.cancelled) flush()
  }
  return 'null'
}

/** Bulk: the items one after another. What has been answered leaves before an item that begins a moment later. */
async function block(run, { handler, shape, self }, fixed) {
  const { block: items, id, command, limit, timeoutSeconds, nanIsNull } = run.call
  let text = '' // of answers that have not left
  let count = 0
  let failed = []
  let due = performance.now() + MOMENT
  const patient = !items.careful && !(timeoutSeconds > 0 && timeoutSeconds < HASTY)
  const flush = () => {
    const keep = patient && failed.length === 0 && run.room > 0
    if (count) run.say({ chunks: [{ block: { id, lines: text, count, failed, keep } }] })
    text = ''
    count = 0
    failed = []
    due = performance.now() + MOMENT
  }
  const known = shape.learned ??= new Known()
  const given = new Items(items, fixed, command, shape, known)
  const context = handler.length === 1 ? undefined : run.context()
  const clock = new Clock()
  while (given.left) {
    if (items.careful || clock.now() >= due) {
      flush()
      // A turn of the loop: so that a cancel can be heard between two items that never wait.
      await new Promise(setImmediate)
      if (run.room <= 0) await run.waitForRoom()
    }
    if (run.cancelled) throw run.abort.signal.reason
    let answer
    try {
      let value = handler.call(self, given.take(), context)
      answer = known.write(value)
      if (answer === undefined) {
        if (value !== null && typeof value === 'object' && typeof value.then === 'function') value = await value
        if (value !== null && typeof value === 'object' && typeof value.next === 'function') value = await collected(value)
        answer = encoded(value, command, limit, nanIsNull)
        known.learnAnswer(value)
      } else within(answer, command, limit)
    } catch (error) {
      if (run.cancelled) throw error
      failed.push(count)
      const { kind, ...facts } = failure(error)
      answer = JSON.stringify({ kind: KIND_NAMES[kind], ...facts })
    }
    text += answer + '\n'
    count++
    run.room -= answer.length + 1
  }
  flush()
  return 'null'
}

/** Looks at the clock seldom where items are quick. */
class Clock {
  #left = 0 // items before it looks again
  #skipped = 0
  #last = performance.now()

  now() {
    if (this.#left > 0) {
      this.#left--
      return this.#last
    }
    const now = performance.now()
    this.#skipped = now - this.#last < QUICK ? Math.min(2 * this.#skipped + 1, MOST_SKIPPED) : 0
    this.#left = this.#skipped
    this.#last = now
    return now
  }
}

async function collected(chunks) {
  const all = []
  for await (const chunk of chunks) all.push(chunk)
  return all
}

function encoded(value, command, limit = Infinity, nanIsNull = false) {
  let text
  try {
    text = written(value === undefined ? null : value, nanIsNull)
  } catch (error) {
    throw new Refusal(Kind.INVALID_RESULT, `\`${command}\` returned no JSON: ${error.message}`)
  }
  return within(text, command, limit)
}

function within(text, command, limit) {
  if (text.length * 3 + OVERHEAD > limit && Buffer.byteLength(text) + OVERHEAD > limit) {
    throw tooLarge(command, Buffer.byteLength(text), limit)
  }
  return text
}

/** A message with parts. */
function packed(value, { command, limit, nanIsNull }) {
  let message
  try {
    message = sent(value, (one) => written(one, nanIsNull))
  } catch (error) {
    throw new Refusal(Kind.INVALID_RESULT, `\`${command}\` returned no JSON: ${error.message}`)
  }
  if (message.length + OVERHEAD > limit) throw tooLarge(command, message.length, limit)
  return message
}

function tooLarge(command, size, limit) {
  return new Refusal(Kind.INVALID_RESULT, `\`${command}\` returned ${size} bytes; at most ${limit - OVERHEAD} fit into a message`)
}

function failure(error) {
  if (error instanceof Refusal) return error.failure
  if (error instanceof Error) {
    return { kind: Kind.COMMAND_FAILED, type: error.name, message: error.message, traceback: trace(error) }
  }
  return { kind: Kind.COMMAND_FAILED, type: typeof error, message: String(error) }
}

// ------------------------------------------------------------------------------------------ what comes in

parentPort.on('message', (message) => {
  if (message.call) {
    waiting.push(new Run(message.call, bridge))
    next()
  } else if (message.cancel !== undefined) cancel(message.cancel, message.forget)
  else if (message.recall !== undefined) giveBack(message.recall)
  else if (message.credit) running.get(message.credit.id)?.grant(message.credit.bytes)
  else if (message.reply) bridge.requests.replied(message.reply)
  else if (message.part) bridge.requests.part(message.part)
  else if (message.lost) bridge.requests.lost()
  else if (message.endedSession !== undefined) sessionEnded(message.endedSession)
  else if (message.end) finish()
})

function cancel(id, forget) {
  const at = waiting.findIndex((run) => run.call.id === id)
  const run = at >= 0 ? waiting.splice(at, 1)[0] : running.get(id)
  if (run === undefined) return
  run.silent = Boolean(forget)
  if (at >= 0) run.settle({ failure: { kind: Kind.CANCELLED, message: 'the caller gave up' } })
  else run.cancel()
}

function giveBack(id) {
  const at = waiting.findIndex((run) => run.call.id === id)
  if (at >= 0) waiting.splice(at, 1)[0].settle({ failure: { kind: Kind.RECALLED, message: 'recalled before it began' } })
}

async function sessionEnded(id) {
  bridge.tools.end(id)
  try {
    await module.sessionEnded?.(id)
  } catch (error) {
    process.stderr.write(`snakepit node bridge: sessionEnded() failed: ${trace(error) || error}\n`)
  }
}

// A request whose answer no handler waits for is no reason to end the worker.
process.on('unhandledRejection', (error) => {
  if (!(error instanceof CallFailedError)) throw error
  process.stderr.write(`snakepit node bridge: a request that was not awaited failed: ${error.message}\n`)
})

async function finish() {
  try {
    await module.cleanup?.()
  } catch (error) {
    process.stderr.write(`snakepit node bridge: cleanup() failed: ${trace(error) || error}\n`)
  }
  process.exit(0)
}

await load()

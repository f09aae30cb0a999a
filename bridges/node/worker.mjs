// The worker's main thread: the stream to the server. The adapter runs in a thread of its own (runner.mjs), so that a
// handler that burns processor time silences neither probes nor cancels.
//
// node worker.mjs --adapter FILE [--cwd DIR]     started by snakepit; by hand it says what it would offer

import fs from 'node:fs'
import http2 from 'node:http2'
import net from 'node:net'
import process from 'node:process'
import { Worker } from 'node:worker_threads'
import { Refusal } from './arguments.mjs'
import { Kept } from './kept.mjs'
import { FromWorker, ToWorker } from './messages.mjs'
import { fetched, linesOf } from './references.mjs'
import { Segments } from './segments.mjs'
import { Frames, decode, encode, frame } from './wire.mjs'

const PATH = '/snakepit.worker.v1.Gateway/Attach'
const UNAUTHENTICATED = 16
const FAILED_PRECONDITION = 9
const EXIT_UNREACHABLE = 69
const EXIT_VERSION = 76
const EXIT_REFUSED = 77
const GIVE_UP_AFTER = 60_000
const BACKOFF = [20, 200]
const GRACE = 3_000
const WINDOW = 2 ** 31 - 1
const LARGEST_FRAME = 2 ** 24 - 1
const MOST_SESSIONS = 1000
const PARTS = ['chunks', 'results', 'requests', 'withdrawals', 'credits']
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const options = Object.fromEntries(
  process.argv.slice(2).flatMap((word, at, all) => (word.startsWith('--') ? [[word.slice(2), all[at + 1]]] : []))
)
const gateway = (process.env.SNAKEPIT_GATEWAY ?? '').replace(/^unix:/, '')
const name = process.env.SNAKEPIT_WORKER_ID ?? ''
const token = secret()

let stream = null
let attached = false
let draining = false
let giveUpAt = Date.now() + GIVE_UP_AFTER
let backoff = BACKOFF[0]
let limit = 4 << 20
let offered = null // what the adapter has: { commands, capacity }
const calls = new Map() // id → { state: 'waiting' | 'running', takesReferences }, of those that are not answered
let segments = null
let kept = null
const sessions = new Map()
const tools = new Map() // those that the server has taken, by session and name
let dialled = 0 // streams so far
const outbox = []

/** By its path: Deno knows no descriptors but its own. */
function inherited(descriptor) {
  return process.platform === 'linux' ? `/proc/self/fd/${descriptor}` : `/dev/fd/${descriptor}`
}

function secret() {
  const descriptor = Number(process.env.SNAKEPIT_TOKEN_FD)
  if (!descriptor) return ''
  const text = fs.readFileSync(inherited(descriptor), 'utf8').trim()
  delete process.env.SNAKEPIT_TOKEN_FD
  return text
}

function leave(code, text) {
  if (text) process.stderr.write(`snakepit node bridge: ${text}\n`)
  process.exit(code)
}

// ---------------------------------------------------------------------------------------------- the runner

const runner = new Worker(new URL('./runner.mjs', import.meta.url), {
  workerData: { adapter: options.adapter, cwd: options.cwd },
  stdin: false,
})
runner.on('message', heard)
runner.on('error', (error) => leave(1, error.stack))
runner.on('exit', (code) => leave(code === 0 && draining ? 0 : code || 1, draining ? '' : 'the adapter has ended the worker'))

function heard(message) {
  if (message.ready) {
    offered = message.ready
    if (gateway) dial()
    else leave(0, `started without a server; the adapter offers ${offered.commands.map((one) => one.name).join(', ') || 'nothing'}`)
  } else if (message.broken) {
    if (gateway) dial({ startFailure: { token, worker: name, failure: message.broken } })
    else leave(1, message.broken.traceback || message.broken.message)
  } else if (message.began) {
    if (calls.has(message.began)) calls.get(message.began).state = 'running'
  } else if (message.offered) {
    tools.set(keyOf(message.offered), message.offered)
  } else if (message.withdrawn) {
    tools.delete(keyOf(message.withdrawn))
  } else if (message.dial === dialled) {
    // What belongs to a stream that has ended would mean other calls on this one.
    answered(message)
    if (draining && calls.size === 0) end()
  }
}

/** Answers of a block may wait a little, and long answers travel in segments. */
function answered(message) {
  const { chunks = [], results = [] } = message
  if (chunks[0]?.block) {
    kept.take(chunks[0].block)
    return
  }
  for (const chunk of chunks) refer(chunk, 'lines', 'linesRef')
  for (const result of results) {
    kept.leave() // those of its call come before it
    refer(result, 'value', 'valueRef')
    calls.delete(result.id)
  }
  say(message)
}

function refer(one, name, refName) {
  const payload = one[name]
  // A text has at least as many bytes as characters, and at most three times as many.
  if (payload === undefined || !segments?.takes(payload.length * 3) || !calls.get(one.id)?.takesReferences) return
  const bytes = Buffer.from(payload)
  const ref = segments.put(bytes)
  one[name] = ref ? undefined : bytes
  one[refName] = ref ?? undefined
}

function keyOf({ session, name }) {
  return JSON.stringify([session, name])
}

// ---------------------------------------------------------------------------------------------- the stream

function dial(only) {
  dialled++
  const socket = http2.connect('http://localhost', {
    createConnection: () => net.connect(gateway),
    settings: { enablePush: false, initialWindowSize: WINDOW, maxFrameSize: LARGEST_FRAME },
  })
  socket.on('connect', () => socket.setLocalWindowSize(WINDOW))
  socket.on('error', () => {}) // 'close' follows
  const request = socket.request(
    { ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc', te: 'trailers' },
    { endStream: false }
  )
  const frames = new Frames()
  let status = null
  let text = ''
  stream = request
  request.on('response', (headers) => noted(headers))
  request.on('trailers', (headers) => {
    noted(headers)
    request.close() // our half is still open
  })
  request.on('data', (data) => {
    for (const message of frames.feed(data)) take(decode(ToWorker, message))
  })
  request.on('error', () => {})
  request.on('close', () => {
    stream = null
    socket.destroy()
    lost(status, text, only !== undefined)
  })
  const noted = (headers) => {
    status = headers['grpc-status'] === undefined ? status : Number(headers['grpc-status'])
    text = headers['grpc-message'] ?? text
  }
  write(only ?? { hello: hello() })
}

function hello() {
  return {
    token, worker: name, language: 'node', runtime: process.versions.node, protocolMin: 1, protocolMax: 2,
    capacity: offered.capacity, commands: offered.commands, pid: process.pid, sessions: [...sessions.keys()],
    tools: [...tools.values()].map((one) => ({ ...one, metadata: Buffer.from(one.metadata) })),
  }
}

function lost(status, text, farewell) {
  if (farewell || draining) leave(farewell ? 1 : 0)
  if (status === UNAUTHENTICATED) leave(EXIT_REFUSED, `the server refused this worker: ${text}`)
  if (status === FAILED_PRECONDITION) leave(EXIT_VERSION, `the server cannot use this worker: ${text}`)
  runner.postMessage({ lost: true })
  // The server waits for these answers no longer; the ids would mean other calls on the next stream.
  for (const id of calls.keys()) runner.postMessage({ cancel: id, forget: true })
  calls.clear()
  kept?.lost()
  segments?.lost()
  outbox.length = 0
  const now = Date.now()
  if (attached) {
    attached = false
    backoff = BACKOFF[0]
    giveUpAt = now + GIVE_UP_AFTER
  } else if (now >= giveUpAt) leave(EXIT_UNREACHABLE, `no server at ${gateway} for ${GIVE_UP_AFTER / 1000} s`)
  setTimeout(() => dial(), backoff)
  backoff = Math.min(backoff * 2, BACKOFF[1])
}

function take(message) {
  for (const call of message.calls) {
    calls.set(call.id, { state: 'waiting', takesReferences: call.takesReferences })
    if (call.session) remember(call.session)
    give(call)
  }
  for (const { id } of message.cancels) if (calls.has(id)) runner.postMessage({ cancel: id })
  for (const id of message.recalls) if (calls.get(id)?.state === 'waiting') runner.postMessage({ recall: id })
  for (const credit of message.credits) runner.postMessage({ credit })
  for (const { id, lines } of message.replyChunks) runner.postMessage({ part: { id, lines: lines.toString() } })
  for (const reply of message.replies) {
    const parts = reply.value[0] === 0 ? new Uint8Array(reply.value) : null
    runner.postMessage({ reply: { ...reply, value: parts ?? reply.value.toString() } }, parts ? [parts.buffer] : [])
  }
  for (const session of message.endedSessions) ended(session)
  if (message.ping) say({ pong: { nonce: message.ping.nonce } })
  if (message.welcome) welcomed(message.welcome)
  segments?.released(message.released)
  if (message.drain) drain()
}

function welcomed(welcome) {
  attached = true
  limit = welcome.maxMessageBytes || limit
  segments = new Segments(welcome)
  // Of calls that run side by side each would need a journal.
  kept = new Kept(offered?.capacity === 1 ? segments.journal() : null, (chunk) => {
    refer(chunk, 'lines', 'linesRef')
    say({ chunks: [chunk] })
  })
}

/** A call to the runner; what it refers to is read here. */
function give(call) {
  const { metadata, block } = call
  try {
    const args = call.argsRef ? fetched(call.argsRef) : call.args
    // A message with parts gets memory of its own, which is handed over; it begins with a zero byte.
    const parts = args[0] === 0 ? new Uint8Array(args) : null
    const made = { ...call, args: parts ?? text(args), metadata: metadata.toString(), block: block && plain(block), limit, dial: dialled }
    runner.postMessage({ call: made }, parts ? [parts.buffer] : [])
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    calls.delete(call.id)
    say({ results: [{ id: call.id, failure: error.failure }] })
  }
}

/** The text, or null for bytes that are not UTF-8: as such they would become other text without a word. */
function text(bytes) {
  try {
    return strict.decode(bytes)
  } catch {
    return null
  }
}

/** Lines are one text; an array of texts and nulls when some of them are not UTF-8. */
function plain(block) {
  const bytes = linesOf(block)
  const lines = text(bytes)
  return { ...block, lines: lines ?? bytes.toString('latin1').split('\n').map((line) => text(Buffer.from(line, 'latin1'))) }
}

function ended(session) {
  sessions.delete(session)
  for (const [key, tool] of tools) if (tool.session === session) tools.delete(key)
  runner.postMessage({ endedSession: session })
}

function remember(key) {
  sessions.delete(key)
  sessions.set(key, true)
  if (sessions.size > MOST_SESSIONS) sessions.delete(sessions.keys().next().value)
}

/** What is said at one stroke leaves in one message, at once: another turn of the loop would cost a call a tenth of its time. */
function say(message) {
  if (outbox.length === 0) queueMicrotask(flush)
  outbox.push(message)
}

function nothing() {
  return Object.fromEntries(PARTS.map((part) => [part, []]))
}

function flush() {
  if (outbox.length === 0) return
  const all = outbox.splice(0)
  if (stream === null) return
  // Chunks come before the results of the same message, so a chunk after a result begins another one.
  let next = nothing()
  let room = 0
  for (const one of all) {
    const size = (one.chunks ?? []).reduce((sum, chunk) => sum + (chunk.lines?.length ?? 0), 0) +
      (one.results ?? []).reduce((sum, result) => sum + (result.value?.length ?? 0), 0)
    if ((one.chunks?.length && next.results.length) || (room && room + size > 1 << 20)) {
      write(next)
      next = nothing()
      room = 0
    }
    room += size
    if (one.pong) next.pong = one.pong
    for (const part of PARTS) if (one[part]) next[part].push(...one[part])
  }
  write(next)
}

function write(message) {
  if (stream === null) return
  for (const chunk of message.chunks ?? []) if (typeof chunk.lines === 'string') chunk.lines = Buffer.from(chunk.lines)
  for (const result of message.results ?? []) if (typeof result.value === 'string') result.value = Buffer.from(result.value)
  for (const request of message.requests ?? []) for (const part of ['args', 'query']) if (request[part]) request[part] = Buffer.from(request[part])
  stream.write(frame(encode(FromWorker, message)))
  if (message.startFailure) stream.end()
}

// ------------------------------------------------------------------------------------------------- the end

function drain() {
  if (draining) return
  draining = true
  setTimeout(() => leave(1, 'a handler did not end in time'), GRACE).unref()
  if (calls.size === 0) end()
}

function end() {
  flush()
  runner.postMessage({ end: true })
}

process.on('SIGTERM', () => {
  for (const id of calls.keys()) runner.postMessage({ cancel: id })
  drain()
})
process.on('SIGINT', () => {})

const lifeline = Number(process.env.SNAKEPIT_LIFELINE_FD)
if (lifeline) {
  // A stream of a file keeps Node from exiting, a socket of a descriptor is nothing that the others know.
  const line = process.versions.bun || process.versions.deno
    ? fs.createReadStream(inherited(lifeline))
    : new net.Socket({ fd: lifeline, readable: true, writable: false })
  line.on('error', () => process.exit(1))
  line.on('end', () => process.exit(1))
  line.resume()
}

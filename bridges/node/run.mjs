// One call, from its arrival to its answer, and what its handler sees of it.

import path from 'node:path'
import { errorOf } from './errors.mjs'
import { hasParts, sent } from './parts.mjs'
import { written } from './places.mjs'
import { Session } from './session.mjs'

export class Run {
  /** `bridge` has say(message), requests and tools. */
  constructor(call, bridge) {
    this.call = call
    this.bridge = bridge
    this.room = call.creditBytes
    this.abort = new AbortController()
    this.cancelled = false // as its signal says, which costs more to ask
    this.silent = false // its answer would go to a stream that has ended
    this.over = false // it has been answered
    this.wake = null
    this.arrived = performance.now()
    this.began = 0
  }

  cancel() {
    this.cancelled = true
    const reason = errorOf('cancelled', 'the caller gave up')
    this.abort.abort(reason)
    this.bridge.requests.cancelled(this, reason)
    this.wake?.()
  }

  grant(bytes) {
    this.room += bytes
    this.wake?.()
  }

  /** Until it may send again. */
  async waitForRoom() {
    while (this.room <= 0 && !this.cancelled) await new Promise((resolve) => { this.wake = resolve })
    if (this.cancelled) throw this.abort.signal.reason
  }

  context() {
    return new Context(this)
  }

  say(message) {
    if (this.silent) return
    message.dial = this.call.dial
    this.bridge.say(message)
  }

  settle(outcome) {
    const now = performance.now()
    const waitSeconds = ((this.began || now) - this.arrived) / 1000
    const runSeconds = this.began ? (now - this.began) / 1000 : 0
    this.say({ results: [{ id: this.call.id, ...outcome, waitSeconds, runSeconds }] })
    this.over = true
  }
}

class Context {
  #run
  #deadline
  #session
  #metadata

  constructor(run) {
    this.#run = run
    const { cwd, timeoutSeconds } = run.call
    this.cwd = cwd
    this.#deadline = timeoutSeconds > 0 ? run.arrived + timeoutSeconds * 1000 : null
  }

  get signal() {
    return this.#run.abort.signal
  }

  get cancelled() {
    return this.#run.cancelled
  }

  /** What the caller says about the call: an object of strings. */
  get metadata() {
    this.#metadata ??= this.#run.call.metadata ? JSON.parse(this.#run.call.metadata) : {}
    return this.#metadata
  }

  /** Variables, programs and tools of the caller's session. */
  get session() {
    const run = this.#run
    const { requests, tools } = run.bridge
    this.#session ??= new Session({
      tools, context: this, ask: (request) => requests.ask(run, request), stream: (request, shape) => requests.stream(run, request, shape),
    }, run.call.session)
    return this.#session
  }

  /** Milliseconds until the caller stops waiting; null when there is no limit. */
  remaining = () => (this.#deadline === null ? null : Math.max(0, this.#deadline - performance.now()))

  path = (file) => {
    if (!this.cwd && !path.isAbsolute(file)) throw new Error(`${file}: the caller's directory is not known; give an absolute path`)
    return path.resolve(this.cwd || '/', file)
  }

  /** Another command, of this pool or another. Typed arrays and Buffers travel as they are, unless it takes JSON only. */
  call = async (command, args = {}, { pool = '', session = '', timeout = 0 } = {}) => {
    const request = { pool, command, session: String(session), timeoutSeconds: timeout, takesParts: true }
    const ask = (form) => this.#run.bridge.requests.ask(this.#run, { ...request, args: form })
    if (!hasParts(args)) return ask(written(args))
    try {
      return await ask(sent(args, written))
    } catch (error) {
      if (!error.wantsJson) throw error
    }
    return ask(written(args))
  }
}

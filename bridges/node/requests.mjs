// What handlers ask the server for, until it is answered.

import { errorOf } from './errors.mjs'
import { read } from './json.mjs'
import { received } from './parts.mjs'

const ROOM = 1 << 20 // bytes of the chunks of one request that may be under way or unread
const LOST = 'the server was lost before the answer came'

/** Those of one worker. A run is the call within which a request is made. */
export class Requests {
  #waiting = new Map() // id → { run, part(lines), answered(value), failed(error) }
  #next = 1

  /** The value of the answer. */
  ask(run, request) {
    return new Promise((resolve, reject) => {
      this.send(run, request, { part() {}, answered: (value) => resolve(valued(value)), failed: reject })
    })
  }

  /** What `shape` makes of the chunks of the answer, as an async iterator. */
  stream(run, request, shape = (value) => value) {
    return new Replies(this, run, request, shape)
  }

  /** Its id; 0 when it has failed at once. */
  send(run, request, inbox) {
    const refusal = refused(run) ?? tooLong(run, request)
    if (refusal) {
      inbox.failed(refusal)
      return 0
    }
    const id = this.#next++
    this.#waiting.set(id, { run, inbox })
    run.say({ requests: [{ ...request, id, parent: run.call.id }] })
    return id
  }

  withdraw(id) {
    const known = this.#waiting.get(id)
    if (known === undefined) return
    this.#waiting.delete(id)
    known.run.say({ withdrawals: [id] })
  }

  grant(id, bytes) {
    this.#waiting.get(id)?.run.say({ credits: [{ id, bytes }] })
  }

  /** The call has been cancelled, and what it asked for with it. */
  cancelled(run, reason) {
    for (const [id, known] of this.#waiting) {
      if (known.run !== run) continue
      this.withdraw(id)
      known.inbox.failed(reason)
    }
  }

  replied({ id, value, failure }) {
    const inbox = this.#take(id)
    if (inbox === undefined) return
    if (failure) {
      const error = errorOf(failure.name || 'command_failed', failure.message, failure.type, failure.traceback)
      inbox.failed(Object.assign(error, { wantsJson: failure.wantsJson }))
      return
    }
    try {
      inbox.answered(value)
    } catch (error) {
      inbox.failed(error)
    }
  }

  part({ id, lines }) {
    this.#waiting.get(id)?.inbox.part(lines)
  }

  /** The stream to the server has ended, and with it every request. */
  lost() {
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { inbox } of all) inbox.failed(errorOf('server_restarted', LOST))
  }

  #take(id) {
    const inbox = this.#waiting.get(id)?.inbox
    this.#waiting.delete(id)
    return inbox
  }
}

function valued(value) {
  if (typeof value === 'string') return read(value)
  try {
    return received(value)
  } catch (error) {
    throw errorOf('invalid_result', `the answer cannot be read: ${error.message}`)
  }
}

/** The server would end the stream. */
function tooLong(run, { args = '', query = '' }) {
  const size = Buffer.byteLength(args) + Buffer.byteLength(query)
  if (!(size > run.call.limit)) return undefined
  return errorOf('invalid_arguments', `the request has ${grouped(size)} bytes; ${grouped(run.call.limit)} are allowed`)
}

function grouped(number) {
  return number.toLocaleString('en-US')
}

function refused(run) {
  if (run.silent) return errorOf('server_restarted', LOST)
  if (run.cancelled) return run.abort.signal.reason
  return run.over ? errorOf('cancelled', 'the call within which it was made is over') : null
}

/** JSON values as they come. Leaving the loop gives the request up. */
class Replies {
  #requests
  #shape
  #id
  #ready = [] // texts that have not been read, the next one last
  #parts = [] // lines of several texts
  #used = 0 // bytes that were read since room was granted last
  #over = false
  #error = null
  #wake = null

  constructor(requests, run, request, shape) {
    this.#requests = requests
    this.#shape = shape
    this.#id = requests.send(run, { ...request, stream: true, creditBytes: ROOM }, {
      part: (lines) => {
        this.#parts.push(lines)
        this.#wake?.()
      },
      answered: () => this.#end(null),
      failed: (error) => this.#end(error),
    })
  }

  [Symbol.asyncIterator]() {
    return this
  }

  async next() {
    for (;;) {
      const text = this.#read()
      if (text !== undefined) return { done: false, value: this.#shape(read(text)) }
      if (this.#over) {
        const error = this.#error
        this.#error = null
        if (error) throw error
        return { done: true, value: undefined }
      }
      await new Promise((resolve) => { this.#wake = resolve })
    }
  }

  async return(value) {
    this.#parts = []
    this.#ready = []
    if (!this.#over) this.#requests.withdraw(this.#id)
    this.#end(null)
    return { done: true, value }
  }

  #read() {
    if (this.#ready.length === 0) {
      if (this.#parts.length === 0) return undefined
      this.#ready = this.#parts.shift().split('\n').slice(0, -1).reverse()
    }
    const text = this.#ready.pop()
    this.#used += Buffer.byteLength(text) + 1
    if (this.#used >= ROOM / 2 && !this.#over) {
      this.#requests.grant(this.#id, this.#used)
      this.#used = 0
    }
    return text
  }

  #end(error) {
    this.#over = true
    this.#error = error
    this.#wake?.()
  }
}

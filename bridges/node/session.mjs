// The session of a call, as its handler sees it: variables, programs and tools that all of its users share.

import { InvalidValueError, NoSessionError, SessionExpiredError, VariableNotFoundError } from './errors.mjs'
import { runOwn } from './own.mjs'
import { written } from './places.mjs'

const SPECIAL = { NaN, Infinity, '-Infinity': -Infinity } // how JSON carries them

/** Valid until the call ends. As text, and as JSON, it is its id. */
export class Session {
  #server

  /** `server` has ask(request), stream(request, shape), tools, and the context of the call. */
  constructor(server, id) {
    this.#server = server
    /** Empty in a call without a session: then only global programs can be used. */
    this.id = id
    this.programs = new Programs((query) => this.#ask(query, query.global))
  }

  toString() {
    return this.id
  }

  toJSON() {
    return this.id
  }

  // ----------------------------------------------------------------------------------------------- variables

  /** The value. Rejects with VariableNotFoundError. */
  async get(name) {
    return (await this.describe(name)).value
  }

  /** All that is known of a variable. */
  async describe(name) {
    return shown(await this.#read([name], { op: 'var_get', name }))
  }

  async has(name) {
    return (await this.describe(name).catch(nothing(VariableNotFoundError, null))) !== null
  }

  /** The new version. `create: false`: only a variable that exists; `expect`: only one of this version. */
  async set(name, value, { expect, create, metadata } = {}) {
    return (await this.#ask({ op: 'var_set', name, value: carried(value), expect, create, metadata })).version
  }

  /** Makes a variable of a type and with constraints, and describes it. `ttl` in seconds. */
  async register(name, type, value, { constraints, metadata, ttl, replace } = {}) {
    return shown(await this.#ask({ op: 'var_register', name, type, value: carried(value), constraints, metadata, ttl, replace }))
  }

  async delete(name, { expect } = {}) {
    await this.#ask({ op: 'var_rm', name, expect })
  }

  /** Variables whose whole name matches, the oldest first. */
  async list(pattern = '*') {
    return (await this.#ask({ op: 'var_list', pattern }).catch(nothing(SessionExpiredError, []))).map(shown)
  }

  /** The values by name. Rejects with VariableNotFoundError, which names those that are missing. */
  async getMany(names) {
    const { found, missing } = await this.#read(names, { op: 'var_mget', names })
    if (missing.length) throw notFound(missing)
    return Object.fromEntries(names.map((name) => [name, shown(found[name]).value]))
  }

  /** By name { version }, or { error } for what was not taken. `atomic`: all or none. */
  async setMany(values, { atomic, create, metadata, expect } = {}) {
    const entries = values instanceof Map ? [...values] : Object.entries(values)
    const given = Object.fromEntries(entries.map(([name, value]) => [name, carried(value)]))
    return (await this.#ask({ op: 'var_mset', values: given, atomic, create, metadata, expect })).results
  }

  /** Changes of a variable, the oldest first. */
  async history(name, { limit } = {}) {
    return (await this.#ask({ op: 'var_history', name, limit })).map(shown)
  }

  /** A new version with the value of an old one. */
  async rollback(name, version, { expect } = {}) {
    return (await this.#ask({ op: 'var_rollback', name, version, expect })).version
  }

  /** `on`: all variables that this one depends on. */
  async depend(name, on) {
    return (await this.#ask({ op: 'var_depend', name, on })).on
  }

  /** The changes of variables, as they come: `for await (const change of …)`. Ends with the session or the call. */
  watch(pattern = '*', { version, after } = {}) {
    this.#need()
    return this.#server.stream({ query: encoded({ op: 'var_watch', pattern, version, after }) }, shown)
  }

  // ------------------------------------------------------------------------------------------------- tools

  /** The result of a function that some process offers in this session. */
  async callTool(name, args = {}) {
    this.#need()
    const own = this.#server.tools.get(this.id, name)
    if (own) return runOwn(own, name, args, this.#server.context)
    return this.#server.ask(tool(name, args))
  }

  /** Its chunks as they come. */
  streamTool(name, args = {}) {
    this.#need()
    return this.#server.stream(tool(name, args))
  }

  /** Those that the session has now. */
  async tools(pattern = '*') {
    return this.#ask({ op: 'tool_list', pattern })
  }

  /** Offers a function of this worker to all that use the session: (args, ctx) => …, as a command. */
  async registerTool(name, fn, { description, streaming, parameters, metadata } = {}) {
    this.#need()
    const { tools } = this.#server
    const offered = tools.offer(name, fn, { description, streaming, parameters, metadata })
    const before = tools.get(this.id, name)
    tools.add(this.id, offered) // it can be called before the answer comes
    try {
      await this.#ask({ op: 'tool_register', tools: [offered.described] })
    } catch (error) {
      if (before) tools.add(this.id, before)
      else tools.remove(this.id, name)
      throw error
    }
    tools.add(this.id, offered) // again: an expired session of this name has ended meanwhile, with all of its tools
    tools.confirm(this.id, offered)
    return name
  }

  async unregisterTool(name) {
    await this.#ask({ op: 'tool_rm', name })
    this.#server.tools.remove(this.id, name)
  }

  // ------------------------------------------------------------------------------------------------ itself

  /** The answer to any query of docs/reference/front-protocol.md that a worker may make. */
  async query(query) {
    return this.#server.ask({ query: encoded(query) })
  }

  async #ask(query, everywhere = false) {
    if (!everywhere) this.#need()
    return this.query(query)
  }

  /** Whether a session that holds nothing exists makes no difference to a reader. */
  async #read(names, query) {
    return this.#ask(query).catch((error) => {
      throw error instanceof SessionExpiredError ? notFound(names) : error
    })
  }

  #need() {
    if (!this.id) throw new NoSessionError()
  }
}

/** Programs of the session, or with `everywhere` those that all sessions can use. */
class Programs {
  #ask

  constructor(ask) {
    this.#ask = ask
  }

  /** `create`: rejects with AlreadyExistsError when there is one. */
  async put(id, data, { everywhere = false, create } = {}) {
    return this.#ask({ op: 'program_put', id, data, global: everywhere, create })
  }

  /** The data: of the session's program, or else of the global one. */
  async get(id, { everywhere = false } = {}) {
    return (await this.#ask({ op: 'program_get', id, global: everywhere })).data
  }

  /** Without their data. */
  async list(pattern = '*', { everywhere = false } = {}) {
    return this.#ask({ op: 'program_list', pattern, global: everywhere })
  }

  async delete(id, { everywhere = false } = {}) {
    await this.#ask({ op: 'program_rm', id, global: everywhere })
  }
}

function tool(name, args) {
  return { command: name, args: encoded(args), tool: true }
}

function encoded(value) {
  try {
    return written(value)
  } catch (error) {
    throw new InvalidValueError('invalid_value', error.message)
  }
}

function carried(value) {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value === undefined ? null : value
}

/** A variable or a change, with its value as JavaScript has it. */
function shown(one) {
  return one.type === 'float' && typeof one.value === 'string' ? { ...one, value: SPECIAL[one.value] } : one
}

function notFound(names) {
  const text = names.slice(0, 10).map((name) => `\`${name}\``).join(', ')
  return new VariableNotFoundError('variable_not_found', `no variable${names.length > 1 ? 's' : ''} ${text}`)
}

/** Of errors of this class it makes `value`. */
function nothing(of, value) {
  return (error) => {
    if (error instanceof of) return value
    throw error
  }
}

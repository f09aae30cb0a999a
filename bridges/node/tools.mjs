// Functions that this worker offers to all that use a session.

import { parametersOf } from './parameters.mjs'
import { written } from './places.mjs'

const GeneratorFunctions = new Set(['GeneratorFunction', 'AsyncGeneratorFunction'])

/** { name, streaming, parameters, open } of a function. */
export function specOf(name, handler) {
  return { name, streaming: GeneratorFunctions.has(handler.constructor.name), ...parametersOf(handler) }
}

/** What of its arguments is required and known. */
export function shapeOf({ parameters, open }) {
  const required = parameters.filter((one) => one.required).map((one) => one.name)
  return { required, known: new Set(parameters.map((one) => one.name)), open }
}

/** The tools by session and name. `tell` is told of those that the server knows, and of those that are gone. */
export class Tools {
  #of = new Map() // session → Map of name → offered
  #tell

  constructor(tell) {
    this.#tell = tell
  }

  /** A function as a tool; throws TypeError. `described` is what the server is told, `spec` what the next server is told. */
  offer(name, handler, { description, streaming, parameters, metadata = {} }) {
    if (typeof handler !== 'function') throw new TypeError(`a tool must be a function, not ${typeof handler}`)
    const found = specOf(name, handler)
    const facts = {
      name, description: description ?? handler.summary ?? '', streaming: streaming ?? found.streaming,
    }
    const said = parameters ?? found.parameters.map(({ defaultJson, ...one }) => (defaultJson ? { ...one, default: JSON.parse(defaultJson) } : one))
    return {
      handler,
      shape: shapeOf(found),
      described: { ...facts, parameters: said, metadata },
      spec: {
        ...facts, metadata: written(metadata),
        parameters: said.map(({ default: value, ...one }) => ({ ...one, defaultJson: value === undefined ? '' : written(value) })),
      },
    }
  }

  get(session, name) {
    return this.#of.get(session)?.get(name)
  }

  add(session, offered) {
    if (!this.#of.has(session)) this.#of.set(session, new Map())
    this.#of.get(session).set(offered.spec.name, offered)
  }

  /** The server has taken it. */
  confirm(session, offered) {
    this.#tell({ offered: { session, ...offered.spec } })
  }

  remove(session, name) {
    const known = this.#of.get(session)
    known?.delete(name)
    if (known?.size === 0) this.#of.delete(session)
    this.#tell({ withdrawn: { session, name } })
  }

  /** The session has ended. */
  end(session) {
    this.#of.delete(session)
  }
}

// The items of a block, and the arguments that each of them stands for.

import { Refusal, checked } from './arguments.mjs'
import { hasLong, read } from './json.mjs'
import { Kind } from './messages.mjs'

export class Items {
  #text // all lines; or
  #lines = null // each of them, null for those that are not UTF-8
  #at = 0
  #end
  #plain // lines are text, not JSON
  #name // the argument that an item becomes when it is no object
  #fixed
  #command
  #shape
  #known // null: lines are for JSON.parse
  #parse = null

  constructor({ lines, text, itemArgument }, fixed, command, shape, known) {
    this.#text = lines
    if (Array.isArray(lines)) this.#lines = lines.slice(0, -1)
    this.#end = this.#lines ? this.#lines.length : lines.lastIndexOf('\n') + 1
    this.#plain = text
    this.#name = itemArgument || 'item'
    this.#fixed = Object.keys(fixed).length ? fixed : null
    this.#command = command
    this.#shape = shape
    this.#known = text || this.#lines || this.#fixed ? null : known
  }

  get left() {
    return this.#at < this.#end
  }

  /** The arguments of the next item. Throws Refusal when something is wrong with it. */
  take() {
    if (this.#known === null) return checked(this.#merged(this.#value(this.#next())), this.#command, this.#shape)
    const args = this.#known.read(this.#text, this.#at)
    if (args === undefined) return this.#learned(this.#next())
    this.#at = this.#known.end + 1
    return args
  }

  #learned(line) {
    const value = this.#value(line)
    const args = checked(this.#merged(value), this.#command, this.#shape)
    if (args === value) this.#known.learn(line, args)
    return args
  }

  #next() {
    if (this.#lines) return this.#lines[this.#at++]
    const end = this.#text.indexOf('\n', this.#at)
    const line = this.#text.slice(this.#at, end)
    this.#at = end + 1
    return line
  }

  #value(line) {
    if (line === null) throw new Refusal(Kind.INVALID_ARGUMENTS, 'the line is not UTF-8')
    if (this.#plain) return line
    this.#parse ??= this.#lines === null && !hasLong(this.#text) ? JSON.parse : read
    try {
      return (0, this.#parse)(line)
    } catch (error) {
      throw new Refusal(Kind.INVALID_ARGUMENTS, `the line is not valid JSON: ${error.message}`)
    }
  }

  #merged(item) {
    const isWhole = item !== null && typeof item === 'object' && !Array.isArray(item)
    if (isWhole && this.#fixed === null) return item
    return isWhole ? { ...this.#fixed, ...item } : { ...this.#fixed, [this.#name]: item }
  }
}

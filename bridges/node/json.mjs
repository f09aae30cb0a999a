// JSON that keeps every digit: whole numbers that a Number cannot hold are BigInts. Costs nothing where there are none.

import { randomUUID } from 'node:crypto'

const MARK = `bigint ${randomUUID()} ` // no text begins like this
const LONG = /\d{16}/
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g')

/** Whether `read` may give something else than JSON.parse for a part of this text. */
export function hasLong(text) {
  return LONG.test(text)
}

/** JSON.parse; throws what it throws. */
export function read(text) {
  const value = JSON.parse(text)
  if (!LONG.test(text)) return value
  const marked = text.replace(TOKENS, (token) =>
    token[0] === '"' || /[.eE]/.test(token) || Number.isSafeInteger(Number(token)) ? token : `"${MARK}${token}"`)
  return JSON.parse(marked, (_, one) => (typeof one === 'string' && one.startsWith(MARK) ? BigInt(one.slice(MARK.length)) : one))
}

/** JSON.stringify; throws what it throws, but not for BigInts. */
export function write(value, replacer) {
  try {
    return JSON.stringify(value, replacer)
  } catch (error) {
    if (!(error instanceof TypeError && /BigInt/.test(error.message))) throw error
    const marked = JSON.stringify(value, (name, one) => {
      const kept = replacer ? replacer(name, one) : one
      return typeof kept === 'bigint' ? `${MARK}${kept}` : kept
    })
    return marked.replace(MARKED, '$1')
  }
}

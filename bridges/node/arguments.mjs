// What is wrong with a call, in the contract's words.

import { Kind } from './messages.mjs'

export class Refusal extends Error {
  constructor(kind, message) {
    super(message)
    this.failure = { kind, message }
  }
}

/** The arguments; throws Refusal for those that are missing or unknown. */
export function checked(args, command, { required, known, open }) {
  for (const name of required) {
    if (args[name] === undefined) throw new Refusal(Kind.INVALID_ARGUMENTS, `\`${command}\`: missing argument \`${name}\``)
  }
  if (open) return args
  for (const name in args) {
    if (known.has(name)) continue
    const takes = [...known].map((one) => `\`${one}\``).join(', ') || 'none'
    throw new Refusal(Kind.INVALID_ARGUMENTS, `\`${command}\`: unknown argument \`${name}\`; it takes ${takes}`)
  }
  return args
}

/** Whether an answer is chunks. */
export function isChunks(value) {
  return Boolean(value?.[Symbol.asyncIterator] ?? (typeof value === 'object' && value?.next && value[Symbol.iterator]))
}

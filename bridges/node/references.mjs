// Payloads that a message refers to instead of holding them: ranges of files, read as the contract says.

import fs from 'node:fs'
import { Refusal } from './arguments.mjs'
import { Kind } from './messages.mjs'

const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants // nothing waits for the writer of a FIFO
const MOST_AT_ONCE = 1 << 30
const LINE_BREAK = 10

/** The bytes that it stands for, as they are now, in an ArrayBuffer of their own. Throws Refusal. */
export function fetched(ref) {
  let descriptor
  try {
    descriptor = fs.openSync(ref.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    const found = fs.fstatSync(descriptor, { bigint: true })
    if (!found.isFile()) throw refusal(ref, 'is no regular file')
    if (found.dev !== BigInt(ref.device) || found.ino !== BigInt(ref.inode)) throw refusal(ref, 'is another file by now')
    // Before room is made for it: a file that has become shorter is no reason to take memory.
    if (found.size < BigInt(ref.offset) + BigInt(ref.length)) throw ended(ref)
    return whole(descriptor, ref)
  } catch (error) {
    throw error instanceof Refusal ? error : refusal(ref, `cannot be read: ${error.code ?? error.message}`)
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor)
  }
}

// Read, not mapped: a file that gets shorter meanwhile would end the process.
function whole(descriptor, ref) {
  const data = Buffer.allocUnsafeSlow(ref.length)
  for (let at = 0; at < data.length;) {
    const count = fs.readSync(descriptor, data, at, Math.min(data.length - at, MOST_AT_ONCE), ref.offset + at)
    if (count === 0) throw ended(ref)
    at += count
  }
  return data
}

/** The items of a block, wherever they are. Throws Refusal for those of a file that has changed. */
export function linesOf(block) {
  if (block.linesRef === undefined) return block.lines
  const lines = fetched(block.linesRef)
  let count = 0
  for (let at = lines.indexOf(LINE_BREAK); at >= 0; at = lines.indexOf(LINE_BREAK, at + 1)) count++
  if (count !== block.count || lines.at(-1) !== LINE_BREAK) throw refusal(block.linesRef, `has not ${block.count} lines there any more`)
  return lines
}

function ended(ref) {
  return refusal(ref, `ends before byte ${BigInt(ref.offset) + BigInt(ref.length)}`)
}

function refusal(ref, what) {
  return new Refusal(Kind.REFERENCE_FAILED, `${ref.path} ${what}`)
}

// Segments of this worker: files in shared memory that hold long answers, so that nobody copies them on their way.

import fs from 'node:fs'

const SMALLEST = 1 << 16
const STEP = 4 << 20 // bytes by which sizes of large segments differ
const MOST_KEPT = 64
const JOURNAL = 1 << 19
const HEAD = 32
const { O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW = 0 } = fs.constants

/** Those of one stream to the server. */
export class Segments {
  #prefix
  #room
  #above
  #last = 0
  #held = 0 // bytes of all segments
  #free = [] // { path, descriptor, size, device, inode }
  #lent = new Map() // by path

  constructor({ segments, segmentName, segmentBytes, referenceAbove }) {
    this.#prefix = segments && `${segments}/${segmentName}`
    this.#room = segmentBytes
    this.#above = referenceAbove
  }

  /** Whether so many bytes are sent as a reference when there is room. */
  takes(size) {
    return this.#prefix !== '' && size >= this.#above
  }

  /** Writes a payload and lends it: the reference. Null when it is to be sent as bytes. */
  put(bytes) {
    const segment = this.takes(bytes.length) ? this.#get(bytes.length) : null
    if (segment === null) return null
    try {
      write(segment.descriptor, bytes, 0) // its room is not reserved: shared memory that is full is an error here
    } catch {
      this.#drop(segment)
      return null
    }
    this.#lent.set(segment.path, segment)
    const { path, device, inode } = segment
    return { path, device, inode, offset: 0, length: bytes.length }
  }

  /** Nobody reads these any more. */
  released(paths) {
    for (const path of paths) {
      const segment = this.#lent.get(path)
      if (segment === undefined) continue
      this.#lent.delete(path)
      this.#free.push(segment)
      if (this.#free.length > MOST_KEPT) this.#drop(this.#free.shift())
    }
  }

  /** For answers that are not sent yet; null when there is no room for one. */
  journal() {
    if (this.#prefix === '' || this.#held + JOURNAL > this.#room) return null
    try {
      const made = new Journal(`${this.#prefix}journal`)
      this.#held += JOURNAL
      return made
    } catch {
      return null
    }
  }

  /** The stream has ended: the server removes the files. */
  lost() {
    for (const { descriptor } of [...this.#free, ...this.#lent.values()]) fs.closeSync(descriptor)
    this.#free = []
    this.#lent.clear()
    this.#prefix = ''
  }

  #get(size) {
    // Not one that is much larger: a later payload may need that.
    const fitting = this.#free.filter((one) => one.size >= size && one.size <= 4 * Math.max(size, SMALLEST))
    if (fitting.length) {
      const best = fitting.reduce((least, one) => (one.size < least.size ? one : least))
      this.#free.splice(this.#free.indexOf(best), 1)
      return best
    }
    const rounded = roundedUp(size)
    while (this.#held + rounded > this.#room && this.#free.length) this.#drop(this.#free.shift())
    if (this.#held + rounded > this.#room) return null
    try {
      const made = opened(`${this.#prefix}${++this.#last}`, rounded)
      this.#held += rounded
      return made
    } catch {
      return null
    }
  }

  #drop({ path, descriptor, size }) {
    this.#held -= size
    remove(path)
    fs.closeSync(descriptor)
  }
}

function opened(path, size) {
  const descriptor = fs.openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  const { dev: device, ino: inode } = fs.fstatSync(descriptor)
  return { path, descriptor, size, device, inode }
}

function remove(path) {
  try {
    fs.unlinkSync(path)
  } catch {
    // the server has removed it
  }
}

function roundedUp(size) {
  if (size > STEP) return Math.ceil(size / STEP) * STEP
  return Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(size)))
}

function write(descriptor, bytes, position) {
  for (let at = 0; at < bytes.length;) at += fs.writeSync(descriptor, bytes, at, bytes.length - at, position + at)
}

/** Answers to items that are not sent yet, where the server finds them when this process dies. */
class Journal {
  #file
  #head = Buffer.alloc(HEAD)
  #call = 0
  #sent = 0
  #count = 0
  #size = 0

  constructor(path) {
    this.#file = fs.openSync(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
  }

  /** Adds answers behind those of the same call that are not sent yet; whether there was room. Throws what the system does. */
  add(call, sent, lines, count) {
    if (call !== this.#call || sent !== this.#sent) {
      // The answers that these take the place of must not be taken for them, wherever it ends.
      this.#call = call
      this.#sent = sent
      this.#count = this.#size = 0
      this.#writeHead()
    }
    if (HEAD + this.#size + lines.length > JOURNAL) return false
    write(this.#file, lines, HEAD + this.#size)
    this.#count += count
    this.#size += lines.length
    this.#writeHead()
    return true
  }

  close() {
    fs.closeSync(this.#file)
  }

  #writeHead() {
    const numbers = [this.#call, this.#sent, this.#count, this.#size]
    for (const [at, number] of numbers.entries()) this.#head.writeBigUInt64LE(BigInt(number), 8 * at)
    write(this.#file, this.#head, 0)
  }
}

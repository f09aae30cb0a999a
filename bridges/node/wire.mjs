// The messages of the worker contract (proto/snakepit/worker/v1/worker.proto) in protobuf's encoding, and gRPC's frames
// around them. messages.mjs has a table of fields for each message; unknown fields are passed over.

const TEXT = 'text', BYTES = 'bytes', NUMBER = 'number', FLAG = 'flag', DOUBLE = 'double', FLOAT = 'float'

// ------------------------------------------------------------------------------------------------ encoding

function varint(number, out) {
  let rest = number
  while (rest > 127) {
    out.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  out.push(rest)
}

function field(number, kind, value, out) {
  const bytes = kind === TEXT ? Buffer.from(value) : kind === BYTES ? value : null
  if (bytes !== null || typeof kind === 'object') {
    const body = bytes ?? encode(kind, value)
    const head = []
    varint(number * 8 + 2, head)
    varint(body.length, head)
    out.push(Buffer.from(head), body)
    return
  }
  const head = []
  if (kind === DOUBLE || kind === FLOAT) {
    varint(number * 8 + (kind === DOUBLE ? 1 : 5), head)
    const body = Buffer.alloc(kind === DOUBLE ? 8 : 4)
    if (kind === DOUBLE) body.writeDoubleLE(value)
    else body.writeFloatLE(value)
    out.push(Buffer.from(head), body)
  } else {
    varint(number * 8, head)
    varint(Number(value), head)
    out.push(Buffer.from(head))
  }
}

/** A message as a Buffer. Fields that are undefined, empty or zero are left out. */
export function encode(schema, message) {
  const out = []
  for (const [number, [name, kind, many]] of Object.entries(schema)) {
    const value = message[name]
    if (value === undefined || value === null) continue
    if (many) for (const one of value) field(Number(number), kind, one, out)
    else if (typeof kind === 'object' || (value !== '' && value !== 0 && value !== false)) field(Number(number), kind, value, out)
  }
  return Buffer.concat(out)
}

// ------------------------------------------------------------------------------------------------ decoding

class Reader {
  constructor(data) {
    this.data = data
    this.at = 0
  }

  varint() {
    const start = this.at
    let value = 0
    let factor = 1
    for (;;) {
      const byte = this.data[this.at++]
      if (byte === undefined) throw new RangeError('a message that ends too soon')
      value += (byte & 127) * factor
      if (byte < 128) return value <= Number.MAX_SAFE_INTEGER ? value : this.long(start)
      factor *= 128
    }
  }

  /** One that a Number cannot hold exactly, such as some inodes. */
  long(start) {
    let value = 0n
    for (let at = this.at - 1; at >= start; at--) value = value * 128n + BigInt(this.data[at] & 127)
    return value
  }

  bytes() {
    const size = this.varint()
    if (this.at + size > this.data.length) throw new RangeError('a message that ends too soon')
    this.at += size
    return this.data.subarray(this.at - size, this.at)
  }

  skip(wire) {
    if (wire === 0) this.varint()
    else if (wire === 2) this.bytes()
    else this.at += wire === 1 ? 8 : 4
  }
}

/** A message from a Buffer: single fields that were not there have their zero, repeated ones are arrays. */
export function decode(schema, data) {
  const message = {}
  for (const [name, kind, many] of Object.values(schema)) {
    if (many) message[name] = []
    else if (typeof kind !== 'object') message[name] = kind === TEXT ? '' : kind === BYTES ? Buffer.alloc(0) : kind === FLAG ? false : 0
  }
  const reader = new Reader(data)
  while (reader.at < data.length) {
    const tag = reader.varint()
    const known = schema[Math.floor(tag / 8)]
    const wire = tag % 8
    if (known === undefined) reader.skip(wire)
    else take(message, known, wire, reader)
  }
  return message
}

function take(message, [name, kind, many], wire, reader) {
  if (many && kind === NUMBER && wire === 2) {
    const packed = new Reader(reader.bytes())
    while (packed.at < packed.data.length) message[name].push(packed.varint())
    return
  }
  const value = read(kind, reader)
  if (many) message[name].push(value)
  else message[name] = value
}

function read(kind, reader) {
  if (typeof kind === 'object') return decode(kind, reader.bytes())
  if (kind === TEXT) return reader.bytes().toString()
  if (kind === BYTES) return reader.bytes()
  if (kind === DOUBLE || kind === FLOAT) {
    reader.at += kind === DOUBLE ? 8 : 4
    return kind === DOUBLE ? reader.data.readDoubleLE(reader.at - 8) : reader.data.readFloatLE(reader.at - 4)
  }
  const number = reader.varint()
  return kind === FLAG ? number !== 0 : number
}

// -------------------------------------------------------------------------------------------------- frames

/** A gRPC frame around a message. */
export function frame(message) {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Messages out of a stream of bytes. */
export class Frames {
  #parts = []
  #size = 0;

  *feed(data) {
    this.#parts.push(data)
    this.#size += data.length
    while (this.#size >= 5) {
      // Joined only when a message is complete: a long one is not copied with each piece.
      if (this.#parts[0].length < 5) this.#join()
      const end = 5 + this.#parts[0].readUInt32BE(1)
      if (this.#size < end) return
      if (this.#parts[0].length < end) this.#join()
      const whole = this.#parts[0]
      yield whole.subarray(5, end)
      if (whole.length === end) this.#parts.shift()
      else this.#parts[0] = whole.subarray(end)
      this.#size -= end
    }
  }

  #join() {
    this.#parts = [Buffer.concat(this.#parts)]
  }
}

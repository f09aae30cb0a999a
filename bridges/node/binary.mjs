// Messages with parts: JSON, and beside it raw bytes as they are. docs/reference/binary-parts.md describes them.

export const KEY = '$binary'
const MAGIC = 0x42505300 // "\0SPB", little-endian
const MARK = `"${KEY}":`
const HEAD = 12
const ROW = 16
const ALIGNMENT = 64
const MOST_PARTS = 65_536
const MOST_DIMENSIONS = 32
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Bytes of an element by the name of its type. */
export const SIZES = {
  bool: 1, int8: 1, int16: 2, int32: 4, int64: 8, uint8: 1, uint16: 2, uint32: 4, uint64: 8,
  float16: 2, float32: 4, float64: 8, complex64: 8, complex128: 16,
}

/** The bytes are no message with parts, or the values cannot be one. */
export class BinaryError extends Error {}

/** The message, in an ArrayBuffer of its own. `text` is compact JSON, `parts` are Uint8Arrays. Throws BinaryError. */
export function pack(text, parts) {
  if (parts.length > MOST_PARTS) throw new BinaryError(`there are ${parts.length} binary parts; at most ${MOST_PARTS} are allowed`)
  if (text.split(MARK).length - 1 !== parts.length) {
    throw new BinaryError(`an object has the key \`${KEY}\`, which beside binary parts has a meaning of its own`)
  }
  const json = Buffer.from(text)
  const head = HEAD + ROW * parts.length
  let end = head + json.length
  const starts = parts.map((part) => {
    const start = Math.ceil(end / ALIGNMENT) * ALIGNMENT
    end = start + part.length
    return start
  })
  const message = new Uint8Array(end)
  const view = new DataView(message.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, json.length, true)
  view.setUint32(8, parts.length, true)
  message.set(json, head)
  for (const [index, part] of parts.entries()) {
    view.setBigUint64(HEAD + ROW * index, BigInt(starts[index]), true)
    view.setBigUint64(HEAD + ROW * index + 8, BigInt(part.length), true)
    message.set(part, starts[index])
  }
  return message
}

/** { text, parts }: the JSON, and the parts as views. Throws BinaryError. */
export function unpack(message) {
  if (message.length < HEAD) throw new BinaryError(`the message has ${message.length} bytes; its head alone has ${HEAD}`)
  const view = new DataView(message.buffer, message.byteOffset, message.length)
  if (view.getUint32(0, true) !== MAGIC) throw new BinaryError('the message does not begin as one with parts does')
  const count = view.getUint32(8, true)
  if (count > MOST_PARTS) throw new BinaryError(`the message has ${count} parts; at most ${MOST_PARTS} are allowed`)
  const start = HEAD + ROW * count
  const end = start + view.getUint32(4, true)
  if (end > message.length) throw new BinaryError(`the message ends after ${message.length} bytes, before its JSON does`)
  const parts = []
  for (let index = 0; index < count; index++) {
    const offset = Number(view.getBigUint64(HEAD + ROW * index, true))
    const length = Number(view.getBigUint64(HEAD + ROW * index + 8, true))
    if (offset < end || offset % ALIGNMENT || offset + length > message.length) {
      throw new BinaryError(`part ${index} cannot be ${length} bytes at ${offset} of ${message.length}`)
    }
    parts.push(message.subarray(offset, offset + length))
  }
  try {
    return { text: strict.decode(message.subarray(start, end)), parts }
  } catch {
    throw new BinaryError('the JSON of the message is not UTF-8')
  }
}

/** { part, dtype, shape, type } of an object with the key `$binary`. Throws BinaryError when it does not fit its part. */
export function placeOf(found, parts) {
  const { [KEY]: part, dtype, shape, type = '' } = found
  if (!Number.isInteger(part) || part < 0 || part >= parts.length) {
    throw new BinaryError(`an object names the part ${String(part).slice(0, 40)}; the message has ${parts.length}`)
  }
  const where = `part ${part}`
  const allowed = dtype === undefined ? [KEY, 'type'] : [KEY, 'dtype', 'shape']
  if (Object.keys(found).some((key) => !allowed.includes(key))) {
    throw new BinaryError(`${where}: its object has other keys than \`dtype\` and \`shape\`, or \`type\``)
  }
  if (dtype === undefined) {
    if (typeof type !== 'string') throw new BinaryError(`${where}: its type is not a string`)
    return { part, dtype: '', shape: [], type }
  }
  if (typeof dtype !== 'string' || !Object.hasOwn(SIZES, dtype)) {
    throw new BinaryError(`${where}: its dtype must be one of ${Object.keys(SIZES).join(', ')}, not ${String(dtype).slice(0, 40)}`)
  }
  if (!Array.isArray(shape) || shape.length > MOST_DIMENSIONS || !shape.every((one) => Number.isInteger(one) && one >= 0)) {
    throw new BinaryError(`${where}: its shape must be a list of at most ${MOST_DIMENSIONS} whole numbers`)
  }
  if (shape.reduce((product, one) => product * one, SIZES[dtype]) !== parts[part].length) {
    throw new BinaryError(`${where}: ${dtype} [${String(shape).slice(0, 100)}] does not fit the ${parts[part].length} bytes that came`)
  }
  return { part, dtype, shape, type: '' }
}

// Values that travel as parts of a message: typed arrays are arrays, Buffers and ArrayBuffers are opaque bytes.

import { BinaryError, KEY, SIZES, pack, placeOf, unpack } from './binary.mjs'
import { read } from './json.mjs'

const ARRAYS = {
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
  float32: Float32Array, float64: Float64Array,
  bool: Uint8Array, float16: Uint16Array, complex64: Float32Array, complex128: Float64Array, // what has no array of its own
}
const NAMES = new Map(Object.entries(ARRAYS).slice(0, 10).map(([name, kind]) => [kind, name]))
NAMES.set(Uint8ClampedArray, 'uint8')

// --------------------------------------------------------------------------------------------------------- in

/** The value of a message, its parts in their places. Throws BinaryError, and SyntaxError for what is no JSON. */
export function received(message) {
  const { text, parts } = unpack(message)
  const top = [read(text)]
  const waiting = [top]
  const used = new Set()
  while (waiting.length) {
    const holder = waiting.pop()
    for (const [key, inner] of Object.entries(holder)) {
      if (inner === null || typeof inner !== 'object') continue
      if (!Object.hasOwn(inner, KEY)) {
        waiting.push(inner)
        continue
      }
      const place = placeOf(inner, parts)
      if (used.has(place.part)) throw new BinaryError(`part ${place.part} has two places`)
      used.add(place.part)
      Object.defineProperty(holder, key, { value: made(place, parts[place.part]), enumerable: true, writable: true, configurable: true })
    }
  }
  if (used.size !== parts.length) throw new BinaryError(`part ${parts.findIndex((_, index) => !used.has(index))} has no place`)
  return top[0]
}

function made({ dtype, shape, type }, part) {
  if (!dtype) {
    const bytes = Buffer.from(part.buffer, part.byteOffset, part.length)
    return described(bytes, { type, toJSON: () => bytes.toString('base64') })
  }
  const Kind = ARRAYS[dtype]
  const array = new Kind(part.buffer, part.byteOffset, part.length / Kind.BYTES_PER_ELEMENT)
  return described(array, { dtype, shape, toJSON: () => nested(numbersOf(array, dtype), shape) })
}

/** With members that no loop over the elements sees. */
function described(value, members) {
  for (const [name, one] of Object.entries(members)) Object.defineProperty(value, name, { value: one, writable: true, configurable: true })
  return value
}

function numbersOf(array, dtype) {
  if (dtype.startsWith('complex')) throw new TypeError('complex numbers have no JSON form')
  if (dtype === 'bool') return Array.from(array, Boolean)
  return Array.from(array, dtype === 'float16' ? half : undefined)
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = (bits & 1023) / 1024
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return exponent ? sign * (1 + fraction) * 2 ** (exponent - 15) : sign * fraction * 2 ** -14
}

function nested(flat, shape) {
  if (shape.length === 0) return flat[0]
  if (shape.length === 1) return flat
  const [count, ...inner] = shape
  const step = inner.reduce((product, one) => product * one, 1)
  return Array.from({ length: count }, (_, at) => nested(flat.slice(at * step, (at + 1) * step), inner))
}

// -------------------------------------------------------------------------------------------------------- out

/** Whether a value is sent as a part. */
function isBinary(value) {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer
}

/** Whether there is something in it that is sent as a part. A value that contains itself has nothing. */
export function hasParts(value, levels = 0) {
  if (value === null || typeof value !== 'object' || levels > 900) return false
  if (isBinary(value)) return true
  if (Array.isArray(value)) return value.some((one) => hasParts(one, levels + 1))
  if (!isPlain(value)) return false
  for (const key in value) if (hasParts(value[key], levels + 1)) return true
  return false
}

function isPlain(value) {
  const kind = Object.getPrototypeOf(value)
  return (kind === Object.prototype || kind === null) && typeof value.toJSON !== 'function'
}

/** The message, or the JSON text of a value without parts. `write` writes JSON. Throws BinaryError and what `write` does. */
export function sent(value, write) {
  const parts = []
  const text = write(taken(value, parts))
  return parts.length ? pack(text, parts) : text
}

/** A copy with an object in the place of each part. */
function taken(value, parts) {
  if (value === null || typeof value !== 'object' || !hasParts(value)) return value
  if (Array.isArray(value)) return value.map((one) => taken(one, parts))
  if (!isBinary(value)) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, taken(one, parts)]))
  const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  parts.push(bytes)
  const place = { [KEY]: parts.length - 1 }
  const dtype = dtypeOf(value)
  if (!dtype) return typeof value.type === 'string' && value.type ? { ...place, type: value.type } : place
  const count = bytes.length / SIZES[dtype]
  const fits = Array.isArray(value.shape) && value.shape.reduce((product, one) => product * one, 1) === count
  return { ...place, dtype, shape: fits ? value.shape : [count] }
}

/** Empty for opaque bytes. */
function dtypeOf(value) {
  if (Buffer.isBuffer(value) || value instanceof DataView || value instanceof ArrayBuffer) return ''
  const own = NAMES.get(value.constructor) ?? ''
  return ARRAYS[value.dtype] === value.constructor ? value.dtype : own
}

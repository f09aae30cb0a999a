// Answers of a block that leave together: until then they are in the journal, where a death does not lose them.

const SELDOM = 20 // milliseconds between two messages
const MUCH = 1 << 18 // bytes that are not kept back

/** Those of one stream, of one call at a time. */
export class Kept {
  #journal
  #say
  #call = 0
  #sent = 0 // answers to that call that have been sent
  #parts = []
  #count = 0
  #size = 0
  #timer = null

  /** `journal` may be null: then nothing is kept. `say` takes chunks that leave. */
  constructor(journal, say) {
    this.#journal = journal
    this.#say = say
  }

  /** Chunks of a block: they leave now, or soon. */
  take({ keep, ...chunk }) {
    if (chunk.id !== this.#call) {
      this.leave()
      this.#call = chunk.id
      this.#sent = 0
    }
    const lines = Buffer.from(chunk.lines)
    const isKept = keep && this.#size + lines.length <= MUCH && this.#written(lines, chunk.count)
    const before = this.#count
    this.#parts.push(lines)
    this.#count += chunk.count
    this.#size += lines.length
    if (!isKept) this.leave(chunk.failed?.map((at) => before + at))
    else this.#timer ??= setTimeout(() => this.leave(), SELDOM)
  }

  /** All that there is leaves. `failed`: which of them are failures. */
  leave(failed = []) {
    clearTimeout(this.#timer)
    this.#timer = null
    if (this.#count === 0) return
    const lines = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts)
    const chunk = { id: this.#call, lines, count: this.#count, failed }
    this.#sent += this.#count
    this.#parts = []
    this.#count = this.#size = 0
    this.#say(chunk)
  }

  /** The stream has ended. */
  lost() {
    clearTimeout(this.#timer)
    this.#parts = []
    this.#count = 0
    this.#journal?.close()
    this.#journal = null
  }

  #written(lines, count) {
    if (this.#journal === null) return false
    try {
      return this.#journal.add(this.#call, this.#sent, lines, count)
    } catch {
      this.#journal.close()
      this.#journal = null
      return false
    }
  }
}

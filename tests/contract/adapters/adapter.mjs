// What tests/contract calls, in JavaScript.
import process from 'node:process'

let kept = 0
const nap = (seconds, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, seconds * 1000)
  signal?.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason) })
})

export const commands = {
  conformance() {},
  async add({ a, b = 1 }) { return { sum: a + b } },
  echo(args) { return args },
  fail({ message }) { throw new RangeError(message) },
  who() { return process.pid },
  keep({ value }) { kept = value; return kept },
  kept() { return kept },
  async nap({ seconds }, ctx) { await nap(seconds, ctx.signal); return 'slept' },
  burn({ seconds }) { const end = Date.now() + seconds * 1000; while (Date.now() < end) { /* busy */ } return 'burnt' },
  async *count({ n, pause = 0 }, ctx) { for (let i = 0; i < n; i++) { if (pause) await nap(pause, ctx.signal); yield i } },
  *repeat({ value, n }) { for (let i = 0; i < n; i++) { yield i; yield [value, i] } },
  big({ size }) { return 'x'.repeat(size) },
  leave() { process.exit(3) },
  die() { process.kill(process.pid, 'SIGKILL') },
  say({ text }) { console.log(text); return null },
  left(_, ctx) { return ctx.remaining() / 1000 },
  unfit() { return NaN },
  odd({ what }) {
    const circle = { a: [1, {}] }
    circle.a[1].back = circle
    return {
      nan: { scores: [1, 2, NaN], n: null },
      infinity: [{ 'a b': -Infinity }],
      object: { model: Promise.resolve() },
      circle,
      error: { e: new RangeError('no') },
    }[what]
  },
  *odds() { yield 1; yield [NaN] },
  session(_, ctx) { return ctx.session },
  async ask({ command, args, pool }, ctx) {
    try {
      return await ctx.call(command, args, { pool })
    } catch (error) {
      return [error.kind, error.message]
    }
  },
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CallFailedError, VariableNotFoundError } from '../errors.mjs'
import { Requests } from '../requests.mjs'
import { Run } from '../run.mjs'

const CALL = { id: 7, session: 's', timeoutSeconds: 0, creditBytes: 0, cwd: '/', metadata: '{"who":"me"}' }
const ROOM = 1 << 20

function made(call = {}) {
  const said = []
  const bridge = { say: (message) => said.push(message), requests: new Requests(), tools: null }
  const run = new Run({ ...CALL, ...call }, bridge)
  return { said, run, requests: bridge.requests, ctx: run.context() }
}

const tick = () => new Promise(setImmediate)

test('a request is answered once, by its id', async () => {
  const { said, requests, ctx } = made()
  const both = [ctx.session.get('a'), ctx.call('add', { b: 1 }, { pool: 'p' })]
  assert.deepEqual(said.map(({ requests: [{ id, parent, command, pool }] }) => [id, parent, command, pool]),
    [[1, 7, undefined, undefined], [2, 7, 'add', 'p']])
  requests.replied({ id: 2, value: '3' })
  requests.replied({ id: 1, value: '{"type":"float","value":"NaN"}' })
  requests.replied({ id: 1, value: '4' })
  assert.deepEqual(await Promise.all(both), [NaN, 3])
})

test('an error has the class of its kind', async () => {
  const { requests, ctx } = made()
  const found = ctx.session.get('a')
  requests.replied({ id: 1, failure: { name: 'variable_not_found', message: 'no variable `a`', type: '', traceback: '' } })
  await assert.rejects(found, (error) => error instanceof VariableNotFoundError && error.name === 'VariableNotFoundError' &&
    error.kind === 'variable_not_found' && error.reason === 'no variable `a`' && error.message === 'variable_not_found: no variable `a`')
})

test('a cancelled call gives up what it waits for, and asks for no more', async () => {
  const { said, run, ctx } = made()
  const waiting = ctx.session.get('a')
  const changes = ctx.session.watch()
  const change = changes.next()
  run.cancel()
  for (const one of [waiting, change, ctx.call('add')]) await assert.rejects(one, { kind: 'cancelled' })
  assert.deepEqual(said.slice(2).map((one) => one.withdrawals), [[1], [2]])
})

test('all that waits fails with the stream, and later requests of its calls fail at once', async () => {
  const { said, run, requests, ctx } = made()
  const all = [ctx.session.get('a'), ctx.session.streamTool('t').next()]
  requests.lost()
  for (const one of all) await assert.rejects(one, { kind: 'server_restarted' })
  run.silent = true
  run.cancel()
  await assert.rejects(ctx.session.get('a'), { kind: 'server_restarted' })
  await assert.rejects(ctx.session.streamTool('t').next(), { kind: 'server_restarted' })
  assert.equal(said.length, 2)
})

test('a call that is over asks for nothing', async () => {
  const { run, ctx } = made()
  run.settle({ value: 'null' })
  await assert.rejects(ctx.session.get('a'), { kind: 'cancelled' })
})

test('chunks are read in order, and room is granted when half of it is used', async () => {
  const { said, requests, ctx } = made()
  const stream = ctx.session.streamTool('t', {})
  const [{ requests: [{ stream: wanted, creditBytes }] }] = said
  assert.deepEqual([wanted, creditBytes], [true, ROOM])
  const long = 'ü'.repeat(ROOM / 8)
  requests.part({ id: 1, lines: `1\n"${long}"\n` })
  requests.part({ id: 1, lines: `"${long}"\n` })
  requests.replied({ id: 1, value: 'null' })
  const found = []
  for await (const one of stream) found.push(one)
  assert.deepEqual(found, [1, long, long])

  const again = ctx.session.streamTool('t', {})
  requests.part({ id: 2, lines: `"${long}"\n"${long}"\n` })
  await again.next()
  assert.equal(said.length, 2)
  await again.next()
  assert.deepEqual(said[2].credits, [{ id: 2, bytes: ROOM / 2 + 6 }])
})

test('leaving a stream gives it up', async () => {
  const { said, requests, ctx } = made()
  const changes = ctx.session.watch('*')
  requests.part({ id: 1, lines: '{"name":"a"}\n{"name":"b"}\n' })
  for await (const change of changes) {
    assert.equal(change.name, 'a')
    break
  }
  assert.deepEqual(said[1].withdrawals, [1])
})

test('a stream that fails gives what came before', async () => {
  const { requests, ctx } = made()
  const stream = ctx.session.streamTool('t')
  const first = stream.next()
  await tick()
  requests.part({ id: 1, lines: '1\n' })
  requests.replied({ id: 1, failure: { name: 'command_failed', message: 'no', type: 'KeyError', traceback: '' } })
  assert.equal((await first).value, 1)
  await assert.rejects(stream.next(), { kind: 'command_failed', type: 'KeyError' })
  assert.equal((await stream.next()).done, true)
})

test('without a session only global programs can be used', async () => {
  const { said, requests, ctx } = made({ session: '' })
  await assert.rejects(ctx.session.get('a'), { kind: 'session_not_found' })
  assert.throws(() => ctx.session.watch(), CallFailedError)
  const program = ctx.session.programs.get('p', { everywhere: true })
  await tick()
  assert.deepEqual(JSON.parse(said[0].requests[0].query), { op: 'program_get', id: 'p', global: true })
  requests.replied({ id: 1, value: '{"data":5}' })
  assert.equal(await program, 5)
})

test('a session converts to its id as text', () => {
  const { ctx } = made()
  assert.equal(JSON.stringify({ session: ctx.session }), '{"session":"s"}')
  assert.equal(`${ctx.session}`, 's')
  assert.deepEqual(ctx.metadata, { who: 'me' })
})

test('what JSON cannot hold is refused before it is sent', async () => {
  const { said, ctx } = made()
  await assert.rejects(ctx.session.set('a', { deep: [NaN] }), { kind: 'invalid_value', reason: /\$\.value\.deep\[0\] is NaN/ })
  assert.equal(said.length, 0)
})

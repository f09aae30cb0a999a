import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorOf } from '../errors.mjs'
import { Session } from '../session.mjs'
import { Tools } from '../tools.mjs'

function made(answer = async () => null) {
  const told = []
  const asked = []
  const tools = new Tools((change) => told.push(change))
  const ask = (request) => {
    asked.push(JSON.parse(request.query))
    return answer(asked.length)
  }
  return { told, asked, tools, session: new Session({ tools, ask, stream: null }, 's') }
}

test('a tool is described as its function is', async () => {
  const { told, asked, tools, session } = made()
  async function* count({ n, from = 1 }) { yield n + from }
  assert.equal(await session.registerTool('count', count, { description: 'Counts.', metadata: { k: 1 } }), 'count')
  assert.deepEqual(asked[0], {
    op: 'tool_register',
    tools: [{
      name: 'count', description: 'Counts.', streaming: true, metadata: { k: 1 },
      parameters: [{ name: 'n', required: true }, { name: 'from', required: false, default: 1 }],
    }],
  })
  assert.deepEqual(told[0].offered.parameters.map((one) => one.defaultJson), ['', '1'])
  assert.deepEqual([told[0].offered.session, told[0].offered.metadata], ['s', '{"k":1}'])
  assert.equal(tools.get('s', 'count').handler, count)
})

test('one that the server refuses is none, and one that was there stays', async () => {
  const { told, tools, session } = made(async (n) => { if (n !== 2) throw errorOf('already_exists', 'no') })
  await assert.rejects(session.registerTool('a', () => 1), { kind: 'already_exists' })
  assert.equal(tools.get('s', 'a'), undefined)
  const one = () => 1
  await session.registerTool('a', one)
  await assert.rejects(session.registerTool('a', () => 2), { kind: 'already_exists' })
  assert.equal(tools.get('s', 'a').handler, one)
  assert.equal(told.filter((change) => change.offered).length, 1)
})

test('tools end with their session', async () => {
  const { tools, session } = made()
  await session.registerTool('a', () => 1)
  tools.end('s')
  assert.equal(tools.get('s', 'a'), undefined)
})

test('only functions can be tools', async () => {
  await assert.rejects(made().session.registerTool('a', 5), TypeError)
})

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Kept } from '../kept.mjs'
import { fetched, linesOf } from '../references.mjs'
import { Segments } from '../segments.mjs'

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'segments-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true }))
const segments = (name, bytes = 1 << 20) => new Segments({ segments: folder, segmentName: name, segmentBytes: bytes, referenceAbove: 10 })

function reference(name, text) {
  const file = path.join(folder, name)
  fs.writeFileSync(file, text)
  const { dev, ino, size } = fs.statSync(file)
  return { path: file, device: dev, inode: ino, offset: 0, length: size }
}

test('a reference is read as it says, or refused', () => {
  const ref = reference('a', '0123456789\n')
  assert.equal(fetched({ ...ref, offset: 2, length: 3 }).toString(), '234')
  const why = (one) => { try { return fetched(one) && '' } catch (error) { return [error.failure.kind, error.message.slice(one.path.length + 1)] } }
  assert.deepEqual(why({ ...ref, length: 12 }), [9, 'ends before byte 12'])
  assert.deepEqual(why({ ...ref, length: 2 ** 52 }), [9, `ends before byte ${2 ** 52}`])
  assert.deepEqual(why({ ...ref, inode: ref.inode + 1 }), [9, 'is another file by now'])
  assert.deepEqual(why({ ...ref, path: `${folder}/none` }), [9, 'cannot be read: ENOENT'])
  fs.symlinkSync(ref.path, `${folder}/link`)
  assert.deepEqual(why({ ...ref, path: `${folder}/link` }), [9, 'cannot be read: ELOOP'])
  execFileSync('mkfifo', [`${folder}/fifo`])
  assert.deepEqual(why({ ...ref, path: `${folder}/fifo` }), [9, 'is no regular file'])
  assert.equal(linesOf({ linesRef: ref, count: 1 }).length, 11)
  assert.throws(() => linesOf({ linesRef: ref, count: 2 }), /has not 2 lines there any more/)
})

test('segments are lent, used again, and within their room', () => {
  const ours = segments('lend-')
  assert.equal(ours.put(Buffer.from('short')), null)
  const first = ours.put(Buffer.from('a long payload'))
  assert.equal(fetched(first).toString(), 'a long payload')
  const second = ours.put(Buffer.from('another payload'))
  assert.notEqual(second.path, first.path)
  ours.released([first.path, '/no/such'])
  assert.equal(ours.put(Buffer.from('a third payload')).path, first.path)
  assert.equal(ours.put(Buffer.alloc(2 << 20)), null)
  ours.released([first.path, second.path])
  assert.notEqual(ours.put(Buffer.alloc(900_000)), null, 'in the room of what is free')
  ours.lost()
  assert.equal(ours.put(Buffer.from('a long payload')), null)
})

test('answers that are kept back are in the journal, and leave together', async () => {
  const said = []
  const kept = new Kept(segments('kept-').journal(), (chunk) => said.push({ ...chunk, lines: chunk.lines.toString() }))
  const journal = () => fs.readFileSync(`${folder}/kept-journal`)
  kept.take({ id: 7, lines: '1\n2\n', count: 2, failed: [], keep: true })
  kept.take({ id: 7, lines: '3\n', count: 1, failed: [], keep: true })
  assert.deepEqual(said, [])
  assert.deepEqual([0, 8, 16, 24].map((at) => Number(journal().readBigUInt64LE(at))), [7, 0, 3, 6])
  assert.equal(journal().subarray(32).toString(), '1\n2\n3\n')
  kept.take({ id: 7, lines: '{}\n', count: 1, failed: [0], keep: false })
  assert.deepEqual(said, [{ id: 7, lines: '1\n2\n3\n{}\n', count: 4, failed: [3] }])
  kept.take({ id: 7, lines: '5\n', count: 1, failed: [], keep: true })
  assert.deepEqual([0, 8, 16, 24].map((at) => Number(journal().readBigUInt64LE(at))), [7, 4, 1, 2])
  while (said.length < 2) await new Promise(setImmediate)
  assert.equal(said[1].lines, '5\n', 'without anything that follows')
  kept.take({ id: 8, lines: `${'x'.repeat(1 << 18)}\n`, count: 1, failed: [], keep: true })
  assert.equal(said[2].id, 8, 'much is not kept back')
})

test('without a journal nothing is kept back', () => {
  const said = []
  new Kept(segments('none-', 10).journal(), (chunk) => said.push(chunk)).take({ id: 1, lines: '1\n', count: 1, failed: [], keep: true })
  assert.equal(said.length, 1)
})

# frozen_string_literal: true

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__))
require 'minitest/autorun'
require 'fileutils'
require 'tmpdir'
require 'snakepit'
require 'snakepit/runner'

class SegmentsTest < Minitest::Test
  def setup = @folder = Dir.mktmpdir
  def teardown = FileUtils.remove_entry(@folder)

  def segments(room = 1 << 20)
    Snakepit::Segments.new(segments: @folder, segment_name: 'w-', segment_bytes: room, reference_above: 10)
  end

  def reference(text)
    path = "#{@folder}/a"
    File.binwrite(path, text)
    stat = File.stat(path)
    { path: path, device: stat.dev, inode: stat.ino, offset: 0, length: text.bytesize }
  end

  def refused(words, ref)
    error = assert_raises(Snakepit::Refusal) { Snakepit::References.read(ref) }
    assert_equal(:reference_failed, error.kind)
    assert_includes(error.message, words)
  end

  def test_a_reference_is_read_as_it_says_or_refused
    ref = reference("0123456789\n")
    assert_equal('234', Snakepit::References.read({ **ref, offset: 2, length: 3 }))
    assert_equal('', Snakepit::References.read({ **ref, length: 0 }))
    File.symlink(ref[:path], "#{@folder}/link")
    File.mkfifo("#{@folder}/fifo")
    refused('ends before byte 12', { **ref, length: 12 })
    refused('ends before', { **ref, length: (1 << 64) - 1 })
    refused('is another file by now', { **ref, inode: ref[:inode] + 1 })
    refused('No such file', { **ref, path: "#{@folder}/none" })
    refused('cannot be read', { **ref, path: "#{@folder}/link" })
    refused('is no regular file', { **ref, path: "#{@folder}/fifo" })
    refused('is no regular file', { **ref, path: @folder })
    assert_equal(11, Snakepit::References.lines_of({ lines_ref: ref, count: 1 }).bytesize)
    assert_raises(Snakepit::Refusal) { Snakepit::References.lines_of({ lines_ref: ref, count: 2 }) }
  end

  def test_segments_are_lent_used_again_and_within_their_room
    ours = segments
    assert_nil(ours.put('short'))
    first = ours.put('a long payload')
    assert_equal('a long payload', Snakepit::References.read(first))
    second = ours.put('another payload')
    ours.released([first[:path], '/no/such'])
    assert_equal(first[:path], ours.put('a third payload')[:path])
    assert_nil(ours.put('x' * (2 << 20)))
    ours.released([first[:path], second[:path]])
    refute_nil(ours.put('x' * 900_000), 'the room of what is free is room')
    ours.lost
    assert_nil(ours.put('a long payload'))
  end

  def journal
    data = File.binread("#{@folder}/w-journal")
    [data.unpack('Q<4'), data.byteslice(32..)]
  end

  def chunk(lines, call: 7, failed: []) = { id: call, lines: lines, count: lines.count("\n"), failed: failed }

  def test_answers_that_are_kept_back_are_in_the_journal_and_leave_together
    said = Queue.new
    kept = Snakepit::Kept.new(segments.journal)
    take = ->(one, keep: true) { kept.take(one, ->(out) { said << out }, keep: keep) }
    take.call(chunk("1\n2\n"))
    take.call(chunk("3\n"))
    assert_equal([[7, 0, 3, 6], "1\n2\n3\n"], journal)
    take.call(chunk("{}\n", failed: [0]))
    assert_equal({ id: 7, lines: "1\n2\n3\n{}\n", count: 4, failed: [3] }, said.pop)
    take.call(chunk("5\n"))
    assert_equal([7, 4, 1, 2], journal.first)
    assert_equal("5\n", said.pop[:lines], 'without anything that follows')
    take.call(chunk("#{'x' * (1 << 18)}\n", call: 8))
    assert_equal(8, said.pop[:id], 'much is not kept back')
    take.call(chunk("1\n"), keep: false)
    assert_equal(7, said.pop[:id])
    kept.lost
    take.call(chunk("1\n", call: 9))
    assert_equal(9, said.pop[:id], 'without a journal nothing is kept back')
  end
end

# frozen_string_literal: true

require 'snakepit/commands'

module Snakepit
  # Payloads that a message refers to instead of holding them: ranges of files, read as the contract says.
  module References
    FLAGS = File::RDONLY | File::NOFOLLOW | File::NONBLOCK # nothing waits for the writer of a FIFO

    module_function

    # The bytes that it stands for, as they are now. Raises Refusal. Read, not mapped: a file that gets shorter meanwhile
    # would end the process.
    def read(ref)
      File.open(ref[:path], FLAGS) do |file|
        found = file.stat
        refuse(ref, 'is no regular file') unless found.file?
        refuse(ref, 'is another file by now') unless [found.dev, found.ino] == [ref[:device], ref[:inode]]
        # Before room is made for it: a file that has become shorter is no reason to take memory.
        ended(ref) if ref[:offset] + ref[:length] > found.size
        data = ref[:length].zero? ? String.new : file.pread(ref[:length], ref[:offset])
        data.bytesize == ref[:length] ? data : ended(ref)
      end
    rescue EOFError
      ended(ref)
    rescue SystemCallError, ArgumentError, RangeError, NoMemoryError => error
      refuse(ref, "cannot be read: #{error.message}")
    end

    # The items of a block, wherever they are. Raises Refusal.
    def lines_of(block)
      ref = block[:lines_ref] or return block[:lines]
      lines = read(ref)
      return lines if lines.count("\n") == block[:count] && lines.end_with?("\n")

      refuse(ref, "has not #{block[:count]} lines there any more")
    end

    def ended(ref) = refuse(ref, "ends before byte #{ref[:offset] + ref[:length]}")

    def refuse(ref, what) = raise(Refusal.new(:reference_failed, "#{ref[:path].scrub} #{what}"))
  end
end

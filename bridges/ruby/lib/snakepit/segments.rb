# frozen_string_literal: true

module Snakepit
  # Segments of this worker: files in shared memory that hold long answers, so that nobody copies them on their way. Those
  # of one stream to the server; used by any thread.
  class Segments
    SMALLEST = 1 << 16
    STEP = 4 << 20 # bytes by which sizes of large segments differ
    MOST_FREE = 64
    FLAGS = File::RDWR | File::CREAT | File::NOFOLLOW

    Segment = Struct.new(:file, :size, :ref)

    def initialize(welcome)
      folder = welcome[:segments]
      @prefix = folder.empty? ? nil : "#{folder}/#{welcome[:segment_name]}"
      @room = welcome[:segment_bytes]
      @above = welcome[:reference_above]
      @last = @held = 0
      @free = []
      @lent = {}
      @lock = Mutex.new
    end

    # Writes a payload and lends it: the reference. Nil when it is to be sent as bytes.
    def put(payload)
      size = payload.bytesize
      return if size < @above

      @lock.synchronize do
        segment = @prefix && get(size) or return
        write(segment, payload) or return
        @lent[segment.ref[:path]] = segment
        { **segment.ref, length: size }
      end
    end

    # Nobody reads these any more.
    def released(paths)
      @lock.synchronize do
        @free.concat(paths.filter_map { |path| @lent.delete(path) })
        drop(@free.shift) while @free.size > MOST_FREE
      end
    end

    # For answers that are not sent yet; nil when there is no room for one.
    def journal
      @lock.synchronize do
        return if @prefix.nil? || @held + Journal::SIZE > @room

        made = Journal.new(File.open("#{@prefix}journal", FLAGS | File::TRUNC, 0o600))
        @held += Journal::SIZE
        made
      end
    rescue SystemCallError
      nil
    end

    # The stream has ended: the server removes the files.
    def lost
      @lock.synchronize do
        @prefix = nil
        [*@free, *@lent.values].each { |segment| segment.file.close }
        @free = []
        @lent = {}
      end
    end

    private

    # Its room is not reserved: it is not mapped, so shared memory that is full is an error here.
    def write(segment, payload)
      Segments.write(segment.file, payload, 0)
      true
    rescue SystemCallError
      drop(segment)
      nil
    end

    def get(size)
      # Not one that is much larger: a later payload may need that.
      best = @free.select { |one| one.size >= size && one.size <= 4 * [size, SMALLEST].max }.min_by(&:size)
      return @free.delete(best) if best

      rounded = size > STEP ? -(-size / STEP) * STEP : [SMALLEST, 1 << (size - 1).bit_length].max
      drop(@free.shift) while @held + rounded > @room && @free.any?
      made(rounded) if @held + rounded <= @room
    end

    def made(size)
      path = "#{@prefix}#{@last += 1}"
      file = File.open(path, FLAGS | File::EXCL, 0o600)
      stat = file.stat
      @held += size
      Segment.new(file, size, { path: path, device: stat.dev, inode: stat.ino, offset: 0 })
    rescue SystemCallError
      nil
    end

    def drop(segment)
      @held -= segment.size
      segment.file.close
      File.unlink(segment.ref[:path])
    rescue SystemCallError
      nil # the server has removed it
    end

    # All of the bytes, from a position on.
    def self.write(file, bytes, position)
      done = file.pwrite(bytes, position)
      done += file.pwrite(bytes.byteslice(done..), position + done) while done < bytes.bytesize
    end
  end

  # Answers to items that are not sent yet, where the server finds them when this process dies.
  class Journal
    SIZE = 1 << 19
    HEAD = 32

    def initialize(file)
      @file = file
      @about = nil
      @count = @size = 0
    end

    # Adds answers behind those of the same call that are not sent yet; whether there was room. Raises SystemCallError.
    def add(call, sent, lines, count)
      unless @about == [call, sent]
        # The answers that these take the place of must not be taken for them, wherever it ends.
        @about = [call, sent]
        @count = @size = 0
        write_head
      end
      return false if HEAD + @size + lines.bytesize > SIZE

      Segments.write(@file, lines, HEAD + @size)
      @count += count
      @size += lines.bytesize
      write_head
      true
    end

    def close = @file.close

    private

    def write_head = Segments.write(@file, [*@about, @count, @size].pack('Q<4'), 0)
  end
end

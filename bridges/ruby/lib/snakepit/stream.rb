# frozen_string_literal: true

require 'socket'

module Snakepit
  # gRPC over HTTP/2 as a worker needs it: one stream to the gateway over a Unix socket. Messages leave from any thread
  # and arrive in the one that reads. RFC 9113 and the gRPC over HTTP/2 protocol document, as far as that needs them.
  class Stream
    UNAVAILABLE = 14
    DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
    END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
    INITIAL_WINDOW, MAX_FRAME = 4, 5
    WINDOW = (1 << 31) - 1
    REPLENISH = 1 << 29
    LARGEST_FRAME = (1 << 24) - 1
    PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    READ = 1 << 16

    # How the stream ended: a gRPC status code and its text.
    attr_reader :status

    # Raises SystemCallError when no process listens.
    def initialize(path, method)
      @socket = UNIXSocket.new(path)
      @writing = Mutex.new
      @sending = Mutex.new
      @room = ConditionVariable.new
      @windows = Mutex.new
      @window = @stream_window = @initial_window = 65_535
      @max_frame = 16_384
      @unread = 0
      @status = [UNAVAILABLE, 'the stream broke']
      @ended = false
      write(opening(method))
    end

    # A message to the server; waits while it has no room. After the end of the stream it is dropped.
    def send(message)
      data = [0, message.bytesize].pack('CN') << message
      @sending.synchronize do
        at = 0
        while at < data.bytesize
          size = take_room(data.bytesize - at) or return
          write(frame(DATA, 0, 1, at.zero? && size == data.bytesize ? data : data.byteslice(at, size)))
          at += size
        end
      end
    rescue SystemCallError, IOError
      nil # the reading thread sees the end of the stream and reports it
    end

    # Ends the worker's half.
    def close_write
      @sending.synchronize { write(frame(DATA, END_STREAM, 1)) }
    rescue SystemCallError, IOError
      nil
    end

    # Yields each message until there will be no more.
    def each_message(&)
      buffer = String.new(encoding: Encoding::BINARY)
      partial = String.new(encoding: Encoding::BINARY)
      until @ended
        buffer << @socket.readpartial(READ)
        at = 0
        while (length = frame_length(buffer, at))
          payload = buffer.byteslice(at + 9, length)
          kind, flags, number = buffer.byteslice(at + 3, 6).unpack('CCN')
          at += 9 + length
          kind == DATA ? messages(unpadded(payload, flags), partial, &) : control(kind, flags, number, payload)
        end
        buffer = buffer.byteslice(at, buffer.bytesize - at) if at.positive?
      end
    rescue SystemCallError, IOError
      nil
    ensure
      over
    end

    private

    def over
      @ended = true
      @windows.synchronize { @room.broadcast }
      @socket.close
    end

    def frame(kind, flags, number, payload = '')
      head = [payload.bytesize >> 8, payload.bytesize & 255, kind, flags, number].pack('nCCCN')
      head << payload
    end

    # Whole frames only: the reader answers pings and settings in between.
    def write(data)
      @writing.synchronize { @socket.write(data) }
    end

    def literal(name, value)
      [0, name.bytesize, name, value.bytesize, value].pack("CCa#{name.bytesize}Ca#{value.bytesize}")
    end

    # No dynamic header table, no pushes, and all the room there can be.
    def opening(method)
      settings = [1, 0, 2, 0, INITIAL_WINDOW, WINDOW, MAX_FRAME, LARGEST_FRAME].pack('nNnNnNnN')
      fields = { ':method' => 'POST', ':scheme' => 'http', ':path' => method, ':authority' => 'localhost',
                 'te' => 'trailers', 'content-type' => 'application/grpc', 'user-agent' => 'snakepit-ruby' }
      PREFACE.b + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, [WINDOW - 65_535].pack('N')) +
        frame(HEADERS, END_HEADERS, 1, fields.map { |name, value| literal(name, value) }.join)
    end

    def take_room(wanted)
      @windows.synchronize do
        until @ended || (size = [wanted, @window, @stream_window, @max_frame].min).positive?
          @room.wait(@windows)
        end
        return nil if @ended

        @window -= size
        @stream_window -= size
        size
      end
    end

    def frame_length(buffer, at)
      return if buffer.bytesize - at < 9

      length = (buffer.getbyte(at) << 16) | (buffer.getbyte(at + 1) << 8) | buffer.getbyte(at + 2)
      length if buffer.bytesize - at - 9 >= length
    end

    def messages(payload, partial)
      give_room_back(payload.bytesize)
      partial << payload
      at = 0
      while partial.bytesize - at >= 5
        size = partial.byteslice(at + 1, 4).unpack1('N')
        break if partial.bytesize - at - 5 < size

        yield partial.byteslice(at + 5, size)
        at += 5 + size
      end
      partial.replace(partial.byteslice(at, partial.bytesize - at)) if at.positive?
    end

    def give_room_back(size)
      @unread += size
      return if @unread <= REPLENISH

      room = [@unread].pack('N')
      write(frame(WINDOW_UPDATE, 0, 0, room) + frame(WINDOW_UPDATE, 0, 1, room))
      @unread = 0
    end

    def control(kind, flags, number, payload)
      case kind
      when SETTINGS
        if (flags & ACK).zero?
          settings(payload)
          write(frame(SETTINGS, ACK, 0))
        end
      when PING then write(frame(PING, ACK, 0, payload)) if (flags & ACK).zero?
      when WINDOW_UPDATE then widen(number, payload.unpack1('N') & WINDOW)
      when HEADERS then ended(unpadded(payload, flags)) unless (flags & END_STREAM).zero?
      when RST_STREAM, GOAWAY then @ended = true
      end
    end

    def settings(payload)
      payload.unpack('nN' * (payload.bytesize / 6)).each_slice(2) do |name, value|
        @windows.synchronize { @max_frame = value } if name == MAX_FRAME
        next unless name == INITIAL_WINDOW

        widen(1, value - @initial_window)
        @initial_window = value
      end
    end

    def widen(number, size)
      @windows.synchronize do
        number.zero? ? @window += size : @stream_window += size
        @room.broadcast
      end
    end

    # Trailers. The server writes them without compression: a 0, then name and value, each with its length.
    def ended(block)
      fields = {}
      at = 0
      while block.getbyte(at) == 0
        name = block.byteslice(at + 2, block.getbyte(at + 1))
        at += 2 + name.bytesize
        value = block.byteslice(at + 1, block.getbyte(at))
        at += 1 + value.bytesize
        fields[name] = value
      end
      text = (fields['grpc-message'] || '').gsub(/%(\h\h)/) { Regexp.last_match(1).hex.chr }
      @status = [Integer(fields['grpc-status'] || UNAVAILABLE), text.force_encoding(Encoding::UTF_8)]
      @ended = true
    end

    def unpadded(payload, flags)
      (flags & PADDED).zero? ? payload : payload.byteslice(1, payload.bytesize - 1 - payload.getbyte(0))
    end
  end
end

# frozen_string_literal: true

require 'snakepit/answer'

module Snakepit
  # What handlers ask the server for, until it is answered. From any thread.
  class Requests
    LOST = 'the server was lost before the answer came'

    # How many bytes the server takes in a request; nil until it has said so.
    attr_writer :limit

    def initialize(say)
      @say = say
      @limit = nil
      @lock = Mutex.new
      @waiting = {}
      @next = 0
    end

    # The JSON of the answer. Raises CallFailed.
    def ask(run, request)
      inbox = Queue.new
      id = send(run, request, inbox)
      _, result = inbox.pop
      Requests.value(result)
    ensure
      withdraw(id) if id && result.nil?
    end

    # The chunks of the answer.
    def stream(run, request, &shape) = Replies.new(self, run, request, shape)

    # Its id. What comes for it is put into `inbox`: [:part, lines] and at last [:result, result].
    def send(run, request, inbox)
      refuse(run)
      fit(request)
      id = @lock.synchronize { @waiting[@next += 1] = inbox and @next }
      Snakepit.shielded { @say.call({ requests: [{ **request, id: id, parent: run.id }] }) }
      # One that lost() has not seen would wait for an answer to a stream that has ended.
      refuse(run) { @lock.synchronize { @waiting.delete(id) } }
      id
    rescue Cancelled # while it was sent: the caller has no id yet
      withdraw(id) if id
      raise
    end

    def self.grouped(number) = number.to_s.gsub(/(?<=\d)(?=(\d{3})+\z)/, ',')

    def withdraw(id)
      known = @lock.synchronize { @waiting.delete(id) }
      Snakepit.shielded { @say.call({ withdrawals: [id] }) } if known
    end

    def grant(id, bytes)
      waits = @lock.synchronize { @waiting.key?(id) }
      Snakepit.shielded { @say.call({ credits: [{ id: id, bytes: bytes }] }) } if waits
    end

    def answered(result)
      @lock.synchronize { @waiting.delete(result[:id]) }&.push([:result, result])
    end

    def part(chunks)
      @lock.synchronize { @waiting[chunks[:id]] }&.push([:part, chunks[:lines]])
    end

    # The stream to the server has ended, and with it every request.
    def lost
      failure = { name: 'server_restarted', type: '', message: LOST, traceback: '' }
      @lock.synchronize { @waiting.tap { @waiting = {} } }.each_value { |inbox| inbox.push([:result, { failure: failure }]) }
    end

    # Raises CallFailed.
    def self.value(result)
      failure = result[:failure]
      if failure
        error = CallFailed.of(*failure.values_at(:name, :type, :message, :traceback))
        error.wants_json = failure[:wants_json]
        raise error
      end

      result[:value].force_encoding(Encoding::UTF_8)
    end

    private

    # The server would end the stream on a longer one. Raises CallFailed.
    def fit(request)
      size = request.values_at(:args, :query).compact.sum(&:bytesize)
      return if @limit.nil? || size <= @limit

      text = "the request has #{Requests.grouped(size)} bytes; #{Requests.grouped(@limit)} are allowed"
      raise CallFailed.of('invalid_arguments', '', text, '')
    end

    def refuse(run)
      return unless run.silent || run.over

      yield if block_given?
      raise CallFailed.of('server_restarted', '', LOST, '') if run.silent

      raise CallFailed.of('cancelled', '', 'the call within which it was made is over', '')
    end
  end

  # The answer to a request that streams: values as they come. Leaving `each` early gives the request up.
  class Replies
    include Enumerable

    ROOM = 1 << 20 # bytes of values that may be under way or unread

    def initialize(requests, run, request, shape)
      @requests = requests
      @shape = shape || :itself.to_proc
      @inbox = Queue.new
      @ready = []
      @read = 0
      @over = false
      @id = requests.send(run, { **request, stream: true, credit_bytes: ROOM }, @inbox)
    end

    # Raises CallFailed. Without a block it returns an Enumerator.
    def each
      return enum_for(:each) unless block_given?

      while (line = following)
        yield @shape.call(Answer.parse(line))
        grant(line.bytesize + 1)
      end
      self
    ensure
      close if block_given?
    end

    def close
      @ready.clear
      @requests.withdraw(@id) unless @over
      @over = true
    end

    private

    def following
      while @ready.empty?
        return if @over

        kind, what = @inbox.pop
        if kind == :part
          @ready = what.force_encoding(Encoding::UTF_8).split("\n")
        else
          @over = true
          Requests.value(what)
        end
      end
      @ready.shift
    end

    def grant(bytes)
      @read += bytes
      return if @over || @read < ROOM / 2

      @requests.grant(@id, @read)
      @read = 0
    end
  end
end

# frozen_string_literal: true

module Snakepit
  # Answers of bulk work mostly look alike. For those that do, methods are made that write them, in half the time of
  # JSON::State#generate, and to the same effect. What these do not know they leave to it.
  class Known
    MOST = 4 # each costs memory, and time when it is made
    PATIENCE = 8 # answers that none knows before another one is made
    MOST_NAMES = 16
    NAME = /\A[A-Za-z_]\w{0,99}\z/
    UNUSUAL = %r{["\\/\x00-\x1f\x7f]}

    def initialize
      @unwritten = 0
      @shapes = []
      @lock = Mutex.new
    end

    # The JSON of a value, and a line break; nil when it is for `generate`.
    def write(_value) = nil

    # This value could not be written so.
    def learn(value)
      return unless ((@unwritten += 1) % PATIENCE).zero? && value.instance_of?(Hash)

      # Half of it would be worse than nothing.
      Snakepit.shielded { @lock.synchronize { add(value) if @shapes.size < MOST && fit?(value) } }
    end

    private

    def add(value)
      @shapes << value.keys
      singleton_class.class_eval(<<~RUBY, __FILE__, __LINE__ + 1)
        def write(value)
          return unless value.instance_of?(Hash)
          #{@shapes.each_index.map { |number| source(number) }.join}
        end
      RUBY
    end

    # Names that are symbols: a Hash may find texts by what they are, not by what they say.
    def fit?(value)
      value.size.between?(1, MOST_NAMES) && value.each_key.all? { |name| name.instance_of?(Symbol) && NAME.match?(name) } &&
        value.each_value.all? { |one| part(one) }
    end

    def source(number)
      names = @shapes[number]
      same = names.size == 1 ? "value.size == 1 && value.key?(:#{names[0]})" : "value.keys == @shapes[#{number}]"
      parts = names.each_with_index.map do |name, at|
        "v#{at} = value[:#{name}]\nv#{at} = part(v#{at}) or return unless Integer === v#{at}\n"
      end
      text = names.each_with_index.map { |name, at| "\\\"#{name}\\\":\#{v#{at}}" }.join(',')
      "if #{same}\n#{parts.join}return \"{#{text}}\\n\"\nend\n"
    end

    def part(value)
      case value
      when Integer then value
      when nil then 'null'
      when true, false then value.to_s
      when String
        "\"#{value}\"" if value.instance_of?(String) && value.ascii_only? && !UNUSUAL.match?(value)
      end
    end
  end
end

# frozen_string_literal: true

require 'snakepit/describe'
require 'snakepit/known'

module Snakepit
  # What is wrong with a call or an adapter, in the contract's words.
  class Refusal < StandardError
    attr_reader :kind, :type, :trace

    def initialize(kind, message, type: '', trace: '')
      super(message)
      @kind = kind
      @type = type
      @trace = trace
    end

    def self.from(kind, error)
      new(kind, error.message, type: error.class.name.to_s, trace: error.full_message(highlight: false))
    end
  end

  # One command: a public method of the adapter, or a function that is a tool, and how its arguments are handed over.
  class Handler
    CONTEXT = %i[ctx].freeze
    PLAIN = /\A[a-z_]\w*[?!]?\z/

    attr_reader :name, :streaming, :learned

    def initialize(method, facts, name: method.name.to_s, streaming: nil)
      @name = name
      @method = method
      kinds = method.parameters
      @required = kinds.filter_map { |kind, name| name if kind == :keyreq && !CONTEXT.include?(name) }
      @known = kinds.filter_map { |kind, name| name if %i[keyreq key].include?(kind) && !CONTEXT.include?(name) }
      @context = kinds.find { |kind, name| %i[keyreq key].include?(kind) && CONTEXT.include?(name) }&.last
      @positions = kinds.count { |kind, _| %i[req opt].include?(kind) }
      @open = @positions.positive? || kinds.any? { |kind, _| kind == :keyrest }
      @streaming = streaming.nil? ? facts.yields || kinds.any? { |kind, _| kind == :block } : streaming
      @facts = facts
      @learned = Known.new
      quicken if @context.nil? && !@streaming && @positions.zero?
    end

    def spec
      parameters = @known.map do |name|
        { name: name.to_s, required: @required.include?(name), default_json: @facts.defaults[name] || '' }
      end
      { name: @name, summary: @facts.summary, streaming: @streaming, parameters: parameters, open: @open }
    end

    # Raises Refusal when the arguments, a Hash of texts, do not fit.
    def call(args, context, &chunk)
      return @method.call(*[args, context].first(@positions), &chunk) if @positions.positive?

      call_with(args.transform_keys(&:to_sym), context, &chunk)
    end

    # Takes nothing but keywords.
    def keywords? = @positions.zero?

    # As `call`, when it takes nothing but keywords: a Hash of symbols, which is the callee's.
    def call_with(keywords, context, &chunk)
      keywords[@context] = context if @context
      begin
        @method.call(**keywords, &chunk)
      rescue ArgumentError
        check(keywords) # it was ours, unless this finds nothing
        raise
      end
    end

    private

    # A call by name is a third quicker than one of a Method, and written out it makes no copy of the keywords.
    def quicken
      @receiver = @method.receiver
      return unless PLAIN.match?(@method.name) && @receiver.public_method(@method.name) == @method

      singleton_class.class_eval(<<~RUBY, __FILE__, __LINE__ + 1)
        def call_with(keywords, _context, &chunk)
          @receiver.#{@method.name}(**keywords, &chunk)
        rescue ArgumentError
          check(keywords)
          raise
        end
      RUBY
    rescue NameError
      nil # it has no such method any more, or hides it
    end

    def check(keywords)
      missing = @required.reject { |name| keywords.key?(name) }
      unless missing.empty?
        raise Refusal.new(:invalid_arguments, "`#{@name}`: missing argument#{'s' if missing.size > 1} #{listed(missing)}")
      end
      return if @open

      unknown = keywords.keys - @known - [@context]
      return if unknown.empty?

      takes = @known.empty? ? 'it takes none' : "it takes #{listed(@known)}"
      raise Refusal.new(:invalid_arguments, "`#{@name}`: unknown argument#{'s' if unknown.size > 1} #{listed(unknown)}; #{takes}")
    end

    def listed(names) = names.map { |name| "`#{name}`" }.join(', ')
  end

  # A command of an adapter that dispatches by itself: `supported_commands` and `process_command(command, args)`.
  class Dispatched
    attr_reader :name, :streaming, :learned

    def initialize(adapter, name)
      @adapter = adapter
      @name = name.to_s
      @streaming = false
      @learned = Known.new
    end

    def spec = { name: @name, open: true }

    def keywords? = false

    def call(args, _context) = @adapter.process_command(@name, args)
  end

  # An adapter that has been loaded.
  class Commands
    OWN = %i[initialize_worker cleanup capacity session_ended supported_commands process_command].freeze

    attr_reader :adapter

    # Raises Refusal. `reference` is FILE or FILE:Class, seen from `folder`.
    def initialize(reference, folder)
      file, name = reference.match(/\A(.*?)(?::([A-Z][\w:]*))?\z/m).captures
      path = File.expand_path(file, folder)
      raise Refusal.new(:adapter_not_found, "no file #{path}") unless File.file?(path)

      @source = Source.new(path)
      @adapter = instance(pick(loaded(path), name, path))
      @handlers = handlers.to_h { |handler| [handler.name, handler] }
    end

    def capacity
      wanted = Integer(ENV['SNAKEPIT_CAPACITY'] || (@adapter.respond_to?(:capacity) ? @adapter.capacity : 1))
      [wanted, 1].max
    end

    def specs = @handlers.values.map(&:spec)

    # Raises Refusal.
    def find(name)
      @handlers.fetch(name) do
        known = @handlers.keys.sort.join(', ')
        raise Refusal.new(:command_not_found, "no command `#{name}`; this adapter has #{known.empty? ? 'none' : known}")
      end
    end

    private

    # The classes that the file defines; when it has none, those of files beside it that it has loaded.
    def loaded(path)
      before = Object.constants
      folder = File.dirname(path)
      $LOAD_PATH.unshift(folder)
      load(path)
      brought = (Object.constants - before).group_by { |name| Object.const_source_location(name)&.first.to_s }
      own = classes(brought.fetch(path, []))
      own.empty? ? classes(brought.select { |file, _| file.start_with?("#{folder}/") }.values.flatten) : own
    rescue Exception => error
      raise Refusal.from(:adapter_failed, error)
    end

    # An autoload constant is left alone: reading it would load its file.
    def classes(names)
      names.reject { |name| Object.autoload?(name) }.map { |name| Object.const_get(name) }.grep(Class)
    end

    def pick(classes, name, path)
      return Object.const_get(name) if name && Object.const_defined?(name)
      raise Refusal.new(:adapter_not_found, "no class #{name} in #{path}") if name

      found = classes.select { |one| one < Adapter }
      found = classes if found.empty?
      return found.first if found.size == 1

      raise Refusal.new(:adapter_not_found, "#{path} defines no class") if found.empty?

      raise Refusal.new(:adapter_not_found, "#{path} defines several classes (#{found.join(', ')}): add :Class, " \
                                            'or derive one from Snakepit::Adapter')
    end

    def instance(made)
      adapter = made.new
      adapter.initialize_worker if adapter.respond_to?(:initialize_worker)
      adapter
    rescue Exception => error
      raise Refusal.from(:adapter_failed, error)
    end

    def handlers
      if @adapter.respond_to?(:process_command)
        return Array(@adapter.supported_commands).map { |name| Dispatched.new(@adapter, name) }
      end

      names = @adapter.public_methods - OWN
      methods = names.reject { |name| name.match?(/\A_|\W/) }.sort.map { |name| @adapter.method(name) }
      methods.reject { |method| Object.ancestors.include?(method.owner) }.map do |method|
        Handler.new(method, @source.at(method.source_location&.last))
      end
    end
  end
end

# frozen_string_literal: true

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__))
require 'minitest/autorun'
require 'snakepit'
require 'snakepit/answer'
require 'tmpdir'

class CommandsTest < Minitest::Test
  def commands(source, reference = 'it.rb')
    Dir.mktmpdir do |folder|
      File.write(File.join(folder, 'it.rb'), source)
      return Snakepit::Commands.new(reference, folder)
    end
  end

  def refused(kind, &)
    error = assert_raises(Snakepit::Refusal, &)
    assert_equal kind, error.kind
    error.message
  end

  def test_methods_are_described
    found = commands(<<~RUBY).specs.to_h { |spec| [spec[:name], spec] }
      class Described
        # Counts
        # words.
        #
        # At length.
        def count(text:, unit: 'w', least: -1, odd: [unit]) = 1
        def each_one(n:) = n.times { |i| yield i }
        def open(**rest) = rest
        def plain(args, ctx) = args
        def _hidden = 1
        def to_s = 'x'
        private def secret = 1
      end
    RUBY
    assert_equal %w[count each_one open plain to_s], found.keys
    assert_equal 'Counts words.', found['count'][:summary]
    assert_equal ['', '"w"', '-1', ''], found['count'][:parameters].map { |one| one[:default_json] }
    assert_equal [true, false, false, false], found['count'][:parameters].map { |one| one[:required] }
    assert_equal(%w[each_one], found.values.select { |spec| spec[:streaming] }.map { |spec| spec[:name] })
    assert_equal(%w[open plain], found.values.select { |spec| spec[:open] }.map { |spec| spec[:name] })
  end

  def test_arguments_that_do_not_fit_are_named
    handler = commands("class Fits\n def add(a:, b: 1, ctx:) = [a, b, ctx]\nend").find('add')
    assert_equal [1, 1, :context], handler.call({ 'a' => 1 }, :context)
    assert_includes refused(:invalid_arguments) { handler.call({}, nil) }, 'missing argument `a`'
    assert_includes refused(:invalid_arguments) { handler.call({ 'a' => 1, 'x' => 1 }, nil) }, 'unknown argument `x`'
  end

  def test_an_adapter_may_dispatch_by_itself
    found = commands(<<~RUBY)
      class Dispatching
        def supported_commands = %w[ping]
        def process_command(command, args) = [command, args]
      end
    RUBY
    assert_equal ['ping', { 'a' => 1 }], found.find('ping').call({ 'a' => 1 }, nil)
    refused(:command_not_found) { found.find('pong') }
  end

  def test_which_class_is_the_adapter
    commands("class Helper; end\nclass First < Snakepit::Adapter; def f = 1; end").find('f')
    commands("class One1; def one = 1; end\nclass Two2; def two = 2; end", 'it.rb:Two2').find('two')
    assert_includes refused(:adapter_not_found) { commands("class A1; end\nclass B1; end") }, 'several classes'
    refused(:adapter_not_found) { commands('x = 1') }
    refused(:adapter_not_found) { commands('class C1; end', 'it.rb:D1') }
    refused(:adapter_not_found) { commands('class C2; end', 'none.rb') }
    assert_includes refused(:adapter_failed) { commands('class C3; def initialize = raise(IOError, "no")' ' end') }, 'no'
  end

  def test_only_classes_of_the_file_count
    commands("require 'set'\nclass Sets1\n def n(xs:) = Set.new(xs).size\nend").find('n')
    commands("require 'date'\nclass Dates1\n def day = Date.new(2026, 1, 1).to_s\nend").find('day')
    commands("autoload :Never1, '/nowhere'\nclass Lazy1\n def one = 1\nend").find('one')
    commands("autoload :Never2, '/nowhere'\nclass Lazy2\n def one = 1\nend", 'it.rb:Lazy2').find('one')
    commands("File.write(File.join(__dir__, 'own1.rb'), 'class Own1; def f = 1; end'); require_relative 'own1'").find('f')
  end

  def test_what_has_no_json_form_is_named
    assert_equal '{"a":[1,null,"x"]}', Snakepit::Answer.json({ a: [1, nil, :x] }, 'c')
    [Object.new, [Object.new], { a: Float::INFINITY }, "\xff"].each do |value|
      refused(:invalid_result) { Snakepit::Answer.json(value, 'c') }
    end
    assert_includes refused(:invalid_result) { Snakepit::Answer.json('x' * 100, 'c', 120) }, '102 bytes'
  end

  # Called by its name where that is the same.
  def test_a_method_that_is_hidden_later_is_called_all_the_same
    made = Class.new { def add(a:, b: 1) = a + b }
    handlers = [made, Class.new(made) { private :add }].map do |one|
      Snakepit::Handler.new(made.instance_method(:add).bind(one.new), Snakepit::Source::NOTHING)
    end
    handlers.each { |handler| assert_equal(3, handler.call_with({ a: 2 }, nil)) }
    assert_equal([true, false], handlers.map { |handler| handler.singleton_methods.include?(:call_with) })
    handlers.each do |handler|
      error = assert_raises(Snakepit::Refusal) { handler.call_with({ c: 2 }, nil) }
      assert_match(/missing argument `a`/, error.message)
    end
  end
end

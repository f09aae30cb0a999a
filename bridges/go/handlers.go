package snakepit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// refusal is what is wrong with a call, in the contract's words.
type refusal struct {
	kind    kind
	message string
}

func (r refusal) Error() string { return r.message }

func refuse(kind kind, format string, values ...any) error {
	return refusal{kind, fmt.Sprintf(format, values...)}
}

type handler struct {
	spec  commandSpec
	run   answering
	quick func(fixed []byte) quick // of a command; nil when there is no such way
}

var handlers = map[string]handler{}

// Command registers a function as a command. Its arguments are the fields of A, a struct, as encoding/json names them;
// a tag `default:"JSON"`, omitempty or a pointer makes one optional. Or A is a map[string]any and takes whatever comes.
// The result is whatever encoding/json can write. The summary is for people.
func Command[A, R any](name string, function func(*Context, A) (R, error), summary ...string) {
	handlers[name] = plain(name, function, summary)
}

// Stream registers a function whose answer is what it emits. emit waits while the reader is slow, and fails when the
// caller has given up.
func Stream[A any](name string, function func(ctx *Context, args A, emit func(any) error) error, summary ...string) {
	handlers[name] = emitting(name, function, summary)
}

// answering runs a handler: its result is a value, or chunks that it emits.
type answering func(ctx *Context, args []byte, emit func(any) error) (any, error)

func plain[A, R any](name string, function func(*Context, A) (R, error), summary []string) handler {
	args := argumentsOf(name, reflect.TypeOf((*A)(nil)).Elem())
	made := handlerOf(name, args, false, summary, func(ctx *Context, data []byte, _ func(any) error) (any, error) {
		var found A
		if err := args.read(data, &found, ctx.run.parts); err != nil {
			return nil, err
		}
		return function(ctx, found)
	})
	made.quick = quickOf(args, function)
	return made
}

func emitting[A any](name string, function func(*Context, A, func(any) error) error, summary []string) handler {
	args := argumentsOf(name, reflect.TypeOf((*A)(nil)).Elem())
	return handlerOf(name, args, true, summary, func(ctx *Context, data []byte, emit func(any) error) (any, error) {
		var found A
		if err := args.read(data, &found, ctx.run.parts); err != nil {
			return nil, err
		}
		return nil, function(ctx, found, emit)
	})
}

func handlerOf(name string, args *arguments, streaming bool, summary []string, run answering) handler {
	spec := commandSpec{name, strings.Join(summary, " "), streaming, args.parameters, args.open}
	return handler{spec: spec, run: run}
}

func find(name string) (handler, error) {
	if found, ok := handlers[name]; ok {
		return found, nil
	}
	return handler{}, refuse(commandNotFound, "no command `%s`; this adapter has %s", name, strings.Join(names(), ", "))
}

// ----------------------------------------------------------------------------------------------- arguments

// arguments is what is known of the type that takes them.
type arguments struct {
	command    string
	parameters []parameter
	indexes    map[string]int // of the parameters
	open       bool
	numbers    bool   // some numbers have no type, and keep all their digits as json.Number
	defaults   []byte // JSON object; nil when there are none
}

func argumentsOf(command string, typ reflect.Type) *arguments {
	found := &arguments{command: command, indexes: map[string]int{}, numbers: untyped(typ, map[reflect.Type]bool{})}
	if typ.Kind() != reflect.Struct {
		found.open = true
		return found
	}
	var defaults []string
	for at := 0; at < typ.NumField(); at++ {
		one := typ.Field(at)
		name, options, _ := strings.Cut(one.Tag.Get("json"), ",")
		if one.PkgPath != "" || name == "-" {
			continue
		}
		if name == "" {
			name = one.Name
		}
		value, optional := one.Tag.Lookup("default")
		if optional {
			defaults = append(defaults, fmt.Sprintf("%q:%s", name, value))
		}
		optional = optional || one.Type.Kind() == reflect.Ptr || strings.Contains(options, "omitempty")
		found.indexes[name] = len(found.parameters)
		found.parameters = append(found.parameters, parameter{name, one.Type.String(), !optional, value})
	}
	if defaults != nil {
		found.defaults = []byte("{" + strings.Join(defaults, ",") + "}")
	}
	return found
}

// untyped says whether a type holds an `any` somewhere.
func untyped(typ reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[typ] {
		return false
	}
	seen[typ] = true
	switch typ.Kind() {
	case reflect.Interface:
		return true
	case reflect.Map, reflect.Slice, reflect.Array, reflect.Ptr:
		return untyped(typ.Elem(), seen)
	case reflect.Struct:
		for at := 0; at < typ.NumField(); at++ {
			if untyped(typ.Field(at).Type, seen) {
				return true
			}
		}
	}
	return false
}

// read fills a value in. The data may have tokens of these parts.
func (a *arguments) read(data []byte, into any, parts []part) error {
	if err := a.readJSON(data, into); err != nil || parts == nil {
		return err
	}
	value := reflect.ValueOf(into).Elem()
	made, err := filled(value, parts)
	if err != nil {
		return refuse(invalidArguments, "`%s`: %s", a.command, err)
	}
	set(value, made)
	return nil
}

func (a *arguments) readJSON(data []byte, into any) error {
	if a.defaults != nil {
		if err := json.Unmarshal(a.defaults, into); err != nil {
			return fmt.Errorf("the defaults of `%s`: %w", a.command, err)
		}
	}
	var err error
	if a.numbers {
		err = decode(data, into)
	} else {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return refuse(invalidArguments, "`%s`: %s", a.command, strings.TrimPrefix(err.Error(), "json: "))
	}
	if a.open {
		return nil
	}
	return a.check(data)
}

// check refuses what is missing or unknown. The data is valid JSON.
func (a *arguments) check(data []byte) error {
	var few [16]bool
	there := few[:]
	if len(a.parameters) > len(few) {
		there = make([]bool, len(a.parameters))
	}
	for name, rest := nextName(data); name != nil; name, rest = nextName(rest) {
		at, known := a.indexes[string(name)]
		if !known {
			if at, known = a.alike(name); !known {
				return refuse(invalidArguments, "`%s`: unknown argument `%s`; it takes %s", a.command, name, a.known())
			}
		}
		there[at] = true
	}
	for at, one := range a.parameters {
		if one.required && !there[at] {
			return refuse(invalidArguments, "`%s`: missing argument `%s`", a.command, one.name)
		}
	}
	return nil
}

// alike finds a parameter as encoding/json does: whatever the case, and with escapes resolved.
func (a *arguments) alike(name []byte) (int, bool) {
	var text string
	if json.Unmarshal(append(append([]byte{'"'}, name...), '"'), &text) != nil {
		return 0, false
	}
	for at, one := range a.parameters {
		if strings.EqualFold(one.name, text) {
			return at, true
		}
	}
	return 0, false
}

func (a *arguments) known() string {
	names := make([]string, 0, len(a.parameters))
	for _, one := range a.parameters {
		names = append(names, "`"+one.name+"`")
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// nextName is the next name of an object, and what follows its value's beginning. Called with the whole object first,
// then with what was left over; nil at the end.
func nextName(data []byte) (name, rest []byte) {
	depth, value := 0, false
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		data = trimmed[1:]
	} else {
		value = true // we are at the value of the name before
	}
	for at := 0; at < len(data); at++ {
		switch data[at] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			value = value && depth > 0
		case '"':
			end := at + 1
			for end < len(data) && data[end] != '"' {
				if data[end] == '\\' {
					end++
				}
				end++
			}
			if !value && depth == 0 && end < len(data) {
				return data[at+1 : end], data[end+1:]
			}
			at = end
		}
	}
	return nil, nil
}

// decode reads one JSON value and nothing behind it. Numbers for `any` keep all their digits.
func decode(data []byte, into any) error {
	reader := json.NewDecoder(bytes.NewReader(data))
	reader.UseNumber()
	if err := reader.Decode(into); err != nil {
		return err
	}
	if _, err := reader.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON text")
	}
	return nil
}

// object refuses arguments that are none.
func object(data []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return refuse(invalidArguments, "the arguments must be a JSON object")
		}
		return refuse(invalidArguments, "not valid JSON: %s", err)
	}
	if all == nil {
		return refuse(invalidArguments, "the arguments must be a JSON object")
	}
	return nil
}

// encode appends the JSON of a value and a line break.
func encode(into *bytes.Buffer, value any, command string, limit int, nanIsNull bool) error {
	before := into.Len()
	err := write(into, value)
	if err != nil && nanIsNull {
		into.Truncate(before)
		err = writeNull(into, value)
	}
	if err != nil {
		into.Truncate(before)
		if nanIsNull && value != nil {
			value = newStand().finite(reflect.ValueOf(value)).Interface()
		}
		reason := firstRefused(value)
		if reason == "" {
			reason = strings.TrimPrefix(err.Error(), "json: ")
		}
		return refuse(invalidResult, "`%s` returned no JSON: %s", command, reason)
	}
	if size := into.Len() - before; size+overhead > limit {
		into.Truncate(before)
		return tooLarge(command, size, limit)
	}
	return nil
}

func tooLarge(command string, size, limit int) error {
	return refuse(invalidResult, "`%s` returned %d bytes; at most %d fit into a message", command, size, limit-overhead)
}

func write(into *bytes.Buffer, value any) error {
	writer := json.NewEncoder(into)
	writer.SetEscapeHTML(false)
	return writer.Encode(value)
}

// writeNull writes null in the place of NaN and the infinities.
func writeNull(into *bytes.Buffer, value any) error {
	stands := newStand()
	var text bytes.Buffer
	finite := stands.finite(reflect.ValueOf(value))
	if !finite.IsValid() {
		return write(into, nil)
	}
	if err := write(&text, finite.Interface()); err != nil {
		return err
	}
	found := text.Bytes()
	for _, one := range stands.texts {
		found = bytes.ReplaceAll(found, []byte(one), []byte("null"))
	}
	into.Write(found)
	return nil
}

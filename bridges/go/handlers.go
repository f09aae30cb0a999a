package snakepit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sort"
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
	spec commandSpec
	// run answers a call: with a value, or with chunks that it emits.
	run func(ctx *Context, args []byte, emit func(any) error) (any, error)
}

var handlers = map[string]handler{}

// Command registers a function as a command. Its arguments are the fields of A, a struct, as encoding/json names them;
// a tag `default:"JSON"`, omitempty or a pointer makes one optional. Or A is a map[string]any and takes whatever comes.
// The result is whatever encoding/json can write. The summary is for people.
func Command[A, R any](name string, function func(*Context, A) (R, error), summary ...string) {
	args := argumentsOf(name, reflect.TypeOf((*A)(nil)).Elem())
	register(name, args, false, summary, func(ctx *Context, data []byte, _ func(any) error) (any, error) {
		var found A
		if err := args.read(data, &found); err != nil {
			return nil, err
		}
		return function(ctx, found)
	})
}

// Stream registers a function whose answer is whatever it emits. emit waits while the reader is slow, and fails when the
// caller has given up.
func Stream[A any](name string, function func(ctx *Context, args A, emit func(any) error) error, summary ...string) {
	args := argumentsOf(name, reflect.TypeOf((*A)(nil)).Elem())
	register(name, args, true, summary, func(ctx *Context, data []byte, emit func(any) error) (any, error) {
		var found A
		if err := args.read(data, &found); err != nil {
			return nil, err
		}
		return nil, function(ctx, found, emit)
	})
}

func register(
	name string, args *arguments, streaming bool, summary []string,
	run func(*Context, []byte, func(any) error) (any, error),
) {
	handlers[name] = handler{
		commandSpec{name, strings.Join(summary, " "), streaming, args.parameters, args.open}, run,
	}
}

func find(name string) (handler, error) {
	if found, ok := handlers[name]; ok {
		return found, nil
	}
	known := make([]string, 0, len(handlers))
	for one := range handlers {
		known = append(known, one)
	}
	sort.Strings(known)
	return handler{}, refuse(commandNotFound, "no command `%s`; this adapter has %s", name, strings.Join(known, ", "))
}

// ----------------------------------------------------------------------------------------------- arguments

// arguments is what is known of the type that takes them.
type arguments struct {
	command    string
	parameters []parameter
	open       bool
	required   map[int]string // index of the field → name
	defaults   []byte         // JSON object; nil when there are none
}

func argumentsOf(command string, typ reflect.Type) *arguments {
	found := &arguments{command: command, required: map[int]string{}}
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
		if !optional {
			found.required[at] = name
		}
		found.parameters = append(found.parameters, parameter{name, one.Type.String(), !optional, value})
	}
	if defaults != nil {
		found.defaults = []byte("{" + strings.Join(defaults, ",") + "}")
	}
	return found
}

// read fills a value in. Only when a required field is zero afterwards is it asked whether it was there.
func (a *arguments) read(data []byte, into any) error {
	if a.defaults != nil {
		if err := json.Unmarshal(a.defaults, into); err != nil {
			return fmt.Errorf("the defaults of `%s`: %w", a.command, err)
		}
	}
	if err := decode(data, into, !a.open); err != nil {
		return refuse(invalidArguments, "`%s`: %s", a.command, a.words(err))
	}
	value := reflect.ValueOf(into).Elem()
	for at, name := range a.required {
		if value.Field(at).IsZero() && !has(data, name) {
			return refuse(invalidArguments, "`%s`: missing argument `%s`", a.command, name)
		}
	}
	return nil
}

func (a *arguments) words(err error) string {
	text := strings.TrimPrefix(err.Error(), "json: ")
	if name := strings.TrimPrefix(text, "unknown field "); name != text {
		known := make([]string, 0, len(a.parameters))
		for _, one := range a.parameters {
			known = append(known, "`"+one.name+"`")
		}
		if len(known) == 0 {
			known = []string{"none"}
		}
		return fmt.Sprintf("unknown argument `%s`; it takes %s", strings.Trim(name, `"`), strings.Join(known, ", "))
	}
	return text
}

// decode reads one JSON value and nothing behind it. Numbers for `any` keep all their digits.
func decode(data []byte, into any, strict bool) error {
	reader := json.NewDecoder(bytes.NewReader(data))
	reader.UseNumber()
	if strict {
		reader.DisallowUnknownFields()
	}
	if err := reader.Decode(into); err != nil {
		return err
	}
	if _, err := reader.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON text")
	}
	return nil
}

func has(data []byte, name string) bool {
	var all map[string]json.RawMessage
	if json.Unmarshal(data, &all) != nil {
		return false
	}
	for one := range all {
		if strings.EqualFold(one, name) {
			return true
		}
	}
	return false
}

// object refuses arguments that are none.
func object(data []byte) error {
	var all map[string]json.RawMessage
	if err := decode(data, &all, false); err != nil {
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
func encode(into *bytes.Buffer, value any, command string, limit int) error {
	before := into.Len()
	writer := json.NewEncoder(into)
	writer.SetEscapeHTML(false)
	if err := writer.Encode(value); err != nil {
		into.Truncate(before)
		return refuse(invalidResult, "`%s` returned no JSON: %s", command, strings.TrimPrefix(err.Error(), "json: "))
	}
	if size := into.Len() - before; size+overhead > limit {
		into.Truncate(before)
		return refuse(
			invalidResult, "`%s` returned %d bytes; at most %d fit into a message", command, size, limit-overhead)
	}
	return nil
}
